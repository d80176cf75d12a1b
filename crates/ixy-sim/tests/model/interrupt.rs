//! Interrupts (sections 7.3.1, 7.3.2.1 and 8.2.3.5).

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::harness::*;

const LSC: u32 = 1 << 20;
const MSIX: u32 = 1 << 4;
const EIAME: u32 = 1 << 30;
const EIMS_EX: u32 = 0x00AA0;
const EIMC_EX: u32 = 0x00AB0;
const EICS_EX: u32 = 0x00A90;
const EIAM_EX: u32 = 0x00AD0;

/// Receive queue 0 is cause `rx`, transmit queue 0 is cause `tx`.
fn allocate(harness: &Harness, rx: u32, tx: u32) {
    harness.write(IVAR, 0x80 | rx | (0x80 | tx) << 8);
}

#[test]
fn frames_set_the_causes_that_ivar_says() {
    let (harness, _, mut tx) = Harness::running();
    harness.read(EICR);
    harness.arrives(&own(60, 1));
    harness.poll();
    assert_eq!(harness.read(EICR), 0, "no entry is valid");
    allocate(&harness, 3, 5);
    harness.arrives(&own(60, 1));
    harness.poll();
    assert_eq!(harness.read(EICR), 1 << 3);
    tx.send(&harness, &own(60, 1));
    harness.poll();
    assert_eq!(harness.read(EICR), 1 << 5);
    let second = harness.rx_ring(1, 32);
    harness.write(IVAR, (0x80 | 7) << 16);
    drop(second);
    harness.arrives(&own(60, 1));
    harness.poll();
    assert_eq!(harness.read(EICR), 0, "the upper half is queue 1's");
}

#[test]
fn eicr_is_cleared_by_reading_or_bit_by_bit_by_writing() {
    let harness = Harness::new();
    harness.write(EICS, 0b111 | LSC);
    assert_eq!(harness.read(EICS), 0b111 | LSC, "reading EICS shows the causes and keeps them");
    harness.write(EICR, 0b010);
    assert_eq!(harness.read(EICR), 0b101 | LSC);
    assert_eq!(harness.read(EICR), 0);
    harness.write(GPIE, 1 << 5);
    harness.write(EICS, 0b111 | LSC);
    assert_eq!(harness.read(EICR), 0b111 | LSC);
    assert_eq!(harness.read(EICR), 0b111, "GPIE.OCD: queue causes stay");
}

#[test]
fn only_causes_that_are_enabled_interrupt() {
    let harness = Harness::new();
    harness.write(EICS, 1);
    assert!(harness.vectors.take().is_empty(), "masked");
    harness.write(EIMS, 1);
    assert_eq!(harness.vectors.take(), [0], "unmasked while pending");
    assert_eq!(harness.read(EIMS), 1);
    harness.read(EICR);
    harness.write(EICS, 1);
    assert_eq!(harness.vectors.take(), [0]);
    harness.write(EIMC, 1);
    assert_eq!(harness.read(EIMS), 0);
    harness.read(EICR);
    harness.write(EICS, 1);
    assert!(harness.vectors.take().is_empty());
}

#[test]
fn writing_ones_to_the_mask_leaves_the_others() {
    let harness = Harness::new();
    harness.write(EIMS, 0b0011);
    harness.write(EIMS, 0b1000 | LSC);
    harness.write(EIMC, 0b0001);
    assert_eq!(harness.read(EIMS), 0b1010 | LSC);
    assert_eq!(harness.read(EIMS_EX), 0b1010, "the low half is the extended mask's");
    harness.write(EIMC_EX, 0b1000);
    assert_eq!(harness.read(EIMS), 0b0010 | LSC);
}

#[test]
fn a_cause_that_is_pending_does_not_interrupt_again() {
    let harness = Harness::new();
    harness.write(EIMS, LSC);
    harness.far(|far| far.dark = false);
    harness.poll();
    assert_eq!(harness.vectors.take(), [0]);
    harness.write(EICS, LSC);
    harness.write(EICS, 1 << 3);
    assert!(harness.vectors.take().is_empty(), "neither the same cause nor a masked one");
    harness.read(EICR);
    harness.write(EICS, LSC);
    assert_eq!(harness.vectors.take(), [0]);
}

#[test]
fn with_msix_each_queue_has_its_vector() {
    let (harness, _, mut tx) = Harness::running();
    harness.write(GPIE, MSIX);
    allocate(&harness, 2, 40);
    harness.write(IVAR_MISC, (0x80 | 33) << 8);
    harness.write(EIMS_EX, 1 << 2);
    harness.write(EIMS_EX + 4, 1 << (40 - 32));
    harness.read(EICR);
    harness.arrives(&own(60, 1));
    harness.poll();
    assert_eq!(harness.vectors.take(), [2]);
    tx.send(&harness, &own(60, 1));
    harness.poll();
    assert_eq!(harness.vectors.take(), [40]);
    harness.write(EIMS, LSC);
    harness.far(|far| far.dark = true);
    harness.poll();
    assert_eq!(harness.vectors.take(), [33], "other causes");
    harness.write(EICS_EX + 4, 1 << (40 - 32));
    assert_eq!(harness.vectors.take(), [40], "by software");
}

#[test]
fn with_msix_eiac_clears_the_cause_when_its_message_is_sent() {
    let (harness, _, _) = Harness::running();
    harness.write(GPIE, MSIX);
    allocate(&harness, 2, 3);
    harness.write(EIMS_EX, 0xf);
    harness.read(EICR);
    for eiac in [0, 1 << 2] {
        harness.write(EIAC, eiac);
        harness.arrives(&own(60, 1));
        harness.poll();
        assert_eq!(harness.vectors.take(), [2]);
        assert_eq!(harness.read(EICR) & 1 << 2, 1 << 2 & !eiac, "EIAC {eiac:#x}");
    }
}

#[test]
fn with_msix_eiam_masks_a_vector_when_its_message_is_sent() {
    let (harness, _, _) = Harness::running();
    harness.write(GPIE, MSIX | EIAME);
    harness.write(EIAC, 0xf);
    harness.write(EIAM_EX, 1 << 2);
    allocate(&harness, 2, 3);
    harness.write(EIMS_EX, 0xf);
    for _ in 0..2 {
        harness.arrives(&own(60, 1));
        harness.poll();
    }
    assert_eq!(harness.vectors.take(), [2], "the second one is masked");
    assert_eq!(harness.read(EIMS_EX), 0xf & !(1 << 2));
    harness.write(EIMS_EX, 1 << 2);
    assert_eq!(harness.vectors.take(), [2], "and interrupts when it is unmasked");
}

#[test]
fn without_msix_eiam_masks_when_eicr_is_read() {
    let harness = Harness::new();
    harness.write(EIAM, 1 << 4);
    harness.write(EIMS, 1 << 4 | 1 << 5);
    harness.write(EICS, 1 << 4 | 1 << 5);
    harness.read(EICR);
    assert_eq!(harness.read(EIMS), 1 << 5);
}

/// An interrupt handler that reads EICR at once, as drivers do.
#[test]
fn a_handler_may_access_registers() {
    use std::sync::{Arc, Mutex, Weak};

    use ixy_sim::{Irq, Nic82599};

    #[derive(Clone, Default)]
    struct Handler(Arc<Mutex<(Weak<Nic82599>, Vec<u32>)>>);
    impl Irq for Handler {
        fn raise(&self, _vector: u32) {
            let mut state = self.0.lock().unwrap();
            if let Some(nic) = state.0.upgrade() {
                let causes = nic.read32(EICR);
                state.1.push(causes);
            }
        }
    }
    let handler = Handler::default();
    let harness = Harness::with(|builder| builder.irq(Box::new(handler.clone())));
    handler.0.lock().unwrap().0 = Arc::downgrade(&harness.nic);
    harness.write(EIMS, LSC | 1);
    harness.write(EICS, 1);
    harness.poll();
    assert_eq!(handler.0.lock().unwrap().1, [1, LSC]);
}

#[test]
fn without_msix_there_is_one_interrupt_until_no_cause_is_let_through_any_more() {
    let harness = Harness::new();
    harness.write(EIMS, 0b11);
    harness.write(EICS, 0b01);
    assert_eq!(harness.vectors.take(), [0]);
    harness.write(EICS, 0b10);
    assert!(harness.vectors.take().is_empty(), "the pin is asserted already");
    harness.write(EICR, 0b01);
    harness.write(EICS, 0b01);
    assert!(harness.vectors.take().is_empty(), "the other cause asserted it all the time");
    // After masking and unmasking, the pin is asserted again.
    harness.write(EIMC, 0b11);
    harness.write(EIMS, 0b10);
    assert_eq!(harness.vectors.take(), [0]);
    harness.write(EICR, 0b11);
    harness.write(EICS, 0b10);
    assert_eq!(harness.vectors.take(), [0]);
    harness.read(EICR);
    harness.write(EICS, 0b10);
    assert_eq!(harness.vectors.take(), [0]);
}

const CNT_WDIS: u32 = 1 << 31;

/// The throttle of vector `n`.
fn eitr(n: u32) -> u32 {
    if n < 24 { EITR + 4 * n } else { 0x12300 + 4 * (n - 24) }
}

/// A clock that the test advances.
#[derive(Clone, Default)]
struct Clock(Arc<AtomicU64>);

impl Clock {
    fn pass(&self, nanoseconds: u64) {
        self.0.fetch_add(nanoseconds, Ordering::Relaxed);
    }

    /// A device with MSI-X and this clock, all vectors unmasked and cleared by their messages.
    fn harness() -> (Self, Harness) {
        let clock = Self::default();
        let own = clock.clone();
        let harness = Harness::with(|builder| {
            builder.clock(move || Duration::from_nanos(own.0.load(Ordering::Relaxed)))
        });
        harness.write(GPIE, MSIX);
        harness.write(EIAC, 0xffff);
        harness.write(EIMS_EX, u32::MAX);
        harness.write(EIMS_EX + 4, u32::MAX);
        (clock, harness)
    }
}

fn cause(harness: &Harness, vector: u32) {
    harness.write(EICS_EX + 4 * (vector / 32), 1 << (vector % 32));
}

#[test]
fn a_throttled_vector_interrupts_once_in_its_interval() {
    for vector in [2, 23, 24, 40, 63] {
        let (clock, harness) = Clock::harness();
        // 100 units of 2.048 us.
        harness.write(eitr(vector), 100 << 3);
        cause(&harness, vector);
        assert_eq!(harness.vectors.take(), [vector], "the first comes at once");
        cause(&harness, vector);
        cause(&harness, vector);
        cause(&harness, 5);
        assert_eq!(harness.vectors.take(), [5], "each vector has a throttle of its own");
        clock.pass(204_799);
        harness.poll();
        assert!(harness.vectors.take().is_empty(), "too early");
        clock.pass(1);
        harness.poll();
        assert_eq!(harness.vectors.take(), [vector]);
        harness.poll();
        assert!(harness.vectors.take().is_empty(), "one for all that came meanwhile");
        cause(&harness, vector);
        harness.poll();
        assert!(harness.vectors.take().is_empty(), "the interval starts again with each interrupt");
        clock.pass(1_000_000);
        harness.poll();
        assert_eq!(harness.vectors.take(), [vector]);
        clock.pass(204_800);
        harness.poll();
        cause(&harness, vector);
        assert_eq!(
            harness.vectors.take(),
            [vector],
            "after an interval without a cause, the next comes at once"
        );
    }
}

#[test]
fn a_cause_that_goes_away_while_it_is_throttled_does_not_interrupt() {
    let (clock, harness) = Clock::harness();
    harness.write(eitr(2), 10 << 3);
    cause(&harness, 2);
    assert_eq!(harness.vectors.take(), [2]);
    cause(&harness, 2);
    harness.write(EICR, 1 << 2);
    clock.pass(1_000_000);
    harness.poll();
    assert!(harness.vectors.take().is_empty(), "it was cleared");
    cause(&harness, 2);
    assert_eq!(harness.vectors.take(), [2]);
    cause(&harness, 2);
    harness.write(EIMC, 1 << 2);
    clock.pass(1_000_000);
    harness.poll();
    assert!(harness.vectors.take().is_empty(), "it was masked");
    harness.write(EIMS, 1 << 2);
    assert_eq!(harness.vectors.take(), [2], "and is there still");
}

#[test]
fn a_message_that_was_held_back_clears_and_masks_as_any_other() {
    let (clock, harness) = Clock::harness();
    harness.write(GPIE, MSIX | EIAME);
    harness.write(eitr(2), 10 << 3);
    cause(&harness, 2);
    harness.write(EIAM_EX, 1 << 2);
    cause(&harness, 2);
    assert_eq!(harness.read(EICS) & 1 << 2, 1 << 2, "it is pending");
    assert_eq!(harness.read(EIMS_EX) & 1 << 2, 1 << 2, "and not masked before its message is sent");
    clock.pass(1_000_000);
    harness.poll();
    assert_eq!(harness.vectors.take(), [2, 2]);
    assert_eq!((harness.read(EICS) & 1 << 2, harness.read(EIMS_EX) & 1 << 2), (0, 0));
}

#[test]
fn eitr_shows_what_is_left_and_is_written_with_or_without_its_counter() {
    let (clock, harness) = Clock::harness();
    let counter = |harness: &Harness| harness.read(eitr(2)) >> 21 & 0x7f;
    harness.write(eitr(2), CNT_WDIS | 400 << 3);
    assert_eq!(harness.read(eitr(2)), 400 << 3, "CNT_WDIS reads zero, and nothing counts yet");
    cause(&harness, 2);
    assert_eq!(counter(&harness), 100, "the upper 7 of 9 bits");
    clock.pass(200 * 2048);
    assert_eq!(counter(&harness), 50);
    cause(&harness, 2);
    assert_eq!(harness.vectors.take(), [2]);
    harness.write(eitr(2), CNT_WDIS | 10 << 3);
    assert_eq!((counter(&harness), harness.read(eitr(2)) & 0xfff), (50, 10 << 3), "the counter goes on");
    assert!(harness.vectors.take().is_empty());
    harness.write(eitr(2), 400 << 3);
    assert_eq!(harness.vectors.take(), [2], "with the counter written to zero, what waits comes at once");
    harness.write(eitr(2), 25 << 21 | 400 << 3);
    cause(&harness, 2);
    clock.pass(100 * 2048 - 1);
    harness.poll();
    assert!(harness.vectors.take().is_empty(), "a counter that was written holds back too");
    clock.pass(1);
    harness.poll();
    assert_eq!(harness.vectors.take(), [2]);
    cause(&harness, 2);
    harness.write(eitr(2), CNT_WDIS);
    assert_eq!(harness.vectors.take(), [2], "without an interval there is no throttle");
    harness.write(eitr(100), 5 << 3);
    assert_eq!(harness.read(eitr(100)), 5 << 3, "the throttles of virtual functions store");
}

#[test]
fn other_causes_wait_for_the_throttle_of_their_vector() {
    let (clock, harness) = Clock::harness();
    harness.write(IVAR_MISC, (0x80 | 33) << 8);
    harness.write(EIMS, LSC);
    harness.write(eitr(33), 10 << 3);
    harness.write(EICS, LSC);
    assert_eq!(harness.vectors.take(), [33]);
    harness.read(EICR);
    harness.write(EICS, LSC);
    assert!(harness.vectors.take().is_empty());
    clock.pass(10 * 2048);
    harness.poll();
    assert_eq!(harness.vectors.take(), [33]);
    for (register, why) in [(EICR, "cleared"), (EIMC, "masked")] {
        harness.write(EIMS, LSC);
        for _ in 0..2 {
            harness.write(EICR, LSC);
            harness.write(EICS, LSC);
        }
        let _first = harness.vectors.take();
        harness.write(register, LSC);
        clock.pass(10 * 2048);
        harness.poll();
        assert!(harness.vectors.take().is_empty(), "it was {why} while it was held back");
    }
}

#[test]
fn without_msix_the_first_throttle_is_that_of_all() {
    let (clock, harness) = Clock::harness();
    harness.write(GPIE, 0);
    harness.write(EIMC, u32::MAX);
    harness.write(EIMS, 0b11);
    harness.write(eitr(0), 10 << 3);
    harness.write(eitr(1), 500 << 3);
    harness.write(EICS, 0b01);
    assert_eq!(harness.vectors.take(), [0]);
    harness.read(EICR);
    harness.write(EICS, 0b10);
    assert!(harness.vectors.take().is_empty());
    harness.write(EICR, 0b10);
    clock.pass(10 * 2048);
    harness.poll();
    assert!(harness.vectors.take().is_empty(), "it was cleared");
    harness.write(EICS, 0b10);
    assert_eq!(harness.vectors.take(), [0]);
    harness.read(EICR);
    harness.write(EICS, 0b01);
    clock.pass(10 * 2048);
    harness.poll();
    assert_eq!(harness.vectors.take(), [0], "what waited comes when the interval is over");
}

#[test]
fn a_reset_ends_throttles_and_forgets_what_they_held_back() {
    let (_, harness) = Clock::harness();
    harness.write(eitr(2), 500 << 3);
    cause(&harness, 2);
    cause(&harness, 2);
    assert_eq!(harness.vectors.take(), [2]);
    harness.write(CTRL, 1 << 26);
    assert_eq!(harness.read(eitr(2)), 0);
    harness.poll();
    harness.write(GPIE, MSIX);
    harness.write(EIMS_EX, 1 << 2);
    harness.write(eitr(2), CNT_WDIS | 500 << 3);
    harness.poll();
    assert!(harness.vectors.take().is_empty());
    cause(&harness, 2);
    assert_eq!(harness.vectors.take(), [2]);
}

#[test]
fn a_device_without_throttles_reads_no_clock() {
    let (harness, _, _) = Harness::running_with(|builder| builder.clock(|| panic!("the clock was read")));
    harness.write(GPIE, MSIX);
    allocate(&harness, 2, 3);
    harness.write(EIMS_EX, 0xf);
    harness.read(EICR);
    harness.arrives(&own(60, 1));
    harness.poll();
    assert_eq!(harness.vectors.take(), [2]);
}

#[test]
fn odd_queues_have_the_upper_half_of_ivar() {
    let (harness, _, _) = Harness::running();
    let mut tx = harness.tx_ring(1, 32);
    harness.write(IVAR, 0x80 | 1 | (0x80 | 2) << 8 | (0x80 | 3) << 16 | (0x80 | 4) << 24);
    harness.read(EICR);
    tx.send(&harness, &own(60, 1));
    harness.poll();
    assert_eq!(harness.read(EICR), 1 << 4);
}

#[test]
fn without_msix_ivar_chooses_among_sixteen_causes() {
    let (harness, _, _) = Harness::running();
    allocate(&harness, 0x23, 5);
    harness.read(EICR);
    harness.arrives(&own(60, 1));
    harness.poll();
    assert_eq!(harness.read(EICR), 1 << 3, "the upper bits of an entry mean something with MSI-X only");
}

#[test]
fn with_msix_the_tcp_timer_and_the_other_causes_have_a_vector_each_if_it_is_valid() {
    const TCP_TIMER: u32 = 1 << 30;
    let harness = Harness::new();
    harness.write(GPIE, MSIX);
    harness.write(EIMS, TCP_TIMER | LSC);
    for (misc, timer, other) in [
        (0x80 | 9 | (0x80 | 10) << 8, vec![9], vec![10]),
        (9 | (0x80 | 10) << 8, vec![], vec![10]),
        (0x80 | 9 | 10 << 8, vec![9], vec![]),
    ] {
        harness.write(IVAR_MISC, misc);
        harness.read(EICR);
        harness.write(EICS, TCP_TIMER);
        assert_eq!(harness.vectors.take(), timer, "{misc:#x}");
        harness.write(EICS, LSC);
        assert_eq!(harness.vectors.take(), other, "{misc:#x}");
        harness.write(EICS, LSC);
        assert!(harness.vectors.take().is_empty(), "it is pending already");
    }
}

#[test]
fn with_msix_messages_clear_and_mask_other_causes_and_those_beyond_eicr() {
    let harness = Harness::new();
    harness.write(GPIE, MSIX | EIAME);
    harness.write(IVAR_MISC, (0x80 | 33) << 8);
    harness.write(EIAC, LSC);
    harness.write(EIMS, LSC);
    harness.write(EICS, LSC);
    assert_eq!((harness.vectors.take(), harness.read(EICS)), (vec![33], 0), "EIAC has other causes, too");
    harness.write(EIAM, LSC | 1 << 3);
    harness.write(EICS, LSC);
    assert_eq!((harness.vectors.take(), harness.read(EIMS)), (vec![33], 0), "and EIAM");
    harness.write(EIMS, 1 << 3);
    harness.write(EICS, 1 << 3);
    assert_eq!(
        (harness.vectors.take(), harness.read(EIMS)),
        (vec![3], 0),
        "EIAM has the low causes of queues"
    );
    harness.write(EIMS_EX + 4, 1 << 8);
    for _ in 0..2 {
        harness.write(EICS_EX + 4, 1 << 8);
        assert_eq!(harness.vectors.take(), [40]);
        assert_eq!(harness.read(EICS_EX + 4), 0, "causes that EICR does not show clear by themselves");
    }
}

#[test]
fn without_eiame_messages_mask_nothing() {
    let harness = Harness::new();
    harness.write(GPIE, MSIX);
    harness.write(EIAM_EX, 1 << 2);
    harness.write(EIMS_EX, 1 << 2);
    harness.write(EICS, 1 << 2);
    assert_eq!((harness.vectors.take(), harness.read(EIMS_EX)), (vec![2], 1 << 2));
}

#[test]
fn with_msix_a_cause_that_is_pending_sends_no_other_message() {
    let harness = Harness::new();
    harness.write(GPIE, MSIX);
    harness.write(EIMS_EX, 1 << 2);
    harness.write(EICS, 1 << 2);
    harness.write(EICS, 1 << 2);
    assert_eq!(harness.vectors.take(), [2]);
    harness.write(EICR, 1 << 2);
    harness.write(EICS, 1 << 2);
    assert_eq!(harness.vectors.take(), [2]);
}

#[test]
fn with_msix_masked_causes_send_no_message() {
    let harness = Harness::new();
    harness.write(GPIE, MSIX);
    harness.write(EICS, 1 << 2);
    assert!(harness.vectors.take().is_empty());
}

#[test]
fn the_level_of_the_pin_is_told() {
    #[derive(Clone, Default)]
    struct Pin(Arc<std::sync::Mutex<Vec<bool>>>);
    impl ixy_sim::Irq for Pin {
        fn raise(&self, _vector: u32) {}
        fn line(&self, asserted: bool) {
            self.0.lock().unwrap().push(asserted);
        }
    }
    let pin = Pin::default();
    let harness = Harness::with(|builder| builder.irq(Box::new(pin.clone())));
    harness.write(EIMS, 1);
    harness.write(EICS, 1);
    harness.read(EICR);
    assert_eq!(*pin.0.lock().unwrap(), [true, false]);
}
