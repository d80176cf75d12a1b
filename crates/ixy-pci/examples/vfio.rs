//! Shows VFIO on an Intel 82574 (QEMU's e1000e) that is bound to vfio-pci: interrupts of each kind, which the card
//! raises itself, and an IOMMU that stops the card at memory that is no longer mapped. With two cards: memory that
//! both reach, each in its own container. With an 82576 (igb), which can be reset through its configuration space:
//! that reset.
//!
//! ```text
//! cargo run -p ixy-pci --example vfio -- 0000:03:00.0
//! cargo run -p ixy-pci --example vfio -- 0000:03:00.0 0000:04:00.0
//! ```
//!
//! It needs such a card and an IOMMU: the tests of `ixy-lab` run it in virtual machines that have both.
#![allow(clippy::print_stdout, reason = "a program for the terminal")]

use std::error::Error;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::sleep;
use std::time::Duration;

use ixy_dma::{BusMaster, DmaDomain, DmaSlice, VfioDomains};
use ixy_pci::{BarBus, Candidate, Device, DeviceId, InterruptKind, Supported, Sysfs, WhenInUse};
use ixy_regs::bus::Bus;

const IDS: [DeviceId; 2] = [DeviceId::new(0x8086, 0x10D3), DeviceId::new(0x8086, 0x10C9)];
const CARD: Supported<'_> = Supported { driver: "vfio", ids: &IDS, bar: 0, bar_len: 0x2_0000 };

/// Registers of the 82574 (its datasheet, 10.2).
mod register {
    /// Interrupt Cause Read: reading it clears it.
    pub(super) const ICR: u32 = 0xC0;
    /// Interrupt Cause Set: raises causes.
    pub(super) const ICS: u32 = 0xC8;
    /// Interrupt Mask Set: unmasks causes.
    pub(super) const IMS: u32 = 0xD0;
    /// Interrupt Mask Clear.
    pub(super) const IMC: u32 = 0xD8;
    /// Interrupt Vector Allocation: the vectors of the causes RXQ0, TXQ0 and OTHER.
    pub(super) const IVAR: u32 = 0xE4;
    /// Transmit Control; bit 1 is EN.
    pub(super) const TCTL: u32 = 0x400;
    /// The transmit ring: address (64 bits), length, head and tail.
    pub(super) const TDBAL: u32 = 0x3800;
    pub(super) const TDBAH: u32 = 0x3804;
    pub(super) const TDLEN: u32 = 0x3808;
    pub(super) const TDH: u32 = 0x3810;
    pub(super) const TDT: u32 = 0x3818;
}
use register::*;

/// Causes: the link changed; and those of the queues, which have vectors 0 and 1, and all others, which have vector 2.
const LSC: u32 = 1 << 2;
const QUEUES: [u32; 3] = [1 << 20, 1 << 22, 1 << 24];
/// Vectors with their valid bits.
const ALLOCATION: u32 = 0x8 | 0x9 << 8 | 0xA << 16;

fn main() -> Result<(), Box<dyn Error>> {
    let mut cards = Vec::new();
    let mut containers = VfioDomains::apart();
    for address in std::env::args().skip(1) {
        let found = Candidate::find(&Sysfs::default(), address.parse()?, &mut containers)?;
        cards.push(found.open(&CARD, WhenInUse::Refuse)?);
    }
    for card in &cards {
        let again = Candidate::find(&Sysfs::default(), card.address(), &mut containers)?;
        println!("{}", again.open(&CARD, WhenInUse::Refuse).err().ok_or("a card was had twice")?);
        reset(card)?;
        // Messages are writes to memory.
        // SAFETY: ARMED-ONLY: what the card reaches is what is mapped in this program's domain, and it was just reset.
        unsafe { card.enable() }?;
    }
    match &cards[..] {
        [device] if device.info().id == IDS[1] => Ok(()),
        [device] => {
            for kind in [InterruptKind::MsiX, InterruptKind::Msi, InterruptKind::Pin] {
                interrupts(device, kind)?;
            }
            let most = device.interrupts(64)?;
            println!("64 vectors wanted: {} of {}", most.len(), most.kind());
            let twice = device.interrupts(1).err().ok_or("the interrupts were had twice")?;
            println!("{twice}");
            drop(most);
            stray(device)
        }
        [one, other] => shared(one, other),
        _ => Err("which device, or which two? name the address, such as 0000:03:00.0".into()),
    }
}

/// Shows that a reset clears earlier writes: those of another program before the card was taken, and this one's.
fn reset(device: &Device) -> Result<(), Box<dyn Error>> {
    let bus = device.bus();
    println!("the ring of whoever had the card before: {:#x}", read(bus, TDBAL));
    write(bus, TDBAL, 0x1000);
    let (before, done) = (read(bus, TDBAL), device.reset()?);
    println!("reset: {done}, and {before:#x} became {:#x}", read(bus, TDBAL));
    write(bus, TDBAL, 0x2000);
    Ok(())
}

fn write(bus: &BarBus, register: u32, value: u32) {
    // SAFETY: BUS-WINDOW: all registers above are multiples of four below 0x2_0000. The card reaches memory through its
    // IOMMU only.
    unsafe { bus.write32(register, value) }
}

fn read(bus: &BarBus, register: u32) -> u32 {
    // SAFETY: BUS-WINDOW: as for `write`.
    unsafe { bus.read32(register) }
}

/// The number of events within a while.
fn events(vector: &OwnedFd) -> u64 {
    let mut count = [0; 8];
    for _ in 0..50 {
        if rustix::io::read(vector, &mut count).is_ok() {
            return u64::from_ne_bytes(count);
        }
        sleep(Duration::from_millis(10));
    }
    0
}

/// Discards earlier events. The card may be slow to interrupt once more for a cause that is gone.
fn settle(vectors: &[OwnedFd]) {
    sleep(Duration::from_millis(50));
    for vector in vectors {
        let _ = rustix::io::read(vector, &mut [0; 8]);
    }
}

/// Makes the card raise each vector of a kind, and none after they are switched off.
fn interrupts(device: &Device, kind: InterruptKind) -> Result<(), Box<dyn Error>> {
    let bus = device.bus();
    let mut interrupts = device.interrupts_of(kind, 3)?;
    let vectors = interrupts.take_vectors();
    write(bus, IMC, !0);
    read(bus, ICR);
    write(bus, IVAR, ALLOCATION);
    let causes = if kind == InterruptKind::MsiX { &QUEUES[..] } else { &[LSC] };
    if vectors.len() != causes.len() {
        return Err(format!("{} vectors of {kind}", vectors.len()).into());
    }
    for (number, &cause) in causes.iter().enumerate() {
        settle(&vectors);
        write(bus, IMS, cause);
        write(bus, ICS, cause);
        let counts: Vec<u64> = vectors.iter().map(events).collect();
        if counts.iter().enumerate().any(|(n, &count)| (count > 0) != (n == number)) {
            return Err(
                format!("vector {number} of {kind} was to be raised, and events are {counts:?}").into()
            );
        }
        println!("{kind}: cause {cause:#x} raised vector {number} alone");
        if kind == InterruptKind::Pin {
            // Still asserted, and masked by the kernel.
            if events(&vectors[0]) > 0 {
                return Err("the pin interrupted while it was masked".into());
            }
            interrupts.unmask()?;
            println!("{kind}: unmasked with its cause still there: {}", events(&vectors[0]));
            read(bus, ICR);
            interrupts.unmask()?;
            println!("{kind}: unmasked without: {}", events(&vectors[0]));
            write(bus, ICS, cause);
            println!("{kind}: and raised again: {}", events(&vectors[0]));
        } else {
            read(bus, ICR);
            settle(&vectors);
            write(bus, ICS, cause);
            println!("{kind}: raised again without being unmasked: {}", events(&vectors[number]).min(1));
        }
        write(bus, IMC, !0);
        read(bus, ICR);
    }
    drop(interrupts);
    settle(&vectors);
    write(bus, IMS, causes[0]);
    write(bus, ICS, causes[0]);
    println!("{kind}: switched off: {}", events(&vectors[0]));
    write(bus, IMC, !0);
    read(bus, ICR);
    Ok(())
}

/// Writes a descriptor of a frame to `ring`, announces it, and returns whether the card finished it.
fn sent(device: &Device, ring: &DmaSlice, frame: &DmaSlice) -> bool {
    const END_OF_PACKET: u64 = 1 << 24;
    const REPORT_STATUS: u64 = 1 << 27;
    const DONE: u64 = 1 << 32;
    let (bus, at) = (device.bus(), ring.iova());
    ring.words()[0].store(frame.iova().0, Ordering::Relaxed);
    ring.words()[1].store(60 | END_OF_PACKET | REPORT_STATUS, Ordering::Release);
    write(bus, TCTL, 0);
    let ring_registers =
        [(TDBAL, at.0 as u32), (TDBAH, (at.0 >> 32) as u32), (TDLEN, 4096), (TDH, 0), (TDT, 0)];
    ring_registers.iter().for_each(|&(register, value)| write(bus, register, value));
    write(bus, TCTL, 2);
    write(bus, TDT, 1);
    (0..20).any(|_| {
        sleep(Duration::from_millis(10));
        ring.words()[1].load(Ordering::Acquire) & DONE != 0
    })
}

/// Makes the card fetch a descriptor from a mapped ring, and again after the ring is unmapped.
fn stray(device: &Device) -> Result<(), Box<dyn Error>> {
    let domain = Arc::new(device.vfio_domain().ok_or("no VFIO")?);
    let slices = domain.allocate(8192)?.cut(&[4096, 4096], 128)?;
    let at = slices[0].iova();
    println!("a descriptor at {at} was done: {}", sent(device, &slices[0], &slices[1]));
    drop(slices);
    println!("what was at {at} is freed, and the card told to go on");
    write(device.bus(), TDT, 2);
    sleep(Duration::from_millis(200));
    device.disable()?;
    Ok(())
}

/// Makes both cards fetch descriptors from memory mapped for both, and from memory mapped for the first alone.
fn shared(one: &Device, other: &Device) -> Result<(), Box<dyn Error>> {
    let domain = |device: &Device| device.vfio_domain().map(Arc::new).ok_or("no VFIO");
    let (first, second) = (domain(one)?, domain(other)?);
    println!("{} and {}", first.name(), second.name());
    let own = Arc::clone(&first).allocate(8192)?.cut(&[4096, 4096], 128)?;
    // Memory of one card does not hinder the other.
    let _ring = Arc::clone(&second).allocate(8192)?;
    let mut memory = first.allocate(8192)?;
    let second: Arc<dyn DmaDomain> = second;
    memory.map_into(&second)?;
    let both = memory.cut(&[4096, 4096], 128)?;
    for (slices, what) in [(&both, "shared"), (&own, "the first card's")] {
        let at = slices[0].iova();
        for card in [one, other] {
            println!(
                "a descriptor at {at}, {what}, was done by {}: {}",
                card.address(),
                sent(card, &slices[0], &slices[1])
            );
        }
    }
    one.disable()?;
    other.disable()?;
    Ok(())
}
