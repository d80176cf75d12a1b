//! A client with arbitrary behaviour: the server answers or closes it, and keeps nothing of it.
#![no_main]

#[path = "../../examples/copier/device.rs"]
#[allow(dead_code)]
mod device;

use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use ixy_dma::Iova;
use ixy_vfio_user::connection::{Connection, Limits};
use ixy_vfio_user::message::{Capabilities, Command, Header, Version, pci};
use ixy_vfio_user::server::{Device, ServerLimits, Stop};
use libfuzzer_sys::fuzz_target;
use rustix::event::{EventfdFlags, eventfd};
use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, ftruncate, memfd_create};

/// The copier, which rings its own doorbell with the addresses in its registers.
struct Watched(device::Copier);

impl Device for Watched {
    fn read(&mut self, region: u32, offset: u64, into: &mut [u8]) -> Result<(), rustix::io::Errno> {
        assert!(!into.is_empty() && offset + into.len() as u64 <= 4096 && region < 9);
        self.0.read(region, offset, into)
    }

    fn write(&mut self, region: u32, offset: u64, bytes: &[u8]) -> Result<(), rustix::io::Errno> {
        assert!(!bytes.is_empty() && offset + bytes.len() as u64 <= 4096 && region < 9);
        self.0.write(region, offset, bytes)
    }

    fn reset(&mut self) -> Result<(), rustix::io::Errno> {
        self.0.reset()
    }
}

fn memory(sealed: bool) -> OwnedFd {
    let file = memfd_create("fuzz", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING).unwrap();
    ftruncate(&file, 8192).unwrap();
    if sealed {
        fcntl_add_seals(&file, SealFlags::SHRINK).unwrap();
    }
    file
}

fuzz_target!(|bytes: &[u8]| {
    // There is nothing to wait for here: the client's messages are there before the server looks.
    let patience = Duration::from_millis(20);
    let (server, copier) = device::copier(ServerLimits { patience, ..ServerLimits::default() }).unwrap();
    let (ours, theirs) = UnixStream::pair().unwrap();
    let mut client = Connection::new(ours.try_clone().unwrap(), Limits { body: 4096, patience });
    let (file, loose) = (memory(true), memory(false));
    let event = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK).unwrap();
    let pipe = std::io::pipe().unwrap().1;
    let Some((first, mut bytes)) = bytes.split_first() else { return };
    if first & 1 == 0 {
        let mut body = Vec::new();
        Version { major: 0, minor: 1, capabilities: Capabilities::default() }.encode(&mut body);
        client.send(&Header::request(0, Command::Version, body.len(), false), &body, &[]).unwrap();
    }
    // Each message: a command, flags, descriptors, the length of its body, and the body.
    while let [command, flags, fds, len, rest @ ..] = bytes {
        let (body, after) = rest.split_at(rest.len().min(usize::from(*len)));
        bytes = after;
        let mut header = Header::request(1, Command::Version, body.len(), flags & 0x10 != 0);
        header.command = u16::from(*command % 21);
        header.flags |= u32::from(flags & 3);
        if flags & 0x80 != 0 {
            header.size = header.size.wrapping_add(u32::from(*fds)).wrapping_sub(100);
        }
        let all = [file.as_fd(), event.as_fd(), loose.as_fd(), pipe.as_fd()];
        let from = usize::from(fds & 3);
        let some = &all[from..(from + usize::from(fds >> 2 & 3)).min(4)];
        if client.send(&header, body, some).is_err() {
            break;
        }
    }
    if first & 2 != 0 {
        ftruncate(&loose, 0).unwrap();
    }
    ours.shutdown(std::net::Shutdown::Write).unwrap();
    server.serve_one(theirs, &mut Watched(copier), &Stop::new().unwrap());
    assert_eq!(server.memory().mappings(), 0, "memory was left");
    assert!(!server.memory().view().read(Iova(0), &mut [0; 8]), "memory was left");
    for (kind, count) in [(pci::INTX, 1), (pci::MSI, 1), (pci::MSIX, 32)] {
        assert!((0..count).all(|n| !server.interrupts().is_enabled(kind, n)), "an interrupt was left");
    }
});
