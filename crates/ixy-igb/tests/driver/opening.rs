//! Opening: from any state of the device to one that receives and sends.

use std::time::Duration;

use ixy_core::{Device as _, LinkState, MacAddress, Mempool};
use ixy_dma::{DmaDomain, SimulatedDomain};
use ixy_igb::{Config, Error};
use std::sync::Arc;

use crate::device::{Options, offset};
use crate::harness::{Harness, frame, frames};

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn an_opened_card_has_its_address_a_link_and_queues() {
    let options = Options::default();
    let harness = Harness::new(options.clone());
    let mut card = harness.open(&Config::default()).unwrap();
    assert_eq!((card.driver(), card.address(), card.queues()), ("igb", "test", 1));
    assert_eq!(card.mac(), MacAddress(options.mac));
    assert_eq!(card.wait_for_link(SECOND).unwrap(), LinkState { up: true, speed: 1000 });
    assert_eq!(card.link(), LinkState { up: true, speed: 1000 });
    assert!(
        card.take_rx_queue(0).is_some() && card.take_rx_queue(0).is_none() && card.take_rx_queue(1).is_none()
    );
    assert!(card.take_tx_queue(0).is_some() && card.take_tx_queue(0).is_none());
    // DRV_LOAD and RO_DIS are set, and requests that an IOMMU rejects are not repeated.
    assert_eq!(harness.device.register(offset::CTRL_EXT), 1 << 28 | 1 << 17);
    assert_eq!(harness.device.register(offset::GCR) & 1 << 16, 0);
    assert_eq!(harness.device.register(offset::RFCTL) & 1 << 16, 1 << 16);
    drop(card);
    assert_eq!(harness.device.register(offset::CTRL_EXT) & 1 << 28, 0, "the firmware has it again");
    harness.all_is_back();
}

#[test]
fn completions_get_the_time_that_pci_express_recommends() {
    // CMPL_TMOUT and CAP_VER2: a time-out that is set already, or set elsewhere, is kept.
    for (found, left) in [(0, 1 << 12), (1 << 18, 1 << 18), (3 << 12, 3 << 12)] {
        let harness = Harness::new(Options { completions: found, ..Options::default() });
        let _card = harness.open(&Config::default()).unwrap();
        assert_eq!(harness.device.register(offset::GCR), left, "{found:#x}");
    }
}

#[test]
fn a_link_is_as_fast_as_its_slower_end() {
    for (partner, link) in [
        (1000, LinkState { up: true, speed: 1000 }),
        (100, LinkState { up: true, speed: 100 }),
        (10, LinkState { up: true, speed: 10 }),
        (0, LinkState::default()),
    ] {
        let harness = Harness::new(Options { partner, ..Options::default() });
        let card = harness.open(&Config::default()).unwrap();
        assert_eq!(card.wait_for_link(Duration::from_millis(50)).unwrap(), link, "{partner}");
    }
}

#[test]
fn a_link_that_was_lost_is_told() {
    let harness = Harness::new(Options::default());
    let card = harness.open(&Config::default()).unwrap();
    card.wait_for_link(SECOND).unwrap();
    harness.device.lock().phy.unplug();
    assert!(!card.link().up);
}

#[test]
fn a_phy_that_was_powered_down_or_told_to_offer_little_is_set_right() {
    let harness = Harness::new(Options::default());
    {
        let mut state = harness.device.lock();
        // Powered down, isolated, in loopback; nothing is offered.
        state.phy.registers[0] = 0x4c00;
        state.phy.registers[4] = 0x0c01;
        state.phy.registers[9] = 0;
    }
    let card = harness.open(&Config::default()).unwrap();
    assert_eq!(card.wait_for_link(SECOND).unwrap().speed, 1000);
    let state = harness.device.lock();
    assert_eq!(state.phy.registers[0], 0x1000, "autonegotiation alone");
    assert_eq!(state.phy.registers[4], 0x01e1, "all speeds, no pause frames");
    assert_eq!(state.phy.restarts, 1);
}

#[test]
fn the_phy_is_left_alone_when_the_firmware_wants_it_so() {
    let harness = Harness::new(Options::default());
    harness.device.poke(offset::MANC, 1 << 18);
    let card = harness.open(&Config::default()).unwrap();
    assert_eq!(harness.device.lock().phy.restarts, 0);
    drop(card);
}

#[test]
fn semaphores_are_given_back_on_either_port() {
    for port in [0, 1] {
        let harness = Harness::new(Options { port, ..Options::default() });
        // The semaphore of the other port is taken, which does not matter here.
        harness.device.poke(offset::SW_FW_SYNC, 1 << (2 - port));
        let card = harness.open(&Config::default()).unwrap();
        assert!(card.wait_for_link(SECOND).unwrap().up);
        assert_eq!(harness.device.register(offset::SW_FW_SYNC), 1 << (2 - port));
        assert_eq!(harness.device.register(offset::SWSM), 0);
    }
}

#[test]
fn a_firmware_that_is_slow_is_waited_for() {
    let harness = Harness::new(Options::default());
    harness.device.lock().phy.firmware_turns = 3;
    let card = harness.open(&Config::default()).unwrap();
    assert!(card.wait_for_link(SECOND).unwrap().up);
}

#[test]
fn semaphores_of_a_killed_program_are_taken_over() {
    let harness = Harness::new(Options::default());
    harness.device.poke(offset::SW_FW_SYNC, 1 << 1);
    harness.device.poke(offset::SWSM, 3);
    let card = harness.open(&Config::default()).unwrap();
    assert!(card.wait_for_link(SECOND).unwrap().up);
    assert_eq!((harness.device.register(offset::SW_FW_SYNC), harness.device.register(offset::SWSM)), (0, 0));
}

#[test]
fn a_phy_that_does_not_answer_costs_the_link_and_nothing_else() {
    let harness = Harness::new(Options::default());
    harness.device.lock().phy.dead = true;
    let (card, mut rx, tx) = harness.start(&Config::default());
    assert!(!card.wait_for_link(Duration::from_millis(20)).unwrap().up);
    assert_eq!(harness.device.lock().phy.accesses, 1, "what it says is not believed");
    assert_eq!(harness.pass(&mut rx, &frames(3, |_| 60)).len(), 3);
    drop((card, rx, tx));
    harness.all_is_back();
}

#[test]
fn a_card_without_an_eeprom_opens() {
    let harness = Harness::new(Options { eeprom: false, ..Options::default() });
    let card = harness.open(&Config::default()).unwrap();
    assert_eq!(card.mac(), MacAddress::default());
}

#[test]
fn what_another_user_left_running_reaches_nothing() {
    let harness = Harness::new(Options::default());
    let device = &harness.device;
    // Bus mastering, the gates, queues with rings outside of memory, interrupts. SAFETY: ARMED-ONLY: the device is
    // software, and counts accesses outside of memory.
    unsafe { device.bus_master().enable().unwrap() };
    for (gate, first) in [(offset::RCTL, offset::rx(0, 0)), (offset::TCTL, offset::tx(0, 0))] {
        for n in [0, 3, 15] {
            let queue = first + 0x40 * n;
            device.poke(queue + offset::BASE_LOW, 0x1000);
            device.poke(queue + offset::LEN, 128 * 16);
            device.poke(queue + offset::TAIL, 60);
            device.poke(queue + offset::CONTROL, 1 << 25);
        }
        device.poke(gate, 1 << 3 | 2);
    }
    for table in [offset::MTA, offset::VFTA, offset::UTA, offset::ETQF, offset::FTQF] {
        device.poke(table + 4, u32::MAX);
    }
    let (card, mut rx, _tx) = harness.start(&Config::default());
    assert_eq!(harness.pass(&mut rx, &frames(20, |_| 100)), frames(20, |_| 100));
    for table in [offset::MTA, offset::VFTA, offset::UTA, offset::ETQF, offset::FTQF] {
        assert_eq!(device.register(table + 4), 0, "{table:#x}");
    }
    for n in 1..16 {
        assert_eq!(device.register(offset::rx(n, offset::CONTROL)) & 1 << 25, 0, "receive queue {n}");
        assert_eq!(device.register(offset::tx(n, offset::CONTROL)) & 1 << 25, 0, "transmit queue {n}");
    }
    assert_eq!(device.masks(), (0, 0), "no interrupt");
    drop(card);
}

#[test]
fn sizes_that_are_not_possible_are_refused_before_the_card_is_touched() {
    let harness = Harness::new(Options::default());
    let config = |queues, rx_ring, tx_ring| Config { queues, rx_ring, tx_ring, ..Config::default() };
    for (config, words) in [
        (config(17, 512, 512), "17 queue pairs"),
        (config(1, 100, 512), "receive ring of 100"),
        (config(1, 512, 32), "transmit ring of 32"),
    ] {
        let text = harness.refusal(&config);
        assert!(text.contains(words), "{text}");
    }
    assert_eq!(harness.device.resets(), 0);
}

#[test]
fn a_pool_that_is_too_small_or_out_of_reach_is_refused() {
    let mut harness = Harness::new(Options::default());
    harness.pool = Mempool::new(harness.domain.clone(), 100).unwrap();
    let text = harness.refusal(&Config::default());
    assert!(text.contains("100 free buffers") && text.contains("test take 512"), "{text}");
    harness.all_is_back();
    let other: Arc<dyn DmaDomain> = Arc::new(SimulatedDomain::default());
    harness.pool = Mempool::new(other, 2048).unwrap();
    assert!(matches!(harness.open(&Config::default()), Err(Error::PoolUnreachable { .. })));
}

#[test]
fn a_window_that_is_too_small_is_refused() {
    let harness = Harness::new(Options::default());
    let mut bus = harness.device.bus();
    bus.len = 0x1000;
    let domain: Arc<dyn DmaDomain> = harness.domain.clone();
    // SAFETY: ARMED-ONLY: all belong to one device.
    let opened =
        unsafe { Config::default().open("test", bus, &domain, harness.device.bus_master(), &harness.pool) };
    assert!(matches!(opened, Err(Error::Window { .. })));
}

#[test]
fn registers_that_are_stuck_are_named() {
    let reset = 1 << 26;
    let enable = 1 << 25;
    for (at, ones, zeros, words) in [
        (offset::CTRL, reset, 0, ["CTRL", "RST clear"]),
        (offset::rx(0, offset::CONTROL), 0, enable, ["RXDCTL", "ENABLE set"]),
        (offset::tx(0, offset::CONTROL), 0, enable, ["TXDCTL", "ENABLE set"]),
        (offset::MDIC, 0, 1 << 28, ["MDIC", "R set"]),
        (offset::SWSM, 0, 2, ["SWSM", "SWESMBI set"]),
    ] {
        let harness = Harness::new(Options::default());
        harness.device.stick(at, ones, zeros);
        let text = harness.refusal(&Config::default());
        assert!(words.iter().all(|word| text.contains(word)) && text.starts_with("test: "), "{text}");
        // This test is about accesses during a reset that does not end.
        harness.all_is_back();
    }
}

#[test]
fn requests_that_do_not_end_are_no_reason_not_to_open() {
    let harness = Harness::new(Options::default());
    harness.device.stick(offset::STATUS, 1 << 19, 0);
    let (card, mut rx, tx) = harness.start(&Config::default());
    assert_eq!(harness.pass(&mut rx, &frames(2, |_| 60)).len(), 2);
    drop((card, rx, tx));
    harness.all_is_back();
}

#[test]
fn a_card_that_is_gone_is_told_as_lost() {
    let harness = Harness::new(Options::default());
    harness.device.lock().vanished = true;
    let text = harness.refusal(&Config::default());
    assert!(text.contains("test no longer answers"), "{text}");
}

#[test]
fn a_card_can_be_opened_again_and_again() {
    let harness = Harness::new(Options::default());
    for round in 0..3 {
        let (card, mut rx, mut tx) = harness.start(&Config { queues: 2, ..Config::default() });
        assert_eq!(harness.pass(&mut rx, &[frame(round, 64)]), [frame(round, 64)]);
        assert_eq!(harness.send(&mut tx, &[frame(round, 64)]), [frame(round, 64)]);
        drop((card, rx, tx));
        harness.all_is_back();
    }
}
