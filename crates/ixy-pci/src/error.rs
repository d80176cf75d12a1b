//! What can go wrong with a PCI device.

use std::io;
use std::path::{Path, PathBuf};

use crate::address::{Address, DeviceId};
use crate::capability::BrokenList;

/// Why a device could not be found, taken or used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The text is not a PCI address.
    #[error(
        "`{text}` is not a PCI address, {why}: write it as lspci prints it, for instance 0000:03:00.0 or 03:00.0"
    )]
    BadAddress {
        /// The text.
        text: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The text is not a pair of vendor and device id.
    #[error(
        "`{text}` is not a vendor and device id: write four hexadecimal digits each, for instance 8086:10fb"
    )]
    BadDeviceId {
        /// The text.
        text: String,
    },
    /// There is no device of that address.
    #[error("there is no PCI device {address}: `{}` lists what there is", lspci(*vendor))]
    NoSuchDevice {
        /// The address asked for.
        address: Address,
        /// Where it would be.
        path: PathBuf,
        /// The vendor whose devices were looked for, if that is known.
        vendor: Option<u16>,
    },
    /// The device is none that the driver knows.
    #[error(
        "{address} is a device {found}, which the driver {driver} does not support (it supports {}): `lspci -nn -s {address}` shows what it is",
        list(supported)
    )]
    NotSupported {
        /// The device.
        address: Address,
        /// What it is.
        found: DeviceId,
        /// The name of the driver.
        driver: String,
        /// What the driver knows.
        supported: Vec<DeviceId>,
    },
    /// The device is bound to vfio-pci.
    #[error(
        "{address} is bound to vfio-pci, and can be opened without it only once it is released: run `echo {address} > /sys/bus/pci/drivers/vfio-pci/unbind`, then open it again"
    )]
    BoundToVfio {
        /// The device.
        address: Address,
    },
    /// No IOMMU stands in front of the device.
    #[error(
        "{address} is bound to vfio-pci and is in no IOMMU group, so no IOMMU is on: switch it on in the firmware (VT-d, AMD-Vi) and start the kernel with intel_iommu=on or amd_iommu=on; or release the device with `echo {address} > /sys/bus/pci/drivers/vfio-pci/unbind`, to reach it as root and without an IOMMU"
    )]
    NoIommuGroup {
        /// The device.
        address: Address,
    },
    /// The device's group cannot be opened.
    #[error("{address} cannot be reached through VFIO: {source}")]
    Vfio {
        /// The device.
        address: Address,
        /// Why not.
        source: ixy_dma::Error,
    },
    /// A request to vfio-pci failed.
    #[error("cannot {what} {address}: vfio-pci says {source}; `dmesg` may say more")]
    VfioRequest {
        /// The device.
        address: Address,
        /// What was asked for, as a verb.
        what: &'static str,
        /// The system's error.
        source: io::Error,
    },
    /// The device has no interrupts that could be used.
    #[error("{address} cannot interrupt: {why}; poll it instead")]
    NoInterrupts {
        /// The device.
        address: Address,
        /// Why not, for each kind of interrupts that was tried.
        why: String,
    },
    /// Another part of this process uses the interrupts.
    #[error("the interrupts of {address} are switched on already: drop what uses them first")]
    InterruptsInUse {
        /// The device.
        address: Address,
    },
    /// Taking the device would cut off a network interface that is up.
    #[error(
        "{address} is in use, its network interface {} is up: run `{}`, or take the device anyway with --force",
        interfaces.join(", "),
        link_down(interfaces)
    )]
    InterfaceUp {
        /// The device.
        address: Address,
        /// Its interfaces that are up.
        interfaces: Vec<String>,
    },
    /// Taking the device would cut this machine off.
    #[error(
        "{address} carries this machine's default route, through its network interface {interface}: choose another card"
    )]
    DefaultRoute {
        /// The device.
        address: Address,
        /// The interface.
        interface: String,
    },
    /// The device sleeps.
    #[error(
        "{address} is asleep, in the power state {state}, in which its registers do not answer: run `echo on | sudo tee {}`",
        path.display()
    )]
    Asleep {
        /// The device.
        address: Address,
        /// Its power state.
        state: String,
        /// The file that wakes it.
        path: PathBuf,
    },
    /// The files of the device are on a file system that is mounted read-only.
    #[error(
        "cannot write to {}, as sysfs is mounted read-only, which is how containers have it: start the container with `--privileged`, which gives it the whole machine, or bind {address} to vfio-pci and give the container `--device /dev/vfio/vfio --device /dev/vfio/GROUP --ulimit memlock=-1`; outside of a container run `sudo mount -o remount,rw /sys`",
        path.display()
    )]
    ReadOnly {
        /// The device.
        address: Address,
        /// The file.
        path: PathBuf,
    },
    /// A kernel driver for network devices is bound, yet no interface is to be seen here.
    #[error(
        "{address} is bound to the kernel driver {driver}, but no network interface of it is visible here, so another network namespace may be using it: unbind it with `echo {address} > /sys/bus/pci/drivers/{driver}/unbind`, or take the device anyway with --force"
    )]
    InterfaceHidden {
        /// The device.
        address: Address,
        /// The kernel driver.
        driver: String,
    },
    /// Another program, or this one, drives the device already.
    #[error(
        "{address} is already driven by another program, or was opened twice by this one ({} is locked): `lslocks` names the process; end it first",
        path.display()
    )]
    InUse {
        /// The device.
        address: Address,
        /// The file that is locked.
        path: PathBuf,
    },
    /// The system does not let this user do it.
    #[error("no permission to {what} {}, which is needed to drive {address}: run as root", path.display())]
    Permission {
        /// The device.
        address: Address,
        /// What was tried, as a verb.
        what: &'static str,
        /// The file.
        path: PathBuf,
    },
    /// The system forbids what even root asks for.
    #[error(
        "the system does not let even root {what} {}: a kernel that is locked down (secure boot) forbids it, see /sys/kernel/security/lockdown",
        path.display()
    )]
    Lockdown {
        /// What was tried, as a verb.
        what: &'static str,
        /// The file.
        path: PathBuf,
    },
    /// The kernel holds the registers for itself.
    #[error(
        "{} cannot be mapped: a kernel driver holds the registers of {address} for itself, so unbind it first; `lspci -k -s {address}` names it",
        path.display()
    )]
    BarExclusive {
        /// The device.
        address: Address,
        /// The file of the BAR.
        path: PathBuf,
    },
    /// The device has no such BAR.
    #[error(
        "{address} has no BAR {bar}, as its file resource{bar} does not exist: `lspci -v -s {address}` shows its regions"
    )]
    NoBar {
        /// The device.
        address: Address,
        /// The number of the BAR.
        bar: u8,
        /// The file that is missing.
        path: PathBuf,
    },
    /// The BAR is smaller than the driver's registers.
    #[error(
        "BAR {bar} of {address} is {size} bytes, the driver {driver} needs {needed}: this is not the device that its ids say, or its memory was not set up; `lspci -v -s {address}` shows its regions"
    )]
    BarTooSmall {
        /// The device.
        address: Address,
        /// The number of the BAR.
        bar: u8,
        /// Its size in bytes.
        size: u64,
        /// The bytes that the driver needs.
        needed: u64,
        /// The name of the driver.
        driver: String,
    },
    /// The BAR is a range of I/O ports, which cannot be mapped.
    #[error(
        "BAR {bar} of {address} is a range of I/O ports, not memory: it cannot be mapped; `lspci -v -s {address}` shows its regions"
    )]
    BarIsPorts {
        /// The device.
        address: Address,
        /// The number of the BAR.
        bar: u8,
    },
    /// The BAR is memory, and the driver's registers are behind I/O ports.
    #[error(
        "BAR {bar} of {address} is memory, and the driver {driver} needs a range of I/O ports there: this is not the device that its ids say; `lspci -v -s {address}` shows its regions"
    )]
    BarIsMemory {
        /// The device.
        address: Address,
        /// The number of the BAR.
        bar: u8,
        /// The name of the driver.
        driver: String,
    },
    /// Neither firmware nor kernel gave the BAR an address.
    #[error(
        "BAR {bar} of {address} has no address (its line in the file `resource` is marked as unset): start the kernel with pci=realloc, or give the bridge above it a larger window; `lspci -v -s {address}` shows its regions"
    )]
    BarUnassigned {
        /// The device.
        address: Address,
        /// The number of the BAR.
        bar: u8,
    },
    /// The list of capabilities could not be walked to its end.
    #[error(
        "the capability list of {address} {how}, so entries behind that cannot be found: the device, or what emulates it, is faulty; `lspci -vv -s {address}` shows the list"
    )]
    BrokenCapabilities {
        /// The device.
        address: Address,
        /// Where it goes wrong.
        how: BrokenList,
    },
    /// Interrupt messages cannot be switched off.
    #[error(
        "{what} of {address} stays on (its Message Control reads {found:#06x}): its interrupts would reach a kernel that expects none; unbind what uses the device (`lspci -k -s {address}`), or power-cycle it"
    )]
    MessagesRefused {
        /// The device.
        address: Address,
        /// `MSI` or `MSI-X`.
        what: &'static str,
        /// What the register reads.
        found: u16,
    },
    /// The kernel hides this part of the configuration space from an ordinary user.
    #[error(
        "offset {offset:#x} of the configuration space of {address} cannot be read: only its first 64 bytes are visible to an ordinary user; run as root"
    )]
    ConfigHidden {
        /// The device.
        address: Address,
        /// The offset in bytes.
        offset: u16,
    },
    /// The access is outside of the configuration space.
    #[error(
        "offset {offset:#x} of {address} ({width} bytes) is outside of its configuration space of {len} bytes"
    )]
    ConfigBounds {
        /// The device.
        address: Address,
        /// The offset in bytes.
        offset: u16,
        /// Bytes to be accessed.
        width: usize,
        /// The size of the configuration space in bytes.
        len: u16,
    },
    /// A multi-byte access that is not aligned to its size.
    #[error("offset {offset:#x} of the configuration space of {address} is not a multiple of {width}")]
    ConfigUnaligned {
        /// The device.
        address: Address,
        /// The offset in bytes.
        offset: u16,
        /// Bytes to be accessed.
        width: usize,
    },
    /// The device no longer answers.
    #[error(
        "{address} does not answer (its configuration space reads all ones): it was removed or lost its power; `lspci -s {address}` shows whether it is there"
    )]
    Gone {
        /// The device.
        address: Address,
    },
    /// Bits of the command register do not stay as they were written.
    #[error(
        "the command register of {address} reads {found:#06x} after {wanted:#06x} was written to it: the device or the system does not allow it; `lspci -v -s {address}` shows its control flags"
    )]
    CommandRefused {
        /// The device.
        address: Address,
        /// The value written.
        wanted: u16,
        /// The value read back.
        found: u16,
    },
    /// A file of sysfs does not hold what it should.
    #[error("{} holds `{}`, which is not {expected}", path.display(), found.escape_debug())]
    BadAttribute {
        /// The file.
        path: PathBuf,
        /// Its contents.
        found: String,
        /// What it should hold.
        expected: &'static str,
    },
    /// The operating system refused.
    #[error("cannot {what} {}: {source}", path.display())]
    Io {
        /// What was tried, as a verb.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
}

impl Error {
    /// An error of the operating system on a file.
    pub(crate) fn io(what: &'static str, path: &Path, source: impl Into<io::Error>) -> Self {
        Self::Io { what, path: path.to_owned(), source: source.into() }
    }

    /// An error of the operating system on a file of a device that is being taken: a lack of permission is named.
    pub(crate) fn access(
        what: &'static str,
        address: Address,
        path: &Path,
        source: impl Into<io::Error>,
    ) -> Self {
        let source = source.into();
        match source.kind() {
            io::ErrorKind::PermissionDenied => Self::Permission { address, what, path: path.to_owned() },
            io::ErrorKind::ReadOnlyFilesystem => Self::ReadOnly { address, path: path.to_owned() },
            _ => Self::io(what, path, source),
        }
    }
}

/// The command that lists a vendor's devices, or all.
fn lspci(vendor: Option<u16>) -> String {
    match vendor {
        Some(vendor) => format!("lspci -nn -d {vendor:04x}:"),
        None => "lspci -nn".to_owned(),
    }
}

/// Ids in one line.
fn list(ids: &[DeviceId]) -> String {
    ids.iter().map(DeviceId::to_string).collect::<Vec<_>>().join(", ")
}

/// The command that takes the interfaces down.
fn link_down(interfaces: &[String]) -> String {
    interfaces.iter().map(|name| format!("ip link set {name} down")).collect::<Vec<_>>().join("; ")
}
