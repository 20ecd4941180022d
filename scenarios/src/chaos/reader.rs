//! Clients that read pages and hold what they get against what was promised when they asked.

use super::history::History;
use super::page::{LINE_BYTES, LINES, Shown, etag_of, read};
use super::truth::{Expected, HOST, Manner, Truth};
use crate::cache_status::Outcome;
use crate::client::{Ask, ClientErrorCause, Reply};
use crate::clock;
use crate::load::Pool;
use hyper::Method;
use rand::{Rng, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{broadcast, watch};
use tokio::time::{Instant, sleep};

/// Between two reads of a client, on average.
const PAUSE: Duration = Duration::from_millis(40);
/// Wrong reads that are told in full.
const MAX_TOLD: usize = 20;
/// After so many reads a page is in the store.
const STORED_BY: u32 = 50;
/// The languages that clients want.
const LANGUAGES: [&str; 2] = ["en", "de"];

/// A read that should not have been.
#[derive(Debug, Clone, Serialize)]
pub struct Stale {
    /// When it was sent, in seconds since the start of the load.
    pub sent_s: f64,
    /// Who answered.
    pub node: String,
    /// What was asked for.
    pub request: String,
    /// The version that came.
    pub got: u64,
    /// The least that may have come.
    pub promised: u64,
    /// The purge by which that was promised: its id, its position, what it selected.
    pub purge: String,
    /// When `purge-cli` was seen to have exited with 0, in seconds since the start of the load.
    pub proven_s: f64,
    /// What the tiers say that they did.
    pub cache_status: String,
    /// The faults around then.
    pub faults: Vec<String>,
}

/// What clients have seen.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) reads: AtomicU64,
    /// Those that something was promised for when they were sent.
    pub(super) checked: AtomicU64,
    pub(super) overlapping: AtomicU64,
    errors: Mutex<BTreeMap<String, u64>>,
    pub(super) broken: AtomicU64,
    pub(super) timeouts: AtomicU64,
    outcomes: Mutex<BTreeMap<Outcome, u64>>,
    stale: Mutex<Vec<Stale>>,
    pub(super) stale_count: AtomicU64,
    /// Fresh answers that a soft purge had marked stale.
    fresh: Mutex<Vec<String>>,
    torn: Mutex<Vec<String>>,
}

impl Tally {
    pub(super) fn outcomes(&self) -> BTreeMap<Outcome, u64> {
        self.outcomes.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Answers that are errors: by node, status, and what Proxy-Status says.
    pub(super) fn errors(&self) -> BTreeMap<String, u64> {
        self.errors.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn stale(&self) -> Vec<Stale> {
        self.stale.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn fresh(&self) -> Vec<String> {
        self.fresh.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn torn(&self) -> Vec<String> {
        self.torn.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// What all clients share.
#[derive(Debug)]
pub(super) struct Watching {
    pub(super) truth: Arc<Truth>,
    pub(super) tally: Tally,
    pub(super) history: Arc<History>,
    /// The pages of each purge, as soon as it is proven.
    pub(super) proven: broadcast::Sender<Vec<usize>>,
    /// Tells readers to stop, and operators.
    pub(super) stop: watch::Sender<bool>,
    pub(super) stop_purging: watch::Sender<bool>,
}

/// The clients of one address.
#[derive(Debug)]
pub(super) struct Reader {
    node: String,
    pool: Arc<Pool>,
    shared: Arc<Watching>,
    rng: ChaCha8Rng,
    /// The version of each page that was seen last.
    seen: BTreeMap<usize, u64>,
}

impl Reader {
    pub(super) fn new(node: &str, pool: &Arc<Pool>, shared: &Arc<Watching>, seed: u64) -> Self {
        let rng = ChaCha8Rng::seed_from_u64(seed);
        Self { node: node.to_owned(), pool: pool.clone(), shared: shared.clone(), rng, seen: BTreeMap::new() }
    }

    /// Reads pages, one after the other, until it is told to stop.
    pub(super) async fn load(mut self) {
        let mut stop = self.shared.stop.subscribe();
        let pages = self.shared.truth.pages.len();
        while !*stop.borrow() {
            let page = self.rng.random_range(0..pages);
            self.read(page).await;
            let pause = PAUSE.mul_f64(self.rng.random_range(0.0..2.0));
            tokio::select! {
                () = sleep(pause) => {}
                _ = stop.changed() => {}
            }
        }
    }

    /// Reads what was purged, the moment that it is proven, and something else otherwise, until it is told to stop.
    pub(super) async fn watch(mut self) {
        let (mut stop, mut proven) = (self.shared.stop.subscribe(), self.shared.proven.subscribe());
        let count = self.shared.truth.pages.len();
        while !*stop.borrow() {
            let pages = tokio::select! {
                pages = proven.recv() => pages.unwrap_or_default(),
                () = sleep(PAUSE) => vec![self.rng.random_range(0..count)],
                _ = stop.changed() => break,
            };
            for page in pages {
                self.read(page).await;
            }
        }
    }

    /// Reads a page, and judges what comes.
    async fn read(&mut self, page: usize) {
        let shared = self.shared.clone();
        let ask = self.draw(page);
        let expected = shared.truth.expected(page);
        let sent = clock::now();
        let tally = &shared.tally;
        tally.reads.fetch_add(1, Relaxed);
        let answer = self.pool.exchange(&ask).await;
        if shared.truth.overlapped(page, &expected) {
            tally.overlapping.fetch_add(1, Relaxed);
        }
        match answer {
            Ok(exchange) => self.judge(page, &ask, sent, expected, &exchange.reply),
            Err(error) => {
                let count = if matches!(error, ClientErrorCause::Timeout) { &tally.timeouts } else { &tally.broken };
                count.fetch_add(1, Relaxed);
            }
        }
    }

    fn judge(&mut self, page: usize, ask: &Ask, sent: Instant, expected: Expected, reply: &Reply) {
        let (truth, tally) = (&self.shared.truth, &self.shared.tally);
        let path = &truth.pages[page].path;
        let told = reply.header("cache-status").unwrap_or("");
        match read(path, reply) {
            Shown::Nothing => {
                let why = reply.header("proxy-status").unwrap_or("");
                let what = format!("{}: {} {why}", self.node, reply.status.as_u16());
                *tally.errors.lock().unwrap_or_else(PoisonError::into_inner).entry(what).or_default() += 1;
            }
            Shown::Torn(what) => {
                note(&tally.torn, format!("{} answers {}: {what} ({told})", self.node, ask.summary()));
            }
            Shown::Version(version) => {
                self.seen.insert(page, version);
                let outcome = Outcome::of(Some(told));
                *tally.outcomes.lock().unwrap_or_else(PoisonError::into_inner).entry(outcome).or_default() += 1;
                if expected.version > 0 {
                    tally.checked.fetch_add(1, Relaxed);
                }
                if version < expected.version {
                    self.tell(page, ask, sent, expected.version, version, told);
                } else if version < expected.fresh && outcome == Outcome::Hit {
                    let (node, fresh, sent) = (&self.node, expected.fresh, self.shared.history.seconds(sent));
                    note(
                        &tally.fresh,
                        format!(
                            "{node} answers {}, sent at {sent:.3} s, with version {version}; a soft purge had marked all before \
                         {fresh} ({told})",
                            ask.summary()
                        ),
                    );
                }
            }
        }
    }

    fn tell(&self, page: usize, ask: &Ask, sent: Instant, promised: u64, got: u64, told: &str) {
        let Watching { truth, tally, history, .. } = &*self.shared;
        tally.stale_count.fetch_add(1, Relaxed);
        let mut stale = tally.stale.lock().unwrap_or_else(PoisonError::into_inner);
        if stale.len() == MAX_TOLD {
            return;
        }
        let proof = truth.proof_against(page, got);
        let purge = proof
            .as_ref()
            .map_or_else(String::new, |proof| format!("{} at {} ({})", proof.id, proof.position, proof.what));
        stale.push(Stale {
            sent_s: history.seconds(sent),
            node: self.node.clone(),
            request: ask.summary(),
            got,
            promised,
            purge,
            proven_s: proof.map_or(0.0, |proof| history.seconds(proof.at)),
            cache_status: told.to_owned(),
            faults: history.around(sent),
        });
    }

    /// One of the ways in which clients ask.
    fn draw(&mut self, page: usize) -> Ask {
        let Self { shared, rng, seen, .. } = self;
        let page_of = &shared.truth.pages[page];
        let path = &page_of.path;
        let mut ask = match rng.random_range(0..100) {
            0..10 => Ask::new(Method::HEAD, HOST, path),
            10..20 => {
                let from = rng.random_range(0..LINES - 2) * LINE_BYTES;
                Ask::get(HOST, path).with("range", &format!("bytes={from}-{}", from + 2 * LINE_BYTES - 1))
            }
            20..35 if seen.contains_key(&page) => {
                Ask::get(HOST, path).with("if-none-match", &etag_of(path, seen[&page]))
            }
            _ => Ask::get(HOST, path),
        };
        if page_of.manner == Manner::Varying {
            ask = ask.with("accept-language", LANGUAGES[rng.random_range(0..LANGUAGES.len())]);
        }
        ask
    }

    /// Reads every page in every language for what it is now; and again what is fresh for long, until it comes from the store.
    ///
    /// # Errors
    /// The first page that is not as it should be.
    pub(super) async fn read_newest(&self) -> Result<u64, String> {
        let mut reads = 0;
        for (at, page) in self.shared.truth.pages.iter().enumerate() {
            for language in LANGUAGES {
                let want = self.shared.truth.version(at);
                let wrong = |what: String| format!("{}: {}: {what}, not version {want}", self.node, page.path);
                let ask = Ask::get(HOST, &page.path).with("accept-language", language);
                for tries in 1.. {
                    let reply = self.pool.exchange(&ask).await.map_err(|error| wrong(error.to_string()))?.reply;
                    let told = reply.header("cache-status").unwrap_or("");
                    match read(&page.path, &reply) {
                        Shown::Version(version) if version == want => reads += 1,
                        shown => return Err(wrong(format!("status {}, {shown:?} ({told})", reply.status))),
                    }
                    if page.manner == Manner::Short || Outcome::of(Some(told)) == Outcome::Hit {
                        break;
                    }
                    if tries == STORED_BY {
                        return Err(format!("{}: {}: is not stored ({told})", self.node, page.path));
                    }
                    // The node may still be at the end of storing it.
                    sleep(PAUSE).await;
                }
            }
        }
        Ok(reads)
    }
}

/// Keeps what is wrong, up to a bound.
fn note(wrongs: &Mutex<Vec<String>>, wrong: String) {
    let mut wrongs = wrongs.lock().unwrap_or_else(PoisonError::into_inner);
    if wrongs.len() < MAX_TOLD {
        wrongs.push(wrong);
    }
}
