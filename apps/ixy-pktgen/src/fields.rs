//! The header fields of frames: [`Fields`], each a value or a range.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use ixy::MacAddress;
use ixy_cli::Error;

/// A value of a header field that can be counted up.
pub(crate) trait Value: Copy + FromStr {
    /// Its name in messages, with an example of a range.
    const KIND: &'static str;

    /// Its bytes as a number, and their count.
    fn number(self) -> (u128, usize);
}

impl Value for MacAddress {
    const KIND: &'static str =
        "an Ethernet address, or a range of them such as 02:00:00:00:00:01-02:00:00:00:00:10";

    fn number(self) -> (u128, usize) {
        let [a, b, c, d, e, f] = self.octets();
        (u64::from_be_bytes([0, 0, a, b, c, d, e, f]).into(), 6)
    }
}

impl Value for IpAddr {
    const KIND: &'static str = "an IP address, or a range of them such as 10.0.0.1-10.0.0.50";

    fn number(self) -> (u128, usize) {
        match self {
            Self::V4(address) => (address.to_bits().into(), 4),
            Self::V6(address) => (address.to_bits(), 16),
        }
    }
}

impl Value for u16 {
    const KIND: &'static str = "a port from 0 to 65535, or a range of them such as 1000-1999";

    fn number(self) -> (u128, usize) {
        (self.into(), 2)
    }
}

/// A value, or all from one to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) first: u128,
    pub(crate) last: u128,
    /// Size of the field in bytes.
    pub(crate) width: usize,
}

impl Span {
    fn one(value: impl Value) -> Self {
        let (first, width) = value.number();
        Self { first, last: first, width }
    }

    /// Parses `a` or `a-b`.
    fn parse<T: Value>(text: &str) -> Result<Self, String> {
        let value = |text: &str| text.parse::<T>().map_err(|_| format!("write {}", T::KIND));
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        let (low, high) = (first, last);
        let ((first, width), (last, other)) = (value(first)?.number(), value(last)?.number());
        if width != other {
            return Err(
                "one end of the range is IPv4 and the other IPv6; write two addresses of one kind".into()
            );
        }
        if first > last {
            return Err(format!("a range begins with the lower value; write {high}-{low}"));
        }
        Ok(Self { first, last, width })
    }
}

fn macs(text: &str) -> Result<Span, String> {
    Span::parse::<MacAddress>(text)
}

fn ips(text: &str) -> Result<Span, String> {
    Span::parse::<IpAddr>(text)
}

fn ports(text: &str) -> Result<Span, String> {
    Span::parse::<u16>(text)
}

/// The first flow's source port; each further flow has the next one.
const FIRST_PORT: u16 = 1024;
/// The number of ports from the first one on.
const FLOWS: u16 = u16::MAX - FIRST_PORT + 1;

/// The flags for the headers of generated frames. In a range (A-B) each frame has the next value, and the first
/// one follows the last.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Fields {
    /// Source address, or a range [default: the device's own]
    #[arg(long, value_name = "MAC[-MAC]", value_parser = macs, hide_short_help = true)]
    src_mac: Option<Span>,
    /// Destination address, or a range [default: 02:00:00:00:00:02]
    #[arg(long, value_name = "MAC[-MAC]", value_parser = macs, hide_short_help = true)]
    dst_mac: Option<Span>,
    /// Source IPv4 or IPv6 address, or a range: 10.0.0.1-10.0.0.50 [default: 10.0.0.1, fd00::1]
    #[arg(long, value_name = "IP[-IP]", value_parser = ips, hide_short_help = true)]
    src_ip: Option<Span>,
    /// Destination IPv4 or IPv6 address, or a range [default: 10.0.0.2, fd00::2]
    #[arg(long, value_name = "IP[-IP]", value_parser = ips, hide_short_help = true)]
    dst_ip: Option<Span>,
    /// Source UDP port, or a range: 1000-1999 [default: 1024]
    #[arg(long, value_name = "PORT[-PORT]", value_parser = ports, hide_short_help = true)]
    src_port: Option<Span>,
    /// Destination UDP port, or a range [default: 1337]
    #[arg(long, value_name = "PORT[-PORT]", value_parser = ports, hide_short_help = true)]
    dst_port: Option<Span>,
    /// Number of UDP flows: that many source ports from 1024 on
    #[arg(long, value_name = "N", conflicts_with = "src_port", value_parser = ixy_cli::number::<u16>(1..=u64::from(FLOWS)))]
    flows: Option<u16>,
}

/// Names of the flags above, which do not apply to the frames of a capture.
pub(crate) const FLAGS: [&str; 7] =
    ["src_mac", "dst_mac", "src_ip", "dst_ip", "src_port", "dst_port", "flows"];

/// The header fields of generated frames, with all defaults filled in.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Headers {
    pub(crate) dst_mac: Span,
    pub(crate) src_mac: Span,
    pub(crate) src_ip: Span,
    pub(crate) dst_ip: Span,
    pub(crate) src_port: Span,
    pub(crate) dst_port: Span,
}

impl Headers {
    /// Whether packets are IPv6.
    pub(crate) fn is_v6(&self) -> bool {
        self.src_ip.width == 16
    }
}

impl Fields {
    /// The headers of frames from a device with the address `own`.
    ///
    /// # Errors
    /// One address is IPv4 and the other IPv6.
    pub(crate) fn headers(&self, own: MacAddress) -> Result<Headers, Error> {
        let v6 = [self.src_ip, self.dst_ip].iter().flatten().any(|span| span.width == 16);
        let ip = |given: Option<Span>, last| {
            let v4_default = IpAddr::V4(Ipv4Addr::new(10, 0, 0, last));
            let v6_default = IpAddr::V6(Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, last.into()));
            given.unwrap_or_else(|| Span::one(if v6 { v6_default } else { v4_default }))
        };
        let (src_ip, dst_ip) = (ip(self.src_ip, 1), ip(self.dst_ip, 2));
        if src_ip.width != dst_ip.width {
            return Err(Error::Usage(
                "one of --src-ip and --dst-ip is IPv4 and the other IPv6; write two addresses of one kind"
                    .into(),
            ));
        }
        let mut src_port = self.src_port.unwrap_or_else(|| Span::one(FIRST_PORT));
        if let Some(flows) = self.flows {
            src_port.last = u128::from(FIRST_PORT) + u128::from(flows) - 1;
        }
        Ok(Headers {
            dst_mac: self.dst_mac.unwrap_or_else(|| Span::one(MacAddress([2, 0, 0, 0, 0, 2]))),
            src_mac: self.src_mac.unwrap_or_else(|| Span::one(own)),
            src_ip,
            dst_ip,
            src_port,
            dst_port: self.dst_port.unwrap_or_else(|| Span::one(1337)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_and_a_range_are_read_and_what_is_neither_is_refused() {
        assert_eq!(ports("7"), Ok(Span { first: 7, last: 7, width: 2 }));
        assert_eq!(ports("1000-1999"), Ok(Span { first: 1000, last: 1999, width: 2 }));
        assert_eq!(ips("10.0.0.250-10.0.1.5").map(|span| span.last - span.first), Ok(11));
        assert_eq!(ips("fd00::1-fd00::ff").map(|span| (span.last - span.first, span.width)), Ok((254, 16)));
        assert_eq!(macs("2:0:0:0:0:ff-2:0:0:0:1:0").map(|span| span.last - span.first), Ok(1));
        for text in ["", "-", "1-", "-1", "65536", "a", "1-2-3"] {
            assert!(ports(text).is_err_and(|error| error.contains("1000-1999")), "{text}");
        }
        assert!(ports("2-1").is_err_and(|error| error.contains("lower value; write 1-2")));
        assert!(ips("10.0.0.1-fd00::1").is_err_and(|error| error.contains("one kind")));
    }
}
