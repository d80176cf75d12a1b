//! Semaphores between drivers and firmware (sections 8.2.3.4.9 to 8.2.3.4.11).

use crate::harness::*;

#[test]
fn reading_swsm_takes_the_semaphore() {
    let harness = Harness::new();
    assert_eq!(harness.read(SWSM) & 1, 0, "a reader that gets 0 owns it");
    assert_eq!(harness.read(SWSM) & 1, 1, "and no one else");
    harness.write(SWSM, 0);
    assert_eq!(harness.read(SWSM) & 1, 0, "until it is given back");
}

#[test]
fn the_firmware_semaphore_can_be_taken_and_resources_marked() {
    let harness = Harness::new();
    harness.read(SWSM);
    harness.set(SWSM, 2);
    assert_eq!(harness.read(SWSM) & 2, 2);
    harness.write(0x10160, 0x1f);
    assert_eq!(harness.read(0x10160), 0x1f);
    harness.write(SWSM, 0);
    assert_eq!(harness.read(SWSM) & 3, 0);
}

#[test]
fn the_firmware_is_valid() {
    assert_eq!(Harness::new().read(0x10148) & 1 << 15, 1 << 15);
}
