//! Memory as a device without an IOMMU sees it: `hugepages 2M 3000000` allocates 3,000,000 bytes in hugepages of 2
//! MiB and prints the device's address of each part, and its length. `any` in place of `2M` takes pages of 2 MiB,
//! or a part of one of 1 GiB where there are too few of those. It needs root and free hugepages.
//!
//! The tests of `ixy-lab` run it in a virtual machine, where they set the number of hugepages.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program that prints")]

use std::error::Error;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use ixy_dma::{DmaDomain, PageSize, PhysicalDomain};

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("hugepages: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [page, size] = &arguments[..] else { return Err("usage: hugepages 2M|1G|any BYTES".into()) };
    let domain = match page.as_str() {
        "2M" => PhysicalDomain::new(PageSize::Mib2),
        "1G" => PhysicalDomain::new(PageSize::Gib1),
        "any" => PhysicalDomain::default(),
        other => return Err(format!("{other} is no size of hugepages: write 2M, 1G or any").into()),
    };
    let size = size.parse().map_err(|error| format!("{size} is no number of bytes: {error}"))?;

    let memory = Arc::new(domain).allocate(size)?;
    for segment in memory.segments() {
        println!("{:#x} {:#x}", segment.iova.0, segment.len);
    }
    // The last word can be used as well as the first.
    for slice in memory.cut(&[8, size.saturating_sub(16) / 8 * 8, 8], 8)? {
        let Some(word) = slice.words().first() else { continue };
        word.store(slice.iova().0, Ordering::Relaxed);
        assert_eq!(word.load(Ordering::Relaxed), slice.iova().0, "a word keeps what is written");
    }
    Ok(())
}
