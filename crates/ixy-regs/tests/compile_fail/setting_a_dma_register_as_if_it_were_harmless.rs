use ixy_regs::bus::Bus;
use ixy_regs::ixgbe::TxQueue;

fn tdbal<B: Bus>(queue: &TxQueue<B>) {
    queue.tdbal().set(0);
}

fn main() {}
