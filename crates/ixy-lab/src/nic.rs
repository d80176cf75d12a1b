//! Network devices of a machine.

use std::path::{Path, PathBuf};

/// Which of its interfaces a virtio device offers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interface {
    /// Only that from before version 1: registers in a port BAR.
    Legacy,
    /// Both.
    Transitional,
    /// Only that of version 1: structures found through capabilities.
    Modern,
}

/// Where a device's frames go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Backend {
    /// To the test, which takes the other end with [`Guest::port`](crate::Guest::port).
    Test,
    /// To all devices of the same machine with the same number.
    Hub(u32),
    /// To the device of the same machine that has this name, and the device's own backend names this one.
    Peer(String),
    /// To a TAP interface with this number of queues, which QEMU creates; this needs CAP_NET_ADMIN.
    Tap(String, u16),
    /// Nowhere in QEMU: the device itself is another process's, which serves it over vfio-user at a socket.
    Served(PathBuf),
}

/// What a device is.
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
    /// Slot and function on the root bus: of the device, or of the port before it.
    pub(crate) place: (usize, usize),
}

impl Nic {
    /// A virtio device that the test calls `name`, with QEMU's own choice of features.
    pub fn virtio(name: impl Into<String>, interface: Interface, backend: Backend) -> Self {
        Self::new(name.into(), Model::Virtio(interface), backend, interface == Interface::Modern)
    }

    /// An Intel 82576 that the test calls `name`. It is behind a port: what it reserves for virtual functions
    /// would collide with a neighbour on the root bus.
    pub fn igb(name: impl Into<String>, backend: Backend) -> Self {
        Self::new(name.into(), Model::Igb, backend, true)
    }

    /// A device that is served over vfio-user at `socket`, where a server has to listen before the machine is
    /// booted.
    pub fn served(name: impl Into<String>, socket: &Path) -> Self {
        Self::new(name.into(), Model::Served, Backend::Served(socket.to_owned()), true)
    }

    fn new(name: String, model: Model, backend: Backend, behind_port: bool) -> Self {
        let (options, port_options) = (Vec::new(), String::new());
        Self { name, model, backend, options, port_options, behind_port, place: (0, 0) }
    }

    /// Sets options of QEMU's device, as `name=value` with commas in between: `mrg_rxbuf=off,packed=on`.
    #[must_use]
    pub fn options(mut self, options: &str) -> Self {
        self.options.extend(options.split(',').filter(|option| !option.is_empty()).map(Into::into));
        self
    }

    /// Puts the device behind a PCI Express port with these options, as modern ones and 82576s always are.
    #[must_use]
    pub fn behind_port(mut self, options: &str) -> Self {
        self.port_options = options.into();
        self.behind_port = true;
        self
    }

    /// QEMU's arguments, for the device `number` of a machine whose sockets are in `sockets`.
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
        // No boot ROM, which would only cost time.
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
            // An address of a socket can be given in JSON only.
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

    /// Finds the place of a device that is added to `others`. Ports share slots, whose function 0 must be
    /// there.
    pub(crate) fn find_place(&mut self, others: &[Self]) {
        let before = others.iter().filter(|nic| nic.behind_port == self.behind_port).count();
        // Of a PC's chip set, slots 0 and 0x1f are taken.
        let slot = before + 2;
        let slot = if slot < PORTS.start { slot } else { slot - PORTS.start + PORTS.end };
        self.place = if self.behind_port { (PORTS.start + before / 8, before % 8) } else { (slot, 0) };
    }

    /// The address of the device itself or of the port before it, as Linux writes it.
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
