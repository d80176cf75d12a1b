mod interface;

use std::{
    fmt,
    fs::File,
    net::IpAddr,
    os::fd::{AsFd, OwnedFd},
    path::Path,
    str::FromStr,
};

use interface::{Interface, Name};
use rustix::{
    fs::{Mode, OFlags, open},
    io::{Errno, read, write},
};

use super::{Wakes, Wire, WireError};

/// The longest frame that can be received, in bytes.
const LONGEST_FRAME: usize = 65_536;

/// The directory where `ip netns` keeps named network namespaces.
const NAMESPACES: &str = "/run/netns";

/// A TAP interface, and its set-up on opening.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TapSpec {
    /// The interface's name.
    pub name: String,
    /// Its network namespace: a name as `ip netns list` prints it, or a path such as `/proc/1/ns/net`. `None`:
    /// that of this process.
    pub namespace: Option<String>,
    /// Brings it up.
    pub up: bool,
    /// The largest packet that the system sends on it, in bytes without the Ethernet header, in
    /// [`MTUS`](Self::MTUS).
    pub mtu: Option<u16>,
    /// Addresses for the interface, at most one of IPv4 and one of IPv6. They also bring it up.
    pub addresses: Vec<InterfaceAddress>,
}

impl TapSpec {
    /// The values of [`mtu`](Self::mtu): from the least that IPv4 allows (RFC 791) to the most that the card receives.
    pub const MTUS: std::ops::RangeInclusive<u16> = 68..=1500;

    /// Checks that the text can be an interface name.
    pub(super) fn check_name(name: &str) -> Result<(), WireError> {
        Self::name_of(name).map(drop)
    }

    fn name_of(name: &str) -> Result<Name, WireError> {
        let expected =
            "an interface's name has 1 to 15 letters, digits or signs without blanks, `/`, `:`, `%`";
        let wrong = || WireError::Value { option: "tap", value: name.into(), expected };
        Name::new(name).ok_or_else(wrong)
    }

    /// An interface without set-up.
    pub fn named(name: impl Into<String>) -> Self {
        Self { name: name.into(), ..Self::default() }
    }
}

/// An interface address with the prefix length of its network, as in `10.0.0.1/24` or `fd00::1/64`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InterfaceAddress {
    ip: IpAddr,
    prefix: u8,
}

impl InterfaceAddress {
    /// `None` when the prefix is longer than the address.
    pub fn new(ip: IpAddr, prefix: u8) -> Option<Self> {
        let bits = if ip.is_ipv4() { 32 } else { 128 };
        (prefix <= bits).then_some(Self { ip, prefix })
    }

    /// Whether it is an IPv4 address, as opposed to IPv6.
    pub fn is_ipv4(self) -> bool {
        self.ip.is_ipv4()
    }
}

impl fmt::Display for InterfaceAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.ip, self.prefix)
    }
}

/// The error for text that is not an interface address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("write an address and the length of its prefix, such as 10.0.0.1/24 or fd00::1/64")]
pub struct ParseInterfaceAddressError;

impl FromStr for InterfaceAddress {
    type Err = ParseInterfaceAddressError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parse = || {
            let (ip, prefix) = text.split_once('/')?;
            Self::new(ip.parse().ok()?, prefix.parse().ok()?)
        };
        parse().ok_or(ParseInterfaceAddressError)
    }
}

/// A TAP interface: a network interface of the system with its cable plugged into the card. The card receives the
/// frames that the system sends on it, and the other way round.
///
/// Opening creates the interface if it does not exist, and it then goes away with the wire. Unless [`TapSpec`]
/// says otherwise it is down at first: `ip link set NAME up` brings it up. While it is down, or the card has no
/// link, the system drops frames sent to it. The system sees the card's link as the interface's carrier.
pub struct Tap {
    name: String,
    device: OwnedFd,
    buffer: Box<[u8]>,
    /// Length of the front frame in the buffer; 0 for none.
    front: usize,
    gone: bool,
    transmit_closed: bool,
    /// The system had no room for the last frame.
    blocked: bool,
    error: Option<String>,
}

impl Tap {
    /// Opens the interface and sets it up; creates it if needed.
    ///
    /// # Errors
    /// The name is not valid, there is no such namespace, the system has no TAP interfaces, or the permission to
    /// create or set one up is missing.
    pub fn open(spec: &TapSpec) -> Result<Self, WireError> {
        let TapSpec { name, namespace, .. } = spec;
        let expected =
            "an interface's name has 1 to 15 letters, digits or signs without blanks, `/`, `:`, `%`";
        let wrong = || WireError::Value { option: "tap", value: name.into(), expected };
        let interface = Name::new(name).ok_or_else(wrong)?;
        let device = match namespace {
            None => set_up(interface, spec)?,
            Some(namespace) => {
                let failed = |source| {
                    let problem = match namespace.contains('/') {
                        true => format!("cannot enter the network namespace {namespace}"),
                        false => format!(
                            "cannot enter the network namespace {namespace}; `ip netns list` lists those there are"
                        ),
                    };
                    WireError::Tap { name: name.into(), problem, source }
                };
                let file = File::open(Path::new(NAMESPACES).join(namespace)).map_err(failed)?;
                interface::within(&file, || set_up(interface, spec))
                    .map_err(|error| failed(error.into()))??
            }
        };
        Ok(Tap {
            name: name.into(),
            device,
            buffer: vec![0; LONGEST_FRAME].into(),
            front: 0,
            gone: false,
            transmit_closed: false,
            blocked: false,
            error: None,
        })
    }

    fn receive(&mut self) {
        if self.front > 0 || self.gone {
            return;
        }
        match read(&self.device, &mut *self.buffer) {
            Ok(length) => self.front = length,
            Err(Errno::AGAIN | Errno::INTR) => {}
            Err(error) => self.fail(error),
        }
    }

    /// Marks the interface as gone: it was removed, or failed otherwise.
    fn fail(&mut self, error: Errno) {
        self.gone = true;
        let name = self.name.clone();
        let problem = "the interface is gone".into();
        let error = WireError::Tap { name, problem, source: error.into() };
        self.error.get_or_insert_with(|| error.to_string());
    }
}

impl Wire for Tap {
    fn link_up(&mut self) -> bool {
        !self.gone
    }

    fn set_link(&mut self, up: bool) {
        if let Err(error) = interface::set_carrier(&self.device, up) {
            // Linux before 5.0 cannot. The interface then always has a carrier.
            tracing::debug!(tap = self.name, up, %error, "cannot show the link");
        }
    }

    fn front(&mut self) -> Option<&[u8]> {
        self.receive();
        self.buffer.get(..self.front).filter(|frame| !frame.is_empty())
    }

    fn consume(&mut self) {
        self.receive();
        self.front = 0;
    }

    fn transmit(&mut self, frame: &[u8]) -> bool {
        if frame.is_empty() || self.transmit_closed || self.gone {
            return true;
        }
        self.blocked = false;
        match write(&self.device, frame) {
            // EIO: the interface is down. EINVAL: the frame is shorter than Ethernet's header.
            Ok(_) | Err(Errno::IO | Errno::INVAL) => true,
            Err(Errno::AGAIN | Errno::INTR | Errno::NOBUFS | Errno::NOMEM) => {
                self.blocked = true;
                false
            }
            Err(error) => {
                self.fail(error);
                true
            }
        }
    }

    fn close_transmit(&mut self) {
        self.transmit_closed = true;
    }

    fn ended(&mut self) -> bool {
        self.gone && self.front == 0
    }

    fn error(&self) -> Option<String> {
        self.error.clone()
    }

    fn wakes(&self) -> Wakes<'_> {
        match (self.gone, self.blocked) {
            (true, _) => Wakes::NEVER,
            (_, true) => Wakes::SOON,
            // The frame at the front waits for a descriptor.
            _ if self.front > 0 => Wakes::NEVER,
            _ => Wakes::readable(self.device.as_fd()),
        }
    }
}

/// Opens the interface in the network namespace of this thread.
fn set_up(name: Name, spec: &TapSpec) -> Result<OwnedFd, WireError> {
    let failed = |problem: String| {
        move |error: Errno| WireError::Tap { name: spec.name.clone(), problem, source: error.into() }
    };
    let device = open("/dev/net/tun", OFlags::RDWR | OFlags::NONBLOCK | OFlags::CLOEXEC, Mode::empty());
    let device = device.map_err(|error| {
        let problem = match error {
            Errno::NOENT | Errno::NODEV | Errno::NXIO => {
                "cannot open /dev/net/tun; load the kernel's tun module: modprobe tun"
            }
            _ => "cannot open /dev/net/tun; give yourself the right to, or run as root",
        };
        failed(problem.into())(error)
    })?;
    interface::attach(&device, name).map_err(|error| {
        let name = &spec.name;
        let problem = match error {
            Errno::PERM | Errno::ACCESS => format!(
                "no permission (CAP_NET_ADMIN is needed); run as root, or make it once: \
                 ip tuntap add {name} mode tap user $USER"
            ),
            Errno::BUSY => "another program uses it; choose another name".into(),
            Errno::INVAL => "it is there and is no tap interface; choose another name".into(),
            _ => "cannot make it".into(),
        };
        failed(problem)(error)
    })?;

    let cannot = |what: String, command: String| {
        move |error| {
            let problem = match error {
                Errno::PERM | Errno::ACCESS => {
                    format!(
                        "cannot {what} (CAP_NET_ADMIN is needed); run as root, or do it once as root: ip {command}"
                    )
                }
                _ => format!("cannot {what}"),
            };
            failed(problem)(error)
        }
    };
    let TapSpec { name: text, up, mtu, addresses, .. } = spec;
    if mtu.is_none() && addresses.is_empty() && !up {
        return Ok(device);
    }
    let interface = Interface::open(name).map_err(failed("cannot set it up".into()))?;
    if let Some(mtu) = *mtu {
        let what = cannot(format!("set its MTU to {mtu}"), format!("link set {text} mtu {mtu}"));
        interface.set_mtu(mtu).map_err(what)?;
    }
    for address in addresses {
        let what = cannot(format!("give it {address}"), format!("addr add {address} dev {text}"));
        interface.set_address(*address).map_err(what)?;
    }
    let what = cannot("bring it up".into(), format!("link set {text} up"));
    if *up || !addresses.is_empty() {
        interface.bring_up().map_err(what)?;
    }
    Ok(device)
}
