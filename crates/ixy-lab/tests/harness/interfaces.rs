//! Interfaces of the guest's kernel, for scenarios that bring them up and send through them.

use std::time::Instant;

use ixy_lab::Guest;

/// Adds the commands for scenarios with kernel interfaces to the guest's shell. `there` is a network namespace
/// with the second interface of a pair.
pub(crate) fn the_shell_knows_interfaces(guest: &mut Guest) {
    guest
        .run(
            r#"
            interface() { ls /sys/bus/pci/devices/$1/net; }
            wait_for_carrier() { # interface, 0 or 1, a command that enters its namespace
                for attempt in $(seq 200); do
                    [ "$($3 ip link show $1 2>/dev/null | grep -c LOWER_UP)" != $2 ] || return 0
                    sleep 0.1
                done
                echo "the carrier of $1 did not become $2"
                dmesg | tail -20
                return 1
            }
            pair() { # two interfaces, a network: the second goes into a namespace of its own
                here=$1 far=$2 network=$3
                unshare -n sleep 100000 &
                sleep 0.5
                there="nsenter -t $! -n"
                ip link set $far netns $! || return 1
                ip addr add $network.1/24 dev $here && ip link set $here up &&
                    $there ip addr add $network.2/24 dev $far && $there ip link set $far up &&
                    wait_for_carrier $here 1
            }
            arrives() { # an address: the first answer from there
                for attempt in $(seq 30); do
                    ! ping -c 1 -W 1 $1 >pinged || return 0
                done
                cat pinged
                dmesg | tail -20
                return 1
            }
            talk() { # count, more options
                count=$1
                shift
                ping -c $count -i 0.2 -W 5 "$@" >pinged || { cat pinged; return 1; }
                grep -q " $count packets received" pinged || { cat pinged; return 1; }
            }
            copy() { # file, address to send it to, port, command that enters the receiver's namespace, and the sender's
                rm -f copied
                $4 nc -l -p $3 <>endless >copied &
                listener=$!
                sleep 0.5
                $5 nc $2 $3 <$1 || return 1
                wait $listener
                [ "$(sha256sum <copied)" = "$(sha256sum <$1)" ] || { ls -l $1 copied; return 1; }
            }
            well() { # interfaces: nothing was wrong at any of them
                for name in $*; do
                    for counter in rx_errors tx_errors rx_crc_errors rx_missed_errors tx_aborted_errors; do
                        value=$(cat /sys/class/net/$name/statistics/$counter)
                        [ "$value" = 0 ] || { echo "$counter of $name is $value"; return 1; }
                    done
                done
            }
            mkfifo endless
            "#,
        )
        .unwrap();
}

/// Runs a part of a scenario and prints how long it took.
pub(crate) fn step(guest: &mut Guest, script: &str) -> String {
    let start = Instant::now();
    let output = guest.run(script);
    let what = script.split_whitespace().take(8).collect::<Vec<_>>().join(" ");
    crate::harness::say(&format!("{:6.1} s  {what}\n", start.elapsed().as_secs_f64()));
    output.unwrap_or_else(|error| {
        let log = guest.run("dmesg | tail -60").unwrap_or_else(|_| guest.kernel_log());
        panic!("{error}\n{log}")
    })
}

/// Lines of `driver` in the kernel's log that report a problem. A reset after a loss of link with frames waiting
/// is not one: a card without link keeps its frames. The driver logs the reason first and resets later, unless the
/// interface was taken down in the meantime; so there may be fewer resets than reasons, but not more.
pub(crate) fn complaints(guest: &mut Guest, driver: &str) -> String {
    let words = "fail|error|warn|timeout|timed out|hang|unsupported|bad|invalid|unable|stuck|lost";
    let script = format!(
        "dmesg | grep {driver} >said
        grep -iE '{words}' said
        [ $(grep -c 'Reset adapter' said) -le $(grep -c 'after link loss' said) ] || grep 'eset' said
        true"
    );
    guest.run(&script).unwrap()
}
