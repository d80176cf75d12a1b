//! Any value of any register, and capabilities of any content: the decoded fields have exactly the bits of the value.
#![no_main]

use ixy_regs::map::Register;
use ixy_regs::virtio::capability::{Capability, NotifyCapability};
use ixy_regs::{igb, ixgbe};
use libfuzzer_sys::fuzz_target;

/// Looks up a register by its offset and decodes `value`.
fn look_up(at: fn(u32) -> Option<(&'static Register, u32)>, offset: u32, value: u32) {
    let Some((register, index)) = at(offset) else { return };
    assert!(index < register.len(), "{} has no element {index}", register.name);
    let decoded = register.decode(value);
    let (mut covered, mut together) = (0_u32, 0_u32);
    for field in decoded.fields() {
        let mask = u32::MAX.checked_shl(field.info.shift).unwrap_or(0)
            & u32::MAX.checked_shr(32 - field.info.shift - field.info.width).unwrap_or(0);
        assert_eq!(covered & mask, 0, "{} overlaps another field of {}", field.info.name, register.name);
        covered |= mask;
        together |= field.value << field.info.shift;
    }
    assert_eq!(together, value & covered, "{} {value:#x}", register.name);
    let (short, long) = (decoded.to_string(), format!("{decoded:#}"));
    for field in decoded.set_fields().map(|field| field.to_string()) {
        assert!(short.contains(&field) && long.contains(&field), "{field} of {} is not shown", register.name);
    }
}

fuzz_target!(|input: (Vec<(u32, u32)>, Vec<u8>)| {
    let (registers, capability) = input;
    for (offset, value) in registers {
        // Prefer offsets that exist.
        for offset in [offset, offset & 0x1_fffc] {
            look_up(ixgbe::at, offset, value);
            look_up(igb::at, offset, value);
        }
    }
    let read = Capability::read(&capability);
    if let Some(notify) = NotifyCapability::read(&capability) {
        assert_eq!(read.map(|capability| capability.bar), Some(notify.cap.bar));
    }
    assert!(read.is_none() || capability.len() >= size_of::<Capability>());
});
