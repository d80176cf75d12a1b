//! Programs of other projects for the guest: from packages, with the libraries that they were built with.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{Error, archive::Archive, error::at, image::read};

/// A program that `scripts/vm` downloads for guests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tool {
    /// `ethtool`.
    Ethtool,
    /// DPDK's `dpdk-testpmd`, with its drivers for Intel's cards. It needs an option to load its buffer driver:
    /// `-d /tools/librte_mempool_ring.so`.
    Testpmd,
}

impl Tool {
    /// Its path in the directory of tools.
    fn path(self) -> &'static str {
        match self {
            Self::Ethtool => "usr/sbin/ethtool",
            Self::Testpmd => "usr/bin/dpdk-testpmd",
        }
    }

    /// Libraries that it loads at run time; a version follows each name.
    fn plugins(self) -> &'static [&'static str] {
        match self {
            Self::Ethtool => &[],
            Self::Testpmd => &["librte_mempool_ring.so"],
        }
    }
}

const LIBRARIES: &str = "usr/lib/x86_64-linux-gnu";
const LOADER: &str = "ld-linux-x86-64.so.2";

/// Puts `tools` and their libraries into `/tools`, and a start script for each into `/bin`.
pub(crate) fn add(archive: &mut Archive, root: &Path, tools: &[Tool]) -> Result<(), Error> {
    if tools.is_empty() {
        return Ok(());
    }
    let directory = root.join(LIBRARIES);
    archive.directory("tools");
    archive.file(&format!("tools/{LOADER}"), &read(&directory.join(LOADER))?);
    let mut libraries = BTreeSet::new();
    for tool in tools {
        let program = root.join(tool.path());
        let name = file_name(&program);
        archive.file(&format!("tools/{name}"), &read(&program)?);
        let start = format!("#!/bin/sh\nexec /tools/{LOADER} --library-path /tools /tools/{name} \"$@\"\n");
        archive.file(&format!("bin/{name}"), start.as_bytes());
        libraries.extend(libraries_of(&program, &directory)?);
        for plugin in tool.plugins() {
            archive.file(&format!("tools/{plugin}"), &read(&newest(&directory, plugin)?)?);
        }
    }
    for library in libraries {
        archive.file(&format!("tools/{}", file_name(&library)), &read(&library)?);
    }
    Ok(())
}

/// The libraries in `directory` that the loader there finds for `program`.
fn libraries_of(program: &Path, directory: &Path) -> Result<Vec<PathBuf>, Error> {
    let loader = directory.join(LOADER);
    let output = Command::new(&loader)
        .arg("--library-path")
        .arg(directory)
        .arg("--list")
        .arg(program)
        .output()
        .map_err(at(&loader))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    // `name => /path/to/library (0x7f00)`
    let paths = text.lines().filter_map(|line| line.split_once("=> "));
    let paths: Vec<_> = paths.map(|(_, path)| path.split(" (").next().unwrap_or(path)).collect();
    match paths.is_empty() || paths.iter().any(|path| !path.starts_with('/')) {
        true => Err(at(program)(std::io::Error::other(format!("libraries are missing: {text}")))),
        false => Ok(paths.iter().map(PathBuf::from).filter(|path| *path != loader).collect()),
    }
}

/// The file in `directory` with a name that begins with `name`, followed by the package's version.
fn newest(directory: &Path, name: &str) -> Result<PathBuf, Error> {
    let entries = std::fs::read_dir(directory).map_err(at(directory))?;
    let files = entries.filter_map(|entry| Some(entry.ok()?.path()));
    let file = files.filter(|path| file_name(path).starts_with(name)).max();
    file.ok_or_else(|| at(directory.join(name))(std::io::ErrorKind::NotFound.into()))
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}
