//! Interrupts (sections 7.3.1 and 8.2.3.5).

use crate::bench::*;

const LSC: u32 = 1 << 20;
const MSIX: u32 = 1 << 4;
const EIAME: u32 = 1 << 30;
const EIMS_EX: u32 = 0x00AA0;
const EIMC_EX: u32 = 0x00AB0;
const EICS_EX: u32 = 0x00A90;
const EIAM_EX: u32 = 0x00AD0;

/// Receive queue 0 is cause `rx`, transmit queue 0 is cause `tx`.
fn allocate(bench: &Bench, rx: u32, tx: u32) {
    bench.write(IVAR, 0x80 | rx | (0x80 | tx) << 8);
}

#[test]
fn frames_set_the_causes_that_ivar_says() {
    let (bench, _, mut tx) = Bench::running();
    bench.read(EICR);
    bench.arrives(&own(60, 1));
    bench.poll();
    assert_eq!(bench.read(EICR), 0, "no entry is valid");
    allocate(&bench, 3, 5);
    bench.arrives(&own(60, 1));
    bench.poll();
    assert_eq!(bench.read(EICR), 1 << 3);
    tx.send(&bench, &own(60, 1));
    bench.poll();
    assert_eq!(bench.read(EICR), 1 << 5);
    let second = bench.rx_ring(1, 32);
    bench.write(IVAR, (0x80 | 7) << 16);
    drop(second);
    bench.arrives(&own(60, 1));
    bench.poll();
    assert_eq!(bench.read(EICR), 0, "the upper half is queue 1's");
}

#[test]
fn eicr_is_cleared_by_reading_or_bit_by_bit_by_writing() {
    let bench = Bench::new();
    bench.write(EICS, 0b111 | LSC);
    assert_eq!(bench.read(EICS), 0b111 | LSC, "reading EICS shows the causes and keeps them");
    bench.write(EICR, 0b010);
    assert_eq!(bench.read(EICR), 0b101 | LSC);
    assert_eq!(bench.read(EICR), 0);
    bench.write(GPIE, 1 << 5);
    bench.write(EICS, 0b111 | LSC);
    assert_eq!(bench.read(EICR), 0b111 | LSC);
    assert_eq!(bench.read(EICR), 0b111, "GPIE.OCD: queue causes stay");
}

#[test]
fn only_causes_that_are_enabled_interrupt() {
    let bench = Bench::new();
    bench.write(EICS, 1);
    assert!(bench.vectors.take().is_empty(), "masked");
    bench.write(EIMS, 1);
    assert_eq!(bench.vectors.take(), [0], "unmasked while pending");
    assert_eq!(bench.read(EIMS), 1);
    bench.read(EICR);
    bench.write(EICS, 1);
    assert_eq!(bench.vectors.take(), [0]);
    bench.write(EIMC, 1);
    assert_eq!(bench.read(EIMS), 0);
    bench.read(EICR);
    bench.write(EICS, 1);
    assert!(bench.vectors.take().is_empty());
}

#[test]
fn writing_ones_to_the_mask_leaves_the_others() {
    let bench = Bench::new();
    bench.write(EIMS, 0b0011);
    bench.write(EIMS, 0b1000 | LSC);
    bench.write(EIMC, 0b0001);
    assert_eq!(bench.read(EIMS), 0b1010 | LSC);
    assert_eq!(bench.read(EIMS_EX), 0b1010, "the low half is the extended mask's");
    bench.write(EIMC_EX, 0b1000);
    assert_eq!(bench.read(EIMS), 0b0010 | LSC);
}

#[test]
fn a_cause_that_is_pending_does_not_interrupt_again() {
    let bench = Bench::new();
    bench.write(EIMS, LSC);
    bench.far(|far| far.dark = false);
    bench.poll();
    assert_eq!(bench.vectors.take(), [0]);
    bench.write(EICS, LSC);
    bench.write(EICS, 1 << 3);
    assert!(bench.vectors.take().is_empty(), "neither the same cause nor a masked one");
    bench.read(EICR);
    bench.write(EICS, LSC);
    assert_eq!(bench.vectors.take(), [0]);
}

#[test]
fn with_msix_each_queue_has_its_vector() {
    let (bench, _, mut tx) = Bench::running();
    bench.write(GPIE, MSIX);
    allocate(&bench, 2, 40);
    bench.write(IVAR_MISC, (0x80 | 33) << 8);
    bench.write(EIMS_EX, 1 << 2);
    bench.write(EIMS_EX + 4, 1 << (40 - 32));
    bench.read(EICR);
    bench.arrives(&own(60, 1));
    bench.poll();
    assert_eq!(bench.vectors.take(), [2]);
    tx.send(&bench, &own(60, 1));
    bench.poll();
    assert_eq!(bench.vectors.take(), [40]);
    bench.write(EIMS, LSC);
    bench.far(|far| far.dark = true);
    bench.poll();
    assert_eq!(bench.vectors.take(), [33], "other causes");
    bench.write(EICS_EX + 4, 1 << (40 - 32));
    assert_eq!(bench.vectors.take(), [40], "by software");
}

#[test]
fn with_msix_eiac_clears_the_cause_when_its_message_is_sent() {
    let (bench, _, _) = Bench::running();
    bench.write(GPIE, MSIX);
    allocate(&bench, 2, 3);
    bench.write(EIMS_EX, 0xf);
    bench.read(EICR);
    for eiac in [0, 1 << 2] {
        bench.write(EIAC, eiac);
        bench.arrives(&own(60, 1));
        bench.poll();
        assert_eq!(bench.vectors.take(), [2]);
        assert_eq!(bench.read(EICR) & 1 << 2, 1 << 2 & !eiac, "EIAC {eiac:#x}");
    }
}

#[test]
fn with_msix_eiam_masks_a_vector_when_its_message_is_sent() {
    let (bench, _, _) = Bench::running();
    bench.write(GPIE, MSIX | EIAME);
    bench.write(EIAC, 0xf);
    bench.write(EIAM_EX, 1 << 2);
    allocate(&bench, 2, 3);
    bench.write(EIMS_EX, 0xf);
    for _ in 0..2 {
        bench.arrives(&own(60, 1));
        bench.poll();
    }
    assert_eq!(bench.vectors.take(), [2], "the second one is masked");
    assert_eq!(bench.read(EIMS_EX), 0xf & !(1 << 2));
    bench.write(EIMS_EX, 1 << 2);
    assert_eq!(bench.vectors.take(), [2], "and interrupts when it is unmasked");
}

#[test]
fn without_msix_eiam_masks_when_eicr_is_read() {
    let bench = Bench::new();
    bench.write(EIAM, 1 << 4);
    bench.write(EIMS, 1 << 4 | 1 << 5);
    bench.write(EICS, 1 << 4 | 1 << 5);
    bench.read(EICR);
    assert_eq!(bench.read(EIMS), 1 << 5);
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
    let bench = Bench::with(|builder| builder.irq(Box::new(handler.clone())));
    handler.0.lock().unwrap().0 = Arc::downgrade(&bench.nic);
    bench.write(EIMS, LSC | 1);
    bench.write(EICS, 1);
    bench.poll();
    assert_eq!(handler.0.lock().unwrap().1, [1, LSC]);
}
