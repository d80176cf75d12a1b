//! A tree of plain files in place of `/`, and programs that see nothing else.
#![allow(dead_code, reason = "each test file uses its part")]

use std::fs;
use std::io::Write;
use std::os::unix::fs::{FileExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

pub(crate) const CARD: &str = "0000:03:00.0";

pub(crate) struct Tree {
    root: tempfile::TempDir,
}

/// The end of a program: exit code, standard output, standard error.
pub(crate) type Ended = (i32, String, String);

impl Tree {
    /// A tree without devices, and without free hugepages.
    pub(crate) fn new() -> Self {
        let tree = Self { root: tempfile::tempdir().unwrap() };
        fs::create_dir_all(tree.path("sys/bus/pci/devices")).unwrap();
        tree.hugepages(0);
        tree
    }

    /// Sets the number of 2 MiB hugepages, all of them free.
    pub(crate) fn hugepages(&self, count: u32) {
        for file in ["nr_hugepages", "free_hugepages"] {
            self.write(format!("sys/kernel/mm/hugepages/hugepages-2048kB/{file}"), format!("{count}\n"));
        }
    }

    /// A tree with an 82599 at [`CARD`] that is bound to ixgbe, in IOMMU group 12, with an interface eth7 that is
    /// down.
    pub(crate) fn with_card() -> Self {
        let tree = Self::new();
        tree.add(CARD, "0x8086", "0x10fb", "0x020000");
        tree.bind(CARD, "ixgbe");
        tree.group(CARD, 12, "identity");
        tree.interface(CARD, "eth7", false);
        tree
    }

    pub(crate) fn path(&self, below: impl AsRef<Path>) -> PathBuf {
        self.root.path().join(below)
    }

    pub(crate) fn device(&self, address: &str) -> PathBuf {
        self.path("sys/bus/pci/devices").join(address)
    }

    /// Writes a file, and creates its directories.
    pub(crate) fn write(&self, below: impl AsRef<Path>, contents: impl AsRef<[u8]>) {
        let path = self.path(below);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, contents).unwrap();
    }

    pub(crate) fn read(&self, below: impl AsRef<Path>) -> String {
        fs::read_to_string(self.path(below)).unwrap_or_default()
    }

    /// Adds a device with 512 KiB of registers in memory, which it decodes.
    pub(crate) fn add(&self, address: &str, vendor: &str, device: &str, class: &str) {
        let directory = self.device(address);
        let number =
            |text: &str| u16::from_str_radix(text.trim_start_matches("0x"), 16).unwrap().to_le_bytes();
        let mut config = [number(vendor), number(device), [6, 0], [0x10, 0]].concat();
        config.resize(256, 0);
        let resource = "0x00000000f0000000 0x00000000f007ffff 0x0000000000140204\n";
        for (name, contents) in [
            ("vendor", vendor.as_bytes()),
            ("device", device.as_bytes()),
            ("class", class.as_bytes()),
            ("numa_node", b"-1"),
            ("resource", resource.as_bytes()),
            ("config", &config),
            ("driver_override", b"(null)\n"),
        ] {
            self.write(directory.join(name), contents);
        }
        fs::File::create(directory.join("resource0")).unwrap().set_len(524_288).unwrap();
    }

    /// Writes bytes to a file of a device.
    pub(crate) fn poke(&self, address: &str, file: &str, offset: u64, bytes: &[u8]) {
        let file = fs::File::options().write(true).open(self.device(address).join(file)).unwrap();
        file.write_all_at(bytes, offset).unwrap();
    }

    pub(crate) fn driver(&self, name: &str) {
        for file in ["bind", "unbind"] {
            self.write(format!("sys/bus/pci/drivers/{name}/{file}"), "");
        }
    }

    pub(crate) fn bind(&self, address: &str, driver: &str) {
        self.driver(driver);
        let link = self.device(address).join("driver");
        let _ = fs::remove_file(&link);
        symlink(format!("../../drivers/{driver}"), link).unwrap();
    }

    pub(crate) fn group(&self, address: &str, number: u32, kind: &str) {
        let group = self.path(format!("sys/kernel/iommu_groups/{number}"));
        self.write(group.join("type"), format!("{kind}\n"));
        fs::create_dir_all(group.join("devices")).unwrap();
        symlink(self.device(address), group.join("devices").join(address)).unwrap();
        symlink(group, self.device(address).join("iommu_group")).unwrap();
    }

    /// Adds an interface, or changes it.
    pub(crate) fn interface(&self, address: &str, name: &str, up: bool) {
        let directory = self.device(address).join("net").join(name);
        let contents = if up { ["0x1003", "up", "1", "10000"] } else { ["0x1002", "down", "0", "-1"] };
        for (file, contents) in ["flags", "operstate", "carrier", "speed"].iter().zip(contents) {
            self.write(directory.join(file), format!("{contents}\n"));
        }
    }

    pub(crate) fn default_route(&self, interface: &str) {
        let head = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n";
        let route = format!("{interface}\t00000000\t0100000A\t0003\t0\t0\t0\t00000000\t0\t0\t0\n");
        let net = "eth9\t0000000A\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n";
        self.write("proc/net/route", format!("{head}{net}{route}"));
    }

    /// Every file below the root with its contents, and every link with its target.
    pub(crate) fn contents(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let (mut all, mut directories) = (Vec::new(), vec![self.root.path().to_owned()]);
        while let Some(directory) = directories.pop() {
            for entry in fs::read_dir(directory).unwrap().map(|entry| entry.unwrap()) {
                let (path, kind) = (entry.path(), entry.file_type().unwrap());
                if kind.is_dir() {
                    directories.push(path);
                } else if kind.is_symlink() {
                    let target = fs::read_link(&path).unwrap().to_string_lossy().into_owned();
                    all.push((path, target.into_bytes()));
                } else {
                    let contents = fs::read(&path).unwrap();
                    all.push((path, contents));
                }
            }
        }
        all.sort();
        all
    }

    /// Runs a program that sees this tree; a run of more than half a minute hangs.
    pub(crate) fn run(&self, program: impl AsRef<Path>, args: &[&str]) -> Ended {
        let mut command = Command::new("timeout");
        command.args(["-s", "KILL", "30"]).arg(program.as_ref()).args(args);
        self.ended(&mut command)
    }

    /// Runs a program without root's rights, with a limit of locked memory in KiB; a test that runs as root gives
    /// up its rights. `last` changes the tree right before. `None`, after a note, where user 65534 cannot run it.
    pub(crate) fn unprivileged(
        &self,
        program: impl AsRef<Path>,
        memlock: &str,
        args: &[&str],
        variables: &[(&str, &str)],
        last: impl FnOnce(&Self),
    ) -> Option<Ended> {
        let mut command = Command::new("sh");
        let give_up = if is_root() { "setpriv --reuid=65534 --regid=65534 --clear-groups" } else { "" };
        let script = format!("ulimit -l {memlock} && exec {give_up} \"$@\"");
        command.args(["-c", &script, "sh"]).arg(program.as_ref()).args(args);
        command.envs(variables.iter().copied());
        if is_root() {
            // Other users may read the directory and the program.
            assert!(
                Command::new("chmod").args(["-R", "a+rX"]).arg(self.path("")).status().unwrap().success()
            );
            let reachable = Command::new("setpriv")
                .args(["--reuid=65534", "--regid=65534", "--clear-groups"])
                .arg(program.as_ref())
                .arg("--help")
                .output();
            if !reachable.is_ok_and(|output| output.status.success()) {
                let why = "SKIPPED: a run without root: setpriv is missing, or user 65534 cannot reach the program\n";
                std::io::stderr().write_all(why.as_bytes()).unwrap();
                return None;
            }
        }
        last(self);
        Some(self.ended(&mut command))
    }

    pub(crate) fn ended(&self, command: &mut Command) -> Ended {
        command.env("IXY_ROOT", self.root.path()).env_remove("IXY_LOG").stdin(Stdio::null());
        let output = command.output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (output.status.code().unwrap_or(-1), text(output.stdout), text(output.stderr))
    }
}

/// Whether this process is root.
pub(crate) fn is_root() -> bool {
    Command::new("id").arg("-u").output().unwrap().stdout == b"0\n"
}
