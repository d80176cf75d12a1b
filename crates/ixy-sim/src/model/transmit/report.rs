//! The reports of sent descriptors to software: [`Report`].

use ixy_dma::Iova;
use ixy_regs::ixgbe::descriptors::transmit::{data_read, data_write_back};
use ixy_regs::ixgbe::fields::{TDWBAL, TXDCTL};

use super::super::Hardware;
use super::super::behaviour::Behaviour;
use super::super::faults::Fault;
use super::super::names::{self, mask, tx};
use super::{Queue, Ring};
use crate::dma::DmaView;

/// The form of report: DD in descriptors, or the head in memory (sections 7.2.3.5.1 and 7.2.3.5.2).
pub(super) struct Report {
    threshold: u32,
    /// Address of the head write-back when that is on.
    head_address: Option<Iova>,
    silent: bool,
    any: bool,
}

impl Report {
    pub(super) fn new(hw: &Hardware, queue: u32) -> Self {
        let regs = &hw.regs;
        let low = regs.load(tx(names::TDWBAL, queue));
        let address =
            u64::from(low & mask(TDWBAL::HEADWB_LOW)) | u64::from(regs.load(tx(names::TDWBAH, queue))) << 32;
        Self {
            threshold: match TXDCTL::WTHRESH.read(regs.load(tx(names::TXDCTL, queue))) {
                threshold if Behaviour::WriteBackThreshold.on() => threshold,
                _ => 0,
            },
            head_address: (TDWBAL::HEAD_WB_EN.is_set(low) && Behaviour::HeadWriteBack.on())
                .then_some(Iova(address)),
            silent: hw.faults.any() && hw.faults.is(Fault::NeverWrittenBack),
            any: false,
        }
    }

    /// The descriptor at `at` is done.
    #[inline]
    pub(super) fn done<V: DmaView>(&mut self, ring: &Ring<'_, V>, state: &mut Queue, at: u32) {
        if self.threshold == 0 && state.held == 0 {
            self.write(ring, at);
            return;
        }
        if state.held == 0 {
            state.held_from = at;
        }
        state.held += 1;
        if state.held >= self.threshold {
            self.flush(ring, state, ring.after(at));
        }
    }

    /// Reports the descriptor at `at` if it asks for that.
    #[inline(always)]
    fn write<V: DmaView>(&mut self, ring: &Ring<'_, V>, at: u32) {
        let Some(word) = ring.words.load(at * 2 + 1) else { return };
        if word & data_read::RS.mask() == 0 && Behaviour::ReportStatus.on() {
            return;
        }
        self.any = true;
        if self.head_address.is_none() && !self.silent && Behaviour::DescriptorDone.on() {
            ring.words.store(at * 2 + 1, data_write_back::DD.mask());
        }
    }

    /// Reports the descriptors that were held back, up to `head`.
    pub(super) fn flush<V: DmaView>(&mut self, ring: &Ring<'_, V>, state: &mut Queue, head: u32) {
        let mut at = state.held_from;
        while state.held > 0 && at != head {
            self.write(ring, at);
            at = ring.after(at);
            state.held -= 1;
        }
        state.held = 0;
    }

    /// Writes the head to memory if the queue reports that way; returns whether anything was reported.
    pub(super) fn finish<V: DmaView>(&self, view: &V, head: u32) -> bool {
        if self.any
            && !self.silent
            && let Some(address) = self.head_address
        {
            view.store32(address, head);
        }
        self.any
    }
}
