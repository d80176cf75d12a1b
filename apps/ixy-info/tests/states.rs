//! In each state of a machine ixy-info lists the same obstacles and remedies as a program that opens the card.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod tree;

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use tree::{CARD, Tree, is_root};

const INFO: &str = env!("CARGO_BIN_EXE_ixy-info");

/// Names the tree for the process of this program that opens the card.
const TREE: &str = "IXY_TEST_OPENS_IN";

/// Not a test by itself: opens the card for another test, which runs this in a separate process, and writes the
/// result.
#[test]
fn opens_the_card_for_another_test() {
    let Some(root) = std::env::var_os(TREE) else { return };
    let options = ixy::Options::default().sysfs(ixy_pci::Sysfs::new(root));
    let text = match ixy::open(&[CARD.parse().unwrap()], &options) {
        Ok(_) => "it was opened".to_owned(),
        Err(error) => error.to_string(),
    };
    std::io::stderr().write_all(text.as_bytes()).unwrap();
}

const OPEN: [&str; 2] = ["--exact", "opens_the_card_for_another_test"];

fn this_program() -> String {
    std::env::current_exe().unwrap().display().to_string()
}

/// The obstacles that ixy-info lists: each with its command, if it has one.
fn listed(text: &str) -> Vec<(String, Option<String>)> {
    let (_, missing) =
        text.split_once("\n  missing     ").unwrap_or_else(|| panic!("nothing about it in: {text}"));
    let missing = format!("              {missing}");
    let mut all = Vec::new();
    for row in missing.lines().map_while(|line| line.strip_prefix("              ")) {
        match (row.strip_prefix("  "), all.last_mut()) {
            (Some(command), Some((_, last))) => *last = Some(command.to_owned()),
            _ => all.push((row.to_owned(), None)),
        }
    }
    all
}

/// Compares both outputs, and returns that of ixy-info.
fn agree(info: String, opened: &str) -> String {
    let missing = listed(&info);
    if missing == [("nothing".to_owned(), None)] {
        assert!(!opened.contains("cannot be opened: "), "ixy-info: {info}open: {opened}");
        return info;
    }
    let join = |(what, command): &(String, Option<String>)| match command {
        Some(command) => format!("{what}: run `{command}`"),
        None => what.clone(),
    };
    let all: Vec<String> = missing.iter().map(join).collect();
    assert_eq!(opened, format!("{CARD} cannot be opened: {}", all.join("; ")));
    info
}

/// Runs both in a tree.
fn both(tree: &Tree) -> String {
    let (code, info, err) = tree.run(INFO, &[CARD]);
    assert_eq!((code, err.as_str()), (0, ""));
    let mut command = Command::new(this_program());
    let (_, _, opened) = tree.ended(command.args(OPEN).env(TREE, tree.path("")));
    agree(info, &opened)
}

/// Runs both without root's rights; `None` where that is impossible.
fn both_without_root(tree: &Tree) -> Option<String> {
    // The modes of sysfs's files.
    let close = |tree: &Tree| {
        let mode = |mode| PermissionsExt::from_mode(mode);
        let (config, bar) = if is_root() { (0o644, 0o600) } else { (0o444, 0) };
        fs::set_permissions(tree.device(CARD).join("config"), mode(config)).unwrap();
        if tree.device(CARD).join("resource0").exists() {
            fs::set_permissions(tree.device(CARD).join("resource0"), mode(bar)).unwrap();
        }
    };
    let (_, info, err) = tree.unprivileged(INFO, "64", &[CARD], &[], close)?;
    assert_eq!(err, "");
    let root = tree.path("").display().to_string();
    let (_, _, opened) = tree.unprivileged(this_program(), "64", &OPEN, &[(TREE, &root)], close)?;
    Some(agree(info, &opened))
}

fn has(text: &str, words: &[&str]) {
    for word in words {
        assert!(text.contains(word), "`{word}` is not in: {text}");
    }
}

/// A card without obstacles, with an interface that is down.
fn ready() -> Tree {
    let tree = Tree::with_card();
    tree.hugepages(100);
    tree
}

/// An IOMMU group that no machine has: opening a card opens the group with this number below `/dev`.
const GROUP: &str = "4294967290";

/// The same card behind VFIO.
fn ready_for_vfio() -> Tree {
    let tree = ready();
    fs::remove_dir_all(tree.device(CARD).join("net")).unwrap();
    fs::remove_file(tree.device(CARD).join("iommu_group")).unwrap();
    tree.group(CARD, GROUP.parse().unwrap(), "DMA");
    tree.bind(CARD, "vfio-pci");
    tree.write("dev/vfio/vfio", "");
    tree.write(format!("dev/vfio/{GROUP}"), "");
    tree
}

/// Tries a state as root and without: both outputs contain `words`, and nothing of `never`.
fn state(tree: &Tree, words: &[&str], never: &[&str]) {
    let mut said: Vec<String> = both_without_root(tree).into_iter().collect();
    if is_root() {
        said.push(both(tree));
    }
    for text in said {
        has(&text, words);
        for word in never {
            assert!(!text.contains(word), "`{word}` is in: {text}");
        }
    }
}

/// Commands that take a card from the kernel.
const TAKES: [&str; 3] = ["scripts/bind", "ixy-dump", "/unbind"];

#[test]
fn a_card_without_a_bar_or_with_a_wrong_one_is_named() {
    let tree = ready();
    fs::remove_file(tree.device(CARD).join("resource0")).unwrap();
    state(&tree, &["has no BAR 0", "lspci -v"], &TAKES);

    let tree = ready();
    fs::write(tree.device(CARD).join("resource0"), [0; 4096]).unwrap();
    state(&tree, &["BAR 0 of 0000:03:00.0 is 4096 bytes"], &TAKES);

    let tree = ready();
    tree.write(
        tree.device(CARD).join("resource"),
        "0x0000000000000000 0x000000000007ffff 0x0000000020140204\n",
    );
    state(&tree, &["has no address", "pci=realloc"], &TAKES);
}

#[test]
fn a_card_that_does_not_answer_or_has_no_configuration_space_is_named() {
    for (vfio, vendor, device) in
        [(false, "0x8086", "0x10fb"), (true, "0x8086", "0x10fb"), (false, "0x1af4", "0x1041")]
    {
        let tree = || {
            let tree = if vfio { ready_for_vfio() } else { ready() };
            tree.write(tree.device(CARD).join("vendor"), vendor);
            tree.write(tree.device(CARD).join("device"), device);
            tree
        };
        let dead = tree();
        let config = dead.device(CARD).join("config");
        fs::write(&config, [0xff; 256]).unwrap();
        let gone = "missing     0000:03:00.0 does not answer (its configuration space reads all ones)";
        state(&dead, &[gone], &TAKES);
        // It is not read while the card sleeps.
        dead.write(dead.device(CARD).join("power_state"), "D3cold\n");
        state(&dead, &[], &["does not answer"]);

        let short = tree();
        fs::write(short.device(CARD).join("config"), [0x86]).unwrap();
        state(&short, &["missing     offset 0x0 of 0000:03:00.0", "configuration space of 1 bytes"], &TAKES);
        fs::write(short.device(CARD).join("config"), [0x86, 0x80, 0xfb, 0x10]).unwrap();
        state(&short, &["configuration space of 4 bytes"], &TAKES);

        if is_root() {
            let without = tree();
            let config = without.device(CARD).join("config");
            fs::remove_file(&config).unwrap();
            has(&both(&without), &["missing     cannot open ", "/config: No such file"]);
            fs::create_dir(&config).unwrap();
            has(&both(&without), &["missing     cannot read ", "/config: Is a directory"]);
        }
    }
}

#[test]
fn a_card_that_sleeps_is_woken_by_a_command() {
    let tree = ready();
    tree.write(tree.device(CARD).join("power_state"), "D3hot\n");
    state(&tree, &["asleep, in the power state D3hot", "echo on | sudo tee ", "power/control\n"], &[]);
    // vfio-pci wakes it.
    let tree = ready_for_vfio();
    tree.write(tree.device(CARD).join("power_state"), "D3hot\n");
    if is_root() {
        has(&both(&tree), &["missing     nothing\n"]);
    }
}

#[test]
fn a_control_group_without_hugepages_is_named_with_its_file() {
    let tree = ready();
    tree.write("proc/self/cgroup", "0::/pod\n");
    tree.write("sys/fs/cgroup/pod/hugetlb.2MB.max", "0\n");
    tree.write("sys/fs/cgroup/pod/hugetlb.2MB.current", "0\n");
    state(&tree, &["0 are allowed", "pod/hugetlb.2MB.max", "podman", "hugepages-2Mi"], &["setup-hugepages"]);

    let tree = ready();
    tree.write("proc/self/cgroup", "5:hugetlb:/box\n");
    tree.write("sys/fs/cgroup/hugetlb/box/hugetlb.2MB.limit_in_bytes", "0\n");
    state(&tree, &["0 are allowed", "box/hugetlb.2MB.limit_in_bytes"], &["setup-hugepages"]);
}

#[test]
fn hugepages_of_one_gibibyte_are_enough_where_there_are_no_others() {
    let tree = ready();
    tree.hugepages(0);
    state(&tree, &["hugepages of 2 MiB: 0 are free", "sudo scripts/setup-hugepages --count "], &[]);
    for file in ["nr_hugepages", "free_hugepages"] {
        tree.write(format!("sys/kernel/mm/hugepages/hugepages-1048576kB/{file}"), "1\n");
    }
    state(&tree, &[], &["hugepages of"]);
}

#[test]
fn a_card_that_vfio_has_without_an_iommu_is_to_be_released() {
    let tree = ready_for_vfio();
    fs::remove_file(tree.path("dev/vfio").join(GROUP)).unwrap();
    tree.write(format!("dev/vfio/noiommu-{GROUP}"), "");
    state(&tree, &["noiommu", "    sudo scripts/bind kernel 0000:03:00.0\n"], &["vfio 0000:03:00.0"]);
}

#[test]
fn memory_that_the_firmware_reserves_keeps_a_card_from_vfio_and_leaves_the_other_way() {
    let regions = "0x00000000000e8000 0x00000000000e8fff direct\n0x00000000fee00000 0x00000000feefffff msi\n";
    let reserve = |tree: &Tree| {
        tree.write(tree.device(CARD).join("iommu_group/reserved_regions"), regions);
    };
    let tree = ready_for_vfio();
    reserve(&tree);
    let words = ["0xe8000-0xe8fff", "HPE", "iommu=pt", "    sudo scripts/bind kernel 0000:03:00.0\n"];
    state(&tree, &words, &["allow_unsafe_interrupts", "vfio 0000:03:00.0"]);

    // The kernel uses it, behind an IOMMU that blocks all else.
    let tree = ready();
    reserve(&tree);
    tree.write("sys/kernel/iommu_groups/12/type", "DMA-FQ\n");
    state(&tree, &["0xe8000-0xe8fff", "HPE"], &["scripts/bind", "allow_unsafe_interrupts"]);

    // With iommu=pt root can use it, and VFIO is not proposed to others.
    let tree = ready();
    reserve(&tree);
    state(&tree, &[], &["scripts/bind", "HPE"]);
}

#[test]
fn a_card_whose_interface_is_in_use_gets_no_command_that_takes_it() {
    let tree = ready();
    tree.interface(CARD, "eth7", true);
    state(&tree, &["eth7 is up", "    sudo ip link set eth7 down\n"], &TAKES);
    tree.default_route("eth7");
    state(&tree, &["default route: choose another card"], &["sudo", "scripts/", "--force"]);
    fs::remove_dir_all(tree.device(CARD).join("net")).unwrap();
    state(&tree, &["another network namespace"], &["scripts/bind", "ixy-dump"]);
}

#[test]
fn what_vfio_lacks_is_said_with_what_a_container_needs() {
    let tree = ready_for_vfio();
    state(&tree, &[], &["does not exist"]);
    fs::remove_file(tree.path("dev/vfio").join(GROUP)).unwrap();
    let device = format!("`--device /dev/vfio/{GROUP}`");
    state(&tree, &[&format!("/dev/vfio/{GROUP} does not exist"), &device, "scripts/bind "], &[]);
    fs::remove_file(tree.path("dev/vfio/vfio")).unwrap();
    state(
        &tree,
        &["/dev/vfio/vfio does not exist", "`--device /dev/vfio/vfio`", "sudo modprobe vfio-pci\n"],
        &[],
    );
    fs::remove_file(tree.device(CARD).join("iommu_group")).unwrap();
    state(
        &tree,
        &["in no IOMMU group", "    sudo scripts/bind kernel 0000:03:00.0\n"],
        &["vfio 0000:03:00.0"],
    );
}

#[test]
fn an_iommu_that_blocks_physical_addresses_leads_to_vfio() {
    let tree = ready();
    tree.write("sys/kernel/iommu_groups/12/type", "DMA\n");
    state(
        &tree,
        &["an IOMMU (of type DMA) blocks physical addresses", "vfio 0000:03:00.0\n"],
        &["hugepages"],
    );
}

#[test]
fn sysfs_that_is_mounted_read_only_is_named_with_what_a_container_needs() {
    let tree = ready();
    let root = tree.path("").display().to_string();
    let root = root.trim_end_matches('/');
    let mount = format!("mount --bind {root} {root} && mount -o remount,bind,ro {root} && exec \"$@\"");
    // In a user namespace if the test does not run as root.
    let namespace = if is_root() { ["-m", "-m"] } else { ["-r", "-m"] };
    let within = |program: &str, args: &[&str]| {
        let mut command = Command::new("unshare");
        command.args(namespace).args(["sh", "-c", &mount, "sh", program]).args(args);
        tree.ended(command.env(TREE, tree.path("")))
    };
    let (code, info, err) = within(INFO, &[CARD]);
    if code != 0 {
        let line = format!("SKIPPED: read-only sysfs: no mount namespace can be made: {err}\n");
        std::io::stderr().write_all(line.as_bytes()).unwrap();
        return;
    }
    let (_, _, opened) = within(&this_program(), &OPEN);
    let text = agree(info, &opened);
    has(&text, &["sysfs is mounted read-only", "--privileged", "--device /dev/vfio/vfio", "memlock=-1"]);
}
