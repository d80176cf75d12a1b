//! What can go wrong with a device.

use std::time::Duration;

use crate::ring::RingFault;

/// Why a device could not be opened, did not follow a command, or cannot continue.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A ring size that this driver cannot do.
    #[error("a {kind} ring of {found} descriptors is not possible: use a power of two from 64 to 4096")]
    RingSize {
        /// `receive` or `transmit`.
        kind: &'static str,
        /// What was asked for.
        found: u16,
    },
    /// More queues than there are, or none.
    #[error("{found} queue pairs are not possible: use 1 to 64")]
    Queues {
        /// What was asked for.
        found: u16,
    },
    /// The device has fewer queue pairs than were asked for.
    #[error(
        "{device} has {found} queue pair(s), and {wanted} are asked for: ask for fewer, or have the host give it more (QEMU: mq=on at the device, and queues={wanted} at its network back end)"
    )]
    TooFewQueues {
        /// The device.
        device: String,
        /// What it has.
        found: u16,
        /// What was asked for.
        wanted: u16,
    },
    /// The device lacks a capability of the modern interface.
    #[error(
        "the device has no virtio structure `{structure}` among its {found} vendor capabilities (section 4.1.4): it is not a modern virtio device, or its configuration space is damaged; `lspci -vv` shows them"
    )]
    NoStructure {
        /// The specification's name of the structure.
        structure: &'static str,
        /// How many vendor capabilities there are.
        found: usize,
    },
    /// A structure, or the port BAR, is too small, or not where it should be.
    #[error("the device's structure `{structure}` cannot be used: {source}")]
    Window {
        /// What is too small.
        structure: &'static str,
        /// What is wrong with it.
        source: ixy_regs::window::Refused,
    },
    /// A modern device without `VERSION_1`.
    #[error(
        "{device} does not offer VERSION_1, without which the modern interface cannot be used (section 6.1): have the host offer it, or make the device a legacy one (QEMU: disable-modern=on, disable-legacy=off)"
    )]
    NoVersion1 {
        /// The device.
        device: String,
    },
    /// A device behind an IOMMU that would use I/O virtual addresses as physical ones.
    #[error(
        "{device} is behind an IOMMU and does not offer ACCESS_PLATFORM, so it would bypass the IOMMU and use every address as a physical one: have the host offer it (QEMU: iommu_platform=on and disable-legacy=on at the device), or start the machine with iommu=pt"
    )]
    NoAccessPlatform {
        /// The device.
        device: String,
    },
    /// The device did not accept the features.
    #[error(
        "{device} did not accept the features {chosen} out of those it offers itself ({offered}): the host's device is at fault; have it offer fewer"
    )]
    FeaturesRefused {
        /// The device.
        device: String,
        /// What was chosen.
        chosen: String,
        /// What was offered.
        offered: String,
    },
    /// A queue is not there.
    #[error(
        "{device} has no {queue} (its size is zero, section 4.1.4.3): the host has given the device fewer queues than it says"
    )]
    NoQueue {
        /// The device.
        device: String,
        /// Which queue.
        queue: String,
    },
    /// A queue that cannot be as large as the device says.
    #[error(
        "the {queue} of {device} has {found} descriptors, {why}: have the host give it another size (QEMU: rx_queue_size=256, tx_queue_size=256)"
    )]
    QueueSize {
        /// The device.
        device: String,
        /// Which queue.
        queue: String,
        /// Its size.
        found: u16,
        /// What is wrong with that.
        why: &'static str,
    },
    /// A legacy device has 32 bits for the page number of a ring, which are not enough for this one.
    #[error(
        "the {queue} of {device} would be at {address:#x}, and a legacy device reaches rings below 16 TiB only (section 4.1.5.1.3): use the modern interface (QEMU: disable-modern=off)"
    )]
    RingTooHigh {
        /// The device.
        device: String,
        /// Which queue.
        queue: String,
        /// Where its ring is.
        address: u64,
    },
    /// The device refuses to give a queue an interrupt vector.
    #[error(
        "{device} lets its {queue} have no interrupt vector, though the bus gave it {vectors} (QUEUE_MSIX_VECTOR reads as NO_VECTOR, section 4.1.5.1.2): have the host give it more (QEMU: vectors={vectors} or more), or open it without interrupts"
    )]
    NoVector {
        /// The device.
        device: String,
        /// Which queue.
        queue: String,
        /// How many vectors there are on the bus's side.
        vectors: usize,
    },
    /// The device's configuration changed at every attempt to read it.
    #[error(
        "the configuration of {device} changed {tries} times while it was read (config_generation, section 4.1.4.3): the host's device is at fault"
    )]
    Unstable {
        /// The device.
        device: String,
        /// How often it was read.
        tries: u32,
    },
    /// The pool is too small to fill the receive rings.
    #[error(
        "the packet pool has {free} free buffers and the receive rings of {device} take {needed}: make the pool larger or the rings smaller"
    )]
    PoolTooSmall {
        /// The device.
        device: String,
        /// Buffers needed.
        needed: usize,
        /// Buffers free.
        free: usize,
    },
    /// The pool's memory is not in the device's address space.
    #[error(
        "{device} cannot reach the memory of the packet pool: make the pool with `Mempool::shared_by` and the domain of every device"
    )]
    PoolUnreachable {
        /// The device.
        device: String,
    },
    /// Memory could not be allocated, or bus mastering could not be switched.
    #[error("{device}: {source}")]
    Dma {
        /// The device.
        device: String,
        /// Why not.
        source: ixy_dma::Error,
    },
    /// The device did not do something in time.
    #[error(
        "{device} did not {what} within {limit:?} (section {section}; its device status is {status:#04x}): the host's device hangs; restart it"
    )]
    Timeout {
        /// The device.
        device: String,
        /// What it should have done.
        what: &'static str,
        /// The section of the specification that says so.
        section: &'static str,
        /// How long it had.
        limit: Duration,
        /// The device status at the end.
        status: u8,
    },
    /// A command on the control queue was refused.
    #[error("{device} refused to {what} (ack {ack:#04x} on its control queue, section 5.1.6.5)")]
    Refused {
        /// The device.
        device: String,
        /// What it was told.
        what: &'static str,
        /// Its answer.
        ack: u8,
    },
    /// The device has no way to do it.
    #[error("{device} cannot {what}, as it does not offer {feature}: have the host offer it{hint}")]
    NotOffered {
        /// The device.
        device: String,
        /// What was wanted.
        what: &'static str,
        /// The feature that it takes.
        feature: &'static str,
        /// The host's option, if there is one.
        hint: &'static str,
    },
    /// An address that cannot be a device's own.
    #[error("{mac} cannot be a device's own address; use one whose first byte is even, and not all zero")]
    NotUnicast {
        /// The address.
        mac: ixy_core::MacAddress,
    },
    /// The device has failed and says so.
    #[error(
        "{device} needs a reset (DEVICE_NEEDS_RESET in its device status {status:#04x}, section 2.1.2): it met an error that it cannot recover from; the host's log may say which. Open it again"
    )]
    NeedsReset {
        /// The device.
        device: String,
        /// The device status.
        status: u8,
    },
    /// The device was reset, and not by this driver.
    #[error(
        "{device} was reset by somebody else (its device status is {status:#04x}): end other programs that use it, and open it again"
    )]
    WasReset {
        /// The device.
        device: String,
        /// The device status.
        status: u8,
    },
    /// The device wrote into a ring what makes no sense.
    #[error(
        "the {queue} of {device} is broken and was stopped: {fault}. The host's device is at fault; open it again"
    )]
    Broken {
        /// The device.
        device: String,
        /// Which queue.
        queue: String,
        /// What was found.
        fault: RingFault,
    },
    /// The device reads all ones.
    #[error(transparent)]
    Device(#[from] ixy_core::Error),
}

impl From<Error> for ixy_core::Error {
    fn from(error: Error) -> Self {
        match error {
            Error::Device(error) => error,
            error => Self::Driver(Box::new(error)),
        }
    }
}
