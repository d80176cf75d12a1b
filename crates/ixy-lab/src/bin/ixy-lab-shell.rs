//! A machine with two pairs of virtio devices, each connected to its other, and a shell in it.

use std::{process::ExitCode, time::Duration};

use ixy_lab::{Backend, Error, Interface, Machine, Nic, Parts, Programs};

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
    let (parts, programs) = (Parts::find()?, Programs::build()?);
    eprintln!(
        "The devices of the first pair are legacy ones, those of the second modern; `poweroff -f` ends the machine."
    );
    Machine::new(Duration::MAX)
        .nic(Nic::virtio("a", Interface::Legacy, Backend::Hub(0)))
        .nic(Nic::virtio("b", Interface::Legacy, Backend::Hub(0)))
        .nic(Nic::virtio("c", Interface::Modern, Backend::Hub(1)))
        .nic(Nic::virtio("d", Interface::Modern, Backend::Hub(1)))
        .module("virtio_net")
        .shell(&parts, &programs)
}
