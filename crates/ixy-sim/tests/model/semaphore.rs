//! Semaphores between drivers and firmware (sections 8.2.3.4.9 to 8.2.3.4.11).

use crate::bench::*;

#[test]
fn reading_swsm_takes_the_semaphore() {
    let bench = Bench::new();
    assert_eq!(bench.read(SWSM) & 1, 0, "whoever reads it clear has got it");
    assert_eq!(bench.read(SWSM) & 1, 1, "and no one else");
    bench.write(SWSM, 0);
    assert_eq!(bench.read(SWSM) & 1, 0, "until it is given back");
}

#[test]
fn the_firmware_semaphore_can_be_taken_and_resources_marked() {
    let bench = Bench::new();
    bench.read(SWSM);
    bench.set(SWSM, 2);
    assert_eq!(bench.read(SWSM) & 2, 2);
    bench.write(0x10160, 0x1f);
    assert_eq!(bench.read(0x10160), 0x1f);
    bench.write(SWSM, 0);
    assert_eq!(bench.read(SWSM) & 3, 0);
}

#[test]
fn the_firmware_is_valid() {
    assert_eq!(Bench::new().read(0x10148) & 1 << 15, 1 << 15);
}
