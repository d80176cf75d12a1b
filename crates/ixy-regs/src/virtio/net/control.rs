//! The control queue (section 5.1.6.5).
//!
//! A request is a [`Command`], its data, and a byte that the device writes: [`OK`] or [`ERR`]. The device reads
//! the first two, in any number of descriptors (but see ANY_LAYOUT), and writes the last.

structure! {
    /// The kind of request: its first two bytes (section 5.1.6.5; specification: `struct virtio_net_ctrl`).
    Command, 2 {
        /// The class of commands.
        0 class: u8,
        /// The command in the class.
        1 command: u8,
    }
}

/// The device carried out the command.
pub const OK: u8 = 0;

/// The device did not carry out the command.
pub const ERR: u8 = 1;

/// The fewest pairs of queues that [`MQ_VQ_PAIRS_SET`] takes (section 5.1.6.5.6).
pub const VQ_PAIRS_MIN: u16 = 1;

/// The most pairs of queues that [`MQ_VQ_PAIRS_SET`] takes (section 5.1.6.5.6).
pub const VQ_PAIRS_MAX: u16 = 0x8000;

macro_rules! commands {
    ( $( $(#[$doc:meta])* $NAME:ident = $class:literal $command:literal, $section:literal; )* ) => {
        $(
            $(#[$doc])*
            #[doc = concat!(" (section ", $section, ").")]
            pub const $NAME: Command = Command { class: $class, command: $command };
        )*

        /// All commands: name without `VIRTIO_NET_CTRL_`, command, section.
        pub const COMMANDS: &[(&str, Command, &str)] = &[$( (stringify!($NAME), $NAME, $section) ),*];
    };
}

commands! {
    /// Promiscuous mode: a byte, 1 for on
    RX_PROMISC = 0 0, "5.1.6.5.1";
    /// All multicast frames are received: a byte, 1 for on
    RX_ALLMULTI = 0 1, "5.1.6.5.1";
    /// All unicast frames are received: a byte, 1 for on; with CTRL_RX_EXTRA, as are the next three
    RX_ALLUNI = 0 2, "5.1.6.5.1";
    /// No multicast frame is received: a byte, 1 for on
    RX_NOMULTI = 0 3, "5.1.6.5.1";
    /// No unicast frame is received: a byte, 1 for on
    RX_NOUNI = 0 4, "5.1.6.5.1";
    /// No broadcast frame is received: a byte, 1 for on
    RX_NOBCAST = 0 5, "5.1.6.5.1";
    /// The filter of addresses: a 32-bit count of unicast addresses, these, a 32-bit count of multicast ones,
    /// these
    MAC_TABLE_SET = 1 0, "5.1.6.5.2";
    /// The device's own address: six bytes; with CTRL_MAC_ADDR
    MAC_ADDR_SET = 1 1, "5.1.6.5.2";
    /// A VLAN that is received: its number, 16 bits
    VLAN_ADD = 2 0, "5.1.6.5.3";
    /// A VLAN that no longer is: its number, 16 bits
    VLAN_DEL = 2 1, "5.1.6.5.3";
    /// The driver has seen that it is to announce itself: no data
    ANNOUNCE_ACK = 3 0, "5.1.6.5.4";
    /// The number of queue pairs in use: 16 bits
    MQ_VQ_PAIRS_SET = 4 0, "5.1.6.5.6";
    /// How frames are distributed by their hash; with RSS
    MQ_RSS_CONFIG = 4 1, "5.1.6.5.7.1";
    /// The input of the reported hash; with HASH_REPORT
    MQ_HASH_CONFIG = 4 2, "5.1.6.5.6.4";
    /// The enabled offloads: feature bits, 64 bits
    GUEST_OFFLOADS_SET = 5 0, "5.1.6.5.8.1";
}
