//! The device's work during a poll: [`Engine`].

use std::os::fd::BorrowedFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ixy_regs::ixgbe::fields::{EICR, HLREG0};

use super::Hardware;
use super::behaviour::Behaviour;
use super::faults::Fault;
use super::interrupt::Interrupts;
use super::link::Link;
use super::module::SfpModule;
use super::names::{self, mask};
use super::nvm::Nvm;
use super::pools::{Outgoing, Switch};
use super::port::{Loopback, Port};
use super::receive::{self, Receiver};
use super::sfp::Module;
use super::spi::Spi;
use super::statistics::Counts;
use super::transmit::Transmitter;
use super::vf::{self, Functions, Memories};
use crate::dma::{Dma, DmaView};
use crate::wire::{Wakes, Wire};

/// Number of idle polls after which the wire flushes its buffers.
const IDLE_FLUSH: u32 = 256;

/// State that one thread at a time works on: a poll, or a register access with an immediate effect.
pub(crate) struct Engine {
    pub(super) wire: Option<Box<dyn Wire>>,
    pub(super) nvm: Nvm,
    pub(super) spi: Spi,
    pub(super) module: Module,
    pub(super) link: Link,
    /// The link state that the wire was given last.
    pub(super) shown_link: Option<bool>,
    pub(super) receiver: Receiver,
    pub(super) transmitter: Transmitter,
    pub(super) interrupts: Interrupts,
    pub(super) functions: Functions,
    pub(super) counts: Counts,
    pub(super) loopback: Loopback,
    pub(super) switch: Switch,
    pub(super) closing: bool,
    pub(super) closed_transmit: bool,
    /// Consecutive polls without work.
    pub(super) idle: u32,
    /// Whether bus mastering was ever on: a driver uses the device.
    pub(super) driven: bool,
    /// The number of records that the wire had skipped when it was unplugged.
    pub(super) skipped: u64,
}

impl Engine {
    /// An engine with `wire` at its port, `mac` in its EEPROM and `module` in its cage.
    pub(super) fn new(wire: Box<dyn Wire>, mac: [u8; 6], module: SfpModule) -> Self {
        Self {
            wire: Some(wire),
            nvm: Nvm::new(mac),
            spi: Spi::new(),
            module: Module::new(module),
            link: Link::default(),
            shown_link: None,
            receiver: Receiver::new(),
            transmitter: Transmitter::new(),
            interrupts: Interrupts::default(),
            functions: Functions::new(),
            counts: Counts::default(),
            loopback: Loopback::default(),
            switch: Switch::default(),
            closing: false,
            closed_transmit: false,
            idle: 0,
            driven: false,
            skipped: 0,
        }
    }

    /// The link went up or down.
    pub(super) fn link_changed(&mut self, hw: &Hardware) {
        tracing::debug!(up = self.link.is_up(), "link");
        if Behaviour::LinkCause.on() {
            self.interrupts.raise(hw, 0, mask(EICR::LSC));
        }
    }

    pub(super) fn poll(&mut self, hw: &Hardware, memory: &dyn Reach, input_ended: &AtomicBool) -> usize {
        if hw.faults.any() && hw.faults.is(Fault::Gone) {
            return 0;
        }
        let light = self.wire.as_mut().is_some_and(|wire| wire.link_up());
        if self.link.update(hw, light) {
            self.link_changed(hw);
        }
        let up = self.link.is_up();
        if self.shown_link != Some(up)
            && let Some(wire) = &mut self.wire
        {
            self.shown_link = Some(up);
            wire.set_link(up);
        }
        let (received, sent) = if !hw.may_dma() {
            (0, 0)
        } else if hw.vfs.load(Ordering::Relaxed) == 0 {
            memory.frames(self, hw, light)
        } else {
            self.frames_of_functions(hw, memory, light)
        };
        self.end_transmit(hw);
        if received == 0 {
            self.look_for_end(input_ended);
        }
        self.interrupts.tick(hw);
        if hw.vfs.load(Ordering::Relaxed) != 0 {
            self.functions.tick(hw);
        }
        if received + sent > 0 {
            self.report(hw);
            self.idle = 0;
        } else {
            self.idle = self.idle.saturating_add(1);
            if self.idle == IDLE_FLUSH {
                self.flush();
            }
        }
        received + sent
    }

    /// Moves frames in both directions; returns how much was received and sent.
    fn frames(&mut self, hw: &Hardware, view: &impl DmaView, light: bool) -> (usize, usize) {
        let Self { wire, receiver, transmitter, counts, loopback, switch, link, .. } = self;
        let pools = Outgoing::queues(hw);
        let (may_send, may_receive) = (Transmitter::is_on(hw), Receiver::is_on(hw));
        let (mut received, mut sent) = (0, 0);
        if HLREG0::LPBK.is_set(hw.regs.load(names::HLREG0)) && Behaviour::Loopback.on() {
            // MAC loopback: the wire is cut off (section 8.2.3.22.8).
            if may_send {
                sent = match pools {
                    None => transmitter.poll(hw, view, loopback, counts),
                    Some(queues) => {
                        let mut out = Outgoing::new(hw, &mut receiver.addresses, queues, switch, loopback);
                        transmitter.poll(hw, view, &mut out, counts)
                    }
                };
            }
            if may_receive {
                received = receiver.poll(hw, view, loopback, counts);
            }
        } else if let Some(wire) = wire.as_deref_mut() {
            let mut port = Port(wire);
            // The other end may be gone while its last frames are still in flight. What is sent then goes nowhere,
            // so that nothing waits for it.
            let gone = !light && !Link::is_held(hw);
            if !link.is_up() {
                receiver.pause.reset();
            }
            let paused = receiver.pause.is_on(hw);
            let sends = link.is_up() || gone && port.0.ended() || !Behaviour::LinkGatesTransmit.on();
            let receives = link.is_up() || gone || !Behaviour::LinkGatesReceive.on();
            if may_send && !paused && sends {
                sent = match pools {
                    None => transmitter.poll(hw, view, &mut port, counts),
                    Some(queues) => {
                        let mut out = Outgoing::new(hw, &mut receiver.addresses, queues, switch, &mut port);
                        transmitter.poll(hw, view, &mut out, counts)
                    }
                };
            }
            if may_receive && receives {
                received = receiver.poll(hw, view, &mut port, counts);
            }
            if link.is_up() {
                sent += receiver.ask_for_pause(hw, &mut port, counts);
            }
        }
        if !switch.frames.is_empty() {
            received += if may_receive { receiver.poll_inside(hw, view, switch, counts) } else { 0 };
        }
        if receiver.coalesces() {
            received += receiver.complete(hw, view);
        }
        (received, sent)
    }

    /// Like [`frames`](Self::frames), when queues of virtual functions reach memory of their own.
    #[cold]
    fn frames_of_functions(&mut self, hw: &Hardware, own: &dyn Reach, light: bool) -> (usize, usize) {
        let memories = self.functions.memories();
        if let Some(counts) = &mut self.counts.functions {
            counts.queues = vf::queues(hw);
        }
        // Memory that several functions share is viewed once: its view may hold a lock.
        let address = |memory: &dyn Reach| std::ptr::from_ref(memory).cast::<()>();
        let mut kinds: Vec<&dyn Reach> = vec![own];
        let mut kind_of = [0; vf::FUNCTIONS as usize];
        for (n, memory) in &memories {
            let kind =
                kinds.iter().position(|kind| address(*kind) == address(&**memory)).unwrap_or(kinds.len());
            if kind == kinds.len() {
                kinds.push(&**memory);
            }
            kind_of[*n as usize] = if Behaviour::VfMemory.on() { kind } else { 0 };
        }
        // SAFETY: ARMED-ONLY, promised to `write32` and `start_bus_mastering` of the device and of its functions: what
        // registers and descriptors name is their drivers' to give, and the engine accesses descriptors as words and
        // buffers as bytes.
        let views: Vec<_> = kinds.iter().map(|kind| unsafe { kind.any_view() }).collect();
        let of_function = kind_of.map(|kind| views.get(kind).filter(|_| kind > 0).map(|view| &**view));
        let Some(own) = views.first() else { return (0, 0) };
        self.frames(hw, &Memories::new(hw, &**own, &of_function), light)
    }

    /// The time until something happens without an access or a frame.
    pub(super) fn rest(&self, hw: &Hardware, mut watch: impl FnMut(BorrowedFd<'_>) -> bool) -> Duration {
        let mut rest = Wakes::NEVER.within;
        if let Some(wire) = &self.wire {
            let wakes = wire.wakes();
            rest = wakes.within;
            if wakes.readable.is_some_and(|file| !watch(file)) {
                rest = rest.min(Wakes::SOON.within);
            }
        }
        if let Some(due) = self.interrupts.due(hw).into_iter().chain(self.functions.due()).min() {
            rest = rest.min(due.saturating_sub(hw.now()));
        }
        if let Some(due) = self.receiver.pause.due().into_iter().chain(self.receiver.coalescing.due(hw)).min()
        {
            // Work that is overdue waits for something else: for a link, or for bus mastering.
            let left = due.checked_sub(hw.now()).filter(|left| !left.is_zero());
            rest = rest.min(left.unwrap_or(Wakes::SOON.within));
        }
        rest.min(self.link.comes_up_in(hw))
    }

    /// Updates counters and raises interrupts for what a poll did.
    pub(super) fn report(&mut self, hw: &Hardware) {
        self.counts.flush(&hw.regs);
        let rx = std::mem::take(&mut self.receiver.touched);
        let urgent = std::mem::take(&mut self.receiver.urgent);
        if urgent != 0 {
            self.interrupts.hurry(hw, urgent);
        }
        let tx = std::mem::take(&mut self.transmitter.touched);
        self.interrupts.queues(hw, rx, tx);
        if hw.vfs.load(Ordering::Relaxed) != 0 {
            self.functions.queues(hw, rx, tx);
        }
        if std::mem::take(&mut self.receiver.missed) && Behaviour::MissCause.on() {
            self.interrupts.raise(hw, 0, receive::MISSED);
        }
    }

    /// Ends the transmit side of the wire when software wants that and nothing is left to send.
    fn end_transmit(&mut self, hw: &Hardware) {
        if self.closing && !self.closed_transmit && !self.transmitter.is_pending(hw) {
            if let Some(wire) = &mut self.wire {
                wire.close_transmit();
            }
            self.closed_transmit = true;
        }
    }

    /// Nothing was received: checks whether the input has ended.
    fn look_for_end(&mut self, input_ended: &AtomicBool) {
        let ended = self.wire.as_mut().is_none_or(|wire| wire.ended() && wire.front().is_none());
        input_ended.store(
            ended
                && self.receiver.is_empty()
                && self.loopback.frames.is_empty()
                && self.switch.frames.is_empty(),
            Ordering::Release,
        );
    }

    /// Flushes the wire's buffers, so that a capture can be followed while it grows.
    pub(super) fn flush(&mut self) {
        if let Some(wire) = self.wire.as_mut().filter(|_| self.driven)
            && let Err(error) = wire.flush()
        {
            // The wire keeps its first error; the program that opened it can read it there.
            tracing::debug!(%error, "flushing the wire");
        }
    }
}

/// Memory of any kind. The code that works on it is compiled once for each kind.
pub(super) trait Reach: Send + Sync {
    fn frames(&self, engine: &mut Engine, hw: &Hardware, light: bool) -> (usize, usize);

    /// A view of the memory as it is now.
    ///
    /// # Safety
    /// As for [`Dma::view`].
    unsafe fn any_view(&self) -> Box<dyn DmaView + '_>;
}

impl<M: Dma> Reach for M {
    fn frames(&self, engine: &mut Engine, hw: &Hardware, light: bool) -> (usize, usize) {
        // SAFETY: ARMED-ONLY, promised to `write32` and `start_bus_mastering`: what registers and descriptors name is
        // the driver's to give, and the engine accesses descriptors as words and buffers as bytes.
        let view = unsafe { self.view() };
        engine.frames(hw, &view, light)
    }

    unsafe fn any_view(&self) -> Box<dyn DmaView + '_> {
        // SAFETY: as the caller promises.
        Box::new(unsafe { self.view() })
    }
}
