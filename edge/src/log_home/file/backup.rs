//! The whole log as lines of text, and back.

use super::{BASE, CACHE_BYTES, LEASE, LEDGER, RECORDS, base_of, db, error, insert, known_lease};
use crate::core::log::{Chain, Position};
use crate::log_home::{Cause, Kept, LogError};
use crate::wire::backup::{BackupLine, BadBackup, Check, MAX_LINE_BYTES, RECORD_MARK};
use crate::wire::line_of;
use crate::wire::log::LedgerLine;
use bytes::Bytes;
use redb::{Database, ReadTransaction, ReadableTable};
use std::io::{self, BufRead, Read};
use std::path::{Path, PathBuf};
use thiserror::Error;
use tokio::sync::mpsc;

/// Records that are written in one transaction.
const AT_ONCE: usize = 1000;

/// A log that was made from a backup.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Restored {
    /// How many records it had.
    pub records: usize,
    /// Where the epoch began that goes on from it.
    pub head: Position,
    /// Whether the log had been sealed, so that it is whole.
    pub was_sealed: bool,
}

/// A backup that can't be restored.
#[derive(Debug, Error)]
pub enum RestoreError {
    /// There is a log already.
    #[error("{}: there is a purge log already\n    hint: if it is of no use any more, move it away first", .0.display())]
    Exists(PathBuf),
    /// The backup can't be read.
    #[error("the backup can't be read: {0}\n    hint: `purge-cli log backup` writes one that can")]
    Unreadable(io::Error),
    /// It is none, or not all of one.
    #[error("line {line} of the backup: {cause}\n    hint: take another one: this one is damaged, or broke off")]
    Bad {
        /// The line, from 1.
        line: usize,
        /// What is wrong.
        cause: BadBackup,
    },
    /// The log can't be written.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The file can't be put in its place.
    #[error("{}: can't be written: {cause}\n    hint: check the disk, and to whom the folder belongs", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why not.
        cause: io::Error,
    },
}

/// Tells the log, as a transaction sees it, to whoever takes the lines.
pub(super) fn tell(transaction: &ReadTransaction, lines: &mpsc::Sender<Bytes>) -> Result<(), Cause> {
    let table = db(transaction.open_table(BASE))?;
    let base = base_of(&table)?;
    let lease_ms = u64::try_from(known_lease(&table)?.as_millis()).unwrap_or(u64::MAX);
    let (mut position, mut chain) = (base.position, base.chain);
    let first = BackupLine::Base { ledger: LedgerLine::from(&base), lease_ms };
    let mut is_taken = lines.blocking_send(line_of(&first).into()).is_ok();
    for row in db(db(transaction.open_table(RECORDS))?.iter())? {
        if !is_taken {
            return Ok(());
        }
        let (_, value) = db(row)?;
        let (at, chain_there, record) = value.value();
        (position, chain) = (Position::unpack(at), Chain::from_bytes(chain_there));
        let mut line = Vec::with_capacity(record.len() + 2);
        line.push(RECORD_MARK);
        line.extend_from_slice(record);
        line.push(b'\n');
        is_taken = lines.blocking_send(line.into()).is_ok();
    }
    let end = BackupLine::End { position: position.to_string(), chain: chain.to_string() };
    let _ = lines.blocking_send(line_of(&end).into());
    Ok(())
}

/// Writes a log into a new file. Returns how many records it has.
pub(super) fn restore(path: &Path, mut backup: impl BufRead) -> Result<usize, RestoreError> {
    let failed = |cause| RestoreError::Log(error(path, "written", cause));
    let database = db(Database::builder().set_cache_size(CACHE_BYTES).create(path)).map_err(failed)?;
    let mut check = Check::default();
    let mut waiting = Vec::new();
    let (mut records, mut number) = (0, 0);
    loop {
        let mut line = Vec::new();
        let read = backup.by_ref().take(MAX_LINE_BYTES as u64 + 1).read_until(b'\n', &mut line);
        if read.map_err(RestoreError::Unreadable)? == 0 {
            break;
        }
        number += 1;
        let whole = line.strip_suffix(b"\n").ok_or(BadBackup::BrokeOff);
        let kept =
            whole.and_then(|line| check.line(line)).map_err(|cause| RestoreError::Bad { line: number, cause })?;
        if number == 1 {
            write_base(&database, &check).map_err(failed)?;
        }
        if let Some(bytes) = kept {
            let ledger = check.ledger();
            waiting.push(Kept { position: ledger.position, chain: ledger.chain, bytes: bytes.to_vec() });
            records += 1;
        }
        if waiting.len() == AT_ONCE {
            insert(&database, waiting.iter()).map_err(failed)?;
            waiting.clear();
        }
    }
    check.end().map_err(|cause| RestoreError::Bad { line: number + 1, cause })?;
    insert(&database, waiting.iter()).map_err(failed)?;
    Ok(records)
}

fn write_base(database: &Database, check: &Check) -> Result<(), Cause> {
    let line = serde_json::to_vec(&LedgerLine::from(check.ledger()));
    let line = line.map_err(|error| Cause::Content(error.to_string()))?;
    let transaction = db(database.begin_write())?;
    {
        let mut table = db(transaction.open_table(BASE))?;
        db(table.insert(LEDGER, line.as_slice()).map(drop))?;
        db(table.insert(LEASE, check.lease_ms().to_string().as_bytes()).map(drop))?;
    }
    db(transaction.commit())
}
