//! The places of a modern device's registers: [`Layout`] (section 4.1.4).

use crate::error::Error;
use ixy_regs::virtio::capability::{Capability, ConfigType, LAST_BAR, NotifyCapability};

/// A part of a BAR.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Region {
    /// The number of the BAR, 0 to 5.
    pub bar: u8,
    /// Its offset in the BAR, in bytes.
    pub offset: u32,
    /// Its length in bytes.
    pub len: u32,
}

/// The places of a modern device's structures.
///
/// ```
/// use ixy_virtio::Layout;
///
/// /// A capability of a vendor (9) that names a structure: its kind, its BAR, and its place there.
/// fn capability(kind: u8, offset: u32, len: u32, multiplier: &[u8]) -> Vec<u8> {
///     let head = [9, 0, 16 + multiplier.len() as u8, kind, 4, 0, 0, 0];
///     [&head[..], &offset.to_le_bytes(), &len.to_le_bytes(), multiplier].concat()
/// }
///
/// // As QEMU's device has them; `ixy_pci` reads them from configuration space.
/// let capabilities = [
///     capability(1, 0x0000, 0x1000, &[]),          // common configuration
///     capability(3, 0x1000, 0x1000, &[]),          // interrupt status
///     capability(4, 0x2000, 0x1000, &[]),          // the device's own configuration
///     capability(2, 0x3000, 0x1000, &[4, 0, 0, 0]), // notifications
/// ];
/// let layout = Layout::find(&capabilities, |bar| bar == 4)?;
/// assert_eq!((layout.notify.offset, layout.notify_multiplier), (0x3000, 4));
/// # Ok::<(), ixy_virtio::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layout {
    /// The common configuration.
    pub common: Region,
    /// Notifications.
    pub notify: Region,
    /// The multiplier of a queue's notification offset.
    pub notify_multiplier: u32,
    /// The interrupt status.
    pub isr: Region,
    /// The network device's own configuration.
    pub device: Region,
}

impl Layout {
    /// Finds the structures in the bytes of a device's vendor capabilities, in the order of its list. `usable`
    /// decides whether a BAR can be used: the first usable structure of each kind is taken, as the specification
    /// requires.
    ///
    /// # Errors
    /// [`Error::NoStructure`].
    pub fn find(capabilities: &[Vec<u8>], usable: impl Fn(u8) -> bool) -> Result<Self, Error> {
        let find = |kind: ConfigType, structure: &'static str| {
            let found = capabilities.iter().find_map(|bytes| {
                let capability = Capability::read(bytes)?;
                let region = Region {
                    bar: capability.bar,
                    offset: capability.offset.get(),
                    len: capability.length.get(),
                };
                // Values above 5 are reserved; such a capability is skipped.
                let fits = region.bar <= LAST_BAR && region.offset.checked_add(region.len).is_some();
                (capability.config_type() == Some(kind) && fits && usable(region.bar))
                    .then_some((region, bytes))
            });
            found.ok_or(Error::NoStructure { structure, found: capabilities.len() })
        };
        let (common, _) = find(ConfigType::Common, "common configuration")?;
        let (notify, bytes) = find(ConfigType::Notify, "notifications")?;
        let (isr, _) = find(ConfigType::Isr, "ISR status")?;
        let (device, _) = find(ConfigType::Device, "device configuration")?;
        let missing = Error::NoStructure { structure: "notify_off_multiplier", found: capabilities.len() };
        let notify_multiplier = NotifyCapability::read(bytes).ok_or(missing)?.notify_off_multiplier.get();
        Ok(Self { common, notify, notify_multiplier, isr, device })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn capability(kind: u8, bar: u8, offset: u32, len: u32, multiplier: Option<u32>) -> Vec<u8> {
        let mut bytes = vec![0x09, 0, 16, kind, bar, 0, 0, 0];
        bytes.extend(offset.to_le_bytes());
        bytes.extend(len.to_le_bytes());
        if let Some(multiplier) = multiplier {
            bytes.extend(multiplier.to_le_bytes());
            bytes[2] = 20;
        }
        bytes
    }

    /// The structures as in QEMU.
    fn usual() -> Vec<Vec<u8>> {
        vec![
            capability(5, 0, 0, 0, Some(0)),
            capability(2, 4, 0x3000, 0x1000, Some(4)),
            capability(4, 4, 0x2000, 0x1000, None),
            capability(3, 4, 0x1000, 0x1000, None),
            capability(1, 4, 0, 0x1000, None),
        ]
    }

    #[test]
    fn each_structure_is_found_where_its_capability_says() {
        let region = |offset| Region { bar: 4, offset, len: 0x1000 };
        let expected = Layout {
            common: region(0),
            notify: region(0x3000),
            notify_multiplier: 4,
            isr: region(0x1000),
            device: region(0x2000),
        };
        assert_eq!(Layout::find(&usual(), |_| true).unwrap(), expected);
    }

    #[test]
    fn the_first_usable_one_of_a_kind_is_taken() {
        let mut capabilities = usual();
        capabilities.insert(0, capability(1, 1, 0, 0x1000, None));
        capabilities.insert(1, capability(1, 6, 0, 0x1000, None));
        capabilities.insert(2, capability(1, 2, u32::MAX, 2, None));
        capabilities.insert(3, capability(1, 3, 0x100, 0x1000, None));
        let layout = Layout::find(&capabilities, |bar| bar != 1).unwrap();
        assert_eq!(layout.common, Region { bar: 3, offset: 0x100, len: 0x1000 });
    }

    #[test]
    fn what_is_missing_is_named() {
        for (n, name) in
            [(1, "notifications"), (2, "device configuration"), (3, "ISR"), (4, "common configuration")]
        {
            let mut capabilities = usual();
            capabilities.remove(n);
            let text = Layout::find(&capabilities, |_| true).unwrap_err().to_string();
            assert!(text.contains(name) && text.contains("4 vendor"), "{text}");
        }
        let text = Layout::find(&[], |_| true).unwrap_err().to_string();
        assert!(text.contains("0 vendor"), "{text}");
        assert!(Layout::find(&usual(), |bar| bar != 4).is_err());
    }

    #[test]
    fn capabilities_cut_short_are_passed_over() {
        for len in 0..16 {
            let mut capabilities = usual();
            capabilities[4].truncate(len);
            assert!(Layout::find(&capabilities, |_| true).is_err(), "{len} bytes");
        }
        let mut capabilities = usual();
        capabilities[1].truncate(19);
        let text = Layout::find(&capabilities, |_| true).unwrap_err().to_string();
        assert!(text.contains("notify_off_multiplier"), "{text}");
    }
}
