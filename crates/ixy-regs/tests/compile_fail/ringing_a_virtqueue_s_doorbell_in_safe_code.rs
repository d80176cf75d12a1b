use ixy_regs::bus::Bus;
use ixy_regs::virtio::modern::Notify;

fn ring<B: Bus>(doorbell: &Notify<B>) {
    doorbell.ring(0);
}

fn main() {}
