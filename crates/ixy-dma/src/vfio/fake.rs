//! A VFIO for tests: [`Fake`], which replaces the requests to the system's kernel. It checks requests against the
//! rules of include/uapi/linux/vfio.h and drivers/vfio/vfio_iommu_type1.c.
#![allow(clippy::panic, clippy::unwrap_used, reason = "for tests")]

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ffi::{CStr, c_char};
use std::fs::{self, File};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, IntoRawFd};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::fs::{MemfdFlags, memfd_create};

/// All fakes, since requests come with a descriptor only.
static ALL: Mutex<Vec<Fake>> = Mutex::new(Vec::new());

thread_local! {
    /// The fake of this thread, whose files are opened.
    static CURRENT: RefCell<Option<Fake>> = const { RefCell::new(None) };
}

/// A kernel with VFIO. The thread that creates it opens its files, until it creates another.
#[derive(Debug, Clone)]
pub(super) struct Fake {
    number: usize,
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
pub(super) struct State {
    pub(super) groups: BTreeMap<u32, Group>,
    pub(super) containers: Vec<Container>,
    /// The version of its interface, and whether it has type1v2.
    pub(super) version: u32,
    pub(super) has_type1: bool,
    /// The number of mappings that a container may have.
    pub(super) entries: usize,
    /// The requests that fail, by number, with their errors.
    pub(super) failures: Vec<(u32, i32)>,
    /// The numbers of all requests so far.
    pub(super) requests: Vec<u32>,
    /// The directory in place of `/`; the machine's own if there is none.
    pub(super) root: Option<PathBuf>,
}

#[derive(Debug, Clone)]
pub(super) struct Group {
    /// Only groups of one kind can be in one container.
    pub(super) kind: u32,
    pub(super) page: u64,
    /// The addresses that its IOMMU translates, ends included.
    pub(super) ranges: Vec<(u64, u64)>,
    pub(super) viable: bool,
    pub(super) device: &'static str,
    /// The container of the group.
    pub(super) container: Option<usize>,
}

#[derive(Debug, Default)]
pub(super) struct Container {
    pub(super) groups: Vec<u32>,
    chosen: bool,
    /// Length and address in this process, by the address for the device.
    pub(super) maps: BTreeMap<u64, (u64, u64)>,
}

impl Default for Group {
    /// An Intel IOMMU of 39 bits.
    fn default() -> Self {
        let ranges = vec![(0, 0xFEDF_FFFF), (0xFEF0_0000, (1 << 39) - 1)];
        Self { kind: 0, page: 4096, ranges, viable: true, device: "0000:03:00.0", container: None }
    }
}

impl Fake {
    pub(super) fn new(groups: impl IntoIterator<Item = (u32, Group)>) -> Self {
        let mut all = ALL.lock().unwrap_or_else(PoisonError::into_inner);
        let groups = groups.into_iter().collect();
        let (containers, failures, requests) = Default::default();
        let (version, has_type1, entries) = (0, true, 65_535);
        let state = State { groups, containers, version, has_type1, entries, failures, requests, root: None };
        let fake = Self { number: all.len(), state: Arc::new(Mutex::new(state)) };
        all.push(fake.clone());
        CURRENT.set(Some(fake.clone()));
        fake
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The mappings of a container: address for the device, and length.
    pub(super) fn mapped(&self, container: usize) -> Vec<(u64, u64)> {
        self.state().containers[container].maps.iter().map(|(&iova, &(len, _))| (iova, len)).collect()
    }

    fn file(&self, object: &str) -> File {
        memfd_create(format!("vfio {} {object}", self.number), MemfdFlags::CLOEXEC).unwrap().into()
    }
}

/// The object of a descriptor: the number of the fake, the kind of the object and its number.
fn object(fd: i32) -> Option<(usize, String, u32)> {
    let link = fs::read_link(format!("/proc/self/fd/{fd}")).ok()?;
    let text = link.to_str()?.strip_prefix("/memfd:vfio ")?.strip_suffix(" (deleted)")?;
    let [fake, kind, number] = text.split(' ').collect::<Vec<_>>()[..] else { return None };
    Some((fake.parse().ok()?, kind.to_owned(), number.parse().ok()?))
}

/// The root directory of this thread's fake.
pub(super) fn root() -> Option<PathBuf> {
    CURRENT.with_borrow(Clone::clone)?.state().root.clone()
}

/// Opens a file of this thread's fake; `None` without a fake.
pub(super) fn open(path: &Path) -> Option<io::Result<File>> {
    let fake = CURRENT.with_borrow(Clone::clone)?;
    let name = path.strip_prefix("/dev/vfio").ok()?.to_str()?;
    let mut state = fake.state();
    if name == "vfio" {
        state.containers.push(Container::default());
        return Some(Ok(fake.file(&format!("container {}", state.containers.len() - 1))));
    }
    let found = name.parse().ok().filter(|number| state.groups.contains_key(number));
    let Some(number) = found else { return Some(Err(error(libc::ENOENT))) };
    let same = |fd: &str| fd.parse().ok().and_then(object) == Some((fake.number, "group".into(), number));
    let open = fs::read_dir("/proc/self/fd").unwrap();
    if open.flatten().any(|entry| same(&entry.file_name().to_string_lossy())) {
        return Some(Err(error(libc::EBUSY)));
    }
    if let Some(group) = state.groups.get_mut(&number) {
        group.container = None;
    }
    Some(Ok(fake.file(&format!("group {number}"))))
}

fn error(errno: i32) -> io::Error {
    io::Error::from_raw_os_error(errno)
}

/// Answers a request on a file of a fake; `None` for another file.
///
/// # Safety
/// As for the request.
pub(super) unsafe fn answer(file: BorrowedFd<'_>, number: u32, argument: *mut u8) -> Option<io::Result<u32>> {
    let (fake, kind, of) = object(file.as_raw_fd())?;
    let fake = ALL.lock().unwrap_or_else(PoisonError::into_inner)[fake].clone();
    let mut state = fake.state();
    state.requests.push(number);
    if let Some(n) = state.failures.iter().position(|&(failing, _)| failing == number) {
        return Some(Err(error(state.failures.remove(n).1)));
    }
    let words = |count: usize| {
        // SAFETY: that of the request: it begins with its length, and is as long.
        unsafe {
            let len = argument.cast::<u32>().read_unaligned() as usize;
            assert!(len >= count * 4, "argsz of request {number} is {len}");
            std::slice::from_raw_parts_mut(argument.cast::<u32>(), len / 4)
        }
    };
    let wide = |words: &[u32], at: usize| u64::from(words[at]) | u64::from(words[at + 1]) << 32;
    let result = match (kind.as_str(), number) {
        ("container", 0) => Ok(state.version),
        ("container", 1) => Ok(u32::from(argument.addr() == 3 && state.has_type1)),
        ("container", 2) => state.choose(of as usize, argument.addr()),
        ("group", 3) => {
            words(2)[1] = u32::from(state.groups[&of].viable);
            Ok(0)
        }
        ("group", 4) => {
            // SAFETY: that of the request: the argument is the address of a descriptor.
            let fd = unsafe { argument.cast::<i32>().read_unaligned() };
            let container = object(fd).filter(|(_, kind, _)| kind == "container");
            container.ok_or_else(|| error(libc::EBADF)).and_then(|(.., n)| state.join(of, n as usize))
        }
        ("group", 6) => {
            // SAFETY: that of the request: the argument is a string.
            let name = unsafe { CStr::from_ptr(argument.cast::<c_char>()) };
            let there =
                state.groups[&of].container.is_some() && name.to_str() == Ok(state.groups[&of].device);
            let fd = there.then(|| fake.file(&format!("device {of}")).into_raw_fd() as u32);
            fd.ok_or_else(|| error(libc::ENODEV))
        }
        ("container", 12) => {
            state.info(of as usize, words(6));
            Ok(0)
        }
        ("container", 13) => {
            let words = words(8);
            assert_eq!(words[1], 3, "readable and writable");
            state.map(of as usize, wide(words, 4), wide(words, 6), wide(words, 2))
        }
        ("container", 14) => {
            let words = words(6);
            assert_eq!(words[1], 0, "no flags");
            let bytes = state.unmap(of as usize, wide(words, 2), wide(words, 4));
            bytes.map(|bytes| {
                (words[4], words[5]) = (bytes as u32, (bytes >> 32) as u32);
                0
            })
        }
        other => panic!("a request that is not there: {other:?}"),
    };
    Some(result)
}

impl State {
    /// Chooses the interface to the IOMMU.
    fn choose(&mut self, container: usize, interface: usize) -> io::Result<u32> {
        let container = &mut self.containers[container];
        if interface != 3 || container.groups.is_empty() || container.chosen {
            return Err(error(libc::EINVAL));
        }
        container.chosen = true;
        Ok(0)
    }

    fn join(&mut self, number: u32, n: usize) -> io::Result<u32> {
        let group = self.groups.get_mut(&number).unwrap();
        let container = &mut self.containers[n];
        let inside = |(&first, &(len, _)): (&u64, &(u64, u64))| {
            group.ranges.iter().any(|range| range.0 <= first && first + (len - 1) <= range.1)
        };
        if group.container.is_some() || !container.maps.iter().all(inside) {
            return Err(error(libc::EINVAL));
        }
        let kind = group.kind;
        let others = container.groups.clone();
        if others.iter().any(|other| self.groups[other].kind != kind) {
            return Err(error(libc::EINVAL));
        }
        self.containers[n].groups.push(number);
        self.groups.get_mut(&number).unwrap().container = Some(n);
        Ok(0)
    }

    /// The addresses that the IOMMUs of all groups of a container translate.
    fn ranges(&self, container: usize) -> Vec<(u64, u64)> {
        let mut all = vec![(0, u64::MAX)];
        for group in &self.containers[container].groups {
            let meet = |one: &(u64, u64)| {
                let one = *one;
                let ranges = self.groups[group].ranges.iter();
                ranges.map(move |two| (one.0.max(two.0), one.1.min(two.1))).collect::<Vec<_>>()
            };
            all = all.iter().flat_map(meet).filter(|(first, last)| first <= last).collect();
        }
        all
    }

    fn page(&self, container: usize) -> u64 {
        self.containers[container].groups.iter().map(|group| self.groups[group].page).max().unwrap()
    }

    /// Answers with page sizes, ranges at 24 and the number of mappings behind them.
    fn info(&self, container: usize, words: &mut [u32]) {
        let ranges = self.ranges(container);
        let (page, left) = (self.page(container), self.entries - self.containers[container].maps.len());
        let end = 24 + 16 + 16 * ranges.len();
        let mut all = vec![0, 3, page as u32, 0, 24, 0, 0x1_0001, end as u32, ranges.len() as u32, 0];
        for number in ranges.iter().flat_map(|&(first, last)| [first, last]) {
            all.extend([number as u32, (number >> 32) as u32]);
        }
        all.extend([0x1_0003, 0, left as u32]);
        let room = words[0] as usize;
        if ranges.is_empty() {
            // The same as kernels before 5.4.
            all = vec![0, 1, page as u32, 0, 0, 0];
        }
        all[0] = (all.len() * 4) as u32;
        let fits = room >= all.len() * 4;
        let count = if fits { all.len() } else { 6 };
        words[..count].copy_from_slice(&all[..count]);
        if !fits {
            words[4] = 0;
        }
    }

    fn map(&mut self, n: usize, iova: u64, len: u64, address: u64) -> io::Result<u32> {
        let (mask, inside) = (self.page(n) - 1, self.ranges(n));
        let container = &mut self.containers[n];
        let last = iova.checked_add(len.wrapping_sub(1));
        let Some(last) = last.filter(|_| len > 0 && (iova | len | address) & mask == 0 && container.chosen)
        else {
            return Err(error(libc::EINVAL));
        };
        if container.maps.iter().any(|(&first, &(len, _))| first <= last && iova <= first + (len - 1)) {
            return Err(error(libc::EEXIST));
        }
        if container.maps.len() == self.entries {
            return Err(error(libc::ENOSPC));
        }
        if !inside.iter().any(|range| range.0 <= iova && last <= range.1) {
            return Err(error(libc::EINVAL));
        }
        container.maps.insert(iova, (len, address));
        Ok(0)
    }

    /// The number of bytes unmapped.
    fn unmap(&mut self, n: usize, iova: u64, len: u64) -> io::Result<u64> {
        let last = iova.checked_add(len.wrapping_sub(1)).ok_or_else(|| error(libc::EINVAL))?;
        let maps = &mut self.containers[n].maps;
        let inside: Vec<u64> = maps.range(iova..=last).map(|(&first, _)| first).collect();
        Ok(inside.iter().filter_map(|first| maps.remove(first)).map(|(len, _)| len).sum())
    }
}
