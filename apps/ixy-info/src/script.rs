//! The scripts that messages name, for users without a clone of the repository: [`Script`].

use std::path::Path;

/// The choices of `--script`.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
pub(crate) enum Script {
    /// Gives cards to vfio-pci, and back to the kernel
    Bind,
    /// Reserves hugepages
    SetupHugepages,
}

impl Script {
    /// The whole text of the script.
    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::Bind => include_str!("../scripts/bind"),
            Self::SetupHugepages => include_str!("../scripts/setup-hugepages"),
        }
    }
}

/// How to get the scripts in `text`, unless they are below the working directory.
pub(crate) fn hint(text: &str) -> Option<String> {
    let missing = ["bind", "setup-hugepages"].into_iter().find(|name| {
        let path = format!("scripts/{name}");
        text.contains(&path) && !Path::new(&path).exists()
    })?;
    Some(format!(
        "\nscripts/{missing} is in ixy's repository. This makes it here:\n  \
         mkdir -p scripts; ixy-info --script {missing} > scripts/{missing}; chmod +x scripts/{missing}\n"
    ))
}
