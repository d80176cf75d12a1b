//! The programs that run in the guest.

use std::{
    env,
    io::IsTerminal,
    path::PathBuf,
    process::{Command, Stdio},
    sync::OnceLock,
};

use crate::{Error, error::at, parts::repository};

/// The programs in the guest's path.
const NAMES: [&str; 4] = ["ixy-fwd", "ixy-pktgen", "ixy-dump", "ixy-info"];
/// Examples of crates that tests have in its path, too.
const EXAMPLES: [(&str, &str); 3] =
    [("ixy-net", "pass_checksums"), ("ixy-dma", "hugepages"), ("ixy-pci", "vfio")];

/// The program that serves devices to a machine, on the host.
const SERVER: &str = "ixy-serve";

const TARGET: &str = "x86_64-unknown-linux-gnu";

/// The project's programs as static executables, which need no other files.
#[derive(Debug, Clone)]
pub struct Programs {
    /// Names in the guest, and their files.
    pub(crate) files: Vec<(String, PathBuf)>,
    /// The directory of the build.
    directory: PathBuf,
}

impl Programs {
    /// No programs, for guests that run only other projects' programs.
    #[must_use]
    pub fn none() -> Self {
        Self { files: Vec::new(), directory: PathBuf::new() }
    }

    /// The path of ixy-serve, which runs beside the machine and serves devices of
    /// [`Nic::served`](crate::Nic::served).
    pub fn server(&self) -> PathBuf {
        self.directory.join(SERVER)
    }

    /// Builds the programs, once a process, with overflow checks and debug assertions on.
    ///
    /// # Errors
    /// [`Error::Build`] with cargo's output.
    pub fn build() -> Result<Self, Error> {
        static BUILT: OnceLock<Result<Programs, String>> = OnceLock::new();
        BUILT
            .get_or_init(|| build(&EXAMPLES, false).map_err(|error| error.to_string()))
            .clone()
            .map_err(Error::Build)
    }

    /// Like [`build`](Self::build), but without the examples, which only tests run. If standard error is a terminal,
    /// cargo shows its progress there.
    ///
    /// # Errors
    /// [`Error::Build`] with cargo's output, unless that was shown.
    pub fn build_for_people() -> Result<Self, Error> {
        build(&[], std::io::stderr().is_terminal())
    }
}

fn build(examples: &[(&str, &str)], shown: bool) -> Result<Programs, Error> {
    let target = env::var_os("CARGO_TARGET_DIR").map_or_else(|| repository().join("target"), PathBuf::from);
    let target = repository().join(target).join("lab");
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(&cargo);
    command.current_dir(repository()).args(["build", "--locked", "--target", TARGET, "--target-dir"]);
    command.arg(&target).args((!shown).then_some("--quiet"));
    command.args(NAMES.iter().chain([&SERVER]).flat_map(|name| ["--package", name, "--bin", name]));
    command.args(examples.iter().flat_map(|(package, name)| ["--package", package, "--example", name]));
    // An explicit target keeps the flags from build scripts and macros, which cannot be static.
    command.env("RUSTFLAGS", "-C target-feature=+crt-static").env_remove("CARGO_ENCODED_RUSTFLAGS");
    for (setting, value) in [("OPT_LEVEL", "1"), ("DEBUG", "0"), ("STRIP", "debuginfo")] {
        command.env(format!("CARGO_PROFILE_DEV_{setting}"), value);
    }
    if shown {
        command.stderr(Stdio::inherit());
    }
    let output = command.stdin(Stdio::null()).output().map_err(at(PathBuf::from(cargo)))?;
    if !output.status.success() {
        let why =
            if shown { "cargo's messages are above".into() } else { String::from_utf8_lossy(&output.stderr) };
        return Err(Error::Build(why.into_owned()));
    }
    let directory = target.join(TARGET).join("debug");
    let programs = NAMES.iter().map(|name| ((*name).into(), directory.join(name)));
    let examples = examples.iter().map(|(_, name)| ((*name).into(), directory.join("examples").join(name)));
    Ok(Programs { files: programs.chain(examples).collect(), directory })
}
