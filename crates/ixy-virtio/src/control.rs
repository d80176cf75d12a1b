//! The control queue, which carries commands to the device (section 5.1.6.5).

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use ixy_core::MacAddress;
use ixy_dma::DmaSlice;
use ixy_regs::bus::Bus;
use ixy_regs::virtio::net::control::{self, Command};

use crate::card::Card;
use crate::error::Error;
use crate::queue::{Plan, Running};
use crate::ring::Part;

/// Longest time that a command takes, and the pause between two checks whether it is done.
const COMMAND: Duration = Duration::from_secs(1);
const POLL: Duration = Duration::from_micros(20);

/// Bytes of the longest command: class, command, and an address.
const LONGEST: usize = 8;
/// The byte in the place of the answer before the device writes it: no valid answer.
const NO_ANSWER: u8 = 0xFF;

/// The control queue. One command is in flight at a time.
pub(crate) struct Control<B: Bus> {
    /// `None` only while it is being dropped.
    queue: Option<Running<B>>,
    /// Whether a command got no answer. The device may still answer it, so no other command can be sent.
    dead: bool,
    card: Arc<Card<B>>,
}

impl<B: Bus> Control<B> {
    /// The control queue, which is queue `number`.
    pub(crate) fn plan(card: &Card<B>, number: u16) -> Result<Plan, Error> {
        Plan::for_control(card, number, 2 * LONGEST)
    }

    /// Sets up the queue as planned, in `memory`.
    pub(crate) fn start(
        card: &Arc<Card<B>>,
        plan: &Plan,
        memory: &mut impl Iterator<Item = DmaSlice>,
    ) -> Result<Self, Error> {
        Ok(Self { queue: Some(plan.start(card, memory)?), dead: false, card: Arc::clone(card) })
    }

    /// Section 5.1.6.5.1: receive frames to any address.
    pub(crate) fn set_promiscuous(&mut self, on: bool) -> Result<(), Error> {
        self.command("set promiscuous mode", control::RX_PROMISC, &[on.into()])
    }

    /// Section 5.1.6.5.1: receive all multicast frames.
    pub(crate) fn set_all_multicast(&mut self, on: bool) -> Result<(), Error> {
        self.command("receive all multicast frames", control::RX_ALLMULTI, &[on.into()])
    }

    /// Section 5.1.6.5.2: set the device's address.
    pub(crate) fn set_mac(&mut self, mac: MacAddress) -> Result<(), Error> {
        self.command("set its MAC address", control::MAC_ADDR_SET, &mac.0)
    }

    /// Section 5.1.6.5.6: set the number of queue pairs in use.
    pub(crate) fn set_queue_pairs(&mut self, pairs: u16) -> Result<(), Error> {
        self.command("use several queue pairs", control::MQ_VQ_PAIRS_SET, &pairs.to_le_bytes())
    }

    /// Sends the device a command and waits for its answer.
    fn command(&mut self, what: &'static str, command: Command, data: &[u8]) -> Result<(), Error> {
        let device = || self.card.name.clone();
        self.card.check()?;
        let timeout =
            |status| Error::Timeout { device: device(), what, section: "5.1.6.5", limit: COMMAND, status };
        let Some(Running { ring, doorbell, extra: Some(memory) }) = &mut self.queue else { return Ok(()) };
        if self.dead {
            return Err(timeout(self.card.transport.status()));
        }
        let mut bytes = [0; LONGEST];
        let len = 2 + data.len().min(LONGEST - 2);
        bytes[..2].copy_from_slice(&[command.class, command.command]);
        bytes[2..len].copy_from_slice(&data[..len - 2]);
        let [text, answer] = [&memory.words()[0], &memory.words()[1]];
        text.store(u64::from_ne_bytes(bytes), Ordering::Relaxed);
        answer.store(u64::from_ne_bytes([NO_ANSWER; 8]), Ordering::Relaxed);
        let part = |offset, len, written| Part { iova: memory.iova().offset(offset), len, written };
        let ack = part(LONGEST as u64, 1, true);
        // SAFETY: ARMED-ONLY: the memory is the queue's, and is used for one command at a time.
        let added = unsafe {
            if self.card.header_with_data() {
                ring.add([part(0, len as u32, false), ack])
            } else {
                ring.add([part(0, 2, false), part(2, len as u32 - 2, false), ack])
            }
        };
        if added.is_some() && ring.publish() {
            // SAFETY: ARMED-ONLY: as above.
            unsafe { doorbell.ring() };
        }
        let end = Instant::now() + COMMAND;
        loop {
            // Read the clock before the ring, so that a thread that overslept still checks once more.
            let late = Instant::now() >= end;
            match ring.used() {
                Ok(Some(_)) => break,
                Ok(None) if !late => std::thread::sleep(POLL),
                Ok(None) => {
                    self.dead = true;
                    self.card.check()?;
                    return Err(timeout(self.card.transport.status()));
                }
                Err(fault) => {
                    self.dead = true;
                    let (device, queue) = (device(), "control queue".to_owned());
                    self.card.fail(&queue, fault);
                    return Err(Error::Broken { device, queue, fault });
                }
            }
        }
        match answer.load(Ordering::Relaxed).to_ne_bytes()[0] {
            control::OK => Ok(()),
            ack => Err(Error::Refused { device: device(), what, ack }),
        }
    }
}

impl<B: Bus> Drop for Control<B> {
    /// Hands its memory to `Card`, which frees it once the device has stopped.
    fn drop(&mut self) {
        if let Some(running) = self.queue.take() {
            self.card.keep(Box::new((running.ring, running.extra)));
        }
    }
}
