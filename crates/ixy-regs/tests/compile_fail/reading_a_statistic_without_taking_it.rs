use ixy_regs::bus::Bus;
use ixy_regs::ixgbe::Registers;

fn gprc<B: Bus>(regs: &Registers<B>) -> u32 {
    regs.gprc().get()
}

fn main() {}
