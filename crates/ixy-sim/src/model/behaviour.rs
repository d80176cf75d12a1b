//! What the model does beyond storing words, each by a name, so that tests can be held to notice each: [`Behaviour`].
//!
//! With the feature `mutation` the environment variable `IXY_SIM_WITHOUT` names one that the model then does not have.
//! `scripts/mutations` switches off one after the other, and says which test notices. Without the feature a switch costs
//! nothing. The table in `behaviours.md` names all of them, with their sections.

macro_rules! behaviours {
    ($($(#[$doc:meta])+ $behaviour:ident $name:literal)+) => {
        /// Something that the model does.
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
    /// Tables in memories without a reset, and what is shared with firmware, stay as they are.
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
    /// Writing ones to EIMS lets causes through.
    EimsEnables "eims-enables"
    /// Writing ones to EIMC masks causes.
    EimcMasks "eimc-masks"
    /// EIMS_EX lets causes of queues through.
    EimsExEnables "eims-ex-enables"
    /// EIMC_EX masks causes of queues.
    EimcExMasks "eimc-ex-masks"
    /// EIMS shows the low causes of EIMS_EX.
    MasksShareLowCauses "masks-share-low-causes"
    /// Causes that are masked do not interrupt.
    MaskedCausesWait "masked-causes-wait"
    /// A cause that is pending interrupts when it is unmasked.
    UnmaskingFires "unmasking-fires"
    /// A cause of a queue that is pending does not interrupt again.
    PendingCausesAreQuiet "pending-causes-are-quiet"
    /// Another cause that is pending does not interrupt again.
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
    /// Without MSI-X, reading or clearing EICR masks what EIAM names.
    AutoMaskOnRead "auto-mask-on-read"
    /// Without MSI-X there is one interrupt until no cause is left.
    LineHeld "line-held"
    /// The level of the pin is told.
    LineLevel "line-level"
    /// EITR holds interrupts back.
    Throttle "throttle"
    /// Each vector has a throttle of its own.
    ThrottleOfEach "throttle-of-each"
    /// What was held back comes when the interval is over.
    ThrottleLetsGo "throttle-lets-go"
    /// What was cleared or masked meanwhile does not.
    ThrottleForgets "throttle-forgets"
    /// Other causes wait for the throttle of their vector.
    ThrottleOther "throttle-other"
    /// Without MSI-X the first throttle is that of all.
    ThrottleLine "throttle-line"
    /// EITR shows what is left.
    ThrottleShowsCounter "throttle-shows-counter"
    /// Writing EITR writes the counter.
    ThrottleCounterWritten "throttle-counter-written"
    /// EITR.CNT_WDIS keeps the counter.
    ThrottleCounterKept "throttle-counter-kept"
    /// A frame that was lost as the packet buffer was full is a cause.
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
    /// Interrupts of mailboxes are permitted at first.
    ResetDefaultsMailboxes "reset-defaults-mailboxes"
    /// RAL and RAH of entry 0 come from the EEPROM.
    ResetLoadsAddress "reset-loads-address"
    /// AUTOC and AUTOC2 come from the EEPROM.
    ResetLoadsLink "reset-loads-link"
    /// What both ports share with firmware stays as it is.
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
    /// What only the device changes cannot be written.
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
    /// One without time lets it go on.
    PauseTakenBack "pause-taken-back"
    /// The host gets no pause frames with MFLCN.DPF.
    PauseDropped "pause-dropped"
    /// Other MAC control frames reach the host only with MFLCN.PMCF.
    ControlFramesDropped "control-frames-dropped"
    /// A full packet buffer asks for a pause.
    PauseSent "pause-sent"
    /// It does so again when FCRTV says.
    PauseRefreshed "pause-refreshed"
    /// An empty one takes it back.
    PauseTakesBack "pause-takes-back"
    /// SYSTIM counts as TIMINCA says.
    ClockRuns "clock-runs"
    /// Reading SYSTIML keeps SYSTIMH for the read after it.
    ClockLatches "clock-latches"
    /// Writing TIMADJH moves the clock.
    ClockAdjusts "clock-adjusts"
    /// Frames that ask for it are stamped when they are sent.
    TransmitStamp "transmit-stamp"
    /// Messages of IEEE 1588 are stamped when they arrive.
    ReceiveStamp "receive-stamp"
    /// Which ones say TSYNCRXCTL and RXMTRL.
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
    /// Tags are inserted with the type that DMATXCTL.VT says.
    TransmitVlanType "transmit-vlan-type"
    /// TXDCTL.SWFLSH writes back what WTHRESH holds back.
    TransmitFlush "transmit-flush"
    /// Frames to send have at most 15,872 bytes and 40 descriptors.
    TransmitLimits "transmit-limits"
    /// A frame with TSE is cut into segments.
    Segmentation "segmentation"
    /// UDP datagrams are, too.
    SegmentationUdp "segmentation-udp"
    /// Headers that are too long, or a PAYLEN that the descriptors do not have, make no sense with TSE.
    SegmentationLimits "segmentation-limits"
    /// A frame whose segments did not all find room goes on where it was.
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
    /// They look at the priority of a VLAN tag, if they are to.
    EtherTypePriority "ether-type-priority"
    /// The descriptor says which of them matched.
    EtherTypeReported "ether-type-reported"
    /// TCP packets with SYN have a queue of their own.
    SynFilter "syn-filter"
    /// SYNQF.SYNQFP says whether that filter comes before the 5-tuple filters.
    SynFilterPriority "syn-filter-priority"
    /// 5-tuple filters choose a queue.
    TupleFilter "tuple-filter"
    /// They do not compare what FTQF masks.
    TupleMasks "tuple-masks"
    /// The one with the highest priority wins.
    TuplePriority "tuple-priority"
    /// Frames that a filter marks interrupt at once.
    LowLatency "low-latency"
    /// Extension headers of IPv6 are passed over.
    Ipv6Extensions "ipv6-extensions"
    /// Filters of the flow director choose a queue.
    Director "director"
    /// They compare only what the masks of the flow director leave.
    DirectorMasks "director-masks"
    /// FDIRCMD removes filters.
    DirectorRemove "director-remove"
    /// FDIRCMD tells whether there is a filter.
    DirectorQuery "director-query"
    /// Two filters with the same signature collide.
    DirectorCollision "director-collision"
    /// Filters in long lists are reported.
    DirectorLength "director-length"
    /// The descriptor has the filter's id, if it is to.
    DirectorReport "director-report"
    /// Filters can drop frames.
    DirectorDrop "director-drop"
    /// The flow director counts filters and frames.
    DirectorStatistics "director-statistics"
    /// It interrupts when its table is nearly full.
    DirectorFull "director-full"
    /// A virtual function's window has the registers of its queues.
    VfQueues "vf-queues"
    /// A virtual function reaches no queue of others.
    VfOwnQueuesOnly "vf-own-queues-only"
    /// A virtual function has a bus mastering of its own.
    VfMastering "vf-bus-mastering"
    /// Requests of a virtual function's queues are its own, and reach its memory.
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
    /// The physical function learns of resets of virtual functions.
    VfResetReported "vf-reset-reported"
    /// Virtual functions learn of resets of the physical function.
    ResetIndication "reset-indication"
    /// A mailbox's buffer has one owner at most.
    MailboxOwner "mailbox-owner"
    /// VFMAILBOX.REQ rings at the physical function.
    MailboxRequest "mailbox-request"
    /// PFMAILBOX.STS rings at the virtual function.
    MailboxStatus "mailbox-status"
    /// ACK tells the other side that its message was taken.
    MailboxAcknowledge "mailbox-acknowledge"
    /// Reading VFMAILBOX clears what rang.
    MailboxClearsOnRead "mailbox-clears-on-read"
    /// PFMBIMR masks the interrupts of mailboxes.
    MailboxMask "mailbox-mask"
    /// STATUS shows how many virtual functions there are to be.
    IovStatus "iov-status"
    /// Disabling virtual functions resets them.
    IovDisableResets "iov-disable-resets"
    /// With PFVTCTL.VT_ENA frames go to pools.
    Pools "pools"
    /// MPSAR names the pools of an exact address.
    PoolsExact "pools-exact"
    /// Broadcast goes to pools with BAM.
    PoolsBroadcast "pools-broadcast"
    /// Unicast that no exact filter knows goes by PFUTA to pools with ROPE.
    PoolsUnicastHash "pools-unicast-hash"
    /// Multicast that no exact filter knows goes by MTA to pools with ROMPE.
    PoolsMulticastHash "pools-multicast-hash"
    /// All multicast goes to pools with MPE.
    PoolsMulticastPromiscuous "pools-multicast-promiscuous"
    /// Only members of a frame's VLAN get it, or pools with AUPE one without a tag.
    PoolsVlan "pools-vlan"
    /// What no pool wants goes to the default pool.
    PoolsDefault "pools-default"
    /// Without RPL_EN a frame goes to one pool.
    PoolsReplication "pools-replication"
    /// PFVFRE lets a pool receive.
    PoolsReceiveEnable "pools-receive-enable"
    /// PFVFTE lets a pool send.
    PoolsTransmitEnable "pools-transmit-enable"
    /// RSS chooses among the queues of a pool.
    PoolsRss "pools-rss"
    /// PFQDE has a queue drop frames for want of a descriptor.
    QueueDropEnable "queue-drop-enable"
    /// PFVMVIR overrides tags of descriptors.
    PortVlan "port-vlan"
    /// Frames with a source address that is not the pool's are dropped.
    SpoofMac "spoof-mac"
    /// Frames with a VLAN that the pool is no member of are dropped.
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
    /// With the other of its formats these are used for every frame.
    HeaderSplitAlways "header-split-always"
    /// Headers that do not fit are reported.
    HeaderSplitOverflow "header-split-overflow"
    /// PSRTYPE says after which headers.
    HeaderSplitKinds "header-split-kinds"
    /// Fragments are not split with RFCTL.IPFRSP_DIS.
    HeaderSplitFragments "header-split-fragments"
    /// Segments of a connection become one large receive.
    Coalescing "coalescing"
    /// Only such ones whose frame and IP header are plain and right.
    CoalescingViability "coalescing-viability"
    /// Only with PSRTYPE's bit of TCP.
    CoalescingKinds "coalescing-kinds"
    /// Only if they have no flags but ACK.
    CoalescingFlags "coalescing-flags"
    /// Only if they have no options but time stamps, and all or none of them these.
    CoalescingOptions "coalescing-options"
    /// Only if one follows the other.
    CoalescingOrder "coalescing-order"
    /// Only if they have payload, with RSCDBU.RSCACKDIS.
    CoalescingAcknowledgements "coalescing-acknowledgements"
    /// Only if all or none of them acknowledge, with RDRXCTL.RSCACKC.
    CoalescingAcknowledgeChange "coalescing-acknowledge-change"
    /// Only if they go to one pool.
    CoalescingCopies "coalescing-copies"
    /// RSCCTL.MAXDESC limits descriptors.
    CoalescingDescriptors "coalescing-descriptors"
    /// At most 14 segments begin in a descriptor.
    CoalescingCount "coalescing-count"
    /// Descriptors say which one is next.
    CoalescingChain "coalescing-chain"
    /// The header is that of the whole in the end.
    CoalescingHeader "coalescing-header"
    /// The interval of the queue's vector ends large receives.
    CoalescingTimer "coalescing-timer"
    /// So does a frame that interrupts at once.
    CoalescingUrgent "coalescing-urgent"
    /// So does a want of descriptors.
    CoalescingFull "coalescing-full"
    /// So does a connection too many.
    CoalescingContexts "coalescing-contexts"
    /// What a queue had that is switched off is gone.
    CoalescingForgets "coalescing-forgets"
    /// VLNCTRL.VET says which type marks the tag of a frame that arrives.
    ReceiveVlanType "receive-vlan-type"
    /// The queue of a frame is one of its traffic class.
    TrafficClasses "traffic-classes"
    /// RSS chooses among these.
    TrafficClassesRss "traffic-classes-rss"
    /// With CTRL_EXT.EXTENDED_VLAN frames have an outer tag, and what counts is the inner one.
    DoubleVlan "double-vlan"
    /// Descriptors tell of an outer tag.
    DoubleVlanReported "double-vlan-reported"
    /// Tags are inserted behind outer ones with DMATXCTL.GDV.
    DoubleVlanTransmit "double-vlan-transmit"
    /// PFMAILBOX.RVFU takes the buffer from the virtual function.
    MailboxTakenBack "mailbox-taken-back"
    /// Frames to addresses that no filter wants are dropped.
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
    /// Frames that are longer than is allowed are dropped.
    FramesTooLong "frames-too-long"
    /// A tag may make a frame longer.
    FramesTagLonger "frames-tag-longer"
    /// MAXFRS holds with HLREG0.JUMBOEN.
    FramesJumbo "frames-jumbo"
    /// FCTRL.SBP stores damaged frames.
    DamagedStored "damaged-stored"
    /// Frames that are stored although they are damaged are not counted as good.
    DamagedNotGood "damaged-not-good"
    /// Nothing is received without RXCTRL.RXEN.
    ReceiveEnable "receive-enable"
    /// Nothing is received with SECRXCTRL.RX_DIS.
    SecurityHolds "security-holds"
    /// Nothing is written to queues that are off.
    ReceiveQueueEnable "receive-queue-enable"
    /// Frames that wait for a queue that goes off are dropped.
    ReceiveQueueOffDrops "receive-queue-off-drops"
    /// Descriptors have the legacy format where SRRCTL says so.
    ReceiveLegacy "receive-legacy"
    /// SRRCTL.BSIZEPACKET is the size of buffers.
    ReceiveBufferSize "receive-buffer-size"
    /// A frame may take several buffers.
    ReceiveOverBuffers "receive-over-buffers"
    /// Only its last descriptor has EOP.
    ReceiveEndOfPacket "receive-end-of-packet"
    /// Only its last descriptor says what is in it.
    LastDescribes "last-describes"
    /// SRRCTL.DROP_EN drops frames for want of a descriptor.
    DropEnable "drop-enable"
    /// Frames without a descriptor wait.
    PacketBuffer "packet-buffer"
    /// Only as many as RXPBSIZE has room for.
    PacketBufferOverflow "packet-buffer-overflow"
    /// The check sequence is stripped.
    CrcStrip "crc-strip"
    /// It is kept if nobody asks for that.
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
    /// Those of UDP are marked.
    UdpVerdict "udp-verdict"
    /// UDP over IPv4 may have no checksum.
    UdpWithoutChecksum "udp-without-checksum"
    /// A fragment has no transport header.
    FragmentsPlain "fragments-plain"
    /// Descriptors say which network protocol a packet has.
    PacketTypes "packet-types"
    /// They say whether it has options.
    PacketTypeOptions "packet-type-options"
    /// They say which transport protocol it has.
    PacketTypeTransport "packet-type-transport"
    /// RSS chooses a queue by a hash.
    Rss "rss"
    /// MRQC says which packets are hashed.
    RssTypes "rss-types"
    /// Ports are hashed, too.
    RssPorts "rss-ports"
    /// RETA says which queue a hash means.
    RssTable "rss-table"
    /// The descriptor has the hash.
    RssHashReported "rss-hash-reported"
    /// Only with RXCSUM.PCSD.
    HashOnlyWithPcsd "hash-only-with-pcsd"
    /// The descriptor says what was hashed.
    RssTypeReported "rss-type-reported"
    /// Nothing is sent without DMATXCTL.TE.
    TransmitEnable "transmit-enable"
    /// Nothing is sent from queues that are off.
    TransmitQueueEnable "transmit-queue-enable"
    /// Legacy descriptors send frames.
    TransmitLegacy "transmit-legacy"
    /// Context descriptors are kept.
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
    /// TDWBAL has the head written to memory instead.
    HeadWriteBack "head-write-back"
    /// IXSM inserts the checksum of an IPv4 header.
    IpInsertion "ip-insertion"
    /// But not where the context says that it is IPv6.
    IpInsertionKind "ip-insertion-kind"
    /// TXSM inserts the checksum of TCP or UDP.
    TransportInsertion "transport-insertion"
    /// That of UDP is never zero.
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
    /// Without IFCS frames bring their check sequence.
    CrcBrought "crc-brought"
    /// A wrong one is dropped by whoever receives it.
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
    /// RQSMR and TQSM say in which set.
    StatisticsSets "statistics-sets"
    /// QPRDC counts frames that queues drop.
    StatisticsDropped "statistics-dropped"
    /// Counters stop at their highest value.
    StatisticsStop "statistics-stop"
    /// Those of 36 bits do.
    StatisticsWideStop "statistics-wide-stop"
    /// These are carried into the upper register.
    StatisticsCarry "statistics-carry"
    /// GPRC counts frames that are then missed.
    MissedAreGood "missed-are-good"
}

impl Behaviour {
    /// Whether the model has it.
    #[inline(always)]
    pub(crate) fn on(self) -> bool {
        #[cfg(feature = "mutation")]
        return *off() != Some(self);
        #[cfg(not(feature = "mutation"))]
        true
    }
}

/// The one that is switched off.
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

    /// Names in backticks in the last column of the table, which has other code there, too.
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
