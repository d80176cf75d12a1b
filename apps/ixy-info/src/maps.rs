//! The registers of a device, and the access to them: [`Map`].

use std::rc::Rc;
use std::time::Duration;

use ixy_cli::Error;
use ixy_pci::{Bar, BarKind, Capability, ConfigSpace, Inspection};
use ixy_regs::bus::Mmio;
use ixy_regs::map::Register;
use ixy_regs::virtio::{legacy, modern, net};
use ixy_regs::{igb, ixgbe};
use ixy_sim::Nic82599;
use ixy_sim::wire::{WireKind, WireSpec};
use ixy_virtio::{Layout, Region, ids};

use crate::capture::{self, Checked};
use crate::card::{Card, Driver};
use crate::system::System;

/// The enable bit of MSI-X in Message Control (PCI Local Bus Specification 3.0, 6.8.2.3).
const MSI_X_ENABLE: u16 = 1 << 15;

/// The time to wait for the link of a software device.
const LINK: Duration = Duration::from_secs(2);

/// A group of registers, and how they are read.
pub(crate) struct Map<'a> {
    /// The name of the group, if a device has several.
    pub(crate) name: &'static str,
    /// The register whose all ones mean that the device is gone.
    pub(crate) alive: Option<&'static Register>,
    /// Whether a device may lack any of them, which then read all ones.
    pub(crate) optional: bool,
    pub(crate) registers: Vec<&'static Register>,
    /// Reads a register of this many bits at an offset of the map.
    pub(crate) read: Box<dyn Fn(u32, u32) -> u32 + 'a>,
}

/// The wire of a software device, if the address names one that leaves nothing behind.
pub(crate) fn simulated(address: &str) -> Result<Option<WireSpec>, Error> {
    let Some(options) = address.strip_prefix("sim:").or((address == "sim").then_some("")) else {
        return Ok(None);
    };
    let wire = |source| ixy::Error::Wire { address: address.to_owned(), source };
    let spec: WireSpec = options.parse().map_err(wire)?;
    match spec.kind {
        WireKind::Flood { .. } | WireKind::Loopback | WireKind::Captures { tx: None, .. } => Ok(Some(spec)),
        _ => Err(Error::Usage(format!(
            "{address} is refused, as opening it makes a file, a socket or an interface, or takes two ends: use sim, \
             sim:loopback or sim:rx=FILE"
        ))),
    }
}

/// Reads the capture that a software device receives, if it is a file. A pipe is not opened, as its writer may be
/// waiting for another program.
pub(crate) fn checked(spec: &WireSpec) -> Option<Checked> {
    match &spec.kind {
        WireKind::Captures { rx: Some(path), .. } if path.as_os_str() != "-" => {
            let is_pipe = path.metadata().is_ok_and(|found| !found.is_file() && !found.is_dir());
            (!is_pipe).then(|| capture::check(path))
        }
        _ => None,
    }
}

/// Opens a software device, lets its driver start it, and passes its registers to `show`.
pub(crate) fn with_simulated(
    address: &str,
    spec: &WireSpec,
    show: impl FnOnce(&[Map<'_>]) -> Result<String, Error>,
) -> Result<String, Error> {
    let devices = ixy::open(&[address.parse()?], &ixy::Options::default())?;
    for device in devices {
        if !spec.link_down {
            device.wait_for_link(LINK)?;
        }
        let shown = match device.simulated() {
            Some(sim) => show(&[of_82599(read_model(sim.model()))])?,
            None => continue,
        };
        device.close()?;
        return Ok(shown);
    }
    Err(Error::Registers { device: address.to_owned(), why: "it is no software device".into() })
}

fn read_model(nic: &Nic82599) -> impl Fn(u32, u32) -> u32 + '_ {
    // All its registers have 32 bits.
    |offset, _| nic.read32(offset)
}

fn of_82599<'a>(read: impl Fn(u32, u32) -> u32 + 'a) -> Map<'a> {
    let registers = ixgbe::all().collect();
    Map { name: "", alive: ixgbe::find("STATUS"), optional: false, registers, read: Box::new(read) }
}

/// The registers of a card in the machine.
pub(crate) fn of_card(card: &Card, system: &System) -> Result<Vec<Map<'static>>, Error> {
    maps_of(card, system).map_err(|error| match error {
        // While a program has the device open, vfio-pci keeps all other programs from its registers.
        Error::Pci(ixy_pci::Error::BarExclusive { address, .. })
            if card.info.driver.as_deref() == Some("vfio-pci") =>
        {
            let why = "a program drives it through vfio-pci, and this kernel lets nobody else map them meanwhile; end the \
                       program first (`fuser -v /dev/vfio/*` names it)";
            Error::Registers { device: address.to_string(), why: why.into() }
        }
        error => error,
    })
}

fn maps_of(card: &Card, system: &System) -> Result<Vec<Map<'static>>, Error> {
    let place = card.info.address;
    let bar = |len| Bar { number: 0, kind: BarKind::Memory, len };
    match &card.driver {
        Driver::Ixgbe(_) => {
            let bar = Inspection::open(&system.sysfs, place, bar(ixgbe::WINDOW.into()))?;
            Ok(vec![of_82599(move |offset, bits| bar.read(offset, bits))])
        }
        Driver::Virtio => of_virtio(card, system),
        Driver::Igb(_) => {
            let bar = Inspection::open(&system.sysfs, place, bar(igb::WINDOW.into()))?;
            Ok(vec![Map {
                name: "",
                alive: igb::find("STATUS"),
                optional: false,
                registers: igb::all().collect(),
                read: Box::new(move |offset, bits| bar.read(offset, bits)),
            }])
        }
        Driver::None(why) => {
            let why = format!("no register map of it is here, {why}");
            Err(Error::Registers { device: place.to_string(), why })
        }
    }
}

/// A part of a BAR with the map of the registers in it.
type Part = (&'static str, Region, &'static [Register]);

fn of_virtio(card: &Card, system: &System) -> Result<Vec<Map<'static>>, Error> {
    let place = card.info.address;
    let config = ConfigSpace::open_read_only(&system.sysfs, place)?;
    let capabilities = config.capabilities()?;
    let vendor = config.vendor_capabilities(&capabilities)?;
    let bytes: Vec<_> = vendor.into_iter().map(|capability| capability.bytes).collect();
    let bars = system.sysfs.bars(place)?;
    let bar_of = |number| bars.iter().find(|bar| bar.number == number);
    let is = |number, kind| bar_of(number).is_some_and(|bar| bar.kind == kind);

    let (kind, parts) = match Layout::find(&bytes, |number| is(number, BarKind::Memory)) {
        Ok(layout) => (BarKind::Memory, modern_parts(&layout)),
        Err(_) if card.info.id.device == ids::TRANSITIONAL && is(0, BarKind::Ports) => {
            let msi_x = capabilities.iter().find(|capability| capability.id == Capability::MSI_X);
            let control = msi_x.map(|capability| config.read16(capability.offset + 2)).transpose()?;
            let len = bar_of(0).map_or(0, |bar| bar.len);
            let len = u32::try_from(len).unwrap_or(u32::MAX);
            (BarKind::Ports, legacy_parts(len, control.is_some_and(|control| control & MSI_X_ENABLE != 0)))
        }
        Err(error) => {
            return Err(Error::Registers { device: place.to_string(), why: error.to_string() });
        }
    };

    let mut opened: Vec<(u8, Rc<Inspection>)> = Vec::new();
    let mut maps = Vec::new();
    for (name, region, table) in parts {
        let bar = match opened.iter().find(|(number, _)| *number == region.bar) {
            Some((_, bar)) => Rc::clone(bar),
            None => {
                let bar = Bar { number: region.bar, kind, len: 1 };
                let bar = Rc::new(Inspection::open(&system.sysfs, place, bar)?);
                opened.push((region.bar, Rc::clone(&bar)));
                bar
            }
        };
        // Registers after the end of the structure are not part of this map.
        let inside = |register: &&Register| {
            let mut offsets = register.spans.iter().flat_map(|span| span.offsets());
            offsets.all(|offset| offset + register.bits / 8 <= region.len)
        };
        let registers = table.iter().filter(inside).collect();
        let read = move |offset: u32, bits| match region.offset.checked_add(offset) {
            Some(offset) => bar.read(offset, bits),
            None => u32::MAX,
        };
        maps.push(Map { name, alive: None, optional: name == OPTIONAL, registers, read: Box::new(read) });
    }
    Ok(maps)
}

fn modern_parts(layout: &Layout) -> Vec<Part> {
    let mut parts = vec![
        ("common configuration", layout.common, modern::CommonConfig::<Mmio>::REGISTERS),
        ("common configuration", layout.common, modern::NotifyData::<Mmio>::REGISTERS),
        ("common configuration", layout.common, modern::QueueReset::<Mmio>::REGISTERS),
        ("ISR status", layout.isr, modern::Isr::<Mmio>::REGISTERS),
    ];
    parts.extend(device_parts(layout.device));
    parts
}

fn legacy_parts(len: u32, msi_x: bool) -> Vec<Part> {
    let region = |offset: u32| Region { bar: 0, offset, len: len.saturating_sub(offset) };
    let mut parts = vec![("legacy registers", region(0), legacy::Registers::<Mmio>::REGISTERS)];
    let device = if msi_x {
        parts.push(("MSI-X", region(legacy::DEVICE_CONFIG), legacy::Msix::<Mmio>::REGISTERS));
        legacy::DEVICE_CONFIG_WITH_MSIX
    } else {
        legacy::DEVICE_CONFIG
    };
    parts.extend(device_parts(region(device)));
    parts
}

/// The fields of the device configuration that exist only with a feature of the device.
const OPTIONAL: &str = "device configuration with a feature each";

/// The device configuration, up to its length.
fn device_parts(region: Region) -> [Part; 5] {
    [
        ("device configuration", region, net::Config::<Mmio>::REGISTERS),
        (OPTIONAL, region, net::Multiqueue::<Mmio>::REGISTERS),
        (OPTIONAL, region, net::Mtu::<Mmio>::REGISTERS),
        (OPTIONAL, region, net::Speed::<Mmio>::REGISTERS),
        (OPTIONAL, region, net::Rss::<Mmio>::REGISTERS),
    ]
}
