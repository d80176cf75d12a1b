use ixy_regs::bus::Bus;
use ixy_regs::ixgbe::{FCTRL, Registers};

fn ctrl<B: Bus>(regs: &Registers<B>) -> u32 {
    regs.ctrl().read(FCTRL::BAM)
}

fn main() {}
