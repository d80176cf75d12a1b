//! Network devices of a machine.

use std::path::{Path, PathBuf};

/// The interfaces that a virtio device offers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interface {
    /// Only the legacy one: registers in a port BAR.
    Legacy,
    /// Both.
    Transitional,
    /// Only the modern one: structures found through capabilities.
    Modern,
}

/// The destination of a device's frames.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Backend {
    /// The test, which takes the other end with [`Guest::port`](crate::Guest::port).
    Test,
    /// All devices of the same machine with the same number.
    Hub(u32),
    /// The device of this name in the same machine, whose own backend names this one.
    Peer(String),
    /// A TAP interface with this number of queues, which QEMU creates; this needs CAP_NET_ADMIN.
    Tap(String, u16),
    /// None in QEMU: another process serves the device itself over vfio-user at a socket.
    Served(PathBuf),
}

/// The model of a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Model {
    Virtio(Interface),
    Igb,
    Served,
}

/// A network device.
#[derive(Debug, Clone)]
pub struct Nic {
    pub(crate) name: String,
    model: Model,
    pub(crate) backend: Backend,
    pub(crate) options: Vec<String>,
    pub(crate) port_options: String,
    pub(crate) behind_port: bool,
    /// Slot and function on the root bus, of the device or the port before it.
    pub(crate) place: (usize, usize),
}

impl Nic {
    /// A virtio device with the name `name`, and QEMU's own choice of features.
    pub fn virtio(name: impl Into<String>, interface: Interface, backend: Backend) -> Self {
        Self::new(name.into(), Model::Virtio(interface), backend, interface == Interface::Modern)
    }

    /// An Intel 82576 with the name `name`. It is behind a port: on the root bus, the addresses it reserves for
    /// virtual functions would collide with a neighbour.
    pub fn igb(name: impl Into<String>, backend: Backend) -> Self {
        Self::new(name.into(), Model::Igb, backend, true)
    }

    /// A device served over vfio-user at `socket`. The server has to listen before the machine boots.
    pub fn served(name: impl Into<String>, socket: &Path) -> Self {
        Self::new(name.into(), Model::Served, Backend::Served(socket.to_owned()), true)
    }

    fn new(name: String, model: Model, backend: Backend, behind_port: bool) -> Self {
        let (options, port_options) = (Vec::new(), String::new());
        Self { name, model, backend, options, port_options, behind_port, place: (0, 0) }
    }

    /// Sets options of QEMU's device, as `name=value` separated by commas: `mrg_rxbuf=off,packed=on`.
    #[must_use]
    pub fn options(mut self, options: &str) -> Self {
        self.options.extend(options.split(',').filter(|option| !option.is_empty()).map(Into::into));
        self
    }

    /// Puts the device behind a PCI Express port with these options. Modern devices and 82576s always are.
    #[must_use]
    pub fn behind_port(mut self, options: &str) -> Self {
        self.port_options = options.into();
        self.behind_port = true;
        self
    }

    /// QEMU's arguments for device `number` of a machine with its sockets in `sockets`.
    pub(crate) fn arguments(&self, number: usize, sockets: &Path) -> Vec<String> {
        let name = &self.name;
        let datagrams = |remote: &str| {
            let path = |end: &str| sockets.join(end).display().to_string();
            let (local, remote) = (path(&format!("{name}.guest")), path(remote));
            format!(
                "dgram,id=net-{name},local.type=unix,local.path={local},remote.type=unix,remote.path={remote}"
            )
        };
        let backend = match &self.backend {
            Backend::Test => datagrams(&format!("{name}.test")),
            Backend::Peer(peer) => datagrams(&format!("{peer}.guest")),
            Backend::Hub(hub) => format!("hubport,id=net-{name},hubid={hub}"),
            Backend::Tap(interface, queues) => {
                format!("tap,id=net-{name},ifname={interface},script=no,downscript=no,queues={queues}")
            }
            Backend::Served(_) => String::new(),
        };
        let model = match self.model {
            Model::Virtio(Interface::Legacy) => "virtio-net-pci,disable-modern=on,disable-legacy=off",
            Model::Virtio(Interface::Transitional) => "virtio-net-pci,disable-modern=off,disable-legacy=off",
            Model::Virtio(Interface::Modern) => "virtio-net-pci,disable-modern=off,disable-legacy=on",
            Model::Igb => "igb",
            Model::Served => "vfio-user-pci",
        };
        let place = format!("{:#x}.{}", self.place.0, self.place.1);
        // No boot ROM: it would only cost time.
        let mut device = format!("{model},id={name},netdev=net-{name},mac={},romfile=", mac(number));
        let mut arguments = match backend.is_empty() {
            true => Vec::new(),
            false => vec!["-netdev".into(), backend],
        };
        if self.behind_port {
            let mut port =
                format!("pcie-root-port,id=port-{name},chassis={},addr={place},multifunction=on", number + 1);
            if !self.port_options.is_empty() {
                port = format!("{port},{}", self.port_options);
            } else if self.model == Model::Virtio(Interface::Modern) {
                // There is not enough I/O space for all ports, and these need none.
                port.push_str(",io-reserve=0");
            }
            arguments.extend(["-device".into(), port]);
            device = format!("{device},bus=port-{name}");
        } else {
            device = format!("{device},bus=pcie.0,addr={place}");
        }
        self.options.iter().for_each(|option| device = format!("{device},{option}"));
        if let Backend::Served(socket) = &self.backend {
            // QEMU accepts the address of a socket in JSON only.
            let path = socket.display().to_string().replace('\\', "\\\\").replace('"', "\\\"");
            device = format!(
                r#"{{"driver":"{model}","id":"{name}","bus":"port-{name}","socket":{{"type":"unix","path":"{path}"}}}}"#
            );
        }
        arguments.extend(["-device".into(), device]);
        arguments
    }

    /// Whether another process has to reach the machine's memory for it.
    pub(crate) fn is_served(&self) -> bool {
        self.model == Model::Served
    }

    /// Chooses the place of a device that is added to `others`. Ports share slots, and a slot needs its function
    /// 0.
    pub(crate) fn find_place(&mut self, others: &[Self]) {
        let before = others.iter().filter(|nic| nic.behind_port == self.behind_port).count();
        // A PC's chip set uses slots 0 and 0x1f.
        let slot = before + 2;
        let slot = if slot < PORTS.start { slot } else { slot - PORTS.start + PORTS.end };
        self.place = if self.behind_port { (PORTS.start + before / 8, before % 8) } else { (slot, 0) };
    }

    /// The address of the device itself or of the port before it, in Linux's notation.
    pub(crate) fn root_address(&self) -> String {
        format!("0000:00:{:02x}.{}", self.place.0, self.place.1)
    }
}

/// Slots for ports.
const PORTS: std::ops::Range<usize> = 0x10..0x14;

/// The MAC address of the device `number`, locally administered.
pub(crate) fn mac(number: usize) -> String {
    format!("52:54:00:00:00:{:02x}", number + 1)
}
