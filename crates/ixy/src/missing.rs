//! The obstacles to opening a card in the machine: [`missing()`].

use std::fmt;

use ixy_core::Mempool;
use ixy_dma::PhysicalDomain;
use ixy_pci::{DeviceInfo, Error as Pci, Group};

use crate::address::{Address, Place};
use crate::error::Error;
use crate::hardware::{self, Kind};
use crate::options::Options;

/// One obstacle to opening a card, with its remedy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing {
    /// The obstacle, to be read after "missing:".
    pub what: String,
    /// The command that removes it, if there is one. It is for a shell in the project's directory.
    pub command: Option<String>,
    /// Whether the card must not or cannot be taken, whatever else is done: the kernel uses it, or it is not what
    /// its ids say.
    pub blocks: bool,
}

/// It reads as part of a line: "its interface eth7 is up: run `sudo ip link set eth7 down`".
impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.command {
            Some(command) => write!(f, "{}: run `{command}`", self.what),
            None => f.write_str(&self.what),
        }
    }
}

/// The obstacles to opening a card in the machine, in the order in which to remove them. It is empty when
/// [`open`](crate::open) has nothing to complain about, which makes the same checks before it touches anything.
/// Nothing is changed, and of the card only its configuration space is read.
///
/// If something blocks the card, only that is listed, without a command that would take the card.
///
/// It cannot see everything: only opening a card shows whether another process drives it.
pub fn missing(info: &DeviceInfo, options: &Options) -> Vec<Missing> {
    of(info, options, Cards { all: 1, physical: usize::from(!goes_through_vfio(info)) })
}

/// Refuses addresses of cards that cannot be opened yet.
pub(crate) fn check(addresses: &[Address], options: &Options) -> Result<(), Error> {
    let mut found = Vec::new();
    for address in addresses {
        if let Place::Pci(place) = address.place {
            found.push((address, options.sysfs.device(place)?));
        }
    }
    let physical = found.iter().filter(|(_, info)| !goes_through_vfio(info)).count();
    let cards = Cards { all: addresses.len(), physical };
    for (address, info) in found {
        // Its error already lists the supported devices.
        Kind::of(&address.to_string(), info.id)?;
        let missing = of(&info, options, cards);
        if !missing.is_empty() {
            return Err(Error::NotReady { address: address.to_string(), missing });
        }
    }
    Ok(())
}

/// The number of devices opened together: their packets are in one pool.
#[derive(Debug, Clone, Copy)]
struct Cards {
    all: usize,
    /// Those that reach physical memory, and so need their own hugepages.
    physical: usize,
}

/// Size of a hugepage in bytes, and of an ordinary page.
const HUGEPAGE: usize = 2 << 20;
const PAGE: usize = 4096;

/// Largest size of a descriptor in bytes, including what virtio devices keep beside it.
const DESCRIPTOR: usize = 64;

impl Cards {
    /// The bytes of all devices' packets, and of the rings of `cards`, each in whole pages.
    fn memory(self, options: &Options, cards: usize, page: usize) -> usize {
        let pool = Mempool::bytes(options.config().buffers() * self.all).unwrap_or(0);
        let descriptors = usize::from(options.rx_ring) + usize::from(options.tx_ring);
        let rings = usize::from(options.queues) * descriptors * DESCRIPTOR;
        pool.next_multiple_of(page) + rings.next_multiple_of(page) * cards
    }
}

fn step(what: impl Into<String>, command: impl Into<Option<String>>) -> Missing {
    Missing { what: what.into(), command: command.into(), blocks: false }
}

fn block(what: impl Into<String>, command: impl Into<Option<String>>) -> Missing {
    Missing { blocks: true, ..step(what, command) }
}

fn of(info: &DeviceInfo, options: &Options, cards: Cards) -> Vec<Missing> {
    let kind = match Kind::of(&info.address.to_string(), info.id) {
        Ok(kind) => kind,
        Err(Error::NoDriver { source, others, .. }) => {
            return vec![block(format!("a driver: {source}{}", crate::error::besides(others)), None)];
        }
        Err(error) => return vec![block(error.to_string(), None)],
    };
    let routed = info.interfaces.iter().find(|interface| interface.default_route);
    if let Some(interface) = routed.filter(|_| !is_bound(info) && !options.force) {
        // No command, and nothing else: it would cut off a user who works over this interface.
        let what = format!(
            "its interface {} carries this machine's default route: choose another card",
            interface.name
        );
        return vec![block(what, None)];
    }
    let found = Found::new(kind, info, options);
    if !found.blocks.is_empty() {
        return found.blocks;
    }
    let group = match options.sysfs.group(info.address) {
        Ok(group) => group,
        Err(error) => return vec![block(error.to_string(), None)],
    };
    if goes_through_vfio(info) {
        through_vfio(info, group.as_ref(), options, cards)
    } else {
        through_sysfs(&found, info, group.as_ref(), options, cards)
    }
}

/// Whether VFIO is the way to a device: it is bound to it, or its IOMMU passes no physical address.
fn goes_through_vfio(info: &DeviceInfo) -> bool {
    is_bound(info) || info.behind_iommu()
}

fn is_bound(info: &DeviceInfo) -> bool {
    info.driver.as_deref() == Some("vfio-pci")
}

/// Findings from the files of a device.
#[derive(Debug, Default)]
struct Found {
    blocks: Vec<Missing>,
    steps: Vec<Missing>,
    /// Whether writing the files needs root.
    needs_root: bool,
}

impl Found {
    fn new(kind: Kind, info: &DeviceInfo, options: &Options) -> Self {
        let mut found = Self::default();
        let needed = kind.needed(&options.sysfs, info.address);
        let bars = needed.as_deref().unwrap_or_default();
        let in_use = hardware::when_in_use(options);
        for error in options.sysfs.obstacles(info, kind.driver(), bars, in_use) {
            found.add(error);
        }
        match needed {
            Ok(_) => {}
            // Their places are in the part of the configuration space that only root sees.
            Err(Error::Pci(Pci::ConfigHidden { .. } | Pci::Permission { .. })) => found.needs_root = true,
            // Otherwise this may only follow from what was found: a card that does not answer names no BARs.
            Err(error) if found.blocks.is_empty() && found.steps.is_empty() => {
                found.blocks.push(block(error.to_string(), None));
            }
            Err(_) => {}
        }
        found
    }

    fn add(&mut self, error: Pci) {
        match error {
            Pci::InterfaceUp { interfaces, .. } => self.blocks.extend(interfaces.iter().map(|name| {
                let what = format!("its interface {name} is up (--force takes the card anyway)");
                block(what, format!("sudo ip link set {name} down"))
            })),
            Pci::InterfaceHidden { address, driver } => {
                let what = format!(
                    "it is bound to {driver}, but has no interface here: another network namespace may be using it \
                     (--force takes the card anyway)"
                );
                let unbind = format!("echo {address} | sudo tee /sys/bus/pci/drivers/{driver}/unbind");
                self.blocks.push(block(what, unbind));
            }
            Pci::Asleep { state, path, .. } => {
                let what =
                    format!("it is asleep, in the power state {state}, in which its registers do not answer");
                self.steps.push(step(what, format!("echo on | sudo tee {}", path.display())));
            }
            Pci::Permission { .. } => self.needs_root = true,
            error @ Pci::ReadOnly { .. } => self.steps.push(step(error.to_string(), None)),
            error => self.blocks.push(block(error.to_string(), None)),
        }
    }
}

/// The command that binds a card to vfio-pci and gives its group to the user.
fn bind(info: &DeviceInfo) -> String {
    let user = if rustix::process::geteuid().is_root() { "" } else { "--user $USER " };
    format!("sudo scripts/bind {user}vfio {}", info.address)
}

fn through_sysfs(
    found: &Found,
    info: &DeviceInfo,
    group: Option<&Group>,
    options: &Options,
    cards: Cards,
) -> Vec<Missing> {
    let root = options.sysfs.root();
    let mut steps = found.steps.clone();
    let vfio = group.filter(|group| ixy_dma::vfio::reserved(root, group.number).is_none());
    let is_root = rustix::process::geteuid().is_root();
    let hidden = PhysicalDomain::check_addresses(root).err();
    if found.needs_root || (hidden.is_some() && !is_root) {
        let what = "the rights of root, for its registers and for physical addresses: run as root";
        steps.push(step(what, None));
        if vfio.is_some() {
            steps.push(step("or, instead of root and hugepages, VFIO", bind(info)));
        }
    } else if let Some(error) = hidden {
        steps.push(step(error.to_string(), None));
    }
    if options.interrupts.is_some() {
        let what = "interrupts, for which it has to be bound to vfio-pci";
        match vfio {
            Some(_) => steps.push(step(what, bind(info))),
            None => steps.push(step(format!("{what}, which takes an IOMMU; or poll it (--wait poll)"), None)),
        }
    }
    let node = options.numa.or(info.numa_node);
    let needed = cards.memory(options, cards.physical, HUGEPAGE);
    if let Err(error) = PhysicalDomain::check(root, node, needed) {
        steps.push(of_memory(error));
    }
    steps
}

fn of_memory(error: ixy_dma::Error) -> Missing {
    let ixy_dma::Error::NoHugepages { wanted, free, node, suggested, .. } = error else {
        return step(error.to_string(), None);
    };
    // The pages have to be on the card's node.
    let (at, option) = node
        .map_or_else(Default::default, |node| (format!(" on NUMA node {node}"), format!(" --node {node}")));
    let what = format!("hugepages of 2 MiB: {free} are free{at}, {wanted} are needed");
    step(what, format!("sudo scripts/setup-hugepages{option} --count {suggested}"))
}

fn through_vfio(info: &DeviceInfo, group: Option<&Group>, options: &Options, cards: Cards) -> Vec<Missing> {
    let (root, address) = (options.sysfs.root(), info.address);
    let release = || format!("sudo scripts/bind kernel {address}");
    let Some(group) = group else {
        let what = "an IOMMU: it is bound to vfio-pci and in no IOMMU group";
        return vec![step(what, release())];
    };
    if let Some(error) = ixy_dma::vfio::reserved(root, group.number) {
        let command = is_bound(info).then(release);
        return vec![step(error.to_string(), command)];
    }
    let mut steps = Vec::new();
    for other in group.neighbours.iter().filter(|other| other.is_in_the_way()) {
        let driver = other.driver.as_deref().unwrap_or_default();
        let what = format!(
            "all of IOMMU group {}: {} in it is bound to the kernel driver {driver}",
            group.number, other.address
        );
        let command = other.is_network.then(|| format!("sudo scripts/bind vfio {}", other.address));
        steps.push(step(what, command));
    }
    if is_bound(info) {
        for error in ixy_dma::vfio::check(root, group.number) {
            use ixy_dma::Error::{NoVfio, NoVfioGroup, VfioPermission, VfioWithoutIommu};
            steps.push(match error {
                NoVfio { path, .. } => {
                    let name = path.display();
                    let what = format!(
                        "the kernel's VFIO: {name} does not exist (a container is given it with `--device {name}`)"
                    );
                    step(what, "sudo modprobe vfio-pci".to_owned())
                }
                NoVfioGroup { path, .. } => {
                    let name = path.display();
                    let what =
                        format!("its group: {name} does not exist (a container is given it with `--device {name}`)");
                    step(what, bind(info))
                }
                VfioPermission { path, .. } if path.ends_with("vfio/vfio") => {
                    let name = path.display();
                    step(format!("permission to open {name}"), format!("sudo chmod 666 {name}"))
                }
                VfioPermission { path, .. } => {
                    step(format!("permission to open {}", path.display()), bind(info))
                }
                // Binding it again would change nothing.
                VfioWithoutIommu { path, .. } => {
                    let what = format!(
                        "an IOMMU: {} shows that vfio-pci has it in the mode without one (noiommu), in which nothing \
                         confines the card and which is not used; release it, and open it as root",
                        path.display()
                    );
                    return vec![step(what, release())];
                }
                error => step(error.to_string(), None),
            });
        }
    } else {
        let kind = info.iommu.as_deref().unwrap_or_default();
        let what = format!("VFIO: an IOMMU (of type {kind}) blocks physical addresses");
        steps.push(step(what, bind(info)));
    }
    // Hugepages may need a little more, which mapping will show.
    let needed = cards.memory(options, cards.all - cards.physical, PAGE) as u64;
    if let Err(error) = ixy_dma::vfio::check_lock(needed) {
        steps.push(step(error.to_string(), None));
    }
    steps
}
