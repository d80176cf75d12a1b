//! Wrong requests of a client: each is answered with an error number, and the server goes on.

use std::io::Read;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use ixy_dma::Iova;
use ixy_vfio_user::memory::{GuestMemory, MemoryLimits};
use ixy_vfio_user::message::{
    Capabilities, Command, DmaMap, DmaUnmap, Errno, Header, IrqAction, IrqData, IrqRequest, RegionAccess,
    Request, Version, pci,
};
use ixy_vfio_user::server::ServerLimits;
use rustix::event::{EventfdFlags, eventfd};
use rustix::fs::{Mode, OFlags, ftruncate};
use zerocopy::IntoBytes;

use super::device::{DESTINATION, DOORBELL, LENGTH, SOURCE, STATUS};
use super::{LONG, PAGE, Raw, Served, client, errno, header, memory, read32, socket_path, write};

fn map(address: u64, size: u64, offset: u64) -> DmaMap {
    DmaMap { argsz: 32, flags: DmaMap::READ | DmaMap::WRITE, offset, address, size }
}

fn raw() -> (Served, Raw) {
    let (served, socket) = Served::over_pair(ServerLimits::default());
    (served, Raw::negotiated(socket))
}

#[test]
fn mappings_that_overlap_or_make_no_sense_are_refused() {
    let (served, client) = client();
    let file = memory(16 * PAGE, true);
    let map = |address, size, offset| client.map(address, size, file.as_fd(), offset, true);
    map(0x10000, 4 * PAGE, 0).unwrap();
    map(0x10000 + 4 * PAGE, PAGE, 0).expect("a neighbour is no overlap");
    for (address, size) in
        [(0x10000, 4 * PAGE), (0x10000 + PAGE, PAGE), (0xf000, 2 * PAGE), (0xf000, 16 * PAGE)]
    {
        assert_eq!(errno(map(address, size, 0)), Errno::EXIST, "{address:#x} {size:#x}");
    }
    for (address, size, offset) in [
        (0x40000, 0, 0),
        (0x40001, PAGE, 0),
        (0x40000, 100, 0),
        (0x40000, PAGE, 7),
        (u64::MAX - PAGE + 1, 2 * PAGE, 0),
        (0x40000, 17 * PAGE, 0),
        (0x40000, PAGE, 16 * PAGE),
        (0x40000, PAGE, !0xfff),
    ] {
        assert_eq!(errno(map(address, size, offset)), Errno::INVAL, "{address:#x} {size:#x} {offset:#x}");
    }
    assert_eq!(served.server.memory().mappings(), 2);
    assert_eq!(served.server.refused(), 12);
}

#[test]
fn what_is_not_mapped_cannot_be_unmapped() {
    let (served, client) = client();
    let file = memory(2 * PAGE, true);
    client.map(0x10000, 2 * PAGE, file.as_fd(), 0, true).unwrap();
    for (address, size) in [(0x20000, PAGE), (0xf000, PAGE), (0x12000, 1 << 40), (0, 0x10000)] {
        assert_eq!(errno(client.unmap(address, size)), Errno::NOENT, "{address:#x} {size:#x}");
    }
    // A part of a window, and ranges that are invalid.
    for (address, size) in
        [(0x10000, PAGE), (0x11000, PAGE), (0xf000, 2 * PAGE), (0x10000, 0), (0x10000, u64::MAX)]
    {
        assert_eq!(errno(client.unmap(address, size)), Errno::INVAL, "{address:#x} {size:#x}");
    }
    assert_eq!(served.server.memory().mappings(), 1);
    client.unmap(0x10000, 2 * PAGE).unwrap();
    assert_eq!(errno(client.unmap(0x10000, 2 * PAGE)), Errno::NOENT);
    assert_eq!(served.server.memory().mappings(), 0);
}

/// QEMU clears the address space of a device behind an emulated IOMMU in this way.
#[test]
fn all_that_lies_in_a_range_is_unmapped() {
    let (served, client) = client();
    let file = memory(PAGE, true);
    for n in 0..4 {
        client.map(0x10000 + 2 * n * PAGE, PAGE, file.as_fd(), 0, true).unwrap();
    }
    // A window that the range cuts keeps all of them.
    client.map(0x20000, 2 * PAGE, file.as_fd(), 0, true).unwrap_err();
    let long = memory(2 * PAGE, true);
    client.map(0x20000, 2 * PAGE, long.as_fd(), 0, true).unwrap();
    assert_eq!(errno(client.unmap(0x12000, 0xf000)), Errno::INVAL);
    assert_eq!(served.server.memory().mappings(), 5);
    client.unmap(0x12000, 3 * PAGE).unwrap();
    let view = served.server.memory().view();
    let there = |address| view.read(Iova(address), &mut [0]);
    assert_eq!([0x10000, 0x12000, 0x14000, 0x16000, 0x20000].map(there), [true, false, false, true, true]);
    drop(view);
    client.unmap(0x8000, u64::MAX - 0x7fff).unwrap();
    assert_eq!(served.server.memory().mappings(), 0);
}

#[test]
fn everything_is_unmapped_at_once_when_asked_for() {
    let (served, mut raw) = raw();
    let file = memory(2 * PAGE, true);
    for n in 0..3 {
        assert_eq!(raw.ask(&Request::DmaMap(map(n * PAGE, PAGE, 0)), &[file.as_fd()]), Ok(()));
    }
    let all = DmaUnmap { argsz: 24, flags: DmaUnmap::ALL, address: 0, size: 0 };
    assert_eq!(raw.ask(&Request::DmaUnmap(DmaUnmap { size: PAGE, ..all }), &[]), Err(Errno::INVAL));
    assert_eq!(served.server.memory().mappings(), 3);
    assert_eq!(raw.ask(&Request::DmaUnmap(all), &[]), Ok(()));
    assert_eq!(served.server.memory().mappings(), 0);
}

#[test]
fn a_client_maps_as_much_as_the_limits_say() {
    let limits = MemoryLimits { mappings: 3, bytes: 8 * PAGE, ..MemoryLimits::default() };
    let (_served, socket) = Served::over_pair(ServerLimits { memory: limits, ..ServerLimits::default() });
    let mut raw = Raw::negotiated(socket);
    let file = memory(64 * PAGE, true);
    let mut ask = |address, size| raw.ask(&Request::DmaMap(map(address, size, 0)), &[file.as_fd()]);
    assert_eq!(ask(0, 9 * PAGE), Err(Errno::NOMEM));
    assert_eq!(ask(0, 7 * PAGE), Ok(()));
    assert_eq!(ask(0x100000, 2 * PAGE), Err(Errno::NOMEM));
    assert_eq!(ask(0x100000, PAGE), Ok(()));
    assert_eq!(ask(0x200000, PAGE), Err(Errno::NOMEM));
    assert_eq!(
        raw.ask(&Request::DmaUnmap(DmaUnmap { argsz: 24, flags: 0, address: 0, size: 7 * PAGE }), &[]),
        Ok(())
    );
    for n in 2..4 {
        assert_eq!(raw.ask(&Request::DmaMap(map(n << 20, PAGE, 0)), &[file.as_fd()]), Ok(()));
    }
    assert_eq!(raw.ask(&Request::DmaMap(map(8 << 20, PAGE, 0)), &[file.as_fd()]), Err(Errno::NOSPC));
}

#[test]
fn mappings_of_one_file_keep_one_descriptor_and_files_are_limited() {
    let limits = MemoryLimits { files: 2, ..MemoryLimits::default() };
    let guest = GuestMemory::new(limits);
    let files = [0, 1, 2].map(|_| memory(64 * PAGE, false));
    let inode = |fd: &OwnedFd| rustix::fs::fstat(fd).unwrap().st_ino;
    let open = |file: &OwnedFd| {
        let all = std::fs::read_dir("/proc/self/fd").unwrap();
        let links = all.filter_map(|entry| std::fs::metadata(entry.unwrap().path()).ok());
        links.filter(|metadata| metadata.ino() == inode(file)).count()
    };
    for n in 0..64 {
        let own = files[0].try_clone().unwrap();
        assert_eq!(guest.map(&map(n * PAGE, PAGE, n * PAGE), Some(own)), Ok(()));
    }
    assert_eq!(open(&files[0]), 2, "the test's and one more");
    // Each window still has its own part.
    let view = guest.view();
    assert!((0..64).all(|n| view.write(Iova(n * PAGE), &[n as u8; 8])));
    drop(view);
    let mut byte = [0];
    for n in 0..64 {
        rustix::io::pread(&files[0], &mut byte, n * PAGE).unwrap();
        assert_eq!(u64::from(byte[0]), n);
    }
    let more = |n: u64, file: &OwnedFd| guest.map(&map(n << 20, PAGE, 0), Some(file.try_clone().unwrap()));
    assert_eq!(more(1, &files[1]), Ok(()));
    assert_eq!(more(2, &files[2]), Err(Errno::NOSPC));
    assert_eq!(more(2, &files[1]), Ok(()), "one that is there");
    // The last window releases the file.
    guest.unmap(&DmaUnmap { argsz: 24, flags: 0, address: 0, size: 64 * PAGE }).unwrap();
    assert_eq!(open(&files[0]), 1);
    assert_eq!(more(3, &files[2]), Ok(()));
}

#[test]
fn files_that_cannot_be_reached_safely_are_refused() {
    let guest = GuestMemory::new(MemoryLimits::default());
    let (read_end, write_end) = std::io::pipe().unwrap();
    assert_eq!(
        guest.map(&map(0, PAGE, 0), Some(read_end.into())),
        Err(Errno::ACCESS),
        "not open for writing"
    );
    assert_eq!(
        guest.map(&map(0, PAGE, 0), Some(write_end.into())),
        Err(Errno::ACCESS),
        "not open for reading"
    );
    let socket = UnixStream::pair().unwrap().0;
    assert_eq!(guest.map(&map(0, PAGE, 0), Some(socket.into())), Err(Errno::INVAL), "no file");
    let zero = std::fs::File::options().read(true).write(true).open("/dev/zero").unwrap();
    assert_eq!(guest.map(&map(0, PAGE, 0), Some(zero.into())), Err(Errno::INVAL), "a device");
    let own = std::fs::File::open(std::env::current_exe().unwrap()).unwrap();
    let read_only = DmaMap { flags: DmaMap::READ, ..map(0, PAGE, 0) };
    assert_eq!(guest.map(&read_only, Some(own.into())), Err(Errno::INVAL), "a file on a disk");
    for flags in [0, 4, 7] {
        let flags = DmaMap { flags, ..map(0, PAGE, 0) };
        assert_eq!(guest.map(&flags, Some(memory(PAGE, true))), Err(Errno::INVAL));
    }
    // A descriptor opened for reading permits reading only.
    let file = memory(PAGE, true);
    let path = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&file));
    let reopen = || rustix::fs::open(path.as_str(), OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).unwrap();
    assert_eq!(guest.map(&map(0, PAGE, 0), Some(reopen())), Err(Errno::ACCESS));
    assert_eq!(guest.map(&read_only, Some(reopen())), Ok(()));
    let view = guest.view();
    assert!(view.read(Iova(0), &mut [0; 8]) && view.load64(Iova(8)) == Some(0));
    assert!(!view.write(Iova(0), &[1]) && !view.store64(Iova(0), 1) && view.words(Iova(0), 1).is_none());
    assert_eq!(guest.faults(), 2);
}

#[test]
fn permissions_and_ends_of_memory_are_kept_and_neighbours_are_one_piece() {
    for sealed in [true, false] {
        let guest = GuestMemory::new(MemoryLimits::default());
        let file = memory(2 * PAGE, sealed);
        let own = || Some(file.try_clone().unwrap());
        // The second page of the file comes first.
        guest.map(&map(0x10000, PAGE, PAGE), own()).unwrap();
        guest.map(&map(0x11000, PAGE, 0), own()).unwrap();
        guest.map(&DmaMap { flags: DmaMap::WRITE, ..map(0x20000, PAGE, 0) }, own()).unwrap();
        guest.map(&map(0x30000, PAGE, 0), None).unwrap();
        let view = guest.view();
        let text: Vec<u8> = (1..=200).collect();
        assert!(view.write(Iova(0x11000 - 77), &text), "across the end of a window");
        let mut read = vec![0; 200];
        assert!(view.read(Iova(0x11000 - 77), &mut read) && read == text);
        let mut in_file = [0; 77];
        rustix::io::pread(&file, &mut in_file, 2 * PAGE - 77).unwrap();
        assert_eq!(in_file, text[..77]);
        for (offset, len) in [(0, 1), (1, 20), (7, 9), (8, 8), (3, 4), (5, 0)] {
            assert!(view.write(Iova(0x11100 + offset), &text[..len]));
            let mut read = vec![0; len];
            assert!(view.read(Iova(0x11100 + offset), &mut read) && read == text[..len], "{offset} {len}");
        }
        assert!(view.store64(Iova(0x10008), 0x1122_3344_5566_7788_u64.to_le()));
        assert_eq!(view.load32(Iova(0x1000c)).map(u32::from_le), Some(0x1122_3344));
        assert_eq!(view.load16(Iova(0x1000a)).map(u16::from_le), Some(0x5566));
        assert_eq!(view.words(Iova(0x10000), 512).is_some(), sealed, "only what is mapped here has words");
        assert!(view.words(Iova(0x10000), 513).is_none() && view.words(Iova(0x10004), 1).is_none());
        assert_eq!(guest.faults(), 0);
        let mut byte = [0];
        assert!(!view.write(Iova(0x12000 - 1), &[1, 2]), "over the end");
        assert!(view.read(Iova(0x12000 - 1), &mut byte) && byte == [0], "a refused write changed memory");
        assert!(view.load64(Iova(0x10004)).is_none(), "not aligned");
        assert!(!view.read(Iova(0x20000), &mut byte), "for writing only");
        assert!(!view.write(Iova(0x30000), &byte), "nothing is there");
        assert!(!view.read(Iova(u64::MAX), &mut [0; 2]), "over the end of all addresses");
        assert_eq!((guest.faults(), guest.last_fault()), (5, Some(Iova(u64::MAX))));
    }
}

#[test]
fn a_file_that_is_cut_off_behind_a_mapping_is_a_fault_and_no_more() {
    let (served, client) = client();
    write(&client, pci::CONFIG, 4, &[6, 0]).unwrap();
    let file = memory(2 * PAGE, false);
    client.map(0x10000, 2 * PAGE, file.as_fd(), 0, true).unwrap();
    let copy = || {
        write(&client, pci::BAR0, SOURCE, &0x10000_u64.to_le_bytes()).unwrap();
        write(&client, pci::BAR0, DESTINATION, &0x11000_u64.to_le_bytes()).unwrap();
        write(&client, pci::BAR0, LENGTH, &64_u32.to_le_bytes()).unwrap();
        write(&client, pci::BAR0, DOORBELL, &[1]).unwrap();
        read32(&client, pci::BAR0, STATUS)
    };
    assert_eq!(copy(), 1);
    ftruncate(&file, PAGE).unwrap();
    assert_eq!(copy(), 2, "the destination is gone");
    ftruncate(&file, 0).unwrap();
    assert_eq!(copy(), 2, "the source is gone, too");
    assert_eq!(rustix::fs::fstat(&file).unwrap().st_size, 0, "the server made the file longer");
    ftruncate(&file, 2 * PAGE).unwrap();
    assert_eq!(copy(), 1, "it is back");
    assert_eq!(served.server.memory().faults(), 2);
    let sealed = memory(PAGE, true);
    assert_eq!(ftruncate(&sealed, 0), Err(Errno::PERM), "what is mapped cannot be cut off");
}

#[test]
fn accesses_outside_of_regions_are_refused() {
    let (_served, client) = client();
    let mut four = [0; 4];
    for (region, offset) in
        [(0, 4093), (0, 4096), (0, u64::MAX), (1, 0), (9, 0), (u32::MAX, 0), (pci::CONFIG, 254)]
    {
        assert_eq!(errno(client.read(region, offset, &mut four)), Errno::INVAL, "{region} {offset:#x}");
        assert_eq!(errno(write(&client, region, offset, &four)), Errno::INVAL, "{region} {offset:#x}");
    }
    assert_eq!(errno(client.read(0, 0, &mut [])), Errno::INVAL);
    assert_eq!(errno(client.region(9)), Errno::INVAL);
    assert_eq!(errno(client.irq(5)), Errno::INVAL);
    client.read(0, 4092, &mut four).unwrap();
}

#[test]
fn a_transfer_that_is_too_long_is_refused_and_the_stream_stays_in_step() {
    let (_served, socket) = Served::over_pair(ServerLimits { transfer: 4096, ..ServerLimits::default() });
    let mut raw = Raw::negotiated(socket);
    let access = RegionAccess { offset: 0, region: 0, count: 4097 };
    assert_eq!(raw.ask(&Request::RegionRead(access), &[]), Err(Errno::TOOBIG));
    assert_eq!(raw.ask(&Request::RegionWrite(access, &[0; 4097]), &[]), Err(Errno::TOOBIG));
    raw.send(Command::RegionWrite as u16, 0, &vec![0; 1 << 20], &[]);
    assert_eq!(raw.reply(), Err(Errno::TOOBIG), "a body that was thrown away");
    raw.send(Command::RegionWrite as u16, Header::NO_REPLY, &vec![0; 1 << 20], &[]);
    assert!(raw.is_served());
}

#[test]
fn messages_that_make_no_sense_are_refused_and_the_next_one_is_answered() {
    let (served, mut raw) = raw();
    for command in [0, 14, 19, 9999] {
        raw.send(command, 0, &[1, 2, 3], &[]);
        assert_eq!(raw.reply(), Err(Errno::INVAL), "command {command}");
    }
    for command in [6, 11, 16] {
        raw.send(command, 0, &[0; 40], &[]);
        assert_eq!(raw.reply(), Err(Errno::OPNOTSUPP), "command {command}");
    }
    for command in Command::ALL.iter().filter(|command| **command != Command::DeviceReset) {
        raw.send(*command as u16, 0, &[], &[]);
        assert!(raw.reply().is_err(), "{command:?} without a body");
    }
    raw.send(Command::DeviceReset as u16, 2, &[], &[]);
    assert_eq!(raw.reply(), Err(Errno::INVAL), "neither a command nor a reply");
    let again = Version { major: 0, minor: 1, capabilities: Capabilities::default() };
    assert_eq!(raw.ask(&Request::Version(again), &[]), Err(Errno::INVAL), "versions are exchanged once");
    assert_eq!(raw.ask(&Request::DeviceInfo { argsz: 15 }, &[]), Err(Errno::INVAL));
    assert_eq!(raw.ask(&Request::RegionInfo { argsz: 31, index: 0 }, &[]), Err(Errno::INVAL));
    let before = served.server.refused();
    // Replies to nothing, and errors of posted requests, are counted and not answered.
    raw.send(Command::RegionRead as u16, Header::REPLY, &[], &[]);
    raw.send(9999, Header::NO_REPLY, &[], &[]);
    raw.send(Command::RegionRead as u16, Header::NO_REPLY, &[0xff; 16], &[]);
    assert!(raw.is_served());
    assert_eq!(served.server.refused() - before, 3);
}

#[test]
fn a_client_that_does_not_agree_on_a_version_is_told_and_disconnected() {
    let other = Version { major: 1, minor: 0, capabilities: Capabilities::default() };
    let wrong = [Request::DeviceInfo { argsz: 16 }, Request::Reset, Request::Version(other)];
    for request in wrong {
        let (served, socket) = Served::over_pair(ServerLimits::default());
        let mut raw = Raw::new(socket);
        assert_eq!(raw.ask(&request, &[]), Err(Errno::INVAL));
        assert!(raw.receive().is_none());
        served.end();
    }
    let (served, socket) = Served::over_pair(ServerLimits::default());
    let mut raw = Raw::new(socket);
    raw.send(Command::Version as u16, 0, b"\0\0\0\0{\"capabilities\":", &[]);
    assert_eq!(raw.reply(), Err(Errno::INVAL), "no JSON");
    served.end();
}

#[test]
fn a_lower_minor_version_is_answered_with_itself_and_a_higher_one_with_ours() {
    for (proposed, answered) in [(0, 0), (1, 1), (9, 1)] {
        let (_served, socket) = Served::over_pair(ServerLimits::default());
        let mut raw = Raw::new(socket);
        raw.send(Command::Version as u16, 0, &[0, 0, proposed, 0], &[]);
        assert_eq!(raw.reply(), Ok(()));
        assert_eq!(Version::parse(&raw.body).unwrap().minor, answered);
    }
}

#[test]
fn half_a_message_and_silence_end_a_client_and_not_the_server() {
    let patience = Duration::from_millis(200);
    let half: [&[u8]; 4] = [
        &[],                                 // not even a version
        &header(Command::Version, 20)[..9],  // half a header
        &header(Command::Version, 20),       // no body
        &header(Command::Version, u32::MAX), // a body that never ends
    ];
    let (_served, path) = Served::at_path(ServerLimits { patience, ..ServerLimits::default() });
    for bytes in half {
        let start = Instant::now();
        let mut raw = Raw::new(UnixStream::connect(&path).unwrap());
        raw.send_bytes(bytes);
        assert!(raw.receive().is_none(), "{bytes:x?}");
        assert!(start.elapsed() >= patience / 2 && start.elapsed() < LONG);
    }
    // Sending one byte at a time does not evade the limit.
    let mut socket = UnixStream::connect(&path).unwrap();
    let start = Instant::now();
    for byte in header(Command::Version, 4096).iter().chain(&[0; 4080]) {
        if std::io::Write::write(&mut socket, &[*byte]).is_err() {
            break;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    assert!(start.elapsed() < Duration::from_secs(20), "it was listened to for {:?}", start.elapsed());
    let mut raw = Raw::negotiated(UnixStream::connect(&path).unwrap());
    assert!(raw.is_served());
    // A client that is quiet between messages is left alone.
    std::thread::sleep(patience * 2);
    assert!(raw.is_served());
}

#[test]
fn a_header_that_cannot_be_one_ends_the_connection() {
    for size in [0, 1, 15] {
        let (served, socket) = Served::over_pair(ServerLimits::default());
        let mut raw = Raw::negotiated(socket);
        raw.send_bytes(&header(Command::DeviceReset, size));
        assert!(raw.receive().is_none());
        served.end();
    }
}

#[test]
fn a_client_that_takes_no_replies_is_disconnected() {
    let patience = Duration::from_millis(200);
    let (served, socket) = Served::over_pair(ServerLimits { patience, ..ServerLimits::default() });
    let raw = Raw::negotiated(socket);
    let mut body = Vec::new();
    Request::RegionRead(RegionAccess { offset: 0, region: 0, count: 4096 }).encode(&mut body);
    let message = [header(Command::RegionRead, 32), body].concat();
    let sent = std::thread::spawn(move || {
        (0..100_000).find(|_| rustix::io::write(raw.connection.as_fd(), &message).is_err())
    });
    served.end();
    assert!(sent.join().unwrap().is_some(), "it was served for ever");
}

#[test]
fn descriptors_that_nobody_wants_are_closed() {
    let (_served, mut raw) = raw();
    let (mut read_end, write_end) = std::io::pipe().unwrap();
    let ends = vec![write_end.as_fd(); 16];
    raw.send(Command::DeviceReset as u16, 0, &[], &ends[..1]);
    assert_eq!(raw.reply(), Err(Errno::INVAL), "a command that takes none");
    let mut body = Vec::new();
    Request::DmaMap(map(0, PAGE, 0)).encode(&mut body);
    raw.send(Command::DmaMap as u16, 0, &body, &ends[..2]);
    assert_eq!(raw.reply(), Err(Errno::INVAL), "one too many");
    raw.send(Command::DmaMap as u16, 0, &body, &ends);
    assert_eq!(raw.reply(), Err(Errno::INVAL));
    // More descriptors than are accepted: sent with the header and again with the body.
    let header = header(Command::DmaMap, 48);
    for part in [&header[..], &body[..]] {
        send_with(&raw, part, &ends);
    }
    assert_eq!(raw.reply(), Err(Errno::INVAL));
    assert!(raw.is_served());
    drop(write_end);
    let mut rest = Vec::new();
    assert_eq!(read_end.read_to_end(&mut rest).unwrap(), 0, "the server holds a descriptor");
}

fn send_with(raw: &Raw, bytes: &[u8], fds: &[std::os::fd::BorrowedFd<'_>]) {
    use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
    let mut space = [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(16))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    assert!(control.push(SendAncillaryMessage::ScmRights(fds)));
    let iov = [std::io::IoSlice::new(bytes)];
    assert_eq!(sendmsg(raw.connection.as_fd(), &iov, &mut control, SendFlags::empty()), Ok(bytes.len()));
}

#[test]
fn interrupts_that_do_not_exist_or_cannot_be_signalled_are_refused() {
    let (served, mut raw) = raw();
    let event = || eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK).unwrap();
    let (one, two, pipe) = (event(), event(), std::io::pipe().unwrap().1);
    let set = |index, start, count, data, action| {
        Request::SetIrqs(IrqRequest { index, start, count, data, action })
    };
    use IrqAction::{Mask, Trigger};
    let refused = [
        (set(5, 0, 1, IrqData::Eventfd, Trigger), vec![one.as_fd()], Errno::INVAL),
        (set(pci::ERR, 0, 1, IrqData::Eventfd, Trigger), vec![one.as_fd()], Errno::INVAL),
        (set(pci::MSIX, 31, 2, IrqData::Eventfd, Trigger), vec![one.as_fd(), two.as_fd()], Errno::INVAL),
        (set(pci::MSIX, 0, 3, IrqData::Eventfd, Trigger), vec![one.as_fd(), two.as_fd()], Errno::INVAL),
        (set(pci::MSIX, 0, 1, IrqData::Eventfd, Trigger), vec![pipe.as_fd()], Errno::INVAL),
        (set(pci::MSIX, 0, 1, IrqData::None, Trigger), vec![one.as_fd()], Errno::INVAL),
        (set(pci::MSIX, 0, 1, IrqData::None, Mask), vec![], Errno::INVAL),
        (set(pci::INTX, 0, 1, IrqData::Eventfd, Mask), vec![one.as_fd()], Errno::OPNOTSUPP),
        (set(pci::MSIX, 3, 0, IrqData::None, Trigger), vec![], Errno::INVAL),
        (set(pci::MSIX, 40, 0, IrqData::None, Trigger), vec![], Errno::INVAL),
    ];
    for (request, fds, expected) in refused {
        assert_eq!(raw.ask(&request, &fds), Err(expected), "{request:?}");
    }
    // None of it has a lasting effect.
    assert!((0..32).all(|n| !served.server.interrupts().is_enabled(pci::MSIX, n)));
    assert_eq!(
        raw.ask(&set(pci::MSIX, 0, 2, IrqData::Eventfd, Trigger), &[one.as_fd(), two.as_fd()]),
        Ok(())
    );
    // A full eventfd, made blocking by the client, stalls nothing.
    rustix::io::write(&one, &(u64::MAX - 1).to_ne_bytes()).unwrap();
    rustix::fs::fcntl_setfl(&one, OFlags::empty()).unwrap();
    served.server.interrupts().trigger(pci::MSIX, 0);
    assert_eq!(raw.ask(&set(pci::MSIX, 0, 0, IrqData::None, Trigger), &[]), Ok(()));
    assert!(!served.server.interrupts().is_enabled(pci::MSIX, 1), "all of the kind were ended");
}

#[test]
fn a_client_that_leaves_takes_its_memory_and_interrupts_along() {
    let (served, path) = Served::at_path(ServerLimits::default());
    let file = memory(PAGE, true);
    let first = ixy_vfio_user::client::Client::connect_within(&path, LONG).unwrap();
    first.map(0x10000, PAGE, file.as_fd(), 0, true).unwrap();
    let _events = first.interrupts(pci::MSIX, 4).unwrap();
    assert!(served.server.interrupts().is_enabled(pci::MSIX, 3));
    write(&first, 0, 0x20, &[9]).unwrap();
    drop(first);
    let second = ixy_vfio_user::client::Client::connect_within(&path, LONG).unwrap();
    assert_eq!(
        (served.server.memory().mappings(), served.server.interrupts().is_enabled(pci::MSIX, 3)),
        (0, false)
    );
    assert_eq!(read32(&second, 0, 0x20), 9, "the device keeps its state");
    second.map(0x10000, PAGE, file.as_fd(), 0, true).unwrap();
}

#[test]
fn bytes_of_any_kind_end_in_an_answer_or_the_end() {
    // Half of them after the version handshake; sizes that need more data end by the server's patience.
    let patience = Duration::from_millis(50);
    let mut state = 0x1234_5678_9abc_def0_u64;
    let mut random = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    for n in 0..60 {
        let (served, socket) = Served::over_pair(ServerLimits { patience, ..ServerLimits::default() });
        let raw = if n % 2 == 0 { Raw::negotiated(socket) } else { Raw::new(socket) };
        let mut bytes: Vec<u8> = (0..random() % 200).map(|_| random() as u8).collect();
        if let Some(head) = bytes.first_chunk_mut::<16>() {
            let size = 16 + random() as u32 % 64;
            let command = random() as u16 % 20;
            *head = zerocopy::transmute!(Header { id: 7, command, size, flags: 0, error: 0 });
        }
        raw.send_bytes(bytes.as_bytes());
        drop(raw);
        served.end();
    }
    assert!(!socket_path().exists());
}
