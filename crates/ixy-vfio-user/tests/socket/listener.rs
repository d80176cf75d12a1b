//! The path of a server, and clients that come and go.

use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use ixy_vfio_user::Error;
use ixy_vfio_user::client::Client;
use ixy_vfio_user::server::{Listener, ServerLimits, Stop};

use super::{LONG, Served, device, read32, socket_path, write};

#[test]
fn only_the_owner_can_open_the_socket_and_it_is_gone_afterwards() {
    let path = socket_path();
    let listener = Listener::bind(&path).unwrap();
    let metadata = std::fs::symlink_metadata(&path).unwrap();
    assert!(metadata.file_type().is_socket());
    assert_eq!(metadata.permissions().mode() & 0o777, 0o600);
    drop(listener);
    assert!(!path.exists());
}

#[test]
fn a_path_that_is_served_is_left_alone() {
    let path = socket_path();
    let first = Listener::bind(&path).unwrap();
    let error = Listener::bind(&path).unwrap_err();
    assert!(matches!(error, Error::InUse { .. }) && error.to_string().contains("fuser"), "{error}");
    assert!(UnixStream::connect(&path).is_ok());
    drop(first);
}

#[test]
fn a_path_that_is_no_socket_or_another_kind_is_left_alone() {
    let path = socket_path();
    std::fs::write(&path, "mine").unwrap();
    assert!(matches!(
        Listener::bind(&path),
        Err(Error::NotOurs { what: "something that is not a socket", .. })
    ));
    assert_eq!(std::fs::read(&path).unwrap(), b"mine");
    std::fs::remove_file(&path).unwrap();
    // Links are not followed.
    let target = socket_path();
    drop(UnixListener::bind(&target).unwrap());
    std::os::unix::fs::symlink(&target, &path).unwrap();
    assert!(matches!(
        Listener::bind(&path),
        Err(Error::NotOurs { what: "something that is not a socket", .. })
    ));
    std::fs::remove_file(&path).unwrap();
    std::fs::remove_file(&target).unwrap();
    let _datagrams = UnixDatagram::bind(&path).unwrap();
    assert!(matches!(Listener::bind(&path), Err(Error::NotOurs { what: "a socket of another kind", .. })));
    std::fs::remove_file(&path).unwrap();
}

#[test]
fn a_socket_that_nobody_listens_at_is_replaced() {
    let path = socket_path();
    drop(UnixListener::bind(&path).unwrap());
    assert!(path.exists(), "the system leaves it");
    let _listener = Listener::bind(&path).unwrap();
    assert!(UnixStream::connect(&path).is_ok());
}

#[test]
fn a_path_that_became_another_s_is_not_removed() {
    let path = socket_path();
    let listener = Listener::bind(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    std::fs::write(&path, "another").unwrap();
    drop(listener);
    assert!(path.exists());
    std::fs::remove_file(&path).unwrap();
}

#[test]
fn of_servers_that_start_at_once_one_gets_the_path() {
    for _ in 0..20 {
        let path = socket_path();
        drop(UnixListener::bind(&path).unwrap());
        let start = || {
            let path = path.clone();
            std::thread::spawn(move || Listener::bind(&path))
        };
        let results: Vec<_> =
            [start(), start(), start()].into_iter().map(|thread| thread.join().unwrap()).collect();
        let in_use = results.iter().filter(|result| matches!(result, Err(Error::InUse { .. }))).count();
        assert_eq!((results.iter().filter(|result| result.is_ok()).count(), in_use), (1, 2), "{results:?}");
    }
}

#[test]
fn a_path_that_is_too_long_is_named() {
    let path = std::env::temp_dir().join("x".repeat(120));
    assert!(matches!(Listener::bind(&path), Err(Error::PathTooLong { .. })));
    assert!(matches!(Client::connect(&path), Err(Error::PathTooLong { .. })));
}

#[test]
fn why_no_socket_can_be_made_is_said_with_a_way_out() {
    let file = socket_path();
    std::fs::write(&file, "mine").unwrap();
    let inside = file.join("x");
    for (path, why) in [
        (
            Path::new("/nonexistent/x"),
            "the directory /nonexistent does not exist; create it: mkdir -p /nonexistent",
        ),
        (Path::new("/proc/x"), "you cannot make files in the directory /proc; choose another directory"),
        (&inside, &format!("{} is not a directory; choose another path", file.display())),
        (&file, "something that is not a socket is there; choose another path, or remove it"),
    ] {
        let error = Listener::bind(path).unwrap_err().to_string();
        assert_eq!(error, format!("cannot listen at {}: {why}", path.display()));
    }
    std::fs::remove_file(&file).unwrap();
}

#[test]
fn why_there_is_no_connection_is_said_with_a_way_out() {
    let (none, file, ended, other) = (socket_path(), socket_path(), socket_path(), socket_path());
    std::fs::write(&file, "mine").unwrap();
    drop(UnixListener::bind(&ended).unwrap());
    let _datagrams = UnixDatagram::bind(&other).unwrap();
    for (path, why) in [
        (&none, "it does not exist; start the server first, or check the path"),
        (&file, "it is a file, not the socket of a server; check the path"),
        (&std::env::temp_dir(), "it is a directory, not the socket of a server; check the path"),
        (&ended, "its server has ended; start the server again"),
        (&other, "it is a socket of another kind; check the path"),
    ] {
        let error = Client::connect(path).unwrap_err().to_string();
        assert_eq!(error, format!("cannot connect to {}: {why}", path.display()));
    }
    for path in [file, ended, other] {
        std::fs::remove_file(path).unwrap();
    }
}

#[test]
fn one_client_at_a_time_and_the_next_when_it_is_gone() {
    let (_served, path) = Served::at_path(ServerLimits::default());
    let first = Client::connect_within(&path, LONG).unwrap();
    let start = Instant::now();
    assert!(matches!(Client::connect_within(&path, LONG), Err(Error::Closed { .. })));
    assert!(start.elapsed() < LONG / 2, "it was left waiting");
    write(&first, 0, 0x20, &[1]).expect("the first one is served on");
    drop(first);
    // Each comes at the moment when the one before leaves.
    for n in 2..20 {
        let next = Client::connect_within(&path, LONG).unwrap();
        write(&next, 0, 0x20, &[n]).unwrap();
        assert_eq!(read32(&next, 0, 0x20) as u8, n);
    }
}

#[test]
fn a_server_that_is_stopped_ends_in_the_middle_of_a_client() {
    let (served, path) = Served::at_path(ServerLimits::default());
    let client = Client::connect_within(&path, LONG).unwrap();
    drop(served);
    let error = client.read(0, 0, &mut [0; 4]).unwrap_err();
    assert!(matches!(error, Error::Closed { .. }), "{error}");
    assert!(matches!(client.reset(), Err(Error::Lost { .. })) && client.lost().is_some());
    assert!(!path.exists());
}

/// Serves or uses a device in its own process, which the test below kills.
#[test]
#[ignore = "started by another test"]
fn in_a_process_of_its_own() {
    let path = std::path::PathBuf::from(std::env::var_os("IXY_TEST_SOCKET").unwrap());
    if std::env::var_os("IXY_TEST_SERVES").is_some() {
        let (server, mut device) = device::copier(ServerLimits::default()).unwrap();
        let listener = Listener::bind(&path).unwrap();
        server.serve(&listener, &mut device, &Stop::new().unwrap()).unwrap();
    } else {
        let client = Client::connect_within(&path, LONG).unwrap();
        let file = super::memory(4096, true);
        client.map(0x10000, 4096, std::os::fd::AsFd::as_fd(&file), 0, true).unwrap();
        // Until it is killed, but not for ever.
        let end = Instant::now() + LONG;
        while Instant::now() < end {
            write(&client, 0, 0x20, &[1; 64]).unwrap();
        }
    }
}

struct Child(std::process::Child);

impl Child {
    fn start(path: &Path, serves: bool) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--ignored", "--exact", "listener::in_a_process_of_its_own"]);
        command.env("IXY_TEST_SOCKET", path).stdout(Stdio::null()).stderr(Stdio::null());
        if serves {
            command.env("IXY_TEST_SERVES", "1");
        }
        Self(command.spawn().unwrap())
    }

    fn kill(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn until<T>(mut what: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + LONG;
    loop {
        if let Some(value) = what() {
            return value;
        }
        assert!(Instant::now() < end, "nothing came of it");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_killed_server_is_a_lost_device_and_a_new_one_takes_its_place() {
    let path = socket_path();
    let mut server = Child::start(&path, true);
    let client = until(|| Client::connect_within(&path, LONG).ok());
    write(&client, 0, 0x20, &[1]).unwrap();
    server.kill();
    assert!(client.read(0, 0x20, &mut [0; 4]).is_err() && client.lost().is_some());
    assert!(path.exists(), "a killed server leaves its socket");
    let _server = Child::start(&path, true);
    let client = until(|| Client::connect_within(&path, LONG).ok());
    assert_eq!(read32(&client, 0, 0x20), 0, "a new device");
    drop(client);
    drop(_server);
    std::fs::remove_file(&path).unwrap();
}

#[test]
fn a_killed_client_makes_room_for_the_next() {
    let (served, path) = Served::at_path(ServerLimits::default());
    for _ in 0..3 {
        let mut client = Child::start(&path, false);
        until(|| (served.server.memory().mappings() == 1).then_some(()));
        client.kill();
        until(|| (served.server.memory().mappings() == 0).then_some(()));
    }
    let client = Client::connect_within(&path, LONG).unwrap();
    assert_eq!(read32(&client, 0, 0x20), 0x0101_0101, "what the last one wrote");
}
