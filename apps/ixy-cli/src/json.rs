//! One JSON object on one line: [`Object`].

use std::fmt::Write;

/// A JSON object whose fields are written in the order in which they are added.
#[derive(Debug, Default)]
pub struct Object(String);

impl Object {
    /// Adds a text.
    pub fn text(mut self, key: &str, value: &str) -> Self {
        self.key(key);
        self.string(value);
        self
    }

    /// Adds a whole number.
    pub fn count(mut self, key: &str, value: u64) -> Self {
        self.key(key);
        self.0.push_str(&value.to_string());
        self
    }

    /// Adds a number with six decimals, 0 when it is not finite.
    pub fn number(mut self, key: &str, value: f64) -> Self {
        self.key(key);
        let value = if value.is_finite() { value } else { 0.0 };
        self.0.push_str(&format!("{value:.6}"));
        self
    }

    /// Adds a text, or null.
    pub fn text_or_null(self, key: &str, value: Option<&str>) -> Self {
        match value {
            Some(value) => self.text(key, value),
            None => self.null(key),
        }
    }

    /// Adds a whole number, or null.
    pub fn count_or_null(self, key: &str, value: Option<u64>) -> Self {
        match value {
            Some(value) => self.count(key, value),
            None => self.null(key),
        }
    }

    /// Adds true or false.
    pub fn flag(mut self, key: &str, value: bool) -> Self {
        self.key(key);
        self.0.push_str(if value { "true" } else { "false" });
        self
    }

    /// Adds an object.
    pub fn object(mut self, key: &str, value: Self) -> Self {
        self.key(key);
        self.0.push_str(&value.finish());
        self
    }

    /// Adds a list of objects.
    pub fn list(mut self, key: &str, values: impl IntoIterator<Item = Self>) -> Self {
        self.key(key);
        let values: Vec<String> = values.into_iter().map(Self::finish).collect();
        self.0.push_str(&format!("[{}]", values.join(",")));
        self
    }

    /// The object, without a line feed.
    pub fn finish(self) -> String {
        if self.0.is_empty() { "{}".into() } else { self.0 + "}" }
    }

    fn null(mut self, key: &str) -> Self {
        self.key(key);
        self.0.push_str("null");
        self
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

    #[test]
    fn objects_hold_lists_of_objects_and_nothing_at_all() {
        let inner = || Object::default().flag("up", true);
        let line = Object::default()
            .list("all", [inner(), Object::default()])
            .list("none", [])
            .object("one", inner())
            .text_or_null("text", None)
            .count_or_null("count", Some(7))
            .count_or_null("nothing", None)
            .finish();
        assert_eq!(
            line,
            r#"{"all":[{"up":true},{}],"none":[],"one":{"up":true},"text":null,"count":7,"nothing":null}"#
        );
    }
}
