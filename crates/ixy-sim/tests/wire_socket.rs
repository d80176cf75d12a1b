//! Wires between processes, as one process sees them. (Tests that start processes are in another file: a starting
//! process holds all open files of this one for a moment, so that a file closed here is not closed yet.)
#![allow(clippy::unwrap_used, reason = "tests")]

use std::{
    fs,
    os::unix::{
        fs::PermissionsExt,
        net::{UnixDatagram, UnixListener},
    },
    path::Path,
    thread,
    time::{Duration, Instant},
};

use ixy_sim::wire::{SocketWire, Wire};

const DEADLINE: Duration = Duration::from_secs(60);

fn frame(n: u32) -> Vec<u8> {
    [&n.to_le_bytes()[..], &vec![n as u8; 56 + n as usize % 1455]].concat()
}

fn dir() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

fn pair() -> (SocketWire, SocketWire) {
    let dir = dir();
    let path = dir.path().join("x");
    let (mut first, second) = (SocketWire::open(&path).unwrap(), SocketWire::open(&path).unwrap());
    assert!(first.link_up());
    (first, second)
}

fn refusal(path: &Path) -> String {
    SocketWire::open(path).err().unwrap().to_string()
}

/// Takes all frames that are there.
fn drain(wire: &mut dyn Wire) -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    while let Some(frame) = wire.front() {
        all.push(frame.to_vec());
        wire.consume();
    }
    all
}

#[test]
fn frames_go_both_ways_in_order_and_stay_apart() {
    let (mut first, mut second) = pair();
    assert!(first.link_up() && second.link_up());
    for n in 0..100 {
        assert!(first.transmit(&frame(n)) && second.transmit(&frame(1000 + n)));
    }
    for n in 0..100 {
        assert_eq!(second.front(), Some(&frame(n)[..]));
        assert_eq!(second.front(), Some(&frame(n)[..]), "it stays until it is consumed");
        second.consume();
        assert_eq!(first.front(), Some(&frame(1000 + n)[..]));
        first.consume();
    }
    assert!(first.front().is_none() && second.front().is_none() && !first.ended() && !second.ended());
    assert!(first.transmit(&[7; 15_500]), "as long as a frame may be");
    assert_eq!(drain(&mut second), [[7; 15_500]]);
}

#[test]
fn the_first_end_waits_without_link_and_leaves_nothing_behind() {
    let dir = dir();
    let path = dir.path().join("x");
    let mut first = SocketWire::open(&path).unwrap();
    assert!(!first.link_up() && !first.ended() && first.front().is_none());
    assert!(!first.transmit(&frame(1)), "it waits for the other end");
    let mode = fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "only the owner may connect");
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "nothing else is there");
    drop(first);
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);

    let mut first = SocketWire::open(&path).unwrap();
    let mut second = SocketWire::open(&path).unwrap();
    assert!(second.link_up() && first.link_up());
    assert!(first.transmit(&frame(1)));
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0, "once both are there the path is free again");
    assert_eq!(drain(&mut second), [frame(1)]);
}

#[test]
fn what_was_sent_before_the_first_end_looked_arrives_even_when_the_sender_has_gone() {
    let dir = dir();
    let path = dir.path().join("x");
    let mut first = SocketWire::open(&path).unwrap();
    let mut second = SocketWire::open(&path).unwrap();
    for n in 0..50 {
        assert!(second.transmit(&frame(n)));
    }
    drop(second);
    assert_eq!(drain(&mut first), (0..50).map(frame).collect::<Vec<_>>());
    assert!(first.ended() && !first.link_up() && first.error().is_none());
}

#[test]
fn an_end_that_is_dropped_right_after_sending_loses_nothing() {
    let (mut first, mut second) = pair();
    for n in 0..100 {
        assert!(first.transmit(&frame(n)));
    }
    drop(first);
    for n in 0..100 {
        assert!(!second.ended());
        assert_eq!(second.front(), Some(&frame(n)[..]));
        second.consume();
    }
    assert!(second.ended() && second.front().is_none() && !second.link_up());
    assert!(second.transmit(&frame(1)), "what cannot arrive is dropped");
    assert_eq!(second.error(), None);
}

#[test]
fn closing_with_frames_unread_takes_nothing_from_the_other_end() {
    let (mut first, mut second) = pair();
    for n in 0..20 {
        assert!(first.transmit(&frame(n)) && second.transmit(&frame(n)));
    }
    // The system reports this to the other end by an error that comes before its frames.
    drop(first);
    assert_eq!(drain(&mut second), (0..20).map(frame).collect::<Vec<_>>());
    assert!(second.ended() && !second.link_up());
    assert_eq!(second.error(), None);
}

#[test]
fn sending_to_an_end_that_closed_with_frames_unread_keeps_what_it_sent() {
    let (mut first, mut second) = pair();
    for n in 0..20 {
        assert!(first.transmit(&frame(n)) && second.transmit(&frame(n)));
    }
    drop(first);
    assert!((0..5).all(|_| second.transmit(&frame(0))), "dropped");
    assert!(!second.ended());
    assert_eq!(drain(&mut second).len(), 20);
    assert!(second.ended() && !second.link_up() && second.error().is_none());
}

#[test]
fn closing_one_direction_ends_it_and_keeps_the_other() {
    for first_closes in [true, false] {
        let (first, second) = pair();
        let (mut one, mut other) = if first_closes { (first, second) } else { (second, first) };
        assert!(one.transmit(&frame(1)));
        one.close_transmit();
        assert!(one.transmit(&frame(2)), "taken and dropped");
        assert!(!other.ended());
        assert_eq!(drain(&mut other), [frame(1)]);
        assert!(other.ended() && other.link_up() && one.link_up() && !one.ended());
        assert!(other.transmit(&frame(3)));
        assert_eq!(drain(&mut one), [frame(3)]);
        other.close_transmit();
        assert!(one.ended() && other.ended());
        assert!(one.error().is_none() && other.error().is_none());
    }
}

#[test]
fn closing_before_the_other_end_comes_is_told_to_it() {
    let dir = dir();
    let path = dir.path().join("x");
    let mut first = SocketWire::open(&path).unwrap();
    first.close_transmit();
    let mut second = SocketWire::open(&path).unwrap();
    assert!(!second.ended());
    assert!(first.link_up());
    assert!(second.ended() && second.link_up());
    assert!(second.transmit(&frame(1)));
    assert_eq!(drain(&mut first), [frame(1)]);
}

#[test]
fn a_full_socket_refuses_and_loses_nothing() {
    let (mut first, mut second) = pair();
    let sent = (0..1_000_000).take_while(|n| first.transmit(&frame(*n))).count() as u32;
    assert!((10..100_000).contains(&sent), "{sent}");
    assert!(!first.transmit(&frame(sent)));
    let mut arrived = drain(&mut second);
    assert!(first.transmit(&frame(sent)));
    arrived.extend(drain(&mut second));
    assert_eq!(arrived, (0..=sent).map(frame).collect::<Vec<_>>());
}

#[test]
fn an_empty_frame_is_not_mistaken_for_the_end() {
    let (mut first, mut second) = pair();
    assert!(first.transmit(&[]) && first.transmit(&frame(1)));
    assert!(!second.ended());
    assert_eq!(drain(&mut second), [frame(1)]);
    assert!(!second.ended() && second.link_up());
}

#[test]
fn a_stale_socket_is_replaced() {
    let dir = dir();
    let path = dir.path().join("x");
    drop(UnixListener::bind(&path).unwrap());
    assert!(path.exists());
    let mut first = SocketWire::open(&path).unwrap();
    let mut second = SocketWire::open(&path).unwrap();
    assert!(first.link_up() && second.link_up());
    assert!(second.transmit(&frame(1)));
    assert_eq!(drain(&mut first), [frame(1)]);
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[test]
fn what_is_no_socket_of_ours_is_refused_and_stays_as_it_is() {
    let dir = dir();
    let path = dir.path().join("file");
    fs::write(&path, "precious").unwrap();
    assert!(
        refusal(&path).contains("file: a file or a directory is there, not a socket"),
        "{}",
        refusal(&path)
    );
    assert_eq!(fs::read(&path).unwrap(), b"precious");
    assert!(refusal(dir.path()).contains("a file or a directory is there, not a socket"));

    let path = dir.path().join("stream");
    let _listener = UnixListener::bind(&path).unwrap();
    assert!(refusal(&path).contains("socket of another kind"), "{}", refusal(&path));
    let path = dir.path().join("datagram");
    let _socket = UnixDatagram::bind(&path).unwrap();
    assert!(refusal(&path).contains("socket of another kind"), "{}", refusal(&path));
    assert!(path.exists());
}

#[test]
fn a_path_that_cannot_be_made_is_an_error_that_names_it() {
    let path = Path::new("/nonexistent/x");
    assert!(
        refusal(path).contains("socket /nonexistent/x: the directory /nonexistent does not exist; create it: mkdir -p /nonexistent"),
        "{}",
        refusal(path)
    );
    let dir = dir();
    let path = dir.path().join("x".repeat(120));
    assert!(
        refusal(&path).contains("bytes, and 107 are possible; choose a shorter one"),
        "{}",
        refusal(&path)
    );
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[test]
fn a_third_end_is_refused_while_the_second_waits() {
    let dir = dir();
    let path = dir.path().join("x");
    let (mut first, mut second) = (SocketWire::open(&path).unwrap(), SocketWire::open(&path).unwrap());
    assert!(refusal(&path).contains("both ends are taken"), "{}", refusal(&path));
    assert!(first.link_up() && second.link_up());
}

#[test]
fn many_that_open_a_stale_path_at_once_are_joined_in_pairs() {
    const ENDS: u32 = 12;
    for _ in 0..20 {
        let dir = dir();
        let path = dir.path().join("x");
        drop(UnixListener::bind(&path).unwrap());
        let ends: Vec<_> = (0..ENDS)
            .map(|n| {
                let path = path.clone();
                thread::spawn(move || {
                    let begin = Instant::now();
                    let mut wire = SocketWire::open(&path).unwrap();
                    while !wire.transmit(&frame(n)) {
                        assert!(begin.elapsed() < DEADLINE, "end {n} stays alone");
                        thread::yield_now();
                    }
                    while wire.front().is_none() {
                        assert!(begin.elapsed() < DEADLINE && !wire.ended(), "end {n} hears nothing");
                        thread::yield_now();
                    }
                    u32::from_le_bytes(*wire.front().unwrap().first_chunk().unwrap())
                })
            })
            .collect();
        let others: Vec<u32> = ends.into_iter().map(|end| end.join().unwrap()).collect();
        for (n, other) in others.iter().enumerate() {
            assert_eq!(others[*other as usize] as usize, n, "{others:?}");
            assert_ne!(*other as usize, n);
        }
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }
}
