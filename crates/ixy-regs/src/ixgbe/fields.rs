//! The fields of the registers in [`registers`](super::registers), in the datasheet's order.
//!
//! A register that is one value as a whole (an address, a counter, a bit vector) has no fields and is not
//! listed. Registers of one layout share a module: `EICR` serves EICS, EIMS, EIMC, EIAC and EIAM too.

// The macro makes types, constants and enums of its own, and gives no place for their documentation.
#![allow(missing_docs)]

use tock_registers::register_bitfields;

register_bitfields! { u32,
    /// Device control: resets, and the request to stop all PCIe requests (master disable).
    pub CTRL [
        /// The device starts no new PCIe request while set (datasheet: PCIe Master Disable).
        GIO_DIS OFFSET(2) NUMBITS(1) [],
        /// Link reset; clears itself.
        LRST OFFSET(3) NUMBITS(1) [],
        /// Device reset; clears itself within about 1 ms.
        RST OFFSET(26) NUMBITS(1) [],
    ],

    /// Device status: which port this is, and whether PCIe requests are stopped.
    pub STATUS [
        /// Which port of the card this function drives.
        LAN_ID OFFSET(2) NUMBITS(2) [
            PORT0 = 0,
            PORT1 = 1,
        ],
        /// The MAC reports link (LINKS is what drivers use).
        LINK_UP OFFSET(7) NUMBITS(1) [],
        /// Number of virtual functions enabled.
        NUM_VFS OFFSET(10) NUMBITS(8) [],
        /// Virtual functions are enabled.
        IOV_ACTIVE OFFSET(18) NUMBITS(1) [],
        /// PCIe requests may still be under way; clear once CTRL.GIO_DIS has taken effect.
        GIO OFFSET(19) NUMBITS(1) [],
    ],

    /// Extended control: driver loaded, relaxed ordering, double VLAN.
    pub CTRL_EXT [
        /// The physical function's reset is done: virtual functions may start.
        PFRSTD OFFSET(14) NUMBITS(1) [],
        /// No-snoop is never requested.
        NS_DIS OFFSET(16) NUMBITS(1) [],
        /// Relaxed ordering is never requested, whatever the queues ask for.
        RO_DIS OFFSET(17) NUMBITS(1) [],
        /// Frames carry an outer VLAN tag (EXVET).
        EXTENDED_VLAN OFFSET(26) NUMBITS(1) [],
        /// A driver is in charge (read by firmware).
        DRV_LOAD OFFSET(28) NUMBITS(1) [],
    ],

    /// Software-definable pins: values and directions. With SFP+ cages SDP2 is "module present".
    pub ESDP [
        /// Value of pin 0.
        SDP0_DATA OFFSET(0) NUMBITS(1) [],
        /// Value of pin 1.
        SDP1_DATA OFFSET(1) NUMBITS(1) [],
        /// Value of pin 2: 1 when a module is in the cage.
        SDP2_DATA OFFSET(2) NUMBITS(1) [],
        /// Value of pin 3: transmitter off.
        SDP3_DATA OFFSET(3) NUMBITS(1) [],
        /// Value of pin 4.
        SDP4_DATA OFFSET(4) NUMBITS(1) [],
        /// Value of pin 5: rate select.
        SDP5_DATA OFFSET(5) NUMBITS(1) [],
        /// Value of pin 6.
        SDP6_DATA OFFSET(6) NUMBITS(1) [],
        /// Value of pin 7.
        SDP7_DATA OFFSET(7) NUMBITS(1) [],
        /// Pin 0 is an output.
        SDP0_IODIR OFFSET(8) NUMBITS(1) [],
        /// Pin 1 is an output.
        SDP1_IODIR OFFSET(9) NUMBITS(1) [],
        /// Pin 2 is an output.
        SDP2_IODIR OFFSET(10) NUMBITS(1) [],
        /// Pin 3 is an output.
        SDP3_IODIR OFFSET(11) NUMBITS(1) [],
        /// Pin 4 is an output.
        SDP4_IODIR OFFSET(12) NUMBITS(1) [],
        /// Pin 5 is an output.
        SDP5_IODIR OFFSET(13) NUMBITS(1) [],
        /// Pin 6 is an output.
        SDP6_IODIR OFFSET(14) NUMBITS(1) [],
        /// Pin 7 is an output.
        SDP7_IODIR OFFSET(15) NUMBITS(1) [],
        /// Pin 0 has its native function.
        SDP0_NATIVE OFFSET(16) NUMBITS(1) [],
        /// Pin 1 has its native function (thermal sensor on some cards).
        SDP1_NATIVE OFFSET(17) NUMBITS(1) [],
        /// Pin 2 has its native function.
        SDP2_NATIVE OFFSET(18) NUMBITS(1) [],
        /// Pin 3 has its native function.
        SDP3_NATIVE OFFSET(19) NUMBITS(1) [],
        /// Pin 4 has its native function.
        SDP4_NATIVE OFFSET(20) NUMBITS(1) [],
        /// Pin 5 has its native function.
        SDP5_NATIVE OFFSET(21) NUMBITS(1) [],
        /// Pin 6 has its native function.
        SDP6_NATIVE OFFSET(22) NUMBITS(1) [],
        /// Pin 7 has its native function.
        SDP7_NATIVE OFFSET(23) NUMBITS(1) [],
        /// Native function of pin 2: target time 1 or a time stamp.
        SDP2_TS_TT1 OFFSET(26) NUMBITS(1) [],
        /// Native function of pin 3: target time 0 or a time stamp.
        SDP3_TS_TT0 OFFSET(27) NUMBITS(1) [],
        /// Native function of pin 4.
        SDP4_FUNC OFFSET(28) NUMBITS(1) [],
        /// Native function of pin 5.
        SDP5_FUNC OFFSET(29) NUMBITS(1) [],
        /// Native function of pin 6: target time 1 or a time stamp.
        SDP6_TS_TT1 OFFSET(30) NUMBITS(1) [],
        /// Native function of pin 7: target time 0 or a time stamp.
        SDP7_TS_TT0 OFFSET(31) NUMBITS(1) [],
    ],

    /// The two wires to the SFP+ module, driven and read bit by bit by software.
    pub I2CCTL [
        /// Level of the clock wire.
        CLK_IN OFFSET(0) NUMBITS(1) [],
        /// Whether the clock wire is released (1) or pulled low (0).
        CLK_OUT OFFSET(1) NUMBITS(1) [],
        /// Level of the data wire.
        DATA_IN OFFSET(2) NUMBITS(1) [],
        /// Whether the data wire is released (1) or pulled low (0).
        DATA_OUT OFFSET(3) NUMBITS(1) [],
    ],

    /// The functions of the four LEDs; identifying a port by blinking writes here.
    pub LEDCTL [
        /// Function of LED 0.
        LED0_MODE OFFSET(0) NUMBITS(4) [
            LINK_UP = 0,
            LINK_10G = 1,
            MAC_ACTIVITY = 2,
            FILTER_ACTIVITY = 3,
            LINK_ACTIVITY = 4,
            LINK_1G = 5,
            LINK_100M = 6,
            ON = 14,
            OFF = 15,
        ],
        /// Blink period: 0 for 200 ms, 1 for 83 ms.
        GLOBAL_BLINK_MODE OFFSET(5) NUMBITS(1) [],
        /// LED 0 is inverted.
        LED0_IVRT OFFSET(6) NUMBITS(1) [],
        /// LED 0 blinks.
        LED0_BLINK OFFSET(7) NUMBITS(1) [],
        /// Function of LED 1, as for LED 0.
        LED1_MODE OFFSET(8) NUMBITS(4) [],
        /// LED 1 is inverted.
        LED1_IVRT OFFSET(14) NUMBITS(1) [],
        /// LED 1 blinks.
        LED1_BLINK OFFSET(15) NUMBITS(1) [],
        /// Function of LED 2, as for LED 0.
        LED2_MODE OFFSET(16) NUMBITS(4) [],
        /// LED 2 is inverted.
        LED2_IVRT OFFSET(22) NUMBITS(1) [],
        /// LED 2 blinks.
        LED2_BLINK OFFSET(23) NUMBITS(1) [],
        /// Function of LED 3, as for LED 0.
        LED3_MODE OFFSET(24) NUMBITS(4) [],
        /// LED 3 is inverted.
        LED3_IVRT OFFSET(30) NUMBITS(1) [],
        /// LED 3 blinks.
        LED3_BLINK OFFSET(31) NUMBITS(1) [],
    ],

    /// EEPROM and flash control: present, size, loaded; bit-banged access to the EEPROM's pins.
    pub EEC [
        /// Clock pin.
        SK OFFSET(0) NUMBITS(1) [],
        /// Chip select pin.
        CS OFFSET(1) NUMBITS(1) [],
        /// Data to the EEPROM.
        DI OFFSET(2) NUMBITS(1) [],
        /// Data from the EEPROM.
        DO OFFSET(3) NUMBITS(1) [],
        /// Flash writes.
        FWE OFFSET(4) NUMBITS(2) [
            ERASE = 0,
            DISABLED = 1,
            ENABLED = 2,
        ],
        /// Asks for direct access to the pins.
        REQ OFFSET(6) NUMBITS(1) [],
        /// Direct access is granted.
        GNT OFFSET(7) NUMBITS(1) [],
        /// An EEPROM is there and its signature is valid.
        PRES OFFSET(8) NUMBITS(1) [],
        /// The hardware has loaded the EEPROM; wait for it after a reset.
        ARD OFFSET(9) NUMBITS(1) [],
        /// Addresses have 2 bytes instead of 1.
        ADDR_SIZE OFFSET(10) NUMBITS(1) [],
        /// Size: 2 to the power of (this + 6) words of 16 bits.
        SIZE OFFSET(11) NUMBITS(4) [],
        /// PCIe analog part loaded.
        PCI_ANA_DONE OFFSET(15) NUMBITS(1) [],
        /// PCIe core part loaded.
        PCI_CORE_DONE OFFSET(16) NUMBITS(1) [],
        /// PCIe general part loaded.
        PCI_GENERAL_DONE OFFSET(17) NUMBITS(1) [],
        /// PCIe function part loaded.
        PCI_FUNCTION_DONE OFFSET(18) NUMBITS(1) [],
        /// Core part loaded.
        CORE_DONE OFFSET(19) NUMBITS(1) [],
        /// Core registers part loaded.
        CORE_CSR_DONE OFFSET(20) NUMBITS(1) [],
        /// MAC part loaded.
        MAC_DONE OFFSET(21) NUMBITS(1) [],
    ],

    /// Reads one word of the EEPROM.
    pub EERD [
        /// Writing 1 starts a read.
        START OFFSET(0) NUMBITS(1) [],
        /// The read is done and DATA is valid.
        DONE OFFSET(1) NUMBITS(1) [],
        /// Address in words of 16 bits.
        ADDR OFFSET(2) NUMBITS(14) [],
        /// The word.
        DATA OFFSET(16) NUMBITS(16) [],
    ],

    /// How long a pause lasts that this device asks for, two traffic classes each.
    pub FCTTV [
        /// Traffic class 2n, in units of 64 byte times.
        TTV_EVEN OFFSET(0) NUMBITS(16) [],
        /// Traffic class 2n + 1.
        TTV_ODD OFFSET(16) NUMBITS(16) [],
    ],

    /// Fill level of a packet buffer at which sending may go on again.
    pub FCRTL [
        /// Level in units of 32 bytes.
        RTL OFFSET(5) NUMBITS(14) [],
        /// XON frames are sent.
        XONE OFFSET(31) NUMBITS(1) [],
    ],

    /// Fill level of a packet buffer at which a pause is asked for.
    pub FCRTH [
        /// Level in units of 32 bytes.
        RTH OFFSET(5) NUMBITS(14) [],
        /// Pause frames are sent for this buffer.
        FCEN OFFSET(31) NUMBITS(1) [],
    ],

    /// When a pause is asked for again.
    pub FCRTV [
        /// Remaining pause time at which it is refreshed.
        FC_REFRESH_TH OFFSET(0) NUMBITS(16) [],
    ],

    /// Kind of pause frames that this device sends.
    pub FCCFG [
        /// Kind.
        TFCE OFFSET(3) NUMBITS(2) [
            OFF = 0,
            LINK = 1,
            PRIORITY = 2,
        ],
    ],

    /// Power state of the functions, for management.
    pub FACTPS [
        /// Power state of function 0.
        FUNC0_POWER_STATE OFFSET(0) NUMBITS(2) [
            DR = 0,
            D0U = 1,
            D0A = 2,
            D3 = 3,
        ],
        /// Port 0 is enabled.
        LAN0_VALID OFFSET(2) NUMBITS(1) [],
        /// Function 0 may use auxiliary power.
        FUNC0_AUX_EN OFFSET(3) NUMBITS(1) [],
        /// Power state of function 1, as for function 0.
        FUNC1_POWER_STATE OFFSET(6) NUMBITS(2) [],
        /// Port 1 is enabled.
        LAN1_VALID OFFSET(8) NUMBITS(1) [],
        /// Function 1 may use auxiliary power.
        FUNC1_AUX_EN OFFSET(9) NUMBITS(1) [],
        /// The management clock is stopped.
        MNGCG OFFSET(29) NUMBITS(1) [],
        /// Functions and ports are swapped.
        LAN_FUNCTION_SEL OFFSET(30) NUMBITS(1) [],
        /// A power state changed.
        PM_STATE_CHANGED OFFSET(31) NUMBITS(1) [],
    ],

    /// Semaphores between drivers and between driver and firmware. Reading sets SMBI.
    pub SWSM [
        /// Reading sets it: a reader that gets 0 owns the semaphore, and writes 0 to release it.
        SMBI OFFSET(0) NUMBITS(1) [],
        /// Set by writing 1 when firmware does not hold it: owned when it then reads 1.
        SWESMBI OFFSET(1) NUMBITS(1) [],
    ],

    /// State of the management firmware.
    pub FWSM [
        /// Firmware holds the semaphore.
        FWSMBI OFFSET(0) NUMBITS(1) [],
        /// Mode of the firmware.
        FW_MODE OFFSET(1) NUMBITS(3) [
            NONE = 0,
            PASS_THROUGH = 2,
            HOST_INTERFACE = 4,
        ],
        /// Firmware reloaded the EEPROM.
        EEP_RELOAD_IND OFFSET(6) NUMBITS(1) [],
        /// The firmware's state is valid.
        FW_VAL OFFSET(15) NUMBITS(1) [],
        /// Number of firmware resets.
        RESET_CNT OFFSET(16) NUMBITS(3) [],
        /// Error code of firmware; 0 is none.
        EXT_ERR_IND OFFSET(19) NUMBITS(6) [],
        /// PCIe configuration failed.
        PCIE_CONFIG_ERR OFFSET(25) NUMBITS(1) [],
        /// Configuring the SerDes of port 0 failed.
        PHY_SERDES0_ERR OFFSET(26) NUMBITS(1) [],
        /// Configuring the SerDes of port 1 failed.
        PHY_SERDES1_ERR OFFSET(27) NUMBITS(1) [],
    ],

    /// Ownership of shared resources; only touched while both semaphores of SWSM are held.
    pub SW_FW_SYNC [
        /// Software owns the EEPROM.
        SW_NVM_SM OFFSET(0) NUMBITS(1) [],
        /// Software owns the PHY of port 0 (and its I2C wires).
        SW_PHY_SM0 OFFSET(1) NUMBITS(1) [],
        /// Software owns the PHY of port 1 (and its I2C wires).
        SW_PHY_SM1 OFFSET(2) NUMBITS(1) [],
        /// Software owns shared MAC registers (AUTOC among them).
        SW_MAC_CSR_SM OFFSET(3) NUMBITS(1) [],
        /// Software owns the flash.
        SW_FLASH_SM OFFSET(4) NUMBITS(1) [],
        /// Firmware owns the EEPROM.
        FW_NVM_SM OFFSET(5) NUMBITS(1) [],
        /// Firmware owns the PHY of port 0.
        FW_PHY_SM0 OFFSET(6) NUMBITS(1) [],
        /// Firmware owns the PHY of port 1.
        FW_PHY_SM1 OFFSET(7) NUMBITS(1) [],
        /// Firmware owns shared MAC registers.
        FW_MAC_CSR_SM OFFSET(8) NUMBITS(1) [],
        /// Firmware owns the flash.
        FW_FLASH_SM OFFSET(9) NUMBITS(1) [],
    ],

    /// PCIe control: virtualization mode, and flushing a stuck transmitter.
    pub GCR_EXT [
        /// Number of virtual functions.
        VT_MODE OFFSET(0) NUMBITS(2) [
            NONE = 0,
            VT16 = 1,
            VT32 = 2,
            VT64 = 3,
        ],
        /// Pending bits of MSI-X are not cleared by themselves.
        APBACD OFFSET(4) NUMBITS(1) [],
        /// Empties internal transmit buffers (only while looped back; section 5.2.5.3.2).
        BUFFERS_CLEAR_FUNC OFFSET(30) NUMBITS(1) [],
    ],

    /// Interrupt causes. Reading clears all (GPIE.OCD: only bits 29:16); writing ones clears those bits.
    pub EICR [
        /// Queue causes, as IVAR maps them.
        RTXQ OFFSET(0) NUMBITS(16) [],
        /// A flow director event.
        FLOW_DIR OFFSET(16) NUMBITS(1) [],
        /// A packet was missed for lack of packet buffer space.
        RX_MISS OFFSET(17) NUMBITS(1) [],
        /// A PCIe error (PICAUSE).
        PCI_EXCEPTION OFFSET(18) NUMBITS(1) [],
        /// A message or reset of a virtual function (PFMBICR).
        MAILBOX OFFSET(19) NUMBITS(1) [],
        /// The link changed.
        LSC OFFSET(20) NUMBITS(1) [],
        /// A LinkSec packet number wraps soon.
        LINKSEC OFFSET(21) NUMBITS(1) [],
        /// A management event.
        MNG OFFSET(22) NUMBITS(1) [],
        /// Pin 0 interrupts.
        GPI_SDP0 OFFSET(24) NUMBITS(1) [],
        /// Pin 1 interrupts.
        GPI_SDP1 OFFSET(25) NUMBITS(1) [],
        /// Pin 2 interrupts.
        GPI_SDP2 OFFSET(26) NUMBITS(1) [],
        /// Pin 3 interrupts.
        GPI_SDP3 OFFSET(27) NUMBITS(1) [],
        /// An uncorrectable memory error: reset the device.
        ECC OFFSET(28) NUMBITS(1) [],
        /// TCPTIMER ended.
        TCP_TIMER OFFSET(30) NUMBITS(1) [],
    ],

    /// Throttle of a vector: the least time between two of its interrupts.
    pub EITR [
        /// Least time between interrupts in units of 2.048 us (20.48 us at 100 Mbit/s).
        ITR_INTERVAL OFFSET(3) NUMBITS(9) [],
        /// Low latency interrupts are throttled too.
        LLI_MOD OFFSET(15) NUMBITS(1) [],
        /// Low latency interrupts that may still be sent.
        LLI_CREDIT OFFSET(16) NUMBITS(5) [],
        /// The running counter.
        ITR_COUNTER OFFSET(21) NUMBITS(7) [],
        /// This write leaves counter and credits as they are.
        CNT_WDIS OFFSET(31) NUMBITS(1) [],
    ],

    /// Cause bit or vector of queues 2n and 2n + 1.
    pub IVAR [
        /// Vector of receive queue 2n.
        INT_ALLOC0 OFFSET(0) NUMBITS(6) [],
        /// It is valid.
        INT_ALLOC_VAL0 OFFSET(7) NUMBITS(1) [],
        /// Vector of transmit queue 2n.
        INT_ALLOC1 OFFSET(8) NUMBITS(6) [],
        /// It is valid.
        INT_ALLOC_VAL1 OFFSET(15) NUMBITS(1) [],
        /// Vector of receive queue 2n + 1.
        INT_ALLOC2 OFFSET(16) NUMBITS(6) [],
        /// It is valid.
        INT_ALLOC_VAL2 OFFSET(23) NUMBITS(1) [],
        /// Vector of transmit queue 2n + 1.
        INT_ALLOC3 OFFSET(24) NUMBITS(6) [],
        /// It is valid.
        INT_ALLOC_VAL3 OFFSET(31) NUMBITS(1) [],
    ],

    /// Vector of the TCP timer and of the other causes.
    pub IVAR_MISC [
        /// Vector of the TCP timer.
        INT_ALLOC0 OFFSET(0) NUMBITS(7) [],
        /// It is valid.
        INT_ALLOC_VAL0 OFFSET(7) NUMBITS(1) [],
        /// Vector of the other causes.
        INT_ALLOC1 OFFSET(8) NUMBITS(7) [],
        /// It is valid.
        INT_ALLOC_VAL1 OFFSET(15) NUMBITS(1) [],
    ],

    /// Interrupt mode: MSI-X or not, auto masking, pins that interrupt.
    pub GPIE [
        /// Pin 0 interrupts.
        SDP0_GPIEN OFFSET(0) NUMBITS(1) [],
        /// Pin 1 interrupts.
        SDP1_GPIEN OFFSET(1) NUMBITS(1) [],
        /// Pin 2 interrupts.
        SDP2_GPIEN OFFSET(2) NUMBITS(1) [],
        /// Pin 3 interrupts.
        SDP3_GPIEN OFFSET(3) NUMBITS(1) [],
        /// IVAR gives MSI-X vectors instead of cause bits.
        MULTIPLE_MSIX OFFSET(4) NUMBITS(1) [],
        /// Reading EICR clears other causes only.
        OCD OFFSET(5) NUMBITS(1) [],
        /// EICS interrupts at once.
        EIMEN OFFSET(6) NUMBITS(1) [],
        /// Rate of credits for low latency interrupts.
        LL_INTERVAL OFFSET(7) NUMBITS(4) [],
        /// How long after an interrupt coalesced packets are flushed, in 4 us less one.
        RSC_DELAY OFFSET(11) NUMBITS(3) [],
        /// As GCR_EXT.VT_MODE.
        VT_MODE OFFSET(14) NUMBITS(2) [],
        /// EIAM applies to MSI-X too.
        EIAME OFFSET(30) NUMBITS(1) [],
        /// Pending bits of MSI-X are kept per vector.
        PBA_SUPPORT OFFSET(31) NUMBITS(1) [],
    ],

    /// Filter control: promiscuous modes and broadcast.
    pub FCTRL [
        /// Bad packets are stored too (only with packet CRC errors and the like; for tests).
        SBP OFFSET(1) NUMBITS(1) [],
        /// All multicast packets are accepted.
        MPE OFFSET(8) NUMBITS(1) [],
        /// All unicast packets are accepted.
        UPE OFFSET(9) NUMBITS(1) [],
        /// Broadcast packets are accepted.
        BAM OFFSET(10) NUMBITS(1) [],
    ],

    /// VLAN control: filter on or off, EtherType of tags.
    pub VLNCTRL [
        /// EtherType of the VLAN tag.
        VET OFFSET(0) NUMBITS(16) [],
        /// Value that the CFI bit must have.
        CFI OFFSET(28) NUMBITS(1) [],
        /// The CFI bit is compared.
        CFIEN OFFSET(29) NUMBITS(1) [],
        /// The VLAN filter (VFTA) is on.
        VFE OFFSET(30) NUMBITS(1) [],
    ],

    /// Multicast control: hash filter switch, and the address bits that it uses.
    pub MCSTCTRL [
        /// Bits of the destination address that index MTA.
        MO OFFSET(0) NUMBITS(2) [
            BITS_47_36 = 0,
            BITS_46_35 = 1,
            BITS_45_34 = 2,
            BITS_43_32 = 3,
        ],
        /// The multicast hash filter is on.
        MFE OFFSET(2) NUMBITS(1) [],
    ],

    /// Where headers are split off, and how many queues of a pool RSS uses.
    pub PSRTYPE [
        /// After an NFS header.
        SPLIT_NFS OFFSET(1) NUMBITS(1) [],
        /// After a TCP header.
        SPLIT_TCP OFFSET(4) NUMBITS(1) [],
        /// After a UDP header.
        SPLIT_UDP OFFSET(5) NUMBITS(1) [],
        /// After an IPv4 header.
        SPLIT_IPV4 OFFSET(8) NUMBITS(1) [],
        /// After an IPv6 header.
        SPLIT_IPV6 OFFSET(9) NUMBITS(1) [],
        /// After the layer 2 header.
        SPLIT_L2 OFFSET(12) NUMBITS(1) [],
        /// Number of queue index bits that RSS uses in this pool (with virtualization).
        RQPL OFFSET(29) NUMBITS(3) [],
    ],

    /// Receive checksum control.
    pub RXCSUM [
        /// IP payload checksum instead of fragment checksum.
        IPPCSE OFFSET(12) NUMBITS(1) [],
        /// The descriptor carries the RSS hash instead of the fragment checksum.
        PCSD OFFSET(13) NUMBITS(1) [],
    ],

    /// Receive filter control: coalescing and NFS.
    pub RFCTL [
        /// Receive side coalescing is off.
        RSC_DIS OFFSET(5) NUMBITS(1) [],
        /// NFS writes are not parsed.
        NFSW_DIS OFFSET(6) NUMBITS(1) [],
        /// NFS reads are not parsed.
        NFSR_DIS OFFSET(7) NUMBITS(1) [],
        /// NFS version that is parsed.
        NFS_VER OFFSET(8) NUMBITS(2) [
            V2 = 0,
            V3 = 1,
            V4 = 2,
        ],
        /// IPv6 is not parsed.
        IPV6_DIS OFFSET(10) NUMBITS(1) [],
        /// Fragments are not split.
        IPFRSP_DIS OFFSET(14) NUMBITS(1) [],
    ],

    /// MAC addresses to accept: bytes 4 and 5, and whether the entry is valid.
    pub RAH [
        /// Bytes 4 (low) and 5 of the address.
        RAH OFFSET(0) NUMBITS(16) [],
        /// The entry is valid; keep it when the address is rewritten.
        AV OFFSET(31) NUMBITS(1) [],
    ],

    /// Multiple receive queues: RSS, DCB, virtualization, and the input of the hash.
    pub MRQC [
        /// Mode.
        MRQE OFFSET(0) NUMBITS(4) [
            NONE = 0,
            RSS = 1,
            DCB8 = 2,
            DCB4 = 3,
            DCB8_RSS = 4,
            DCB4_RSS = 5,
            VMDQ = 8,
            VMDQ32_RSS = 10,
            VMDQ64_RSS = 11,
            VMDQ16_DCB8 = 12,
            VMDQ32_DCB4 = 13,
        ],
        /// Hashes TCP over IPv4.
        RSS_TCP_IPV4 OFFSET(16) NUMBITS(1) [],
        /// Hashes IPv4.
        RSS_IPV4 OFFSET(17) NUMBITS(1) [],
        /// Hashes IPv6.
        RSS_IPV6 OFFSET(20) NUMBITS(1) [],
        /// Hashes TCP over IPv6.
        RSS_TCP_IPV6 OFFSET(21) NUMBITS(1) [],
        /// Hashes UDP over IPv4.
        RSS_UDP_IPV4 OFFSET(22) NUMBITS(1) [],
        /// Hashes UDP over IPv6.
        RSS_UDP_IPV6 OFFSET(23) NUMBITS(1) [],
    ],

    /// Number of queue index bits that RSS uses in each traffic class.
    pub RQTC [
        /// Traffic class 0.
        RQTC0 OFFSET(0) NUMBITS(3) [],
        /// Traffic class 1.
        RQTC1 OFFSET(4) NUMBITS(3) [],
        /// Traffic class 2.
        RQTC2 OFFSET(8) NUMBITS(3) [],
        /// Traffic class 3.
        RQTC3 OFFSET(12) NUMBITS(3) [],
        /// Traffic class 4.
        RQTC4 OFFSET(16) NUMBITS(3) [],
        /// Traffic class 5.
        RQTC5 OFFSET(20) NUMBITS(3) [],
        /// Traffic class 6.
        RQTC6 OFFSET(24) NUMBITS(3) [],
        /// Traffic class 7.
        RQTC7 OFFSET(28) NUMBITS(3) [],
    ],

    /// RSS table: the hash's low 7 bits choose one of 128 entries, each a queue.
    pub RETA [
        /// Queue of entry 4n.
        ENTRY0 OFFSET(0) NUMBITS(4) [],
        /// Queue of entry 4n + 1.
        ENTRY1 OFFSET(8) NUMBITS(4) [],
        /// Queue of entry 4n + 2.
        ENTRY2 OFFSET(16) NUMBITS(4) [],
        /// Queue of entry 4n + 3.
        ENTRY3 OFFSET(24) NUMBITS(4) [],
    ],

    /// EtherType filter.
    pub ETQF [
        /// EtherType.
        ETYPE OFFSET(0) NUMBITS(16) [],
        /// User priority.
        UP OFFSET(16) NUMBITS(3) [],
        /// The user priority is compared.
        UP_EN OFFSET(19) NUMBITS(1) [],
        /// Pool.
        POOL OFFSET(20) NUMBITS(6) [],
        /// The pool is set by this filter.
        POOL_EN OFFSET(26) NUMBITS(1) [],
        /// The packets are FCoE.
        FCOE OFFSET(27) NUMBITS(1) [],
        /// The packets are IEEE 1588.
        TIMESTAMP OFFSET(30) NUMBITS(1) [],
        /// The filter is on.
        FILTER_EN OFFSET(31) NUMBITS(1) [],
    ],

    /// The action of an EtherType filter.
    pub ETQS [
        /// Queue.
        RX_QUEUE OFFSET(16) NUMBITS(7) [],
        /// The packet interrupts at once.
        LLI OFFSET(29) NUMBITS(1) [],
        /// The queue is chosen by this filter.
        QUEUE_EN OFFSET(31) NUMBITS(1) [],
    ],

    /// Ring length.
    pub RDLEN [
        /// Length in bytes, a multiple of 128.
        LEN OFFSET(0) NUMBITS(20) [],
    ],

    /// Head: the next descriptor that the device fills. The datasheet calls it read only; drivers write 0
    /// before they enable the queue.
    pub RDH [
        /// Descriptor index.
        RDH OFFSET(0) NUMBITS(16) [],
    ],

    /// Tail, the doorbell: descriptors before it are given to the device. Ignored while the queue is off.
    pub RDT [
        /// Descriptor index.
        RDT OFFSET(0) NUMBITS(16) [],
    ],

    /// Starts and stops the queue; VLAN stripping.
    pub RXDCTL [
        /// The queue is on; reads back 1 once it is.
        ENABLE OFFSET(25) NUMBITS(1) [],
        /// VLAN tags are stripped and reported in the descriptor.
        VME OFFSET(30) NUMBITS(1) [],
    ],

    /// Buffer size, descriptor format, treatment of frames without a free descriptor.
    pub SRRCTL [
        /// Size of packet buffers in KB, 1 to 16.
        BSIZEPACKET OFFSET(0) NUMBITS(5) [],
        /// Size of header buffers in units of 64 bytes.
        BSIZEHEADER OFFSET(8) NUMBITS(6) [],
        /// Number of free descriptors, in units of 64, below which the queue's cause is raised.
        RDMTS OFFSET(22) NUMBITS(3) [],
        /// Descriptor format.
        DESCTYPE OFFSET(25) NUMBITS(3) [
            LEGACY = 0,
            ADVANCED_ONE_BUFFER = 1,
            ADVANCED_HEADER_SPLIT = 2,
            ADVANCED_HEADER_SPLIT_ALWAYS = 5,
        ],
        /// Packets are dropped when no descriptor is free, instead of holding up all queues.
        DROP_EN OFFSET(28) NUMBITS(1) [],
    ],

    /// Receive DMA control: CRC stripping, DMA ready, coalescing.
    pub RDRXCTL [
        /// The CRC is stripped; must equal HLREG0.RXCRCSTRP.
        CRCSTRIP OFFSET(1) NUMBITS(1) [],
        /// The DMA engines are ready after a reset.
        DMAIDONE OFFSET(3) NUMBITS(1) [],
        /// Must be set to 0 (the reset value is not).
        RSCFRSTSIZE OFFSET(17) NUMBITS(5) [],
        /// Packets that interrupt at once do not end coalescing.
        RSCLLIDIS OFFSET(23) NUMBITS(1) [],
        /// Coalescing ends where the ACK flag changes; must be set to 1.
        RSCACKC OFFSET(25) NUMBITS(1) [],
        /// Must be set to 1.
        FCOE_WRFIX OFFSET(26) NUMBITS(1) [],
    ],

    /// Size of the receive packet buffers, one a traffic class; 512 KB in all.
    pub RXPBSIZE [
        /// Size in KB.
        SIZE OFFSET(10) NUMBITS(10) [],
    ],

    /// Receive enable. The gate of all receive DMA, hence the mark.
    pub RXCTRL [
        /// Reception is on.
        RXEN OFFSET(0) NUMBITS(1) [],
    ],

    /// Receive side coalescing in the packet buffer.
    pub RSCDBU [
        /// Packets that only acknowledge are not coalesced.
        RSCACKDIS OFFSET(7) NUMBITS(1) [],
    ],

    /// Receive side coalescing of the queue.
    pub RSCCTL [
        /// Coalescing is on.
        RSCEN OFFSET(0) NUMBITS(1) [],
        /// Descriptors that one coalesced packet may take.
        MAXDESC OFFSET(2) NUMBITS(2) [
            MAX1 = 0,
            MAX4 = 1,
            MAX8 = 2,
            MAX16 = 3,
        ],
    ],

    /// Limit of bytes that transmit DMA requests have outstanding.
    pub DTXMXSZRQ [
        /// Limit in units of 256 bytes; 0xFFF without DCB.
        MAX_BYTES_NUM_REQ OFFSET(0) NUMBITS(12) [],
    ],

    /// Transmit enable. The gate of all transmit DMA, hence the mark.
    pub DMATXCTL [
        /// Transmission is on.
        TE OFFSET(0) NUMBITS(1) [],
        /// Double VLAN mode.
        GDV OFFSET(3) NUMBITS(1) [],
        /// EtherType of inserted VLAN tags (0x8100).
        VT OFFSET(16) NUMBITS(16) [],
    ],

    /// TCP flags kept in the first and the middle segments of TSO.
    pub DTXTCPFLGL [
        /// Mask for the first segment.
        TCP_FLG_FIRST_SEG OFFSET(0) NUMBITS(12) [],
        /// Mask for the middle segments.
        TCP_FLG_MID_SEG OFFSET(16) NUMBITS(12) [],
    ],

    /// TCP flags kept in the last segment of TSO.
    pub DTXTCPFLGH [
        /// Mask for the last segment.
        TCP_FLG_LAST_SEG OFFSET(0) NUMBITS(12) [],
    ],

    /// Ring length.
    pub TDLEN [
        /// Length in bytes, a multiple of 128.
        LEN OFFSET(0) NUMBITS(20) [],
    ],

    /// Head: the next descriptor that the device sends. The datasheet calls it read only; drivers write 0
    /// before they enable the queue.
    pub TDH [
        /// Descriptor index.
        TDH OFFSET(0) NUMBITS(16) [],
    ],

    /// Tail, the doorbell: descriptors before it are given to the device.
    pub TDT [
        /// Descriptor index.
        TDT OFFSET(0) NUMBITS(16) [],
    ],

    /// Starts and stops the queue; thresholds.
    pub TXDCTL [
        /// Descriptors are fetched when the device holds fewer than this.
        PTHRESH OFFSET(0) NUMBITS(7) [],
        /// They are fetched only when at least this many are waiting.
        HTHRESH OFFSET(8) NUMBITS(7) [],
        /// Descriptors are written back in groups of this many; 0 at once. Must be 0 with head write-back.
        WTHRESH OFFSET(16) NUMBITS(7) [],
        /// The queue is on; reads back 1 once it is.
        ENABLE OFFSET(25) NUMBITS(1) [],
        /// Flushes pending write-backs; clears itself.
        SWFLSH OFFSET(26) NUMBITS(1) [],
    ],

    /// Address of the head write-back, low 32 bits.
    pub TDWBAL [
        /// Head write-back is on.
        HEAD_WB_EN OFFSET(0) NUMBITS(1) [],
        /// The address, a multiple of 4 (of 16 as drivers place it).
        HEADWB_LOW OFFSET(2) NUMBITS(30) [],
    ],

    /// Size of the transmit packet buffers, one a traffic class; 160 KB in all.
    pub TXPBSIZE [
        /// Size in KB.
        SIZE OFFSET(10) NUMBITS(10) [],
    ],

    /// Traffic class of management frames.
    pub MNGTXMAP [
        /// Traffic class.
        MAP OFFSET(0) NUMBITS(3) [],
    ],

    /// Multiple transmit queues: DCB and virtualization. Only written while RTTDCS.ARBDIS is set.
    pub MTQC [
        /// DCB.
        RT_ENA OFFSET(0) NUMBITS(1) [],
        /// Virtualization.
        VT_ENA OFFSET(1) NUMBITS(1) [],
        /// Number of traffic classes or of queues a pool.
        NUM_TC_OR_Q OFFSET(2) NUMBITS(2) [],
    ],

    /// Room that a transmit packet buffer must have; 0x96 for buffer 0 and 0 for the others after reset.
    pub TXPBTHRESH [
        /// Room in KB.
        THRESH OFFSET(0) NUMBITS(10) [],
    ],

    /// Receive packet plane: arbitration between traffic classes.
    pub RTRPCS [
        /// Unused credits are kept.
        RRM OFFSET(1) NUMBITS(1) [],
        /// Weighted instead of fair arbitration.
        RAC OFFSET(2) NUMBITS(1) [],
        /// Buffer of the last packet received.
        LRPB OFFSET(16) NUMBITS(3) [],
    ],

    /// Transmit descriptor plane: arbitration, and stopping it.
    pub RTTDCS [
        /// Weighted arbitration between traffic classes.
        TDPAC OFFSET(0) NUMBITS(1) [],
        /// Weighted arbitration between pools.
        VMPAC OFFSET(1) NUMBITS(1) [],
        /// Unused credits are kept.
        TDRM OFFSET(4) NUMBITS(1) [],
        /// The arbiter is stopped: set while MTQC and the packet buffers change.
        ARBDIS OFFSET(6) NUMBITS(1) [],
        /// Traffic class of the last descriptor.
        LTTDESC OFFSET(17) NUMBITS(3) [],
        /// Must be 0 with DCB.
        BDPM OFFSET(22) NUMBITS(1) [],
        /// Must be 0 with DCB or virtualization.
        BPBFSM OFFSET(23) NUMBITS(1) [],
        /// The link's speed changed.
        SPEED_CHG OFFSET(31) NUMBITS(1) [],
    ],

    /// Transmit packet plane: arbitration.
    pub RTTPCS [
        /// Weighted arbitration.
        TPPAC OFFSET(5) NUMBITS(1) [],
        /// Unused credits are kept.
        TPRM OFFSET(8) NUMBITS(1) [],
        /// Delay of arbitration; 0x4 with DCB.
        ARBD OFFSET(22) NUMBITS(10) [],
    ],

    /// Traffic class of each user priority, receive.
    pub RTRUP2TC [
        /// Of priority 0.
        UP0MAP OFFSET(0) NUMBITS(3) [],
        /// Of priority 1.
        UP1MAP OFFSET(3) NUMBITS(3) [],
        /// Of priority 2.
        UP2MAP OFFSET(6) NUMBITS(3) [],
        /// Of priority 3.
        UP3MAP OFFSET(9) NUMBITS(3) [],
        /// Of priority 4.
        UP4MAP OFFSET(12) NUMBITS(3) [],
        /// Of priority 5.
        UP5MAP OFFSET(15) NUMBITS(3) [],
        /// Of priority 6.
        UP6MAP OFFSET(18) NUMBITS(3) [],
        /// Of priority 7.
        UP7MAP OFFSET(21) NUMBITS(3) [],
    ],

    /// Which queue or pool RTTDT1C and RTTBCNRC speak of.
    pub RTTDQSEL [
        /// Queue (or pool).
        TXDQ_IDX OFFSET(0) NUMBITS(7) [],
    ],

    /// Rate limit of the queue that RTTDQSEL chose.
    pub RTTBCNRC [
        /// Fraction of the rate factor, in units of 2 to the power of -14.
        RF_DEC OFFSET(0) NUMBITS(14) [],
        /// Integer part of the rate factor (link rate over wanted rate).
        RF_INT OFFSET(14) NUMBITS(10) [],
        /// The limit is on.
        RS_ENA OFFSET(31) NUMBITS(1) [],
    ],

    /// Receive queue: cache hints and ordering. Clear bit 12, which is reserved and set after reset.
    pub DCA_RXCTRL [
        /// Cache hint for descriptors.
        RX_DESC_DCA OFFSET(5) NUMBITS(1) [],
        /// Cache hint for headers.
        RX_HEADER_DCA OFFSET(6) NUMBITS(1) [],
        /// Cache hint for payload.
        RX_PAYLOAD_DCA OFFSET(7) NUMBITS(1) [],
        /// Descriptor reads may be reordered.
        RXDESC_RDRO OFFSET(9) NUMBITS(1) [],
        /// Reserved, must stay 0 (descriptor write-backs would be reordered).
        RXDESC_WBRO OFFSET(11) NUMBITS(1) [],
        /// Reserved, set after reset, must be cleared.
        RESERVED12 OFFSET(12) NUMBITS(1) [],
        /// Data writes may be reordered.
        RXDATA_WRRO OFFSET(13) NUMBITS(1) [],
        /// Header writes may be reordered.
        RXHEADER_RO OFFSET(15) NUMBITS(1) [],
        /// Processor that gets the data.
        CPUID OFFSET(24) NUMBITS(8) [],
    ],

    /// Transmit queue: cache hints and ordering.
    pub DCA_TXCTRL [
        /// Cache hint for descriptors.
        TX_DESC_DCA OFFSET(5) NUMBITS(1) [],
        /// Descriptor reads may be reordered.
        TXDESC_RDRO OFFSET(9) NUMBITS(1) [],
        /// Descriptor and head write-backs may be reordered; must be 0 with head write-back.
        TXDESC_WBRO OFFSET(11) NUMBITS(1) [],
        /// Data reads may be reordered.
        TXDATA_RDRO OFFSET(13) NUMBITS(1) [],
        /// Processor that gets the data.
        CPUID OFFSET(24) NUMBITS(8) [],
    ],

    /// Direct cache access on or off.
    pub DCA_CTRL [
        /// Off.
        DCA_DIS OFFSET(0) NUMBITS(1) [],
        /// Mode.
        DCA_MODE OFFSET(1) NUMBITS(4) [
            LEGACY = 0,
            DCA_1_0 = 1,
        ],
    ],

    /// Transmit security control.
    pub SECTXCTRL [
        /// Security is off.
        SECTX_DIS OFFSET(0) NUMBITS(1) [],
        /// The transmit path is stopped.
        TX_DIS OFFSET(1) NUMBITS(1) [],
        /// Packets are stored whole before they are sent (IPsec).
        STORE_FORWARD OFFSET(2) NUMBITS(1) [],
    ],

    /// Transmit security status.
    pub SECTXSTAT [
        /// The path is stopped and empty.
        SECTX_RDY OFFSET(0) NUMBITS(1) [],
        /// Security cannot be switched on.
        SECTX_OFF_DIS OFFSET(1) NUMBITS(1) [],
        /// A memory error.
        ECC_TXERR OFFSET(2) NUMBITS(1) [],
    ],

    /// Receive security control.
    pub SECRXCTRL [
        /// Security is off.
        SECRX_DIS OFFSET(0) NUMBITS(1) [],
        /// The receive path is stopped.
        RX_DIS OFFSET(1) NUMBITS(1) [],
    ],

    /// Receive security status.
    pub SECRXSTAT [
        /// The path is stopped and empty.
        SECRX_RDY OFFSET(0) NUMBITS(1) [],
        /// Security cannot be switched on.
        SECRX_OFF_DIS OFFSET(1) NUMBITS(1) [],
        /// A memory error.
        ECC_RXERR OFFSET(2) NUMBITS(1) [],
    ],

    /// MAC control: CRC, padding, jumbo frames, loopback. CRC and padding are on after reset.
    pub HLREG0 [
        /// A CRC is appended to sent frames (those that ask for it).
        TXCRCEN OFFSET(0) NUMBITS(1) [],
        /// The CRC of received frames is stripped; must equal RDRXCTL.CRCSTRIP.
        RXCRCSTRP OFFSET(1) NUMBITS(1) [],
        /// Frames up to MAXFRS are accepted instead of 1,518 bytes (1,522 with a VLAN tag).
        JUMBOEN OFFSET(2) NUMBITS(1) [],
        /// Short frames are padded to 64 bytes.
        TXPADEN OFFSET(10) NUMBITS(1) [],
        /// Loopback: sent frames are received.
        LPBK OFFSET(15) NUMBITS(1) [],
        /// MDIO clock speed.
        MDCSPD OFFSET(16) NUMBITS(1) [],
        /// The MDIO clock runs all the time.
        CONTMDC OFFSET(17) NUMBITS(1) [],
        /// Words at the start of a frame that the CRC leaves out.
        PREPEND OFFSET(20) NUMBITS(4) [],
        /// Length errors are reported.
        RXLNGTHERREN OFFSET(27) NUMBITS(1) [],
        /// Padding is stripped (tests only).
        RXPADSTRIPEN OFFSET(28) NUMBITS(1) [],
    ],

    /// MDIO: address and command.
    pub MSCA [
        /// Register address.
        MDIADD OFFSET(0) NUMBITS(16) [],
        /// Device type (or register address with the old protocol).
        DEVADD OFFSET(16) NUMBITS(5) [],
        /// PHY address.
        PHYADD OFFSET(21) NUMBITS(5) [],
        /// Operation.
        OPCODE OFFSET(26) NUMBITS(2) [
            ADDRESS = 0,
            WRITE = 1,
            READ_INCREMENT = 2,
            READ = 3,
        ],
        /// Protocol.
        STCODE OFFSET(28) NUMBITS(2) [
            NEW = 0,
            OLD = 1,
        ],
        /// Starts the operation; clears itself when it is done.
        MDICMD OFFSET(30) NUMBITS(1) [],
        /// Another operation may start while one is in progress.
        MDIINPROGEN OFFSET(31) NUMBITS(1) [],
    ],

    /// MDIO: data.
    pub MSRWD [
        /// Data to write.
        MDIWRDATA OFFSET(0) NUMBITS(16) [],
        /// Data read.
        MDIRDDATA OFFSET(16) NUMBITS(16) [],
    ],

    /// Longest frame (MHADD in drivers).
    pub MAXFRS [
        /// Length in bytes with header and CRC; counts only with HLREG0.JUMBOEN.
        MFS OFFSET(16) NUMBITS(16) [],
    ],

    /// Kind of link and auto-negotiation. Loaded from the EEPROM; keep the kind. Shared with firmware: hold
    /// SW_MAC_CSR_SM where LESM is on.
    pub AUTOC [
        /// The link is forced up.
        FLU OFFSET(0) NUMBITS(1) [],
        /// Acknowledge 2.
        ANACK2 OFFSET(1) NUMBITS(1) [],
        /// Selector.
        ANSF OFFSET(2) NUMBITS(5) [],
        /// Kind of 10 Gbit/s parallel.
        TENG_PMA_PMD_PARALLEL OFFSET(7) NUMBITS(2) [
            XAUI = 0,
            KX4 = 1,
            CX4 = 2,
        ],
        /// Kind of 1 Gbit/s.
        ONEG_PMA_PMD OFFSET(9) NUMBITS(1) [
            SFI = 0,
            KX_BX = 1,
        ],
        /// 10 Gbit/s is off in D0u.
        D10GMP OFFSET(10) NUMBITS(1) [],
        /// Restarts auto-negotiation when power states change.
        RATD OFFSET(11) NUMBITS(1) [],
        /// Restarts auto-negotiation, or the link's bring-up; clears itself.
        RESTART_AN OFFSET(12) NUMBITS(1) [],
        /// Kind of link.
        LMS OFFSET(13) NUMBITS(3) [
            KX_1G = 0,
            KX4_10G = 1,
            BX_1G_AN = 2,
            SERIAL_10G = 3,
            KX4_KX_KR = 4,
            SGMII_1G_100M = 5,
            KX4_KX_KR_1G_AN = 6,
            KX4_KX_KR_SGMII = 7,
        ],
        /// KR is advertised.
        KR_SUPPORT OFFSET(16) NUMBITS(1) [],
        /// Forward error correction is wanted.
        FECR OFFSET(17) NUMBITS(1) [],
        /// Forward error correction is possible.
        FECA OFFSET(18) NUMBITS(1) [],
        /// Alignment threshold.
        ANRXAT OFFSET(19) NUMBITS(4) [],
        /// Drift mode.
        ANRXDM OFFSET(23) NUMBITS(1) [],
        /// Loose mode.
        ANRXLM OFFSET(24) NUMBITS(1) [],
        /// Parallel detection timer.
        ANPDT OFFSET(25) NUMBITS(2) [],
        /// Remote fault.
        RF OFFSET(27) NUMBITS(1) [],
        /// Pause ability.
        PB OFFSET(28) NUMBITS(2) [],
        /// KX is advertised.
        KX_SUPPORT OFFSET(30) NUMBITS(1) [],
        /// KX4 is advertised.
        KX4_SUPPORT OFFSET(31) NUMBITS(1) [],
    ],

    /// Link status: up or down, and speed.
    pub LINKS [
        /// Signal on KX.
        KX_SIG_DET OFFSET(0) NUMBITS(1) [],
        /// Signal at forward error correction.
        FEC_SIG_DET OFFSET(1) NUMBITS(1) [],
        /// Block lock at forward error correction.
        FEC_BLOCK_LOCK OFFSET(2) NUMBITS(1) [],
        /// High bit error rate on KR.
        KR_HI_BERR OFFSET(3) NUMBITS(1) [],
        /// Block lock on KR.
        KR_PCS_BLOCK_LOCK OFFSET(4) NUMBITS(1) [],
        /// A next page was received.
        AN_NEXT_PAGE_RCV OFFSET(5) NUMBITS(1) [],
        /// A page was received.
        AN_PAGE_RCV OFFSET(6) NUMBITS(1) [],
        /// The link was up since the last read (latches low).
        LINK_STATUS OFFSET(7) NUMBITS(1) [],
        /// Signal on KX4, a bit a lane.
        KX4_SIG_DET OFFSET(8) NUMBITS(4) [],
        /// Signal on the serial lane.
        KR_SIG_DET OFFSET(12) NUMBITS(1) [],
        /// Lanes synchronised at 10 Gbit/s.
        TENG_LANE_SYNC OFFSET(13) NUMBITS(4) [],
        /// Lanes aligned at 10 Gbit/s.
        TENG_ALIGN OFFSET(17) NUMBITS(1) [],
        /// Synchronised at 1 Gbit/s.
        ONEG_SYNC OFFSET(18) NUMBITS(1) [],
        /// Auto-negotiation is idle.
        AN_RX_IDLE OFFSET(19) NUMBITS(1) [],
        /// 1 Gbit/s auto-negotiation is on.
        ONEG_AN_EN OFFSET(20) NUMBITS(1) [],
        /// 1 Gbit/s is on.
        ONEG_LINK_EN OFFSET(21) NUMBITS(1) [],
        /// 10 Gbit/s parallel is on.
        TENG_LINK_EN OFFSET(22) NUMBITS(1) [],
        /// Forward error correction is on.
        FEC_EN OFFSET(23) NUMBITS(1) [],
        /// 10 Gbit/s serial is on.
        TENG_SERIAL_EN OFFSET(24) NUMBITS(1) [],
        /// SGMII is on.
        SGMII_EN OFFSET(25) NUMBITS(1) [],
        /// Mode of the MAC.
        MLINK_MODE OFFSET(26) NUMBITS(2) [
            ONEG = 0,
            TENG_PARALLEL = 1,
            TENG_SERIAL = 2,
            AUTO = 3,
        ],
        /// Speed.
        LINK_SPEED OFFSET(28) NUMBITS(2) [
            SPEED_100M = 1,
            SPEED_1G = 2,
            SPEED_10G = 3,
        ],
        /// The link is up.
        LINK_UP OFFSET(30) NUMBITS(1) [],
        /// Auto-negotiation is complete.
        AN_COMPLETED OFFSET(31) NUMBITS(1) [],
    ],

    /// Kind of 10 Gbit/s serial link.
    pub AUTOC2 [
        /// Kind.
        TENG_PMA_PMD_SERIAL OFFSET(16) NUMBITS(2) [
            KR = 0,
            XFI = 1,
            SFI = 2,
        ],
        /// Parallel detection is off.
        DDPT OFFSET(18) NUMBITS(1) [],
        /// The link goes down in D3.
        LINK_DISABLE_ON_D3 OFFSET(28) NUMBITS(1) [],
        /// Power-down in D3 is off.
        PDD OFFSET(30) NUMBITS(1) [],
    ],

    /// Auto-negotiation: the peer's base page, and the state of the negotiation.
    pub ANLP1 [
        /// Selector.
        LP_AN_SELECTOR OFFSET(0) NUMBITS(5) [],
        /// Echoed nonce.
        LP_AN_ECHOED_NONCE OFFSET(5) NUMBITS(5) [],
        /// Pause ability.
        LP_AN_PAUSE OFFSET(10) NUMBITS(2) [],
        /// Remote fault.
        LP_AN_REMOTE_FAULT OFFSET(13) NUMBITS(1) [],
        /// Acknowledge.
        LP_AN_ACK OFFSET(14) NUMBITS(1) [],
        /// Next page.
        LP_AN_NEXT_PAGE OFFSET(15) NUMBITS(1) [],
        /// State of the negotiation; drivers wait for it to leave 0 after they reset the data path.
        ANAS OFFSET(16) NUMBITS(4) [],
    ],

    /// Whether management forbids link changes.
    pub MMNGC [
        /// The link must not be reset.
        MNG_VETO OFFSET(0) NUMBITS(1) [],
    ],

    /// Analog settings of the core; the EEPROM's SFP+ table is written here word by word.
    pub CORECTL [
        /// Data.
        DATA OFFSET(0) NUMBITS(8) [],
        /// Address.
        ADDRESS OFFSET(8) NUMBITS(8) [],
        /// Only the address is latched, for a read.
        LATCH_ADDRESS OFFSET(16) NUMBITS(1) [],
    ],

    /// Which pause frames are obeyed and which are passed on.
    pub MFLCN [
        /// MAC control frames that are no pause frames are passed to the host.
        PMCF OFFSET(0) NUMBITS(1) [],
        /// Pause frames that are obeyed are dropped, and not passed to the host.
        DPF OFFSET(1) NUMBITS(1) [],
        /// Priority pause frames are obeyed.
        RPFCE OFFSET(2) NUMBITS(1) [],
        /// Pause frames are obeyed.
        RFCE OFFSET(3) NUMBITS(1) [],
    ],

    /// Counter set of receive queues 4n to 4n + 3.
    pub RQSMR [
        /// Of queue 4n.
        Q_MAP0 OFFSET(0) NUMBITS(4) [],
        /// Of queue 4n + 1.
        Q_MAP1 OFFSET(8) NUMBITS(4) [],
        /// Of queue 4n + 2.
        Q_MAP2 OFFSET(16) NUMBITS(4) [],
        /// Of queue 4n + 3.
        Q_MAP3 OFFSET(24) NUMBITS(4) [],
    ],

    /// Wake-up filters.
    pub WUFC [
        /// Link change.
        LNKC OFFSET(0) NUMBITS(1) [],
        /// Magic packet.
        MAG OFFSET(1) NUMBITS(1) [],
        /// Own unicast address.
        EX OFFSET(2) NUMBITS(1) [],
        /// Multicast.
        MC OFFSET(3) NUMBITS(1) [],
        /// Broadcast.
        BC OFFSET(4) NUMBITS(1) [],
        /// ARP request.
        ARP OFFSET(5) NUMBITS(1) [],
        /// IPv4.
        IPV4 OFFSET(6) NUMBITS(1) [],
        /// IPv6.
        IPV6 OFFSET(7) NUMBITS(1) [],
        /// Packets for management do not count.
        NOTCO OFFSET(15) NUMBITS(1) [],
        /// Flexible filters, a bit each.
        FLX OFFSET(16) NUMBITS(6) [],
    ],

    /// Virtualization control (VT_CTL in drivers).
    pub PFVTCTL [
        /// Virtualization is on.
        VT_ENA OFFSET(0) NUMBITS(1) [],
        /// Default pool.
        DEF_PL OFFSET(7) NUMBITS(6) [],
        /// There is no default pool.
        DIS_DEF_POOL OFFSET(29) NUMBITS(1) [],
        /// Packets are replicated to several pools.
        RPL_EN OFFSET(30) NUMBITS(1) [],
    ],

    /// Drop enable by queue, set by the physical function.
    pub PFQDE [
        /// Packets are dropped when the queue has no descriptor.
        QDE OFFSET(0) NUMBITS(1) [],
        /// Queue.
        QUEUE_IDX OFFSET(8) NUMBITS(7) [],
        /// Writes the setting.
        WE OFFSET(16) NUMBITS(1) [],
        /// Reads the setting.
        RE OFFSET(17) NUMBITS(1) [],
    ],

    /// Internal switch.
    pub PFDTXGSWC [
        /// Packets between pools are looped back.
        LBE OFFSET(0) NUMBITS(1) [],
    ],

    /// Frames that a pool accepts (VMOLR in drivers).
    pub PFVML2FLT [
        /// Untagged packets.
        AUPE OFFSET(24) NUMBITS(1) [],
        /// Packets that match the multicast hash.
        ROMPE OFFSET(25) NUMBITS(1) [],
        /// Packets that match the unicast hash.
        ROPE OFFSET(26) NUMBITS(1) [],
        /// Broadcast packets.
        BAM OFFSET(27) NUMBITS(1) [],
        /// All multicast packets.
        MPE OFFSET(28) NUMBITS(1) [],
    ],

    /// VLAN of a pool filter.
    pub PFVLVF [
        /// VLAN id.
        VLAN_ID OFFSET(0) NUMBITS(12) [],
        /// The filter is valid.
        VI_EN OFFSET(31) NUMBITS(1) [],
    ],
}
