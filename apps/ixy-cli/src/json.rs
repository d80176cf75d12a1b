//! One JSON object on one line: [`Object`].

use std::fmt::Write;

/// A JSON object whose fields are written in the order in which they are added.
#[derive(Debug, Default)]
pub(crate) struct Object(String);

impl Object {
    /// Adds a text.
    pub(crate) fn text(mut self, key: &str, value: &str) -> Self {
        self.key(key);
        self.string(value);
        self
    }

    /// Adds a whole number.
    pub(crate) fn count(mut self, key: &str, value: u64) -> Self {
        self.key(key);
        self.0.push_str(&value.to_string());
        self
    }

    /// Adds a number with six decimals, 0 when it is not finite.
    pub(crate) fn number(mut self, key: &str, value: f64) -> Self {
        self.key(key);
        let value = if value.is_finite() { value } else { 0.0 };
        self.0.push_str(&format!("{value:.6}"));
        self
    }

    /// The object, without a line feed.
    pub(crate) fn finish(self) -> String {
        if self.0.is_empty() { "{}".into() } else { self.0 + "}" }
    }

    fn key(&mut self, key: &str) {
        self.0.push(if self.0.is_empty() { '{' } else { ',' });
        self.string(key);
        self.0.push(':');
    }

    /// A string as RFC 8259, section 7, wants it.
    fn string(&mut self, text: &str) {
        self.0.push('"');
        for c in text.chars() {
            match c {
                '"' | '\\' => self.0.extend(['\\', c]),
                c if c < ' ' => {
                    // Writing to a String does not fail.
                    let _ = write!(self.0, "\\u{:04x}", u32::from(c));
                }
                c => self.0.push(c),
            }
        }
        self.0.push('"');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_is_one_line_of_valid_json() {
        let line = Object::default()
            .text("a \"b\"", "tab\t, back\\slash, line\n, \u{1}, ü")
            .count("n", u64::MAX)
            .number("x", 1.23456)
            .number("nan", f64::NAN)
            .finish();
        assert_eq!(
            line,
            "{\"a \\\"b\\\"\":\"tab\\u0009, back\\\\slash, line\\u000a, \\u0001, ü\",\"n\":18446744073709551615,\"x\":1.234560,\"nan\":0.000000}"
        );
        assert_eq!(Object::default().finish(), "{}");
    }
}
