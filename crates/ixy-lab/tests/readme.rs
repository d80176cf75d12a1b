//! The commands about virtual machines in README files and `scripts/vm`, run as they are written.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod harness;

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use ixy_lab::Server;

/// The block of commands in a README that contains `word`, in shell syntax.
fn commands(readme: &str, word: &str) -> String {
    let blocks = readme.split("\n\n").filter(|block| block.lines().all(|line| line.starts_with("    ")));
    let block = blocks.into_iter().find(|block| block.contains(word));
    block.unwrap_or_else(|| panic!("README has no commands with {word}")).to_owned()
}

/// Runs a script in the repository that starts a machine with a shell, sends the shell these lines once it is
/// ready, and returns the machine's output.
fn machine(script: &str, lines: &str) -> String {
    let mut command = Command::new("timeout");
    command.args(["--kill-after=5", "600", "bash", "-euc", script]);
    command.current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../.."));
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut process = command.spawn().unwrap();
    let mut input = process.stdin.take().unwrap();
    let mut log = String::new();
    let mut output = BufReader::new(process.stdout.take().unwrap());
    while output.read_line(&mut log).unwrap() > 0 {
        if log.ends_with("ends it.\r\n") || log.ends_with("ends the machine.\r\n") {
            // The shell reads its input from here on; earlier input would be lost.
            std::thread::sleep(std::time::Duration::from_secs(2));
            write!(input, "{lines}\npoweroff -f\n").unwrap();
        }
    }
    let output = process.wait_with_output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    let errors =
        errors.trim_start_matches("vm: building the programs for the machine, some minutes the first time\n");
    assert_eq!(errors, "", "complaints of {script}: {log}");
    log.replace('\r', "")
}

#[test]
fn the_commands_in_the_readme_of_ixy_serve_start_a_machine_with_its_card() {
    let test = "the_commands_in_the_readme_of_ixy_serve_start_a_machine_with_its_card";
    let Some((_, programs)) = harness::lab(test) else { return };
    let server = Server::start(&programs, &[("a", Some("flood"))]).unwrap();
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../apps/ixy-serve/README.md");
    let script = commands(&std::fs::read_to_string(readme).unwrap(), "vfio-user-pci");
    assert!(script.contains(r#""/tmp/a""#), "{script}");
    let script = script.replace("/tmp/a", &server.socket("a").display().to_string());
    // The parts are there already and need no download.
    let script = script.replace("scripts/vm prepare", "scripts/vm paths >/dev/null");
    let log = machine(&script, "ixy-info; ip link set eth0 up; sleep 4; dmesg | tail -n 3");
    assert!(log.contains("0000:01:00.0"), "{script}: {log}");
    assert!(log.contains("NIC Link is Up 10 Gbps"), "{script}: {log}");
    let counted = server.end().unwrap();
    assert!(
        counted.ends_with(", 0 DMA faults, 0 messages refused, 0 bad descriptors, clients 1\n"),
        "{counted}"
    );
}

/// The number at the start of a text, or 0.
fn leading_number(text: &str) -> u64 {
    let end = text.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(text.len());
    text[..end].parse().unwrap_or(0)
}

#[test]
fn what_the_shell_of_the_lab_says_to_try_works() {
    let test = "what_the_shell_of_the_lab_says_to_try_works";
    if harness::lab(test).is_none() {
        return;
    }
    let log = machine("scripts/vm shell", "");
    let tries = log.split_once("Try:\n").unwrap_or_else(|| panic!("{log}")).1;
    // Two columns: the command, and its effect.
    let lines = tries.lines().take_while(|line| !line.starts_with('`'));
    let commands = lines.filter_map(|line| line.trim_end().split("   ").next());
    let commands: Vec<_> = commands.map(str::trim).filter(|command| !command.is_empty()).collect();
    assert_eq!(commands.len(), 5, "{tries}");
    let script: String = commands.iter().map(|command| format!("{command}; echo status $?\n")).collect();
    let log = machine("scripts/vm shell", &script);
    assert_eq!(log.matches("\nstatus 0\n").count(), 5, "{log}");
    for place in ["0000:01:00.0", "0000:02:00.0", "0000:03:00.0", "0000:00:02.0", "0000:04:00.0"] {
        assert!(log.contains(place), "{place}: {log}");
    }
    // What ifconfig shows after each of the two programs that send to Linux's driver.
    let received: Vec<u64> = log.split("RX packets:").skip(1).map(leading_number).collect();
    assert!(matches!(received[..], [some, more] if 0 < some && some < more), "received {received:?}: {log}");
    let counted = log.split("rx_pkts_nic: ").nth(1).map(leading_number);
    assert!(counted >= received.last().copied(), "the card counted {counted:?}: {log}");
}

#[test]
fn the_program_in_the_readme_is_an_example_of_the_library() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let readme = std::fs::read_to_string(root.join("README.md")).unwrap();
    let example = std::fs::read_to_string(root.join("crates/ixy/examples/first.rs")).unwrap();
    let program = readme.split_once("```rust\n").unwrap().1.split_once("```").unwrap().0;
    assert_eq!(program, example.split_once("\n\n").unwrap().1);
}
