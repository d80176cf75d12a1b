//! Why a file cannot be opened or made, and what to do about it: [`why_not_open`], [`why_not_create`].

use std::{
    fs,
    io::{self, ErrorKind},
    path::{Path, PathBuf},
};

use rustix::io::Errno;

use crate::shell::quoted;

/// Says why a file cannot be read, and what to do, in words that follow "cannot open PATH: ". `error` is what the
/// system said.
///
/// ```
/// # use std::path::Path;
/// let path = Path::new("/nonexistent/in.pcap");
/// let error = std::fs::File::open(path).unwrap_err();
/// let why = ixy_pcap::why_not_open(path, &error);
/// assert_eq!(why, "the directory /nonexistent does not exist; check the path");
/// ```
pub fn why_not_open(path: &Path, error: &io::Error) -> String {
    if let Some(target) = dangling(path, error) {
        return format!("it is a link to {}, which does not exist; check the link", target.display());
    }
    match (error.kind(), above(path)) {
        (ErrorKind::NotFound, Above::Missing(directory)) => {
            format!("the directory {} does not exist; check the path", directory.display())
        }
        (ErrorKind::NotFound, _) => "it does not exist; check its name".into(),
        (_, Above::File(file)) => format!("{} is a file, not a directory; check the path", file.display()),
        (ErrorKind::PermissionDenied, _) => {
            "you may not read it; run as its owner, or have its owner let you read it".into()
        }
        (ErrorKind::IsADirectory, _) => "it is a directory; name a file in it".into(),
        _ => error.to_string(),
    }
}

/// Says why a file or a socket cannot be made or written, and what to do, in words that follow "cannot create PATH: ".
/// `error` is what the system said.
///
/// ```
/// # use std::path::Path;
/// let path = Path::new("/nonexistent/out.pcap");
/// let error = std::fs::File::create(path).unwrap_err();
/// let why = ixy_pcap::why_not_create(path, &error);
/// assert_eq!(why, "the directory /nonexistent does not exist; create it: mkdir -p /nonexistent");
/// ```
pub fn why_not_create(path: &Path, error: &io::Error) -> String {
    if let Some(target) = dangling(path, error) {
        return format!("it is a link to {}: {}", target.display(), why_not_create(&target, error));
    }
    match (error.kind(), above(path)) {
        (ErrorKind::NotFound, Above::Missing(directory)) => {
            let (name, word) = (directory.display(), quoted(directory));
            format!("the directory {name} does not exist; create it: mkdir -p {word}")
        }
        (_, Above::File(file)) => {
            format!("{} is a file, not a directory; choose another path", file.display())
        }
        (ErrorKind::PermissionDenied, _) if path.exists() => {
            "you may not write to it; choose another file".into()
        }
        (ErrorKind::NotFound | ErrorKind::PermissionDenied, Above::Directory(directory)) => {
            format!(
                "you cannot make files in the directory {}; choose another directory",
                directory.display()
            )
        }
        (ErrorKind::PermissionDenied, Above::Missing(_)) => {
            "you may not enter a directory on the way to it; choose another directory".into()
        }
        (ErrorKind::ReadOnlyFilesystem, _) => {
            "it is on a read-only file system; choose another directory".into()
        }
        (ErrorKind::IsADirectory, _) => "it is a directory; name a file in it".into(),
        _ => match takes_no_more(error) {
            Some(way_out) => format!("{error}; {way_out}"),
            None => error.to_string(),
        },
    }
}

/// The way out when a disk or a file takes no more.
pub(crate) fn takes_no_more(error: &io::Error) -> Option<&'static str> {
    match error.kind() {
        ErrorKind::StorageFull => Some("make room, or write to another disk"),
        ErrorKind::QuotaExceeded => Some("delete files of yours there, or write to another disk"),
        ErrorKind::FileTooLarge => Some(
            "raise the limit (ulimit -f unlimited), write to a file system that takes longer files, or record less",
        ),
        _ if is_broken(error) => Some("see dmesg for what is wrong with the disk, and write to another one"),
        _ => None,
    }
}

/// Whether a disk failed to read or write.
pub(crate) fn is_broken(error: &io::Error) -> bool {
    error.raw_os_error() == Some(Errno::IO.raw_os_error())
}

/// What is where the directory of a path should be.
enum Above<'p> {
    Directory(&'p Path),
    /// The first file on the way.
    File(&'p Path),
    Missing(&'p Path),
}

/// The directory of a path.
pub(crate) fn parent(path: &Path) -> &Path {
    let directory = path.parent().filter(|directory| !directory.as_os_str().is_empty());
    directory.unwrap_or(Path::new("."))
}

/// The path at the end of a chain of symbolic links, whether something is there or not.
pub(crate) fn followed(path: &Path) -> PathBuf {
    let mut path = path.to_path_buf();
    // As many as the system follows (path_resolution(7)).
    for _ in 0..40 {
        let Ok(target) = fs::read_link(&path) else { break };
        path.set_file_name(target);
    }
    path
}

/// Where the link at `path` leads, if the system found nothing there.
fn dangling(path: &Path, error: &io::Error) -> Option<PathBuf> {
    let target = followed(path);
    // A chain without an end is another error.
    (error.kind() == ErrorKind::NotFound && target != path && !target.is_symlink()).then_some(target)
}

fn above(path: &Path) -> Above<'_> {
    let directory = parent(path);
    if directory.is_dir() {
        return Above::Directory(directory);
    }
    // What is at the path itself is not on the way to it.
    let file = directory.ancestors().find(|above| above.exists() && !above.is_dir());
    file.map_or(Above::Missing(directory), Above::File)
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};

    use super::*;

    #[test]
    fn a_path_that_cannot_be_used_is_explained_with_a_way_out() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path().to_str().unwrap();
        let at = |name: &str| format!("{dir}/{name}");
        fs::write(at("file"), "x").unwrap();
        let open = |path: &str| {
            let mut file = File::open(path).map_err(|error| why_not_open(Path::new(path), &error))?;
            let read = io::Read::read(&mut file, &mut [0]);
            read.map_err(|error| why_not_open(Path::new(path), &error))
        };
        let create = |path: &str| {
            File::create(path).map(drop).map_err(|error| why_not_create(Path::new(path), &error))
        };
        let directory = format!("the directory {dir}/none does not exist");
        let file = format!("{dir}/file is a file, not a directory");
        for (path, to_open, to_create) in [
            (
                "none/x",
                format!("{directory}; check the path"),
                format!("{directory}; create it: mkdir -p {dir}/none"),
            ),
            ("file/x", format!("{file}; check the path"), format!("{file}; choose another path")),
            ("file/x/y", format!("{file}; check the path"), format!("{file}; choose another path")),
            (
                ".",
                "it is a directory; name a file in it".into(),
                "it is a directory; name a file in it".into(),
            ),
        ] {
            assert_eq!(open(&at(path)), Err(to_open), "{path}");
            assert_eq!(create(&at(path)), Err(to_create), "{path}");
        }
        assert_eq!(open(&at("none")), Err("it does not exist; check its name".into()));
        let proc = "you cannot make files in the directory /proc; choose another directory";
        assert_eq!(create("/proc/ixy"), Err(proc.into()));
    }

    #[test]
    fn a_command_that_makes_a_directory_has_its_name_in_quotes_where_it_needs_them() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("no dir/out.pcap");
        let why = why_not_create(&path, &File::create(&path).unwrap_err());
        let name = directory.path().join("no dir").display().to_string();
        assert_eq!(why, format!("the directory {name} does not exist; create it: mkdir -p '{name}'"));
    }

    #[test]
    fn a_link_that_leads_nowhere_is_explained_by_where_it_leads() {
        let directory = tempfile::tempdir().unwrap();
        let [link, target] = ["link", "none/target"].map(|name| directory.path().join(name));
        std::os::unix::fs::symlink("none/target", &link).unwrap();
        let none = directory.path().join("none").display().to_string();
        assert_eq!(
            why_not_create(&link, &File::create(&link).unwrap_err()),
            format!(
                "it is a link to {}: the directory {none} does not exist; create it: mkdir -p {none}",
                target.display()
            )
        );
        assert_eq!(
            why_not_open(&link, &File::open(&link).unwrap_err()),
            format!("it is a link to {}, which does not exist; check the link", target.display())
        );
    }

    /// Root may do everything, so the system's answer is made up.
    #[test]
    fn a_lack_of_rights_is_explained_with_a_way_out() {
        let dir = tempfile::tempdir().unwrap();
        let (there, new) = (dir.path().join("there"), dir.path().join("new"));
        fs::write(&there, "x").unwrap();
        let denied = ErrorKind::PermissionDenied.into();
        assert!(why_not_open(&there, &denied).starts_with("you may not read it; run as its owner"));
        assert_eq!(why_not_create(&there, &denied), "you may not write to it; choose another file");
        let text = format!(
            "you cannot make files in the directory {}; choose another directory",
            dir.path().display()
        );
        assert_eq!(why_not_create(&new, &denied), text);
        let read_only = ErrorKind::ReadOnlyFilesystem.into();
        assert!(why_not_create(&new, &read_only).contains("read-only file system; choose another directory"));
    }
}
