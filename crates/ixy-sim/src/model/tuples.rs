//! The 5-tuple filters: IPv4 packets by addresses, ports and protocol (section 7.1.2.5).

use ixy_regs::ixgbe::rest_fields::{FTQF, L34TIMIR, LLITHRESH, SDPQF};

use super::behaviour::Behaviour;
use super::headers::{Headers, Network, Transport};
use super::names::{LLITHRESH as LLITHRESH_AT, daqf, ftqf, l34timir, saqf, sdpqf};
use super::storage::Storage;

/// Number of filters.
const FILTERS: u32 = 128;

/// An active filter.
#[derive(Debug, Clone, Copy)]
struct Filter {
    /// FTQF: protocol, priority, and the fields to compare.
    control: u32,
    source: [u8; 4],
    destination: [u8; 4],
    source_port: u16,
    destination_port: u16,
    /// L34TIMIR: the queue, and which packets interrupt at once.
    action: u32,
}

impl Filter {
    fn load(regs: &Storage, n: u32) -> Option<Self> {
        let control = regs.load(ftqf(n));
        if !FTQF::QUEUE_ENABLE.is_set(control) || !Behaviour::TupleFilter.on() {
            return None;
        }
        let ports = regs.load(sdpqf(n));
        Some(Self {
            control,
            // The first byte on the wire is the lowest one of the register, also for ports.
            source: regs.load(saqf(n)).to_le_bytes(),
            destination: regs.load(daqf(n)).to_le_bytes(),
            source_port: (SDPQF::SRC_PORT.read(ports) as u16).swap_bytes(),
            destination_port: (SDPQF::DST_PORT.read(ports) as u16).swap_bytes(),
            action: regs.load(l34timir(n)),
        })
    }

    fn matches(&self, pool: u32, packet: &Packet) -> bool {
        let masked = |field: tock_registers::fields::Field<u32, FTQF::Register>| {
            field.is_set(self.control) && Behaviour::TupleMasks.on()
        };
        let port = |at: usize| packet.ports.map(|ports| ports[at]);
        (masked(FTQF::MASK_PROTOCOL) || FTQF::PROTOCOL.read(self.control) == packet.protocol)
            && (masked(FTQF::MASK_SRC_ADDR) || self.source == packet.source)
            && (masked(FTQF::MASK_DST_ADDR) || self.destination == packet.destination)
            && (masked(FTQF::MASK_SRC_PORT) || port(0) == Some(self.source_port))
            && (masked(FTQF::MASK_DST_PORT) || port(1) == Some(self.destination_port))
            && (masked(FTQF::MASK_POOL) || FTQF::POOL.read(self.control) == pool)
    }
}

/// The fields of a packet that filters compare.
struct Packet {
    protocol: u32,
    source: [u8; 4],
    destination: [u8; 4],
    ports: Option<[u16; 2]>,
}

impl Packet {
    /// `None` for packets that the filters ignore: all but unfragmented IPv4.
    fn of(headers: &Headers, frame: &[u8]) -> Option<Self> {
        let (Network::V4, ip) = headers.network? else { return None };
        if headers.fragment {
            return None;
        }
        let bytes = |at: usize| frame.get(at..at + 4).and_then(|bytes| <[u8; 4]>::try_from(bytes).ok());
        let ports = headers.transport.and_then(|(_, at)| bytes(at));
        Some(Self {
            protocol: match headers.transport {
                Some((Transport::Tcp, _)) => 0,
                Some((Transport::Udp, _)) => 1,
                Some((Transport::Sctp, _)) => 2,
                None => 3,
            },
            source: bytes(ip + 12)?,
            destination: bytes(ip + 16)?,
            ports: ports.map(|b| [u16::from_be_bytes([b[0], b[1]]), u16::from_be_bytes([b[2], b[3]])]),
        })
    }
}

/// The active filters by descending priority (among equals the first one wins), and the size below which frames
/// interrupt at once.
#[derive(Debug, Default)]
pub(crate) struct Tuples(Vec<Filter>, u32);

impl Tuples {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn prepare(&mut self, regs: &Storage) {
        self.0 = (0..FILTERS).filter_map(|n| Filter::load(regs, n)).collect();
        self.1 = LLITHRESH::SIZE_THRESH.read(regs.load(LLITHRESH_AT));
        if Behaviour::TuplePriority.on() {
            self.0.sort_by_key(|filter| std::cmp::Reverse(FTQF::PRIORITY.read(filter.control)));
        }
    }

    /// The queue of the filter that a frame matches, and whether the frame interrupts at once.
    pub(crate) fn queue(&self, pool: u32, headers: &Headers, frame: &[u8]) -> Option<(u32, bool)> {
        if self.is_empty() {
            return None;
        }
        let packet = Packet::of(headers, frame)?;
        let action = self.0.iter().find(|filter| filter.matches(pool, &packet))?.action;
        let small = L34TIMIR::SIZE_BP.is_set(action) || (frame.len() as u32) < self.1;
        Some((L34TIMIR::RX_QUEUE.read(action), L34TIMIR::LLI.is_set(action) && small))
    }
}
