//! Hugepages as a driver uses them. Tests that need free hugepages are skipped by name without them. No test
//! changes the machine's number of hugepages.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::fs;
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ixy_dma::{DmaDomain, DmaMemory, Error, PageSize, PhysicalDomain, SimulatedDomain};
use rustix::thread::CapabilitySet;

const PAGE: usize = 2 << 20;

/// Reserves this many hugepages of 2 MiB for the test that holds the result. `None`, after a line about the
/// skipped test, when there are too few.
fn hugepages(test: &str, wanted: u64) -> Option<MutexGuard<'static, ()>> {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let guard = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let number = |name: &str| -> u64 {
        let path = format!("/sys/kernel/mm/hugepages/hugepages-2048kB/{name}");
        fs::read_to_string(path).ok().and_then(|text| text.trim().parse().ok()).unwrap_or(0)
    };
    let free = number("free_hugepages").saturating_sub(number("resv_hugepages"));
    let missing = match rustix::process::geteuid().is_root() {
        true if free >= wanted => return Some(guard),
        true => format!("{wanted} free hugepages of 2 MiB, and there are {free}"),
        false => "root".to_owned(),
    };
    skip(test, &missing);
    None
}

fn skip(test: &str, missing: &str) {
    // Not through a macro, since the test runner captures its output.
    let line = format!("SKIPPED: {test}: it needs {missing}\n");
    std::io::stderr().write_all(line.as_bytes()).unwrap();
}

fn domain() -> Arc<PhysicalDomain> {
    Arc::new(PhysicalDomain::default())
}

/// The flags of the mapping at an address, if there is one.
fn flags(address: usize) -> Option<String> {
    let smaps = fs::read_to_string("/proc/self/smaps").unwrap();
    let (_, entry) = smaps.split_once(&format!("\n{address:x}-"))?;
    Some(entry.lines().find_map(|line| line.strip_prefix("VmFlags:"))?.to_owned())
}

/// The physical address of memory by the kernel, read again.
fn physical(address: usize) -> u64 {
    let pagemap = fs::File::open("/proc/self/pagemap").unwrap();
    let mut entry = [0; 8];
    pagemap.read_exact_at(&mut entry, (address / 4096 * 8) as u64).unwrap();
    (u64::from_ne_bytes(entry) & ((1 << 55) - 1)) * 4096
}

/// A directory of files in place of `/`, removed on drop.
struct Root(PathBuf);

impl Root {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("ixy-dma-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn write(&self, file: &str, contents: impl AsRef<[u8]>) {
        let path = self.0.join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, contents).unwrap();
    }

    fn link(&self, file: &str) {
        let path = self.0.join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::os::unix::fs::symlink(Path::new("/").join(file), path).unwrap();
    }

    fn domain(&self, page: PageSize) -> PhysicalDomain {
        // SAFETY: these tests give no address to a device.
        unsafe { PhysicalDomain::new(page).with_root(&self.0) }
    }
}

impl Drop for Root {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn memory_is_zeroed_whole_pages_at_their_physical_addresses() {
    let Some(_pages) = hugepages("memory_is_zeroed_whole_pages_at_their_physical_addresses", 4) else {
        return;
    };
    let memory = domain().allocate(3 * PAGE + 1).unwrap();
    assert_eq!(memory.len(), 4 * PAGE);
    let mut offset = 0;
    for segment in memory.segments() {
        assert_eq!(segment.offset, offset);
        assert_eq!(segment.iova.0 % PAGE as u64, 0);
        for page in (0..segment.len).step_by(PAGE) {
            let address = memory.base().addr().get() + segment.offset + page;
            assert_eq!(physical(address), segment.iova.0 + page as u64);
        }
        offset += segment.len;
    }
    assert_eq!(offset, memory.len());

    let rings = memory.cut(&[PAGE, PAGE, PAGE, PAGE], 4096).unwrap();
    for ring in &rings {
        assert!(ring.words().iter().all(|word| word.load(Ordering::Relaxed) == 0));
        ring.words().iter().for_each(|word| word.store(u64::MAX, Ordering::Relaxed));
    }
    drop(rings);
    let again = domain().allocate(4 * PAGE).unwrap().cut(&[PAGE], 4096).unwrap();
    assert!(again[0].words().iter().all(|word| word.load(Ordering::Relaxed) == 0));
}

#[test]
fn memory_is_made_of_hugepages_that_forks_do_not_inherit_and_ends_with_its_last_handle() {
    let test = "memory_is_made_of_hugepages_that_forks_do_not_inherit_and_ends_with_its_last_handle";
    let Some(_pages) = hugepages(test, 1) else { return };
    let memory = domain().allocate(PAGE).unwrap();
    let address = memory.base().addr().get();
    let found = flags(address).unwrap();
    for flag in [" sh", " ht", " dc"] {
        assert!(found.contains(flag), "{found} lacks {flag}");
    }
    let mut rings = memory.cut(&[4096, 4096], 128).unwrap();
    rings.pop();
    assert!(flags(address).is_some());
    rings[0].words()[0].store(7, Ordering::Relaxed);
    drop(rings);
    assert_eq!(flags(address), None);
}

#[test]
fn all_physical_domains_are_one_address_space() {
    assert_eq!(domain().id(), PhysicalDomain::new(PageSize::Gib1).on_node(Some(0)).id());
    let Some(_pages) = hugepages("all_physical_domains_are_one_address_space", 1) else { return };
    let mut memory = domain().allocate(PAGE).unwrap();
    let other: Arc<dyn DmaDomain> = domain();
    assert!(memory.is_mapped_in(other.id()));
    memory.map_into(&other).unwrap();
    // SAFETY: MAPPED-ALIVE: the import is dropped at once.
    drop(unsafe { other.import(&memory) }.unwrap());
}

#[test]
fn the_simulator_reaches_hugepages_where_a_device_would() {
    let Some(_pages) = hugepages("the_simulator_reaches_hugepages_where_a_device_would", 1) else { return };
    let mut memory = domain().allocate(PAGE).unwrap();
    let simulated = Arc::new(SimulatedDomain::default());
    memory.map_into(&(Arc::clone(&simulated) as Arc<dyn DmaDomain>)).unwrap();
    let rings = memory.cut(&[4096], 128).unwrap();
    rings[0].words()[1].store(9, Ordering::Relaxed);
    let iova = rings[0].iova().offset(8);
    // SAFETY: OWNED-BUFFER: a ring, as a 64-bit word.
    let view = unsafe { simulated.view() };
    let seen = view.word64(iova).map(|word| word.load(Ordering::Relaxed));
    assert_eq!(seen, Some(9));
}

#[test]
fn memory_of_another_kind_is_refused() {
    let ordinary = Arc::new(SimulatedDomain::default()).allocate(4096).unwrap();
    // SAFETY: MAPPED-ALIVE: nothing is imported that could outlive the memory.
    let error = unsafe { domain().import(&ordinary) }.unwrap_err();
    assert!(matches!(error, Error::CannotShare { .. }), "{error}");
    let message = error.to_string();
    assert!(message.contains("simulator") && message.contains("physical addresses only"), "{message}");
}

#[test]
fn no_memory_at_all_is_refused() {
    for size in [0, usize::MAX] {
        assert!(matches!(domain().allocate(size), Err(Error::BadRequest { .. })));
    }
}

#[test]
fn too_few_hugepages_are_an_error_with_the_command_that_makes_more() {
    // A pebibyte: more than any machine has.
    let error = domain().allocate(1 << 50).unwrap_err();
    let Error::NoHugepages { wanted, free, suggested, .. } = error else { panic!("{error}") };
    assert_eq!(wanted, 1 << 29);
    assert!(suggested >= wanted && free < wanted);
    let message = error.to_string();
    assert!(message.starts_with("536870912 hugepages of 2M are needed and "), "{message}");
    let command = format!("`echo {suggested} > /sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages`");
    assert!(message.contains(&command), "{message}");
    assert!(
        message.contains(&format!("`scripts/setup-hugepages --size 2M --count {suggested}`")),
        "{message}"
    );
}

#[test]
fn a_page_size_that_the_system_lacks_is_an_error() {
    let root = Root::new("nosize");
    root.write("proc/self/mounts", "");
    let error = Arc::new(root.domain(PageSize::Gib1)).allocate(1 << 50).unwrap_err();
    assert!(matches!(error, Error::NoSuchPageSize { page: PageSize::Gib1, .. }), "{error}");
    assert!(error.to_string().contains("sys/kernel/mm/hugepages/hugepages-1048576kB"), "{error}");
}

#[test]
fn what_is_free_is_what_nobody_has_reserved() {
    let root = Root::new("counts");
    let directory = "sys/kernel/mm/hugepages/hugepages-2048kB";
    for (name, number) in [("nr_hugepages", "100\n"), ("free_hugepages", "60\n"), ("resv_hugepages", "20\n")]
    {
        root.write(&format!("{directory}/{name}"), number);
    }
    let error = Arc::new(root.domain(PageSize::Mib2)).allocate(1 << 50).unwrap_err();
    let Error::NoHugepages { free, suggested, .. } = error else { panic!("{error}") };
    assert_eq!((free, suggested), (40, 100 + (1 << 29) - 40));
}

#[test]
fn pages_of_one_gibibyte_are_taken_where_there_are_too_few_of_two_mebibytes() {
    let root = Root::new("fallback");
    let [small, large] = ["2048", "1048576"].map(|kib| format!("sys/kernel/mm/hugepages/hugepages-{kib}kB"));
    let set = |directory: &str, number: &str| {
        root.write(&format!("{directory}/nr_hugepages"), number);
        root.write(&format!("{directory}/free_hugepages"), number);
    };
    let check = |len| PhysicalDomain::check(&root.0, None, len);
    set(&small, "8\n");
    set(&large, "1\n");
    assert_eq!(check(8 * PAGE).unwrap(), PageSize::Mib2);
    assert_eq!(check(9 * PAGE).unwrap(), PageSize::Gib1);
    // With too few of both, the error asks for the usual size.
    set(&large, "0\n");
    let error = check(9 * PAGE).unwrap_err();
    assert!(matches!(error, Error::NoHugepages { page: PageSize::Mib2, wanted: 9, free: 8, .. }), "{error}");
    fs::remove_dir_all(root.0.join(&small)).unwrap();
    set(&large, "2\n");
    assert_eq!(check(1).unwrap(), PageSize::Gib1);
}

#[test]
fn a_limit_of_the_control_group_is_named_with_its_file_and_the_way_out() {
    let root = Root::new("limit");
    for file in ["nr_hugepages", "free_hugepages"] {
        root.write(&format!("sys/kernel/mm/hugepages/hugepages-2048kB/{file}"), "100\n");
    }
    root.write("proc/self/cgroup", "0::/\n");
    root.write("sys/fs/cgroup/hugetlb.2MB.max", "4194304\n");
    let check = |pages| PhysicalDomain::check(&root.0, None, pages * PAGE);
    assert_eq!(check(2).unwrap(), PageSize::Mib2);
    let text = check(3).unwrap_err().to_string();
    for words in
        ["3 hugepages of 2M are needed and 2 are allowed", "hugetlb.2MB.max", "4194304 bytes", "podman"]
    {
        assert!(text.contains(words), "{words} is not in: {text}");
    }
}

#[test]
fn a_numa_node_that_is_not_there_is_an_error_before_anything_is_mapped() {
    let root = Root::new("nodes");
    root.write("sys/devices/system/node/online", "0-1,4\n");
    for node in [2, 3, 5] {
        let domain = Arc::new(root.domain(PageSize::Mib2).on_node(Some(node)));
        let error = domain.allocate(PAGE).unwrap_err();
        assert!(matches!(error, Error::NoSuchNode { .. }), "{error}");
        assert!(error.to_string().contains("0-1,4"), "{error}");
    }
}

#[test]
fn memory_comes_from_the_numa_node_that_was_named() {
    let Some(_pages) = hugepages("memory_comes_from_the_numa_node_that_was_named", 1) else { return };
    // Every machine has node 0; a second one makes the domain bind to it.
    let root = Root::new("node0");
    root.write("sys/devices/system/node/online", "0-1\n");
    root.link("proc/self/pagemap");
    let memory = Arc::new(root.domain(PageSize::Mib2).on_node(Some(0))).allocate(PAGE).unwrap();
    let numa_maps = fs::read_to_string("/proc/self/numa_maps").unwrap();
    let line = numa_maps.lines().find(|line| line.starts_with(&format!("{:x} ", memory.base().addr().get())));
    let line = line.unwrap();
    assert!(line.contains("bind:0") && line.contains("N0=1"), "{line}");

    root.write("sys/devices/system/node/online", "0\n");
    let unbound = Arc::new(root.domain(PageSize::Mib2).on_node(Some(7))).allocate(PAGE).unwrap();
    assert_eq!(unbound.len(), PAGE);
}

#[test]
fn memory_whose_place_is_unknown_is_an_error_and_is_given_back() {
    let Some(_pages) = hugepages("memory_whose_place_is_unknown_is_an_error_and_is_given_back", 1) else {
        return;
    };
    let root = Root::new("nopagemap");
    // All entries are zero: not present.
    root.write("proc/self/pagemap", "");
    fs::File::options().write(true).open(root.0.join("proc/self/pagemap")).unwrap().set_len(1 << 38).unwrap();
    let before = hugetlb_mappings();
    let error = Arc::new(root.domain(PageSize::Mib2)).allocate(PAGE).unwrap_err();
    assert!(matches!(error, Error::FrameAbsent { .. }), "{error}");
    assert_eq!(hugetlb_mappings(), before);
}

/// The number of this process's mappings of hugepages.
fn hugetlb_mappings() -> usize {
    fs::read_to_string("/proc/self/smaps").unwrap().lines().filter(|line| line.contains(" ht")).count()
}

#[test]
fn without_the_right_to_read_frame_numbers_root_is_asked_for() {
    let Some(_pages) = hugepages("without_the_right_to_read_frame_numbers_root_is_asked_for", 1) else {
        return;
    };
    // Capabilities belong to a thread; this one ends here.
    let attempt = std::thread::spawn(|| {
        let mut own = rustix::thread::capabilities(None).unwrap();
        own.effective.remove(CapabilitySet::SYS_ADMIN);
        rustix::thread::set_capabilities(None, own).unwrap();
        domain().allocate(PAGE)
    });
    let error = attempt.join().unwrap().unwrap_err();
    assert!(matches!(error, Error::FrameHidden { .. }), "{error}");
    assert!(error.to_string().contains("run as root"), "{error}");
}

/// The variable with the mount point of hugetlbfs, for the next test's copy in its own mount namespace.
const MOUNT: &str = "IXY_DMA_TEST_MOUNT";

#[test]
fn a_mounted_hugetlbfs_is_used_and_no_file_stays_on_it() {
    let test = "a_mounted_hugetlbfs_is_used_and_no_file_stays_on_it";
    if let Some(mount) = std::env::var_os(MOUNT) {
        let memory = on_mount(Path::new(&mount));
        assert_eq!(memory.len(), 2 * PAGE);
        return;
    }
    let Some(_pages) = hugepages(test, 2) else { return };
    let root = Root::new("mount point");
    let script = "umount -a -t hugetlbfs; mount -t hugetlbfs -o pagesize=2M nodev \"$0\" && exec \"$1\" --exact \"$2\" --test-threads 1";
    let program = std::env::current_exe().unwrap();
    let run = Command::new("unshare")
        .args(["--mount", "--propagation", "private", "sh", "-c", script])
        .args([root.0.as_os_str(), program.as_os_str(), test.as_ref()])
        .env(MOUNT, &root.0)
        .output();
    let run = run.unwrap();
    let output = String::from_utf8_lossy(&run.stdout) + String::from_utf8_lossy(&run.stderr);
    assert!(run.status.success() && output.contains("1 passed"), "{output}");
}

/// Memory from a file on a hugetlbfs; checks that no file is left there.
fn on_mount(mount: &Path) -> DmaMemory {
    let memory = domain().allocate(2 * PAGE).unwrap();
    assert_eq!(fs::read_dir(mount).unwrap().count(), 0, "a file stays");
    let maps = fs::read_to_string("/proc/self/maps").unwrap();
    let line = maps.lines().find(|line| line.starts_with(&format!("{:x}-", memory.base().addr().get())));
    let line = line.unwrap();
    assert!(line.contains(&format!("{}/ixy-", mount.display())) && line.ends_with("(deleted)"), "{line}");

    // A request that cannot be met leaves no file either.
    assert!(matches!(domain().allocate(1 << 50), Err(Error::NoHugepages { .. })));
    assert_eq!(fs::read_dir(mount).unwrap().count(), 0, "a file stays after an error");
    memory
}
