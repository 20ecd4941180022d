//! What is wrong with a fleet file: each problem with its place, key, value and remedy.

use std::fmt;

/// One mistake in a fleet file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Line of the key or value, counted from 1; 0 if the problem has no place of its own.
    pub line: usize,
    /// The key with its path, such as `sites[0].default_ttl`.
    pub key: String,
    /// The value as written, if it is the value that is wrong.
    pub value: Option<String>,
    /// What is wrong with it.
    pub what: String,
    /// What to do.
    pub hint: String,
}

/// All mistakes of a fleet file, in the order of their places. Never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problems {
    /// The file, as the user named it.
    pub file: String,
    /// The mistakes.
    pub list: Vec<Problem>,
}

impl std::error::Error for Problems {}

impl Problem {
    /// The problem with its place in `file` and its remedy, in two lines.
    pub fn in_file(&self, file: &str) -> impl fmt::Display {
        let line = if self.line > 0 { format!(":{}", self.line) } else { String::new() };
        let value = self.value.as_ref().map_or_else(String::new, |value| format!(" = {value}"));
        let key = if self.key.is_empty() { String::new() } else { format!("{}{value}: ", self.key) };
        format!("{file}{line}: {key}{}\n    hint: {}", self.what, self.hint)
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for problem in &self.list {
            writeln!(f, "{}", problem.in_file(&self.file))?;
        }
        let n = self.list.len();
        write!(f, "{n} problem{} in {}", if n == 1 { "" } else { "s" }, self.file)
    }
}
