//! The examples that need only software cards, as a user runs them; and how they end.
#![cfg(all(feature = "sim", feature = "vfio-user", feature = "signals"))]
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod example;
mod served;

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use example::example;
use ixy_pcap::{Reader, Writer};
use ixy_regs::ixgbe;
use ixy_regs::map::Register;
use ixy_sim::serve::{Event, Trace};
use ixy_vfio_user::message::pci;
use rustix::process::{Pid, Signal, kill_process};
use served::Served;

const SOON: Duration = Duration::from_secs(5);
const LONG: Duration = Duration::from_secs(60);

fn start(name: &str, arguments: &[&str]) -> Child {
    let mut command = Command::new(example(name));
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().unwrap()
}

/// Waits for the end; kills a child that does not end.
fn end(mut child: Child, limit: Duration) -> Output {
    let start = Instant::now();
    while child.try_wait().unwrap().is_none() {
        if start.elapsed() > limit {
            let _ = child.kill();
            panic!("it did not end within {limit:?}: {:?}", child.wait_with_output());
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    child.wait_with_output().unwrap()
}

/// The output of a program that has to succeed.
fn printed(child: Child) -> String {
    let Output { status, stdout, stderr } = end(child, LONG);
    assert!(status.success(), "{}", String::from_utf8_lossy(&stderr));
    String::from_utf8(stdout).unwrap()
}

/// A capture of these frames.
fn capture(path: &Path, frames: &[Vec<u8>]) {
    let mut writer = Writer::create(path, 0).unwrap();
    (0..).zip(frames).for_each(|(time, frame)| writer.write(time, frame).unwrap());
    writer.finish().unwrap();
}

fn frames(path: &Path) -> Vec<Vec<u8>> {
    let (mut reader, mut frames) = (Reader::open(path).unwrap(), Vec::new());
    while let Some(record) = reader.next_record().unwrap() {
        frames.push(record.data.to_vec());
    }
    frames
}

/// A frame with EtherType `kind`.
fn frame(kind: u16, len: usize) -> Vec<u8> {
    let mut frame = vec![0x5a; len];
    frame[12..14].copy_from_slice(&kind.to_be_bytes());
    frame
}

#[test]
fn forward_copies_a_capture_and_ends_with_it() {
    let directory = tempfile::tempdir().unwrap();
    let [from, to] = ["in.pcap", "out.pcap"].map(|name| directory.path().join(name));
    let sent: Vec<_> = (0..3000).map(|n| frame(n, 60 + usize::from(n % 1400))).collect();
    capture(&from, &sent);
    printed(start("forward", &[&format!("sim:rx={}", from.display()), &format!("sim:tx={}", to.display())]));
    assert_eq!(frames(&to), sent);
}

#[test]
fn count_tells_protocols_apart_polled_and_asleep() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("in.pcap");
    capture(&path, &[frame(0x0800, 100), frame(0x0806, 60), frame(0x0800, 70), frame(0x86dd, 60)]);
    let address = format!("sim:rx={}", path.display());
    for arguments in [&[&*address][..], &[&address, "--sleep"]] {
        let text = printed(start("count", arguments));
        assert_eq!(text, "ARP: 1 frames, 60 bytes\nIPv4: 2 frames, 170 bytes\nIPv6: 1 frames, 60 bytes\n");
    }
}

#[test]
fn what_goes_wrong_is_a_line_that_a_user_can_read() {
    for (arguments, words) in [
        (&[][..], ["no device was named", "such as"]),
        (&["sim:foo", "sim"], ["sim has no option `foo`", "the options are"]),
        (
            &["sim:rx=/nonexistent/in.pcap", "sim"],
            ["/nonexistent/in.pcap", "the directory /nonexistent does not exist"],
        ),
        (&["sim", "sim", "sim"], ["usage: forward", "FROM TO"]),
    ] {
        let output = end(start("forward", arguments), LONG);
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {text}");
        assert!(words.iter().all(|word| text.contains(word)), "{arguments:?}: {words:?} are not in: {text}");
        assert!(text.lines().count() == 1 && !text.contains(" { "), "{arguments:?}: {text}");
    }
}

#[test]
fn generate_sends_as_many_numbered_datagrams_as_it_says() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("out.pcap");
    let text = printed(start("generate", &[&format!("sim:tx={}", path.display()), "5000"]));
    assert_eq!(text, "5000 frames sent\n");
    let frames = frames(&path);
    let numbers = frames.iter().map(|frame| u32::from_be_bytes(frame[42..46].try_into().unwrap()));
    assert!(numbers.eq(0..5000), "each number once, in order");
    let words = frames[0][14..34].chunks(2).map(|word| u32::from(word[0]) << 8 | u32::from(word[1]));
    assert_eq!(
        words.fold(0, |sum, word| (sum + word) % 0xffff),
        0,
        "the checksum of the IPv4 header is right"
    );
}

#[test]
fn rss_gives_each_flow_to_one_of_two_threads() {
    let text = printed(start("rss", &["sim:flood,flows=100"]));
    let flows = text.lines().filter_map(|line| line.split(" packets of ").nth(1)?.strip_suffix(" flows"));
    let flows: Vec<u32> = flows.map(|flows| flows.parse().unwrap()).collect();
    assert!(
        flows.len() == 2 && flows.iter().all(|flows| *flows > 20) && flows.iter().sum::<u32>() == 100,
        "{text}"
    );
    assert!(text.ends_with("0 flows in both queues\n"), "{text}");
}

/// A dump of BAR 0 of a software card with its link up. Registers that a read changes are not read, and are zero.
fn dump() -> Vec<u8> {
    let card = ixy::open(&["sim".parse().unwrap()], &ixy::Options::default()).unwrap().remove(0);
    assert!(card.wait_for_link(LONG).unwrap().up);
    let model = card.simulated().unwrap().model();
    let mut dump = vec![0; ixgbe::WINDOW as usize];
    let harmless = |it: &&Register| it.access.is_readable() && !it.access.reading_has_effect();
    for offset in ixgbe::all().filter(harmless).flat_map(|it| it.spans).flat_map(|span| span.offsets()) {
        dump[offset as usize..][..4].copy_from_slice(&model.read32(offset).to_le_bytes());
    }
    dump
}

#[test]
fn decode_dump_names_registers_fields_and_values() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("bar0.bin");
    std::fs::write(&path, dump()).unwrap();
    let path = path.to_str().unwrap();
    let all = printed(start("decode_dump", &[path]));
    for (register, field) in [
        ("0x042a4 LINKS ", " LINK_SPEED=0x3(SPEED_10G) LINK_UP=0x1"),
        ("0x05080 FCTRL ", " BAM=0x1"),
        ("0x01028 RXDCTL[0] ", " ENABLE=0x1"),
        ("0x042a0 AUTOC ", " LMS=0x3(SERIAL_10G) "),
        ("0x01054 SRRCTL[1..128] ", " BSIZEPACKET=0x2 "),
    ] {
        let line = all.lines().find(|line| line.starts_with(register));
        assert!(line.is_some_and(|line| line.contains(field)), "{register}with{field}: {line:?} in: {all}");
    }
    assert!(!all.contains("RXDCTL[1] "), "registers that are zero are left out: {all}");
    let links = printed(start("decode_dump", &[path, "links"]));
    let expected: Vec<_> = all.lines().filter(|line| line[8..26].contains("LINKS")).collect();
    assert_eq!(links.lines().collect::<Vec<_>>(), expected, "those with LINKS in their name");
}

#[test]
fn decode_dump_refuses_what_is_no_dump() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("short.bin");
    let refused = |arguments: &[&str]| {
        let output = end(start("decode_dump", arguments), LONG);
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        String::from_utf8(output.stderr).unwrap()
    };
    let path = path.to_str().unwrap();
    assert!(refused(&[]).contains("usage: decode_dump FILE"));
    assert!(refused(&[path]).contains(&format!("cannot read {path}: No such file")));
    std::fs::write(path, [0; 4096]).unwrap();
    assert!(refused(&[path]).contains("has 4096 bytes, and the registers take 131072"));
}

#[test]
fn switch_ends_with_its_input_when_all_of_it_is_sent() {
    let directory = tempfile::tempdir().unwrap();
    let [from, a, b] = ["in.pcap", "a.pcap", "b.pcap"].map(|name| directory.path().join(name));
    let mut sent: Vec<_> = (0..200).map(|n| frame(n, 60)).collect();
    sent.iter_mut().for_each(|frame| frame[6] = 2); // another address than the destination
    capture(&from, &sent);
    let address = |option, path: &Path| format!("sim:{option}={}", path.display());
    let ports = [address("rx", &from), address("tx", &a), address("tx", &b)];
    let text = printed(start("switch", &ports.each_ref().map(String::as_str)));
    assert_eq!(text, "0 frames forwarded, 200 flooded, 0 dropped, 1 addresses\n");
    assert!(frames(&a) == sent && frames(&b) == sent, "both other ports sent all frames");
}

/// Records whether a served card's DMA is on.
#[derive(Default)]
struct Watch {
    on: AtomicBool,
    /// Its state when the client left.
    left: Mutex<Option<bool>>,
    /// The server stalls while this is set.
    stalled: AtomicBool,
}

impl Trace for Watch {
    fn event(&self, event: &Event<'_>) {
        const COMMAND: u64 = 4;
        const BUS_MASTER_ENABLE: u8 = 1 << 2;
        while self.stalled.load(Ordering::Relaxed) {
            std::thread::sleep(Duration::from_millis(5));
        }
        match event {
            Event::Write { region: pci::CONFIG, offset: COMMAND, bytes } => {
                self.on.store(bytes[0] & BUS_MASTER_ENABLE != 0, Ordering::Relaxed);
            }
            Event::Gone => *self.left.lock().unwrap() = Some(self.on.load(Ordering::Relaxed)),
            _ => {}
        }
    }
}

/// Two served cards, and a program that forwards from one to the other.
struct Forwarding {
    watches: [Arc<Watch>; 2],
    served: Served,
    child: Child,
    _directory: tempfile::TempDir,
}

impl Forwarding {
    fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let paths: [PathBuf; 2] = ["a", "b"].map(|name| directory.path().join(name));
        let watches = [(); 2].map(|()| Arc::<Watch>::default());
        let port = |n: usize| -> (&Path, _, Option<Arc<dyn Trace>>) {
            (&paths[n], "flood", Some(watches[n].clone()))
        };
        let served = Served::start(&[port(0), port(1)]);
        let addresses = paths.each_ref().map(|path| format!("vfio-user:{}", path.display()));
        let child = start("forward", &addresses.each_ref().map(String::as_str));
        let begun = Instant::now();
        while !watches.iter().all(|watch| watch.on.load(Ordering::Relaxed)) {
            assert!(begun.elapsed() < LONG, "it does not begin");
            std::thread::sleep(Duration::from_millis(5));
        }
        std::thread::sleep(Duration::from_millis(500));
        Self { watches, served, child, _directory: directory }
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Whether DMA of each card was on when its client left.
    fn left(&self) -> [bool; 2] {
        let begun = Instant::now();
        self.watches.each_ref().map(|watch| {
            loop {
                if let Some(on) = *watch.left.lock().unwrap() {
                    return on;
                }
                assert!(begun.elapsed() < SOON, "the client has not left");
                std::thread::sleep(Duration::from_millis(5));
            }
        })
    }
}

#[test]
fn a_signal_ends_a_program_with_its_cards_stopped() {
    // `timeout` sends its signal twice in a row: to the program, and to its group.
    for signals in [&[Signal::INT][..], &[Signal::TERM], &[Signal::TERM; 2], &[Signal::INT, Signal::TERM]] {
        let mut forwarding = Forwarding::start();
        for signal in signals {
            forwarding.signal(*signal);
            std::thread::sleep(Duration::from_millis(2));
        }
        let child = std::mem::replace(&mut forwarding.child, Command::new("true").spawn().unwrap());
        let output = end(child, SOON);
        assert!(output.status.success(), "{signals:?}: {output:?}");
        assert_eq!(forwarding.left(), [false, false], "{signals:?}: DMA is off");
        assert_eq!(forwarding.served.faults(), 0);
        forwarding.child.wait().unwrap();
    }
}

#[test]
fn a_program_that_is_killed_leaves_its_cards_running() {
    let mut forwarding = Forwarding::start();
    forwarding.child.kill().unwrap();
    forwarding.child.wait().unwrap();
    assert_eq!(forwarding.left(), [true, true], "what the examples are spared by asking for signals");
}

#[test]
fn a_second_signal_ends_a_program_at_once_that_does_not_end_by_the_first() {
    let mut forwarding = Forwarding::start();
    let stall =
        |stalled| forwarding.watches.iter().for_each(|watch| watch.stalled.store(stalled, Ordering::Relaxed));
    stall(true);
    forwarding.signal(Signal::INT);
    std::thread::sleep(Duration::from_millis(500));
    assert!(forwarding.child.try_wait().unwrap().is_none(), "it waits for the server to stop the card");
    let second = Instant::now();
    forwarding.signal(Signal::INT);
    assert_eq!(forwarding.child.wait().unwrap().code(), Some(130));
    assert!(second.elapsed() < Duration::from_secs(2), "{:?}", second.elapsed());
    stall(false);
}
