//! Wrong replies of a server: the client reports them, in time, and never hangs.

use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use ixy_dma::BusMaster;
use ixy_vfio_user::Error;
use ixy_vfio_user::client::{Client, VfioUserBusMaster};
use ixy_vfio_user::message::{
    Capabilities, Command, DeviceInfo, Errno, Header, RegionAccess, RegionInfo, Request, Version, pci,
};
use zerocopy::IntoBytes;

use super::{LONG, Raw, socket_path};

const SHORT: Duration = Duration::from_millis(200);

/// A client of a server that answers the first two messages correctly, and then behaves as `rest`.
fn client_of(rest: impl FnOnce(Raw) + Send + 'static) -> Client {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let server = std::thread::spawn(move || {
        let mut raw = Raw::new(theirs);
        let header = raw.receive().unwrap();
        let mut body = Vec::new();
        Version { major: 0, minor: 0, capabilities: Capabilities::default() }.encode(&mut body);
        raw.connection.send(&header.reply(body.len()), &body, &[]).unwrap();
        let header = raw.receive().unwrap();
        let info = DeviceInfo { argsz: 16, flags: DeviceInfo::PCI, num_regions: 9, num_irqs: 5 };
        raw.connection.send(&header.reply(16), info.as_bytes(), &[]).unwrap();
        rest(raw);
    });
    drop(server);
    Client::over(ours, SHORT).unwrap()
}

/// Answers the next message with that body; `change` edits the header first.
fn answer(raw: &mut Raw, body: &[u8], change: impl FnOnce(&mut Header)) {
    let Some(header) = raw.receive() else { return };
    let mut header = header.reply(body.len());
    change(&mut header);
    raw.connection.send(&header, body, &[]).unwrap();
}

#[test]
fn a_server_that_does_not_answer_is_lost_after_the_client_s_patience() {
    let client = client_of(|_raw| std::thread::sleep(LONG / 10));
    let start = Instant::now();
    assert!(matches!(client.read(0, 0, &mut [0; 4]), Err(Error::TimedOut { .. })));
    assert!(start.elapsed() >= SHORT && start.elapsed() < SHORT * 10);
    let start = Instant::now();
    assert!(matches!(client.read(0, 0, &mut [0; 4]), Err(Error::Lost { .. })));
    assert!(start.elapsed() < SHORT, "a lost device was waited for");
}

#[test]
fn servers_that_stand_still_share_a_second_after_a_stop() {
    let (stalled, start) = (Arc::default(), Instant::now());
    for _ in 0..3 {
        let path = socket_path();
        // Its queue takes the client, and nobody answers.
        let _listener = UnixListener::bind(&path).unwrap();
        let opened = Client::connect_unless(&path, || true, &stalled);
        std::fs::remove_file(&path).unwrap();
        assert!(matches!(opened, Err(Error::Stopped)), "{opened:?}");
    }
    let took = start.elapsed();
    assert!(took >= Duration::from_secs(1) && took < Duration::from_millis(1900), "{took:?}");
}

#[test]
fn a_server_that_does_not_answer_may_still_reach_memory() {
    let client = client_of(|mut raw| {
        // The status, without a list of capabilities, and the command register.
        for (offset, value) in [(6, 0_u16), (4, 2)] {
            let access = RegionAccess { offset, region: pci::CONFIG, count: 2 };
            answer(&mut raw, &[access.as_bytes(), &value.to_le_bytes()].concat(), |_| {});
        }
        std::thread::sleep(LONG / 10);
    });
    let master = VfioUserBusMaster::new(&client).unwrap();
    for _ in 0..2 {
        assert!(master.disable().is_err());
    }
}

#[test]
fn a_server_that_stops_in_the_middle_of_a_reply_is_lost() {
    let client = client_of(|mut raw| {
        let header = raw.receive().unwrap().reply(20);
        raw.send_bytes(&header.as_bytes()[..10]);
        std::thread::sleep(LONG / 10);
    });
    assert!(matches!(client.read(0, 0, &mut [0; 4]), Err(Error::TimedOut { .. })));
    let client = client_of(|mut raw| {
        let header = raw.receive().unwrap().reply(20);
        raw.send_bytes(header.as_bytes());
    });
    assert!(matches!(client.read(0, 0, &mut [0; 4]), Err(Error::Closed { inside: true })));
}

#[test]
fn a_server_that_does_not_take_messages_is_lost() {
    let client = client_of(|_raw| std::thread::sleep(LONG / 10));
    let start = Instant::now();
    // SAFETY: ARMED-ONLY: there is no device.
    let lost = (0..10_000).find_map(|_| unsafe { client.post(0, 0, &[0; 4096]) }.err());
    assert!(matches!(lost, Some(Error::TimedOut { what: "take a message", .. })), "{lost:?}");
    assert!(start.elapsed() < SHORT * 20);
}

#[test]
fn replies_to_something_else_lose_the_device() {
    let wrong: [fn(&mut Header); 6] = [
        |header| header.id += 1,
        |header| header.command = Command::RegionWrite as u16,
        |header| header.command = 999,
        |header| header.flags = 3,
        |header| header.size = 3,
        |header| header.size = 16 + 19,
    ];
    for change in wrong {
        let client = client_of(move |mut raw| {
            answer(&mut raw, &[0; 20], change);
            std::thread::sleep(SHORT * 2);
        });
        let error = client.read(0, 0, &mut [0; 4]).unwrap_err();
        assert!(matches!(error, Error::Protocol { .. }), "{error}");
        assert!(client.lost().is_some());
    }
}

#[test]
fn a_refusal_without_a_number_is_an_input_output_error_and_no_loss() {
    let client = client_of(|mut raw| {
        for error in [0, 5000, u32::MAX, 22] {
            answer(&mut raw, &[], |header| {
                (header.flags, header.error) = (Header::REPLY | Header::ERROR, error)
            });
        }
    });
    for expected in [Errno::IO, Errno::IO, Errno::IO, Errno::INVAL] {
        assert_eq!(super::errno(client.read(0, 0, &mut [0; 4])), expected);
    }
    assert!(client.lost().is_none());
}

#[test]
fn questions_of_a_server_are_refused_and_do_not_go_on_for_ever() {
    let client = client_of(|mut raw| {
        let header = raw.receive().unwrap();
        raw.send(Command::DmaRead as u16, 0, &[0; 16], &[]);
        assert_eq!(raw.reply(), Err(Errno::OPNOTSUPP));
        raw.connection.send(&header.reply(20), &[5; 20], &[]).unwrap();
        let _ = raw.receive();
        for _ in 0..100 {
            raw.send(Command::DmaRead as u16, Header::NO_REPLY, &[0; 16], &[]);
        }
        std::thread::sleep(SHORT * 2);
    });
    let mut bytes = [0; 4];
    client.read(0, 0, &mut bytes).unwrap();
    assert_eq!(bytes, [5; 4]);
    assert!(matches!(client.read(0, 0, &mut bytes), Err(Error::Protocol { .. })));
}

#[test]
fn refusals_of_posted_writes_are_let_pass() {
    let client = client_of(|mut raw| {
        answer(&mut raw, &[], |header| (header.flags, header.error) = (Header::REPLY | Header::ERROR, 22));
        answer(&mut raw, &[6; 20], |_| {});
    });
    // SAFETY: ARMED-ONLY: there is no device.
    unsafe { client.post(0, 0, &[0; 4]) }.unwrap();
    let mut bytes = [0; 4];
    client.read(0, 0, &mut bytes).unwrap();
    assert_eq!(bytes, [6; 4]);
}

#[test]
fn a_region_that_is_described_wrongly_is_no_region() {
    for (offset, expect) in [(31, false), (4, false), (4096, false), (0, true)] {
        let client = client_of(move |mut raw| {
            let info =
                RegionInfo { argsz: 32, flags: 15, cap_offset: offset, size: 4096, ..RegionInfo::default() };
            answer(&mut raw, info.as_bytes(), |_| {});
            std::thread::sleep(SHORT);
        });
        assert_eq!(client.region(0).is_ok(), expect, "a capability at {offset}");
    }
}

#[test]
fn a_server_of_another_version_or_with_too_much_is_no_device() {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let server = std::thread::spawn(move || {
        let mut raw = Raw::new(theirs);
        answer(&mut raw, &[1, 0, 0, 0], |_| {});
    });
    assert!(matches!(Client::over(ours, LONG), Err(Error::Protocol { .. })));
    server.join().unwrap();
    let (ours, theirs) = UnixStream::pair().unwrap();
    let server = std::thread::spawn(move || {
        let mut raw = Raw::new(theirs);
        answer(&mut raw, &[0; 4], |_| {});
        answer(&mut raw, DeviceInfo { num_regions: u32::MAX, ..DeviceInfo::default() }.as_bytes(), |_| {});
    });
    assert!(matches!(Client::over(ours, LONG), Err(Error::Protocol { .. })));
    server.join().unwrap();
    assert_eq!(Request::Reset.command(), Command::DeviceReset);
}
