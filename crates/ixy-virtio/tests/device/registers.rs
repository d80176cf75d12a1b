//! The registers of the device: the legacy layout (section 4.1.4.8) and the modern structures (section 4.1.4).

use std::fmt;
use std::sync::Arc;

use ixy_regs::bus::Bus;

use super::queue::Queue;
use super::vectors::NO_VECTOR;
use super::{Device, State, feature, status};

const LEGACY_PAGE: u64 = 4096;

/// A window of registers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Window {
    /// The port BAR.
    Legacy,
    Common,
    Notify,
    Isr,
    Config,
}

/// The bus to one window.
#[derive(Clone)]
pub(crate) struct DeviceBus {
    pub(crate) device: Arc<Device>,
    pub(crate) window: Window,
    pub(crate) len: u32,
}

impl fmt::Debug for DeviceBus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.window)
    }
}

impl DeviceBus {
    fn is_outside(&self, offset: u32, width: u32) -> bool {
        !offset.is_multiple_of(width) || offset.checked_add(width).is_none_or(|end| end > self.len)
    }

    fn read(&self, offset: u32, width: u32) -> u32 {
        let ones = u32::MAX >> (32 - 8 * width);
        let mut state = self.device.lock();
        if state.faults.vanished {
            return ones;
        }
        let value = match self.window {
            _ if self.is_outside(offset, width) => None,
            Window::Legacy => state.read_legacy(offset, width),
            Window::Common => state.read_common(offset, width),
            Window::Isr if (offset, width) == (0, 1) => Some(state.take_isr().into()),
            Window::Config => Some(state.read_config(offset, width)),
            Window::Notify | Window::Isr => None,
        };
        value.unwrap_or_else(|| {
            state.violation(format!("a read of {width} bytes at {offset:#x} of {self:?}"));
            ones
        }) & ones
    }

    fn write(&self, offset: u32, width: u32, value: u32) {
        let device = &self.device;
        let mut state = device.lock();
        if state.faults.vanished {
            return;
        }
        let done = match self.window {
            _ if self.is_outside(offset, width) => false,
            Window::Legacy => state.write_legacy(device, offset, width, value),
            Window::Common => state.write_common(device, offset, width, value),
            Window::Notify => {
                let multiplier = state.options.notify_multiplier;
                let right = multiplier == 0 && offset == 0 || multiplier > 0 && offset == multiplier * value;
                if right && width == 2 {
                    state.doorbell(device, value as usize);
                }
                right && width == 2
            }
            Window::Isr | Window::Config => false,
        };
        if !done {
            state.violation(format!("a write of {width} bytes, {value:#x}, at {offset:#x} of {self:?}"));
        }
    }
}

impl State {
    fn selected(&mut self) -> Option<&mut Queue> {
        let present = usize::from(self.select) < self.queue_count();
        let queue = self.queues.get_mut(usize::from(self.select));
        queue.filter(|queue| present && queue.offered > 0)
    }

    fn read_legacy(&mut self, offset: u32, width: u32) -> Option<u32> {
        Some(match (offset, width) {
            (0, 4) => self.options.features as u32,
            (4, 4) => self.accepted as u32,
            (8, 4) => self.selected().map_or(0, |queue| (queue.descriptors / LEGACY_PAGE) as u32),
            (12, 2) => self.selected().map_or(0, |queue| queue.offered.into()),
            (14, 2) => self.select.into(),
            (18, 1) => self.read_status(),
            (19, 1) => self.take_isr().into(),
            // Section 4.1.4.10: these exist only with MSI-X, and later registers move back then.
            (20 | 22, 2) if self.msix => self.read_vector(offset == 20),
            (24.., _) if self.msix => self.read_config(offset - 24, width),
            (20.., _) if !self.msix => self.read_config(offset - 20, width),
            _ => return None,
        })
    }

    fn write_legacy(&mut self, device: &Device, offset: u32, width: u32, value: u32) -> bool {
        match (offset, width) {
            (4, 4) => {
                if u64::from(value) & !self.options.features != 0 {
                    self.violation(format!("features {value:#x} are accepted that were not offered"));
                }
                self.accept(value.into());
            }
            (8, 4) => {
                let started = self.status & status::DRIVER_OK != 0;
                let Some(queue) = self.selected() else { return false };
                let size = u64::from(queue.offered);
                queue.size = queue.offered;
                queue.descriptors = u64::from(value) * LEGACY_PAGE;
                queue.driver = queue.descriptors + 16 * size;
                // Section 2.7.2: the used ring begins at the next page.
                queue.device = (queue.driver + 6 + 2 * size).next_multiple_of(LEGACY_PAGE);
                queue.enabled = value != 0;
                return !started && size.is_power_of_two();
            }
            (14, 2) => self.select = value as u16,
            (16, 2) => self.doorbell(device, value as usize),
            (18, 1) => self.write_status(device, value as u8, true),
            (20 | 22, 2) if self.msix => return self.write_vector(offset == 20, value as u16),
            // Without CTRL_MAC_ADDR this sets the address.
            (24..30, 1) if self.msix => self.net.mac[offset as usize - 24] = value as u8,
            (20..26, 1) if !self.msix => self.net.mac[offset as usize - 20] = value as u8,
            _ => return false,
        }
        true
    }

    fn read_common(&mut self, offset: u32, width: u32) -> Option<u32> {
        let queue = |state: &mut Self, field: fn(&Queue) -> u64| state.selected().map_or(0, |q| field(q));
        Some(match (offset, width) {
            (0, 4) => self.feature_select,
            (4, 4) => part(self.options.features, self.feature_select),
            (8, 4) => self.driver_feature_select,
            (12, 4) => part(self.accepted, self.driver_feature_select),
            (16 | 26, 2) => self.read_vector(offset == 16),
            (18, 2) => self.queue_count() as u32,
            (20, 1) => self.read_status(),
            (21, 1) => {
                self.generation = self.generation.wrapping_add(self.faults.generation_changes.into());
                self.generation.into()
            }
            (22, 2) => self.select.into(),
            (24, 2) => queue(self, |q| q.size.into()) as u32,
            (28, 2) => queue(self, |q| q.enabled.into()) as u32,
            (30, 2) if self.options.notify_multiplier == 0 => 0,
            (30, 2) => self.select.into(),
            (32, 4) => queue(self, |q| q.descriptors) as u32,
            (36, 4) => (queue(self, |q| q.descriptors) >> 32) as u32,
            (40, 4) => queue(self, |q| q.driver) as u32,
            (44, 4) => (queue(self, |q| q.driver) >> 32) as u32,
            (48, 4) => queue(self, |q| q.device) as u32,
            (52, 4) => (queue(self, |q| q.device) >> 32) as u32,
            _ => return None,
        })
    }

    fn write_common(&mut self, device: &Device, offset: u32, width: u32, value: u32) -> bool {
        match (offset, width) {
            (0, 4) => self.feature_select = value,
            (8, 4) => self.driver_feature_select = value,
            (12, 4) => {
                let before = self.accepted;
                let features = match self.driver_feature_select {
                    0 => before >> 32 << 32 | u64::from(value),
                    1 => before & 0xffff_ffff | u64::from(value) << 32,
                    // Words without features.
                    _ => return value == 0,
                };
                let late = self.status & status::FEATURES_OK != 0;
                self.accept(features);
                return !late;
            }
            (16 | 26, 2) => return self.write_vector(offset == 16, value as u16),
            (20, 1) => self.write_status(device, value as u8, false),
            (22, 2) => self.select = value as u16,
            (24 | 28 | 32..56, _) => return self.write_queue(offset, width, value),
            _ => return false,
        }
        true
    }

    fn write_queue(&mut self, offset: u32, width: u32, value: u32) -> bool {
        let packed = self.accepted & feature::RING_PACKED != 0;
        let negotiated = self.status & (status::FEATURES_OK | status::DRIVER_OK) == status::FEATURES_OK;
        let Some(queue) = self.selected() else { return false };
        if queue.enabled {
            return false;
        }
        let set = |field: &mut u64, high: bool| {
            let (shift, keep) = if high { (32, 0xffff_ffff) } else { (0, 0xffff_ffff << 32) };
            *field = *field & keep | u64::from(value) << shift;
        };
        match (offset, width) {
            (24, 2) => {
                queue.size = value as u16;
                return negotiated && queue.size > 0 && queue.size <= queue.offered;
            }
            (28, 2) => {
                queue.enabled = value == 1;
                // Sections 2.7 and 2.8.
                let (size, driver, device) =
                    if packed { (true, 4, 4) } else { (queue.size.is_power_of_two(), 2, 4) };
                let placed = queue.descriptors.is_multiple_of(16)
                    && queue.driver.is_multiple_of(driver)
                    && queue.device.is_multiple_of(device)
                    && [queue.descriptors, queue.driver, queue.device].iter().all(|&address| address != 0);
                return negotiated && size && placed && value == 1;
            }
            (32 | 36, 4) => set(&mut queue.descriptors, offset == 36),
            (40 | 44, 4) => set(&mut queue.driver, offset == 44),
            (48 | 52, 4) => set(&mut queue.device, offset == 52),
            _ => return false,
        }
        negotiated
    }

    /// Section 4.1.5.1.2: the vector of the selected queue, or of changes of the configuration.
    fn read_vector(&mut self, config: bool) -> u32 {
        let vector = if config { self.config_vector } else { self.selected().and_then(|queue| queue.vector) };
        vector.unwrap_or(NO_VECTOR).into()
    }

    fn write_vector(&mut self, config: bool, value: u16) -> bool {
        // Without MSI-X there are none. A running device may be interrupting.
        if !self.msix || self.status & status::DRIVER_OK != 0 {
            return false;
        }
        let vector = (value < self.options.vectors).then_some(value);
        if config {
            self.config_vector = vector;
        } else {
            let Some(queue) = self.selected() else { return false };
            queue.vector = vector;
        }
        true
    }

    fn read_config(&mut self, offset: u32, width: u32) -> u32 {
        let bytes = self.config();
        (0..width).rev().fold(0, |value, n| {
            value << 8 | u32::from(bytes.get((offset + n) as usize).copied().unwrap_or(0xff))
        })
    }

    /// Section 5.1.4. Fields without an offered feature are not zero.
    fn config(&self) -> Vec<u8> {
        let has = |bit: u64| self.options.features & bit != 0;
        let mut bytes = vec![0xa5; 24];
        if has(feature::MAC) {
            bytes[..6].copy_from_slice(&self.net.mac);
        }
        if has(feature::STATUS) {
            bytes[6..8].copy_from_slice(&u16::from(self.net.link).to_le_bytes());
        }
        if has(feature::MQ) {
            bytes[8..10].copy_from_slice(&self.options.claimed_pairs().to_le_bytes());
        }
        if has(feature::MTU) {
            bytes[10..12].copy_from_slice(&self.options.mtu.to_le_bytes());
        }
        if has(feature::SPEED_DUPLEX) {
            bytes[12..16].copy_from_slice(&10_000_u32.to_le_bytes());
            bytes[16] = 1;
        }
        bytes
    }
}

fn part(features: u64, select: u32) -> u32 {
    match select {
        0 => features as u32,
        1 => (features >> 32) as u32,
        _ => 0,
    }
}

// SAFETY: BUS-WINDOW: the length never changes, and a clone has the same; the lock orders all accesses.
unsafe impl Bus for DeviceBus {
    fn len(&self) -> u32 {
        self.len
    }

    unsafe fn read8(&self, offset: u32) -> u8 {
        self.read(offset, 1) as u8
    }

    unsafe fn read16(&self, offset: u32) -> u16 {
        self.read(offset, 2) as u16
    }

    unsafe fn read32(&self, offset: u32) -> u32 {
        self.read(offset, 4)
    }

    unsafe fn write8(&self, offset: u32, value: u8) {
        self.write(offset, 1, value.into());
    }

    unsafe fn write16(&self, offset: u32, value: u16) {
        self.write(offset, 2, value.into());
    }

    unsafe fn write32(&self, offset: u32, value: u32) {
        self.write(offset, 4, value);
    }
}
