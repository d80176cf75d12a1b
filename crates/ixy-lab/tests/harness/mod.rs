//! What the scenarios share.
#![allow(dead_code, clippy::panic, reason = "tests, of which no file uses all of it")]

pub(crate) mod namespace;

use std::io::Write;

use ixy_lab::{Error, Guest, Parts, Programs};

/// What machines are made of, and the programs; none, with a line that says why, where it is not there.
pub(crate) fn lab(test: &str) -> Option<(Parts, Programs)> {
    parts(test).map(|parts| (parts, Programs::build().unwrap()))
}

/// The same without the programs.
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

/// To standard error, but not through a macro, whose output the test runner keeps to itself.
pub(crate) fn say(line: &str) {
    std::io::stderr().write_all(line.as_bytes()).unwrap();
}

/// Gives the guest's shell `start DEVICES PROGRAM...`, which starts a program in the background and waits until it has opened
/// so many devices, with its messages in the file `log`; and `stop SIGNAL`, which ends it and has its exit status.
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

/// Nothing that a program or a device did has upset the guest's kernel.
pub(crate) fn the_kernel_is_well(guest: &Guest) {
    let log = guest.kernel_log();
    let bad = ["BUG:", "Oops", "WARNING:", "Call Trace", "Bad page", "general protection"];
    assert!(!bad.iter().any(|word| log.contains(word)), "{log}");
}

/// Makes a user, whom nothing belongs to but files of their own, and gives the guest's shell `as_user PROGRAM...`, which
/// becomes that program, run by the user.
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

/// What the guest's kernel says about accesses that an IOMMU stopped.
pub(crate) fn faults(guest: &mut Guest) -> String {
    guest.run("dmesg | grep -iE 'DMAR.*fault|AMD-Vi.*(fault|error|event)' || true").unwrap()
}

/// How many hugepages of 2 MiB the guest has, and how many of them nobody uses.
pub(crate) fn free_hugepages(guest: &mut Guest) -> [u32; 2] {
    let read = "cd /sys/kernel/mm/hugepages/hugepages-2048kB && cat nr_hugepages free_hugepages; cd /tmp";
    let output = guest.run(read).unwrap();
    let mut numbers = output.lines().map(|line| line.parse().unwrap());
    [numbers.next().unwrap(), numbers.next().unwrap()]
}

/// What a program says in its line of statistics, with --json, under `name`.
pub(crate) fn statistic(output: &str, name: &str) -> u64 {
    let value =
        |line: &str| line.split_once(&format!("\"{name}\":"))?.1.split([',', '}']).next()?.parse().ok();
    output.lines().rev().find_map(value).unwrap_or_else(|| panic!("no {name} in {output}"))
}
