//! What the kernel shows of its PCI devices in files: [`Sysfs`].

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::address::{Address, DeviceId};
use crate::error::Error;
use crate::routes::DefaultRoutes;

/// The tree in which the kernel shows its PCI devices, `/sys/bus/pci`, or a directory that stands for it in tests.
#[derive(Debug, Clone)]
pub struct Sysfs {
    root: PathBuf,
    devices: PathBuf,
}

impl Default for Sysfs {
    /// That of the machine.
    fn default() -> Self {
        Self::new("/")
    }
}

/// What is known of a device without touching it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceInfo {
    /// Where it is.
    pub address: Address,
    /// What it is.
    pub id: DeviceId,
    /// What the maker of the card calls it, if the kernel says.
    pub subsystem: Option<DeviceId>,
    /// Class, subclass and programming interface in 24 bits (0x020000 is an Ethernet controller), if the kernel says.
    pub class: Option<u32>,
    /// The kernel driver that it is bound to.
    pub driver: Option<String>,
    /// Whether that driver, or one on the virtio bus behind it, uses the device. virtio-pci alone only passes it on: to
    /// nobody where virtio_net is missing or refused it.
    pub driven: bool,
    /// The NUMA node that it is attached to, if the machine has several and says so.
    pub numa_node: Option<u32>,
    /// How the IOMMU treats it, if one stands in front of it: `DMA` and `DMA-FQ` translate for the kernel and block all
    /// else, `identity` lets physical addresses through. See [`DeviceInfo::behind_iommu`].
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
    /// Whether an IOMMU stands in front of the device that does not let physical addresses through, so that memory which
    /// was not mapped in it cannot be reached.
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

/// IFF_UP of an interface's flags (netdevice(7)).
const IFF_UP: u64 = 1;

impl Sysfs {
    /// The tree below `root`: devices are looked for in `root/sys/bus/pci/devices`.
    pub fn new(root: impl AsRef<Path>) -> Self {
        let root = root.as_ref();
        Self { root: root.to_owned(), devices: root.join("sys/bus/pci/devices") }
    }

    /// What stands for `/`.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The directory of a device.
    pub fn path(&self, address: Address) -> PathBuf {
        self.devices.join(address.to_string())
    }

    /// All devices, in the order of their addresses. A device that vanishes meanwhile is left out.
    ///
    /// # Errors
    /// [`Error::Io`] when the directory cannot be read, and those of [`Sysfs::device`].
    pub fn devices(&self) -> Result<Vec<DeviceInfo>, Error> {
        let mut addresses = Vec::new();
        for name in names(&self.devices)? {
            match name.parse() {
                Ok(address) => addresses.push(address),
                Err(_) => tracing::debug!(%name, "an entry among the PCI devices that is no address"),
            }
        }
        addresses.sort();

        let known = addresses.into_iter().map(|address| self.device(address));
        known.filter(|device| !matches!(device, Err(Error::NoSuchDevice { .. }))).collect()
    }

    /// One device.
    ///
    /// # Errors
    /// [`Error::NoSuchDevice`]; [`Error::BadAttribute`] when a file of it is not as the kernel writes it.
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

/// The kernel driver that a device is bound to: the name of what the link `driver` leads to.
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

/// The devices of the virtio bus that a PCI device is passed on as.
fn virtio(device: &Path) -> Result<Vec<PathBuf>, Error> {
    let names = names(device)?.into_iter().filter(|name| name.starts_with("virtio"));
    Ok(names.map(|name| device.join(name)).collect())
}

/// The NUMA node of a device; the kernel writes -1 where it knows none.
fn numa_node(device: &Path) -> Result<Option<u32>, Error> {
    let path = device.join("numa_node");
    let Some(text) = read(&path)? else { return Ok(None) };
    let node: i32 = text.parse().map_err(|_| bad(&path, &text, "a NUMA node"))?;
    Ok(u32::try_from(node).ok())
}

/// The interfaces of a device. Those of virtio belong to a device of the virtio bus below the PCI device.
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
