//! Mailboxes between the physical function and virtual functions (sections 7.10.2.9 and 8.2.3.27).
//!
//! Each mailbox is a buffer of 64 bytes that both sides reach, an owner, and bits with which each side interrupts
//! the other.

use ixy_regs::ixgbe::fields::EICR;
use ixy_regs::ixgbe::rest_fields::PFMAILBOX;
use ixy_regs::ixgbe::vf::VFMAILBOX;

use super::Hardware;
use super::behaviour::Behaviour;
use super::engine::Engine;
use super::names::{self, mask};

/// Words of a mailbox's buffer.
pub(crate) const MESSAGE_WORDS: u32 = 16;
/// Functions that share an element of PFMBICR: messages in the lower half, acknowledgements in the upper.
const SHARE: u32 = 16;

/// A virtual function's side of a mailbox; the owner is in PFMAILBOX.
#[derive(Debug)]
pub(crate) struct Mailbox {
    /// PFSTS, PFACK, RSTI and RSTD.
    state: u32,
}

/// Bits that a read clears.
const RUNG: u32 = mask(VFMAILBOX::PFSTS) | mask(VFMAILBOX::PFACK) | mask(VFMAILBOX::RSTD);

impl Default for Mailbox {
    fn default() -> Self {
        let reset = if Behaviour::ResetIndication.on() { mask(VFMAILBOX::RSTI) } else { 0 };
        Self { state: reset }
    }
}

impl Mailbox {
    /// The physical function is in reset.
    pub(crate) fn reset(&mut self) {
        *self = Self::default();
    }

    /// The reset of the physical function is done.
    fn reset_done(&mut self) {
        if Behaviour::ResetIndication.on() {
            self.state = self.state & !mask(VFMAILBOX::RSTI) | mask(VFMAILBOX::RSTD);
        }
    }

    /// The value of VFMAILBOX of function `n` on a read.
    pub(crate) fn read(&mut self, hw: &Hardware, n: u32) -> u32 {
        let owner = hw.regs.load(names::pfmailbox(n));
        let value =
            VFMAILBOX::VFU.val(PFMAILBOX::VFU.read(owner)) + VFMAILBOX::PFU.val(PFMAILBOX::PFU.read(owner));
        let value = value.modify(self.state);
        if Behaviour::MailboxClearsOnRead.on() {
            self.state &= !RUNG;
        }
        value
    }
}

impl Engine {
    /// One side takes or releases the buffer; it cannot take it while the other side owns it.
    fn own(hw: &Hardware, n: u32, wants: bool, own: u32, other: u32) {
        let register = names::pfmailbox(n);
        let taken = hw.regs.load(register) & other != 0 && Behaviour::MailboxOwner.on();
        hw.regs.assign(register, own, wants && !taken);
    }

    /// The virtual function writes VFMAILBOX.
    pub(crate) fn write_vf_mailbox(&mut self, hw: &Hardware, n: u32, value: u32) {
        Self::own(hw, n, VFMAILBOX::VFU.is_set(value), mask(PFMAILBOX::VFU), mask(PFMAILBOX::PFU));
        let bit = 1 << (n % SHARE);
        let request = VFMAILBOX::REQ.is_set(value) && Behaviour::MailboxRequest.on();
        let ack = VFMAILBOX::ACK.is_set(value) && Behaviour::MailboxAcknowledge.on();
        let rings = if request { bit } else { 0 } | if ack { bit << SHARE } else { 0 };
        if rings != 0 {
            hw.regs.assign(names::pfmbicr(n / SHARE), rings, true);
            let masked = !super::vf::bit_of(hw, names::pfmbimr, n) && Behaviour::MailboxMask.on();
            if !masked {
                self.interrupts.raise(hw, 0, mask(EICR::MAILBOX));
            }
        }
    }

    /// The physical function writes PFMAILBOX of function `n`.
    fn write_pf_mailbox(&mut self, hw: &Hardware, n: u32, value: u32) {
        if PFMAILBOX::RVFU.is_set(value) && Behaviour::MailboxTakenBack.on() {
            self.release_vf_mailbox(hw, n);
        }
        Self::own(hw, n, PFMAILBOX::PFU.is_set(value), mask(PFMAILBOX::PFU), mask(PFMAILBOX::VFU));
        let status = PFMAILBOX::STS.is_set(value) && Behaviour::MailboxStatus.on();
        let ack = PFMAILBOX::ACK.is_set(value) && Behaviour::MailboxAcknowledge.on();
        let Some(mailbox) = self.functions.mailbox(n) else { return };
        mailbox.state |= if status { mask(VFMAILBOX::PFSTS) } else { 0 };
        mailbox.state |= if ack { mask(VFMAILBOX::PFACK) } else { 0 };
        if status || ack {
            self.functions.ring(hw, n);
        }
    }

    /// Takes the buffer from the virtual function and clears its requests.
    pub(crate) fn release_vf_mailbox(&mut self, hw: &Hardware, n: u32) {
        hw.regs.assign(names::pfmailbox(n), mask(PFMAILBOX::VFU), false);
        let bit = 1 << (n % SHARE);
        hw.regs.assign(names::pfmbicr(n / SHARE), bit | bit << SHARE, false);
    }

    /// The physical function says that its reset is done (CTRL_EXT.PFRSTD).
    pub(crate) fn reset_done(&mut self) {
        for n in 0..super::vf::FUNCTIONS {
            if let Some(mailbox) = self.functions.mailbox(n) {
                mailbox.reset_done();
            }
        }
    }

    /// The physical function writes one of its mailbox registers; `false` when `offset` is another register.
    pub(crate) fn write_mailbox(&mut self, hw: &Hardware, offset: u32, value: u32) -> bool {
        let within = |first: u32, last: u32| {
            (first..=last)
                .contains(&offset)
                .then(|| (offset - first) / (names::pfmailbox(1) - names::pfmailbox(0)))
        };
        if let Some(n) = within(names::pfmailbox(0), names::pfmailbox(super::vf::FUNCTIONS - 1)) {
            self.write_pf_mailbox(hw, n, value);
        } else if within(names::pfmbicr(0), names::pfmbicr(3)).is_some() {
            hw.regs.assign(offset, value, false);
        } else if let Some(n) = within(names::pfvflrec(0), names::pfvflrec(1)) {
            hw.regs.assign(names::pfvflre(n), value, false);
        } else {
            return false;
        }
        true
    }
}
