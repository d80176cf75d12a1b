//! The link (sections 3.7, 4.6.4 and 8.2.3.22).

use std::time::{Duration, Instant};

use crate::harness::*;

const UP: u32 = 1 << 30;
const TEN_GBIT: u32 = 3 << 28;
const LSC: u32 = 1 << 20;

#[test]
fn the_link_follows_the_light_and_says_so() {
    let harness = Harness::new();
    harness.far(|far| far.dark = true);
    harness.poll();
    assert_eq!((harness.read(LINKS) & UP, harness.read(STATUS) & 1 << 7), (0, 0));
    harness.far(|far| far.dark = false);
    harness.read(EICR);
    harness.poll();
    assert_eq!(harness.read(LINKS) & (UP | TEN_GBIT), UP | TEN_GBIT);
    assert_eq!(harness.read(STATUS) & 1 << 7, 1 << 7);
    assert_eq!(harness.read(EICR) & LSC, LSC, "link status change");
    harness.poll();
    assert_eq!(harness.read(EICR) & LSC, 0, "once a change");
    harness.far(|far| far.dark = true);
    harness.poll();
    assert_eq!(harness.read(LINKS) & UP, 0);
    assert_eq!(harness.read(EICR) & LSC, LSC);
}

#[test]
fn a_laser_that_is_off_holds_the_link_down() {
    let harness = Harness::new();
    harness.poll();
    assert_eq!(harness.read(LINKS) & UP, UP);
    harness.write(ESDP, 1 << 3 | 1 << 11);
    harness.poll();
    assert_eq!(harness.read(LINKS) & UP, 0, "SDP3 is an output and high: transmit disable");
    harness.write(ESDP, 1 << 11);
    harness.poll();
    assert_eq!(harness.read(LINKS) & UP, UP);
    harness.write(ESDP, 1 << 3);
    harness.poll();
    assert_eq!(harness.read(LINKS) & UP, UP, "as an input the pin does nothing");
}

#[test]
fn the_cage_is_full() {
    let harness = Harness::new();
    harness.write(ESDP, 0);
    assert_eq!(harness.read(ESDP) & 1 << 2, 1 << 2, "SDP2 shows the module whatever is written");
}

#[test]
fn a_restart_of_negotiation_ends_and_changes_the_link_twice() {
    let harness = Harness::new();
    harness.poll();
    harness.read(EICR);
    harness.set(AUTOC, 1 << 12);
    assert_eq!(harness.read(AUTOC), 0xc09c_6004, "Restart_AN clears itself, and the kind of link is kept");
    assert_eq!(harness.read(LINKS) & UP, 0);
    assert_eq!(harness.read(EICR) & LSC, LSC);
    harness.poll();
    assert_eq!(harness.read(LINKS) & UP, UP);
    assert_eq!(harness.read(EICR) & LSC, LSC);
    assert_ne!(harness.read(0x042B0) >> 16 & 0xf, 0, "negotiation has a state (ANLP1)");
}

#[test]
fn the_link_takes_the_time_that_is_set() {
    let delay = Duration::from_millis(30);
    let harness = Harness::with(|builder| builder.link_delay(delay));
    let start = Instant::now();
    harness.poll();
    assert_eq!(harness.read(LINKS) & UP, 0);
    while harness.read(LINKS) & UP == 0 {
        assert!(start.elapsed() < Duration::from_secs(10), "it never comes up");
        harness.poll();
    }
    assert!(start.elapsed() >= delay, "up after {:?}", start.elapsed());
}

#[test]
fn frames_wait_while_the_link_is_down() {
    let (harness, mut rx, mut tx) = Harness::running();
    harness.far(|far| far.dark = true);
    harness.poll();
    let at = tx.send(&harness, &own(60, 1));
    harness.poll();
    assert!(!tx.done(at) && harness.sent().is_empty());
    harness.far(|far| far.dark = false);
    harness.poll();
    assert!(tx.done(at));
    assert_eq!(harness.sent().len(), 1);
    assert!(rx.take(&harness).is_none());
}

#[test]
fn what_is_under_way_arrives_after_the_other_end_left_and_nobody_waits_to_send_to_it() {
    let (harness, mut rx, mut tx) = Harness::running();
    harness.arrives(&own(60, 1));
    harness.far(|far| (far.dark, far.ended) = (true, true));
    let at = tx.send(&harness, &own(60, 2));
    harness.poll();
    assert_eq!(rx.drain(&harness), [own(60, 1)]);
    assert!(tx.done(at), "sent into the dark");
}

#[test]
fn a_forced_link_is_up_in_the_dark() {
    let harness = Harness::new();
    harness.far(|far| far.dark = true);
    harness.set(AUTOC, 1);
    harness.poll();
    assert_eq!(harness.read(LINKS) & UP, UP, "AUTOC.FLU");
}
