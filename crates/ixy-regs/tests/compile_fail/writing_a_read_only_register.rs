use ixy_regs::bus::Bus;
use ixy_regs::ixgbe::Registers;

fn links<B: Bus>(regs: &Registers<B>) {
    regs.links().set(0);
}

fn main() {}
