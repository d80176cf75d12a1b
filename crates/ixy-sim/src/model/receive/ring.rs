//! A receive ring and its descriptors (sections 7.1.9 and 8.2.3.8).

use ixy_dma::Iova;
use ixy_regs::ixgbe::descriptors::receive::write_back as fields_of;
use ixy_regs::ixgbe::fields::{RXDCTL, SRRCTL};

use super::super::Hardware;
use super::super::behaviour::Behaviour;
use super::super::faults::Fault;
use super::super::names::{self, rx};
use super::config::Config;
use super::descriptor::write_back_legacy;
use super::{coalescing, split};
use crate::dma::{DmaView, Words};

/// A receive ring during a poll.
pub(super) struct Ring<'v, V> {
    pub(super) queue: u32,
    pub(super) base: u64,
    pub(super) words: Words<'v, V>,
    pub(super) count: u32,
    pub(super) head: u32,
    pub(super) tail: u32,
    /// Size of a buffer in bytes; 0 unless a frame fills one buffer after the other.
    pub(super) buffer: usize,
    /// Size of a packet buffer in bytes.
    pub(super) size: usize,
    pub(super) legacy: bool,
    pub(super) drop: bool,
    pub(super) strip_vlan: bool,
    moved: bool,
}

impl<'v, V: DmaView> Ring<'v, V> {
    /// The ring of `queue` as its registers describe it, if the queue is on.
    pub(super) fn open(hw: &Hardware, view: &'v V, config: &Config, queue: u32) -> Option<Self> {
        let regs = &hw.regs;
        let control = regs.load(rx(names::RXDCTL, queue));
        if !RXDCTL::ENABLE.is_set(control) && Behaviour::ReceiveQueueEnable.on() {
            return None;
        }
        let count = regs.load(rx(names::RDLEN, queue)) / 16;
        let (head, tail) = (regs.load(rx(names::RDH, queue)), regs.load(rx(names::RDT, queue)));
        if head >= count || tail >= count {
            return None;
        }
        let base = u64::from(regs.load(rx(names::RDBAL, queue)))
            | u64::from(regs.load(rx(names::RDBAH, queue))) << 32;
        let srrctl = regs.load(rx(names::SRRCTL, queue));
        let size = match SRRCTL::BSIZEPACKET.read(srrctl) as usize * 1024 {
            size if Behaviour::ReceiveBufferSize.on() => size,
            _ => 2048,
        };
        let legacy = SRRCTL::DESCTYPE.read(srrctl) == 0 && Behaviour::ReceiveLegacy.on();
        let apart = split::is_on(srrctl) || config.coalesce && !legacy && coalescing::is_on(hw, queue);
        Some(Self {
            queue,
            base,
            words: Words::new(view, base, count as usize * 2),
            count,
            head,
            tail,
            buffer: if apart { 0 } else { size },
            size,
            legacy,
            drop: SRRCTL::DROP_EN.is_set(srrctl) && Behaviour::DropEnable.on(),
            strip_vlan: RXDCTL::VME.is_set(control) && Behaviour::VlanStrip.on(),
            moved: false,
        })
    }

    #[inline]
    pub(super) fn free(&self) -> u32 {
        if self.tail >= self.head { self.tail - self.head } else { self.tail + self.count - self.head }
    }

    /// Whether `needed` descriptors are free.
    #[cold]
    pub(super) fn has(&mut self, hw: &Hardware, needed: u32) -> bool {
        if self.free() < needed {
            // The driver may have posted descriptors since the ring was opened.
            self.tail = hw.regs.load(rx(names::RDT, self.queue));
        }
        self.tail < self.count && self.free() >= needed
    }

    /// Stores the ring's head in its register.
    #[inline]
    pub(super) fn close(&self, hw: &Hardware) {
        if self.moved {
            hw.regs.store(rx(names::RDH, self.queue), self.head);
        }
    }

    /// Writes a part of a frame to the next buffer, and writes its descriptor back. `status` comes from
    /// [`super::descriptor::write_back`].
    #[inline]
    pub(super) fn fill(&mut self, hw: &Hardware, view: &V, part: &[u8], status: (u64, u64), last: bool) {
        let Some(address) = self.words.load(self.head * 2) else { return };
        view.write(Iova(address), part);
        let mut length = part.len() as u64;
        if hw.faults.any() {
            if hw.faults.is(Fault::ImpossibleLength) {
                length = (self.buffer as u64 + 1000).min(0xffff);
            }
            if hw.faults.is(Fault::NeverWrittenBack) {
                return self.advance();
            }
        }
        let (low, mut high) = status;
        high |= fields_of::LENGTH.place(length) | fields_of::DD.mask();
        if last || !Behaviour::ReceiveEndOfPacket.on() {
            high |= fields_of::EOP.mask();
        } else if Behaviour::LastDescribes.on() {
            // Only the last descriptor describes the frame.
            high &= fields_of::DD.mask() | fields_of::LENGTH.mask();
        }
        if self.legacy {
            write_back_legacy(self, high);
        } else {
            let describes = last || !Behaviour::LastDescribes.on();
            self.words.store_early(self.head * 2, if describes { low } else { 0 });
            self.words.store(self.head * 2 + 1, high);
        }
        self.advance();
    }

    #[inline(always)]
    pub(super) fn advance(&mut self) {
        self.head = if self.head + 1 == self.count { 0 } else { self.head + 1 };
        self.moved = true;
    }
}
