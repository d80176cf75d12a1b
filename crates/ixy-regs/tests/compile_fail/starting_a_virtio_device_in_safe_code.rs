use ixy_regs::bus::Bus;
use ixy_regs::virtio::{STATUS, legacy::Registers};

fn start<B: Bus>(regs: &Registers<B>) {
    regs.device_status().modify(STATUS::DRIVER_OK::SET);
}

fn main() {}
