//! Counts the frames of a capture by their EtherType.
//!
//! ```text
//! cargo run -p ixy-pcap --example ethertypes -- in.pcap
//! tcpdump -w - | cargo run -p ixy-pcap --example ethertypes -- -
//! ```
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program that prints")]

use std::collections::BTreeMap;
use std::error::Error;
use std::process::ExitCode;

use ixy_pcap::Frames;

fn name(kind: u16) -> &'static str {
    match kind {
        0..=1500 => "length of an 802.3 frame",
        0x0800 => "IPv4",
        0x0806 => "ARP",
        0x8100 => "VLAN",
        0x86dd => "IPv6",
        0x88cc => "LLDP",
        _ => "other",
    }
}

fn run() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [path] = &arguments[..] else { return Err("usage: ethertypes FILE, or - for standard input".into()) };
    let mut counts = BTreeMap::<u16, (u64, u64)>::new();
    let mut frames = Frames::open(path)?;
    // A damaged capture returns its whole frames and then the error.
    let end = loop {
        match frames.advance() {
            Ok(true) => {}
            Ok(false) => break Ok(()),
            Err(error) => break Err(error),
        }
        let Some(record) = frames.record() else { continue };
        let Some(&[high, low]) = record.data.get(12..14) else { continue };
        let (frames, bytes) = counts.entry(u16::from_be_bytes([high, low])).or_default();
        (*frames, *bytes) = (*frames + 1, *bytes + u64::from(record.original));
    };
    for (kind, (frames, bytes)) in counts {
        println!("{kind:#06x} {frames:10} frames {bytes:14} bytes  {}", name(kind));
    }
    // Records without a frame, and frames that were cut.
    frames.account().iter().for_each(|line| eprintln!("ethertypes: {line}"));
    Ok(end?)
}

fn main() -> ExitCode {
    let Err(error) = run() else { return ExitCode::SUCCESS };
    eprintln!("ethertypes: {error}");
    ExitCode::FAILURE
}
