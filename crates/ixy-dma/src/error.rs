//! Errors about memory for devices.

use std::path::PathBuf;

use crate::domain::Iova;
use crate::physical::PageSize;

/// The reason why memory could not be allocated, mapped or used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A request for no memory at all.
    #[error(
        "cannot allocate {size} bytes of DMA memory: ask for at least one byte and an alignment that is a power of two"
    )]
    BadRequest {
        /// Bytes asked for.
        size: usize,
    },
    /// The piece does not fit into memory that is contiguous for the device.
    #[error(
        "{len} bytes do not fit into DMA memory that is contiguous for the device (the largest piece has {largest} bytes): use larger pages or a smaller ring"
    )]
    NotContiguous {
        /// Bytes wanted in one piece.
        len: usize,
        /// The largest piece there is.
        largest: usize,
    },
    /// Memory of one domain cannot be reached from another.
    #[error("memory of {from} cannot be mapped into {into}: {why}")]
    CannotShare {
        /// The domain that the memory came from.
        from: String,
        /// The domain that refused it.
        into: String,
        /// What stands in the way.
        why: String,
    },
    /// Two mappings of different memory at the same address.
    #[error("the range of {len} bytes at {iova} is already in use in {domain}")]
    Overlap {
        /// First address of the range.
        iova: Iova,
        /// Its length in bytes.
        len: usize,
        /// The domain.
        domain: String,
    },
    /// There are too few free hugepages.
    #[error(
        "{wanted} hugepages of {page} are needed and {free} are free{}: as root, run `scripts/setup-hugepages --size {page}{} --count {suggested}` or `echo {suggested} > {}`",
        at_node(*node, " on NUMA node "),
        at_node(*node, " --node "),
        setting.display()
    )]
    NoHugepages {
        /// How many are needed.
        wanted: u64,
        /// Their size.
        page: PageSize,
        /// How many are free and not reserved.
        free: u64,
        /// The NUMA node that they have to be on, if there is a choice.
        node: Option<u32>,
        /// The number of all hugepages that would be enough.
        suggested: u64,
        /// The file that sets their number.
        setting: PathBuf,
    },
    /// A control group of this process allows fewer hugepages.
    #[error(
        "{wanted} hugepages of {page} are needed and {allowed} are allowed: the control group of this process is limited to {limit} bytes ({}); a container gets more with `--cgroup-conf=hugetlb.{}.max=max` (podman) or a limit on {} (Kubernetes), elsewhere root raises the limit there",
        file.display(),
        in_cgroup(*page),
        in_kubernetes(*page)
    )]
    HugepageLimit {
        /// How many are needed.
        wanted: u64,
        /// Their size.
        page: PageSize,
        /// How many more the group may have.
        allowed: u64,
        /// Bytes that the group may have in all.
        limit: u64,
        /// The file that sets the limit.
        file: PathBuf,
    },
    /// This kernel or processor has no hugepages of that size.
    #[error(
        "this system has no hugepages of {page} ({} does not exist): use a kernel that has them (CONFIG_HUGETLBFS), or another page size",
        path.display()
    )]
    NoSuchPageSize {
        /// The size.
        page: PageSize,
        /// The directory where the kernel would show them.
        path: PathBuf,
    },
    /// There is no such NUMA node.
    #[error(
        "there is no NUMA node {node} to take memory from (the nodes online are {online}): choose one of those"
    )]
    NoSuchNode {
        /// The node asked for.
        node: u32,
        /// The nodes that there are, as the kernel lists them.
        online: String,
    },
    /// The kernel does not tell where memory is.
    #[error(
        "the kernel does not tell this process the physical address of its memory at {address:#x} ({}: frame number zero, or not readable), for which CAP_SYS_ADMIN is needed: run as root; a container needs `--cap-add=SYS_ADMIN` (podman, docker), with which it can take over the machine, or a card that is bound to vfio-pci, which needs no such addresses",
        path.display()
    )]
    FrameHidden {
        /// The address in this process.
        address: u64,
        /// The file that should tell it.
        path: PathBuf,
    },
    /// Memory that was touched is not there.
    #[error(
        "the memory at {address:#x} is not present ({} has {entry:#018x} for it), although it was touched: the system took it away; free memory or end the program that does this",
        path.display()
    )]
    FrameAbsent {
        /// The address in this process.
        address: u64,
        /// What the kernel says about it.
        entry: u64,
        /// The file that says it.
        path: PathBuf,
    },
    /// The kernel's VFIO is not there.
    #[error(
        "{} cannot be used ({source}): VFIO is missing; as root, run `modprobe -a vfio-pci vfio_iommu_type1`, and give it to a container with `--device /dev/vfio/vfio`",
        path.display()
    )]
    NoVfio {
        /// The file that containers come from.
        path: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
    /// VFIO has no driver for this machine's IOMMU.
    #[error("VFIO has no driver for an IOMMU here (type1v2): as root, run `modprobe vfio_iommu_type1`")]
    NoVfioIommu,
    /// No device of the group is bound to vfio-pci.
    #[error(
        "{} cannot be opened ({source}): no device of IOMMU group {group} is bound to vfio-pci, or that module is missing (`modprobe vfio-pci`), or this container was not given the file (`--device /dev/vfio/{group}`)",
        path.display()
    )]
    NoVfioGroup {
        /// The number of the group.
        group: u32,
        /// The file that would stand for it.
        path: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
    /// The group is there in VFIO's mode without an IOMMU only.
    #[error(
        "group {group} has no IOMMU ({} is there): in this mode VFIO confines no device, and it is not used; release the device with `echo ADDRESS > /sys/bus/pci/drivers/vfio-pci/unbind` and open it as root, through sysfs",
        path.display()
    )]
    VfioWithoutIommu {
        /// The number of the group.
        group: u32,
        /// The file that stands for it.
        path: PathBuf,
    },
    /// The file belongs to another user.
    #[error("no permission to open {0}: run `sudo {allow} {0}`", path.display())]
    VfioPermission {
        /// The file.
        path: PathBuf,
        /// The command that permits it, without the file.
        allow: &'static str,
    },
    /// A process has the group already.
    #[error(
        "{0} is in use by another process, or was opened before by this one: `fuser -v {0}` names it; end it first",
        path.display()
    )]
    VfioGroupInUse {
        /// The file of the group.
        path: PathBuf,
    },
    /// Devices of the group have other drivers.
    #[error(
        "IOMMU group {group} cannot be used, as the kernel drives devices of it that are not kept apart{}; bind them to vfio-pci as well, or to no driver (`echo ADDRESS > /sys/bus/pci/devices/ADDRESS/driver/unbind`)",
        list(others)
    )]
    VfioGroupNotViable {
        /// The number of the group.
        group: u32,
        /// Its devices that have another driver, with its name.
        others: Vec<String>,
    },
    /// The firmware reserves memory for a device of the group.
    #[error(
        "IOMMU group {group} cannot be used through VFIO: the firmware reserves memory of the machine for a device in it ({regions}, an RMRR), and the kernel refuses VFIO such devices; {FIRMWARE}, or release the device and drive it as root with the kernel parameter iommu=pt, with which the IOMMU lets all devices reach all memory"
    )]
    VfioReserved {
        /// The number of the group.
        group: u32,
        /// The memory, in physical addresses.
        regions: String,
    },
    /// The IOMMU does not remap interrupts.
    #[error(
        "IOMMU group {group} cannot be put into {into}: the IOMMU does not remap interrupts, so a device could send any to the system; switch interrupt remapping on in the firmware (VT-d, x2APIC) and take intremap=off from the kernel's parameters; if all devices and their programs are trusted, root accepts it with `echo 1 > /sys/module/vfio_iommu_type1/parameters/allow_unsafe_interrupts`"
    )]
    VfioInterrupts {
        /// The number of the group.
        group: u32,
        /// The container.
        into: String,
    },
    /// A group cannot be put into a container.
    #[error("IOMMU group {group} cannot be put into {into}: {source}; `dmesg` may say why")]
    VfioGroupRefused {
        /// The number of the group.
        group: u32,
        /// The container.
        into: String,
        /// The system's error.
        source: std::io::Error,
    },
    /// The kernel does not tell which addresses may be used.
    #[error(
        "the kernel does not tell which addresses the IOMMU of {domain} translates: Linux 5.4 or later is needed"
    )]
    NoIovaRanges {
        /// The container.
        domain: String,
    },
    /// All addresses of an IOMMU are in use.
    #[error(
        "there is no room for {len} bytes among the addresses that the IOMMU of {domain} translates ({ranges}): use less memory"
    )]
    NoIova {
        /// The container.
        domain: String,
        /// Bytes that were to be mapped.
        len: u64,
        /// The addresses that it translates.
        ranges: String,
    },
    /// The process may not lock so much memory.
    #[error(
        "{len} bytes cannot be mapped for devices: with the {} KiB that are locked already that is more than the {} KiB which this process may lock (RLIMIT_MEMLOCK): run `{}` before it, or start its container with `--ulimit memlock=-1`",
        locked >> 10,
        limit >> 10,
        raise(*needed, *hard)
    )]
    MemoryLock {
        /// Bytes that were to be mapped.
        len: u64,
        /// Bytes that are locked.
        locked: u64,
        /// Bytes that may be locked.
        limit: u64,
        /// Up to what the process may raise that itself; `None` is without limit.
        hard: Option<u64>,
        /// Bytes that would be locked.
        needed: u64,
    },
    /// The kernel allows no more mappings in one container.
    #[error(
        "no further memory can be mapped for devices: {used} mappings are in use, of {} that the kernel allows a container ({} are left); use larger pages, or as root raise it in {} before the program starts",
        number(*allowed),
        number(*available),
        path.display()
    )]
    VfioMappings {
        /// Mappings of this process in the container.
        used: usize,
        /// How many more the kernel allows, if it says so.
        available: Option<u32>,
        /// How many it allows in all, if it says so.
        allowed: Option<u32>,
        /// The file that sets how many those are.
        path: PathBuf,
    },
    /// The operating system gives no memory.
    #[error("allocating {len} bytes of memory: {source}{}", less(source))]
    Allocate {
        /// Bytes asked for.
        len: usize,
        /// The system's error.
        source: std::io::Error,
    },
    /// The operating system refused.
    #[error("{what}: {source}")]
    Os {
        /// What was tried, on what.
        what: String,
        /// The system's error.
        source: std::io::Error,
    },
}

/// The way out if there is too little memory.
fn less(error: &std::io::Error) -> &'static str {
    if error.kind() == std::io::ErrorKind::OutOfMemory { "; use fewer queues or smaller rings" } else { "" }
}

/// The name of a hugepage size in control groups.
fn in_cgroup(page: PageSize) -> &'static str {
    match page {
        PageSize::Mib2 => "2MB",
        PageSize::Gib1 => "1GB",
    }
}

/// The name of the resource in Kubernetes.
fn in_kubernetes(page: PageSize) -> &'static str {
    match page {
        PageSize::Mib2 => "hugepages-2Mi",
        PageSize::Gib1 => "hugepages-1Gi",
    }
}

/// Words about a NUMA node, or none.
fn at_node(node: Option<u32>, words: &str) -> String {
    node.map_or_else(String::new, |node| format!("{words}{node}"))
}

/// A number that may not be known.
fn number(number: Option<u32>) -> String {
    number.map_or_else(|| "an unknown number".to_owned(), |number| number.to_string())
}

/// The command that raises the limit of locked memory to `needed` bytes for processes started afterwards.
fn raise(needed: u64, hard: Option<u64>) -> String {
    let kib = needed.div_ceil(1024);
    if hard.is_none_or(|hard| needed <= hard) {
        format!("ulimit -l {kib}")
    } else {
        format!("sudo prlimit --pid $$ --memlock={}", kib * 1024)
    }
}

/// Names behind a colon, or nothing where there are none.
fn list(names: &[String]) -> String {
    if names.is_empty() { String::new() } else { format!(": {}", names.join(", ")) }
}

/// Where firmware reserves memory for devices, and how that is switched off.
const FIRMWARE: &str = "switch that off in the firmware (HPE: the shared memory feature of the card's slot, on older ProLiants with `conrep`, conrep_rmrds.xml and Endpoints_Excluded for RMRDS_SlotN; AMD boards: pre-boot or kernel DMA protection; else ask the vendor for RMRR)";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_with_devices_that_cannot_be_listed_reads_well() {
        let text = |others| Error::VfioGroupNotViable { group: 7, others }.to_string();
        assert!(text(vec![]).contains("that are not kept apart; bind them"));
        assert!(text(vec!["a".into(), "b".into()]).contains("that are not kept apart: a, b; bind them"));
    }
}
