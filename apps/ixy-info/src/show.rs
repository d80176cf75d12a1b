//! Cards in words and in JSON.

use ixy_cli::Object;

use crate::card::{Card, Driver, Link};
use crate::missing::{self, Step};
use crate::system::System;

/// Cards, one after the other.
pub(crate) fn cards(cards: &[Card], system: &System, json: bool) -> String {
    if cards.is_empty() && !json {
        return "There is no network card here. `ixy-fwd sim sim` needs none.\n".into();
    }
    let show = |card: &Card| {
        let missing = missing::of(card, system);
        if json { as_json(card, &missing) } else { as_words(card, &missing, system) }
    };
    let shown: Vec<String> = cards.iter().map(show).collect();
    shown.join(if json { "" } else { "\n" })
}

/// A software device, of which nothing has to be looked up.
pub(crate) fn simulated(address: &str, json: bool) -> String {
    if json {
        let object = Object::default().text("address", address).text("model", "software 82599");
        let object = object.text("driver", "ixy-ixgbe").flag("ready", true).list("missing", []);
        return object.finish() + "\n";
    }
    format!("{address}  software 82599\n  driven by   ixy-ixgbe\n  missing     nothing\n")
}

/// What it is called.
fn model(card: &Card) -> String {
    match &card.driver {
        Driver::Ixgbe(model) => format!("Intel {}", model.name),
        Driver::Igb(model) => format!("Intel {}", model.name),
        Driver::Virtio => "virtio network device".into(),
        Driver::None(_) if card.is_network() => "network controller".into(),
        Driver::None(_) => "no network controller".into(),
    }
}

fn as_words(card: &Card, missing: &[Step], system: &System) -> String {
    let info = &card.info;
    let mut lines = vec![format!("{}  {} ({})", info.address, model(card), info.id)];
    let mut row = |name: &str, value: &str| lines.push(format!("  {name:<11} {value}"));

    row("driven by", card.driver.name().unwrap_or("no driver of ixy's"));
    row("kernel", info.driver.as_deref().unwrap_or("bound to no driver"));
    for link in &card.links {
        row("interface", &link_in_words(link));
    }
    match (&card.group, &info.iommu) {
        (None, _) => row("IOMMU", "none"),
        (Some(group), None) => row("IOMMU", &format!("group {group}")),
        (Some(group), Some(kind)) => row("IOMMU", &format!("group {group} of type {kind}")),
    }
    let others: Vec<String> = card.neighbours.iter().map(|other| other.name.clone()).collect();
    if !others.is_empty() {
        row("", &format!("shared with {}", others.join(", ")));
    }
    match info.numa_node {
        Some(node) => row("NUMA node", &node.to_string()),
        None => row("NUMA node", "the machine names none"),
    }
    for unread in &card.unread {
        row("not read", unread);
    }
    if missing.is_empty() {
        row("missing", "nothing");
    }
    for (n, step) in missing.iter().enumerate() {
        row(if n == 0 { "missing" } else { "" }, &step.what);
        if let Some(command) = &step.command {
            row("", &format!("  {command}"));
        }
    }
    if let Some(note) = note(card, system) {
        row("note", &note);
    }
    lines.join("\n") + "\n"
}

/// What happens to a device that the kernel has.
fn note(card: &Card, system: &System) -> Option<String> {
    let driver = card.info.driver.as_deref().filter(|_| card.driver.name().is_some())?;
    let address = card.info.address;
    match driver {
        "vfio-pci" => Some(format!("`sudo scripts/bind kernel {address}` gives it back to the kernel")),
        _ if card.info.behind_iommu() => None,
        _ if card.info.driven => {
            let vfio = match &card.group {
                Some(_) => format!("; `{}` binds it for use without root", missing::bind(card, system)),
                None => String::new(),
            };
            Some(format!("ixy takes it from {driver} when it opens it{vfio}"))
        }
        _ => None,
    }
}

fn link_in_words(link: &Link) -> String {
    let state = match (link.up, link.carrier) {
        (false, _) => "down",
        (true, Some(true)) => "up, with a link",
        (true, Some(false)) => "up, without a link",
        (true, None) => "up",
    };
    let speed = link.speed.filter(|_| link.up && link.carrier != Some(false));
    let speed = speed.map_or_else(String::new, |speed| format!(" at {speed} Mbit/s"));
    let route = if link.default_route { ", carries the default route" } else { "" };
    format!("{} is {state}{speed}{route}", link.name)
}

fn as_json(card: &Card, missing: &[Step]) -> String {
    let info = &card.info;
    let links = card.links.iter().map(|link| {
        let object = Object::default().text("name", &link.name).flag("up", link.up);
        let object = match link.carrier {
            Some(carrier) => object.flag("carrier", carrier),
            None => object.text_or_null("carrier", None),
        };
        object.count_or_null("speed", link.speed).flag("default_route", link.default_route)
    });
    let neighbours = card.neighbours.iter().map(|other| {
        Object::default().text("address", &other.name).text_or_null("kernel_driver", other.driver.as_deref())
    });
    let steps = missing.iter().map(|step| {
        Object::default().text("what", &step.what).text_or_null("command", step.command.as_deref())
    });
    let unread = card.unread.iter().map(|what| Object::default().text("what", what));
    let class = info.class.map(|class| format!("{class:06x}"));
    let object = Object::default()
        .text("address", &info.address.to_string())
        .text("id", &info.id.to_string())
        .text("model", &model(card))
        .text_or_null("class", class.as_deref())
        .text_or_null("driver", card.driver.name())
        .text_or_null("kernel_driver", info.driver.as_deref())
        .list("interfaces", links)
        .text_or_null("iommu_group", card.group.as_deref())
        .text_or_null("iommu_type", info.iommu.as_deref())
        .list("same_group", neighbours)
        .count_or_null("numa_node", info.numa_node.map(u64::from))
        .flag("ready", missing.is_empty())
        .list("missing", steps)
        .list("unread", unread);
    object.finish() + "\n"
}
