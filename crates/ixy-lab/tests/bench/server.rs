//! ixy-serve beside a machine, as a user starts it.

use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};

use ixy_lab::Programs;
use rustix::process::{Pid, Signal, kill_process};

/// ixy-serve, killed when this is dropped.
pub(crate) struct Server {
    process: Child,
    out: BufReader<ChildStdout>,
    directory: tempfile::TempDir,
}

impl Server {
    /// Starts it with these sockets, and waits until clients can connect to all of them.
    pub(crate) fn start(programs: &Programs, sockets: &[&str]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mut command = Command::new(programs.server());
        // Those that follow each other are joined by a cable.
        for name in sockets {
            command.arg("--socket").arg(directory.path().join(name));
        }
        command.arg("--stats").env_remove("IXY_LOG").stdin(Stdio::null()).stdout(Stdio::piped());
        let mut process = command.spawn().unwrap();
        let mut out = BufReader::new(process.stdout.take().unwrap());
        for _ in sockets {
            let mut line = String::new();
            out.read_line(&mut line).unwrap();
            assert!(line.starts_with("serving vfio-user:"), "{line}");
        }
        Self { process, out, directory }
    }

    pub(crate) fn socket(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Ends it, and returns what it has counted.
    pub(crate) fn end(mut self) -> String {
        kill_process(Pid::from_child(&self.process), Signal::TERM).unwrap();
        let mut counted = String::new();
        self.out.read_to_string(&mut counted).unwrap();
        assert!(self.process.wait().unwrap().success(), "{counted}");
        counted
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if matches!(self.process.try_wait(), Ok(None)) {
            let _ = self.process.kill();
            let _ = self.process.wait();
        }
    }
}
