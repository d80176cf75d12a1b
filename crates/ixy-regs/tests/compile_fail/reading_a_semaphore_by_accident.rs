use ixy_regs::bus::Bus;
use ixy_regs::ixgbe::{Registers, SWSM};

fn swsm<B: Bus>(regs: &Registers<B>) {
    regs.swsm().modify(SWSM::SMBI::CLEAR);
}

fn main() {}
