//! The receive registers as read at the start of a poll.

use ixy_regs::ixgbe::fields::{FCTRL, HLREG0, MRQC, RDRXCTL, RXCSUM, RXPBSIZE};

use super::super::behaviour::Behaviour;
use super::super::classes::Classes;
use super::super::filter::Settings;
use super::super::pools::Pools;
use super::super::{Hardware, names, time};
use super::coalescing;

/// Registers that stay the same during a poll.
pub(super) struct Config {
    pub(super) filter: Settings,
    pub(super) mrqc: u32,
    /// Whether the descriptor holds the hash instead of the fragment checksum.
    pub(super) hash: bool,
    pub(super) strip_crc: bool,
    pub(super) save_bad: bool,
    pub(super) capacity: usize,
    /// Queues that may do DMA.
    pub(super) queues: u128,
    /// Arriving frames are time stamped.
    pub(super) stamps: bool,
    /// Pools, while virtualization is on.
    pub(super) pools: Option<Pools>,
    /// Traffic classes.
    pub(super) classes: Option<Classes>,
    /// There are no pools, no classes and no outer tags.
    pub(super) plain: bool,
    /// At least one queue may coalesce frames.
    pub(super) coalesce: bool,
}

impl Config {
    pub(super) fn load(hw: &Hardware) -> Self {
        let regs = &hw.regs;
        let pools = Pools::load(regs);
        let mut mrqc = regs.load(names::MRQC);
        let classes = if pools.is_none() { Classes::load(regs, mrqc) } else { None };
        if pools.is_some_and(|pools| pools.hash) || classes.is_some_and(|classes| classes.hash) {
            // The hash is the same as without them.
            mrqc = MRQC::MRQE::RSS.modify(mrqc);
        }
        let strip = HLREG0::RXCRCSTRP.is_set(regs.load(names::HLREG0));
        let filter = Settings::load(regs);
        Self {
            plain: pools.is_none() && classes.is_none() && !filter.has_outer(),
            filter,
            mrqc,
            pools,
            classes,
            hash: RXCSUM::PCSD.is_set(regs.load(names::RXCSUM)) || !Behaviour::HashOnlyWithPcsd.on(),
            // The two switches have to agree (section 8.2.3.8.8); the model strips when either is set.
            strip_crc: (strip || RDRXCTL::CRCSTRIP.is_set(regs.load(names::RDRXCTL)))
                && Behaviour::CrcStrip.on()
                || !Behaviour::CrcKept.on(),
            save_bad: FCTRL::SBP.is_set(regs.load(names::FCTRL)) && Behaviour::DamagedStored.on(),
            capacity: match RXPBSIZE::SIZE.read(regs.load(names::rxpbsize(0))) as usize * 1024 {
                _ if !Behaviour::PacketBuffer.on() => 0,
                _ if !Behaviour::PacketBufferOverflow.on() => usize::MAX,
                size => size,
            },
            queues: hw.dma_queues(),
            stamps: time::stamps_received(hw),
            coalesce: coalescing::may(hw),
        }
    }
}
