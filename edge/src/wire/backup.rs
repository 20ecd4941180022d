//! A backup of the purge log: lines of text. The first says what the records before add up to, then the records follow,
//! each as it is kept behind a mark, and the last one says where the log ends, so that a part is not taken for the whole.

use super::log::{BadRecord, LedgerLine, decode};
use crate::core::log::{Chain, Ledger, NotNext, Position};
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Where a home is asked for one.
pub const PATH: &str = "/log/backup";

/// Longest line, in bytes: as in [`crate::wire::follow`].
pub const MAX_LINE_BYTES: usize = super::follow::MAX_HOME_LINE_BYTES;

/// What comes before the bytes of a record.
pub const RECORD_MARK: u8 = super::follow::RECORD_MARK;

/// The lines that are no records.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum BackupLine {
    /// The first one.
    Base {
        /// What the records add up to that are not kept any more.
        ledger: LedgerLine,
        /// The longest lease that was granted, in milliseconds: members may hold one for so long.
        #[serde(default)]
        lease_ms: u64,
    },
    /// The last one.
    End {
        /// The last record.
        position: String,
        /// The chain there.
        chain: String,
    },
}

/// What is wrong with a backup.
#[derive(Debug, Error)]
pub enum BadBackup {
    /// It does not begin as one.
    #[error("it is no backup of a purge log")]
    NoBackup,
    /// A line can't be read.
    #[error("it can't be read: {0}")]
    Line(#[from] serde_json::Error),
    /// A record can't be read.
    #[error(transparent)]
    Record(#[from] BadRecord),
    /// A record is not the next one.
    #[error(transparent)]
    NotNext(#[from] NotNext),
    /// The end is another one than the records lead to.
    #[error("the records are not those that were written")]
    Chain,
    /// There is no end.
    #[error("it breaks off")]
    BrokeOff,
    /// Something follows the end.
    #[error("there is more behind the end")]
    More,
}

/// Checks a backup line by line.
#[derive(Debug, Default)]
pub struct Check {
    ledger: Ledger,
    lease_ms: u64,
    begun: bool,
    ended: bool,
}

impl Check {
    /// Takes the next line, without its end; gives the bytes of the record, if it is one.
    ///
    /// # Errors
    /// [`BadBackup`]: it is not what may follow.
    pub fn line<'l>(&mut self, line: &'l [u8]) -> Result<Option<&'l [u8]>, BadBackup> {
        if self.ended {
            return Err(BadBackup::More);
        }
        if !self.begun {
            let Ok(BackupLine::Base { ledger, lease_ms }) = serde_json::from_slice(line) else {
                return Err(BadBackup::NoBackup);
            };
            self.ledger = ledger.read()?;
            self.lease_ms = lease_ms;
            self.begun = true;
            return Ok(None);
        }
        if let Some(bytes) = line.strip_prefix(&[RECORD_MARK]) {
            self.ledger.add(&decode(bytes)?, bytes)?;
            return Ok(Some(bytes));
        }
        match serde_json::from_slice(line)? {
            BackupLine::Base { .. } => Err(BadBackup::NoBackup),
            BackupLine::End { position, chain } => {
                let end = Position::parse(&position).zip(Chain::parse(&chain));
                if end != Some((self.ledger.position, self.ledger.chain)) {
                    return Err(BadBackup::Chain);
                }
                self.ended = true;
                Ok(None)
            }
        }
    }

    /// What the lines so far add up to.
    pub const fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// The longest lease that was granted, in milliseconds.
    pub const fn lease_ms(&self) -> u64 {
        self.lease_ms
    }

    /// There are no more lines.
    ///
    /// # Errors
    /// [`BadBackup`]: there should be.
    pub const fn end(&self) -> Result<(), BadBackup> {
        match (self.begun, self.ended) {
            (false, _) => Err(BadBackup::NoBackup),
            (true, false) => Err(BadBackup::BrokeOff),
            (true, true) => Ok(()),
        }
    }
}
