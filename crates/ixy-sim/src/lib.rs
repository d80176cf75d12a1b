//! ixy-sim

mod bus;
mod host;
mod model;
pub mod wire;

pub use bus::{SimBus, SimBusMaster};
pub use host::{PollThread, Sim};
pub use model::{Builder, Fault, Faults, Irq, Nic82599, NoIrq};
