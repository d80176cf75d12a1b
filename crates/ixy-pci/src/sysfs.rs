//! The kernel's files about its PCI devices: [`Sysfs`].

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::address::{Address, DeviceId};
use crate::error::Error;
use crate::routes::DefaultRoutes;

/// The directory tree of the kernel's PCI devices, `/sys/bus/pci`, or another tree in its place for tests.
#[derive(Debug, Clone)]
pub struct Sysfs {
    root: PathBuf,
    devices: PathBuf,
}

impl Default for Sysfs {
    /// The tree of this machine.
    fn default() -> Self {
        Self::new("/")
    }
}

/// The properties of a device that can be found without touching it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceInfo {
    /// Its address.
    pub address: Address,
    /// Its vendor and device id.
    pub id: DeviceId,
    /// The subsystem ids by the maker of the card, if the kernel shows them.
    pub subsystem: Option<DeviceId>,
    /// Class, subclass and programming interface in 24 bits (0x020000 is an Ethernet controller), if the kernel
    /// shows them.
    pub class: Option<u32>,
    /// The kernel driver that it is bound to.
    pub driver: Option<String>,
    /// Whether that driver, or one on the virtio bus behind it, uses the device. virtio-pci alone does not:
    /// without virtio_net behind it, the device has no user.
    pub driven: bool,
    /// The NUMA node of the device, if the machine has several and reports it.
    pub numa_node: Option<u32>,
    /// The mode of the IOMMU in front of it, if any: `DMA` and `DMA-FQ` translate for the kernel and block all
    /// else, `identity` passes physical addresses. See [`DeviceInfo::behind_iommu`].
    pub iommu: Option<String>,
    /// Its network interfaces in the network namespace that this tree was mounted from.
    pub interfaces: Vec<Interface>,
}

/// A network interface of a device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interface {
    /// Its name, for instance `eth0`.
    pub name: String,
    /// Whether it is up, with or without a link.
    pub up: bool,
    /// Whether a default route leads through it, or through a bridge, a bond or a VLAN above it.
    pub default_route: bool,
}

impl DeviceInfo {
    /// Whether the device is behind an IOMMU that blocks physical addresses, so that it reaches only memory mapped
    /// in the IOMMU.
    pub fn behind_iommu(&self) -> bool {
        matches!(self.iommu.as_deref(), Some("DMA" | "DMA-FQ" | "blocked" | "unmanaged"))
    }

    /// Whether it is a network controller by its class.
    pub fn is_network(&self) -> bool {
        self.class.is_some_and(|class| class >> 16 == CLASS_NETWORK)
    }
}

/// Network controllers, in the upper 8 of the 24 bits of a class.
const CLASS_NETWORK: u32 = 0x02;

/// The flag IFF_UP of an interface (netdevice(7)).
const IFF_UP: u64 = 1;

impl Sysfs {
    /// The tree below `root`: devices are in `root/sys/bus/pci/devices`.
    pub fn new(root: impl AsRef<Path>) -> Self {
        let root = root.as_ref();
        Self { root: root.to_owned(), devices: root.join("sys/bus/pci/devices") }
    }

    /// The directory in place of `/`.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The directory of a device.
    pub fn path(&self, address: Address) -> PathBuf {
        self.devices.join(address.to_string())
    }

    /// All devices, in the order of their addresses. A device that vanishes in the meantime is left out, and one that
    /// [`Sysfs::device`] cannot read is left out with a warning.
    ///
    /// # Errors
    /// [`Error::Io`] when the directory cannot be read.
    pub fn devices(&self) -> Result<Vec<DeviceInfo>, Error> {
        let mut addresses = Vec::new();
        for name in names(&self.devices)? {
            match name.parse() {
                Ok(address) => addresses.push(address),
                Err(_) => tracing::debug!(%name, "an entry among the PCI devices that is no address"),
            }
        }
        addresses.sort();

        let known = addresses.into_iter().filter_map(|address| {
            let device = self.device(address);
            // A device may be removed meanwhile.
            let gone = device.is_err() && !self.path(address).is_dir();
            device
                .inspect_err(|error| {
                    if !gone {
                        tracing::warn!("a device is left out: {error}")
                    }
                })
                .ok()
        });
        Ok(known.collect())
    }

    /// One device.
    ///
    /// # Errors
    /// [`Error::NoSuchDevice`]; [`Error::BadAttribute`] when a file has an unexpected content.
    pub fn device(&self, address: Address) -> Result<DeviceInfo, Error> {
        let path = self.path(address);
        if !path.is_dir() {
            return Err(Error::NoSuchDevice { address, path, vendor: None });
        }
        let subsystem = id(&path, "subsystem_vendor")?.zip(id(&path, "subsystem_device")?);
        Ok(DeviceInfo {
            address,
            id: DeviceId::new(required(&path, "vendor")?, required(&path, "device")?),
            subsystem: subsystem.map(|(vendor, device)| DeviceId::new(vendor, device)),
            class: number(&path, "class")?.and_then(|class| u32::try_from(class).ok()),
            driver: driver(&path)?,
            driven: driven(&path)?,
            numa_node: numa_node(&path)?,
            iommu: read(&path.join("iommu_group/type"))?,
            interfaces: interfaces(&path, &self.root)?,
        })
    }
}

/// The kernel driver that a device is bound to: the name of its link `driver`'s target.
fn driver(device: &Path) -> Result<Option<String>, Error> {
    let link = device.join("driver");
    match fs::read_link(&link) {
        Ok(target) => Ok(target.file_name().map(|name| name.to_string_lossy().into_owned())),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(Error::io("read the link", &link, e)),
    }
}

/// Whether a kernel driver uses a device, directly or through the virtio bus.
fn driven(device: &Path) -> Result<bool, Error> {
    let passed_on = virtio(device)?;
    if passed_on.is_empty() {
        return Ok(driver(device)?.is_some());
    }
    passed_on.iter().try_fold(false, |driven, device| Ok(driven || driver(device)?.is_some()))
}

/// The virtio bus devices of a PCI device.
fn virtio(device: &Path) -> Result<Vec<PathBuf>, Error> {
    let names = names(device)?.into_iter().filter(|name| name.starts_with("virtio"));
    Ok(names.map(|name| device.join(name)).collect())
}

/// The NUMA node of a device; the kernel writes -1 when it does not know.
fn numa_node(device: &Path) -> Result<Option<u32>, Error> {
    let path = device.join("numa_node");
    let Some(text) = read(&path)? else { return Ok(None) };
    let node: i32 = text.parse().map_err(|_| bad(&path, &text, "a NUMA node"))?;
    Ok(u32::try_from(node).ok())
}

/// The interfaces of a device. Those of virtio belong to a device on the virtio bus below the PCI device.
fn interfaces(device: &Path, root: &Path) -> Result<Vec<Interface>, Error> {
    let mut all = Vec::new();
    let mut routes = None;
    for net in virtio(device)?.iter().map(PathBuf::as_path).chain([device]).map(|owner| owner.join("net")) {
        if !net.is_dir() {
            continue;
        }
        for name in names(&net)? {
            let path = net.join(&name);
            let flagged = number(&path, "flags")?.is_some_and(|flags| flags & IFF_UP != 0);
            let running = read(&path.join("operstate"))?.is_some_and(|state| state == "up");
            let routes = routes.get_or_insert_with(|| DefaultRoutes::read(root));
            let default_route = routes.lead_through(&name, &path);
            all.push(Interface { name, up: flagged || running, default_route });
        }
    }
    Ok(all)
}

/// The sorted names in a directory.
pub(crate) fn names(directory: &Path) -> Result<Vec<String>, Error> {
    let failed = |e| Error::io("list the directory", directory, e);
    let entries = fs::read_dir(directory).map_err(failed)?;
    let mut names = entries
        .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
        .collect::<Result<Vec<_>, io::Error>>()
        .map_err(failed)?;
    names.sort();
    Ok(names)
}

/// A file of 16 bits that every device has.
fn required(device: &Path, name: &str) -> Result<u16, Error> {
    let path = device.join(name);
    id(device, name)?.ok_or_else(|| Error::io("read", &path, io::Error::from(io::ErrorKind::NotFound)))
}

/// A file of 16 bits.
fn id(device: &Path, name: &str) -> Result<Option<u16>, Error> {
    let Some(value) = number(device, name)? else { return Ok(None) };
    let wide = || bad(&device.join(name), &format!("{value:#x}"), "a number of 16 bits");
    u16::try_from(value).map(Some).map_err(|_| wide())
}

/// A file that holds a hexadecimal number.
fn number(directory: &Path, name: &str) -> Result<Option<u64>, Error> {
    let path = directory.join(name);
    let Some(text) = read(&path)? else { return Ok(None) };
    let parsed = text.strip_prefix("0x").and_then(|digits| u64::from_str_radix(digits, 16).ok());
    parsed.map(Some).ok_or_else(|| bad(&path, &text, "a hexadecimal number"))
}

/// The contents of a small file, without the line feed; `None` when there is no such file.
pub(crate) fn read(path: &Path) -> Result<Option<String>, Error> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text.trim_end().to_owned())),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(Error::io("read", path, e)),
    }
}

/// A file with unexpected contents.
pub(crate) fn bad(path: &Path, found: &str, expected: &'static str) -> Error {
    Error::BadAttribute { path: path.to_owned(), found: found.to_owned(), expected }
}
