//! The messages of the protocol as types, read and written without any I/O. Nothing here panics, whatever the
//! bytes.
//!
//! A message is a [`Header`] and a body. The body of a command is a [`Request`]; the bodies of
//! replies are the structures of this module, [`RegionReply`] and
//! [`Version`]. Numbers are in the byte order of the machine, as the protocol has it. The tables
//! in `datasheet-notes/vfio-user.md` say the same; a test compares them.

mod region;
mod request;
mod version;

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

pub use region::{MAX_AREAS, RegionReply};
pub use request::{IrqAction, IrqData, IrqRequest, MAX_WRITES, Request};
pub use version::{Capabilities, Version};

/// The longest body beside the data of a transfer: what a message may have in front of it.
pub const MAX_FIXED: usize = 4096;

/// What is wrong with a message, as the error number that answers it.
pub use rustix::io::Errno;

/// Declares [`Command`] with its numbers.
macro_rules! commands {
    ($($(#[$doc:meta])* $name:ident = $number:literal, $text:literal;)+) => {
        /// What a message asks for.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[repr(u16)]
        pub enum Command {
            $($(#[$doc])* $name = $number,)+
        }

        impl Command {
            /// All commands, in the order of their numbers.
            pub const ALL: &[Self] = &[$(Self::$name),+];

            /// The command of a number.
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
    /// How many regions and interrupts there are.
    DeviceGetInfo = 4, "VFIO_USER_DEVICE_GET_INFO";
    /// What a region is.
    DeviceGetRegionInfo = 5, "VFIO_USER_DEVICE_GET_REGION_INFO";
    /// Descriptors for direct access to a region. Not offered here.
    DeviceGetRegionIoFds = 6, "VFIO_USER_DEVICE_GET_REGION_IO_FDS";
    /// What a kind of interrupt is.
    DeviceGetIrqInfo = 7, "VFIO_USER_DEVICE_GET_IRQ_INFO";
    /// Sets up, masks or triggers interrupts.
    DeviceSetIrqs = 8, "VFIO_USER_DEVICE_SET_IRQS";
    /// Reads of a region.
    RegionRead = 9, "VFIO_USER_REGION_READ";
    /// Writes to a region.
    RegionWrite = 10, "VFIO_USER_REGION_WRITE";
    /// Reads of the client's memory, asked by the server. Not used here.
    DmaRead = 11, "VFIO_USER_DMA_READ";
    /// Writes to the client's memory, asked by the server. Not used here.
    DmaWrite = 12, "VFIO_USER_DMA_WRITE";
    /// Resets the device.
    DeviceReset = 13, "VFIO_USER_DEVICE_RESET";
    /// Several short writes to regions.
    RegionWriteMulti = 15, "VFIO_USER_REGION_WRITE_MULTI";
    /// Features for migration. Not offered here.
    DeviceFeature = 16, "VFIO_USER_DEVICE_FEATURE";
    /// State of a device that migrates. Not offered here.
    MigDataRead = 17, "VFIO_USER_MIG_DATA_READ";
    /// State of a device that migrates. Not offered here.
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

                /// The structure that `bytes` begin with, and what follows it; `None` when they are too few.
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
    /// What every message begins with.
    Header {
        /// Chosen by the sender of a command, and repeated in the reply.
        id: u16,
        /// The number of a [`Command`].
        command: u16,
        /// Length of the message in bytes, the header included.
        size: u32,
        /// [`Header::REPLY`], [`Header::NO_REPLY`], [`Header::ERROR`].
        flags: u32,
        /// An error number, in a reply with [`Header::ERROR`].
        error: u32,
    }
    /// Begins the body of a version message; text follows.
    VersionNumbers {
        /// Versions that differ here do not understand each other.
        major: u16,
        /// A higher one understands all lower ones.
        minor: u16,
    }
    /// Memory to map.
    DmaMap {
        /// Length of this structure.
        argsz: u32,
        /// [`DmaMap::READ`], [`DmaMap::WRITE`].
        flags: u32,
        /// Where it starts in the file, in bytes.
        offset: u64,
        /// Its IOVA.
        address: u64,
        /// Its length in bytes.
        size: u64,
    }
    /// Memory to unmap, in command and reply.
    DmaUnmap {
        /// Longest reply.
        argsz: u32,
        /// [`DmaUnmap::ALL`].
        flags: u32,
        /// The IOVA that it was mapped at.
        address: u64,
        /// Its length in bytes.
        size: u64,
    }
    /// What a device has.
    DeviceInfo {
        /// Longest reply, or the length of the whole one.
        argsz: u32,
        /// [`DeviceInfo::RESET`], [`DeviceInfo::PCI`].
        flags: u32,
        /// How many regions.
        num_regions: u32,
        /// How many kinds of interrupts.
        num_irqs: u32,
    }
    /// What a region is; capabilities may follow.
    RegionInfo {
        /// Longest reply, or the length of the whole one.
        argsz: u32,
        /// [`RegionInfo::READ`] and what stands beside it.
        flags: u32,
        /// Number of the region.
        index: u32,
        /// Where the first capability starts, counted from this structure's start; 0: there is none.
        cap_offset: u32,
        /// Length of the region in bytes.
        size: u64,
        /// Where the region starts in the file that is mapped.
        offset: u64,
    }
    /// Begins a capability of a region.
    CapabilityHeader {
        /// Which it is: [`CapabilityHeader::SPARSE_MMAP`].
        id: u16,
        /// Of its format.
        version: u16,
        /// Where the next one starts, as `cap_offset`.
        next: u32,
    }
    /// Follows the header of a capability with the areas that can be mapped.
    SparseMmap {
        /// How many areas follow.
        nr_areas: u32,
        /// Zero.
        reserved: u32,
    }
    /// A part of a region that can be mapped.
    Area {
        /// Where it starts in the region, in bytes.
        offset: u64,
        /// Its length in bytes.
        size: u64,
    }
    /// What a kind of interrupt is.
    IrqInfo {
        /// Longest reply, or the length of the whole one.
        argsz: u32,
        /// [`IrqInfo::EVENTFD`] and what stands beside it.
        flags: u32,
        /// Number of the kind.
        index: u32,
        /// How many interrupts it has.
        count: u32,
    }
    /// What to do with interrupts; booleans may follow.
    IrqSet {
        /// Length of this structure and what follows it.
        argsz: u32,
        /// One of the data flags, and one of the actions.
        flags: u32,
        /// Number of the kind.
        index: u32,
        /// The first interrupt meant.
        start: u32,
        /// How many are meant.
        count: u32,
    }
    /// A read of a region or a write to it; data may follow.
    RegionAccess {
        /// Where in the region, in bytes.
        offset: u64,
        /// Number of the region.
        region: u32,
        /// How many bytes.
        count: u32,
    }
    /// Begins the body of several writes, and is the reply to them.
    WriteCount {
        /// How many.
        count: u64,
    }
    /// One write of several.
    ShortWrite {
        /// Where in the region, in bytes.
        offset: u64,
        /// Number of the region.
        region: u32,
        /// How many bytes, at most 8.
        count: u32,
        /// The bytes, the first ones of these.
        data: [u8; 8],
    }
}

impl Header {
    /// The bits of the flags that hold the type: 0 for a command.
    pub const TYPE: u32 = 0xf;
    /// The type of a reply.
    pub const REPLY: u32 = 1;
    /// On a command: nobody waits for a reply.
    pub const NO_REPLY: u32 = 1 << 4;
    /// On a reply: it failed, and there is no body.
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

    /// The header of the reply that says why the command failed.
    pub fn refusal(&self, errno: Errno) -> Self {
        let error = errno.raw_os_error().unsigned_abs();
        Self { size: size(0), flags: Self::REPLY | Self::ERROR, error, ..*self }
    }

    /// Whether it is a reply's.
    pub fn is_reply(&self) -> bool {
        self.flags & Self::TYPE == Self::REPLY
    }

    /// Whether it is a command's.
    pub fn is_command(&self) -> bool {
        self.flags & Self::TYPE == 0
    }

    /// Length of the body in bytes; `None` when the message would be shorter than its header.
    pub fn body(&self) -> Option<usize> {
        usize::try_from(self.size).ok()?.checked_sub(Self::SIZE)
    }

    /// What its command is called, for a message.
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
    /// Everything that is mapped; address and size are zero. From VFIO; QEMU sends it.
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
    /// No data: all that are meant.
    pub const DATA_NONE: u32 = 1;
    /// A byte for each interrupt says whether it is meant.
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
    /// How many regions a PCI device has, empty ones included.
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
    /// How many kinds of interrupts a PCI device has.
    pub const IRQS: usize = 5;
}
