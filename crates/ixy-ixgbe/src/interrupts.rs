//! Interrupts of receive queues (sections 7.3.1, 7.3.2.1 and 8.2.3.5).
//!
//! A received frame sets the cause that IVAR names for its queue. A cause that EIMS unmasks interrupts, at
//! most at the rate of EITR. With MSI-X each cause is a vector, whose message clears it (EIAC) and masks it
//! (EIAM): each [`arm`](Interrupt::arm) is good for one interrupt. Without MSI-X all causes share one
//! interrupt. The first cause raises it, and it is not raised again while any cause is pending.
//!
//! No other cause is ever unmasked, and none before a queue is armed.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ixy_core::{Interrupt, Interrupts, VectorKind};
use ixy_regs::bus::Bus;
use ixy_regs::ixgbe::Registers;
use ixy_regs::ixgbe::fields::{EICR, EITR, GPIE, IVAR};

use crate::card::Card;
use crate::config::Config;
use crate::error::Error;

/// All interrupt causes (section 8.2.3.5.4).
const ALL_CAUSES: u32 = 0x7fff_ffff;
/// The queue causes in EICR and EIMS. With MSI-X there are more, in EICS_EX, EIMS_EX and the like.
const QUEUE_CAUSES: u32 = EICR::RTXQ.mask << EICR::RTXQ.shift;
/// Their number; without MSI-X there are no others.
const WITHOUT_MSIX: u16 = 16;
/// The unit of EITR at 1 and 10 Gbit/s; at 100 Mbit/s it is ten times as long (section 8.2.3.5.12).
const UNIT_NANOSECONDS: u64 = 2048;

/// Section 4.6.3.1: masks all causes.
pub(crate) fn disable<B: Bus>(regs: &Registers<B>) {
    regs.eimc().clear(ALL_CAUSES);
    for mask in regs.eimc_ex().iter() {
        mask.clear(u32::MAX);
    }
    let _causes = regs.eicr().take();
}

/// Sets up vectors and rates as configured, with every cause still masked. Returns the interrupt of each
/// receive queue, if it has one.
pub(crate) fn init<B: Bus>(
    card: &Arc<Card<B>>,
    config: &Config,
) -> Result<Vec<Option<QueueInterrupt<B>>>, Error> {
    let Some(interrupts) = config.interrupts.clone() else {
        return Ok((0..config.queues).map(|_| None).collect());
    };
    let regs = &card.regs;
    let kind = interrupts.vectors.kind();
    let interval = interval(interrupts.rate);
    tracing::debug!(device = %card.name, ?kind, interval, "interrupts, sections 7.3.1 and 8.2.3.5");
    if kind == VectorKind::MsiX {
        regs.gpie()
            .modify(GPIE::MULTIPLE_MSIX::SET + GPIE::PBA_SUPPORT::SET + GPIE::OCD::SET + GPIE::EIAME::SET);
        regs.eiac().set(QUEUE_CAUSES);
        regs.eiam_ex().iter().for_each(|causes| causes.set(u32::MAX));
    }
    // An earlier user may have set these: no transmit queue and no other cause has a vector now.
    regs.ivar().iter().for_each(|causes| causes.set(0));
    regs.ivar_misc().set(0);
    let shared = Arc::new(Shared { card: Arc::clone(card), interrupts, armed: Mutex::new(0) });
    let queues = 0..config.queues;
    queues.map(|queue| Ok(Some(QueueInterrupt::new(&shared, queue, interval)?))).collect()
}

/// EITR.ITR_INTERVAL for at most `rate` interrupts a second. Less than 956 is not possible.
fn interval(rate: u32) -> u32 {
    let longest = u64::from(EITR::ITR_INTERVAL.mask);
    match u64::from(rate) {
        0 => 0,
        rate => 1_000_000_000_u64.div_ceil(UNIT_NANOSECONDS * rate).min(longest) as u32,
    }
}

/// State that the interrupts of a card's queues share.
struct Shared<B: Bus> {
    card: Arc<Card<B>>,
    interrupts: Interrupts,
    /// The armed receive queues, as bits. The lock is held while masks are written.
    armed: Mutex<u64>,
}

impl<B: Bus> Shared<B> {
    fn armed(&self) -> MutexGuard<'_, u64> {
        self.armed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_msix(&self) -> bool {
        self.interrupts.vectors.kind() == VectorKind::MsiX
    }

    /// The cause of a queue, as a bit: with MSI-X that of its vector.
    fn cause(&self, queue: u16) -> u64 {
        1 << if self.is_msix() { self.interrupts.vector(queue) % 64 } else { (queue % WITHOUT_MSIX).into() }
    }

    /// The causes of queues.
    fn causes(&self, queues: u64) -> u64 {
        let causes = (0..64).filter(|queue| queues >> queue & 1 != 0).map(|queue| self.cause(queue));
        causes.fold(0, std::ops::BitOr::bitor)
    }
}

/// The interrupt of one receive queue. Dropping this masks it.
pub(crate) struct QueueInterrupt<B: Bus> {
    shared: Arc<Shared<B>>,
    queue: u16,
    event: OwnedFd,
}

impl<B: Bus> QueueInterrupt<B> {
    fn new(shared: &Arc<Shared<B>>, queue: u16, interval: u32) -> Result<Self, Error> {
        let Shared { card, interrupts, .. } = &**shared;
        let vector = interrupts.vector(queue);
        let event = interrupts.vectors.event(vector).ok_or(io::Error::from(io::ErrorKind::NotFound));
        let event = event.and_then(|event| event.try_clone_to_owned()).map_err(|source| {
            let what = format!("have receive queue {queue} of {} interrupt by vector {vector}", card.name);
            ixy_core::Error::Interrupt { what, source }
        })?;
        let cause = shared.cause(queue).trailing_zeros();
        if let Some(ivar) = card.regs.ivar().at(u32::from(queue / 2)) {
            ivar.modify(if queue.is_multiple_of(2) {
                IVAR::INT_ALLOC0.val(cause) + IVAR::INT_ALLOC_VAL0::SET
            } else {
                IVAR::INT_ALLOC2.val(cause) + IVAR::INT_ALLOC_VAL2::SET
            });
        }
        if let Some(eitr) = card.regs.eitr().at(vector as u32) {
            eitr.write(EITR::ITR_INTERVAL.val(interval));
        }
        Ok(Self { shared: Arc::clone(shared), queue, event })
    }
}

impl<B: Bus> Interrupt for QueueInterrupt<B> {
    fn event(&self) -> BorrowedFd<'_> {
        self.event.as_fd()
    }

    fn arm(&mut self) -> Result<(), ixy_core::Error> {
        let shared = &*self.shared;
        let (regs, cause) = (&shared.card.regs, shared.cause(self.queue));
        let mut armed = shared.armed();
        let others = shared.causes(*armed & !(1 << self.queue));
        // A pending cause belongs to frames that were received already, so clear it. Do not when another
        // queue is armed for the same cause: the throttle may be delaying that queue's interrupt. (Causes
        // above the 16th clear only by their message.)
        if others & cause == 0 {
            regs.eicr().clear(cause as u32 & QUEUE_CAUSES);
        }
        *armed |= 1 << self.queue;
        let mut unmasked = Ok(());
        if shared.is_msix() {
            for (mask, causes) in regs.eims_ex().iter().zip([cause as u32, (cause >> 32) as u32]) {
                mask.raise(causes);
            }
        } else {
            // A pending cause of another queue, whose thread did not run yet, would keep this queue from
            // interrupting. Masking all causes for a moment makes the pending ones interrupt again.
            regs.eimc().clear(ALL_CAUSES);
            let _flushed = regs.status().get();
            unmasked = shared.interrupts.vectors.unmask();
            regs.eims().raise((others | cause) as u32);
        }
        // Writes are posted. A cause that was set before they took effect may be lost, but once this read
        // returns its frame is in memory, where the receive that follows `arm` finds it.
        let _flushed = regs.status().get();
        unmasked
    }

    fn disarm(&mut self) {
        let shared = &*self.shared;
        let (regs, cause) = (&shared.card.regs, shared.cause(self.queue));
        let mut armed = shared.armed();
        *armed &= !(1 << self.queue);
        // Another queue may be armed for the same cause.
        let masked = cause & !shared.causes(*armed);
        if shared.is_msix() {
            for (mask, causes) in regs.eimc_ex().iter().zip([masked as u32, (masked >> 32) as u32]) {
                mask.clear(causes);
            }
        } else {
            regs.eimc().clear(masked as u32);
        }
    }
}

impl<B: Bus> Drop for QueueInterrupt<B> {
    fn drop(&mut self) {
        self.disarm();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interval_keeps_the_rate_and_no_more_than_that() {
        assert_eq!(interval(0), 0, "no limit");
        for rate in (956..500_000).step_by(7).chain([488_281, 488_282, 1_000_000, u32::MAX]) {
            let units = u64::from(interval(rate));
            assert!((1..=511).contains(&units), "{rate}: {units}");
            let fits = |units: u64| units * UNIT_NANOSECONDS * u64::from(rate) >= 1_000_000_000;
            assert!(fits(units), "{rate} is exceeded with {units} units");
            assert!(units == 1 || !fits(units - 1), "{rate}: {units} units are too many");
        }
        assert_eq!(interval(1), 511, "the longest there is");
    }
}
