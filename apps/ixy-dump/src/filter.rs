//! The selection of frames to record: [`Filter`].
//!
//! tcpdump's language would be more familiar. The crates that compile it without libpcap are young and have few
//! users, so there are three flags for the most common filters.

use std::ffi::OsStr;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use clap::builder::{PossibleValue, StringValueParser, TypedValueParser};
use etherparse::{IpNumber, Ipv6ExtensionSlice, LaxIpPayloadSlice, LaxNetSlice, LaxSlicedPacket, LinkSlice};
use ixy::MacAddress;

/// The flags that select frames. A flag given several times accepts any of its values; different flags all have to
/// match.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Filter {
    /// Record only frames from or to this IPv4, IPv6 or Ethernet address
    ///
    /// Also the addresses in ARP. The option may be given several times.
    #[arg(long, value_name = "ADDRESS", value_parser = host)]
    host: Vec<Host>,
    /// Record only frames from or to this TCP or UDP port
    ///
    /// Of a packet in fragments only the first one has the ports. The option may be given several times.
    #[arg(long, value_name = "PORT", value_parser = ixy_cli::number::<u16>(0..=65535))]
    port: Vec<u16>,
    /// Record only this protocol: arp, ip, ip6, tcp, udp, icmp, icmp6 or a number
    ///
    /// A number is that of a protocol that IP carries. The option may be given several times.
    #[arg(long, value_name = "NAME", value_parser = Protocols, hide_possible_values = true)]
    proto: Vec<Protocol>,
}

/// A station.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Host {
    Ip(IpAddr),
    Mac([u8; 6]),
}

fn host(text: &str) -> Result<Host, String> {
    let mac = || text.parse().map(|mac: MacAddress| Host::Mac(mac.octets()));
    text.parse().map(Host::Ip).or_else(|_| mac()).map_err(|_| {
        "write an address, such as 10.0.0.1, fd00::1 or 02:00:00:00:00:01; names are not looked up".into()
    })
}

/// A protocol of the network layer, or one that IP carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Protocol {
    Arp,
    Ip4,
    Ip6,
    InIp(u8),
}

fn protocol(text: &str) -> Result<Protocol, String> {
    Ok(match text {
        "arp" => Protocol::Arp,
        "ip" => Protocol::Ip4,
        "ip6" => Protocol::Ip6,
        "icmp" => Protocol::InIp(1),
        "tcp" => Protocol::InIp(6),
        "udp" => Protocol::InIp(17),
        "icmp6" => Protocol::InIp(58),
        _ => Protocol::InIp(text.parse().map_err(|_| {
            "write arp, ip, ip6, tcp, udp, icmp, icmp6, or a number from 0 to 255".to_owned()
        })?),
    })
}

/// Parses protocols, and lists their names for completions. Numbers are values, too, but not worth a completion.
#[derive(Debug, Clone)]
struct Protocols;

impl TypedValueParser for Protocols {
    type Value = Protocol;

    fn parse_ref(
        &self,
        command: &clap::Command,
        arg: Option<&clap::Arg>,
        value: &OsStr,
    ) -> Result<Protocol, clap::Error> {
        StringValueParser::new().try_map(|text| protocol(&text)).parse_ref(command, arg, value)
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        let names = ["arp", "ip", "ip6", "tcp", "udp", "icmp", "icmp6"];
        Some(Box::new(names.into_iter().map(PossibleValue::new)))
    }
}

/// The fields of a frame that the filter looks at.
#[derive(Debug, Default)]
struct Seen {
    hosts: Vec<Host>,
    ports: Option<[u16; 2]>,
    protocols: Vec<Protocol>,
}

impl Filter {
    /// Whether a frame passes. VLAN tags are skipped.
    pub(crate) fn passes(&self, frame: &[u8]) -> bool {
        if self.host.is_empty() && self.port.is_empty() && self.proto.is_empty() {
            return true;
        }
        let seen = Seen::of(frame);
        let any_port = || seen.ports.is_some_and(|ports| self.port.iter().any(|port| ports.contains(port)));
        (self.host.is_empty() || self.host.iter().any(|host| seen.hosts.contains(host)))
            && (self.port.is_empty() || any_port())
            && (self.proto.is_empty() || self.proto.iter().any(|one| seen.protocols.contains(one)))
    }
}

impl Seen {
    fn of(frame: &[u8]) -> Self {
        let mut seen = Self::default();
        let Ok(packet) = LaxSlicedPacket::from_ethernet(frame) else { return seen };
        if let Some(LinkSlice::Ethernet2(ethernet)) = &packet.link {
            seen.hosts.extend([Host::Mac(ethernet.source()), Host::Mac(ethernet.destination())]);
        }
        match &packet.net {
            Some(LaxNetSlice::Ipv4(ip)) => {
                let header = ip.header();
                let addresses = [header.source_addr(), header.destination_addr()];
                seen.hosts.extend(addresses.map(|address| Host::Ip(address.into())));
                seen.protocols.push(Protocol::Ip4);
                seen.carries(ip.payload(), header.fragments_offset().value() == 0);
            }
            Some(LaxNetSlice::Ipv6(ip)) => {
                let header = ip.header();
                let addresses = [header.source_addr(), header.destination_addr()];
                seen.hosts.extend(addresses.map(|address| Host::Ip(address.into())));
                seen.protocols.push(Protocol::Ip6);
                let later = ip.extensions().clone().into_iter().any(|extension| match extension {
                    Ipv6ExtensionSlice::Fragment(fragment) => fragment.fragment_offset().value() != 0,
                    _ => false,
                });
                seen.carries(ip.payload(), !later);
            }
            Some(LaxNetSlice::Arp(arp)) => {
                let addresses = [arp.sender_protocol_addr(), arp.target_protocol_addr()];
                seen.hosts.extend(addresses.iter().filter_map(|address| ip_of(address)).map(Host::Ip));
                seen.protocols.push(Protocol::Arp);
            }
            None => {}
        }
        seen
    }

    /// Notes what an IP packet carries. The first fragment of a packet has its ports, and no other one. They are the
    /// first four bytes of a TCP segment and of a UDP datagram, whatever is wrong or missing behind them.
    fn carries(&mut self, payload: &LaxIpPayloadSlice<'_>, first: bool) {
        self.protocols.push(Protocol::InIp(payload.ip_number.0));
        if first
            && matches!(payload.ip_number, IpNumber::TCP | IpNumber::UDP)
            && let Some([a, b, c, d]) = payload.payload.first_chunk()
        {
            self.ports = Some([u16::from_be_bytes([*a, *b]), u16::from_be_bytes([*c, *d])]);
        }
    }
}

fn ip_of(bytes: &[u8]) -> Option<IpAddr> {
    let v4 = <[u8; 4]>::try_from(bytes).map(|four| Ipv4Addr::from(four).into());
    v4.or_else(|_| <[u8; 16]>::try_from(bytes).map(|sixteen| Ipv6Addr::from(sixteen).into())).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;
    use etherparse::PacketBuilder;

    #[derive(Parser)]
    struct Args {
        #[command(flatten)]
        filter: Filter,
    }

    /// The frames below that pass.
    fn pass(flags: &str) -> Vec<&'static str> {
        let words = std::iter::once("ixy-dump").chain(flags.split_whitespace());
        let filter = Args::try_parse_from(words).unwrap().filter;
        frames().into_iter().filter(|(_, frame)| filter.passes(frame)).map(|(name, _)| name).collect()
    }

    fn frames() -> Vec<(&'static str, Vec<u8>)> {
        let ethernet = || PacketBuilder::ethernet2([2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2]);
        let mut frames = Vec::new();
        let mut bytes = Vec::new();
        let udp = ethernet().ipv4([10, 0, 0, 1], [10, 0, 0, 2], 64).udp(1024, 53);
        udp.write(&mut bytes, &[0; 18]).unwrap();
        frames.push(("udp", std::mem::take(&mut bytes)));
        let tcp = ethernet().double_vlan(1.try_into().unwrap(), 2.try_into().unwrap());
        tcp.ipv4([10, 0, 0, 3], [10, 0, 0, 1], 64).tcp(80, 5000, 1, 1).write(&mut bytes, &[]).unwrap();
        frames.push(("tagged tcp", std::mem::take(&mut bytes)));
        let mut last = [0; 16];
        (last[0], last[15]) = (0xfd, 9);
        let v6 = ethernet().ipv6([0xfd; 16], last, 64).udp(80, 9);
        v6.write(&mut bytes, &[0; 4]).unwrap();
        frames.push(("udp6", std::mem::take(&mut bytes)));
        let icmp = ethernet().ipv4([10, 0, 0, 1], [10, 0, 0, 4], 64).icmpv4_echo_request(1, 2);
        icmp.write(&mut bytes, &[0; 20]).unwrap();
        frames.push(("icmp", std::mem::take(&mut bytes)));
        let mut arp = [[0xff; 6], [2, 0, 0, 0, 0, 7]].concat();
        arp.extend([8, 6, 0, 1, 8, 0, 6, 4, 0, 1]);
        arp.extend([2, 0, 0, 0, 0, 7, 10, 0, 0, 7, 0, 0, 0, 0, 0, 0, 10, 0, 0, 1]);
        frames.push(("arp", arp));
        frames.push(("noise", vec![0x88; 60]));
        frames.push(("cut", vec![2, 0, 0]));
        frames
    }

    #[test]
    fn frames_are_chosen_by_host_port_and_protocol() {
        assert_eq!(pass("").len(), 7);
        assert_eq!(pass("--host 10.0.0.1"), ["udp", "tagged tcp", "icmp", "arp"]);
        assert_eq!(pass("--host 10.0.0.2 --host fd00::9"), ["udp", "udp6"]);
        assert_eq!(pass("--host 02:00:00:00:00:07"), ["arp"]);
        assert_eq!(pass("--port 80"), ["tagged tcp", "udp6"]);
        assert_eq!(pass("--port 80 --proto udp"), ["udp6"]);
        assert_eq!(pass("--port 53 --port 5000"), ["udp", "tagged tcp"]);
        assert_eq!(pass("--proto 17"), ["udp", "udp6"]);
        assert_eq!(pass("--proto ip"), ["udp", "tagged tcp", "icmp"]);
        assert_eq!(pass("--proto arp --proto ip6"), ["udp6", "arp"]);
        assert_eq!(pass("--proto icmp --host 10.0.0.4"), ["icmp"]);
        assert_eq!(pass("--proto icmp6"), [""; 0]);
    }

    /// A frame of IPv4 with these bits of flags and offset, and this payload.
    fn fragment4(flags: u16, protocol: u8, payload: &[u8]) -> Vec<u8> {
        let [high, low] = flags.to_be_bytes();
        let length = 20 + payload.len() as u8;
        let header = [0x45, 0, 0, length, 0, 1, high, low, 64, protocol, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2];
        [&[2; 12], &[8, 0][..], &header, payload].concat()
    }

    /// The same of IPv6, with a fragment header.
    fn fragment6(flags: u16, protocol: u8, payload: &[u8]) -> Vec<u8> {
        let [high, low] = flags.to_be_bytes();
        let header = [0x60, 0, 0, 0, 0, 8 + payload.len() as u8, 44, 64];
        let fragment = [protocol, 0, high, low, 0, 0, 0, 1];
        [&[2; 12], &[0x86, 0xdd][..], &header, &[0xfd; 32], &fragment, payload].concat()
    }

    #[test]
    fn a_port_is_found_in_the_first_fragment_and_in_no_other() {
        let passes = |frame: &[u8]| {
            let filter = |port| Args::try_parse_from(["ixy-dump", "--port", port]).unwrap().filter;
            ["80", "1024"].map(|port| filter(port).passes(frame))
        };
        // Ports 1024 and 80, and the rest of a header of UDP, or the beginning of one of TCP.
        let payload = [4, 0, 0, 80, 0, 200, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8];
        for protocol in [6, 17] {
            // The flag for more fragments is bit 13 in IPv4 and bit 0 in IPv6; the offset of the last is 2 units.
            for (name, flags4, flags6, has) in [
                ("whole", 0, 0, true),
                ("first", 0x2000, 1, true),
                ("middle", 0x2002, 17, false),
                ("last", 2, 16, false),
            ] {
                let (v4, v6) = (fragment4(flags4, protocol, &payload), fragment6(flags6, protocol, &payload));
                assert_eq!(passes(&v4), [has; 2], "{name} fragment, IPv4, protocol {protocol}");
                assert_eq!(passes(&v6), [has; 2], "{name} fragment, IPv6, protocol {protocol}");
            }
            let tagged =
                [&[2; 12], &[0x81, 0, 0, 7][..], &fragment4(0x2000, protocol, &payload)[12..]].concat();
            assert_eq!(passes(&tagged), [true; 2], "with a VLAN tag");
            let cut = fragment4(0, protocol, &payload);
            assert_eq!(passes(&cut[..38]), [true; 2], "four bytes are left of the header");
            assert_eq!(passes(&cut[..37]), [false; 2]);
        }
        assert_eq!(passes(&fragment4(0x2000, 1, &payload)), [false; 2], "ICMP has no ports");
    }

    #[test]
    fn what_is_no_address_port_or_protocol_is_refused() {
        for (flag, value) in
            [("--host", "example.org"), ("--port", "70000"), ("--proto", "htp"), ("--proto", "256")]
        {
            assert!(Args::try_parse_from(["ixy-dump", flag, value]).is_err(), "{value}");
        }
    }
}
