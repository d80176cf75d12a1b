//! Cross-check of the software 82599 with DPDK's driver, an independent one: it forwards the frames that ours
//! sends.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod harness;
#[path = "harness/served.rs"]
mod served;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use ixy::{Device, Options};
use ixy_core::Batch;
use ixy_lab::{Guest, Machine, Nic, Parts, Programs, Server, Tool, numbered};
use served::Served;

/// Number of frames each way; this many include the longest and the shortest.
const FRAMES: u32 = 20_000;
/// Largest number of them in flight.
const WINDOW: u32 = 128;
const LIMIT: Duration = Duration::from_secs(120);

/// Sends numbered frames by one card, which DPDK's driver must forward to the other: all, in order and unchanged.
/// Returns their bytes.
fn carried(cards: &mut [Device], [from, to]: [usize; 2]) -> Result<u64, String> {
    let pool = cards[from].new_pool(1024).unwrap();
    let (mut tx, mut rx) = (cards[from].tx_queue(0).unwrap(), cards[to].rx_queue(0).unwrap());
    let (mut waiting, mut batch) = (Batch::new(32), Batch::new(32));
    let (mut sent, mut arrived, mut bytes, start) = (0, 0, 0, Instant::now());
    while arrived < FRAMES {
        while sent < FRAMES && sent - arrived < WINDOW && waiting.room() > 0 {
            let Some(mut packet) = pool.allocate() else { break };
            let frame = numbered(0, sent);
            assert!(packet.set_len(u16::try_from(frame.len()).unwrap()));
            packet.copy_from_slice(&frame);
            assert!(waiting.push(packet).is_ok());
            sent += 1;
        }
        tx.send(&mut waiting);
        rx.receive(&mut batch);
        while let Some(packet) = batch.pop_front() {
            if packet[..] != numbered(0, arrived)[..] {
                let which = (0..FRAMES).find(|&number| packet[..] == numbered(0, number)[..]);
                return Err(format!(
                    "of {FRAMES} frames {sent} were sent, and {which:?} arrived instead of {arrived}"
                ));
            }
            bytes += packet.len() as u64;
            arrived += 1;
        }
        if start.elapsed() > LIMIT {
            let ready = waiting.len();
            return Err(format!(
                "of {FRAMES} frames {sent} were made, {ready} not sent of these, {arrived} arrived"
            ));
        }
        std::thread::yield_now();
    }
    Ok(bytes)
}

/// Adds `is_ready` to the guest's shell, which waits until testpmd reads its input.
fn the_shell_waits_for_testpmd(guest: &mut Guest) {
    guest
        .run(
            r#"
            chmod 755 / && mkdir -p /var/run && mkfifo orders
            is_ready() {
                for attempt in $(seq 600); do
                    ! grep -q 'testpmd> ' log || return 0
                    kill -0 $testpmd 2>/dev/null || break
                    sleep 0.2
                done
                echo "testpmd does not ask what to do:"
                cat log
                return 1
            }
            "#,
        )
        .unwrap();
}

/// testpmd's figure for a port, under `name`.
fn figure(log: &str, port: usize, name: &str) -> u64 {
    let title = match name.contains('_') {
        true => format!("NIC extended statistics for port {port} "),
        false => format!("NIC statistics for port {port} "),
    };
    let (_, part) = log.rsplit_once(&title).unwrap_or_else(|| panic!("no {title} in {log}"));
    let (_, value) = part.split_once(name).unwrap_or_else(|| panic!("no {name} in {log}"));
    value.split_whitespace().next().unwrap().parse().unwrap()
}

/// Makes testpmd forward frames between the first two of four served cards, which are bound to the kernel's
/// `driver`. The third has a cable to the first, the fourth to the second.
fn testpmd_carries_all(
    parts: &Parts,
    sockets: &[PathBuf; 4],
    driver: &str,
    machine: impl Fn(Machine) -> Machine,
    mode: &str,
) {
    let [a, b, x, y] = sockets;
    let machine = machine(Machine::new(Duration::from_secs(600))).tool(Tool::Testpmd);
    let machine = machine.nic(Nic::served("a", a)).nic(Nic::served("b", b));
    let mut guest = machine.boot(parts, &Programs::none()).unwrap();
    let [a, b] = ["a", "b"].map(|name| guest.address(name).unwrap());
    the_shell_waits_for_testpmd(&mut guest);
    guest
        .run(&format!(
            "for device in {a} {b}; do
                 echo {driver} >/sys/bus/pci/devices/$device/driver_override
                 echo $device >/sys/bus/pci/drivers_probe
                 [ -e /sys/bus/pci/drivers/{driver}/$device ] || {{ dmesg | tail; exit 1; }}
             done"
        ))
        .unwrap();

    let addresses = [x, y].map(|path| format!("vfio-user:{}", path.display()).parse().unwrap());
    let mut cards = ixy::open(&addresses, &Options::default().promiscuous(true)).unwrap();
    guest
        .run(&format!(
            "dpdk-testpmd -d /tools/librte_mempool_ring.so --iova-mode={mode} -l 0-1 --in-memory --no-telemetry \
                 -a {a} -a {b} -- -i --forward-mode=io --no-flush-rx --nb-cores=1 --total-num-mbufs=8192 <>orders >log 2>&1 &
             testpmd=$!
             is_ready && echo start >orders"
        ))
        .unwrap();
    for card in &cards {
        assert!(card.wait_for_link(LIMIT).unwrap().up, "{card:?}");
    }
    let start = Instant::now();
    let bytes = [[0, 1], [1, 0]].map(|way| {
        carried(&mut cards, way).unwrap_or_else(|error| {
            let [there, rest] = [0, 1].map(|card: usize| cards[card].stats().unwrap());
            let order = "printf 'show port stats all\nshow port info all\nshow fwd stats all\nquit\n' >orders; wait $testpmd; cat log";
            panic!("{error}; {there:?} {rest:?} {}", guest.run(order).unwrap())
        })
    });
    harness::say(&format!("{FRAMES} frames each way in {:.1} s\n", start.elapsed().as_secs_f64()));
    // Its output stays in its buffers until it ends.
    guest.run("printf 'show port stats all\nshow port xstats all\nshow port info all\nquit\n' >orders; wait $testpmd").unwrap();
    let log = guest.run("cat log").unwrap();
    assert_eq!(log.matches("Link status: up").count(), 2, "{log}");
    assert_eq!(log.matches("Link speed: 10 Gbps").count(), 2, "{log}");
    for port in [0, 1] {
        for (name, expected) in [
            ("RX-packets:", u64::from(FRAMES)),
            ("TX-packets:", u64::from(FRAMES)),
            ("RX-missed:", 0),
            ("RX-errors:", 0),
            ("RX-nombuf:", 0),
            ("TX-errors:", 0),
            ("RX-bytes:", bytes[port]),
            ("TX-bytes:", bytes[1 - port]),
            // Figures from its extended statistics.
            ("rx_good_packets:", u64::from(FRAMES)),
            ("tx_good_packets:", u64::from(FRAMES)),
            ("rx_q0_packets:", u64::from(FRAMES)),
            ("rx_crc_errors:", 0),
            ("rx_total_missed_packets:", 0),
        ] {
            assert_eq!(figure(&log, port, name), expected, "{name} of port {port}: {log}");
        }
    }
    // Counters aside, it prints these words for these reasons only.
    let complaints = "grep -iE 'error|fail|timeout|warn|cannot|unable' log |
        grep -vE '[a-zA-Z_]+: +[0-9]+|NUMA should be|error handling mode: none' || true";
    assert_eq!(guest.run(complaints).unwrap(), "", "{log}");
    harness::the_kernel_is_well(&guest);
}

#[test]
fn dpdk_finds_nothing_wrong_by_uio_with_cards_of_ixy_serve() {
    let test = "dpdk_finds_nothing_wrong_by_uio_with_cards_of_ixy_serve";
    let Some((parts, programs)) = harness::lab(test) else { return };
    let server = Server::start(&programs, &["a", "x", "b", "y"].map(|name| (name, None))).unwrap();
    let sockets = ["a", "b", "x", "y"].map(|name| server.socket(name));
    let machine = |machine: Machine| machine.module("uio_pci_generic");
    testpmd_carries_all(&parts, &sockets, "uio_pci_generic", machine, "pa");
    let expected = ["a", "x", "b", "y"].map(|name| {
        format!(
            "{}: {FRAMES} frames received, {FRAMES} sent, 0 DMA faults, 0 messages refused, 0 bad descriptors, clients 1\n",
            server.socket(name).display()
        )
    });
    assert_eq!(server.end().unwrap(), expected.concat());
}

#[test]
fn dpdk_finds_nothing_wrong_behind_an_iommu() {
    let Some(parts) = harness::parts("dpdk_finds_nothing_wrong_behind_an_iommu") else { return };
    let served = Served::start(&[("a", "cable=1"), ("x", "cable=1"), ("b", "cable=2"), ("y", "cable=2")]);
    let sockets = ["a", "b", "x", "y"].map(|name| served.socket(name));
    let machine = |machine: Machine| machine.module("vfio-pci").module("vfio_iommu_type1").iommu();
    // QEMU causes this refusal: it unmaps all addresses when only some are mapped, or none.
    testpmd_carries_all(&parts, &sockets, "vfio-pci", machine, "va");
    assert_eq!(served.wrongs(), "");
}
