//! Serves a PCI device that copies memory, see `device.rs`:
//!
//! ```text
//! cargo run -p ixy-vfio-user --example copier -- serve /tmp/copier.sock &
//! cargo run -p ixy-vfio-user --example copier --release -- measure /tmp/copier.sock
//! ```
//!
//! QEMU 11 passes it to a virtual machine with `-object memory-backend-memfd,id=mem,size=512M,share=on -M
//! q35,memory-backend=mem -device
//! '{"driver":"vfio-user-pci","socket":{"type":"unix","path":"/tmp/copier.sock"}}'`.

#![allow(missing_docs, unreachable_pub, dead_code, clippy::print_stdout)] // an example

mod device;

use std::error::Error;
use std::path::Path;
use std::time::{Duration, Instant};

use ixy_regs::bus::Bus;
use ixy_vfio_user::client::{Client, VfioUserBus};
use ixy_vfio_user::message::pci;
use ixy_vfio_user::server::{Listener, ServerLimits, Stop};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["serve", path] => serve(Path::new(path)),
        ["measure", path] => measure(Path::new(path)),
        _ => Err("usage: copier serve PATH | copier measure PATH".into()),
    }
}

fn serve(path: &Path) -> Result<(), Box<dyn Error>> {
    let (server, mut device) = device::copier(ServerLimits::default())?;
    let listener = Listener::bind(path)?;
    println!("serving {}", path.display());
    server.serve(&listener, &mut device, &Stop::new()?)?;
    Ok(())
}

/// Prints the time of register accesses: the median of many rounds, since other programs run, too.
fn measure(path: &Path) -> Result<(), Box<dyn Error>> {
    const ROUND: u32 = 1000;
    let client = Client::connect(path)?;
    let (bar, page) = (VfioUserBus::new(&client, pci::BAR0)?, VfioUserBus::new(&client, 2)?);
    let time = |name: &str, work: &dyn Fn()| {
        let mut rounds: Vec<Duration> = (0..31)
            .map(|_| {
                let start = Instant::now();
                (0..ROUND).for_each(|_| work());
                start.elapsed() / ROUND
            })
            .collect();
        rounds.sort();
        println!("{name:34} {:>9.3?} (fastest round {:.3?})", rounds[rounds.len() / 2], rounds[0]);
    };
    // SAFETY: BUS-WINDOW: both windows have 4,096 bytes; writes to scratch registers start nothing.
    time("32-bit read by message", &|| _ = std::hint::black_box(unsafe { bar.read32(0x20) }));
    // SAFETY: as above.
    time("32-bit write, posted", &|| unsafe { bar.write32(0x20, 7) });
    // The posted writes are all done when a read returns.
    // SAFETY: as above.
    time("32-bit write and read", &|| unsafe {
        bar.write32(0x20, 7);
        std::hint::black_box(bar.read32(0x20));
    });
    // SAFETY: as above.
    time("32-bit read of a mapped area", &|| _ = std::hint::black_box(unsafe { page.read32(0x20) }));
    if let Some(error) = client.lost() {
        return Err(error.to_string().into());
    }
    Ok(())
}
