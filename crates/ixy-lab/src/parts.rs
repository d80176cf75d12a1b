//! The parts of machines, and their places.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use crate::{Error, error::at};

/// QEMU, kernels with their modules, and programs for the guest, found or downloaded by `scripts/vm`.
#[derive(Debug, Clone)]
pub struct Parts {
    /// The program that runs machines.
    pub qemu: PathBuf,
    /// A static busybox, for the guest and for unpacking modules here.
    pub busybox: PathBuf,
    /// Optional tools for the guest: a directory with programs and their libraries, laid out as a system.
    pub tools: PathBuf,
    /// The kernels: directories with `vmlinuz` and `modules`. There is at least one.
    pub kernels: Vec<PathBuf>,
}

impl Parts {
    /// Asks `scripts/vm paths`, which never downloads.
    ///
    /// # Errors
    /// [`Error::NotPrepared`] with the command that prepares the lab.
    pub fn find() -> Result<Self, Error> {
        if !cfg!(target_arch = "x86_64") {
            return Err(Error::NotPrepared("the lab's machines are x86-64, and this machine is not".into()));
        }
        let script = repository().join("scripts/vm");
        let output = Command::new(&script).arg("paths").output().map_err(at(&script))?;
        if !output.status.success() {
            return Err(Error::NotPrepared(String::from_utf8_lossy(&output.stderr).trim().into()));
        }
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let paths = |name: &str| -> Vec<PathBuf> {
            let lines = text.lines().filter_map(|line| line.split_once('='));
            lines.filter(|(key, _)| *key == name).map(|(_, path)| path.into()).collect()
        };
        let first = |name: &str| {
            let missing = || Error::NotPrepared(format!("scripts/vm paths names no {name}: {text}"));
            paths(name).into_iter().next().ok_or_else(missing)
        };
        first("kernel")?;
        let kernels = paths("kernel");
        Ok(Self { qemu: first("qemu")?, busybox: first("busybox")?, tools: first("tools")?, kernels })
    }
}

/// The directory of the workspace.
pub(crate) fn repository() -> &'static Path {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    own.parent().and_then(Path::parent).unwrap_or(own)
}
