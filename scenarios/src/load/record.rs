//! What was measured.

use crate::cache_status::Outcome;
use hdrhistogram::Histogram;
use serde::Serialize;
use std::collections::BTreeMap;
use std::time::Duration;

/// Longest latency that is told apart from longer ones: beyond the client's timeout.
const MAX_LATENCY_US: u64 = 120_000_000;
/// Latencies are kept to three significant digits.
const DIGITS: u8 = 3;
/// Messages of errors that are kept; the rest is counted.
const MAX_MESSAGES: usize = 20;

/// Latencies, in microseconds.
#[derive(Debug, Clone)]
pub struct Latency(Histogram<u64>);

impl Default for Latency {
    fn default() -> Self {
        // The bounds are constants that the histogram allows.
        Self(Histogram::new_with_bounds(1, MAX_LATENCY_US, DIGITS).unwrap_or_else(|_| unreachable!("constant bounds")))
    }
}

impl Latency {
    /// Adds one.
    pub fn add(&mut self, latency: Duration) {
        self.0.saturating_record(u64::try_from(latency.as_micros()).unwrap_or(MAX_LATENCY_US).max(1));
    }

    /// Adds all of another.
    pub fn merge(&mut self, other: &Self) {
        // Both have the same bounds.
        let _same_bounds = self.0.add(&other.0);
    }

    /// How many there are.
    pub fn count(&self) -> u64 {
        self.0.len()
    }

    /// The latency that this share of all don't exceed, in milliseconds; `None` if there are none.
    pub fn quantile_ms(&self, share: f64) -> Option<f64> {
        (!self.0.is_empty()).then(|| self.0.value_at_quantile(share) as f64 / 1e3)
    }

    /// The longest, in milliseconds; zero if there are none.
    pub fn max_ms(&self) -> f64 {
        self.0.max() as f64 / 1e3
    }
}

/// What the clients of a region saw.
#[derive(Debug, Clone, Default)]
pub struct Record {
    /// Latency by what the edge did.
    pub latency: BTreeMap<Outcome, Latency>,
    /// Body bytes by what the edge did.
    pub bytes: BTreeMap<Outcome, u64>,
    /// Responses by status.
    pub statuses: BTreeMap<u16, u64>,
    /// Requests without a complete response.
    pub unanswered: u64,
    /// Responses that are not in order.
    pub wrong: u64,
    /// The first of their messages.
    pub messages: Vec<String>,
    /// How late requests left, because the generator was busy.
    pub lag: Latency,
    /// Requests that were not sent as too many were unanswered.
    pub not_sent: u64,
}

impl Record {
    /// A response.
    pub fn response(&mut self, outcome: Outcome, status: u16, bytes: u64, latency: Duration) {
        self.latency.entry(outcome).or_default().add(latency);
        *self.bytes.entry(outcome).or_default() += bytes;
        *self.statuses.entry(status).or_default() += 1;
    }

    /// A request that got no complete response.
    pub fn unanswered(&mut self, message: impl FnOnce() -> String) {
        self.unanswered += 1;
        self.keep(message);
    }

    /// A response, recorded already, that is not in order.
    pub fn wrong(&mut self, message: impl FnOnce() -> String) {
        self.wrong += 1;
        self.keep(message);
    }

    fn keep(&mut self, message: impl FnOnce() -> String) {
        if self.messages.len() < MAX_MESSAGES {
            self.messages.push(message());
        }
    }

    /// Adds all of another.
    pub fn merge(&mut self, other: &Self) {
        for (outcome, latency) in &other.latency {
            self.latency.entry(*outcome).or_default().merge(latency);
        }
        for (outcome, bytes) in &other.bytes {
            *self.bytes.entry(*outcome).or_default() += bytes;
        }
        for (status, count) in &other.statuses {
            *self.statuses.entry(*status).or_default() += count;
        }
        self.unanswered += other.unanswered;
        self.wrong += other.wrong;
        let room = MAX_MESSAGES.saturating_sub(self.messages.len());
        self.messages.extend(other.messages.iter().take(room).cloned());
        self.lag.merge(&other.lag);
        self.not_sent += other.not_sent;
    }

    /// How many responses there were.
    pub fn responses(&self) -> u64 {
        self.latency.values().map(Latency::count).sum()
    }

    /// The share of responses for which no client waited for a tier above; `None` if there are none.
    pub fn hit_ratio(&self) -> Option<f64> {
        let hits: u64 = self.latency.iter().filter(|(outcome, _)| outcome.is_hit()).map(|(_, all)| all.count()).sum();
        (self.responses() > 0).then(|| hits as f64 / self.responses() as f64)
    }

    /// Latencies of all responses of some kind.
    pub fn latency_of(&self, kind: fn(Outcome) -> bool) -> Latency {
        let mut all = Latency::default();
        self.latency.iter().filter(|(outcome, _)| kind(**outcome)).for_each(|(_, latency)| all.merge(latency));
        all
    }

    /// The numbers.
    pub fn report(&self) -> RecordReport {
        let (hit, miss) = (self.latency_of(Outcome::is_hit), self.latency_of(Outcome::is_miss));
        RecordReport {
            requests: self.responses() + self.unanswered + self.not_sent,
            responses: self.responses(),
            by_outcome: self.latency.iter().map(|(outcome, latency)| (*outcome, latency.count())).collect(),
            by_status: self.statuses.clone(),
            body_bytes: self.bytes.values().sum(),
            hit_ratio: self.hit_ratio(),
            hit_p50_ms: hit.quantile_ms(0.5),
            hit_p99_ms: hit.quantile_ms(0.99),
            miss_p50_ms: miss.quantile_ms(0.5),
            miss_p99_ms: miss.quantile_ms(0.99),
            unanswered: self.unanswered,
            wrong: self.wrong,
            messages: self.messages.clone(),
            not_sent: self.not_sent,
            lag_p99_ms: self.lag.quantile_ms(0.99),
            lag_max_ms: self.lag.max_ms(),
        }
    }
}

/// The numbers of a [`Record`]. What there was nothing to measure for is `null`.
#[derive(Debug, Clone, Serialize)]
pub struct RecordReport {
    /// Requests that were due.
    pub requests: u64,
    /// Complete responses.
    pub responses: u64,
    /// Responses by what the edge did.
    pub by_outcome: BTreeMap<Outcome, u64>,
    /// Responses by status.
    pub by_status: BTreeMap<u16, u64>,
    /// Bytes of bodies.
    pub body_bytes: u64,
    /// Share of responses from the store, fresh or stale.
    pub hit_ratio: Option<f64>,
    /// Median latency of those.
    pub hit_p50_ms: Option<f64>,
    /// Their 99th percentile.
    pub hit_p99_ms: Option<f64>,
    /// Median latency of responses that waited for a tier above.
    pub miss_p50_ms: Option<f64>,
    /// Their 99th percentile.
    pub miss_p99_ms: Option<f64>,
    /// Requests without a complete response.
    pub unanswered: u64,
    /// Responses that are not in order.
    pub wrong: u64,
    /// The first of their messages.
    pub messages: Vec<String>,
    /// Requests that were not sent as too many were unanswered.
    pub not_sent: u64,
    /// How late requests left because the generator was busy: 99th percentile.
    pub lag_p99_ms: Option<f64>,
    /// The latest.
    pub lag_max_ms: f64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers() {
        let mut record = Record::default();
        for ms in 1..=90 {
            record.response(Outcome::Hit, 200, 10, Duration::from_millis(ms));
        }
        let mut other = Record::default();
        for ms in 201..=210 {
            other.response(Outcome::Miss, if ms == 210 { 404 } else { 200 }, 100, Duration::from_millis(ms));
        }
        (0..30).for_each(|n| other.unanswered(|| format!("no {n}")));
        record.merge(&other);
        let report = record.report();
        assert_eq!((report.requests, report.responses, report.unanswered, report.messages.len()), (130, 100, 30, 20));
        assert_eq!((report.hit_ratio, report.body_bytes), (Some(0.9), 1900));
        assert_eq!(report.by_status, BTreeMap::from([(200, 99), (404, 1)]));
        let near = |found: Option<f64>, want: f64| found.is_some_and(|found| (found / want - 1.0).abs() < 0.01);
        assert!(near(report.hit_p50_ms, 45.0) && near(report.hit_p99_ms, 90.0), "{report:?}");
        assert!(near(report.miss_p50_ms, 205.0) && near(report.miss_p99_ms, 210.0), "{report:?}");
        assert_eq!(Record::default().report().hit_p50_ms, None);
    }
}
