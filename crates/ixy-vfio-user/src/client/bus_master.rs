//! The switch for DMA of a PCI device of another process: [`VfioUserBusMaster`].

use ixy_dma::{BusMaster, Error};

use super::Client;
use crate::message::pci;

const COMMAND: u64 = 0x04;
const BUS_MASTER_ENABLE: u16 = 1 << 2;
/// Memory decoding, without which registers do not respond.
const MEMORY_SPACE: u16 = 1 << 1;
const STATUS: u64 = 0x06;
const CAPABILITIES_LIST: u16 = 1 << 4;
const CAPABILITIES_POINTER: u64 = 0x34;
const PCI_EXPRESS: u8 = 0x10;
/// Offset of Device Status in the capability.
const DEVICE_STATUS: u64 = 0x0a;
const TRANSACTIONS_PENDING: u16 = 1 << 5;
/// The number that fits into 192 bytes.
const MOST_CAPABILITIES: usize = 48;

/// Bus Master Enable of a device's command register, and Transactions Pending of its PCI Express capability.
#[derive(Debug, Clone)]
pub struct VfioUserBusMaster {
    client: Client,
    device_status: Option<u64>,
}

impl VfioUserBusMaster {
    /// The bus master switch of a device. This also enables the device's memory decoding, as firmware does
    /// for a card.
    ///
    /// # Errors
    /// Its configuration space cannot be read or written.
    pub fn new(client: &Client) -> Result<Self, crate::Error> {
        let mut switch = Self { client: client.clone(), device_status: None };
        switch.device_status = switch.find()?;
        let command = switch.read16(COMMAND)?;
        if command & MEMORY_SPACE == 0 {
            // SAFETY: ARMED-ONLY: decoding of memory lets the device reach nothing.
            unsafe { client.write(pci::CONFIG, COMMAND, &(command | MEMORY_SPACE).to_le_bytes()) }?;
        }
        Ok(switch)
    }

    fn read16(&self, offset: u64) -> Result<u16, crate::Error> {
        let mut bytes = [0; 2];
        self.client.read(pci::CONFIG, offset, &mut bytes)?;
        Ok(u16::from_le_bytes(bytes))
    }

    /// The offset of Device Status.
    fn find(&self) -> Result<Option<u64>, crate::Error> {
        if self.read16(STATUS)? & CAPABILITIES_LIST == 0 {
            return Ok(None);
        }
        let mut at = self.read16(CAPABILITIES_POINTER)?.to_le_bytes()[0] & !3;
        for _ in 0..MOST_CAPABILITIES {
            if at < 0x40 {
                break;
            }
            let [id, next] = self.read16(at.into())?.to_le_bytes();
            if id == PCI_EXPRESS {
                return Ok(Some(u64::from(at) + DEVICE_STATUS));
            }
            at = next & !3;
        }
        Ok(None)
    }

    /// # Safety
    /// ARMED-ONLY, to switch it on: what is enabled on the device reaches only memory that its driver has given to
    /// it.
    unsafe fn switch(&self, on: bool) -> Result<(), Error> {
        let switched = self.read16(COMMAND).and_then(|command| {
            let new = if on { command | BUS_MASTER_ENABLE } else { command & !BUS_MASTER_ENABLE };
            // SAFETY: the caller's promise.
            unsafe { self.client.write(pci::CONFIG, COMMAND, &new.to_le_bytes()) }
        });
        switched.map_err(|error| failed("switching DMA of a device on or off", error))
    }

    /// Whether the server closed the connection: it does so once the device has released the client's memory, or
    /// when it ends.
    fn is_closed(&self) -> bool {
        matches!(self.client.lost(), Some(crate::Error::Closed { .. }))
    }
}

/// An error of the connection as one of memory.
pub(super) fn failed(what: impl Into<String>, error: crate::Error) -> Error {
    Error::Os { what: what.into(), source: std::io::Error::other(error) }
}

// SAFETY: QUIET-BEFORE-FREE: the write waits for the device's answer, so the device has switched DMA off when
// `disable` returns, or its server has left. Any later access goes to the files that it was given; no address of
// this process is freed with them.
unsafe impl BusMaster for VfioUserBusMaster {
    fn disable(&self) -> Result<(), Error> {
        // SAFETY: switched off, it reaches nothing.
        let switched = unsafe { self.switch(false) };
        if self.is_closed() { Ok(()) } else { switched }
    }

    unsafe fn enable(&self) -> Result<(), Error> {
        // SAFETY: ARMED-ONLY, as the caller promises.
        unsafe { self.switch(true) }
    }

    fn transactions_pending(&self) -> Result<bool, Error> {
        let Some(at) = self.device_status.filter(|_| !self.is_closed()) else { return Ok(false) };
        let status = self.read16(at).map_err(|error| failed("reading the status of a device", error))?;
        Ok(status & TRANSACTIONS_PENDING != 0)
    }
}
