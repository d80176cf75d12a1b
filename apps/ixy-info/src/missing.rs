//! What is missing before ixy can use a card: [`of`].

use ixy_core::{DATA_SIZE, HEADROOM};

use crate::card::{Card, Driver};
use crate::system::System;

/// Something that is missing, and the command that helps, where one does.
#[derive(Debug, PartialEq)]
pub(crate) struct Step {
    pub(crate) what: String,
    pub(crate) command: Option<String>,
}

fn step(what: impl Into<String>, command: impl Into<String>) -> Step {
    Step { what: what.into(), command: Some(command.into()) }
}

/// Bytes of a hugepage.
const HUGEPAGE: usize = 2 << 20;

/// How far apart buffers are at most beyond what is in them, for their starts to be spread over a cache.
const SPREAD: usize = 128;

/// What is missing, in the order in which it is to be done. Empty when this process could open the card now.
pub(crate) fn of(card: &Card, system: &System) -> Vec<Step> {
    if let Driver::None(why) = &card.driver {
        return vec![Step { what: format!("a driver: {why}"), command: None }];
    }
    let bound = card.info.driver.as_deref() == Some("vfio-pci");
    match bound || card.info.behind_iommu() {
        true => through_vfio(card, system, bound),
        false => through_sysfs(card, system),
    }
}

/// The command that binds it to vfio-pci and gives its group to the user.
pub(crate) fn bind(card: &Card, system: &System) -> String {
    let user = if system.is_root { "" } else { "--user $USER " };
    format!("sudo scripts/bind {user}vfio {}", card.info.address)
}

/// Hugepages of 2 MiB that one card takes with the defaults of the programs: its packet buffers, and its rings.
fn hugepages(card: &Card) -> u64 {
    let buffer = usize::from(HEADROOM) + usize::from(DATA_SIZE) + SPREAD;
    (card.driver.buffers() * buffer).div_ceil(HUGEPAGE) as u64 + 1
}

/// A device that the kernel uses.
fn in_use(card: &Card) -> Vec<Step> {
    let address = card.info.address;
    let up = card.links.iter().filter(|link| link.up || link.default_route);
    let mut steps: Vec<Step> = up
        .map(|link| match (&link.name, link.default_route) {
            (name, false) => {
                step(format!("its interface {name} is up"), format!("sudo ip link set {name} down"))
            }
            // No command: who runs it over this interface is cut off.
            (name, true) => Step {
                what: format!(
                    "its interface {name} carries this machine's default route: choose another card"
                ),
                command: None,
            },
        })
        .collect();
    let driver = card.info.driver.as_deref().unwrap_or_default();
    let passive = matches!(driver, "" | "vfio-pci" | "uio_pci_generic" | "igb_uio" | "pci-stub");
    if card.info.driven && !passive && card.is_network() && card.links.is_empty() {
        let unbind = format!("echo {address} | sudo tee /sys/bus/pci/drivers/{driver}/unbind");
        let why = "but has no interface here: another network namespace may be using it";
        steps.push(step(format!("it is bound to {driver}, {why}"), unbind));
    }
    steps
}

fn through_sysfs(card: &Card, system: &System) -> Vec<Step> {
    let mut steps = in_use(card);
    if !system.is_root {
        let command = format!("sudo ixy-dump {} -w out.pcap", card.info.address);
        steps.push(step("the rights of root, for its registers and for physical addresses", command));
        if card.group.is_some() {
            steps.push(step("or, instead of root and hugepages, VFIO", bind(card, system)));
        }
    }
    let (free, needed) = (system.free_hugepages(card.info.numa_node), hugepages(card));
    if free < needed {
        // By node, they are looked for where the card is.
        let node = card.info.numa_node.map_or_else(String::new, |node| format!(" --node {node}"));
        let what = format!("hugepages of 2 MiB: {free} are free, {needed} are needed");
        steps.push(step(what, format!("sudo scripts/setup-hugepages{node}")));
    }
    steps
}

fn through_vfio(card: &Card, system: &System, bound: bool) -> Vec<Step> {
    let address = card.info.address;
    let mut steps = in_use(card);
    let Some(group) = &card.group else {
        let what = "an IOMMU: it is bound to vfio-pci and in no IOMMU group";
        steps.push(step(what, format!("sudo scripts/bind kernel {address}")));
        return steps;
    };
    for other in card.neighbours.iter().filter(|other| other.in_the_way()) {
        let driver = other.driver.as_deref().unwrap_or_default();
        let what = format!(
            "all of IOMMU group {group}: {} in it is bound to the kernel driver {driver}",
            other.name
        );
        let command = other.network.then(|| format!("sudo scripts/bind vfio {}", other.name));
        steps.push(Step { what, command });
    }
    if bound {
        let [container, node] = ["vfio", group].map(|name| system.path("dev/vfio").join(name));
        if !container.exists() {
            steps.push(step("the kernel's VFIO: /dev/vfio/vfio does not exist", "sudo modprobe vfio-pci"));
        } else if !system.may_use(&container) {
            steps.push(step("permission for /dev/vfio/vfio", "sudo chmod 666 /dev/vfio/vfio"));
        }
        if !node.exists() {
            let what = format!("its group: /dev/vfio/{group} does not exist");
            steps.push(step(what, bind(card, system)));
        } else if !system.may_use(&node) {
            steps.push(step(format!("permission for /dev/vfio/{group}"), bind(card, system)));
        }
    } else {
        let kind = card.info.iommu.as_deref().unwrap_or_default();
        let what = format!("VFIO: an IOMMU (of type {kind}) blocks physical addresses");
        steps.push(step(what, bind(card, system)));
    }
    let needed = hugepages(card) * HUGEPAGE as u64;
    if let Some(limit) = system.memlock.filter(|&limit| !system.is_root && limit < needed) {
        let what = format!("memory that may be locked (RLIMIT_MEMLOCK): {limit} bytes may, {needed} must");
        steps.push(step(what, format!("sudo prlimit --memlock={needed} --pid $$")));
    }
    steps
}
