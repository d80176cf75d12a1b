//! Reading registers without taking the device.

use std::fs;
use std::os::unix::fs::FileExt;

use ixy_pci::{Bar, BarKind, Error, Inspection};

use crate::tree::{Tree, address};

const NEEDED: Bar = Bar { number: 0, kind: BarKind::Memory, len: 0x2_0000 };

fn put(tree: &Tree, offset: u64, bytes: &[u8]) {
    let file = fs::File::options().write(true).open(tree.file("resource0")).unwrap();
    file.write_all_at(bytes, offset).unwrap();
}

/// All files of the device with their contents.
fn contents(tree: &Tree) -> Vec<(String, Vec<u8>)> {
    let entries = fs::read_dir(tree.file("")).unwrap().map(|entry| entry.unwrap());
    let files = entries.filter(|entry| entry.file_type().unwrap().is_file());
    let mut all: Vec<_> = files
        .map(|entry| (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap()))
        .collect();
    all.sort();
    all
}

#[test]
fn registers_are_read_and_nothing_is_changed_or_taken() {
    let tree = Tree::with_device();
    tree.bind("ixgbe");
    tree.write("net/eth0/flags", "0x1003\n");
    put(&tree, 0x42A4, &[0x78, 0x56, 0x34, 0x12]);
    let before = contents(&tree);
    let registers = Inspection::open(&tree.sysfs(), address(), NEEDED).unwrap();
    assert_eq!(registers.read(0x42A4, 32), 0x1234_5678);
    assert_eq!(registers.read(0x42A6, 16), 0x1234);
    assert_eq!(registers.read(0x42A5, 8), 0x56);
    assert_eq!(registers.len(), 524_288);
    drop(registers);
    assert!(contents(&tree) == before);
    assert_eq!(tree.unbound("ixgbe"), "");
}

#[test]
fn what_is_no_register_reads_all_ones() {
    let tree = Tree::with_device();
    let registers = Inspection::open(&tree.sysfs(), address(), NEEDED).unwrap();
    for (offset, bits, ones) in [
        (524_288, 32, u32::MAX),
        (524_287, 16, 0xFFFF),
        (2, 32, u32::MAX),
        (1, 16, 0xFFFF),
        (u32::MAX, 8, 0xFF),
        (0, 24, 0xFF_FFFF),
        (0, 0, 0),
        (0, 64, u32::MAX),
    ] {
        assert_eq!(registers.read(offset, bits), ones, "{bits} bits at {offset:#x}");
    }
    assert_eq!(registers.read(524_284, 32), 0);
}

#[test]
fn ports_are_read_through_their_file() {
    let tree = Tree::with_device();
    tree.write("resource", "0xc040 0xc05f 0x40101\n");
    let bar = Bar { number: 0, kind: BarKind::Ports, len: 20 };
    let refused = Inspection::open(&tree.sysfs(), address(), bar).unwrap_err();
    assert!(refused.to_string().contains("command register of 0x0006"), "{refused}");
    tree.poke(4, &[1]);
    put(&tree, 12, &0x1234_u16.to_ne_bytes());
    let ports = Inspection::open(&tree.sysfs(), address(), bar).unwrap();
    assert_eq!(ports.read(12, 16), 0x1234);
    assert_eq!(ports.read(0x20, 8), 0xFF, "outside");
    let refused = Inspection::open(&tree.sysfs(), address(), Bar { kind: BarKind::Memory, ..bar });
    assert!(matches!(refused, Err(Error::BarIsPorts { .. })));
}

#[test]
fn a_device_that_sleeps_or_does_not_answer_is_refused() {
    let tree = Tree::with_device();
    let refused = |tree: &Tree| Inspection::open(&tree.sysfs(), address(), NEEDED).unwrap_err().to_string();
    tree.write("power_state", "D3hot\n");
    assert!(
        refused(&tree).contains("asleep, in the power state D3hot")
            && refused(&tree).contains("power/control")
    );
    tree.write("power_state", "D0\n");
    tree.poke(4, &[0]);
    assert!(refused(&tree).contains("Memory Space"));
    tree.poke(0, &[0xFF; 8]);
    assert!(refused(&tree).contains("does not answer"));
}
