//! The part that the device and its queues share: the registers, waits on them, reset, and the stop at the end.

use std::any::Any;
use std::fmt;
use std::mem::ManuallyDrop;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use ixy_dma::BusMaster;
use ixy_regs::bus::Bus;
use ixy_regs::ixgbe::fields::{CTRL, CTRL_EXT, GCR_EXT, HLREG0, RXCTRL, RXDCTL, STATUS, TXDCTL};
use ixy_regs::ixgbe::{self, Registers, RxQueue, TxQueue};

use crate::error::Error;
use crate::models::{Mac, Model};

/// The pause between two reads while the driver waits for a register.
const POLL: Duration = Duration::from_micros(20);
/// Longest time from master disable until the card's requests are done (section 5.2.5.3.2).
const MASTER_DISABLE: Duration = Duration::from_millis(20);
/// Longest time that a reset takes to be acknowledged (section 4.6.3.2 says a microsecond).
const RESET: Duration = Duration::from_millis(100);
/// The pause before software checks whether a reset is over (section 4.2.1.6.1).
const BEFORE_LOOKING: Duration = Duration::from_millis(1);
/// The time that queues get to finish once they are disabled.
const QUEUES_OFF: Duration = Duration::from_millis(2);

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

    /// Checks that the card still answers: STATUS has reserved bits that read zero (section 8.2.3.1.2).
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

    fn stop_bus_mastering(&self) -> Result<(), String> {
        self.bus_master.disable().map_err(|error| error.to_string())?;
        if self.no_transactions_pending() { Ok(()) } else { Err("its requests do not end".into()) }
    }

    /// Masks interrupts and disables reception and every queue, also those that an earlier user left enabled.
    fn disable_queues(&self) {
        crate::interrupts::disable(&self.regs);
        let bus = self.regs.bus();
        // SAFETY: ARMED-ONLY: a card without enabled queues reaches less.
        unsafe {
            self.regs.rxctrl().modify_dma(RXCTRL::RXEN::CLEAR);
            for n in 0..ixgbe::QUEUES {
                if let (Some(rx), Some(tx)) = (RxQueue::new(bus.clone(), n), TxQueue::new(bus.clone(), n)) {
                    rx.rxdctl().modify_dma(RXDCTL::ENABLE::CLEAR);
                    tx.txdctl().write_dma(TXDCTL::SWFLSH::SET);
                }
            }
        }
        // Writes are posted; the read waits until they arrived.
        let _flushed = self.regs.status().get();
        std::thread::sleep(QUEUES_OFF);
    }

    /// Section 5.2.5.3.2: master disable. The card makes no new requests, and the driver waits for pending
    /// ones. `false` when these do not end.
    fn disable_master(&self) -> bool {
        self.disable_queues();
        self.regs.ctrl().modify(CTRL::GIO_DIS::SET);
        let wait =
            Wait { register: "STATUS", wanted: "GIO clear", section: "5.2.5.3.2", limit: MASTER_DISABLE };
        let status = || self.regs.status().get();
        self.wait(&wait, status, |status| !STATUS::GIO.is_set(status)).is_ok()
    }

    /// Sections 4.2.1.6.1 and 4.6.3.2: resets the card. Afterwards everything but the EEPROM and the PCI
    /// configuration is as at power-on.
    pub(crate) fn reset(&self) -> Result<(), Error> {
        let quiet = self.disable_master();
        if !quiet {
            self.flush_requests();
        }
        self.reset_once()?;
        if !quiet {
            // With requests still pending, the datasheet asks for a flush and a second reset (section
            // 5.2.5.3.2).
            tracing::debug!(device = %self.name, "master disable did not finish: second reset, section 5.2.5.3.2");
            self.reset_once()?;
        }
        Ok(())
    }

    /// Section 5.2.5.3.2: drops requests whose completions will never arrive. The link is in loopback during this,
    /// so that no new requests are added.
    fn flush_requests(&self) {
        let (hlreg0, gcr_ext) = (self.regs.hlreg0(), self.regs.gcr_ext());
        hlreg0.modify(HLREG0::LPBK::SET);
        let _flushed = self.regs.status().get();
        std::thread::sleep(Duration::from_millis(3));
        gcr_ext.modify(GCR_EXT::BUFFERS_CLEAR_FUNC::SET);
        let _flushed = self.regs.status().get();
        std::thread::sleep(Duration::from_micros(20));
        gcr_ext.modify(GCR_EXT::BUFFERS_CLEAR_FUNC::CLEAR);
        hlreg0.modify(HLREG0::LPBK::CLEAR);
    }

    fn reset_once(&self) -> Result<(), Error> {
        tracing::debug!(device = %self.name, "global reset, section 4.6.3.2");
        let ctrl = self.regs.ctrl();
        // The link of an X540 or X550 belongs to the PHY, which this reset leaves alone.
        let link = if self.model.mac == Mac::I82599 { CTRL::LRST::SET } else { CTRL::LRST::CLEAR };
        ctrl.modify(CTRL::RST::SET + link);
        std::thread::sleep(BEFORE_LOOKING);
        let wait = Wait { register: "CTRL", wanted: "RST clear", section: "4.6.3.2", limit: RESET };
        self.wait(&wait, || ctrl.get(), |ctrl| !CTRL::RST.is_set(ctrl) && !CTRL::LRST.is_set(ctrl))?;
        std::thread::sleep(self.model.after_reset());
        Ok(())
    }

    /// Stops the card, so that it certainly reaches no memory any more. The error gives the reason if that is not
    /// certain.
    fn stop(&self) -> Result<(), String> {
        if self.check_present().is_err() {
            // A card that is gone reaches no memory. If only its registers do not answer, it loses bus
            // mastering below.
            tracing::info!(device = %self.name, "the card is gone; only its bus mastering is switched off");
            return self.stop_bus_mastering();
        }
        // Give the card back to the firmware (section 8.2.3.1.3).
        self.regs.ctrl_ext().modify(CTRL_EXT::DRV_LOAD::CLEAR);
        let quiet = self.disable_master();
        let stopped = self.stop_bus_mastering();
        match self.reset_once() {
            // The card went away in the meantime, such as the server of a vfio-user card: as above.
            Err(_) if self.check_present().is_err() => stopped,
            Err(error) if !quiet => stopped.and(Err(error.to_string())),
            Err(error) => {
                tracing::warn!(%error, "the reset at the end failed");
                stopped
            }
            Ok(()) => stopped,
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
}

impl<B: Bus> Drop for Card<B> {
    fn drop(&mut self) {
        // The memory is leaked unless the card was seen to have stopped, also after a panic.
        let memory = std::mem::take(&mut *self.memory.lock().unwrap_or_else(PoisonError::into_inner));
        let memory = ManuallyDrop::new(memory);
        let stopped = self.stop();
        if let Err(why) = &stopped {
            tracing::error!(
                device = %self.name, why,
                "the card could not be brought to rest: the memory that it may still write is not freed"
            );
        } else {
            drop(ManuallyDrop::into_inner(memory));
        }
        let dropped = self.dropped.load(Ordering::Relaxed);
        tracing::debug!(device = %self.name, ?stopped, dropped, "closed");
    }
}
