//! Devices with several pairs of queues: QEMU's TAP back end spreads flows over them.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod harness;

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::{Duration, Instant};

use harness::namespace::ip;
use ixy_lab::{Backend, Interface, Machine, Nic};
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, netdevice, socket_with};

/// A socket for whole frames at an interface of the system.
struct Frames(OwnedFd);

impl Frames {
    fn at(interface: &str) -> Self {
        let kind = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        let socket = socket_with(AddressFamily::PACKET, SocketType::RAW, kind, None).unwrap();
        // SAFETY: all zeroes are a valid address, which is plain data.
        let mut address: libc::sockaddr_ll = unsafe { std::mem::zeroed() };
        address.sll_family = libc::AF_PACKET as u16;
        address.sll_protocol = (libc::ETH_P_ALL as u16).to_be();
        address.sll_ifindex = netdevice::name_to_index(&socket, interface).unwrap() as i32;
        let len = size_of_val(&address) as u32;
        // SAFETY: the address is as long as `len` says.
        let bound = unsafe { libc::bind(socket.as_raw_fd(), (&raw const address).cast(), len) };
        assert_eq!(bound, 0, "{}", io::Error::last_os_error());
        Self(socket)
    }

    /// Sends a frame; returns whether there was room for it.
    fn send(&self, frame: &[u8]) -> bool {
        rustix::net::send(&self.0, frame, SendFlags::empty()).is_ok()
    }

    fn receive<'a>(&self, buffer: &'a mut [u8]) -> Option<&'a [u8]> {
        let (_, count) = rustix::net::recv(&self.0, &mut *buffer, RecvFlags::empty()).ok()?;
        Some(&buffer[..count])
    }
}

const FLOWS: u16 = 32;

/// Frame `number` of a UDP flow, without a checksum: 64 bytes.
fn frame(flow: u16, number: u32) -> Vec<u8> {
    let mut frame = vec![0x02, 0, 0, 0, 0, 2, 0x02, 0, 0, 0, 0, 1, 0x08, 0x00];
    frame.extend([0x45, 0, 0, 50, 0, 0, 0x40, 0, 64, 17, 0, 0, 198, 18, 0, 1, 198, 18, 1, 2]);
    let sum: u32 = frame[14..].chunks(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(pair[1])).sum();
    let sum = !((sum & 0xFFFF) + (sum >> 16)) as u16;
    frame[24..26].copy_from_slice(&sum.to_be_bytes());
    frame.extend((1024 + flow).to_be_bytes());
    frame.extend([0x05, 0x39, 0, 30, 0, 0]);
    frame.extend([0; 8]);
    frame.extend(number.to_be_bytes());
    frame.resize(64, 0);
    frame
}

#[test]
fn all_flows_pass_devices_with_several_pairs_of_queues_each_in_order() {
    const PAIRS: u16 = 4;
    const EACH: u32 = 100;
    let test = "all_flows_pass_devices_with_several_pairs_of_queues_each_in_order";
    if !harness::namespace::inside() {
        return harness::namespace::again(test);
    }
    let Some((parts, programs)) = harness::lab(test) else { return };
    // The system's own frames would only disturb.
    std::fs::write("/proc/sys/net/ipv6/conf/default/disable_ipv6", "1").unwrap();
    let kinds =
        [(Interface::Legacy, "mq=on"), (Interface::Modern, "mq=on"), (Interface::Modern, "mq=on,packed=on")];
    let mut machine = Machine::new(Duration::from_secs(180));
    for (pair, (interface, options)) in kinds.iter().enumerate() {
        for end in ["a", "b"] {
            let name = format!("{end}{pair}");
            machine = machine
                .nic(Nic::virtio(&name, *interface, Backend::Tap(name.clone(), PAIRS)).options(options));
        }
    }
    let mut guest = machine.boot(&parts, &programs).unwrap();
    harness::programs_can_be_started(&mut guest);
    for (pair, kind) in kinds.iter().enumerate() {
        let names = ["a", "b"].map(|end| format!("{end}{pair}"));
        let addresses = names.each_ref().map(|name| guest.address(name).unwrap());
        names.iter().for_each(|name| ip(&format!("link set {name} up")));
        let [from, to] = names.map(|name| Frames::at(&name));
        for queues in [PAIRS, 2, 1] {
            let command = format!("start 2 ixy-fwd {} --touch byte --queues {queues}", addresses.join(" "));
            guest.run(&command).unwrap_or_else(|error| panic!("{kind:?}: {error}"));
            let mut next = [0; FLOWS as usize];
            let (begin, mut buffer, mut sent) = (Instant::now(), [0; 2048], 0);
            let (total, mut arrived) = (u32::from(FLOWS) * EACH, 0);
            while arrived < total {
                // Few in flight, so that none is lost for lack of room. The host asks its interfaces for queued
                // frames by flow, so with frames of all flows each queue pair gets its part.
                while sent < total && sent - arrived < 64 {
                    let flow = (sent % u32::from(FLOWS)) as u16;
                    if !from.send(&frame(flow, sent / u32::from(FLOWS))) {
                        break;
                    }
                    sent += 1;
                }
                while let Some(found) = to.receive(&mut buffer) {
                    let flow = u16::from_be_bytes(found[34..36].try_into().unwrap()) - 1024;
                    let mut expected = frame(flow, next[usize::from(flow)]);
                    expected[48] += 1;
                    assert_eq!(found, expected, "{kind:?}, {queues} queues, flow {flow}");
                    next[usize::from(flow)] += 1;
                    arrived += 1;
                }
                if begin.elapsed() > Duration::from_secs(20) {
                    panic!(
                        "{kind:?}, {queues} queues: of {sent} frames {arrived} arrived, by flow {next:?}\n{}",
                        guest.run("cat log").unwrap()
                    );
                }
                std::thread::sleep(Duration::from_micros(100));
            }
            guest.run("stop TERM").unwrap_or_else(|error| panic!("{kind:?}: {error}"));
        }
    }
    harness::the_kernel_is_well(&guest);
}
