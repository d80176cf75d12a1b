//! Messages are read as they were written, and no bytes do harm.

#![allow(clippy::unwrap_used)] // tests

use ixy_vfio_user::message::{
    Area, Capabilities, Command, DmaMap, DmaUnmap, Errno, Header, IrqAction, IrqData, IrqInfo, IrqRequest,
    IrqSet, MAX_WRITES, RegionAccess, RegionInfo, RegionReply, Request, ShortWrite, Version,
};
use proptest::prelude::*;
use zerocopy::IntoBytes;

fn bytes_of(request: &Request<'_>) -> Vec<u8> {
    let mut bytes = Vec::new();
    request.encode(&mut bytes);
    bytes
}

fn capabilities() -> impl Strategy<Value = Capabilities> {
    any::<(u64, u64, u64, u64, bool)>().prop_map(|(fds, transfer, maps, pgsizes, write_multiple)| {
        Capabilities {
            max_msg_fds: fds,
            max_data_xfer_size: transfer,
            max_dma_maps: maps,
            pgsizes,
            write_multiple,
        }
    })
}

/// A request with its data in `data`.
fn requests(data: &[u8], pick: u8, words: [u64; 4], capabilities: Capabilities) -> Request<'_> {
    let [a, b, c, d] = words;
    let (small, other) = (a as u32, b as u32);
    match pick % 11 {
        0 => Request::Version(Version { major: a as u16, minor: b as u16, capabilities }),
        1 => Request::DmaMap(DmaMap { argsz: small, flags: other, offset: c, address: d, size: a }),
        2 => Request::DmaUnmap(DmaUnmap { argsz: small, flags: other, address: c, size: d }),
        3 => Request::DeviceInfo { argsz: small },
        4 => Request::RegionInfo { argsz: small, index: other },
        5 => Request::IrqInfo { argsz: small, index: other },
        6 => {
            let action = [IrqAction::Mask, IrqAction::Unmask, IrqAction::Trigger][(a % 3) as usize];
            let (data, count) = match b % 3 {
                0 => (IrqData::None, c as u16 as u32),
                1 => (IrqData::Bool(data), data.len() as u32),
                _ => (IrqData::Eventfd, c as u16 as u32),
            };
            Request::SetIrqs(IrqRequest { index: small, start: d as u16 as u32, count, data, action })
        }
        7 => Request::RegionRead(RegionAccess { offset: c, region: small, count: other }),
        8 => Request::RegionWrite(RegionAccess { offset: c, region: small, count: data.len() as u32 }, data),
        9 => {
            let write = |n: u64| ShortWrite {
                offset: n ^ c,
                region: small,
                count: (n % 9) as u32,
                data: d.to_ne_bytes(),
            };
            Request::RegionWriteMulti((0..a % (MAX_WRITES as u64 + 1)).map(write).collect())
        }
        _ => Request::Reset,
    }
}

proptest! {
    #[test]
    fn a_request_that_was_written_is_read_back(
        data in prop::collection::vec(any::<u8>(), 0..64),
        pick in any::<u8>(),
        words in any::<[u64; 4]>(),
        capabilities in capabilities(),
    ) {
        let request = requests(&data, pick, words, capabilities);
        let bytes = bytes_of(&request);
        prop_assert_eq!(Request::parse(request.command() as u16, &bytes), Ok(request));
    }

    #[test]
    fn any_bytes_are_read_or_refused(command in 0..24_u16, bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(request) = Request::parse(command, &bytes) {
            prop_assert_eq!(request.command() as u16, command);
        }
        let _ = (RegionReply::parse(&bytes), Version::parse(&bytes), Header::split(&bytes));
    }

    #[test]
    fn a_request_that_is_cut_or_too_long_is_refused(
        pick in any::<u8>(), words in any::<[u64; 4]>(), cut in any::<prop::sample::Index>(),
    ) {
        let request = requests(&[1, 0, 1], pick, words, Capabilities::default());
        // The text of a version may end only where it is JSON, so nowhere before its end.
        let mut bytes = bytes_of(&request);
        let command = request.command() as u16;
        if !bytes.is_empty() && !matches!(request, Request::Version(_)) {
            prop_assert!(Request::parse(command, &bytes[..cut.index(bytes.len())]).is_err());
        }
        if !matches!(request, Request::Version(_)) {
            bytes.push(0);
            prop_assert!(Request::parse(command, &bytes).is_err());
        }
    }

    #[test]
    fn a_region_that_was_written_is_read_back(
        words in any::<[u64; 4]>(), areas in prop::option::of(prop::collection::vec(any::<(u64, u64)>(), 0..64)),
    ) {
        let areas = areas.map(|areas| areas.into_iter().map(|(offset, size)| Area { offset, size }).collect());
        let info = RegionInfo { index: words[0] as u32, flags: words[1] as u32 & 7, size: words[2], offset: words[3], ..Default::default() };
        let reply = RegionReply { info, areas };
        let mut bytes = Vec::new();
        reply.encode(u32::MAX, &mut bytes).unwrap();
        prop_assert_eq!(bytes.len(), reply.len());
        let read = RegionReply::parse(&bytes).unwrap();
        prop_assert_eq!(read.info.argsz as usize, bytes.len());
        prop_assert_eq!(&read.areas, &reply.areas);
        prop_assert_eq!((read.info.size, read.info.offset, read.info.index), (info.size, info.offset, info.index));
        // With room for the structure only, it comes alone, and gives the total length.
        let mut short = Vec::new();
        reply.encode(32, &mut short).unwrap();
        prop_assert_eq!(short.len(), 32);
        let (head, _) = RegionInfo::split(&short).unwrap();
        prop_assert_eq!(head.cap_offset, if reply.areas.is_some() { 32 } else { 0 }, "QEMU looks at it");
        prop_assert_eq!(RegionReply::parse(&short).unwrap().info.argsz as usize, bytes.len());
        prop_assert_eq!(reply.encode(31, &mut short), Err(Errno::INVAL));
    }
}

#[test]
fn a_list_of_capabilities_that_goes_in_circles_is_refused() {
    let mut bytes = Vec::new();
    let reply = RegionReply { areas: Some(vec![Area::default()]), ..RegionReply::default() };
    reply.encode(u32::MAX, &mut bytes).unwrap();
    bytes[36..40].copy_from_slice(&32_u32.to_ne_bytes()); // the next capability is this one
    assert_eq!(RegionReply::parse(&bytes), Err(Errno::INVAL));
    bytes[36..40].copy_from_slice(&4096_u32.to_ne_bytes()); // it is outside
    assert_eq!(RegionReply::parse(&bytes), Err(Errno::INVAL));
    bytes[36..40].copy_from_slice(&0_u32.to_ne_bytes());
    bytes[40..44].copy_from_slice(&65_u32.to_ne_bytes()); // too many areas
    assert_eq!(RegionReply::parse(&bytes), Err(Errno::TOOBIG));
}

#[test]
fn more_writes_than_are_allowed_are_too_many_before_they_are_read() {
    let body = (MAX_WRITES as u64 + 1).to_ne_bytes();
    assert_eq!(Request::parse(Command::RegionWriteMulti as u16, &body), Err(Errno::TOOBIG));
    let long = ShortWrite { count: 9, ..ShortWrite::default() };
    let body = [&1_u64.to_ne_bytes()[..], long.as_bytes()].concat();
    assert_eq!(Request::parse(Command::RegionWriteMulti as u16, &body), Err(Errno::INVAL));
}

#[test]
fn flags_of_interrupts_are_one_kind_of_data_and_one_action() {
    let parse = |flags: u32, data: &[u8]| {
        let set = IrqSet { argsz: 20, flags, index: 0, start: 0, count: 1 };
        let body = [set.as_bytes(), data].concat();
        Request::parse(Command::DeviceSetIrqs as u16, &body).map(|_| ())
    };
    assert_eq!(parse(IrqSet::DATA_NONE | IrqSet::ACTION_TRIGGER, &[]), Ok(()));
    assert_eq!(parse(IrqSet::DATA_BOOL | IrqSet::ACTION_MASK, &[1]), Ok(()));
    for (flags, data) in [
        (IrqSet::DATA_NONE, &[][..]),
        (IrqSet::ACTION_MASK, &[]),
        (IrqSet::DATA_NONE | IrqSet::DATA_BOOL | IrqSet::ACTION_MASK, &[]),
        (IrqSet::DATA_NONE | IrqSet::ACTION_MASK | IrqSet::ACTION_UNMASK, &[]),
        (IrqSet::DATA_BOOL | IrqSet::ACTION_MASK, &[]),
        (IrqSet::DATA_BOOL | IrqSet::ACTION_MASK, &[1, 1]),
        (IrqSet::DATA_NONE | IrqSet::ACTION_MASK, &[1]),
        (1 << 6 | IrqSet::DATA_NONE | IrqSet::ACTION_MASK, &[]),
    ] {
        assert_eq!(parse(flags, data), Err(Errno::INVAL), "{flags:#x} {data:?}");
    }
    let set = IrqSet {
        argsz: 20,
        flags: IrqSet::DATA_NONE | IrqSet::ACTION_MASK,
        index: 0,
        start: u32::MAX,
        count: 1,
    };
    assert_eq!(
        Request::parse(Command::DeviceSetIrqs as u16, set.as_bytes()),
        Err(Errno::INVAL),
        "beyond all numbers"
    );
}

fn version(text: &str) -> Result<Capabilities, Errno> {
    let body = [&[0; 4], text.as_bytes()].concat();
    Version::parse(&body).map(|version| version.capabilities)
}

#[test]
fn capabilities_that_are_not_given_have_the_values_of_the_specification() {
    let defaults = Capabilities::default();
    assert_eq!(
        (defaults.max_msg_fds, defaults.max_data_xfer_size, defaults.max_dma_maps),
        (1, 1_048_576, 65_535)
    );
    for text in
        ["", "\0", "{}", "{\"capabilities\":{}}\0", "{\"capabilities\":{\"migration\":{\"pgsize\":4096}}}"]
    {
        assert_eq!(version(text), Ok(defaults), "{text:?}");
    }
    let some = version("{\"capabilities\":{\"max_msg_fds\":8,\"write_multiple\":true}}\0").unwrap();
    assert_eq!((some.max_msg_fds, some.write_multiple), (8, true));
    let deep = "[".repeat(4000);
    for text in
        ["x", "[]", "{\"capabilities\":1}", "{\"capabilities\":{\"max_msg_fds\":-1}}", "\u{80}", &deep]
    {
        assert_eq!(version(text), Err(Errno::INVAL), "{text:?}");
    }
    assert_eq!(version(&" ".repeat(5000)), Err(Errno::TOOBIG));
}

#[test]
fn commands_of_the_protocol_that_nobody_offers_are_told_from_those_that_are_none() {
    for number in [6, 11, 12, 16, 17, 18] {
        assert_eq!(Request::parse(number, &[]), Err(Errno::OPNOTSUPP));
    }
    for number in [0, 14, 19, u16::MAX] {
        assert_eq!(Request::parse(number, &[]), Err(Errno::INVAL));
    }
    assert_eq!(IrqInfo::SIZE, 16);
}
