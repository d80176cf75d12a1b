//! Events at a port other than accesses, as text and as JSON.

use ixy_cli::Object;
use ixy_sim::serve::Event;
use ixy_vfio_user::message::{DmaMap, DmaUnmap, RegionAccess, Request};

use crate::names::region;

/// An event as text.
pub(crate) fn text(event: &Event<'_>) -> String {
    match event {
        Event::Mapped(map) => format!("map    {}, {}", range(map.address, map.size), may(map)),
        Event::Unmapping(map) => format!("unmap  {}", range(map.address, map.size)),
        Event::Message { msix, vector, held } => {
            let (kind, held) =
                (if *msix { "MSI-X" } else { "MSI" }, if *held { ", masked: it waits" } else { "" });
            format!("interrupt {kind} {vector}{held}")
        }
        Event::Pin(true) => "interrupt pin asserted".into(),
        Event::Pin(false) => "interrupt pin released".into(),
        Event::Refused { request, errno } => format!("refused {}: {errno}", asked(request)),
        Event::Reset => "reset".into(),
        Event::Connected => "client connected".into(),
        Event::Gone => "client gone".into(),
        other => format!("{other:?}"),
    }
}

/// An event as an object; `object` creates one with the given name, the time and the port.
pub(crate) fn json(event: &Event<'_>, object: impl Fn(&str) -> Object) -> String {
    match event {
        Event::Mapped(map) => {
            let object = object("map").count("address", map.address).count("size", map.size);
            object.text("for", may(map))
        }
        Event::Unmapping(map) => object("unmap").count("address", map.address).count("size", map.size),
        Event::Message { msix, vector, held } => {
            let object = object("interrupt").text("kind", if *msix { "msix" } else { "msi" });
            object.count("vector", (*vector).into()).flag("masked", *held)
        }
        Event::Pin(asserted) => object("interrupt").text("kind", "pin").flag("asserted", *asserted),
        Event::Refused { request, errno } => {
            let object = object("refused").text("request", request.command().name());
            let object = match request {
                Request::RegionRead(access) | Request::RegionWrite(access, _) => {
                    let object = object.text("space", region(access.region));
                    object.count("offset", access.offset).count("bytes", access.count.into())
                }
                Request::DmaMap(DmaMap { address, size, .. })
                | Request::DmaUnmap(DmaUnmap { address, size, .. }) => {
                    object.count("address", *address).count("size", *size)
                }
                _ => object,
            };
            object.text("error", &errno.to_string())
        }
        Event::Reset => object("reset"),
        Event::Connected => object("connected"),
        Event::Gone => object("gone"),
        other => object("other").text("what", &format!("{other:?}")),
    }
    .finish()
}

/// The access rights that a client gives the device on mapped memory.
fn may(map: &DmaMap) -> &'static str {
    match (map.flags & DmaMap::READ != 0, map.flags & DmaMap::WRITE != 0) {
        (true, false) => "read",
        (false, _) => "write",
        (true, true) => "read and write",
    }
}

fn range(address: u64, size: u64) -> String {
    format!("{address:#x} to {:#x}", address.saturating_add(size).wrapping_sub(1))
}

/// A client's request as text.
fn asked(request: &Request<'_>) -> String {
    let place = |access: &RegionAccess| {
        format!("{} {:#07x}, {} bytes", region(access.region), access.offset, access.count)
    };
    match request {
        Request::RegionRead(access) => format!("read of {}", place(access)),
        Request::RegionWrite(access, _) => format!("write to {}", place(access)),
        Request::DmaMap(map) => format!("map of {}, {}", range(map.address, map.size), may(map)),
        Request::DmaUnmap(unmap) => format!("unmap of {}", range(unmap.address, unmap.size)),
        other => other.command().name().to_owned(),
    }
}
