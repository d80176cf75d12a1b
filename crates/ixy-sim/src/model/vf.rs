//! Virtual functions: the state of each, and its register window (sections 7.10.2 and 8.3).

use std::sync::atomic::Ordering;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use ixy_regs::ixgbe::fields::{EICR, EITR, GCR_EXT, GPIE, RXDCTL, STATUS, TXDCTL};
use ixy_regs::ixgbe::vf::{self, VFCTRL, VFSTATUS};

use super::behaviour::Behaviour;
use super::engine::{Engine, Reach};
use super::faults::Fault;
use super::interrupt::{self, Irq};
use super::mailbox::{MESSAGE_WORDS, Mailbox};
use super::names::{self, mask, rx, tx};
use super::statistics::FunctionCounts;
use super::{Hardware, Nic82599};
use crate::dma::{Dma, DmaView};

/// Largest number of virtual functions of a port, and of pools.
pub(crate) const FUNCTIONS: u32 = 64;
/// Interrupt vectors of a function, and how many of them have a throttle.
const VECTORS: u8 = 3;
const THROTTLES: usize = 2;

/// The register at an offset of the window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Nothing,
    /// A register that only virtual functions have, or that they see differently from the physical function.
    Own,
    /// A register of a receive queue, by its offset in the physical function's block of queue 0.
    Receive(u32, u32),
    Transmit(u32, u32),
    /// A word of the mailbox's buffer.
    Message(u32),
    SplitType,
    /// A register of the physical function that can be read here, too.
    Shown(u32),
}

/// The register at each word of the window.
static PLACES: LazyLock<Box<[Place]>> = LazyLock::new(|| {
    let mut places: Box<[Place]> = (0..vf::WINDOW / 4).map(|_| Place::Nothing).collect();
    let receive = vf::find("VFRDBAL").map_or(0, |register| register.spans[0].base);
    let transmit = vf::find("VFTDBAL").map_or(0, |register| register.spans[0].base);
    for register in vf::all() {
        for (n, offset) in (0..).zip(register.spans.iter().flat_map(|span| span.offsets())) {
            let inside = |base: u32| (offset - base) % 0x40;
            let place = match register.name {
                name if name.starts_with("VFRD")
                    || matches!(name, "VFDCA_RXCTRL" | "VFSRRCTL" | "VFRXDCTL" | "VFRSCCTL") =>
                {
                    Place::Receive(n, names::RDBAL + inside(receive))
                }
                name if name.starts_with("VFTD") || matches!(name, "VFDCA_TXCTRL" | "VFTXDCTL") => {
                    Place::Transmit(n, names::TDBAL + inside(transmit))
                }
                "VFMBMEM" => Place::Message(n),
                "VFPSRTYPE" => Place::SplitType,
                "VFLINKS" => Place::Shown(names::LINKS),
                "VFFRTIMER" => Place::Shown(names::FRTIMER),
                "VFRXMEMWRAP" => Place::Shown(names::RXMEMWRAP),
                _ => Place::Own,
            };
            if let Some(word) = places.get_mut((offset / 4) as usize) {
                *word = place;
            }
        }
    }
    places
});

/// The number of queues of each direction in a virtual function: 2, 4 or 8 with 64, 32 or 16 functions; none when
/// virtualization is off (GCR_EXT.VT_MODE, section 8.2.3.4.12).
pub(crate) fn queues(hw: &Hardware) -> u32 {
    match GCR_EXT::VT_MODE.read(hw.regs.load(names::GCR_EXT)) {
        3 => 2,
        2 => 4,
        1 => 8,
        _ => 0,
    }
}

/// The queues that may do DMA: a virtual function's by its own bus mastering, the others by the device's.
pub(crate) fn dma_queues(hw: &Hardware) -> u128 {
    let mut all = if hw.mastering.load(Ordering::Acquire) { u128::MAX } else { 0 };
    let (plugged, mastering) = (hw.vfs.load(Ordering::Acquire), hw.vf_mastering.load(Ordering::Acquire));
    let queues = queues(hw);
    if !Behaviour::VfMastering.on() {
        return all;
    }
    for n in (0..FUNCTIONS).filter(|n| plugged >> n & 1 == 1 && (n + 1) * queues <= ixy_regs::ixgbe::QUEUES) {
        let own = ((1_u128 << queues) - 1) << (n * queues);
        all = if mastering >> n & 1 == 1 { all | own } else { all & !own };
    }
    all
}

/// Whether a queue belongs to a virtual function that is plugged in.
pub(crate) fn owns(hw: &Hardware, queue: u32) -> bool {
    let function = queue.checked_div(queues(hw)).filter(|n| *n < FUNCTIONS);
    function.is_some_and(|n| hw.vfs.load(Ordering::Relaxed) >> n & 1 == 1)
}

/// The bit of function or pool `n` in a pair of registers; `register` gives their offsets.
pub(crate) fn bit_of(hw: &Hardware, register: fn(u32) -> u32, n: u32) -> bool {
    hw.regs.load(register(n / 32)) >> (n % 32) & 1 == 1
}

/// A virtual function of a [`Nic82599`], as its driver sees it: with its own register window, queues that reach
/// memory of its own, three interrupt vectors, and a mailbox to the driver of the physical function.
///
/// The device's [`poll`](Nic82599::poll) does its work. Dropping it unplugs it: its queues stop first.
#[derive(Debug)]
pub struct Vf {
    nic: Arc<Nic82599>,
    n: u32,
}

impl Vf {
    /// Size of its register window in bytes.
    pub const WINDOW: u32 = vf::WINDOW;
    /// Number of its interrupt vectors.
    pub const VECTORS: u32 = VECTORS as u32;

    /// Its number among the device's functions, from 0 on.
    pub fn number(&self) -> u32 {
        self.n
    }

    /// The device that it belongs to.
    pub fn device(&self) -> &Arc<Nic82599> {
        &self.nic
    }

    /// Reads 32 bits at `offset` of the register window, as software does. An offset that is not a multiple of
    /// four, or lies outside the window, reads all ones.
    pub fn read32(&self, offset: u32) -> u32 {
        let hw = &self.nic.hw;
        if hw.faults.any() && hw.faults.is(Fault::Gone) {
            return u32::MAX;
        }
        match self.place(offset) {
            None => u32::MAX,
            Some(Place::Nothing) => 0,
            Some(Place::Own) => self.nic.act(|engine| engine.read_function(hw, self.n, offset)),
            Some(place) => self.shared(place).map_or(0, |offset| self.nic.read32(offset)),
        }
    }

    /// Writes 32 bits at `offset`, as software does. An offset that is not a multiple of four, or lies outside the
    /// window, has no effect.
    ///
    /// # Safety
    /// ARMED-ONLY, as for [`Nic82599::write32`], with the memory that this function reaches.
    pub unsafe fn write32(&self, offset: u32, value: u32) {
        let hw = &self.nic.hw;
        if hw.faults.any() && hw.faults.is(Fault::Gone) {
            return;
        }
        match self.place(offset) {
            None | Some(Place::Nothing | Place::Shown(_)) => {}
            Some(Place::Own) => self.nic.act(|engine| engine.write_function(hw, self.n, offset, value)),
            Some(place) => {
                if let Some(offset) = self.shared(place) {
                    // SAFETY: ARMED-ONLY, as the caller promises: the queue is one of this function.
                    unsafe { self.nic.write32(offset, value) };
                }
            }
        }
    }

    fn place(&self, offset: u32) -> Option<Place> {
        PLACES.get((offset / 4) as usize).filter(|_| offset.is_multiple_of(4)).copied()
    }

    /// The offset of a register of this function in the window of the physical function.
    fn shared(&self, place: Place) -> Option<u32> {
        let queue = |n: u32| {
            let queues = queues(&self.nic.hw);
            // A function beyond the number of pools has no queues either.
            let queue = self.n * queues + n;
            let own = n < queues || !Behaviour::VfOwnQueuesOnly.on();
            (own && queue < ixy_regs::ixgbe::QUEUES && Behaviour::VfQueues.on()).then_some(queue)
        };
        Some(match place {
            Place::Receive(n, register) => rx(register, queue(n)?),
            Place::Transmit(n, register) => tx(register, queue(n)?),
            Place::Message(n) => names::pfmbmem(self.n * MESSAGE_WORDS + n),
            Place::SplitType => names::psrtype(self.n),
            Place::Shown(offset) if Behaviour::VfStatus.on() => offset,
            Place::Shown(_) | Place::Nothing | Place::Own => return None,
        })
    }

    /// Switches its bus mastering off: its queues do no DMA, whatever the physical function's setting is.
    pub fn stop_bus_mastering(&self) {
        self.nic.act(|_| self.nic.hw.vf_mastering.fetch_and(!(1 << self.n), Ordering::AcqRel));
    }

    /// Switches its bus mastering on.
    ///
    /// # Safety
    /// ARMED-ONLY: every one of its queues that is enabled reaches only memory that its driver has given to it.
    pub unsafe fn start_bus_mastering(&self) {
        self.nic.act(|_| self.nic.hw.vf_mastering.fetch_or(1 << self.n, Ordering::AcqRel));
    }

    /// Whether it is on. The end of all virtual functions switches it off, too.
    #[cfg(feature = "serve")]
    pub(crate) fn is_bus_mastering(&self) -> bool {
        self.nic.hw.vf_mastering.load(Ordering::Acquire) >> self.n & 1 == 1
    }

    /// Does a function level reset, as its configuration space asks for (section 4.2.2.2): the same as VFCTRL.RST,
    /// and bus mastering goes off.
    pub fn reset(&self) {
        let hw = &self.nic.hw;
        self.nic.act(|engine| {
            hw.vf_mastering.fetch_and(!(1 << self.n), Ordering::AcqRel);
            engine.reset_function(hw, self.n);
        });
    }
}

impl Drop for Vf {
    fn drop(&mut self) {
        self.reset();
        let hw = &self.nic.hw;
        self.nic.act(|engine| {
            hw.vfs.fetch_and(!(1 << self.n), Ordering::AcqRel);
            engine.functions.unplug(self.n);
        });
    }
}

impl Nic82599 {
    /// Plugs in virtual function `n`, below 64: the part of this device that a virtual machine may own. Its queues
    /// reach `memory`, which may be the device's own, and its interrupts go to `irq`. Its bus mastering is off.
    ///
    /// `None` when there is no such function, or it is plugged in already.
    pub fn vf(self: &Arc<Self>, n: u32, memory: Arc<impl Dma + 'static>, irq: Box<dyn Irq>) -> Option<Vf> {
        let bit = 1_u64.checked_shl(n)?;
        let hw = &self.hw;
        let free = self.act(|engine| {
            let free = hw.vfs.fetch_or(bit, Ordering::AcqRel) & bit == 0;
            if free {
                engine.functions.plug(n, Plug { memory, irq: irq.into() });
                engine.counts.functions.get_or_insert_default();
            }
            free
        });
        free.then(|| Vf { nic: Arc::clone(self), n })
    }
}

impl Nic82599 {
    /// Sets the number of virtual functions that the SR-IOV capability in configuration space enables; 0 disables
    /// them. STATUS shows it (section 8.2.3.1.2). Plugged-in functions stay, but disabling them is a function
    /// level reset of each (section 4.2.2.2).
    pub fn set_vfs(&self, count: u32) {
        let count = count.min(FUNCTIONS);
        if self.hw.wanted_vfs.swap(count, Ordering::AcqRel) == count {
            return;
        }
        self.act(|engine| {
            show_wanted(&self.hw);
            let gone = if count == 0 && Behaviour::IovDisableResets.on() { FUNCTIONS } else { 0 };
            for n in (0..gone).filter(|n| self.hw.vfs.load(Ordering::Acquire) >> n & 1 == 1) {
                self.hw.vf_mastering.fetch_and(!(1 << n), Ordering::AcqRel);
                engine.reset_function(&self.hw, n);
            }
        });
    }
}

/// Shows in STATUS the number of virtual functions wanted, also after a reset.
pub(crate) fn show_wanted(hw: &Hardware) {
    if !Behaviour::IovStatus.on() {
        return;
    }
    let count = hw.wanted_vfs.load(Ordering::Acquire);
    let value = STATUS::NUM_VFS.val(count) + STATUS::IOV_ACTIVE.val(u32::from(count > 0));
    hw.regs.store(names::STATUS, value.modify(hw.regs.load(names::STATUS)));
}

/// The surroundings of a function: its memory and interrupts.
struct Plug {
    memory: Arc<dyn Reach>,
    irq: Arc<dyn Irq>,
}

/// The virtual functions of a device.
pub(crate) struct Functions {
    functions: Box<[Function]>,
    /// Functions with vectors to raise once the engine is unlocked.
    raised: u64,
}

#[derive(Default)]
struct Function {
    plug: Option<Plug>,
    mailbox: Mailbox,
    interrupts: Interrupts,
}

/// The interrupts of a function: each cause is a vector (section 8.3).
#[derive(Debug, Default)]
struct Interrupts {
    pending: u8,
    enabled: u8,
    auto_clear: u8,
    auto_mask: u8,
    /// Causes whose message waits for the throttle.
    held: u8,
    queues: [u32; 4],
    mailbox: u32,
    throttles: [u32; THROTTLES],
    quiet: [Duration; THROTTLES],
    /// Registers without an effect: VTRSCINT.
    coalesced: [u32; 2],
    raised: u8,
}

const CAUSES: u8 = (1 << VECTORS) - 1;

impl Interrupts {
    fn raise(&mut self, hw: &Hardware, causes: u8) {
        let new = causes & CAUSES & !self.pending;
        self.pending |= causes & CAUSES;
        self.fire(hw, new & self.enabled);
    }

    fn fire(&mut self, hw: &Hardware, causes: u8) {
        if !Behaviour::VfInterrupts.on() {
            return;
        }
        let mut sent = 0;
        for vector in (0..VECTORS).filter(|vector| causes >> vector & 1 == 1) {
            if self.may_send(hw, vector) {
                sent |= 1 << vector;
            } else {
                self.held |= 1 << vector;
            }
        }
        self.raised |= sent;
        if Behaviour::VfAutoClear.on() {
            self.pending &= !(sent & self.auto_clear);
        }
        if GPIE::EIAME.is_set(hw.regs.load(names::GPIE)) && Behaviour::VfAutoMask.on() {
            self.enabled &= !(sent & self.auto_mask);
        }
    }

    /// Whether the throttle of `vector` passes a message now. The third vector has none.
    fn may_send(&mut self, hw: &Hardware, vector: u8) -> bool {
        let Some(throttle) = self.throttles.get(usize::from(vector)) else { return true };
        let interval = interrupt::UNIT * EITR::ITR_INTERVAL.read(*throttle);
        if interval.is_zero() || self.raised >> vector & 1 == 1 || !Behaviour::VfThrottle.on() {
            return true;
        }
        let quiet = &mut self.quiet[usize::from(vector) % THROTTLES];
        let now = hw.now();
        let lets = now >= *quiet;
        if lets {
            *quiet = now + interval;
        }
        lets
    }

    fn tick(&mut self, hw: &Hardware) {
        if self.held != 0 {
            let held = std::mem::take(&mut self.held);
            self.fire(hw, held & self.pending & self.enabled);
        }
    }

    fn due(&self) -> Option<Duration> {
        let held = self.quiet.iter().enumerate().filter(|(vector, _)| self.held >> vector & 1 == 1);
        held.map(|(_, quiet)| *quiet).min()
    }

    fn read(&mut self, offset: u32) -> Option<u32> {
        Some(match offset {
            VTEICR if !Behaviour::VfCausesClearOnRead.on() => u32::from(self.pending),
            VTEICR => u32::from(std::mem::take(&mut self.pending)),
            VTEICS => u32::from(self.pending),
            VTEIMS => u32::from(self.enabled),
            VTEIMC => 0,
            VTEIAC => u32::from(self.auto_clear),
            VTEIAM => u32::from(self.auto_mask),
            VTIVAR_MISC => self.mailbox,
            _ => *self.element(offset)?,
        })
    }

    /// The element at `offset`, for registers that are arrays.
    fn element(&mut self, offset: u32) -> Option<&mut u32> {
        let inside = |base: u32| (offset.checked_sub(base)? / 4).try_into().ok();
        let tables: [(u32, &mut [u32]); 3] =
            [(VTIVAR, &mut self.queues), (VTEITR, &mut self.throttles), (VTRSCINT, &mut self.coalesced)];
        tables.into_iter().find_map(|(base, table)| table.get_mut::<usize>(inside(base)?))
    }

    fn write(&mut self, hw: &Hardware, offset: u32, value: u32) {
        let causes = value as u8 & CAUSES;
        match offset {
            VTEICR => self.pending &= !causes,
            VTEICS => self.raise(hw, causes),
            VTEIMS => {
                let new = causes & !self.enabled;
                self.enabled |= causes;
                self.fire(hw, new & self.pending);
            }
            VTEIMC => self.enabled &= !causes,
            VTEIAC => self.auto_clear = causes,
            VTEIAM => self.auto_mask = causes,
            VTIVAR_MISC => self.mailbox = value & 0x83,
            _ => {
                let kept = if (VTIVAR..VTIVAR + 16).contains(&offset) { 0x8383_8383 } else { u32::MAX };
                if let Some(word) = self.element(offset) {
                    *word = value & kept;
                }
                if let Some(quiet) =
                    offset.checked_sub(VTEITR).and_then(|at| self.quiet.get_mut(at as usize / 4))
                    && !EITR::CNT_WDIS.is_set(value)
                {
                    *quiet = Duration::ZERO;
                }
                self.tick(hw);
            }
        }
    }
}

/// Offsets in the window, by the datasheet's names.
// Every panic here happens at compile time.
#[allow(clippy::panic)]
mod offset {
    use ixy_regs::ixgbe::vf;
    macro_rules! offsets {
        ($($name:ident),* $(,)?) => { $(
            pub(super) const $name: u32 = match vf::find(stringify!($name)) {
                Some(register) => register.spans[0].base,
                None => panic!("ixy-regs has no such register"),
            };
        )* };
    }
    offsets! {
        VFCTRL, VFSTATUS, VTEICR, VTEICS, VTEIMS, VTEIMC, VTEIAC, VTEIAM, VTEITR, VTIVAR, VTIVAR_MISC, VTRSCINT,
        VFMAILBOX, VFGPRC, VFGPTC, VFGORC_LSB, VFGORC_MSB, VFGOTC_LSB, VFGOTC_MSB, VFMPRC,
    }
}
use offset::{VTEIAC, VTEIAM, VTEICR, VTEICS, VTEIMC, VTEIMS, VTEITR, VTIVAR, VTIVAR_MISC, VTRSCINT};

impl Functions {
    pub(crate) fn new() -> Self {
        Self { functions: (0..FUNCTIONS).map(|_| Function::default()).collect(), raised: 0 }
    }

    fn plug(&mut self, n: u32, plug: Plug) {
        if let Some(function) = self.functions.get_mut(n as usize) {
            function.plug = Some(plug);
        }
    }

    fn unplug(&mut self, n: u32) {
        if let Some(function) = self.functions.get_mut(n as usize) {
            function.plug = None;
        }
    }

    /// The functions that are plugged in, by number.
    fn plugged(&mut self) -> impl Iterator<Item = (u32, &mut Function)> {
        (0..).zip(&mut self.functions).filter(|(_, function)| function.plug.is_some())
    }

    pub(crate) fn mailbox(&mut self, n: u32) -> Option<&mut Mailbox> {
        self.functions.get_mut(n as usize).map(|function| &mut function.mailbox)
    }

    /// Raises the mailbox interrupt of function `n`.
    pub(crate) fn ring(&mut self, hw: &Hardware, n: u32) {
        let Some(function) = self.functions.get_mut(n as usize) else { return };
        let entry = function.interrupts.mailbox;
        if entry & 0x80 != 0 {
            function.interrupts.raise(hw, 1 << (entry & 3));
            self.note(n);
        }
    }

    /// Remembers that function `n` may have raised vectors.
    fn note(&mut self, n: u32) {
        if self.functions.get(n as usize).is_some_and(|function| function.interrupts.raised != 0) {
            self.raised |= 1 << n;
        }
    }

    /// Frames were received or sent on queues: raises the causes that VTIVAR maps them to.
    pub(crate) fn queues(&mut self, hw: &Hardware, received: u128, sent: u128) {
        let queues = queues(hw);
        if queues == 0 {
            return;
        }
        let own = (1_u128 << queues) - 1;
        let mut raised = 0;
        for (n, function) in self.plugged() {
            let shift = n * queues;
            if shift >= ixy_regs::ixgbe::QUEUES {
                break;
            }
            let mut causes = 0;
            for (touched, tx) in [(received >> shift & own, 0), (sent >> shift & own, 1)] {
                for queue in (0..queues).filter(|queue| touched >> queue & 1 == 1) {
                    let word = function.interrupts.queues[queue as usize / 2 % 4];
                    let entry = word >> (16 * (queue % 2) + 8 * tx);
                    if entry & 0x80 != 0 {
                        causes |= 1 << (entry & 3);
                    }
                }
            }
            function.interrupts.raise(hw, causes);
            raised |= u64::from(function.interrupts.raised != 0) << n;
        }
        self.raised |= raised;
    }

    /// Time has passed.
    pub(crate) fn tick(&mut self, hw: &Hardware) {
        let mut raised = 0;
        for (n, function) in self.plugged() {
            function.interrupts.tick(hw);
            raised |= u64::from(function.interrupts.raised != 0) << n;
        }
        self.raised |= raised;
    }

    /// The time at which an interrupt that a throttle holds back is due.
    pub(crate) fn due(&self) -> Option<Duration> {
        self.functions.iter().filter_map(|function| function.interrupts.due()).min()
    }

    /// Takes the vectors to raise now, each with its receiver.
    pub(crate) fn take_raised(&mut self) -> Vec<(Arc<dyn Irq>, u32)> {
        let mut all = Vec::new();
        while self.raised != 0 {
            let n = self.raised.trailing_zeros();
            self.raised &= self.raised - 1;
            let Some(function) = self.functions.get_mut(n as usize) else { continue };
            let raised = std::mem::take(&mut function.interrupts.raised);
            let Some(plug) = &function.plug else { continue };
            let vectors = (0..VECTORS).filter(|vector| raised >> vector & 1 == 1);
            all.extend(vectors.map(|vector| (Arc::clone(&plug.irq), u32::from(vector))));
        }
        all
    }

    /// The memory of each function that has its own.
    pub(crate) fn memories(&self) -> Vec<(u32, Arc<dyn Reach>)> {
        let plugs = (0..).zip(&self.functions);
        plugs.filter_map(|(n, function)| Some((n, Arc::clone(&function.plug.as_ref()?.memory)))).collect()
    }

    /// The physical function was reset, and with it all of its functions (section 4.2.1).
    pub(crate) fn reset(&mut self) {
        for function in &mut self.functions {
            function.mailbox.reset();
            function.interrupts = Interrupts { raised: function.interrupts.raised, ..Interrupts::default() };
        }
    }
}

impl Engine {
    fn read_function(&mut self, hw: &Hardware, n: u32, offset: u32) -> u32 {
        let Some(function) = self.functions.functions.get_mut(n as usize) else { return u32::MAX };
        let counts = self.counts.functions.as_deref().filter(|_| Behaviour::VfStatistics.on());
        let count =
            |value: fn(&FunctionCounts, usize) -> u64| counts.map_or(0, |counts| value(counts, n as usize));
        match offset {
            offset::VFCTRL => 0,
            offset::VFSTATUS if Behaviour::VfStatus.on() => {
                let status = hw.regs.load(names::STATUS);
                (VFSTATUS::LAN_ID.val(STATUS::LAN_ID.read(status))
                    + VFSTATUS::LINK_UP.val(STATUS::LINK_UP.read(status))
                    + VFSTATUS::GIO.val(STATUS::GIO.read(status)))
                .modify(0)
            }
            offset::VFMAILBOX => function.mailbox.read(hw, n),
            offset::VFGPRC => count(|counts, n| counts.received[n].packets) as u32,
            offset::VFGORC_LSB => count(|counts, n| counts.received[n].bytes) as u32,
            offset::VFGORC_MSB => (count(|counts, n| counts.received[n].bytes) >> 32) as u32 & 0xf,
            offset::VFMPRC => count(|counts, n| counts.multicast[n]) as u32,
            offset::VFGPTC => count(|counts, n| counts.sent[n].packets) as u32,
            offset::VFGOTC_LSB => count(|counts, n| counts.sent[n].bytes) as u32,
            offset::VFGOTC_MSB => (count(|counts, n| counts.sent[n].bytes) >> 32) as u32 & 0xf,
            _ => function.interrupts.read(offset).unwrap_or(0),
        }
    }

    fn write_function(&mut self, hw: &Hardware, n: u32, offset: u32, value: u32) {
        match offset {
            offset::VFCTRL => {
                if VFCTRL::RST.is_set(value) {
                    self.reset_function(hw, n);
                }
            }
            offset::VFMAILBOX => self.write_vf_mailbox(hw, n, value),
            _ => {
                if let Some(function) = self.functions.functions.get_mut(n as usize) {
                    function.interrupts.write(hw, offset, value);
                    self.functions.note(n);
                }
            }
        }
    }

    /// Resets one function, by itself or by its configuration space (sections 4.2.2.2 and 4.2.2.3): its queues
    /// stop until the physical function permits them again, and its interrupts are as after power on. Other
    /// registers of its queues keep their values.
    fn reset_function(&mut self, hw: &Hardware, n: u32) {
        if !Behaviour::VfReset.on() {
            return;
        }
        tracing::debug!(n, "reset of a virtual function (section 4.2.2)");
        let queues = queues(hw);
        let first = n * queues;
        for queue in (first..first + queues).filter(|queue| *queue < ixy_regs::ixgbe::QUEUES) {
            for (offset, enable) in [
                (rx(names::RXDCTL, queue), mask(RXDCTL::ENABLE)),
                (tx(names::TXDCTL, queue), mask(TXDCTL::ENABLE)),
            ] {
                let value = hw.regs.load(offset) & !enable;
                self.write(hw, offset, value);
            }
        }
        if let Some(function) = self.functions.functions.get_mut(n as usize) {
            function.interrupts = Interrupts { raised: function.interrupts.raised, ..Interrupts::default() };
        }
        self.release_vf_mailbox(hw, n);
        if Behaviour::VfResetBlocks.on() {
            hw.regs.assign(names::pfvfre(n / 32), 1 << (n % 32), false);
            hw.regs.assign(names::pfvfte(n / 32), 1 << (n % 32), false);
        }
        if Behaviour::VfResetReported.on() {
            hw.regs.assign(names::pfvflre(n / 32), 1 << (n % 32), true);
            self.interrupts.raise(hw, 0, mask(EICR::MAILBOX));
        }
    }
}

/// The memory that each queue reaches: that of its function, or else the device's.
pub(crate) struct Memories<'a> {
    own: &'a dyn DmaView,
    /// By function; empty in entries of such a list.
    functions: Vec<Option<Memories<'a>>>,
    /// Queues in a function.
    queues: u32,
}

impl<'a> Memories<'a> {
    pub(crate) fn new(hw: &Hardware, own: &'a dyn DmaView, functions: &[Option<&'a dyn DmaView>]) -> Self {
        let one = |own: &&'a dyn DmaView| Self { own: *own, functions: Vec::new(), queues: 0 };
        let functions = functions.iter().map(|view| view.as_ref().map(one)).collect();
        Self { own, functions, queues: queues(hw) }
    }
}

impl DmaView for Memories<'_> {
    fn of_queue(&self, queue: u32) -> &Self {
        let function = queue.checked_div(self.queues).and_then(|n| self.functions.get(n as usize)?.as_ref());
        function.unwrap_or(self)
    }

    fn read(&self, iova: ixy_dma::Iova, into: &mut [u8]) -> bool {
        self.own.read(iova, into)
    }

    fn write(&self, iova: ixy_dma::Iova, bytes: &[u8]) -> bool {
        self.own.write(iova, bytes)
    }

    fn load64(&self, iova: ixy_dma::Iova) -> Option<u64> {
        self.own.load64(iova)
    }

    fn store64(&self, iova: ixy_dma::Iova, value: u64) -> bool {
        self.own.store64(iova, value)
    }

    fn store32(&self, iova: ixy_dma::Iova, value: u32) -> bool {
        self.own.store32(iova, value)
    }

    fn words(&self, iova: ixy_dma::Iova, count: usize) -> Option<&[std::sync::atomic::AtomicU64]> {
        self.own.words(iova, count)
    }
}
