//! Network interfaces of Linux: the ioctls of `netdevice(7)` and of TAP that open one and set it up.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    os::fd::{AsFd, OwnedFd},
    thread,
};

use rustix::{
    io::Errno,
    ioctl::{Opcode, Setter, Updater, ioctl, opcode},
    net::{AddressFamily, SocketFlags, SocketType, socket_with},
    thread::{LinkNameSpaceType, move_into_link_name_space},
};

use super::InterfaceAddress;

/// Size of the field for an interface's name, with the terminating zero (`IFNAMSIZ`).
const NAME_BYTES: usize = 16;

/// `struct ifreq` (linux/if.h): a name, and the data of a request.
#[repr(C)]
#[derive(Clone, Copy)]
struct Request {
    name: [u8; NAME_BYTES],
    value: [u8; 24],
}

/// `struct in6_ifreq` (linux/ipv6.h).
#[repr(C)]
struct Ipv6Request {
    address: [u8; 16],
    prefix: u32,
    interface: i32,
}

const _: () = assert!(size_of::<Request>() == 40 && size_of::<Ipv6Request>() == 24);

// linux/if_tun.h.
const SET_INTERFACE: Opcode = opcode::write::<std::ffi::c_int>(b'T', 202);
const SET_CARRIER: Opcode = opcode::write::<std::ffi::c_int>(b'T', 226);
// linux/sockios.h.
const GET_FLAGS: Opcode = 0x8913;
const SET_FLAGS: Opcode = 0x8914;
const SET_ADDRESS: Opcode = 0x8916;
const SET_NETMASK: Opcode = 0x891c;
const SET_MTU: Opcode = 0x8922;
const GET_INDEX: Opcode = 0x8933;

/// `IFF_TAP`: frames start with the Ethernet header. `IFF_NO_PI`: nothing precedes them.
const TAP: u16 = 0x0002 | 0x1000;
/// `IFF_UP`.
const UP: u16 = 1;

/// The name of an interface, in the form of a request.
#[derive(Clone, Copy)]
pub(super) struct Name([u8; NAME_BYTES]);

impl Name {
    /// `None` when no interface can have this name.
    pub(super) fn new(name: &str) -> Option<Self> {
        let bytes = name.as_bytes();
        let usable = !bytes.is_empty()
            && bytes.len() < NAME_BYTES
            && !matches!(name, "." | "..")
            && bytes.iter().all(|byte| byte.is_ascii_graphic() && !b"/:%".contains(byte));
        let mut padded = [0; NAME_BYTES];
        padded.get_mut(..bytes.len()).filter(|_| usable)?.copy_from_slice(bytes);
        Some(Self(padded))
    }

    fn request(self, value: &[u8]) -> Request {
        let mut request = Request { name: self.0, value: [0; 24] };
        request.value.iter_mut().zip(value).for_each(|(to, from)| *to = *from);
        request
    }
}

/// Makes `device`, which is `/dev/net/tun`, the other end of the TAP interface `name`. Creates the interface if
/// needed.
pub(super) fn attach(device: &OwnedFd, name: Name) -> Result<(), Errno> {
    call::<SET_INTERFACE>(device, name.request(&TAP.to_ne_bytes())).map(drop)
}

/// Shows the system whether the interface behind `device` has a link.
pub(super) fn set_carrier(device: &OwnedFd, up: bool) -> Result<(), Errno> {
    // SAFETY: TUNSETCARRIER reads one `int` that it is given the address of, and nothing else (drivers/net/tun.c).
    unsafe { ioctl(device, Setter::<SET_CARRIER, std::ffi::c_int>::new(up.into())) }
}

/// An interface to be set up.
pub(super) struct Interface {
    name: Name,
    /// Any socket: it selects the network namespace.
    socket: OwnedFd,
}

impl Interface {
    pub(super) fn open(name: Name) -> Result<Self, Errno> {
        Ok(Self { name, socket: socket(AddressFamily::INET)? })
    }

    pub(super) fn set_mtu(&self, mtu: u16) -> Result<(), Errno> {
        self.set::<SET_MTU>(&i32::from(mtu).to_ne_bytes())
    }

    pub(super) fn bring_up(&self) -> Result<(), Errno> {
        let [low, high, ..] = call::<GET_FLAGS>(&self.socket, self.name.request(&[]))?.value;
        self.set::<SET_FLAGS>(&(u16::from_ne_bytes([low, high]) | UP).to_ne_bytes())
    }

    /// An IPv4 address replaces the current one; an IPv6 address is added.
    pub(super) fn set_address(&self, address: InterfaceAddress) -> Result<(), Errno> {
        match address.ip {
            IpAddr::V4(ip) => {
                let mask = u32::MAX.checked_shl(32 - u32::from(address.prefix)).unwrap_or(0);
                self.set::<SET_ADDRESS>(&internet(ip))?;
                self.set::<SET_NETMASK>(&internet(Ipv4Addr::from_bits(mask)))
            }
            IpAddr::V6(ip) => self.add_ipv6(ip, address.prefix),
        }
    }

    fn add_ipv6(&self, ip: Ipv6Addr, prefix: u8) -> Result<(), Errno> {
        let [a, b, c, d, ..] = call::<GET_INDEX>(&self.socket, self.name.request(&[]))?.value;
        let interface = i32::from_ne_bytes([a, b, c, d]);
        let request = Ipv6Request { address: ip.octets(), prefix: prefix.into(), interface };
        let socket = socket(AddressFamily::INET6)?;
        // SAFETY: SIOCSIFADDR on a socket of IPv6 reads one `struct in6_ifreq`, which `Ipv6Request` is (its size is
        // asserted above), and nothing else (net/ipv6/addrconf.c).
        match unsafe { ioctl(socket, Setter::<SET_ADDRESS, Ipv6Request>::new(request)) } {
            Err(Errno::EXIST) => Ok(()),
            result => result,
        }
    }

    fn set<const OPCODE: Opcode>(&self, value: &[u8]) -> Result<(), Errno> {
        call::<OPCODE>(&self.socket, self.name.request(value)).map(drop)
    }
}

/// Makes one of the requests above that take a `struct ifreq`, and returns the answer.
fn call<const OPCODE: Opcode>(file: impl AsFd, mut request: Request) -> Result<Request, Errno> {
    const {
        assert!(matches!(
            OPCODE,
            SET_INTERFACE | GET_FLAGS | SET_FLAGS | SET_ADDRESS | SET_NETMASK | SET_MTU | GET_INDEX
        ));
    };
    // SAFETY: each of these requests, on a socket of IPv4 or on `/dev/net/tun`, reads and writes one `struct ifreq`, 40
    // bytes at most, and nothing else. `Request` has that size (asserted above), any bytes are valid in it, and it is
    // borrowed for the call alone. The `int` in TUNSETIFF's number is history: the kernel copies a `struct ifreq`
    // (netdevice(7), net/core/dev_ioctl.c, drivers/net/tun.c).
    unsafe { ioctl(file, Updater::<OPCODE, Request>::new(&mut request)) }?;
    Ok(request)
}

/// `struct sockaddr_in` (linux/in.h): family, port, address.
fn internet(ip: Ipv4Addr) -> [u8; 8] {
    let ([family_0, family_1], [a, b, c, d]) = (AddressFamily::INET.as_raw().to_ne_bytes(), ip.octets());
    [family_0, family_1, 0, 0, a, b, c, d]
}

fn socket(family: AddressFamily) -> Result<OwnedFd, Errno> {
    socket_with(family, SocketType::DGRAM, SocketFlags::CLOEXEC, None)
}

/// Calls `act` in the network namespace `namespace`, on a new thread, so that no other thread changes its
/// namespace.
pub(super) fn within<T: Send>(namespace: &OwnedFd, act: impl FnOnce() -> T + Send) -> Result<T, Errno> {
    thread::scope(|scope| {
        let inside = move || {
            move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network))?;
            Ok(act())
        };
        let thread = thread::Builder::new().spawn_scoped(scope, inside).map_err(|_| Errno::AGAIN)?;
        thread.join().unwrap_or(Err(Errno::AGAIN))
    })
}
