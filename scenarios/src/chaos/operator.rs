//! Operators: they change pages at the origin, and then purge them with the real `purge-cli`.

use super::reader::Watching;
use super::selection::Selection;
use super::truth::{Issue, Proof};
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::process::Command;
use tokio::sync::watch;
use tokio::time::sleep;

/// The environment variable that carries the token to `purge-cli`.
const TOKEN_VARIABLE: &str = "TIDEWALL_CHAOS_TOKEN";
/// How long the nodes may take to apply a purge amid faults, as `purge-cli` is told: less than the longest fault lasts.
const TIMEOUT: &str = "1s";
/// How often a purge is sent, under one id, before it is given up.
const MAX_SENDS: u32 = 8;
/// Between two sends, and between two purges, at most.
const PAUSE: Duration = Duration::from_millis(300);
/// The share of purges that are hard, of those that follow a change, and of unproven ones that are sent again.
const HARD: f64 = 0.8;
const CHANGED: f64 = 0.85;
const SENT_AGAIN: f64 = 0.6;
/// Failures that are told in full.
const MAX_TOLD: usize = 20;

/// The exit codes of `purge-cli`.
const PROVEN: i32 = 0;
const ERROR: i32 = 1;
const PARTIAL: i32 = 3;
const LATE: i32 = 5;

/// How purges are sent.
#[derive(Debug)]
pub(super) struct Desk {
    pub(super) program: PathBuf,
    pub(super) fleet_file: PathBuf,
    /// The token that may purge the site, and the one that may purge everything.
    pub(super) site_token: String,
    pub(super) admin_token: String,
}

/// What has become of the purges.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    /// Hard ones that were proven, and those of them that were sent more than once.
    pub(super) hard_proven: AtomicU64,
    pub(super) proven_later: AtomicU64,
    /// Hard ones that were proven and met a fill in flight, and how many fills.
    pub(super) met_fills: AtomicU64,
    pub(super) fills_met: AtomicU64,
    pub(super) soft_proven: AtomicU64,
    /// Sent again, and found recorded already.
    pub(super) recorded_before: AtomicU64,
    pub(super) given_up: AtomicU64,
    /// How often the command ended with each code.
    exits: Mutex<BTreeMap<i32, u64>>,
    /// The id of the purge at each position.
    positions: Mutex<BTreeMap<String, String>>,
    failures: Mutex<Vec<String>>,
}

/// What `purge-cli --json` prints, as far as it is used here.
#[derive(Debug, Deserialize)]
struct Printed {
    proven: bool,
    applied_by_all: Option<bool>,
    position: Option<String>,
    is_new: Option<bool>,
    nodes: Vec<PrintedNode>,
}

#[derive(Debug, Deserialize)]
struct PrintedNode {
    node: String,
    /// Why it is not known to serve nothing any more of what was purged.
    error: Option<String>,
    boot_id: Option<String>,
}

/// How a send ended.
#[derive(Debug)]
pub(super) struct Sent {
    pub(super) code: i32,
    pub(super) position: String,
    pub(super) said: String,
    /// How many processes follow the log, by what the home says.
    pub(super) members: usize,
    is_new: bool,
}

impl Desk {
    /// Runs `purge-cli`, and takes down how it ended.
    ///
    /// # Errors
    /// If it can't be run.
    pub(super) async fn send(
        &self,
        ledger: &Ledger,
        words: &[String],
        id: &str,
        is_hard: bool,
        timeout: &str,
    ) -> io::Result<Sent> {
        let token = if words[0] == "all" { &self.admin_token } else { &self.site_token };
        let mut command = Command::new(&self.program);
        command.arg("--config").arg(&self.fleet_file).args(["--json", "--id", id, "--timeout", timeout]);
        command.args(["--token-env", TOKEN_VARIABLE]).env(TOKEN_VARIABLE, token);
        if !is_hard {
            command.arg("--soft");
        }
        let output = command.args(words).stdin(Stdio::null()).kill_on_drop(true).output().await?;
        let code = output.status.code().unwrap_or(-1);
        let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        let printed: Option<Printed> = serde_json::from_slice(&output.stdout).ok();
        ledger.note(id, code, printed.as_ref(), &said);
        let position = printed.as_ref().and_then(|it| it.position.clone()).unwrap_or_default();
        let nodes = printed.iter().flat_map(|printed| &printed.nodes);
        let members = nodes.filter(|node| node.boot_id.is_some()).count();
        Ok(Sent { code, position, said, members, is_new: printed.and_then(|it| it.is_new).unwrap_or(true) })
    }
}

impl Ledger {
    pub(super) fn exits(&self) -> BTreeMap<i32, u64> {
        self.exits.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn failures(&self) -> Vec<String> {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn fails(&self, what: String) {
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        if failures.len() < MAX_TOLD {
            failures.push(what);
        }
    }

    /// Whatever happens to the fleet, what the command says must make sense.
    fn note(&self, id: &str, code: i32, printed: Option<&Printed>, said: &str) {
        *self.exits.lock().unwrap_or_else(PoisonError::into_inner).entry(code).or_default() += 1;
        let Some(printed) = printed else {
            return self.fails(format!("purge {id} ended with {code} and no document: {said}"));
        };
        let unproven = printed.nodes.iter().find(|node| node.error.is_some());
        if ![PROVEN, ERROR, PARTIAL, LATE].contains(&code) {
            self.fails(format!("purge {id} ended with {code}: {said}"));
        }
        let has_all =
            (printed.proven || printed.applied_by_all == Some(true)) && !printed.nodes.is_empty() && unproven.is_none();
        if (code == PROVEN) != has_all || (code == PARTIAL && unproven.is_none()) {
            let node = unproven.map_or("no node", |node| node.node.as_str());
            self.fails(format!("purge {id} ended with {code}, and {node} is unproven: {said}"));
        }
        let Some(position) = &printed.position else { return };
        let mut positions = self.positions.lock().unwrap_or_else(PoisonError::into_inner);
        let had = positions.iter().find(|(at, of)| of.as_str() == id && *at != position).map(|(at, _)| at.clone());
        let other = positions.insert(position.clone(), id.to_owned()).filter(|other| other != id);
        drop(positions);
        if let Some(had) = had {
            self.fails(format!("purge {id} was at {had}, and is at {position}"));
        }
        if let Some(other) = other {
            self.fails(format!("purges {other} and {id} are both at {position}: one of them is lost"));
        }
    }
}

/// Somebody who changes pages and purges them, one change after the other.
#[derive(Debug)]
pub(super) struct Operator {
    pub(super) name: String,
    pub(super) desk: Arc<Desk>,
    pub(super) ledger: Arc<Ledger>,
    pub(super) shared: Arc<Watching>,
    /// How many purges are under way, of all operators.
    pub(super) purging: Arc<watch::Sender<u64>>,
    pub(super) rng: ChaCha8Rng,
}

impl Operator {
    pub(super) fn rng(seed: u64) -> ChaCha8Rng {
        ChaCha8Rng::seed_from_u64(seed)
    }

    /// Purges until it is told to stop; what it has begun it ends.
    ///
    /// # Errors
    /// If `purge-cli` can't be run.
    pub(super) async fn work(mut self) -> io::Result<()> {
        let mut stop = self.shared.stop_purging.subscribe();
        for number in 0.. {
            let pause = PAUSE.mul_f64(self.rng.random());
            tokio::select! {
                () = sleep(pause) => {}
                _ = stop.changed() => {}
            }
            if *stop.borrow() {
                break;
            }
            let selection = Selection::draw(&mut self.rng, &self.shared.truth);
            let (is_hard, has_changed) = (self.rng.random_bool(HARD), self.rng.random_bool(CHANGED));
            let id = format!("{}.{number}", self.name);
            let issue = self.shared.truth.issue(&selection, has_changed, is_hard);
            let done = self.purge(&selection, &id, is_hard, &issue).await;
            if is_hard {
                self.shared.truth.end(&issue.pages);
            }
            done?;
        }
        Ok(())
    }

    async fn purge(&mut self, selection: &Selection, id: &str, is_hard: bool, issue: &Issue) -> io::Result<()> {
        let words = selection.arguments(&self.shared.truth);
        for sends in 1..=MAX_SENDS {
            self.purging.send_modify(|purging| *purging += 1);
            let sent = self.desk.send(&self.ledger, &words, id, is_hard, TIMEOUT).await;
            self.purging.send_modify(|purging| *purging -= 1);
            let sent = sent?;
            self.ledger.recorded_before.fetch_add(u64::from(!sent.is_new), Relaxed);
            match sent.code {
                PROVEN => {
                    self.proven(&sent, id, is_hard, &words, issue, sends);
                    return Ok(());
                }
                PARTIAL if !self.rng.random_bool(SENT_AGAIN) => break,
                PARTIAL | LATE | ERROR => sleep(PAUSE.mul_f64(self.rng.random())).await,
                // The ledger has taken it down as a failure.
                _ => break,
            }
        }
        self.ledger.given_up.fetch_add(1, Relaxed);
        Ok(())
    }

    fn proven(&self, sent: &Sent, id: &str, is_hard: bool, words: &[String], issue: &Issue, sends: u32) {
        let Watching { truth, proven, .. } = &*self.shared;
        truth.prove(Proof::now(id, &sent.position, &words.join(" "), issue.pages.clone()), is_hard);
        // Nobody may be watching yet.
        let _unwatched = proven.send(issue.pages.iter().map(|(page, _)| *page).collect());
        if !is_hard {
            self.ledger.soft_proven.fetch_add(1, Relaxed);
            return;
        }
        self.ledger.hard_proven.fetch_add(1, Relaxed);
        self.ledger.proven_later.fetch_add(u64::from(sends > 1), Relaxed);
        self.ledger.met_fills.fetch_add(u64::from(issue.fills_met > 0), Relaxed);
        self.ledger.fills_met.fetch_add(issue.fills_met, Relaxed);
    }
}
