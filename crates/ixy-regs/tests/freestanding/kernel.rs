//! A library for a kernel: no standard library, so a panic handler of its own.

#![no_std]

use core::panic::PanicInfo;
use core::ptr::NonNull;

use ixy_regs::bus::Mmio;
use ixy_regs::ixgbe::{LINKS, Registers};
use ixy_regs::virtio::{NET_STATUS, net};
use ixy_regs::window::Window;

/// # Safety
/// The registers of an 82599 are mapped at `base`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn link_is_up(base: NonNull<u8>) -> bool {
    // SAFETY: MAPPED-ALIVE, as the caller promises.
    let bus = unsafe { Mmio::new(base, 0x20000) };
    Registers::new(bus).is_ok_and(|regs| regs.links().is_set(LINKS::LINK_UP))
}

/// # Safety
/// A BAR of 16 KB is mapped at `base`, with the configuration of a virtio network device at `offset`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn virtio_link_is_up(base: NonNull<u8>, offset: u32) -> bool {
    // SAFETY: MAPPED-ALIVE, as the caller promises.
    let bar = unsafe { Mmio::new(base, 0x4000) };
    let config = Window::new(bar, offset, 8).ok().and_then(|window| net::Config::new(window).ok());
    config.is_some_and(|config| config.status().is_set(NET_STATUS::LINK_UP))
}

#[panic_handler]
fn panic(_: &PanicInfo) -> ! {
    loop {}
}
