//! ixy-serve with the programs that use its cards, each in its own process, as a user starts them in terminals.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::fs::Permissions;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, getuid, kill_process};

/// A run that takes longer than this hangs.
const LIMIT: Duration = Duration::from_secs(120);

/// The programs beside ixy-serve. Cargo builds them, unless `scripts/side-by-side` has built them.
fn program(name: &str) -> PathBuf {
    static DIRECTORY: OnceLock<PathBuf> = OnceLock::new();
    let directory = DIRECTORY.get_or_init(|| {
        let directory = Path::new(env!("CARGO_BIN_EXE_ixy-serve")).parent().unwrap();
        if std::env::var_os("IXY_PROGRAMS_BUILT").is_some() {
            return directory.to_owned();
        }
        let profile = match directory.file_name().unwrap().to_str().unwrap() {
            "debug" => "dev",
            other => other,
        };
        let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        cargo.current_dir(env!("CARGO_MANIFEST_DIR")).stdin(Stdio::null());
        cargo.args(["build", "--locked", "--quiet", "--profile", profile]);
        for name in ["ixy-fwd", "ixy-pktgen", "ixy-dump", "ixy-info"] {
            cargo.args(["--package", name, "--bin", name]);
        }
        let output = cargo.env("CARGO_TARGET_DIR", directory.parent().unwrap()).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        directory.to_owned()
    });
    directory.join(name)
}

/// A process, which is killed on drop.
struct Process(Child);

/// The end of a process.
struct Ended {
    code: Option<i32>,
    out: String,
    err: String,
}

impl Process {
    fn start(program: &Path, line: &str) -> Self {
        Self::of(Command::new(program).args(line.split(' ')))
    }

    fn of(command: &mut Command) -> Self {
        command.env_remove("IXY_LOG").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        Self(command.spawn().unwrap())
    }

    /// The server, once clients can connect to this many sockets.
    fn serve(line: &str, sockets: usize) -> Self {
        Self::start(Path::new(env!("CARGO_BIN_EXE_ixy-serve")), line).announced(sockets)
    }

    fn announced(mut self, sockets: usize) -> Self {
        for line in self.lines(sockets) {
            assert!(line.starts_with("serving vfio-user:"), "{line}");
        }
        self
    }

    /// Waits for the first line of statistics: frames flow.
    fn running(mut self) -> Self {
        let line = self.lines(1).concat();
        if line.is_empty() {
            panic!("it ended: {}", self.ended().err);
        }
        assert!(line.contains("RX: "), "{line}");
        self
    }

    /// The next lines that it prints, which are empty after its end.
    fn lines(&mut self, count: usize) -> Vec<String> {
        let out = self.0.stdout.take().unwrap();
        let (sender, receiver) = std::sync::mpsc::channel();
        // In a thread, since reading has no time limit.
        std::thread::spawn(move || {
            let mut out = BufReader::with_capacity(1, out);
            let lines = (0..count).map(|_| {
                let mut line = String::new();
                out.read_line(&mut line).unwrap();
                line
            });
            let lines = lines.collect();
            sender.send((lines, out.into_inner())).unwrap();
        });
        let (lines, out) = receiver.recv_timeout(LIMIT).unwrap();
        self.0.stdout = Some(out);
        lines
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.0), signal).unwrap();
    }

    /// Waits for its end. It prints little, so nothing blocks.
    fn ended(mut self) -> Ended {
        let start = Instant::now();
        while self.0.try_wait().unwrap().is_none() {
            assert!(start.elapsed() < LIMIT, "no end after {LIMIT:?}");
            std::thread::sleep(Duration::from_millis(5));
        }
        let (mut out, mut err) = (String::new(), String::new());
        self.0.stdout.take().unwrap().read_to_string(&mut out).unwrap();
        self.0.stderr.take().unwrap().read_to_string(&mut err).unwrap();
        Ended { code: self.0.wait().unwrap().code(), out, err }
    }

    fn end(self, signal: Signal) -> Ended {
        self.signal(signal);
        self.ended()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if matches!(self.0.try_wait(), Ok(None)) {
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }
}

/// A directory for sockets and files.
struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn at(&self, name: &str) -> String {
        self.0.path().join(name).display().to_string()
    }
}

/// The frames of one direction in a program's summary.
fn packets(summary: &str, label: &str, direction: &str) -> u64 {
    let start = format!("[{label}] {direction}: ");
    let line = summary.lines().rfind(|line| line.starts_with(&start) && line.contains(" packets")).unwrap();
    let words: Vec<&str> = line.split_whitespace().collect();
    let at = words.iter().position(|word| *word == "packets").unwrap();
    words[at - 1].parse().unwrap()
}

/// Forwards between two served cards for a moment, which has to work. A server needs a moment to notice that its
/// last client is gone, and a busy machine needs longer to open the cards, which counts towards the duration.
fn forwards(a: &str, b: &str) {
    let start = Instant::now();
    let mut duration = 0.5;
    loop {
        let line = format!("vfio-user:{a} vfio-user:{b} --duration {duration}");
        let Ended { code, out, err } = Process::start(&program("ixy-fwd"), &line).ended();
        if code == Some(0) {
            assert_eq!(err, "");
            let moved = [a, b].map(|socket| {
                let label = format!("vfio-user:{socket}");
                packets(&out, &label, "RX") > 0 && packets(&out, &label, "TX") > 0
            });
            if moved == [true; 2] {
                return;
            }
            assert!(start.elapsed() < LIMIT, "no frames pass: {out}");
            duration *= 2.0;
            continue;
        }
        if err.contains("of --duration were over") {
            duration *= 2.0;
        } else {
            assert!(err.contains("closed by the other side"), "{err}");
        }
        assert!(start.elapsed() < LIMIT, "the server takes no client: {err}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A command that runs a program in `place` as an ordinary user, even if the tests run as root.
fn as_ordinary_user(place: &Place, name: &str, line: &str) -> Command {
    const NOBODY: u32 = 65_534;
    let source = if name == "ixy-serve" { env!("CARGO_BIN_EXE_ixy-serve").into() } else { program(name) };
    let mut command = if getuid().is_root() {
        let own = place.0.path().join(name);
        std::fs::copy(source, &own).unwrap();
        // The user nobody may create sockets and files here.
        std::fs::set_permissions(place.0.path(), Permissions::from_mode(0o777)).unwrap();
        let mut command = Command::new(own);
        command.uid(NOBODY).gid(NOBODY);
        command
    } else {
        Command::new(source)
    };
    command.args(line.split(' ')).current_dir(place.0.path());
    command
}

#[test]
fn a_server_that_stands_still_does_not_hold_up_the_end() {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("a");
    let other = directory.path().join("b");
    let server = Process::serve(&format!("--socket {} --socket {}", socket.display(), other.display()), 2);
    let address = format!("vfio-user:{}", socket.display());
    for (name, line) in [
        ("ixy-fwd", format!("{address} sim --interval 0.1")),
        ("ixy-fwd", format!("{address} vfio-user:{} --interval 0.1", other.display())),
        ("ixy-dump", format!("{address} -w /dev/null --wait interrupt --interval 0.1")),
        ("ixy-pktgen", format!("{address} --interval 0.1")),
    ] {
        let process = Process::start(&program(name), &line).running();
        server.signal(Signal::STOP);
        std::thread::sleep(Duration::from_millis(300));
        let start = Instant::now();
        process.signal(Signal::INT);
        let Ended { code, err, .. } = process.ended();
        let took = start.elapsed();
        server.signal(Signal::CONT);
        assert!(took < Duration::from_secs(5), "{name} took {took:?}: {err}");
        let second = line.matches("vfio-user:").count() == 2;
        assert_eq!(err.contains("did not answer within 100ms"), second, "two cards share a second: {err}");
        // The card was not stopped in order.
        let why = "the other side did not answer within 1s";
        let last = err.lines().last().unwrap_or_default();
        assert!(
            code == Some(1) && last.starts_with("error: ") && last.contains(why),
            "{name}: {code:?} {err}"
        );
    }
}

#[test]
fn servers_that_stand_still_while_cards_are_opened_share_a_second() {
    let directory = tempfile::tempdir().unwrap();
    let [a, b] = ["a", "b"].map(|name| directory.path().join(name).display().to_string());
    let line = format!("vfio-user:{a} vfio-user:{b} -q");
    for delay in [30, 60, 140, 250] {
        // Other processes may hold up one attempt.
        let mut took = [Duration::MAX; 3];
        for took in &mut took {
            let server = Process::serve(&format!("--socket {a} --socket {b}"), 2);
            let process = Process::start(&program("ixy-fwd"), &line);
            std::thread::sleep(Duration::from_millis(delay));
            server.signal(Signal::STOP);
            std::thread::sleep(Duration::from_millis(300));
            let start = Instant::now();
            process.signal(Signal::INT);
            drop(process.ended());
            *took = start.elapsed();
            server.signal(Signal::CONT);
            drop(server.end(Signal::TERM));
            if *took < Duration::from_secs(2) {
                break;
            }
        }
        assert!(took.iter().min() < Some(&Duration::from_secs(2)), "stopped after {delay} ms: {took:?}");
    }
}

#[test]
fn a_path_with_two_uses_is_refused_and_nothing_is_made() {
    let place = Place::new();
    let path = place.at("a");
    for (name, line) in [
        ("ixy-serve", "--socket PATH --trace --trace-file PATH"),
        ("ixy-serve", "--socket OTHER --vf PATH --trace --trace-file PATH"),
        ("ixy-serve", "--socket PATH --wire tx=PATH"),
        ("ixy-serve", "--socket PATH --wire socket=PATH"),
        ("ixy-serve", "--socket OTHER --wire socket=PATH --trace --trace-file PATH"),
        ("ixy-serve", "--socket PATH --socket OTHER --wire rx=PATH"),
        ("ixy-fwd", "sim:socket=PATH vfio-user:PATH"),
        ("ixy-fwd", "sim:socket=PATH sim:tx=PATH"),
        ("ixy-fwd", "sim:rx=PATH vfio-user:PATH"),
        ("ixy-dump", "vfio-user:PATH -w PATH"),
        ("ixy-dump", "sim:socket=PATH -w PATH"),
        ("ixy-pktgen", "vfio-user:PATH --pcap PATH"),
    ] {
        let program =
            if name == "ixy-serve" { env!("CARGO_BIN_EXE_ixy-serve").into() } else { program(name) };
        let line = line.replace("PATH", &path).replace("OTHER", &place.at("b"));
        let Ended { code, out, err } = Process::start(&program, &line).ended();
        assert_eq!((code, out.as_str()), (Some(2), ""), "{name} {line}: {err}");
        let same = "are at the same path: give one of them another path\n";
        assert!(err.ends_with(same) && err.lines().count() == 1, "{name} {line}: {err}");
        assert_eq!(std::fs::read_dir(place.0.path()).unwrap().count(), 0, "{name} {line}");
    }
}

#[test]
fn every_program_prints_completions_and_a_manual_page() {
    for name in ["ixy-fwd", "ixy-pktgen", "ixy-dump", "ixy-info", "ixy-serve"] {
        let path = program(name);
        let printed = |line: &str| {
            let Ended { code, out, err } = Process::start(&path, line).ended();
            assert_eq!((code, err.as_str()), (Some(0), ""), "{name} {line}");
            out
        };
        for (shell, words) in [
            ("bash", ["complete -F", "--verbose"]),
            ("zsh", ["#compdef", "--verbose"]),
            ("fish", ["complete -c", "verbose"]),
        ] {
            let script = printed(&format!("--completions {shell}"));
            assert!(words.iter().all(|word| script.contains(word)) && script.contains(name), "{script}");
        }
        let page = printed("--man").replace('\\', "");
        for part in [&format!(".TH {name} 1"), ".SH SYNOPSIS", "--quiet", "EXIT CODES", ".SH EXAMPLES"] {
            assert!(page.contains(part), "{part}: {page}");
        }
        let (short, help) = (printed("-h"), printed("--help"));
        let lines = if name == "ixy-fwd" { 25 } else { 30 };
        assert!(short.lines().count() <= lines, "more than {lines} lines: {short}");
        assert!(short.lines().rev().take(4).any(|line| line.contains("--help")), "{short}");
        assert!(help.contains("--completions <SHELL>") && help.contains("--man"), "{help}");
        // Also those that -h leaves out.
        let bash = printed("--completions bash");
        let options = help.lines().filter_map(|line| line.strip_prefix("      ").or(line.strip_prefix("  ")));
        for line in options.filter(|line| line.starts_with('-')) {
            let words = line.split([' ', '[', '.']);
            for option in words.filter(|word| word.len() > 2 && word.starts_with("--")) {
                assert!(page.contains(option) && bash.contains(option), "{name}: {option} is missing");
            }
        }
        let Ended { code, err, .. } = Process::start(&path, "--completions cmd").ended();
        assert_eq!(code, Some(2), "{err}");
        for flag in ["-h", "--help", "--version", "--man", "--completions bash"] {
            let line = format!("{} {flag} >/dev/full", path.display());
            let Ended { code, err, .. } = Process::of(Command::new("sh").args(["-c", &line])).ended();
            assert_eq!(code, Some(1), "{line}: {err}");
            let why = "error: cannot write to standard output: No space left";
            assert!(err.starts_with(why) && err.lines().count() == 1, "{line}: {err}");
        }
    }
}

#[test]
fn an_ordinary_user_sends_forwards_and_records_through_served_cards() {
    const FRAMES: u32 = 20_000;
    let place = Place::new();
    // Relative paths, as a user types them.
    let serve = "--socket a --socket b --socket c --socket d --stats";
    let server = Process::of(&mut as_ordinary_user(&place, "ixy-serve", serve)).announced(4);
    let record = format!("vfio-user:d -w out.pcap --count {FRAMES}");
    let record = Process::of(&mut as_ordinary_user(&place, "ixy-dump", &record));
    let forward =
        Process::of(&mut as_ordinary_user(&place, "ixy-fwd", "vfio-user:b vfio-user:c --touch byte"))
            .running();
    let generate = format!("vfio-user:a --count {FRAMES} --rate 50k");
    let generated = Process::of(&mut as_ordinary_user(&place, "ixy-pktgen", &generate)).ended();
    assert_eq!((generated.code, generated.err.as_str()), (Some(0), ""));
    let recorded = record.ended();
    assert_eq!((recorded.code, recorded.err.as_str()), (Some(0), ""));
    let forwarded = forward.end(Signal::INT);
    assert_eq!((forwarded.code, forwarded.err.as_str()), (Some(0), ""));
    let served = server.end(Signal::INT);
    assert_eq!((served.code, served.err.as_str()), (Some(0), ""));

    let mut reader = ixy_pcap::Reader::open(place.0.path().join("out.pcap")).unwrap();
    let mut next = 0_u32;
    while let Some(record) = reader.next_record().unwrap() {
        assert_eq!(record.data[48], 1, "the forwarder touched the frame once");
        assert_eq!(u32::from_be_bytes(*record.data.last_chunk().unwrap()), next, "in order");
        next += 1;
    }
    assert_eq!(next, FRAMES);
    // All of them have the same counts.
    let all = u64::from(FRAMES);
    assert_eq!(packets(&generated.out, "vfio-user:a", "TX"), all);
    assert_eq!(packets(&forwarded.out, "vfio-user:b", "RX"), all);
    assert_eq!(packets(&forwarded.out, "vfio-user:c", "TX"), all);
    assert_eq!(packets(&recorded.out, "vfio-user:d", "RX"), all);
    for (line, counted) in served.out.lines().zip([(0, all), (all, 0), (0, all), (all, 0)]) {
        let (received, sent) = counted;
        let wanted = format!("{received} frames received, {sent} sent, 0 DMA faults, 0 messages refused");
        assert!(line.contains(&wanted) && line.ends_with("clients 1"), "{}", served.out);
    }
    assert_eq!(served.out.lines().count(), 4, "{}", served.out);
}

#[test]
fn a_client_that_is_killed_at_any_moment_makes_room_for_one_that_works() {
    let place = Place::new();
    let [a, b] = ["a", "b"].map(|name| place.at(name));
    let server = Process::serve(&format!("--socket {a} --wire flood --socket {b} --wire flood --stats"), 2);
    // While it connects, sets its cards up, and forwards; a client that the server has no room for yet is killed,
    // too.
    for milliseconds in [2, 10, 35, 80, 150, 400] {
        let client = Process::start(&program("ixy-fwd"), &format!("vfio-user:{a} vfio-user:{b}"));
        std::thread::sleep(Duration::from_millis(milliseconds));
        let ended = client.end(Signal::KILL);
        assert!(ended.code.is_none() || ended.err.contains("closed by the other side"), "{}", ended.err);
        if milliseconds % 4 == 0 {
            forwards(&a, &b);
        }
    }
    // While frames certainly flow, by polling and by interrupts.
    for wait in ["poll", "interrupt"] {
        forwards(&a, &b);
        let line = format!("vfio-user:{a} vfio-user:{b} --wait {wait}");
        let start = Instant::now();
        let client = loop {
            let mut client = Process::start(&program("ixy-fwd"), &line);
            std::thread::sleep(Duration::from_millis(200));
            // The server may not have noticed yet that the last client is gone.
            if client.0.try_wait().unwrap().is_none() {
                break client.running();
            }
            assert!(start.elapsed() < LIMIT, "the server takes no client");
        };
        drop(client.end(Signal::KILL));
        forwards(&a, &b);
    }
    let Ended { code, out, err } = server.end(Signal::TERM);
    assert_eq!(code, Some(0), "{err}");
    // The server reports a client that is killed while it answers it.
    assert!(err.lines().all(|line| line.contains("the client was disconnected")), "{err}");
    assert_eq!(out.matches(" 0 DMA faults, 0 messages refused, 0 bad descriptors").count(), 2, "{out}");
}

/// Checks that a client ends soon after its server has gone: with exit code 1 and one error line. If `kept`, warnings
/// that memory stays allocated may come first, one for each card.
fn lost(client: Process, sockets: [&str; 2], why: &str, kept: bool) {
    let start = Instant::now();
    let Ended { code, err, .. } = client.ended();
    // No wait is longer than its patience of 10 s, and a busy machine is slow.
    assert!(start.elapsed() < Duration::from_secs(60), "it took {:?}", start.elapsed());
    assert_eq!(code, Some(1), "{err}");
    let line = err.lines().last().unwrap_or_default();
    assert!(line.starts_with("error: ") && err.matches("error: ").count() == 1, "{err}");
    let not_freed = err.lines().filter(|line| line.contains("is not freed")).count();
    assert!(if kept { not_freed <= 2 } else { not_freed == 0 }, "{err}");
    assert_eq!(err.lines().count(), not_freed + 1, "{err}");
    assert!(sockets.iter().any(|socket| line.contains(&format!("vfio-user:{socket}"))), "{err}");
    for part in [why, "lost", "open it again when its server runs"] {
        assert!(line.contains(part), "`{part}` is not in: {err}");
    }
}

#[test]
fn a_server_that_is_killed_is_told_by_its_clients_and_its_next_one_works() {
    let place = Place::new();
    let [a, b] = ["a", "b"].map(|name| place.at(name));
    let line = format!("--socket {a} --wire flood --socket {b} --wire flood");
    for wait in ["poll", "interrupt", "adaptive"] {
        let server = Process::serve(&line, 2);
        let client = format!("vfio-user:{a} vfio-user:{b} --wait {wait}");
        let client = Process::start(&program("ixy-fwd"), &client).running();
        drop(server.end(Signal::KILL));
        lost(client, [&a, &b], "closed by the other side", false);
    }
    // The sockets were left behind.
    let server = Process::serve(&line, 2);
    forwards(&a, &b);
    assert_eq!(server.end(Signal::TERM).code, Some(0));
}

#[test]
fn a_generator_whose_card_is_lost_says_how_many_records_it_skipped() {
    let place = Place::new();
    let (socket, capture) = (place.at("a"), place.at("in.pcap"));
    let made = Process::start(&program("ixy-pktgen"), &format!("sim:tx={capture} --count 100")).ended();
    assert_eq!(made.code, Some(0), "{}", made.err);
    let server = Process::serve(&format!("--socket {socket} --wire flood"), 1);
    let line = format!("vfio-user:{socket} --pcap {capture} --loop --rate 1000");
    let client = Process::start(&program("ixy-pktgen"), &line).running();
    drop(server.end(Signal::KILL));
    let Ended { code, out, err } = client.ended();
    assert_eq!(code, Some(1), "{err}");
    assert!(
        err.lines().last().is_some_and(|line| line.contains("is lost")),
        "the reason is the last line: {err}"
    );
    assert!(out.ends_with("\nskipped 0\n"), "the counts end with the records that were skipped: {out}");
}

#[test]
fn a_server_that_stands_still_is_a_lost_device_and_serves_again_when_it_goes_on() {
    let place = Place::new();
    let [a, b] = ["a", "b"].map(|name| place.at(name));
    let server = Process::serve(&format!("--socket {a} --wire flood --socket {b} --wire flood"), 2);
    let client = Process::start(&program("ixy-fwd"), &format!("vfio-user:{a} vfio-user:{b}")).running();
    server.signal(Signal::STOP);
    lost(client, [&a, &b], "10s", true);
    server.signal(Signal::CONT);
    forwards(&a, &b);
    assert_eq!(server.end(Signal::TERM).code, Some(0));
}

/// The trace of one of our drivers that starts, receives and ends.
fn traced(format: &str) -> String {
    traced_of("ixy-dump", "vfio-user:SOCKET -w /dev/null --count 100", format)
}

/// The trace of one of our programs with these arguments.
fn traced_of(name: &str, args: &str, format: &str) -> String {
    let place = Place::new();
    let [socket, file] = ["a", "trace"].map(|name| place.at(name));
    let server = Process::serve(&format!("--socket {socket} --trace {format} --trace-file {file}"), 1);
    let ended = Process::start(&program(name), &args.replace("SOCKET", &socket)).ended();
    assert_eq!((ended.code, ended.err.as_str()), (Some(0), ""), "{name}");
    assert_eq!(server.end(Signal::TERM).code, Some(0));
    std::fs::read_to_string(file).unwrap()
}

/// The writes of any driver, in the order of section 4.6.3: masks, reset, receive and transmit units, queues.
const STARTS: [(&str, u32, &str); 7] = [
    ("EIMC", 0x00888, ""),
    ("CTRL", 0x00000, "RST"),
    ("EIMC", 0x00888, ""),
    ("FCTRL", 0x05080, "BAM"),
    ("SRRCTL", 0x01014, "BSIZEPACKET"),
    ("RXDCTL", 0x01028, "ENABLE"),
    ("RDT", 0x01018, ""),
];

#[test]
fn a_trace_in_text_shows_how_our_driver_starts_a_card() {
    let text = traced("text");
    let mut lines = text.lines();
    for (name, offset, field) in STARTS {
        let wanted = [format!("write register {name}"), format!("{offset:#07x}"), field.to_owned()];
        let found =
            lines.any(|line| wanted.iter().all(|part| line.contains(part)) && line.contains("  (8.2."));
        assert!(found, "no {wanted:?} at its place in\n{text}");
    }
    assert!(lines.any(|line| line.contains("client gone")), "{text}");
}

#[test]
fn a_trace_of_a_start_is_short_and_ends_with_the_first_frame() {
    for (name, args, doorbell) in [
        ("ixy-dump", "vfio-user:SOCKET -w /dev/null --count 100", "RDT[0]"),
        ("ixy-pktgen", "vfio-user:SOCKET --count 1000", "TDT[0]"),
        ("ixy-fwd", "vfio-user:SOCKET sim --duration 5", "DT[0]"),
    ] {
        let text = traced_of(name, args, "init");
        let lines: Vec<&str> = text.lines().collect();
        // 130 on an idle machine: events held back for a second are shown, which may split a loop.
        assert!((90..200).contains(&lines.len()), "{} lines of {name}:\n{text}", lines.len());
        let [.., last, end] = lines[..] else { panic!("{text}") };
        assert!(last.contains("write register ") && last.contains(doorbell), "{name}: {last}");
        assert!(end.contains("the first frame: what follows is not shown"), "{name}: {end}");
        let mut rest = lines.iter();
        for wanted in [
            "client connected",
            "semaphore SW_FW_SYNC 0x10160 0x00000000 -> 0x00000002  (10.5.4) SW_PHY_SM0=0x1",
            "read  i2c 0xa0 byte 0x00 = 0x03  (8.2.3.1.5)",
            "read  i2c 0xa0 byte 0x03 = 0x10  (8.2.3.1.5)",
            "semaphore SW_FW_SYNC 0x10160 0x00000002 -> 0x00000000  (10.5.4) all free",
            "read  eeprom word 0x02b = 0x0180  (8.2.3.2.2)",
            "write register CORECTL 0x14f00 <- 0x00000101  (",
            "write register RXCTRL 0x03000 <- 0x00000001, was 0x00000000  (8.2.3.8.10) RXEN=0x1",
        ] {
            assert!(rest.any(|line| line.contains(wanted)), "{name}: no `{wanted}` at its place in\n{text}");
        }
        assert!(!text.contains("I2CCTL") && !text.contains("EERD"), "{name}: all of it is decoded\n{text}");
    }
}

#[test]
fn a_trace_folds_what_repeats_and_a_raw_one_has_every_access() {
    let whole = |text: &str, name: &str, count: u32| {
        // A run that was shown before its end continues in the next line.
        let mut next = 0;
        for line in text.lines().filter(|line| line.contains(&format!("write register {name}["))) {
            let index = line.split_once('[').and_then(|(_, rest)| rest.rsplit_once(name));
            let (range, _) = index.and_then(|(_, rest)| rest[1..].split_once(']')).unwrap();
            let (first, last) = range.split_once("..=").unwrap_or((range, range));
            assert_eq!(first.parse(), Ok(next), "{line}");
            next = last.parse::<u32>().unwrap() + 1;
        }
        assert_eq!(next, count, "{name} in\n{text}");
    };
    let (folded, raw) = (traced("text"), traced("raw"));
    for (name, count) in [("MTA", 128), ("VFTA", 128), ("PFVLVF", 64)] {
        whole(&folded, name, count);
        whole(&raw, name, count);
    }
    let lines = |text: &str| text.lines().count();
    assert!(lines(&raw) > 2500 && lines(&folded) < 300, "{} and {}", lines(&raw), lines(&folded));
    assert!(raw.lines().filter(|line| line.contains("I2CCTL")).count() > 300);
    assert!(!raw.contains(" times") && !raw.contains("..="));
}

#[test]
fn a_trace_in_json_shows_how_our_driver_starts_a_card() {
    let text = traced("json");
    let objects: Vec<serde_json::Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{line}: {e}")))
        .collect();
    let mut rest = objects.iter();
    for (name, offset, field) in STARTS {
        let found = rest.any(|object| {
            object["event"] == "write"
                && object["register"] == name
                && object["offset"] == offset
                && object["section"].as_str().is_some_and(|section| section.starts_with("8.2."))
                && (field.is_empty() || object["fields"][field].as_u64().is_some_and(|value| value > 0))
        });
        assert!(found, "no {name} at its place in\n{text}");
    }
    assert!(rest.any(|object| object["event"] == "gone"), "{text}");
    // Every register that our driver accesses has a name.
    for object in objects.iter().filter(|object| object["offset"].is_u64() && object["event"] != "map") {
        assert!(object["register"].is_string(), "{object}");
    }
}
