//! The messages of the protocol as types, read and written without any I/O. Nothing here panics, whatever the
//! bytes.
//!
//! A message is a [`Header`] and a body. The body of a command is a [`Request`]; the bodies of replies are the
//! structures of this module, [`RegionReply`] and [`Version`]. Numbers are in the byte order of the machine, as in
//! the protocol. `datasheet-notes/vfio-user.md` has the same in tables; a test compares them.

mod region;
mod request;
mod version;

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

pub use region::{MAX_AREAS, RegionReply};
pub use request::{IrqAction, IrqData, IrqRequest, MAX_WRITES, Request};
pub use version::{Capabilities, Version};

/// The longest body without the data of a transfer.
pub const MAX_FIXED: usize = 4096;

/// The error number that answers an invalid message.
pub use rustix::io::Errno;

/// Declares [`Command`] with its numbers.
macro_rules! commands {
    ($($(#[$doc:meta])* $name:ident = $number:literal, $text:literal;)+) => {
        /// The kind of request in a message.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[repr(u16)]
        pub enum Command {
            $($(#[$doc])* $name = $number,)+
        }

        impl Command {
            /// All commands, in the order of their numbers.
            pub const ALL: &[Self] = &[$(Self::$name),+];

            /// The command with a number.
            pub const fn from_number(number: u16) -> Option<Self> {
                match number {
                    $($number => Some(Self::$name),)+
                    _ => None,
                }
            }

            /// Its name in the specification.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)+
                }
            }
        }
    };
}

commands! {
    /// Versions and capabilities; the first message of a connection.
    Version = 1, "VFIO_USER_VERSION";
    /// Memory that the device may reach from now on.
    DmaMap = 2, "VFIO_USER_DMA_MAP";
    /// Memory that it may no longer reach.
    DmaUnmap = 3, "VFIO_USER_DMA_UNMAP";
    /// Asks for the number of regions and interrupts.
    DeviceGetInfo = 4, "VFIO_USER_DEVICE_GET_INFO";
    /// Asks for the properties of a region.
    DeviceGetRegionInfo = 5, "VFIO_USER_DEVICE_GET_REGION_INFO";
    /// Descriptors for direct access to a region. Not supported here.
    DeviceGetRegionIoFds = 6, "VFIO_USER_DEVICE_GET_REGION_IO_FDS";
    /// Asks for the properties of a kind of interrupts.
    DeviceGetIrqInfo = 7, "VFIO_USER_DEVICE_GET_IRQ_INFO";
    /// Sets up, masks or triggers interrupts.
    DeviceSetIrqs = 8, "VFIO_USER_DEVICE_SET_IRQS";
    /// Reads of a region.
    RegionRead = 9, "VFIO_USER_REGION_READ";
    /// Writes to a region.
    RegionWrite = 10, "VFIO_USER_REGION_WRITE";
    /// Reads of the client's memory by the server. Not used here.
    DmaRead = 11, "VFIO_USER_DMA_READ";
    /// Writes to the client's memory by the server. Not used here.
    DmaWrite = 12, "VFIO_USER_DMA_WRITE";
    /// Resets the device.
    DeviceReset = 13, "VFIO_USER_DEVICE_RESET";
    /// Several short writes to regions.
    RegionWriteMulti = 15, "VFIO_USER_REGION_WRITE_MULTI";
    /// Features for migration. Not supported here.
    DeviceFeature = 16, "VFIO_USER_DEVICE_FEATURE";
    /// State of a migrating device. Not supported here.
    MigDataRead = 17, "VFIO_USER_MIG_DATA_READ";
    /// State of a migrating device. Not supported here.
    MigDataWrite = 18, "VFIO_USER_MIG_DATA_WRITE";
}

/// Declares structures of the protocol and a table of their fields.
macro_rules! structures {
    ($($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident: $type:ty,)+ })+) => {
        $(
            $(#[$doc])*
            #[derive(
                Debug, Clone, Copy, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
            )]
            #[repr(C)]
            pub struct $name {
                $($(#[$field_doc])* pub $field: $type,)+
            }

            impl $name {
                /// Its length in bytes.
                pub const SIZE: usize = size_of::<Self>();

                /// Splits `bytes` into the structure at their start and the rest; `None` when they are too few.
                pub fn split(bytes: &[u8]) -> Option<(Self, &[u8])> {
                    Self::read_from_prefix(bytes).ok()
                }
            }
        )+

        /// The structures: name, length in bytes, and name, offset and length of each field.
        pub const STRUCTURES: &[(&str, usize, &[(&str, usize, usize)])] = &[
            $((stringify!($name), size_of::<$name>(), &[
                $((stringify!($field), std::mem::offset_of!($name, $field), size_of::<$type>())),+
            ])),+
        ];
    };
}

structures! {
    /// The start of every message.
    Header {
        /// Chosen by the sender of a command, and repeated in the reply.
        id: u16,
        /// The number of a [`Command`].
        command: u16,
        /// Length of the message in bytes, including the header.
        size: u32,
        /// [`Header::REPLY`], [`Header::NO_REPLY`], [`Header::ERROR`].
        flags: u32,
        /// An error number, in a reply with [`Header::ERROR`].
        error: u32,
    }
    /// The start of a version message's body; text follows.
    VersionNumbers {
        /// Sides with different major versions cannot talk to each other.
        major: u16,
        /// A higher minor version includes all lower ones.
        minor: u16,
    }
    /// Memory to map.
    DmaMap {
        /// Length of this structure.
        argsz: u32,
        /// [`DmaMap::READ`], [`DmaMap::WRITE`].
        flags: u32,
        /// Its offset in the file, in bytes.
        offset: u64,
        /// Its IOVA.
        address: u64,
        /// Its length in bytes.
        size: u64,
    }
    /// Memory to unmap, in request and reply.
    DmaUnmap {
        /// Longest reply.
        argsz: u32,
        /// [`DmaUnmap::ALL`].
        flags: u32,
        /// The IOVA of its mapping.
        address: u64,
        /// Its length in bytes.
        size: u64,
    }
    /// The properties of a device.
    DeviceInfo {
        /// Longest reply, or the length of the whole one.
        argsz: u32,
        /// [`DeviceInfo::RESET`], [`DeviceInfo::PCI`].
        flags: u32,
        /// The number of regions.
        num_regions: u32,
        /// The number of kinds of interrupts.
        num_irqs: u32,
    }
    /// The properties of a region; capabilities may follow.
    RegionInfo {
        /// Longest reply, or the length of the whole one.
        argsz: u32,
        /// [`RegionInfo::READ`] and the flags beside it.
        flags: u32,
        /// Number of the region.
        index: u32,
        /// The offset of the first capability from this structure's start; 0 when there is none.
        cap_offset: u32,
        /// Length of the region in bytes.
        size: u64,
        /// The offset of the region in the file for mapping.
        offset: u64,
    }
    /// The start of a region's capability.
    CapabilityHeader {
        /// Its kind: [`CapabilityHeader::SPARSE_MMAP`].
        id: u16,
        /// The version of its format.
        version: u16,
        /// The offset of the next one, like `cap_offset`.
        next: u32,
    }
    /// After the header of a capability: the number of areas that can be mapped.
    SparseMmap {
        /// The number of areas that follow.
        nr_areas: u32,
        /// Zero.
        reserved: u32,
    }
    /// A part of a region that can be mapped.
    Area {
        /// Its offset in the region, in bytes.
        offset: u64,
        /// Its length in bytes.
        size: u64,
    }
    /// The properties of a kind of interrupts.
    IrqInfo {
        /// Longest reply, or the length of the whole one.
        argsz: u32,
        /// [`IrqInfo::EVENTFD`] and the flags beside it.
        flags: u32,
        /// Number of the kind.
        index: u32,
        /// The number of interrupts of the kind.
        count: u32,
    }
    /// A request about interrupts; booleans may follow.
    IrqSet {
        /// Length of this structure and the data after it.
        argsz: u32,
        /// One of the data flags, and one of the actions.
        flags: u32,
        /// Number of the kind.
        index: u32,
        /// The first interrupt of the range.
        start: u32,
        /// The number of interrupts in the range.
        count: u32,
    }
    /// A read of a region or a write to it; data may follow.
    RegionAccess {
        /// The offset in the region, in bytes.
        offset: u64,
        /// Number of the region.
        region: u32,
        /// The number of bytes.
        count: u32,
    }
    /// The start of the body of several writes, and the reply to them.
    WriteCount {
        /// The number of writes.
        count: u64,
    }
    /// One write of several.
    ShortWrite {
        /// The offset in the region, in bytes.
        offset: u64,
        /// Number of the region.
        region: u32,
        /// The number of bytes, at most 8.
        count: u32,
        /// The bytes, at the start of the array.
        data: [u8; 8],
    }
}

impl Header {
    /// The bits of the flags with the type: 0 for a command.
    pub const TYPE: u32 = 0xf;
    /// The type of a reply.
    pub const REPLY: u32 = 1;
    /// On a command: the sender expects no reply.
    pub const NO_REPLY: u32 = 1 << 4;
    /// On a reply: the command failed, and there is no body.
    pub const ERROR: u32 = 1 << 5;

    /// The header of a command with a body of `body` bytes.
    pub fn request(id: u16, command: Command, body: usize, no_reply: bool) -> Self {
        let flags = if no_reply { Self::NO_REPLY } else { 0 };
        Self { id, command: command as u16, size: size(body), flags, error: 0 }
    }

    /// The header of a reply to `self` with a body of `body` bytes.
    pub fn reply(&self, body: usize) -> Self {
        Self { size: size(body), flags: Self::REPLY, error: 0, ..*self }
    }

    /// The header of the reply with the error of a failed command.
    pub fn refusal(&self, errno: Errno) -> Self {
        let error = errno.raw_os_error().unsigned_abs();
        Self { size: size(0), flags: Self::REPLY | Self::ERROR, error, ..*self }
    }

    /// Whether it belongs to a reply.
    pub fn is_reply(&self) -> bool {
        self.flags & Self::TYPE == Self::REPLY
    }

    /// Whether it belongs to a command.
    pub fn is_command(&self) -> bool {
        self.flags & Self::TYPE == 0
    }

    /// Length of the body in bytes; `None` when the message would be shorter than its header.
    pub fn body(&self) -> Option<usize> {
        usize::try_from(self.size).ok()?.checked_sub(Self::SIZE)
    }

    /// The name of its command, for messages.
    pub fn name(&self) -> String {
        Command::from_number(self.command)
            .map_or_else(|| format!("command {}", self.command), |command| command.name().to_owned())
    }
}

/// The size of a message with a body of `body` bytes. Bodies are bounded far below the size that would not
/// fit.
fn size(body: usize) -> u32 {
    u32::try_from(Header::SIZE.saturating_add(body)).unwrap_or(u32::MAX)
}

impl DmaMap {
    /// The device may read it.
    pub const READ: u32 = 1;
    /// The device may write it.
    pub const WRITE: u32 = 1 << 1;
}

impl DmaUnmap {
    /// Unmaps everything; address and size are zero. From VFIO; QEMU sends it.
    pub const ALL: u32 = 1 << 1;
}

impl DeviceInfo {
    /// It can be reset.
    pub const RESET: u32 = 1;
    /// It is a PCI device.
    pub const PCI: u32 = 1 << 1;
}

impl RegionInfo {
    /// It can be read.
    pub const READ: u32 = 1;
    /// It can be written.
    pub const WRITE: u32 = 1 << 1;
    /// It can be mapped: a descriptor comes with the reply.
    pub const MMAP: u32 = 1 << 2;
    /// Capabilities follow.
    pub const CAPS: u32 = 1 << 3;
}

impl CapabilityHeader {
    /// Only parts of the region can be mapped.
    pub const SPARSE_MMAP: u16 = 1;
}

impl IrqInfo {
    /// It can signal an eventfd.
    pub const EVENTFD: u32 = 1;
    /// It can be masked.
    pub const MASKABLE: u32 = 1 << 1;
    /// It masks itself when it is triggered.
    pub const AUTOMASKED: u32 = 1 << 2;
    /// All its interrupts are set up together.
    pub const NORESIZE: u32 = 1 << 3;
}

impl IrqSet {
    /// No data: the whole range.
    pub const DATA_NONE: u32 = 1;
    /// A byte for each interrupt selects it.
    pub const DATA_BOOL: u32 = 1 << 1;
    /// Descriptors come with the message.
    pub const DATA_EVENTFD: u32 = 1 << 2;
    /// The action: mask.
    pub const ACTION_MASK: u32 = 1 << 3;
    /// The action: unmask.
    pub const ACTION_UNMASK: u32 = 1 << 4;
    /// The action: trigger.
    pub const ACTION_TRIGGER: u32 = 1 << 5;
}

/// Regions of a PCI device by VFIO's numbers.
pub mod pci {
    /// The first of six BARs.
    pub const BAR0: u32 = 0;
    /// The expansion ROM.
    pub const ROM: u32 = 6;
    /// The configuration space.
    pub const CONFIG: u32 = 7;
    /// VGA's ranges.
    pub const VGA: u32 = 8;
    /// The number of regions of a PCI device, including empty ones.
    pub const REGIONS: usize = 9;
    /// The interrupt pin.
    pub const INTX: u32 = 0;
    /// MSI.
    pub const MSI: u32 = 1;
    /// MSI-X.
    pub const MSIX: u32 = 2;
    /// Errors.
    pub const ERR: u32 = 3;
    /// The request to give the device back.
    pub const REQ: u32 = 4;
    /// The number of kinds of interrupts of a PCI device.
    pub const IRQS: usize = 5;
}
