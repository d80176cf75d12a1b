//! Counters (sections 4.6.5 and 8.2.3.23).

use std::time::{Duration, Instant};

use crate::harness::*;

#[test]
fn counters_clear_when_they_are_read_and_cannot_be_written() {
    let (harness, _, _) = Harness::running();
    harness.arrives(&own(60, 1));
    harness.poll();
    harness.write(GPRC, 100);
    assert_eq!(harness.read(GPRC), 1);
    assert_eq!(harness.read(GPRC), 0);
}

#[test]
fn received_frames_are_counted_by_kind_and_length() {
    let (harness, _, _) = Harness::running();
    let group = [1, 0, 0x5e, 0, 0, 1];
    let frames = [
        own(60, 1),
        own(61, 1),
        own(123, 1),
        own(124, 1),
        frame([0xff; 6], 252, 1),
        frame(group, 600, 1),
        own(1514, 1),
    ];
    frames.iter().for_each(|frame| harness.arrives(frame));
    harness.poll();
    let bytes: u32 = frames.iter().map(|frame| frame.len() as u32 + 4).sum();
    assert_eq!((harness.read(GPRC), harness.read(TPR)), (7, 7));
    assert_eq!((harness.read(GORCL), harness.read(GORCH)), (bytes, 0), "with check sequences");
    assert_eq!(harness.read(0x040C0), bytes, "TORL");
    assert_eq!((harness.read(BPRC), harness.read(MPRC)), (1, 1));
    let sizes: Vec<u32> = (0..6).map(|n| harness.read(0x0405C + 4 * n)).collect();
    assert_eq!(sizes, [1, 2, 1, 1, 1, 1], "64, to 127, to 255, to 511, to 1023, longer");
    assert_eq!(harness.read(QPRC), 7);
    assert_eq!(harness.read(QBRC_L), bytes - 7 * 4, "as they are in memory");
}

#[test]
fn sent_frames_are_counted_by_kind_and_length() {
    let (harness, _, mut tx) = Harness::running();
    let frames = [own(60, 1), frame([0xff; 6], 300, 1), frame([1, 0, 0x5e, 0, 0, 1], 1514, 1)];
    for frame in &frames {
        tx.send(&harness, frame);
    }
    harness.poll();
    let bytes: u32 = frames.iter().map(|frame| frame.len() as u32 + 4).sum();
    assert_eq!((harness.read(GPTC), harness.read(TPT), harness.read(GOTCL)), (3, 3, bytes));
    let sizes: Vec<u32> = (0..6).map(|n| harness.read(0x040D8 + 4 * n)).collect();
    assert_eq!(sizes, [1, 0, 0, 1, 0, 1]);
    assert_eq!((harness.read(0x040F4), harness.read(0x040F0)), (1, 1), "BPTC and MPTC");
    assert_eq!((harness.read(QPTC), harness.read(QBTC_L)), (3, bytes - 3 * 4));
}

#[test]
fn a_frame_is_counted_when_its_descriptor_is_done() {
    let (harness, _, mut tx) = Harness::running();
    harness.far(|far| far.slow = Duration::from_millis(50));
    let first = tx.send(&harness, &own(60, 1));
    tx.send(&harness, &own(60, 2));
    std::thread::scope(|scope| {
        scope.spawn(|| harness.poll());
        let start = Instant::now();
        while !tx.done(first) {
            assert!(start.elapsed() < Duration::from_secs(20), "the first frame is sent");
            std::thread::yield_now();
        }
        // The card is sending the second one, unless this thread was kept from running.
        let counted = harness.read(GPTC);
        assert!(counted >= 1, "{counted} frames are counted");
    });
}

#[test]
fn frames_that_the_filters_drop_count_only_in_the_totals() {
    let (harness, _, _) = Harness::running();
    harness.write(FCTRL, 0);
    harness.arrives(&frame([2, 2, 2, 2, 2, 2], 60, 1));
    harness.poll();
    assert_eq!((harness.read(TPR), harness.read(GPRC), harness.read(QPRC)), (1, 0, 0));
}

#[test]
fn queues_count_in_the_set_that_rqsmr_and_tqsm_say() {
    let (harness, _, mut tx) = Harness::running();
    harness.write(0x02300, 0x0000_000f);
    harness.write(0x08600, 0x0000_0003);
    harness.arrives(&own(60, 1));
    tx.send(&harness, &own(60, 1));
    harness.poll();
    assert_eq!((harness.read(QPRC), harness.read(QPRC + 0x40 * 15)), (0, 1));
    assert_eq!((harness.read(QPTC), harness.read(QPTC + 4 * 3)), (0, 1));
    assert_eq!((harness.read(QBTC_L), harness.read(QBTC_L + 8 * 3)), (0, 60));
}
