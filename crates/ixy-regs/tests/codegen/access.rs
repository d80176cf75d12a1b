//! Register accesses of drivers, as functions whose machine code `tests/codegen.rs` inspects.

use ixy_regs::bus::Mmio;
use ixy_regs::ixgbe::{CTRL, LINKS, Registers, RxQueue};
use ixy_regs::virtio::modern::Notify;

#[inline(never)]
pub fn read_a_fixed_register(regs: Registers<Mmio>) -> u32 {
    regs.links().get()
}

#[inline(never)]
pub fn read_a_field(regs: Registers<Mmio>) -> bool {
    regs.links().is_set(LINKS::LINK_UP)
}

#[inline(never)]
pub fn write_a_fixed_register(regs: Registers<Mmio>, causes: u32) {
    regs.eimc().clear(causes);
}

#[inline(never)]
pub fn modify_a_fixed_register(regs: Registers<Mmio>) {
    regs.ctrl().modify(CTRL::GIO_DIS::SET);
}

#[inline(never)]
pub fn read_a_fixed_element(regs: Registers<Mmio>) -> Option<u32> {
    regs.qprc().at(3).map(|counter| counter.take().get())
}

/// # Safety
/// As for `set_dma`.
#[inline(never)]
pub unsafe fn ring_a_doorbell(queue: &RxQueue<Mmio>, tail: u32) {
    // SAFETY: as the caller promises.
    unsafe { queue.rdt().set_dma(tail) }
}

/// # Safety
/// As for `Notify::ring`.
#[inline(never)]
pub unsafe fn notify_a_virtqueue(doorbell: &Notify<Mmio>, queue: u16) {
    // SAFETY: as the caller promises.
    unsafe { doorbell.ring(queue) }
}
