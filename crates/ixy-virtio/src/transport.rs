//! The access to a device's registers: [`Transport`], the legacy or the modern interface of virtio over PCI
//! (section 4.1).

use std::time::{Duration, Instant};

use ixy_core::MacAddress;
use ixy_regs::bus::Bus;
use ixy_regs::map::WindowTooSmall;
use ixy_regs::virtio::modern::Notify;
use ixy_regs::virtio::{ISR, LEGACY_PAGE, NET_STATUS, legacy, modern, net};
use ixy_regs::window::{Refused, Window};

use crate::card::GONE;
use crate::error::Error;
use crate::ring::Areas;

/// Longest time that a reset takes, and the pause between two checks whether it is over.
const RESET: Duration = Duration::from_secs(1);
const POLL: Duration = Duration::from_micros(50);
/// The page size in which the legacy interface expresses the address of a ring (section 4.1.5.1.3).
pub(crate) const PAGE: usize = LEGACY_PAGE as usize;
/// How often the driver reads a configuration that keeps changing before it gives up.
const TRIES: u32 = 64;

/// The structures of a modern device, each behind a bus of its own: windows of one BAR or of several.
#[derive(Debug, Clone)]
pub struct Structures<B> {
    /// The common configuration.
    pub common: B,
    /// Notifications.
    pub notify: B,
    /// The multiplier of a queue's notification offset.
    pub notify_multiplier: u32,
    /// The interrupt status.
    pub isr: B,
    /// The network device's own configuration.
    pub device: B,
}

/// The registers of a device.
#[derive(Debug)]
pub struct Transport<B> {
    interface: Interface<B>,
    /// The network device's own configuration.
    config: Window<B>,
}

#[derive(Debug)]
enum Interface<B> {
    Legacy { registers: legacy::Registers<B>, vectors: Option<legacy::Msix<Window<B>>> },
    Modern { common: modern::CommonConfig<B>, notify: B, multiplier: u32, isr: modern::Isr<B> },
}

/// The doorbell of a queue, which the specification calls its notification.
#[derive(Debug, Clone)]
pub(crate) enum Doorbell<B> {
    Legacy { registers: legacy::Registers<B>, queue: u16 },
    Modern { notify: Notify<B>, queue: u16 },
}

impl<B: Bus> Doorbell<B> {
    /// Rings the doorbell: the queue has new buffers.
    ///
    /// # Safety
    /// ARMED-ONLY: what is published in the queue's ring is memory that the ring's owner owns.
    #[inline(always)]
    pub(crate) unsafe fn ring(&self) {
        match self {
            // SAFETY: ARMED-ONLY, promised by the caller.
            Self::Legacy { registers, queue } => unsafe { registers.queue_notify().set_dma(*queue) },
            // SAFETY: ARMED-ONLY, promised by the caller.
            Self::Modern { notify, queue } => unsafe { notify.ring(*queue) },
        }
    }
}

impl<B: Bus> Transport<B> {
    /// The legacy interface, behind the device's port BAR, BAR 0. While MSI-X is enabled, the device's
    /// configuration has another offset (section 4.1.4.10). MSI-X is enabled exactly for devices that are
    /// opened with MSI-X vectors.
    ///
    /// # Errors
    /// [`Error::Window`].
    pub fn legacy(bus: B) -> Result<Self, Error> {
        let structure = "legacy registers";
        let refused = |source| Error::Window { structure, source };
        let len = bus.len().saturating_sub(legacy::DEVICE_CONFIG);
        let registers = legacy::Registers::new(bus.clone()).map_err(|error| refused(error.into()))?;
        let config = Window::new(bus, legacy::DEVICE_CONFIG, len).map_err(refused)?;
        Ok(Self { interface: Interface::Legacy { registers, vectors: None }, config })
    }

    /// The modern interface.
    ///
    /// # Errors
    /// [`Error::Window`].
    pub fn modern(structures: Structures<B>) -> Result<Self, Error> {
        let Structures { common, notify, notify_multiplier: multiplier, isr, device } = structures;
        let too_small =
            |structure| move |source: WindowTooSmall| Error::Window { structure, source: source.into() };
        let isr = modern::Isr::new(isr).map_err(too_small("ISR status"))?;
        let common = modern::CommonConfig::new(common).map_err(too_small("common configuration"))?;
        let len = device.len();
        let refused = |source| Error::Window { structure: "device configuration", source };
        let config = Window::new(device, 0, len).map_err(refused)?;
        Ok(Self { interface: Interface::Modern { common, notify, multiplier, isr }, config })
    }

    /// The registers of a device with MSI-X enabled: a legacy device then has vector registers, and what
    /// follows them moves back (section 4.1.4.10).
    pub(crate) fn with_msix(self) -> Result<Self, Error> {
        let Interface::Legacy { registers, .. } = self.interface else { return Ok(self) };
        let refused = |source| Error::Window { structure: "legacy registers with MSI-X", source };
        let bus = registers.bus().clone();
        let vectors = Window::new(bus.clone(), legacy::DEVICE_CONFIG, legacy::Msix::<Window<B>>::SIZE);
        let vectors = vectors.and_then(|window| Ok(legacy::Msix::new(window)?)).map_err(refused)?;
        let len = bus.len().saturating_sub(legacy::DEVICE_CONFIG_WITH_MSIX);
        let config = Window::new(bus, legacy::DEVICE_CONFIG_WITH_MSIX, len).map_err(refused)?;
        Ok(Self { interface: Interface::Legacy { registers, vectors: Some(vectors) }, config })
    }

    /// Resets the device, so that it reaches no memory any more. Do this before you allocate memory for the
    /// device.
    ///
    /// # Errors
    /// [`Error::Timeout`], or [`Error::Device`] when it does not answer. `device` is what messages call it.
    pub fn quiesce(&self, device: &str) -> Result<(), Error> {
        let status = self.status();
        if status == GONE {
            let device = device.to_owned();
            return Err(ixy_core::Error::Lost { device, register: "device_status" }.into());
        }
        if status == 0 || self.reset() {
            return Ok(());
        }
        let (device, what, section) = (device.to_owned(), "finish its reset", "2.4");
        Err(Error::Timeout { device, what, section, limit: RESET, status: self.status() })
    }

    /// Whether it is the modern interface.
    pub fn is_modern(&self) -> bool {
        matches!(self.interface, Interface::Modern { .. })
    }

    /// The features that the device offers.
    pub(crate) fn offered(&self) -> u64 {
        match &self.interface {
            Interface::Legacy { registers, .. } => registers.device_features().get().into(),
            Interface::Modern { common, .. } => {
                let half = |n| {
                    common.device_feature_select().set(n);
                    u64::from(common.device_feature().get())
                };
                half(0) | half(1) << 32
            }
        }
    }

    /// Writes the features that the driver accepts. A legacy device has 32 of these bits.
    pub(crate) fn choose(&self, features: u64) {
        match &self.interface {
            Interface::Legacy { registers, .. } => registers.driver_features().set(features as u32),
            Interface::Modern { common, .. } => {
                for n in 0..2 {
                    common.driver_feature_select().set(n);
                    common.driver_feature().set((features >> (32 * n)) as u32);
                }
            }
        }
    }

    /// The device status (section 2.1). All ones come from a device that is gone.
    pub(crate) fn status(&self) -> u8 {
        match &self.interface {
            Interface::Legacy { registers, .. } => registers.device_status().get(),
            Interface::Modern { common, .. } => common.device_status().get(),
        }
    }

    /// Sets the device status.
    ///
    /// # Safety
    /// ARMED-ONLY: after DRIVER_OK the device reaches the rings at the addresses it was given.
    pub(crate) unsafe fn set_status(&self, status: u8) {
        match &self.interface {
            // SAFETY: ARMED-ONLY, promised by the caller.
            Interface::Legacy { registers, .. } => unsafe { registers.device_status().set_dma(status) },
            // SAFETY: ARMED-ONLY, promised by the caller.
            Interface::Modern { common, .. } => unsafe { common.device_status().set_dma(status) },
        }
    }

    /// Resets the device (section 2.4): once its status reads zero, it reaches no memory. `false` when that does
    /// not happen in time.
    pub(crate) fn reset(&self) -> bool {
        // SAFETY: ARMED-ONLY: a device in reset reaches nothing.
        unsafe { self.set_status(0) };
        let end = Instant::now() + RESET;
        loop {
            // Read the clock before the register, so that a thread that overslept still checks once more.
            let late = Instant::now() >= end;
            if self.status() == 0 {
                return true;
            }
            if late {
                return false;
            }
            std::thread::sleep(POLL);
        }
    }

    /// The time that a reset may take.
    pub(crate) fn reset_limit(&self) -> Duration {
        RESET
    }

    /// The highest number of descriptors that queue `n` can have; with a legacy device, the number that it
    /// has. 0 when there is no such queue.
    pub(crate) fn queue_size(&self, n: u16) -> u16 {
        match &self.interface {
            Interface::Legacy { registers, .. } => {
                registers.queue_select().set(n);
                registers.queue_size().get()
            }
            Interface::Modern { common, .. } => {
                common.queue_select().set(n);
                common.queue_size().get()
            }
        }
    }

    /// The doorbell of queue `n`. `queue` is its name, for messages.
    pub(crate) fn doorbell(&self, n: u16) -> Result<Doorbell<B>, Error> {
        match &self.interface {
            Interface::Legacy { registers, .. } => {
                Ok(Doorbell::Legacy { registers: registers.clone(), queue: n })
            }
            Interface::Modern { common, notify, multiplier, .. } => {
                common.queue_select().set(n);
                let offset = u32::from(common.queue_notify_off().get()).saturating_mul(*multiplier);
                let notify = Notify::new(notify.clone(), offset);
                let notify = notify.map_err(|source| Error::Window { structure: "notifications", source })?;
                Ok(Doorbell::Modern { notify, queue: n })
            }
        }
    }

    /// Section 4.1.5.1.2: maps queue `n` to MSI-X vector `vector`. `false` when the device refuses, which
    /// reads back as NO_VECTOR.
    pub(crate) fn set_vector(&self, n: u16, vector: u16) -> bool {
        match &self.interface {
            Interface::Legacy { vectors: None, .. } => false,
            Interface::Legacy { registers, vectors: Some(vectors) } => {
                registers.queue_select().set(n);
                vectors.queue_msix_vector().set(vector);
                vectors.queue_msix_vector().get() == vector
            }
            Interface::Modern { common, .. } => {
                common.queue_select().set(n);
                common.queue_msix_vector().set(vector);
                common.queue_msix_vector().get() == vector
            }
        }
    }

    /// Reads the interrupt status, which lowers the interrupt pin, and returns whether a queue had raised it
    /// (section 4.1.4.5).
    pub(crate) fn take_interrupt(&self) -> bool {
        let status = match &self.interface {
            Interface::Legacy { registers, .. } => registers.isr_status().take(),
            Interface::Modern { isr, .. } => isr.isr_status().take(),
        };
        status.get() != GONE && status.is_set(ISR::QUEUE)
    }

    /// Writes the address of queue `n`'s ring, and its size in descriptors, to the device. `false` when the
    /// address does not fit the register.
    ///
    /// # Safety
    /// ARMED-ONLY: there is a ring of that size, which stays until the device has been reset.
    pub(crate) unsafe fn start_queue(&self, n: u16, size: u16, areas: Areas) -> bool {
        match &self.interface {
            Interface::Legacy { registers, .. } => {
                let Ok(page) = u32::try_from(areas.descriptors.0 / PAGE as u64) else { return false };
                registers.queue_select().set(n);
                // SAFETY: ARMED-ONLY, promised by the caller.
                unsafe { registers.queue_address().set_dma(page) };
            }
            Interface::Modern { common, .. } => {
                let [descriptors, driver, device] = [areas.descriptors.0, areas.driver.0, areas.device.0]
                    .map(|at| [at as u32, (at >> 32) as u32]);
                common.queue_select().set(n);
                // SAFETY: ARMED-ONLY, promised by the caller.
                unsafe {
                    common.queue_size().set_dma(size);
                    common.queue_desc_lo().set_dma(descriptors[0]);
                    common.queue_desc_hi().set_dma(descriptors[1]);
                    common.queue_driver_lo().set_dma(driver[0]);
                    common.queue_driver_hi().set_dma(driver[1]);
                    common.queue_device_lo().set_dma(device[0]);
                    common.queue_device_hi().set_dma(device[1]);
                    common.queue_enable().set_dma(1);
                }
            }
        }
        true
    }

    /// Reads the configuration until it is consistent: a modern device counts its changes (section 2.5.1), and a
    /// legacy one has to read the same twice (section 2.5.4). `None` when it keeps changing.
    fn stable<T: PartialEq>(&self, read: impl Fn() -> T) -> Option<T> {
        let Interface::Modern { common, .. } = &self.interface else {
            return (0..TRIES).find_map(|_| Some(read()).filter(|value| *value == read()));
        };
        (0..TRIES).find_map(|_| {
            let before = common.config_generation().get();
            let value = read();
            (common.config_generation().get() == before).then_some(value)
        })
    }

    fn unstable(device: &str) -> Error {
        Error::Unstable { device: device.to_owned(), tries: TRIES }
    }

    fn window(source: WindowTooSmall) -> Error {
        Error::Window { structure: "device configuration", source: Refused::TooSmall(source) }
    }

    /// The device's address, for devices with the feature `MAC`. `device` is its name, for messages.
    pub(crate) fn mac(&self, device: &str) -> Result<MacAddress, Error> {
        let config = net::Config::new(self.config.clone()).map_err(Self::window)?;
        let read = || {
            let mut bytes = [0; 6];
            for (byte, register) in bytes.iter_mut().zip(config.mac().iter()) {
                *byte = register.get();
            }
            MacAddress(bytes)
        };
        self.stable(read).ok_or_else(|| Self::unstable(device))
    }

    /// Sets the device's address in its configuration, for legacy devices (section 5.1.4.3).
    pub(crate) fn set_mac(&self, mac: MacAddress) -> Result<(), Error> {
        let config = net::Config::new(self.config.clone()).map_err(Self::window)?;
        for (byte, register) in mac.0.iter().zip(config.mac().iter()) {
            register.set(*byte);
        }
        Ok(())
    }

    /// Whether the link is up, for devices with the feature `STATUS`.
    pub(crate) fn link_is_up(&self) -> bool {
        let config = net::Config::new(self.config.clone());
        config.is_ok_and(|config| config.status().is_set(NET_STATUS::LINK_UP))
    }

    /// The speed of the link in Mbit/s, for devices with the feature `SPEED_DUPLEX`; 0 when the device does not
    /// know.
    pub(crate) fn speed(&self) -> u32 {
        let speed = net::Speed::new(self.config.clone()).ok();
        let speed = speed.and_then(|config| self.stable(|| config.speed().get()));
        speed.filter(|&speed| speed <= i32::MAX as u32).unwrap_or(0)
    }

    /// The largest packet in bytes, without the Ethernet header, that a device with the feature `MTU` passes on.
    pub(crate) fn mtu(&self) -> Option<u16> {
        let config = net::Mtu::new(self.config.clone()).ok()?;
        self.stable(|| config.mtu().get())
    }

    /// The most queue pairs that a device with the feature `MQ` has. `device` is its name, for messages.
    pub(crate) fn max_queue_pairs(&self, device: &str) -> Result<u16, Error> {
        let config = net::Multiqueue::new(self.config.clone()).map_err(Self::window)?;
        self.stable(|| config.max_virtqueue_pairs().get()).ok_or_else(|| Self::unstable(device))
    }
}
