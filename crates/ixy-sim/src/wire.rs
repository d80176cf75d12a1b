//! Wires: what a software MAC is plugged into.
//!
//! A [`Wire`] is one end of a cable as a MAC sees it: it gives the frames that arrive and takes those that
//! are sent, without frame check sequence. What is at the other end is the wire's own business:
//!
//! | address | wire | other end |
//! | --- | --- | --- |
//! | `sim` or `sim:flood` | [`Flood`] | an endless source of UDP frames, and a sink |
//! | `sim:loopback` | [`Loopback`] | this end itself |
//! | `sim:cable=NAME` | [`CableEnd`] | another wire of this process, joined by name in [`Cables`] |
//! | `sim:socket=PATH` | [`SocketWire`] | another process, or wire, that opens the same path |
//! | `sim:rx=FILE,tx=FILE` | [`Captures`] | pcap or pcapng files, either or both |
//! | `sim:tap=NAME` | [`Tap`] | the system's own network stack |
//! | none: it is made by a program | [`MemoryWire`] | this program |
//!
//! [`WireSpec`] is such an address, parsed; [`WireSpec::connect`] makes the wire. The options `loss= dup=
//! delay= corrupt= seed=` wrap it in [`Faulty`], which spoils frames on purpose, and `link=down` and
//! `pause=off` change what the MAC is told ([`Altered`]). [`Padded`] pads short frames that no card has padded: those from
//! a TAP, a capture, a socket or memory. [`Counted`] counts the frames of any of them.
//!
//! # When nothing happens
//! The thread that polls a device sleeps when there is nothing to do for long. A wire says with [`Wire::wakes`] what has to
//! wake it then: a socket or an interface that can be read, a frame whose delay is over, or, where nothing tells, the next
//! millisecond.
//!
//! # When traffic ends
//! An end that sends nothing more says so with [`Wire::close_transmit`]; the other end sees [`Wire::ended`]
//! once it has taken what is still under way. Dropping a wire does the same and leaves the cable. So each
//! direction of a chain of programs ends by itself, from its source on: nobody waits for an end that only
//! receives.
//!
//! ```
//! use ixy_sim::wire::{Cables, Wire, WireSpec};
//!
//! let cables = Cables::default();
//! let spec: WireSpec = "cable=a".parse()?;
//! let (mut left, mut right) = (spec.connect(&cables)?, spec.connect(&cables)?);
//! assert!(left.transmit(&[0xff; 60]));
//! left.close_transmit();
//! assert_eq!(right.front(), Some(&[0xff; 60][..]));
//! assert!(!right.ended());
//! right.consume();
//! assert!(right.ended());
//! # Ok::<(), ixy_sim::wire::WireError>(())
//! ```

mod altered;
mod cable;
mod captures;
mod counted;
mod error;
mod faults;
mod flood;
mod frames;
mod loopback;
mod memory;
mod padded;
mod random;
mod socket;
mod spec;
mod tap;

use std::os::fd::BorrowedFd;
use std::time::Duration;

pub use altered::Altered;
pub use cable::{CableEnd, Cables};
pub use captures::Captures;
pub use counted::{Counted, FrameCounts};
pub use error::WireError;
pub use faults::{FaultCounts, Faults, Faulty};
pub use flood::Flood;
pub use ixy_pcap::{GiveUp, PcapError};
pub use loopback::Loopback;
pub use memory::MemoryWire;
pub use padded::Padded;
pub use socket::SocketWire;
pub use spec::{WireKind, WireSpec};
pub use tap::{InterfaceAddress, ParseInterfaceAddressError, Tap, TapSpec};

/// When an end has to be looked at again at which nothing is to be had now: see [`Wire::wakes`].
#[derive(Debug, Clone, Copy)]
pub struct Wakes<'a> {
    /// Something arrived, or changed, when this file can be read.
    pub readable: Option<BorrowedFd<'a>>,
    /// How long it can take at most until something is there without that.
    pub within: Duration,
}

impl<'a> Wakes<'a> {
    /// Nothing arrives by itself.
    pub const NEVER: Self = Self { readable: None, within: Duration::MAX };
    /// Nothing tells when something arrives: it is looked at every millisecond.
    pub const SOON: Self = Self { readable: None, within: Duration::from_millis(1) };

    /// When `file` can be read, and not before.
    pub fn readable(file: BorrowedFd<'a>) -> Self {
        Self { readable: Some(file), within: Duration::MAX }
    }
}

/// One end of a cable as a MAC sees it. All calls come from the thread that polls the device, and none of
/// them blocks.
///
/// Frames are Ethernet ones from the destination address on, without frame check sequence. An empty frame is
/// none: sending one does nothing.
pub trait Wire: Send {
    /// Whether light arrives: another end is there.
    fn link_up(&mut self) -> bool;

    /// Says whether the card's own link is up, so that the other end can show it. Most other ends show nothing.
    fn set_link(&mut self, _up: bool) {}

    /// The frame that arrived first and was not yet consumed; stays the same until
    /// [`consume`](Self::consume).
    fn front(&mut self) -> Option<&[u8]>;

    /// Drops the front frame, or does nothing when there is none.
    fn consume(&mut self);

    /// Says that the MAC drops the front frame, as it takes at most `limit` bytes of such a frame; the MAC consumes it
    /// next. A wire whose frames have numbers remembers which it was, the others do nothing.
    fn too_long(&mut self, limit: usize) {
        let _ = limit;
    }

    /// Sends a frame. `false`: no room now, the MAC keeps the frame and offers it again later (back
    /// pressure).
    ///
    /// What cannot arrive any more (the other end is gone, the disk is full, this end said that it sends
    /// nothing more) is taken and dropped, as a pulled cable would, so that nobody waits for it.
    fn transmit(&mut self, frame: &[u8]) -> bool;

    /// Says that this end sends nothing more: the other end sees [`ended`](Self::ended) once it has taken
    /// what is under way.
    ///
    /// A device whose program does not send calls this when it is opened; a generator after its last frame; a
    /// forwarder on one side once the other side's input has ended and all of it was sent.
    fn close_transmit(&mut self);

    /// Whether frames wait for a free descriptor (as with flow control); otherwise the MAC drops them and
    /// counts them as missed.
    fn waits(&self) -> bool;

    /// Whether [`front`](Self::front) will never give a frame again (end of a file, the other end closed for
    /// good).
    fn ended(&mut self) -> bool;

    /// Writes out what is buffered (files); called once in a while and at close.
    ///
    /// # Errors
    /// The bytes cannot be written.
    fn flush(&mut self) -> Result<(), WireError>;

    /// The first error met so far (disk full, socket lost); stays.
    fn error(&self) -> Option<String>;

    /// When it has to be looked at again, after a look that found nothing and as long as nothing is sent here: the thread
    /// that polls the device sleeps until then. Unless a wire says otherwise, [`Wakes::SOON`].
    fn wakes(&self) -> Wakes<'_> {
        Wakes::SOON
    }
}
