//! What was done to the fleet, and when.

use crate::clock;
use serde::Serialize;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// How far around a moment its history goes.
const AROUND: Duration = Duration::from_secs(6);

/// A fault, as it came about.
#[derive(Debug, Clone, Serialize)]
pub struct Happened {
    /// What.
    pub what: String,
    /// When it began, in seconds since the start of the load.
    pub from_s: f64,
    /// When all was as before; `null` if it never was.
    pub to_s: Option<f64>,
}

/// The history of a run.
#[derive(Debug)]
pub(super) struct History {
    start: Instant,
    happened: Mutex<Vec<Happened>>,
}

/// A fault that lasts.
#[derive(Debug)]
pub(super) struct Lasting<'h> {
    history: &'h History,
    at: usize,
}

impl History {
    pub(super) fn new() -> Self {
        Self { start: clock::now(), happened: Mutex::new(Vec::new()) }
    }

    /// A moment, in seconds since the start.
    pub(super) fn seconds(&self, at: Instant) -> f64 {
        at.saturating_duration_since(self.start).as_secs_f64()
    }

    /// When the load began.
    pub(super) const fn start(&self) -> Instant {
        self.start
    }

    /// Something begins.
    pub(super) fn begins(&self, what: String) -> Lasting<'_> {
        let from_s = self.seconds(clock::now());
        let mut happened = self.lock();
        happened.push(Happened { what, from_s, to_s: None });
        Lasting { history: self, at: happened.len() - 1 }
    }

    /// All of it, in the order in which it began.
    pub(super) fn all(&self) -> Vec<Happened> {
        self.lock().clone()
    }

    /// What was the matter around a moment, in words.
    pub(super) fn around(&self, at: Instant) -> Vec<String> {
        let (at, around) = (self.seconds(at), AROUND.as_secs_f64());
        let near = |it: &&Happened| it.from_s <= at + around && it.to_s.is_none_or(|to| to >= at - around);
        self.lock().iter().filter(near).map(Happened::describe).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Happened>> {
        self.happened.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lasting<'_> {
    /// All is as before.
    pub(super) fn ends(self) {
        self.history.lock()[self.at].to_s = Some(self.history.seconds(clock::now()));
    }
}

impl Happened {
    fn describe(&self) -> String {
        let Self { what, from_s, to_s } = self;
        match to_s {
            Some(to) => format!("{from_s:.3} s to {to:.3} s: {what}"),
            None => format!("from {from_s:.3} s: {what}"),
        }
    }
}
