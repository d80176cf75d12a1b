use ixy_regs::bus::Bus;
use ixy_regs::ixgbe::RxQueue;

fn rdt<B: Bus>(queue: &RxQueue<B>) {
    queue.rdt().set_dma(7);
}

fn main() {}
