//! Interrupts of a served device, which a client receives as eventfds: [`Interrupts`].

use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::{Mutex, PoisonError};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl, readlink};

use crate::message::{Errno, IrqAction, IrqData, IrqInfo, IrqRequest};

/// The interrupts of a device. The device triggers them; the client sets their eventfds, and masks them.
///
/// A masked interrupt that is triggered signals when it is unmasked. One that masks itself
/// ([`IrqInfo::AUTOMASKED`], the pin) is a level: it signals again each time it is unmasked or set up anew, until
/// it is lowered. The device never waits for a client's eventfd: a full one is signalled already.
#[derive(Debug)]
pub struct Interrupts {
    kinds: Vec<Kind>,
}

#[derive(Debug)]
struct Kind {
    flags: u32,
    lines: Mutex<Vec<Line>>,
}

#[derive(Debug, Default)]
struct Line {
    event: Option<OwnedFd>,
    masked: bool,
    pending: bool,
}

impl Line {
    /// Forgets the client's set-up. The level of a pin belongs to the device, and stays.
    fn forget(&mut self, flags: u32) {
        *self = Self { pending: self.pending && flags & IrqInfo::AUTOMASKED != 0, ..Self::default() };
    }

    fn deliver(&mut self, flags: u32) {
        if !self.pending || self.masked {
            return;
        }
        if let Some(event) = &self.event {
            signal(event);
            self.masked = flags & IrqInfo::AUTOMASKED != 0;
        }
        // A message without a receiver is lost; a level stays.
        self.pending = flags & IrqInfo::AUTOMASKED != 0;
    }
}

/// Adds one to an eventfd, unless it is full.
fn signal(event: &OwnedFd) {
    let mut fds = [PollFd::new(event, PollFlags::OUT)];
    let now = rustix::event::Timespec { tv_sec: 0, tv_nsec: 0 };
    // It was made non-blocking on arrival, but its other holders may change that.
    if poll(&mut fds, Some(&now)).is_ok_and(|ready| ready > 0)
        && let Err(error) = rustix::io::write(event, &1_u64.to_ne_bytes())
    {
        tracing::debug!(%error, "an interrupt could not be signalled");
    }
}

/// Accepts only a descriptor that can be written without waiting: an eventfd.
fn check(event: OwnedFd) -> Result<OwnedFd, Errno> {
    let name = readlink(format!("/proc/self/fd/{}", event.as_raw_fd()), Vec::new())?;
    if name.as_bytes() != b"anon_inode:[eventfd]" {
        return Err(Errno::INVAL);
    }
    let flags = fcntl_getfl(&event)?;
    fcntl_setfl(&event, flags | OFlags::NONBLOCK)?;
    Ok(event)
}

impl Interrupts {
    /// Interrupts of the given kinds, none of which signals anything yet.
    pub(crate) fn new(kinds: &[crate::server::Irq]) -> Self {
        let lines = |count: u32| (0..count).map(|_| Line::default()).collect();
        let kind = |irq: &crate::server::Irq| Kind { flags: irq.flags, lines: Mutex::new(lines(irq.count)) };
        Self { kinds: kinds.iter().map(kind).collect() }
    }

    fn with<T>(&self, kind: u32, number: u32, act: impl FnOnce(&mut Line, u32) -> T) -> Option<T> {
        let kind = self.kinds.get(kind as usize)?;
        let mut lines = kind.lines.lock().unwrap_or_else(PoisonError::into_inner);
        lines.get_mut(number as usize).map(|line| act(line, kind.flags))
    }

    /// Triggers interrupt `number` of a kind. One that does not exist is ignored.
    pub fn trigger(&self, kind: u32, number: u32) {
        self.with(kind, number, |line, flags| {
            line.pending = true;
            line.deliver(flags);
        });
    }

    /// Lowers a level that was triggered, or drops a message that is held back by a mask.
    pub fn lower(&self, kind: u32, number: u32) {
        self.with(kind, number, |line, _| line.pending = false);
    }

    /// Whether the interrupt would signal anything if it were triggered and not masked.
    pub fn is_enabled(&self, kind: u32, number: u32) -> bool {
        self.with(kind, number, |line, _| line.event.is_some()).unwrap_or(false)
    }

    /// Whether it waits to be unmasked, or, for a level, to be lowered.
    pub fn is_pending(&self, kind: u32, number: u32) -> bool {
        self.with(kind, number, |line, _| line.pending).unwrap_or(false)
    }

    /// Forgets the whole set-up of a client.
    pub(crate) fn clear(&self) {
        for kind in &self.kinds {
            let mut lines = kind.lines.lock().unwrap_or_else(PoisonError::into_inner);
            lines.iter_mut().for_each(|line| line.forget(kind.flags));
        }
    }

    /// Executes a client's request.
    ///
    /// # Errors
    /// `EINVAL`: there is no such interrupt, the number of descriptors is wrong, one is not an eventfd, or it
    /// cannot be masked; `EOPNOTSUPP`: the client wants a descriptor signalled on masking. Nothing was changed.
    pub(crate) fn set(&self, request: &IrqRequest<'_>, fds: Vec<OwnedFd>) -> Result<(), Errno> {
        let &IrqRequest { index, start, count, data, action } = request;
        let kind = self.kinds.get(index as usize).ok_or(Errno::INVAL)?;
        let mut lines = kind.lines.lock().unwrap_or_else(PoisonError::into_inner);
        let end = start.checked_add(count).ok_or(Errno::INVAL)?;
        let range = lines.get_mut(start as usize..end as usize).ok_or(Errno::INVAL)?;
        if !matches!(data, IrqData::Eventfd) && !fds.is_empty() {
            return Err(Errno::INVAL);
        }
        if action != IrqAction::Trigger && kind.flags & IrqInfo::MASKABLE == 0 {
            return Err(Errno::INVAL);
        }
        match (data, action) {
            (IrqData::Eventfd, IrqAction::Trigger) if fds.is_empty() => {
                range.iter_mut().for_each(|line| line.forget(kind.flags));
            }
            (IrqData::Eventfd, IrqAction::Trigger) => {
                if kind.flags & IrqInfo::EVENTFD == 0 || fds.len() != range.len() {
                    return Err(Errno::INVAL);
                }
                let fds = fds.into_iter().map(check).collect::<Result<Vec<_>, _>>()?;
                for (line, fd) in range.iter_mut().zip(fds) {
                    line.event = Some(fd);
                    line.deliver(kind.flags);
                }
            }
            (IrqData::Eventfd, _) => return Err(Errno::OPNOTSUPP),
            (IrqData::None, IrqAction::Trigger) if count == 0 => {
                if start != 0 {
                    return Err(Errno::INVAL);
                }
                lines.iter_mut().for_each(|line| line.forget(kind.flags));
            }
            _ => {
                let meant = |n: usize| match data {
                    IrqData::Bool(bytes) => bytes.get(n).is_some_and(|byte| *byte != 0),
                    _ => true,
                };
                for (_, line) in range.iter_mut().enumerate().filter(|(n, _)| meant(*n)) {
                    match action {
                        IrqAction::Mask => line.masked = true,
                        IrqAction::Unmask => line.masked = false,
                        // Like the device, but without holding a level.
                        IrqAction::Trigger => {
                            if let Some(event) = line.event.as_ref().filter(|_| !line.masked) {
                                signal(event);
                            }
                        }
                    }
                    line.deliver(kind.flags);
                }
            }
        }
        Ok(())
    }
}
