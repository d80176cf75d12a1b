//! A library for a kernel: no standard library, so a panic handler of its own.

#![no_std]

use core::panic::PanicInfo;
use core::ptr::NonNull;

use ixy_regs::bus::Mmio;
use ixy_regs::ixgbe::{LINKS, Registers};

/// # Safety
/// The registers of an 82599 are mapped at `base`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn link_is_up(base: NonNull<u8>) -> bool {
    // SAFETY: MAPPED-ALIVE, as the caller promises.
    let bus = unsafe { Mmio::new(base, 0x20000) };
    Registers::new(bus).is_ok_and(|regs| regs.links().is_set(LINKS::LINK_UP))
}

#[panic_handler]
fn panic(_: &PanicInfo) -> ! {
    loop {}
}
