//! Waiting for frames: [`Idle`], and the flags [`Waiting`] for it.

use std::time::Duration;

use ixy::{RxQueue, WaitMode, Waiter};

use crate::flags::{duration, number};

/// Flags of programs that receive: what a thread does while nothing arrives.
#[derive(Debug, Clone, clap::Args)]
pub struct Waiting {
    /// While no packets arrive: poll, interrupt or adaptive
    ///
    /// poll keeps a processor busy, interrupt sleeps until the card interrupts, and adaptive polls for the time of
    /// --idle before it sleeps. A network card can interrupt only through VFIO.
    #[arg(long, value_name = "HOW", value_enum, default_value_t = How::Poll, hide_possible_values = true)]
    wait: How,
    /// With --wait adaptive: how long to poll before sleeping
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "200us", hide_short_help = true)]
    idle: Duration,
    /// Most interrupts per second and queue, 0 for no limit; virtio devices have no such limit
    #[arg(long, value_name = "N", default_value_t = 20_000, value_parser = number::<u32>(0..=1_000_000),
        hide_short_help = true)]
    interrupt_rate: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum How {
    Poll,
    Interrupt,
    Adaptive,
}

impl Waiting {
    /// Adds interrupts to the options for opening devices, if they are needed.
    pub fn of(&self, options: ixy::Options) -> ixy::Options {
        let interrupts = (self.wait != How::Poll).then_some(self.interrupt_rate);
        options.interrupts(interrupts)
    }

    /// The waiter of a thread that alone serves `queues`. If it cannot sleep on them, it logs that and polls.
    pub fn idle<'a, 'q: 'a>(&self, queues: impl IntoIterator<Item = &'a mut (dyn RxQueue + 'q)>) -> Idle {
        let mode = match self.wait {
            How::Poll => WaitMode::Poll,
            How::Interrupt => WaitMode::Interrupt,
            How::Adaptive => WaitMode::Adaptive(self.idle),
        };
        Idle(Waiter::new(mode, queues).unwrap_or_else(|error| {
            tracing::warn!(%error, "a thread polls instead");
            Waiter::default()
        }))
    }
}

/// Counts the passes of a thread's loop without work. After many in a row it yields the processor, or sleeps. By
/// default it never sleeps. A busy loop never yields its processor.
#[derive(Debug, Default)]
pub struct Idle(Waiter);

impl Idle {
    /// Call this after each pass, with the number of packets that it moved, and with the queues to sleep on, each
    /// with the number of packets that still wait to be sent for it: see [`Waiter::after`]. Returns whether there
    /// is time for other work.
    #[inline(always)]
    pub fn after<'a, 'q: 'a>(
        &mut self,
        moved: usize,
        queues: impl IntoIterator<Item = (&'a mut (dyn RxQueue + 'q), usize)>,
    ) -> bool {
        self.0.after(moved, queues)
    }
}

impl Drop for Idle {
    fn drop(&mut self) {
        let (slept, overslept) = (self.0.slept(), self.0.overslept());
        if slept > 0 {
            tracing::info!(slept, overslept, "a thread waited");
        }
    }
}
