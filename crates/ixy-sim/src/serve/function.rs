//! A function on a PCI bus, physical or virtual: [`Function`].

use ixy_vfio_user::message::{DmaMap, DmaUnmap, Errno, IrqInfo, Request, pci};
use ixy_vfio_user::server::{Device, Irq as Kind, Layout, Region};

use super::config::{self, Config};
use super::slot::Slot;
use super::{Event, messages};
use crate::model::{Nic82599, Vf};

/// Region number of the I/O BAR.
const PORTS: u32 = 2;
/// Registers of the I/O BAR (section 8.1.1.3).
const IOADDR: u64 = 0;
const IODATA: u64 = 4;

/// The difference of physical and virtual functions on the bus, beside the values in configuration space.
#[derive(Debug)]
pub(super) struct Shape {
    /// Size of the register BAR in bytes.
    window: u32,
    /// Size of the I/O BAR in bytes.
    ports: u64,
    /// Region number of the MSI-X table, and its number of vectors.
    messages: u32,
    pub(super) vectors: u32,
    /// Whether it has MSI and an interrupt pin.
    others: bool,
}

pub(super) const PHYSICAL: Shape = Shape {
    window: config::REGISTERS,
    ports: config::PORTS,
    messages: 4,
    vectors: messages::VECTORS,
    others: true,
};

pub(super) const VIRTUAL: Shape =
    Shape { window: Vf::WINDOW, ports: 0, messages: 3, vectors: Vf::VECTORS, others: false };

impl Shape {
    /// The function's regions and interrupts.
    pub(super) fn layout(&self) -> Layout {
        let size = |region| match region {
            pci::BAR0 => self.window.into(),
            PORTS => self.ports,
            pci::CONFIG => config::SIZE as u64,
            region if region == self.messages => config::MESSAGES,
            _ => 0,
        };
        let region = |region| match size(region) {
            0 => Region::default(),
            size => Region::new(size),
        };
        // Clients mask messages by requests, too.
        let messages = |count| Kind { flags: Kind::messages(count).flags | IrqInfo::MASKABLE, count };
        let irq = |kind| match kind {
            pci::INTX if self.others => Kind::pin(),
            pci::MSI if self.others => messages(1),
            pci::MSIX => messages(self.vectors),
            // The same as the kernel's VFIO for PCI Express. No error is ever signalled.
            pci::ERR => Kind::messages(1),
            _ => Kind::default(),
        };
        let regions = (0..pci::REGIONS as u32).map(region).collect();
        Layout { regions, irqs: (0..pci::IRQS as u32).map(irq).collect(), resettable: true }
    }
}

/// The card behind the configuration space of a function.
#[derive(Debug, Clone, Copy)]
pub(super) enum Card<'p> {
    Physical(&'p Nic82599),
    Virtual(&'p Vf),
}

impl Card<'_> {
    fn read32(self, offset: u32) -> u32 {
        match self {
            Self::Physical(_) if (Nic82599::WINDOW..config::REGISTERS).contains(&offset) => 0,
            Self::Physical(nic) => nic.read32(offset),
            Self::Virtual(vf) => vf.read32(offset),
        }
    }

    fn write32(self, offset: u32, value: u32) {
        // SAFETY: ARMED-ONLY: the function reaches `GuestMemory`, which checks every access and has no memory of this
        // process but what the client has mapped, which is reached as atomics.
        unsafe {
            match self {
                Self::Physical(nic) => nic.write32(offset, value),
                Self::Virtual(vf) => vf.write32(offset, value),
            }
        }
    }

    fn start_bus_mastering(self) {
        // SAFETY: ARMED-ONLY: as in `write32`.
        unsafe {
            match self {
                Self::Physical(nic) => nic.start_bus_mastering(),
                Self::Virtual(vf) => vf.start_bus_mastering(),
            }
        }
    }

    fn stop_bus_mastering(self) {
        match self {
            Self::Physical(nic) => nic.stop_bus_mastering(),
            Self::Virtual(vf) => vf.stop_bus_mastering(),
        }
    }

    /// Vital product data.
    fn product_data(self, address: u16) -> [u8; 4] {
        match self {
            Self::Physical(nic) => nic.product_data(address),
            Self::Virtual(_) => [0xff; 4],
        }
    }

    /// A function level reset.
    fn reset(self) {
        match self {
            Self::Physical(nic) => nic.reset(),
            Self::Virtual(vf) => vf.reset(),
        }
    }
}

/// A function on a PCI bus: a port's card, or a virtual function of it.
#[derive(Debug)]
pub struct Function<'p> {
    card: Card<'p>,
    slot: &'p Slot,
    shape: &'static Shape,
    config: Config,
    /// IOADDR.
    address: u32,
    mastering: bool,
}

impl<'p> Function<'p> {
    pub(super) fn new(card: Card<'p>, slot: &'p Slot, shape: &'static Shape, config: Config) -> Self {
        Self { card, slot, shape, config, address: 0, mastering: false }
    }

    /// Applies the state that the configuration space selects.
    fn apply(&mut self) {
        let state = self.config.state();
        if state.mastering && !self.mastering {
            self.card.start_bus_mastering();
        } else if !state.mastering && self.mastering {
            self.card.stop_bus_mastering();
        }
        self.mastering = state.mastering;
        if let Card::Physical(nic) = self.card {
            nic.set_vfs(state.functions.into());
        }
        self.slot.set(state);
    }

    /// Resets the function, as a function level reset does.
    fn reset_function(&mut self) {
        self.slot.tell(&Event::Reset);
        self.card.reset();
        self.forget();
    }

    /// Cycles the power: semaphores that a killed client held are released.
    fn power_cycle(&mut self) {
        match self.card {
            Card::Physical(nic) => nic.power_cycle(),
            Card::Virtual(vf) => vf.reset(),
        }
        self.forget();
    }

    /// Resets the state outside the registers, which were reset before.
    fn forget(&mut self) {
        self.config.reset();
        self.address = 0;
        self.slot.forget();
        self.apply();
    }

    /// The card's driver may have disabled all virtual functions, which resets them.
    fn follow(&mut self) {
        if let Card::Virtual(vf) = self.card
            && self.mastering
            && !vf.is_bus_mastering()
        {
            self.forget();
        }
    }

    fn access(&mut self, region: u32, offset: u64, into: &mut [u8]) -> Result<(), Errno> {
        self.follow();
        let state = self.config.state();
        match region {
            pci::BAR0 => {
                for (at, word) in words(offset, into)? {
                    let value = if state.memory { self.card.read32(at) } else { u32::MAX };
                    word.copy_from_slice(&value.to_le_bytes());
                }
            }
            PORTS if state.ports => {
                let value = match (offset, into.len()) {
                    (IOADDR, 4) => self.address,
                    (IODATA, 4) => self.card.read32(self.address),
                    _ => return Err(Errno::INVAL),
                };
                into.copy_from_slice(&value.to_le_bytes());
            }
            PORTS => into.fill(0xff),
            pci::CONFIG => {
                let (line, waiting) = self.slot.shown();
                self.config.show(line, waiting);
                let at = usize::try_from(offset).map_err(|_| Errno::INVAL)?;
                return if self.config.read(at, into) { Ok(()) } else { Err(Errno::INVAL) };
            }
            region if region != self.shape.messages => return Err(Errno::INVAL),
            _ if state.memory => self.slot.read(offset, into),
            _ => into.fill(0xff),
        }
        Ok(())
    }

    fn change(&mut self, region: u32, offset: u64, bytes: &[u8]) -> Result<(), Errno> {
        self.follow();
        let state = self.config.state();
        match region {
            pci::BAR0 => {
                let mut bytes = [bytes].concat();
                for (at, word) in words(offset, &mut bytes)? {
                    if state.memory {
                        self.card.write32(at, u32::from_le_bytes(*word));
                    }
                }
            }
            PORTS if state.ports => {
                let value = u32::from_le_bytes(bytes.try_into().map_err(|_| Errno::INVAL)?);
                match offset {
                    IOADDR => self.address = value,
                    IODATA => self.card.write32(self.address, value),
                    _ => return Err(Errno::INVAL),
                }
            }
            PORTS => {}
            pci::CONFIG => {
                let at = usize::try_from(offset).map_err(|_| Errno::INVAL)?;
                match self.config.write(at, bytes).ok_or(Errno::INVAL)? {
                    true => self.reset_function(),
                    false => self.apply(),
                }
                let card = self.card;
                self.config.answer_vpd(at, bytes.len(), |address| card.product_data(address));
            }
            region if region != self.shape.messages => return Err(Errno::INVAL),
            _ if state.memory => self.slot.write(offset, bytes),
            _ => {}
        }
        Ok(())
    }
}

/// The registers that an access covers: one or two whole ones.
fn words(offset: u64, bytes: &mut [u8]) -> Result<impl Iterator<Item = (u32, &mut [u8; 4])>, Errno> {
    let first = u32::try_from(offset).map_err(|_| Errno::INVAL)?;
    if !first.is_multiple_of(4) || !matches!(bytes.len(), 4 | 8) {
        return Err(Errno::INVAL);
    }
    Ok((first..).step_by(4).zip(bytes.as_chunks_mut().0))
}

impl Device for Function<'_> {
    fn read(&mut self, region: u32, offset: u64, into: &mut [u8]) -> Result<(), Errno> {
        self.access(region, offset, into)?;
        self.slot.tell(&Event::Read { region, offset, bytes: into });
        Ok(())
    }

    fn write(&mut self, region: u32, offset: u64, bytes: &[u8]) -> Result<(), Errno> {
        self.slot.tell(&Event::Write { region, offset, bytes });
        self.change(region, offset, bytes)
    }

    fn reset(&mut self) -> Result<(), Errno> {
        self.slot.tell(&Event::Reset);
        self.power_cycle();
        Ok(())
    }

    fn connected(&mut self) {
        self.slot.connected();
    }

    fn mapped(&mut self, map: &DmaMap) {
        self.slot.tell(&Event::Mapped(map));
    }

    fn unmapping(&mut self, unmap: &DmaUnmap) {
        self.slot.tell(&Event::Unmapping(unmap));
    }

    fn refused(&mut self, request: &Request<'_>, errno: Errno) {
        self.slot.tell(&Event::Refused { request, errno });
    }

    fn disconnected(&mut self) {
        self.slot.tell(&Event::Gone);
        self.power_cycle();
    }
}
