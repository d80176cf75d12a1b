//! Cards as text and as JSON.

use ixy_cli::{Object, escaped};

use crate::capture::Checked;
use crate::card::{Card, Driver, Link};
use crate::script;

/// Cards, one after the other.
pub(crate) fn cards(cards: &[Card], json: bool) -> String {
    if cards.is_empty() && !json {
        return "There is no network card here. `ixy-fwd sim sim` needs none.\n".into();
    }
    let shown: Vec<String> = cards.iter().map(if json { as_json } else { as_words }).collect();
    let text = shown.join(if json { "" } else { "\n" });
    let hint = script::hint(&text).filter(|_| !json).unwrap_or_default();
    text + &hint
}

/// A software device, and what is known of the capture that it receives.
pub(crate) fn simulated(address: &str, capture: Option<&Checked>, json: bool) -> String {
    let missing = capture.and_then(|capture| capture.error.as_deref());
    if json {
        let object = Object::default().text("address", address).text("model", "software 82599");
        let object = object.text("driver", "ixy-ixgbe").flag("ready", missing.is_none());
        let missing = missing.map(|what| Object::default().text("what", what).text_or_null("command", None));
        let object = object.list("missing", missing.map(|missing| missing.flag("blocks", false)));
        let Some(capture) = capture else { return object.finish() + "\n" };
        let read = Object::default().count("frames", capture.frames).count("left_out", capture.left_out);
        return object.object("capture", read.flag("whole", capture.whole)).finish() + "\n";
    }
    let (address, missing) = (escaped(address), escaped(missing.unwrap_or("nothing")));
    let mut text = format!("{address}  software 82599\n  ixy driver  ixy-ixgbe\n  missing     {missing}\n");
    // If it cannot be opened, there is nothing to say about its frames.
    if let Some(capture) = capture.filter(|capture| capture.error.is_none() || capture.frames > 0) {
        let notes = capture.notes.iter().map(|note| format!("  note        {}\n", escaped(note)));
        text += &format!("  capture     {}\n", capture.words());
        text.extend(notes);
    }
    text
}

/// The name of its model.
fn model(card: &Card) -> String {
    match &card.driver {
        Driver::Ixgbe(model) => format!("Intel {}", model.name),
        Driver::Igb(model) => format!("Intel {}", model.name),
        Driver::Virtio => "virtio network device".into(),
        Driver::None(_) if card.info.is_network() => "network controller".into(),
        Driver::None(_) => "no network controller".into(),
    }
}

fn as_words(card: &Card) -> String {
    let info = &card.info;
    let mut lines = vec![format!("{}  {} ({})", info.address, model(card), info.id)];
    let mut row = |name: &str, value: &str| lines.push(format!("  {name:<11} {}", escaped(value)));

    row("ixy driver", card.driver.name().unwrap_or("no driver of ixy"));
    row("kernel", info.driver.as_deref().unwrap_or("bound to no driver"));
    for link in &card.links {
        row("interface", &link_in_words(link));
    }
    match (&card.group, &info.iommu) {
        (None, _) => row("IOMMU", "none"),
        (Some(group), None) => row("IOMMU", &format!("group {}", group.number)),
        (Some(group), Some(kind)) => row("IOMMU", &format!("group {} of type {kind}", group.number)),
    }
    let others: Vec<String> = card.neighbours().map(|other| other.address.to_string()).collect();
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
    if card.missing.is_empty() {
        row("missing", "nothing");
    }
    for (n, missing) in card.missing.iter().enumerate() {
        row(if n == 0 { "missing" } else { "" }, &missing.what);
        if let Some(command) = &missing.command {
            row("", &format!("  {command}"));
        }
    }
    if let Some(note) = note(card) {
        row("note", &note);
    }
    lines.join("\n") + "\n"
}

/// A note on a device that the kernel uses. There is none for a device that must not be taken, so that no command
/// for it is printed.
fn note(card: &Card) -> Option<String> {
    let driver =
        card.info.driver.as_deref().filter(|_| card.driver.name().is_some() && !card.is_blocked())?;
    let address = card.info.address;
    match driver {
        "vfio-pci" => Some(format!("`sudo scripts/bind kernel {address}` gives it back to the kernel")),
        _ if card.info.behind_iommu() => None,
        _ if card.info.driven => Some(format!("ixy takes it from {driver} when it opens it")),
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

fn as_json(card: &Card) -> String {
    let info = &card.info;
    let links = card.links.iter().map(|link| {
        let object = Object::default().text("name", &link.name).flag("up", link.up);
        let object = match link.carrier {
            Some(carrier) => object.flag("carrier", carrier),
            None => object.text_or_null("carrier", None),
        };
        object.count_or_null("speed", link.speed).flag("default_route", link.default_route)
    });
    let neighbours = card.neighbours().map(|other| {
        let object = Object::default().text("address", &other.address.to_string());
        object.text_or_null("kernel_driver", other.driver.as_deref())
    });
    let missing = card.missing.iter().map(|missing| {
        let object = Object::default().text("what", &missing.what);
        object.text_or_null("command", missing.command.as_deref()).flag("blocks", missing.blocks)
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
        .text_or_null("iommu_group", card.group.as_ref().map(|group| group.number.to_string()).as_deref())
        .text_or_null("iommu_type", info.iommu.as_deref())
        .list("same_group", neighbours)
        .count_or_null("numa_node", info.numa_node.map(u64::from))
        .flag("ready", card.missing.is_empty())
        .list("missing", missing)
        .list("unread", unread);
    object.finish() + "\n"
}
