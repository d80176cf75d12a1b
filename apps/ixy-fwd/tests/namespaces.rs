//! Programs in two network namespaces that reach each other through ixy-fwd.
#![allow(clippy::unwrap_used, reason = "tests")]

#[path = "../../../crates/ixy/tests/namespace/mod.rs"]
mod namespace;

use std::net::Ipv4Addr;
use std::process::Command;

use namespace::{Namespace, Program, check_echo};

const ADDRESSES: [Ipv4Addr; 2] = [Ipv4Addr::new(10, 0, 0, 1), Ipv4Addr::new(10, 0, 0, 2)];

#[test]
fn two_namespaces_ping_each_other_and_exchange_megabytes_over_tcp() {
    let test = "two_namespaces_ping_each_other_and_exchange_megabytes_over_tcp";
    let Some([one, two]) = Namespace::make(test) else { return };
    let arguments = [one.tap(ADDRESSES[0]), two.tap(ADDRESSES[1]), "--json".into(), "--quiet".into()];
    let forwarder = Program::start(env!("CARGO_BIN_EXE_ixy-fwd"), arguments);
    one.wait_for(ADDRESSES[1]);
    assert_eq!(one.ping(ADDRESSES[1], 10), 10);
    assert_eq!(two.ping(ADDRESSES[0], 10), 10);
    let echo = two.echo_once();
    check_echo(&one.connect(ADDRESSES[1]), 10 << 20);
    echo.join().unwrap();

    let text = forwarder.interrupt();
    assert_eq!(text.lines().count(), 2, "a summary of each device: {text}");
    for line in text.lines() {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        for count in ["errors", "missed", "dropped"] {
            assert_eq!(line[count], 0, "{count} in {line}");
        }
        assert!(line["rx_bytes"].as_u64().unwrap() > 10 << 20, "{line}");
    }
}

#[test]
fn frames_to_an_interface_that_is_down_are_said_to_be_lost_once() {
    let test = "frames_to_an_interface_that_is_down_are_said_to_be_lost_once";
    let Some([one]) = Namespace::make(test) else { return };
    let tap = one.tap(ADDRESSES[0]);
    // An address would bring the interface up.
    let (tap, _) = tap.split_once(",addr=").unwrap();
    let (_, namespace) = tap.split_once("netns=").unwrap();
    let mut forwarder = Command::new(env!("CARGO_BIN_EXE_ixy-fwd"));
    let output = forwarder.args(["sim", tap, "--duration", "0.5"]).env_remove("IXY_LOG").output().unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    let warning = format!(
        "tap ixy0: the interface is down, so frames that are sent to it are lost; bring it up: ip -n {namespace} link set \
         ixy0 up, or write sim:tap=ixy0,up"
    );
    assert_eq!(
        (output.status.code(), text.matches(&warning).count()),
        (Some(0), 1),
        "{warning} is not once in: {text}"
    );
    assert_eq!(text.lines().count(), 1, "{text}");
}
