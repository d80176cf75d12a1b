//! ixy-info as a user starts it, on trees of plain files and on software devices.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod tree;

use std::os::unix::fs::PermissionsExt;

use tree::{CARD, Ended, Tree, is_root};

const INFO: &str = env!("CARGO_BIN_EXE_ixy-info");

fn info(tree: &Tree, args: &[&str]) -> String {
    let (code, out, err) = tree.run(INFO, args);
    assert_eq!((code, err.as_str()), (0, ""), "{args:?}: {out}");
    out
}

fn fails(tree: &Tree, args: &[&str], code: i32, words: &[&str]) {
    let (found, out, err) = tree.run(INFO, args);
    assert_eq!((found, out.as_str()), (code, ""), "{args:?}: {err}");
    assert!(err.starts_with("error: ") && err.lines().count() == 1, "{args:?}: {err}");
    for word in words {
        assert!(err.contains(word), "{args:?}: `{word}` is not in: {err}");
    }
}

fn has(text: &str, words: &[&str]) {
    for word in words {
        assert!(text.contains(word), "`{word}` is not in: {text}");
    }
}

/// Runs the program without root's rights, with a limit of locked memory in KiB; a test that runs as root gives up
/// its rights. `last` changes the tree right before.
fn unprivileged(tree: &Tree, memlock: &str, args: &[&str], last: impl FnOnce(&Tree)) -> Option<Ended> {
    tree.unprivileged(INFO, memlock, args, &[], last)
}

#[test]
fn network_controllers_and_known_devices_are_listed_and_nothing_else() {
    let tree = Tree::with_card();
    tree.add("0000:00:1f.2", "0x8086", "0x2922", "0x010601");
    tree.add("0000:04:00.0", "0x8086", "0x15ac", "0x020000");
    tree.add("0000:05:00.0", "0x1af4", "0x1000", "0xff0000");
    tree.add("0000:06:00.0", "0x8086", "0x10c9", "0x020000");
    let before = tree.contents();
    let text = info(&tree, &[]);
    assert!(tree.contents() == before, "nothing is changed");
    assert!(!text.contains("00:1f.2"), "{text}");
    has(
        &text,
        &[
            "0000:03:00.0  Intel 82599ES SFP+ (8086:10fb)\n",
            "  ixy driver  ixy-ixgbe\n",
            "  kernel      ixgbe\n",
            "  interface   eth7 is down\n",
            "  IOMMU       group 12 of type identity\n",
            "0000:04:00.0  network controller (8086:15ac)\n",
            "X550EM",
            "0000:05:00.0  virtio network device (1af4:1000)\n",
            "0000:06:00.0  Intel 82576 (8086:10c9)\n",
            "  ixy driver  ixy-igb\n",
        ],
    );
}

#[test]
fn a_machine_without_cards_is_told_what_works_there() {
    let tree = Tree::new();
    has(&info(&tree, &[]), &["no network card", "ixy-fwd sim sim"]);
    assert_eq!(info(&tree, &["--json"]), "");
}

#[test]
fn an_interface_that_is_up_is_to_be_taken_down() {
    let tree = Tree::with_card();
    tree.interface(CARD, "eth7", true);
    let text = info(&tree, &["03:00.0"]);
    has(&text, &["eth7 is up, with a link at 10000 Mbit/s\n", "missing     its interface eth7 is up ("]);
    has(&text, &["    sudo ip link set eth7 down\n"]);
    tree.write(tree.device(CARD).join("net/eth7/carrier"), "0\n");
    has(&info(&tree, &[CARD]), &["eth7 is up, without a link\n"]);
}

#[test]
fn an_interface_with_the_default_route_is_not_to_be_taken_down() {
    let tree = Tree::with_card();
    tree.interface(CARD, "eth7", true);
    tree.default_route("eth7");
    let text = info(&tree, &[CARD]);
    has(
        &text,
        &["eth7 carries this machine's default route: choose another card", "carries the default route\n"],
    );
    assert!(!text.contains("ip link set"), "{text}");

    // Through a VLAN on a bridge above it, and in the other version of IP.
    let tree = Tree::with_card();
    tree.interface(CARD, "eth7", true);
    tree.write(tree.device(CARD).join("net/eth7/upper_br0/upper_br0.7/flags"), "0x1003\n");
    tree.default_route("br0.7");
    has(&info(&tree, &[CARD]), &["eth7 carries this machine's default route"]);
    let tree = Tree::with_card();
    tree.interface(CARD, "eth7", true);
    let zeros = "0".repeat(32);
    let route = |name| format!("{zeros} 00 {zeros} 00 {zeros} 00000400 00000001 00000000 00000003 {name}\n");
    tree.write("proc/net/ipv6_route", route("lo"));
    has(&info(&tree, &[CARD]), &["sudo ip link set eth7 down"]);
    tree.write("proc/net/ipv6_route", route("lo") + &route("eth7"));
    has(&info(&tree, &[CARD]), &["eth7 carries this machine's default route"]);
}

#[test]
fn an_interface_in_another_namespace_is_suspected() {
    let tree = Tree::with_card();
    std::fs::remove_dir_all(tree.device(CARD).join("net")).unwrap();
    let unbind = "echo 0000:03:00.0 | sudo tee /sys/bus/pci/drivers/ixgbe/unbind";
    has(&info(&tree, &[CARD]), &["another network namespace", unbind]);
}

#[test]
fn hugepages_are_counted_on_the_card_s_node() {
    let tree = Tree::with_card();
    let setup = "    sudo scripts/setup-hugepages --count 3\n";
    has(&info(&tree, &[CARD]), &["hugepages of 2 MiB: 0 are free, 3 are needed\n", setup]);
    tree.hugepages(100);
    assert!(!info(&tree, &[CARD]).contains("hugepages of 2 MiB"));
    // On a machine with a single node the node does not matter.
    tree.write("sys/devices/system/node/online", "0-1\n");
    tree.write(tree.device(CARD).join("numa_node"), "1\n");
    let node = "sys/devices/system/node/node1/hugepages/hugepages-2048kB";
    for file in ["nr_hugepages", "free_hugepages"] {
        tree.write(format!("{node}/{file}"), "1\n");
    }
    let text = info(&tree, &[CARD]);
    has(&text, &["NUMA node   1\n", "1 are free on NUMA node 1, 3 are needed\n"]);
    has(&text, &["sudo scripts/setup-hugepages --node 1 --count 3\n"]);
    if is_root() {
        for file in ["nr_hugepages", "free_hugepages"] {
            tree.write(format!("{node}/{file}"), "100\n");
        }
        has(&info(&tree, &[CARD]), &["missing     nothing\n", "ixy takes it from ixgbe when it opens it"]);
        has(&info(&tree, &[CARD, "--json"]), &["\"ready\":true,\"missing\":[]"]);
    }
}

#[test]
fn without_root_the_rights_of_root_or_vfio_are_missing() {
    let tree = Tree::with_card();
    tree.hugepages(100);
    // The modes of sysfs's files, which root can read.
    let close = |tree: &Tree| {
        let mode = PermissionsExt::from_mode(if is_root() { 0o644 } else { 0o444 });
        std::fs::set_permissions(tree.device(CARD).join("config"), mode).unwrap();
    };
    let Some((code, text, err)) = unprivileged(&tree, "64", &[CARD], close) else { return };
    assert_eq!((code, err.as_str()), (0, ""));
    has(&text, &["the rights of root, for its registers and for physical addresses: run as root\n"]);
    has(&text, &["sudo scripts/bind --user $USER vfio 0000:03:00.0\n"]);
}

#[test]
fn an_iommu_that_blocks_physical_addresses_leads_to_vfio() {
    let tree = Tree::with_card();
    tree.write("sys/kernel/iommu_groups/12/type", "DMA-FQ\n");
    let text = info(&tree, &[CARD]);
    has(&text, &["an IOMMU (of type DMA-FQ) blocks physical addresses", "vfio 0000:03:00.0\n"]);
    assert!(!text.contains("hugepages"), "{text}");
}

#[test]
fn a_device_bound_to_vfio_needs_its_group_and_memory_that_may_be_locked() {
    let tree = Tree::with_card();
    std::fs::remove_dir_all(tree.device(CARD).join("net")).unwrap();
    tree.bind(CARD, "vfio-pci");
    let text = info(&tree, &[CARD]);
    has(&text, &["/dev/vfio/vfio does not exist", "sudo modprobe vfio-pci", "/dev/vfio/12 does not exist"]);
    tree.write("dev/vfio/vfio", "");
    tree.write("dev/vfio/12", "");
    if is_root() {
        has(&info(&tree, &[CARD]), &["missing     nothing\n", "sudo scripts/bind kernel 0000:03:00.0"]);
        // The file belongs to root, and others may only read it.
        let Some((_, text, _)) = unprivileged(&tree, "64", &[CARD], |_| ()) else { return };
        has(
            &text,
            &["permission to open /dev/vfio/12\n", "sudo scripts/bind --user $USER vfio 0000:03:00.0\n"],
        );
        has(&text, &["permission to open /dev/vfio/vfio\n", "sudo chmod 666 /dev/vfio/vfio\n"]);
    }
    let Some((_, text, _)) = unprivileged(&tree, "64", &[CARD], |_| ()) else { return };
    has(
        &text,
        &["the 64 KiB which this process may lock (RLIMIT_MEMLOCK)", "sudo prlimit --pid $$ --memlock="],
    );
}

#[test]
fn a_group_that_the_kernel_uses_part_of_is_named() {
    let tree = Tree::with_card();
    tree.bind(CARD, "vfio-pci");
    for (address, class, driver) in [
        ("0000:03:00.1", "0x020000", "ixgbe"),
        ("0000:03:00.2", "0x010601", "ahci"),
        ("0000:00:01.0", "0x060400", "pcieport"),
    ] {
        tree.add(address, "0x8086", "0x10fb", class);
        tree.bind(address, driver);
        tree.write("sys/kernel/iommu_groups/12/type", "DMA\n");
        std::os::unix::fs::symlink(
            tree.device(address),
            tree.path("sys/kernel/iommu_groups/12/devices").join(address),
        )
        .unwrap();
    }
    let text = info(&tree, &[CARD]);
    has(&text, &["shared with 0000:00:01.0, 0000:03:00.1, 0000:03:00.2\n"]);
    has(
        &text,
        &["0000:03:00.1 in it is bound to the kernel driver ixgbe", "sudo scripts/bind vfio 0000:03:00.1\n"],
    );
    has(&text, &["0000:03:00.2 in it is bound to the kernel driver ahci"]);
    assert!(!text.contains("vfio 0000:03:00.2"), "no command takes a disk controller away: {text}");
    assert!(!text.contains("pcieport"), "{text}");
}

#[test]
fn what_cannot_be_read_is_said() {
    let tree = Tree::with_card();
    let path = tree.device(CARD).join("net/eth7/carrier");
    std::fs::remove_file(&path).unwrap();
    std::fs::create_dir(&path).unwrap();
    has(&info(&tree, &[CARD]), &["not read    ", "net/eth7/carrier: Is a directory"]);
}

#[test]
fn json_has_one_object_a_line() {
    let tree = Tree::with_card();
    tree.add("0000:04:00.0", "0x8086", "0x15ac", "0x020000");
    let text = info(&tree, &["--json"]);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 2);
    let start = "{\"address\":\"0000:03:00.0\",\"id\":\"8086:10fb\",\"model\":\"Intel 82599ES SFP+\",\"class\":\"020000\",\
                 \"driver\":\"ixy-ixgbe\",\"kernel_driver\":\"ixgbe\",\"interfaces\":[{\"name\":\"eth7\",\"up\":false,\
                 \"carrier\":false,\"speed\":null,\"default_route\":false}],\"iommu_group\":\"12\",\
                 \"iommu_type\":\"identity\",\"same_group\":[],\"numa_node\":null,\"ready\":false,\"missing\":[{";
    assert!(lines[0].starts_with(start), "{}", lines[0]);
    has(lines[1], &["\"driver\":null", "\"kernel_driver\":null", "\"command\":null"]);
}

#[test]
fn registers_of_a_card_are_decoded_and_nothing_is_changed() {
    let tree = Tree::with_card();
    tree.interface(CARD, "eth7", true);
    tree.poke(CARD, "resource0", 0x42A4, &0x7000_0000_u32.to_le_bytes());
    tree.poke(CARD, "resource0", 0x4074, &7_u32.to_le_bytes());
    let before = tree.contents();
    let text = info(&tree, &[CARD, "--registers"]);
    assert!(tree.contents() == before);
    has(
        &text,
        &[
            "0x042a4  LINKS                    0x70000000  8.2.3.22.20\n",
            "LINK_SPEED=0x3(SPEED_10G)  LINK_UP=0x1",
        ],
    );
    has(&text, &["left out: reading has an effect (--all reads them)"]);
    assert!(!text.contains(" GPRC "), "{text}");

    let text = info(&tree, &[CARD, "--registers", "--only", "links", "--only", "mta", "--json"]);
    has(&text, &["\"register\":\"LINKS\"", "\"value\":1879048192", "\"LINK_UP\":1", "\"last\":127"]);
    assert!(!text.contains("CTRL"), "{text}");
}

#[test]
fn registers_that_clear_are_not_taken_from_a_kernel_driver() {
    let tree = Tree::with_card();
    tree.poke(CARD, "resource0", 0x4074, &7_u32.to_le_bytes());
    fails(&tree, &[CARD, "--registers", "--all"], 1, &[CARD, "ixgbe", "--all"]);
    std::fs::remove_file(tree.device(CARD).join("driver")).unwrap();
    has(&info(&tree, &[CARD, "--registers", "--all"]), &["0x04074  GPRC                     0x00000007"]);
}

#[test]
fn a_semaphore_that_reading_takes_is_never_read() {
    let tree = Tree::with_card();
    std::fs::remove_file(tree.device(CARD).join("driver")).unwrap();
    for args in [&[CARD, "--registers"][..], &[CARD, "--registers", "--all"]] {
        let text = info(&tree, args);
        has(&text, &["1 left out: reading takes a semaphore"]);
        assert!(!text.contains("  SWSM "), "{text}");
    }
}

#[test]
fn registers_of_an_82576_are_decoded_with_its_own_map() {
    let tree = Tree::new();
    tree.add("0000:06:00.0", "0x8086", "0x10c9", "0x020000");
    tree.poke("0000:06:00.0", "resource0", 0x100, &2_u32.to_le_bytes());
    has(&info(&tree, &["06:00.0", "--registers", "--only", "RCTL"]), &["0x00100  RCTL ", "0x00000002"]);
}

#[test]
fn registers_of_virtio_devices_are_decoded_old_and_new() {
    let tree = Tree::new();
    let address = "0000:05:00.0";
    // A legacy device: ports, with the network configuration after the 20 common bytes.
    tree.add(address, "0x1af4", "0x1000", "0x020000");
    tree.write(tree.device(address).join("resource"), "0xc040 0xc05f 0x40101\n");
    tree.poke(address, "config", 4, &[1, 0, 0, 0]);
    tree.poke(address, "resource0", 18, &[0x0F]);
    tree.poke(address, "resource0", 20, &[0x52, 0x54, 0, 1, 2, 3, 1, 0]);
    let text = info(&tree, &[address, "--registers"]);
    has(&text, &["legacy registers:\n", "0x00012  DEVICE_STATUS            0x0f ", "DRIVER_OK=0x1"]);
    has(&text, &["device configuration:\n", "MAC[0]                   0x52 ", "LINK_UP=0x1"]);
    assert!(!text.contains("ISR_STATUS"), "reading it clears it: {text}");

    // A modern device: capabilities name the places of the structures in memory.
    let address = "0000:05:01.0";
    tree.add(address, "0x1af4", "0x1041", "0x020000");
    for (n, (kind, offset, len)) in
        [(1, 0, 0x38), (3, 0x1000, 4), (4, 0x2000, 8), (2, 0x3000, 0x1000)].iter().enumerate()
    {
        let at = 0x40 + 20 * n as u8;
        let next = if n == 3 { 0 } else { at + 20 };
        let mut capability = vec![9, next, 20, *kind, 0, 0, 0, 0];
        capability.extend(u32::to_le_bytes(*offset));
        capability.extend(u32::to_le_bytes(*len));
        capability.extend([4, 0, 0, 0]);
        tree.poke(address, "config", at.into(), &capability);
    }
    tree.poke(address, "config", 6, &[0x10]);
    tree.poke(address, "config", 0x34, &[0x40]);
    tree.poke(address, "resource0", 0x12, &[3, 0]);
    tree.poke(address, "resource0", 0x2006, &[1, 0]);
    let text = info(&tree, &[address, "--registers"]);
    has(
        &text,
        &["common configuration:\n", "NUM_QUEUES               0x0003", "STATUS                   0x0001"],
    );
    assert!(
        !text.contains("QUEUE_RESET") && !text.contains("MTU"),
        "they are behind the structures' ends: {text}"
    );
    // A structure may reach further than the features of the device: missing registers read all ones.
    tree.poke(address, "config", 0x40 + 40 + 12, &[0x40]);
    tree.poke(address, "resource0", 0x2008, &[0xFF; 0x38]);
    tree.poke(address, "resource0", 0x200A, &[0x05, 0xDC]);
    let text = info(&tree, &[address, "--registers"]);
    has(
        &text,
        &["configuration with a feature each:\n", "MTU                      0xdc05", "6 left out: all ones"],
    );
    assert!(!text.contains("SPEED"), "{text}");
}

#[test]
fn registers_that_do_not_answer_are_one_line() {
    let tree = Tree::with_card();
    tree.poke(CARD, "resource0", 8, &[0xFF; 4]);
    fails(&tree, &[CARD, "--registers"], 1, &["STATUS reads all ones"]);
    tree.poke(CARD, "config", 4, &[0]);
    fails(&tree, &[CARD, "--registers"], 1, &["Memory Space"]);
    tree.write(tree.device(CARD).join("power_state"), "D3hot\n");
    fails(&tree, &[CARD, "--registers"], 1, &["asleep, in the power state D3hot", "power/control"]);
    tree.add("0000:04:00.0", "0x8086", "0x15ac", "0x020000");
    fails(&tree, &["04:00.0", "--registers"], 1, &["0000:04:00.0", "X550EM"]);
}

#[test]
fn registers_take_root() {
    let tree = Tree::with_card();
    // The mode of sysfs's file, readable for root, or for no user if the test does not run as root.
    let mode = PermissionsExt::from_mode(if is_root() { 0o600 } else { 0 });
    let close = |tree: &Tree| {
        std::fs::set_permissions(tree.device(CARD).join("resource0"), mode).unwrap();
    };
    let Some((code, out, err)) = unprivileged(&tree, "64", &[CARD, "--registers"], close) else { return };
    assert_eq!((code, out.as_str()), (1, ""));
    has(&err, &["resource0", "run as root"]);
}

#[test]
fn a_software_device_is_driven_and_decoded() {
    let tree = Tree::new();
    has(&info(&tree, &["sim"]), &["software 82599", "missing     nothing"]);
    has(&info(&tree, &["sim", "--json"]), &["\"ready\":true"]);
    let text = info(&tree, &["sim", "--registers"]);
    has(&text, &["LINK_UP=0x1", "0x05080  FCTRL "]);
    assert!(!text.contains(" GPRC "), "{text}");
    has(&info(&tree, &["sim", "--registers", "--all", "--zeros"]), &[" GPRC "]);
    let text = info(&tree, &["sim:link=down", "--registers", "--only", "LINKS", "--zeros"]);
    has(&text, &["LINK_UP=0x0"]);
}

#[test]
fn registers_and_fields_that_are_zero_are_printed_when_asked_for() {
    let tree = Tree::new();
    let text = info(&tree, &["sim", "--registers"]);
    assert!(!text.contains("=0x0") && !text.contains(" 0x00000000 "), "{text}");
    has(&text, &["left out: zero (--zeros shows them)"]);
    has(&info(&tree, &["sim", "--registers", "--only", "MRQC"]), &["0x0ec80  MRQC ", "0x00000000"]);
    let text = info(&tree, &["sim", "--registers", "--zeros"]);
    has(&text, &["0x0ec80  MRQC ", "MRQE=0x0(NONE)"]);
    assert!(!text.contains("left out: zero"), "{text}");
}

#[test]
fn a_capture_that_a_software_device_cannot_receive_is_missing() {
    let tree = Tree::new();
    let path = tree.path("in.pcap");
    let address = format!("sim:rx={}", path.display());
    let text = info(&tree, &[&address]);
    has(&text, &["missing     cannot open ", "in.pcap: it does not exist", "check its name"]);
    assert!(!text.contains("missing     nothing"), "{text}");
    let text = info(&tree, &[&address, "--json"]);
    has(&text, &["\"ready\":false", "\"what\":\"cannot open ", "\"blocks\":false"]);
    std::fs::write(&path, "no capture, but long enough").unwrap();
    has(&info(&tree, &[&address]), &["missing     ", "is no pcap or pcapng capture"]);
    let header = [0xa1b2_c3d4_u32, 2 | 4 << 16, 0, 0, 65535, 1];
    std::fs::write(&path, header.map(u32::to_le_bytes).concat()).unwrap();
    has(&info(&tree, &[&address]), &["missing     nothing"]);
    has(&info(&tree, &[&address, "--json"]), &["\"ready\":true", "\"missing\":[]"]);
    std::fs::remove_file(&path).unwrap();
    std::fs::create_dir(&path).unwrap();
    has(&info(&tree, &[&address]), &["missing     cannot open ", "in.pcap: it is a directory"]);
    std::fs::remove_dir(&path).unwrap();
    // Nothing waits for the writer of a pipe.
    assert_eq!(tree.run("mkfifo", &[&path.display().to_string()]).0, 0);
    has(&info(&tree, &[&address]), &["missing     nothing"]);
}

#[test]
fn names_are_printed_without_control_characters() {
    let tree = Tree::new();
    let text = info(&tree, &["sim:rx=/no/a\x1b[2J\nb"]);
    has(&text, &["sim:rx=/no/a\\u{1b}[2J\\nb  software 82599", "cannot open /no/a\\u{1b}[2J\\nb: "]);
    assert!(text.lines().all(|line| !line.contains(char::is_control)), "{text}");
    let json = info(&tree, &["sim:rx=/no/a\x1b[2J\nb", "--json"]);
    has(&json, &[r#""address":"sim:rx=/no/a\u001b[2J\nb""#]);
}

#[test]
fn a_capture_is_read_to_its_end() {
    let tree = Tree::new();
    let path = tree.path("in.pcap");
    let address = format!("sim:rx={}", path.display());
    let mut writer = ixy_pcap::Writer::create(&path, 0).unwrap();
    (0..20).for_each(|time| writer.write(time, &[0xff; 60]).unwrap());
    writer.write(20, &[0xff; 5]).unwrap();
    writer.finish().unwrap();
    let text = info(&tree, &[&address]);
    has(&text, &["missing     nothing\n", "capture     20 frames, read to its end\n"]);
    has(&text, &["note        ", "1 of 21 records left out: no whole Ethernet header"]);
    let json = info(&tree, &[&address, "--json"]);
    has(&json, &["\"ready\":true", "\"capture\":{\"frames\":20,\"left_out\":1,\"whole\":true}"]);

    // Cut off in a record, and the same in gzip data.
    let whole = std::fs::read(&path).unwrap();
    std::fs::write(&path, &whole[..24 + 19 * 76 + 30]).unwrap();
    let text = info(&tree, &[&address]);
    has(
        &text,
        &["missing     ", "is cut off in record 20 at byte ", "editcap", "19 frames, up to this error\n"],
    );
    has(&info(&tree, &[&address, "--json"]), &["\"ready\":false", "in record 20", "\"whole\":false"]);
    std::fs::write(&path, &whole).unwrap();
    assert_eq!(tree.run("gzip", &[&path.display().to_string()]).0, 0);
    let packed = std::fs::read(path.with_extension("pcap.gz")).unwrap();
    std::fs::write(&path, &packed[..packed.len() - 9]).unwrap();
    has(&info(&tree, &[&address]), &["missing     ", "in.pcap has damaged gzip data"]);
}

#[test]
fn help_and_refusals_name_the_same_software_devices() {
    let tree = Tree::new();
    let (_, help, _) = tree.run(INFO, &["--help"]);
    let (_, _, refusal) = tree.run(INFO, &["sim:tap=x"]);
    for address in ["sim", "sim:loopback", "sim:rx=FILE"] {
        assert!(help.contains(address) && refusal.contains(address), "{address}: {help}{refusal}");
        let address = address.replace("FILE", "/dev/null");
        assert_eq!(tree.run(INFO, &[&address]).0, 0, "{address} is taken");
    }
}

#[test]
fn software_devices_that_leave_something_behind_are_refused() {
    let tree = Tree::new();
    let before = tree.contents();
    let [file, socket] = ["out.pcap", "socket"].map(|name| tree.path(name).display().to_string());
    for address in
        [format!("sim:tx={file}"), format!("sim:socket={socket}"), "sim:cable=a".into(), "sim:tap=x".into()]
    {
        fails(&tree, &[&address, "--registers"], 2, &[&address]);
    }
    assert!(tree.contents() == before);
}

#[test]
fn wrong_arguments_and_missing_devices_are_one_line() {
    let tree = Tree::with_card();
    fails(&tree, &["eth9"], 2, &["`eth9` is no device address", "03:00.0", "or sim"]);
    let (_, _, err) = tree.run(INFO, &["eth9"]);
    assert!(!err.contains("sim:rx") && !err.contains("vfio-user"), "what is refused is not proposed: {err}");
    fails(&tree, &["09:00.0"], 1, &["there is no PCI device 0000:09:00.0"]);
    fails(&tree, &["sim:speed=3"], 2, &["speed"]);
    fails(&tree, &["vfio-user:/run/x"], 2, &["vfio-user:/run/x", "ixy-serve --trace"]);
    fails(&tree, &["--registers"], 2, &["<ADDRESS>"]);
    fails(&tree, &[CARD, "--all"], 2, &["--registers"]);
    fails(&tree, &[CARD, "--only", "CTRL"], 2, &["--registers"]);
    fails(&tree, &[CARD, "04:00.0"], 2, &["04:00.0"]);
    let (code, out, _) = tree.run(INFO, &["--help"]);
    assert!(code == 0 && out.contains("ixy-info sim --registers"));
    let (code, _, err) = tree.run("sh", &["-c", &format!("{INFO} > /dev/full")]);
    assert!(code == 1 && err.contains("No space left"), "{err}");
}

#[test]
fn an_interface_in_place_of_an_address_is_answered_with_its_card() {
    let tree = Tree::with_card();
    let card = "eth7 is a network interface of the kernel, and its card is 0000:03:00.0 (8086:10fb, kernel driver ixgbe)";
    fails(&tree, &["eth7"], 2, &[card, "write 0000:03:00.0 instead"]);
    tree.interface(CARD, "eth7", true);
    fails(&tree, &["eth7"], 2, &[card, "it is up", "`sudo ip link set eth7 down`"]);
    tree.default_route("eth7");
    fails(&tree, &["eth7"], 2, &[card, "default route, so choose another card"]);
    let (_, _, err) = tree.run(INFO, &["eth7"]);
    assert!(!err.contains("sudo"), "no command takes it down: {err}");

    tree.write("sys/class/net/br0/bridge/bridge_id", "");
    fails(
        &tree,
        &["br0"],
        2,
        &["br0 is a network interface of the kernel without a card (a bridge)", "sim:tap=NAME"],
    );
    tree.write("sys/class/net/tap0/tun_flags", "0x1002\n");
    fails(&tree, &["tap0"], 2, &["TAP interface", "sim:tap=tap0"]);
}

#[test]
fn the_scripts_that_commands_name_can_be_had_without_the_repository() {
    let (tree, elsewhere) = (Tree::with_card(), tempfile::tempdir().unwrap());
    let run = |line: &str| {
        let programs = std::path::Path::new(INFO).parent().unwrap().display();
        let line = format!("PATH={programs}:$PATH; {line}");
        tree.ended(std::process::Command::new("sh").args(["-c", &line]).current_dir(elsewhere.path()))
    };
    let (code, text, err) = run(&format!("ixy-info {CARD}"));
    assert_eq!((code, err.as_str()), (0, ""));
    // The printed command works, and the hint is not needed any more.
    let commands = "mkdir -p scripts; ixy-info --script setup-hugepages > scripts/setup-hugepages; \
                    chmod +x scripts/setup-hugepages";
    has(&text, &["sudo scripts/setup-hugepages --count 3\n", "ixy's repository", &format!("  {commands}\n")]);
    assert_eq!(run(commands), (0, String::new(), String::new()));
    let (code, help, _) = run("scripts/setup-hugepages --help");
    assert!(code == 0 && help.starts_with("usage: scripts/setup-hugepages"), "{help}");
    assert!(!run(&format!("ixy-info {CARD}")).1.contains("--script"), "the script is there now");
    assert!(!run(&format!("ixy-info {CARD} --json")).1.contains("--script"), "JSON has no hint");

    let (code, bind, _) = run("ixy-info --script bind");
    assert!(code == 0 && bind.starts_with("#!/usr/bin/env bash\n"), "{bind}");
    let (code, status, err) = run("ixy-info --script bind | bash -s -- status");
    assert!(code == 0 && status.contains(CARD), "{status}{err}");
    let (code, _, err) = run("ixy-info --script unbind");
    assert!(code == 2 && err.contains("setup-hugepages"), "{err}");
}
