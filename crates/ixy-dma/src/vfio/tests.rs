//! Containers, groups and memory, on a software kernel.

use std::fs;
use std::path::PathBuf;

use super::fake::{Fake, Group};
use super::*;

const MAP: u32 = 13;
const UNMAP: u32 = 14;

fn wide() -> Group {
    Group { kind: 48, ranges: vec![(0, 0xFEDF_FFFF), (0xFEF0_0000, (1 << 48) - 1)], ..Group::default() }
}

fn ids(domains: &[&VfioDomain]) -> Vec<DomainId> {
    domains.iter().map(|domain| domain.id()).collect()
}

fn allocate(domain: &VfioDomain, size: usize) -> Result<DmaMemory, Error> {
    Arc::new(domain.clone()).allocate(size)
}

fn dynamic(domain: &VfioDomain) -> Arc<dyn DmaDomain> {
    Arc::new(domain.clone())
}

fn end(memory: &DmaMemory) -> u64 {
    memory.segments()[0].iova.0 + memory.len() as u64
}

#[test]
fn groups_that_can_share_a_container_do_and_each_is_opened_once() {
    let fake = Fake::new([(7, Group::default()), (8, Group { device: "0000:04:00.0", ..Group::default() })]);
    let mut domains = VfioDomains::default();
    let (one, two, again) =
        (domains.of_group(7).unwrap(), domains.of_group(8).unwrap(), domains.of_group(7).unwrap());
    assert!(ids(&[&one, &two, &again]).iter().all(|&id| id == one.id()));
    assert_eq!(fake.state().containers.len(), 1);
    assert_eq!(one.name(), "the VFIO container of groups 7, 8");
    one.device(7, "0000:03:00.0").unwrap();
    two.device(8, "0000:04:00.0").unwrap();
    let text = two.device(8, "0000:03:00.0").unwrap_err().to_string();
    assert!(
        text.contains("0000:03:00.0") && text.contains("group 8") && text.contains("No such device"),
        "{text}"
    );
    let text = two.device(9, "0000:03:00.0").unwrap_err().to_string();
    assert!(text.contains("group 9") && text.contains("not in this container"), "{text}");
    let text = VfioGroup::open(7).unwrap_err().to_string();
    assert!(text.contains("/dev/vfio/7 is in use") && text.contains("fuser"), "{text}");
    drop((domains, one, two, again));
    VfioGroup::open(7).unwrap();
}

#[test]
fn memory_is_mapped_once_as_long_as_it_lives_with_a_page_behind_it_that_is_not() {
    let fake = Fake::new([(7, Group::default())]);
    let domain = VfioDomain::new(VfioGroup::open(7).unwrap()).unwrap();
    let (one, two) = (allocate(&domain, 5000).unwrap(), allocate(&domain, 4096).unwrap());
    assert_eq!((one.len(), end(&one), end(&two)), (8192, (1 << 39) - 8192, end(&one) - 8192 - 4096));
    let (first, second) = (one.segments()[0].iova.0, two.segments()[0].iova.0);
    assert_eq!(fake.mapped(0), [(second, 4096), (first, 8192)]);
    assert_eq!(fake.state().containers[0].maps[&first].1, one.base().addr().get() as u64);
    assert!(one.is_mapped_in(domain.id()));
    let text = allocate(&domain, 0).unwrap_err().to_string();
    assert!(text.contains("at least one byte"), "{text}");
    drop(one);
    assert_eq!(fake.mapped(0), [(second, 4096)]);
    // The memory holds its container.
    drop(domain);
    assert!(matches!(VfioGroup::open(7), Err(Error::VfioGroupInUse { .. })));
    drop(two);
    assert_eq!(fake.mapped(0), []);
    VfioGroup::open(7).unwrap();
}

#[test]
fn a_group_that_no_container_takes_gets_its_own_and_memory_is_mapped_in_both() {
    // A hole where the other container would put its memory first.
    let holes = vec![(0x1000, 0xFEDF_FFFF), (1 << 32, (1 << 38) - 1), ((1 << 39) - 0x1000, (1 << 39) - 1)];
    let other = Group { kind: 1, ranges: holes, ..Group::default() };
    for groups in [[(7, wide()), (8, other.clone())], [(7, other.clone()), (8, wide())]] {
        let fake = Fake::new(groups);
        let mut domains = VfioDomains::default();
        let (one, two) = (domains.of_group(7).unwrap(), domains.of_group(8).unwrap());
        assert_ne!(one.id(), two.id());
        let mut kept = Vec::new();
        for _ in 0..3 {
            for (from, into) in [(&one, &two), (&two, &one)] {
                let mut memory = allocate(from, 1 << 16).unwrap();
                assert!(!memory.is_mapped_in(into.id()));
                kept.push(allocate(into, 1 << 16).unwrap());
                memory.map_into(&dynamic(into)).unwrap();
                // Once is enough.
                memory.map_into(&dynamic(into)).unwrap();
                kept.push(memory);
            }
        }
        assert_eq!((fake.mapped(0).len(), fake.mapped(1).len()), (9, 9));
        assert!(kept.iter().all(|memory| end(memory) <= 1 << 38), "{kept:?}");
        let both: Vec<_> = fake.mapped(0).into_iter().filter(|map| fake.mapped(1).contains(map)).collect();
        assert_eq!(both.len(), 6);
        drop(kept);
        assert_eq!((fake.mapped(0), fake.mapped(1)), (vec![], vec![]));
    }
}

#[test]
fn a_container_that_is_gone_takes_no_addresses_from_others() {
    Fake::new([
        (7, Group::default()),
        (8, Group { kind: 1, ranges: vec![(0, 0xFFF_FFFF)], ..Group::default() }),
    ]);
    let mut domains = VfioDomains::default();
    let (one, two) = (domains.of_group(7).unwrap(), domains.of_group(8).unwrap());
    assert_eq!(end(&allocate(&one, 4096).unwrap()), 0xFFF_F000);
    drop((domains, two));
    assert_eq!(end(&allocate(&one, 4096).unwrap()), (1 << 39) - 4096);
}

#[test]
fn groups_are_kept_apart_when_that_is_asked_for() {
    let fake = Fake::new([(7, Group::default()), (8, Group::default())]);
    let mut domains = VfioDomains::apart();
    let (one, two, again) =
        (domains.of_group(7).unwrap(), domains.of_group(8).unwrap(), domains.of_group(8).unwrap());
    assert!(one.id() != two.id() && two.id() == again.id());
    let mut memory = allocate(&one, 4096).unwrap();
    assert_eq!((fake.mapped(0).len(), fake.mapped(1).len()), (1, 0));
    memory.map_into(&dynamic(&two)).unwrap();
    assert_eq!(fake.mapped(0), fake.mapped(1));
}

#[test]
fn containers_that_know_nothing_of_each_other_share_no_address() {
    let fake = Fake::new([(7, Group::default()), (8, wide())]);
    let [one, two] = [7, 8].map(|group| VfioDomain::new(VfioGroup::open(group).unwrap()).unwrap());
    let mut memory = allocate(&one, 4096).unwrap();
    let taken = allocate(&two, 4096).unwrap();
    let text = memory.map_into(&dynamic(&two)).unwrap_err().to_string();
    assert!(
        text.contains("in use in the VFIO container of group 8") && text.contains("0x7fffffe000"),
        "{text}"
    );
    drop(taken);
    memory.map_into(&dynamic(&two)).unwrap();
    assert_eq!(fake.mapped(0), fake.mapped(1));
}

#[test]
fn memory_at_addresses_that_an_iommu_does_not_translate_cannot_be_shared() {
    Fake::new([(7, Group { ranges: vec![(0, 0xF_FFFF)], ..Group::default() }), (8, wide())]);
    let [one, two] = [7, 8].map(|group| VfioDomain::new(VfioGroup::open(group).unwrap()).unwrap());
    let mut memory = allocate(&two, 4096).unwrap();
    let text = memory.map_into(&dynamic(&one)).unwrap_err().to_string();
    for words in
        ["memory of the VFIO container of group 8", "into the VFIO container of group 7", "0x1000-0xfffff"]
    {
        assert!(text.contains(words), "{words} is not in: {text}");
    }
    assert!(!memory.is_mapped_in(one.id()));
    let text = allocate(&one, 1 << 20).unwrap_err().to_string();
    assert!(text.contains("1048576 bytes") && text.contains("group 7 translates (0x1000-0xfffff)"), "{text}");
}

#[test]
fn a_group_that_joins_leaves_fewer_addresses() {
    let low = Group { ranges: vec![(0, 0xFFF_FFFF)], ..Group::default() };
    let fake = Fake::new([(7, Group::default()), (8, low)]);
    let mut domains = VfioDomains::default();
    let one = domains.of_group(7).unwrap();
    let two = domains.of_group(8).unwrap();
    assert_eq!(one.id(), two.id());
    let memory = allocate(&one, 4096).unwrap();
    assert_eq!((memory.len(), end(&memory)), (4096, 0xFFF_F000));
    assert_eq!(fake.mapped(0).len(), 1);
}

#[test]
fn a_group_whose_iommu_does_not_translate_what_is_mapped_gets_a_container_of_its_own() {
    let fake =
        Fake::new([(7, wide()), (8, Group { kind: 48, ranges: vec![(0, 0xFFF_FFFF)], ..Group::default() })]);
    let mut domains = VfioDomains::default();
    let one = domains.of_group(7).unwrap();
    let memory = allocate(&one, 4096).unwrap();
    let two = domains.of_group(8).unwrap();
    assert_ne!(one.id(), two.id());
    drop(memory);
    let mut memory = allocate(&one, 4096).unwrap();
    memory.map_into(&dynamic(&two)).unwrap();
    assert_eq!(fake.mapped(0), fake.mapped(1));
}

#[test]
fn a_mapping_that_the_kernel_refuses_leaves_nothing_in_use() {
    let fake = Fake::new([(7, Group::default())]);
    let domain = VfioDomain::new(VfioGroup::open(7).unwrap()).unwrap();
    fake.state().failures.push((MAP, libc::EFAULT));
    let text = allocate(&domain, 4096).unwrap_err().to_string();
    for words in ["4096 bytes at IOVA 0x7fffffe000", "the VFIO container of group 7", "Bad address"] {
        assert!(text.contains(words), "{words} is not in: {text}");
    }
    assert_eq!(end(&allocate(&domain, 4096).unwrap()), (1 << 39) - 4096, "the same addresses again");
}

#[test]
fn a_request_that_a_signal_interrupts_is_made_again_but_not_for_ever() {
    let fake = Fake::new([(7, Group::default())]);
    let domain = VfioDomain::new(VfioGroup::open(7).unwrap()).unwrap();
    fake.state().failures.extend([(MAP, libc::EINTR); 3]);
    let memory = allocate(&domain, 4096).unwrap();
    fake.state().failures.extend([(UNMAP, libc::EINTR); 3]);
    drop(memory);
    assert_eq!(fake.mapped(0), []);
    fake.state().failures.extend([(MAP, libc::EINTR); 1000]);
    let text = allocate(&domain, 4096).unwrap_err().to_string();
    assert!(text.contains("interrupted"), "{text}");
}

#[test]
fn the_limit_of_mappings_is_named_with_how_many_there_are() {
    let fake = Fake::new([(7, Group::default())]);
    fake.state().entries = 2;
    let domain = VfioDomain::new(VfioGroup::open(7).unwrap()).unwrap();
    let kept = [allocate(&domain, 4096).unwrap(), allocate(&domain, 4096).unwrap()];
    let error = allocate(&domain, 4096).unwrap_err();
    assert!(matches!(error, Error::VfioMappings { used: 2, available: Some(0), .. }), "{error}");
    drop(kept);
    allocate(&domain, 4096).unwrap();
}

#[test]
fn memory_in_pieces_is_imported_as_a_whole_or_not_at_all() {
    let fake = Fake::new([(7, Group::default())]);
    let domain = VfioDomain::new(VfioGroup::open(7).unwrap()).unwrap();
    let physical = |pieces: &[u64]| {
        let pages = PhysicalDomain::default().map_ordinary(4096 * pieces.len()).unwrap();
        let piece = |(n, &iova)| Segment { offset: 4096 * n, len: 4096, iova: Iova(iova) };
        let segments = pieces.iter().enumerate().map(piece).collect();
        // SAFETY: MAPPED-ALIVE: the mapping is the backing; no device gets these addresses.
        unsafe {
            DmaMemory::from_raw(
                pages.base(),
                pages.len(),
                segments,
                Box::new(pages),
                Arc::new(PhysicalDomain::default()),
            )
        }
    };
    let mut memory = physical(&[0x8000, 0x3000, 0x2_0000]);
    memory.map_into(&dynamic(&domain)).unwrap();
    assert_eq!(fake.mapped(0), [(0x3000, 4096), (0x8000, 4096), (0x2_0000, 4096)]);
    let base = memory.base().addr().get() as u64;
    let places: Vec<u64> =
        fake.state().containers[0].maps.values().map(|&(_, address)| address - base).collect();
    assert_eq!(places, [4096, 0, 8192]);

    let mut other = physical(&[0x9000, 0x8000]);
    let text = other.map_into(&dynamic(&domain)).unwrap_err().to_string();
    assert!(text.contains("4096 bytes at IOVA 0x8000 is already in use"), "{text}");
    assert_eq!(fake.mapped(0).len(), 3, "the first piece was unmapped again");
    let mut hole = physical(&[0x9000, 0xFEE0_0000]);
    let text = hole.map_into(&dynamic(&domain)).unwrap_err().to_string();
    assert!(text.contains("memory of physical memory") && text.contains("IOVA 0xfee00000"), "{text}");
    fake.state().failures.push((MAP, libc::EFAULT));
    other = physical(&[0x9000, 0xA000]);
    other.map_into(&dynamic(&domain)).unwrap_err();
    other.map_into(&dynamic(&domain)).unwrap();
    drop((memory, other));
    assert_eq!(fake.mapped(0), []);
}

#[test]
fn what_cannot_be_unmapped_is_never_used_again() {
    let fake = Fake::new([(7, Group::default())]);
    let domain = VfioDomain::new(VfioGroup::open(7).unwrap()).unwrap();
    let memory = allocate(&domain, 4096).unwrap();
    let (address, iova) = (memory.base().addr().get(), memory.segments()[0].iova.0);
    fake.state().failures.push((UNMAP, libc::EIO));
    drop(memory);
    let maps = fs::read_to_string("/proc/self/maps").unwrap();
    let starts = |line: &str| usize::from_str_radix(line.split('-').next().unwrap(), 16).unwrap();
    let ends = |line: &str| usize::from_str_radix(line.split(['-', ' ']).nth(1).unwrap(), 16).unwrap();
    assert!(
        maps.lines().any(|line| starts(line) <= address && address < ends(line)),
        "{address:#x} was freed"
    );
    let memory = allocate(&domain, 4096).unwrap();
    assert_eq!(end(&memory), iova - 4096, "and its address is not given out");
    // The same happens if the kernel has mapped less than expected.
    fake.state().containers[0].maps.clear();
    let address = memory.base().addr().get();
    drop(memory);
    let maps = fs::read_to_string("/proc/self/maps").unwrap();
    assert!(
        maps.lines().any(|line| starts(line) <= address && address < ends(line)),
        "{address:#x} was freed"
    );
}

#[test]
fn groups_that_cannot_be_had_are_named_with_the_reason() {
    let stuck = Group { viable: false, ..Group::default() };
    let silent = Group { ranges: vec![], ..Group::default() };
    let fake = Fake::new([(7, stuck), (8, silent), (9, Group::default())]);
    let mut domains = VfioDomains::default();
    let mut text = |group| domains.of_group(group).unwrap_err().to_string();
    assert!(text(7).contains("IOMMU group 7 cannot be used"), "{}", text(7));
    assert!(text(8).contains("group 8") && text(8).contains("Linux 5.4"), "{}", text(8));
    assert!(text(10).contains("/dev/vfio/10 cannot be opened (No such file"), "{}", text(10));
    fake.state().has_type1 = false;
    assert!(text(9).contains("modprobe vfio_iommu_type1"), "{}", text(9));
    fake.state().has_type1 = true;
    fake.state().version = 1;
    assert!(text(9).contains("/dev/vfio/vfio cannot be used (version 1"), "{}", text(9));
    fake.state().version = 0;
}

/// A file tree in place of `/`, with one line about memory reserved for devices of group 7.
fn root(name: &str, reserved: &str, unsafe_interrupts: &str) -> PathBuf {
    let root = std::env::temp_dir().join(format!("ixy-dma-refused-{name}-{}", std::process::id()));
    for (file, text) in [
        ("sys/kernel/iommu_groups/7/reserved_regions", reserved),
        ("sys/module/vfio_iommu_type1/parameters/allow_unsafe_interrupts", unsafe_interrupts),
    ] {
        fs::create_dir_all(root.join(file).parent().unwrap()).unwrap();
        fs::write(root.join(file), text).unwrap();
    }
    root
}

#[test]
fn reserved_memory_is_told_apart_from_interrupts_that_are_not_remapped() {
    const SET_IOMMU: u32 = 2;
    const SET_CONTAINER: u32 = 4;
    let direct = "0x00000000000e8000 0x00000000000e8fff direct\n";
    let relaxable = "0x00000000000e8000 0x00000000000e8fff direct-relaxable\n";
    for (n, (reserved, accepted, request, errno, wanted, unwanted)) in [
        // Kernels before 6.6 refuse the IOMMU, later ones the container.
        (direct, "N", SET_IOMMU, libc::EPERM, "HPE", "allow_unsafe_interrupts"),
        (direct, "N", SET_CONTAINER, libc::EINVAL, "0xe8000-0xe8fff", "allow_unsafe_interrupts"),
        (relaxable, "N", SET_IOMMU, libc::EPERM, "allow_unsafe_interrupts", "HPE"),
        // Root accepts it already, so it is not the reason.
        (relaxable, "Y", SET_IOMMU, libc::EPERM, "`dmesg` may say why", "allow_unsafe_interrupts"),
        (relaxable, "N", SET_IOMMU, libc::EINVAL, "`dmesg` may say why", "allow_unsafe_interrupts"),
        // Another failure for such a device.
        (direct, "N", SET_IOMMU, libc::ENOMEM, "`dmesg` may say why", "HPE"),
    ]
    .into_iter()
    .enumerate()
    {
        let fake = Fake::new([(7, Group::default())]);
        let root = root(&n.to_string(), reserved, accepted);
        fake.state().root = Some(root.clone());
        fake.state().failures.push((request, errno));
        let text = VfioDomains::default().of_group(7).unwrap_err().to_string();
        fs::remove_dir_all(&root).unwrap();
        assert!(text.contains("IOMMU group 7 cannot be"), "{text}");
        assert!(text.contains(wanted) && !text.contains(unwanted), "case {n}: {text}");
    }
}
