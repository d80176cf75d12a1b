//! One JSON object on one line: [`Object`].

use serde_json::{Map, Value};

/// A JSON object that keeps the order in which its fields are added.
#[derive(Debug, Default)]
pub struct Object(Map<String, Value>);

impl Object {
    /// Adds a text.
    pub fn text(self, key: &str, value: &str) -> Self {
        self.with(key, value)
    }

    /// Adds a whole number.
    pub fn count(self, key: &str, value: u64) -> Self {
        self.with(key, value)
    }

    /// Adds a number, rounded to six decimals; 0 when it is not finite.
    pub fn number(self, key: &str, value: f64) -> Self {
        self.with(key, if value.is_finite() { rounded(value) } else { 0.0 })
    }

    /// Adds a text, or null.
    pub fn text_or_null(self, key: &str, value: Option<&str>) -> Self {
        self.with(key, value)
    }

    /// Adds a whole number, or null.
    pub fn count_or_null(self, key: &str, value: Option<u64>) -> Self {
        self.with(key, value)
    }

    /// Adds true or false.
    pub fn flag(self, key: &str, value: bool) -> Self {
        self.with(key, value)
    }

    /// Adds an object.
    pub fn object(self, key: &str, value: Self) -> Self {
        self.with(key, value.0)
    }

    /// Adds a list of objects.
    pub fn list(self, key: &str, values: impl IntoIterator<Item = Self>) -> Self {
        self.with(key, values.into_iter().map(|object| Value::Object(object.0)).collect::<Vec<_>>())
    }

    /// The object, without a line feed.
    pub fn finish(self) -> String {
        Value::Object(self.0).to_string()
    }

    fn with(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.0.insert(key.into(), value.into());
        self
    }
}

/// A number with six decimals.
pub(crate) fn rounded(number: f64) -> f64 {
    (number * 1e6).round() / 1e6
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
            "{\"a \\\"b\\\"\":\"tab\\t, back\\\\slash, line\\n, \\u0001, ü\",\"n\":18446744073709551615,\"x\":1.23456,\"nan\":0.0}"
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
