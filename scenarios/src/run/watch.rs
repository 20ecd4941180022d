//! Watches the responses of the load: each must be whole and of a release, and of the new one once the purge is done.

use crate::load::{Observed, Observer};
use crate::site::{DeployPlan, SiteHistory};
use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use tokio::time::Instant;

/// Descriptions of old responses that are kept; the rest is counted.
const MAX_KEPT: usize = 20;

/// Watches the responses of the load.
pub(super) struct Watch {
    history: Arc<SiteHistory>,
    changed: HashSet<String>,
    new_release: String,
    purged_at: OnceLock<Instant>,
    sent_after: AtomicU64,
    old_after: AtomicU64,
    kept: Mutex<Vec<String>>,
}

impl Watch {
    pub(super) fn new(history: &Arc<SiteHistory>, plan: &DeployPlan, new_release: &str) -> Self {
        Self {
            history: Arc::clone(history),
            changed: plan.changes.iter().flat_map(|change| change.urls.iter().cloned()).collect(),
            new_release: new_release.to_owned(),
            purged_at: OnceLock::new(),
            sent_after: AtomicU64::new(0),
            old_after: AtomicU64::new(0),
            kept: Mutex::default(),
        }
    }

    /// The purge was reported done at this time: whoever asks from now on must not get what was before.
    pub(super) fn purged(&self, at: Instant) {
        self.purged_at.get_or_init(|| at);
    }

    /// How many requests for what changed were sent after that and answered.
    pub(super) fn sent_after_purge(&self) -> u64 {
        self.sent_after.load(Relaxed)
    }

    /// How many of them were answered with what was before.
    pub(super) fn old_after_purge(&self) -> u64 {
        self.old_after.load(Relaxed)
    }

    /// The first of those.
    pub(super) fn examples(&self) -> Vec<String> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn check_age(&self, seen: &Observed<'_>, bytes_of: &[&str], status: u16) -> Result<(), String> {
        let after = self.purged_at.get().is_some_and(|&purged| seen.sent >= purged);
        if !after || !self.changed.contains(seen.url) || status >= 500 {
            return Ok(());
        }
        self.sent_after.fetch_add(1, Relaxed);
        let named = seen.reply.header("x-release");
        let old_bytes = !bytes_of.is_empty() && !bytes_of.contains(&self.new_release.as_str());
        if !old_bytes && named == Some(&self.new_release) {
            return Ok(());
        }
        self.old_after.fetch_add(1, Relaxed);
        let status = seen.reply.header("cache-status").unwrap_or("none");
        let message = format!("old after the purge: release {}, Cache-Status {status}", named.unwrap_or("unnamed"));
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() < MAX_KEPT {
            kept.push(format!("{}: {}: {message}", seen.region, seen.url));
        }
        Err(message)
    }
}

impl Observer for Watch {
    fn look(&self, seen: &Observed<'_>) -> Result<(), String> {
        let status = seen.reply.status.as_u16();
        let bytes_of = self.history.releases_of(seen.url, &seen.reply.body);
        self.check_age(seen, &bytes_of, status)?;
        match status {
            200 if bytes_of.is_empty() => Err(format!("{} bytes that are of no release", seen.reply.body.len())),
            200 => Ok(()),
            404 if self.history.may_be_missing(seen.url) => Ok(()),
            _ => Err(format!("status {status}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache_status::Outcome;
    use crate::client::Reply;
    use crate::clock;
    use crate::site::{Release, SiteFile};
    use std::time::Duration;

    fn release(name: &str, files: &[(&str, &str)]) -> Release {
        let file = |text: &str| SiteFile { digest: blake3::hash(text.as_bytes()), bytes: text.len() as u64 };
        let files = files.iter().map(|(path, text)| ((*path).to_owned(), file(text))).collect();
        Release { name: name.to_owned(), root: std::path::PathBuf::new(), files }
    }

    #[test]
    fn what_is_in_order() {
        let (v1, v2) = (
            release("v1", &[("index.html", "one"), ("a.svg", "same"), ("gone.html", "bye")]),
            release("v2", &[("index.html", "two"), ("a.svg", "same")]),
        );
        let history = Arc::new(SiteHistory::new(&[v1.clone(), v2.clone()]));
        let watch = Watch::new(&history, &DeployPlan::between(&v1, &v2, ""), "v2");
        let purged = clock::now();
        let (before, after) = (purged - Duration::from_secs(1), purged + Duration::from_secs(1));
        let look = |url: &str, sent, status: u16, body: &str, named: &str| {
            let mut reply = Reply {
                status: hyper::StatusCode::from_u16(status).unwrap(),
                headers: hyper::HeaderMap::new(),
                body: body.to_owned().into(),
            };
            reply.headers.insert("x-release", named.parse().unwrap());
            watch.look(&Observed { region: "fra", url, sent, outcome: Outcome::Hit, reply: &reply }).is_ok()
        };
        assert!(look("/", after, 200, "one", "v1"), "nothing has been purged yet");
        watch.purged(purged);
        for (url, sent, status, body, named, ok) in [
            ("/", before, 200, "one", "v1", true),
            ("/", after, 200, "one", "v1", false),
            ("/", after, 200, "two", "v1", false),
            ("/", after, 200, "two", "v2", true),
            ("/", after, 200, "tw", "v2", false),
            ("/", after, 404, "", "v2", false),
            ("/", after, 503, "", "", false),
            ("/a.svg", after, 200, "same", "v1", true),
            ("/gone.html", after, 200, "bye", "v1", false),
            ("/gone.html", after, 404, "", "v2", true),
        ] {
            assert_eq!(look(url, sent, status, body, named), ok, "{url} {status} {body} {named}");
        }
        assert_eq!((watch.sent_after_purge(), watch.old_after_purge(), watch.examples().len()), (7, 3, 3));
    }
}
