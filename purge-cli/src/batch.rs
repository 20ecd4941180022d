//! A purge as request bodies: one, unless it is too large for one.

use bytes::Bytes;
use edge::wire::purge::{MAX_BODY_BYTES, MAX_SELECTORS, Mode, PurgeRequest, Target};

/// One request body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// A [`PurgeRequest`] as JSON.
    pub body: Bytes,
    /// How many targets it has.
    pub targets: usize,
}

/// All request bodies of a purge, in the order in which they are sent. At least one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batches {
    /// The first one.
    pub first: Batch,
    /// The others.
    pub rest: Vec<Batch>,
}

impl Batches {
    /// Splits a purge into bodies of at most [`MAX_SELECTORS`] targets and [`MAX_BODY_BYTES`] bytes, in order. `None`
    /// if there are no targets.
    pub fn new(targets: &[Target], mode: Mode) -> Option<Self> {
        let mut batches = split(targets, mode, MAX_SELECTORS, MAX_BODY_BYTES).into_iter();
        Some(Self { first: batches.next()?, rest: batches.collect() })
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        1 + self.rest.len()
    }
}

/// A target that is larger than a body may be gets a body of its own, for the node to reject.
fn split(targets: &[Target], mode: Mode, max_targets: usize, max_bytes: usize) -> Vec<Batch> {
    let frame = json(&PurgeRequest { targets: Vec::new(), mode }).len();
    let mut batches = Vec::new();
    let mut from = 0;
    let mut bytes = frame;
    for (at, target) in targets.iter().enumerate() {
        let more = json(target).len() + 1; // with its comma
        if at > from && (at - from == max_targets || bytes + more > max_bytes) {
            batches.push(batch(&targets[from..at], mode));
            (from, bytes) = (at, frame);
        }
        bytes += more;
    }
    if from < targets.len() {
        batches.push(batch(&targets[from..], mode));
    }
    batches
}

fn batch(targets: &[Target], mode: Mode) -> Batch {
    Batch { body: json(&PurgeRequest { targets: targets.to_vec(), mode }).into(), targets: targets.len() }
}

fn json(value: &impl serde::Serialize) -> Vec<u8> {
    serde_json::to_vec(value).expect("texts and enums have a JSON form")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn targets(hosts: &[&str]) -> Vec<Target> {
        hosts.iter().map(|host| Target::Host { host: (*host).to_owned() }).collect()
    }

    fn hosts(batch: &Batch) -> Vec<String> {
        let request: PurgeRequest = serde_json::from_slice(&batch.body).expect("a purge request");
        assert_eq!((request.mode, request.targets.len()), (Mode::Soft, batch.targets));
        let host = |target| match target {
            Target::Host { host } => host,
            other => panic!("{other:?}"),
        };
        request.targets.into_iter().map(host).collect()
    }

    #[test]
    fn batches_keep_order_and_bounds() {
        let check = |all: &[&str], max_targets, max_bytes, want: &[&[&str]]| {
            let batches = split(&targets(all), Mode::Soft, max_targets, max_bytes);
            assert_eq!(batches.iter().map(hosts).collect::<Vec<_>>(), want, "{all:?} {max_targets} {max_bytes}");
            assert!(batches.iter().all(|batch| batch.body.len() <= max_bytes || batch.targets == 1));
        };
        check(&[], 2, 1000, &[]);
        check(&["a"], 2, 1000, &[&["a"]]);
        check(&["a", "b"], 2, 1000, &[&["a", "b"]]);
        check(&["a", "b", "c"], 2, 1000, &[&["a", "b"], &["c"]]);
        check(&["a", "b", "c", "d"], 1, 1000, &[&["a"], &["b"], &["c"], &["d"]]);
        check(&["a", "b", "c"], 9, 90, &[&["a", "b"], &["c"]]);
        check(&["a", "b", "c"], 9, 1, &[&["a"], &["b"], &["c"]]);
        check(&["a", "quo\"te", "c"], 9, 85, &[&["a"], &["quo\"te"], &["c"]]);
    }

    #[test]
    fn a_purge_that_fits_is_one_request() {
        let many: Vec<Target> = targets(&["a"]).into_iter().cycle().take(MAX_SELECTORS).collect();
        assert_eq!(Batches::new(&many, Mode::Hard).map(|batches| batches.count()), Some(1));
        assert_eq!(Batches::new(&[], Mode::Hard), None);
    }
}
