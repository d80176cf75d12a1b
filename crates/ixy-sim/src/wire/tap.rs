mod interface;

use std::{
    fmt, mem,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
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

    /// The smallest MTU with which the system takes an IPv6 address (RFC 8200, section 5).
    const LEAST_FOR_IPV6: u16 = 1280;

    /// Refuses what no interface can have.
    pub(super) fn check(&self) -> Result<(), WireError> {
        Self::check_name(&self.name)?;
        self.addresses.iter().try_for_each(|address| address.check())?;
        match self.mtu {
            Some(mtu) if mtu < Self::LEAST_FOR_IPV6 && self.has_ipv6() => {
                let expected = "an IPv6 address needs an MTU from 1280 to 1500; raise mtu=, or leave the IPv6 address out";
                Err(WireError::Value { option: "mtu", value: mtu.to_string(), expected })
            }
            _ => Ok(()),
        }
    }

    fn has_ipv6(&self) -> bool {
        self.addresses.iter().any(|address| !address.is_ipv4())
    }

    /// Checks that the text can be an interface name.
    pub(super) fn check_name(name: &str) -> Result<(), WireError> {
        Self::name_of(name).map(drop)
    }

    fn name_of(name: &str) -> Result<Name, WireError> {
        let expected = "write 1 to 15 letters, digits or signs, without blanks, `/`, `:` and `%`";
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

    /// Refuses addresses that the system gives to no TAP interface.
    pub(super) fn check(&self) -> Result<(), WireError> {
        let expected = match self.ip {
            ip if ip.is_multicast() => {
                "it is a multicast address; write the address of one interface, such as 10.0.0.1/24"
            }
            ip if ip.is_unspecified() => {
                "it is no interface's address; write one such as 10.0.0.1/24 or fd00::1/64"
            }
            IpAddr::V4(Ipv4Addr::BROADCAST) => {
                "it is the broadcast address; write the address of one interface, such as 10.0.0.1/24"
            }
            IpAddr::V6(Ipv6Addr::LOCALHOST) => {
                "it is the loopback address; write another, such as fd00::1/64"
            }
            _ => return Ok(()),
        };
        Err(WireError::Value { option: "addr", value: self.to_string(), expected })
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
    namespace: Option<String>,
    device: OwnedFd,
    buffer: Box<[u8]>,
    /// Length of the front frame in the buffer; 0 for none.
    front: usize,
    gone: bool,
    transmit_closed: bool,
    /// The system had no room for the last frame.
    blocked: bool,
    /// The system dropped the last frame, as the interface was down.
    down: bool,
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
        spec.check()?;
        let interface = TapSpec::name_of(name)?;
        let device = match namespace {
            None => set_up(interface, spec)?,
            Some(namespace) => {
                let failed =
                    |error| WireError::Tap { name: name.into(), problem: not_entered(namespace, error) };
                let flags = OFlags::RDONLY | OFlags::CLOEXEC;
                let file =
                    open(Path::new(NAMESPACES).join(namespace), flags, Mode::empty()).map_err(failed)?;
                interface::within(&file, || set_up(interface, spec)).map_err(failed)??
            }
        };
        Ok(Tap {
            name: name.into(),
            namespace: namespace.clone(),
            device,
            buffer: vec![0; LONGEST_FRAME].into(),
            front: 0,
            gone: false,
            transmit_closed: false,
            blocked: false,
            down: false,
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

    /// What to say when the interface is down.
    fn is_down(&self) -> String {
        let Self { name, namespace, .. } = self;
        let inside = namespace.as_ref().map_or_else(String::new, |namespace| format!("-n {namespace} "));
        format!(
            "tap {name}: the interface is down, so frames that are sent to it are lost; bring it up: \
             ip {inside}link set {name} up, or write sim:tap={name},up"
        )
    }

    /// Marks the interface as gone: it was removed, or failed otherwise.
    fn fail(&mut self, error: Errno) {
        self.gone = true;
        let problem = format!("the interface is gone ({error}); start the program again");
        let error = WireError::Tap { name: self.name.clone(), problem };
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
            Ok(_) => {
                self.down = false;
                true
            }
            // The frame is shorter than Ethernet's header.
            Err(Errno::INVAL) => true,
            // The interface is down.
            Err(Errno::IO) => {
                if !mem::replace(&mut self.down, true) {
                    tracing::warn!("{}", self.is_down());
                }
                true
            }
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

/// Why a network namespace cannot be entered, and the way out.
fn not_entered(namespace: &str, error: Errno) -> String {
    let way_out = match error {
        Errno::PERM | Errno::ACCESS => "run as root",
        _ if namespace.contains('/') => "check the path",
        _ => "`ip netns list` shows those there are, and `ip netns add` makes one",
    };
    let why = if error == Errno::NOENT { "it does not exist".into() } else { error.to_string() };
    format!("cannot enter the network namespace {namespace}: {why}; {way_out}")
}

/// Opens the interface in the network namespace of this thread.
fn set_up(name: Name, spec: &TapSpec) -> Result<OwnedFd, WireError> {
    let failed = |problem: String| WireError::Tap { name: spec.name.clone(), problem };
    let device = open("/dev/net/tun", OFlags::RDWR | OFlags::NONBLOCK | OFlags::CLOEXEC, Mode::empty());
    let device = device.map_err(|error| {
        let way_out = match error {
            Errno::NOENT | Errno::NODEV | Errno::NXIO => "load the kernel's tun module: modprobe tun",
            _ => "run as root, or have root let you read and write that file",
        };
        failed(format!("cannot open /dev/net/tun: {error}; {way_out}"))
    })?;
    interface::attach(&device, name).map_err(|error| {
        let name = &spec.name;
        failed(match error {
            Errno::PERM | Errno::ACCESS => format!(
                "no permission (CAP_NET_ADMIN is needed); run as root, or make it once: \
                 ip tuntap add {name} mode tap user $USER"
            ),
            Errno::BUSY => "another program uses it; choose another name".into(),
            Errno::INVAL => {
                "an interface of this name exists and is no TAP interface; choose another name".into()
            }
            _ => format!("cannot make it: {error}"),
        })
    })?;

    let cannot = |what: String, command: String| {
        move |error| {
            failed(match error {
                Errno::PERM | Errno::ACCESS => {
                    format!(
                        "cannot {what} (CAP_NET_ADMIN is needed); run as root, or do it once as root: ip {command}"
                    )
                }
                _ => format!("cannot {what}: {error}"),
            })
        }
    };
    let TapSpec { name: text, up, mtu, addresses, .. } = spec;
    if mtu.is_none() && addresses.is_empty() && !up {
        return Ok(device);
    }
    let interface = Interface::open(name).map_err(|error| failed(format!("cannot set it up: {error}")))?;
    if let Some(mtu) = *mtu {
        let what = cannot(format!("set its MTU to {mtu}"), format!("link set {text} mtu {mtu}"));
        interface.set_mtu(mtu).map_err(what)?;
    }
    for address in addresses {
        let what = cannot(format!("give it {address}"), format!("addr add {address} dev {text}"));
        interface.set_address(*address).map_err(|error| match error {
            // The MTU is one that the interface had before.
            Errno::INVAL if !address.is_ipv4() => {
                failed(format!("cannot give it {address}: its MTU is too small for IPv6; add mtu=1500"))
            }
            Errno::ACCESS if !address.is_ipv4() => failed(format!(
                "cannot give it {address}: IPv6 is switched off on this machine; leave that address out, or switch \
                 IPv6 on: sysctl net.ipv6.conf.all.disable_ipv6=0"
            )),
            error => what(error),
        })?;
    }
    let what = cannot("bring it up".into(), format!("link set {text} up"));
    if *up || !addresses.is_empty() {
        interface.bring_up().map_err(what)?;
    }
    Ok(device)
}
