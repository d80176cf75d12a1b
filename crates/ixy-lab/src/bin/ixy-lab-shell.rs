//! A machine with software 82599s and virtio devices, and a shell in it; or just its file system, as a file.

use std::{env, fs, process::ExitCode, time::Duration};

use ixy_lab::{Backend, Error, Interface, Machine, Nic, Parts, Programs, Server, Tool};

const WELCOME: &str = "
This machine has three software Intel 82599s and two virtio devices. ixy-serve, outside of the machine, runs the 82599s.
  01:00.0 and 02:00.0  82599s with a cable between them
  03:00.0              an 82599 that frames flood
  00:02.0 and 04:00.0  virtio devices, a legacy and a modern one, with a cable between them
Try:
  ixy-info                                               the devices, and what each still needs
  ixy-dump 03:00.0 --count 3 -w - | hexdump -C           three frames of the flood, as a capture
  ifconfig eth1 promisc up; sleep 4; ixy-pktgen 01:00.0 --count 1000; sleep 1; ifconfig eth1
                                                         Linux's own driver, on 02:00.0, receives what ours sends
                                                         on 01:00.0: RX packets
  ixy-fwd 03:00.0 01:00.0 --duration 5; ifconfig eth1    ours forwards the flood to it: RX packets
  ethtool -S eth1 | grep rx_pkts_nic                     the card's own count of what it received
`poweroff -f` ends the machine.
";

/// The welcome of the machine in README files, which a user gives one card.
const WELCOME_ALONE: &str = "
`ixy-info` lists this machine's devices; `ip link` has the interface of the kernel's driver; `poweroff -f` ends it.
";

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Error> {
    let (parts, programs) = (Parts::find()?, Programs::build_for_people()?);
    // The kernel names interfaces in the order of the modules.
    let machine = Machine::new(Duration::MAX).module("ixgbe").module("virtio_net").tool(Tool::Ethtool);
    if let Some(image) = env::args_os().nth(1) {
        return fs::write(&image, machine.image(&parts, &programs, WELCOME_ALONE)?)
            .map_err(|source| Error::Io { path: image.into(), source });
    }
    let server = Server::start(&programs, &[("a", None), ("b", None), ("c", Some("flood"))])?;
    ["a", "b", "c"]
        .iter()
        .fold(machine, |machine, name| machine.nic(Nic::served(*name, &server.socket(name))))
        .nic(Nic::virtio("d", Interface::Legacy, Backend::Peer("e".into())))
        .nic(Nic::virtio("e", Interface::Modern, Backend::Peer("d".into())))
        .shell(&parts, &programs, WELCOME)
}
