//! ixy-serve beside a machine, as a user starts it.

use std::{
    io::{BufRead, BufReader, Read},
    path::PathBuf,
    process::{Child, ChildStdout, Command, Stdio},
};

use rustix::process::{Pid, Signal, kill_process};

use crate::{Error, Programs, error::at};

/// An ixy-serve with cards for [`Nic::served`](crate::Nic::served). It is killed on drop.
#[derive(Debug)]
pub struct Server {
    process: Child,
    output: BufReader<ChildStdout>,
    directory: tempfile::TempDir,
}

impl Server {
    /// Starts it with a port at each of these sockets, and waits until clients can connect to all of them. A port
    /// has the wire beside its name, in the syntax of ixy-serve's option `--wire`; a cable joins two successive
    /// ports without one.
    ///
    /// # Errors
    /// The server does not start.
    pub fn start(programs: &Programs, ports: &[(&str, Option<&str>)]) -> Result<Self, Error> {
        let directory = tempfile::tempdir().map_err(at(std::env::temp_dir()))?;
        let program = programs.server();
        let mut command = Command::new(&program);
        for (name, wire) in ports {
            command.arg("--socket").arg(directory.path().join(name));
            command.args(wire.iter().flat_map(|wire| ["--wire", wire]));
        }
        command.arg("--stats").env_remove("IXY_LOG").stdin(Stdio::null()).stdout(Stdio::piped());
        let mut process = command.spawn().map_err(at(&program))?;
        let output = process.stdout.take();
        let output = output.ok_or_else(|| Error::Wire("ixy-serve has no output".into()))?;
        let mut server = Self { process, output: BufReader::new(output), directory };
        for _ in ports {
            let mut line = String::new();
            server.output.read_line(&mut line).map_err(at(&program))?;
            if !line.starts_with("serving vfio-user:") {
                return Err(Error::Wire(format!("ixy-serve did not start: {line}")));
            }
        }
        Ok(server)
    }

    /// The socket of the port `name`.
    #[must_use]
    pub fn socket(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Stops it, and returns its counts.
    ///
    /// # Errors
    /// Its exit status is not zero.
    pub fn end(mut self) -> Result<String, Error> {
        kill_process(Pid::from_child(&self.process), Signal::TERM)
            .map_err(|error| at("ixy-serve")(error.into()))?;
        let mut counted = String::new();
        self.output.read_to_string(&mut counted).map_err(at("ixy-serve"))?;
        let status = self.process.wait().map_err(at("ixy-serve"))?;
        if status.success() {
            Ok(counted)
        } else {
            Err(Error::Wire(format!("ixy-serve: {status}: {counted}")))
        }
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
