//! How a run gets on, on stderr: a spinner on a terminal, plain lines elsewhere.

use indicatif::{ProgressBar, ProgressStyle};
use scenarios::clock;
use scenarios::run::Progress;
use std::io::IsTerminal as _;
use std::time::Duration;
use tokio::time::Instant;

/// Ten frames a second.
const FRAME: Duration = Duration::from_millis(100);

/// Progress on stderr.
pub(crate) struct Terminal {
    start: Instant,
    bar: Option<ProgressBar>,
}

impl Terminal {
    pub(crate) fn new() -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::new_spinner();
            if let Ok(style) = ProgressStyle::with_template("{spinner} {prefix}  {msg:.dim}") {
                bar.set_style(style);
            }
            bar.enable_steady_tick(FRAME);
            bar
        });
        Self { start: clock::now(), bar }
    }

    pub(crate) fn finish(&self) {
        if let Some(bar) = &self.bar {
            self.keep_line(bar);
            bar.finish_and_clear();
        }
    }

    /// The phase that is over stays as a line above the spinner.
    fn keep_line(&self, bar: &ProgressBar) {
        let over = bar.prefix();
        if !over.is_empty() {
            bar.println(format!("  {over}"));
        }
    }

    fn stamped(&self, text: &str) -> String {
        format!("{:5.1} s  {text}", clock::now().saturating_duration_since(self.start).as_secs_f64())
    }
}

impl Progress for Terminal {
    fn phase(&self, text: &str) {
        let line = self.stamped(text);
        match &self.bar {
            Some(bar) => {
                self.keep_line(bar);
                bar.set_prefix(line);
                bar.set_message("");
            }
            None => anstream::eprintln!("{line}"),
        }
    }

    fn detail(&self, text: &str) {
        if let Some(bar) = &self.bar {
            bar.set_message(text.to_owned());
        }
    }
}
