//! The common part of all scenarios.
#![allow(dead_code, clippy::panic, reason = "tests, of which no file uses all of it")]

pub(crate) mod namespace;

use std::io::Write;

use ixy_lab::{Error, Guest, Parts, Programs};

/// The parts of machines and the programs; `None`, after a line with the reason, when the lab is not prepared.
pub(crate) fn lab(test: &str) -> Option<(Parts, Programs)> {
    parts(test).map(|parts| (parts, Programs::build().unwrap()))
}

/// Like [`lab`], without the programs.
pub(crate) fn parts(test: &str) -> Option<Parts> {
    match Parts::find() {
        Ok(parts) => Some(parts),
        Err(Error::NotPrepared(why)) => {
            say(&format!("SKIPPED: {test}: {}\n", why.replace('\n', " ")));
            None
        }
        Err(error) => panic!("{error}"),
    }
}

/// Writes to standard error without a macro, since the test runner captures the output of macros.
pub(crate) fn say(line: &str) {
    std::io::stderr().write_all(line.as_bytes()).unwrap();
}

/// Adds `start DEVICES PROGRAM...` to the guest's shell, which starts a program in the background and waits until
/// it has opened that many devices, with its messages in the file `log`; and `stop SIGNAL`, which stops it and
/// returns its exit status.
pub(crate) fn programs_can_be_started(guest: &mut Guest) {
    guest
        .run(
            r#"
            start() {
                devices=$1
                shift
                "$@" -vv >log 2>&1 &
                program=$!
                for attempt in $(seq 400); do
                    [ "$(grep -c ': opened' log)" -lt "$devices" ] || return 0
                    kill -0 $program 2>/dev/null || break
                    sleep 0.05
                done
                echo "$* did not open $devices devices:"
                cat log
                return 1
            }
            stop() {
                kill -$1 $program
                wait $program
            }
            "#,
        )
        .unwrap();
}

/// Checks that no program and no device has upset the guest's kernel.
pub(crate) fn the_kernel_is_well(guest: &Guest) {
    let log = guest.kernel_log();
    let bad = ["BUG:", "Oops", "WARNING:", "Call Trace", "Bad page", "general protection"];
    assert!(!bad.iter().any(|word| log.contains(word)), "{log}");
}

/// Creates a user who owns only their own files, and adds `as_user PROGRAM...` to the guest's shell, which runs
/// that program as the user.
pub(crate) fn there_is_a_user(guest: &mut Guest) {
    guest
        .run(
            r#"
            as_user() {
                exec su user -c "exec $*"
            }
            echo 'root:x:0:0::/tmp:/bin/sh' >/etc/passwd
            echo 'user:x:1000:1000::/tmp:/bin/sh' >>/etc/passwd
            echo 'user:x:1000:' >/etc/group
            chmod 777 /tmp
            "#,
        )
        .unwrap();
}

/// The guest kernel's log of accesses that an IOMMU stopped.
pub(crate) fn faults(guest: &mut Guest) -> String {
    guest.run("dmesg | grep -iE 'DMAR.*fault|AMD-Vi.*(fault|error|event)' || true").unwrap()
}

/// The number of 2 MiB hugepages in the guest, and how many of them are unused.
pub(crate) fn free_hugepages(guest: &mut Guest) -> [u32; 2] {
    let read = "cd /sys/kernel/mm/hugepages/hugepages-2048kB && cat nr_hugepages free_hugepages; cd /tmp";
    let output = guest.run(read).unwrap();
    let mut numbers = output.lines().map(|line| line.parse().unwrap());
    [numbers.next().unwrap(), numbers.next().unwrap()]
}

/// The value of `name` in a program's statistics line, with --json.
pub(crate) fn statistic(output: &str, name: &str) -> u64 {
    let value =
        |line: &str| line.split_once(&format!("\"{name}\":"))?.1.split([',', '}']).next()?.parse().ok();
    output.lines().rev().find_map(value).unwrap_or_else(|| panic!("no {name} in {output}"))
}
