//! Access to a software device of the same process, for its driver: [`SimBus`] and [`SimBusMaster`].

use std::sync::Arc;

use ixy_dma::{BusMaster, Error};
use ixy_regs::bus::Bus;

use crate::model::{Fault, Nic82599};

/// The registers of a software device, accessed by direct calls.
///
/// The 82599 has 32-bit registers only: narrower reads return all ones, narrower writes are ignored, and both are
/// logged.
#[derive(Debug, Clone)]
pub struct SimBus {
    nic: Arc<Nic82599>,
    steps: bool,
}

impl SimBus {
    /// The registers of `nic`, which another thread polls.
    pub fn new(nic: Arc<Nic82599>) -> Self {
        Self { nic, steps: false }
    }

    /// The registers of `nic`, which is polled once before every read. A driver that waits for a bit then needs no
    /// thread, and every run is the same.
    pub fn stepping(nic: Arc<Nic82599>) -> Self {
        Self { nic, steps: true }
    }

    fn narrow(&self, access: &str, bits: u32, offset: u32) {
        tracing::trace!("{bits}-bit {access} at {offset:#07x}: the 82599 has 32-bit registers only");
    }
}

// SAFETY: BUS-WINDOW: the window is a constant. The model is reached through a lock or through atomics of its own, in
// the order that `Bus` asks for, and any offset will do.
unsafe impl Bus for SimBus {
    #[inline(always)]
    fn len(&self) -> u32 {
        Nic82599::WINDOW
    }

    unsafe fn read8(&self, offset: u32) -> u8 {
        self.narrow("read", 8, offset);
        u8::MAX
    }

    unsafe fn read16(&self, offset: u32) -> u16 {
        self.narrow("read", 16, offset);
        u16::MAX
    }

    #[inline]
    unsafe fn read32(&self, offset: u32) -> u32 {
        if self.steps {
            self.nic.poll();
        }
        self.nic.read32(offset)
    }

    unsafe fn write8(&self, offset: u32, _value: u8) {
        self.narrow("write", 8, offset);
    }

    unsafe fn write16(&self, offset: u32, _value: u16) {
        self.narrow("write", 16, offset);
    }

    #[inline]
    unsafe fn write32(&self, offset: u32, value: u32) {
        // SAFETY: the caller promises the limits of DMA, in the same words.
        unsafe { self.nic.write32(offset, value) }
    }
}

/// The device's DMA switch, which is bus mastering in the configuration space of a PCI device.
#[derive(Debug, Clone)]
pub struct SimBusMaster(Arc<Nic82599>);

impl SimBusMaster {
    /// The DMA switch of `nic`. It is off after power on.
    pub fn new(nic: Arc<Nic82599>) -> Self {
        Self(nic)
    }
}

// SAFETY: QUIET-BEFORE-FREE: the model does no DMA while it is off, and switching it off waits for the end of a poll.
unsafe impl BusMaster for SimBusMaster {
    fn disable(&self) -> Result<(), Error> {
        self.0.stop_bus_mastering();
        Ok(())
    }

    unsafe fn enable(&self) -> Result<(), Error> {
        // SAFETY: ARMED-ONLY, as the caller promises.
        unsafe { self.0.start_bus_mastering() };
        Ok(())
    }

    fn transactions_pending(&self) -> Result<bool, Error> {
        // DMA happens inside a poll, and switching it off waits for the end of that poll.
        Ok(self.0.faults().is(Fault::MasterNeverStops))
    }
}
