//! Interrupts that arrive as events: [`Interrupts`].

use std::fmt;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use ixy_dma::vfio::request;
use rustix::event::{EventfdFlags, eventfd};
use vfio_bindings::bindings::vfio::{
    VFIO_IRQ_INFO_EVENTFD, VFIO_IRQ_SET_ACTION_TRIGGER, VFIO_IRQ_SET_ACTION_UNMASK,
    VFIO_IRQ_SET_DATA_EVENTFD, VFIO_IRQ_SET_DATA_NONE, VFIO_PCI_INTX_IRQ_INDEX, VFIO_PCI_MSI_IRQ_INDEX,
    VFIO_PCI_MSIX_IRQ_INDEX, vfio_irq_info,
};

use super::{Function, number};
use crate::address::Address;
use crate::error::Error;

/// The ways in which a device interrupts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InterruptKind {
    /// MSI-X messages, each with its own address: up to 2,048 vectors.
    MsiX,
    /// MSI messages, with numbers: up to 32 vectors.
    Msi,
    /// The interrupt pin: one vector; the kernel masks it on each interrupt.
    Pin,
}

impl InterruptKind {
    /// All kinds, the best first.
    const ALL: [Self; 3] = [Self::MsiX, Self::Msi, Self::Pin];

    /// Its number among VFIO's kinds of interrupts.
    fn index(self) -> u32 {
        match self {
            Self::MsiX => VFIO_PCI_MSIX_IRQ_INDEX,
            Self::Msi => VFIO_PCI_MSI_IRQ_INDEX,
            Self::Pin => VFIO_PCI_INTX_IRQ_INDEX,
        }
    }
}

impl fmt::Display for InterruptKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::MsiX => "MSI-X",
            Self::Msi => "MSI",
            Self::Pin => "INTx",
        })
    }
}

/// The interrupts of a device, which stay on until this is dropped. Each vector is an eventfd(2), non-blocking and
/// closed on exec: it becomes readable when the device interrupts, and its value counts the interrupts. The
/// device's driver maps its causes to vectors.
#[derive(Debug)]
pub struct Interrupts {
    function: Arc<Function>,
    kind: InterruptKind,
    len: usize,
    vectors: Vec<OwnedFd>,
}

impl Interrupts {
    /// Switches on `wanted` vectors of the best kind that device and system have, or as many as there are, at
    /// least one.
    pub(crate) fn best(function: &Arc<Function>, wanted: usize) -> Result<Self, Error> {
        first(function.address, |kind| Self::of(function, kind, wanted))
    }

    /// Like [`best`](Self::best), for one kind.
    pub(crate) fn of(function: &Arc<Function>, kind: InterruptKind, wanted: usize) -> Result<Self, Error> {
        let address = function.address;
        let none = |why: String| Error::NoInterrupts { address, why };
        let failed = |source: io::Error| none(format!("{kind} cannot be switched on: {source}"));
        let there = function.vectors(kind).map_err(failed)?;
        if there == 0 {
            return Err(none(format!("it has no {kind}")));
        }
        if function.interrupts.swap(true, Ordering::AcqRel) {
            return Err(Error::InterruptsInUse { address });
        }
        // From here on, dropping this switches the interrupts off.
        let mut all = Self { function: Arc::clone(function), kind, len: 0, vectors: Vec::new() };
        let vectors = switch_on(wanted.clamp(1, there as usize), |vectors| function.set(kind, vectors));
        all.vectors = vectors.map_err(failed)?;
        all.len = all.vectors.len();
        if all.len == 0 {
            return Err(none(format!("the system has no vector left for {kind}")));
        }
        tracing::debug!(device = %address, %kind, vectors = all.len, wanted, "interrupts are switched on");
        Ok(all)
    }

    /// Their kind.
    pub fn kind(&self) -> InterruptKind {
        self.kind
    }

    /// The number of vectors.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Hands out the eventfds in the order of the vectors, once; none are left after that. The kernel keeps
    /// signalling an eventfd that was closed here, without effect.
    pub fn take_vectors(&mut self) -> Vec<OwnedFd> {
        std::mem::take(&mut self.vectors)
    }

    /// Unmasks the pin, which the kernel masks on each interrupt. Call it after clearing the cause in the device,
    /// or the pin interrupts again at once. Messages need no unmasking.
    ///
    /// # Errors
    /// [`Error::VfioRequest`].
    pub fn unmask(&self) -> Result<(), Error> {
        if self.kind != InterruptKind::Pin {
            return Ok(());
        }
        let mut words = [20, VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_UNMASK, self.kind.index(), 0, 1];
        self.function.irqs(&mut words).map(|_| ()).map_err(|source| Error::VfioRequest {
            address: self.function.address,
            what: "unmask the interrupt pin of",
            source,
        })
    }
}

/// Tries the kinds of interrupts in order, and returns the first that works.
fn first<T>(address: Address, mut of: impl FnMut(InterruptKind) -> Result<T, Error>) -> Result<T, Error> {
    let mut all = Vec::new();
    for kind in InterruptKind::ALL {
        match of(kind) {
            Err(Error::NoInterrupts { why, .. }) => all.push(why),
            other => return other,
        }
    }
    Err(Error::NoInterrupts { address, why: all.join("; ") })
}

/// Creates `count` events and makes the device signal them. If there are too many, `set` changes nothing and
/// returns the number of vectors that the system has left; that number is tried next, down to none.
fn switch_on(
    mut count: usize,
    mut set: impl FnMut(&[OwnedFd]) -> io::Result<u32>,
) -> io::Result<Vec<OwnedFd>> {
    while count > 0 {
        let events = (0..count).map(|_| eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK));
        let vectors = events.collect::<Result<Vec<_>, _>>()?;
        match set(&vectors)? as usize {
            0 => return Ok(vectors),
            left => count = left.min(count - 1),
        }
    }
    Ok(Vec::new())
}

impl Drop for Interrupts {
    fn drop(&mut self) {
        if self.len > 0 {
            let action = VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_TRIGGER;
            if let Err(error) = self.function.irqs(&mut [20, action, self.kind.index(), 0, 0]) {
                tracing::warn!("{} of {} cannot be switched off: {error}", self.kind, self.function.address);
            }
        }
        self.function.interrupts.store(false, Ordering::Release);
    }
}

impl Function {
    /// The number of vectors of a kind that can signal events.
    fn vectors(&self, kind: InterruptKind) -> io::Result<u32> {
        let mut info = vfio_irq_info {
            argsz: size_of::<vfio_irq_info>() as u32,
            index: kind.index(),
            ..Default::default()
        };
        // SAFETY: this request answers in the structure.
        unsafe { request(self.file.as_fd(), number::GET_IRQ_INFO, (&raw mut info).cast()) }?;
        Ok(if info.flags & VFIO_IRQ_INFO_EVENTFD == 0 { 0 } else { info.count })
    }

    /// Makes the vectors of a kind signal these events. When the system has fewer vectors, nothing changes,
    /// and the result is their number.
    fn set(&self, kind: InterruptKind, vectors: &[OwnedFd]) -> io::Result<u32> {
        let action = VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER;
        let count = vectors.len() as u32;
        let mut words = vec![20 + 4 * count, action, kind.index(), 0, count];
        words.extend(vectors.iter().map(|vector| vector.as_raw_fd() as u32));
        self.irqs(&mut words)
    }

    /// Sets interrupts. The words are those of `struct vfio_irq_set` and the data after it.
    fn irqs(&self, words: &mut [u32]) -> io::Result<u32> {
        debug_assert_eq!(words[0] as usize, size_of_val(words));
        // SAFETY: this request takes the structure, as long as its first word says, which the two callers'
        // arrays are. Messages go to what the kernel set up for them.
        unsafe { request(self.file.as_fd(), number::SET_IRQS, words.as_mut_ptr().cast()) }
    }
}

#[cfg(test)]
mod tests {
    use rustix::io::{FdFlags, fcntl_getfd};

    use super::*;

    #[test]
    fn fewer_vectors_are_taken_when_the_system_has_no_more() {
        // A system that reports the number of vectors left, or a wrong number.
        for (wanted, left, answer, expected) in [
            (4, 8, 0, 4),
            (4, 4, 0, 4),
            (4, 3, 3, 3),
            (64, 1, 1, 1),
            (5, 2, 40, 2),
            (3, 0, 7, 0),
            (0, 8, 0, 0),
        ] {
            let mut tried = Vec::new();
            let vectors = switch_on(wanted, |vectors| {
                tried.push(vectors.len());
                Ok(if vectors.len() <= left { 0 } else { answer })
            });
            let vectors = vectors.unwrap();
            assert_eq!(vectors.len(), expected, "{wanted} of {left}");
            assert!(tried.is_sorted_by(|more, less| more > less), "{tried:?}");
            for vector in &vectors {
                assert_eq!(fcntl_getfd(vector).unwrap(), FdFlags::CLOEXEC);
                assert_eq!(rustix::io::read(vector, &mut [0; 8]).unwrap_err(), rustix::io::Errno::WOULDBLOCK);
            }
        }
        let failed = switch_on(3, |_| Err(io::ErrorKind::InvalidInput.into())).unwrap_err();
        assert_eq!(failed.kind(), io::ErrorKind::InvalidInput);
    }

    #[test]
    fn kinds_have_the_numbers_of_the_kernels_header() {
        assert_eq!(InterruptKind::ALL.map(InterruptKind::index), [2, 1, 0]);
    }

    #[test]
    fn a_kind_that_cannot_be_had_is_followed_by_the_next() {
        let address: Address = "0000:03:00.0".parse().unwrap();
        let none = |kind| Error::NoInterrupts { address, why: format!("no {kind}") };
        let best = |there: &[InterruptKind]| {
            first(address, |kind| if there.contains(&kind) { Ok(kind) } else { Err(none(kind)) })
        };
        assert_eq!(best(&InterruptKind::ALL).unwrap(), InterruptKind::MsiX);
        assert_eq!(best(&[InterruptKind::Pin, InterruptKind::Msi]).unwrap(), InterruptKind::Msi);
        assert_eq!(best(&[InterruptKind::Pin]).unwrap(), InterruptKind::Pin);
        let text = best(&[]).unwrap_err().to_string();
        assert_eq!(text, "0000:03:00.0 cannot interrupt: no MSI-X; no MSI; no INTx; poll it instead");
        // Any other error is returned.
        let mut tried = 0;
        let failed = first::<()>(address, |_| {
            tried += 1;
            Err(Error::InterruptsInUse { address })
        });
        assert!(matches!(failed, Err(Error::InterruptsInUse { .. })) && tried == 1);
    }
}
