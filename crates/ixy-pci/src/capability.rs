//! The optional parts of a device that its configuration space lists: [`Capability`], [`ExtendedCapability`].

use std::collections::HashSet;

use crate::config::{ConfigSpace, STATUS_CAPABILITIES};
use crate::error::Error;

/// The offset of the pointer to the capability list (PCI Local Bus Specification 3.0, 6.7).
const FIRST: u16 = 0x34;
/// The lowest offset of a capability: they lie after the header.
const LOWEST: u16 = 0x40;
/// Size in bytes of the configuration space with this list.
const CONVENTIONAL: u16 = 0x100;
/// The offset of the length in a vendor's own capability.
const VENDOR_LENGTH: u16 = 2;
/// The offset of the list of extended capabilities (PCI Express Base Specification, 7.9).
const FIRST_EXTENDED: u16 = 0x100;

/// An entry of the list of capabilities in the first 256 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capability {
    /// Its id, one of the constants below or another.
    pub id: u8,
    /// Its offset in configuration space, in bytes.
    pub offset: u16,
}

impl Capability {
    /// Power management.
    pub const POWER_MANAGEMENT: u8 = 0x01;
    /// Vital product data.
    pub const VITAL_PRODUCT_DATA: u8 = 0x03;
    /// Message signalled interrupts.
    pub const MSI: u8 = 0x05;
    /// A vendor's own capability; virtio describes its registers with several of them.
    pub const VENDOR_SPECIFIC: u8 = 0x09;
    /// PCI Express.
    pub const PCI_EXPRESS: u8 = 0x10;
    /// Message signalled interrupts, one message a vector.
    pub const MSI_X: u8 = 0x11;
}

/// An entry of the list of capabilities in the configuration space of PCI Express, from offset 256 on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExtendedCapability {
    /// Its id, one of the constants below or another.
    pub id: u16,
    /// The version of its layout.
    pub version: u8,
    /// Its offset in configuration space, in bytes.
    pub offset: u16,
}

impl ExtendedCapability {
    /// Advanced error reporting.
    pub const ADVANCED_ERROR_REPORTING: u16 = 0x01;
    /// The device's serial number.
    pub const SERIAL_NUMBER: u16 = 0x03;
    /// Access control services.
    pub const ACCESS_CONTROL: u16 = 0x0D;
    /// Alternative routing ids: more than eight functions.
    pub const ALTERNATIVE_ROUTING: u16 = 0x0E;
    /// Virtual functions.
    pub const SINGLE_ROOT_IO_VIRTUALIZATION: u16 = 0x10;
}

/// A vendor's own capability with its contents. A device can have several of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VendorCapability {
    /// Its offset in configuration space, in bytes.
    pub offset: u16,
    /// All its bytes, from the id on: the number in its length byte, or fewer if configuration space ends before.
    pub bytes: Vec<u8>,
}

/// The list of capabilities, up to where it is intact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CapabilityList {
    /// Its entries, in order.
    pub entries: Vec<Capability>,
    /// The reason why the walk ended, if that was not the list's end.
    pub broken: Option<BrokenList>,
}

/// How a list of capabilities is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BrokenList {
    /// It leads back to an earlier entry.
    #[error("loops (its last pointer leads back to {to:#x})")]
    Loops {
        /// The entry that would come twice.
        to: u16,
    },
    /// It leads to a place where no entry can be.
    #[error("leads into the header (its last pointer is {to:#x})")]
    LeadsOutside {
        /// The offset of the impossible entry.
        to: u16,
    },
}

/// Both lists end at a null pointer, and also at one that leads out of their area or back to an earlier entry,
/// which a warning names. So a walk takes at most one step for each aligned offset.
impl ConfigSpace {
    /// The capabilities in the order of the list; none when the status register reports no list.
    ///
    /// # Errors
    /// [`Error::ConfigHidden`] without root, [`Error::Gone`], [`Error::Io`].
    pub fn capabilities(&self) -> Result<Vec<Capability>, Error> {
        let CapabilityList { entries, broken } = self.capability_list()?;
        if let Some(how) = broken {
            tracing::warn!("{}", Error::BrokenCapabilities { address: self.address(), how });
        }
        Ok(entries)
    }

    /// The capabilities, and whether the list is intact. Use it to explain why a capability is missing, with
    /// [`Error::BrokenCapabilities`].
    ///
    /// # Errors
    /// Those of [`ConfigSpace::capabilities`].
    pub fn capability_list(&self) -> Result<CapabilityList, Error> {
        let mut list = CapabilityList { entries: Vec::new(), broken: None };
        if self.status()? & STATUS_CAPABILITIES == 0 {
            return Ok(list);
        }
        let mut seen = HashSet::new();
        // The two lowest bits of a pointer are reserved.
        let mut to = u16::from(self.read8(FIRST)? & 0xFC);
        while to != 0 {
            if to < LOWEST {
                list.broken = Some(BrokenList::LeadsOutside { to });
                break;
            }
            if !seen.insert(to) {
                list.broken = Some(BrokenList::Loops { to });
                break;
            }
            list.entries.push(Capability { id: self.read8(to)?, offset: to });
            to = u16::from(self.read8(to + 1)? & 0xFC);
        }
        Ok(list)
    }

    /// The contents of the vendor-specific ones among `capabilities`. The third byte of each is its length.
    ///
    /// # Errors
    /// Those of [`ConfigSpace::read8`].
    pub fn vendor_capabilities(&self, capabilities: &[Capability]) -> Result<Vec<VendorCapability>, Error> {
        let vendors = capabilities.iter().filter(|capability| capability.id == Capability::VENDOR_SPECIFIC);
        vendors
            .map(|&Capability { offset, .. }| {
                let length = u16::from(self.read8(offset.saturating_add(VENDOR_LENGTH))?);
                let end = (offset + length).min(CONVENTIONAL).min(self.len());
                let bytes = (offset..end).map(|offset| self.read8(offset)).collect::<Result<_, _>>()?;
                Ok(VendorCapability { offset, bytes })
            })
            .collect()
    }

    /// The first capability with this id.
    ///
    /// # Errors
    /// Those of [`ConfigSpace::capabilities`].
    pub fn capability(&self, id: u8) -> Result<Option<Capability>, Error> {
        Ok(self.capabilities()?.into_iter().find(|capability| capability.id == id))
    }

    /// The extended capabilities in the order of the list; none when the device has no extended configuration
    /// space.
    ///
    /// # Errors
    /// [`Error::ConfigHidden`] without root, [`Error::Io`].
    pub fn extended_capabilities(&self) -> Result<Vec<ExtendedCapability>, Error> {
        let mut list = Vec::new();
        let mut seen = HashSet::new();
        let mut offset = FIRST_EXTENDED;
        while offset != 0 {
            if offset < FIRST_EXTENDED || offset >= self.len() || !seen.insert(offset) {
                if !list.is_empty() {
                    self.warn_broken(offset);
                }
                break;
            }
            let header = self.read32(offset)?;
            // An entry of zeros means that there is no list; a device that does not decode this part reads all
            // ones.
            if header == 0 || header == u32::MAX {
                break;
            }
            let [low, high, version, _] = header.to_le_bytes();
            let id = u16::from_le_bytes([low, high]);
            list.push(ExtendedCapability { id, version: version & 0xF, offset });
            offset = (header >> 20) as u16 & 0xFFC;
        }
        Ok(list)
    }

    fn warn_broken(&self, offset: u16) {
        tracing::warn!(device = %self.address(), "the list of capabilities is broken at its pointer to {offset:#x}");
    }
}
