//! Tests in virtual machines: the project's programs drive devices that other projects wrote.
//!
//! A test describes a [`Machine`] with network devices ([`Nic`]), boots it, and sends its [`Guest`] scripts: a
//! shell in the guest runs them, and their output and exit status come back over a serial port. The other end of
//! each device is a [`Port`] in the test, so the test is the wire: it sends frames, takes the frames that the
//! device sends, and checks them. Alternatively a [`Cable`] carries frames from one port to another and counts
//! them.
//!
//! ```no_run
//! use std::time::Duration;
//! use ixy_lab::{Backend, Interface, Machine, Nic, Parts, Programs, forwarded};
//!
//! let machine = Machine::new(Duration::from_secs(120))
//!     .nic(Nic::virtio("a", Interface::Legacy, Backend::Test))
//!     .nic(Nic::virtio("b", Interface::Modern, Backend::Test).options("packed=on"));
//! let mut guest = machine.boot(&Parts::find()?, &Programs::build()?)?;
//! let (a, b) = (guest.address("a")?, guest.address("b")?);
//! guest.run(&format!("ixy-fwd {a} {b} >log 2>&1 & sleep 3"))?;
//! forwarded(&guest.port("a")?, &guest.port("b")?, 0, 10_000, Duration::from_secs(60))?;
//! # Ok::<(), ixy_lab::Error>(())
//! ```
//!
//! Machines run in QEMU, in software unless the processor's virtualisation works here. So rates mean nothing:
//! tests check what arrives, not how fast. Everything has a time limit, and a machine ends with the [`Guest`],
//! with the thread that booted it, and with the test. `scripts/vm prepare` downloads the parts of machines;
//! nothing here downloads.

mod archive;
mod cable;
mod error;
mod guest;
mod image;
mod machine;
mod modules;
mod nic;
mod parts;
mod permit;
mod port;
mod programs;
mod server;
mod tool;

pub use cable::{Cable, Count, drain, forwarded, numbered};
pub use error::Error;
pub use guest::Guest;
pub use machine::Machine;
pub use nic::{Backend, Interface, Nic};
pub use parts::Parts;
pub use port::Port;
pub use programs::Programs;
pub use server::Server;
pub use tool::Tool;
