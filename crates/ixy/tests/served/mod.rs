//! Software 82599s that threads of the test serve over vfio-user: registers, memory, MSI-X, and of the configuration space
//! only what a driver looks at.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::thread::JoinHandle;

use ixy_dma::Iova;
use ixy_sim::wire::{Cables, WireSpec};
use ixy_sim::{Dma, DmaView, Irq, Nic82599, PollThread};
use ixy_vfio_user::interrupts::Interrupts;
use ixy_vfio_user::memory::{GuestMemory, View};
use ixy_vfio_user::message::{Errno, pci};
use ixy_vfio_user::server::{Device, Irq as Kind, Layout, Listener, Region, Server, ServerLimits, Stop};

struct Guest(Arc<GuestMemory>);

struct GuestView<'a>(View<'a>);

impl Dma for Guest {
    type View<'a> = GuestView<'a>;

    unsafe fn view(&self) -> GuestView<'_> {
        GuestView(self.0.view())
    }
}

impl DmaView for GuestView<'_> {
    fn read(&self, iova: Iova, into: &mut [u8]) -> bool {
        self.0.read(iova, into)
    }

    fn write(&self, iova: Iova, bytes: &[u8]) -> bool {
        self.0.write(iova, bytes)
    }

    fn load64(&self, iova: Iova) -> Option<u64> {
        self.0.load64(iova)
    }

    fn store64(&self, iova: Iova, value: u64) -> bool {
        self.0.store64(iova, value)
    }

    fn store32(&self, iova: Iova, value: u32) -> bool {
        self.0.store32(iova, value)
    }

    fn words(&self, iova: Iova, count: usize) -> Option<&[AtomicU64]> {
        self.0.words(iova, count)
    }
}

struct Messages(Arc<Interrupts>);

impl Irq for Messages {
    fn raise(&self, vector: u32) {
        self.0.trigger(pci::MSIX, vector);
    }
}

struct Port {
    nic: Arc<Nic82599>,
    config: [u8; 256],
}

impl Device for Port {
    fn read(&mut self, region: u32, offset: u64, into: &mut [u8]) -> Result<(), Errno> {
        let (at, len) = (offset as usize, into.len());
        match region {
            pci::BAR0 if len == 4 => into.copy_from_slice(&self.nic.read32(offset as u32).to_le_bytes()),
            pci::CONFIG => into.copy_from_slice(self.config.get(at..at + len).ok_or(Errno::INVAL)?),
            _ => return Err(Errno::INVAL),
        }
        Ok(())
    }

    fn write(&mut self, region: u32, offset: u64, bytes: &[u8]) -> Result<(), Errno> {
        match (region, offset) {
            (pci::BAR0, _) => {
                let value = u32::from_le_bytes(bytes.try_into().map_err(|_| Errno::INVAL)?);
                // SAFETY: ARMED-ONLY: what the card reaches is `GuestMemory`, which checks every access.
                unsafe { self.nic.write32(offset as u32, value) };
            }
            (pci::CONFIG, 4) => {
                self.config[4..4 + bytes.len()].copy_from_slice(bytes);
                match bytes[0] & 4 {
                    0 => self.nic.stop_bus_mastering(),
                    // SAFETY: ARMED-ONLY: as above.
                    _ => unsafe { self.nic.start_bus_mastering() },
                }
            }
            _ => return Err(Errno::INVAL),
        }
        Ok(())
    }

    fn reset(&mut self) -> Result<(), Errno> {
        Ok(())
    }

    fn disconnected(&mut self) {
        self.nic.stop_bus_mastering();
        // SAFETY: ARMED-ONLY: a reset reaches nothing.
        unsafe { self.nic.write32(0, 1 << 26) };
    }
}

/// Servers that run until this is dropped.
pub(crate) struct Served {
    stop: Stop,
    threads: Vec<JoinHandle<()>>,
    memory: Vec<Arc<GuestMemory>>,
    _poll: PollThread,
}

impl Served {
    /// Serves a card with device id `device` at each path, with that wire.
    pub(crate) fn start(device: u16, ports: &[(&Path, &str)]) -> Self {
        let (stop, poll, cables) = (Stop::new().unwrap(), PollThread::start().unwrap(), Cables::default());
        let (mut threads, mut memory) = (Vec::new(), Vec::new());
        for (path, wire) in ports {
            let mut regions: Vec<Region> = (0..pci::REGIONS).map(|_| Region::default()).collect();
            regions[pci::BAR0 as usize] = Region::new(Nic82599::WINDOW.into());
            regions[pci::CONFIG as usize] = Region::new(256);
            let mut irqs = vec![Kind::default(); pci::IRQS];
            irqs[pci::MSIX as usize] = Kind::messages(64);
            let server =
                Server::new(Layout { regions, irqs, resettable: true }, ServerLimits::default()).unwrap();
            let wire = wire.parse::<WireSpec>().unwrap().connect(&cables).unwrap();
            let irq = Box::new(Messages(Arc::clone(server.interrupts())));
            let guest = Arc::new(Guest(Arc::clone(server.memory())));
            let nic = Arc::new(Nic82599::builder(wire, guest).irq(irq).build());
            poll.add(&nic);
            memory.push(Arc::clone(server.memory()));
            let mut config = [0; 256];
            config[..2].copy_from_slice(&0x8086_u16.to_le_bytes());
            config[2..4].copy_from_slice(&device.to_le_bytes());
            let listener = Listener::bind(path).unwrap();
            let stop = stop.clone();
            threads.push(std::thread::spawn(move || {
                server.serve(&listener, &mut Port { nic, config }, &stop).unwrap();
            }));
        }
        Self { stop, threads, memory, _poll: poll }
    }

    /// How often a card reached for memory that it was not given.
    pub(crate) fn faults(&self) -> u64 {
        self.memory.iter().map(|memory| memory.faults()).sum()
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.stop.stop();
        for thread in self.threads.drain(..) {
            thread.join().unwrap();
        }
    }
}
