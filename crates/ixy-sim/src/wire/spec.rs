mod text;

use std::path::PathBuf;

use ixy_core::MacAddress;

use super::{
    Altered, Cables, Captures, Claim, Faults, Faulty, Flood, GiveUp, Loopback, MemoryWire, Padded,
    SocketWire, Tap, TapSpec, Wire, WireError,
};
use crate::model::SfpModule;

/// The options of a `sim` address: the kind of wire, and changes to it.
///
/// It parses from the text after `sim:` (empty for plain `sim`): options separated by commas, most of them
/// `key=value`. A comma inside a value is doubled. Its display is the normal form: only options that differ from
/// the default, in a fixed order. That form parses to the same value.
///
/// | option | meaning |
/// | --- | --- |
/// | `flood` | endless source and sink; the default |
/// | `size=BYTES` | of flood's frames, 60 to 1514, without frame check sequence; 60 if not given |
/// | `flows=N` | of flood's frames, 1 to 4096; 1 if not given |
/// | `loopback` | sent frames come back |
/// | `cable=NAME` | one of two ends in this process |
/// | `socket=PATH` | one of two ends in different processes |
/// | `rx=FILE`, `tx=FILE` | frames from and to captures, either or both: pcap or pcapng, packed by gzip or not, as the content says of what is read and the name (`.pcapng`, `.gz`) of what is written; `-` is standard input and output |
/// | `tap=NAME` | a TAP interface of the system |
/// | `up` | brings the TAP interface up |
/// | `mtu=BYTES` | of the TAP interface, 68 to 1500 |
/// | `addr=ADDRESS/PREFIX` | gives the TAP interface an address and brings it up; may be given once for IPv4 and once for IPv6 |
/// | `netns=NAME` | the network namespace of the TAP interface; a path if it has a `/` in it |
/// | `mac=ADDRESS` | the card's Ethernet address; if not given, 02:1b:21:00:00:01 for the first card of a process, and so on |
/// | `module=KIND` | the SFP+ module in the cage: `sr` (the default), `lr`, `lrm`, `er`, `dual`, `dac`, `active-dac` or `1g` |
/// | `link=down` | no light arrives |
/// | `pause=off` | frames that find no free descriptor are missed, instead of waiting for one |
/// | `loss=P`, `dup=P`, `corrupt=P` | probabilities from 0 to 1, for each frame |
/// | `delay=TIME` | of each frame, in microseconds or with a unit: `us`, `ms`; at most 10 s |
/// | `seed=N` | another sequence of faults; 0 if not given |
#[derive(Debug, Clone, PartialEq, Default)]
pub struct WireSpec {
    /// The other end of the wire.
    pub kind: WireKind,
    /// The module in the card's cage; the wire itself does not depend on it.
    pub module: SfpModule,
    /// No light arrives.
    pub link_down: bool,
    /// Frames that find no free descriptor are dropped instead of waiting.
    pub pause_off: bool,
    /// Faults that the wire makes on purpose.
    pub faults: Faults,
    /// The card's Ethernet address, if it is not the default.
    pub mac: Option<MacAddress>,
}

/// The other end of a wire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WireKind {
    /// [`Flood`].
    Flood {
        /// Bytes of a frame without frame check sequence; in [`Flood::SIZES`].
        size: usize,
        /// UDP flows, 1 to [`Flood::FLOWS`].
        flows: u32,
    },
    /// [`Loopback`].
    Loopback,
    /// A [`CableEnd`](super::CableEnd) of this name.
    Cable(String),
    /// A [`SocketWire`] at this path.
    Socket(PathBuf),
    /// [`Captures`]; at least one of the two is given.
    Captures {
        /// The capture to receive from.
        rx: Option<PathBuf>,
        /// The capture to send to.
        tx: Option<PathBuf>,
    },
    /// A [`Tap`].
    Tap(TapSpec),
    /// A [`MemoryWire`]. It has no text form: a program creates it.
    Memory(MemoryWire),
}

impl WireKind {
    /// Whether frames go to standard output. The wire is connected, so its files exist.
    pub fn writes_to_stdout(&self) -> bool {
        matches!(self, Self::Captures { tx: Some(path), .. } if ixy_pcap::is_stdout(path))
    }

    /// The captures that it reads and writes, or its socket, for the argument `by`.
    pub fn claims(&self, by: &str) -> Vec<Claim> {
        let (rx, tx) = match self {
            Self::Captures { rx, tx } => (rx, tx),
            Self::Socket(path) => return vec![Claim::cable(by, path)],
            _ => return Vec::new(),
        };
        let (rx, tx) = (rx.iter().map(|rx| Claim::reads(by, rx)), tx.iter().map(|tx| Claim::writes(by, tx)));
        rx.chain(tx).collect()
    }

    /// Whether frames may arrive that no card has padded.
    fn needs_padding(&self) -> bool {
        match self {
            Self::Flood { .. } | Self::Loopback | Self::Cable(_) => false,
            Self::Socket(_) | Self::Captures { .. } | Self::Tap(_) | Self::Memory(_) => true,
        }
    }
}

impl Default for WireKind {
    fn default() -> Self {
        WireKind::Flood { size: *Flood::SIZES.start(), flows: 1 }
    }
}

impl WireSpec {
    /// What to write for an address.
    const MAC: &str = "write the Ethernet address of one card, such as 02:00:00:00:00:07: six bytes, the first one even, \
                       not all zero";

    /// Makes the wire. Cables are joined by name in `cables`; [`Cables::check`] finds those with a single end
    /// after all addresses are opened.
    ///
    /// # Errors
    /// The file, socket, interface or cable cannot be opened. Nothing is left behind then.
    pub fn connect(&self, cables: &Cables) -> Result<Box<dyn Wire>, WireError> {
        self.connect_unless(cables, &GiveUp::default())
    }

    /// Like [`connect`](Self::connect), but `give_up` ends the wait for the other end of a named pipe, now and
    /// while it is read and written, and the wait for delayed frames at the end.
    ///
    /// # Errors
    /// The same as for [`connect`](Self::connect), and [`PcapError::GivenUp`](ixy_pcap::PcapError::GivenUp).
    pub fn connect_unless(&self, cables: &Cables, give_up: &GiveUp) -> Result<Box<dyn Wire>, WireError> {
        if let Some(mac) = self.mac.filter(|mac| !mac.is_unicast()) {
            return Err(WireError::Value { option: "mac", value: mac.to_string(), expected: Self::MAC });
        }
        let mut wire: Box<dyn Wire> = match &self.kind {
            WireKind::Flood { size, flows } => Box::new(Flood::new(*size, *flows)),
            WireKind::Loopback => Box::new(Loopback::new()),
            WireKind::Cable(name) => Box::new(cables.connect(name)?),
            WireKind::Socket(path) => Box::new(SocketWire::open(path)?),
            WireKind::Captures { rx, tx } => Box::new(Captures::open(rx.as_deref(), tx.as_deref(), give_up)?),
            WireKind::Tap(tap) => Box::new(Tap::open(tap)?),
            WireKind::Memory(memory) => Box::new(memory.plug()?),
        };
        if self.kind.needs_padding() {
            wire = Box::new(Padded::new(wire));
        }
        if !self.faults.is_none() {
            wire = Box::new(Faulty::new(wire, self.faults.clone()).until(give_up));
        }
        if self.link_down || self.pause_off {
            wire = Box::new(Altered::new(wire, self.link_down, self.pause_off));
        }
        tracing::debug!(wire = %self, "wire connected");
        Ok(wire)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_no_card_can_have_is_refused() {
        for wrong in [[255; 6], [0; 6]] {
            let spec = WireSpec { mac: Some(MacAddress(wrong)), ..WireSpec::default() };
            let error = spec.connect(&Cables::default()).err().map(|error| error.to_string());
            let expected = "write the Ethernet address of one card";
            assert!(error.as_ref().is_some_and(|error| error.contains(expected)), "{wrong:?}: {error:?}");
        }
    }

    #[test]
    fn short_frames_are_padded_unless_another_card_sent_them() {
        let dir = tempfile::tempdir().unwrap();
        let cables = Cables::default();
        for (text, arrives_with) in [
            ("loopback".into(), 42),
            ("cable=a".into(), 42),
            (format!("socket={}", dir.path().join("s").display()), 60),
        ] {
            let spec: WireSpec = text.parse().unwrap();
            let mut sender = spec.connect(&cables).unwrap();
            let mut receiver = (text != "loopback").then(|| spec.connect(&cables).unwrap());
            sender.link_up();
            assert!(sender.transmit(&[1; 42]), "{text}");
            let receiver = receiver.as_mut().unwrap_or(&mut sender);
            assert_eq!(receiver.front().map(<[u8]>::len), Some(arrives_with), "{text}");
        }
    }
}
