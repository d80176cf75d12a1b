//! Opening devices, and their properties as a program sees them.
#![cfg(all(feature = "pci", feature = "sim"))]
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

#[cfg(feature = "virtio")]
#[allow(dead_code, reason = "the tests inside of this crate use the rest")]
mod tree;

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use ixy::{Address, Cables, Device, Error, Options};
use ixy_core::Batch;
use ixy_pcap::{Reader, Writer};
use ixy_sim::Fault;

fn addresses(texts: &[&str]) -> Vec<Address> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

fn open(texts: &[&str]) -> Result<Vec<Device>, Error> {
    ixy::open(&addresses(texts), &Options::default())
}

fn refused(texts: &[&str]) -> String {
    open(texts).unwrap_err().to_string()
}

#[test]
fn addresses_are_read_in_one_syntax_and_print_as_they_were_given() {
    for text in
        ["0000:03:00.0", "03:00.0", "sim", "sim:cable=a", "sim:rx=a,,b.pcap,tx=c", "vfio-user:/run/nic"]
    {
        assert_eq!(text.parse::<Address>().unwrap().to_string(), text);
    }
    assert!("sim:".parse::<Address>().is_ok(), "another way to write `sim`");
    for (text, named) in [
        ("", "``"),
        ("eth0", "eth0"),
        ("simulator", "`simulator`"),
        ("sim:color=red", "`color`"),
        ("03:00", "`03:00`"),
        ("sim:rx=a,rx=b", "`rx`"),
        ("SIM", "`SIM`"),
    ] {
        let error = text.parse::<Address>().unwrap_err().to_string();
        assert!(error.contains(named), "{text}: {named} is not in: {error}");
    }
}

#[test]
fn one_device_twice_is_refused_and_two_plain_sims_are_not() {
    assert!(
        refused(&["0000:03:00.0", "sim", "03:00.0"]).contains("03:00.0 and 0000:03:00.0 are the same device")
    );
    assert!(refused(&["sim:tap=x0", "sim:tap=x0"]).contains("same device"));
    assert!(
        refused(&["sim:tx=/none/x", "sim:rx=/none/y,tx=/none/x"]).contains("both write to the same file")
    );
    assert_eq!(open(&["sim", "sim", "sim"]).unwrap().len(), 3);
}

#[test]
fn a_cable_needs_both_its_ends_in_one_call_or_a_set_that_calls_share() {
    assert!(refused(&["sim", "sim:cable=a"]).contains("sim:cable=a is one end of a cable"));
    assert!(refused(&["sim:cable=a", "sim:cable=a", "sim:cable=a"]).contains("two ends already"));
    let joined = open(&["sim:cable=a", "sim:cable=a"]).unwrap();
    assert!(joined[0].wait_for_link(Duration::from_secs(5)).unwrap().up);

    let options = Options::default().cables(&Cables::default());
    let one = ixy::open(&addresses(&["sim:cable=a"]), &options).unwrap();
    let other = ixy::open(&addresses(&["sim:cable=a"]), &options).unwrap();
    assert!(one[0].wait_for_link(Duration::from_secs(5)).unwrap().up);
    assert!(other[0].wait_for_link(Duration::from_secs(5)).unwrap().up);
}

#[test]
fn numbers_that_no_card_has_are_refused_before_anything_is_opened() {
    let file = tempfile::tempdir().unwrap().path().join("out.pcap");
    let sims = addresses(&[&format!("sim:tx={}", file.display())]);
    for options in [
        Options::default().rx_ring(100),
        Options::default().tx_ring(8192),
        Options::default().queues(0),
        Options::default().queues(65),
    ] {
        assert!(matches!(ixy::open(&sims, &options), Err(Error::Options(_))), "{options:?}");
    }
    assert!(!file.exists());
}

/// A tree of files in place of the machine's PCI devices, with one device.
fn sysfs(root: &Path, address: &str, device: u16) -> ixy_pci::Sysfs {
    let directory = root.join("sys/bus/pci/devices").join(address);
    fs::create_dir_all(&directory).unwrap();
    let write = |name: &str, bytes: &[u8]| fs::write(directory.join(name), bytes).unwrap();
    write("vendor", b"0x8086\n");
    write("device", format!("{device:#06x}\n").as_bytes());
    write("class", b"0x020000\n");
    write("resource0", &[0xff; 0x2_0000]);
    write("resource", b"0x00000000f0000000 0x00000000f001ffff 0x0000000000140204\n");
    let mut config = [0; 256];
    config[..2].copy_from_slice(&0x8086_u16.to_le_bytes());
    config[2..4].copy_from_slice(&device.to_le_bytes());
    write("config", &config);
    ixy_pci::Sysfs::new(root)
}

#[test]
fn a_card_that_is_not_ours_is_refused_by_name_and_not_touched() {
    let root = tempfile::tempdir().unwrap();
    let options = Options::default().sysfs(sysfs(root.path(), "0000:03:00.0", 0x15ac));
    let before = fs::read(root.path().join("sys/bus/pci/devices/0000:03:00.0/config")).unwrap();
    let text = ixy::open(&addresses(&["03:00.0"]), &options).unwrap_err().to_string();
    assert!(text.contains("03:00.0") && text.contains("8086:15ac") && text.contains("X550EM"), "{text}");
    assert_eq!(fs::read(root.path().join("sys/bus/pci/devices/0000:03:00.0/config")).unwrap(), before);

    let text = ixy::open(&addresses(&["03:00.1"]), &options).unwrap_err().to_string();
    assert!(text.contains("0000:03:00.1") && text.contains("`lspci -nn` lists what there is"), "{text}");
}

#[test]
fn a_card_whose_interface_is_up_is_left_to_the_kernel() {
    let root = tempfile::tempdir().unwrap();
    let options = Options::default().sysfs(sysfs(root.path(), "0000:03:00.0", 0x10fb));
    let net = root.path().join("sys/bus/pci/devices/0000:03:00.0/net/enp3s0");
    fs::create_dir_all(&net).unwrap();
    fs::write(net.join("flags"), "0x1003\n").unwrap();
    let text = ixy::open(&addresses(&["03:00.0"]), &options).unwrap_err().to_string();
    assert!(text.contains("enp3s0") && text.contains("ip link set") && text.contains("--force"), "{text}");
}

#[test]
fn all_that_a_card_lacks_is_in_one_error_and_nothing_was_changed() {
    let root = tempfile::tempdir().unwrap();
    let options = Options::default().sysfs(sysfs(root.path(), "0000:03:00.0", 0x10fb));
    let device = root.path().join("sys/bus/pci/devices/0000:03:00.0");
    fs::write(device.join("power_state"), "D3hot\n").unwrap();
    let before = fs::read(device.join("config")).unwrap();
    let error = ixy::open(&addresses(&["sim", "03:00.0"]), &options).unwrap_err();
    let text = error.to_string();
    let Error::NotReady { address, missing } = error else { panic!("{text}") };
    assert_eq!((address.as_str(), missing.len()), ("03:00.0", 2));
    assert!(missing[0].what.contains("power state D3hot") && missing[1].what.contains("hugepages"), "{text}");
    assert!(missing.iter().all(|missing| !missing.blocks && text.contains(&missing.to_string())), "{text}");
    assert_eq!(fs::read(device.join("config")).unwrap(), before);
    let info = ixy_pci::Sysfs::new(root.path()).device("03:00.0".parse().unwrap()).unwrap();
    assert_eq!(ixy::missing(&info, &options), missing, "ixy-info says the same");
}

#[test]
fn the_loopback_interface_in_place_of_an_address_is_answered() {
    let text = "lo".parse::<Address>().unwrap_err().to_string();
    let answer = "lo is a network interface of the kernel without a card (the loopback interface)";
    assert!(text.starts_with(answer) && text.contains("sim:tap="), "{text}");
}

/// The error when a virtio device is opened, which stays as it was.
#[cfg(feature = "virtio")]
fn refused_virtio(tree: &tree::Tree) -> String {
    let options = Options::default().sysfs(tree.sysfs());
    let before = tree.read("config");
    let text = ixy::open(&addresses(&["00:03.0"]), &options).unwrap_err().to_string();
    assert_eq!(tree.read("config"), before, "{text}");
    assert!(text.contains("00:03.0"), "{text}");
    text
}

#[cfg(feature = "virtio")]
#[test]
fn a_virtio_device_without_the_capabilities_of_a_modern_one_is_refused() {
    use tree::{COMMON_CAPABILITY, ISR_CAPABILITY, Tree};
    let tree = Tree::modern();
    tree.poke(0x34, &[0]);
    let text = refused_virtio(&tree);
    assert!(text.contains("common configuration") && text.contains("0 vendor capabilities"), "{text}");

    let tree = Tree::modern();
    tree.poke(ISR_CAPABILITY + 1, &[0]);
    let text = refused_virtio(&tree);
    assert!(text.contains("common configuration") && text.contains("4 vendor capabilities"), "{text}");

    // A transitional device without its ports: it has neither interface.
    let tree = Tree::transitional();
    tree.remove_bar(0);
    tree.poke(COMMON_CAPABILITY + 3, &[77]);
    assert!(refused_virtio(&tree).contains("common configuration"));
}

#[cfg(feature = "virtio")]
#[test]
fn a_virtio_device_whose_capability_list_loops_is_refused_for_that() {
    use tree::{DEVICE_CAPABILITY, ISR_CAPABILITY, Tree};
    let tree = Tree::modern();
    tree.poke(ISR_CAPABILITY + 1, &[DEVICE_CAPABILITY]);
    let text = refused_virtio(&tree);
    assert!(
        text.contains("the capability list of 0000:00:03.0 loops") && text.contains("lspci -vv"),
        "{text}"
    );
}

#[cfg(feature = "virtio")]
#[test]
fn a_bar_of_a_virtio_device_that_is_not_there_or_too_small_is_named() {
    use tree::{COMMON_CAPABILITY, DEVICE_CAPABILITY, Tree};
    let tree = Tree::modern();
    tree.remove_bar(4);
    assert!(refused_virtio(&tree).contains("0000:00:03.0 has no BAR 4"));

    let tree = Tree::legacy();
    tree.remove_bar(0);
    assert!(refused_virtio(&tree).contains("0000:00:03.0 has no BAR 0"));

    let tree = Tree::modern();
    tree.structure(DEVICE_CAPABILITY, COMMON_CAPABILITY, 4, 4, 0x3800);
    tree.structure(COMMON_CAPABILITY, tree::ISR_CAPABILITY, 1, 4, 0);
    tree.poke(tree::ISR_CAPABILITY + 1, &[0]);
    let text = refused_virtio(&tree);
    assert!(text.contains("BAR 4 of 0000:00:03.0 is 16384 bytes, the driver virtio needs 18432"), "{text}");
}

#[cfg(feature = "virtio")]
#[test]
fn a_virtio_structure_at_an_odd_place_is_an_error() {
    use tree::{COMMON_CAPABILITY, Tree};
    let tree = Tree::modern();
    tree.structure(COMMON_CAPABILITY, 0, 1, 4, 2);
    let options = Options::default().sysfs(tree.sysfs());
    let text = ixy::open(&addresses(&["00:03.0"]), &options).unwrap_err().to_string();
    assert!(text.contains("00:03.0") && text.contains("common configuration"), "{text}");
    assert!(text.contains("not a multiple of 4"), "{text}");
}

#[cfg(feature = "virtio")]
#[test]
fn a_virtio_device_whose_interface_is_up_is_left_to_the_kernel() {
    for tree in [tree::Tree::legacy(), tree::Tree::transitional(), tree::Tree::modern()] {
        tree.bind(true);
        let text = refused_virtio(&tree);
        assert!(text.contains("eth7") && text.contains("ip link set eth7 down"), "{text}");
        assert!(text.contains("--force"), "{text}");
        assert_eq!(tree.unbound(), "");
    }
}

#[test]
fn a_device_that_no_driver_knows_is_told_what_they_know() {
    let root = tempfile::tempdir().unwrap();
    let options = Options::default().sysfs(sysfs(root.path(), "0000:03:00.0", 0x1001));
    let vendor = root.path().join("sys/bus/pci/devices/0000:03:00.0/vendor");
    fs::write(vendor, "0x1af4\n").unwrap();
    let text = ixy::open(&addresses(&["03:00.0"]), &options).unwrap_err().to_string();
    assert!(text.contains("03:00.0") && text.contains("1af4:1001"), "{text}");
    assert!(text.contains("Intel 82599"), "{text}");
    assert_eq!(text.contains("1af4:1000 and 1af4:1041"), cfg!(feature = "virtio"), "{text}");
}

#[test]
fn a_failure_leaves_nothing_behind() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("out.pcap");
    let tx = format!("sim:tx={}", file.display());
    for other in ["ffff:03:00.0", "sim:rx=/no/such.pcap", "sim:cable=a", "vfio-user:/x"] {
        for order in [[tx.as_str(), other], [other, tx.as_str()]] {
            assert!(open(&order).is_err());
            assert!(!file.exists(), "{order:?}");
        }
    }
}

#[test]
fn devices_opened_together_share_their_packets() {
    let mut devices = open(&["sim", "sim", "sim:loopback"]).unwrap();
    let mut batch = Batch::new(64);
    let mut rx = devices[0].rx_queue(0).unwrap();
    while batch.is_empty() {
        rx.receive(&mut batch);
    }
    for n in [1, 2, 0] {
        let mut tx = devices[n].tx_queue(0).unwrap();
        let mut one = Batch::new(1);
        one.push(batch.pop_front().unwrap()).unwrap();
        assert_eq!((tx.send(&mut one), tx.unreachable()), (1, 0), "device {n}");
    }

    // A device's own pool is for that device.
    let own = devices[0].new_pool(10).unwrap();
    own.allocate_batch(&mut batch, 1);
    let (mut all, mut made) = (Batch::new(64), 0);
    std::mem::swap(&mut batch, &mut all);
    while let Some(packet) = all.pop_front() {
        made += usize::from(own.owns(&packet));
    }
    assert_eq!(made, 1);
}

#[test]
fn a_capture_ends_and_everything_of_it_was_received() {
    let directory = tempfile::tempdir().unwrap();
    let [input, output] = ["in", "out"].map(|name| directory.path().join(name));
    let mut writer = Writer::create(&input, 0).unwrap();
    for n in 0..3000_u32 {
        writer.write(0, &[n.to_be_bytes().as_slice(), &[0; 56]].concat()).unwrap();
    }
    writer.finish().unwrap();

    let tx = format!("sim:tx={}", output.display());
    let mut devices = open(&[&format!("sim:rx={}", input.display()), &tx]).unwrap();
    assert!(devices[1].input_ended() || !devices[0].input_ended());
    let mut rx = devices[0].rx_queue(0).unwrap();
    let mut queue = devices[1].tx_queue(0).unwrap();
    let (mut batch, start, mut received) = (Batch::new(32), Instant::now(), 0);
    while let Some(more) = devices[0].receive(&mut *rx, &mut batch) {
        assert!(start.elapsed() < Duration::from_secs(60), "{received} frames");
        received += more;
        queue.send(&mut batch);
    }
    assert_eq!((devices[1].send_all(&mut *queue, &mut batch), received), (0, 3000));
    drop((rx, queue, batch));
    for device in devices {
        device.close().unwrap();
    }
    let mut reader = Reader::open(&output).unwrap();
    for n in 0..3000_u32 {
        assert_eq!(reader.next_record().unwrap().unwrap().data[..4], n.to_be_bytes());
    }
    assert!(reader.next_record().unwrap().is_none());
}

#[test]
fn a_side_that_sends_nothing_more_ends_the_others_input() {
    let devices = open(&["sim:cable=a", "sim:cable=a"]).unwrap();
    std::thread::sleep(Duration::from_millis(20));
    assert!(!devices[0].input_ended() && !devices[1].input_ended());
    devices[0].close_transmit();
    let start = Instant::now();
    while !devices[1].input_ended() {
        assert!(start.elapsed() < Duration::from_secs(10));
        std::thread::yield_now();
    }
    assert!(!devices[0].input_ended());
}

#[test]
fn a_device_that_is_lost_is_an_error_within_a_limit_and_closes_all_the_same() {
    let mut devices = open(&["sim", "sim"]).unwrap();
    let mut rx = devices[0].rx_queue(0).unwrap();
    let mut tx = devices[0].tx_queue(0).unwrap();
    let mut batch = Batch::new(32);
    while batch.is_empty() {
        rx.receive(&mut batch);
    }
    devices[0].stats().unwrap();
    devices[0].simulated().unwrap().faults().set(Fault::Gone, true);

    let start = Instant::now();
    let text = devices[0].stats().unwrap_err().to_string();
    assert!(text.contains("sim #0 no longer answers") && text.contains("dmesg"), "{text}");
    assert!(devices[0].wait_for_link(Duration::from_secs(1)).is_err());
    for _ in 0..10_000 {
        tx.send(&mut batch);
        rx.receive(&mut batch);
    }
    drop((rx, tx, batch));
    devices[1].stats().unwrap();
    for device in devices {
        device.close().unwrap();
    }
    assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
}

#[test]
fn a_wire_that_fails_is_told_while_it_is_used_and_at_the_end() {
    let directory = tempfile::tempdir().unwrap();
    let input = directory.path().join("in.pcap");
    let mut writer = Writer::create(&input, 0).unwrap();
    writer.write(0, &[0; 60]).unwrap();
    writer.finish().unwrap();
    let bytes = fs::read(&input).unwrap();
    fs::write(&input, &bytes[..bytes.len() - 1]).unwrap();

    let address = format!("sim:rx={}", input.display());
    let mut devices = open(&[&address]).unwrap();
    let start = Instant::now();
    let text = loop {
        assert!(start.elapsed() < Duration::from_secs(10));
        if let Err(error) = devices[0].check() {
            break error.to_string();
        }
    };
    assert!(text.starts_with(&format!("{} is cut off in record 1", input.display())), "{text}");
    assert_eq!(devices.remove(0).close().unwrap_err().to_string(), text);
}

#[test]
fn a_card_with_any_kind_of_module_opens_and_receives() {
    for module in ["sr", "lr", "lrm", "er", "dual", "dac", "active-dac", "1g"] {
        let mut devices = open(&[&format!("sim:module={module}")]).unwrap();
        let (mut queue, mut batch) = (devices[0].rx_queue(0).unwrap(), Batch::new(32));
        let start = Instant::now();
        while queue.receive(&mut batch) == 0 {
            assert!(start.elapsed() < Duration::from_secs(20), "no frame with {module}");
        }
    }
    let text = "sim:module=qsfp".parse::<Address>().unwrap_err().to_string();
    assert!(text.contains("module") && text.contains("active-dac"), "{text}");
}

#[test]
fn a_device_says_what_it_is() {
    let mut devices = open(&["sim", "sim:pause=off"]).unwrap();
    assert_eq!((devices[0].driver(), devices[0].address(), devices[0].queues()), ("ixgbe", "sim", 1));
    assert_eq!(devices[1].address(), "sim:pause=off");
    assert_ne!(devices[0].mac(), devices[1].mac());
    assert!(
        devices[0].rx_queue(0).is_ok() && matches!(devices[0].rx_queue(0), Err(Error::QueueTaken { .. })),
        "each queue is given out once"
    );
    let text = devices[0].rx_queue(1).err().unwrap().to_string();
    assert!(text.starts_with("sim has no receive queue 1: it was opened with 1"), "{text}");
    assert_eq!(format!("{:?}", devices[0]), "Device { address: \"sim\", driver: \"ixgbe\", .. }");
}
