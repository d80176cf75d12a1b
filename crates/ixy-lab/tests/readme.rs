//! What the README of ixy-serve says of QEMU, as it stands there.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod bench;
#[path = "bench/server.rs"]
mod server;

use std::path::Path;
use std::process::Command;

use server::Server;

/// The command of a README that begins with `program`, with the lines that go on with it, up to the dots that stand for more.
fn command(readme: &str, program: &str) -> String {
    let mut lines = readme.lines().skip_while(|line| !line.trim_start().starts_with(program));
    let mut command = String::new();
    for line in &mut lines {
        let more = line.strip_suffix('\\');
        command += more.unwrap_or(line);
        if more.is_none() {
            break;
        }
    }
    let (command, _) = command.split_once(" ...").unwrap_or_else(|| panic!("no dots in: {command}"));
    command.trim().to_owned()
}

#[test]
fn a_machine_has_a_card_of_ixy_serve_with_the_arguments_in_its_readme() {
    let test = "a_machine_has_a_card_of_ixy_serve_with_the_arguments_in_its_readme";
    let Some((parts, programs)) = bench::lab(test) else { return };
    let server = Server::start(&programs, &["a"]);
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../apps/ixy-serve/README.md");
    let command = command(&std::fs::read_to_string(readme).unwrap(), "qemu-system-x86_64");
    assert!(command.contains(r#""/tmp/a""#), "{command}");
    let command = command.replacen("qemu-system-x86_64", &parts.qemu.display().to_string(), 1);
    let command = command.replace("/tmp/a", &server.socket("a").display().to_string());
    // The kernel finds nothing to start from, and so the machine ends.
    let kernel = parts.kernels[0].join("vmlinuz");
    let rest = "-append 'console=ttyS0 panic=-1' -display none -serial stdio -no-reboot </dev/null";
    let script = format!("exec {command} -kernel {} {rest}", kernel.display());
    let output =
        Command::new("timeout").args(["--kill-after=5", "200", "sh", "-c", &script]).output().unwrap();
    let (log, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(errors, "", "QEMU complains");
    assert!(log.contains("0000:01:00.0: [8086:10fb] type 00 class 0x020000"), "{script}: {log}");
    let counted = server.end();
    assert!(
        counted.ends_with(", 0 DMA faults, 0 messages refused, 0 bad descriptors, 1 clients\n"),
        "{counted}"
    );
}
