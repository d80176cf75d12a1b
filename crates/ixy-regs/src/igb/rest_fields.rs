//! The fields of the registers in [`rest`](super::rest), in the order of their declaration.

// The macro makes types, constants and enums of its own, and gives no place for their documentation.
#![allow(missing_docs)]

use tock_registers::register_bitfields;

register_bitfields! { u32,
    /// Access to an SFP module or an SGMII PHY by its two wires.
    pub I2CCMD [
        /// The value to write, or the value read, with bytes swapped.
        DATA OFFSET(0) NUMBITS(16) [],
        /// Register.
        REGADD OFFSET(16) NUMBITS(8) [],
        /// Address.
        PHYADD OFFSET(24) NUMBITS(3) [],
        /// Read, else write.
        OP OFFSET(27) NUMBITS(1) [],
        /// Done.
        R OFFSET(29) NUMBITS(1) [],
        /// There was no answer.
        E OFFSET(31) NUMBITS(1) [],
    ],

    /// Timer that raises EICR.TCP_TIMER.
    pub TCPTIMER [
        /// Milliseconds.
        DURATION OFFSET(0) NUMBITS(8) [],
        /// Starts the timer.
        KICK_START OFFSET(8) NUMBITS(1) [],
        /// The timer runs.
        COUNT_ENABLE OFFSET(9) NUMBITS(1) [],
        /// The timer ran out.
        COUNT_FINISH OFFSET(10) NUMBITS(1) [],
        /// The timer starts anew.
        LOOP OFFSET(11) NUMBITS(1) [],
    ],

    /// EEPROM access of the management firmware; says when a PHY is configured.
    pub EEMNGCTL [
        /// Port 0 is configured.
        CFG_DONE0 OFFSET(18) NUMBITS(1) [],
        /// Port 1 is configured.
        CFG_DONE1 OFFSET(19) NUMBITS(1) [],
    ],

    /// Packets that interrupt at once: port.
    pub IMIR [
        /// TCP port.
        PORT OFFSET(0) NUMBITS(16) [],
        /// The port is compared.
        PORT_IM_EN OFFSET(16) NUMBITS(1) [],
        /// The port is not compared.
        PORT_BP OFFSET(17) NUMBITS(1) [],
        /// Which of several filters counts.
        PRIORITY OFFSET(29) NUMBITS(3) [],
    ],

    /// Packets that interrupt at once: length and flags.
    pub IMIREXT [
        /// Packets up to this length.
        SIZE_THRESH OFFSET(0) NUMBITS(12) [],
        /// The length is not compared.
        SIZE_BP OFFSET(12) NUMBITS(1) [],
        /// URG.
        CTRL_URG OFFSET(13) NUMBITS(1) [],
        /// ACK.
        CTRL_ACK OFFSET(14) NUMBITS(1) [],
        /// PSH.
        CTRL_PSH OFFSET(15) NUMBITS(1) [],
        /// RST.
        CTRL_RST OFFSET(16) NUMBITS(1) [],
        /// SYN.
        CTRL_SYN OFFSET(17) NUMBITS(1) [],
        /// FIN.
        CTRL_FIN OFFSET(18) NUMBITS(1) [],
        /// Flags are not compared.
        CTRL_BP OFFSET(19) NUMBITS(1) [],
    ],

    /// 5-tuple filters: protocol, fields to compare, queue.
    pub FTQF [
        /// IP protocol.
        PROTOCOL OFFSET(0) NUMBITS(8) [],
        /// The pool is not compared.
        VF_BP OFFSET(15) NUMBITS(1) [],
        /// The packet is time-stamped.
        TIME_STAMP OFFSET(27) NUMBITS(1) [],
        /// The protocol is not compared.
        MASK_PROTO_BP OFFSET(28) NUMBITS(1) [],
        /// The source address is not compared.
        MASK_SOURCE_ADDR_BP OFFSET(29) NUMBITS(1) [],
        /// The destination address is not compared.
        MASK_DEST_ADDR_BP OFFSET(30) NUMBITS(1) [],
        /// The source port is not compared.
        MASK_SOURCE_PORT_BP OFFSET(31) NUMBITS(1) [],
    ],

    /// EtherType filters.
    pub ETQF [
        /// EtherType.
        ETYPE OFFSET(0) NUMBITS(16) [],
        /// Queue.
        QUEUE OFFSET(16) NUMBITS(3) [],
        /// The filter is on.
        FILTER_ENABLE OFFSET(26) NUMBITS(1) [],
        /// The packet interrupts at once.
        IMM_INT OFFSET(29) NUMBITS(1) [],
        /// The packet is time-stamped.
        TIME_STAMP OFFSET(30) NUMBITS(1) [],
        /// The filter chooses the queue.
        QUEUE_ENABLE OFFSET(31) NUMBITS(1) [],
    ],

    /// Mailbox of a virtual function: state.
    pub P2VMAILBOX [
        /// A message was written.
        STS OFFSET(0) NUMBITS(1) [],
        /// A message was read.
        ACK OFFSET(1) NUMBITS(1) [],
        /// The virtual function uses the buffer.
        VFU OFFSET(2) NUMBITS(1) [],
        /// The physical function uses the buffer.
        PFU OFFSET(3) NUMBITS(1) [],
        /// Takes the buffer from a virtual function.
        RVFU OFFSET(4) NUMBITS(1) [],
    ],

    /// Mailbox interrupts; writing ones clears.
    pub MBVFICR [
        /// Messages of virtual functions.
        VFREQ OFFSET(0) NUMBITS(8) [],
        /// Acknowledgements of virtual functions.
        VFACK OFFSET(16) NUMBITS(8) [],
    ],

    /// Rate limit of the queue in RTTDQSEL.
    pub RTTBCNRC [
        /// Link rate by the queue's rate, fraction.
        RF_DEC OFFSET(0) NUMBITS(14) [],
        /// Link rate by the queue's rate, whole part.
        RF_INT OFFSET(14) NUMBITS(14) [],
        /// The limit is on.
        RS_ENA OFFSET(31) NUMBITS(1) [],
    ],

    /// VLAN tag that a pool's packets get.
    pub VMVIR [
        /// The tag.
        PORT_VLAN OFFSET(0) NUMBITS(16) [],
        /// When it is inserted.
        VLANA OFFSET(30) NUMBITS(2) [
            FROM_DESCRIPTOR = 0,
            ALWAYS = 1,
            NEVER = 2,
        ],
    ],

    /// Virtual functions: use of their queues.
    pub IOVCTL [
        /// Queues of virtual functions that are off are the physical function's.
        REUSE_VFQ OFFSET(0) NUMBITS(1) [],
    ],

    /// VLAN filter of pools.
    pub VLVF [
        /// VLAN.
        VLAN_ID OFFSET(0) NUMBITS(12) [],
        /// Pools.
        POOLSEL OFFSET(12) NUMBITS(8) [],
        /// Packets of the VLAN stay inside.
        LVLAN OFFSET(20) NUMBITS(1) [],
        /// The filter is on.
        VI_EN OFFSET(31) NUMBITS(1) [],
    ],

    /// Configuration (PCS_CFG0 in drivers).
    pub PCS_CFG [
        /// The sublayer is on.
        PCS_EN OFFSET(3) NUMBITS(1) [],
    ],

    /// Link control.
    pub PCS_LCTL [
        /// Forced link: up.
        FLV OFFSET(0) NUMBITS(1) [],
        /// Forced speed.
        FSV OFFSET(1) NUMBITS(2) [
            MBIT10 = 0,
            MBIT100 = 1,
            GBIT1 = 2,
        ],
        /// Forced duplex: full.
        FDV OFFSET(3) NUMBITS(1) [],
        /// Speed and duplex are forced.
        FSD OFFSET(4) NUMBITS(1) [],
        /// The link is forced.
        FORCE_LINK OFFSET(5) NUMBITS(1) [],
        /// Flow control is forced.
        FORCE_FC OFFSET(7) NUMBITS(1) [],
        /// Autonegotiation is on.
        AN_ENABLE OFFSET(16) NUMBITS(1) [],
        /// Autonegotiation starts anew.
        AN_RESTART OFFSET(17) NUMBITS(1) [],
        /// Autonegotiation may time out.
        AN_TIMEOUT_EN OFFSET(18) NUMBITS(1) [],
    ],

    /// Link status (PCS_LSTS).
    pub PCS_LSTAT [
        /// The link is up.
        LINK_OK OFFSET(0) NUMBITS(1) [],
        /// Speed.
        SPEED OFFSET(1) NUMBITS(2) [
            MBIT10 = 0,
            MBIT100 = 1,
            GBIT1 = 2,
        ],
        /// Full duplex.
        DUPLEX OFFSET(3) NUMBITS(1) [],
        /// Symbols are in step.
        SYNC_OK OFFSET(4) NUMBITS(1) [],
        /// Autonegotiation is done.
        AN_COMPLETE OFFSET(16) NUMBITS(1) [],
    ],

    /// Management control.
    pub MANC [
        /// The SMBus is on.
        SMBUS_EN OFFSET(0) NUMBITS(1) [],
        /// Alert forwarding is on.
        ASF_EN OFFSET(1) NUMBITS(1) [],
        /// Packets to management are accepted.
        RCV_TCO_EN OFFSET(17) NUMBITS(1) [],
        /// Resets of the PHY are blocked.
        BLK_PHY_RST OFFSET(18) NUMBITS(1) [],
        /// Addresses are compared.
        EN_MAC_ADDR_FILTER OFFSET(20) NUMBITS(1) [],
        /// Packets of management also reach the host.
        EN_MNG2HOST OFFSET(21) NUMBITS(1) [],
    ],

    /// Which messages are stamped.
    pub TSYNCRXCFG [
        /// Control field of version 1.
        CTRLT OFFSET(0) NUMBITS(8) [],
        /// Message id of version 2.
        MSGT OFFSET(8) NUMBITS(4) [],
    ],

    /// How fast the time runs.
    pub TIMINCA [
        /// Added each period.
        INCVALUE OFFSET(0) NUMBITS(24) [],
        /// Period in units of 16 ns.
        INCPERIOD OFFSET(24) NUMBITS(8) [],
    ],

    /// Stamps of sent packets.
    pub TSYNCTXCTL [
        /// There is a stamp.
        TXTT OFFSET(0) NUMBITS(1) [],
        /// Stamping is on.
        EN OFFSET(4) NUMBITS(1) [],
    ],

    /// Stamps of received packets.
    pub TSYNCRXCTL [
        /// There is a stamp.
        RXTT OFFSET(0) NUMBITS(1) [],
        /// Kind of packets.
        TYPE OFFSET(1) NUMBITS(3) [
            L2_V2 = 0,
            L4_V1 = 1,
            L2_L4_V2 = 2,
            ALL = 4,
            EVENT_V2 = 5,
        ],
        /// Stamping is on.
        EN OFFSET(4) NUMBITS(1) [],
    ],
}
