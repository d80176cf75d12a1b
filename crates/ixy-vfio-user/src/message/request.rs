//! The bodies of commands: [`Request`].

use zerocopy::IntoBytes;

use super::{
    Command, DeviceInfo, DmaMap, DmaUnmap, Errno, IrqInfo, IrqSet, RegionAccess, RegionInfo, ShortWrite,
    Version, WriteCount,
};

/// The most writes in one message of several.
pub const MAX_WRITES: usize = 128;

/// What a client asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request<'a> {
    /// The version and capabilities that it proposes.
    Version(Version),
    /// Memory for the device.
    DmaMap(DmaMap),
    /// Memory that is taken away again.
    DmaUnmap(DmaUnmap),
    /// What the device has; the longest reply in bytes.
    DeviceInfo {
        /// Longest reply.
        argsz: u32,
    },
    /// What region `index` is.
    RegionInfo {
        /// Longest reply.
        argsz: u32,
        /// Number of the region.
        index: u32,
    },
    /// What interrupts of kind `index` are.
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

/// What to do with some interrupts of a kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IrqRequest<'a> {
    /// Number of the kind.
    pub index: u32,
    /// The first one.
    pub start: u32,
    /// How many.
    pub count: u32,
    /// Which of them.
    pub data: IrqData<'a>,
    /// What.
    pub action: IrqAction,
}

/// Which interrupts of a range are meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IrqData<'a> {
    /// All of them. A count of zero with [`IrqAction::Trigger`] ends all of the kind.
    None,
    /// Those whose byte is not zero; a byte each.
    Bool(&'a [u8]),
    /// Descriptors come with the message, one each; or none, which takes back those that were given.
    Eventfd,
}

/// What is done with interrupts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IrqAction {
    /// They signal nothing until they are unmasked.
    Mask,
    /// They signal again, and at once when they are pending.
    Unmask,
    /// They signal now; with descriptors: these are what they signal from now on.
    Trigger,
}

/// A structure and nothing after it.
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
    /// `EINVAL`: the body has the wrong length, contradicts itself, or the number is no command's; `E2BIG`: there are more
    /// writes in it than [`MAX_WRITES`]; `EOPNOTSUPP`: a command of the protocol that no server here offers.
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

    /// The command that it is the body of.
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
        // Some clients count the header in; a length that is too short for what came is wrong in any case.
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
