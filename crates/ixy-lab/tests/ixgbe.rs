//! Cross-check of the software 82599 with Linux's own driver, an independent one. The other end is a second such
//! card, or our driver.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod harness;
#[path = "harness/interfaces.rs"]
mod interfaces;
#[path = "harness/served.rs"]
mod served;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use ixy::Options;
use ixy_core::{Batch, WaitMode, Waiter};
use ixy_lab::{Guest, Machine, Nic, Tool};
use served::Served;

/// Our driver on two cards: it forwards frames from each to the other, unchanged, until this is dropped.
struct Forwarder {
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<[u64; 2]>>,
}

impl Forwarder {
    fn start(sockets: [&Path; 2]) -> Self {
        let addresses = sockets.map(|path| format!("vfio-user:{}", path.display()).parse().unwrap());
        let over = Arc::new(AtomicBool::new(false));
        let own = Arc::clone(&over);
        let thread = std::thread::spawn(move || {
            let options = Options::default().promiscuous(true).interrupts(0);
            let mut cards = ixy::open(&addresses, &options).unwrap();
            let mut rx = [0, 1].map(|n: usize| cards[n].rx_queue(0).unwrap());
            let mut tx = [1, 0].map(|n: usize| cards[n].tx_queue(0).unwrap());
            let mut batches = [0, 1].map(|_| Batch::new(32));
            let mode = WaitMode::Adaptive(WaitMode::IDLE);
            let mut waiter = Waiter::new(mode, rx.iter_mut().map(|rx| &mut **rx)).unwrap();
            while !own.load(Ordering::Relaxed) {
                let mut moved = 0;
                for ((rx, tx), batch) in rx.iter_mut().zip(&mut tx).zip(&mut batches) {
                    moved += rx.receive(batch);
                    moved += tx.send(batch);
                }
                let left = batches.each_ref().map(|batch| batch.len());
                waiter.after(moved, rx.iter_mut().zip(left).map(|(rx, left)| (&mut **rx, left)));
            }
            drop((rx, tx, batches));
            [0, 1].map(|n: usize| cards[n].stats().unwrap().tx_packets)
        });
        Self { over, thread: Some(thread) }
    }

    /// Stops it, and returns the number of frames sent by each card.
    fn stop(mut self) -> [u64; 2] {
        self.over.store(true, Ordering::Relaxed);
        self.thread.take().unwrap().join().unwrap()
    }
}

impl Drop for Forwarder {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
    }
}

/// Adds the commands for these scenarios to the guest's shell.
fn the_shell_knows_the_words(guest: &mut Guest) {
    guest
        .run(
            r#"
            tagged() { # an interface, an address, a command that enters its namespace: VLAN 5 there
                name=$1 own=$2
                shift 2
                "$@" ip link add link $name name $name.5 type vlan id 5 && "$@" ip addr add $own/24 dev $name.5 &&
                    "$@" ip link set $name.5 up
            }
            all() { # text, a file, names: each of them is followed by that text
                text=$1 file=$2
                shift 2
                for name in $*; do
                    grep -q "^[[:space:]]*$name$text" $file || { grep $name $file; echo "$name is not $text"; return 1; }
                done
            }
            spread() { # an interface: each of its queues has interrupted often
                grep "$1-TxRx" /proc/interrupts
                [ "$(grep "$1-TxRx" /proc/interrupts | awk '$2 + $3 > 20' | wc -l)" -ge 2 ]
            }
            "#,
        )
        .unwrap();
}

/// All scenarios, with the driver in kernel number `kernel` of the lab.
fn the_driver_of_finds_nothing_wrong(kernel: usize, test: &str) {
    let Some((parts, programs)) = harness::lab(test) else { return };
    let served = Served::start(&[
        ("a", "cable=1"),
        ("b", "cable=1"),
        ("c", "cable=2"),
        ("x", "cable=2"),
        ("y", "cable=3"),
        ("d", "cable=3"),
    ]);
    let sockets = ["x", "y"].map(|name| served.socket(name));
    let forwarder = Forwarder::start([&sockets[0], &sockets[1]]);
    let mut machine = Machine::new(Duration::from_secs(600))
        .kernel(kernel)
        .module("ixgbe")
        .module("8021q")
        .tool(Tool::Ethtool);
    for name in ["a", "b", "c", "d"] {
        machine = machine.nic(Nic::served(name, &served.socket(name)));
    }
    let mut guest = machine.boot(&parts, &programs).unwrap();
    let [a, b, c, d] = ["a", "b", "c", "d"].map(|name| guest.address(name).unwrap());
    interfaces::the_shell_knows_interfaces(&mut guest);
    the_shell_knows_the_words(&mut guest);
    let mut step = |script: &str| interfaces::step(&mut guest, script);
    step(&format!("a=$(interface {a}) b=$(interface {b}) c=$(interface {c}) d=$(interface {d})"));
    // The kernel reads the vital product data through the capability, by its address and flag.
    step(&format!(
        "head -c 41 /sys/bus/pci/devices/{a}/vpd | grep -q 'ixy software 82599 10 Gigabit Ethernet'"
    ));
    step("pair $a $b 198.18.0 && near=$there && talk 5 198.18.0.2");
    // Both ways, with all the driver's default features.
    step(
        "ethtool -k $a >features && all ': on' features rx-checksumming tx-checksumming tcp-segmentation-offload \\
            receive-hashing rx-vlan-offload tx-vlan-offload rx-vlan-filter tx-checksum-sctp",
    );
    step("head -c 50000000 /dev/urandom >big");
    step(r#"copy big 198.18.0.2 5000 "$near""#);
    step(r#"copy big 198.18.0.1 5001 "" "$near""#);
    // The card joins segments before the driver sees them (RSC).
    step(
        r#"$near ethtool -K $b lro on && wait_for_carrier $b 1 "$near" && wait_for_carrier $a 1 && sleep 2 &&
        head -c 10000000 big >part && copy part 198.18.0.2 5008 "$near" &&
        $near ethtool -S $b >counts && all ': [1-9]' counts hw_rsc_aggregated hw_rsc_flushed"#,
    );
    step(
        r#"tagged $a 198.18.5.1 && tagged $b 198.18.5.2 $near && talk 3 198.18.5.2 &&
        head -c 2000000 big >small && copy small 198.18.5.2 5002 "$near""#,
    );
    step(
        r#"ip link set $a mtu 9000 && $near ip link set $b mtu 9000 && wait_for_carrier $a 1 && sleep 2 &&
        talk 3 -s 8900 198.18.0.2 && copy small 198.18.0.2 5003 "$near""#,
    );
    step(
        "ip link set $a down && sleep 1 && ip link set $a up && wait_for_carrier $a 1 && sleep 2 &&
        talk 3 198.18.0.2",
    );
    // Flows of several connections go to both queues.
    step(
        r#"copies=0; for port in 1 2 3 4 5 6 7 8; do
            copy small 198.18.0.2 600$port "$near" && copies=$((copies + 1))
        done; [ $copies = 8 ]"#,
    );
    step("spread $a && well $a");
    step("pair $c $d 198.19.0 && far=$there && talk 5 198.19.0.2");
    step(
        r#"copy part 198.19.0.2 5004 "$far" &&
        copy part 198.19.0.1 5005 "" "$far""#,
    );
    step(
        r#"tagged $c 198.19.5.1 && tagged $d 198.19.5.2 $far && talk 3 198.19.5.2 &&
        copy small 198.19.5.2 5006 "$far" && copy small 198.19.5.1 5007 "" "$far""#,
    );
    step(
        "ip link set $c down && sleep 1 && ip link set $c up && wait_for_carrier $c 1 && sleep 2 &&
        talk 3 198.19.0.2",
    );
    step("well $c");
    // Registers, EEPROM, interrupts, loopback and link, while nothing else uses the card; the driver continues
    // afterwards.
    step(r#"ethtool -t $c offline >result || { cat result; false; }; grep -q PASS result"#);
    step("wait_for_carrier $c 1 && sleep 2 && talk 3 198.19.0.2");
    // The driver's counts.
    step(
        "ethtool -S $a >counts && all ': 0$' counts rx_csum_offload_errors rx_missed_errors rx_no_dma_resources \\
            rx_length_errors &&
        all ': [1-9]' counts rx_pkts_nic tx_pkts_nic tx_bytes_nic rx_queue_0_packets rx_queue_1_packets",
    );
    step("ethtool -i $a >driver && ethtool -d $a >dump && grep -q STATUS dump");
    // Unloads and loads the driver.
    step("rmmod ixgbe && [ ! -e /sys/class/net/$c ] && insmod /modules/ixgbe.ko && sleep 1");
    step(&format!("c=$(interface {c}) d=$(interface {d})"));
    step("pair $c $d 198.19.1 && talk 3 198.19.1.2");
    // The light goes off: the driver gets an interrupt, and another one when it is back.
    served.set_link("c", false);
    step("wait_for_carrier $c 0");
    served.set_link("c", true);
    step("wait_for_carrier $c 1 && sleep 2 && talk 3 198.19.1.2");
    let complaints = interfaces::complaints(&mut guest, "ixgbe");
    assert_eq!(complaints, "", "{}", guest.kernel_log());
    harness::the_kernel_is_well(&guest);
    let sent = forwarder.stop();
    assert_eq!((served.wrongs().as_str(), served.refused()), ("", 0));
    assert!(sent.iter().all(|sent| *sent > 1000), "the transfer took another way: {sent:?}");
}

#[test]
fn the_kernel_s_driver_finds_nothing_wrong() {
    the_driver_of_finds_nothing_wrong(0, "the_kernel_s_driver_finds_nothing_wrong");
}

#[test]
fn an_older_kernel_s_driver_finds_nothing_wrong() {
    the_driver_of_finds_nothing_wrong(1, "an_older_kernel_s_driver_finds_nothing_wrong");
}
