//! The name that a misspelt one stands for: [`similar`].

/// The name among `names` that is most like `word`, whatever its case: the same but for two letters (one in a word of
/// up to three), or with the same first three letters.
pub fn similar<'n>(word: &str, names: impl IntoIterator<Item = &'n str>) -> Option<&'n str> {
    let word = word.to_lowercase();
    let start = word.get(..3);
    let alike = names.into_iter().filter_map(|name| {
        let edits = strsim::osa_distance(&word, name);
        let most = (word.len().min(name.len()) / 2).min(2);
        let alike = edits <= most || start.is_some_and(|start| name.starts_with(start));
        // An abbreviation is better than any misspelling.
        alike.then_some((!name.starts_with(&word), edits, name))
    });
    alike.min().map(|(_, _, name)| name)
}

#[cfg(test)]
mod tests {
    use super::similar;

    #[test]
    fn names_are_similar_when_few_letters_differ_or_they_begin_alike() {
        let names = ["interval", "interrupt-rate", "idle", "dup", "rx", "queues"];
        for (word, found) in [
            ("interupt", Some("interval")),
            ("interrupt", Some("interrupt-rate")),
            ("int", Some("interval")),
            ("queue", Some("queues")),
            ("qeueus", Some("queues")),
            ("DUP", Some("dup")),
            ("rxx", Some("rx")),
            ("filter", None),
            ("drop", None),
            ("foo", None),
            ("x", None),
            ("é", None),
            ("", None),
        ] {
            assert_eq!(similar(word, names), found, "{word}");
        }
    }
}
