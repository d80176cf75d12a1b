//! Memory in which no ring is in one piece: the device looks up each descriptor and behaves the same.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use ixy_dma::{Iova, SimulatedDomain, View};
use ixy_sim::{Dma, DmaView, Nic82599};

use crate::harness::*;

/// A domain without whole rings.
struct Piecewise(Arc<SimulatedDomain>);

struct Pieces<'a>(View<'a>);

impl Dma for Piecewise {
    type View<'a> = Pieces<'a>;

    unsafe fn view(&self) -> Pieces<'_> {
        // SAFETY: as the caller promises.
        Pieces(unsafe { Dma::view(&*self.0) })
    }
}

impl DmaView for Pieces<'_> {
    fn read(&self, iova: Iova, into: &mut [u8]) -> bool {
        DmaView::read(&self.0, iova, into)
    }
    fn write(&self, iova: Iova, bytes: &[u8]) -> bool {
        DmaView::write(&self.0, iova, bytes)
    }
    fn load64(&self, iova: Iova) -> Option<u64> {
        self.0.load64(iova)
    }
    fn store64(&self, iova: Iova, value: u64) -> bool {
        self.0.store64(iova, value)
    }
    fn store32(&self, iova: Iova, value: u32) -> bool {
        self.0.store32(iova, value)
    }
    fn words(&self, _: Iova, _: usize) -> Option<&[AtomicU64]> {
        None
    }
}

/// A device that sees its memory whole, or in pieces.
fn harness(whole: bool) -> Harness {
    let domain = Arc::new(SimulatedDomain::default());
    let wire = Cable::default();
    let builder = if whole {
        Nic82599::builder(Box::new(wire.clone()), Arc::clone(&domain))
    } else {
        Nic82599::builder(Box::new(wire.clone()), Arc::new(Piecewise(Arc::clone(&domain))))
    };
    let nic = Arc::new(builder.mac(MAC).build());
    // SAFETY: ARMED-ONLY: no ring is enabled yet.
    unsafe { nic.start_bus_mastering() };
    Harness { nic, wire, vectors: Vectors::default(), domain }
}

/// The observable results of some traffic in both directions.
#[derive(Debug, PartialEq)]
struct Seen {
    sent: Vec<Vec<u8>>,
    received: Vec<([u64; 2], Vec<u8>)>,
    done: Vec<bool>,
    words: Vec<u64>,
    head: u64,
    registers: Vec<u32>,
    bad: u64,
    faults: u64,
}

fn seen(whole: bool) -> Seen {
    const TSE: u64 = 1 << 31;
    const TXSM: u64 = 1 << 41;
    const VLE: u64 = 1 << 30;
    let harness = harness(whole);
    harness.write(FCTRL, 1 << 8 | 1 << 9 | 1 << 10);
    let mut rx = harness.rx_ring(0, 32);
    let mut tx = harness.tx_ring(0, 32);
    let mut grouped = harness.tx_ring(1, 32);
    harness.write(TXDCTL + 0x40, ENABLE | 3 << 16);
    let mut heads = harness.tx_ring(2, 32);
    let head = harness.memory(64);
    harness.write(TDWBAH + 0x80, (head.iova().0 >> 32) as u32);
    harness.write(TDWBAL + 0x80, head.iova().0 as u32 | 1);
    harness.write(SRRCTL, 1 << 25 | 1);
    harness.write(RXCTRL, 1);
    harness.set(DMATXCTL, 1);
    let (mut done, mut received) = (Vec::new(), Vec::new());
    for n in 0..40_u8 {
        let mut reports = Vec::new();
        // A whole frame, one of three parts, an invalid one, and now and then one that is segmented.
        reports.push(tx.send(&harness, &own(60 + usize::from(n), n)));
        let frame = own(300, n);
        tx.data(&harness, &frame[..100], IFCS);
        tx.data(&harness, &frame[100..200], RS);
        reports.push(tx.data(&harness, &frame[200..], EOP | RS));
        reports.push(tx.put(0x1000, DATA | EOP | IFCS | RS | 60));
        if n % 4 == 0 {
            tx.put(20 | 14 << 9 | 5 << 16, CONTEXT | 1 << 10 | 1 << 11 | 20 << 40 | 100 << 48);
            let payload = (900 - 54) << 46;
            let iova = tx.buffers.iova().0;
            assert!(harness.view().write(Iova(iova), &own(900, n)));
            reports.push(tx.put(iova, DATA | EOP | IFCS | RS | TSE | TXSM | VLE | payload | 900));
        }
        tx.ring(&harness);
        grouped.send(&harness, &own(61, n));
        heads.send(&harness, &own(62, n));
        // Into one buffer, or two.
        harness.arrives(&own(70 + 30 * usize::from(n), n));
        harness.far(|far| far.room = Some(usize::from(n) % 5 * 4));
        harness.nic.poll();
        harness.far(|far| far.room = None);
        harness.poll();
        done.extend(reports.into_iter().map(|at| tx.done(at)));
        received.extend(std::iter::from_fn(|| rx.take(&harness)));
    }
    let words = [&tx.ring, &grouped.ring, &heads.ring].into_iter().flat_map(|ring| ring.words());
    // Buffer addresses are the same in both runs: memory is allocated in the same order.
    let load = |word: &AtomicU64| u64::from_le(word.load(std::sync::atomic::Ordering::Acquire));
    Seen {
        sent: harness.sent(),
        received,
        done,
        words: words.map(load).collect(),
        head: load(&head.words()[0]),
        registers: [TDH, TDT, RDH, GPTC, GOTCL, GPRC, QPTC, QBTC_L]
            .map(|offset| harness.read(offset))
            .to_vec(),
        bad: harness.nic.bad_descriptors(),
        faults: harness.domain.faults(),
    }
}

#[test]
fn a_device_does_the_same_whether_its_rings_are_in_one_piece_or_not() {
    let (whole, pieces) = (seen(true), seen(false));
    assert_eq!(whole, pieces);
    assert_eq!((whole.received.len(), whole.bad), (48, 40));
    assert!(whole.done.iter().all(|&done| done));
    assert_eq!(whole.head, 40 % 32);
    // Four frames a round, and nine segments in each fourth.
    assert_eq!(whole.sent.len(), 40 * 4 + 10 * 9);
    assert_eq!(whole.faults, 40, "of the frames that are nowhere");
}
