//! Wires into the system's network stack, in a network namespace of their own.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::{
    io::Write,
    process::Command,
    thread,
    time::{Duration, Instant},
};

use ixy_sim::wire::{Cables, Tap, TapSpec, Wire, WireError, WireSpec};

const INSIDE: &str = "IXY_TAP_NAMESPACE";

/// Runs the test `name` of this program again in a network namespace; prints a note when it cannot.
fn again(name: &str) {
    let probe = Command::new("unshare").args(["-n", "ip", "tuntap", "add", "probe0", "mode", "tap"]).output();
    if !probe.is_ok_and(|output| output.status.success()) {
        return skip(name, "root, a network namespace, /dev/net/tun and the program `ip`");
    }
    let program = std::env::current_exe().unwrap();
    let output = Command::new("unshare")
        .arg("-n")
        .arg(program)
        .args(["--exact", name, "--nocapture", "--test-threads=1"])
        .env(INSIDE, "1")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
    let skipped = text.lines().filter_map(|line| line.split_once("SKIPPED: "));
    skipped.for_each(|(_, line)| say(&format!("SKIPPED: {line}\n")));
}

fn skip(name: &str, missing: &str) {
    say(&format!("SKIPPED: {name}: it needs {missing}\n"));
}

/// Writes to standard error without a macro, since the test runner captures the output of macros.
fn say(line: &str) {
    std::io::stderr().write_all(line.as_bytes()).unwrap();
}

fn inside() -> bool {
    std::env::var_os(INSIDE).is_some()
}

fn ip(arguments: &str) {
    let output = Command::new("ip").args(arguments.split(' ')).output().unwrap();
    assert!(output.status.success(), "ip {arguments}: {}", String::from_utf8_lossy(&output.stderr));
}

fn exists(name: &str) -> bool {
    Command::new("ip").args(["link", "show", name]).output().unwrap().status.success()
}

const US: [u8; 6] = [0x02, 0, 0, 0, 0, 0x99];

/// Asks who has `address`, as 198.18.0.2 (RFC 826).
fn arp_request(address: [u8; 4]) -> Vec<u8> {
    let mut frame = vec![0xff; 6];
    frame.extend(US);
    frame.extend([0x08, 0x06, 0, 1, 0x08, 0x00, 6, 4, 0, 1]);
    frame.extend(US);
    frame.extend([198, 18, 0, 2]);
    frame.extend([0; 6]);
    frame.extend(address);
    frame.resize(60, 0);
    frame
}

#[test]
fn the_system_answers_through_the_interface() {
    if !inside() {
        return again("the_system_answers_through_the_interface");
    }
    let mut wire = Tap::open(&TapSpec::named("ixy0")).unwrap();
    assert!(wire.link_up() && !wire.ended() && wire.waits());
    assert!(wire.transmit(&arp_request([198, 18, 0, 1])), "dropped while the interface is down");
    assert_eq!(wire.front(), None);
    ip("addr add 198.18.0.1/24 dev ixy0");
    ip("link set ixy0 up");
    assert!(wire.transmit(&arp_request([198, 18, 0, 1])));
    let begin = Instant::now();
    loop {
        assert!(begin.elapsed() < Duration::from_secs(20), "no answer");
        let Some(frame) = wire.front() else {
            thread::sleep(Duration::from_millis(1));
            continue;
        };
        // An answer to us from the address asked for; the system sends other frames as well.
        let answer =
            frame.len() >= 42 && frame[..6] == US && frame[12..14] == [0x08, 0x06] && frame[20..22] == [0, 2];
        let right = answer && frame[28..32] == [198, 18, 0, 1];
        let stays = frame.to_vec();
        assert_eq!(wire.front(), Some(&stays[..]));
        wire.consume();
        if right {
            break;
        }
    }
    assert_eq!(wire.error(), None);
    wire.close_transmit();
    assert!(wire.transmit(&arp_request([198, 18, 0, 1])), "taken and dropped");

    assert!(exists("ixy0"));
    ip("link del ixy0");
    let begin = Instant::now();
    while !wire.ended() {
        assert!(begin.elapsed() < Duration::from_secs(20));
        if wire.front().is_some() {
            wire.consume();
        }
    }
    assert!(!wire.link_up());
    assert!(wire.error().unwrap().contains("tap ixy0: the interface is gone"), "{:?}", wire.error());
}

/// The output of `ip` for the interface.
fn shown(arguments: &str) -> String {
    let output = Command::new("ip").args(arguments.split(' ')).output().unwrap();
    assert!(output.status.success(), "ip {arguments}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn connect(spec: &str) -> Result<Box<dyn Wire>, String> {
    let spec: WireSpec = spec.parse().map_err(|error: WireError| error.to_string())?;
    spec.connect(&Cables::default()).map_err(|error| error.to_string())
}

#[test]
fn an_interface_is_set_up_as_its_address_says() {
    if !inside() {
        return again("an_interface_is_set_up_as_its_address_says");
    }
    let _wire = connect("tap=ixy0,mtu=1400,addr=198.18.0.1/24,addr=fd00::1/48").unwrap();
    let text = shown("addr show dev ixy0");
    for part in ["mtu 1400", "inet 198.18.0.1/24", "inet6 fd00::1/48", "UP"] {
        assert!(text.contains(part), "{part} is missing in {text}");
    }
    let _other = connect("tap=ixy1,up").unwrap();
    assert!(shown("link show ixy1").contains("UP"));
    let _down = connect("tap=ixy2,mtu=68").unwrap();
    let text = shown("link show ixy2");
    assert!(text.contains("mtu 68") && !text.contains("UP"), "{text}");
    let mut whole = connect("tap=ixy3,addr=198.18.3.1/0").unwrap();
    assert!(shown("addr show dev ixy3").contains("inet 198.18.3.1/0"));

    // An interface that was there before, with the same addresses.
    ip("tuntap add mine0 mode tap");
    for address in ["fd00:1::1/64", "fd00:1::1/64", "198.18.1.1/24", "198.18.2.1/16"] {
        drop(connect(&format!("tap=mine0,addr={address}")).unwrap());
    }
    let text = shown("addr show dev mine0");
    assert!(text.contains("198.18.2.1/16") && !text.contains("198.18.1.1"), "{text}");

    // IPv6 does not work below 1,280 bytes.
    ip("link set mine0 down");
    ip("link set mine0 mtu 1000");
    let message = connect("tap=mine0,addr=fd00::2/64").err().unwrap();
    let wanted = "tap mine0: cannot give it fd00::2/64: its MTU is too small for IPv6; add mtu=1500";
    assert_eq!(message, wanted);
    drop(connect("tap=mine0,mtu=1500,addr=fd00::2/64").unwrap());
    std::fs::write("/proc/sys/net/ipv6/conf/default/disable_ipv6", "1").unwrap();
    let message = connect("tap=ixy4,addr=fd00::2/64").err().unwrap();
    let wanted =
        "tap ixy4: cannot give it fd00::2/64: IPv6 is switched off on this machine; leave that address out";
    assert!(message.starts_with(wanted), "{message}");
    assert!(!exists("ixy4"), "nothing is left behind");
    assert!(whole.error().is_none() && whole.front().is_none_or(|frame| frame.len() >= 60));
}

#[test]
fn the_system_sees_the_link_of_the_card() {
    if !inside() {
        return again("the_system_sees_the_link_of_the_card");
    }
    let mut wire = connect("tap=ixy0,up").unwrap();
    for _ in 0..2 {
        wire.set_link(false);
        assert!(shown("link show ixy0").contains("NO-CARRIER"));
        wire.set_link(true);
        assert!(!shown("link show ixy0").contains("NO-CARRIER"));
    }
}

#[test]
fn an_interface_can_be_in_another_network_namespace() {
    if !inside() {
        return again("an_interface_can_be_in_another_network_namespace");
    }
    let mut other = Command::new("unshare").args(["-n", "sleep", "60"]).spawn().unwrap();
    let path = format!("/proc/{}/ns/net", other.id());
    let own = std::fs::read_link("/proc/self/ns/net").unwrap();
    let begin = Instant::now();
    while std::fs::read_link(&path).unwrap() == own {
        assert!(begin.elapsed() < Duration::from_secs(20), "no namespace");
        thread::sleep(Duration::from_millis(1));
    }
    let wire = connect(&format!("tap=ixy0,netns={path},addr=198.18.0.1/24")).unwrap();
    assert!(!exists("ixy0"), "it is in the other namespace");
    assert_eq!(std::fs::read_link("/proc/self/ns/net").unwrap(), own);
    let pid = other.id().to_string();
    let mut there = Command::new("nsenter");
    let output = there.args(["-t", &pid, "-n", "ip", "addr", "show", "dev", "ixy0"]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("inet 198.18.0.1/24"), "{text}");
    drop(wire);
    other.kill().unwrap();
    other.wait().unwrap();

    let message = connect("tap=ixy0,netns=nowhere").err().unwrap();
    assert!(
        message.contains("cannot enter the network namespace nowhere: it does not exist; `ip netns list`"),
        "{message}"
    );
    let message = connect("tap=ixy0,netns=/dev/null").err().unwrap();
    assert!(message.contains("cannot enter the network namespace /dev/null"), "{message}");
}

#[test]
fn an_interface_goes_with_its_wire_and_one_in_use_is_refused() {
    if !inside() {
        return again("an_interface_goes_with_its_wire_and_one_in_use_is_refused");
    }
    let wire = Tap::open(&TapSpec::named("ixy0")).unwrap();
    let message = Tap::open(&TapSpec::named("ixy0")).err().unwrap().to_string();
    assert!(message.contains("tap ixy0: another program uses it"), "{message}");
    drop(wire);
    assert!(!exists("ixy0"));
    ip("tuntap add mine0 mode tap");
    drop(Tap::open(&TapSpec::named("mine0")).unwrap());
    assert!(exists("mine0"), "one that was there before stays");
    let message = Tap::open(&TapSpec::named("lo")).err().unwrap().to_string();
    assert!(
        message.contains(
            "tap lo: an interface of this name exists and is no TAP interface; choose another name"
        ),
        "{message}"
    );
}

#[test]
fn without_the_right_the_error_says_how_to_get_it() {
    if !inside() {
        return again("without_the_right_the_error_says_how_to_get_it");
    }
    if std::env::var_os("IXY_TAP_BARE").is_none() {
        let name = "without_the_right_the_error_says_how_to_get_it";
        ip("tuntap add mine0 mode tap user 0");
        let output = Command::new("setpriv")
            .args(["--bounding-set=-net_admin", "--inh-caps=-net_admin"])
            .arg(std::env::current_exe().unwrap())
            .args(["--exact", name, "--nocapture"])
            .env("IXY_TAP_BARE", "1")
            .output();
        let Ok(output) = output else {
            return skip(name, "the program `setpriv`");
        };
        let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && text.contains("1 passed"), "{text}");
        return;
    }
    let message = Tap::open(&TapSpec::named("ixy0")).err().unwrap().to_string();
    assert!(
        message.contains("CAP_NET_ADMIN") && message.contains("ip tuntap add ixy0 mode tap"),
        "{message}"
    );
    // This user owns the interface and can open it, but may not set it up.
    drop(connect("tap=mine0").unwrap());
    let message = connect("tap=mine0,addr=198.18.0.1/24").err().unwrap();
    assert!(
        message.contains("cannot give it 198.18.0.1/24 (CAP_NET_ADMIN is needed)")
            && message.contains("ip addr add 198.18.0.1/24 dev mine0"),
        "{message}"
    );
}

#[test]
fn names_that_are_none_are_refused() {
    for name in ["", ".", "..", "a/b", "a b", "ixy%d", "a:1", "sixteen-letters-", "ä"] {
        let message = Tap::open(&TapSpec::named(name)).err().unwrap().to_string();
        assert!(message.contains(&format!("`tap` cannot be `{name}`: write 1 to 15 letters")), "{message}");
    }
}
