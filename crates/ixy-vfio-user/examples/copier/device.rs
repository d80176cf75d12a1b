//! A PCI device that copies memory. It is as small as a device can be that shows all features: registers, DMA, an
//! interrupt, and a page that its user maps.
//!
//! | offset in BAR 0 | register | |
//! |---|---|---|
//! | 0x00 | SOURCE | IOVA, 64 bits |
//! | 0x08 | DESTINATION | IOVA, 64 bits |
//! | 0x10 | LENGTH | bytes, at most 65,536 |
//! | 0x14 | DOORBELL | a write copies, and signals MSI 0 |
//! | 0x18 | STATUS | 1 after a copy, 2 after a fault, 0 before both |
//! | 0x1c | COPIES | number of copies since a reset |
//! | 0x20 to 0xfff | scratch | |
//!
//! BAR 2 is a page of memory that can be mapped.

use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use ixy_dma::Iova;
use ixy_vfio_user::interrupts::Interrupts;
use ixy_vfio_user::memory::GuestMemory;
use ixy_vfio_user::message::{Area, Errno, pci};
use ixy_vfio_user::server::{Device, Irq, Layout, Mappable, Region, Server, ServerLimits};
use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, ftruncate, memfd_create};

pub const SOURCE: u64 = 0x00;
pub const DESTINATION: u64 = 0x08;
pub const LENGTH: u64 = 0x10;
pub const DOORBELL: u64 = 0x14;
pub const STATUS: u64 = 0x18;
pub const COPIES: u64 = 0x1c;
pub const PAGE: u64 = 4096;
const MOST: usize = 65_536;
const BUS_MASTER_ENABLE: u8 = 1 << 2;

pub struct Copier {
    config: [u8; 256],
    registers: [u8; PAGE as usize],
    page: OwnedFd,
    memory: Arc<GuestMemory>,
    interrupts: Arc<Interrupts>,
}

/// The device, and a server for it.
pub fn copier(limits: ServerLimits) -> Result<(Server, Copier), Box<dyn std::error::Error>> {
    let page = memfd_create("copier", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?;
    ftruncate(&page, PAGE)?;
    fcntl_add_seals(&page, SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL)?;
    let mut regions: Vec<Region> = (0..pci::REGIONS).map(|_| Region::default()).collect();
    regions[pci::BAR0 as usize] = Region::new(PAGE);
    let mappable =
        Mappable { file: page.try_clone()?, offset: 0, areas: Some(vec![Area { offset: 0, size: PAGE }]) };
    regions[2] = Region { mmap: Some(mappable), ..Region::new(PAGE) };
    regions[pci::CONFIG as usize] = Region::new(256);
    let mut irqs = vec![Irq::default(); pci::IRQS];
    irqs[pci::INTX as usize] = Irq::pin();
    irqs[pci::MSI as usize] = Irq::messages(1);
    irqs[pci::MSIX as usize] = Irq::messages(32);
    let server = Server::new(Layout { regions, irqs, resettable: true }, limits)?;
    let (memory, interrupts) = (Arc::clone(server.memory()), Arc::clone(server.interrupts()));
    let device = Copier { config: config(), registers: [0; 4096], page, memory, interrupts };
    Ok((server, device))
}

/// The configuration space after a reset.
fn config() -> [u8; 256] {
    let mut config = [0; 256];
    config[0x00..0x04].copy_from_slice(&[0x34, 0x12, 0x09, 0x1c]); // a vendor that nobody has, and a device of it
    config[0x06] = 1 << 4; // there are capabilities
    config[0x0b] = 0xff; // a class of none
    config[0x2c..0x30].copy_from_slice(&[0x34, 0x12, 0x01, 0x00]);
    config[0x34] = 0x40;
    config[0x3d] = 1; // INTA
    config[0x40..0x44].copy_from_slice(&[0x05, 0x60, 0x80, 0x00]); // MSI, one message, 64-bit addresses
    config[0x60..0x64].copy_from_slice(&[0x10, 0x00, 0x02, 0x00]); // PCI Express endpoint
    config
}

impl Copier {
    fn number(&self, offset: u64) -> u64 {
        self.registers[offset as usize..].first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes))
    }

    fn set(&mut self, offset: u64, value: u32) {
        self.registers[offset as usize..offset as usize + 4].copy_from_slice(&value.to_le_bytes());
    }

    fn copy(&mut self) {
        let (from, to) = (Iova(self.number(SOURCE)), Iova(self.number(DESTINATION)));
        let len = (self.number(LENGTH) as u32) as usize;
        let mut bytes = vec![0; len.min(MOST)];
        let may = self.config[0x04] & BUS_MASTER_ENABLE != 0 && len <= MOST;
        let view = self.memory.view();
        let done = may && view.read(from, &mut bytes) && view.write(to, &bytes);
        drop(view);
        let copies = self.number(COPIES) as u32;
        self.set(COPIES, copies.wrapping_add(1));
        self.set(STATUS, if done { 1 } else { 2 });
        self.interrupts.trigger(pci::MSI, 0);
        self.interrupts.trigger(pci::MSIX, 0);
    }
}

impl Device for Copier {
    fn read(&mut self, region: u32, offset: u64, into: &mut [u8]) -> Result<(), Errno> {
        let at = offset as usize..offset as usize + into.len();
        match region {
            pci::BAR0 => into.copy_from_slice(&self.registers[at]),
            2 => {
                rustix::io::pread(self.page.as_fd(), into, offset)?;
            }
            _ => into.copy_from_slice(&self.config[at]),
        }
        Ok(())
    }

    fn write(&mut self, region: u32, offset: u64, bytes: &[u8]) -> Result<(), Errno> {
        match region {
            pci::BAR0 => {
                let read_only = STATUS..COPIES + 4;
                for (at, byte) in (offset..).zip(bytes).filter(|(at, _)| !read_only.contains(at)) {
                    self.registers[at as usize] = *byte;
                }
                if offset <= DOORBELL && DOORBELL < offset + bytes.len() as u64 {
                    self.copy();
                }
            }
            2 => {
                rustix::io::pwrite(self.page.as_fd(), bytes, offset)?;
            }
            _ => {
                // Writable are the command register, the PCI Express status (for tests), BARs and the MSI
                // capability.
                let writable = |at: u64| matches!(at, 0x04 | 0x05 | 0x10..0x28 | 0x3c | 0x42..0x50 | 0x6a);
                for (at, byte) in (offset..).zip(bytes).filter(|(at, _)| writable(*at)) {
                    self.config[at as usize] = *byte;
                }
            }
        }
        Ok(())
    }

    fn reset(&mut self) -> Result<(), Errno> {
        (self.config, self.registers) = (config(), [0; 4096]);
        Ok(())
    }

    fn disconnected(&mut self) {
        self.config[0x04] &= !BUS_MASTER_ENABLE;
    }
}
