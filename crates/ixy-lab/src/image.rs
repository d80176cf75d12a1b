//! The guest's first and only file system, which the kernel unpacks into memory.

use std::{fs, path::Path};

use crate::{Error, Parts, Programs, archive::Archive, error::at, modules::Modules};

/// The first process of the guest: mounts, loads modules, then does what it is told over the second serial port.
const INIT: &str = include_str!("../guest/init");

/// The image for a machine with `kernel`, which loads `modules` at its start.
pub(crate) fn build(
    parts: &Parts,
    kernel: &Path,
    modules: &[&str],
    programs: &Programs,
) -> Result<Vec<u8>, Error> {
    let mut archive = Archive::default();
    for directory in ["bin", "dev", "etc", "modules", "proc", "sys", "tmp"] {
        archive.directory(directory);
    }
    archive.file("init", INIT.as_bytes());
    archive.file("bin/busybox", &read(&parts.busybox)?);
    for (name, file) in &programs.files {
        archive.file(&format!("bin/{name}"), &read(file)?);
    }
    let mut order = String::new();
    for module in Modules::below(&kernel.join("modules"), &parts.busybox)?.load_order(modules)? {
        archive.file(&format!("modules/{}.ko", module.name), &module.image);
        order.push_str(&module.name);
        order.push('\n');
    }
    archive.file("modules/order", order.as_bytes());
    Ok(archive.finish())
}

fn read(path: &Path) -> Result<Vec<u8>, Error> {
    fs::read(path).map_err(at(path))
}
