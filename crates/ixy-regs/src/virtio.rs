//! Virtio: devices that a hypervisor implements, in particular network devices, over PCI.
//!
//! | module | content |
//! |---|---|
//! | [`legacy`] | the registers in a port BAR of devices before version 1.0 |
//! | [`modern`] | the structures of version 1.0 in their place: common configuration, notification, interrupt status |
//! | [`capability`] | the places of these structures, from the PCI configuration space |
//! | [`net`] | the network device: its configuration, the header before every frame, the commands of its control queue |
//! | [`features`] | the feature bits that device and driver agree on |
//! | [`ring`] | the two kinds of rings: their layout in memory, and their descriptors |
//! | [`fields`] | the fields of the registers |
//!
//! Names and section numbers are those of the OASIS specification *Virtual I/O Device (VIRTIO) Version 1.2* (names
//! of registers in capitals, without the prefixes of constants); `datasheet-notes/virtio.md` in the repository
//! explains how such a device works, and `virtio-registers.md` beside it has the registers as tables, which a test
//! compares with this code.
//!
//! Fields in memory are little-endian. The legacy interface uses the processor's own order, which is little-endian
//! on all processors that this crate is for; big-endian legacy devices are not supported.
//!
//! ```
//! use ixy_regs::bus::Bus;
//! use ixy_regs::virtio::features::Features;
//! use ixy_regs::virtio::{STATUS, modern::CommonConfig};
//!
//! /// What the device offers, or `None` when it has given up.
//! fn offered<B: Bus>(common: &CommonConfig<B>) -> Option<Features> {
//!     if common.device_status().is_set(STATUS::NEEDS_RESET) {
//!         return None;
//!     }
//!     let mut words = [0; 2];
//!     for (select, word) in (0..).zip(&mut words) {
//!         common.device_feature_select().set(select);
//!         *word = common.device_feature().get();
//!     }
//!     Some(Features::from_words(words))
//! }
//! # let memory: Vec<std::sync::atomic::AtomicU32> = (0..14).map(|_| 1.into()).collect();
//! # let base = std::ptr::NonNull::from(memory.as_slice()).cast();
//! # let common = CommonConfig::new(unsafe { ixy_regs::bus::Mmio::new(base, 56) }).unwrap();
//! # assert_eq!(offered(&common), Some(Features::CSUM | Features::VERSION_1));
//! ```

use crate::bus::Mmio;
use crate::map::Register;

/// Declares a structure in memory, each field with its offset, which is checked, and a table of them for tools.
macro_rules! structure {
    (
        $(#[$meta:meta])*
        $Name:ident, $size:literal { $( $(#[$doc:meta])* $offset:literal $field:ident : $T:ty, )* }
    ) => {
        $(#[$meta])*
        #[derive(
            Debug, Clone, Copy, Default, PartialEq, Eq,
            zerocopy::FromBytes, zerocopy::IntoBytes, zerocopy::Immutable, zerocopy::KnownLayout, zerocopy::Unaligned,
        )]
        #[repr(C)]
        pub struct $Name {
            $( $(#[$doc])* pub $field: $T, )*
        }

        impl $Name {
            /// The fields in order.
            pub const FIELDS: &'static [crate::virtio::Field] = &[$(
                crate::virtio::Field {
                    name: stringify!($field),
                    offset: core::mem::offset_of!($Name, $field),
                    bytes: size_of::<$T>(),
                },
            )*];
        }

        const _: () = {
            assert!(size_of::<$Name>() == $size);
            $( assert!(core::mem::offset_of!($Name, $field) == $offset); )*
        };
    };
}

/// Declares named numbers, and a table of them for tools.
macro_rules! constants {
    ( $(#[$meta:meta])* $module:ident : $T:ident { $( $(#[$doc:meta])* $NAME:ident = $value:literal; )* } ) => {
        $(#[$meta])*
        pub mod $module {
            $( $(#[$doc])* pub const $NAME: $T = $value; )*

            /// All of them with their names.
            pub const ALL: &[(&str, $T)] = &[$( (stringify!($NAME), $NAME) ),*];
        }
    };
}

// After the macros, which they use.
pub mod capability;
pub mod features;
pub mod fields;
pub mod legacy;
pub mod modern;
pub mod net;
pub mod ring;

#[doc(no_inline)]
pub use fields::*;

/// The queue address of legacy devices counts pages of this many bytes, and the used part of a ring starts at a
/// multiple of it (sections 2.7.2 and 4.1.5.1.3.1).
pub const LEGACY_PAGE: u32 = 4096;

/// The MSI-X vector number for "no vector" (section 4.1.5.1.2).
pub const NO_VECTOR: u16 = 0xFFFF;

/// A field of a structure in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field {
    /// The specification's name.
    pub name: &'static str,
    /// Offset in bytes.
    pub offset: usize,
    /// Width in bytes.
    pub bytes: usize,
}

/// Every register map of this module with its name.
pub const MAPS: &[(&str, &[Register])] = &[
    ("legacy::Registers", legacy::Registers::<Mmio>::REGISTERS),
    ("legacy::Msix", legacy::Msix::<Mmio>::REGISTERS),
    ("modern::CommonConfig", modern::CommonConfig::<Mmio>::REGISTERS),
    ("modern::NotifyData", modern::NotifyData::<Mmio>::REGISTERS),
    ("modern::QueueReset", modern::QueueReset::<Mmio>::REGISTERS),
    ("modern::Isr", modern::Isr::<Mmio>::REGISTERS),
    ("net::Config", net::Config::<Mmio>::REGISTERS),
    ("net::Multiqueue", net::Multiqueue::<Mmio>::REGISTERS),
    ("net::Mtu", net::Mtu::<Mmio>::REGISTERS),
    ("net::Speed", net::Speed::<Mmio>::REGISTERS),
    ("net::Rss", net::Rss::<Mmio>::REGISTERS),
];
