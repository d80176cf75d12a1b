use ixy_regs::bus::Bus;
use ixy_regs::ixgbe::Registers;

fn eimc<B: Bus>(regs: &Registers<B>) {
    regs.eimc().raise(1);
}

fn main() {}
