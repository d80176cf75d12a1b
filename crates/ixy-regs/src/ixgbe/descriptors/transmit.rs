//! Transmit descriptors (section 7.2.3.2).
//!
//! A frame is one or more advanced data descriptors ([`data`]), the last of them with EOP. For offloads
//! (checksums, VLAN tags, segmentation), a [`context`] descriptor before it gives the places of its headers; the
//! device keeps two such contexts per queue. The device writes descriptors that ask for a report (RS) back with DD
//! set.

use zerocopy::little_endian::{U16, U32, U64};

/// Value of DTYP in context descriptors.
pub const DTYP_CONTEXT: u64 = 2;
/// Value of DTYP in advanced data descriptors.
pub const DTYP_DATA: u64 = 3;

/// The longest frame part that one descriptor may have, in bytes (15.5 KB; section 7.2.3.2.2).
pub const LONGEST: u16 = 15_872;

layout! {
    /// Advanced data descriptor, read format, written by the driver (section 7.2.3.2.4).
    data_read {
        /// IOVA of the data.
        ADDRESS 0 63:0;
        /// Bytes of data in this descriptor.
        DTALEN 1 15:0;
        /// LinkSec is applied.
        MAC_LINKSEC 1 18:18;
        /// The time of sending is stamped (IEEE 1588).
        MAC_1588 1 19:19;
        /// Kind of descriptor: 3.
        DTYP 1 23:20;
        /// The frame ends here.
        EOP 1 24:24;
        /// The CRC is appended; set in the first descriptor of a frame.
        IFCS 1 25:25;
        /// DD is reported.
        RS 1 27:27;
        /// The descriptor is advanced; must be 1.
        DEXT 1 29:29;
        /// A VLAN tag is inserted, from the context.
        VLE 1 30:30;
        /// The frame is segmented, as the context says.
        TSE 1 31:31;
        /// Number of the context, 0 or 1.
        IDX 1 38:36;
        /// The frame is checked against the context's pool (with virtualization).
        CC 1 39:39;
        /// The IPv4 checksum is inserted.
        IXSM 1 40:40;
        /// The TCP, UDP or SCTP checksum is inserted.
        TXSM 1 41:41;
        /// IPsec is applied.
        IPSEC 1 42:42;
        /// Bytes of the whole frame; with TSE, of its payload.
        PAYLEN 1 63:46;
    }
}

layout! {
    /// Advanced data descriptor, write-back format, written by the device (section 7.2.3.2.4).
    data_write_back {
        /// The device is done with this descriptor and all before it.
        DD 1 32:32;
    }
}

layout! {
    /// Context descriptor (section 7.2.3.2.3).
    context_read {
        /// Length of the IP header in bytes.
        IPLEN 0 8:0;
        /// Length of the layer 2 header in bytes.
        MACLEN 0 15:9;
        /// VLAN tag that VLE inserts.
        VLAN 0 31:16;
        /// IPsec association.
        IPSEC_SA_INDEX 0 41:32;
        /// FCoE flags.
        FCOEF 0 47:42;
        /// Length of the ESP trailer in bytes.
        IPSEC_ESP_LEN 1 8:0;
        /// The header is SNAP.
        SNAP 1 9:9;
        /// The frame is IPv4, else IPv6.
        IPV4 1 10:10;
        /// Layer 4: 0 UDP, 1 TCP, 2 SCTP.
        L4T 1 12:11;
        /// IPsec is ESP, else AH.
        IPSEC_TYPE 1 13:13;
        /// ESP encrypts.
        ENCRYPTION 1 14:14;
        /// The frame is FCoE.
        FCOE 1 15:15;
        /// Kind of descriptor: 2.
        DTYP 1 23:20;
        /// The descriptor is advanced; must be 1.
        DEXT 1 29:29;
        /// Number of the context, 0 or 1.
        IDX 1 38:36;
        /// Length of the layer 4 header in bytes.
        L4LEN 1 47:40;
        /// Payload bytes of each segment (TSE).
        MSS 1 63:48;
    }
}

layout! {
    /// Legacy descriptor (section 7.2.3.2.2).
    legacy {
        /// IOVA of the data.
        ADDRESS 0 63:0;
        /// Bytes of data.
        LENGTH 1 15:0;
        /// Where the checksum goes (IC), in bytes from the start.
        CSO 1 23:16;
        /// The frame ends here.
        EOP 1 24:24;
        /// The CRC is appended.
        IFCS 1 25:25;
        /// A checksum is inserted.
        IC 1 26:26;
        /// DD is reported.
        RS 1 27:27;
        /// The descriptor is advanced; must be 0.
        DEXT 1 29:29;
        /// A VLAN tag is inserted.
        VLE 1 30:30;
        /// The device is done with this descriptor and all before it.
        DD 1 32:32;
        /// Where checksumming starts (IC), in bytes from the start.
        CSS 1 47:40;
        /// VLAN tag.
        VLAN 1 63:48;
    }
}

bitflags::bitflags! {
    /// Flags of an advanced data descriptor, at their places in its second word (section 7.2.3.2.4).
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
    pub struct Command: u64 {
        /// The frame ends here.
        const EOP = data_read::EOP.mask();
        /// The CRC is appended.
        const IFCS = data_read::IFCS.mask();
        /// DD is reported.
        const RS = data_read::RS.mask();
        /// A VLAN tag is inserted.
        const VLE = data_read::VLE.mask();
        /// The frame is segmented.
        const TSE = data_read::TSE.mask();
        /// The frame is checked against the context.
        const CC = data_read::CC.mask();
        /// The IPv4 checksum is inserted.
        const IXSM = data_read::IXSM.mask();
        /// The layer 4 checksum is inserted.
        const TXSM = data_read::TXSM.mask();
        /// The time of sending is stamped.
        const STAMP = data_read::MAC_1588.mask();
    }
}

/// An advanced data descriptor: `length` bytes at the IOVA `address`, of a frame of `payload` bytes in all.
#[inline(always)]
pub const fn data(address: u64, length: u16, payload: u32, command: Command) -> [u64; 2] {
    use data_read::{DEXT, DTALEN, DTYP, PAYLEN};
    [
        address,
        DTALEN.place(length as u64)
            | DTYP.place(DTYP_DATA)
            | DEXT.mask()
            | command.bits()
            | PAYLEN.place(payload as u64),
    ]
}

/// Whether the device is done with the descriptor that has this second word.
#[inline(always)]
pub const fn is_done(word: u64) -> bool {
    word & data_write_back::DD.mask() != 0
}

/// Layer 4 protocol in a context.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Layer4 {
    /// UDP.
    Udp = 0,
    /// TCP.
    Tcp = 1,
    /// SCTP.
    Sctp = 2,
}

/// The content of a context descriptor, which applies to the frames after it. Lengths are in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Context {
    /// Number of the context, 0 or 1.
    pub index: u8,
    /// Length of the layer 2 header, at most 127.
    pub mac_length: u8,
    /// Length of the IP header, at most 511.
    pub ip_length: u16,
    /// VLAN tag, inserted where [`Command::VLE`] is set.
    pub vlan: u16,
    /// The frames are IPv4, else IPv6.
    pub ipv4: bool,
    /// Layer 4 protocol.
    pub layer4: Layer4,
    /// Length of the layer 4 header, used for segmentation.
    pub layer4_length: u8,
    /// Payload of each segment, used for segmentation.
    pub mss: u16,
}

/// A context descriptor.
pub const fn context(context: Context) -> [u64; 2] {
    use context_read::{DEXT, DTYP, IDX, IPLEN, IPV4, L4LEN, L4T, MACLEN, MSS, VLAN};
    [
        IPLEN.place(context.ip_length as u64)
            | MACLEN.place(context.mac_length as u64)
            | VLAN.place(context.vlan as u64),
        IPV4.place(context.ipv4 as u64)
            | L4T.place(context.layer4 as u64)
            | DTYP.place(DTYP_CONTEXT)
            | DEXT.mask()
            | IDX.place(context.index as u64)
            | L4LEN.place(context.layer4_length as u64)
            | MSS.place(context.mss as u64),
    ]
}

format! {
    /// Advanced data descriptor, read format (section 7.2.3.2.4).
    AdvancedData {
        /// IOVA of the data.
        address: U64,
        /// Length, kind and command: bits 31:0 of the second word, see [`data_read`].
        command: U32,
        /// Context, checksum options and payload length: bits 63:32 of the second word.
        options: U32,
    }
}

format! {
    /// Advanced data descriptor, write-back format (section 7.2.3.2.4).
    AdvancedWriteBack {
        /// Reserved.
        reserved: U64,
        /// Sequence number seed.
        seed: U32,
        /// Status: bit 0 is DD.
        status: U32,
    }
}

format! {
    /// Context descriptor (section 7.2.3.2.3).
    AdvancedContext {
        /// VLAN tag and header lengths: bits 31:0 of the first word, see [`context_read`].
        vlan_lengths: U32,
        /// IPsec association and FCoE flags: bits 63:32 of the first word.
        security: U32,
        /// Kind and protocols: bits 31:0 of the second word.
        kind: U32,
        /// Context number, layer 4 header length and MSS: bits 63:32 of the second word.
        segmentation: U32,
    }
}

format! {
    /// Legacy descriptor (section 7.2.3.2.2).
    Legacy {
        /// IOVA of the data.
        address: U64,
        /// Bytes of data.
        length: U16,
        /// Where the checksum goes.
        checksum_offset: u8,
        /// Command: bits 31:24 of the second word, see [`legacy`].
        command: u8,
        /// Status: bits 39:32 of the second word.
        status: u8,
        /// Where checksumming starts.
        checksum_start: u8,
        /// VLAN tag.
        vlan: U16,
    }
}
