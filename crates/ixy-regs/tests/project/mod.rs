//! Builds a source file of the tests as a crate of its own, which depends on ixy-regs and nothing else.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs, io};

/// Builds `source` in release as a crate of type `kind`, and returns the target directory.
///
/// # Errors
/// The compiler's messages, a line for each: file, line, column, message.
pub(crate) fn build(name: &str, source: &str, kind: &str, flags: &[&str]) -> Result<PathBuf, String> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let project = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let manifest = format!(
        "[package]\nname = {name:?}\nversion = \"0.0.0\"\nedition = \"2024\"\n\n\
         [lib]\npath = {:?}\ncrate-type = [{kind:?}]\n\n[dependencies]\nixy-regs = {{ path = {here:?} }}\n\n\
         [profile.release]\ncodegen-units = 1\npanic = \"abort\"\n\n[workspace]\n",
        here.join(source),
    );
    prepare(&project, &manifest, &here.join("../../Cargo.lock")).map_err(|error| error.to_string())?;
    // One directory for all such crates, so that their dependencies are built once.
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("target");
    let output = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args([
            "rustc",
            "--release",
            "--lib",
            "--offline",
            "--quiet",
            "--message-format=short",
            "--manifest-path",
        ])
        .arg(project.join("Cargo.toml"))
        .arg("--target-dir")
        .arg(&target)
        .arg("--")
        .args(flags)
        .output()
        .map_err(|error| format!("cannot run cargo: {error}"))?;
    if output.status.success() {
        Ok(target)
    } else {
        Err(String::from_utf8_lossy(&output.stderr).into_owned())
    }
}

fn prepare(project: &Path, manifest: &str, lock: &Path) -> io::Result<()> {
    fs::create_dir_all(project)?;
    let path = project.join("Cargo.toml");
    if fs::read_to_string(&path).ok().as_deref() != Some(manifest) {
        fs::write(path, manifest)?;
    }
    // The workspace's versions are downloaded already, so this works without a network.
    if lock.exists() {
        fs::copy(lock, project.join("Cargo.lock"))?;
    }
    Ok(())
}
