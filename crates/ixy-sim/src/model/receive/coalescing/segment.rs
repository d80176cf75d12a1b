//! The fields of a frame that coalescing looks at (section 7.11.1).

use ixy_regs::ixgbe::descriptors::receive::Status;

use super::super::super::behaviour::Behaviour;
use super::super::super::headers::{Headers, Network, Transport};

const SEQUENCE: usize = 4;
const FLAGS: usize = 13;
/// Where options begin.
pub(super) const OPTIONS: usize = 20;
const ACK: u8 = 1 << 4;
/// The bytes before the only option allowed: two bytes of padding, kind and length of time stamps.
const TIME_STAMPS: [u8; 4] = [1, 1, 8, 10];

pub(super) fn word(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

fn long(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

/// A TCP connection over IPv4: the fields that identify it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Flow {
    addresses: [u8; 8],
    ports: [u8; 4],
    vlan: Option<u16>,
}

/// The relevant fields of one segment.
pub(super) struct Segment<'f> {
    pub(super) flow: Flow,
    pub(super) frame: &'f [u8],
    /// Where the headers of IP and TCP begin, and the payload.
    pub(super) ip: usize,
    pub(super) tcp: usize,
    pub(super) body: usize,
    pub(super) sequence: u32,
    pub(super) acknowledges: bool,
    /// It has the time stamp option.
    pub(super) stamped: bool,
    /// It may be part of a large receive.
    pub(super) viable: bool,
}

impl<'f> Segment<'f> {
    /// `None` when the frame belongs to no connection.
    pub(super) fn of(frame: &'f [u8], headers: &Headers, vlan: Option<u16>, status: u64) -> Option<Self> {
        let (Some((Network::V4, ip)), Some((Transport::Tcp, tcp))) = (headers.network, headers.transport)
        else {
            return None;
        };
        let flow = Flow {
            addresses: frame.get(ip + 12..ip + 20)?.try_into().ok()?,
            ports: frame.get(tcp..tcp + 4)?.try_into().ok()?,
            vlan,
        };
        let flags = *frame.get(tcp + FLAGS)?;
        let mut segment = Self {
            flow,
            frame,
            ip,
            tcp,
            body: frame.len(),
            sequence: long(frame, tcp + SEQUENCE)?,
            acknowledges: flags & ACK != 0,
            stamped: false,
            viable: false,
        };
        let Some(body) = headers.transport_end(frame) else { return Some(segment) };
        segment.body = body;
        let options = frame.get(tcp + OPTIONS..body).unwrap_or_default();
        segment.stamped = !options.is_empty();
        segment.viable = plain(frame, headers, status)
            && (flags & !ACK == 0 && frame.get(tcp + FLAGS - 1).is_some_and(|byte| byte & 0xf == 0)
                || !Behaviour::CoalescingFlags.on())
            && (options.is_empty()
                || options.len() == 12 && options.starts_with(&TIME_STAMPS)
                || !Behaviour::CoalescingOptions.on());
        Some(segment)
    }

    pub(super) fn payload(&self) -> &'f [u8] {
        self.frame.get(self.body..).unwrap_or_default()
    }
}

/// Whether the Ethernet and IP headers allow coalescing: right checksums, no options, no padding, no congestion
/// mark (section 7.11.1).
fn plain(frame: &[u8], headers: &Headers, status: u64) -> bool {
    if !Behaviour::CoalescingViability.on() {
        return true;
    }
    let checked = u64::from((Status::IPCS | Status::L4CS).bits());
    let wrong = u64::from((Status::IPE | Status::L4E | Status::RXE | Status::TS).bits());
    let congested = headers.network.and_then(|(_, at)| frame.get(at + 1)).is_none_or(|byte| byte & 3 == 3);
    status & checked == checked
        && status & wrong == 0
        && !headers.options
        && !congested
        && headers.packet_end() == frame.len()
}
