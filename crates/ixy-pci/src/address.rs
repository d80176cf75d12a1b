//! Names of devices: [`Address`], the place of a device, and [`DeviceId`], its kind.

use std::fmt;
use std::str::FromStr;

use crate::error::Error;

/// The place of a PCI function: domain, bus, device and function, as in `0000:03:00.0`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address {
    domain: u32,
    bus: u8,
    device: u8,
    function: u8,
}

impl Address {
    /// The address of `function` (0 to 7) of `device` (0 to 31) on a bus; `None` when one of them is out of
    /// range.
    pub const fn new(domain: u32, bus: u8, device: u8, function: u8) -> Option<Self> {
        if device > 31 || function > 7 { None } else { Some(Self { domain, bus, device, function }) }
    }

    /// The domain, also called segment: 0 on most machines.
    pub const fn domain(self) -> u32 {
        self.domain
    }

    /// The bus.
    pub const fn bus(self) -> u8 {
        self.bus
    }

    /// The device on its bus, 0 to 31.
    pub const fn device(self) -> u8 {
        self.device
    }

    /// The function of the device, 0 to 7: a card of two ports has two.
    pub const fn function(self) -> u8 {
        self.function
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04x}:{:02x}:{:02x}.{}", self.domain, self.bus, self.device, self.function)
    }
}

impl FromStr for Address {
    type Err = Error;

    /// Reads `0000:03:00.0`, or `03:00.0`, which is in domain 0. Domains have four to eight digits, as behind
    /// Intel's VMD (`10000:e1:00.0`).
    fn from_str(text: &str) -> Result<Self, Error> {
        let bad = |why| Error::BadAddress { text: text.to_owned(), why };
        let parts: Vec<&str> = text.split(':').collect();
        let (domain, bus, rest) = match parts[..] {
            [domain, bus, rest] => (domain, bus, rest),
            [bus, rest] => ("0000", bus, rest),
            _ => return Err(bad("it has not the form of one")),
        };
        let (device, function) =
            rest.split_once('.').ok_or(bad("it lacks a function, such as .0, at its end"))?;

        let domain = hex(domain, 4..=8).ok_or(bad("its domain is not four to eight hexadecimal digits"))?;
        let bus = hex(bus, 2..=2)
            .and_then(|bus| u8::try_from(bus).ok())
            .ok_or(bad("its bus is not two hexadecimal digits"))?;
        let device = hex(device, 2..=2)
            .and_then(|device| u8::try_from(device).ok())
            .filter(|device| *device < 32)
            .ok_or(bad("its device is not two hexadecimal digits up to 1f"))?;
        let function = hex(function, 1..=1)
            .and_then(|function| u8::try_from(function).ok())
            .filter(|function| *function < 8)
            .ok_or(bad("its function is not a digit from 0 to 7"))?;
        Ok(Self { domain, bus, device, function })
    }
}

/// The kind of a device: the numbers of its vendor and of its type, as in `8086:10fb`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeviceId {
    /// The vendor, for instance 0x8086 for Intel.
    pub vendor: u16,
    /// The kind of device, numbered by its vendor.
    pub device: u16,
}

impl DeviceId {
    /// A vendor's kind of device.
    pub const fn new(vendor: u16, device: u16) -> Self {
        Self { vendor, device }
    }
}

impl fmt::Display for DeviceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04x}:{:04x}", self.vendor, self.device)
    }
}

impl FromStr for DeviceId {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let id = |text| u16::try_from(hex(text, 4..=4)?).ok();
        text.split_once(':')
            .and_then(|(vendor, device)| Some(Self::new(id(vendor)?, id(device)?)))
            .ok_or_else(|| Error::BadDeviceId { text: text.to_owned() })
    }
}

/// Parses a number of hexadecimal digits only, with `digits` of them.
fn hex(text: &str, digits: std::ops::RangeInclusive<usize>) -> Option<u32> {
    let plain = digits.contains(&text.len()) && text.bytes().all(|b| b.is_ascii_hexdigit());
    plain.then(|| u32::from_str_radix(text, 16).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> String {
        text.parse::<Address>().unwrap().to_string()
    }

    #[test]
    fn an_address_is_read_in_both_forms_that_lspci_prints() {
        assert_eq!(parsed("0000:03:00.0"), "0000:03:00.0");
        assert_eq!(parsed("03:00.0"), "0000:03:00.0");
        assert_eq!(parsed("10000:E1:1f.7"), "10000:e1:1f.7");
        assert_eq!("0001:02:03.4".parse::<Address>().unwrap(), Address::new(1, 2, 3, 4).unwrap());
    }

    #[test]
    fn what_is_no_address_is_refused_with_its_reason() {
        let cases = [
            ("", "form"),
            ("3", "form"),
            ("0000:00:03:00.0", "form"),
            ("03:00", "function"),
            ("0000:03:00", "function"),
            ("03:00.8", "0 to 7"),
            ("03:00.00", "0 to 7"),
            ("03:00.", "0 to 7"),
            ("03:20.0", "1f"),
            ("03:0.0", "1f"),
            ("3:00.0", "bus"),
            ("+3:00.0", "bus"),
            ("003:00.0", "bus"),
            ("000:03:00.0", "domain"),
            ("000000000:03:00.0", "domain"),
            ("00g0:03:00.0", "domain"),
            ("0000:03:00.0 ", "0 to 7"),
        ];
        for (text, reason) in cases {
            let message = text.parse::<Address>().unwrap_err().to_string();
            assert!(message.contains(reason), "{text}: {message}");
            assert!(message.starts_with(&format!("`{text}` is not a PCI address")), "{message}");
            assert!(message.ends_with("for instance 0000:03:00.0 or 03:00.0"), "{message}");
        }
    }

    #[test]
    fn addresses_sort_by_domain_bus_device_and_function() {
        let mut addresses: Vec<Address> = ["0001:00:00.0", "03:00.1", "0a:00.0", "03:01.0", "03:00.0"]
            .iter()
            .map(|text| text.parse().unwrap())
            .collect();
        addresses.sort();
        let sorted: Vec<String> = addresses.iter().map(Address::to_string).collect();
        assert_eq!(sorted, ["0000:03:00.0", "0000:03:00.1", "0000:03:01.0", "0000:0a:00.0", "0001:00:00.0"]);
    }

    #[test]
    fn an_address_out_of_range_cannot_be_made() {
        assert_eq!(Address::new(0, 0, 32, 0), None);
        assert_eq!(Address::new(0, 0, 0, 8), None);
    }

    #[test]
    fn a_device_id_reads_back_as_it_prints() {
        let id: DeviceId = "8086:10fb".parse().unwrap();
        assert_eq!(id, DeviceId::new(0x8086, 0x10FB));
        assert_eq!(id.to_string(), "8086:10fb");
        for text in ["8086", "8086:", "8086:10fb0", "0x8086:10fb", "8086:10fb:1"] {
            assert!(text.parse::<DeviceId>().is_err(), "{text}");
        }
    }
}
