//! A home in one file: an embedded database, whose transactions are on the disk before they are answered.

mod backup;

pub use backup::{RestoreError, Restored};

use super::{AppendError, Appended, Cause, Entry, Head, Kept, LogError, LogHome, Start};
use crate::clock;
use crate::config::PurgeLogConfig;
use crate::core::id::{NodeId, TokenId};
use crate::core::log::{
    Chain, Event, Home, Leases, Ledger, Meeting, Member, Offer, Position, Record, RecordId, Refusal,
};
use crate::data_folder::sync_entry;
use crate::wire::log::{LedgerLine, decode, encode};
use async_trait::async_trait;
use bytes::Bytes;
use parking_lot::Mutex;
use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition};
use std::collections::BTreeMap;
use std::fs;
use std::io::BufRead;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};

/// By number: the position, the chain there, and the bytes.
const RECORDS: TableDefinition<'_, u64, (u64, [u8; 16], &[u8])> = TableDefinition::new("records");

/// What the records add up to that are not kept any more.
const BASE: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("base");
const LEDGER: &str = "ledger";

/// Beside it: the longest lease that was granted, in milliseconds.
const LEASE: &str = "lease";

/// Pages of the database that are kept in memory, in bytes. What is read is mostly the end.
const CACHE_BYTES: usize = 4 << 20;

/// So many records beyond what is to be kept, and the oldest are dropped: each time costs a transaction.
const DROP_AT_ONCE: u64 = 1000;

/// Which records are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// Those that are not older than this,
    pub age: Duration,
    /// and of those, the last so many.
    pub count: u64,
}

impl From<&PurgeLogConfig> for Retention {
    fn from(config: &PurgeLogConfig) -> Self {
        Self { age: config.keep_for, count: config.keep_records }
    }
}

/// A home in a file.
#[derive(Debug, Clone)]
pub struct FileHome(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    path: PathBuf,
    retention: Retention,
    /// `None` after a failed write: what is on the disk is then read anew.
    state: Mutex<Option<State>>,
    home: Mutex<Home>,
    /// Taken after `home`, where both are.
    leases: Mutex<Leases>,
    /// How many streams of each member are open; none that has none.
    streams: Mutex<BTreeMap<Member, usize>>,
    head: watch::Sender<Head>,
    receipts: watch::Sender<u64>,
}

#[derive(Debug)]
struct State {
    database: Database,
}

impl Inner {
    fn error(&self, doing: &'static str, cause: impl Into<Cause>) -> LogError {
        error(&self.path, doing, cause)
    }
}

fn error(path: &Path, doing: &'static str, cause: impl Into<Cause>) -> LogError {
    LogError { path: path.to_owned(), doing, cause: cause.into() }
}

/// Any of the database's errors as the one that holds them all.
fn db<T, E: Into<redb::Error>>(result: Result<T, E>) -> Result<T, Cause> {
    result.map_err(|error| Cause::Database(Box::new(error.into())))
}

fn head_of(home: &Home) -> Head {
    Head { position: home.head(), chain: home.ledger().chain }
}

impl FileHome {
    /// Opens the log in a file, and makes the file if there is none. A log without an epoch gets its first one. `lease` is
    /// how long leases last that it grants, if it grants any.
    ///
    /// # Errors
    /// [`LogError`]: the file can't be had, or is no log.
    pub fn open(path: &Path, retention: Retention, lease: Option<Duration>) -> Result<Self, LogError> {
        let (database, home) = load(path).map_err(|cause| error(path, "opened", cause))?;
        // The file's name must outlive a power cut as its content does.
        sync_entry(path).map_err(|cause| error(path, "opened", Cause::Database(Box::new(redb::Error::Io(cause)))))?;
        let lease = lease.unwrap_or_default();
        let longest = note_lease(&database, lease).map_err(|cause| error(path, "opened", cause))?;
        let leases = Leases::new(clock::boot_time(), lease, longest);
        let (head, receipts) = (watch::Sender::new(head_of(&home)), watch::Sender::new(0));
        let is_new = home.head() == Position::ZERO;
        let inner = Inner {
            path: path.to_owned(),
            retention,
            state: Mutex::new(Some(State { database })),
            home: Mutex::new(home),
            leases: Mutex::new(leases),
            streams: Mutex::default(),
            head,
            receipts,
        };
        let home = Self(Arc::new(inner));
        if is_new {
            home.begin_epoch(false)?;
        }
        Ok(home)
    }

    /// Makes the log in a file from a backup, and begins an epoch: who knows more of the log than the backup hides all that
    /// he has. The file must not be there.
    ///
    /// # Errors
    /// [`RestoreError`]: nothing is left of the file then.
    pub fn restore(path: &Path, retention: Retention, backup: impl BufRead) -> Result<Restored, RestoreError> {
        if path.exists() {
            return Err(RestoreError::Exists(path.to_owned()));
        }
        let beside = path.with_extension("restored");
        let _ = fs::remove_file(&beside);
        let restored = backup::restore(&beside, backup).and_then(|records| {
            let home = Self::open(&beside, retention, None)?;
            let was_sealed = home.ledger().sealed;
            home.begin_epoch(true)?;
            let head = home.0.home.lock().head();
            drop(home);
            let io = |cause| RestoreError::Io { path: path.to_owned(), cause };
            fs::rename(&beside, path).map_err(io)?;
            sync_entry(path).map_err(io)?;
            Ok(Restored { records, head, was_sealed })
        });
        if restored.is_err() {
            let _ = fs::remove_file(&beside);
        }
        restored
    }

    fn begin_epoch(&self, lifts_seal: bool) -> Result<(), LogError> {
        match self.append_now(Entry::Epoch { above: 0, lifts_seal }) {
            Ok(_) => Ok(()),
            Err(AppendError::Log(error)) => Err(error),
            Err(AppendError::Refused(refusal)) => Err(self.0.error("opened", Cause::Content(refusal.to_string()))),
        }
    }

    /// Runs something that waits for the disk where it holds up nobody.
    async fn run<T: Send + 'static>(&self, work: impl FnOnce(&Self) -> T + Send + 'static) -> T {
        let home = self.clone();
        match tokio::task::spawn_blocking(move || work(&home)).await {
            Ok(done) => done,
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        }
    }

    fn append_now(&self, entry: Entry) -> Result<Appended, AppendError> {
        let mut state = self.0.state.lock();
        self.recover(&mut state)?;
        let now = clock::now();
        let nothing_new = |home: &Home| Appended { position: home.head(), issued_at: now, is_new: false };
        let (first, events) = {
            let home = self.0.home.lock();
            let events = match entry {
                Entry::Purge(purge) => match home.offer(&purge.by, &purge.id, purge.digest, now)? {
                    Offer::Same(first) => {
                        return Ok(Appended { position: first.position, issued_at: first.issued_at, is_new: false });
                    }
                    Offer::Number(_) => vec![Event::Purge(purge)],
                },
                Entry::Join(member) => home.join(&member, |other| self.has_stream(other))?,
                Entry::Drained(member) => home.drained(&member).into_iter().collect(),
                Entry::Forget(node) => self.0.leases.lock().forget_node(&home, &node, clock::boot_time())?,
                Entry::Seal => vec![Event::Seal],
                Entry::Epoch { above, lifts_seal } => {
                    let position = home.next_epoch(above, lifts_seal)?;
                    let name = epoch_name(&self.0.path, now.as_millis());
                    drop(home);
                    return self.write(&mut state, position, vec![Event::Epoch { name }]);
                }
            };
            if events.is_empty() {
                return Ok(nothing_new(&home));
            }
            (home.next()?, events)
        };
        self.write(&mut state, first, events)
    }

    /// Writes events one after another, the first at `first`; all of them or none.
    fn write(&self, state: &mut Option<State>, first: Position, events: Vec<Event>) -> Result<Appended, AppendError> {
        let issued_at = clock::now();
        let mut next = self.0.home.lock().ledger().clone();
        let mut kept = Vec::new();
        for (position, event) in std::iter::successors(Some(first), |at| Some(at.next())).zip(events) {
            let record = Record { position, issued_at, event };
            let bytes = encode(&record);
            next.add(&record, &bytes).map_err(|why| self.0.error("written", Cause::Content(why.to_string())))?;
            kept.push((record, Kept { position, chain: next.chain, bytes }));
        }
        let Some(open) = state.as_ref() else {
            return Err(self.0.error("written", Cause::Content("it is not open".to_owned())).into());
        };
        if let Err(cause) = insert(&open.database, kept.iter().map(|(_, kept)| kept)) {
            // Nobody knows what is on the disk: it is read anew before anything else is said.
            *state = None;
            return Err(self.0.error("written", cause).into());
        }
        let mut home = self.0.home.lock();
        for (record, kept) in &kept {
            if let Event::Leave { member, .. } = &record.event {
                self.0.leases.lock().forget(member);
            }
            home.committed(record, &kept.bytes)
                .map_err(|why| self.0.error("written", Cause::Content(why.to_string())))?;
        }
        let head = head_of(&home);
        drop(home);
        self.0.head.send_replace(head);
        self.0.receipts.send_modify(|version| *version += 1);
        self.drop_old(state);
        Ok(Appended { position: next.position, issued_at, is_new: true })
    }

    /// Opens the file again after a failed write, and learns what is in it.
    fn recover(&self, state: &mut Option<State>) -> Result<(), LogError> {
        if state.is_some() {
            return Ok(());
        }
        let (database, home) = load(&self.0.path).map_err(|cause| self.0.error("opened", cause))?;
        // Receipts are of this process: members say them again when they next speak.
        self.0.head.send_replace(head_of(&home));
        *self.0.home.lock() = home;
        *state = Some(State { database });
        Ok(())
    }

    /// Drops records that need not be kept. That it fails harms nothing.
    fn drop_old(&self, state: &mut Option<State>) {
        let Some(open) = state.as_ref() else { return };
        let base = match drop_old(&open.database, self.0.retention, clock::now().as_millis()) {
            Ok(base) => base,
            Err(cause) => {
                tracing::warn!(error = %self.0.error("written", cause), "old records are not dropped");
                *state = None;
                return;
            }
        };
        if let Some(base) = base {
            self.0.home.lock().dropped(base.position, base.chain);
        }
    }
}

/// Reads everything that a file holds.
fn load(path: &Path) -> Result<(Database, Home), Cause> {
    let database = db(Database::builder().set_cache_size(CACHE_BYTES).create(path))?;
    let transaction = db(database.begin_write())?;
    // Tables are made by the first that opens them for writing.
    db(transaction.open_table(RECORDS).map(drop))?;
    db(transaction.open_table(BASE).map(drop))?;
    db(transaction.commit())?;
    let transaction = db(database.begin_read())?;
    let mut home = Home::new(base_of(&db(transaction.open_table(BASE))?)?);
    for row in db(db(transaction.open_table(RECORDS))?.iter())? {
        let (_, value) = db(row)?;
        let (_, chain, bytes) = value.value();
        let record = decode(bytes).map_err(|error| Cause::Content(error.to_string()))?;
        home.committed(&record, bytes).map_err(|error| Cause::Content(error.to_string()))?;
        if home.ledger().chain != Chain::from_bytes(chain) {
            return Err(Cause::Content(format!("record {} is not the one that was written", record.position)));
        }
    }
    drop(transaction);
    Ok((database, home))
}

fn base_of(table: &impl ReadableTable<&'static str, &'static [u8]>) -> Result<Ledger, Cause> {
    let Some(value) = db(table.get(LEDGER))? else { return Ok(Ledger::default()) };
    let line: LedgerLine = serde_json::from_slice(value.value()).map_err(|error| Cause::Content(error.to_string()))?;
    line.read().map_err(|error| Cause::Content(error.to_string()))
}

/// The longest lease that any home of this log has granted, this one included.
fn note_lease(database: &Database, lease: Duration) -> Result<Duration, Cause> {
    let known = known_lease(&db(db(database.begin_read())?.open_table(BASE))?)?;
    if lease <= known {
        return Ok(known);
    }
    let transaction = db(database.begin_write())?;
    let text = lease.as_millis().to_string();
    db(db(transaction.open_table(BASE))?.insert(LEASE, text.as_bytes()).map(drop))?;
    db(transaction.commit())?;
    Ok(lease)
}

/// The longest lease that was granted, as it was noted.
fn known_lease(base: &impl ReadableTable<&'static str, &'static [u8]>) -> Result<Duration, Cause> {
    let known = db(base.get(LEASE))?;
    let ms = known.and_then(|value| std::str::from_utf8(value.value()).ok()?.parse().ok());
    Ok(Duration::from_millis(ms.unwrap_or(0)))
}

fn insert<'k>(database: &Database, kept: impl Iterator<Item = &'k Kept>) -> Result<(), Cause> {
    let transaction = db(database.begin_write())?;
    {
        let mut records = db(transaction.open_table(RECORDS))?;
        for kept in kept {
            let value = (kept.position.packed(), kept.chain.bytes(), kept.bytes.as_slice());
            db(records.insert(kept.position.seq(), value))?;
        }
    }
    db(transaction.commit())
}

/// Drops the oldest records, as far as they need not be kept. Returns up to where, if any.
fn drop_old(database: &Database, retention: Retention, now_ms: u64) -> Result<Option<Ledger>, Cause> {
    let transaction = db(database.begin_write())?;
    let mut base;
    {
        let mut records = db(transaction.open_table(RECORDS))?;
        let Some(first) = db(records.first())?.map(|(seq, _)| seq.value()) else { return Ok(None) };
        let last = db(records.last())?.map_or(first, |(seq, _)| seq.value());
        let count = last + 1 - first;
        let too_many = count.saturating_sub(retention.count);
        let oldest = db(records.get(first))?.map(|value| decode(value.value().2));
        let is_old = |issued_ms: u64| u128::from(now_ms.saturating_sub(issued_ms)) > retention.age.as_millis();
        let first_is_old = matches!(&oldest, Some(Ok(record)) if is_old(record.issued_at.as_millis()));
        if too_many < DROP_AT_ONCE && !first_is_old {
            return Ok(None);
        }
        let mut table = db(transaction.open_table(BASE))?;
        base = base_of(&table)?;
        // The last one stays, so that there is a chain to compare.
        for seq in first..last {
            let Some(value) = db(records.get(seq))? else { break };
            let bytes = value.value().2.to_vec();
            drop(value);
            let record = decode(&bytes).map_err(|error| Cause::Content(error.to_string()))?;
            if seq - first >= too_many && !is_old(record.issued_at.as_millis()) {
                break;
            }
            base.add(&record, &bytes).map_err(|error| Cause::Content(error.to_string()))?;
            db(records.remove(seq).map(drop))?;
        }
        let line = serde_json::to_vec(&LedgerLine::from(&base)).map_err(|error| Cause::Content(error.to_string()))?;
        db(table.insert(LEDGER, line.as_slice()).map(drop))?;
    }
    db(transaction.commit())?;
    Ok(Some(base))
}

/// Another one each time: two logs must not have the same chain.
fn epoch_name(path: &Path, now_ms: u64) -> String {
    let seed = format!("{now_ms} {} {}", std::process::id(), path.display());
    blake3::hash(seed.as_bytes()).to_hex()[..16].to_owned()
}

#[async_trait]
impl LogHome for FileHome {
    async fn append(&self, entry: Entry) -> Result<Appended, AppendError> {
        self.run(move |home| home.append_now(entry)).await
    }

    async fn read(&self, after: Position, most_bytes: usize) -> Result<Vec<Kept>, LogError> {
        self.run(move |home| {
            let mut state = home.0.state.lock();
            home.recover(&mut state)?;
            let Some(open) = state.as_ref() else { return Ok(Vec::new()) };
            read(&open.database, after, most_bytes).map_err(|cause| home.0.error("read", cause))
        })
        .await
    }

    fn follow(&self) -> watch::Receiver<Head> {
        self.0.head.subscribe()
    }

    async fn meet(&self, at: Position, chain: Chain) -> Result<Start, AppendError> {
        // What this home has at that position, if it has it.
        let before = Position::new(at.epoch(), at.seq().saturating_sub(1));
        let kept = self.read(before, 1).await?;
        let kept = kept.first().filter(|kept| kept.position == at).map(|kept| kept.chain);
        let (meeting, head) = {
            let home = self.0.home.lock();
            (home.meets(at, chain, kept), head_of(&home))
        };
        match meeting {
            Meeting::Continues => Ok(Start::Behind(head)),
            Meeting::StartsAtHead => Ok(Start::AtHead(head)),
            Meeting::MustOpenAbove(above) => {
                tracing::warn!(%at, head = %head.position, "a node knows another purge log: an epoch begins");
                self.append(Entry::Epoch { above, lifts_seal: false }).await?;
                Ok(Start::AtHead(*self.0.head.borrow()))
            }
        }
    }

    fn ledger(&self) -> Ledger {
        self.0.home.lock().ledger().clone()
    }

    fn acknowledge(&self, member: &Member, applied: Position) {
        self.0.home.lock().acknowledged(member, applied);
        self.0.receipts.send_modify(|version| *version += 1);
    }

    fn receipts(&self) -> watch::Receiver<u64> {
        self.0.receipts.subscribe()
    }

    fn applied(&self, member: &Member) -> Option<Position> {
        self.0.home.lock().receipts().applied(member)
    }

    fn unproven(&self, at: Position) -> Vec<Member> {
        let home = self.0.home.lock();
        self.0.leases.lock().unproven(&home, at, clock::boot_time())
    }

    fn may_come(&self, at: Position) -> Result<(), Refusal> {
        self.0.home.lock().may_come(at)
    }

    fn stream_opens(&self, member: &Member) {
        *self.0.streams.lock().entry(member.clone()).or_default() += 1;
    }

    fn stream_ends(&self, member: &Member) {
        let mut streams = self.0.streams.lock();
        if let Some(open) = streams.get_mut(member) {
            *open -= 1;
            if *open == 0 {
                streams.remove(member);
            }
        }
    }

    fn has_stream(&self, member: &Member) -> bool {
        self.0.streams.lock().contains_key(member)
    }

    fn lease(&self, member: &Member) -> Result<(Duration, Head), Refusal> {
        // Records are committed under the same lock: what is numbered later is not in this head, and no lease is from before
        // it that was granted later.
        let home = self.0.home.lock();
        let duration = self.0.leases.lock().grant(&home, member, clock::boot_time())?;
        Ok((duration, head_of(&home)))
    }

    fn lease_left(&self, member: &Member) -> Option<Duration> {
        member.strict.then(|| clock::boot_time().until(self.0.leases.lock().ends(member)))
    }

    fn ends_leases(&self, node: &NodeId) -> Duration {
        let home = self.0.home.lock();
        let mut leases = self.0.leases.lock();
        let now = clock::boot_time();
        let mut longest = Duration::ZERO;
        for member in home.ledger().members.keys().filter(|member| member.node == *node && member.strict) {
            leases.stop(member);
            longest = longest.max(now.until(leases.ends(member)));
        }
        longest
    }

    fn keeps_leases(&self, node: &NodeId) {
        let home = self.0.home.lock();
        let mut leases = self.0.leases.lock();
        home.ledger().members.keys().filter(|member| member.node == *node).for_each(|member| leases.resume(member));
    }

    fn is_member(&self, member: &Member) -> bool {
        self.0.home.lock().is_member(member)
    }

    fn find(&self, id: &RecordId, by: Option<&TokenId>) -> Option<Position> {
        self.0.home.lock().find(id, by).map(|numbered| numbered.position)
    }

    async fn back_up(&self, lines: mpsc::Sender<Bytes>) -> Result<(), LogError> {
        self.run(move |home| {
            let transaction = {
                let mut state = home.0.state.lock();
                home.recover(&mut state)?;
                let Some(open) = state.as_ref() else { return Ok(()) };
                db(open.database.begin_read()).map_err(|cause| home.0.error("read", cause))?
            };
            // Its records stay as they are while this reads them.
            backup::tell(&transaction, &lines).map_err(|cause| home.0.error("read", cause))
        })
        .await
    }
}

fn read(database: &Database, after: Position, most_bytes: usize) -> Result<Vec<Kept>, Cause> {
    let transaction = db(database.begin_read())?;
    let mut kept = Vec::new();
    let mut bytes = 0;
    for row in db(db(transaction.open_table(RECORDS))?.range(after.seq() + 1..))? {
        let (_, value) = db(row)?;
        let (position, chain, record) = value.value();
        bytes += record.len();
        if !kept.is_empty() && bytes > most_bytes {
            break;
        }
        let (position, chain) = (Position::unpack(position), Chain::from_bytes(chain));
        kept.push(Kept { position, chain, bytes: record.to_vec() });
    }
    Ok(kept)
}
