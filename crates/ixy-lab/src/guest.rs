//! A running machine.

use std::{
    fs,
    io::{Read, Write},
    path::PathBuf,
    process::{Child, ChildStdout},
    sync::{Arc, Condvar, Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};

use crate::{Error, Nic, Port, error::at, permit::Permit};

/// The byte that ends a script for the guest.
const END: u8 = 1;

/// A running machine. It is killed on drop, whatever it does.
#[derive(Debug)]
pub struct Guest {
    child: Child,
    nics: Vec<Nic>,
    ports: Vec<Port>,
    directory: tempfile::TempDir,
    log: PathBuf,
    output: Arc<Output>,
    /// The number of bytes of output read so far.
    seen: usize,
    start: Instant,
    limit: Duration,
    _permit: Permit,
}

/// The guest's output on its second serial port so far.
#[derive(Debug, Default)]
struct Output {
    text: Mutex<Text>,
    more: Condvar,
}

#[derive(Debug, Default)]
struct Text {
    bytes: Vec<u8>,
    ended: bool,
}

impl Guest {
    pub(crate) fn new(
        mut child: Child,
        nics: Vec<Nic>,
        ports: Vec<Port>,
        directory: tempfile::TempDir,
        log: PathBuf,
        limit: Duration,
        permit: Permit,
    ) -> Result<Self, Error> {
        let output = Arc::new(Output::default());
        if let Some(stdout) = child.stdout.take() {
            let output = Arc::clone(&output);
            thread::spawn(move || output.collect(stdout));
        }
        let start = Instant::now();
        let mut guest =
            Self { child, nics, ports, directory, log, output, seen: 0, start, limit, _permit: permit };
        guest.wait_for("LAB: ready\n", "its start")?;
        Ok(guest)
    }

    /// Runs a shell script in the guest and returns its output. All scripts run in the same shell, so variables
    /// persist, and so do background jobs, which must not print to the shell's output.
    ///
    /// # Errors
    /// [`Error::Script`] when its status is not zero, or the machine's time limit.
    pub fn run(&mut self, script: &str) -> Result<String, Error> {
        match self.status_of(script)? {
            (0, output) => Ok(output),
            (status, output) => Err(Error::Script { script: script.into(), status, output }),
        }
    }

    /// Like [`run`](Self::run), for scripts that may fail: returns the status and the output.
    ///
    /// # Errors
    /// The machine's time limit, or a machine that ended.
    pub fn status_of(&mut self, script: &str) -> Result<(i32, String), Error> {
        let mut bytes = script.as_bytes().to_vec();
        bytes.push(END);
        if let Some(stdin) = &mut self.child.stdin {
            stdin.write_all(&bytes).and_then(|()| stdin.flush()).map_err(at("the guest's serial port"))?;
        }
        let output = self.wait_for("LAB: status ", &format!("`{script}`"))?;
        let status = self.wait_for("\n", "a status")?;
        Ok((status.trim().parse().unwrap_or(-1), output))
    }

    /// Takes the test's end of the device `name`; works once.
    ///
    /// # Errors
    /// There is no such device, or its end was taken before.
    pub fn port(&mut self, name: &str) -> Result<Port, Error> {
        let index = self.ports.iter().position(|port| port.name() == name);
        let index = index.ok_or_else(|| Error::Wire(format!("no port {name}, or it is taken")))?;
        let port = self.ports.swap_remove(index);
        port.connect(self.directory.path())?;
        Ok(port)
    }

    /// The PCI address of the device `name`, as the guest's kernel found it.
    ///
    /// # Errors
    /// The guest has no such device.
    pub fn address(&mut self, name: &str) -> Result<String, Error> {
        let nic = self.nics.iter().find(|nic| nic.name == name);
        let nic = nic.ok_or_else(|| Error::Wire(format!("no device {name}")))?;
        let root = nic.root_address();
        if !nic.behind_port {
            return Ok(root);
        }
        let path = format!("/sys/bus/pci/devices/{root}");
        let address = self.run(&format!("cd {path} && ls -d 0000:*:00.0; cd /tmp"))?;
        Ok(address.trim().into())
    }

    /// The time since its start.
    #[must_use]
    pub fn age(&self) -> Duration {
        self.start.elapsed()
    }

    /// The kernel's output on the console so far.
    #[must_use]
    pub fn kernel_log(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.log).unwrap_or_default()).replace('\r', "")
    }

    /// Waits for the output `end`, and returns the output before it since the last call.
    fn wait_for(&mut self, end: &str, what: &str) -> Result<String, Error> {
        let mut text = self.output.text.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            let new = text.bytes.get(self.seen..).unwrap_or_default();
            if let Some(length) = new.windows(end.len()).position(|window| window == end.as_bytes()) {
                let found = String::from_utf8_lossy(&new[..length]).replace('\r', "");
                self.seen += length + end.len();
                return Ok(found);
            }
            let left = self.limit.saturating_sub(self.start.elapsed());
            if text.ended || left.is_zero() {
                let printed = String::from_utf8_lossy(new).into_owned();
                drop(text);
                return Err(self.failure(what, &printed));
            }
            let waited = self.output.more.wait_timeout(text, left);
            text = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn failure(&self, what: &str, printed: &str) -> Error {
        let errors = fs::read_to_string(self.log.with_extension("errors")).unwrap_or_default();
        let all = [self.kernel_log(), errors, printed.replace('\r', "")].concat();
        let lines: Vec<&str> = all.lines().collect();
        let console = lines[lines.len().saturating_sub(60)..].join("\n");
        if self.start.elapsed() >= self.limit {
            Error::TimeLimit { what: what.into(), limit: self.limit, console }
        } else {
            Error::Ended { what: what.into(), console }
        }
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Output {
    /// Collects the output until QEMU is gone.
    fn collect(&self, mut from: ChildStdout) {
        let mut buffer = [0; 4096];
        loop {
            let count = from.read(&mut buffer).unwrap_or(0);
            let mut text = self.text.lock().unwrap_or_else(PoisonError::into_inner);
            text.bytes.extend(&buffer[..count]);
            text.ended = count == 0;
            self.more.notify_all();
            if count == 0 {
                return;
            }
        }
    }
}
