//! Text for people, without control characters: [`escaped`].

/// The text with its control characters escaped. It is one line, and does nothing to a terminal; other characters stay
/// as they are.
///
/// Names of files and devices may have any characters in them. Errors and messages are escaped where they are printed;
/// a program escapes the names in the lines that it prints itself.
///
/// ```
/// assert_eq!(ixy_cli::escaped("a\x1b[2J\nb c/\u{e4}"), "a\\u{1b}[2J\\nb c/\u{e4}");
/// ```
pub fn escaped(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut line, c| {
        if c.is_control() {
            line.extend(c.escape_default())
        } else {
            line.push(c)
        }
        line
    })
}
