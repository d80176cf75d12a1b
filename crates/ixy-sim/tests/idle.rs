//! The cost of idle devices. It is the only test of its process, since it measures the polling thread.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "tests")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use ixy_dma::SimulatedDomain;
use ixy_sim::wire::Cables;
use ixy_sim::{PollThread, Sim};

/// The CPU time of the one thread of that name so far.
fn run_time() -> Duration {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    let mut times = tasks.map(|task| task.unwrap().path()).filter_map(|task| {
        let name = std::fs::read_to_string(task.join("comm")).ok()?;
        let schedstat = std::fs::read_to_string(task.join("schedstat")).ok()?;
        (name.trim() == "ixy-sim").then(|| schedstat.split(' ').next().unwrap().parse().unwrap())
    });
    Duration::from_nanos(times.next().unwrap())
}

#[test]
fn a_thread_whose_devices_are_idle_uses_less_than_a_hundredth_of_a_core() {
    let dir = tempfile::tempdir().unwrap();
    let socket = |name| format!("socket={}", dir.path().join(name).display());
    for specs in [
        // Wires: no other end; the other end in this process; a cable; and a flood into a card that does not
        // receive.
        [socket("a"), socket("b")],
        [socket("c"), socket("c")],
        ["cable=a".into(), "cable=a".into()],
        ["flood".into(), "loopback".into()],
    ] {
        let (thread, cables) = (PollThread::start().unwrap(), Cables::default());
        let sims = specs.each_ref().map(|spec| {
            let domain = Arc::new(SimulatedDomain::default());
            Sim::open(&spec.parse().unwrap(), &cables, domain, &thread).unwrap()
        });
        std::thread::sleep(Duration::from_millis(200));
        let (start, before) = (Instant::now(), run_time());
        std::thread::sleep(Duration::from_secs(1));
        let (time, used) = (start.elapsed(), run_time() - before);
        println!("{specs:?}: {used:?} in {time:?}");
        assert!(used < time / 100, "{specs:?}: {used:?} in {time:?}");
        drop((sims, thread));
    }
}
