//! Registers with an immediate effect when written: reset, EEPROM, SFP+ module, link, queue enables.

use ixy_regs::ixgbe::fields::{
    AUTOC, CTRL, CTRL_EXT, EEC, EERD, ESDP, FWSM, HLREG0, MAXFRS, MSCA, MSRWD, RAH, RDRXCTL, RXPBSIZE,
    SECRXSTAT, SECTXSTAT, SRRCTL, STATUS, TXPBSIZE, VLNCTRL,
};
use ixy_regs::ixgbe::rest_fields::{EXVET, FDIRCTRL};
use ixy_regs::ixgbe::{QUEUES, fields};

use super::behaviour::Behaviour;
use super::engine::Engine;
use super::faults::Fault;
use super::names::{self, mask, rx, tx};
use super::statistics::FunctionCounts;
use super::{Hardware, nvm, pools, time, vf};

/// AUTOC of a card with an SFP+ cage, as its EEPROM sets it: 10 Gbit/s serial link.
pub(crate) const AUTOC_RESET: u32 = 0xc09c_6004;
/// AUTOC2 of such a card: the serial link is SFI.
pub(crate) const AUTOC2_RESET: u32 = 0x000a_0000;

impl Engine {
    /// Handles a software read of a register that has a read side effect.
    pub(crate) fn read(&mut self, hw: &Hardware, offset: u32) -> u32 {
        time::read(hw, offset).unwrap_or_else(|| self.interrupts.read(hw, offset))
    }

    /// Handles a software write to a register that has a write side effect.
    pub(crate) fn write(&mut self, hw: &Hardware, offset: u32, value: u32) {
        let value = hw.regs.masked(offset, value);
        match offset {
            names::CTRL => self.control(hw, value),
            names::ESDP => hw.regs.store(offset, pins(value)),
            names::I2CCTL => {
                let read = self.module.drive(value);
                hw.regs.store(offset, read);
            }
            names::EEC => {
                let read = self.eeprom_pins(hw, value);
                hw.regs.store(offset, read);
            }
            names::EERD => {
                let read = self.nvm.read_register(value, hw.faults.is(Fault::EepromChecksum));
                hw.regs.store(offset, read);
            }
            names::MSCA => self.mdio(hw, value),
            names::PFQDE => {
                let value = pools::queue_drop_enable(&mut self.receiver.drops, value);
                hw.regs.store(offset, value);
            }
            names::CTRL_EXT => {
                hw.regs.store(offset, value & !mask(CTRL_EXT::PFRSTD));
                if CTRL_EXT::PFRSTD.is_set(value) {
                    self.reset_done();
                }
            }
            names::AUTOC => {
                let ends = Behaviour::LinkRestartEnds.on();
                hw.regs.store(offset, if ends { value & !mask(AUTOC::RESTART_AN) } else { value });
                let restarts = AUTOC::RESTART_AN.is_set(value) && Behaviour::LinkRestart.on();
                if restarts && self.link.restart(hw) {
                    self.link_changed(hw);
                }
            }
            names::FDIRCTRL => self.receiver.steering.write_director(&hw.regs, value),
            names::FDIRCMD => {
                let causes = self.receiver.steering.director.command(&hw.regs, value);
                if causes != 0 {
                    self.interrupts.raise(hw, 0, causes);
                }
            }
            names::EICR | names::EICS | names::EIMS | names::EIMC => self.interrupts.write(hw, offset, value),
            _ if self.write_mailbox(hw, offset, value) || time::write(hw, offset, value) => {}
            _ if names::eitr_at(offset).is_some() => self.interrupts.write(hw, offset, value),
            _ if (names::EICS_EX..names::EICS_EX + 8).contains(&offset)
                || (names::EIMS_EX..names::EIMS_EX + 8).contains(&offset)
                || (names::EIMC_EX..names::EIMC_EX + 8).contains(&offset) =>
            {
                self.interrupts.write(hw, offset, value);
            }
            _ => {
                let stuck = hw.faults.is(Fault::RxNeverDisabled) && receive_control(offset).is_some();
                let value =
                    if stuck { value | hw.regs.load(offset) & mask(fields::RXDCTL::ENABLE) } else { value };
                hw.regs.store(offset, value);
                self.stored(hw, offset, value);
            }
        }
    }

    /// A register was stored from which a prepared state is derived: marks that state as stale.
    fn stored(&mut self, hw: &Hardware, offset: u32, value: u32) {
        if (names::ral(0)..=names::rah(127)).contains(&offset) {
            self.receiver.addresses.changed();
        } else if (names::reta(0)..=names::reta(31)).contains(&offset)
            || (names::rssrk(0)..=names::rssrk(9)).contains(&offset)
        {
            self.receiver.steering.rss.changed();
        } else if offset >= tx(names::TXDCTL, 0) && offset <= tx(names::TXDCTL, QUEUES - 1) {
            self.transmitter.control(hw, (offset - names::TXDCTL) / tx(0, 1), value);
        } else if let Some(queue) = receive_control(offset) {
            if !fields::RXDCTL::ENABLE.is_set(value) {
                self.receiver.coalescing.forget(queue);
            }
        } else {
            self.receiver.steering.stored(offset);
        }
    }

    /// CTRL (section 8.2.3.1.1): resets, and master disable (section 5.2.5.3.2).
    fn control(&mut self, hw: &Hardware, value: u32) {
        let link_reset = CTRL::LRST.is_set(value) && Behaviour::LinkReset.on();
        if CTRL::RST.is_set(value) || link_reset {
            tracing::debug!("CTRL {value:#010x}: reset of the port (section 4.2.1)");
            self.reset(hw);
            if !Behaviour::ResetEnds.on() {
                hw.regs.store(names::CTRL, value);
            }
            return;
        }
        hw.regs.store(names::CTRL, value);
        // No DMA is in progress here: DMA happens inside a poll, and this is not one.
        let disabled = CTRL::GIO_DIS.is_set(value) && Behaviour::MasterDisable.on();
        hw.regs.assign(names::STATUS, mask(STATUS::GIO), !(disabled && Behaviour::MasterStatus.on()));
    }

    /// EEC after software wrote `value` to it: while access is granted, the write drives the EEPROM's pins.
    fn eeprom_pins(&mut self, hw: &Hardware, value: u32) -> u32 {
        let read = eeprom_control(value);
        if !EEC::GNT.is_set(read) && Behaviour::SpiGrant.on() {
            self.spi.release();
            return read;
        }
        let out = self.spi.drive(&mut self.nvm, value, || hw.now());
        read | if out { mask(EEC::DO) } else { 0 }
    }

    /// MDIO without a device behind it: the command is done at once and reads all ones (section 8.2.3.22.11).
    fn mdio(&self, hw: &Hardware, value: u32) {
        hw.regs
            .store(names::MSCA, if Behaviour::MdioEnds.on() { value & !mask(MSCA::MDICMD) } else { value });
        if MSCA::MDICMD.is_set(value) && Behaviour::MdioSilence.on() {
            let written = hw.regs.load(names::MSRWD) & mask(MSRWD::MDIWRDATA);
            hw.regs.store(names::MSRWD, written | mask(MSRWD::MDIRDDATA));
        }
    }

    /// Brings the port to its state after power on, except what a software reset keeps (section 4.2.1).
    pub(crate) fn reset(&mut self, hw: &Hardware) {
        let regs = &hw.regs;
        regs.clear();
        self.spi.release();
        hw.time.reset();
        let mac = self.nvm.mac();
        use Behaviour as B;
        let first_size = if B::ResetDefaultsCoalescing.on() { 8 } else { 0 };
        let dma_ready = if B::DmaReady.on() { mask(RDRXCTL::DMAIDONE) } else { 0 };
        let resets = [
            (true, names::STATUS, mask(STATUS::GIO)),
            (true, names::ESDP, pins(0)),
            (true, names::EEC, eeprom_control(0)),
            (B::EerdIdle.on(), names::EERD, mask(EERD::DONE)),
            (B::FirmwareValid.on(), names::FWSM, mask(FWSM::FW_VAL)),
            (true, names::RDRXCTL, RDRXCTL::RSCFRSTSIZE.val(first_size).modify(dma_ready)),
            (B::SecurityTransmitReady.on(), names::SECTXSTAT, mask(SECTXSTAT::SECTX_RDY)),
            (B::SecurityReceiveReady.on(), names::SECRXSTAT, mask(SECRXSTAT::SECRX_RDY)),
            (
                B::ResetDefaultsMac.on(),
                names::HLREG0,
                (HLREG0::TXCRCEN::SET
                    + HLREG0::RXCRCSTRP::SET
                    + HLREG0::TXPADEN::SET
                    + HLREG0::MDCSPD::SET
                    + HLREG0::RXLNGTHERREN::SET)
                    .modify(0),
            ),
            (B::ResetDefaultsMac.on(), names::MAXFRS, MAXFRS::MFS.val(1518).modify(0)),
            (B::ResetDefaultsVlan.on(), names::VLNCTRL, VLNCTRL::VET.val(0x8100).modify(0)),
            (B::ResetDefaultsVlan.on(), names::EXVET, EXVET::VET_EXT.val(0x8100).modify(0)),
            (B::ResetLoadsLink.on(), names::AUTOC, AUTOC_RESET),
            (B::ResetLoadsLink.on(), names::AUTOC2, AUTOC2_RESET),
            // Auto-negotiation has a state; a driver that resets the pipeline waits until it is not zero.
            (B::NegotiationState.on(), names::ANLP1, fields::ANLP1::ANAS.val(1).modify(0)),
            (true, names::FDIRCTRL, mask(FDIRCTRL::INIT_DONE)),
            (B::ResetDefaultsVlan.on(), names::DMATXCTL, fields::DMATXCTL::VT.val(0x8100).modify(0)),
            // Masks of TCP flags: FIN and PSH only in the last segment, and no CWR there.
            (B::ResetDefaultsSegments.on(), names::DTXTCPFLGL, 0x0ff6_0ff6),
            (B::ResetDefaultsSegments.on(), names::DTXTCPFLGH, 0x0f7f),
            (B::ResetDefaultsSegments.on(), names::DTXMXSZRQ, 0x10),
            (B::ResetDefaultsBuffers.on(), names::rxpbsize(0), RXPBSIZE::SIZE.val(0x200).modify(0)),
            (B::ResetDefaultsBuffers.on(), names::txpbsize(0), TXPBSIZE::SIZE.val(0xa0).modify(0)),
            (B::ResetDefaultsBuffers.on(), names::txpbthresh(0), 0x96),
            // Drivers of the physical function rely on mailbox interrupts and never unmask them.
            (B::ResetDefaultsMailboxes.on(), names::pfmbimr(0), u32::MAX),
            (B::ResetDefaultsMailboxes.on(), names::pfmbimr(1), u32::MAX),
            (B::ResetLoadsAddress.on(), names::ral(0), u32::from_le_bytes([mac[0], mac[1], mac[2], mac[3]])),
            (
                B::ResetLoadsAddress.on(),
                names::rah(0),
                u32::from(u16::from_le_bytes([mac[4], mac[5]])) | mask(RAH::AV),
            ),
            (
                true,
                names::I2CCTL,
                self.module.drive(mask(fields::I2CCTL::CLK_OUT) | mask(fields::I2CCTL::DATA_OUT)),
            ),
        ];
        for (_, offset, value) in resets.into_iter().filter(|(has, ..)| *has) {
            regs.store(offset, value);
        }
        vf::show_wanted(hw);
        for queue in 0..QUEUES {
            let sizes = SRRCTL::BSIZEPACKET.val(2) + SRRCTL::BSIZEHEADER.val(4);
            regs.store(
                rx(names::SRRCTL, queue),
                if B::ResetDefaultsSrrctl.on() { sizes.modify(0) } else { 0 },
            );
        }
        self.receiver.reset();
        if B::ResetStopsTransmitter.on() {
            self.transmitter.reset();
        }
        if B::ResetDropsCauses.on() {
            self.interrupts.reset();
        }
        self.functions.reset();
        if let Some(counts) = &mut self.counts.functions {
            **counts = FunctionCounts::default();
        }
        if B::ResetEmptiesLoopback.on() {
            self.loopback.clear();
        }
        self.switch.clear();
        if B::ResetDropsLink.on() {
            self.link.restart(hw);
        } else {
            self.link.show(hw);
        }
    }
}

/// The queue whose RXDCTL is at `offset`.
fn receive_control(offset: u32) -> Option<u32> {
    (0..QUEUES).find(|queue| rx(names::RXDCTL, *queue) == offset)
}

/// ESDP as it reads: the module's presence pin (SDP2) is an input that is high while a module is in the cage.
fn pins(value: u32) -> u32 {
    if Behaviour::SfpPresent.on() { value | mask(ESDP::SDP2_DATA) } else { value }
}

/// EEC as it reads: access is granted at once when asked for (section 8.2.3.2.1).
fn eeprom_control(value: u32) -> u32 {
    let asked = mask(EEC::REQ) | mask(EEC::SK) | mask(EEC::CS) | mask(EEC::DI) | mask(EEC::FWE);
    let granted = if EEC::REQ.is_set(value) && Behaviour::EepromGrant.on() { mask(EEC::GNT) } else { 0 };
    let size = EEC::PRES::SET + EEC::ADDR_SIZE::SET + EEC::SIZE.val(nvm::SIZE_FIELD);
    let size = if Behaviour::EepromSize.on() { size.modify(0) } else { 0 };
    let loaded = if Behaviour::EepromLoaded.on() { mask(EEC::ARD) } else { 0 };
    value & asked | granted | size | loaded
}
