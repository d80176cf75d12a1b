//! The address of a software card, built step by step: [`SimAddress`].

use std::path::PathBuf;

use ixy_core::MacAddress;
use ixy_sim::SfpModule;
use ixy_sim::wire::{Claim, Clash, Faults, InterfaceAddress, MemoryWire, TapSpec, WireKind, WireSpec};

use super::{Address, Place};

/// The address of a software 82599, built by [`Address::sim`]: the kind of its wire, and its options.
///
/// A card has one wire: the last one named counts. Only [`rx`](Self::rx) and [`tx`](Self::tx) can be combined.
///
/// ```
/// use ixy::Address;
///
/// let address = Address::from(Address::sim().rx("in,1.pcap").tx("out.pcap"));
/// assert_eq!(address, "sim:rx=in,,1.pcap,tx=out.pcap".parse()?);
///
/// let address = Address::from(Address::sim().tap("ixy0").ip("10.0.0.1/24".parse()?).mac([2, 0, 0, 0, 0, 7]));
/// assert_eq!(address.to_string(), "sim:tap=ixy0,addr=10.0.0.1/24,mac=02:00:00:00:00:07");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Default)]
#[must_use]
pub struct SimAddress(WireSpec);

impl Address {
    /// A software 82599, by default with an endless source of 60-byte frames and a sink.
    pub fn sim() -> SimAddress {
        SimAddress::default()
    }

    /// The captures that the device reads and writes (`sim:rx=FILE,tx=FILE`), and its socket (`sim:socket=PATH`,
    /// `vfio-user:PATH`). A program that opens other files compares them with these by [`Claim::check`] before it opens
    /// anything.
    pub fn claims(&self) -> Vec<Claim> {
        self.claims_as(&self.text)
    }

    fn claims_as(&self, name: &str) -> Vec<Claim> {
        match &self.place {
            Place::Sim(WireSpec { kind, .. }) => kind.claims(name),
            #[cfg(feature = "vfio-user")]
            Place::Served(path) => vec![Claim::device(name, path)],
            _ => Vec::new(),
        }
    }
}

/// Refuses captures of which one would spoil another, and sockets with two uses.
pub(super) fn check_captures(all: &[Address]) -> Result<(), Clash> {
    let claims = (0..all.len()).flat_map(|n| all[n].claims_as(&Address::name(all, n)));
    Claim::check(&claims.collect::<Vec<_>>())
}

impl SimAddress {
    /// Receives frames of `size` bytes (60 to 1514) without end, in `flows` UDP flows (1 to 4096). Numbers out of
    /// range become the nearest valid ones.
    pub fn flood(self, size: usize, flows: u32) -> Self {
        self.wire(WireKind::Flood { size, flows })
    }

    /// Receives its own frames.
    pub fn loopback(self) -> Self {
        self.wire(WireKind::Loopback)
    }

    /// One end of a cable; another card of this process has the same name.
    pub fn cable(self, name: impl Into<String>) -> Self {
        self.wire(WireKind::Cable(name.into()))
    }

    /// One end of a cable between two processes that open the same path.
    pub fn socket(self, path: impl Into<PathBuf>) -> Self {
        self.wire(WireKind::Socket(path.into()))
    }

    /// Receives frames from this capture.
    pub fn rx(mut self, path: impl Into<PathBuf>) -> Self {
        let tx = self.captures().1;
        self.wire(WireKind::Captures { rx: Some(path.into()), tx })
    }

    /// Writes sent frames to this capture.
    pub fn tx(mut self, path: impl Into<PathBuf>) -> Self {
        let rx = self.captures().0;
        self.wire(WireKind::Captures { rx, tx: Some(path.into()) })
    }

    /// Exchanges frames with this program through `wire`.
    pub fn memory(self, wire: &MemoryWire) -> Self {
        self.wire(WireKind::Memory(wire.clone()))
    }

    /// Connects to a TAP interface of this machine, which is created if needed.
    pub fn tap(self, name: impl Into<String>) -> Self {
        self.wire(WireKind::Tap(TapSpec::named(name)))
    }

    /// Gives the TAP interface an address, and brings it up. It can have one IPv4 and one IPv6 address; a second
    /// one of its kind replaces the first. Without an earlier [`tap`](Self::tap) it has no effect.
    pub fn ip(mut self, address: InterfaceAddress) -> Self {
        if let WireKind::Tap(tap) = &mut self.0.kind {
            tap.addresses.retain(|other| other.is_ipv4() != address.is_ipv4());
            tap.addresses.push(address);
        }
        self
    }

    /// Sets the card's Ethernet address.
    pub fn mac(mut self, address: impl Into<MacAddress>) -> Self {
        self.0.mac = Some(address.into());
        self
    }

    /// Sets the module in the card's SFP+ cage.
    pub fn module(mut self, module: SfpModule) -> Self {
        self.0.module = module;
        self
    }

    /// Drops frames without a free descriptor, instead of letting them wait on the wire.
    pub fn without_pause(mut self) -> Self {
        self.0.pause_off = true;
        self
    }

    /// Keeps the link down.
    pub fn link_down(mut self) -> Self {
        self.0.link_down = true;
        self
    }

    /// Loses, duplicates, delays or damages frames, by `faults`.
    pub fn faults(mut self, faults: Faults) -> Self {
        self.0.faults = faults;
        self
    }

    fn wire(mut self, kind: WireKind) -> Self {
        self.0.kind = kind;
        self
    }

    fn captures(&mut self) -> (Option<PathBuf>, Option<PathBuf>) {
        match &mut self.0.kind {
            WireKind::Captures { rx, tx } => (rx.take(), tx.take()),
            _ => (None, None),
        }
    }
}

impl From<SimAddress> for Address {
    fn from(SimAddress(spec): SimAddress) -> Self {
        let text = if spec == WireSpec::default() { "sim".into() } else { format!("sim:{spec}") };
        Self { text, place: Place::Sim(spec) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_built_is_what_its_text_says() {
        let faults = Faults { loss: 0.5, seed: 3, ..Faults::default() };
        let ip = |text: &str| text.parse::<InterfaceAddress>().unwrap();
        for (built, text) in [
            (Address::sim(), "sim"),
            (Address::sim().flood(100, 3), "sim:size=100,flows=3"),
            (Address::sim().loopback().without_pause().link_down(), "sim:loopback,pause=off,link=down"),
            (Address::sim().cable("a,b"), "sim:cable=a,,b"),
            (Address::sim().socket("/tmp/a").faults(faults), "sim:socket=/tmp/a,loss=0.5,seed=3"),
            (Address::sim().rx("a"), "sim:rx=a"),
            (Address::sim().tx("b").cable("x").rx("a,"), "sim:rx=a,,"),
            (Address::sim().tx("b").rx("a"), "sim:rx=a,tx=b"),
            (Address::sim().mac([2, 0, 0, 0, 0, 1]), "sim:mac=02:00:00:00:00:01"),
            (Address::sim().module(SfpModule::PassiveCopper), "sim:module=dac"),
            (Address::sim().ip(ip("10.0.0.1/8")), "sim"),
            (
                Address::sim().tap("t").ip(ip("10.0.0.1/8")).ip(ip("fd00::1/64")).ip(ip("10.0.0.2/8")),
                "sim:tap=t,addr=fd00::1/64,addr=10.0.0.2/8",
            ),
        ] {
            let built = Address::from(built);
            let parsed: Address = text.parse().unwrap();
            assert_eq!(built.place, parsed.place, "{text}");
            assert_eq!(built.to_string().parse::<Address>().unwrap().place, parsed.place, "{built}");
        }
    }
}
