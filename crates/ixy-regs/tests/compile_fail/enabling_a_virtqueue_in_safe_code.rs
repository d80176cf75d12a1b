use ixy_regs::bus::Bus;
use ixy_regs::virtio::modern::CommonConfig;

fn enable<B: Bus>(common: &CommonConfig<B>) {
    common.queue_enable().set(1);
}

fn main() {}
