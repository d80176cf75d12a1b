//! Typed register maps and descriptor layouts of network cards.
//!
//! A driver talks to a card by reading and writing registers, small numbered places in a window of addresses. A
//! datasheet of a thousand pages describes their effects, and a wrong access may compile, run, and overwrite
//! memory. Here every register of a card is declared once, in one line, with its offset, width, fields and access
//! rights. From that line come an accessor with a type that permits only what the datasheet permits, and a table
//! row for tools.
//!
//! # How it works
//!
//! - [`bus::Bus`] is the access to a device. [`bus::Mmio`] is registers mapped into memory; a simulator or a
//!   socket can implement the same trait, and a driver does not notice.
//! - [`registers!`] turns declarations into a map, such as [`ixgbe::Registers`]. The window's size is checked once, when the
//!   map is made, and each offset at compile time, so an access costs one load or store.
//! - [`access`] defines the allowed accesses of each kind of register: a read-only one has no `set`, a statistic
//!   that clears when it is read has `take` instead of `get`, and a register through which the device reaches
//!   memory has unsafe write methods only.
//! - [`map::Register::decode`] prints a value field by field, with the datasheet's names: `LINK_SPEED=0x3(SPEED_10G)`.
//! - [`window::Window`] is a part of a bus as a bus of its own, for devices with several structures in one BAR.
//! - [`ixgbe`] is the map of the Intel 82599, with its descriptors.
//! - [`igb`] is the map of the Intel 82576, with its descriptors. Many of its registers have the names of the
//!   82599's, but other offsets or bits.
//! - [`virtio`] has the maps of virtio network devices, legacy and modern, their feature bits and rings.
//!
//! # Example
//!
//! ```
//! use ixy_regs::bus::Bus;
//! use ixy_regs::ixgbe::{FCTRL, LINKS, Registers};
//! use ixy_regs::map::WindowTooSmall;
//!
//! /// Accepts all packets, and says whether the link is up and how many packets were missed since the last call.
//! fn watch<B: Bus>(bus: B) -> Result<(bool, u64), WindowTooSmall> {
//!     let regs = Registers::new(bus)?;
//!     regs.fctrl().modify(FCTRL::MPE::SET + FCTRL::UPE::SET + FCTRL::BAM::SET);
//!     let missed = regs.mpc().iter().map(|counter| u64::from(counter.take().get())).sum();
//!     Ok((regs.links().is_set(LINKS::LINK_UP), missed))
//! }
//! # // A window of memory in place of a device.
//! # use std::sync::atomic::AtomicU32;
//! # let memory: Vec<AtomicU32> = (0..0x8000).map(|_| AtomicU32::new(2)).collect();
//! # let base = std::ptr::NonNull::from(memory.as_slice()).cast();
//! # let mmio = unsafe { ixy_regs::bus::Mmio::new(base, 0x20000) };
//! # assert_eq!(watch(mmio), Ok((false, 16)));
//! ```
//!
//! Virtio devices have their registers in structures anywhere in a BAR; each gets a [`window::Window`]. The page of
//! [`virtio`] shows that.
//!
//! # Accesses that do not compile
//!
//! Writing a read-only register:
//!
//! ```compile_fail
//! # use ixy_regs::{bus::Bus, ixgbe::*};
//! fn wrong<B: Bus>(regs: Registers<B>) { regs.links().set(0) }
//! ```
//!
//! Reading a write-only register:
//!
//! ```compile_fail
//! # use ixy_regs::{bus::Bus, ixgbe::*};
//! fn wrong<B: Bus>(regs: Registers<B>) -> u32 { regs.corectl().get() }
//! ```
//!
//! Reading a statistic without taking it:
//!
//! ```compile_fail
//! # use ixy_regs::{bus::Bus, ixgbe::*};
//! fn wrong<B: Bus>(regs: Registers<B>) -> u32 { regs.gprc().get() }
//! ```
//!
//! Giving descriptors to the device in safe code:
//!
//! ```compile_fail
//! # use ixy_regs::{bus::Bus, ixgbe::*};
//! fn wrong<B: Bus>(queue: RxQueue<B>) { queue.rdt().set_dma(7) }
//! ```
//!
//! Notifying a virtio device of new buffers in safe code:
//!
//! ```compile_fail
//! # use ixy_regs::{bus::Bus, virtio::modern::*};
//! fn wrong<B: Bus>(doorbell: Notify<B>) { doorbell.ring(0) }
//! ```
//!
//! Using a field of another register:
//!
//! ```compile_fail
//! # use ixy_regs::{bus::Bus, ixgbe::*};
//! fn wrong<B: Bus>(regs: Registers<B>) -> u32 { regs.ctrl().read(FCTRL::BAM) }
//! ```
//!
//! And one that does:
//!
//! ```
//! # use ixy_regs::{bus::Bus, ixgbe::*};
//! fn right<B: Bus>(regs: Registers<B>, queue: RxQueue<B>) -> u32 {
//!     // SAFETY: ARMED-ONLY: the descriptors before 7 hold addresses of buffers that belong to this ring.
//!     unsafe { queue.rdt().set_dma(7) };
//!     regs.corectl().set(0);
//!     regs.gprc().take().get() + regs.links().get() + regs.ctrl().read(CTRL::RST)
//! }
//! ```
#![no_std]

pub mod access;
pub mod bus;
pub mod decoded;
// Before the devices: its macros declare their descriptors.
#[macro_use]
pub mod descriptor;
pub mod igb;
pub mod ixgbe;
pub mod map;
pub mod virtio;
pub mod window;
