//! Receive side scaling: the Toeplitz hash over addresses and ports, and the queue that it chooses (section 7.1.2.8).

use ixy_regs::ixgbe::descriptors::receive::RssType;
use ixy_regs::ixgbe::fields::MRQC;

use super::behaviour::Behaviour;
use super::headers::{Headers, Network, Transport};
use super::names::{reta, rssrk};
use super::storage::Storage;

/// Bytes of the longest input: two IPv6 addresses and two ports.
const INPUT: usize = 36;

/// The key and the table in a form for quick lookup.
pub(crate) struct Rss {
    /// The contribution to the hash of each value of each input byte.
    shares: Vec<[u32; 256]>,
    queues: [u8; 128],
    stale: bool,
}

impl Rss {
    pub(crate) fn new() -> Self {
        Self { shares: Vec::new(), queues: [0; 128], stale: true }
    }

    /// Marks the tables as stale, since RSSRK or RETA changed.
    pub(crate) fn changed(&mut self) {
        self.stale = true;
    }

    fn prepare(&mut self, regs: &Storage) {
        let mut key = [0_u8; 40];
        for (n, bytes) in key.chunks_exact_mut(4).enumerate() {
            bytes.copy_from_slice(&regs.load(rssrk(n as u32)).to_le_bytes());
        }
        self.shares.resize(INPUT, [0; 256]);
        for (at, shares) in self.shares.iter_mut().enumerate() {
            let window = key[at..at + 5].iter().fold(0_u64, |window, byte| window << 8 | u64::from(*byte));
            // Each bit of the input byte takes 32 bits of the key from its own position on, bit 7 first.
            let bits: [u32; 8] = std::array::from_fn(|bit| (window >> (bit + 1)) as u32);
            for (value, share) in shares.iter_mut().enumerate() {
                *share = (0..8).filter(|bit| value >> bit & 1 == 1).fold(0, |sum, bit| sum ^ bits[bit]);
            }
        }
        for (n, queue) in self.queues.iter_mut().enumerate() {
            *queue = (regs.load(reta(n as u32 / 4)) >> (8 * (n % 4)) & 0xf) as u8;
        }
        self.stale = false;
    }

    fn hash(&self, input: &[u8]) -> u32 {
        input.iter().zip(&self.shares).fold(0, |hash, (byte, shares)| hash ^ shares[usize::from(*byte)])
    }

    /// The queue of a frame, and its hash with its type, if any. `mrqc` is the register's value.
    #[inline]
    pub(crate) fn choose(
        &mut self,
        regs: &Storage,
        mrqc: u32,
        headers: &Headers,
        frame: &[u8],
    ) -> (u32, Option<(u32, RssType)>) {
        // With pools and traffic classes the caller masks their mode out of `mrqc`.
        if MRQC::MRQE.read(mrqc) != 1 || !Behaviour::Rss.on() {
            return (0, None);
        }
        if self.stale {
            self.prepare(regs);
        }
        let Some((network, _)) = headers.network else { return (0, None) };
        let transport = headers.transport.map(|(transport, _)| transport);
        let kinds = match network {
            Network::V4 => [
                (transport == Some(Transport::Tcp), MRQC::RSS_TCP_IPV4, RssType::TcpIpv4, true),
                (transport == Some(Transport::Udp), MRQC::RSS_UDP_IPV4, RssType::UdpIpv4, true),
                (true, MRQC::RSS_IPV4, RssType::Ipv4, false),
            ],
            Network::V6 => [
                (transport == Some(Transport::Tcp), MRQC::RSS_TCP_IPV6, RssType::TcpIpv6, true),
                (transport == Some(Transport::Udp), MRQC::RSS_UDP_IPV6, RssType::UdpIpv6, true),
                (true, MRQC::RSS_IPV6, RssType::Ipv6, false),
            ],
        };
        let found = kinds
            .into_iter()
            .find(|(fits, field, ..)| *fits && (field.is_set(mrqc) || !Behaviour::RssTypes.on()));
        let Some((_, _, kind, ports)) = found else { return (0, None) };
        let mut input = [0; INPUT];
        let Some(len) = headers.hashed(frame, ports && Behaviour::RssPorts.on(), &mut input) else {
            return (0, None);
        };
        let hash = self.hash(&input[..len]);
        let entry = if Behaviour::RssTable.on() { hash & 0x7f } else { 0 };
        (u32::from(self.queues[entry as usize]), Some((hash, kind)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The key and the results in section 7.1.2.8.3 of the datasheet, which are those of Microsoft's RSS
    /// specification.
    const KEY: [u8; 40] = [
        0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2, 0x41, 0x67, 0x25, 0x3d, 0x43, 0xa3, 0x8f, 0xb0, 0xd0,
        0xca, 0x2b, 0xcb, 0xae, 0x7b, 0x30, 0xb4, 0x77, 0xcb, 0x2d, 0xa3, 0x80, 0x30, 0xf2, 0x0c, 0x6a, 0x42,
        0xb7, 0x3b, 0xbe, 0xac, 0x01, 0xfa,
    ];

    #[test]
    fn the_hash_has_the_values_of_the_verification_suite() {
        let regs = Storage::new();
        for (n, bytes) in KEY.chunks_exact(4).enumerate() {
            regs.store(rssrk(n as u32), u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]));
        }
        let mut rss = Rss::new();
        rss.prepare(&regs);
        let input = [66, 9, 149, 187, 161, 142, 100, 80, 0x0a, 0xea, 0x06, 0xe6];
        assert_eq!(rss.hash(&input), 0x51cc_c178, "with ports");
        assert_eq!(rss.hash(&input[..8]), 0x323e_8fc2, "addresses only");
    }
}
