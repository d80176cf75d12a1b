//! The part that the device and its queues share: the registers, waits on them, reset, and the stop at the end.

use std::any::Any;
use std::fmt;
use std::mem::ManuallyDrop;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use ixy_dma::BusMaster;
use ixy_regs::bus::Bus;
use ixy_regs::igb::fields::{CTRL, CTRL_EXT, EEC, RXDCTL, STATUS, TCTL, TXDCTL};
use ixy_regs::igb::{self, Registers, RxQueue, TxQueue};

use crate::error::Error;
use crate::models::Model;

/// The pause between two reads while the driver waits for a register.
const POLL: Duration = Duration::from_micros(20);
/// Longest time from master disable until the card's requests are done.
const MASTER_DISABLE: Duration = Duration::from_millis(80);
/// Longest time that a reset takes.
const RESET: Duration = Duration::from_millis(100);
/// The pause before software checks whether a reset is over (section 4.2.1.6.1).
const BEFORE_LOOKING: Duration = Duration::from_millis(1);
/// Longest time from a reset until the EEPROM is read, if there is one.
const EEPROM: Duration = Duration::from_millis(10);
/// The time that reception and transmission get to finish once they are disabled.
const GATES_CLOSED: Duration = Duration::from_millis(10);

/// One open card. When its last holder, the device or a queue, is dropped, the card is stopped and its memory
/// freed.
///
/// QUIET-BEFORE-FREE: rings and the packets in them are handed to [`keep`](Self::keep) when their queue is
/// dropped, and freed only after the card was seen to have stopped.
pub(crate) struct Card<B: Bus> {
    pub(crate) regs: Registers<B>,
    pub(crate) name: String,
    pub(crate) model: &'static Model,
    pub(crate) bus_master: Arc<dyn BusMaster>,
    /// Frames that receive queues dropped.
    pub(crate) dropped: AtomicU64,
    /// The bytes of these frames, if the card gave a length.
    pub(crate) dropped_bytes: AtomicU64,
    memory: Mutex<Vec<Box<dyn Any + Send>>>,
}

impl<B: Bus> fmt::Debug for Card<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Card")
            .field("name", &self.name)
            .field("model", &self.model.name)
            .finish_non_exhaustive()
    }
}

/// Where the notes describe the PHY and its semaphores, whose sections of the datasheet are not known.
pub(crate) const LINK: &str = "datasheet-notes/82576.md, Link";

/// What the driver waits for; the error message of a time-out names it.
pub(crate) struct Wait {
    pub(crate) register: &'static str,
    pub(crate) wanted: &'static str,
    pub(crate) section: &'static str,
    pub(crate) limit: Duration,
}

impl<B: Bus> Card<B> {
    pub(crate) fn new(
        regs: Registers<B>,
        name: String,
        model: &'static Model,
        bus_master: Arc<dyn BusMaster>,
    ) -> Self {
        Self {
            regs,
            name,
            model,
            bus_master,
            dropped: AtomicU64::new(0),
            dropped_bytes: AtomicU64::new(0),
            memory: Mutex::default(),
        }
    }

    /// Waits until `done` accepts the value that `read` returns.
    pub(crate) fn wait(
        &self,
        wait: &Wait,
        mut read: impl FnMut() -> u32,
        done: impl Fn(u32) -> bool,
    ) -> Result<u32, Error> {
        let end = Instant::now() + wait.limit;
        loop {
            // Read the clock before the register, so that a thread that overslept still checks once more.
            let late = Instant::now() >= end;
            let found = read();
            if done(found) {
                return Ok(found);
            }
            // A card that is gone reads as all ones.
            if late || found == u32::MAX {
                self.check_present()?;
            }
            if late {
                let Wait { register, wanted, section, limit } = *wait;
                let device = self.name.clone();
                return Err(Error::Timeout { device, register, wanted, section, limit, found });
            }
            std::thread::sleep(POLL);
        }
    }

    /// Checks that the card still answers: STATUS has reserved bits that read zero.
    pub(crate) fn check_present(&self) -> Result<(), ixy_core::Error> {
        if self.regs.status().get() != u32::MAX {
            return Ok(());
        }
        Err(ixy_core::Error::Lost { device: self.name.clone(), register: "STATUS" })
    }

    /// Keeps memory that the card may still reach until the card has stopped.
    pub(crate) fn keep(&self, memory: Box<dyn Any + Send>) {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner).push(memory);
    }

    /// Masks all interrupt causes, and clears those that are pending.
    pub(crate) fn disable_interrupts(&self) {
        self.regs.imc().clear(u32::MAX);
        self.regs.eimc().clear(u32::MAX);
        let _causes = self.regs.icr().take();
    }

    /// Disables every queue: also those that an earlier user left enabled, and queue 0, which a reset
    /// enables.
    pub(crate) fn disable_queues(&self) {
        let bus = self.regs.bus();
        for n in 0..igb::QUEUES {
            if let (Some(rx), Some(tx)) = (RxQueue::new(bus.clone(), n), TxQueue::new(bus.clone(), n)) {
                // SAFETY: ARMED-ONLY: a card without enabled queues reaches less.
                unsafe {
                    rx.rxdctl().modify_dma(RXDCTL::ENABLE::CLEAR);
                    tx.txdctl().modify_dma(TXDCTL::ENABLE::CLEAR);
                }
            }
        }
    }

    /// Master disable: the card makes no new requests, and the driver waits for pending ones. `false` when these
    /// do not end.
    fn disable_master(&self) -> bool {
        // While a reset has not ended, this write does not start another.
        self.regs.ctrl().modify(CTRL::GIO_DIS::SET + CTRL::RST::CLEAR);
        let wait = Wait {
            register: "STATUS",
            wanted: "GIO clear",
            section: "datasheet-notes/82576.md, step 3",
            limit: MASTER_DISABLE,
        };
        let status = || self.regs.status().get();
        self.wait(&wait, status, |status| !STATUS::GIO.is_set(status)).is_ok()
    }

    /// Closes the gates of reception and transmission.
    fn close_gates(&self) {
        // SAFETY: ARMED-ONLY: a card that neither receives nor sends reaches less.
        unsafe {
            self.regs.rctl().set_dma(0);
            self.regs.tctl().write_dma(TCTL::PSP::SET);
        }
        // Writes are posted; the read waits until they arrived.
        let _flushed = self.regs.status().get();
        std::thread::sleep(GATES_CLOSED);
    }

    /// Stops and resets the card. Afterwards everything but the EEPROM and the PCI configuration is as at
    /// power-on, and no queue is enabled.
    pub(crate) fn reset(&self) -> Result<(), Error> {
        self.disable_queues();
        if !self.disable_master() {
            self.check_present()?;
            tracing::warn!(device = %self.name, "master disable did not finish; the card is reset anyway");
        }
        self.reset_now()?;
        self.disable_queues();
        Ok(())
    }

    /// Section 4.2.1.6.1.
    fn reset_now(&self) -> Result<(), Error> {
        self.close_gates();
        tracing::debug!(device = %self.name, "reset, section 4.2.1.6.1");
        let ctrl = self.regs.ctrl();
        ctrl.modify(CTRL::RST::SET);
        std::thread::sleep(BEFORE_LOOKING);
        let wait = Wait { register: "CTRL", wanted: "RST clear", section: "section 4.2.1.6.1", limit: RESET };
        self.wait(&wait, || ctrl.get(), |ctrl| !CTRL::RST.is_set(ctrl))?;
        let wait = Wait {
            register: "EEC",
            wanted: "ARD set",
            section: "datasheet-notes/82576.md, step 5",
            limit: EEPROM,
        };
        if self.wait(&wait, || self.regs.eec().get(), |eec| EEC::ARD.is_set(eec)).is_err() {
            self.check_present()?;
            // Cards without an EEPROM exist; that is no error.
            let eec = self.regs.eec().get();
            tracing::debug!(device = %self.name, eec, "EEC.ARD does not say that an EEPROM was read");
        }
        self.disable_interrupts();
        Ok(())
    }

    fn stop_bus_mastering(&self) -> bool {
        match self.bus_master.disable() {
            Ok(()) => self.no_transactions_pending(),
            Err(error) => {
                tracing::warn!(device = %self.name, %error, "bus mastering could not be switched off");
                false
            }
        }
    }

    fn no_transactions_pending(&self) -> bool {
        let end = Instant::now() + MASTER_DISABLE;
        loop {
            let late = Instant::now() >= end;
            if matches!(self.bus_master.transactions_pending(), Ok(false)) {
                return true;
            }
            if late {
                return false;
            }
            std::thread::sleep(POLL);
        }
    }

    /// Stops the card; `true` when it certainly reaches no memory any more.
    fn stop(&self) -> bool {
        if self.check_present().is_err() {
            // A card that is gone reaches no memory. If only its registers do not answer, it loses bus
            // mastering below.
            tracing::warn!(device = %self.name, "the card is gone; only its bus mastering is switched off");
            return self.stop_bus_mastering();
        }
        self.disable_interrupts();
        // Give the card back to the firmware.
        self.regs.ctrl_ext().modify(CTRL_EXT::DRV_LOAD::CLEAR);
        self.disable_queues();
        let quiet = self.disable_master();
        let stopped = self.stop_bus_mastering();
        let reset = self.reset_now();
        if let Err(error) = &reset {
            tracing::warn!(%error, "the reset at the end failed");
        }
        stopped && (quiet || reset.is_ok())
    }
}

impl<B: Bus> Drop for Card<B> {
    fn drop(&mut self) {
        // The memory is leaked unless the card was seen to have stopped, also after a panic.
        let memory = std::mem::take(&mut *self.memory.lock().unwrap_or_else(PoisonError::into_inner));
        let memory = ManuallyDrop::new(memory);
        let stopped = self.stop();
        if stopped {
            drop(ManuallyDrop::into_inner(memory));
        } else {
            tracing::error!(
                device = %self.name,
                "the card could not be stopped: memory that it may still write is not freed"
            );
        }
        let dropped = self.dropped.load(Ordering::Relaxed);
        tracing::debug!(device = %self.name, stopped, dropped, "closed");
    }
}
