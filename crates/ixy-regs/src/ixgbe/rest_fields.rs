//! The fields of the registers in [`rest`](super::rest), in the datasheet's order.

// The macro makes types, constants and enums of its own, and gives no place for their documentation.
#![allow(missing_docs)]

use tock_registers::register_bitfields;

register_bitfields! { u32,
    /// Timer that raises EICR.TCP_TIMER.
    pub TCPTIMER [
        /// Length in milliseconds.
        DURATION OFFSET(0) NUMBITS(8) [],
        /// Writing 1 starts the timer.
        KICK_START OFFSET(8) NUMBITS(1) [],
        /// The timer counts.
        COUNT_ENABLE OFFSET(9) NUMBITS(1) [],
        /// One more interrupt, then the timer ends (when it does not loop).
        COUNT_FINISH OFFSET(10) NUMBITS(1) [],
        /// The timer starts again each time it ends.
        LOOP OFFSET(11) NUMBITS(1) [],
    ],

    /// EtherType of the outer VLAN tag when CTRL_EXT.EXTENDED_VLAN is set.
    pub EXVET [
        /// EtherType of the outer tag.
        VET_EXT OFFSET(16) NUMBITS(16) [],
    ],

    /// Bit-banged access to the flash.
    pub FLA [
        /// Clock pin.
        SCK OFFSET(0) NUMBITS(1) [],
        /// Chip select pin.
        CE OFFSET(1) NUMBITS(1) [],
        /// Data to the flash.
        SI OFFSET(2) NUMBITS(1) [],
        /// Data from the flash.
        SO OFFSET(3) NUMBITS(1) [],
        /// Asks for direct access to the pins.
        REQ OFFSET(4) NUMBITS(1) [],
        /// Direct access is granted.
        GNT OFFSET(5) NUMBITS(1) [],
        /// The flash is writing or erasing.
        BUSY OFFSET(30) NUMBITS(1) [],
        /// Erases the flash.
        ER OFFSET(31) NUMBITS(1) [],
    ],

    /// EEPROM access of the management firmware.
    pub EEMNGCTL [
        /// Address in words.
        ADDR OFFSET(0) NUMBITS(15) [],
        /// Starts the access.
        START OFFSET(15) NUMBITS(1) [],
        /// The access is a write.
        WRITE OFFSET(16) NUMBITS(1) [],
        /// The EEPROM is busy.
        BUSY OFFSET(17) NUMBITS(1) [],
        /// Configuration of port 0 by firmware is done.
        CFG_DONE0 OFFSET(18) NUMBITS(1) [],
        /// Configuration of port 1 by firmware is done.
        CFG_DONE1 OFFSET(19) NUMBITS(1) [],
        /// The access is done.
        DONE OFFSET(31) NUMBITS(1) [],
    ],

    /// Data of the management firmware's EEPROM access.
    pub EEMNGDATA [
        /// Word to write.
        WRDATA OFFSET(0) NUMBITS(16) [],
        /// Word read.
        RDDATA OFFSET(16) NUMBITS(16) [],
    ],

    /// Flash access of the management firmware.
    pub FLMNGCTL [
        /// Address in bytes.
        ADDR OFFSET(0) NUMBITS(24) [],
        /// Command.
        CMD OFFSET(24) NUMBITS(2) [
            READ = 0,
            WRITE = 1,
            ERASE_SECTOR = 2,
            ERASE = 3,
        ],
        /// The command is valid.
        CMDV OFFSET(26) NUMBITS(1) [],
        /// The flash is busy.
        FLBUSY OFFSET(27) NUMBITS(1) [],
        /// The access is done.
        DONE OFFSET(30) NUMBITS(1) [],
        /// All is done.
        WRDONE OFFSET(31) NUMBITS(1) [],
    ],

    /// Opcodes that erase the flash.
    pub FLOP [
        /// Opcode that erases a block.
        SERASE OFFSET(0) NUMBITS(8) [],
        /// Opcode that erases the device.
        DERASE OFFSET(8) NUMBITS(8) [],
    ],

    /// General receive control: management and wake-up as the EEPROM set them.
    pub GRC [
        /// Management is enabled.
        MNG_EN OFFSET(0) NUMBITS(1) [],
        /// Wake-up by magic packet without a driver.
        APME OFFSET(1) NUMBITS(1) [],
    ],

    /// EtherType and opcode of priority flow control frames.
    pub PFCTOP [
        /// EtherType (0x8808).
        FCT OFFSET(0) NUMBITS(16) [],
        /// Opcode (0x0101).
        FCOP OFFSET(16) NUMBITS(16) [],
    ],

    /// Traffic classes in which the peer allows sending.
    pub TFCS [
        /// One bit a traffic class: sending is allowed.
        TC_XON OFFSET(0) NUMBITS(8) [],
    ],

    /// PCIe control: completion timeouts.
    pub GCR [
        /// A request whose completion timed out is sent again.
        CMPL_TMOUT_RESEND OFFSET(9) NUMBITS(1) [],
        /// How often.
        NUM_RESENDS OFFSET(11) NUMBITS(2) [],
        /// The PCIe capability is of version 2.
        CAP_VER2 OFFSET(18) NUMBITS(1) [],
        /// Byte order of the header log.
        HDR_LOG_INVERSION OFFSET(21) NUMBITS(1) [],
    ],

    /// Control of the PCIe event counters.
    pub GSCL_1 [
        /// Counter 0 counts.
        GIO_COUNT_EN_0 OFFSET(0) NUMBITS(1) [],
        /// Counter 1 counts.
        GIO_COUNT_EN_1 OFFSET(1) NUMBITS(1) [],
        /// Counter 2 counts.
        GIO_COUNT_EN_2 OFFSET(2) NUMBITS(1) [],
        /// Counter 3 counts.
        GIO_COUNT_EN_3 OFFSET(3) NUMBITS(1) [],
        /// Counter 0 is a leaky bucket.
        LBC_ENABLE_0 OFFSET(4) NUMBITS(1) [],
        /// Counter 1 is a leaky bucket.
        LBC_ENABLE_1 OFFSET(5) NUMBITS(1) [],
        /// Counter 2 is a leaky bucket.
        LBC_ENABLE_2 OFFSET(6) NUMBITS(1) [],
        /// Counter 3 is a leaky bucket.
        LBC_ENABLE_3 OFFSET(7) NUMBITS(1) [],
        /// Test.
        GIO_COUNT_TEST OFFSET(27) NUMBITS(1) [],
        /// Two counters of 64 bits instead of four of 32.
        GIO_64_BIT_EN OFFSET(28) NUMBITS(1) [],
        /// Resets the counters.
        GIO_COUNT_RESET OFFSET(29) NUMBITS(1) [],
        /// Stops the counters.
        GIO_COUNT_STOP OFFSET(30) NUMBITS(1) [],
        /// Starts the counters.
        GIO_COUNT_START OFFSET(31) NUMBITS(1) [],
    ],

    /// Events that the PCIe counters count.
    pub GSCL_2 [
        /// Event of counter 0.
        EVENT_0 OFFSET(0) NUMBITS(8) [],
        /// Event of counter 1.
        EVENT_1 OFFSET(8) NUMBITS(8) [],
        /// Event of counter 2.
        EVENT_2 OFFSET(16) NUMBITS(8) [],
        /// Event of counter 3.
        EVENT_3 OFFSET(24) NUMBITS(8) [],
    ],

    /// Leaky bucket parameters of the PCIe event counters.
    pub GSCL_5_8 [
        /// Threshold.
        LBC_THRESHOLD OFFSET(0) NUMBITS(16) [],
        /// Time between decrements.
        LBC_TIMER OFFSET(16) NUMBITS(16) [],
    ],

    /// Access to the PCIe PHY: address and command.
    pub PCIEPHYADR [
        /// Address.
        ADDRESS OFFSET(0) NUMBITS(12) [],
        /// Which bytes.
        BYTE_ENABLE OFFSET(25) NUMBITS(4) [],
        /// Starts a read.
        READ OFFSET(29) NUMBITS(1) [],
        /// Starts a write.
        WRITE OFFSET(30) NUMBITS(1) [],
        /// The access is done.
        DONE OFFSET(31) NUMBITS(1) [],
    ],

    /// Revision ids.
    pub MREVID [
        /// From the EEPROM.
        EEPROM_REVID OFFSET(0) NUMBITS(8) [],
        /// Of the silicon.
        DEFAULT_REVID OFFSET(8) NUMBITS(8) [],
    ],

    /// Causes of PCIe errors; writing ones clears them.
    pub PICAUSE [
        /// A completion was aborted.
        CA OFFSET(0) NUMBITS(1) [],
        /// An address was not supported.
        UA OFFSET(1) NUMBITS(1) [],
        /// Wrong byte enables.
        BE OFFSET(2) NUMBITS(1) [],
        /// A completion timed out.
        TO OFFSET(3) NUMBITS(1) [],
        /// A request was needed while bus mastering was off.
        BMEF OFFSET(4) NUMBITS(1) [],
    ],

    /// Which PCIe errors raise EICR.PCI_EXCEPTION; fields as PICAUSE.
    pub PIENA [
        /// An aborted completion does.
        CA OFFSET(0) NUMBITS(1) [],
        /// An unsupported address does.
        UA OFFSET(1) NUMBITS(1) [],
        /// Wrong byte enables do.
        BE OFFSET(2) NUMBITS(1) [],
        /// A completion timeout does.
        TO OFFSET(3) NUMBITS(1) [],
        /// A request with bus mastering off does.
        BMEF OFFSET(4) NUMBITS(1) [],
    ],

    /// The action of a 5-tuple filter: its receive queue and whether it interrupts at once.
    pub L34TIMIR [
        /// The packet's size is not looked at.
        SIZE_BP OFFSET(12) NUMBITS(1) [],
        /// The packet interrupts at once.
        LLI OFFSET(20) NUMBITS(1) [],
        /// Queue of the packets that match.
        RX_QUEUE OFFSET(21) NUMBITS(7) [],
    ],

    /// Size below which a packet interrupts at once.
    pub LLITHRESH [
        /// Size in bytes.
        SIZE_THRESH OFFSET(0) NUMBITS(12) [],
    ],

    /// VLAN priority from which on a packet interrupts at once.
    pub IMIRVP [
        /// Priority.
        VLAN_PRI OFFSET(0) NUMBITS(3) [],
        /// The priority is looked at.
        VLAN_PRI_EN OFFSET(3) NUMBITS(1) [],
    ],

    /// Ports of a 5-tuple filter.
    pub SDPQF [
        /// Source port.
        SRC_PORT OFFSET(0) NUMBITS(16) [],
        /// Destination port.
        DST_PORT OFFSET(16) NUMBITS(16) [],
    ],

    /// 5-tuple filter: protocol, fields to compare, priority; the queue is in L34TIMIR.
    pub FTQF [
        /// Protocol.
        PROTOCOL OFFSET(0) NUMBITS(2) [
            TCP = 0,
            UDP = 1,
            SCTP = 2,
            OTHER = 3,
        ],
        /// Priority among filters; 7 is highest.
        PRIORITY OFFSET(2) NUMBITS(3) [],
        /// Pool.
        POOL OFFSET(8) NUMBITS(6) [],
        /// The source address is not compared.
        MASK_SRC_ADDR OFFSET(25) NUMBITS(1) [],
        /// The destination address is not compared.
        MASK_DST_ADDR OFFSET(26) NUMBITS(1) [],
        /// The source port is not compared.
        MASK_SRC_PORT OFFSET(27) NUMBITS(1) [],
        /// The destination port is not compared.
        MASK_DST_PORT OFFSET(28) NUMBITS(1) [],
        /// The protocol is not compared.
        MASK_PROTOCOL OFFSET(29) NUMBITS(1) [],
        /// The pool is not compared.
        MASK_POOL OFFSET(30) NUMBITS(1) [],
        /// The filter is on.
        QUEUE_ENABLE OFFSET(31) NUMBITS(1) [],
    ],

    /// Queue of TCP packets with SYN.
    pub SYNQF [
        /// The filter is on.
        QUEUE_ENABLE OFFSET(0) NUMBITS(1) [],
        /// The queue.
        RX_QUEUE OFFSET(1) NUMBITS(7) [],
        /// It has priority over the 5-tuple filters.
        SYNQFP OFFSET(31) NUMBITS(1) [],
    ],

    /// Memory errors of the receive filters.
    pub RXFECCERR0 [
        /// Filter memory errors are reported.
        ECCFLT_EN OFFSET(9) NUMBITS(1) [],
    ],

    /// How often the packet buffers wrapped, and whether they are empty.
    pub RXMEMWRAP [
        /// Wraps of buffer 0.
        TC0_WRAP OFFSET(0) NUMBITS(3) [],
        /// Buffer 0 is empty.
        TC0_EMPTY OFFSET(3) NUMBITS(1) [],
        /// Wraps of buffer 1.
        TC1_WRAP OFFSET(4) NUMBITS(3) [],
        /// Buffer 1 is empty.
        TC1_EMPTY OFFSET(7) NUMBITS(1) [],
        /// Wraps of buffer 2.
        TC2_WRAP OFFSET(8) NUMBITS(3) [],
        /// Buffer 2 is empty.
        TC2_EMPTY OFFSET(11) NUMBITS(1) [],
        /// Wraps of buffer 3.
        TC3_WRAP OFFSET(12) NUMBITS(3) [],
        /// Buffer 3 is empty.
        TC3_EMPTY OFFSET(15) NUMBITS(1) [],
        /// Wraps of buffer 4.
        TC4_WRAP OFFSET(16) NUMBITS(3) [],
        /// Buffer 4 is empty.
        TC4_EMPTY OFFSET(19) NUMBITS(1) [],
        /// Wraps of buffer 5.
        TC5_WRAP OFFSET(20) NUMBITS(3) [],
        /// Buffer 5 is empty.
        TC5_EMPTY OFFSET(23) NUMBITS(1) [],
        /// Wraps of buffer 6.
        TC6_WRAP OFFSET(24) NUMBITS(3) [],
        /// Buffer 6 is empty.
        TC6_EMPTY OFFSET(27) NUMBITS(1) [],
        /// Wraps of buffer 7.
        TC7_WRAP OFFSET(28) NUMBITS(3) [],
        /// Buffer 7 is empty.
        TC7_EMPTY OFFSET(31) NUMBITS(1) [],
    ],

    /// Receive packet plane: credits of a traffic class.
    pub RTRPT4C [
        /// Refill in units of 64 bytes.
        CRQ OFFSET(0) NUMBITS(9) [],
        /// Bandwidth group.
        BWG OFFSET(9) NUMBITS(3) [],
        /// Most credits, in units of 64 bytes.
        MCL OFFSET(12) NUMBITS(12) [],
        /// Strict priority in its group.
        GSP OFFSET(30) NUMBITS(1) [],
        /// Strict priority.
        LSP OFFSET(31) NUMBITS(1) [],
    ],

    /// Transmit descriptor plane: credits of a pool.
    pub RTTDT1C [
        /// Refill in units of 64 bytes.
        CRQ OFFSET(0) NUMBITS(14) [],
    ],

    /// PCIe requester id.
    pub DCA_ID [
        /// Function.
        FUNCTION OFFSET(0) NUMBITS(3) [],
        /// Device.
        DEVICE OFFSET(3) NUMBITS(5) [],
        /// Bus.
        BUS OFFSET(8) NUMBITS(8) [],
    ],

    /// Fill level at which the transmit security buffer counts as almost full.
    pub SECTXBUFFAF [
        /// Fill level.
        FULLTHRESH OFFSET(0) NUMBITS(10) [],
    ],

    /// Least gap between packets.
    pub SECTXMINIFG [
        /// Gap in cycles; 1, or more with priority flow control.
        MINSECIFG OFFSET(0) NUMBITS(4) [],
        /// DCB latency; 0x10 without DCB, 0x1F with it.
        SECTXDCB OFFSET(8) NUMBITS(5) [],
    ],

    /// IPsec transmit: entry to read or write.
    pub IPSTXIDX [
        /// IPsec is on for transmit.
        IPS_TX_EN OFFSET(0) NUMBITS(1) [],
        /// Entry.
        SA_IDX OFFSET(3) NUMBITS(10) [],
        /// Reads the entry.
        READ OFFSET(30) NUMBITS(1) [],
        /// Writes the entry.
        WRITE OFFSET(31) NUMBITS(1) [],
    ],

    /// IPsec receive: table and entry to read or write.
    pub IPSRXIDX [
        /// IPsec is on for receive.
        IPS_RX_EN OFFSET(0) NUMBITS(1) [],
        /// Table.
        TABLE OFFSET(1) NUMBITS(2) [
            IP = 1,
            SPI = 2,
            KEY = 3,
        ],
        /// Entry.
        TB_IDX OFFSET(3) NUMBITS(10) [],
        /// Reads the entry.
        READ OFFSET(30) NUMBITS(1) [],
        /// Writes the entry.
        WRITE OFFSET(31) NUMBITS(1) [],
    ],

    /// IPsec receive: mode.
    pub IPSRXMOD [
        /// The entry is valid.
        VALID OFFSET(0) NUMBITS(1) [],
        /// ESP instead of AH.
        PROTO OFFSET(2) NUMBITS(1) [],
        /// Packets are decrypted.
        DECRYPT OFFSET(3) NUMBITS(1) [],
        /// The address is of IPv6.
        IPV6 OFFSET(4) NUMBITS(1) [],
    ],

    /// LinkSec transmit: control.
    pub LSECTXCTRL [
        /// Mode.
        LSTXEN OFFSET(0) NUMBITS(2) [
            OFF = 0,
            AUTHENTICATE = 1,
            ENCRYPT = 2,
        ],
        /// The channel id is always included.
        AISCI OFFSET(5) NUMBITS(1) [],
        /// Packet number at which EICR.LINKSEC is raised.
        PNTRH OFFSET(8) NUMBITS(24) [],
    ],

    /// LinkSec receive: control.
    pub LSECRXCTRL [
        /// Mode.
        LSRXEN OFFSET(2) NUMBITS(2) [
            OFF = 0,
            CHECK = 1,
            STRICT = 2,
            DROP = 3,
        ],
        /// The LinkSec header is passed on.
        PLSH OFFSET(6) NUMBITS(1) [],
        /// Replay protection.
        RP OFFSET(7) NUMBITS(1) [],
    ],

    /// Buffers of a DDP context.
    pub FCBUFF [
        /// The context is valid.
        VALID OFFSET(0) NUMBITS(1) [],
        /// Size of a buffer.
        BUFFSIZE OFFSET(3) NUMBITS(2) [
            KB4 = 0,
            KB8 = 1,
            KB16 = 2,
            KB64 = 3,
        ],
        /// The context is for writes.
        WRCONTX OFFSET(7) NUMBITS(1) [],
        /// Number of buffers.
        BUFFCNT OFFSET(8) NUMBITS(8) [],
        /// Offset in the first buffer.
        OFFSET OFFSET(16) NUMBITS(16) [],
    ],

    /// Loads or stores a DDP context.
    pub FCDMARW [
        /// Context.
        FCOESEL OFFSET(0) NUMBITS(9) [],
        /// Stores.
        WE OFFSET(14) NUMBITS(1) [],
        /// Loads.
        RE OFFSET(15) NUMBITS(1) [],
        /// Size of the last buffer.
        LASTSIZE OFFSET(16) NUMBITS(16) [],
    ],

    /// FCoE receive control.
    pub FCRXCTRL [
        /// Packets may interrupt at once.
        FCOELLI OFFSET(0) NUMBITS(1) [],
        /// Bad frames are kept.
        SAVBAD OFFSET(1) NUMBITS(1) [],
        /// Header of the first frame of a read.
        FRSTRDH OFFSET(2) NUMBITS(1) [],
        /// Header of the last frame of a sequence.
        LASTSEQH OFFSET(3) NUMBITS(1) [],
        /// All headers.
        ALLH OFFSET(4) NUMBITS(1) [],
        /// Header of the first frame of a sequence.
        FRSTSEQH OFFSET(5) NUMBITS(1) [],
        /// Frames with a bad CRC are ignored.
        ICRC OFFSET(6) NUMBITS(1) [],
        /// Byte order of the CRC.
        FCCRCBO OFFSET(7) NUMBITS(1) [],
        /// Version.
        FCOEVER OFFSET(8) NUMBITS(4) [],
    ],

    /// FCoE filter context.
    pub FCFLT [
        /// The context is valid.
        VALID OFFSET(0) NUMBITS(1) [],
        /// The first frame was seen.
        FIRST OFFSET(1) NUMBITS(1) [],
        /// Sequence id.
        SEQID OFFSET(16) NUMBITS(8) [],
        /// Sequence count.
        SEQCNT OFFSET(24) NUMBITS(8) [],
    ],

    /// Loads or stores an FCoE filter context.
    pub FCFLTRW [
        /// Whether the context must be checked again.
        RVALDT OFFSET(13) NUMBITS(1) [],
        /// Stores.
        WE OFFSET(14) NUMBITS(1) [],
        /// Loads.
        RE OFFSET(15) NUMBITS(1) [],
    ],

    /// FCoE redirection: on or off.
    pub FCRECTL [
        /// Redirection is on.
        ENA OFFSET(0) NUMBITS(1) [],
    ],

    /// FCoE redirection table.
    pub FCRETA [
        /// Queue.
        ENTRY OFFSET(0) NUMBITS(7) [],
    ],

    /// Flow director control; writing it starts the initialisation.
    pub FDIRCTRL [
        /// Packet buffer given to the table.
        PBALLOC OFFSET(0) NUMBITS(2) [
            NONE = 0,
            KB64 = 1,
            KB128 = 2,
            KB256 = 3,
        ],
        /// The table is initialised.
        INIT_DONE OFFSET(3) NUMBITS(1) [],
        /// Exact filters instead of hashed signatures.
        PERFECT_MATCH OFFSET(4) NUMBITS(1) [],
        /// Matches are reported in the descriptor.
        REPORT_STATUS OFFSET(5) NUMBITS(1) [],
        /// Matches are reported for every packet.
        REPORT_STATUS_ALWAYS OFFSET(7) NUMBITS(1) [],
        /// Queue of packets that a filter drops.
        DROP_QUEUE OFFSET(8) NUMBITS(7) [],
        /// Where the two flexible bytes are, in words from the start of the packet.
        FLEX_OFFSET OFFSET(16) NUMBITS(5) [],
        /// Longest list, half of it.
        MAX_LENGTH OFFSET(24) NUMBITS(4) [],
        /// How few free entries count as a full table.
        FULL_THRESH OFFSET(28) NUMBITS(4) [],
    ],

    /// TCP port bits that are ignored.
    pub FDIRTCPM [
        /// Of the source port.
        SPORTM OFFSET(0) NUMBITS(16) [],
        /// Of the destination port.
        DPORTM OFFSET(16) NUMBITS(16) [],
    ],

    /// UDP port bits that are ignored.
    pub FDIRUDPM [
        /// Of the source port.
        SPORTM OFFSET(0) NUMBITS(16) [],
        /// Of the destination port.
        DPORTM OFFSET(16) NUMBITS(16) [],
    ],

    /// IPv6 address bytes that are ignored.
    pub FDIRIP6M [
        /// Of the source.
        SIPM OFFSET(0) NUMBITS(16) [],
        /// Of the destination.
        DIPM OFFSET(16) NUMBITS(16) [],
    ],

    /// Which parts of a packet are ignored.
    pub FDIRM [
        /// VLAN id.
        VLANID OFFSET(0) NUMBITS(1) [],
        /// VLAN priority.
        VLANP OFFSET(1) NUMBITS(1) [],
        /// Pool.
        POOL OFFSET(2) NUMBITS(1) [],
        /// Layer 4 protocol.
        L4P OFFSET(3) NUMBITS(1) [],
        /// Flexible bytes.
        FLEX OFFSET(4) NUMBITS(1) [],
        /// IPv6 destination.
        DIPV6 OFFSET(5) NUMBITS(1) [],
    ],

    /// Free entries.
    pub FDIRFREE [
        /// Number of free entries.
        FREE OFFSET(0) NUMBITS(16) [],
        /// Number of collisions.
        COLL OFFSET(16) NUMBITS(15) [],
    ],

    /// Longest list so far.
    pub FDIRLEN [
        /// Its length.
        MAXLEN OFFSET(0) NUMBITS(6) [],
        /// Length of the list that was last changed.
        BUCKET_LEN OFFSET(8) NUMBITS(6) [],
        /// Hash of the longest list.
        MAXHASH OFFSET(16) NUMBITS(15) [],
    ],

    /// Successful commands.
    pub FDIRUSTAT [
        /// Filters added.
        ADD OFFSET(0) NUMBITS(16) [],
        /// Filters removed.
        REMOVE OFFSET(16) NUMBITS(16) [],
    ],

    /// Failed commands.
    pub FDIRFSTAT [
        /// Filters not added.
        FADD OFFSET(0) NUMBITS(8) [],
        /// Filters not removed.
        FREMOVE OFFSET(8) NUMBITS(8) [],
    ],

    /// Command: ports.
    pub FDIRPORT [
        /// Source port.
        SOURCE OFFSET(0) NUMBITS(16) [],
        /// Destination port.
        DESTINATION OFFSET(16) NUMBITS(16) [],
    ],

    /// Command: VLAN tag and flexible bytes.
    pub FDIRVLAN [
        /// VLAN tag.
        VLAN OFFSET(0) NUMBITS(16) [],
        /// Flexible bytes.
        FLEX OFFSET(16) NUMBITS(16) [],
    ],

    /// Command: hash and software index.
    pub FDIRHASH [
        /// Bucket.
        HASH OFFSET(0) NUMBITS(15) [],
        /// The bucket has entries.
        BUCKET_VALID OFFSET(15) NUMBITS(1) [],
        /// Signature, or software's index of the filter.
        SIG_SW_INDEX OFFSET(16) NUMBITS(15) [],
    ],

    /// Command; done when CMD reads 0.
    pub FDIRCMD [
        /// Command.
        CMD OFFSET(0) NUMBITS(2) [
            NONE = 0,
            ADD = 1,
            REMOVE = 2,
            QUERY = 3,
        ],
        /// The filter was found.
        FILTER_VALID OFFSET(2) NUMBITS(1) [],
        /// An existing filter is changed.
        FILTER_UPDATE OFFSET(3) NUMBITS(1) [],
        /// The IPv6 destination is this host.
        IPV6_DMATCH OFFSET(4) NUMBITS(1) [],
        /// Protocol.
        L4TYPE OFFSET(5) NUMBITS(2) [
            OTHER = 0,
            UDP = 1,
            TCP = 2,
            SCTP = 3,
        ],
        /// The packet is IPv6.
        IPV6 OFFSET(7) NUMBITS(1) [],
        /// Clears the table's head.
        CLEARHT OFFSET(8) NUMBITS(1) [],
        /// The packets are dropped.
        DROP OFFSET(9) NUMBITS(1) [],
        /// The packets interrupt.
        INT OFFSET(10) NUMBITS(1) [],
        /// The last filter of a list.
        LAST OFFSET(11) NUMBITS(1) [],
        /// More than one filter has this hash.
        COLLISION OFFSET(12) NUMBITS(1) [],
        /// The queue is valid.
        QUEUE_EN OFFSET(15) NUMBITS(1) [],
        /// Queue.
        RX_QUEUE OFFSET(16) NUMBITS(7) [],
        /// Pool.
        POOL OFFSET(24) NUMBITS(6) [],
    ],

    /// 1 Gbit/s PCS: configuration.
    pub PCS1GCFIG [
        /// The PCS is isolated.
        PCS_ISOLATE OFFSET(30) NUMBITS(1) [],
    ],

    /// 1 Gbit/s PCS: link control.
    pub PCS1GLCTL [
        /// Value of a forced link.
        FLV OFFSET(0) NUMBITS(1) [],
        /// The link is forced.
        FORCE_1G_LINK OFFSET(5) NUMBITS(1) [],
        /// Link loss is latched.
        LINK_LATCH_LOW OFFSET(6) NUMBITS(1) [],
        /// Auto-negotiation ends after a time.
        AN_1G_TIMEOUT_EN OFFSET(18) NUMBITS(1) [],
        /// Control of link ok.
        LINK_OK_FIX_EN OFFSET(25) NUMBITS(1) [],
    ],

    /// 1 Gbit/s PCS: link status.
    pub PCS1GLSTA [
        /// Synchronised.
        SYNC_OK OFFSET(4) NUMBITS(1) [],
        /// Auto-negotiation is complete.
        AN_COMPLETE OFFSET(16) NUMBITS(1) [],
        /// A page was received.
        AN_PAGE_RX OFFSET(17) NUMBITS(1) [],
        /// Auto-negotiation took too long.
        AN_TIMED_OUT OFFSET(18) NUMBITS(1) [],
        /// The peer reports a fault.
        AN_REMOTE_FAULT OFFSET(19) NUMBITS(1) [],
        /// Auto-negotiation failed.
        AN_ERROR OFFSET(20) NUMBITS(1) [],
    ],

    /// 1 Gbit/s PCS: advertised abilities.
    pub PCS1GANA [
        /// Full duplex.
        FDC OFFSET(5) NUMBITS(1) [],
        /// Pause ability.
        ASM OFFSET(7) NUMBITS(2) [],
        /// Remote fault.
        RFLT OFFSET(12) NUMBITS(2) [],
        /// Next page.
        NEXTP OFFSET(15) NUMBITS(1) [],
    ],

    /// 1 Gbit/s PCS: abilities that the peer advertises.
    pub PCS1GANLP [
        /// Full duplex.
        LPFD OFFSET(5) NUMBITS(1) [],
        /// Half duplex.
        LPHD OFFSET(6) NUMBITS(1) [],
        /// Pause ability.
        LPASM OFFSET(7) NUMBITS(2) [],
        /// Remote fault.
        PRF OFFSET(12) NUMBITS(2) [],
        /// Acknowledge.
        ACK OFFSET(14) NUMBITS(1) [],
        /// Next page.
        LPNEXTP OFFSET(15) NUMBITS(1) [],
    ],

    /// 1 Gbit/s PCS: next page to send.
    pub PCS1GANNP [
        /// Message.
        CODE OFFSET(0) NUMBITS(11) [],
        /// Toggle.
        TOGGLE OFFSET(11) NUMBITS(1) [],
        /// Acknowledge 2.
        ACK2 OFFSET(12) NUMBITS(1) [],
        /// Message page.
        PGTYPE OFFSET(13) NUMBITS(1) [],
        /// Next page.
        NXTPG OFFSET(15) NUMBITS(1) [],
    ],

    /// 1 Gbit/s PCS: next page of the peer.
    pub PCS1GANLPNP [
        /// Message.
        CODE OFFSET(0) NUMBITS(11) [],
        /// Toggle.
        TOGGLE OFFSET(11) NUMBITS(1) [],
        /// Acknowledge 2.
        ACK2 OFFSET(12) NUMBITS(1) [],
        /// Message page.
        MSGPG OFFSET(13) NUMBITS(1) [],
        /// Acknowledge.
        ACK OFFSET(14) NUMBITS(1) [],
        /// Next page.
        NXTPG OFFSET(15) NUMBITS(1) [],
    ],

    /// MAC status: receive errors since it was last read.
    pub HLREG1 [
        /// An error symbol.
        RX_ERR_SYM OFFSET(5) NUMBITS(1) [],
        /// An illegal symbol.
        RX_ILL_SYM OFFSET(6) NUMBITS(1) [],
        /// An error in idle.
        RX_IDLE_ERR OFFSET(7) NUMBITS(1) [],
        /// A local fault.
        RX_LCL_FLT OFFSET(8) NUMBITS(1) [],
        /// A remote fault.
        RX_RMT_FLT OFFSET(9) NUMBITS(1) [],
    ],

    /// Pace: how much of 10 Gbit/s the MAC sends.
    pub PAP [
        /// 0 is all, n is n Gbit/s; 15 is 9.294196 Gbit/s.
        PACE OFFSET(16) NUMBITS(4) [],
    ],

    /// XGXS status 1.
    pub PCSS1 [
        /// The receive link is up.
        PCS_RCV_LINK_UP OFFSET(2) NUMBITS(1) [],
        /// Local fault.
        LOCAL_FAULT OFFSET(7) NUMBITS(1) [],
    ],

    /// XGXS status 2.
    pub PCSS2 [
        /// 10GBASE-R.
        CAP_10GBASE_R OFFSET(0) NUMBITS(1) [],
        /// 10GBASE-X.
        CAP_10GBASE_X OFFSET(1) NUMBITS(1) [],
        /// 10GBASE-W.
        CAP_10GBASE_W OFFSET(2) NUMBITS(1) [],
        /// Receive fault.
        RX_FAULT OFFSET(10) NUMBITS(1) [],
        /// Transmit fault.
        TX_FAULT OFFSET(11) NUMBITS(1) [],
        /// 2 when the device answers.
        DEVICE_PRESENT OFFSET(14) NUMBITS(2) [],
    ],

    /// 10GBASE-X PCS status.
    pub XPCSS [
        /// Lane 0 is synchronised.
        LANE0_SYNC OFFSET(0) NUMBITS(1) [],
        /// Lane 1 is synchronised.
        LANE1_SYNC OFFSET(1) NUMBITS(1) [],
        /// Lane 2 is synchronised.
        LANE2_SYNC OFFSET(2) NUMBITS(1) [],
        /// Lane 3 is synchronised.
        LANE3_SYNC OFFSET(3) NUMBITS(1) [],
        /// The lanes are aligned.
        ALIGN_STATUS OFFSET(12) NUMBITS(1) [],
        /// Deskew error.
        DESKEW_ERR OFFSET(16) NUMBITS(1) [],
        /// Alignment columns are counted.
        ALIGN_COLUMN_CNT4 OFFSET(17) NUMBITS(1) [],
        /// Invalid codes, a bit a lane.
        LANE_INVALID_CODE OFFSET(18) NUMBITS(4) [],
        /// Comma count, a bit a lane.
        LANE_COMMA_CNT4 OFFSET(22) NUMBITS(4) [],
        /// Signal, a bit a lane.
        LANE_SIGNAL_DETECT OFFSET(26) NUMBITS(4) [],
    ],

    /// SerDes lanes: polarity, bit order, assignment.
    pub SERDESC [
        /// Transmit polarity, a bit a lane.
        TX_LANES_POLARITY OFFSET(0) NUMBITS(4) [],
        /// Receive polarity, a bit a lane.
        RX_LANES_POLARITY OFFSET(4) NUMBITS(4) [],
        /// Transmit bit order, a bit a lane.
        SWIZZLE_TX_LANES OFFSET(8) NUMBITS(4) [],
        /// Receive bit order, a bit a lane.
        SWIZZLE_RX_LANES OFFSET(12) NUMBITS(4) [],
        /// Transmit lane 3 is this one.
        SWAP_TX_LANE_3 OFFSET(16) NUMBITS(2) [],
        /// Transmit lane 2 is this one.
        SWAP_TX_LANE_2 OFFSET(18) NUMBITS(2) [],
        /// Transmit lane 1 is this one.
        SWAP_TX_LANE_1 OFFSET(20) NUMBITS(2) [],
        /// Transmit lane 0 is this one.
        SWAP_TX_LANE_0 OFFSET(22) NUMBITS(2) [],
        /// Receive lane 3 is this one.
        SWAP_RX_LANE_3 OFFSET(24) NUMBITS(2) [],
        /// Receive lane 2 is this one.
        SWAP_RX_LANE_2 OFFSET(26) NUMBITS(2) [],
        /// Receive lane 1 is this one.
        SWAP_RX_LANE_1 OFFSET(28) NUMBITS(2) [],
        /// Receive lane 0 is this one.
        SWAP_RX_LANE_0 OFFSET(30) NUMBITS(2) [],
    ],

    /// FIFO status and control of the MAC.
    pub MACS [
        /// A fix of XGXS is off.
        XGMII_SYNC_FIX_DIS OFFSET(0) NUMBITS(1) [],
        /// Another one is off.
        XGXS_TX_FIX_DIS OFFSET(1) NUMBITS(1) [],
        /// Another one is off.
        XGXS_DESKEW_FIX_DIS OFFSET(2) NUMBITS(1) [],
        /// Nonces are not compared.
        NONCE_MATCH_DIS OFFSET(3) NUMBITS(1) [],
        /// Length of faults.
        CONFIG_FAULT_LENGTH OFFSET(16) NUMBITS(8) [],
        /// FIFO threshold.
        CONFIG_FIFO_THRESHOLD OFFSET(24) NUMBITS(4) [],
        /// Transmit FIFO underrun.
        TX_FIFO_UNDERRUN OFFSET(28) NUMBITS(1) [],
        /// Transmit FIFO overrun.
        TX_FIFO_OVERRUN OFFSET(29) NUMBITS(1) [],
        /// Receive FIFO underrun.
        RX_FIFO_UNDERRUN OFFSET(30) NUMBITS(1) [],
        /// Receive FIFO overrun.
        RX_FIFO_OVERRUN OFFSET(31) NUMBITS(1) [],
    ],

    /// More link status.
    pub LINKS2 [
        /// Receive mode.
        MAC_RX_MODE OFFSET(0) NUMBITS(2) [],
        /// Transmit mode.
        MAC_TX_MODE OFFSET(3) NUMBITS(2) [],
        /// The peer can auto-negotiate.
        LP_AN_SUPPORTED OFFSET(6) NUMBITS(1) [],
    ],

    /// Auto-negotiation: the peer's abilities.
    pub ANLP2 [
        /// Nonce.
        LP_AN_NONCE OFFSET(0) NUMBITS(5) [],
        /// Abilities, low.
        LP_AN_ABILITY_LOW OFFSET(5) NUMBITS(11) [],
        /// Abilities, high.
        LP_AN_ABILITY_HIGH OFFSET(16) NUMBITS(16) [],
    ],

    /// Auto-negotiation: the peer's next page.
    pub ANLPNP1 [
        /// Message.
        MESSAGE OFFSET(0) NUMBITS(11) [],
        /// Toggle.
        TOGGLE OFFSET(11) NUMBITS(1) [],
        /// Acknowledge 2.
        ACK2 OFFSET(12) NUMBITS(1) [],
        /// Message page.
        MP OFFSET(13) NUMBITS(1) [],
        /// Acknowledge.
        ACK OFFSET(14) NUMBITS(1) [],
        /// Next page.
        NP OFFSET(15) NUMBITS(1) [],
        /// Unformatted code.
        UNFORMATTED OFFSET(16) NUMBITS(16) [],
    ],

    /// Auto-negotiation: the peer's next page, high bits.
    pub ANLPNP2 [
        /// High bits.
        LP_NEXT_PAGE_HIGH OFFSET(0) NUMBITS(16) [],
    ],

    /// KR: forward error correction control.
    pub KRPCSFC [
        /// Errors are reported.
        FEC_ENABLE_ERR OFFSET(16) NUMBITS(1) [],
        /// Good blocks until lock.
        FEC_N_CNT OFFSET(18) NUMBITS(2) [],
        /// Bad blocks until loss.
        FEC_M_CNT OFFSET(20) NUMBITS(2) [],
        /// Loose mode.
        FEC_LOOSE_MODE OFFSET(22) NUMBITS(1) [],
        /// Receive bits are swapped.
        FEC_RX_SWAP OFFSET(23) NUMBITS(1) [],
        /// Transmit bits are swapped.
        FEC_TX_SWAP OFFSET(24) NUMBITS(1) [],
        /// Slip assistance.
        SLIPASS OFFSET(26) NUMBITS(1) [],
        /// Single synchronisation.
        SSYNC OFFSET(27) NUMBITS(1) [],
    ],

    /// KR: PCS status and errors since it was last read.
    pub KRPCSS [
        /// Bad blocks.
        ERRCNT_BLK OFFSET(3) NUMBITS(8) [],
        /// High bit error rate events.
        BERBAD_CNT OFFSET(11) NUMBITS(6) [],
        /// Receive FIFO error.
        RX_FIFO_ERR_LH OFFSET(17) NUMBITS(1) [],
        /// Local fault received.
        RX_LF_DET OFFSET(18) NUMBITS(1) [],
        /// Frame alignment error.
        RX_FRM_ALIGN_ERR OFFSET(19) NUMBITS(1) [],
        /// Block lock.
        BLKLCK OFFSET(20) NUMBITS(1) [],
        /// High bit error rate.
        HBER_STS OFFSET(21) NUMBITS(1) [],
        /// Local fault received, latched.
        RX_LF_DET2 OFFSET(22) NUMBITS(1) [],
        /// Link.
        LNK_STS OFFSET(23) NUMBITS(1) [],
        /// Receive underflow.
        RX_UNDERFLOW OFFSET(24) NUMBITS(1) [],
        /// Receive overflow.
        RX_OVERFLOW OFFSET(25) NUMBITS(1) [],
        /// Receive FIFO error now.
        RX_FIFO_ERR OFFSET(26) NUMBITS(1) [],
        /// Receive data are valid.
        RX_DATA_VALID OFFSET(27) NUMBITS(1) [],
        /// Transmit underflow.
        TX_UNDERFLOW OFFSET(28) NUMBITS(1) [],
        /// Transmit overflow.
        TX_OVERFLOW OFFSET(29) NUMBITS(1) [],
        /// Transmit FIFO error now.
        TX_FIFO_ERR OFFSET(30) NUMBITS(1) [],
        /// Transmit data are valid.
        TX_DATA_VALID OFFSET(31) NUMBITS(1) [],
    ],

    /// Analog settings of the memories.
    pub SMADARCTL [
        /// Data.
        DATA OFFSET(0) NUMBITS(8) [],
        /// Address.
        ADDRESS OFFSET(8) NUMBITS(8) [],
        /// Only the address is latched.
        LATCH_ADDRESS OFFSET(16) NUMBITS(1) [],
    ],

    /// SGMII control.
    pub SGMIIC [
        /// Receive sampling at start.
        SRXRASSMP OFFSET(0) NUMBITS(4) [],
        /// Receive sampling.
        SRXRARSMP OFFSET(4) NUMBITS(4) [],
        /// Transmit sampling.
        STXRASMP OFFSET(8) NUMBITS(4) [],
        /// 100 Mbit/s is forced.
        ANSFLU100 OFFSET(12) NUMBITS(1) [],
        /// Auto-negotiation is bypassed.
        ANSBYP OFFSET(13) NUMBITS(1) [],
        /// Auto-negotiation is triggered.
        ANSTRIG OFFSET(14) NUMBITS(1) [],
        /// Link timer.
        ANSLNKTMR OFFSET(15) NUMBITS(1) [],
        /// Remote faults are ignored.
        ANIGNRRXRF OFFSET(17) NUMBITS(1) [],
    ],

    /// Which queues the receive DMA counters count.
    pub RXDSTATCTRL [
        /// Queue or pool; 16 is all.
        QSEL OFFSET(0) NUMBITS(5) [],
    ],

    /// FCoE packets with a bad CRC.
    pub FCCRC [
        /// Count.
        CRC_CNT OFFSET(0) NUMBITS(16) [],
    ],

    /// FCoE packets that were last and in error.
    pub FCLAST [
        /// Count.
        LAST_CNT OFFSET(0) NUMBITS(16) [],
    ],

    /// Wake-up control.
    pub WUC [
        /// Wake-up is on.
        PME_EN OFFSET(1) NUMBITS(1) [],
        /// A wake-up happened.
        PME_STATUS OFFSET(2) NUMBITS(1) [],
        /// The wake pin is driven.
        WKEN OFFSET(4) NUMBITS(1) [],
    ],

    /// VLAN ids.
    pub MAVTV [
        /// VLAN id.
        VID OFFSET(0) NUMBITS(12) [],
    ],

    /// Ports.
    pub MFUTP [
        /// Port 2n.
        MFUTP_EVEN OFFSET(0) NUMBITS(16) [],
        /// Port 2n + 1.
        MFUTP_ODD OFFSET(16) NUMBITS(16) [],
    ],

    /// EtherTypes.
    pub METF [
        /// EtherType.
        ETYPE OFFSET(0) NUMBITS(16) [],
        /// The filter is inverted.
        POLARITY OFFSET(30) NUMBITS(1) [],
    ],

    /// Management control.
    pub MANC [
        /// Packets go to management.
        RCV_TCO_EN OFFSET(17) NUMBITS(1) [],
        /// All packets.
        RCV_ALL OFFSET(19) NUMBITS(1) [],
        /// All multicast packets.
        MCST_PASS_L2 OFFSET(20) NUMBITS(1) [],
        /// They may go on to the host.
        EN_MNG2HOST OFFSET(21) NUMBITS(1) [],
        /// VLANs are not filtered.
        BYPASS_VLAN OFFSET(22) NUMBITS(1) [],
        /// Checksums are checked.
        EN_XSUM_FILTER OFFSET(23) NUMBITS(1) [],
        /// IPv4 filters are on.
        EN_IPV4_FILTER OFFSET(24) NUMBITS(1) [],
        /// Only one kind of tagging.
        FIXED_NET_TYPE OFFSET(25) NUMBITS(1) [],
        /// Tagged.
        NET_TYPE OFFSET(26) NUMBITS(1) [],
    ],

    /// Which management filters are valid.
    pub MFVAL [
        /// MAC addresses.
        MAC OFFSET(0) NUMBITS(4) [],
        /// VLAN ids.
        VLAN OFFSET(8) NUMBITS(8) [],
        /// IPv4 addresses.
        IPV4 OFFSET(16) NUMBITS(4) [],
        /// IPv6 addresses.
        IPV6 OFFSET(24) NUMBITS(4) [],
    ],

    /// Which decision filters go on to the host.
    pub MANC2H [
        /// A bit a filter.
        HOST_ENABLE OFFSET(0) NUMBITS(8) [],
    ],

    /// Host interface to the firmware: commands. 0 means there is none.
    pub HICR [
        /// The interface is there.
        EN OFFSET(0) NUMBITS(1) [],
        /// A command is in the buffer.
        C OFFSET(1) NUMBITS(1) [],
        /// The answer is valid.
        SV OFFSET(2) NUMBITS(1) [],
        /// Firmware may be reset.
        FW_RESET_EN OFFSET(6) NUMBITS(1) [],
        /// Resets firmware.
        FW_RESET OFFSET(7) NUMBITS(1) [],
    ],

    /// Firmware status.
    pub FWSTS [
        /// Firmware was reset.
        FWRI OFFSET(9) NUMBITS(1) [],
    ],

    /// Receive time stamps: control.
    pub TSYNCRXCTL [
        /// A stamp is held.
        RXTT OFFSET(0) NUMBITS(1) [],
        /// Which packets.
        TYPE OFFSET(1) NUMBITS(3) [
            L2_V2 = 0,
            L4_V1 = 1,
            L2_L4_V2 = 2,
            ALL = 4,
            EVENT_V2 = 5,
        ],
        /// Stamps are taken.
        EN OFFSET(4) NUMBITS(1) [],
    ],

    /// Source of the stamped packet, high, and its sequence number.
    pub RXSATRH [
        /// Source id, high.
        SOURCE_HIGH OFFSET(0) NUMBITS(16) [],
        /// Sequence number.
        SEQUENCE_ID OFFSET(16) NUMBITS(16) [],
    ],

    /// Which messages are stamped.
    pub RXMTRL [
        /// Message type, version 1.
        CTRLT OFFSET(0) NUMBITS(8) [],
        /// Message type, version 2.
        MSGT OFFSET(8) NUMBITS(8) [],
        /// UDP port.
        UDPT OFFSET(16) NUMBITS(16) [],
    ],

    /// Transmit time stamps: control.
    pub TSYNCTXCTL [
        /// A stamp is held.
        TXTT OFFSET(0) NUMBITS(1) [],
        /// Stamps are taken.
        EN OFFSET(4) NUMBITS(1) [],
    ],

    /// How the clock advances.
    pub TIMINCA [
        /// Added each time.
        IV OFFSET(0) NUMBITS(24) [],
        /// How often, in clock cycles.
        IP OFFSET(24) NUMBITS(8) [],
    ],

    /// Adjustment, high.
    pub TIMADJH [
        /// High bits.
        TIMADJH OFFSET(0) NUMBITS(31) [],
        /// The adjustment is subtracted.
        SIGN OFFSET(31) NUMBITS(1) [],
    ],

    /// Target times and auxiliary stamps.
    pub TSAUXC [
        /// Target time 0.
        EN_TT0 OFFSET(0) NUMBITS(1) [],
        /// Target time 1.
        EN_TT1 OFFSET(1) NUMBITS(1) [],
        /// Clock output.
        EN_CLK OFFSET(2) NUMBITS(1) [],
        /// Synchronised clock output.
        SYNCLK OFFSET(3) NUMBITS(1) [],
        /// Pin 0 interrupts.
        SDP0_INT OFFSET(6) NUMBITS(1) [],
    ],

    /// Mailbox of a virtual function: state.
    pub PFMAILBOX [
        /// A message from the physical function is ready.
        STS OFFSET(0) NUMBITS(1) [],
        /// A message of the virtual function was taken.
        ACK OFFSET(1) NUMBITS(1) [],
        /// The virtual function holds the buffer.
        VFU OFFSET(2) NUMBITS(1) [],
        /// The physical function holds the buffer.
        PFU OFFSET(3) NUMBITS(1) [],
        /// Takes the buffer back.
        RVFU OFFSET(4) NUMBITS(1) [],
    ],

    /// Mailbox interrupts, sixteen virtual functions each; writing ones clears.
    pub PFMBICR [
        /// Messages.
        VFREQ OFFSET(0) NUMBITS(16) [],
        /// Acknowledgements.
        VFACK OFFSET(16) NUMBITS(16) [],
    ],

    /// Checks of frames sent by pools.
    pub PFVFSPOOF [
        /// Source MAC addresses are checked.
        MACAS OFFSET(0) NUMBITS(8) [],
        /// VLAN ids are checked.
        VLANAS OFFSET(8) NUMBITS(8) [],
    ],

    /// VLAN tag that a pool's packets get.
    pub PFVMVIR [
        /// Tag.
        PORT_VLAN OFFSET(0) NUMBITS(16) [],
        /// When it is inserted.
        VLANA OFFSET(30) NUMBITS(2) [
            DESCRIPTOR = 0,
            ALWAYS = 1,
            NEVER = 2,
        ],
    ],

    /// Mirror rules.
    pub PFMRCTL [
        /// Mirrors pools.
        VPME OFFSET(0) NUMBITS(1) [],
        /// Mirrors the uplink.
        UPME OFFSET(1) NUMBITS(1) [],
        /// Mirrors the downlink.
        DPME OFFSET(2) NUMBITS(1) [],
        /// Mirrors VLANs.
        VLME OFFSET(3) NUMBITS(1) [],
        /// Pool that gets the copies.
        MP OFFSET(8) NUMBITS(6) [],
    ],
}
