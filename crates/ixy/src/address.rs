//! The place of a device: [`Address`].

#[cfg(feature = "sim")]
mod sim;

use std::fmt;
use std::str::FromStr;

#[cfg(feature = "sim")]
pub use sim::SimAddress;

use crate::error::Error;

/// The address of a device, in the one syntax of all programs:
///
/// - `0000:03:00.0` or `03:00.0`: a card on the PCI bus, as lspci prints it, that one of the drivers supports;
/// - `sim`, `sim:key=value,...`: a software 82599; the options are those of `ixy_sim::wire::WireSpec`, with a
///   comma in a value doubled;
/// - `vfio-user:PATH`: a device that another process, such as `ixy-serve`, serves at a socket.
///
/// The name of a network interface, such as `eth0`, is refused with the address of its card and what to do next.
///
/// It displays as it was given. A program that makes addresses itself uses [`Address::sim`], [`Address::vfio_user`] and
/// [`Address::pci`], which need no commas doubled.
///
/// ```
/// use ixy::Address;
///
/// let address: Address = "sim:rx=in.pcap,tx=out.pcap".parse()?;
/// assert_eq!(address.to_string(), "sim:rx=in.pcap,tx=out.pcap");
/// assert!("eth0".parse::<Address>().is_err());
/// assert_eq!(Address::pci(0, 3, 0, 1), Some("0000:03:00.1".parse()?));
/// # Ok::<(), ixy::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Address {
    text: String,
    pub(crate) place: Place,
}

/// Addresses are equal when they name the same device, whatever their spelling.
impl PartialEq for Address {
    fn eq(&self, other: &Self) -> bool {
        self.place == other.place
    }
}

impl Address {
    /// A card on the PCI bus: domain (0 on most machines), bus, device (0 to 31) and function (0 to 7). `None` when one
    /// of them is out of range.
    #[cfg(feature = "pci")]
    pub fn pci(domain: u32, bus: u8, device: u8, function: u8) -> Option<Self> {
        let place = ixy_pci::Address::new(domain, bus, device, function)?;
        Some(Self { text: place.to_string(), place: Place::Pci(place) })
    }

    /// A device that another process serves at the socket `path`.
    #[cfg(feature = "vfio-user")]
    pub fn vfio_user(path: impl Into<std::path::PathBuf>) -> Self {
        let path = path.into();
        Self { text: format!("vfio-user:{}", path.display()), place: Place::Served(path) }
    }
}

/// What to write in place of a text that is not an address.
#[cfg(any(feature = "pci", feature = "vfio-user"))]
const EXAMPLES: &str = "write one such as 0000:03:00.0 or 03:00.0 (`lspci -nn` lists them), sim, sim:rx=in.pcap, or \
                        vfio-user:/run/nic";

/// A parsed address.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Place {
    #[cfg(feature = "pci")]
    Pci(ixy_pci::Address),
    #[cfg(feature = "sim")]
    Sim(ixy_sim::wire::WireSpec),
    #[cfg(feature = "vfio-user")]
    Served(std::path::PathBuf),
    /// Understood, but no driver in this build can open it; with the reason.
    #[cfg(not(all(feature = "pci", feature = "sim", feature = "vfio-user")))]
    NotBuilt(&'static str),
}

impl FromStr for Address {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let place = if text == "sim" || text.starts_with("sim:") {
            simulated(text)?
        } else if let Some(path) = text.strip_prefix("vfio-user:") {
            served(text, path)?
        } else {
            on_pci(text)?
        };
        Ok(Self { text: text.to_owned(), place })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(feature = "sim")]
fn simulated(text: &str) -> Result<Place, Error> {
    let options = text.strip_prefix("sim:").unwrap_or_default();
    options.parse().map(Place::Sim).map_err(|source| Error::Wire { address: text.into(), source })
}

#[cfg(not(feature = "sim"))]
fn simulated(_: &str) -> Result<Place, Error> {
    Ok(Place::NotBuilt("this program was built without the feature `sim`; build it with it"))
}

#[cfg(feature = "vfio-user")]
fn served(text: &str, path: &str) -> Result<Place, Error> {
    if path.is_empty() {
        Err(Error::BadAddress { text: text.into(), way_out: EXAMPLES.into() })
    } else {
        Ok(Place::Served(path.into()))
    }
}

#[cfg(not(feature = "vfio-user"))]
fn served(_: &str, _: &str) -> Result<Place, Error> {
    Ok(Place::NotBuilt("this program was built without the feature `vfio-user`; build it with it"))
}

#[cfg(feature = "pci")]
fn on_pci(text: &str) -> Result<Place, Error> {
    text.parse().map(Place::Pci).map_err(|error| {
        let name = text.to_owned();
        match crate::named::answer(&ixy_pci::Sysfs::default(), text) {
            Some(answer) => Error::Interface { name, answer },
            None => Error::BadAddress { way_out: way_out(text, &error), text: name },
        }
    })
}

/// What to write instead of a text that is not an address: a similar address, or examples.
#[cfg(feature = "pci")]
fn way_out(text: &str, error: &ixy_pci::Error) -> String {
    use std::os::unix::fs::FileTypeExt;

    let like_pci =
        text.contains(':') && text.bytes().all(|byte| byte.is_ascii_hexdigit() || b":.".contains(&byte));
    match (error, std::fs::metadata(text)) {
        (ixy_pci::Error::BadAddress { why, .. }, _) if like_pci => {
            format!("{why}; write it as `lspci` prints it, such as 0000:03:00.0 or 03:00.0")
        }
        (_, Ok(found)) if found.is_file() => {
            let text = text.replace(',', ",,");
            format!(
                "it is a file; write sim:rx={text} to receive its frames, or sim:tx={text} to write frames into it"
            )
        }
        (_, Ok(found)) if found.file_type().is_socket() => {
            let option = text.replace(',', ",,");
            format!(
                "it is a socket; write vfio-user:{text} for a card that is served there, or sim:socket={option}"
            )
        }
        _ => match corrected(text) {
            Some(meant) => format!("did you mean {meant}? If not, {EXAMPLES}"),
            None => EXAMPLES.into(),
        },
    }
}

/// The address that a text with a misspelt kind stands for: sim:loopback for SIM:loopback.
#[cfg(all(feature = "pci", feature = "sim"))]
fn corrected(text: &str) -> Option<String> {
    let (kind, rest) = text.split_at(text.find(':').unwrap_or(text.len()));
    Some(match ixy_sim::similar(kind, ["sim", "vfio-user"])? {
        kind @ "vfio-user" if rest.is_empty() => format!("{kind}:PATH"),
        kind => format!("{kind}{rest}"),
    })
}

#[cfg(all(feature = "pci", not(feature = "sim")))]
fn corrected(_: &str) -> Option<String> {
    None
}

#[cfg(not(feature = "pci"))]
fn on_pci(_: &str) -> Result<Place, Error> {
    Ok(Place::NotBuilt("this program was built without the feature `pci`; build it with it"))
}

impl Address {
    /// The name of address `n` among those that are opened together: its text, with a number if several are the
    /// same.
    pub(crate) fn name(all: &[Self], n: usize) -> String {
        let text = &all[n].text;
        match all.iter().filter(|other| other.text == *text).count() {
            1 => text.clone(),
            _ => format!("{text} #{n}"),
        }
    }

    /// Refuses addresses that name one device twice, and captures of which one would spoil another. Two plain `sim`
    /// are two devices, and the ends of a cable come in pairs.
    pub(crate) fn check_distinct(all: &[Self]) -> Result<(), Error> {
        for (n, address) in all.iter().enumerate() {
            if let Some(other) = all[..n].iter().find(|other| other.place.excludes(&address.place)) {
                return Err(Error::Twice { address: address.text.clone(), other: other.text.clone() });
            }
        }
        #[cfg(feature = "sim")]
        sim::check_captures(all)?;
        Ok(())
    }
}

/// Whether two paths lead to the same file, whatever their spelling.
#[cfg(feature = "vfio-user")]
fn same_file(one: &std::path::Path, other: &std::path::Path) -> bool {
    one == other || one.canonicalize().ok().is_some_and(|one| other.canonicalize().ok() == Some(one))
}

impl Place {
    /// Whether opening it creates or empties a file.
    pub(crate) fn makes_a_file(&self) -> bool {
        match self {
            #[cfg(feature = "sim")]
            Self::Sim(spec) => crate::sim::makes_a_file(&spec.kind),
            _ => false,
        }
    }

    /// Whether only one of the two can be open.
    fn excludes(&self, other: &Self) -> bool {
        match (self, other) {
            #[cfg(feature = "pci")]
            (Self::Pci(one), Self::Pci(other)) => one == other,
            #[cfg(feature = "sim")]
            (Self::Sim(one), Self::Sim(other)) => crate::sim::exclude(&one.kind, &other.kind),
            #[cfg(feature = "vfio-user")]
            (Self::Served(one), Self::Served(other)) => same_file(one, other),
            _ => false,
        }
    }
}
