//! The network part of the device (section 5.1): frames with a header, and commands.

use std::collections::VecDeque;

use super::faults::Answer;

pub(crate) const ACK_OK: u8 = 0;
pub(crate) const ACK_ERROR: u8 = 1;

/// A command by class and command, with its data (section 5.1.6.5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Command {
    pub(crate) code: (u8, u8),
    pub(crate) data: Vec<u8>,
}

pub(crate) const SET_PROMISCUOUS: (u8, u8) = (0, 0);
pub(crate) const SET_ALL_MULTICAST: (u8, u8) = (0, 1);
pub(crate) const SET_MAC_TABLE: (u8, u8) = (1, 0);
pub(crate) const SET_MAC: (u8, u8) = (1, 1);
pub(crate) const ANNOUNCE_ACK: (u8, u8) = (3, 0);
pub(crate) const SET_QUEUE_PAIRS: (u8, u8) = (4, 0);

/// A sent frame, with the header before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sent {
    pub(crate) header: Vec<u8>,
    pub(crate) frame: Vec<u8>,
}

#[derive(Default)]
pub(crate) struct Net {
    pub(crate) mac: [u8; 6],
    pub(crate) link: bool,
    /// Queue pairs in use: one, until the driver asks for more.
    pub(crate) pairs: u16,
    pub(crate) commands: Vec<Command>,
    /// Frames in flight to each receive queue, each with the first bytes of its header (all but `num_buffers`).
    pub(crate) arriving: Vec<VecDeque<([u8; 10], Vec<u8>)>>,
    pub(crate) left: Vec<Vec<Sent>>,
    /// Frames too long for any buffer.
    pub(crate) too_long: u64,
}

impl Net {
    pub(crate) fn new(mac: [u8; 6], pairs: u16) -> Self {
        let arriving = vec![VecDeque::new(); pairs.into()];
        let left = vec![Vec::new(); pairs.into()];
        Self { mac, link: true, pairs: 1, arriving, left, ..Self::default() }
    }

    /// Executes a command and returns its acknowledgement. An error means that no driver should send this.
    pub(crate) fn carry_out(&mut self, bytes: &[u8], answer: Answer) -> Result<u8, String> {
        let &[class, command, ref data @ ..] = bytes else {
            return Err(format!("a command of {} bytes", bytes.len()));
        };
        let code = (class, command);
        self.commands.push(Command { code, data: data.to_vec() });
        let expected = match code {
            SET_PROMISCUOUS | SET_ALL_MULTICAST => matches!(data, [0 | 1]),
            SET_MAC => data.len() == 6 && data[0] & 1 == 0,
            SET_MAC_TABLE => table(data).and_then(table).is_some_and(<[u8]>::is_empty),
            ANNOUNCE_ACK => data.is_empty(),
            SET_QUEUE_PAIRS => {
                let pairs = <[u8; 2]>::try_from(data).map(u16::from_le_bytes);
                pairs.is_ok_and(|pairs| (1..=self.left.len()).contains(&pairs.into()))
            }
            _ => return Err(format!("the command {code:?}, which is not one of a driver without offloads")),
        };
        if !expected {
            return Err(format!("the command {code:?} with {data:?}"));
        }
        match answer {
            Answer::Error => return Ok(ACK_ERROR),
            Answer::Nonsense => return Ok(0x77),
            _ => {}
        }
        match code {
            SET_MAC => self.mac.copy_from_slice(data),
            SET_QUEUE_PAIRS => self.pairs = u16::from_le_bytes([data[0], data[1]]),
            _ => {}
        }
        Ok(ACK_OK)
    }
}

/// The bytes after a table of addresses.
fn table(data: &[u8]) -> Option<&[u8]> {
    let (count, rest) = data.split_first_chunk::<4>()?;
    rest.get((u32::from_le_bytes(*count) as usize).checked_mul(6)?..)
}
