//! The examples that speak with a network stack, each between network namespaces, as a user runs them.
#![cfg(feature = "sim")]
#![allow(clippy::unwrap_used, reason = "tests")]

mod example;
mod namespace;

use std::net::Ipv4Addr;
use std::process::Command;
use std::time::{Duration, Instant};

use example::example;
use ixy::Options;
use ixy_sim::Fault;
use namespace::{LIMIT, Namespace, Program, check_echo};

const fn address(last: u8) -> Ipv4Addr {
    Ipv4Addr::new(10, 0, 0, last)
}

#[test]
fn the_system_sees_whether_a_card_has_a_link() {
    let Some([host]) = Namespace::make("the_system_sees_whether_a_card_has_a_link") else { return };
    let has_carrier = || {
        let output = host.run(|| Command::new("ip").args(["link", "show", "ixy0"]).output().unwrap());
        !String::from_utf8(output.stdout).unwrap().contains("NO-CARRIER")
    };
    let wait_for = |carrier: bool| {
        let start = Instant::now();
        while has_carrier() != carrier {
            assert!(start.elapsed() < LIMIT, "the carrier does not become {carrier}");
            std::thread::sleep(Duration::from_millis(5));
        }
    };
    let addresses = [host.tap(address(1)).parse().unwrap()];
    let device = ixy::open(&addresses, &Options::default()).unwrap().remove(0);
    wait_for(true);
    let faults = device.simulated().unwrap().faults();
    for down in [true, false] {
        faults.set(Fault::LinkDown, down);
        wait_for(!down);
    }
    device.close().unwrap();

    let addresses = [format!("{},link=down", host.tap(address(1))).parse().unwrap()];
    let device = ixy::open(&addresses, &Options::default()).unwrap().remove(0);
    wait_for(false);
    device.close().unwrap();
}

#[test]
fn a_switch_joins_three_namespaces() {
    let Some(hosts) = Namespace::make::<3>("a_switch_joins_three_namespaces") else { return };
    let ports = hosts.iter().zip(1..).map(|(host, last)| host.tap(address(last)));
    let switch = Program::start(example("switch"), ports);
    for (host, last) in hosts.iter().zip(1..) {
        for other in (1..=3).filter(|other| *other != last) {
            host.wait_for(address(other));
            assert_eq!(host.ping(address(other), 10), 10, "from host {last} to host {other}");
        }
    }
    let echo = hosts[2].echo_once();
    check_echo(&hosts[0].connect(address(3)), 1 << 20);
    echo.join().unwrap();
    let text = switch.interrupt();
    let number = |what: &str| -> u64 {
        let words: Vec<&str> = text.split_whitespace().collect();
        let at = words.iter().position(|word| word.trim_end_matches(',') == what).unwrap();
        words[at - if what == "forwarded" { 2 } else { 1 }].parse().unwrap()
    };
    assert!(number("forwarded") > 2 * (1 << 20) / 1514, "{text}");
    assert_eq!((number("dropped"), number("addresses")), (0, 3), "{text}");
    assert!((1..1000).contains(&number("flooded")), "it learns where hosts are: {text}");
}

#[test]
fn a_responder_answers_arp_requests_and_pings() {
    let Some([host]) = Namespace::make("a_responder_answers_arp_requests_and_pings") else { return };
    let responder = Program::start(example("ping_responder"), [host.tap(address(1)), address(2).to_string()]);
    host.wait_for(address(2));
    assert_eq!(host.ping(address(2), 10), 10);
    assert!(!host.reaches(address(3)), "there is no such host");
    let text = responder.interrupt();
    assert!(text.starts_with("10.0.0.2 is at 02:1b:21:00:00:01\n"), "{text}");
    let answers: u32 = text.lines().last().unwrap().trim_end_matches(" answers").parse().unwrap();
    assert!((12..100).contains(&answers), "ten pings, one to wait for it, and ARP: {text}");
}

#[test]
fn a_tcp_server_of_smoltcp_sends_back_what_it_gets_on_several_connections() {
    let test = "a_tcp_server_of_smoltcp_sends_back_what_it_gets_on_several_connections";
    let Some([host]) = Namespace::make(test) else { return };
    let server = Program::start(example("tcp_echo"), [host.tap(address(1)), address(2).to_string()]);
    host.wait_for(address(2));
    // More connections than it takes at a time, two at once.
    for _ in 0..3 {
        let streams = [host.connect(address(2)), host.connect(address(2))];
        std::thread::scope(|scope| {
            streams.iter().for_each(|stream| {
                scope.spawn(|| check_echo(stream, 1 << 20));
            });
        });
    }
    server.interrupt();
}
