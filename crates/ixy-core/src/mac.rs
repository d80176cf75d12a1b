//! Ethernet addresses: [`MacAddress`].

use std::fmt;
use std::str::FromStr;

/// An Ethernet address, its bytes in the order in which they are sent.
///
/// ```
/// use ixy_core::MacAddress;
///
/// let mac: MacAddress = "02:1b:21:00:00:01".parse()?;
/// assert_eq!(mac, MacAddress([0x02, 0x1b, 0x21, 0, 0, 1]));
/// assert!(mac.is_unicast() && MacAddress::BROADCAST.is_multicast());
/// assert_eq!(mac.to_string(), "02:1b:21:00:00:01");
/// # Ok::<(), ixy_core::ParseMacError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct MacAddress(pub [u8; 6]);

impl MacAddress {
    /// The address that every station receives: ff:ff:ff:ff:ff:ff.
    pub const BROADCAST: Self = Self([0xff; 6]);

    /// Its six bytes, in the order in which they are sent.
    pub const fn octets(self) -> [u8; 6] {
        self.0
    }

    /// Whether it can be the address of one station: neither a group's nor all zeros.
    pub fn is_unicast(self) -> bool {
        !self.is_multicast() && self != Self::default()
    }

    /// Whether it names a group of stations, such as broadcast.
    pub const fn is_multicast(self) -> bool {
        self.0[0] & 1 != 0
    }
}

impl From<[u8; 6]> for MacAddress {
    fn from(octets: [u8; 6]) -> Self {
        Self(octets)
    }
}

impl From<MacAddress> for [u8; 6] {
    fn from(address: MacAddress) -> Self {
        address.0
    }
}

impl fmt::Display for MacAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

/// The error for text that is not an Ethernet address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no Ethernet address: write six bytes in hexadecimal, as in 02:00:00:00:00:01")]
pub struct ParseMacError(String);

impl FromStr for MacAddress {
    type Err = ParseMacError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut bytes = [0; 6];
        let mut parts = text.split(':');
        for byte in &mut bytes {
            let part = parts
                .next()
                .filter(|p| (1..=2).contains(&p.len()) && p.bytes().all(|b| b.is_ascii_hexdigit()));
            let value = part.and_then(|p| u8::from_str_radix(p, 16).ok());
            *byte = value.ok_or_else(|| ParseMacError(text.into()))?;
        }
        if parts.next().is_some() {
            return Err(ParseMacError(text.into()));
        }
        Ok(Self(bytes))
    }
}
