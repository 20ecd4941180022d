//! What happened, line by line, when somebody wants to read it.

use super::world::{Step, TaskId};

/// The lines of a run; nothing is written while nobody reads.
#[derive(Debug, Default)]
pub(super) struct Trace {
    lines: Option<Vec<String>>,
}

impl Trace {
    pub(super) fn new(is_read: bool) -> Self {
        Self { lines: is_read.then(Vec::new) }
    }

    pub(super) fn note(&mut self, now: Step, task: TaskId, who: &str, what: impl FnOnce() -> String) {
        if let Some(lines) = &mut self.lines {
            lines.push(format!("{now:5}  {who:<10} {:04x}  {}", task & 0xffff, what()));
        }
    }

    pub(super) fn into_lines(self) -> Vec<String> {
        self.lines.unwrap_or_default()
    }
}
