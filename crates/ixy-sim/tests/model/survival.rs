//! Whatever a driver writes, the device neither panics nor hangs, and a reset brings it back. The domain keeps it
//! inside (ixy-dma checks every access); these tests check that an access outside is a counted fault.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use proptest::prelude::*;

use crate::coalescing::{PSRTYPE, RFCTL, RSCCTL, RSCDBU, Segment};
use crate::harness::*;

const MFLCN: u32 = 0x04294;
const FCCFG: u32 = 0x03D00;
const FCRTH: u32 = 0x03260;

/// Filters that choose queues.
const ETQF: u32 = 0x05128;
const ETQS: u32 = 0x0EC00;
const SYNQF: u32 = 0x0EC30;
const FTQF: u32 = 0x0E600;
const FDIRCTRL: u32 = 0x0EE00;
const FDIRHASH: u32 = 0x0EE28;
const FDIRCMD: u32 = 0x0EE2C;

/// One action of a driver, or of its surroundings.
#[derive(Debug, Clone)]
enum Act {
    Write(u32, u32),
    /// Writes a relevant register, of one of the first few queues.
    Queue(u32, u32, u32),
    Descriptor(bool, u32, u64, u64),
    Arrive(Vec<u8>),
    Poll,
    Read(u32),
    Fault(usize, bool),
    /// A write by the driver of a virtual function.
    Function(u32, u32),
    FunctionMastering(bool),
}

fn value() -> impl Strategy<Value = u32> {
    prop_oneof![any::<u32>(), Just(0), Just(u32::MAX), 0..64_u32, (0..32_u32).prop_map(|bit| 1 << bit)]
}

fn act() -> impl Strategy<Value = Act> {
    let queue = prop::sample::select(vec![
        RDBAL, RDBAH, RDLEN, RDH, RDT, RXDCTL, SRRCTL, TDBAL, TDBAH, TDLEN, TDH, TDT, TXDCTL, TDWBAL, TDWBAH,
        RSCCTL,
    ]);
    let gate = prop::sample::select(vec![
        CTRL, RXCTRL, DMATXCTL, FCTRL, HLREG0, MAXFRS, RXPBSIZE, MRQC, VLNCTRL, GPIE, EIMS, EICS, AUTOC,
        I2CCTL, RDRXCTL, EEC, ETQF, ETQS, SYNQF, FTQF, FDIRCTRL, FDIRCMD, FDIRHASH, 0x00018, 0x11050,
        0x051B0, 0x08120, 0x08220, 0x051E0, 0x08110, 0x02F04, 0x0F000, 0x08000, MFLCN, FCCFG, FCRTH, PSRTYPE,
        RFCTL, RSCDBU, IVAR, EITR, 0x03020,
    ]);
    prop_oneof![
        3 => (gate, value()).prop_map(|(register, value)| Act::Write(register, value)),
        2 => (0..0x8800_u32, value()).prop_map(|(word, value)| Act::Write(word * 4, value)),
        4 => (queue, 0..3_u32, value()).prop_map(|(register, q, value)| Act::Queue(register, q, value)),
        4 => (any::<bool>(), 0..32_u32, any::<u64>(), any::<u64>()).prop_map(|(t, n, a, b)| Act::Descriptor(t, n, a, b)),
        2 => prop::collection::vec(any::<u8>(), 1..2000).prop_map(Act::Arrive),
        1 => any::<[u8; 4]>().prop_map(|rest| Act::Arrive(mac_control(rest))),
        4 => (0..2_u16, 0..3_u32, 6..1400_usize).prop_map(|(port, at, len)| {
            Act::Arrive(Segment::new(port, at * len as u32, len).frame())
        }),
        1 => (0..3_u32, 0..2_u32).prop_map(|(q, n)| Act::Queue([RSCCTL, SRRCTL][n as usize], q, [13, 5 << 25 | 0x402][n as usize])),
        4 => Just(Act::Poll),
        1 => (0..0x8000_u32).prop_map(|word| Act::Read(word * 4)),
        2 => (0..0x1000_u32, value()).prop_map(|(word, value)| Act::Function(word * 4, value)),
        1 => any::<bool>().prop_map(Act::FunctionMastering),
        1 => (0..18_usize, any::<bool>()).prop_map(|(fault, on)| Act::Fault(fault, on)),
    ]
}

/// A frame for the MAC itself, mostly a pause.
fn mac_control(rest: [u8; 4]) -> Vec<u8> {
    let mut frame = vec![0x01, 0x80, 0xc2, 0, 0, 1, 2, 0, 0, 0, 0, 9, 0x88, 0x08, 0];
    frame.extend_from_slice(&[rest[0].leading_zeros() as u8 + 1, rest[1], rest[2]]);
    frame.resize(60 - usize::from(rest[3] > 240), 0);
    frame
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nothing_a_driver_does_breaks_the_device(acts in prop::collection::vec(act(), 1..120)) {
        let (harness, rx, tx) = Harness::running();
        let function = harness.nic.vf(0, harness.domain.clone(), Box::new(Vectors::default())).unwrap();
        let start = Instant::now();
        for act in acts {
            match act {
                Act::Write(register, value) => harness.write(register, value),
                Act::Queue(register, q, value) => harness.write(register + 0x40 * q, value),
                Act::Descriptor(transmit, n, low, high) => {
                    let (ring, buffers) = if transmit { (&tx.ring, &tx.buffers) } else { (&rx.ring, &rx.buffers) };
                    // Half of the addresses lie inside the buffers, the others anywhere.
                    let inside = buffers.iova().0 + low % (32 * 2048 - 16_384);
                    let low = if low & 1 == 0 { inside } else { low >> 20 };
                    ring.words()[n as usize * 2].store(low.to_le(), Ordering::Relaxed);
                    ring.words()[n as usize * 2 + 1].store(high.to_le(), Ordering::Release);
                }
                Act::Arrive(bytes) => harness.arrives(&bytes),
                Act::Poll => { harness.nic.poll(); }
                Act::Read(register) => { harness.read(register); }
                Act::Function(register, value) => {
                    // SAFETY: as for `Harness::write`.
                    unsafe { function.write32(register, value) };
                    function.read32(register);
                }
                // SAFETY: as for `Harness::write`.
                Act::FunctionMastering(true) => unsafe { function.start_bus_mastering() },
                Act::FunctionMastering(false) => function.stop_bus_mastering(),
                Act::Fault(fault, on) => harness.nic.faults().set(ixy_sim::Fault::ALL[fault], on),
            }
        }
        prop_assert!(start.elapsed() < Duration::from_secs(20), "took {:?}", start.elapsed());
        // Whatever the state, a reset makes the device work again.
        drop(function);
        harness.nic.faults().clear();
        harness.far(|far| far.arriving.clear());
        harness.write(CTRL, 1 << 26);
        harness.write(FCTRL, 1 << 9);
        let mut ring = harness.rx_ring(0, 32);
        harness.write(RXCTRL, 1);
        harness.poll();
        harness.arrives(&own(60, 1));
        harness.poll();
        prop_assert_eq!(ring.drain(&harness), [own(60, 1)]);
    }
}

/// A valid frame that asks for segmentation, except for one wrong bit in a word of its descriptors.
#[derive(Debug, Clone)]
struct Segmented {
    ipv4: bool,
    tcp: bool,
    payload: u64,
    mss: u64,
    /// The wrong bit: which of the six words of context and two data descriptors, and which bit in it.
    wrong: Option<(usize, u32)>,
    room: usize,
}

fn segmented() -> impl Strategy<Value = Segmented> {
    let wrong = prop::option::weighted(0.8, (0..6_usize, 0..64_u32));
    (any::<bool>(), any::<bool>(), 1..1900_u64, 1..2000_u64, wrong, 0..200_usize)
        .prop_map(|(ipv4, tcp, payload, mss, wrong, room)| Segmented { ipv4, tcp, payload, mss, wrong, room })
}

impl Segmented {
    fn words(&self, buffer: u64) -> [u64; 6] {
        let (ip, transport) = (if self.ipv4 { 20 } else { 40 }, if self.tcp { 20 } else { 8 });
        let header = 14 + ip + transport;
        let flags = IFCS | 1 << 31 | 1 << 41 | u64::from(self.ipv4) << 40;
        let mut words = [
            ip | 14 << 9,
            CONTEXT
                | u64::from(self.ipv4) << 10
                | u64::from(self.tcp) << 11
                | transport << 40
                | self.mss << 48,
            buffer,
            DATA | flags | header | self.payload << 46,
            buffer + header,
            DATA | EOP | RS | self.payload,
        ];
        if let Some((word, bit)) = self.wrong {
            words[word] ^= 1 << bit;
        }
        words
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn frames_to_segment_that_are_wrong_somewhere_become_frames_that_are_counted_or_none(
        all in prop::collection::vec(segmented(), 1..12)
    ) {
        let (harness, _, mut tx) = Harness::running();
        let start = Instant::now();
        for segmented in all {
            let words = segmented.words(tx.buffers.iova().0);
            for pair in words.chunks(2) {
                tx.put(pair[0], pair[1]);
            }
            tx.ring(&harness);
            harness.far(|far| far.room = Some(segmented.room));
            harness.poll();
            harness.far(|far| far.room = None);
            harness.poll();
        }
        prop_assert!(start.elapsed() < Duration::from_secs(20), "took {:?}", start.elapsed());
        let sent = harness.sent();
        prop_assert!(sent.iter().all(|frame| (60..=15_872 + 4).contains(&frame.len())));
        prop_assert_eq!(harness.read(GPTC) as usize, sent.len());
        harness.write(TXDCTL, 0);
        let mut tx = harness.tx_ring(0, 32);
        tx.send(&harness, &own(60, 1));
        harness.poll();
        prop_assert_eq!(harness.sent(), [own(60, 1)]);
    }
}

#[test]
fn accesses_to_memory_that_is_not_mapped_are_counted_and_have_no_effect() {
    let (harness, rx, _) = Harness::running();
    rx.ring.words()[0].store(0x1000_u64.to_le(), Ordering::Relaxed);
    harness.arrives(&own(60, 1));
    harness.poll();
    assert_eq!(harness.domain.faults(), 1);
    assert_eq!(harness.domain.last_fault(), Some(ixy_dma::Iova(0x1000)));
    assert_eq!(harness.read(RDH), 1, "the device goes on");
}

#[test]
fn registers_can_be_used_from_other_threads_while_the_device_is_polled() {
    let (harness, _, _) = Harness::running();
    std::thread::scope(|scope| {
        for thread in 0..2_u32 {
            let harness = &harness;
            scope.spawn(move || {
                for n in 0..2000_u32 {
                    harness.write(rx(RDBAH, 10 + thread), n);
                    assert_eq!(harness.read(rx(RDBAH, 10 + thread)), n);
                    harness.write(rx(RXDCTL, 10 + thread), ENABLE);
                    assert_eq!(harness.read(rx(RXDCTL, 10 + thread)), ENABLE);
                    harness.write(rx(RXDCTL, 10 + thread), 0);
                    harness.read(EICR);
                }
            });
        }
        for _ in 0..20_000 {
            harness.nic.poll();
        }
    });
}
