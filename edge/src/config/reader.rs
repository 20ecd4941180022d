//! Reads a TOML table key by key and keeps going: every mistake of a file is found in one pass, with its line. (Serde
//! stops at the first, which is why the fleet file is not deserialised with it.)

use super::problem::Problem;
use super::quantity::{ByteSize, parse_duration, parse_time};
use crate::core::time::Timestamp;
use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap};
use std::ops::Range;
use std::time::Duration;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// The source and what was found wrong in it so far.
pub(super) struct Reader<'s> {
    source: &'s str,
    problems: RefCell<Vec<Problem>>,
    warnings: RefCell<Vec<Problem>>,
}

impl<'s> Reader<'s> {
    pub(super) fn new(source: &'s str) -> Self {
        Self { source, problems: RefCell::default(), warnings: RefCell::default() }
    }

    pub(super) fn root<'r>(&'r self, table: &'r DeTable<'r>) -> Section<'r> {
        Section { reader: self, table, path: String::new(), span: 0..0, known: RefCell::default() }
    }

    pub(super) fn problem(&self, span: Range<usize>, key: String, value: Option<String>, what: String, hint: String) {
        self.problems.borrow_mut().push(Problem { line: self.line(&span), key, value, what, hint });
    }

    fn line(&self, span: &Range<usize>) -> usize {
        if span.is_empty() && span.start == 0 {
            0
        } else {
            self.source.get(..span.start).map_or(0, |before| before.matches('\n').count() + 1)
        }
    }

    fn quote(&self, span: Range<usize>) -> String {
        let text = self.source.get(span).unwrap_or("").trim();
        let mut short: String = text.chars().take(60).collect();
        if short.len() < text.len() {
            short.push('…');
        }
        short.replace('\n', " ")
    }

    /// What is wrong, and what is only worth a second look.
    pub(super) fn finish(self) -> (Vec<Problem>, Vec<Problem>) {
        let sorted = |list: RefCell<Vec<Problem>>| {
            let mut list = list.into_inner();
            list.sort_by_key(|problem| problem.line);
            list
        };
        (sorted(self.problems), sorted(self.warnings))
    }
}

/// A value with where it stands.
#[derive(Debug, Clone)]
pub(super) struct At<T> {
    pub(super) value: T,
    pub(super) key: String,
    pub(super) span: Range<usize>,
}

/// A table of the file.
pub(super) struct Section<'r> {
    pub(super) reader: &'r dyn Report,
    table: &'r DeTable<'r>,
    pub(super) path: String,
    pub(super) span: Range<usize>,
    known: RefCell<BTreeSet<&'static str>>,
}

/// Where problems are reported to.
pub(super) trait Report {
    fn problem(&self, span: Range<usize>, key: String, value: Option<String>, what: String, hint: String);
    fn warning(&self, span: Range<usize>, key: String, value: Option<String>, what: String, hint: String);
    fn quote(&self, span: Range<usize>) -> String;
}

impl Report for Reader<'_> {
    fn problem(&self, span: Range<usize>, key: String, value: Option<String>, what: String, hint: String) {
        Reader::problem(self, span, key, value, what, hint);
    }

    fn warning(&self, span: Range<usize>, key: String, value: Option<String>, what: String, hint: String) {
        self.warnings.borrow_mut().push(Problem { line: self.line(&span), key, value, what, hint });
    }

    fn quote(&self, span: Range<usize>) -> String {
        Reader::quote(self, span)
    }
}

impl<'r> Section<'r> {
    fn key_path(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    fn raw(&self, key: &'static str) -> Option<&'r Spanned<DeValue<'r>>> {
        self.known.borrow_mut().insert(key);
        self.table.get(key)
    }

    /// Reports the value of `at` as wrong.
    pub(super) fn reject<T>(&self, at: &At<T>, what: impl Into<String>, hint: impl Into<String>) {
        let value = (!at.span.is_empty()).then(|| self.reader.quote(at.span.clone()));
        self.reader.problem(at.span.clone(), at.key.clone(), value, what.into(), hint.into());
    }

    /// Reports that the value of `at` is hardly what was meant. The file can be used all the same.
    pub(super) fn warn<T>(&self, at: &At<T>, what: impl Into<String>, hint: impl Into<String>) {
        let value = (!at.span.is_empty()).then(|| self.reader.quote(at.span.clone()));
        self.reader.warning(at.span.clone(), at.key.clone(), value, what.into(), hint.into());
    }

    /// Where a key's value stands; the table if it has none.
    pub(super) fn at(&self, key: &'static str) -> At<()> {
        let span = self.table.get(key).map_or_else(|| self.span.clone(), Spanned::span);
        At { value: (), key: self.key_path(key), span }
    }

    /// Whether a key is there.
    pub(super) fn has(&self, key: &str) -> bool {
        self.table.contains_key(key)
    }

    /// Where the table stands.
    pub(super) fn whole(&self) -> At<()> {
        At { value: (), key: self.path.clone(), span: self.span.clone() }
    }

    /// Whether nothing stands in the table.
    pub(super) fn is_empty(&self) -> bool {
        self.table.is_empty()
    }

    /// Reports that a key is missing.
    pub(super) fn missing(&self, key: &'static str, hint: &str) {
        self.known.borrow_mut().insert(key);
        let what = "is missing".to_owned();
        self.reader.problem(self.span.clone(), self.key_path(key), None, what, hint.to_owned());
    }

    fn typed<T>(
        &self,
        key: &'static str,
        hint: &str,
        read: impl FnOnce(&'r DeValue<'r>) -> Option<T>,
    ) -> Option<At<T>> {
        let raw = self.raw(key)?;
        let at = At { value: (), key: self.key_path(key), span: raw.span() };
        match read(raw.get_ref()) {
            Some(value) => Some(At { value, key: at.key, span: at.span }),
            None => {
                self.reject(&at, "can't be read", hint);
                None
            }
        }
    }

    pub(super) fn text(&self, key: &'static str) -> Option<At<&'r str>> {
        self.typed(key, "write a text in quotes", |value| match value {
            DeValue::String(text) => Some(text.as_ref()),
            _ => None,
        })
    }

    /// A text that must be there.
    pub(super) fn needed(&self, key: &'static str, hint: &str) -> Option<At<&'r str>> {
        if !self.table.contains_key(key) {
            self.missing(key, hint);
            return None;
        }
        self.text(key)
    }

    pub(super) fn boolean(&self, key: &'static str) -> Option<bool> {
        let at = self.typed(key, "write true or false", |value| match value {
            DeValue::Boolean(value) => Some(*value),
            _ => None,
        })?;
        Some(at.value)
    }

    pub(super) fn integer(&self, key: &'static str, range: std::ops::RangeInclusive<u64>) -> Option<u64> {
        let hint = format!("write a whole number from {} to {}", range.start(), range.end());
        let at = self.typed(key, &hint, |value| match value {
            DeValue::Integer(number) => {
                u64::from_str_radix(number.as_str(), number.radix()).ok().filter(|n| range.contains(n))
            }
            _ => None,
        })?;
        Some(at.value)
    }

    pub(super) fn degrees(&self, key: &'static str, bound: f64) -> Option<f64> {
        let hint = format!("write degrees from -{bound} to {bound}, as in 50.11");
        if !self.table.contains_key(key) {
            self.missing(key, &hint);
            return None;
        }
        let at = self.typed(key, &hint, |value| match value {
            DeValue::Float(number) => number.as_str().parse::<f64>().ok(),
            DeValue::Integer(number) => number.as_str().parse::<f64>().ok(),
            _ => None,
        })?;
        if at.value.abs() <= bound {
            Some(at.value)
        } else {
            self.reject(&at, "is out of range", hint);
            None
        }
    }

    pub(super) fn duration(&self, key: &'static str) -> Option<Duration> {
        let hint = "write a number and a unit, as in \"90s\", \"15m\" or \"1d\" (at most ten years)";
        let at = self.typed(key, hint, |value| match value {
            DeValue::String(text) => parse_duration(text),
            _ => None,
        })?;
        Some(at.value)
    }

    pub(super) fn time(&self, key: &'static str) -> Option<Timestamp> {
        let hint = "write a time in UTC, as in \"2027-01-31T12:00:00Z\", or a date, as in \"2027-01-31\"";
        let at = self.typed(key, hint, |value| match value {
            DeValue::String(text) => parse_time(text),
            _ => None,
        })?;
        Some(at.value)
    }

    pub(super) fn size(&self, key: &'static str) -> Option<At<ByteSize>> {
        self.typed(key, "write a number and a unit, as in \"512MiB\" or \"64KiB\"", |value| match value {
            DeValue::String(text) => ByteSize::parse(text),
            DeValue::Integer(number) => number.as_str().parse().ok().map(ByteSize),
            _ => None,
        })
    }

    pub(super) fn texts(&self, key: &'static str) -> Option<Vec<At<&'r str>>> {
        let path = self.key_path(key);
        let at = self.typed(key, "write a list of texts, as in [\"a\", \"b\"]", |value| match value {
            DeValue::Array(items) => items
                .iter()
                .enumerate()
                .map(|(n, item)| match item.get_ref() {
                    DeValue::String(text) => {
                        Some(At { value: text.as_ref(), key: format!("{path}[{n}]"), span: item.span() })
                    }
                    _ => None,
                })
                .collect::<Option<Vec<_>>>(),
            _ => None,
        })?;
        Some(at.value)
    }

    /// A list of texts of which no two mean the same, which is what `meaning` makes of them.
    pub(super) fn distinct(&self, key: &'static str, meaning: impl Fn(&str) -> String) -> Option<Vec<At<&'r str>>> {
        let list = self.texts(key)?;
        let mut seen = HashMap::new();
        for at in &list {
            if let Some(first) = seen.insert(meaning(at.value), at.key.clone()) {
                self.reject(at, format!("is listed already, at {first}"), "remove one of them");
            }
        }
        Some(list)
    }

    pub(super) fn section(&self, key: &'static str) -> Option<Section<'r>> {
        let at = self.typed(key, "write a table, as in { key = \"value\" }", |value| match value {
            DeValue::Table(table) => Some(table),
            _ => None,
        })?;
        Some(self.child(at.key, at.span, at.value))
    }

    /// An array of tables.
    pub(super) fn sections(&self, key: &'static str) -> Vec<Section<'r>> {
        let path = self.key_path(key);
        let hint = format!("write one [[{path}]] for each");
        let found = self.typed(key, &hint, |value| match value {
            DeValue::Array(items) => items
                .iter()
                .map(|item| match item.get_ref() {
                    DeValue::Table(table) => Some((item.span(), table)),
                    _ => None,
                })
                .collect::<Option<Vec<_>>>(),
            _ => None,
        });
        let tables = found.map(|at| at.value).unwrap_or_default();
        let child = |(n, (span, table))| self.child(format!("{path}[{n}]"), span, table);
        tables.into_iter().enumerate().map(child).collect()
    }

    /// A table whose keys are names that the user chose: each with its value.
    pub(super) fn entries(&self) -> Vec<(At<&'r str>, &'r Spanned<DeValue<'r>>)> {
        self.table
            .iter()
            .map(|(key, value)| {
                let name: &str = key.get_ref();
                (At { value: name, key: self.key_path(name), span: key.span() }, value)
            })
            .collect()
    }

    fn child(&self, path: String, span: Range<usize>, table: &'r DeTable<'r>) -> Section<'r> {
        Section { reader: self.reader, table, path, span, known: RefCell::default() }
    }

    /// Reports the keys that nobody asked for.
    pub(super) fn finish(self) {
        let known = self.known.borrow();
        for key in self.table.keys() {
            let name: &str = key.get_ref();
            if !known.contains(name) {
                let hint = match closest(name, known.iter().copied()) {
                    Some(close) => format!("did you mean {close:?}?"),
                    None => format!("known keys here: {}", known.iter().copied().collect::<Vec<_>>().join(", ")),
                };
                self.reader.problem(key.span(), self.key_path(name), None, "unknown key".into(), hint);
            }
        }
    }
}

/// The known key that is at most two edits away.
fn closest<'k>(key: &str, known: impl Iterator<Item = &'k str>) -> Option<&'k str> {
    known.map(|name| (edits(key, name), name)).filter(|&(n, _)| n <= 2).min().map(|(_, name)| name)
}

fn edits(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, ca) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, cb) in b.iter().enumerate() {
            let substituted = diagonal + usize::from(ca != *cb);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}
