//! Wires: the cable of a software card, and its other end.
//!
//! A [`Wire`] is one end of a cable as a MAC sees it. It gives the frames that arrive and takes those that
//! the MAC sends, without frame check sequence. The kind of wire says where the cable leads:
//!
//! | address | wire | other end |
//! | --- | --- | --- |
//! | `sim` or `sim:flood` | [`Flood`] | an endless source of UDP frames, and a sink |
//! | `sim:loopback` | [`Loopback`] | this end itself |
//! | `sim:cable=NAME` | [`CableEnd`] | another wire of this process, joined by name in [`Cables`] |
//! | `sim:socket=PATH` | [`SocketWire`] | another process, or wire, that opens the same path |
//! | `sim:rx=FILE,tx=FILE` | [`Captures`] | pcap or pcapng files, either or both |
//! | `sim:tap=NAME` | [`Tap`] | the system's own network stack |
//! | none: a program creates it | [`MemoryWire`] | this program |
//!
//! [`WireSpec`] is such an address, parsed; [`WireSpec::connect`] makes the wire. The options `loss= dup= delay=
//! corrupt= seed=` wrap it in [`Faulty`], which spoils frames on purpose. `link=down` and `pause=off` wrap it in
//! [`Altered`], which hides the light or drops frames instead of letting them wait. [`Padded`] pads short frames
//! from a TAP, a capture, a socket or memory, since no card has padded them. [`Counted`] counts the frames of any
//! wire.
//!
//! # When nothing happens
//! The thread that polls a device sleeps after some time without work. [`Wire::wakes`] names the event that wakes
//! it: a socket or an interface becomes readable, or the delay of a frame is over. A wire without such an event is
//! polled every millisecond.
//!
//! # When traffic ends
//! An end calls [`Wire::close_transmit`] when it will send nothing more; the other end sees [`Wire::ended`] once
//! it has received the frames in flight. Dropping a wire does the same and leaves the cable. So each direction of
//! a chain of programs ends by itself, from its source on, and no program waits for an end that only receives.
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
mod unreached;

use std::os::fd::BorrowedFd;
use std::time::Duration;

pub use altered::Altered;
pub use cable::{CableEnd, Cables};
pub use captures::Captures;
pub use counted::{Counted, FrameCounts};
pub use error::WireError;
pub use faults::{FaultCounts, Faults, Faulty};
pub use flood::Flood;
pub use ixy_pcap::{Claim, Clash, GiveUp, PcapError};
pub use loopback::Loopback;
pub use memory::MemoryWire;
pub use padded::Padded;
pub use socket::SocketWire;
pub use spec::{WireKind, WireSpec};
pub use tap::{InterfaceAddress, ParseInterfaceAddressError, Tap, TapSpec};

/// When to look again at a wire that has no frame now: see [`Wire::wakes`].
#[derive(Debug, Clone, Copy)]
pub struct Wakes<'a> {
    /// This file becomes readable when a frame arrives, or something else changes.
    pub readable: Option<BorrowedFd<'a>>,
    /// The longest time to wait for that event.
    pub within: Duration,
}

impl<'a> Wakes<'a> {
    /// Nothing arrives by itself.
    pub const NEVER: Self = Self { readable: None, within: Duration::MAX };
    /// The wire has no event for arriving frames, so it is polled every millisecond.
    pub const SOON: Self = Self { readable: None, within: Duration::from_millis(1) };

    /// Waits until `file` can be read.
    pub fn readable(file: BorrowedFd<'a>) -> Self {
        Self { readable: Some(file), within: Duration::MAX }
    }
}

/// One end of a cable as a MAC sees it. All calls come from the thread that polls the device, and none of
/// them blocks.
///
/// Frames are Ethernet ones from the destination address on, without frame check sequence. Sending an empty frame
/// does nothing.
///
/// # Wires around other wires
/// A wire that changes another one names it in [`inner`](Self::inner) and [`inner_mut`](Self::inner_mut), and
/// implements only the methods that it changes: each method passes on to the inner wire by default. Without an inner
/// wire the defaults are those of a wire that leads nowhere. Its link is up, nothing ever arrives, and what is sent
/// is lost. A wire that leads somewhere implements [`front`](Self::front), [`consume`](Self::consume),
/// [`transmit`](Self::transmit),
/// [`close_transmit`](Self::close_transmit) and [`ended`](Self::ended) at least.
///
/// ```
/// use ixy_sim::wire::{Loopback, Wire};
///
/// /// A wire on which frames that arrive do not wait for a free descriptor.
/// struct Impatient(Box<dyn Wire>);
///
/// impl Wire for Impatient {
///     fn inner(&self) -> Option<&dyn Wire> {
///         Some(&*self.0)
///     }
///
///     fn inner_mut(&mut self) -> Option<&mut dyn Wire> {
///         Some(&mut *self.0)
///     }
///
///     fn waits(&self) -> bool {
///         false
///     }
/// }
///
/// let mut wire = Impatient(Box::new(Loopback::new()));
/// assert!(wire.transmit(&[0xff; 60]));
/// assert_eq!(wire.front(), Some(&[0xff; 60][..]));
/// assert!(!wire.waits());
/// ```
pub trait Wire: Send {
    /// The wire that this one changes; `None` for one that stands alone.
    fn inner(&self) -> Option<&dyn Wire> {
        None
    }

    /// The same wire as [`inner`](Self::inner), to be changed.
    fn inner_mut(&mut self) -> Option<&mut dyn Wire> {
        None
    }

    /// Whether light arrives, that is, whether the other end is connected.
    fn link_up(&mut self) -> bool {
        self.inner_mut().is_none_or(Wire::link_up)
    }

    /// Sets the state of the card's own link, so that the other end can show it. Most other ends show nothing.
    fn set_link(&mut self, up: bool) {
        if let Some(inner) = self.inner_mut() {
            inner.set_link(up);
        }
    }

    /// The oldest frame that was not consumed yet; stays the same until [`consume`](Self::consume).
    fn front(&mut self) -> Option<&[u8]> {
        self.inner_mut()?.front()
    }

    /// Drops the front frame; does nothing when there is none.
    fn consume(&mut self) {
        if let Some(inner) = self.inner_mut() {
            inner.consume();
        }
    }

    /// The MAC is about to drop the front frame, since it exceeds the limit of `limit` bytes. A wire with numbered
    /// frames remembers which one it was; the others do nothing.
    fn too_long(&mut self, limit: usize) {
        if let Some(inner) = self.inner_mut() {
            inner.too_long(limit);
        }
    }

    /// The number of records of a capture that were skipped so far, since they are no Ethernet frames. Frames that
    /// the MAC drops are not among them.
    fn records_skipped(&self) -> u64 {
        self.inner().map_or(0, Wire::records_skipped)
    }

    /// Sends a frame. `false` when there is no room now; the MAC keeps the frame and offers it again later (back
    /// pressure).
    ///
    /// A frame that cannot arrive any more (the other end is gone, the disk is full, this end closed its transmit
    /// side) is taken and dropped, as on a pulled cable, so that the sender does not wait for ever. Sockets and cables
    /// count the frames that they drop since the other end is gone, and log the count when the wire is dropped.
    fn transmit(&mut self, frame: &[u8]) -> bool {
        self.inner_mut().is_none_or(|inner| inner.transmit(frame))
    }

    /// Closes the transmit side of this end. The other end sees [`ended`](Self::ended) once it has received the
    /// frames in flight.
    ///
    /// A program that only receives calls this after opening its device, and a generator after its last frame. A
    /// forwarder calls it on one side once the input of the other side has ended and all of it was sent.
    fn close_transmit(&mut self) {
        if let Some(inner) = self.inner_mut() {
            inner.close_transmit();
        }
    }

    /// Whether frames wait for a free descriptor (as with flow control); otherwise the MAC drops them and
    /// counts them as missed.
    fn waits(&self) -> bool {
        self.inner().is_none_or(Wire::waits)
    }

    /// Whether [`front`](Self::front) will never return a frame again (end of a file, the other end closed for
    /// good).
    fn ended(&mut self) -> bool {
        self.inner_mut().is_some_and(Wire::ended)
    }

    /// Flushes buffers to files. The device calls it when it has been idle for a while, and on close, but never before
    /// a driver switched its bus mastering on. A capture to write keeps its old content until then.
    ///
    /// # Errors
    /// The bytes cannot be written.
    fn flush(&mut self) -> Result<(), WireError> {
        self.inner_mut().map_or(Ok(()), Wire::flush)
    }

    /// The first error so far (disk full, socket lost); it stays.
    fn error(&self) -> Option<String> {
        self.inner()?.error()
    }

    /// When to poll the wire again after a poll that found no frame. The thread that polls the device sleeps until
    /// then. Without an inner wire the default is [`Wakes::SOON`].
    fn wakes(&self) -> Wakes<'_> {
        self.inner().map_or(Wakes::SOON, Wire::wakes)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    /// Writes down which methods were called, and answers the opposite of the defaults.
    struct Probe(Arc<Mutex<Vec<&'static str>>>);

    impl Probe {
        fn note<T>(&self, method: &'static str, answer: T) -> T {
            self.0.lock().unwrap().push(method);
            answer
        }
    }

    impl Wire for Probe {
        fn link_up(&mut self) -> bool {
            self.note("link_up", false)
        }
        fn set_link(&mut self, _up: bool) {
            self.note("set_link", ());
        }
        fn front(&mut self) -> Option<&[u8]> {
            self.note("front", Some(&[1; 60]))
        }
        fn consume(&mut self) {
            self.note("consume", ());
        }
        fn too_long(&mut self, _limit: usize) {
            self.note("too_long", ());
        }
        fn records_skipped(&self) -> u64 {
            self.note("records_skipped", 7)
        }
        fn transmit(&mut self, _frame: &[u8]) -> bool {
            self.note("transmit", false)
        }
        fn close_transmit(&mut self) {
            self.note("close_transmit", ());
        }
        fn waits(&self) -> bool {
            self.note("waits", false)
        }
        fn ended(&mut self) -> bool {
            self.note("ended", true)
        }
        fn flush(&mut self) -> Result<(), WireError> {
            self.note("flush", Ok(()))
        }
        fn error(&self) -> Option<String> {
            self.note("error", Some("broken".into()))
        }
        fn wakes(&self) -> Wakes<'_> {
            self.note("wakes", Wakes::NEVER)
        }
    }

    /// Changes nothing of another wire, or leads nowhere.
    struct Plain(Option<Box<dyn Wire>>);

    impl Wire for Plain {
        fn inner(&self) -> Option<&dyn Wire> {
            self.0.as_deref()
        }
        fn inner_mut(&mut self) -> Option<&mut dyn Wire> {
            Some(&mut **self.0.as_mut()?)
        }
    }

    type Answers = (bool, Option<Vec<u8>>, u64, bool, bool, bool, Option<String>, Duration);

    fn call_all(wire: &mut dyn Wire) -> Answers {
        wire.set_link(true);
        let front = wire.front().map(<[u8]>::to_vec);
        wire.too_long(60);
        wire.consume();
        let skipped = wire.records_skipped();
        let (link, sent) = (wire.link_up(), wire.transmit(&[2; 60]));
        wire.close_transmit();
        wire.flush().unwrap();
        (link, front, skipped, sent, wire.waits(), wire.ended(), wire.error(), wire.wakes().within)
    }

    #[test]
    fn each_method_passes_on_to_the_inner_wire() {
        let calls = Arc::<Mutex<Vec<_>>>::default();
        let found = call_all(&mut Plain(Some(Box::new(Probe(Arc::clone(&calls))))));
        let front = Some(vec![1; 60]);
        assert_eq!(found, (false, front, 7, false, false, true, Some("broken".into()), Duration::MAX));
        let expected = "set_link front too_long consume records_skipped link_up transmit close_transmit flush waits ended error wakes";
        assert_eq!(calls.lock().unwrap().join(" "), expected);
    }

    #[test]
    fn without_an_inner_wire_a_wire_leads_nowhere() {
        let found = call_all(&mut Plain(None));
        assert_eq!(found, (true, None, 0, true, true, false, None, Duration::from_millis(1)));
    }
}
