//! The link (sections 3.7, 4.6.4 and 8.2.3.22).

use std::time::{Duration, Instant};

use crate::bench::*;

const UP: u32 = 1 << 30;
const TEN_GBIT: u32 = 3 << 28;
const LSC: u32 = 1 << 20;

#[test]
fn the_link_follows_the_light_and_says_so() {
    let bench = Bench::new();
    bench.far(|far| far.dark = true);
    bench.poll();
    assert_eq!((bench.read(LINKS) & UP, bench.read(STATUS) & 1 << 7), (0, 0));
    bench.far(|far| far.dark = false);
    bench.read(EICR);
    bench.poll();
    assert_eq!(bench.read(LINKS) & (UP | TEN_GBIT), UP | TEN_GBIT);
    assert_eq!(bench.read(STATUS) & 1 << 7, 1 << 7);
    assert_eq!(bench.read(EICR) & LSC, LSC, "link status change");
    bench.poll();
    assert_eq!(bench.read(EICR) & LSC, 0, "once a change");
    bench.far(|far| far.dark = true);
    bench.poll();
    assert_eq!(bench.read(LINKS) & UP, 0);
    assert_eq!(bench.read(EICR) & LSC, LSC);
}

#[test]
fn a_laser_that_is_off_holds_the_link_down() {
    let bench = Bench::new();
    bench.poll();
    assert_eq!(bench.read(LINKS) & UP, UP);
    bench.write(ESDP, 1 << 3 | 1 << 11);
    bench.poll();
    assert_eq!(bench.read(LINKS) & UP, 0, "SDP3 is an output and high: transmit disable");
    bench.write(ESDP, 1 << 11);
    bench.poll();
    assert_eq!(bench.read(LINKS) & UP, UP);
    bench.write(ESDP, 1 << 3);
    bench.poll();
    assert_eq!(bench.read(LINKS) & UP, UP, "as an input the pin does nothing");
}

#[test]
fn the_cage_is_full() {
    let bench = Bench::new();
    bench.write(ESDP, 0);
    assert_eq!(bench.read(ESDP) & 1 << 2, 1 << 2, "SDP2 shows the module whatever is written");
}

#[test]
fn a_restart_of_negotiation_ends_and_changes_the_link_twice() {
    let bench = Bench::new();
    bench.poll();
    bench.read(EICR);
    bench.set(AUTOC, 1 << 12);
    assert_eq!(bench.read(AUTOC), 0xc09c_6004, "Restart_AN clears itself, and the kind of link is kept");
    assert_eq!(bench.read(LINKS) & UP, 0);
    assert_eq!(bench.read(EICR) & LSC, LSC);
    bench.poll();
    assert_eq!(bench.read(LINKS) & UP, UP);
    assert_eq!(bench.read(EICR) & LSC, LSC);
    assert_ne!(bench.read(0x042B0) >> 16 & 0xf, 0, "negotiation has a state (ANLP1)");
}

#[test]
fn the_link_takes_the_time_that_is_set() {
    let delay = Duration::from_millis(30);
    let bench = Bench::with(|builder| builder.link_delay(delay));
    let start = Instant::now();
    bench.poll();
    assert_eq!(bench.read(LINKS) & UP, 0);
    while bench.read(LINKS) & UP == 0 {
        assert!(start.elapsed() < Duration::from_secs(10), "it never comes up");
        bench.poll();
    }
    assert!(start.elapsed() >= delay, "up after {:?}", start.elapsed());
}

#[test]
fn frames_wait_while_the_link_is_down() {
    let (bench, mut rx, mut tx) = Bench::running();
    bench.far(|far| far.dark = true);
    bench.poll();
    let at = tx.send(&bench, &own(60, 1));
    bench.poll();
    assert!(!tx.done(at) && bench.sent().is_empty());
    bench.far(|far| far.dark = false);
    bench.poll();
    assert!(tx.done(at));
    assert_eq!(bench.sent().len(), 1);
    assert!(rx.take(&bench).is_none());
}

#[test]
fn what_is_under_way_arrives_after_the_other_end_left_and_nobody_waits_to_send_to_it() {
    let (bench, mut rx, mut tx) = Bench::running();
    bench.arrives(&own(60, 1));
    bench.far(|far| (far.dark, far.ended) = (true, true));
    let at = tx.send(&bench, &own(60, 2));
    bench.poll();
    assert_eq!(rx.drain(&bench), [own(60, 1)]);
    assert!(tx.done(at), "sent into the dark");
}

#[test]
fn a_forced_link_is_up_in_the_dark() {
    let bench = Bench::new();
    bench.far(|far| far.dark = true);
    bench.set(AUTOC, 1);
    bench.poll();
    assert_eq!(bench.read(LINKS) & UP, UP, "AUTOC.FLU");
}
