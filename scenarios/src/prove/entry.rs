//! What is stored, and what its bytes are worth by the ground truth.

use super::url::{self, Key};
use super::world::Step;
use edge::core::freshness::{Freshness, Lifetime, LifetimeSource, StaleRule};
use edge::core::purge::{Fence, Mark, Subject};
use edge::core::time::Timestamp;
use std::collections::BTreeSet;
use std::time::Duration;

/// How long a response may be served stale while it is refreshed, or instead of an error, in steps.
const STALE_FOR: Duration = Duration::from_millis(120);

/// Bytes of the origin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Body {
    pub(super) version: u64,
    /// When the origin request was sent that obtained them, or found them to be current.
    pub(super) obtained: Step,
}

/// A response as a tier or the origin sends it.
#[derive(Debug, Clone)]
pub(super) struct Response {
    pub(super) body: Body,
    pub(super) tags: BTreeSet<String>,
    pub(super) freshness: Freshness,
    /// It has no bytes: those that the validator names are current.
    pub(super) not_modified: bool,
}

/// A response that is stored or arriving.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) key: Key,
    pub(super) body: Body,
    pub(super) tags: BTreeSet<String>,
    /// The tags of what it was validated from.
    pub(super) old_tags: BTreeSet<String>,
    pub(super) subject: Subject,
    pub(super) mark: Mark,
    pub(super) fence: Fence,
    pub(super) freshness: Freshness,
    /// When this process asked for it.
    pub(super) sent: Step,
}

impl Entry {
    pub(super) fn new(key: Key, response: &Response, fence: Fence, sent: Step) -> Self {
        Self {
            sent,
            key,
            body: response.body,
            subject: url::subject(key, &response.tags),
            tags: response.tags.clone(),
            old_tags: BTreeSet::new(),
            mark: Mark::new(fence),
            fence,
            freshness: response.freshness,
        }
    }

    /// This entry as a 304 has validated it. What the 304 says, it says of the version whose validator was sent.
    pub(super) fn validated(&self, response: &Response, fence: Fence, sent: Step) -> Self {
        let body = if response.body.version == self.body.version { response.body } else { self.body };
        let fresh = Self::new(self.key, response, fence, sent);
        Self { body, subject: fresh.subject.covering(&self.subject), old_tags: self.tags.clone(), ..fresh }
    }

    /// This entry as the response to a HEAD makes it fresh.
    pub(super) fn freshened(&self, freshness: Freshness, fence: Fence) -> Self {
        Self { freshness, fence, ..self.with_mark(Mark::new(fence)) }
    }

    /// This entry with another mark: as it comes back from where it was kept.
    pub(super) fn with_mark(&self, mark: Mark) -> Self {
        Self {
            sent: self.sent,
            key: self.key,
            body: self.body,
            tags: self.tags.clone(),
            old_tags: self.old_tags.clone(),
            subject: self.subject.clone(),
            mark,
            fence: self.fence,
            freshness: self.freshness,
        }
    }

    /// Its tags, and those that it had before.
    pub(super) fn all_tags(&self) -> BTreeSet<String> {
        self.tags.union(&self.old_tags).cloned().collect()
    }
}

/// The freshness of what is received now, for so many steps.
pub(super) fn freshness(now: Timestamp, steps: u64) -> Freshness {
    Freshness {
        lifetime: Lifetime { duration: Duration::from_millis(steps), source: LifetimeSource::MaxAge },
        initial_age: Duration::ZERO,
        response_time: now,
        stale_while_revalidate: STALE_FOR,
        stale_if_error: STALE_FOR,
        stale_rule: StaleRule::WithinWindows,
        immutable: false,
    }
}
