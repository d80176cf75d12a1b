//! A small HTTP server for a single request, within limits: [`Server`].

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// Largest number of clients at a time. Further ones are refused until one of these is done.
const CLIENTS: usize = 8;
/// The time that a client has for its request and for accepting the answer.
const PATIENCE: Duration = Duration::from_secs(2);
/// The longest request.
const REQUEST: usize = 8 * 1024;
/// Largest number of header lines in a request.
const HEADERS: usize = 64;

const TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Answers `GET /metrics` with a text that is made for each request. One thread accepts clients, and each client
/// has its own thread while it is served, so that a slow one delays no other.
#[derive(Debug)]
pub(super) struct Server {
    address: SocketAddr,
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    pub(super) fn start(
        address: SocketAddr,
        text: impl Fn() -> String + Send + Sync + 'static,
    ) -> io::Result<Self> {
        let listener = TcpListener::bind(address)?;
        let address = listener.local_addr()?;
        let over = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&over);
        let thread = thread::Builder::new()
            .name("ixy-metrics".into())
            .spawn(move || accept(&listener, &flag, &Arc::new(text)))?;
        Ok(Self { address, over, thread: Some(thread) })
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Release);
        // The accepting thread sees the flag at the next client, which is this one.
        let woken = TcpStream::connect_timeout(&self.address, PATIENCE).is_ok();
        if let Some(thread) = self.thread.take().filter(|_| woken) {
            let _ = thread.join();
        }
    }
}

fn accept<T: Fn() -> String + Send + Sync + 'static>(
    listener: &TcpListener,
    over: &AtomicBool,
    text: &Arc<T>,
) {
    let busy = Arc::new(AtomicUsize::new(0));
    loop {
        let accepted = listener.accept();
        if over.load(Ordering::Acquire) {
            return;
        }
        let Ok((client, _)) = accepted else {
            // For instance, the process has no descriptor left.
            thread::sleep(Duration::from_millis(100));
            continue;
        };
        if busy.fetch_add(1, Ordering::AcqRel) >= CLIENTS {
            busy.fetch_sub(1, Ordering::AcqRel);
            continue;
        }
        let (text, freed) = (Arc::clone(text), Arc::clone(&busy));
        let serve = move || {
            // A client that has left needs no answer.
            let _ = answer(client, &*text);
            freed.fetch_sub(1, Ordering::AcqRel);
        };
        if thread::Builder::new().name("ixy-metrics".into()).spawn(serve).is_err() {
            busy.fetch_sub(1, Ordering::AcqRel);
        }
    }
}

/// Reads a request and answers it, within the time for both.
fn answer(mut client: TcpStream, text: &impl Fn() -> String) -> io::Result<()> {
    let until = Instant::now() + PATIENCE;
    let (status, kind, body, with_body) = match request(&mut client, until)? {
        Request::Get { path, head } if path == "/metrics" => ("200 OK", TYPE, text(), !head),
        Request::Get { head, .. } => {
            ("404 Not Found", "text/plain", "the metrics are at /metrics\n".into(), !head)
        }
        Request::Other => ("405 Method Not Allowed", "text/plain", "use GET\n".into(), true),
        Request::Bad => ("400 Bad Request", "text/plain", "that is no HTTP request\n".into(), true),
    };
    let length = body.len();
    let mut reply = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
    );
    if with_body {
        reply += &body;
    }
    let mut left = reply.as_bytes();
    while !left.is_empty() {
        client.set_write_timeout(Some(time_left(until)?))?;
        let written = client.write(left)?;
        left = &left[written..];
    }
    client.shutdown(Shutdown::Write)
}

fn time_left(until: Instant) -> io::Result<Duration> {
    let left = until.saturating_duration_since(Instant::now());
    if left.is_zero() { Err(io::ErrorKind::TimedOut.into()) } else { Ok(left) }
}

enum Request {
    Get { path: String, head: bool },
    Other,
    Bad,
}

/// Reads a request up to the end of its headers.
fn request(client: &mut TcpStream, until: Instant) -> io::Result<Request> {
    let (mut buffer, mut filled) = ([0; REQUEST], 0);
    while filled < buffer.len() {
        client.set_read_timeout(Some(time_left(until)?))?;
        let read = client.read(&mut buffer[filled..])?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        filled += read;
        let mut headers = [httparse::EMPTY_HEADER; HEADERS];
        let mut request = httparse::Request::new(&mut headers);
        match request.parse(&buffer[..filled]) {
            Ok(httparse::Status::Partial) => {}
            Ok(httparse::Status::Complete(_)) => {
                let path = request.path.unwrap_or_default();
                let path = path.split('?').next().unwrap_or_default().to_owned();
                return Ok(match request.method {
                    Some("GET") => Request::Get { path, head: false },
                    Some("HEAD") => Request::Get { path, head: true },
                    _ => Request::Other,
                });
            }
            Err(_) => return Ok(Request::Bad),
        }
    }
    Ok(Request::Bad)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn server() -> Server {
        Server::start("127.0.0.1:0".parse().unwrap(), || "a 1\n".into()).unwrap()
    }

    /// Sends a complete request and returns the complete answer.
    fn ask(server: &Server, request: &str) -> String {
        let mut client = TcpStream::connect(server.address()).unwrap();
        client.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        client.write_all(request.as_bytes()).unwrap();
        let mut text = String::new();
        let _ = client.read_to_string(&mut text);
        text
    }

    #[test]
    fn the_metrics_are_at_one_path_and_other_requests_are_answered_too() {
        let server = server();
        let good = ask(&server, "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
        assert!(good.starts_with("HTTP/1.1 200 OK\r\n") && good.ends_with("\r\n\r\na 1\n"), "{good}");
        assert!(good.contains("Content-Length: 4\r\n") && good.contains("openmetrics-text"), "{good}");
        let head = ask(&server, "HEAD /metrics?x=1 HTTP/1.1\r\n\r\n");
        assert!(head.starts_with("HTTP/1.1 200 OK\r\n") && head.ends_with("\r\n\r\n"), "{head}");
        assert!(ask(&server, "GET / HTTP/1.1\r\n\r\n").starts_with("HTTP/1.1 404 "));
        assert!(ask(&server, "POST /metrics HTTP/1.1\r\n\r\n").starts_with("HTTP/1.1 405 "));
        assert!(ask(&server, "\0\0\0\0\r\n\r\n").starts_with("HTTP/1.1 400 "));
        let long = format!("GET /metrics HTTP/1.1\r\nX: {}\r\n\r\n", "x".repeat(REQUEST));
        let refused = ask(&server, &long);
        // Unread bytes may reset the connection before the answer is seen.
        assert!(refused.is_empty() || refused.starts_with("HTTP/1.1 400 "), "{refused}");
    }

    #[test]
    fn clients_that_send_nothing_hold_up_others_for_no_longer_than_their_time() {
        let server = server();
        let slow = || TcpStream::connect(server.address()).unwrap();
        let _few: Vec<_> = (0..CLIENTS - 1).map(|_| slow()).collect();
        let start = Instant::now();
        assert!(ask(&server, "GET /metrics HTTP/1.1\r\n\r\n").contains("200 OK"));
        assert!(start.elapsed() < PATIENCE, "{:?}", start.elapsed());
        // With more of them others are refused, and served again once their time is over.
        let _many: Vec<_> = (0..100).map(|_| slow()).collect();
        let start = Instant::now();
        while !ask(&server, "GET /metrics HTTP/1.1\r\n\r\n").contains("200 OK") {
            assert!(start.elapsed() < 10 * PATIENCE, "it serves nobody any more");
            thread::sleep(Duration::from_millis(50));
        }
    }

    #[test]
    fn it_ends_when_it_is_dropped() {
        let server = server();
        let address = server.address();
        drop(server);
        assert!(TcpStream::connect(address).is_err(), "it still listens");
    }
}
