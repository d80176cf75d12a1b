//! The fields of the registers in [`registers`](super::registers), in the order of their declaration.
//!
//! A register that is one value as a whole (an address, a counter, a bit vector) has no fields and is not
//! listed. Registers of one layout share a module: `EICR` serves EICS, EIMS, EIMC, EIAC and EIAM too, and
//! `ICR` ICS, IMS, IMC and IAM.

// The macro makes types, constants and enums of its own, and gives no place for their documentation.
#![allow(missing_docs)]

use tock_registers::register_bitfields;

register_bitfields! { u32,
    /// Device control: resets, link mode, and the request to stop all PCIe requests (master disable).
    pub CTRL [
        /// Full duplex, where duplex is forced.
        FD OFFSET(0) NUMBITS(1) [],
        /// The device starts no new PCIe request while set (datasheet: GIO Master Disable).
        GIO_DIS OFFSET(2) NUMBITS(1) [],
        /// Link reset.
        LRST OFFSET(3) NUMBITS(1) [],
        /// Set link up: the MAC takes part in the link. Drivers always set it.
        SLU OFFSET(6) NUMBITS(1) [],
        /// The loss-of-signal input is inverted.
        ILOS OFFSET(7) NUMBITS(1) [],
        /// Speed, where it is forced.
        SPEED OFFSET(8) NUMBITS(2) [
            MBIT10 = 0,
            MBIT100 = 1,
            GBIT1 = 2,
        ],
        /// Speed is forced to SPEED, else taken from the PHY.
        FRCSPD OFFSET(11) NUMBITS(1) [],
        /// Duplex is forced to FD, else taken from the PHY.
        FRCDPLX OFFSET(12) NUMBITS(1) [],
        /// Value of pin 0.
        SDP0_DATA OFFSET(18) NUMBITS(1) [],
        /// Value of pin 1.
        SDP1_DATA OFFSET(19) NUMBITS(1) [],
        /// Wake-up from D3cold is advertised.
        ADVD3WUC OFFSET(20) NUMBITS(1) [],
        /// Pin 0 is an output.
        SDP0_IODIR OFFSET(22) NUMBITS(1) [],
        /// Pin 1 is an output.
        SDP1_IODIR OFFSET(23) NUMBITS(1) [],
        /// Reset of this port; clears itself. Wait 1 ms before the next access.
        RST OFFSET(26) NUMBITS(1) [],
        /// Received pause frames are obeyed.
        RFCE OFFSET(27) NUMBITS(1) [],
        /// Pause frames are sent.
        TFCE OFFSET(28) NUMBITS(1) [],
        /// VLAN tags are stripped from received frames, and VLE inserts them into sent ones.
        VME OFFSET(30) NUMBITS(1) [],
        /// Resets the PHY while set.
        PHY_RST OFFSET(31) NUMBITS(1) [],
    ],

    /// Device status: link, speed, which port this is, and whether PCIe requests are stopped.
    pub STATUS [
        /// The link is full duplex.
        FD OFFSET(0) NUMBITS(1) [],
        /// The link is up (and CTRL.SLU is set).
        LU OFFSET(1) NUMBITS(1) [],
        /// Which port of the card this function drives.
        LAN_ID OFFSET(2) NUMBITS(2) [],
        /// Sending is paused by the peer.
        TXOFF OFFSET(4) NUMBITS(1) [],
        /// Speed of the link.
        SPEED OFFSET(6) NUMBITS(2) [
            MBIT10 = 0,
            MBIT100 = 1,
            GBIT1 = 2,
            GBIT1_TOO = 3,
        ],
        /// The PHY was reset; writing zero clears it.
        PHYRA OFFSET(10) NUMBITS(1) [],
        /// Number of virtual functions enabled.
        NUM_VFS OFFSET(14) NUMBITS(4) [],
        /// Virtual functions are enabled.
        IOV OFFSET(18) NUMBITS(1) [],
        /// PCIe requests may still be under way; clear once CTRL.GIO_DIS has taken effect.
        GIO OFFSET(19) NUMBITS(1) [],
    ],

    /// Extended control: driver loaded, link mode, relaxed ordering.
    pub CTRL_EXT [
        /// Reads the EEPROM anew.
        EE_RST OFFSET(13) NUMBITS(1) [],
        /// The physical function's reset is done: virtual functions may start.
        PFRSTD OFFSET(14) NUMBITS(1) [],
        /// The speed selection is bypassed.
        SPD_BYPS OFFSET(15) NUMBITS(1) [],
        /// Relaxed ordering is never requested, whatever the queues ask for.
        RO_DIS OFFSET(17) NUMBITS(1) [],
        /// Low power of the SerDes is allowed.
        SDLPE OFFSET(18) NUMBITS(1) [],
        /// The PHY may power down.
        PHYPDEN OFFSET(20) NUMBITS(1) [],
        /// The medium of the port.
        LINK_MODE OFFSET(22) NUMBITS(2) [
            COPPER = 0,
            KX = 1,
            SGMII = 2,
            SERDES = 3,
        ],
        /// The two-wire interface to an SFP module is on.
        I2C_ENA OFFSET(25) NUMBITS(1) [],
        /// Frames carry an outer VLAN tag (VET.VET_EXT).
        EXT_VLAN OFFSET(26) NUMBITS(1) [],
        /// IAM acts when ICR is read.
        IAME OFFSET(27) NUMBITS(1) [],
        /// A driver is in charge (read by firmware).
        DRV_LOAD OFFSET(28) NUMBITS(1) [],
    ],

    /// Reads or writes one register of the PHY.
    pub MDIC [
        /// The value to write, or the value read.
        DATA OFFSET(0) NUMBITS(16) [],
        /// Number of the PHY's register.
        REGADD OFFSET(16) NUMBITS(5) [],
        /// Address of the PHY: 1 for the internal one.
        PHYADD OFFSET(21) NUMBITS(5) [],
        /// The operation.
        OP OFFSET(26) NUMBITS(2) [
            WRITE = 1,
            READ = 2,
        ],
        /// Done; written as zero to start.
        R OFFSET(28) NUMBITS(1) [],
        /// Done raises an interrupt.
        I OFFSET(29) NUMBITS(1) [],
        /// The PHY did not answer.
        E OFFSET(30) NUMBITS(1) [],
        /// The PHY is an external one.
        DEST OFFSET(31) NUMBITS(1) [],
    ],

    /// Switching between copper and fibre.
    pub CONNSW [
        /// Energy on the medium not in use is looked for.
        AUTOSENSE_EN OFFSET(0) NUMBITS(1) [],
        /// The medium that was found is reported to software only.
        AUTOSENSE_CONF OFFSET(1) NUMBITS(1) [],
        /// Energy comes from the SerDes' signal detect, else from the PHY.
        ENRGSRC OFFSET(2) NUMBITS(1) [],
        /// The SerDes sees a signal.
        SERDESD OFFSET(9) NUMBITS(1) [],
        /// The PHY sees a signal.
        PHYSD OFFSET(10) NUMBITS(1) [],
        /// The PHY is powered down.
        PHY_PDN OFFSET(11) NUMBITS(1) [],
    ],

    /// EtherType of VLAN tags: 0x8100 after reset.
    pub VET [
        /// The EtherType.
        VET OFFSET(0) NUMBITS(16) [],
        /// EtherType of the outer tag.
        VET_EXT OFFSET(16) NUMBITS(16) [],
    ],

    /// The functions of the four LEDs.
    pub LEDCTL [
        /// Function of LED 0.
        LED0_MODE OFFSET(0) NUMBITS(4) [],
        /// LED 0 is inverted.
        LED0_IVRT OFFSET(6) NUMBITS(1) [],
        /// LED 0 blinks.
        LED0_BLINK OFFSET(7) NUMBITS(1) [],
        /// Function of LED 1.
        LED1_MODE OFFSET(8) NUMBITS(4) [],
        /// LED 1 is inverted.
        LED1_IVRT OFFSET(14) NUMBITS(1) [],
        /// LED 1 blinks.
        LED1_BLINK OFFSET(15) NUMBITS(1) [],
        /// Function of LED 2.
        LED2_MODE OFFSET(16) NUMBITS(4) [],
        /// LED 2 is inverted.
        LED2_IVRT OFFSET(22) NUMBITS(1) [],
        /// LED 2 blinks.
        LED2_BLINK OFFSET(23) NUMBITS(1) [],
        /// Function of LED 3.
        LED3_MODE OFFSET(24) NUMBITS(4) [],
        /// LED 3 is inverted.
        LED3_IVRT OFFSET(30) NUMBITS(1) [],
        /// LED 3 blinks.
        LED3_BLINK OFFSET(31) NUMBITS(1) [],
    ],

    /// Size of the receive packet buffer in KB.
    pub RXPBS [
        /// KB.
        SIZE OFFSET(0) NUMBITS(7) [],
    ],

    /// Size of the transmit packet buffer in KB.
    pub TXPBS [
        /// KB.
        SIZE OFFSET(0) NUMBITS(7) [],
    ],

    /// Size of the packet buffer between virtual functions in KB.
    pub SWPBS [
        /// KB.
        SIZE OFFSET(0) NUMBITS(7) [],
    ],

    /// EEPROM control: present, loaded; bit-banged access to its pins (EECD in drivers).
    pub EEC [
        /// Clock.
        SK OFFSET(0) NUMBITS(1) [],
        /// Chip select.
        CS OFFSET(1) NUMBITS(1) [],
        /// Data to the EEPROM.
        DI OFFSET(2) NUMBITS(1) [],
        /// Data from the EEPROM.
        DO OFFSET(3) NUMBITS(1) [],
        /// Asks for bit-banged access.
        REQ OFFSET(6) NUMBITS(1) [],
        /// Access was granted.
        GNT OFFSET(7) NUMBITS(1) [],
        /// An EEPROM is there.
        PRES OFFSET(8) NUMBITS(1) [],
        /// The EEPROM was read after reset: the registers hold its values.
        ARD OFFSET(9) NUMBITS(1) [],
        /// Addresses are 16 bits, else 8.
        ADDR_SIZE OFFSET(10) NUMBITS(1) [],
        /// Size: 128 bytes times two to the power of this.
        SIZE OFFSET(11) NUMBITS(4) [],
    ],

    /// Reads one word of the EEPROM.
    pub EERD [
        /// Starts the read.
        START OFFSET(0) NUMBITS(1) [],
        /// DATA is valid.
        DONE OFFSET(1) NUMBITS(1) [],
        /// Address in words of 16 bits.
        ADDR OFFSET(2) NUMBITS(14) [],
        /// The word read.
        DATA OFFSET(16) NUMBITS(16) [],
    ],

    /// Address of pause frames, high: 0x0100.
    pub FCAH [
        /// The address's last two bytes.
        FCAH OFFSET(0) NUMBITS(16) [],
    ],

    /// EtherType of pause frames: 0x8808.
    pub FCT [
        /// The EtherType.
        FCT OFFSET(0) NUMBITS(16) [],
    ],

    /// How long a pause lasts that this device asks for.
    pub FCTTV [
        /// Time in units of 512 bit times.
        TTV OFFSET(0) NUMBITS(16) [],
    ],

    /// Fill level of the packet buffer at which sending may go on again.
    pub FCRTL [
        /// Level in units of 16 bytes.
        RTL OFFSET(4) NUMBITS(12) [],
        /// XON frames are sent.
        XONE OFFSET(31) NUMBITS(1) [],
    ],

    /// Fill level of the packet buffer at which a pause is asked for.
    pub FCRTH [
        /// Level in units of 16 bytes.
        RTH OFFSET(4) NUMBITS(12) [],
    ],

    /// When a pause is asked for again.
    pub FCRTV [
        /// Time in the unit of FCTTV; zero never repeats.
        FC_REFRESH_TH OFFSET(0) NUMBITS(16) [],
    ],

    /// PCIe control: completion timeouts.
    pub GCR [
        /// Completion timeout, where the capability is version 1.
        CMPL_TMOUT OFFSET(12) NUMBITS(4) [],
        /// A request that timed out is sent again.
        CMPL_TMOUT_RESEND OFFSET(16) NUMBITS(1) [],
        /// The PCIe capability is version 2: timeouts are set in configuration space.
        CAP_VER2 OFFSET(18) NUMBITS(1) [],
    ],

    /// Semaphores between drivers and between driver and firmware. Reading sets SMBI.
    pub SWSM [
        /// Semaphore between the drivers of the ports: a reader that gets 0 owns it, and writes 0 to release
        /// it.
        SMBI OFFSET(0) NUMBITS(1) [],
        /// Semaphore between driver and firmware: a driver that writes 1 and then reads 1 owns it.
        SWESMBI OFFSET(1) NUMBITS(1) [],
    ],

    /// State of the management firmware.
    pub FWSM [
        /// Firmware holds its semaphore.
        FWSMBI OFFSET(0) NUMBITS(1) [],
        /// Kind of firmware; 0 is none.
        FW_MODE OFFSET(1) NUMBITS(3) [],
        /// Firmware is ready.
        FW_VAL OFFSET(15) NUMBITS(1) [],
    ],

    /// Ownership of shared resources; only touched while both semaphores of SWSM are held.
    pub SW_FW_SYNC [
        /// Software has the EEPROM.
        SW_EEP_SM OFFSET(0) NUMBITS(1) [],
        /// Software has the PHY of port 0.
        SW_PHY_SM0 OFFSET(1) NUMBITS(1) [],
        /// Software has the PHY of port 1.
        SW_PHY_SM1 OFFSET(2) NUMBITS(1) [],
        /// Software has the shared registers.
        SW_MAC_CSR_SM OFFSET(3) NUMBITS(1) [],
        /// Firmware has the EEPROM.
        FW_EEP_SM OFFSET(16) NUMBITS(1) [],
        /// Firmware has the PHY of port 0.
        FW_PHY_SM0 OFFSET(17) NUMBITS(1) [],
        /// Firmware has the PHY of port 1.
        FW_PHY_SM1 OFFSET(18) NUMBITS(1) [],
        /// Firmware has the shared registers.
        FW_MAC_CSR_SM OFFSET(19) NUMBITS(1) [],
    ],

    /// Causes of interrupts: vectors with MSI-X, queues without. Must not be read while EIAC has bits set;
    /// write ones instead.
    pub EICR [
        /// With MSI-X (GPIE.MULTIPLE_MSIX) bit n is vector n; without, bits 15:0 are the causes that IVAR
        /// names.
        VECTORS OFFSET(0) NUMBITS(25) [],
        /// The TCP timer; only without MSI-X.
        TCP_TIMER OFFSET(30) NUMBITS(1) [],
        /// A cause of ICR; only without MSI-X.
        OTHER OFFSET(31) NUMBITS(1) [],
    ],

    /// Other causes of interrupts: link, errors, pins; with MSI-X they arrive as the vector that IVAR_MISC
    /// names.
    pub ICR [
        /// A transmit descriptor was written back.
        TXDW OFFSET(0) NUMBITS(1) [],
        /// The link's state changed.
        LSC OFFSET(2) NUMBITS(1) [],
        /// A receive ring is short of descriptors (SRRCTL.RDMTS).
        RXDMT0 OFFSET(4) NUMBITS(1) [],
        /// MACsec: a packet number is running out.
        MACSEC OFFSET(5) NUMBITS(1) [],
        /// A packet was missed: the packet buffer was full.
        RXO OFFSET(6) NUMBITS(1) [],
        /// A receive descriptor was written back (RXT0 in drivers).
        RXDW OFFSET(7) NUMBITS(1) [],
        /// A message of a virtual function, or its reset (VMMB in drivers).
        SWMB OFFSET(8) NUMBITS(1) [],
        /// Pin 0.
        GPI_SDP0 OFFSET(11) NUMBITS(1) [],
        /// Pin 1.
        GPI_SDP1 OFFSET(12) NUMBITS(1) [],
        /// Pin 2.
        GPI_SDP2 OFFSET(13) NUMBITS(1) [],
        /// Pin 3.
        GPI_SDP3 OFFSET(14) NUMBITS(1) [],
        /// Management event.
        MNG OFFSET(18) NUMBITS(1) [],
        /// Time synchronisation.
        TIME_SYNC OFFSET(19) NUMBITS(1) [],
        /// Fatal error: an internal memory.
        FER OFFSET(22) NUMBITS(1) [],
        /// DMA is out of step: a malicious or broken transmit ring.
        DOUTSYNC OFFSET(28) NUMBITS(1) [],
        /// The device was reset.
        DRSTA OFFSET(30) NUMBITS(1) [],
        /// An interrupt was raised.
        INTA OFFSET(31) NUMBITS(1) [],
    ],

    /// Throttle of a vector: the least time between two interrupts.
    pub EITR [
        /// The least time in microseconds between two interrupts; 0 means no limit.
        INTERVAL OFFSET(2) NUMBITS(13) [],
        /// A write leaves the running counter as it is. Write only.
        CNT_INGR OFFSET(31) NUMBITS(1) [],
    ],

    /// Which vector a queue's interrupt is; register n is of queues n and n + 8.
    pub IVAR [
        /// Vector of receive queue n.
        INT_ALLOC0 OFFSET(0) NUMBITS(5) [],
        /// The vector is valid.
        INT_ALLOC_VAL0 OFFSET(7) NUMBITS(1) [],
        /// Vector of transmit queue n.
        INT_ALLOC1 OFFSET(8) NUMBITS(5) [],
        /// The vector is valid.
        INT_ALLOC_VAL1 OFFSET(15) NUMBITS(1) [],
        /// Vector of receive queue n + 8.
        INT_ALLOC2 OFFSET(16) NUMBITS(5) [],
        /// The vector is valid.
        INT_ALLOC_VAL2 OFFSET(23) NUMBITS(1) [],
        /// Vector of transmit queue n + 8.
        INT_ALLOC3 OFFSET(24) NUMBITS(5) [],
        /// The vector is valid.
        INT_ALLOC_VAL3 OFFSET(31) NUMBITS(1) [],
    ],

    /// Which vector the TCP timer and the other causes are.
    pub IVAR_MISC [
        /// Vector of the TCP timer.
        INT_ALLOC_TCP OFFSET(0) NUMBITS(5) [],
        /// The vector is valid.
        INT_ALLOC_TCP_VAL OFFSET(7) NUMBITS(1) [],
        /// Vector of the causes in ICR.
        INT_ALLOC_OTHER OFFSET(8) NUMBITS(5) [],
        /// The vector is valid.
        INT_ALLOC_OTHER_VAL OFFSET(15) NUMBITS(1) [],
    ],

    /// Kind of interrupts: one or many vectors, and what clears itself (section 7.3.2.11).
    pub GPIE [
        /// Reading ICR clears it always, also when no interrupt was raised.
        NSICR OFFSET(0) NUMBITS(1) [],
        /// One vector for each cause, as IVAR says (MSIX_MODE in drivers).
        MULTIPLE_MSIX OFFSET(4) NUMBITS(1) [],
        /// EIAM acts when an MSI-X message is sent.
        EIAME OFFSET(30) NUMBITS(1) [],
        /// A pending bit is cleared when its cause is.
        PBA_SUPPORT OFFSET(31) NUMBITS(1) [],
    ],

    /// Receive control: on, which packets, size of buffers.
    pub RCTL [
        /// Receiving is on; queues are switched on only while it is.
        RXEN OFFSET(1) NUMBITS(1) [],
        /// Packets with errors are stored too.
        SBP OFFSET(2) NUMBITS(1) [],
        /// All unicast packets are accepted.
        UPE OFFSET(3) NUMBITS(1) [],
        /// All multicast packets are accepted.
        MPE OFFSET(4) NUMBITS(1) [],
        /// Packets longer than 1,522 bytes are accepted, up to RLPML.
        LPE OFFSET(5) NUMBITS(1) [],
        /// Loopback; 0 with the internal PHY.
        LBM OFFSET(6) NUMBITS(2) [
            NONE = 0,
            MAC = 1,
            TRANSCEIVER = 3,
        ],
        /// Which bits of a multicast address are its place in MTA.
        MO OFFSET(12) NUMBITS(2) [
            BITS_47_36 = 0,
            BITS_46_35 = 1,
            BITS_45_34 = 2,
            BITS_43_32 = 3,
        ],
        /// Broadcast packets are accepted.
        BAM OFFSET(15) NUMBITS(1) [],
        /// Size of buffers where SRRCTL.BSIZEPACKET is 0.
        BSIZE OFFSET(16) NUMBITS(2) [
            BYTES2048 = 0,
            BYTES1024 = 1,
            BYTES512 = 2,
            BYTES256 = 3,
        ],
        /// VLAN filter (VFTA) is on.
        VFE OFFSET(18) NUMBITS(1) [],
        /// Packets are compared with CFI.
        CFIEN OFFSET(19) NUMBITS(1) [],
        /// Canonical form bit that VLAN packets must have.
        CFI OFFSET(20) NUMBITS(1) [],
        /// Pause frames are discarded.
        DPF OFFSET(22) NUMBITS(1) [],
        /// MAC control frames are passed on.
        PMCF OFFSET(23) NUMBITS(1) [],
        /// The CRC is stripped.
        SECRC OFFSET(26) NUMBITS(1) [],
    ],

    /// Receive checksums, and the meaning of the hash field in descriptors.
    pub RXCSUM [
        /// Where the packet checksum starts.
        PCSS OFFSET(0) NUMBITS(8) [],
        /// IPv4 checksums are checked.
        IPOFLD OFFSET(8) NUMBITS(1) [],
        /// TCP and UDP checksums are checked.
        TUOFLD OFFSET(9) NUMBITS(1) [],
        /// SCTP checksums are checked.
        CRCOFL OFFSET(11) NUMBITS(1) [],
        /// The packet checksum is of the IP payload.
        IPPCSE OFFSET(12) NUMBITS(1) [],
        /// Descriptors hold the RSS hash, else packet checksum and IP identification.
        PCSD OFFSET(13) NUMBITS(1) [],
    ],

    /// Longest packet that is accepted with RCTL.LPE, in bytes with CRC and VLAN tag.
    pub RLPML [
        /// Bytes.
        RLPML OFFSET(0) NUMBITS(14) [],
    ],

    /// Details of packet parsing.
    pub RFCTL [
        /// NFS writes are not recognised.
        NFSW_DIS OFFSET(6) NUMBITS(1) [],
        /// NFS reads are not recognised.
        NFSR_DIS OFFSET(7) NUMBITS(1) [],
        /// IPv6 extension headers are not parsed.
        IPV6_EX_DIS OFFSET(16) NUMBITS(1) [],
        /// Packets with a length error are kept.
        LEF OFFSET(18) NUMBITS(1) [],
    ],

    /// Address filters, bytes 4 and 5.
    pub RAH [
        /// Bytes 4 and 5 of the address.
        RAH OFFSET(0) NUMBITS(16) [],
        /// The address that it is compared with.
        ASEL OFFSET(16) NUMBITS(2) [
            DESTINATION = 0,
            SOURCE = 1,
        ],
        /// Pools that the packets go to, with virtualization.
        POOLSEL OFFSET(18) NUMBITS(8) [],
        /// The address is valid.
        AV OFFSET(31) NUMBITS(1) [],
    ],

    /// Receive side scaling: switch, and input of the hash.
    pub MRQC [
        /// How the queue is chosen.
        MRQE OFFSET(0) NUMBITS(3) [
            NONE = 0,
            RSS = 2,
            VMDQ = 3,
            VMDQ_RSS = 5,
        ],
        /// Queue of packets that nothing else places.
        DEF_Q OFFSET(3) NUMBITS(3) [],
        /// TCP over IPv4: addresses and ports.
        TCP_IPV4 OFFSET(16) NUMBITS(1) [],
        /// IPv4: addresses.
        IPV4 OFFSET(17) NUMBITS(1) [],
        /// TCP over IPv6 with extension headers.
        TCP_IPV6_EX OFFSET(18) NUMBITS(1) [],
        /// IPv6 with extension headers.
        IPV6_EX OFFSET(19) NUMBITS(1) [],
        /// IPv6: addresses.
        IPV6 OFFSET(20) NUMBITS(1) [],
        /// TCP over IPv6: addresses and ports.
        TCP_IPV6 OFFSET(21) NUMBITS(1) [],
        /// UDP over IPv4: addresses and ports.
        UDP_IPV4 OFFSET(22) NUMBITS(1) [],
        /// UDP over IPv6: addresses and ports.
        UDP_IPV6 OFFSET(23) NUMBITS(1) [],
        /// UDP over IPv6 with extension headers.
        UDP_IPV6_EX OFFSET(24) NUMBITS(1) [],
    ],

    /// Redirection table: queue for each of 128 values of the hash's low bits, four in a register.
    pub RETA [
        /// Queue of hash values 4n.
        ENTRY0 OFFSET(0) NUMBITS(4) [],
        /// Queue of hash values 4n + 1.
        ENTRY1 OFFSET(8) NUMBITS(4) [],
        /// Queue of hash values 4n + 2.
        ENTRY2 OFFSET(16) NUMBITS(4) [],
        /// Queue of hash values 4n + 3.
        ENTRY3 OFFSET(24) NUMBITS(4) [],
    ],

    /// Which queues drop packets when they have no descriptor, one bit a queue; or-ed with SRRCTL.DROP_EN.
    pub QDE [
        /// One bit a queue.
        QDE OFFSET(0) NUMBITS(16) [],
    ],

    /// Transmit control: on, padding, collisions.
    pub TCTL [
        /// Sending is on; queues are switched on only while it is.
        EN OFFSET(1) NUMBITS(1) [],
        /// Short packets are padded to 64 bytes.
        PSP OFFSET(3) NUMBITS(1) [],
        /// Attempts after collisions (half duplex): 15.
        CT OFFSET(4) NUMBITS(8) [],
        /// Collision distance (half duplex): 64.
        COLD OFFSET(12) NUMBITS(10) [],
        /// Sent again after a late collision.
        RTLC OFFSET(24) NUMBITS(1) [],
    ],

    /// Collision distance.
    pub TCTL_EXT [
        /// Collision distance (half duplex).
        COLD OFFSET(10) NUMBITS(10) [],
    ],

    /// Gap between packets.
    pub TIPG [
        /// Gap of back-to-back packets: 8.
        IPGT OFFSET(0) NUMBITS(10) [],
        /// First part (half duplex): 8.
        IPGR1 OFFSET(10) NUMBITS(10) [],
        /// Second part (half duplex): 6.
        IPGR2 OFFSET(20) NUMBITS(10) [],
    ],

    /// Transmit DMA: checks of ring contents.
    pub DTXCTL [
        /// 802.3 frames with length get their length updated in segmentation.
        ENABLE_8023LL OFFSET(2) NUMBITS(1) [],
        /// The stack below already added a VLAN tag.
        VLAN_ADDED OFFSET(3) NUMBITS(1) [],
        /// A ring that is out of step is reported (ICR.DOUTSYNC).
        OUT_OF_SYNC_EN OFFSET(4) NUMBITS(1) [],
        /// Malicious driver protection.
        MDP_EN OFFSET(5) NUMBITS(1) [],
        /// Spoofed packets raise an interrupt.
        SPOOF_INT OFFSET(6) NUMBITS(1) [],
    ],

    /// TCP flags of segmented packets: first and middle ones.
    pub DTXTCPFLGL [
        /// Flags that the first segment keeps.
        TCP_FLG_FIRST_SEG OFFSET(0) NUMBITS(12) [],
        /// Flags that middle segments keep.
        TCP_FLG_MID_SEG OFFSET(16) NUMBITS(12) [],
    ],

    /// TCP flags of segmented packets: the last one.
    pub DTXTCPFLGH [
        /// Flags that the last segment keeps.
        TCP_FLG_LST_SEG OFFSET(0) NUMBITS(12) [],
    ],

    /// Direct cache access: off, and which kind.
    pub DCA_CTRL [
        /// Direct cache access is off.
        DCA_DIS OFFSET(0) NUMBITS(1) [],
        /// Kind of tags: 0 older chip sets, 1 newer.
        DCA_MODE OFFSET(1) NUMBITS(4) [
            LEGACY = 0,
            DCA1 = 1,
        ],
    ],

    /// Pools: where packets go that no filter places.
    pub VT_CTL [
        /// Default pool.
        DEF_PL OFFSET(7) NUMBITS(3) [],
        /// Addresses do not choose the pool, VLANs do.
        IGMAC OFFSET(28) NUMBITS(1) [],
        /// Packets that no filter places are dropped.
        DIS_DEF_PL OFFSET(29) NUMBITS(1) [],
        /// Multicast packets are replicated.
        RPL_EN OFFSET(30) NUMBITS(1) [],
    ],

    /// Frames that a pool accepts, and stripping.
    pub VMOLR [
        /// Longest packet.
        RLPML OFFSET(0) NUMBITS(14) [],
        /// Long packets are accepted.
        LPE OFFSET(16) NUMBITS(1) [],
        /// Receive side scaling inside the pool.
        RSSE OFFSET(17) NUMBITS(1) [],
        /// Untagged packets are accepted.
        AUPE OFFSET(24) NUMBITS(1) [],
        /// Packets of the multicast hash filter are accepted.
        ROMPE OFFSET(25) NUMBITS(1) [],
        /// Packets of the unicast hash filter are accepted.
        ROPE OFFSET(26) NUMBITS(1) [],
        /// Broadcast packets are accepted.
        BAM OFFSET(27) NUMBITS(1) [],
        /// All multicast packets are accepted.
        MPME OFFSET(28) NUMBITS(1) [],
        /// VLAN tags are stripped.
        STRVLAN OFFSET(30) NUMBITS(1) [],
        /// The CRC is stripped.
        STRCRC OFFSET(31) NUMBITS(1) [],
    ],

    /// Stripping from replicated packets.
    pub RPLOLR [
        /// VLAN tags are stripped.
        STRVLAN OFFSET(30) NUMBITS(1) [],
        /// The CRC is stripped.
        STRCRC OFFSET(31) NUMBITS(1) [],
    ],

    /// Pools that may receive.
    pub VFRE [
        /// One bit a pool.
        VFRE OFFSET(0) NUMBITS(8) [],
    ],

    /// Pools that may send.
    pub VFTE [
        /// One bit a pool.
        VFTE OFFSET(0) NUMBITS(8) [],
    ],

    /// Internal switch, and checks of frames sent by pools.
    pub DTXSWC [
        /// Pools whose source addresses are checked.
        MACAS OFFSET(0) NUMBITS(8) [],
        /// Pools whose VLAN tags are checked.
        VLANAS OFFSET(8) NUMBITS(8) [],
        /// Pools that may receive their own packets.
        LLE OFFSET(16) NUMBITS(8) [],
        /// Packets between pools are switched inside.
        LOOPBACK_EN OFFSET(31) NUMBITS(1) [],
    ],

    /// Wake-up control.
    pub WUC [
        /// Advanced power management wake-up.
        APME OFFSET(0) NUMBITS(1) [],
        /// Power management events are on.
        PME_EN OFFSET(1) NUMBITS(1) [],
        /// A wake-up happened.
        PME_STATUS OFFSET(2) NUMBITS(1) [],
        /// Such a wake-up raises a power management event.
        APMPME OFFSET(3) NUMBITS(1) [],
    ],

    /// Wake-up filters.
    pub WUFC [
        /// Link change.
        LNKC OFFSET(0) NUMBITS(1) [],
        /// Magic packet.
        MAG OFFSET(1) NUMBITS(1) [],
        /// Directed packet.
        EX OFFSET(2) NUMBITS(1) [],
        /// Multicast packet.
        MC OFFSET(3) NUMBITS(1) [],
        /// Broadcast packet.
        BC OFFSET(4) NUMBITS(1) [],
        /// ARP request.
        ARP OFFSET(5) NUMBITS(1) [],
        /// Directed IPv4 packet.
        IPV4 OFFSET(6) NUMBITS(1) [],
        /// Flexible filter 0.
        FLX0 OFFSET(16) NUMBITS(1) [],
    ],

    /// Length of the ring.
    pub RDLEN [
        /// Length in units of 16 bytes; of them a multiple of 8, so that bytes are one of 128.
        LEN OFFSET(4) NUMBITS(16) [],
    ],

    /// Buffer sizes and kind of descriptors.
    pub SRRCTL [
        /// Size of packet buffers in KB; 0 takes RCTL.BSIZE.
        BSIZEPACKET OFFSET(0) NUMBITS(7) [],
        /// Size of header buffers in units of 64 bytes.
        BSIZEHEADER OFFSET(8) NUMBITS(6) [],
        /// Free descriptors below which ICR.RXDMT0 is raised, in units of 16.
        RDMTS OFFSET(20) NUMBITS(5) [],
        /// Kind of descriptors.
        DESCTYPE OFFSET(25) NUMBITS(3) [
            LEGACY = 0,
            ADVANCED_ONE_BUFFER = 1,
            HEADER_SPLIT = 2,
            HEADER_REPLICATION = 3,
            HEADER_REPLICATION_LARGE = 4,
            HEADER_SPLIT_ALWAYS = 5,
        ],
        /// Packets are dropped when there is no descriptor, else they wait in the packet buffer.
        DROP_EN OFFSET(31) NUMBITS(1) [],
    ],

    /// Head: the next descriptor that the device uses. Hardware ignores writes to it.
    pub RDH [
        /// Index.
        RDH OFFSET(0) NUMBITS(16) [],
    ],

    /// Direct cache access and ordering of a receive queue (DCA_RXCTRL in drivers).
    pub RXCTL [
        /// Descriptors go to the cache.
        DESC_DCA_EN OFFSET(5) NUMBITS(1) [],
        /// Headers go to the cache.
        HEAD_DCA_EN OFFSET(6) NUMBITS(1) [],
        /// Packets go to the cache.
        DATA_DCA_EN OFFSET(7) NUMBITS(1) [],
        /// Descriptors may be read in relaxed order.
        DESC_RRO_EN OFFSET(9) NUMBITS(1) [],
        /// Which cache.
        CPUID OFFSET(24) NUMBITS(8) [],
    ],

    /// Tail: the first descriptor that the device must not use. Ignored while the queue is off.
    pub RDT [
        /// Index.
        RDT OFFSET(0) NUMBITS(16) [],
    ],

    /// Receive queue: on, and thresholds. Queue 0 is on after a reset.
    pub RXDCTL [
        /// Descriptors are prefetched when fewer are left.
        PTHRESH OFFSET(0) NUMBITS(5) [],
        /// And when at least this many are in memory.
        HTHRESH OFFSET(8) NUMBITS(5) [],
        /// Descriptors are written back when this many are done.
        WTHRESH OFFSET(16) NUMBITS(5) [],
        /// The queue is on. Reads 0 until RCTL.RXEN is set.
        ENABLE OFFSET(25) NUMBITS(1) [],
        /// Done descriptors are written back at once; clears itself.
        SWFLUSH OFFSET(26) NUMBITS(1) [],
    ],

    /// Packets dropped because the queue had no descriptor (with DROP_EN).
    pub RQDPC [
        /// Count; stays at its highest value.
        RQDPC OFFSET(0) NUMBITS(12) [],
    ],

    /// Length of the ring.
    pub TDLEN [
        /// Length in units of 16 bytes; of them a multiple of 8, so that bytes are one of 128.
        LEN OFFSET(4) NUMBITS(16) [],
    ],

    /// Head: the next descriptor that the device uses.
    pub TDH [
        /// Index.
        TDH OFFSET(0) NUMBITS(16) [],
    ],

    /// Direct cache access and ordering of a transmit queue (DCA_TXCTRL in drivers).
    pub TXCTL [
        /// Descriptors go to the cache.
        DESC_DCA_EN OFFSET(5) NUMBITS(1) [],
        /// Descriptors may be read in relaxed order.
        DESC_RRO_EN OFFSET(9) NUMBITS(1) [],
        /// Descriptors may be written back in relaxed order.
        WB_RO_EN OFFSET(11) NUMBITS(1) [],
        /// Packets may be read in relaxed order.
        DATA_RRO_EN OFFSET(13) NUMBITS(1) [],
        /// Which cache.
        CPUID OFFSET(24) NUMBITS(8) [],
    ],

    /// Tail: the first descriptor that the device must not use.
    pub TDT [
        /// Index.
        TDT OFFSET(0) NUMBITS(16) [],
    ],

    /// Transmit queue: on, and thresholds. Queue 0 is on after a reset.
    pub TXDCTL [
        /// Descriptors are prefetched when fewer are left.
        PTHRESH OFFSET(0) NUMBITS(5) [],
        /// And when at least this many are in memory.
        HTHRESH OFFSET(8) NUMBITS(5) [],
        /// Descriptors are written back when this many are done; must be 0 with head write-back.
        WTHRESH OFFSET(16) NUMBITS(5) [],
        /// The queue is on. Reads 0 until TCTL.EN is set.
        ENABLE OFFSET(25) NUMBITS(1) [],
        /// Done descriptors are written back at once; clears itself.
        SWFLSH OFFSET(26) NUMBITS(1) [],
        /// The queue has high priority.
        PRIORITY OFFSET(27) NUMBITS(1) [],
    ],

    /// Where the head is written to, low; and whether it is.
    pub TDWBAL [
        /// The head is written to memory instead of DD into descriptors.
        HEAD_WB_EN OFFSET(0) NUMBITS(1) [],
        /// Address in units of 4 bytes, low.
        ADDRESS OFFSET(2) NUMBITS(30) [],
    ],
}
