//! Tests in their own network namespace, for back ends that are interfaces of the system.

use std::process::Command;

use super::say;

const INSIDE: &str = "IXY_LAB_NAMESPACE";

/// Whether this process was started by [`again`].
pub(crate) fn inside() -> bool {
    std::env::var_os(INSIDE).is_some()
}

/// Runs the test `name` of this program again in its own network namespace; prints a note when it cannot.
pub(crate) fn again(name: &str) {
    let probe = Command::new("unshare").args(["-n", "ip", "tuntap", "add", "probe0", "mode", "tap"]).output();
    if !probe.is_ok_and(|output| output.status.success()) {
        return say(&format!(
            "SKIPPED: {name}: it needs root, a network namespace, /dev/net/tun and the program `ip`\n"
        ));
    }
    let program = std::env::current_exe().unwrap();
    let mut command = Command::new("unshare");
    command.arg("-n").arg(program).args(["--exact", name, "--nocapture", "--test-threads=1"]);
    let output = command.env(INSIDE, "1").output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
    let skipped = text.lines().filter_map(|line| line.split_once("SKIPPED: "));
    skipped.for_each(|(_, line)| say(&format!("SKIPPED: {line}\n")));
}

pub(crate) fn ip(arguments: &str) {
    let output = Command::new("ip").args(arguments.split(' ')).output().unwrap();
    assert!(output.status.success(), "ip {arguments}: {}", String::from_utf8_lossy(&output.stderr));
}
