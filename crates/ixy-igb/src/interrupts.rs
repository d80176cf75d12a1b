//! Interrupts of receive queues (sections 7.3.2.11 and 8.8).
//!
//! With MSI-X, IVAR names the vector of each receive queue. A frame that is written back sets the vector's
//! bit in EICR, and if EIMS unmasks that bit, a message is sent, at most at the rate of EITR, and clears the
//! bit (EIAC). Without MSI-X there is one interrupt for the bits that are set in both ICR and IMS; its bit
//! RXDW stands for all receive queues.
//!
//! No other cause is ever unmasked, and none before a queue is armed.
//!
//! DEPARTURE: the driver does not use EIAM, with which a message would mask its vector, because not all
//! devices have it (QEMU's has no effect). So an armed queue keeps interrupting, at the rate of EITR, until
//! it is disarmed.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ixy_core::{Interrupt, Interrupts, VectorKind};
use ixy_regs::bus::Bus;
use ixy_regs::igb::fields::{EITR, GPIE, ICR, IVAR};

use crate::card::Card;
use crate::config::Config;
use crate::error::Error;

/// IVAR's register n has queues n and n + 8.
const IVARS: u16 = 8;
/// ICR.RXDW: a receive descriptor was written back.
const RECEIVED: u32 = ICR::RXDW.mask << ICR::RXDW.shift;

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
    let (kind, interval) = (interrupts.vectors.kind(), interval(interrupts.rate));
    tracing::debug!(device = %card.name, ?kind, interval, "interrupts, section 8.8");
    // Write this first: it decides what the others mean.
    match kind {
        VectorKind::MsiX => regs.gpie().write(GPIE::MULTIPLE_MSIX::SET + GPIE::PBA_SUPPORT::SET),
        // Reading ICR clears it.
        VectorKind::Msi | VectorKind::Pin => regs.gpie().write(GPIE::NSICR::SET),
    }
    // An earlier user may have set these: no transmit queue and no other cause has a vector now.
    regs.ivar().iter().for_each(|queues| queues.set(0));
    regs.ivar_misc().set(0);
    regs.iam().set(0);
    regs.eiam().set(0);
    let shared = Arc::new(Shared { card: Arc::clone(card), interrupts, armed: Mutex::new(0) });
    let queues = 0..config.queues;
    let all = queues.map(|queue| Ok(Some(QueueInterrupt::new(&shared, queue, interval)?)));
    let all = all.collect::<Result<_, Error>>()?;
    if shared.is_msix() {
        regs.eiac().set(shared.bits(u16::MAX >> (16 - config.queues)));
    }
    Ok(all)
}

/// EITR.INTERVAL, in microseconds, for at most `rate` interrupts a second. Less than 123 is not possible.
fn interval(rate: u32) -> u32 {
    if rate == 0 { 0 } else { 1_000_000_u32.div_ceil(rate).min(EITR::INTERVAL.mask) }
}

/// What the interrupts of a card's queues share.
struct Shared<B: Bus> {
    card: Arc<Card<B>>,
    interrupts: Interrupts,
    /// The armed receive queues, as bits. The lock is held while masks are written.
    armed: Mutex<u16>,
}

impl<B: Bus> Shared<B> {
    fn armed(&self) -> MutexGuard<'_, u16> {
        self.armed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_msix(&self) -> bool {
        self.interrupts.vectors.kind() == VectorKind::MsiX
    }

    /// The vectors of some queues, as bits.
    fn bits(&self, queues: u16) -> u32 {
        let those = (0..16).filter(|queue| queues >> queue & 1 != 0);
        those.map(|queue| 1 << (self.interrupts.vector(queue) & 15)).fold(0, std::ops::BitOr::bitor)
    }
}

/// The interrupt of one receive queue. Dropping this masks it.
pub(crate) struct QueueInterrupt<B: Bus> {
    shared: Arc<Shared<B>>,
    /// The queue, as a bit.
    queue: u16,
    event: File,
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
        let vector = vector as u32;
        if let Some(ivar) = card.regs.ivar().at(u32::from(queue % IVARS)) {
            ivar.modify(if queue < IVARS {
                IVAR::INT_ALLOC0.val(vector) + IVAR::INT_ALLOC_VAL0::SET
            } else {
                IVAR::INT_ALLOC2.val(vector) + IVAR::INT_ALLOC_VAL2::SET
            });
        }
        if let Some(eitr) = card.regs.eitr().at(vector) {
            eitr.write(EITR::INTERVAL.val(interval));
        }
        Ok(Self { shared: Arc::clone(shared), queue: 1 << queue, event: File::from(event) })
    }
}

impl<B: Bus> Interrupt for QueueInterrupt<B> {
    fn event(&self) -> BorrowedFd<'_> {
        self.event.as_fd()
    }

    fn arm(&mut self) -> Result<(), ixy_core::Error> {
        let Self { shared, queue, event } = self;
        let regs = &shared.card.regs;
        let mut armed = shared.armed();
        let others = *armed & !*queue;
        *armed |= *queue;
        if !shared.is_msix() {
            // All queues share one cause. The cause that was cleared here may belong to another queue, whose
            // thread sleeps and whose interrupt was not sent yet, so signal that queue's event from here.
            let causes = regs.icr().take().get();
            if causes & RECEIVED != 0 && others != 0 {
                event.write_all(&1_u64.to_ne_bytes()).map_err(|source| {
                    let what = format!("pass on an interrupt of {}", shared.card.name);
                    ixy_core::Error::Interrupt { what, source }
                })?;
            }
            let unmasked = shared.interrupts.vectors.unmask();
            regs.ims().raise(RECEIVED);
            return unmasked;
        }
        let vector = shared.bits(*queue);
        // A pending cause belongs to frames that were received already, so clear it. Do not when another
        // queue is armed for the same vector: EITR may be delaying that queue's interrupt.
        if shared.bits(others) & vector == 0 {
            regs.eicr().clear(vector);
            // Writes are posted. A cause that this write cleared was set before the read below returns, so
            // its frame is in memory by then, where the receive that follows `arm` finds it.
            let _flushed = regs.status().get();
        }
        regs.eims().raise(vector);
        Ok(())
    }

    fn disarm(&mut self) {
        let Self { shared, queue, .. } = self;
        let regs = &shared.card.regs;
        let mut armed = shared.armed();
        *armed &= !*queue;
        // Another queue may be armed for the same cause.
        if shared.is_msix() {
            regs.eimc().clear(shared.bits(*queue) & !shared.bits(*armed));
        } else if *armed == 0 {
            regs.imc().clear(RECEIVED);
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
        for rate in [123, 1000, 3000, 7001, 333_333, 999_999, 1_000_000, 2_000_000, u32::MAX] {
            let interval = interval(rate);
            assert!(u64::from(interval) * u64::from(rate) >= 1_000_000, "{rate}: {interval}");
            assert!(
                interval == 1 || u64::from(interval - 1) * u64::from(rate) < 1_000_000,
                "{rate}: {interval}"
            );
        }
        assert_eq!((interval(122), interval(1)), (8191, 8191), "the longest there is");
    }
}
