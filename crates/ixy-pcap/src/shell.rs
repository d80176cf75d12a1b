//! Names in commands that a user pastes into a shell: [`quoted`].

use std::{fmt::Write as _, os::unix::ffi::OsStrExt, path::Path};

/// The path as one word of a command for the shell: as it is if it means nothing else there, else in quotes.
///
/// The word contains no control characters, so that it survives where messages escape these.
///
/// ```
/// use std::path::Path;
/// use ixy_pcap::quoted;
///
/// assert_eq!(quoted(Path::new("/tmp/in.pcap")), "/tmp/in.pcap");
/// assert_eq!(quoted(Path::new("my trip's.pcap")), r"'my trip'\''s.pcap'");
/// assert_eq!(quoted(Path::new("a\nb")), r"$'a\nb'");
/// assert_eq!(quoted(Path::new("-x")), "./-x"); // no option
/// ```
pub fn quoted(path: &Path) -> String {
    let bytes = path.as_os_str().as_bytes();
    let start = if bytes.starts_with(b"-") { "./" } else { "" };
    match path.to_str() {
        Some(text) if !text.is_empty() && text.bytes().all(is_plain) => format!("{start}{text}"),
        Some(text) if !text.chars().any(char::is_control) => {
            format!("'{start}{}'", text.replace('\'', r"'\''"))
        }
        // The quotes of bash and of POSIX since 2024.
        _ => {
            let mut word = format!("$'{start}");
            for chunk in bytes.utf8_chunks() {
                for char in chunk.valid().chars() {
                    match char {
                        '\n' => word.push_str("\\n"),
                        '\t' => word.push_str("\\t"),
                        '\'' | '\\' => word.extend(['\\', char]),
                        _ if char.is_control() => escape(&mut word, char.encode_utf8(&mut [0; 4]).as_bytes()),
                        _ => word.push(char),
                    }
                }
                escape(&mut word, chunk.invalid());
            }
            word + "'"
        }
    }
}

/// Appends bytes in octal, of three digits: a digit may follow.
fn escape(word: &mut String, bytes: &[u8]) {
    for byte in bytes {
        // Writing to a String never fails.
        let _ = write!(word, "\\{byte:03o}");
    }
}

fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"_@%+=:,./-".contains(&byte)
}

#[cfg(test)]
mod tests {
    use std::{ffi::OsStr, process::Command};

    use super::*;

    #[test]
    fn a_shell_reads_the_word_as_the_path() {
        for name in [
            &b"plain-1.pcap"[..],
            b"no dir/a",
            b"it's",
            b"$HOME `id` \"x\" \\ *",
            b"-n",
            b"- n",
            "\u{e4}\u{9b}1".as_bytes(),
            b"a\nb\tc\x1b[2J'\\",
            b"\xff1",
            b"~",
            b"a;b&c|d>e",
            b"",
        ] {
            let word = quoted(Path::new(OsStr::from_bytes(name)));
            assert!(!word.chars().any(char::is_control), "{word}");
            let shell = Command::new("bash").arg("-c").arg(format!("printf %s {word}")).output().unwrap();
            let read = shell.stdout.strip_prefix(b"./").unwrap_or(&shell.stdout);
            assert_eq!(read, name, "{word}");
        }
    }
}
