//! rust-vmm's `vfio_user`, an independent implementation, on the other side.

use std::fs::File;
use std::io::Error;
use std::os::fd::{AsFd, AsRawFd};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use ixy_vfio_user::client::{Client, VfioUserBus};
use ixy_vfio_user::message::{DmaMap as Map, Errno, IrqInfo, IrqSet, RegionInfo, pci};
use ixy_vfio_user::server::ServerLimits;
use vfio_user::{DmaMapFlags, DmaUnmapFlags, ServerBackend, ServerRegion};

use super::device::{DESTINATION, DOORBELL, LENGTH, SOURCE, STATUS};
use super::{LONG, Served, errno, memory, socket_path, write};

#[test]
fn their_client_uses_our_server() {
    let (served, path) = Served::at_path(ServerLimits::default());
    let mut client = vfio_user::Client::new(&path).unwrap();
    let region = |index| client.region(index).unwrap();
    assert_eq!((region(0).size, region(0).flags), (4096, RegionInfo::READ | RegionInfo::WRITE));
    assert_eq!((region(7).size, region(2).sparse_areas.len()), (256, 1));
    assert!(region(2).file_offset.is_some() && region(0).file_offset.is_none());
    let irq = client.get_irq_info(pci::MSIX).unwrap();
    assert_eq!((irq.count, irq.flags & IrqInfo::EVENTFD), (32, IrqInfo::EVENTFD));
    let event = rustix::event::eventfd(0, rustix::event::EventfdFlags::CLOEXEC).unwrap();
    let flags = IrqSet::DATA_EVENTFD | IrqSet::ACTION_TRIGGER;
    client.set_irqs(pci::MSIX, flags, 0, 1, &[event.as_raw_fd()]).unwrap();
    let file = memory(8192, true);
    client.dma_map(0, 0x10000, 8192, file.as_raw_fd()).unwrap();
    rustix::io::pwrite(&file, b"copied", 0).unwrap();
    client.region_write(pci::CONFIG, 4, &[6, 0]).unwrap();
    for (offset, value) in [(SOURCE, 0x10000_u64), (DESTINATION, 0x11000), (LENGTH, 6)] {
        client.region_write(0, offset, &value.to_le_bytes()[..if offset == LENGTH { 4 } else { 8 }]).unwrap();
    }
    client.region_write(0, DOORBELL, &[1, 0, 0, 0]).unwrap();
    let mut status = [0; 4];
    client.region_read(0, STATUS, &mut status).unwrap();
    assert_eq!(status, [1, 0, 0, 0]);
    let mut bytes = [0; 6];
    rustix::io::pread(&file, &mut bytes, 4096).unwrap();
    assert_eq!(&bytes, b"copied");
    let mut count = [0; 8];
    rustix::io::read(&event, &mut count).unwrap();
    assert_eq!(u64::from_ne_bytes(count), 1);
    client.dma_unmap(0x10000, 8192).unwrap();
    assert_eq!(served.server.memory().mappings(), 0);
    client.reset().unwrap();
    client.region_read(0, STATUS, &mut status).unwrap();
    assert_eq!(status, [0; 4]);
    client.shutdown().unwrap();
    // The next client is ours.
    drop(client);
    assert!(Client::connect_within(&path, LONG).is_ok());
}

/// The requests to their server.
#[derive(Debug, Default)]
struct Asked {
    registers: Vec<u8>,
    maps: Vec<(u32, u64, u64, u64, bool)>,
    events: Vec<File>,
    resets: u32,
}

#[derive(Clone, Default)]
struct Backend(Arc<Mutex<Asked>>);

impl ServerBackend for Backend {
    fn region_read(&mut self, _region: u32, offset: u64, data: &mut [u8]) -> Result<(), Error> {
        data.copy_from_slice(&self.0.lock().unwrap().registers[offset as usize..][..data.len()]);
        Ok(())
    }

    fn region_write(&mut self, _region: u32, offset: u64, data: &[u8]) -> Result<(), Error> {
        self.0.lock().unwrap().registers[offset as usize..][..data.len()].copy_from_slice(data);
        Ok(())
    }

    fn dma_map(
        &mut self,
        flags: DmaMapFlags,
        offset: u64,
        address: u64,
        size: u64,
        fd: Option<File>,
    ) -> Result<(), Error> {
        self.0.lock().unwrap().maps.push((flags.bits(), offset, address, size, fd.is_some()));
        Ok(())
    }

    fn dma_unmap(&mut self, _flags: DmaUnmapFlags, address: u64, size: u64) -> Result<(), Error> {
        self.0.lock().unwrap().maps.retain(|map| (map.2, map.3) != (address, size));
        Ok(())
    }

    fn reset(&mut self) -> Result<(), Error> {
        self.0.lock().unwrap().resets += 1;
        Ok(())
    }

    fn set_irqs(
        &mut self,
        _index: u32,
        _flags: u32,
        _start: u32,
        _count: u32,
        fds: Vec<File>,
    ) -> Result<(), Error> {
        self.0.lock().unwrap().events.extend(fds);
        Ok(())
    }
}

#[test]
fn our_client_uses_their_server() {
    let path = socket_path();
    let backend = Backend::default();
    backend.0.lock().unwrap().registers = vec![0; 4096];
    let mut regions = Vec::new();
    for index in 0..pci::REGIONS as u32 {
        let mut region_info: vfio_bindings::bindings::vfio::vfio_region_info = Default::default();
        (region_info.index, region_info.flags, region_info.size) =
            (index, 3, if index == 0 { 4096 } else { 0 });
        region_info.argsz = 32;
        regions.push(ServerRegion { region_info, sparse_areas: Vec::new(), mmap_fd: None });
    }
    let irqs = vec![vfio_user::IrqInfo { index: 0, flags: IrqInfo::EVENTFD, count: 3 }];
    let server = vfio_user::Server::new(&path, true, irqs, regions).unwrap();
    let mut served = backend.clone();
    let thread = std::thread::spawn(move || server.run(&mut served).map_err(|error| error.to_string()));
    let end = Instant::now() + LONG;
    let client = loop {
        match Client::connect_within(&path, LONG) {
            Ok(client) => break client,
            Err(error) => assert!(Instant::now() < end, "{error}"),
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    assert_eq!((client.info().num_regions, client.info().num_irqs), (9, 1));
    assert!(!client.capabilities().write_multiple);
    assert_eq!(client.capabilities().max_msg_fds, 1);
    let bus = VfioUserBus::new(&client, 0).unwrap();
    // SAFETY: BUS-WINDOW: inside of 4,096 bytes; there is no DMA.
    let read = unsafe {
        ixy_regs::bus::Bus::write32(&bus, 0x40, 0x1234_5678);
        write(&client, 0, 0x44, &[9]).unwrap();
        ixy_regs::bus::Bus::read32(&bus, 0x44)
    };
    assert_eq!(read, 9);
    let events = client.interrupts(0, 3).unwrap();
    let file = memory(4096, true);
    client.map(0x20000, 4096, file.as_fd(), 0, false).unwrap();
    client.reset().unwrap();
    {
        let asked = backend.0.lock().unwrap();
        assert_eq!((asked.maps[0], asked.resets), ((Map::READ, 0, 0x20000, 4096, true), 1));
        assert_eq!(asked.events.len(), 3, "one message each, as it takes one descriptor");
    }
    drop(events);
    client.unmap(0x20000, 4096).unwrap();
    assert!(backend.0.lock().unwrap().maps.is_empty());
    assert_eq!(errno(client.irq(7)), Errno::INVAL);
    drop((client, bus));
    thread.join().unwrap().unwrap();
}
