//! A server with arbitrary behaviour: every call of a driver returns, with or without an error.
#![no_main]

use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::Duration;

use ixy_dma::{BusMaster, DmaDomain};
use ixy_regs::bus::Bus;
use ixy_vfio_user::client::{Client, VfioUserBus, VfioUserBusMaster, VfioUserDomain};
use ixy_vfio_user::connection::{Connection, Limits};
use ixy_vfio_user::message::{Capabilities, Command, DeviceInfo, Header, Version};
use libfuzzer_sys::fuzz_target;
use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, ftruncate, memfd_create};
use zerocopy::IntoBytes;

fn memory(sealed: bool) -> OwnedFd {
    let file = memfd_create("fuzz", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING).unwrap();
    ftruncate(&file, 8192).unwrap();
    if sealed {
        fcntl_add_seals(&file, SealFlags::SHRINK).unwrap();
    }
    file
}

fuzz_target!(|bytes: &[u8]| {
    let patience = Duration::from_millis(20);
    let (ours, theirs) = UnixStream::pair().unwrap();
    let mut server = Connection::new(theirs.try_clone().unwrap(), Limits { body: 4096, patience });
    let (file, loose) = (memory(true), memory(false));
    let Some((&first, mut bytes)) = bytes.split_first() else { return };
    let mut id = 0;
    if first & 1 == 0 {
        let capabilities = Capabilities { write_multiple: first & 4 != 0, ..Capabilities::default() };
        let mut body = Vec::new();
        Version { major: 0, minor: 1, capabilities }.encode(&mut body);
        let info = DeviceInfo { argsz: 16, flags: 3, num_regions: 9, num_irqs: 5 };
        for (command, body) in [(Command::Version, &body[..]), (Command::DeviceGetInfo, info.as_bytes())] {
            server.send(&Header::request(id, command, 0, false).reply(body.len()), body, &[]).unwrap();
            id += 1;
        }
    }
    // Each reply: a command, flags, descriptors, the length of its body, and the body.
    while let [command, flags, fds, len, rest @ ..] = bytes {
        let (body, after) = rest.split_at(rest.len().min(usize::from(*len)));
        bytes = after;
        let mut header = Header::request(id, Command::Version, 0, false).reply(body.len());
        header.command = u16::from(*command % 20);
        if flags & 0x40 == 0 {
            id = id.wrapping_add(1);
        }
        header.flags ^= u32::from(flags & 0x33);
        if flags & 0x80 != 0 {
            header.size = header.size.wrapping_add(u32::from(*fds)).wrapping_sub(100);
        }
        let some = [[file.as_fd()], [loose.as_fd()]];
        let fds = if fds & 1 == 0 { &[][..] } else { &some[usize::from(fds >> 1 & 1)][..] };
        if server.send(&header, body, fds).is_err() {
            break;
        }
    }
    if first & 2 != 0 {
        ftruncate(&loose, 0).unwrap();
    }
    theirs.shutdown(std::net::Shutdown::Write).unwrap();
    let Ok(client) = Client::over(ours, patience) else { return };
    let bus = VfioUserBus::new(&client, 0);
    if let Ok(bus) = &bus {
        for offset in [0, 8, 4092, 8188].into_iter().filter(|offset| offset + 4 <= bus.len()) {
            // SAFETY: BUS-WINDOW: the filter; there is no device that could reach memory.
            unsafe {
                bus.write32(offset, 7);
                bus.read32(offset);
                bus.write8(offset, 1);
            }
        }
    }
    drop(client.interrupts(2, 3));
    drop(client.irq(1));
    if let Ok(master) = VfioUserBusMaster::new(&client) {
        let _ = (master.transactions_pending(), master.disable());
    }
    let domain = Arc::new(VfioUserDomain::new(&client, "fuzz"));
    if let Ok(memory) = Arc::clone(&domain).allocate(4096) {
        drop(memory.cut(&[64], 64));
    }
    // SAFETY: ARMED-ONLY: there is no device.
    let _ = unsafe { client.write_many(&[Default::default(); 3]) };
    let _ = (client.region(3), client.reset(), client.read(0, 0, &mut [0; 16]), client.lost());
});
