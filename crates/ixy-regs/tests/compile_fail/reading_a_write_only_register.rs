use ixy_regs::bus::Bus;
use ixy_regs::ixgbe::Registers;

fn corectl<B: Bus>(regs: &Registers<B>) -> u32 {
    regs.corectl().get()
}

fn main() {}
