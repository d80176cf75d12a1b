//! 82576s behind an IOMMU, driven by a user: polled, by interrupts, and adaptively.
#![allow(clippy::panic, clippy::unwrap_used, clippy::print_stdout, reason = "tests")]

mod harness;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use harness::statistic;
use ixy_lab::{Backend, Cable, Guest, Interface, Machine, Nic, Port, forwarded, numbered};

/// A machine with an IOMMU and hugepages; its kernel has its own drivers for the devices added.
fn machine(limit: u64) -> Machine {
    let mut machine = Machine::new(Duration::from_secs(limit)).iommu().scripts();
    for module in ["igb", "virtio_net", "vfio-pci", "vfio_iommu_type1"] {
        machine = machine.module(module);
    }
    machine
}

/// Hands devices to a user, who may lock enough memory; returns their addresses.
fn handed_over<const N: usize>(guest: &mut Guest, names: [&str; N]) -> [String; N] {
    harness::programs_can_be_started(guest);
    harness::there_is_a_user(guest);
    let addresses = names.map(|name| guest.address(name).unwrap());
    guest.run(&format!("/scripts/bind --user user vfio {} && ulimit -l 65536", addresses.join(" "))).unwrap();
    addresses
}

/// Pseudo-random numbers, the same for the same seed.
struct Random(u64);

impl Random {
    fn seeded() -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let seed = std::env::var("IXY_LAB_SEED").ok().and_then(|text| text.parse().ok());
        let seed = seed.unwrap_or(now.as_nanos() as u64);
        println!("IXY_LAB_SEED={seed}");
        Self(seed)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }
}

#[test]
fn numbered_frames_pass_in_order_however_a_user_waits_for_them() {
    let test = "numbered_frames_pass_in_order_however_a_user_waits_for_them";
    let Some((parts, programs)) = harness::lab(test) else { return };
    let machine = machine(300)
        .nic(Nic::igb("a", Backend::Test))
        .nic(Nic::igb("b", Backend::Test))
        .nic(Nic::virtio("c", Interface::Modern, Backend::Test).options("iommu_platform=on"))
        .device("e1000e,bus=pcie.0,addr=0x8,romfile=");
    let mut guest = machine.boot(&parts, &programs).unwrap();
    let [a, b, c] = handed_over(&mut guest, ["a", "b", "c"]);
    let [at_a, at_b, at_c] = ["a", "b", "c"].map(|name| guest.port(name).unwrap());
    for (other, at_other) in [(&b, &at_b), (&c, &at_c)] {
        for wait in ["poll", "interrupt", "adaptive"] {
            guest.run(&format!("start 2 as_user ixy-fwd {a} {other} --wait {wait}")).unwrap();
            let passed = forwarded(&at_a, at_other, 1, 10_000, Duration::from_secs(60))
                .and_then(|()| forwarded(at_other, &at_a, 2, 1_000, Duration::from_secs(20)));
            let stopped = guest.run("stop TERM");
            let log = guest.run("cat log").unwrap();
            passed.unwrap_or_else(|error| panic!("{wait}: {error}\n{log}"));
            stopped.unwrap_or_else(|error| panic!("{wait}: {error}\n{log}"));
            assert_eq!(log.contains("a thread waited"), wait != "poll", "{wait}: {log}");
            assert_eq!(harness::faults(&mut guest), "", "{wait}: {log}");
        }
    }

    // While frames pass, another card accesses memory that is not mapped for it: the IOMMU stops it, and the
    // others go on.
    let card = "0000:00:08.0";
    guest.run(&format!("start 2 as_user ixy-fwd {a} {b} --wait interrupt")).unwrap();
    guest.run(&format!("/scripts/bind --user user vfio {card}")).unwrap();
    let frames = thread::spawn(move || forwarded(&at_a, &at_b, 3, 10_000, Duration::from_secs(100)));
    let strayed = guest.run(&format!("(as_user vfio {card}) 2>&1")).unwrap();
    frames.join().unwrap().unwrap();
    guest.run("stop TERM").unwrap();
    let iova = strayed.split_once("a descriptor at IOVA 0x").unwrap().1.split(' ').next().unwrap();
    let faults = harness::faults(&mut guest);
    assert!(faults.contains("00:08.0") && faults.contains(iova), "nothing about {iova} in: {faults}");
    assert!(!faults.contains("01:00.0") && !faults.contains("02:00.0"), "{faults}");
    assert_eq!(harness::free_hugepages(&mut guest), [128, 128]);
    harness::the_kernel_is_well(&guest);
}

/// A frame of 60 bytes with its number at the end.
fn short(number: u32) -> Vec<u8> {
    let mut frame = vec![0x02, 0, 0, 0, 0, 2, 0x02, 0, 0, 0, 0, 1, 0x88, 0xb5];
    frame.resize(56, 0);
    frame.extend(number.to_be_bytes());
    frame
}

/// Sends a frame once there is room: the card accepts none before its link is up.
fn sent(to: &Port, frame: &[u8]) {
    let start = Instant::now();
    while !to.send(frame).unwrap() {
        assert!(start.elapsed() < Duration::from_secs(10), "there is no room for a frame");
    }
}

/// The number of 60-byte frames in the capture, counted in the guest; their numbers must rise.
const COUNT_NUMBERS: &str =
    "xxd -p -s 24 -c 76 dump.pcap | cut -c 145-152 >numbers; sort -c -u numbers && wc -l <numbers";

#[test]
fn a_capture_by_interrupt_has_all_frames_at_a_slow_rate_and_counts_all_at_full_rate() {
    let test = "a_capture_by_interrupt_has_all_frames_at_a_slow_rate_and_counts_all_at_full_rate";
    let Some((parts, programs)) = harness::lab(test) else { return };
    let machine = machine(180).nic(Nic::igb("a", Backend::Test)).nic(Nic::igb("b", Backend::Test));
    let mut guest = machine.boot(&parts, &programs).unwrap();
    let [a, b] = handed_over(&mut guest, ["a", "b"]);
    let [at_a, at_b] = ["a", "b"].map(|name| Arc::new(guest.port(name).unwrap()));
    let start = format!("start 1 as_user ixy-dump {b} -w dump.pcap --json --wait interrupt");
    let mut random = Random::seeded();

    const FEW: u32 = 1_000;
    guest.run(&start).unwrap();
    for number in 0..FEW {
        sent(&at_b, &short(number));
        thread::sleep(Duration::from_micros(random.below(4_000)));
    }
    guest.run("sleep 0.5").unwrap();
    guest.run("stop TERM").unwrap();
    let log = guest.run("cat log").unwrap();
    let lost = ["missed", "dropped", "errors"].map(|name| statistic(&log, name));
    assert_eq!((statistic(&log, "recorded"), lost), (FEW.into(), [0; 3]), "{log}");
    assert_eq!(guest.run(COUNT_NUMBERS).unwrap().trim(), FEW.to_string());
    assert!(log.contains("a thread waited"), "{log}");

    // The generator's frames are checked on the wire. If the wire does not take frames in time, QEMU keeps 10,000
    // of this card and drops the rest.
    const MANY: u64 = 9_000;
    let expected = AtomicU32::new(0);
    let in_order = move |frame: &mut [u8]| {
        let number = expected.fetch_add(1, Ordering::Relaxed);
        assert_eq!((frame.len(), &frame[56..60]), (60, &number.to_be_bytes()[..]), "frame {number}");
    };
    guest.run(&start).unwrap();
    let cable = Cable::plug(&at_a, &at_b, in_order);
    let sent = guest.run(&format!("(as_user ixy-pktgen {a} --count {MANY} --json -q)")).unwrap();
    guest.run("sleep 1").unwrap();
    let wire = cable.unplug().unwrap();
    guest.run("stop TERM").unwrap();
    let log = guest.run("cat log").unwrap();
    assert_eq!((statistic(&sent, "tx_packets"), wire.sent), (MANY, MANY), "{sent}");
    let received = statistic(&log, "recorded");
    let lost = statistic(&log, "missed") + statistic(&log, "dropped") + statistic(&log, "errors");
    assert_eq!(received + lost + wire.missed, MANY, "{wire:?}\n{log}");
    assert!(received > 0, "{log}");
    assert_eq!(guest.run(COUNT_NUMBERS).unwrap().trim(), received.to_string());
    harness::the_kernel_is_well(&guest);
}

/// An `awk` expression for the program's processor time in the guest, in hundredths of a second.
fn processor_time(guest: &mut Guest) -> u64 {
    guest.run("awk '{ print $14 + $15 }' /proc/$program/stat").unwrap().trim().parse().unwrap()
}

/// Sends frames one by one, each after a gap and after the last one is back, and returns the time that each took.
fn one_by_one(from: &Port, to: &Port, gaps: impl Iterator<Item = Duration>) -> Vec<Duration> {
    let mut buffer = [0; 2048];
    let way = |(number, gap)| {
        thread::sleep(gap);
        let frame = numbered(3, number);
        let start = Instant::now();
        sent(from, &frame);
        loop {
            if let Some(found) = to.receive(&mut buffer).unwrap() {
                assert_eq!(found[14..18], frame[14..18], "not frame {number}");
                return start.elapsed();
            }
            assert!(start.elapsed() < Duration::from_secs(5), "frame {number} did not come back");
        }
    };
    (0..).zip(gaps).map(way).collect()
}

/// A frame that only the end of a sleep finds takes about 100 ms.
const LATE: Duration = Duration::from_millis(80);

/// A busy host stalls a machine now and then. A wake-up that can be lost is lost in one of 100 sleeps, or more
/// often.
const STALLS: u64 = 2;

/// The processor time of an idle forwarder, at most, in percent of a core.
const IDLE: f64 = 2.0;

/// Checks an idle forwarder between these devices, and frames that come then; returns the problem, or an empty
/// text.
fn idle(guest: &mut Guest, both: &str, [from, to]: [&Port; 2], random: &mut Random) -> String {
    let mut wrong = String::new();
    for wait in ["adaptive", "interrupt"] {
        guest.run(&format!("start 2 as_user ixy-fwd {both} --wait {wait}")).unwrap();
        // Waits until the link is up.
        one_by_one(from, to, [Duration::ZERO].into_iter());
        let mut percent = f64::MAX;
        // The guest counts time that a busy host takes away as used, so there are three attempts.
        for _ in 0..3 {
            let (before, start) = (processor_time(guest), Instant::now());
            guest.run("sleep 5").unwrap();
            let (used, time) = (processor_time(guest) - before, start.elapsed());
            // Hundredths of a second, divided by seconds.
            percent = percent.min(used as f64 / time.as_secs_f64());
            if percent < IDLE {
                break;
            }
        }

        let slow = (0..100).map(|_| Duration::from_millis(20));
        let fast: Vec<_> = (0..1_500).map(|_| Duration::from_micros(random.below(3_000))).collect();
        let times = one_by_one(from, to, slow.chain(fast));
        guest.run("stop TERM").unwrap();
        let log = guest.run("cat log").unwrap();
        let count = |name: &str| -> u64 {
            let value = log.split_once(name).unwrap_or_else(|| panic!("no {name} in {log}")).1;
            value.split_whitespace().next().unwrap().parse().unwrap()
        };
        let (slept, overslept) = (count(" slept="), count(" overslept="));
        let late: Vec<_> = times.iter().enumerate().filter(|(_, time)| **time >= LATE).collect();
        let [mut slow, mut fast] = [times[..100].to_vec(), times[100..].to_vec()];
        slow.sort();
        fast.sort();
        let found = format!(
            "{both} {wait}: idle {percent:.2} % of a core; each 20 ms: median {:?}, most {:?}; at random: median {:?}, most {:?}; \
             slept {slept} times, overslept {overslept}, late {late:?}\n",
            slow[slow.len() / 2],
            slow[slow.len() - 1],
            fast[fast.len() / 2],
            fast[fast.len() - 1]
        );
        harness::say(&found);
        if percent >= IDLE || overslept > STALLS || late.len() > 4 * STALLS as usize || slept < 500 {
            wrong += &found;
        }
    }
    wrong
}

#[test]
fn an_idle_forwarder_costs_next_to_nothing_and_no_frame_waits_for_a_lost_wake_up() {
    let test = "an_idle_forwarder_costs_next_to_nothing_and_no_frame_waits_for_a_lost_wake_up";
    let Some((parts, programs)) = harness::lab(test) else { return };
    let virtio = |name| Nic::virtio(name, Interface::Modern, Backend::Test).options("iommu_platform=on");
    let machine = machine(240)
        .nic(Nic::igb("a", Backend::Test))
        .nic(Nic::igb("b", Backend::Test))
        .nic(virtio("c"))
        .nic(virtio("d").options("packed=on"));
    let mut guest = machine.boot(&parts, &programs).unwrap();
    let [a, b, c, d] = handed_over(&mut guest, ["a", "b", "c", "d"]);
    let [at_a, at_b, at_c, at_d] = ["a", "b", "c", "d"].map(|name| guest.port(name).unwrap());
    let mut random = Random::seeded();
    let wrong = [
        idle(&mut guest, &format!("{a} {b}"), [&at_a, &at_b], &mut random),
        idle(&mut guest, &format!("{c} {d}"), [&at_c, &at_d], &mut random),
        idle(&mut guest, &format!("{c} {d}"), [&at_d, &at_c], &mut random),
    ];
    assert_eq!(wrong.concat(), "");
    harness::the_kernel_is_well(&guest);
}

#[test]
fn the_kernel_s_driver_talks_through_the_forwarder() {
    let Some((parts, programs)) = harness::lab("the_kernel_s_driver_talks_through_the_forwarder") else {
        return;
    };
    // The kernel's devices are k and l: k is connected to a, and l through the test to b.
    let machine = machine(240)
        .nic(Nic::igb("k", Backend::Hub(0)))
        .nic(Nic::igb("a", Backend::Hub(0)))
        .nic(Nic::igb("b", Backend::Test))
        .nic(Nic::igb("l", Backend::Test));
    let mut guest = machine.boot(&parts, &programs).unwrap();
    let [a, b] = handed_over(&mut guest, ["a", "b"]);
    let [k, l] = ["k", "l"].map(|name| guest.address(name).unwrap());
    let [at_b, at_l] = ["b", "l"].map(|name| Arc::new(guest.port(name).unwrap()));
    let cables = [Cable::plug(&at_b, &at_l, |_| ()), Cable::plug(&at_l, &at_b, |_| ())];
    let script = format!(
        r#"
        head -c 10000000 /dev/urandom >file && sha256sum <file >sum && mkfifo endless &&
        start 2 as_user ixy-fwd {a} {b} --wait adaptive &&
        k=$(ls /sys/bus/pci/devices/{k}/net) && l=$(ls /sys/bus/pci/devices/{l}/net) &&
        {{ unshare -n sleep 1000 & }} && there=$! && sleep 0.5 &&
        ip link set $l netns $there &&
        nsenter -t $there -n ip addr add 198.18.0.2/24 dev $l &&
        nsenter -t $there -n ip link set $l up &&
        ip addr add 198.18.0.1/24 dev $k && ip link set $k up && sleep 3 &&
        ping -c 5 -i 0.2 -W 10 198.18.0.2 &&
        {{ nsenter -t $there -n nc -l -p 5000 <>endless >copy & }} && listener=$! && sleep 0.5 &&
        nc 198.18.0.2 5000 <file &&
        wait $listener &&
        sha256sum <copy | cmp - sum &&
        stop TERM && cat log
        "#
    );
    let output = guest.run(&script).unwrap();
    assert!(output.contains("5 packets received"), "{output}");
    for cable in cables {
        assert!(cable.unplug().unwrap().sent > 100, "the transfer took another way");
    }
    assert_eq!(harness::faults(&mut guest), "");
    harness::the_kernel_is_well(&guest);
}

/// Sends a stream of frames, and checks that all come out of the other end, in order, whatever comes between them.
fn passes(from: &Port, to: &Port, stream: u8, count: u32) -> Result<(), String> {
    let (mut sent, mut arrived, mut buffer) = (0, 0, [0; 2048]);
    let start = Instant::now();
    while arrived < count {
        while sent < count && sent - arrived < 32 && from.send(&numbered(stream, sent)).unwrap() {
            sent += 1;
        }
        if let Some(frame) = to.receive(&mut buffer).unwrap().filter(|frame| frame[5] == stream) {
            if frame[14..18] != arrived.to_be_bytes() {
                return Err(format!("frame {arrived} was expected, and {:?} came", &frame[14..18]));
            }
            arrived += 1;
        }
        if start.elapsed() > Duration::from_secs(20) {
            return Err(format!("{sent} of {count} frames sent, and {arrived} arrived"));
        }
    }
    Ok(())
}

/// Keeps sending frames while `work` runs.
fn with_traffic<T>(from: &Port, to: &Port, work: impl FnOnce() -> T) -> T {
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            let (mut number, mut buffer) = (0, [0; 2048]);
            while !over.load(Ordering::Relaxed) {
                for _ in 0..8 {
                    from.send(&numbered(99, number)).unwrap();
                    number += 1;
                }
                while to.receive(&mut buffer).unwrap().is_some() && !over.load(Ordering::Relaxed) {}
            }
        });
        let result = work();
        over.store(true, Ordering::Relaxed);
        result
    })
}

#[test]
fn a_killed_program_leaves_cards_that_can_be_opened_again_and_given_back() {
    let test = "a_killed_program_leaves_cards_that_can_be_opened_again_and_given_back";
    let Some((parts, programs)) = harness::lab(test) else { return };
    let kills = match std::env::var("IXY_LAB_KILLS") {
        Ok(text) => text.parse().unwrap(),
        Err(_) if std::env::var_os("CI").is_some() => 5,
        Err(_) => 20,
    };
    let machine =
        machine(120 + 10 * kills).nic(Nic::igb("a", Backend::Test)).nic(Nic::igb("b", Backend::Test));
    let mut guest = machine.boot(&parts, &programs).unwrap();
    let addresses = handed_over(&mut guest, ["a", "b"]);
    let [at_a, at_b] = ["a", "b"].map(|name| Arc::new(guest.port(name).unwrap()));
    let (both, mut random) = (addresses.join(" "), Random::seeded());
    let mut started = 0;
    for kill in 0..kills {
        let wait = ["poll", "interrupt", "adaptive"][random.below(3) as usize];
        let [signal, status] = [["KILL", "137"], ["KILL", "137"], ["TERM", "0"]][random.below(3) as usize];
        let program = format!("as_user ixy-fwd {both} --wait {wait}");
        let what = format!("kill {kill} ({signal}, {wait})");
        guest.run(&format!("start 2 {program}")).unwrap_or_else(|error| panic!("before {what}: {error}"));
        started += 1;
        if let Err(error) = passes(&at_a, &at_b, started, 50) {
            panic!("before {what}: {error}\n{}", guest.run("cat log").unwrap());
        }
        // In the middle of its work, or while it opens the devices.
        let delay = Duration::from_micros(random.below(300_000)).as_secs_f64();
        let (ended, output) =
            with_traffic(&at_a, &at_b, || guest.status_of(&format!("sleep {delay}; stop {signal}")).unwrap());
        assert_eq!(ended.to_string(), status, "{what}: {output}");
        let delay = Duration::from_micros(random.below(1_500_000)).as_secs_f64();
        with_traffic(&at_a, &at_b, || {
            let start = format!("{{ {program} >log 2>&1 & }}; program=$!; sleep {delay}; stop {signal}");
            guest.status_of(&start).unwrap();
        });
        assert_eq!(harness::free_hugepages(&mut guest), [128, 128], "{what}");
    }
    // No access went to memory that was no longer mapped.
    assert_eq!(harness::faults(&mut guest), "");

    // The kernel's driver works on the devices that are given back.
    let cables = [Cable::plug(&at_a, &at_b, |_| ()), Cable::plug(&at_b, &at_a, |_| ())];
    let [a, b] = &addresses;
    let script = format!(
        r#"
        /scripts/bind kernel {both} &&
        a=$(ls /sys/bus/pci/devices/{a}/net) && b=$(ls /sys/bus/pci/devices/{b}/net) &&
        {{ unshare -n sleep 1000 & }} && there=$! && sleep 0.5 &&
        ip link set $b netns $there &&
        nsenter -t $there -n ip addr add 198.18.0.2/24 dev $b &&
        nsenter -t $there -n ip link set $b up &&
        ip addr add 198.18.0.1/24 dev $a && ip link set $a up && sleep 3 &&
        ping -c 5 -i 0.2 -W 10 198.18.0.2
        "#
    );
    let output = guest.run(&script).unwrap();
    assert!(output.contains("5 packets received"), "{output}");
    for cable in cables {
        assert!(cable.unplug().unwrap().sent >= 5, "the kernels took another way");
    }
    harness::the_kernel_is_well(&guest);
}
