//! The behaviours of the model beyond storing words, each with a name so that every one can be tested:
//! [`Behaviour`].
//!
//! With the feature `mutation`, the environment variable `IXY_SIM_WITHOUT` names one behaviour that the model then
//! lacks. `scripts/mutations` switches them off one after the other and reports which test notices. Without the
//! feature a switch costs nothing. The table in `behaviours.md` lists all of them with their sections.

macro_rules! behaviours {
    ($($(#[$doc:meta])+ $behaviour:ident $name:literal)+) => {
        /// One behaviour of the model.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum Behaviour {
            $($(#[$doc])+ $behaviour,)+
        }

        #[cfg(any(test, feature = "mutation"))]
        const NAMES: &[(Behaviour, &str)] = &[$((Behaviour::$behaviour, $name),)+];
    };
}

behaviours! {
    /// CTRL.RST and CTRL.LRST bring registers to their initial values.
    ResetClears "reset-clears"
    /// Tables in memories without a reset, and registers shared with firmware, keep their values.
    ResetKeepsTables "reset-keeps-tables"
    /// CTRL.GIO_DIS clears STATUS.GIO, and no DMA happens.
    MasterDisable "master-disable"
    /// Reading SWSM sets SMBI.
    SemaphoreSetsOnRead "semaphore-sets-on-read"
    /// Statistics clear when they are read.
    StatisticsClearOnRead "statistics-clear-on-read"
    /// Frames raise the causes that IVAR names.
    CausesOfQueues "causes-of-queues"
    /// Entries of IVAR count only when they are valid.
    IvarValid "ivar-valid"
    /// Transmit queues have entries of their own.
    IvarTransmit "ivar-transmit"
    /// Odd queues have the upper half of IVAR.
    IvarOddQueues "ivar-odd-queues"
    /// Without MSI-X there are 16 causes of queues.
    IvarSixteen "ivar-sixteen"
    /// Reading EICR clears it.
    EicrClearsOnRead "eicr-clears-on-read"
    /// With GPIE.OCD it clears other causes only.
    EicrOtherCauseDisable "eicr-other-cause-disable"
    /// Writing ones to EICR clears them.
    EicrWrittenOnesClear "eicr-written-ones-clear"
    /// Writing EICS raises causes.
    EicsRaises "eics-raises"
    /// Reading EICS shows causes and keeps them.
    EicsShows "eics-shows"
    /// Writing EICS_EX raises causes of queues.
    EicsExRaises "eics-ex-raises"
    /// Writing ones to EIMS unmasks causes.
    EimsEnables "eims-enables"
    /// Writing ones to EIMC masks causes.
    EimcMasks "eimc-masks"
    /// EIMS_EX unmasks causes of queues.
    EimsExEnables "eims-ex-enables"
    /// EIMC_EX masks causes of queues.
    EimcExMasks "eimc-ex-masks"
    /// EIMS shows the low causes of EIMS_EX.
    MasksShareLowCauses "masks-share-low-causes"
    /// Masked causes do not interrupt.
    MaskedCausesWait "masked-causes-wait"
    /// A pending cause interrupts when it is unmasked.
    UnmaskingFires "unmasking-fires"
    /// A pending cause of a queue does not interrupt again.
    PendingCausesAreQuiet "pending-causes-are-quiet"
    /// Another pending cause does not interrupt again.
    PendingOthersAreQuiet "pending-others-are-quiet"
    /// With MSI-X each cause of a queue has a vector.
    MsixVectors "msix-vectors"
    /// IVAR_MISC names the vector of other causes.
    IvarMiscOther "ivar-misc-other"
    /// IVAR_MISC names the vector of the TCP timer.
    IvarMiscTimer "ivar-misc-timer"
    /// Entries of IVAR_MISC count only when they are valid.
    IvarMiscValid "ivar-misc-valid"
    /// The message clears causes of queues that EIAC names.
    AutoClear "auto-clear"
    /// It clears other causes that EIAC names.
    AutoClearOther "auto-clear-other"
    /// It clears causes that EICR does not have.
    AutoClearUpper "auto-clear-upper"
    /// The message masks causes that EIAM_EX names.
    AutoMask "auto-mask"
    /// It does so with GPIE.EIAME only.
    AutoMaskEnable "auto-mask-enable"
    /// It masks causes that EIAM names.
    AutoMaskLow "auto-mask-low"
    /// Without MSI-X, reading or clearing EICR masks the causes that EIAM names.
    AutoMaskOnRead "auto-mask-on-read"
    /// Without MSI-X there is one interrupt until no cause is left.
    LineHeld "line-held"
    /// The level of the interrupt pin is reported.
    LineLevel "line-level"
    /// EITR holds interrupts back.
    Throttle "throttle"
    /// Each vector has a throttle of its own.
    ThrottleOfEach "throttle-of-each"
    /// Interrupts that were held back come when the interval is over.
    ThrottleLetsGo "throttle-lets-go"
    /// Causes that were cleared or masked in the meantime do not interrupt then.
    ThrottleForgets "throttle-forgets"
    /// Other causes wait for the throttle of their vector.
    ThrottleOther "throttle-other"
    /// Without MSI-X the first throttle applies to all causes.
    ThrottleLine "throttle-line"
    /// EITR shows the time that is left.
    ThrottleShowsCounter "throttle-shows-counter"
    /// Writing EITR writes the counter.
    ThrottleCounterWritten "throttle-counter-written"
    /// EITR.CNT_WDIS keeps the counter.
    ThrottleCounterKept "throttle-counter-kept"
    /// A frame lost because the packet buffer was full is a cause.
    MissCause "miss-cause"
    /// CTRL.RST clears itself.
    ResetEnds "reset-ends"
    /// CTRL.LRST resets as well.
    LinkReset "link-reset"
    /// HLREG0 and MAXFRS have initial values.
    ResetDefaultsMac "reset-defaults-mac"
    /// VLNCTRL.VET and DMATXCTL.VT have initial values.
    ResetDefaultsVlan "reset-defaults-vlan"
    /// The sizes of packet buffers have initial values.
    ResetDefaultsBuffers "reset-defaults-buffers"
    /// SRRCTL has initial sizes.
    ResetDefaultsSrrctl "reset-defaults-srrctl"
    /// Masks of TCP flags and the limit of requests have initial values.
    ResetDefaultsSegments "reset-defaults-segments"
    /// RDRXCTL.RSCFRSTSIZE has an initial value.
    ResetDefaultsCoalescing "reset-defaults-coalescing"
    /// Mailbox interrupts are unmasked at first.
    ResetDefaultsMailboxes "reset-defaults-mailboxes"
    /// RAL and RAH of entry 0 come from the EEPROM.
    ResetLoadsAddress "reset-loads-address"
    /// AUTOC and AUTOC2 come from the EEPROM.
    ResetLoadsLink "reset-loads-link"
    /// Registers that both ports share with firmware keep their values.
    ResetKeepsShared "reset-keeps-shared"
    /// A reset stops transmit queues.
    ResetStopsTransmitter "reset-stops-transmitter"
    /// A reset empties the packet buffer.
    ResetEmptiesBuffer "reset-empties-buffer"
    /// A reset forgets causes and masks.
    ResetDropsCauses "reset-drops-causes"
    /// A reset takes the link down.
    ResetDropsLink "reset-drops-link"
    /// A reset forgets frames in MAC loopback.
    ResetEmptiesLoopback "reset-empties-loopback"
    /// STATUS.GIO shows that there are no requests once CTRL.GIO_DIS is set.
    MasterStatus "master-status"
    /// Without bus mastering no DMA happens.
    BusMastering "bus-mastering"
    /// FWSM.FW_VAL is set.
    FirmwareValid "firmware-valid"
    /// EEC.ARD is set once the EEPROM was read.
    EepromLoaded "eeprom-loaded"
    /// EEC says that an EEPROM is there, and how large it is.
    EepromSize "eeprom-size"
    /// EEC.GNT follows EEC.REQ.
    EepromGrant "eeprom-grant"
    /// EERD.DONE is set after a reset.
    EerdIdle "eerd-idle"
    /// EERD reads only with START.
    EerdStart "eerd-start"
    /// EERD.DONE is set once a word was read.
    EerdDone "eerd-done"
    /// EERD has the word that was read.
    EerdData "eerd-data"
    /// Past the end of the EEPROM words are as erased.
    EerdErased "eerd-erased"
    /// Words of the EEPROM sum to the checksum.
    EepromChecksum "eeprom-checksum"
    /// The EEPROM holds the address where drivers look for it.
    EepromAddress "eeprom-address"
    /// The EEPROM has sequences for SFP+ modules.
    EepromSfpTable "eeprom-sfp-table"
    /// The EEPROM has a board number.
    EepromBoardNumber "eeprom-board-number"
    /// The EEPROM says which firmware there is.
    EepromFirmware "eeprom-firmware"
    /// The EEPROM has vital product data.
    EepromProductData "eeprom-product-data"
    /// The EEPROM allows any SFP+ module.
    EepromCapabilities "eeprom-capabilities"
    /// RDRXCTL.DMAIDONE is set after a reset.
    DmaReady "dma-ready"
    /// SECTXSTAT.SECTX_RDY is set.
    SecurityTransmitReady "security-transmit-ready"
    /// SECRXSTAT.SECRX_RDY is set.
    SecurityReceiveReady "security-receive-ready"
    /// ESDP.SDP2 shows that a module is in the cage.
    SfpPresent "sfp-present"
    /// ESDP.SDP3 as an output switches the laser off.
    SfpLaser "sfp-laser"
    /// I2CCTL.CLK_IN shows the clock.
    SfpClock "sfp-clock"
    /// I2CCTL.DATA_IN is low while either side pulls.
    SfpWiredAnd "sfp-wired-and"
    /// A start begins with the address.
    SfpStart "sfp-start"
    /// A stop ends a transfer.
    SfpStop "sfp-stop"
    /// A start inside of a transfer begins another one.
    SfpRestart "sfp-restart"
    /// The module answers only to its own address.
    SfpAddress "sfp-address"
    /// The module acknowledges bytes.
    SfpAcknowledge "sfp-acknowledge"
    /// A byte that is written says where to read.
    SfpOffset "sfp-offset"
    /// The module sends its bytes.
    SfpRead "sfp-read"
    /// It goes on with the next byte.
    SfpIncrement "sfp-increment"
    /// It sends no more once a byte is not acknowledged.
    SfpNotAcknowledged "sfp-not-acknowledged"
    /// It says that it is a 10GBASE-SR one of a vendor that drivers accept.
    SfpIdentification "sfp-identification"
    /// Its own checksums are right.
    SfpChecksums "sfp-checksums"
    /// The link is up while light arrives.
    LinkLight "link-light"
    /// It takes a while to come up.
    LinkDelayed "link-delayed"
    /// AUTOC.FLU forces it up.
    LinkForced "link-forced"
    /// AUTOC.Restart_AN takes it down for a while.
    LinkRestart "link-restart"
    /// AUTOC.Restart_AN clears itself.
    LinkRestartEnds "link-restart-ends"
    /// LINKS shows that the link is up.
    LinkShown "link-shown"
    /// LINKS shows how fast it is.
    LinkSpeed "link-speed"
    /// STATUS.LU shows that it is up.
    LinkStatus "link-status"
    /// A change of the link is a cause of interrupts.
    LinkCause "link-cause"
    /// Nothing is sent while it is down.
    LinkGatesTransmit "link-gates-transmit"
    /// Nothing is received while it is down.
    LinkGatesReceive "link-gates-receive"
    /// ANLP1 shows a state of auto-negotiation.
    NegotiationState "negotiation-state"
    /// MDIO commands end.
    MdioEnds "mdio-ends"
    /// Without a PHY, MDIO reads all ones.
    MdioSilence "mdio-silence"
    /// CTRL has an alias.
    AliasCtrl "alias-ctrl"
    /// RAL and RAH have aliases.
    AliasAddresses "alias-addresses"
    /// SRRCTL has aliases.
    AliasSrrctl "alias-srrctl"
    /// DCA_RXCTRL has aliases.
    AliasDcaRxctrl "alias-dca-rxctrl"
    /// PSRTYPE has aliases.
    AliasPsrtype "alias-psrtype"
    /// MRQC has an alias.
    AliasMrqc "alias-mrqc"
    /// RETA has aliases.
    AliasReta "alias-reta"
    /// RSSRK has aliases.
    AliasRssrk "alias-rssrk"
    /// PBACL has an alias.
    AliasPbacl "alias-pbacl"
    /// Addresses of rings have no low bits.
    RingBaseMask "ring-base-mask"
    /// Lengths of rings have only the bits that are there.
    RingLengthMask "ring-length-mask"
    /// Heads and tails have 16 bits.
    RingPointerMask "ring-pointer-mask"
    /// RAH has only the bits that are there.
    RahMask "rah-mask"
    /// SWSM has only two bits.
    SwsmMask "swsm-mask"
    /// RDRXCTL.DMAIDONE cannot be written.
    RdrxctlMask "rdrxctl-mask"
    /// SECRXCTRL has only two bits.
    SecrxctrlMask "secrxctrl-mask"
    /// Registers that only the device changes cannot be written.
    ReadOnly "read-only"
    /// Statistics cannot be written.
    StatisticsReadOnly "statistics-read-only"
    /// Offsets without a register read zero.
    HolesReadZero "holes-read-zero"
    /// Offsets outside of the window read all ones.
    OutsideReadsOnes "outside-reads-ones"
    /// RDT is ignored while its queue is off.
    TailNeedsQueue "tail-needs-queue"
    /// A pause frame stops the transmitter for a while.
    PauseObeyed "pause-obeyed"
    /// A pause frame with time zero lets the transmitter go on.
    PauseTakenBack "pause-taken-back"
    /// The host gets no pause frames with MFLCN.DPF.
    PauseDropped "pause-dropped"
    /// Other MAC control frames reach the host only with MFLCN.PMCF.
    ControlFramesDropped "control-frames-dropped"
    /// A full packet buffer asks for a pause.
    PauseSent "pause-sent"
    /// It does so again when FCRTV says.
    PauseRefreshed "pause-refreshed"
    /// An empty packet buffer takes the request back.
    PauseTakesBack "pause-takes-back"
    /// SYSTIM counts as TIMINCA says.
    ClockRuns "clock-runs"
    /// Reading SYSTIML latches SYSTIMH for the next read.
    ClockLatches "clock-latches"
    /// Writing TIMADJH moves the clock.
    ClockAdjusts "clock-adjusts"
    /// Frames that ask for it are stamped when they are sent.
    TransmitStamp "transmit-stamp"
    /// Messages of IEEE 1588 are stamped when they arrive.
    ReceiveStamp "receive-stamp"
    /// TSYNCRXCTL and RXMTRL choose which messages are stamped.
    ReceiveStampKinds "receive-stamp-kinds"
    /// A stamp is held until its upper half is read.
    StampsAreHeld "stamps-are-held"
    /// The EEPROM's pins can be driven only while access is granted.
    SpiGrant "spi-grant"
    /// The EEPROM is read by driving its pins.
    SpiRead "spi-read"
    /// It is written by driving its pins.
    SpiWrite "spi-write"
    /// Its status is read by driving its pins.
    SpiStatus "spi-status"
    /// It has to be enabled for each write.
    SpiWriteEnable "spi-write-enable"
    /// A write goes round in its page.
    SpiPageWraps "spi-page-wraps"
    /// A write takes a while, in which only the status can be read.
    SpiBusy "spi-busy"
    /// Its status protects parts of it.
    SpiProtection "spi-protection"
    /// CRC32c is inserted into SCTP packets.
    SctpInsertion "sctp-insertion"
    /// It is checked on receive.
    SctpVerdict "sctp-verdict"
    /// Tags are inserted with the EtherType in DMATXCTL.VT.
    TransmitVlanType "transmit-vlan-type"
    /// TXDCTL.SWFLSH flushes the write-backs that WTHRESH holds back.
    TransmitFlush "transmit-flush"
    /// Frames to send have at most 15,872 bytes and 40 descriptors.
    TransmitLimits "transmit-limits"
    /// A frame with TSE is cut into segments.
    Segmentation "segmentation"
    /// UDP datagrams are segmented, too.
    SegmentationUdp "segmentation-udp"
    /// With TSE, headers that are too long and a PAYLEN beyond the descriptors are invalid.
    SegmentationLimits "segmentation-limits"
    /// Segmentation resumes where it stopped for lack of room.
    SegmentationResumes "segmentation-resumes"
    /// Segments have their own lengths in IP, UDP and SNAP headers.
    SegmentLengths "segment-lengths"
    /// The IPv4 identification counts segments.
    SegmentIdentification "segment-identification"
    /// The TCP sequence number counts payload.
    SegmentSequence "segment-sequence"
    /// TCP flags of first, middle and last segments are masked by DTXTCPFLGL and DTXTCPFLGH.
    SegmentFlags "segment-flags"
    /// The length of each segment is added to the pseudo header's sum.
    SegmentSeed "segment-seed"
    /// EtherType filters choose a queue.
    EtherTypeFilter "ether-type-filter"
    /// They compare the priority of a VLAN tag where that is enabled.
    EtherTypePriority "ether-type-priority"
    /// The descriptor reports which of them matched.
    EtherTypeReported "ether-type-reported"
    /// TCP packets with SYN can have a queue of their own.
    SynFilter "syn-filter"
    /// SYNQF.SYNQFP decides whether that filter comes before the 5-tuple filters.
    SynFilterPriority "syn-filter-priority"
    /// 5-tuple filters choose a queue.
    TupleFilter "tuple-filter"
    /// They do not compare what FTQF masks.
    TupleMasks "tuple-masks"
    /// The one with the highest priority wins.
    TuplePriority "tuple-priority"
    /// Frames that a filter marks interrupt at once.
    LowLatency "low-latency"
    /// Extension headers of IPv6 are skipped.
    Ipv6Extensions "ipv6-extensions"
    /// Filters of the flow director choose a queue.
    Director "director"
    /// They compare only what the masks of the flow director leave.
    DirectorMasks "director-masks"
    /// FDIRCMD removes filters.
    DirectorRemove "director-remove"
    /// FDIRCMD reports whether a filter exists.
    DirectorQuery "director-query"
    /// Two filters with the same signature collide.
    DirectorCollision "director-collision"
    /// Filters in long lists are reported as such.
    DirectorLength "director-length"
    /// The descriptor holds the filter's id where that is enabled.
    DirectorReport "director-report"
    /// Filters can drop frames.
    DirectorDrop "director-drop"
    /// The flow director counts filters and frames.
    DirectorStatistics "director-statistics"
    /// It interrupts when its table is nearly full.
    DirectorFull "director-full"
    /// A virtual function's window holds the registers of its queues.
    VfQueues "vf-queues"
    /// A virtual function cannot reach queues of others.
    VfOwnQueuesOnly "vf-own-queues-only"
    /// Each virtual function has its own bus mastering.
    VfMastering "vf-bus-mastering"
    /// Requests of a virtual function's queues carry its own identity and reach its memory.
    VfMemory "vf-memory"
    /// A virtual function sees the link and the status.
    VfStatus "vf-status"
    /// A virtual function has counters.
    VfStatistics "vf-statistics"
    /// A virtual function raises its vectors.
    VfInterrupts "vf-interrupts"
    /// Reading VTEICR clears it.
    VfCausesClearOnRead "vf-causes-clear-on-read"
    /// The message clears causes that VTEIAC names.
    VfAutoClear "vf-auto-clear"
    /// The message masks causes that VTEIAM names.
    VfAutoMask "vf-auto-mask"
    /// VTEITR throttles.
    VfThrottle "vf-throttle"
    /// VFCTRL.RST and a function level reset stop queues and interrupts of the function.
    VfReset "vf-reset"
    /// After its reset a virtual function needs the physical function's permission to receive and send.
    VfResetBlocks "vf-reset-blocks"
    /// The physical function is notified of resets of virtual functions.
    VfResetReported "vf-reset-reported"
    /// Virtual functions are notified of resets of the physical function.
    ResetIndication "reset-indication"
    /// A mailbox's buffer has at most one owner.
    MailboxOwner "mailbox-owner"
    /// VFMAILBOX.REQ interrupts the physical function.
    MailboxRequest "mailbox-request"
    /// PFMAILBOX.STS interrupts the virtual function.
    MailboxStatus "mailbox-status"
    /// ACK reports to the other side that its message was taken.
    MailboxAcknowledge "mailbox-acknowledge"
    /// Reading VFMAILBOX clears its status bits.
    MailboxClearsOnRead "mailbox-clears-on-read"
    /// PFMBIMR masks the interrupts of mailboxes.
    MailboxMask "mailbox-mask"
    /// STATUS shows the number of virtual functions that are wanted.
    IovStatus "iov-status"
    /// Disabling virtual functions resets them.
    IovDisableResets "iov-disable-resets"
    /// With PFVTCTL.VT_ENA frames go to pools.
    Pools "pools"
    /// MPSAR names the pools of an exact address.
    PoolsExact "pools-exact"
    /// Broadcast goes to pools with BAM.
    PoolsBroadcast "pools-broadcast"
    /// Unicast without an exact filter goes by PFUTA to pools with ROPE.
    PoolsUnicastHash "pools-unicast-hash"
    /// Multicast without an exact filter goes by MTA to pools with ROMPE.
    PoolsMulticastHash "pools-multicast-hash"
    /// All multicast goes to pools with MPE.
    PoolsMulticastPromiscuous "pools-multicast-promiscuous"
    /// Only members of its VLAN get a tagged frame; pools with AUPE also get untagged ones.
    PoolsVlan "pools-vlan"
    /// A frame that no pool wants goes to the default pool.
    PoolsDefault "pools-default"
    /// Without RPL_EN a frame goes to one pool.
    PoolsReplication "pools-replication"
    /// PFVFRE lets a pool receive.
    PoolsReceiveEnable "pools-receive-enable"
    /// PFVFTE lets a pool send.
    PoolsTransmitEnable "pools-transmit-enable"
    /// RSS chooses among the queues of a pool.
    PoolsRss "pools-rss"
    /// PFQDE makes a queue drop frames when it has no free descriptor.
    QueueDropEnable "queue-drop-enable"
    /// PFVMVIR overrides the tags in descriptors.
    PortVlan "port-vlan"
    /// Frames with a source address that is not the pool's are dropped.
    SpoofMac "spoof-mac"
    /// Frames with a VLAN of which the pool is not a member are dropped.
    SpoofVlan "spoof-vlan"
    /// SSVPC counts them where PFVMECM says so.
    SpoofCounted "spoof-counted"
    /// With PFDTXGSWC.LBE pools get frames that other pools send.
    LocalSwitch "local-switch"
    /// Unicast to an exact address of this port does not leave it.
    LocalSwitchKeeps "local-switch-keeps"
    /// A pool gets its own frames only with PFVMTXSW.
    LocalSwitchSelf "local-switch-self"
    /// Headers go to buffers of their own where SRRCTL says so.
    HeaderSplit "header-split"
    /// The second format uses header buffers for every frame.
    HeaderSplitAlways "header-split-always"
    /// Headers that do not fit are reported.
    HeaderSplitOverflow "header-split-overflow"
    /// PSRTYPE chooses the headers after which a frame is split.
    HeaderSplitKinds "header-split-kinds"
    /// Fragments are not split with RFCTL.IPFRSP_DIS.
    HeaderSplitFragments "header-split-fragments"
    /// Segments of a TCP connection are merged into one large receive.
    Coalescing "coalescing"
    /// Only segments with a plain and correct Ethernet and IP header are merged.
    CoalescingViability "coalescing-viability"
    /// Only with PSRTYPE's bit for TCP.
    CoalescingKinds "coalescing-kinds"
    /// Only segments without flags but ACK.
    CoalescingFlags "coalescing-flags"
    /// Only segments without options, or all with the time stamp option.
    CoalescingOptions "coalescing-options"
    /// Only segments in sequence.
    CoalescingOrder "coalescing-order"
    /// With RSCDBU.RSCACKDIS, only segments with payload.
    CoalescingAcknowledgements "coalescing-acknowledgements"
    /// With RDRXCTL.RSCACKC, only if all or none of them acknowledge.
    CoalescingAcknowledgeChange "coalescing-acknowledge-change"
    /// Only frames for a single pool.
    CoalescingCopies "coalescing-copies"
    /// RSCCTL.MAXDESC limits descriptors.
    CoalescingDescriptors "coalescing-descriptors"
    /// At most 14 segments begin in a descriptor.
    CoalescingCount "coalescing-count"
    /// Each descriptor holds the index of the next one.
    CoalescingChain "coalescing-chain"
    /// On completion the header describes the whole large receive.
    CoalescingHeader "coalescing-header"
    /// The interval of the queue's vector completes large receives.
    CoalescingTimer "coalescing-timer"
    /// So does a frame that interrupts at once.
    CoalescingUrgent "coalescing-urgent"
    /// So does a lack of descriptors.
    CoalescingFull "coalescing-full"
    /// So does a connection beyond the number of contexts.
    CoalescingContexts "coalescing-contexts"
    /// Switching a queue off discards its large receives.
    CoalescingForgets "coalescing-forgets"
    /// VLNCTRL.VET chooses the EtherType that marks the tag of a received frame.
    ReceiveVlanType "receive-vlan-type"
    /// A frame's queue belongs to its traffic class.
    TrafficClasses "traffic-classes"
    /// RSS chooses among the queues of the class.
    TrafficClassesRss "traffic-classes-rss"
    /// With CTRL_EXT.EXTENDED_VLAN frames have an outer tag, and the inner one counts.
    DoubleVlan "double-vlan"
    /// Descriptors report an outer tag.
    DoubleVlanReported "double-vlan-reported"
    /// Tags are inserted behind outer ones with DMATXCTL.GDV.
    DoubleVlanTransmit "double-vlan-transmit"
    /// PFMAILBOX.RVFU takes the buffer from the virtual function.
    MailboxTakenBack "mailbox-taken-back"
    /// Frames to addresses that no filter accepts are dropped.
    AddressFilter "address-filter"
    /// Broadcast passes with FCTRL.BAM.
    BroadcastAccept "broadcast-accept"
    /// All multicast passes with FCTRL.MPE.
    MulticastPromiscuous "multicast-promiscuous"
    /// All unicast passes with FCTRL.UPE.
    UnicastPromiscuous "unicast-promiscuous"
    /// Frames to addresses in RAL and RAH pass.
    ExactAddresses "exact-addresses"
    /// Only while RAH.AV is set.
    AddressValid "address-valid"
    /// Multicast passes by MTA.
    MulticastTable "multicast-table"
    /// Only with MCSTCTRL.MFE.
    MulticastTableEnable "multicast-table-enable"
    /// MCSTCTRL.MO chooses the bits that index it.
    MulticastOffset "multicast-offset"
    /// With VLNCTRL.VFE only VLANs of VFTA pass.
    VlanFilter "vlan-filter"
    /// Frames below 64 bytes are dropped.
    FramesTooShort "frames-too-short"
    /// Frames longer than the limit are dropped.
    FramesTooLong "frames-too-long"
    /// A tag raises that limit.
    FramesTagLonger "frames-tag-longer"
    /// With HLREG0.JUMBOEN, MAXFRS is the limit.
    FramesJumbo "frames-jumbo"
    /// FCTRL.SBP stores damaged frames.
    DamagedStored "damaged-stored"
    /// Damaged frames that are stored are not counted as good.
    DamagedNotGood "damaged-not-good"
    /// Nothing is received without RXCTRL.RXEN.
    ReceiveEnable "receive-enable"
    /// Nothing is received with SECRXCTRL.RX_DIS.
    SecurityHolds "security-holds"
    /// Nothing is written to queues that are off.
    ReceiveQueueEnable "receive-queue-enable"
    /// Frames that wait for a queue are dropped when it is switched off.
    ReceiveQueueOffDrops "receive-queue-off-drops"
    /// Descriptors have the legacy format where SRRCTL selects it.
    ReceiveLegacy "receive-legacy"
    /// SRRCTL.BSIZEPACKET is the size of buffers.
    ReceiveBufferSize "receive-buffer-size"
    /// A frame may take several buffers.
    ReceiveOverBuffers "receive-over-buffers"
    /// Only its last descriptor has EOP.
    ReceiveEndOfPacket "receive-end-of-packet"
    /// Only its last descriptor describes the frame.
    LastDescribes "last-describes"
    /// SRRCTL.DROP_EN drops frames when there is no free descriptor.
    DropEnable "drop-enable"
    /// Frames without a descriptor wait.
    PacketBuffer "packet-buffer"
    /// At most as many frames wait as RXPBSIZE has room for.
    PacketBufferOverflow "packet-buffer-overflow"
    /// The check sequence is stripped where that is enabled.
    CrcStrip "crc-strip"
    /// Otherwise it is kept.
    CrcKept "crc-kept"
    /// RXDCTL.VME takes tags out of frames.
    VlanStrip "vlan-strip"
    /// The descriptor has the tag that was taken out.
    VlanReported "vlan-reported"
    /// The IPv4 header's checksum is checked.
    IpVerdict "ip-verdict"
    /// A wrong one is reported.
    IpVerdictError "ip-verdict-error"
    /// Checksums of TCP and UDP are checked.
    TransportVerdict "transport-verdict"
    /// A wrong one is reported.
    TransportVerdictError "transport-verdict-error"
    /// UDP checksums are marked as such.
    UdpVerdict "udp-verdict"
    /// UDP over IPv4 may have no checksum.
    UdpWithoutChecksum "udp-without-checksum"
    /// A fragment has no transport header.
    FragmentsPlain "fragments-plain"
    /// Descriptors report the network protocol of a packet.
    PacketTypes "packet-types"
    /// They report whether it has options.
    PacketTypeOptions "packet-type-options"
    /// They report its transport protocol.
    PacketTypeTransport "packet-type-transport"
    /// RSS chooses a queue by a hash.
    Rss "rss"
    /// MRQC chooses the packets that are hashed.
    RssTypes "rss-types"
    /// Ports are hashed, too.
    RssPorts "rss-ports"
    /// RETA maps a hash to a queue.
    RssTable "rss-table"
    /// The descriptor holds the hash.
    RssHashReported "rss-hash-reported"
    /// Only with RXCSUM.PCSD.
    HashOnlyWithPcsd "hash-only-with-pcsd"
    /// The descriptor reports what was hashed.
    RssTypeReported "rss-type-reported"
    /// Nothing is sent without DMATXCTL.TE.
    TransmitEnable "transmit-enable"
    /// Nothing is sent from queues that are off.
    TransmitQueueEnable "transmit-queue-enable"
    /// Legacy descriptors send frames.
    TransmitLegacy "transmit-legacy"
    /// Context descriptors are stored.
    Contexts "contexts"
    /// A queue keeps two of them.
    ContextsTwo "contexts-two"
    /// Another queue is first in each poll.
    QueuesTakeTurns "queues-take-turns"
    /// Only descriptors with RS are reported.
    ReportStatus "report-status"
    /// DD says that a descriptor is done.
    DescriptorDone "descriptor-done"
    /// TXDCTL.WTHRESH holds write-backs back.
    WriteBackThreshold "write-back-threshold"
    /// They come when nothing follows.
    WriteBackIdle "write-back-idle"
    /// With TDWBAL the head is written to memory instead.
    HeadWriteBack "head-write-back"
    /// IXSM inserts the checksum of an IPv4 header.
    IpInsertion "ip-insertion"
    /// But not where the context marks the packet as IPv6.
    IpInsertionKind "ip-insertion-kind"
    /// TXSM inserts the checksum of TCP or UDP.
    TransportInsertion "transport-insertion"
    /// The UDP checksum is never zero.
    UdpInsertionNotZero "udp-insertion-not-zero"
    /// VLE inserts the context's tag.
    VlanInsertion "vlan-insertion"
    /// IC of a legacy descriptor inserts a checksum.
    LegacyInsertion "legacy-insertion"
    /// VLE of a legacy descriptor inserts its tag.
    LegacyVlanInsertion "legacy-vlan-insertion"
    /// Short frames are padded.
    Padding "padding"
    /// Only with HLREG0.TXPADEN.
    PaddingEnable "padding-enable"
    /// Without IFCS, frames bring their own check sequence.
    CrcBrought "crc-brought"
    /// The receiver drops a frame with a wrong one.
    CrcBroughtChecked "crc-brought-checked"
    /// With HLREG0.LPBK frames that are sent come back.
    Loopback "loopback"
    /// Good frames that arrive are counted.
    StatisticsReceived "statistics-received"
    /// Frames that are sent are counted.
    StatisticsSent "statistics-sent"
    /// All frames are counted, good or not.
    StatisticsTotal "statistics-total"
    /// Frames are counted by length.
    StatisticsSizes "statistics-sizes"
    /// Broadcast is counted.
    StatisticsBroadcast "statistics-broadcast"
    /// Multicast is counted.
    StatisticsMulticast "statistics-multicast"
    /// Counters of bytes include the check sequence.
    StatisticsCheckSequence "statistics-check-sequence"
    /// Damaged frames are counted by reason.
    StatisticsDamaged "statistics-damaged"
    /// MPC counts frames for which the packet buffer had no room.
    StatisticsMissed "statistics-missed"
    /// Queues count frames and bytes.
    StatisticsQueues "statistics-queues"
    /// RQSMR and TQSM map queues to sets of counters.
    StatisticsSets "statistics-sets"
    /// QPRDC counts frames that queues drop.
    StatisticsDropped "statistics-dropped"
    /// Counters stop at their highest value.
    StatisticsStop "statistics-stop"
    /// So do those of 36 bits.
    StatisticsWideStop "statistics-wide-stop"
    /// A carry goes into the upper register.
    StatisticsCarry "statistics-carry"
    /// GPRC also counts frames that are then missed.
    MissedAreGood "missed-are-good"
}

impl Behaviour {
    /// Whether the model has this behaviour.
    #[inline(always)]
    pub(crate) fn on(self) -> bool {
        #[cfg(feature = "mutation")]
        return *off() != Some(self);
        #[cfg(not(feature = "mutation"))]
        true
    }
}

/// The behaviour that is switched off, if any.
#[cfg(feature = "mutation")]
fn off() -> &'static Option<Behaviour> {
    static OFF: std::sync::OnceLock<Option<Behaviour>> = std::sync::OnceLock::new();
    OFF.get_or_init(|| {
        let wanted = std::env::var("IXY_SIM_WITHOUT").ok()?;
        let found = NAMES.iter().find(|(_, name)| *name == wanted);
        if found.is_none() {
            eprintln!("IXY_SIM_WITHOUT: there is no behaviour {wanted}; behaviours.md lists them");
            std::process::exit(2);
        }
        found.map(|(behaviour, _)| *behaviour)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Names in backticks in the table's last column, which also has other code.
    fn listed() -> Vec<&'static str> {
        let is_name =
            |code: &&str| code.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
        let table = include_str!("../behaviours.md");
        let rows = table.lines().filter(|line| line.starts_with("| "));
        let cells = rows.filter_map(|row| row.trim_end_matches(" |").rsplit('|').next());
        cells.flat_map(|cell| cell.split('`').skip(1).step_by(2)).filter(is_name).collect()
    }

    #[test]
    fn the_table_names_every_behaviour_once_and_no_other() {
        let mut names: Vec<_> = NAMES.iter().map(|(_, name)| *name).collect();
        let mut listed = listed();
        names.sort_unstable();
        listed.sort_unstable();
        assert_eq!(listed, names);
    }

    #[test]
    fn without_the_feature_the_model_has_all_of_them() {
        assert!(cfg!(feature = "mutation") || NAMES.iter().all(|(behaviour, _)| behaviour.on()));
    }
}
