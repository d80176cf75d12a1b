//! The guest's first and only file system, which the kernel unpacks into memory.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{
    Error, Parts, Programs, Tool, archive::Archive, error::at, modules::Modules, parts::repository, tool,
};

/// The guest's first process: it mounts file systems, loads modules, then runs commands from the second serial
/// port.
const INIT: &str = include_str!("../guest/init");

/// The user scripts in `scripts`.
const SCRIPTS: [&str; 2] = ["bind", "setup-hugepages"];
/// The shell that those scripts need.
const BASH: &str = "/bin/bash";

/// The content of an image beside busybox.
pub(crate) struct Contents<'a> {
    /// Modules that the guest loads at boot.
    pub(crate) modules: &'a [&'a str],
    pub(crate) programs: &'a Programs,
    /// Whether it includes [`SCRIPTS`] and bash.
    pub(crate) scripts: bool,
    pub(crate) tools: &'a [Tool],
    /// The text that a shell prints first.
    pub(crate) welcome: &'a str,
}

/// Builds the image for a machine with `kernel`.
pub(crate) fn build(parts: &Parts, kernel: &Path, contents: &Contents<'_>) -> Result<Vec<u8>, Error> {
    let mut archive = Archive::default();
    for directory in ["bin", "dev", "etc", "modules", "proc", "sys", "tmp"] {
        archive.directory(directory);
    }
    archive.file("init", INIT.as_bytes());
    archive.file("bin/busybox", &read(&parts.busybox)?);
    for (name, file) in &contents.programs.files {
        archive.file(&format!("bin/{name}"), &read(file)?);
    }
    archive.file("etc/motd", contents.welcome.as_bytes());
    if contents.scripts {
        add_scripts(&mut archive)?;
    }
    tool::add(&mut archive, &parts.tools, contents.tools)?;
    let mut order = String::new();
    for module in Modules::below(&kernel.join("modules"), &parts.busybox)?.load_order(contents.modules)? {
        archive.file(&format!("modules/{}.ko", module.name), &module.image);
        order.push_str(&module.name);
        order.push('\n');
    }
    archive.file("modules/order", order.as_bytes());
    Ok(archive.finish())
}

/// Adds `/scripts`, and this machine's bash with its libraries.
fn add_scripts(archive: &mut Archive) -> Result<(), Error> {
    archive.directory("scripts");
    for name in SCRIPTS {
        archive.file(&format!("scripts/{name}"), &read(&repository().join("scripts").join(name))?);
    }
    let mut directories: Vec<PathBuf> = vec!["bin".into()];
    for file in with_libraries(Path::new(BASH))? {
        let place = file.strip_prefix("/").unwrap_or(&file);
        let parents = place.parent().unwrap_or(Path::new("")).ancestors();
        let mut parents: Vec<&Path> = parents.filter(|parent| *parent != Path::new("")).collect();
        parents.reverse();
        for parent in parents {
            if !directories.iter().any(|known| known == parent) {
                archive.directory(&parent.display().to_string());
                directories.push(parent.into());
            }
        }
        archive.file(&place.display().to_string(), &read(&file)?);
    }
    Ok(())
}

/// A program of this machine, and the libraries that its loader would load. Lines such as `name =>
/// /path/to/library (0x7f00)` name them.
fn with_libraries(program: &Path) -> Result<Vec<PathBuf>, Error> {
    let output = Command::new("ldd").arg(program).output().map_err(at("ldd"))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let words = text.lines().filter_map(|line| line.split_whitespace().find(|word| word.starts_with('/')));
    Ok([program.to_owned()].into_iter().chain(words.map(PathBuf::from)).collect())
}

pub(crate) fn read(path: &Path) -> Result<Vec<u8>, Error> {
    fs::read(path).map_err(at(path))
}
