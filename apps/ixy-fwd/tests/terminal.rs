//! ixy-fwd in a terminal: help in its width, progress, the table of `--live`.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::io::{Read, Write};
use std::process::{Command, Stdio};

/// A run that takes longer is killed.
const LIMIT: &str = "60";

/// The output of a shell command line in a terminal of this width; `None`, with a note, without `script`.
fn in_terminal(test: &str, columns: u32, line: &str) -> Option<String> {
    typed(test, (40, columns), line, "")
}

/// The same in a terminal of this size, in which keys are typed once two tables were drawn.
fn typed(test: &str, (rows, columns): (u32, u32), line: &str, keys: &str) -> Option<String> {
    if Command::new("script").arg("--version").output().is_err() {
        let why = format!("SKIPPED: {test}: it needs the program `script`, of util-linux\n");
        std::io::stderr().write_all(why.as_bytes()).unwrap();
        return None;
    }
    // A shell with a trap goes on after Ctrl-C; without one, dash ends as well and prints no exit code.
    let line = format!("trap : INT; stty rows {rows} cols {columns}; {line}");
    let mut script = Command::new("timeout");
    script.args(["-s", "KILL", LIMIT, "script", "-qec", &line, "/dev/null"]);
    script.env_remove("IXY_LOG").env_remove("NO_COLOR").env("TERM", "xterm").env("SHELL", "/bin/sh");
    script.stdin(if keys.is_empty() { Stdio::null() } else { Stdio::piped() }).stdout(Stdio::piped());
    let mut child = script.spawn().unwrap();
    // The keyboard stays open to the end; closing it would be typed as well.
    let (mut keyboard, mut screen) = (child.stdin.take(), child.stdout.take().unwrap());
    let (mut written, mut part, mut keys) = (Vec::new(), [0; 4096], Some(keys));
    loop {
        let length = screen.read(&mut part).unwrap();
        written.extend_from_slice(&part[..length]);
        if length == 0 {
            break;
        }
        let tables = written.windows(ERASE.len()).filter(|bytes| *bytes == ERASE.as_bytes()).count();
        if let Some(keyboard) = &mut keyboard
            && tables >= 2
            && let Some(keys) = keys.take()
        {
            keyboard.write_all(keys.as_bytes()).unwrap();
        }
    }
    child.wait().unwrap();
    Some(String::from_utf8(written).unwrap())
}

/// A text without its colours.
fn plain(text: &str) -> String {
    let parts = text.split("\x1b[").enumerate();
    parts.map(|(n, part)| if n == 0 { part } else { part.split_once('m').unwrap().1 }).collect()
}

#[test]
fn help_in_a_terminal_has_colours_and_its_width() {
    let name = "help_in_a_terminal_has_colours_and_its_width";
    for columns in [50, 80] {
        for flag in ["-h", "--help"] {
            let line = format!("{} {flag}", env!("CARGO_BIN_EXE_ixy-fwd"));
            let Some(shown) = in_terminal(name, columns, &line) else { return };
            assert!(shown.contains("\x1b["), "it has colours: {shown}");
            let text = plain(&shown);
            let too_wide = text.lines().find(|line| line.trim_end().chars().count() > columns as usize);
            assert_eq!(too_wide, None, "{columns} columns");
            let without = in_terminal(name, columns, &format!("NO_COLOR=1 {line}")).unwrap();
            assert!(!without.contains('\x1b') && without.contains("Usage:"), "{without}");
        }
    }
}

#[test]
fn progress_is_shown_on_a_terminal_and_gone_before_other_lines() {
    let line = format!("{} sim sim --duration 2.5", env!("CARGO_BIN_EXE_ixy-fwd"));
    let name = "progress_is_shown_on_a_terminal_and_gone_before_other_lines";
    let Some(shown) = in_terminal(name, 80, &line) else { return };
    assert!(shown.contains(" of 2."), "{shown:?}");
    assert!(shown.contains("\r\x1b[J[sim #0] RX:"), "the line is cleared first: {shown:?}");
    assert!(shown.contains("\r\x1b[JSummary of "), "and before the summary: {shown:?}");
}

/// Moves to the start of the line and erases all below: the start of each table.
const ERASE: &str = "\r\x1b[J";

/// The content of a terminal after this output, with the lines that scrolled away above it.
fn screen(written: &str, rows: u16, columns: u16) -> String {
    let size = |n: u16| n.try_into().unwrap();
    let mut terminal = vt100::Parser::new(size(rows), size(columns), 1000);
    terminal.process(written.as_bytes());
    terminal.screen_mut().set_scrollback(usize::MAX);
    let above = (1..=terminal.screen().scrollback()).rev().map(|above| {
        terminal.screen_mut().set_scrollback(above);
        terminal.screen().contents().lines().next().unwrap_or_default().to_owned() + "\n"
    });
    let above: String = above.collect();
    terminal.screen_mut().set_scrollback(0);
    above + &terminal.screen().contents()
}

#[test]
fn a_live_table_is_redrawn_in_place_and_stays_with_the_summary_after_ctrl_c() {
    let name = "a_live_table_is_redrawn_in_place_and_stays_with_the_summary_after_ctrl_c";
    for columns in [40, 120] {
        let line = format!("{} sim sim:loopback --live --interval 300ms", env!("CARGO_BIN_EXE_ixy-fwd"));
        let line = format!("{line} --queues 2 --per-queue; echo rc=$?");
        let Some(written) = typed(name, (24, columns), &line, "\x03") else { return };
        let tables: Vec<&str> = written.split(ERASE).skip(1).collect();
        assert!(tables.len() >= 3, "two intervals and the last table: {written:?}");
        let (last, drawn) = tables.split_last().unwrap();
        for table in drawn {
            for line in table.lines().filter(|line| !line.contains('\x1b')) {
                assert!(line.trim_end().chars().count() <= columns as usize, "{columns} columns: {line}");
            }
        }
        for text in
            ["sim ", "sim:loopback", "10.0G", "queue 1", "missed", "dropped", "errors", "RX", "TX", " s\r\n"]
        {
            assert!(drawn[0].contains(text) && last.contains(text), "`{text}` is not in: {written:?}");
        }
        assert_eq!(drawn[0].contains("RX pps"), columns == 120, "a head over a wide table: {written:?}");

        let shown = screen(&written, 24, 120);
        assert_eq!(shown.matches("queue 1").count(), 2 + 2, "one table and the summary: {shown}");
        let (table, summary) = shown.split_once("Summary of ").unwrap();
        assert!(table.contains("10.0G") && !table.contains("^C"), "{shown}");
        assert!(summary.contains("[sim] queue 0  RX: ") && summary.contains("\nrc=0"), "{shown}");
        assert!(!written.contains("\x1b[?"), "no mode of the terminal is changed: {written:?}");
    }
}

#[test]
fn a_live_table_is_no_higher_than_the_terminal_and_messages_stand_above_it() {
    let name = "a_live_table_is_no_higher_than_the_terminal_and_messages_stand_above_it";
    let line = format!("{} sim sim --live --interval 200ms", env!("CARGO_BIN_EXE_ixy-fwd"));
    let line = format!("{line} --queues 8 --per-queue -v --duration 3");
    let Some(written) = typed(name, (6, 80), &line, "") else { return };
    let end = written.split("Summary of").next().unwrap();
    let title =
        end.split(ERASE).filter(|part| part.contains("RX pps")).last().and_then(|table| table.lines().next());
    assert_eq!(
        title.map(str::trim),
        Some("100 %  3.0 of 3.0 s"),
        "the last table is of the whole run: {written:?}"
    );
    for table in written.split(ERASE).filter(|part| part.contains("RX pps")) {
        let table = table.split("Summary of").next().unwrap();
        assert_eq!(table.lines().filter(|line| line.contains(' ')).count(), 5, "{table:?}");
        for text in [" of 3.0 s", "sim #0", "sim #1", "... all of it needs 21 rows"] {
            assert!(table.contains(text), "`{text}` is not in: {table:?}");
        }
    }
    let all = screen(&written, 6, 80);
    assert_eq!(all.matches("RX pps").count(), 1, "one table is left: {all}");
    assert!(all.contains("INFO") && all.contains("opened"), "messages are left as well: {all}");
}

#[test]
fn a_live_table_without_a_terminal_is_an_error_before_anything_is_opened() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ixy-fwd"));
    let output = command.args(["sim", "sim:rx=/nowhere.pcap", "--live"]).output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(1) && output.stdout.is_empty(), "{output:?}");
    assert!(error.starts_with("error: --live ") && error.contains("--csv"), "{error}");
    for other in ["--json", "--csv", "--quiet"] {
        let output =
            Command::new(env!("CARGO_BIN_EXE_ixy-fwd")).args(["sim", "sim", "--live", other]).output();
        let output = output.unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.code() == Some(2) && error.contains(other), "{error}");
    }
}

#[test]
fn what_a_card_sends_never_goes_to_a_terminal() {
    for file in ["-", "/dev/tty", "/dev/stdout"] {
        let line = format!("{} sim sim:tx={file} --duration 1; echo rc $?", env!("CARGO_BIN_EXE_ixy-fwd"));
        let Some(shown) = in_terminal("what_a_card_sends_never_goes_to_a_terminal", 200, &line) else {
            return;
        };
        let shown = shown.replace(['\r', '\n'], " ");
        assert!(shown.contains("is a terminal, and a capture is not text"), "{file}: {shown}");
        assert!(shown.contains("rc 1"), "{file}: {shown}");
    }
}
