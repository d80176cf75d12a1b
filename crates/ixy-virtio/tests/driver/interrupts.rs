//! A queue interrupts after it was armed, at its own vector, and at no other time.

use std::os::fd::BorrowedFd;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use ixy_core::{Batch, DATA_SIZE, Device as _, Interrupts, MacAddress, RxQueue, VectorKind, Vectors};
use ixy_virtio::Config;

use crate::device::{Device, Lie, Options, feature};
use crate::harness::{Agreement, Harness, Interface, Opened, agreements, frame, frames, rings};
use crate::vectors::Events;

pub(crate) type Queue = Box<dyn RxQueue>;

pub(crate) fn config(events: &Arc<Events>, queues: u16) -> Config {
    Config { queues, rx_ring: 64, tx_ring: 64, interrupts: Some(events.interrupts()), ..Config::default() }
}

/// Opens the device with `count` vectors, and takes all of its receive queues.
pub(crate) fn open(
    harness: &Harness,
    kind: VectorKind,
    count: usize,
    queues: u16,
) -> (Opened, Vec<Queue>, Arc<Events>) {
    let events = Events::new(&harness.device, kind, count);
    let mut device = harness.open(&config(&events, queues)).unwrap();
    let all = (0..queues).map(|n| device.rx_queue(n).unwrap()).collect();
    (device, all, events)
}

/// Opens the device with one queue, which has the first vector.
pub(crate) fn open_one(harness: &Harness, kind: VectorKind) -> (Opened, Queue, Arc<Events>) {
    let (device, mut queues, events) = open(harness, kind, 1, 1);
    (device, queues.remove(0), events)
}

pub(crate) fn arm(queue: &mut Queue) {
    queue.interrupt().unwrap().arm().unwrap();
}

pub(crate) fn disarm(queue: &mut Queue) {
    queue.interrupt().unwrap().disarm();
}

/// Receives all frames that are there, and returns their number.
fn drain(queue: &mut Queue) -> usize {
    let mut batch = Batch::new(256);
    queue.receive(&mut batch)
}

/// Lets frames arrive at queue `n`.
fn arrive(device: &Device, n: usize, count: u32) {
    device.arrive(n, &(0..count).map(|number| frame(60, number)).collect::<Vec<_>>());
    device.poll();
}

/// A frame that is too short.
pub(crate) fn runt() -> Vec<u8> {
    vec![0; 10]
}

/// A device with several queues, for either interface.
fn multiqueue(interface: Interface, pairs: u16) -> Harness {
    let version = if interface == Interface::Modern { feature::VERSION_1 } else { 0 };
    let features = version | feature::MAC | feature::MQ | feature::CONTROL;
    Harness::build(Options { features, pairs, ..Options::default() }, interface, 4096)
}

#[test]
fn a_queue_says_when_its_ring_has_no_buffers_left() {
    for agreement in agreements() {
        let harness = Harness::of(&agreement);
        let (_device, mut rx, _events) = open_one(&harness, VectorKind::MsiX);
        let mut held = Vec::new();
        while harness.pool.free() > 0 {
            let mut batch = Batch::new(64);
            harness.pool.allocate_batch(&mut batch, 64);
            held.push(batch);
        }
        // First the frames in the queue's cache, then those in its ring.
        loop {
            arrive(&harness.device, 0, 1);
            let mut batch = Batch::new(1);
            if rx.receive(&mut batch) == 0 {
                break;
            }
            held.push(batch);
        }
        assert!(rx.is_starved(), "{agreement:?}");
        held.clear();
        assert_eq!((drain(&mut rx), rx.is_starved()), (0, false), "{agreement:?}");
        harness.device.poll();
        assert_eq!(drain(&mut rx), 1, "{agreement:?}");
    }
}

#[test]
fn an_armed_queue_interrupts_for_the_next_frame_and_another_for_none() {
    for agreement in agreements() {
        let harness = Harness::of(&agreement);
        let (_device, mut rx, events) = open_one(&harness, VectorKind::MsiX);
        let event_idx = agreement.options.features & feature::EVENT_IDX != 0;
        for round in 0..30 {
            let context = || format!("round {round}, {agreement:?}");
            let count = 1 + round % 5;
            arrive(&harness.device, 0, count);
            assert_eq!((events.take(0), drain(&mut rx)), (0, count as usize), "not armed: {}", context());
            arm(&mut rx);
            assert_eq!((drain(&mut rx), harness.device.poll(), events.take(0)), (0, 0, 0), "{}", context());
            arrive(&harness.device, 0, 1);
            assert_eq!(events.take(0), 1, "armed: {}", context());
            arrive(&harness.device, 0, 1);
            // An index is passed once, a flag stays.
            assert_eq!(events.take(0), u64::from(!event_idx), "armed before: {}", context());
            assert_eq!(drain(&mut rx), 2);
            disarm(&mut rx);
            arrive(&harness.device, 0, count);
            assert_eq!((events.take(0), drain(&mut rx)), (0, count as usize), "disarmed: {}", context());
        }
    }
}

#[test]
fn nothing_interrupts_while_a_device_with_vectors_is_polled() {
    for kind in [VectorKind::MsiX, VectorKind::Pin] {
        for agreement in agreements() {
            let harness = Harness::of(&agreement);
            let (mut device, mut rx, events) = open_one(&harness, kind);
            let mut tx = device.take_tx_queue(0).unwrap();
            for _ in 0..5 {
                arrive(&harness.device, 0, 30);
                assert_eq!(drain(&mut rx), 30);
                assert_eq!(harness.send(&mut tx, &frames(30)).len(), 30);
            }
            let wanted = [0, 1].map(|queue| harness.device.interrupts(queue));
            assert_eq!((wanted, events.take(0)), ([0, 0], 0), "{kind:?}, {agreement:?}");
        }
    }
}

/// Rings with indices that wrap around at different places, among them a packed one of an odd size, each with the
/// number of frames to wrap around. The indices of a split ring have 16 bits with EVENT_IDX.
fn wrapping() -> Vec<(u32, Agreement)> {
    let mut all = Vec::new();
    for Agreement { options, interface } in rings() {
        for event in [0, feature::EVENT_IDX] {
            let features = options.features | event;
            let packed = features & feature::RING_PACKED != 0;
            for rx_size in if packed { vec![64, 49] } else { vec![64, 4] } {
                let options = Options { features, rx_size, ..options.clone() };
                let frames = if event != 0 && !packed { 66_000 } else { 1_000 };
                all.push((frames, Agreement { interface, options }));
            }
        }
    }
    all
}

#[test]
fn each_frame_interrupts_once_wherever_the_indices_wrap() {
    for (frames, agreement) in wrapping() {
        let harness = Harness::of(&agreement);
        let (_device, mut rx, events) = open_one(&harness, VectorKind::MsiX);
        let one = [frame(60, 0)];
        for n in 0..frames {
            arm(&mut rx);
            assert_eq!(events.take(0), 0, "frame {n}, {agreement:?}");
            harness.device.arrive(0, &one);
            harness.device.poll();
            assert_eq!((events.take(0), drain(&mut rx)), (1, 1), "frame {n}, {agreement:?}");
        }
    }
}

#[test]
fn a_queue_that_was_disarmed_never_interrupts_wherever_the_indices_wrap() {
    for (frames, agreement) in wrapping() {
        let harness = Harness::of(&agreement);
        let (_device, mut rx, events) = open_one(&harness, VectorKind::MsiX);
        arrive(&harness.device, 0, 3);
        arm(&mut rx);
        disarm(&mut rx);
        assert_eq!(drain(&mut rx), 3);
        let mut count = 0;
        while count < frames as usize {
            arrive(&harness.device, 0, 32);
            count += drain(&mut rx);
        }
        assert_eq!(events.take(0), 0, "{agreement:?}");
    }
}

/// The second look finds frames from before. If they are all dropped, the next frame still interrupts.
#[test]
fn frames_that_are_dropped_before_a_sleep_leave_the_queue_armed() {
    for agreement in agreements() {
        let harness = Harness::of(&agreement);
        let (device, mut rx, events) = open_one(&harness, VectorKind::MsiX);
        let mut dropped = 0;
        for round in 0..40 {
            let count = 1 + round % 7;
            harness.device.arrive(0, &vec![runt(); count]);
            harness.device.poll();
            arm(&mut rx);
            assert_eq!((events.take(0), drain(&mut rx)), (0, 0), "{agreement:?}");
            dropped += count as u64;
            arrive(&harness.device, 0, 1);
            assert_eq!((events.take(0), drain(&mut rx)), (1, 1), "round {round}, {agreement:?}");
            disarm(&mut rx);
        }
        assert_eq!(device.stats().unwrap().rx_dropped, dropped, "{agreement:?}");
    }
}

/// A device that keeps the order reports several frames at once, and the driver may have delivered a part of them.
#[test]
fn a_queue_can_be_armed_while_frames_are_still_to_be_handed_on() {
    for agreement in agreements() {
        let harness = Harness::of(&agreement);
        let (_device, mut rx, events) = open_one(&harness, VectorKind::MsiX);
        for round in 0..40 {
            let (there, taken) = (2 + round % 6, 1 + round % 5);
            // One entry can stand only for frames that fill their buffers.
            let len = if round % 2 == 0 { usize::from(DATA_SIZE) } else { 60 };
            harness.device.arrive(0, &(0..there).map(|number| frame(len, number)).collect::<Vec<_>>());
            harness.device.poll();
            let taken = rx.receive(&mut Batch::new(taken as usize)) as u32;
            arm(&mut rx);
            assert_eq!(events.take(0), 0);
            arrive(&harness.device, 0, 1);
            assert_eq!(events.take(0), 1, "{taken} of {there} were taken, {agreement:?}");
            assert_eq!(drain(&mut rx) as u32, there + 1 - taken);
            disarm(&mut rx);
        }
    }
}

#[test]
fn to_arm_again_and_again_loses_nothing() {
    for agreement in agreements() {
        let harness = Harness::of(&agreement);
        let (_device, mut rx, events) = open_one(&harness, VectorKind::MsiX);
        for round in 0..100 {
            for _ in 0..1 + round % 3 {
                arm(&mut rx);
            }
            arrive(&harness.device, 0, 1);
            assert_eq!(events.take(0), 1, "round {round}, {agreement:?}");
            if round % 2 == 0 {
                arm(&mut rx);
            }
            assert_eq!(drain(&mut rx), 1);
        }
    }
}

#[test]
fn each_receive_queue_has_a_vector_of_its_own_and_nothing_else_has_one() {
    for interface in [Interface::Legacy, Interface::Modern] {
        let harness = multiqueue(interface, 4);
        let (_device, mut queues, events) = open(&harness, VectorKind::MsiX, 4, 3);
        let (vectors, of_config) = harness.device.vectors();
        let own = [Some(0), None, Some(1), None, Some(2), None];
        assert_eq!((&vectors[..6], &vectors[6..]), (&own[..], &[None; 3][..]), "{interface:?}");
        assert_eq!(of_config, None, "{interface:?}");
        queues.iter_mut().for_each(arm);
        for (n, queue) in queues.iter_mut().enumerate() {
            arrive(&harness.device, n, 2);
            let signalled = [0, 1, 2, 3].map(|vector| events.take(vector) > 0);
            assert_eq!(signalled, [0, 1, 2, 3].map(|vector| vector == n), "{interface:?}");
            assert_eq!(drain(queue), 2);
        }
        harness.device.set_link(false);
        assert_eq!([0, 1, 2, 3].map(|vector| events.take(vector)), [0; 4], "a change of the link");
    }
}

#[test]
fn queues_share_vectors_where_there_are_too_few() {
    for interface in [Interface::Legacy, Interface::Modern] {
        // Vectors of the bus, vectors of the device, and the resulting vectors of three queues.
        for (bus, own, expected) in
            [(2, 64, [0, 1, 0]), (1, 64, [0, 0, 0]), (3, 2, [0, 1, 0]), (3, 1, [0, 0, 0])]
        {
            let harness = multiqueue(interface, 3);
            harness.device.lock().options.vectors = own;
            let (_device, mut queues, events) = open(&harness, VectorKind::MsiX, bus, 3);
            let vectors = harness.device.vectors().0;
            assert_eq!([vectors[0], vectors[2], vectors[4]], expected.map(Some), "{interface:?}");
            // Disarming one queue leaves the others on the same vector armed.
            queues.iter_mut().for_each(arm);
            disarm(&mut queues[0]);
            for n in [1, 2, 0] {
                arrive(&harness.device, n, 1);
                let vector = usize::from(expected[n]);
                assert_eq!(events.take(vector), u64::from(n != 0), "queue {n}, {interface:?}");
                let event = queues[n].interrupt().unwrap();
                rustix::io::write(event.event(), &7_u64.to_ne_bytes()).unwrap();
                assert_eq!(events.take(vector), 7, "the event is that of its vector");
            }
        }
    }
}

#[test]
fn a_device_that_has_no_vector_is_named_with_the_way_out() {
    for interface in [Interface::Legacy, Interface::Modern] {
        let harness = multiqueue(interface, 2);
        harness.device.lock().options.vectors = 0;
        let events = Events::new(&harness.device, VectorKind::MsiX, 5);
        let error = harness.refusal(&config(&events, 2));
        let parts = ["test", "receive queue 0", "5", "NO_VECTOR", "vectors=", "4.1.5.1.2"];
        assert!(parts.iter().all(|part| error.contains(part)), "{error}");
        harness.all_is_back();
    }
}

/// With MSI-X, the configuration of a legacy device moves back.
#[test]
fn the_configuration_of_a_legacy_device_is_found_with_msi_x_and_without() {
    for kind in [VectorKind::MsiX, VectorKind::Msi, VectorKind::Pin] {
        let features = feature::MAC | feature::STATUS | feature::MTU;
        let harness = Harness::legacy(Options { features, ..Options::default() });
        let (mut device, _rx, _events) = open_one(&harness, kind);
        assert_eq!(device.mac(), MacAddress([2, 0, 0, 0, 0, 1]), "{kind:?}");
        assert!(device.link().up);
        harness.device.set_link(false);
        assert!(!device.link().up);
        device.set_mac(MacAddress([2, 0, 0, 0, 0, 7])).unwrap();
        assert_eq!(harness.device.lock().net.mac, [2, 0, 0, 0, 0, 7], "{kind:?}");
    }
}

#[test]
fn a_port_bar_that_ends_before_the_vectors_is_named() {
    for config_len in 0..4 {
        let harness = Harness::legacy(Options { features: 0, config_len, ..Options::default() });
        let events = Events::new(&harness.device, VectorKind::MsiX, 1);
        let error = harness.refusal(&config(&events, 1));
        assert!(error.contains("MSI-X"), "{error}");
    }
    let harness = Harness::legacy(Options { features: 0, config_len: 4, ..Options::default() });
    let (_device, mut rx, events) = open_one(&harness, VectorKind::MsiX);
    arm(&mut rx);
    arrive(&harness.device, 0, 1);
    assert_eq!(events.take(0), 1);
}

#[test]
fn without_vectors_a_queue_has_no_interrupt() {
    for Agreement { options, .. } in rings() {
        let harness = Harness::new(options);
        let mut device = harness.open(&Config::default()).unwrap();
        let mut rx = device.rx_queue(0).unwrap();
        assert!(rx.interrupt().is_none());
        drop((rx, device));
        let mut device = harness.open(&Config::default()).unwrap();
        assert!(device.take_rx_queue(0).unwrap().with_interrupt().is_err());
        assert_eq!(harness.device.vectors(), (vec![None; 3], None));
    }
}

#[test]
fn a_queue_of_its_own_type_has_its_interrupt_with_it() {
    let harness = Harness::new(Options::default());
    let events = Events::new(&harness.device, VectorKind::MsiX, 1);
    let mut device = harness.open(&config(&events, 1)).unwrap();
    let Ok(mut rx) = device.take_rx_queue(0).unwrap().with_interrupt() else { panic!("it has none") };
    rx.interrupt().unwrap().arm().unwrap();
    arrive(&harness.device, 0, 1);
    assert_eq!(events.take(0), 1);
    let mut checksums = [ixy_core::Checksum::InFrame; Batch::CAPACITY];
    assert_eq!(rx.receive_with(&mut Batch::new(8), &mut checksums), 1);
}

/// The pin stays asserted until the interrupt status is read. The kernel masks it, and has to be asked to unmask
/// it.
#[test]
fn the_pin_is_lowered_and_unmasked_when_the_queue_is_armed() {
    for agreement in agreements() {
        let harness = Harness::of(&agreement);
        let (_device, mut rx, events) = open_one(&harness, VectorKind::Pin);
        for round in 1..30 {
            arm(&mut rx);
            assert_eq!((events.take(0), events.is_pin_up(), events.is_masked()), (0, false, false));
            assert_eq!(events.unmasked(), round);
            arrive(&harness.device, 0, 1);
            arrive(&harness.device, 0, 1);
            let seen = (events.take(0), events.is_pin_up(), events.is_masked());
            assert_eq!(seen, (1, true, true), "round {round}, {agreement:?}");
            assert_eq!(drain(&mut rx), 2);
            disarm(&mut rx);
        }
    }
}

#[test]
fn messages_of_one_vector_are_as_the_pin_without_its_mask() {
    for agreement in agreements() {
        let harness = Harness::of(&agreement);
        let (_device, mut rx, events) = open_one(&harness, VectorKind::Msi);
        for round in 0..30 {
            arm(&mut rx);
            arrive(&harness.device, 0, 1);
            assert_eq!((events.take(0), drain(&mut rx)), (1, 1), "round {round}, {agreement:?}");
            disarm(&mut rx);
            assert_eq!(harness.device.vectors(), (vec![None; 3], None));
        }
    }
}

/// Reading the status for one queue can deassert the pin before the kernel has seen it for another.
#[test]
fn a_queue_that_lowers_the_pin_passes_on_what_it_was_raised_for() {
    for kind in [VectorKind::Pin, VectorKind::Msi] {
        for interface in [Interface::Legacy, Interface::Modern] {
            let harness = multiqueue(interface, 2);
            let (_device, mut queues, events) = open(&harness, kind, 1, 2);
            events.be_late();
            for round in 0..20 {
                queues.iter_mut().for_each(arm);
                assert_eq!(queues.iter_mut().map(drain).sum::<usize>(), 0);
                arrive(&harness.device, 1, 1);
                // The second queue's thread sleeps now; the first finds nothing and is about to sleep.
                assert_eq!(drain(&mut queues[0]), 0);
                arm(&mut queues[0]);
                events.deliver();
                assert!(events.take(0) > 0, "{kind:?}, round {round}: the second queue's thread sleeps on");
                assert_eq!(drain(&mut queues[1]), 1);
                // No event is passed on twice.
                queues.iter_mut().for_each(arm);
                events.deliver();
                assert_eq!(events.take(0), 0, "{kind:?}, round {round}");
            }
        }
    }
}

/// Passing it on would wake its own thread for frames that the thread has received already.
#[test]
fn a_queue_that_has_the_pin_alone_passes_nothing_on() {
    let harness = Harness::new(Options::default());
    let (_device, mut rx, events) = open_one(&harness, VectorKind::Pin);
    events.be_late();
    for _ in 0..10 {
        arm(&mut rx);
        arrive(&harness.device, 0, 1);
        assert_eq!(drain(&mut rx), 1);
        arm(&mut rx);
        events.deliver();
        assert_eq!(events.take(0), 0);
    }
}

#[test]
fn a_change_of_the_link_raises_the_pin_and_is_no_frame() {
    let harness =
        Harness::new(Options { features: feature::VERSION_1 | feature::STATUS, ..Options::default() });
    let (_device, mut rx, events) = open_one(&harness, VectorKind::Pin);
    arm(&mut rx);
    harness.device.set_link(false);
    assert_eq!((events.take(0), drain(&mut rx)), (1, 0));
    arm(&mut rx);
    assert_eq!((events.take(0), events.is_pin_up()), (0, false));
    arrive(&harness.device, 0, 1);
    assert_eq!((events.take(0), drain(&mut rx)), (1, 1));
}

#[test]
fn a_pin_that_cannot_be_unmasked_is_an_error_and_the_queue_can_be_polled() {
    let harness = Harness::new(Options::default());
    let (_device, mut rx, events) = open_one(&harness, VectorKind::Pin);
    events.set_stuck(true);
    for _ in 0..3 {
        let error = rx.interrupt().unwrap().arm().unwrap_err();
        assert!(matches!(error, ixy_core::Error::Interrupt { .. }), "{error}");
        arrive(&harness.device, 0, 2);
        assert_eq!((drain(&mut rx), harness.device.interrupts(0)), (2, 0), "it is not armed");
    }
    events.set_stuck(false);
    arm(&mut rx);
    arrive(&harness.device, 0, 1);
    assert_eq!((events.take(0), drain(&mut rx)), (1, 1));
}

/// Vectors that record the device's state when they are switched off.
#[derive(Debug)]
struct Watched {
    events: Arc<Events>,
    device: Arc<Device>,
    end: Arc<Mutex<Option<u8>>>,
}

impl Vectors for Watched {
    fn kind(&self) -> VectorKind {
        self.events.kind()
    }

    fn len(&self) -> usize {
        self.events.len()
    }

    fn event(&self, n: usize) -> Option<BorrowedFd<'_>> {
        self.events.event(n)
    }

    fn unmask(&self) -> Result<(), ixy_core::Error> {
        self.events.unmask()
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        *self.end.lock().unwrap() = Some(self.device.status());
    }
}

/// The device may interrupt until its reset, so the vectors stay on that long; and MSI-X determines where a legacy
/// device has its configuration.
#[test]
fn vectors_are_switched_off_once_the_device_was_reset() {
    for kind in [VectorKind::MsiX, VectorKind::Pin] {
        for interface in [Interface::Legacy, Interface::Modern] {
            for queue_last in [false, true] {
                let version = if interface == Interface::Modern { feature::VERSION_1 } else { 0 };
                let harness =
                    Harness::build(Options { features: version, ..Options::default() }, interface, 2048);
                let end = Arc::new(Mutex::new(None));
                let events = Events::new(&harness.device, kind, 1);
                let vectors =
                    Watched { events: events.clone(), device: harness.device.clone(), end: end.clone() };
                let interrupts = Interrupts { vectors: Arc::new(vectors), rate: 0 };
                let mut device =
                    harness.open(&Config { interrupts: Some(interrupts), ..config(&events, 1) }).unwrap();
                let mut rx = device.rx_queue(0).unwrap();
                arm(&mut rx);
                let mut handles: Vec<Box<dyn std::any::Any>> = vec![Box::new(device), Box::new(rx)];
                if !queue_last {
                    handles.reverse();
                }
                for (n, handle) in handles.into_iter().enumerate() {
                    drop(handle);
                    assert_eq!(*end.lock().unwrap(), (n == 1).then_some(0), "{kind:?}, {interface:?}");
                }
                assert_eq!(harness.device.vectors().0[0], None);
                assert!(!events.is_pin_up());
                harness.all_is_back();
            }
        }
    }
}

#[test]
fn a_device_can_be_opened_again_with_other_vectors_or_none() {
    for interface in [Interface::Legacy, Interface::Modern] {
        let version = if interface == Interface::Modern { feature::VERSION_1 } else { 0 };
        let harness = Harness::build(
            Options { features: version | feature::MAC, ..Options::default() },
            interface,
            2048,
        );
        for kind in [VectorKind::MsiX, VectorKind::Pin, VectorKind::MsiX, VectorKind::Msi] {
            let (device, mut rx, events) = open_one(&harness, kind);
            assert_eq!(device.mac(), MacAddress([2, 0, 0, 0, 0, 1]));
            arm(&mut rx);
            arrive(&harness.device, 0, 1);
            assert_eq!((events.take(0), drain(&mut rx)), (1, 1), "{kind:?}, {interface:?}");
        }
    }
}

#[test]
fn what_a_device_writes_that_makes_no_sense_is_found_also_by_who_arms() {
    let features = feature::VERSION_1 | feature::EVENT_IDX;
    let harness = Harness::new(Options { features, ..Options::default() });
    let (device, mut rx, _events) = open_one(&harness, VectorKind::MsiX);
    harness.device.lie(0, Lie::Jump(20_000));
    arrive(&harness.device, 0, 1);
    assert!(device.stats().is_ok());
    arm(&mut rx);
    let error = device.stats().unwrap_err().to_string();
    assert!(error.contains("receive queue 0") && error.contains("20001"), "{error}");
    assert_eq!(drain(&mut rx), 0);
    // There is nothing to wait for either.
    arm(&mut rx);
    disarm(&mut rx);
    drop((rx, device));
    harness.all_is_back();
}

/// An index that advances on each read must not keep the driver reading for ever.
#[test]
fn arming_ends_whatever_the_device_writes() {
    for Agreement { options, .. } in rings() {
        let harness = Harness::new(Options { features: options.features | feature::EVENT_IDX, ..options });
        let (_device, mut rx, _events) = open_one(&harness, VectorKind::MsiX);
        let used = harness.device.areas(0).unwrap().device.offset(2);
        let start = Instant::now();
        std::thread::scope(|scope| {
            let writer = scope.spawn(|| {
                let mut index = 0_u64;
                while start.elapsed() < Duration::from_millis(100) {
                    index += 1;
                    harness.device.store(used, 16, index & 0xffff);
                }
            });
            while !writer.is_finished() {
                arm(&mut rx);
            }
        });
        assert!(start.elapsed() < Duration::from_secs(5));
        harness.device.reset_itself();
    }
}

#[test]
fn a_device_that_vanished_can_be_armed_and_wakes_nobody_for_ever() {
    for kind in [VectorKind::MsiX, VectorKind::Pin] {
        let harness = multiqueue(Interface::Modern, 2);
        let (device, mut queues, events) = open(&harness, kind, 2, 2);
        harness.device.fault(|faults| faults.vanished = true);
        for _ in 0..10 {
            queues.iter_mut().for_each(arm);
        }
        assert_eq!(events.take(0), 0, "all ones are no cause");
        queues.iter_mut().for_each(disarm);
        harness.device.fault(|faults| faults.vanished = false);
        drop((queues, device));
        harness.all_is_back();
    }
}
