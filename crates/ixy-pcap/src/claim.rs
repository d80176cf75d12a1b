//! The files and sockets that a program is to use, compared before one of them is opened: [`Claim`].

use std::{
    fs::{self, File, Metadata},
    io,
    os::{
        fd::AsFd,
        unix::fs::{FileTypeExt, MetadataExt},
    },
    path::{Path, PathBuf},
};

use rustix::{
    fs::{FileType, OFlags, fcntl_getfl, fstat, makedev},
    io::Errno,
};

use crate::place::{followed, parent};

/// A file that a program is to read or to write, or a socket that it is to use, and the argument that says so.
///
/// A program that opens several files first checks that none of them spoils another: a capture that is read must not
/// be emptied to write another one, and two captures must not end up in one file or pipe. Files are compared by
/// device and inode, so that links, `/dev/stdout` and `./` make no difference.
///
/// ```
/// use ixy_pcap::Claim;
///
/// let claims = [Claim::reads("--pcap /tmp/a.pcap", "/tmp/a.pcap"), Claim::writes("-w /tmp/./a.pcap", "/tmp/./a.pcap")];
/// let clash = Claim::check(&claims).unwrap_err();
/// assert_eq!(
///     clash.to_string(),
///     "--pcap /tmp/a.pcap reads the file that -w /tmp/./a.pcap would overwrite: write to another file"
/// );
/// ```
#[derive(Debug, Clone)]
pub struct Claim {
    by: String,
    path: PathBuf,
    what: Use,
}

/// What a path is for.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Use {
    Read,
    Write,
    /// The socket of a served device.
    Device,
    /// The socket of a cable between two processes.
    Cable,
}

impl Use {
    fn is_socket(self) -> bool {
        matches!(self, Self::Device | Self::Cable)
    }
}

impl Claim {
    /// `by`, such as an argument, reads `path`; `-` is standard input.
    pub fn reads(by: impl Into<String>, path: impl Into<PathBuf>) -> Self {
        Self { by: by.into(), path: path.into(), what: Use::Read }
    }

    /// `by` writes `path`; `-` is standard output.
    pub fn writes(by: impl Into<String>, path: impl Into<PathBuf>) -> Self {
        Self { by: by.into(), path: path.into(), what: Use::Write }
    }

    /// `by` serves a device at the socket `path`, or connects to a served one.
    pub fn device(by: impl Into<String>, path: impl Into<PathBuf>) -> Self {
        Self { by: by.into(), path: path.into(), what: Use::Device }
    }

    /// `by` is one end of a cable at the socket `path`.
    pub fn cable(by: impl Into<String>, path: impl Into<PathBuf>) -> Self {
        Self { by: by.into(), path: path.into(), what: Use::Cable }
    }

    /// Refuses two claims that cannot both be met: a file that is written and also read or written a second time, a
    /// pipe with two uses, a socket with another use. Devices such as `/dev/null`, which keep nothing, may have several.
    /// A socket may have several uses of the same kind.
    ///
    /// # Errors
    /// The first two such claims.
    pub fn check(claims: &[Self]) -> Result<(), Clash> {
        let spots: Vec<Spot> = claims.iter().map(Self::spot).collect();
        for (n, (claim, spot)) in claims.iter().zip(&spots).enumerate() {
            for (earlier, other) in claims.iter().zip(&spots).take(n) {
                if let Some(what) = claim.clashes(spot, earlier, other) {
                    return Err(Clash::of(earlier, claim, what));
                }
            }
        }
        Ok(())
    }

    fn is_stream(&self) -> bool {
        self.path.as_os_str() == "-" && !self.what.is_socket()
    }

    fn spot(&self) -> Spot {
        match (self.is_stream(), self.what == Use::Write) {
            (false, _) => Spot::of(&self.path),
            (true, true) => Spot::of_stream(io::stdout()),
            (true, false) => Spot::of_stream(io::stdin()),
        }
    }

    /// What both claims are for, if they clash.
    fn clashes(&self, spot: &Spot, other: &Self, other_spot: &Spot) -> Option<What> {
        if self.what.is_socket() || other.what.is_socket() {
            return (self.what != other.what && spot == other_spot).then_some(What::Socket);
        }
        let (writes, alike) = ([self.what, other.what].contains(&Use::Write), self.what == other.what);
        let both_streams = alike && self.is_stream() && other.is_stream();
        if !both_streams && spot != other_spot {
            return None;
        }
        let clash = match spot {
            _ if both_streams => true,
            Spot::New(_) | Spot::There { kind: Kind::File, .. } => writes,
            Spot::There { kind: Kind::Pipe, .. } => true,
            // It has two directions.
            Spot::There { kind: Kind::Socket, .. } => alike,
            Spot::There { kind: Kind::Other, .. } | Spot::Unknown => false,
        };
        let stream = alike && (self.is_stream() || other.is_stream());
        clash.then_some(match spot {
            _ if stream => What::Stream,
            Spot::There { kind: Kind::Pipe | Kind::Socket, .. } => What::Pipe,
            _ => What::File,
        })
    }
}

/// Whether two paths lead to the same file or socket, or would if it were made, whatever their spelling.
pub fn same_place(one: &Path, other: &Path) -> bool {
    let (one, other) = (Spot::of(one), Spot::of(other));
    !matches!(one, Spot::Unknown) && one == other
}

/// Whether a file that is open at `path` is the standard output: the path is `-`, or another name of the same pipe or
/// regular file, such as `/dev/stdout`.
pub fn is_stdout(path: &Path) -> bool {
    let out = Spot::of_stream(io::stdout());
    // All programs share a device such as /dev/null, but it keeps nothing.
    let keeps = matches!(out, Spot::There { kind: Kind::File | Kind::Pipe | Kind::Socket, .. });
    path.as_os_str() == "-" || keeps && Spot::of(path) == out
}

/// Whether the process was started without a standard output.
///
/// The runtime of Rust then opens /dev/null for reading and writing in its place, which a shell does not do for
/// `>/dev/null`. Some launchers do (`subprocess.DEVNULL` of Python).
pub fn stdout_is_closed() -> bool {
    let stdout = io::stdout();
    let is_null = fstat(&stdout).is_ok_and(|found| {
        let kind = FileType::from_raw_mode(found.st_mode);
        kind == FileType::CharacterDevice && found.st_rdev == makedev(1, 3)
    });
    match fcntl_getfl(&stdout) {
        Ok(flags) => is_null && flags & OFlags::RWMODE == OFlags::RDWR,
        Err(error) => error == Errno::BADF,
    }
}

/// Two claims that cannot both be met. The text names both, and says what to do.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{0}")]
pub struct Clash(String);

/// What both claims are for.
#[derive(Debug, Clone, Copy)]
enum What {
    File,
    Pipe,
    Stream,
    /// It is a socket for one of them at least.
    Socket,
}

impl Clash {
    fn of(one: &Claim, other: &Claim, what: What) -> Self {
        let writes = one.what == Use::Write;
        let both = match (what, writes) {
            (What::Socket, _) => {
                let (one, other) = (&one.by, &other.by);
                return Self(format!(
                    "{one} and {other} are at the same path: give one of them another path"
                ));
            }
            (What::File, _) => "the same file",
            (What::Pipe, _) => "the same pipe",
            (What::Stream, true) => "standard output",
            (What::Stream, false) => "standard input",
        };
        if one.what == other.what {
            let verb = if writes { "write to" } else { "read" };
            let (one, other) = (&one.by, &other.by);
            return Self(format!("{one} and {other} both {verb} {both}: give one of them a file of its own"));
        }
        let (reader, writer) = if writes { (&other.by, &one.by) } else { (&one.by, &other.by) };
        if reader == writer {
            return Self(format!("{reader} reads {both} that it writes to: write to another file"));
        }
        let (what, would) = match what {
            What::File => ("file", "overwrite"),
            What::Pipe | What::Stream | What::Socket => ("pipe", "write to"),
        };
        Self(format!("{reader} reads the {what} that {writer} would {would}: write to another file"))
    }
}

/// Where a path leads.
#[derive(Debug, PartialEq)]
enum Spot {
    There {
        device: u64,
        inode: u64,
        kind: Kind,
    },
    /// Nothing is there yet: its directory, without links in it, and its name.
    New(PathBuf),
    Unknown,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    File,
    Pipe,
    Socket,
    /// A device that keeps nothing, or a directory.
    Other,
}

impl Spot {
    fn of(path: &Path) -> Self {
        match fs::metadata(path) {
            Ok(found) => Self::There { device: found.dev(), inode: found.ino(), kind: Kind::of(&found) },
            Err(_) => {
                let path = followed(path);
                let directory = parent(&path).canonicalize();
                match (directory, path.file_name()) {
                    (Ok(directory), Some(name)) => Self::New(directory.join(name)),
                    _ => Self::New(path),
                }
            }
        }
    }

    fn of_stream(stream: impl AsFd) -> Self {
        let found = stream.as_fd().try_clone_to_owned().and_then(|stream| File::from(stream).metadata());
        let there =
            |found: Metadata| Self::There { device: found.dev(), inode: found.ino(), kind: Kind::of(&found) };
        found.map_or(Self::Unknown, there)
    }
}

impl Kind {
    fn of(found: &Metadata) -> Self {
        let kind = found.file_type();
        match () {
            () if kind.is_file() || kind.is_block_device() => Self::File,
            () if kind.is_fifo() => Self::Pipe,
            () if kind.is_socket() => Self::Socket,
            () => Self::Other,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    /// Checks two claims; each is `r` or `w`, and a path.
    fn clash(dir: &Path, one: (char, &str), other: (char, &str)) -> Option<String> {
        let claim = |(how, name): (char, &str)| {
            let path = if name == "-" || name.starts_with('/') { name.into() } else { dir.join(name) };
            if how == 'r' { Claim::reads(name, path) } else { Claim::writes(name, path) }
        };
        Claim::check(&[claim(one), claim(other)]).err().map(|clash| clash.to_string())
    }

    #[test]
    fn a_file_that_is_written_has_no_other_use_under_any_name() {
        let directory = tempfile::tempdir().unwrap();
        let dir = directory.path();
        fs::write(dir.join("old"), "x").unwrap();
        fs::hard_link(dir.join("old"), dir.join("hard")).unwrap();
        symlink("old", dir.join("soft")).unwrap();
        symlink("new", dir.join("dangling")).unwrap();
        fs::create_dir(dir.join("sub")).unwrap();
        for (one, other) in [
            ("old", "old"),
            ("old", "hard"),
            ("soft", "hard"),
            ("old", "./old"),
            ("new", "new"),
            ("new", "sub/../new"),
            ("dangling", "new"),
        ] {
            for (a, b) in [(one, other), (other, one)] {
                let found = clash(dir, ('r', a), ('w', b)).unwrap();
                let why = if a == b { "the same file that it writes" } else { "would overwrite" };
                assert!(found.contains(why), "{a} {b}: {found}");
                assert!(clash(dir, ('w', a), ('r', b)).is_some(), "{a} {b}");
                let found = clash(dir, ('w', a), ('w', b)).unwrap();
                assert!(found.contains("both write to the same file"), "{a} {b}: {found}");
                assert_eq!(clash(dir, ('r', a), ('r', b)), None, "{a} {b}: two can read one file");
            }
        }
        for (one, other) in [("old", "new"), ("new", "sub/new"), ("none/a", "none/b")] {
            assert_eq!(clash(dir, ('w', one), ('w', other)), None, "{one} {other}");
        }
    }

    #[test]
    fn a_pipe_has_one_use_and_a_device_that_keeps_nothing_has_many() {
        let directory = tempfile::tempdir().unwrap();
        let pipe = directory.path().join("pipe");
        let kind = FileType::Fifo;
        rustix::fs::mknodat(rustix::fs::CWD, &pipe, kind, 0o600.into(), 0).unwrap();
        for (one, other, why) in [
            (('w', "pipe"), ('w', "./pipe"), "both write to the same pipe"),
            (('r', "pipe"), ('r', "./pipe"), "both read the same pipe"),
            (('r', "pipe"), ('w', "./pipe"), "reads the pipe that ./pipe would write to"),
            (('w', "-"), ('w', "-"), "both write to standard output"),
            (('r', "-"), ('r', "-"), "both read standard input"),
        ] {
            let found = clash(directory.path(), one, other).unwrap();
            assert!(found.contains(why), "{one:?} {other:?}: {found}");
        }
        for how in ['r', 'w'] {
            assert_eq!(clash(directory.path(), ('w', "/dev/null"), (how, "/dev/null")), None);
        }
    }

    #[test]
    fn a_path_is_a_socket_of_one_kind_or_a_file() {
        let directory = tempfile::tempdir().unwrap();
        let dir = directory.path();
        let _listener = std::os::unix::net::UnixListener::bind(dir.join("there")).unwrap();
        for path in [dir.join("there"), dir.join("./new"), "-".into()] {
            let clash =
                |one: Claim, other: Claim| Claim::check(&[one, other]).map_err(|clash| clash.to_string());
            let why = Err("a and b are at the same path: give one of them another path".into());
            assert_eq!(clash(Claim::device("a", &path), Claim::cable("b", &path)), why, "{path:?}");
            assert_eq!(clash(Claim::cable("a", &path), Claim::cable("b", &path)), Ok(()), "it has two ends");
            let files: [fn(&str, &Path) -> Claim; 2] =
                [|by, path| Claim::reads(by, path), |by, path| Claim::writes(by, path)];
            for file in files {
                let expected = if path == Path::new("-") { Ok(()) } else { why.clone() };
                assert_eq!(clash(file("a", &path), Claim::device("b", &path)), expected, "{path:?}");
                assert_eq!(clash(Claim::cable("a", &path), file("b", &path)), expected, "{path:?}");
            }
        }
    }

    #[test]
    fn sockets_that_are_there_and_that_are_not_are_the_same_under_any_name() {
        let directory = tempfile::tempdir().unwrap();
        let dir = directory.path();
        let _listener = std::os::unix::net::UnixListener::bind(dir.join("there")).unwrap();
        assert!(same_place(&dir.join("there"), &dir.join("./there")));
        assert!(same_place(&dir.join("new"), &dir.join("../").join(dir.file_name().unwrap()).join("new")));
        assert!(!same_place(&dir.join("there"), &dir.join("new")));
    }
}
