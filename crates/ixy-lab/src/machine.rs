//! The description of a machine before it runs.

use std::{
    fs::{self, File},
    os::unix::process::CommandExt,
    path::PathBuf,
    process::{Command, Stdio},
    time::Duration,
};

use rustix::process::{Signal, set_parent_process_death_signal};

use crate::{Backend, Error, Guest, Nic, Parts, Programs, Tool, error::at, image, permit::Permit};

/// Describes a machine; [`boot`](Self::boot) starts it.
#[derive(Debug, Clone)]
pub struct Machine {
    pub(crate) nics: Vec<Nic>,
    modules: Vec<String>,
    kernel: usize,
    hugepages: u32,
    /// Memory in MiB.
    memory: u32,
    scripts: bool,
    tools: Vec<Tool>,
    arguments: Vec<String>,
    append: String,
    limit: Duration,
}

impl Machine {
    /// A machine without devices that is killed after `limit`: two processors, and 1 GiB of memory with 256 MiB of
    /// it in hugepages of 2 MiB.
    #[must_use]
    pub fn new(limit: Duration) -> Self {
        Self {
            nics: Vec::new(),
            modules: Vec::new(),
            kernel: 0,
            hugepages: 128,
            memory: 1024,
            scripts: false,
            tools: Vec::new(),
            arguments: Vec::new(),
            append: String::new(),
            limit,
        }
    }

    /// Adds a network device.
    #[must_use]
    pub fn nic(mut self, mut nic: Nic) -> Self {
        nic.find_place(&self.nics);
        self.nics.push(nic);
        self
    }

    /// Makes the guest load a kernel module and its dependencies at boot.
    #[must_use]
    pub fn module(mut self, name: &str) -> Self {
        self.modules.push(name.into());
        self
    }

    /// Runs the kernel at `index` of [`Parts::kernels`] instead of the first.
    #[must_use]
    pub fn kernel(mut self, index: usize) -> Self {
        self.kernel = index;
        self
    }

    /// Adds 3 GiB of memory with one hugepage of 1 GiB.
    #[must_use]
    pub fn gibibyte_page(mut self) -> Self {
        // Enough to leave one free gibibyte between the kernel's allocations at both ends.
        self.memory += 3072;
        self.append.push_str(" hugepagesz=1G hugepages=1");
        self
    }

    /// Puts the user scripts into `/scripts`, and this machine's bash to run them.
    #[must_use]
    pub fn scripts(mut self) -> Self {
        self.scripts = true;
        self
    }

    /// Puts a program of another project into the guest's path, with its libraries.
    #[must_use]
    pub fn tool(mut self, tool: Tool) -> Self {
        self.tools.push(tool);
        self
    }

    /// Puts a 48-bit IOMMU between devices and memory. It applies only to virtio devices with `iommu_platform=on`.
    #[must_use]
    pub fn iommu(self) -> Self {
        self.iommu_of(48)
    }

    /// Puts an IOMMU with 39 or 48 bits between devices and memory.
    #[must_use]
    pub fn iommu_of(mut self, bits: u8) -> Self {
        // The kernel's test of its timer behind the IOMMU counts real time, which a busy host does not provide.
        self.append.push_str(" intel_iommu=on no_timer_check");
        self.device(&format!("intel-iommu,intremap=on,caching-mode=on,aw-bits={bits}"))
    }

    /// Puts an AMD IOMMU between devices and memory instead.
    #[must_use]
    pub fn amd_iommu(mut self) -> Self {
        self.append.push_str(" no_timer_check");
        // Without dma-remap, devices do not see mappings that are made later, not even those of the kernel's own
        // drivers.
        self.device("amd-iommu,intremap=on,dma-remap=on")
    }

    /// Adds any device, in the syntax of QEMU's option `-device`.
    #[must_use]
    pub fn device(mut self, device: &str) -> Self {
        self.arguments.extend(["-device".into(), device.into()]);
        self
    }

    /// Starts the machine and waits until its guest accepts scripts. At most two machines of a process run at a
    /// time; this waits for its turn.
    ///
    /// The thread that calls this must live as long as the guest is needed: the machine ends with it.
    ///
    /// # Errors
    /// What is missing, or the guest's output if it did not come up.
    pub fn boot(&self, parts: &Parts, programs: &Programs) -> Result<Guest, Error> {
        let permit = Permit::wait();
        let (mut command, directory) = self.command(parts, programs, None)?;
        let log = directory.path().join("console");
        command.arg("-serial").arg(format!("file:{}", log.display())).args(["-serial", "stdio"]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let errors = log.with_extension("errors");
        command.stderr(File::create(&errors).map_err(at(&errors))?);
        let ports = self.nics.iter().filter(|nic| nic.backend == Backend::Test);
        let ports =
            ports.map(|nic| crate::Port::bind(directory.path(), &nic.name)).collect::<Result<_, _>>()?;
        let child = command.spawn().map_err(at(&parts.qemu))?;
        Guest::new(child, self.nics.clone(), ports, directory, log, self.limit, permit)
    }

    /// Starts the machine with a shell on this process's terminal and waits for its end. The shell prints
    /// `welcome` first.
    ///
    /// # Errors
    /// What is missing.
    pub fn shell(&self, parts: &Parts, programs: &Programs, welcome: &str) -> Result<(), Error> {
        let (mut command, _directory) = self.command(parts, programs, Some(welcome))?;
        // Ctrl-C is for the program in the machine.
        command.args(["-chardev", "stdio,id=shell,signal=off", "-serial", "chardev:shell"]);
        command.status().map_err(at(&parts.qemu)).map(|_| ())
    }

    /// Builds the machine's first file system as a file for QEMU's option `-initrd`. Its shell is on the first
    /// serial port when the kernel is started with `rdinit=/init lab=shell`, and prints `welcome` first.
    ///
    /// # Errors
    /// What is missing.
    pub fn image(&self, parts: &Parts, programs: &Programs, welcome: &str) -> Result<Vec<u8>, Error> {
        let modules: Vec<&str> = self.modules.iter().map(String::as_str).collect();
        let contents = image::Contents {
            modules: &modules,
            programs,
            scripts: self.scripts,
            tools: &self.tools,
            welcome,
        };
        image::build(parts, self.kernel_of(parts)?, &contents)
    }

    fn kernel_of<'a>(&self, parts: &'a Parts) -> Result<&'a PathBuf, Error> {
        let missing =
            || format!("there is no kernel {}: set IXY_VM_KERNELS, run scripts/vm prepare", self.kernel);
        parts.kernels.get(self.kernel).ok_or_else(|| Error::NotPrepared(missing()))
    }

    /// The QEMU command with all arguments except those for serial ports, and a directory for its files.
    fn command(
        &self,
        parts: &Parts,
        programs: &Programs,
        welcome: Option<&str>,
    ) -> Result<(Command, tempfile::TempDir), Error> {
        let directory = tempfile::tempdir().map_err(at(std::env::temp_dir()))?;
        let kernel = self.kernel_of(parts)?;
        let initrd = directory.path().join("initrd");
        let image = self.image(parts, programs, welcome.unwrap_or_default())?;
        fs::write(&initrd, image).map_err(at(&initrd))?;

        let mut command = Command::new(&parts.qemu);
        // SAFETY: prctl(2) may be called between fork and exec.
        unsafe {
            command.pre_exec(|| Ok(set_parent_process_death_signal(Some(Signal::KILL))?));
        }
        command.args(["-nodefaults", "-no-user-config", "-display", "none", "-no-reboot", "-M", "q35"]);
        command.args(["-cpu", "max", "-smp", "2", "-monitor", "none"]);
        command.arg("-m").arg(self.memory.to_string());
        if self.nics.iter().any(Nic::is_served) {
            command.arg("-object");
            command.arg(format!("memory-backend-memfd,id=memory,size={}M,share=on", self.memory));
            command.args(["-machine", "memory-backend=memory"]);
        }
        if kvm_works() {
            command.args(["-accel", "kvm"]);
        }
        command.args(["-accel", "tcg,thread=multi"]);
        command.arg("-kernel").arg(kernel.join("vmlinuz")).arg("-initrd").arg(initrd);
        // On a busy host an emulated processor stands still for longer than a kernel's watchdogs allow a real one.
        let append = format!(
            "console=ttyS0 quiet panic=-1 mitigations=off nosoftlockup rcupdate.rcu_cpu_stall_suppress=1 rdinit=/init \
             hugepages={}{}{}",
            self.hugepages,
            self.append,
            if welcome.is_some() { " lab=shell" } else { "" }
        );
        command.arg("-append").arg(append).args(&self.arguments);
        for (number, nic) in self.nics.iter().enumerate() {
            command.args(nic.arguments(number, directory.path()));
        }
        Ok((command, directory))
    }
}

/// Whether the processor's own virtualisation works. A device node alone does not prove it: a machine that is
/// itself a guest may have one that cannot run guests.
fn kvm_works() -> bool {
    let module = ["kvm_intel", "kvm_amd"].iter().any(|name| PathBuf::from("/sys/module").join(name).exists());
    module && File::options().read(true).write(true).open("/dev/kvm").is_ok()
}
