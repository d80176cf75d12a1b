//! scripts/bind as a user starts it, on trees of plain files. A thread acts as the kernel when a driver has to
//! change.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod tree;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tree::{CARD, Ended, Tree, is_root};

fn script() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../scripts/bind")
}

fn bind(tree: &Tree, args: &[&str]) -> Ended {
    tree.run(script(), args)
}

fn has(text: &str, words: &[&str]) {
    for word in words {
        assert!(text.contains(word), "`{word}` is not in: {text}");
    }
}

/// Checks that it fails in one line, and changes nothing.
fn refused(tree: &Tree, args: &[&str], words: &[&str]) {
    fails(tree, args, 1, words);
}

fn fails(tree: &Tree, args: &[&str], code: i32, words: &[&str]) {
    let before = tree.contents();
    let (found, out, err) = bind(tree, args);
    assert_eq!((found, out.as_str()), (code, ""), "{args:?}: {err}");
    assert!(err.starts_with("bind: ") && err.lines().count() == 1, "{args:?}: {err}");
    has(&err, words);
    assert!(tree.contents() == before, "{args:?} changed something");
}

/// Runs `work` while a thread changes the tree like the kernel: unbinding, and binding to `driver_override`, or
/// else to `native` if there is one.
fn with_kernel<T>(tree: &Tree, native: Option<&str>, work: impl FnOnce() -> T) -> T {
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                step(tree, native);
                std::thread::sleep(Duration::from_millis(2));
            }
        });
        let result = work();
        stop.store(true, Ordering::Relaxed);
        result
    })
}

fn step(tree: &Tree, native: Option<&str>) {
    for driver in ["ixgbe", "vfio-pci"] {
        let file = format!("sys/bus/pci/drivers/{driver}/unbind");
        let address = tree.read(&file).trim().to_owned();
        let link = tree.device(&address).join("driver");
        if !address.is_empty() && fs::read_link(&link).is_ok_and(|target| target.ends_with(driver)) {
            fs::remove_file(link).unwrap();
            tree.write(&file, "");
        }
    }
    let address = tree.read("sys/bus/pci/drivers_probe").trim().to_owned();
    let directory = tree.device(&address);
    if address.is_empty() || directory.join("driver").exists() {
        return;
    }
    let wanted = tree.read(directory.join("driver_override")).trim().to_owned();
    let driver = if wanted.is_empty() { native } else { Some(wanted.as_str()) };
    if let Some(driver) = driver {
        symlink(format!("../../drivers/{driver}"), directory.join("driver")).unwrap();
        if driver == "vfio-pci" {
            tree.write("dev/vfio/12", "");
        }
    }
    tree.write("sys/bus/pci/drivers_probe", "");
}

fn driver(tree: &Tree, address: &str) -> Option<String> {
    let target = fs::read_link(tree.device(address).join("driver")).ok()?;
    Some(target.file_name().unwrap().to_string_lossy().into_owned())
}

fn card() -> Tree {
    let tree = Tree::with_card();
    tree.driver("vfio-pci");
    tree
}

#[test]
fn a_card_goes_to_vfio_and_back() {
    let tree = card();
    let user = if is_root() { "nobody" } else { return_of("id", &["-un"]) };
    let (code, out, err) =
        with_kernel(&tree, Some("ixgbe"), || bind(&tree, &["vfio", "--user", user, "03:00.0"]));
    assert_eq!((code, err.as_str()), (0, ""), "{out}");
    has(&out, &["0000:03:00.0 is bound to vfio-pci now.\n", &format!("belongs to {user} now.\n"), "memlock"]);
    assert_eq!(driver(&tree, CARD).unwrap(), "vfio-pci");
    assert_eq!(tree.read(tree.device(CARD).join("driver_override")), "vfio-pci\n");
    let node = tree.path("dev/vfio/12").display().to_string();
    assert_eq!(return_of("stat", &["-c", "%U", &node]), user);

    let (code, out, _) = bind(&tree, &["vfio", CARD]);
    assert_eq!((code, out.as_str()), (0, "0000:03:00.0 is bound to vfio-pci already.\n"));

    let (code, out, err) = with_kernel(&tree, Some("ixgbe"), || bind(&tree, &["kernel", CARD]));
    assert_eq!((code, out.as_str(), err.as_str()), (0, "0000:03:00.0 is bound to ixgbe now.\n", ""));
    assert_eq!(driver(&tree, CARD).unwrap(), "ixgbe");
    assert_eq!(tree.read(tree.device(CARD).join("driver_override")), "\n", "any driver may have it again");

    let (code, out, _) = bind(&tree, &["kernel", CARD]);
    assert_eq!((code, out.as_str()), (0, "0000:03:00.0 is bound to ixgbe already.\n"));
}

/// The output of a command, without the line feed.
fn return_of(command: &str, args: &[&str]) -> &'static str {
    let output = Command::new(command).args(args).output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim_end().to_owned().leak()
}

#[test]
fn a_card_that_vfio_does_not_get_is_given_back() {
    let tree = card();
    // A kernel that unbinds but does not bind to vfio-pci.
    let (code, _, err) = with_kernel_that_refuses(&tree, || bind(&tree, &["vfio", CARD]));
    assert_eq!(code, 1);
    has(&err, &["does not bind 0000:03:00.0 to vfio-pci", "given back", "dmesg"]);
    assert_eq!(tree.read(tree.device(CARD).join("driver_override")), "\n");
    assert_eq!(tree.read("sys/bus/pci/drivers_probe"), "0000:03:00.0\n");
}

fn with_kernel_that_refuses<T>(tree: &Tree, work: impl FnOnce() -> T) -> T {
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                if tree.read("sys/bus/pci/drivers/ixgbe/unbind").trim() == CARD {
                    let _ = fs::remove_file(tree.device(CARD).join("driver"));
                }
                std::thread::sleep(Duration::from_millis(2));
            }
        });
        let result = work();
        stop.store(true, Ordering::Relaxed);
        result
    })
}

#[test]
fn a_driver_that_does_not_let_go_is_named() {
    let tree = card();
    let (code, _, err) = bind(&tree, &["vfio", CARD]);
    assert_eq!(code, 1);
    has(&err, &["the driver ixgbe does not release 0000:03:00.0"]);
    assert_eq!(tree.read("sys/bus/pci/drivers/ixgbe/unbind"), "0000:03:00.0\n");
    assert_eq!(tree.read("sys/bus/pci/drivers_probe"), "", "nothing is probed that is still bound");
}

#[test]
fn a_card_in_use_is_refused_and_force_takes_it() {
    let tree = card();
    tree.interface(CARD, "eth7", true);
    refused(&tree, &["vfio", CARD], &["0000:03:00.0", "eth7 is up", "ip link set eth7 down", "--force"]);
    let (code, out, err) = bind(&tree, &["vfio", CARD, "--force", "--dry-run"]);
    assert_eq!((code, err.as_str()), (0, ""));
    has(&out, &["would run: echo 0000:03:00.0 > "]);
}

#[test]
fn the_card_with_the_default_route_is_refused_in_any_case() {
    let tree = card();
    tree.default_route("eth7");
    refused(&tree, &["--force", "vfio", CARD], &["default route", "eth7", "ip route"]);

    // Through a VLAN on a bridge above the interface.
    let tree = card();
    tree.interface(CARD, "eth7", true);
    tree.write(tree.device(CARD).join("net/eth7/upper_br0/upper_br0.7/flags"), "0x1003\n");
    tree.default_route("br0.7");
    refused(&tree, &["--force", "vfio", CARD], &["default route", "br0.7"]);

    let tree = card();
    let zeros = "0".repeat(32);
    let route = |name| format!("{zeros} 00 {zeros} 00 {zeros} 00000400 00000001 00000000 00000003 {name}\n");
    tree.write("proc/net/ipv6_route", route("lo"));
    assert_eq!(bind(&tree, &["--dry-run", "vfio", CARD]).0, 0, "unreachable routes are listed with lo");
    tree.write("proc/net/ipv6_route", route("lo") + &route("eth7"));
    refused(&tree, &["vfio", CARD], &["default route", "eth7"]);
}

#[test]
fn an_interface_of_a_virtio_device_is_found_and_protected() {
    let tree = card();
    let address = "0000:05:00.0";
    tree.add(address, "0x1af4", "0x1041", "0x020000");
    tree.bind(address, "virtio-pci");
    tree.group(address, 13, "DMA");
    // Without virtio_net the device has no user.
    tree.write(tree.device(address).join("virtio0/status"), "0x0\n");
    assert_eq!(bind(&tree, &["--dry-run", "vfio", address]).0, 0);
    tree.write(tree.device(address).join("virtio0/net/eth0/flags"), "0x1003\n");
    refused(&tree, &["vfio", address], &["eth0 is up"]);
    tree.default_route("eth0");
    refused(&tree, &["--force", "vfio", address], &["default route", "eth0"]);
}

#[test]
fn a_card_without_a_visible_interface_may_be_in_use_elsewhere() {
    let tree = card();
    fs::remove_dir_all(tree.device(CARD).join("net")).unwrap();
    refused(&tree, &["vfio", CARD], &["bound to ixgbe", "another network namespace"]);
    fs::remove_file(tree.device(CARD).join("driver")).unwrap();
    assert_eq!(bind(&tree, &["--dry-run", "vfio", CARD]).0, 0, "nobody uses it");
}

#[test]
fn what_is_no_network_controller_is_refused() {
    let tree = card();
    tree.add("0000:00:1f.2", "0x8086", "0x2922", "0x010601");
    tree.bind("0000:00:1f.2", "ahci");
    tree.group("0000:00:1f.2", 3, "DMA");
    refused(&tree, &["vfio", "00:1f.2"], &["0000:00:1f.2 is not a network controller", "0x010601"]);
    assert_eq!(bind(&tree, &["--force", "--dry-run", "vfio", "00:1f.2"]).0, 0);
}

#[test]
fn nothing_is_changed_when_one_of_several_is_refused() {
    let tree = card();
    tree.add("0000:04:00.0", "0x8086", "0x10fb", "0x020000");
    tree.bind("0000:04:00.0", "ixgbe");
    tree.group("0000:04:00.0", 13, "DMA");
    tree.interface("0000:04:00.0", "eth8", true);
    refused(&tree, &["vfio", CARD, "04:00.0"], &["0000:04:00.0", "eth8 is up"]);
}

#[test]
fn a_card_needs_a_group_of_which_the_kernel_uses_nothing() {
    let tree = card();
    tree.add("0000:03:00.1", "0x8086", "0x10fb", "0x020000");
    tree.bind("0000:03:00.1", "ixgbe");
    tree.interface("0000:03:00.1", "eth8", false);
    let devices = tree.path("sys/kernel/iommu_groups/12/devices");
    symlink(tree.device("0000:03:00.1"), devices.join("0000:03:00.1")).unwrap();
    symlink(tree.path("sys/kernel/iommu_groups/12"), tree.device("0000:03:00.1").join("iommu_group"))
        .unwrap();
    let together = "scripts/bind vfio 0000:03:00.0 0000:03:00.1";
    refused(&tree, &["vfio", CARD], &["IOMMU group 12 with 0000:03:00.1", together]);
    assert_eq!(bind(&tree, &["--dry-run", "vfio", CARD, "0000:03:00.1"]).0, 0);

    let regions = "sys/kernel/iommu_groups/12/reserved_regions";
    tree.write(regions, "0x00000000000e8000 0x00000000000e8fff direct-relaxable\n");
    assert_eq!(bind(&tree, &["--dry-run", "vfio", CARD, "0000:03:00.1"]).0, 0);
    tree.write(regions, "0x00000000000e8000 0x00000000000e8fff direct\n");
    refused(&tree, &["vfio", CARD, "0000:03:00.1"], &["0x00000000000e8000-", "RMRR", "HPE", "iommu=pt"]);

    fs::remove_file(tree.device(CARD).join("iommu_group")).unwrap();
    refused(&tree, &["vfio", CARD], &["in no IOMMU group", "intel_iommu=on"]);
}

#[test]
fn a_dry_run_says_each_step_and_does_none() {
    let tree = card();
    let before = tree.contents();
    let user = return_of("id", &["-un"]);
    let (code, out, err) = bind(&tree, &["--dry-run", "--user", user, "vfio", CARD]);
    assert_eq!((code, err.as_str()), (0, ""));
    let root = tree.path("").display().to_string();
    let root = root.trim_end_matches('/');
    let steps = format!(
        "would run: echo vfio-pci > {root}/sys/bus/pci/devices/0000:03:00.0/driver_override\n\
         would run: echo 0000:03:00.0 > {root}/sys/bus/pci/drivers/ixgbe/unbind\n\
         would run: echo 0000:03:00.0 > {root}/sys/bus/pci/drivers_probe\n\
         would run: chown {user} {root}/dev/vfio/12\n"
    );
    assert_eq!(out, steps);
    assert!(tree.contents() == before);

    let tree = Tree::with_card();
    let (_, out, _) = bind(&tree, &["--dry-run", "vfio", CARD]);
    assert!(out.starts_with("would run: modprobe vfio-pci\n"), "{out}");
    refused(&tree, &["vfio", CARD], &["load the module vfio-pci"]);
}

#[test]
fn the_status_names_driver_group_owner_and_interfaces() {
    let tree = card();
    tree.interface(CARD, "eth7", true);
    tree.default_route("eth7");
    tree.add("0000:04:00.0", "0x8086", "0x10fb", "0x020000");
    tree.bind("0000:04:00.0", "vfio-pci");
    tree.group("0000:04:00.0", 13, "DMA");
    tree.write("dev/vfio/13", "");
    tree.add("0000:00:1f.2", "0x8086", "0x2922", "0x010601");
    let before = tree.contents();
    let (code, out, err) = bind(&tree, &["status"]);
    assert_eq!((code, err.as_str()), (0, ""));
    let user = return_of("id", &["-un"]);
    assert_eq!(
        out,
        format!(
            "0000:03:00.0  0x8086 0x10fb  driver ixgbe  IOMMU group 12 (identity)\n    interface eth7 is up\n    \
             the default route leads through eth7\n\
             0000:04:00.0  0x8086 0x10fb  driver vfio-pci  IOMMU group 13 (DMA), /dev/vfio/13 belongs to {user}\n"
        )
    );
    assert!(tree.contents() == before);
    assert_eq!(bind(&Tree::new(), &["status"]).1, "there is no network controller\n");
}

#[test]
fn memory_that_may_be_locked_is_shown_with_the_way_to_more() {
    let tree = Tree::new();
    if is_root() {
        let (code, out, err) = bind(&tree, &["memlock", "16"]);
        assert_eq!((code, out.as_str(), err.as_str()), (0, "Processes of root have no limit.\n", ""));
    }
    if let Some((code, out, err)) = tree.unprivileged(script(), "64", &["memlock", "16"], &[], |_| ()) {
        assert_eq!((code, err.as_str()), (0, ""));
        let user = return_of("id", if is_root() { &["-un", "65534"] } else { &["-un"] });
        let line = format!("{user} - memlock 16384\n");
        has(&out, &["(in KiB): 64, ", "to: 64.", "sudo prlimit --memlock=16777216 --pid $$\n", &line]);
        assert!(!out.contains("root"), "{out}");
    }
    for words in [&["much"][..], &["0"], &["-1"], &["1", "2"]] {
        let text =
            format!("memlock takes one whole number of MiB from 1 to 9999999, not `{}`\n", words.join(" "));
        fails(&tree, &[&["memlock"], words].concat(), 2, &[&text]);
    }
}

#[test]
fn hugepages_are_the_other_script_s_work() {
    let tree = Tree::new();
    // A copy beside a stand-in, since the real one looks at this machine.
    fs::copy(script(), tree.path("bind")).unwrap();
    tree.write("setup-hugepages", "#!/bin/sh\necho \"setup-hugepages $*\"\n");
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs::set_permissions(tree.path("setup-hugepages"), mode).unwrap();
    let (code, out, err) = tree.run(tree.path("bind"), &["hugepages", "--count", "8", "--dry-run"]);
    assert_eq!((code, out.as_str(), err.as_str()), (0, "setup-hugepages --count 8 --dry-run\n", ""));
}

#[test]
fn wrong_arguments_are_one_line_with_exit_code_2() {
    let tree = card();
    fails(&tree, &[], 2, &["status, vfio, kernel"]);
    fails(
        &tree,
        &["steal"],
        2,
        &["there is no action `steal`: write status, vfio, kernel, hugepages or memlock\n"],
    );
    fails(
        &tree,
        &["vfio"],
        2,
        &["needs an address, such as 0000:03:00.0: `scripts/bind status` lists the cards\n"],
    );
    fails(&tree, &["vfio", "../../x"], 2, &["`../../x` is not a PCI address: write it as lspci prints it"]);
    fails(&tree, &["--hard", "vfio", CARD], 2, &["`--hard`"]);
    fails(
        &tree,
        &["vfio", CARD, "--user"],
        2,
        &["--user needs the name of a user; see scripts/bind --help\n"],
    );
    refused(&tree, &["vfio", "09:00.0"], &["no device 0000:09:00.0"]);
    refused(
        &tree,
        &["vfio", "--user", "no-such-user", CARD],
        &["there is no user no-such-user: `getent passwd`"],
    );
    let (code, out, _) = bind(&tree, &["--help"]);
    assert!(code == 0 && out.starts_with("usage: scripts/bind"));
}

#[test]
fn a_card_that_vfio_has_without_an_iommu_is_to_be_given_back() {
    let tree = Tree::with_card();
    tree.bind(CARD, "vfio-pci");
    tree.write("dev/vfio/noiommu-12", "");
    refused(
        &tree,
        &["--user", "root", "vfio", CARD],
        &["noiommu-12", "`sudo scripts/bind kernel 0000:03:00.0`"],
    );
}

/// They are wrong on any machine, or nothing is changed: `--dry-run`.
#[test]
fn the_other_scripts_refuse_wrong_arguments_in_one_line() {
    let tree = Tree::new();
    let file = tree.path("file");
    tree.write(&file, "");
    let file = file.to_str().unwrap();
    let number = "write a whole number from 1 to 99999999\n";
    for (name, args, code, text) in [
        ("setup-hugepages", &["--count", "0"][..], 2, format!("--count cannot be `0`: {number}")),
        ("setup-hugepages", &["--count", "-1"], 2, format!("--count cannot be `-1`: {number}")),
        (
            "setup-hugepages",
            &["--count"],
            2,
            "--count needs a value; see scripts/setup-hugepages --help\n".into(),
        ),
        ("setup-hugepages", &["--size", "3M"], 2, "--size cannot be `3M`: write 2M or 1G\n".into()),
        (
            "setup-hugepages",
            &["--dry-run", "--mount", file],
            1,
            format!("{file} is a file, not a directory: name another one with --mount\n"),
        ),
        (
            "vm",
            &[],
            2,
            "say what to do: prepare, paths, shell, image or clean; see scripts/vm --help\n".into(),
        ),
        (
            "vm",
            &["start"],
            2,
            "there is no command start: write prepare, paths, shell, image or clean\n".into(),
        ),
        ("vm", &["paths", "x"], 2, "one word is enough: leave out everything after paths\n".into()),
    ] {
        let (found, out, err) = tree.run(script().with_file_name(name), args);
        assert_eq!((found, out.as_str(), err), (code, "", format!("{name}: {text}")), "{args:?}");
    }
}
