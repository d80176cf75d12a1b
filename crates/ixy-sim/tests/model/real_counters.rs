//! Counters that users of real 82599s published, with their figures: frames that a card counts but its driver does
//! not.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use ixy_sim::Fault;

use crate::harness::*;

/// Frames and bytes that Linux's driver received, without check sequence, and the bytes that its card counted.
const RECEIVED: (u64, u64, u64) = (146_651, 12_030_774, 12_617_378);
/// Frames and bytes that a card counted as sent while its driver sent none.
const SENT_BY_ITSELF: (u64, u64) = (160_006, 10_880_408);
/// Growth of a card's counters of received packets and of packets without a descriptor over the same time.
const WITHOUT_A_DESCRIPTOR: (u32, u32) = (10, 10);

/// A byte counter of two registers, the low one first.
fn wide(harness: &Harness, low: u32) -> u64 {
    u64::from(harness.read(low)) | u64::from(harness.read(low + 4)) << 32
}

#[test]
fn the_counter_of_received_bytes_has_the_check_sequences_that_the_frames_in_memory_lack() {
    let (packets, bytes, counted) = RECEIVED;
    assert_eq!(counted - bytes, 4 * packets, "the figures themselves");
    let (harness, mut ring, _) = Harness::running();
    // The same number of frames and bytes, with two frame lengths.
    let (short, longer) = (bytes / packets, bytes % packets);
    let (mut received, mut in_memory) = (0, 0);
    for n in 0..packets {
        harness.arrives(&own((short + u64::from(n < longer)) as usize, n as u8));
        if n % 31 == 30 || n + 1 == packets {
            harness.poll();
            let frames = ring.drain(&harness);
            received += frames.len() as u64;
            in_memory += frames.iter().map(|frame| frame.len() as u64).sum::<u64>();
        }
    }
    assert_eq!((received, in_memory), (packets, bytes), "what the driver sees");
    assert_eq!(u64::from(harness.read(GPRC)), packets);
    assert_eq!(wide(&harness, GORCL), counted, "GORC");
    assert_eq!(wide(&harness, QBRC_L), bytes, "the queue's counter is of memory");
}

#[test]
fn frames_without_a_descriptor_count_as_received_and_as_dropped() {
    let (received, dropped) = WITHOUT_A_DESCRIPTOR;
    let (harness, mut ring, _) = Harness::running();
    harness.write(SRRCTL, ONE_BUFFER | DROP_EN);
    for n in 0..31 {
        harness.arrives(&own(60, n));
    }
    harness.poll();
    assert_eq!(
        (harness.read(GPRC), harness.read(QPRC), harness.read(QPRDC)),
        (31, 31, 0),
        "so far all have one"
    );
    for n in 0..dropped {
        harness.arrives(&own(60, n as u8));
    }
    harness.poll();
    assert_eq!((harness.read(GPRC), harness.read(QPRDC)), (received, dropped), "both grow by the same");
    assert_eq!(harness.read(QPRC), 0, "this counter says what reached memory");
    assert_eq!(ring.drain(&harness).len(), 31);
}

#[test]
fn frames_that_the_mac_sends_by_itself_count_as_sent() {
    let (packets, bytes) = SENT_BY_ITSELF;
    assert_eq!(bytes, 68 * packets, "the figures themselves: frames of one length");
    let clock = Arc::new(AtomicU64::new(0));
    let own_clock = Arc::clone(&clock);
    let (harness, ring, _) = Harness::running_with(|builder| {
        builder.clock(move || Duration::from_nanos(own_clock.load(Ordering::Relaxed)))
    });
    // Flow control in transmit: a frame each 600 times 51.2 ns while more than 1024 bytes wait.
    harness.write(0x03D00, 1 << 3); // FCCFG
    harness.write(0x03200, 1000); // FCTTV
    harness.write(0x03260, 1 << 31 | 1024); // FCRTH
    harness.write(0x03220, 512); // FCRTL
    harness.write(0x032A0, 400); // FCRTV
    harness.write(RDT, harness.read(RDH));
    for n in 0..9 {
        harness.arrives(&own(128, n));
    }
    for _ in 0..packets {
        harness.poll();
        clock.fetch_add(30_720, Ordering::Relaxed);
    }
    assert_eq!(harness.sent().len() as u64, packets);
    assert_eq!(
        (u64::from(harness.read(GPTC)), harness.read(QPTC)),
        (packets, 0),
        "though the driver sent none"
    );
    // An untagged pause frame has 64 bytes. Those of the card in the figures were 4 bytes longer, by a tag or
    // of another kind.
    assert_eq!(wide(&harness, GOTCL), 64 * packets);
    drop(ring);
}

#[test]
fn frames_that_are_too_long_count_apart_from_those_with_a_wrong_check_sequence() {
    // The figures are a card's; a hundredth of them arrives here.
    let (crc, long) = (67_302 / 100, 80_264 / 100);
    let (harness, ring, _) = Harness::running();
    for (fault, frames) in [(Fault::FramesDamaged, crc), (Fault::FramesStretched, long)] {
        harness.nic.faults().clear();
        harness.nic.faults().set(fault, true);
        for n in 0..frames {
            harness.arrives(&own(60, n as u8));
        }
        harness.poll();
    }
    assert_eq!((harness.read(CRCERRS), harness.read(ROC)), (crc, long));
    assert_eq!((harness.read(GPRC), ring.peek(&harness).is_none()), (0, true), "none of them is good");
}

#[test]
fn the_counter_of_sent_bytes_has_the_check_sequences_that_the_frames_in_memory_lack() {
    let (harness, _rx, mut ring) = Harness::running();
    // A card counted 8,407,627,498 bytes for 1,065,750 frames, which were 8,403,361,197 bytes to its driver.
    for n in 0..30 {
        ring.send(&harness, &own(1514, n));
    }
    harness.poll();
    assert_eq!((harness.read(GPTC), wide(&harness, GOTCL)), (30, 30 * (1514 + 4)));
}
