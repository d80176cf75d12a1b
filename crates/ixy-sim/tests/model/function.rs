//! Virtual functions: their register windows, queues, interrupts, resets and mailboxes (sections 7.10.2, 8.2.3.27 and
//! 8.3).

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use ixy_dma::{DmaDomain, DmaSlice, Iova, SimulatedDomain};
use ixy_sim::Vf;
use proptest::prelude::*;

use crate::harness::*;

/// Registers of the physical function.
const CTRL_EXT: u32 = 0x00018;
const GCR_EXT: u32 = 0x11050;
const PSRTYPE: u32 = 0x0EA00;
const PFMAILBOX: u32 = 0x04B00;
const PFMBMEM: u32 = 0x13000;
const PFMBICR: u32 = 0x00710;
const PFMBIMR: u32 = 0x00720;
const PFVFLRE: [u32; 2] = [0x00600, 0x001C0];
const PFVFLREC: u32 = 0x00700;
const PFVFRE: u32 = 0x051E0;
const PFVFTE: u32 = 0x08110;
const MAILBOX: u32 = 1 << 19;

/// Registers of a virtual function.
const VFCTRL: u32 = 0x00000;
const VFSTATUS: u32 = 0x00008;
const VFLINKS: u32 = 0x00010;
const VTEICR: u32 = 0x00100;
const VTEICS: u32 = 0x00104;
const VTEIMS: u32 = 0x00108;
const VTEIMC: u32 = 0x0010C;
const VTEIAC: u32 = 0x00110;
const VTEIAM: u32 = 0x00114;
const VTIVAR: u32 = 0x00120;
const VTIVAR_MISC: u32 = 0x00140;
const VFMBMEM: u32 = 0x00200;
const VFMAILBOX: u32 = 0x002FC;
const VFPSRTYPE: u32 = 0x00300;
const VTEITR: u32 = 0x00820;
const VFRDBAL: u32 = 0x01000;
const VFTDBAL: u32 = 0x02000;
const VFGPRC: u32 = 0x0101C;
const VFGORC: u32 = 0x01020;
const VFMPRC: u32 = 0x01034;
const VFGPTC: u32 = 0x0201C;
const VFGOTC: u32 = 0x02020;
/// Relative to the base of a queue's registers.
const BAL: u32 = 0x00;
const BAH: u32 = 0x04;
const LEN: u32 = 0x08;
const HEAD: u32 = 0x10;
const SPLIT: u32 = 0x14;
const TAIL: u32 = 0x18;
const DCTL: u32 = 0x28;

const REQ: u32 = 1;
const ACK: u32 = 2;
const VFU: u32 = 4;
const PFU: u32 = 8;
const PFSTS: u32 = 16;
const PFACK: u32 = 32;
const RSTI: u32 = 64;
const RSTD: u32 = 128;

const VALID: u32 = 0x80;

/// A virtual function with memory of its own.
struct Function {
    vf: Vf,
    vectors: Vectors,
    domain: Arc<SimulatedDomain>,
}

impl Function {
    /// Function `n`, with bus mastering on.
    fn new(harness: &Harness, n: u32) -> Self {
        let (vectors, domain) = (Vectors::default(), Arc::new(SimulatedDomain::default()));
        let vf = harness.nic.vf(n, domain.clone(), Box::new(vectors.clone())).unwrap();
        // SAFETY: ARMED-ONLY: no ring of it is enabled yet.
        unsafe { vf.start_bus_mastering() };
        Self { vf, vectors, domain }
    }

    fn read(&self, offset: u32) -> u32 {
        self.vf.read32(offset)
    }

    fn write(&self, offset: u32, value: u32) {
        // SAFETY: the device reaches only memory of this test's own domains, which the test touches as atomics or
        // through a view.
        unsafe { self.vf.write32(offset, value) }
    }

    fn memory(&self, bytes: usize) -> DmaSlice {
        self.domain.clone().allocate(bytes).unwrap().cut(&[bytes], 128).unwrap().remove(0)
    }

    /// A ring of 8 descriptors at queue `q`, enabled, with buffers of 2 KB for receive queues.
    fn ring(&self, base: u32, q: u32) -> (DmaSlice, DmaSlice) {
        let (ring, buffers) = (self.memory(8 * 16), self.memory(8 * 2048));
        for n in 0..8 {
            ring.words()[n * 2].store((buffers.iova().0 + n as u64 * 2048).to_le(), Ordering::Relaxed);
            ring.words()[n * 2 + 1].store(0, Ordering::Release);
        }
        let at = base + 0x40 * q;
        self.write(at + BAL, ring.iova().0 as u32);
        self.write(at + BAH, (ring.iova().0 >> 32) as u32);
        self.write(at + LEN, 8 * 16);
        self.write(at + HEAD, 0);
        if base == VFRDBAL {
            self.write(at + SPLIT, ONE_BUFFER);
        }
        self.write(at + DCTL, ENABLE);
        if base == VFRDBAL {
            self.write(at + TAIL, 7);
        }
        (ring, buffers)
    }

    fn bytes(&self, buffers: &DmaSlice, n: u64, len: usize) -> Vec<u8> {
        let mut bytes = vec![0; len];
        // SAFETY: OWNED-BUFFER: the device has returned the buffer with its descriptor.
        assert!(unsafe { self.domain.view() }.read(Iova(buffers.iova().0 + n * 2048), &mut bytes));
        bytes
    }

    /// Announces one frame at descriptor 0 of transmit queue `q`.
    fn send(&self, ring: &(DmaSlice, DmaSlice), q: u32, frame: &[u8]) {
        // SAFETY: OWNED-BUFFER: the buffer was not announced yet.
        assert!(unsafe { self.domain.view() }.write(ring.1.iova(), frame));
        let len = frame.len() as u64;
        ring.0.words()[0].store(ring.1.iova().0.to_le(), Ordering::Relaxed);
        ring.0.words()[1].store((DATA | EOP | IFCS | RS | len | len << 46).to_le(), Ordering::Release);
        self.write(VFTDBAL + 0x40 * q + TAIL, 1);
    }
}

/// A device with 64 pools.
fn device() -> Harness {
    let harness = Harness::new();
    harness.write(GCR_EXT, 3);
    harness
}

/// A device with 64 pools that receives everything at queue 0, which belongs to the returned function.
fn running() -> (Harness, Function) {
    let harness = device();
    let function = Function::new(&harness, 0);
    harness.write(FCTRL, 1 << 8 | 1 << 9 | 1 << 10);
    harness.write(RXCTRL, 1);
    harness.write(DMATXCTL, 1);
    harness.poll();
    (harness, function)
}

#[test]
fn a_function_reaches_the_queues_of_its_pool_and_no_others() {
    let harness = device();
    for (mode, queues) in [(3, 2), (2, 4), (1, 8)] {
        harness.write(GCR_EXT, mode);
        let function = Function::new(&harness, 5);
        for q in 0..8 {
            function.write(VFRDBAL + 0x40 * q + BAL, 0x1000 * (q + 1));
            function.write(VFTDBAL + 0x40 * q + LEN, 0x80 * (q + 1));
            let there = q < queues;
            let own = 5 * queues + q;
            let shown = (function.read(VFRDBAL + 0x40 * q), function.read(VFTDBAL + 0x40 * q + LEN));
            if there {
                assert_eq!(shown, (0x1000 * (q + 1), 0x80 * (q + 1)), "mode {mode}, queue {q}");
                assert_eq!(harness.read(rx(RDBAL, own)), 0x1000 * (q + 1), "mode {mode}, queue {q}");
                assert_eq!(harness.read(tx(TDLEN, own)), 0x80 * (q + 1), "mode {mode}, queue {q}");
            } else {
                assert_eq!(shown, (0, 0), "mode {mode}, queue {q}");
                assert_eq!(harness.read(rx(RDBAL, own)), 0, "mode {mode}, queue {q}");
            }
            harness.write(rx(RDBAL, own), 0);
            harness.write(tx(TDLEN, own), 0);
        }
    }
}

#[test]
fn without_virtualization_or_beyond_the_last_pool_a_function_has_no_queues() {
    let harness = device();
    let function = Function::new(&harness, 16);
    for (mode, there) in [(0, false), (1, false), (2, true)] {
        harness.write(GCR_EXT, mode);
        function.write(VFRDBAL, 0x80);
        assert_eq!(function.read(VFRDBAL) != 0, there, "mode {mode}");
    }
    assert!(
        harness.nic.vf(64, harness.domain.clone(), Box::new(Vectors::default())).is_none(),
        "there are 64"
    );
    assert!(
        harness.nic.vf(16, harness.domain.clone(), Box::new(Vectors::default())).is_none(),
        "it is there already"
    );
    drop(function);
    assert!(harness.nic.vf(16, harness.domain.clone(), Box::new(Vectors::default())).is_some());
}

#[test]
fn a_function_sees_link_and_status_but_cannot_change_them() {
    let (harness, function) = running();
    assert_eq!(function.read(VFLINKS), harness.read(LINKS));
    assert_eq!(function.read(VFLINKS) >> 30 & 1, 1);
    assert_eq!(function.read(VFSTATUS), 1 << 7 | 1 << 19);
    harness.far(|far| far.dark = true);
    harness.poll();
    function.write(VFLINKS, u32::MAX);
    assert_eq!((function.read(VFLINKS), function.read(VFSTATUS)), (0, 1 << 19));
    function.write(VFPSRTYPE, 1 << 29);
    assert_eq!(harness.read(PSRTYPE), 1 << 29, "the split type is its pool's");
}

#[test]
fn offsets_without_a_register_read_zero_and_those_outside_all_ones() {
    let function = Function::new(&device(), 3);
    assert_eq!(function.read(0x0000C), 0);
    assert_eq!(function.read(0x03000), 0);
    assert_eq!(function.read(0x04000), u32::MAX);
    assert_eq!(function.read(0x00102), u32::MAX);
    function.write(0x04000, 1);
    function.write(0x00102, 1);
}

#[test]
fn a_function_receives_into_its_own_memory_and_sends_from_it() {
    let (harness, function) = running();
    let (ring, buffers) = function.ring(VFRDBAL, 0);
    let sends = function.ring(VFTDBAL, 1);
    harness.arrives(&own(300, 7));
    function.send(&sends, 1, &own(90, 8));
    harness.poll();
    assert_eq!(u64::from_le(ring.words()[1].load(Ordering::Acquire)) & 3, 3, "DD and EOP");
    assert_eq!(function.bytes(&buffers, 0, 300), own(300, 7));
    assert_eq!(harness.sent(), [own(90, 8)]);
    assert_eq!((harness.domain.faults(), function.domain.faults()), (0, 0));
}

#[test]
fn two_functions_and_the_device_reach_only_what_is_theirs() {
    let (harness, first) = running();
    let second = Function::new(&harness, 1);
    let mut plain = harness.tx_ring(64, 8);
    let (ours, theirs) = (first.ring(VFTDBAL, 0), second.ring(VFTDBAL, 0));
    first.send(&ours, 0, &own(60, 1));
    second.send(&theirs, 0, &own(60, 2));
    plain.send(&harness, &own(60, 3));
    harness.poll();
    let mut sent = harness.sent();
    sent.sort();
    let mut expected = [own(60, 1), own(60, 2), own(60, 3)];
    expected.sort();
    assert_eq!(sent, expected);
    let faults = || (harness.domain.faults(), first.domain.faults(), second.domain.faults());
    assert_eq!(faults(), (0, 0, 0));
    theirs.0.words()[2].store(0x10_u64.to_le(), Ordering::Relaxed);
    theirs.0.words()[3].store((DATA | EOP | IFCS | RS | 60).to_le(), Ordering::Release);
    second.write(VFTDBAL + TAIL, 2);
    harness.poll();
    assert_eq!(faults(), (0, 0, 1), "a fault is that of the function's memory");
}

#[test]
fn a_function_without_bus_mastering_does_no_dma_and_others_go_on() {
    let (harness, function) = running();
    let sends = function.ring(VFTDBAL, 0);
    let mut plain = harness.tx_ring(64, 8);
    function.vf.stop_bus_mastering();
    function.send(&sends, 0, &own(60, 1));
    plain.send(&harness, &own(60, 2));
    harness.poll();
    assert_eq!(harness.sent(), [own(60, 2)]);
    // And the other way round.
    harness.nic.stop_bus_mastering();
    // SAFETY: ARMED-ONLY: its rings hold addresses of its own memory.
    unsafe { function.vf.start_bus_mastering() };
    plain.send(&harness, &own(60, 3));
    harness.poll();
    assert_eq!(harness.sent(), [own(60, 1)]);
}

#[test]
fn queues_raise_the_vectors_that_vtivar_names() {
    let (harness, function) = running();
    let (_ring, _buffers) = function.ring(VFRDBAL, 0);
    let sends = function.ring(VFTDBAL, 1);
    function.write(VTIVAR, VALID | (VALID | 1) << 24);
    function.write(VTEIMS, 7);
    harness.arrives(&own(60, 1));
    harness.poll();
    assert_eq!(function.vectors.take(), [0], "receive queue 0");
    function.send(&sends, 1, &own(60, 1));
    harness.poll();
    assert_eq!(function.vectors.take(), [1], "transmit queue 1");
    assert_eq!(harness.vectors.take(), [0_u32; 0], "the device's own vectors are another matter");
    assert_eq!(function.read(VTEICR), 3);
    assert_eq!(function.read(VTEICR), 0, "reading clears");
}

#[test]
fn causes_that_are_masked_or_pending_do_not_interrupt_until_they_are_let_through() {
    let harness = device();
    let function = Function::new(&harness, 9);
    function.write(VTEICS, 0xff);
    assert_eq!(function.vectors.take(), [0_u32; 0], "nothing is enabled");
    assert_eq!(function.read(VTEICS), 7, "there are three, and reading VTEICS leaves them");
    function.write(VTEIMS, 5);
    assert_eq!(function.vectors.take(), [0, 2]);
    function.write(VTEICS, 5);
    assert_eq!(function.vectors.take(), [0_u32; 0], "they are pending already");
    function.write(VTEICR, 4);
    assert_eq!(function.read(VTEICS), 3, "writing ones clears");
    function.write(VTEIMC, 1);
    assert_eq!(function.read(VTEIMS), 4);
    function.write(VTEICR, 7);
    function.write(VTEICS, 5);
    assert_eq!(function.vectors.take(), [2]);
}

#[test]
fn a_message_clears_and_masks_its_cause_where_the_function_wants_that() {
    let harness = device();
    let function = Function::new(&harness, 9);
    function.write(VTEIAC, 1);
    function.write(VTEIAM, 2);
    function.write(VTEIMS, 7);
    function.write(VTEICS, 3);
    assert_eq!(function.vectors.take(), [0, 1]);
    assert_eq!((function.read(VTEICS), function.read(VTEIMS)), (2, 7), "auto mask is off in GPIE");
    harness.write(GPIE, 1 << 4 | 1 << 30);
    function.read(VTEICR);
    function.write(VTEICS, 3);
    assert_eq!((function.read(VTEICS), function.read(VTEIMS)), (2, 5));
    assert_eq!((function.read(VTEIAC), function.read(VTEIAM)), (1, 2));
}

#[test]
fn an_interval_in_vteitr_holds_messages_back() {
    let time = Arc::new(AtomicU64::new(1000));
    let clock = time.clone();
    let harness =
        Harness::with(|builder| builder.clock(move || Duration::from_micros(clock.load(Ordering::Relaxed))));
    let function = Function::new(&harness, 2);
    function.write(VTEIAC, 7);
    function.write(VTEIMS, 7);
    // 49 units of 2.048 us.
    function.write(VTEITR, 49 << 3);
    assert_eq!(function.read(VTEITR), 49 << 3);
    function.write(VTEICS, 5);
    assert_eq!(function.vectors.take(), [0, 2]);
    function.write(VTEICS, 5);
    assert_eq!(function.vectors.take(), [2], "the third vector has no throttle");
    time.store(1099, Ordering::Relaxed);
    harness.poll();
    assert_eq!(function.vectors.take(), [0_u32; 0]);
    time.store(1101, Ordering::Relaxed);
    harness.poll();
    assert_eq!(function.vectors.take(), [0]);
}

#[test]
fn a_function_counts_its_packets_and_bytes_and_reading_leaves_them() {
    let (harness, function) = running();
    let (_ring, _buffers) = function.ring(VFRDBAL, 0);
    let sends = function.ring(VFTDBAL, 0);
    harness.arrives(&own(300, 7));
    harness.arrives(&frame([1, 0, 0x5e, 0, 0, 1], 100, 1));
    function.send(&sends, 0, &own(90, 8));
    harness.poll();
    for _ in 0..2 {
        assert_eq!([VFGPRC, VFGORC, VFMPRC, VFGPTC, VFGOTC].map(|n| function.read(n)), [2, 400, 1, 1, 90]);
    }
    function.write(VFCTRL, 1 << 26);
    assert_eq!(function.read(VFGPRC), 2, "a reset of the function leaves them");
    let other = Function::new(&harness, 1);
    assert_eq!([VFGPRC, VFGORC, VFMPRC, VFGPTC, VFGOTC].map(|n| other.read(n)), [0; 5]);
}

/// Checks a reset of the function, by VFCTRL or from its configuration space.
fn reset_of_a_function(reset: impl Fn(&Function)) -> (Harness, Function) {
    let harness = device();
    let function = Function::new(&harness, 33);
    harness.write(GPIE, 1 << 4);
    harness.write(IVAR_MISC, (VALID | 5) << 8);
    harness.write(EIMS, MAILBOX);
    for n in [0, 4] {
        harness.write(PFVFRE + n, u32::MAX);
        harness.write(PFVFTE + n, u32::MAX);
    }
    function.ring(VFRDBAL, 1);
    function.ring(VFTDBAL, 1);
    function.write(VFTDBAL + 0x40 + TAIL, 3);
    harness.rx_ring(64, 8);
    function.write(VTIVAR, VALID);
    function.write(VTEIMS, 7);
    function.write(VTEIAC, 7);
    function.write(VFMAILBOX, VFU);
    reset(&function);
    assert_eq!(function.read(VFRDBAL + 0x40 + DCTL) & ENABLE, 0, "its queues are off");
    assert_eq!(function.read(VFTDBAL + 0x40 + DCTL) & ENABLE, 0);
    assert_eq!(harness.read(rx(RXDCTL, 64)) & ENABLE, ENABLE, "another's is not");
    assert_eq!(function.read(VFRDBAL + 0x40 + TAIL), 7, "other registers of queues keep their values");
    assert_eq!(function.read(VFTDBAL + 0x40 + TAIL), 3);
    assert_eq!([VTIVAR, VTEIMS, VTEIAC].map(|n| function.read(n)), [0; 3]);
    assert_eq!(function.read(VFMAILBOX) & VFU, 0);
    (harness, function)
}

#[test]
fn a_reset_of_a_function_stops_its_queues_and_is_reported() {
    for by_register in [true, false] {
        let (harness, _function) = reset_of_a_function(|function| {
            if by_register {
                function.write(VFCTRL, 1 << 26);
            } else {
                function.vf.reset();
            }
        });
        assert_eq!([harness.read(PFVFRE), harness.read(PFVFRE + 4)], [u32::MAX, !2]);
        assert_eq!([harness.read(PFVFTE), harness.read(PFVFTE + 4)], [u32::MAX, !2]);
        assert_eq!(PFVFLRE.map(|offset| harness.read(offset)), [0, 2]);
        assert_eq!(harness.vectors.take(), [5]);
        assert_eq!(harness.read(EICR), MAILBOX);
        harness.write(PFVFLREC, u32::MAX);
        assert_eq!(harness.read(PFVFLRE[1]), 2, "the other half is another register");
        harness.write(PFVFLREC + 4, 2);
        assert_eq!(harness.read(PFVFLRE[1]), 0);
    }
}

#[test]
fn a_function_level_reset_takes_the_bus_mastering_away() {
    let (harness, function) = running();
    function.vf.reset();
    let sends = function.ring(VFTDBAL, 0);
    function.send(&sends, 0, &own(60, 1));
    harness.poll();
    assert!(harness.sent().is_empty());
}

#[test]
fn functions_learn_of_a_reset_of_the_device_and_of_its_end() {
    let harness = device();
    let function = Function::new(&harness, 40);
    assert_eq!(function.read(VFMAILBOX), RSTI, "from power on until the driver says that it is done");
    assert_eq!(function.read(VFMAILBOX), RSTI, "reading does not clear it");
    harness.set(CTRL_EXT, 1 << 14 | 1 << 28);
    assert_eq!(harness.read(CTRL_EXT), 1 << 28, "PFRSTD clears itself");
    assert_eq!(function.read(VFMAILBOX), RSTD);
    assert_eq!(function.read(VFMAILBOX), 0, "reading clears it");
    harness.set(CTRL_EXT, 0);
    assert_eq!(function.read(VFMAILBOX), 0);
    function.write(VTEIMS, 7);
    function.write(VFMBMEM, 7);
    harness.write(CTRL, 1 << 26);
    assert_eq!(function.read(VFMAILBOX), RSTI);
    assert_eq!((function.read(VTEIMS), function.read(VFMBMEM)), (0, 0));
}

#[test]
fn a_message_and_its_acknowledgement_go_from_the_function_to_the_device() {
    let harness = device();
    harness.write(GPIE, 1 << 4);
    harness.write(IVAR_MISC, (VALID | 3) << 8);
    harness.write(EIMS, MAILBOX);
    harness.write(CTRL_EXT, 1 << 14);
    let function = Function::new(&harness, 21);
    function.read(VFMAILBOX);
    function.write(VTIVAR_MISC, VALID | 2);
    function.write(VTEIMS, 7);

    function.write(VFMAILBOX, VFU);
    assert_eq!((function.read(VFMAILBOX), harness.read(PFMAILBOX + 4 * 21)), (VFU, VFU));
    for n in 0..16 {
        function.write(VFMBMEM + 4 * n, 0x1000 + n);
    }
    assert_eq!(harness.vectors.take(), [0_u32; 0]);
    function.write(VFMAILBOX, REQ);
    assert_eq!(function.read(VFMAILBOX), 0, "REQ reads as zero, and the buffer was given back");
    assert_eq!(harness.vectors.take(), [3]);
    assert_eq!(harness.read(EICR), MAILBOX);
    assert_eq!([0, 1, 2, 3].map(|n| harness.read(PFMBICR + 4 * n)), [0, 1 << 5, 0, 0]);
    harness.write(PFMBICR + 4, 1 << 5);
    assert_eq!(harness.read(PFMBICR + 4), 0, "writing ones clears");
    assert_eq!([0, 15].map(|n| harness.read(PFMBMEM + 64 * 21 + 4 * n)), [0x1000, 0x100f]);

    harness.write(PFMAILBOX + 4 * 21, ACK);
    assert_eq!(function.vectors.take(), [2]);
    assert_eq!(function.read(VFMAILBOX), PFACK);
    assert_eq!(function.read(VFMAILBOX), 0, "reading clears it");
}

#[test]
fn a_message_and_its_acknowledgement_go_from_the_device_to_the_function() {
    let harness = device();
    harness.write(CTRL_EXT, 1 << 14);
    let function = Function::new(&harness, 63);
    function.read(VFMAILBOX);
    function.write(VTIVAR_MISC, VALID | 1);
    function.write(VTEIMS, 7);

    harness.write(PFMAILBOX + 4 * 63, PFU);
    assert_eq!((function.read(VFMAILBOX), harness.read(PFMAILBOX + 4 * 63)), (PFU, PFU));
    harness.write(PFMBMEM + 64 * 63, 0xabcd);
    harness.write(PFMAILBOX + 4 * 63, 1);
    assert_eq!(harness.read(PFMAILBOX + 4 * 63), 0, "STS reads as zero, and the buffer was given back");
    assert_eq!(function.vectors.take(), [1]);
    assert_eq!(function.read(VFMBMEM), 0xabcd);
    assert_eq!(function.read(VFMAILBOX), PFSTS);
    assert_eq!(function.read(VFMAILBOX), 0, "reading clears it");

    function.write(VFMAILBOX, ACK);
    assert_eq!(harness.read(PFMBICR + 12), 1 << 31);
    assert_eq!(harness.read(EICS) & MAILBOX, MAILBOX);
}

#[test]
fn the_buffer_has_one_owner_and_the_device_can_take_it_back() {
    let harness = device();
    harness.write(CTRL_EXT, 1 << 14);
    let function = Function::new(&harness, 1);
    function.read(VFMAILBOX);
    let register = PFMAILBOX + 4;
    harness.write(register, PFU);
    function.write(VFMAILBOX, VFU);
    assert_eq!((function.read(VFMAILBOX), harness.read(register)), (PFU, PFU), "it is taken");
    harness.write(register, 0);
    function.write(VFMAILBOX, VFU);
    harness.write(register, PFU);
    assert_eq!((function.read(VFMAILBOX), harness.read(register)), (VFU, VFU));
    function.write(VFMAILBOX, REQ | ACK | VFU);
    assert_eq!(harness.read(PFMBICR), 1 << 1 | 1 << 17);
    harness.write(register, 1 << 4);
    assert_eq!((function.read(VFMAILBOX), harness.read(register)), (0, 0), "RVFU");
    assert_eq!(harness.read(PFMBICR), 0);
}

#[test]
fn the_device_can_mask_the_mailbox_of_a_function() {
    let harness = device();
    let (quiet, loud) = (Function::new(&harness, 34), Function::new(&harness, 35));
    assert_eq!(harness.read(PFMBIMR + 4), u32::MAX, "all may interrupt");
    harness.write(PFMBIMR + 4, !(1 << 2));
    quiet.write(VFMAILBOX, REQ);
    assert_eq!((harness.read(PFMBICR + 8), harness.read(EICR)), (1 << 2, 0));
    loud.write(VFMAILBOX, REQ);
    assert_eq!((harness.read(PFMBICR + 8), harness.read(EICR)), (3 << 2, MAILBOX));
}

#[test]
fn the_status_says_how_many_functions_are_wanted_and_their_end_resets_them() {
    let (harness, function) = running();
    let status = || harness.read(STATUS) >> 10 & 0x1ff;
    assert_eq!(status(), 0);
    harness.nic.set_vfs(5);
    assert_eq!(status(), 5 | 1 << 8);
    harness.write(CTRL, 1 << 26);
    assert_eq!(status(), 5 | 1 << 8, "a reset of the port leaves its configuration space alone");
    let _ring = function.ring(VFTDBAL, 0);
    harness.nic.set_vfs(5);
    assert_eq!(function.read(VTEIMS), 0);
    function.write(VTEIMS, 7);
    harness.nic.set_vfs(4);
    assert_eq!(function.read(VTEIMS), 7);
    harness.nic.set_vfs(0);
    assert_eq!((status(), function.read(VTEIMS), harness.read(PFVFLRE[0])), (0, 0, 1));
    harness.nic.set_vfs(u32::MAX);
    assert_eq!(status(), 64 | 1 << 8);
}

#[test]
fn a_function_that_is_unplugged_stops_and_leaves_its_queues_to_the_device() {
    let (harness, function) = running();
    let _sends = function.ring(VFTDBAL, 0);
    assert_eq!(harness.read(tx(TXDCTL, 0)) & ENABLE, ENABLE);
    drop(function);
    assert_eq!(harness.read(tx(TXDCTL, 0)) & ENABLE, 0);
    let mut ring = harness.tx_ring(0, 8);
    ring.send(&harness, &own(60, 1));
    harness.poll();
    assert_eq!(harness.sent(), [own(60, 1)]);
}

#[test]
fn what_a_function_receives_is_not_coalesced() {
    const VFRSCCTL: u32 = 0x2C;
    let (harness, function) = running();
    let (ring, _buffers) = function.ring(VFRDBAL, 0);
    function.write(VFPSRTYPE, 1 << 4);
    function.write(VFRDBAL + SPLIT, ONE_BUFFER | 4 << 8);
    function.write(VFRDBAL + VFRSCCTL, 1 | 3 << 2);
    for sequence in [0, 100] {
        let mut frame = Vec::new();
        let ethernet = etherparse::PacketBuilder::ethernet2([2, 0, 0, 0, 0, 1], MAC);
        let tcp = ethernet.ipv4([10, 0, 0, 1], [10, 0, 0, 2], 64).tcp(1, 2, sequence, 100).ack(1);
        tcp.write(&mut frame, &[5; 100]).unwrap();
        harness.arrives(&frame);
    }
    harness.poll();
    for n in 0..2 {
        assert_eq!(u64::from_le(ring.words()[n * 2 + 1].load(Ordering::Acquire)) & 3, 3, "DD and EOP");
        assert_eq!(u64::from_le(ring.words()[n * 2].load(Ordering::Acquire)) >> 17 & 0xf, 0, "RSCCNT");
    }
}

/// A harmful action of a function.
#[derive(Debug, Clone)]
enum Harm {
    /// Writes a register of its first queues, by the base of their direction.
    Queue(bool, u32, u32, u32),
    /// Writes any other register.
    Register(u32, u32),
    /// Posts a descriptor to its first transmit queue: kind and flags, buffer length, other fields.
    Descriptor(u64, u64, u64, u64),
    /// Posts a valid frame to be segmented, at the end of the original ring: number of descriptors, and length of
    /// segments.
    Segmented(u64, u64),
    /// Restores the original ring.
    Restart,
    /// Changes length and tail of the ring while it is in use.
    Shorten(u32, u32),
    Mastering(bool),
    Poll,
    /// Leaves room for this many frames on the wire.
    Room(usize),
}

fn harm() -> impl Strategy<Value = Harm> {
    let register = prop::sample::select(vec![BAL, BAH, LEN, HEAD, SPLIT, TAIL, DCTL, 0x2C, 0x38, 0x3C]);
    let value = prop_oneof![
        4 => Just(ENABLE), 4 => (0..5_u32).prop_map(|n| n * 128), 6 => 0..34_u32, 1 => Just(0), 1 => any::<u32>(),
        1 => (0..32_u32).prop_map(|bit| 1 << bit),
    ];
    let kind = prop::sample::select(vec![
        DATA | IFCS,
        DATA | IFCS | EOP,
        DATA | IFCS | EOP | RS,
        DATA | IFCS | 1 << 31,
        CONTEXT,
        DATA,
        EOP | IFCS,
        0,
    ]);
    prop_oneof![
        4 => (any::<bool>(), 0..2_u32, register, value).prop_map(|(tx, q, at, value)| Harm::Queue(tx, q, at, value)),
        1 => (0..0x400_u32, any::<u32>()).prop_map(|(word, value)| Harm::Register(word * 4, value)),
        6 => (kind, 0..200_u64, any::<u64>(), 0..32_u64).prop_map(|(kind, len, more, n)| Harm::Descriptor(kind, len, more, n)),
        4 => (1..20_u64, 1..200_u64).prop_map(|(parts, mss)| Harm::Segmented(parts, mss)),
        2 => Just(Harm::Restart),
        2 => (1..5_u32, 0..8_u32).prop_map(|(n, tail)| Harm::Shorten(128 * n, tail)),
        1 => any::<bool>().prop_map(Harm::Mastering),
        4 => Just(Harm::Poll),
        3 => (0..5_usize).prop_map(Harm::Room),
    ]
}

/// A device with a switch between 64 pools that drops frames without a free descriptor, and the function of pool
/// 1, which receives frames for the device's address. Each function may send anything.
fn shared() -> (Harness, [Function; 2]) {
    let harness = device();
    harness.write(0x051B0, 1 | 1 << 30); // PFVTCTL
    harness.write(MRQC, 8);
    harness.write(0x08120, 2 | 1 << 2); // MTQC
    harness.write(0x08220, 1); // PFDTXGSWC
    harness.write(0x0A600, 1 << 1); // MPSAR
    harness.write(0x0F004, 1 << 27); // PFVML2FLT: broadcast
    for queue in 0..4 {
        harness.write(0x02F04, 1 | queue << 8 | 1 << 16); // PFQDE
    }
    harness.write(PFVFRE, 3);
    harness.write(PFVFTE, 3);
    harness.write(RXCTRL, 1);
    harness.write(DMATXCTL, 1);
    let functions = [0, 1].map(|n| Function::new(&harness, n));
    (harness, functions)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_a_function_does_its_neighbour_receives_and_sends(acts in prop::collection::vec(harm(), 1..200)) {
        let (harness, [first, second]) = shared();
        let rings = [first.ring(VFRDBAL, 0), first.ring(VFTDBAL, 0)];
        let [ring, buffers] = [first.memory(32 * 16), first.memory(1 << 16)];
        let restart = || {
            let base = ring.iova().0;
            let start = [(DCTL, 0), (BAL, base as u32), (BAH, (base >> 32) as u32), (LEN, 32 * 16), (HEAD, 0), (TAIL, 0)];
            for (at, value) in start.into_iter().chain([(DCTL, ENABLE)]) {
                first.write(VFTDBAL + at, value);
            }
        };
        restart();
        let mut tail = 0;
        let put = |n: u64, low: u64, high: u64| {
            let at = 2 * (n as usize % 32);
            ring.words()[at].store(low.to_le(), Ordering::Relaxed);
            ring.words()[at + 1].store(high.to_le(), Ordering::Release);
        };
        let context = |mss: u64| (14 << 9 | 20, CONTEXT | 1 << 10 | 1 << 11 | 20 << 40 | mss << 48);
        let _busy = second.ring(VFRDBAL, 0);
        // A broadcast frame, and one for the neighbour.
        for (n, word) in buffers.words().iter().enumerate() {
            let bytes = if n % 512 < 64 { u64::MAX } else { 0x02_u64 << 48 | 0xccbb_aa21_1b02 };
            word.store(bytes.to_le(), Ordering::Relaxed);
        }
        let start = Instant::now();
        for act in acts {
            match act {
                Harm::Queue(tx, q, at, value) => {
                    first.write(if tx { VFTDBAL } else { VFRDBAL } + 0x40 * q + at, value);
                }
                Harm::Register(at, value) => first.write(at, value),
                Harm::Descriptor(CONTEXT, _, more, n) => {
                    let (low, high) = context(more & 0xff);
                    put(n, low, high);
                }
                Harm::Descriptor(kind, len, more, n) => {
                    put(n, buffers.iova().0 + (more & 0xfff8), kind | len | (more & 0x3ff) << 46);
                }
                Harm::Segmented(parts, mss) => {
                    let (low, high) = context(mss);
                    put(tail, low, high);
                    for part in 0..parts {
                        let first = if part == 0 { 1 << 31 | (parts * 100 - 54) << 46 } else { 0 };
                        let last = if part == parts - 1 { EOP | RS } else { 0 };
                        put(tail + 1 + part, buffers.iova().0 + 512 * part, DATA | IFCS | first | last | 100);
                    }
                    tail = (tail + 1 + parts) % 32;
                    first.write(VFTDBAL + TAIL, tail as u32);
                }
                Harm::Restart => {
                    restart();
                    tail = 0;
                }
                Harm::Shorten(length, tail) => {
                    first.write(VFTDBAL + LEN, length);
                    first.write(VFTDBAL + TAIL, tail);
                }
                Harm::Mastering(false) => first.vf.stop_bus_mastering(),
                // SAFETY: ARMED-ONLY: it reaches memory of its own domain only, which is accessed as atomics.
                Harm::Mastering(true) => unsafe { first.vf.start_bus_mastering() },
                Harm::Poll => { harness.nic.poll(); }
                Harm::Room(room) => harness.far(|far| far.room = Some(room)),
            }
        }
        prop_assert!(start.elapsed() < Duration::from_secs(20), "took {:?}", start.elapsed());
        harness.far(|far| far.room = None);
        // A ring has up to 65,528 descriptors, of which a poll takes 64.
        let ends = (0..4 * 65_528 / 64).any(|_| harness.nic.poll() == 0);
        prop_assert!(ends, "the device always finds something to do");
        prop_assert_eq!(harness.domain.faults() + second.domain.faults(), 0);
        second.write(VFRDBAL + DCTL, 0);
        let (got, buffers) = second.ring(VFRDBAL, 0);
        let sends = second.ring(VFTDBAL, 1);
        harness.sent();
        harness.arrives(&own(300, 7));
        second.send(&sends, 1, &frame([2, 0, 0, 0, 0, 9], 90, 8));
        harness.poll();
        prop_assert_eq!(u64::from_le(got.words()[1].load(Ordering::Acquire)) & 3, 3, "DD and EOP");
        prop_assert_eq!(second.bytes(&buffers, 0, 300), own(300, 7));
        prop_assert_eq!(harness.sent().pop(), Some(frame([2, 0, 0, 0, 0, 9], 90, 8)));
        drop(rings);
    }
}
