//! A purge as request bodies: one, unless it is too large for one.

use bytes::Bytes;
use edge::wire::purge::{MAX_BODY_BYTES, MAX_SELECTORS, Mode, PurgeRequest, Target, Wait};
use std::time::Duration;

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

/// What a purge is, beside its targets.
#[derive(Debug, Clone)]
pub struct Manner {
    /// How.
    pub mode: Mode,
    /// By which a retry is known.
    pub id: String,
    /// What is waited for,
    pub wait: Wait,
    /// and for how long.
    pub timeout: Duration,
}

/// What stands between the id of a purge and the number of one of its parts. No purge may have it in its own id: so what
/// is another purge is not taken for a part.
const PART: &str = "..";

/// The id of a part of a purge that takes several requests, counted from 1. The last one has the purge's own id, so
/// what is recorded under that is recorded whole.
pub fn part_id(id: &str, number: usize) -> String {
    format!("{id}{PART}{number}")
}

/// Whether this is the id of a part.
pub fn is_part(id: &str) -> bool {
    id.contains(PART)
}

impl Batches {
    /// Splits a purge into bodies of at most [`MAX_SELECTORS`] targets and [`MAX_BODY_BYTES`] bytes, in order. `None`
    /// if there are no targets. The last one alone is waited for: it is applied after the others.
    pub fn new(targets: &[Target], manner: &Manner) -> Option<Self> {
        let parts = split(targets, manner, MAX_SELECTORS, MAX_BODY_BYTES);
        let count = parts.len();
        let mut batches = parts.into_iter().enumerate().map(|(at, part)| batch(part, manner, at, at + 1 == count));
        Some(Self { first: batches.next()?, rest: batches.collect() })
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        1 + self.rest.len()
    }
}

/// A target that is larger than a body may be gets a body of its own, for the home to reject.
fn split<'t>(targets: &'t [Target], manner: &Manner, max_targets: usize, max_bytes: usize) -> Vec<&'t [Target]> {
    // The largest number that a batch could have, and nobody waited for: the longest frame.
    let frame = batch(&[], manner, targets.len(), false).body.len();
    let mut batches = Vec::new();
    let mut from = 0;
    let mut bytes = frame;
    for (at, target) in targets.iter().enumerate() {
        let more = json(target).len() + 1; // with its comma
        if at > from && (at - from == max_targets || bytes + more > max_bytes) {
            batches.push(&targets[from..at]);
            (from, bytes) = (at, frame);
        }
        bytes += more;
    }
    if from < targets.len() {
        batches.push(&targets[from..]);
    }
    batches
}

/// The body of one part of a purge.
fn batch(targets: &[Target], manner: &Manner, at: usize, is_last: bool) -> Batch {
    let id = if is_last { manner.id.clone() } else { part_id(&manner.id, at + 1) };
    let request = PurgeRequest {
        targets: targets.to_vec(),
        mode: manner.mode,
        id: Some(id),
        wait: if is_last { manner.wait } else { Wait::None },
        timeout_ms: Some(u64::try_from(manner.timeout.as_millis()).unwrap_or(u64::MAX)),
    };
    Batch { body: json(&request).into(), targets: targets.len() }
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

    fn manner() -> Manner {
        Manner { mode: Mode::Soft, id: "i".to_owned(), wait: Wait::All, timeout: Duration::from_secs(10) }
    }

    fn hosts(targets: &[Target]) -> Vec<String> {
        let host = |target: &Target| match target {
            Target::Host { host } => host.clone(),
            other => panic!("{other:?}"),
        };
        targets.iter().map(host).collect()
    }

    #[test]
    fn batches_keep_order_and_bounds() {
        let frame = batch(&[], &manner(), 9, false).body.len();
        let check = |all: &[&str], max_targets, room: usize, want: &[&[&str]]| {
            let (all, max_bytes) = (targets(all), frame + room);
            let parts = split(&all, &manner(), max_targets, max_bytes);
            assert_eq!(parts.iter().map(|part| hosts(part)).collect::<Vec<_>>(), want, "{max_targets} {room}");
            for (at, part) in parts.iter().enumerate() {
                assert!(part.len() == 1 || batch(part, &manner(), at, false).body.len() <= max_bytes);
            }
        };
        check(&[], 2, 1000, &[]);
        check(&["a"], 2, 1000, &[&["a"]]);
        check(&["a", "b"], 2, 1000, &[&["a", "b"]]);
        check(&["a", "b", "c"], 2, 1000, &[&["a", "b"], &["c"]]);
        check(&["a", "b", "c", "d"], 1, 1000, &[&["a"], &["b"], &["c"], &["d"]]);
        check(&["a", "b", "c"], 9, 62, &[&["a", "b"], &["c"]]);
        check(&["a", "b", "c"], 9, 1, &[&["a"], &["b"], &["c"]]);
        check(&["a", "quo\"te", "c"], 9, 50, &[&["a"], &["quo\"te"], &["c"]]);
    }

    #[test]
    fn only_the_last_batch_is_waited_for() {
        let many: Vec<Target> = targets(&["a"]).into_iter().cycle().take(MAX_SELECTORS + 1).collect();
        let batches = Batches::new(&many, &manner()).expect("there are targets");
        let read = |batch: &Batch| serde_json::from_slice::<PurgeRequest>(&batch.body).expect("a purge request");
        let (first, last) = (read(&batches.first), read(&batches.rest[0]));
        assert_eq!((first.id.as_deref(), first.wait, first.targets.len()), (Some("i..1"), Wait::None, MAX_SELECTORS));
        assert_eq!((last.id.as_deref(), last.wait, last.targets.len()), (Some("i"), Wait::All, 1));
        assert_eq!((last.mode, last.timeout_ms), (Mode::Soft, Some(10_000)));
    }

    #[test]
    fn a_purge_that_fits_is_one_request() {
        let many: Vec<Target> = targets(&["a"]).into_iter().cycle().take(MAX_SELECTORS).collect();
        assert_eq!(Batches::new(&many, &manner()).map(|batches| batches.count()), Some(1));
        assert_eq!(Batches::new(&[], &manner()), None);
    }
}
