//! Fleet files: written from what a plan knows, then changed as the builder was told.

use super::error::FleetError;
use toml::{Table, Value};

/// A table of these keys.
pub(super) fn table<const N: usize>(entries: [(&str, Value); N]) -> Table {
    entries.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}

/// Reads a piece of a fleet file.
pub(super) fn parse(text: &str) -> Result<Table, FleetError> {
    text.parse().map_err(|error: toml::de::Error| FleetError::BadToml(error.to_string()))
}

/// Merges `extra` into `base`: tables key by key; in lists of tables, those with the same `id` are merged and others
/// appended; any other value replaces what was there.
pub(super) fn merge(base: &mut Table, extra: Table) {
    for (key, value) in extra {
        match (base.get_mut(&key), value) {
            (Some(Value::Table(old)), Value::Table(new)) => merge(old, new),
            (Some(Value::Array(old)), Value::Array(new)) if new.iter().all(|item| id(item).is_some()) => {
                new.into_iter().for_each(|item| merge_item(old, item));
            }
            (_, value) => drop(base.insert(key, value)),
        }
    }
}

fn merge_item(list: &mut Vec<Value>, item: Value) {
    let same = list.iter_mut().find(|old| id(old).is_some() && id(old) == id(&item));
    match (same, item) {
        (Some(Value::Table(old)), Value::Table(new)) => merge(old, new),
        (_, item) => list.push(item),
    }
}

fn id(item: &Value) -> Option<&str> {
    item.get("id").and_then(Value::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn merging() {
        for (base, extra, want) in [
            ("a = 1", "b = 2", "a = 1\nb = 2"),
            ("a = 1", "a = 2", "a = 2"),
            ("[t]\na = 1", "[t]\nb = 2", "[t]\na = 1\nb = 2"),
            ("[[s]]\nid = \"x\"\na = 1", "[[s]]\nid = \"x\"\nb = 2", "[[s]]\nid = \"x\"\na = 1\nb = 2"),
            ("[[s]]\nid = \"x\"", "[[s]]\nid = \"y\"", "[[s]]\nid = \"x\"\n[[s]]\nid = \"y\""),
            ("l = [1]", "l = [2]", "l = [2]"),
        ] {
            let mut merged = parse(base).unwrap();
            merge(&mut merged, parse(extra).unwrap());
            assert_eq!(merged, parse(want).unwrap(), "{base:?} + {extra:?}");
        }
        assert!(matches!(parse("a = "), Err(FleetError::BadToml(_))));
    }
}
