//! The bodies of commands: [`Request`].

use zerocopy::IntoBytes;

use super::{
    Command, DeviceInfo, DmaMap, DmaUnmap, Errno, IrqInfo, IrqSet, RegionAccess, RegionInfo, ShortWrite,
    Version, WriteCount,
};

/// The largest number of writes in one message.
pub const MAX_WRITES: usize = 128;

/// A client's request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request<'a> {
    /// The proposed version and capabilities.
    Version(Version),
    /// Memory for the device.
    DmaMap(DmaMap),
    /// Memory to be revoked.
    DmaUnmap(DmaUnmap),
    /// Asks for the properties of the device.
    DeviceInfo {
        /// Longest reply.
        argsz: u32,
    },
    /// Asks for the properties of region `index`.
    RegionInfo {
        /// Longest reply.
        argsz: u32,
        /// Number of the region.
        index: u32,
    },
    /// Asks for the properties of interrupts of kind `index`.
    IrqInfo {
        /// Longest reply.
        argsz: u32,
        /// Number of the kind.
        index: u32,
    },
    /// Sets up, masks or triggers interrupts.
    SetIrqs(IrqRequest<'a>),
    /// Reads a region.
    RegionRead(RegionAccess),
    /// Writes to a region.
    RegionWrite(RegionAccess, &'a [u8]),
    /// Writes to regions.
    RegionWriteMulti(Vec<ShortWrite>),
    /// Resets the device.
    Reset,
}

/// A request about some interrupts of a kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IrqRequest<'a> {
    /// Number of the kind.
    pub index: u32,
    /// The first one of the range.
    pub start: u32,
    /// The number in the range.
    pub count: u32,
    /// The selection in the range.
    pub data: IrqData<'a>,
    /// The action.
    pub action: IrqAction,
}

/// The selection of interrupts in a range.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IrqData<'a> {
    /// All of them. A count of zero with [`IrqAction::Trigger`] disables the kind.
    None,
    /// Those with a byte that is not zero; one byte each.
    Bool(&'a [u8]),
    /// Descriptors come with the message, one each; none revokes those that were set.
    Eventfd,
}

/// The action on interrupts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IrqAction {
    /// They do not signal until they are unmasked.
    Mask,
    /// They signal again, and at once if pending.
    Unmask,
    /// They signal now; with descriptors: sets the descriptors to signal from now on.
    Trigger,
}

/// Reads a structure with nothing after it.
macro_rules! whole {
    ($type:ty, $body:expr) => {
        match <$type>::split($body) {
            Some((value, [])) => value,
            _ => return Err(Errno::INVAL),
        }
    };
}

impl<'a> Request<'a> {
    /// Reads the body of a command.
    ///
    /// # Errors
    /// `EINVAL`: the body has the wrong length or contradicts itself, or the number is not a command; `E2BIG`: it
    /// has more writes than [`MAX_WRITES`]; `EOPNOTSUPP`: a command of the protocol that this server does not
    /// support.
    pub fn parse(command: u16, body: &'a [u8]) -> Result<Self, Errno> {
        let command = Command::from_number(command).ok_or(Errno::INVAL)?;
        Ok(match command {
            Command::Version => Self::Version(Version::parse(body)?),
            Command::DmaMap => Self::DmaMap(whole!(DmaMap, body)),
            Command::DmaUnmap => Self::DmaUnmap(whole!(DmaUnmap, body)),
            Command::DeviceGetInfo => Self::DeviceInfo { argsz: whole!(DeviceInfo, body).argsz },
            Command::DeviceGetRegionInfo => {
                let RegionInfo { argsz, index, .. } = whole!(RegionInfo, body);
                Self::RegionInfo { argsz, index }
            }
            Command::DeviceGetIrqInfo => {
                let IrqInfo { argsz, index, .. } = whole!(IrqInfo, body);
                Self::IrqInfo { argsz, index }
            }
            Command::DeviceSetIrqs => Self::SetIrqs(IrqRequest::parse(body)?),
            Command::RegionRead => Self::RegionRead(whole!(RegionAccess, body)),
            Command::RegionWrite => {
                let (access, data) = RegionAccess::split(body).ok_or(Errno::INVAL)?;
                if usize::try_from(access.count) != Ok(data.len()) {
                    return Err(Errno::INVAL);
                }
                Self::RegionWrite(access, data)
            }
            Command::RegionWriteMulti => Self::RegionWriteMulti(writes(body)?),
            Command::DeviceReset if body.is_empty() => Self::Reset,
            Command::DeviceReset => return Err(Errno::INVAL),
            Command::DeviceGetRegionIoFds
            | Command::DmaRead
            | Command::DmaWrite
            | Command::DeviceFeature
            | Command::MigDataRead
            | Command::MigDataWrite => return Err(Errno::OPNOTSUPP),
        })
    }

    /// The command of the body.
    pub fn command(&self) -> Command {
        match self {
            Self::Version(_) => Command::Version,
            Self::DmaMap(_) => Command::DmaMap,
            Self::DmaUnmap(_) => Command::DmaUnmap,
            Self::DeviceInfo { .. } => Command::DeviceGetInfo,
            Self::RegionInfo { .. } => Command::DeviceGetRegionInfo,
            Self::IrqInfo { .. } => Command::DeviceGetIrqInfo,
            Self::SetIrqs(_) => Command::DeviceSetIrqs,
            Self::RegionRead(_) => Command::RegionRead,
            Self::RegionWrite(..) => Command::RegionWrite,
            Self::RegionWriteMulti(_) => Command::RegionWriteMulti,
            Self::Reset => Command::DeviceReset,
        }
    }

    /// Appends the body to `to`.
    pub fn encode(&self, to: &mut Vec<u8>) {
        match self {
            Self::Version(version) => version.encode(to),
            Self::DmaMap(map) => to.extend_from_slice(map.as_bytes()),
            Self::DmaUnmap(unmap) => to.extend_from_slice(unmap.as_bytes()),
            &Self::DeviceInfo { argsz } => {
                to.extend_from_slice(DeviceInfo { argsz, ..DeviceInfo::default() }.as_bytes());
            }
            &Self::RegionInfo { argsz, index } => {
                to.extend_from_slice(RegionInfo { argsz, index, ..RegionInfo::default() }.as_bytes());
            }
            &Self::IrqInfo { argsz, index } => {
                to.extend_from_slice(IrqInfo { argsz, index, ..IrqInfo::default() }.as_bytes());
            }
            Self::SetIrqs(request) => request.encode(to),
            Self::RegionRead(access) => to.extend_from_slice(access.as_bytes()),
            Self::RegionWrite(access, data) => {
                to.extend_from_slice(access.as_bytes());
                to.extend_from_slice(data);
            }
            Self::RegionWriteMulti(writes) => {
                to.extend_from_slice(WriteCount { count: writes.len() as u64 }.as_bytes());
                to.extend_from_slice(writes.as_bytes());
            }
            Self::Reset => {}
        }
    }
}

fn writes(body: &[u8]) -> Result<Vec<ShortWrite>, Errno> {
    let (WriteCount { count }, mut rest) = WriteCount::split(body).ok_or(Errno::INVAL)?;
    if count > MAX_WRITES as u64 {
        return Err(Errno::TOOBIG);
    }
    let mut writes = Vec::new();
    for _ in 0..count {
        let (write, after) = ShortWrite::split(rest).ok_or(Errno::INVAL)?;
        if write.count > 8 {
            return Err(Errno::INVAL);
        }
        writes.push(write);
        rest = after;
    }
    if rest.is_empty() { Ok(writes) } else { Err(Errno::INVAL) }
}

impl<'a> IrqRequest<'a> {
    fn parse(body: &'a [u8]) -> Result<Self, Errno> {
        let (IrqSet { argsz, flags, index, start, count }, bytes) =
            IrqSet::split(body).ok_or(Errno::INVAL)?;
        // Some clients include the header; a length that is too short for the data is wrong in any case.
        if (argsz as usize) < IrqSet::SIZE {
            return Err(Errno::INVAL);
        }
        let action = match flags & !0b111 {
            IrqSet::ACTION_MASK => IrqAction::Mask,
            IrqSet::ACTION_UNMASK => IrqAction::Unmask,
            IrqSet::ACTION_TRIGGER => IrqAction::Trigger,
            _ => return Err(Errno::INVAL),
        };
        let data = match flags & 0b111 {
            IrqSet::DATA_NONE if bytes.is_empty() => IrqData::None,
            IrqSet::DATA_BOOL if usize::try_from(count) == Ok(bytes.len()) => IrqData::Bool(bytes),
            IrqSet::DATA_EVENTFD if bytes.is_empty() => IrqData::Eventfd,
            _ => return Err(Errno::INVAL),
        };
        start.checked_add(count).ok_or(Errno::INVAL)?;
        Ok(Self { index, start, count, data, action })
    }

    fn encode(&self, to: &mut Vec<u8>) {
        let (data, bytes): (u32, &[u8]) = match self.data {
            IrqData::None => (IrqSet::DATA_NONE, &[]),
            IrqData::Bool(bytes) => (IrqSet::DATA_BOOL, bytes),
            IrqData::Eventfd => (IrqSet::DATA_EVENTFD, &[]),
        };
        let action = match self.action {
            IrqAction::Mask => IrqSet::ACTION_MASK,
            IrqAction::Unmask => IrqSet::ACTION_UNMASK,
            IrqAction::Trigger => IrqSet::ACTION_TRIGGER,
        };
        let argsz = u32::try_from(IrqSet::SIZE + bytes.len()).unwrap_or(u32::MAX);
        let Self { index, start, count, .. } = *self;
        to.extend_from_slice(IrqSet { argsz, flags: data | action, index, start, count }.as_bytes());
        to.extend_from_slice(bytes);
    }
}
