//! For any features and any schedule: frames pass once, whole and in order, and all memory comes back.

use ixy_core::{Batch, Device, RxQueue, TxQueue};
use ixy_virtio::Config;
use proptest::prelude::*;

use crate::device::{Options, Order, feature};
use crate::harness::{Harness, Interface, frame};

#[derive(Clone, Debug)]
enum Turn {
    Arrive(usize),
    Poll(usize),
    Receive(usize),
    Send(usize),
    Reclaim(usize),
    Pending,
}

fn turn() -> impl Strategy<Value = Turn> {
    prop_oneof![
        (1_usize..40).prop_map(Turn::Arrive),
        (1_usize..100).prop_map(Turn::Poll),
        (1_usize..=256).prop_map(Turn::Receive),
        (1_usize..64).prop_map(Turn::Send),
        (1_usize..64).prop_map(Turn::Reclaim),
        Just(Turn::Pending),
    ]
}

fn options() -> impl Strategy<Value = (Interface, Options)> {
    let order = prop_oneof![
        Just(Order::AsMadeAvailable),
        Just(Order::NewestFirst),
        (1_u64..1000).prop_map(Order::Shuffled),
    ];
    let sizes = (0_u32..10, 1_u16..600);
    (any::<[bool; 10]>(), order, sizes, 0_u16..4).prop_map(|(choice, order, (power, any), distance)| {
        let [modern, packed, in_order, mergeable, events, layout, control, batches, sleeps, scrambles] =
            choice;
        let bit = |on: bool, bit: u64| if on { bit } else { 0 };
        let mut features = feature::MAC
            | bit(mergeable, feature::MRG_RXBUF)
            | bit(events, feature::EVENT_IDX)
            | bit(layout, feature::ANY_LAYOUT)
            | bit(control, feature::CONTROL);
        if modern {
            features |=
                feature::VERSION_1 | bit(packed, feature::RING_PACKED) | bit(in_order, feature::IN_ORDER);
        }
        let size = if modern && packed { any } else { 1 << power.max(1) };
        let interface = if modern { Interface::Modern } else { Interface::Legacy };
        // A device that lets entries pass may wait for the next one for ever.
        let distance = if sleeps { 0 } else { distance };
        let (rx_size, tx_size) = (size, size);
        let options = Options {
            features,
            rx_size,
            tx_size,
            order,
            batches,
            sleeps,
            distance,
            scrambles,
            ..Options::default()
        };
        (interface, options)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(250))]

    #[test]
    fn frames_pass_once_whole_and_in_order_and_all_memory_comes_back(
        (interface, options) in options(), turns in proptest::collection::vec(turn(), 1..120),
        rings in (6_u32..9, 6_u32..9), jumbo in any::<bool>(),
    ) {
        let mergeable = options.features & feature::MRG_RXBUF != 0;
        // A ring of few entries never has room for a frame in many buffers.
        let jumbo = jumbo && mergeable && options.rx_size >= 8;
        let harness = Harness::build(options, interface, 4096);
        let config = Config { rx_ring: 1 << rings.0, tx_ring: 1 << rings.1, ..Config::default() };
        let (device, mut rx, mut tx) = harness.start(&config);
        let (mut arrived, mut received, mut dropped) = (Vec::new(), Vec::new(), 0_u64);
        let (mut sent, mut left, mut reclaimed) = (Vec::new(), Vec::new(), Vec::new());
        let mut number = 0;
        let mut batch = Batch::new(64);
        // After the random turns: the turns that finish all transfers.
        let drawn = turns.len();
        let end = [Turn::Poll(1000), Turn::Receive(256), Turn::Send(0)].into_iter().cycle();
        let mut idle = 0;
        for (n, turn) in turns.into_iter().chain(end).take(50_000).enumerate() {
            let mut progress = 0;
            match turn {
                Turn::Arrive(count) => for _ in 0..count {
                    number += 1;
                    let long = jumbo && number % 5 == 0;
                    let len = if long { 3000 + number as usize % 3000 } else { 60 + number as usize % 1400 };
                    let bytes = frame(len, number);
                    harness.device.arrive(0, std::slice::from_ref(&bytes));
                    if long { dropped += 1 } else { arrived.push(bytes) }
                },
                Turn::Poll(limit) => progress = harness.device.poll_some(limit),
                Turn::Receive(limit) => {
                    let mut batch = Batch::new(limit);
                    progress = rx.receive(&mut batch);
                    prop_assert_eq!(progress, batch.len());
                    received.extend(batch.iter().map(|packet| packet.to_vec()));
                }
                Turn::Send(count) => {
                    for _ in 0..count.min(batch.room()) {
                        number += 1;
                        let bytes = frame(60 + number as usize % 1400, number);
                        sent.push(bytes.clone());
                        batch.push(harness.packet(&bytes)).unwrap();
                    }
                    let before = batch.len();
                    progress = tx.send(&mut batch);
                    prop_assert_eq!(before - progress, batch.len());
                }
                Turn::Reclaim(count) => {
                    let mut back = Batch::new(64);
                    let got = tx.reclaim(&mut back, count);
                    prop_assert!(got <= count && got == back.len());
                    reclaimed.extend(back.iter().map(|packet| packet.to_vec()));
                }
                Turn::Pending => { tx.pending(); }
            }
            left.extend(harness.device.frames(0));
            idle = if n < drawn || progress > 0 { 0 } else { idle + 1 };
            if idle == 9 {
                break;
            }
        }
        prop_assert_eq!(batch.len(), 0, "packets were not sent");
        prop_assert_eq!(tx.pending(), 0);
        prop_assert!(left == sent, "{} of {} packets were sent, or others", left.len(), sent.len());
        prop_assert!(received == arrived, "{} of {} frames were received, or others", received.len(), arrived.len());
        let mut once: Vec<_> = reclaimed.iter().map(|frame| &frame[14..18]).collect();
        once.sort_unstable();
        once.dedup();
        prop_assert_eq!(once.len(), reclaimed.len(), "a packet came back twice");
        prop_assert!(reclaimed.iter().all(|frame| sent.contains(frame)), "a packet came back changed");
        let stats = device.stats().unwrap();
        prop_assert_eq!((stats.rx_packets, stats.rx_dropped), (arrived.len() as u64, dropped));
        prop_assert_eq!(stats.tx_packets, sent.len() as u64);
        for queue in 0..2 {
            prop_assert_eq!(harness.device.doorbells(queue).missed, 0, "queue {}", queue);
        }
        drop((rx, tx, device));
        harness.all_is_back();
    }
}
