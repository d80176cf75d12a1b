//! Virtual functions of the software 82599 with Linux's own driver for them, an independent one. The test is the
//! driver of the card itself, which they ask for everything.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod harness;
#[path = "harness/interfaces.rs"]
mod interfaces;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use ixy_lab::{Machine, Nic};
use ixy_sim::serve::{Port, Settings, VfPort};
use ixy_sim::wire::Wire;
use ixy_sim::{Nic82599, PollThread};
use ixy_vfio_user::server::{Listener, ServerLimits, Stop};

/// The number of virtual functions, and of queues in each: with 32 pools. The last pool is the card's own.
const FUNCTIONS: usize = 2;
const QUEUES: u32 = 4;
const OWN_POOL: u32 = 31;
/// The mailbox protocol version granted to each function: 1.3, and 1.5, with which Linux's driver holds the
/// mailbox until its message is acknowledged.
const VERSIONS: [u32; FUNCTIONS] = [4, 6];
const GRANTED: u32 = 1 << 31;
const REFUSED: u32 = 1 << 30;
const CLEAR_TO_SEND: u32 = 1 << 29;

/// A network without other stations.
struct Nowhere;

impl Wire for Nowhere {}

/// The part of the card's driver that serves its functions: it grants simple requests.
struct Card<'a> {
    nic: &'a Nic82599,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    resetting: bool,
    /// The functions that reported their own reset since the last reset of the card.
    clear_to_send: [bool; FUNCTIONS],
    /// The number of resets of each, and the kinds of messages received.
    resets: [u32; FUNCTIONS],
    messages: BTreeSet<u32>,
}

impl Card<'_> {
    fn read(&self, offset: u32) -> u32 {
        self.nic.read32(offset)
    }

    fn write(&self, offset: u32, value: u32) {
        // SAFETY: ARMED-ONLY: no queue of the card itself is ever on, and functions reach the guest's memory only.
        unsafe { self.nic.write32(offset, value) }
    }

    fn set(&self, offset: u32, bits: u32) {
        self.write(offset, self.read(offset) | bits);
    }

    fn start(&self) {
        self.write(0x11050, 2); // GCR_EXT: 32 pools
        self.write(0x00898, 1 << 4 | 2 << 14 | 1 << 30); // GPIE: MSI-X, auto mask
        self.write(0x051B0, 1 | OWN_POOL << 7 | 1 << 30); // PFVTCTL: virtualization, replication
        self.write(0x0EC80, 10); // MRQC: 32 pools
        self.write(0x08120, 2 | 2 << 2); // MTQC: 32 pools
        self.write(0x08220, 1); // PFDTXGSWC: the switch
        self.write(0x05080, 1 << 10); // FCTRL: broadcast
        self.set(0x04A80, 1); // DMATXCTL
        self.write(0x03000, 1); // RXCTRL
        self.set(0x00018, 1 << 14 | 1 << 28); // CTRL_EXT: PFRSTD
    }

    /// Resets the card, and leaves it in reset.
    fn reset(&self) {
        let mut state = self.state.lock().unwrap();
        state.resetting = true;
        state.clear_to_send = Default::default();
        self.write(0x00000, self.read(0x00000) | 1 << 26); // CTRL.RST
        let limit = Instant::now() + Duration::from_secs(10);
        while self.read(0x00000) >> 26 & 1 == 1 {
            assert!(Instant::now() < limit, "the reset has no end");
        }
    }

    /// Starts the card again, and notifies the functions.
    fn resume(&self) {
        let mut state = self.state.lock().unwrap();
        self.start();
        state.resetting = false;
        for n in 0..FUNCTIONS {
            self.send(n, &[0x100]);
        }
    }

    fn work(&self, over: &AtomicBool) {
        while !over.load(Ordering::Relaxed) {
            std::thread::sleep(Duration::from_millis(1));
            let mut state = self.state.lock().unwrap();
            if state.resetting {
                continue;
            }
            let reset = self.read(0x00600);
            self.write(0x00700, reset); // PFVFLRE
            for n in 0..FUNCTIONS {
                state.resets[n] += reset >> n & 1;
                // PFMBICR: messages, and above them acknowledgements.
                let rung = self.read(0x00710) & 0x10001 << n;
                self.write(0x00710, rung);
                if rung >> n & 1 == 1 {
                    self.answer(n, &mut state);
                } else if rung != 0 && !state.clear_to_send[n] {
                    self.send(n, &[REFUSED]);
                }
            }
        }
    }

    /// Handles a message of function `n`: sends an acknowledgement and an answer.
    fn answer(&self, n: usize, state: &mut State) {
        let memory = 0x13000 + 64 * n as u32;
        let message = self.read(memory);
        let word = self.read(memory + 4);
        self.write(0x04B00 + 4 * n as u32, 2);
        let kind = message & 0xffff;
        state.messages.insert(kind);
        const RESET: u32 = 1;
        let answer = match kind {
            RESET => {
                state.clear_to_send[n] = true;
                self.admit(n as u32);
                let [low, high] = address(n as u32);
                vec![message | GRANTED, low, high, 0]
            }
            _ if !state.clear_to_send[n] => vec![message | REFUSED],
            // The version of this protocol.
            8 if word == VERSIONS[n] => vec![message | GRANTED | CLEAR_TO_SEND, word],
            9 => vec![message | GRANTED | CLEAR_TO_SEND, QUEUES, QUEUES, 0, 0],
            // Addresses, multicast, VLANs, frame length, receive modes.
            2..=6 | 12 => vec![message | GRANTED | CLEAR_TO_SEND],
            _ => vec![message | REFUSED | CLEAR_TO_SEND],
        };
        self.send(n, &answer);
    }

    fn send(&self, n: usize, message: &[u32]) {
        let (mailbox, memory) = (0x04B00 + 4 * n as u32, 0x13000 + 64 * n as u32);
        // The function may be about to read the previous message.
        for _ in 0..1000 {
            self.write(mailbox, 8);
            if self.read(mailbox) & 8 != 0 {
                break;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        if self.read(0x00710) >> n & 1 == 1 {
            // The function has sent a message in the meantime, which must not be lost.
            self.write(mailbox, 0);
            return;
        }
        for (at, word) in (0..).zip(message) {
            self.write(memory + 4 * at, *word);
        }
        self.write(mailbox, 1);
    }

    /// Function `n` was reset, and may receive and send: unicast to its address, multicast and broadcast.
    fn admit(&self, n: u32) {
        let entry = 127 - n;
        let [low, high] = address(n);
        self.write(0x0A200 + 8 * entry, low); // RAL
        self.write(0x0A204 + 8 * entry, high | 1 << 31); // RAH
        self.write(0x0A600 + 8 * entry, 1 << n); // MPSAR
        self.write(0x0F000 + 4 * n, 1 << 24 | 1 << 27 | 1 << 28); // PFVML2FLT
        self.write(0x08200, 0xff); // PFVFSPOOF: from its address only
        for queue in n * QUEUES..(n + 1) * QUEUES {
            self.write(0x02F04, 1 | queue << 8 | 1 << 16); // PFQDE
        }
        self.set(0x051E0, 1 << n); // PFVFRE
        self.set(0x08110, 1 << n); // PFVFTE
    }
}

/// The Ethernet address of function `n`, as in RAL and RAH: 02:00:00:00:00:03 and so on.
fn address(n: u32) -> [u32; 2] {
    [0x0000_0002, 0x0300 + (n << 8)]
}

#[test]
fn the_kernel_s_driver_of_virtual_functions_finds_nothing_wrong() {
    let test = "the_kernel_s_driver_of_virtual_functions_finds_nothing_wrong";
    let Some((parts, programs)) = harness::lab(test) else { return };
    for kernel in 0..parts.kernels.len() {
        let port = Port::new(Box::new(Nowhere), Settings::default()).unwrap();
        let functions = [0, 1].map(|n| VfPort::new(&port, n, ServerLimits::default(), None).unwrap());
        let directory = tempfile::tempdir().unwrap();
        let sockets = ["a", "b"].map(|name| directory.path().join(name));
        let poll = PollThread::start().unwrap();
        poll.add(port.nic());
        let card = Card { nic: port.nic(), state: Mutex::default() };
        card.start();
        let (stop, over) = (Stop::new().unwrap(), AtomicBool::new(false));
        std::thread::scope(|scope| {
            for (function, socket) in functions.iter().zip(&sockets) {
                let (listener, stop) = (Listener::bind(socket).unwrap(), &stop);
                scope.spawn(move || function.serve(&listener, stop).unwrap());
            }
            scope.spawn(|| card.work(&over));
            let scenario = || scenario(&card, &sockets, kernel, &parts, &programs);
            let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(scenario));
            over.store(true, Ordering::Relaxed);
            stop.stop();
            if let Err(panic) = result {
                std::panic::resume_unwind(panic);
            }
        });
        for function in &functions {
            let memory = function.server().memory();
            assert_eq!((memory.faults(), function.server().refused()), (0, 0), "{:x?}", memory.last_fault());
        }
        assert_eq!(port.nic().bad_descriptors(), 0);
        let state = card.state.lock().unwrap();
        assert!([1, 2, 3, 5, 8, 9].iter().all(|kind| state.messages.contains(kind)), "{:?}", state.messages);
        // When they were found, when they came up, after the card's reset, and all that again without that.
        assert!(state.resets.iter().all(|count| *count >= 4), "{:?}", state.resets);
    }
}

fn scenario(
    card: &Card<'_>,
    sockets: &[PathBuf; FUNCTIONS],
    kernel: usize,
    parts: &ixy_lab::Parts,
    programs: &ixy_lab::Programs,
) {
    let start = Instant::now();
    let mut machine = Machine::new(Duration::from_secs(240)).kernel(kernel).module("ixgbevf");
    for (name, socket) in ["a", "b"].iter().zip(sockets) {
        machine = machine.nic(Nic::served(*name, socket));
    }
    let mut guest = machine.boot(parts, programs).unwrap();
    harness::say(&format!("{:6.1} s  boot\n", start.elapsed().as_secs_f64()));
    let [a, b] = ["a", "b"].map(|name| guest.address(name).unwrap());
    interfaces::the_shell_knows_interfaces(&mut guest);
    let mut step = |script: &str| interfaces::step(&mut guest, script);
    let found = format!("a=$(interface {a}) b=$(interface {b})");
    step(&found);
    assert_eq!(step("cat /sys/class/net/$a/address").trim(), "02:00:00:00:00:03", "what the card gave");
    step("pair $a $b 198.18.0 && near=$there && arrives 198.18.0.2 && talk 5 198.18.0.2");
    step("talk 3 -s 1400 198.18.0.2");
    // Both ways, with segmentation, checksums and spreading as in the driver's defaults.
    step("head -c 4000000 /dev/urandom >big");
    step(r#"copy big 198.18.0.2 5000 "$near""#);
    step(r#"copy big 198.18.0.1 5001 "" "$near""#);
    step("well $a");
    // The card is reset under the functions; its driver comes back only after the first function has seen it. With
    // the second's protocol Linux looks only at the messages of the card's driver.
    card.reset();
    step("wait_for_carrier $a 0");
    card.resume();
    step("wait_for_carrier $a 1 && arrives 198.18.0.2 && talk 5 198.18.0.2");
    step(r#"copy big 198.18.0.2 5002 "$near""#);
    step("ip link set $a down && ip link set $a up && wait_for_carrier $a 1 && arrives 198.18.0.2");
    // Unloads and loads the driver.
    step("rmmod ixgbevf && [ ! -e /sys/class/net/$a ] && insmod /modules/ixgbevf.ko && sleep 1");
    step(&found);
    step("pair $a $b 198.18.1 && arrives 198.18.1.2 && talk 5 198.18.1.2");
    let complaints = interfaces::complaints(&mut guest, "ixgbevf");
    assert_eq!(complaints, "", "{}", guest.kernel_log());
    harness::the_kernel_is_well(&guest);
}
