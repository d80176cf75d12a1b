//! A program that depends on this crate alone: it can name what the functions take, return and report. Nothing here
//! comes from a crate below.
#![cfg(all(feature = "pci", feature = "sim", feature = "vfio-user"))]
#![allow(clippy::unwrap_used, reason = "tests")]

use std::time::Duration;

use ixy::{
    Address, Batch, Cables, Cache, CardFaults, CoreError, DATA_SIZE, Device, DeviceId, DeviceInfo,
    DeviceStats, Error, FCS, FRAMING, Fault, Faults, HEADROOM, Interface, InterfaceAddress, Interrupt,
    LONGEST_FRAME, LinkState, MacAddress, MemoryWire, Mempool, Missing, Nic82599, Options, Packet,
    ParseInterfaceAddressError, ParseMacError, PciAddress, PciError, QueueStats, RxQueue, SfpModule, Sim,
    SimAddress, Stop, Sysfs, TxQueue, UnknownModule, VfioUserError, WaitMode, Waiter, WireError,
};

const LONG: Duration = Duration::from_secs(30);

fn open(address: impl Into<Address>) -> Device {
    let options = Options::default().stop(&Stop::new().after(LONG)).cables(&Cables::default());
    ixy::open(&[address.into()], &options).unwrap().remove(0)
}

#[test]
fn the_test_names_no_crate_below() {
    let lines: Vec<_> =
        include_str!("alone.rs").lines().filter(|line| line.contains(concat!("ixy", "_"))).collect();
    assert!(lines.is_empty(), "lines that name another crate: {lines:?}");
}

#[test]
fn queues_pools_and_counters_have_names() {
    fn pass(
        rx: &mut dyn RxQueue,
        tx: &mut dyn TxQueue,
        batch: &mut Batch,
        frames: usize,
    ) -> Result<(), CoreError> {
        let mut waiter: Waiter = Waiter::new(WaitMode::Poll, [&mut *rx])?;
        assert!(rx.interrupt().is_none_or(|_: &mut dyn Interrupt| false), "it was opened without interrupts");
        let mut sent = 0;
        while sent < frames {
            let received = rx.receive(batch);
            sent += tx.send(batch);
            waiter.after(received, [(&mut *rx, tx.pending())]);
        }
        Ok(())
    }
    let wire: MemoryWire = [vec![1; 60], vec![2; 60]].into_iter().collect();
    let mut card = open(Address::sim().memory(&wire));
    let (mut rx, mut tx) = (card.rx_queue(0).unwrap(), card.tx_queue(0).unwrap());
    let mut batch = Batch::new(32);
    pass(&mut *rx, &mut *tx, &mut batch, 2).unwrap();

    let pool: Mempool = card.new_pool(64).unwrap();
    let mut cache: Cache = pool.cache();
    let packet: Packet = cache.allocate().unwrap();
    let (headroom, tailroom) = (packet.headroom(), packet.tailroom());
    assert_eq!((headroom, headroom + tailroom), (HEADROOM.into(), usize::from(HEADROOM + DATA_SIZE)));
    assert!(DATA_SIZE >= LONGEST_FRAME && FRAMING > FCS.into());
    cache.free(packet);

    let stats: DeviceStats = card.stats().unwrap();
    let queues: Vec<QueueStats> = card.queue_stats();
    let link: LinkState = card.wait_for_link(LONG).unwrap();
    assert_eq!((stats.rx_packets, queues.len(), link.up), (2, 1, true));
}

#[test]
fn a_software_card_s_faults_have_names() {
    let module: Result<SfpModule, UnknownModule> = "dac".parse();
    let mac: Result<MacAddress, ParseMacError> = "02:00:00:00:00:07".parse();
    let ip: Result<InterfaceAddress, ParseInterfaceAddressError> = "10.0.0.1/33".parse();
    assert!(ip.is_err(), "no IPv4 network has 33 bits");
    let address: SimAddress =
        Address::sim().mac(mac.clone().unwrap()).module(module.unwrap()).faults(Faults::default());
    let card = open(address);
    assert_eq!(card.mac(), mac.unwrap());

    let sim: &Sim = card.simulated().unwrap();
    let (model, faults): (&Nic82599, &CardFaults) = (sim.model(), sim.faults());
    faults.set(Fault::LinkDown, true);
    assert!(faults.is(Fault::LinkDown) && model.faults().is(Fault::LinkDown));
}

#[test]
fn what_a_card_of_the_machine_lacks_has_a_name() {
    let root = tempfile::tempdir().unwrap();
    let sysfs: Sysfs = Sysfs::new(root.path());
    let address: PciAddress = "0000:03:00.0".parse().unwrap();
    let absent: Result<DeviceInfo, PciError> = sysfs.device(address);
    assert!(matches!(absent, Err(PciError::NoSuchDevice { .. })), "{absent:?}");

    let device = sysfs.path(address);
    std::fs::create_dir_all(device.join("net/eth7")).unwrap();
    for (file, text) in [("vendor", "0x8086"), ("device", "0xffff"), ("class", "0x020000")] {
        std::fs::write(device.join(file), text).unwrap();
    }
    let info: DeviceInfo = sysfs.device(address).unwrap();
    let interfaces: &[Interface] = &info.interfaces;
    assert_eq!((info.id, interfaces[0].name.as_str()), (DeviceId::new(0x8086, 0xffff), "eth7"));
    let missing: Vec<Missing> = ixy::missing(&info, &Options::default());
    assert!(missing[0].blocks && missing[0].what.starts_with("a driver: "), "{missing:?}");
}

/// The error below an error, by its type.
fn source_of(error: &Error) -> &'static str {
    type Boxed = Box<dyn std::error::Error + Send + Sync>;
    match error {
        Error::Wire { source, .. } => {
            let _: &WireError = source;
            "wire"
        }
        Error::VfioUser { source, .. } => {
            let _: &VfioUserError = source;
            "server"
        }
        Error::Pci(source) => {
            let _: &PciError = source;
            "PCI"
        }
        Error::Options(source) | Error::Driver { source, .. } | Error::NoDriver { source, .. } => {
            let _: &Boxed = source;
            "driver"
        }
        Error::Lost { source, .. } | Error::Memory { source, .. } | Error::NoSharedMemory { source, .. } => {
            let _: &CoreError = source;
            "core"
        }
        _ => "none",
    }
}

#[test]
fn the_errors_of_opening_have_names() {
    let directory = tempfile::tempdir().unwrap();
    let refused = |address: Address, options: Options| ixy::open(&[address], &options).unwrap_err();
    let options = Options::default().sysfs(Sysfs::new(directory.path()));
    let absent = Address::pci(0, 3, 0, 0).unwrap();
    for (error, source) in [
        (refused(Address::sim().rx(directory.path().join("none")).into(), options.clone()), "wire"),
        (refused(Address::vfio_user(directory.path().join("none")), options.clone()), "server"),
        (refused(absent, options.clone()), "PCI"),
        (refused(Address::sim().into(), options.rx_ring(65)), "driver"),
        (ixy::open(&[], &Options::default()).unwrap_err(), "none"),
    ] {
        assert_eq!(source_of(&error), source, "{error}");
    }
}
