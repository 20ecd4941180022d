//! The ground truth: the pages of the site, their versions at the origin, and what purges have promised of them.

use super::selection::Selection;
use crate::clock;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::time::Instant;

/// The site in the fleet file, and its host.
pub(super) const SITE: &str = "shop";
pub(super) const HOST: &str = "www.shop.example";

/// The folders of the site: what prefixes select.
pub(super) const FOLDERS: [&str; 3] = ["a", "b", "c"];
/// Pages of each folder.
const PAGES: usize = 4;
/// The tags that pages of all folders share.
pub(super) const GROUPS: usize = 4;

/// How the origin answers for a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Manner {
    /// Fresh for far longer than a run, with a length.
    Long,
    /// Fresh for a second, then served stale while it is revalidated; without a length.
    Short,
    /// Fresh for long, and another one for each language.
    Varying,
}

/// A page.
#[derive(Debug)]
pub(super) struct Page {
    pub(super) path: String,
    pub(super) folder: usize,
    pub(super) group: usize,
    pub(super) manner: Manner,
    at_origin: Mutex<AtOrigin>,
    /// No read that is sent from now on may give less.
    promised: AtomicU64,
    /// No read that is sent from now on may give less as fresh.
    softened: AtomicU64,
    /// Hard purges that were issued, and those that have ended.
    begun: AtomicU64,
    ended: AtomicU64,
}

#[derive(Debug)]
struct AtOrigin {
    version: u64,
    requests: u64,
    /// The version that each request under way will be answered with.
    in_flight: BTreeMap<u64, u64>,
}

/// A purge that was proven.
#[derive(Debug, Clone)]
pub(super) struct Proof {
    pub(super) id: String,
    pub(super) position: String,
    pub(super) what: String,
    /// The pages that it selects, and their versions when it was issued.
    pub(super) pages: Vec<(usize, u64)>,
    /// When the command was seen to have exited.
    pub(super) at: Instant,
}

/// A purge that is about to be sent.
#[derive(Debug)]
pub(super) struct Issue {
    pub(super) pages: Vec<(usize, u64)>,
    /// Origin requests under way that will bring older versions than those.
    pub(super) fills_met: u64,
}

/// What a read must not fall below, as it is when the read is sent.
#[derive(Debug, Clone, Copy)]
pub(super) struct Expected {
    pub(super) version: u64,
    /// What is less must not be fresh.
    pub(super) fresh: u64,
    begun: u64,
    is_open: bool,
}

/// All that is known for certain.
#[derive(Debug)]
pub(super) struct Truth {
    pub(super) pages: Vec<Page>,
    proofs: Mutex<Vec<Proof>>,
}

impl Truth {
    pub(super) fn new() -> Self {
        let page = |folder: usize, page: usize| Page {
            path: format!("/{}/{page}", FOLDERS[folder]),
            folder,
            group: page % GROUPS,
            manner: [Manner::Long, Manner::Short, Manner::Varying][(folder + page) % 3],
            at_origin: Mutex::new(AtOrigin { version: 1, requests: 0, in_flight: BTreeMap::new() }),
            promised: AtomicU64::new(0),
            softened: AtomicU64::new(0),
            begun: AtomicU64::new(0),
            ended: AtomicU64::new(0),
        };
        let pages = (0..FOLDERS.len()).flat_map(|folder| (0..PAGES).map(move |number| page(folder, number))).collect();
        Self { pages, proofs: Mutex::new(Vec::new()) }
    }

    /// A page by its path.
    pub(super) fn find(&self, path: &str) -> Option<usize> {
        self.pages.iter().position(|page| page.path == path)
    }

    /// A request reaches the origin: from now on it is certain what it will be answered with.
    pub(super) fn arrive(self: &Arc<Self>, page: usize) -> Arrived {
        let mut origin = self.pages[page].lock();
        origin.requests += 1;
        let (request, version) = (origin.requests, origin.version);
        origin.in_flight.insert(request, version);
        drop(origin);
        Arrived { truth: self.clone(), page, request, version }
    }

    /// The versions that a purge is about, raised before if the content `has_changed`.
    pub(super) fn issue(&self, selection: &Selection, has_changed: bool, is_hard: bool) -> Issue {
        let mut issue = Issue { pages: Vec::new(), fills_met: 0 };
        for page in selection.pages(self) {
            let mut origin = self.pages[page].lock();
            origin.version += u64::from(has_changed);
            let version = origin.version;
            issue.fills_met += origin.in_flight.values().filter(|brings| **brings < version).count() as u64;
            drop(origin);
            issue.pages.push((page, version));
            if is_hard {
                self.pages[page].begun.fetch_add(1, SeqCst);
            }
        }
        issue
    }

    /// A purge is proven: from now on nobody gets less; or not as fresh, if it is a soft one.
    pub(super) fn prove(&self, proof: Proof, is_hard: bool) {
        for (page, version) in &proof.pages {
            let page = &self.pages[*page];
            let promise = if is_hard { &page.promised } else { &page.softened };
            promise.fetch_max(*version, SeqCst);
        }
        self.proofs.lock().unwrap_or_else(PoisonError::into_inner).push(proof);
    }

    /// A hard purge is over, proven or not.
    pub(super) fn end(&self, pages: &[(usize, u64)]) {
        for (page, _) in pages {
            self.pages[*page].ended.fetch_add(1, SeqCst);
        }
    }

    /// To be called before a read is sent.
    pub(super) fn expected(&self, page: usize) -> Expected {
        let page = &self.pages[page];
        let version = page.promised.load(SeqCst);
        let (fresh, begun) = (page.softened.load(SeqCst).max(version), page.begun.load(SeqCst));
        Expected { version, fresh, begun, is_open: page.ended.load(SeqCst) < begun }
    }

    /// Whether a read that was sent then overlapped a hard purge of its page.
    pub(super) fn overlapped(&self, page: usize, expected: &Expected) -> bool {
        expected.is_open || self.pages[page].begun.load(SeqCst) > expected.begun
    }

    /// The first proof that a page has passed a version.
    pub(super) fn proof_against(&self, page: usize, version: u64) -> Option<Proof> {
        let proofs = self.proofs.lock().unwrap_or_else(PoisonError::into_inner);
        proofs.iter().find(|proof| proof.pages.iter().any(|it| it.0 == page && it.1 > version)).cloned()
    }

    /// The version that the origin has.
    pub(super) fn version(&self, page: usize) -> u64 {
        self.pages[page].lock().version
    }
}

impl Page {
    /// The tags that its responses carry.
    pub(super) fn tags(&self) -> String {
        format!("page:{} {} all", self.path.trim_start_matches('/').replace('/', "-"), tag(self.group))
    }

    fn lock(&self) -> MutexGuard<'_, AtOrigin> {
        self.at_origin.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The tag of a group of pages.
pub(super) fn tag(group: usize) -> String {
    format!("group:{group}")
}

/// A request that the origin answers; until it is dropped it is under way.
#[derive(Debug)]
pub(super) struct Arrived {
    truth: Arc<Truth>,
    page: usize,
    request: u64,
    pub(super) version: u64,
}

impl Drop for Arrived {
    fn drop(&mut self) {
        self.truth.pages[self.page].lock().in_flight.remove(&self.request);
    }
}

impl Proof {
    /// A proof of now.
    pub(super) fn now(id: &str, position: &str, what: &str, pages: Vec<(usize, u64)>) -> Self {
        Self { id: id.to_owned(), position: position.to_owned(), what: what.to_owned(), pages, at: clock::now() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_proven_is_expected_of_later_reads_alone() {
        let truth = Arc::new(Truth::new());
        let early = truth.expected(0);
        let fill = truth.arrive(0);
        let issue = truth.issue(&Selection::Urls(vec![0]), true, true);
        assert_eq!((issue.pages.as_slice(), issue.fills_met, fill.version), (&[(0, 2)][..], 1, 1));
        let during = truth.expected(0);
        assert_eq!((early.version, during.version), (0, 0));
        truth.prove(Proof::now("x", "1.2", "url", issue.pages.clone()), true);
        truth.end(&issue.pages);
        let late = truth.expected(0);
        assert_eq!((late.version, truth.expected(1).version), (2, 0));
        let overlapped = [early, during, late].map(|expected| truth.overlapped(0, &expected));
        assert_eq!(overlapped, [true, true, false]);
        assert_eq!(truth.proof_against(0, 1).expect("the proof").position, "1.2");
        assert!(truth.proof_against(0, 2).is_none());
        truth.prove(Proof::now("y", "1.3", "url", vec![(0, 3)]), false);
        assert_eq!((truth.expected(0).version, truth.expected(0).fresh), (2, 3));
        drop(fill);
        assert_eq!(truth.issue(&Selection::Site, true, false).fills_met, 0);
    }
}
