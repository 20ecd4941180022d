//! Reads TOML key by key and collects all that is wrong with it, each with its place.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::Problem;

/// What is wrong with a value, and what to write instead.
pub(super) type Complaint = (String, String);

/// The problems found so far in a text.
pub(super) struct Report<'t> {
    text: &'t str,
    problems: Vec<Problem>,
}

/// A string in the text.
pub(super) struct Text<'t> {
    key: String,
    text: &'t str,
    offset: usize,
}

/// A table. What isn't asked for by the end is unknown.
pub(super) struct Section<'t> {
    path: String,
    table: Option<&'t DeTable<'t>>,
    offset: usize,
    known: Vec<&'static str>,
}

impl<'t> Report<'t> {
    /// Reads the text and gives what `read` makes of it, or all problems in the order of the text. Text that isn't
    /// TOML is not read any further.
    pub(super) fn of<T>(
        text: &'t str,
        read: impl FnOnce(&mut Section<'_>, &mut Report<'_>) -> T,
    ) -> Result<T, Vec<Problem>> {
        let mut report = Report { text, problems: Vec::new() };
        let (root, errors) = DeTable::parse_recoverable(text);
        for error in &errors {
            let cause = error.message().lines().collect::<Vec<_>>().join(", ");
            let offset = error.span().map_or(0, |span| span.start);
            report.complain(offset, String::new(), (cause, "write TOML (https://toml.io)".to_owned()));
        }
        let mut value = None;
        if errors.is_empty() {
            let mut section =
                Section { path: String::new(), table: Some(root.get_ref()), offset: 0, known: Vec::new() };
            value = Some(read(&mut section, &mut report));
            section.finish(&mut report);
        }
        report.problems.sort_by_key(|problem| (problem.line, problem.column));
        match value {
            Some(value) if report.problems.is_empty() => Ok(value),
            _ => Err(report.problems),
        }
    }

    /// What `check` makes of a string; none if it complains.
    pub(super) fn checked<T>(
        &mut self,
        text: &Text<'_>,
        check: impl FnOnce(&str) -> Result<T, Complaint>,
    ) -> Option<T> {
        match check(text.text) {
            Ok(value) => Some(value),
            Err(complaint) => {
                self.complain(text.offset, format!("{} = {:?}", text.key, text.text), complaint);
                None
            }
        }
    }

    fn complain(&mut self, offset: usize, key: String, (cause, remedy): Complaint) {
        let before = self.text.get(..offset).unwrap_or(self.text);
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        let line = before.bytes().filter(|&b| b == b'\n').count() + 1;
        let column = before.get(line_start..).map_or(0, |start| start.chars().count()) + 1;
        self.problems.push(Problem { line, column, key, cause, remedy });
    }

    fn expect<'v, T>(
        &mut self,
        path: &str,
        value: &'v Spanned<DeValue<'v>>,
        expected: &str,
        found: Option<T>,
    ) -> Option<T> {
        if found.is_none() {
            let cause = format!("it needs {expected}, and this is of the type {}", value.get_ref().type_str());
            let remedy = format!("give `{path}` {expected}");
            self.complain(value.span().start, path.to_owned(), (cause, remedy));
        }
        found
    }
}

impl<'t> Section<'t> {
    /// The string of a key.
    pub(super) fn text(&mut self, key: &'static str, report: &mut Report<'_>) -> Option<Text<'t>> {
        let value = self.value(key)?;
        let path = self.path_of(key);
        let text = report.expect(&path, value, "a string", value.get_ref().as_str())?;
        Some(Text { key: path, text, offset: value.span().start })
    }

    /// The string of a key that must be there.
    pub(super) fn required_text(&mut self, key: &'static str, report: &mut Report<'_>) -> Option<Text<'t>> {
        if self.value(key).is_none() {
            self.complain((format!("it has no `{key}`"), format!("add `{key} = \"…\"` to it")), report);
        }
        self.text(key, report)
    }

    /// The strings of a key.
    pub(super) fn texts(&mut self, key: &'static str, report: &mut Report<'_>) -> Option<Vec<Text<'t>>> {
        let value = self.value(key)?;
        let path = self.path_of(key);
        let array = report.expect(&path, value, "an array of strings", value.get_ref().as_array())?;
        let texts = array.iter().filter_map(|value| {
            let text = report.expect(&path, value, "an array of strings", value.get_ref().as_str())?;
            Some(Text { key: path.clone(), text, offset: value.span().start })
        });
        Some(texts.collect())
    }

    /// The truth value of a key.
    pub(super) fn flag(&mut self, key: &'static str, report: &mut Report<'_>) -> Option<bool> {
        let value = self.value(key)?;
        report.expect(&self.path_of(key), value, "true or false", value.get_ref().as_bool())
    }

    /// Reads the table of a key; an empty one if there is none.
    pub(super) fn section<T>(
        &mut self,
        key: &'static str,
        report: &mut Report<'_>,
        read: impl FnOnce(&mut Section<'t>, &mut Report<'_>) -> T,
    ) -> T {
        let path = self.path_of(key);
        let value = self.value(key);
        let table = value.and_then(|value| report.expect(&path, value, "a table", value.get_ref().as_table()));
        let offset = value.map_or(0, |value| value.span().start);
        let mut section = Section { path, table, offset, known: Vec::new() };
        let read = read(&mut section, report);
        section.finish(report);
        read
    }

    /// Reads each of the tables of a key.
    pub(super) fn sections(
        &mut self,
        key: &'static str,
        report: &mut Report<'_>,
        mut read: impl FnMut(&mut Section<'t>, &mut Report<'_>),
    ) {
        let path = self.path_of(key);
        let Some(value) = self.value(key) else { return };
        let Some(array) = report.expect(&path, value, "an array of tables", value.get_ref().as_array()) else { return };
        for value in array.iter() {
            if let Some(table) = report.expect(&path, value, "an array of tables", value.get_ref().as_table()) {
                let offset = value.span().start;
                let mut section = Section { path: path.clone(), table: Some(table), offset, known: Vec::new() };
                read(&mut section, report);
                section.finish(report);
            }
        }
    }

    /// Says that the table as a whole is wrong.
    pub(super) fn complain(&self, complaint: Complaint, report: &mut Report<'_>) {
        report.complain(self.offset, self.path.clone(), complaint);
    }

    fn value(&mut self, key: &'static str) -> Option<&'t Spanned<DeValue<'t>>> {
        if !self.known.contains(&key) {
            self.known.push(key);
        }
        self.table?.get(key)
    }

    fn finish(&self, report: &mut Report<'_>) {
        for key in self.table.into_iter().flat_map(DeTable::keys) {
            if !self.known.contains(&key.get_ref().as_ref()) {
                let complaint = ("this key is not known".to_owned(), format!("use one of {}", self.known.join(", ")));
                report.complain(key.span().start, self.path_of(key.get_ref()), complaint);
            }
        }
    }

    fn path_of(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }
}
