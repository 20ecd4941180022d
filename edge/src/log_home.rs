//! Layer 3b: the home of the purge log.
//!
//! What may be numbered, and what it means, is decided by [`crate::core::log::Home`]; a home here writes it down, durably
//! and before anybody hears of it.

mod file;

#[cfg(test)]
mod tests;

pub use file::{FileHome, RestoreError, Restored, Retention};

use crate::core::id::{NodeId, TokenId};
use crate::core::log::{Chain, Epoch, Ledger, Member, Position, Purge, RecordId, Refusal};
use crate::core::time::Timestamp;
use async_trait::async_trait;
use bytes::Bytes;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;
use thiserror::Error;
use tokio::sync::{mpsc, watch};

/// What a home can be asked to record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    /// A purge. Under the id of one that was recorded already, it is a retry.
    Purge(Purge),
    /// A process becomes a member, in the place of an earlier one in the same data folder.
    Join(Member),
    /// A member has drained.
    Drained(Member),
    /// A node does not run any more, says an operator.
    Forget(NodeId),
    /// The log goes on elsewhere.
    Seal,
    /// An epoch above this one begins.
    Epoch {
        /// The latest that was seen.
        above: Epoch,
        /// Whether it begins even if the log is sealed: this is where it goes on.
        lifts_seal: bool,
    },
}

/// The home's answer, once it is durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Appended {
    /// The position of the record; of the last one, if it took several; of the head, if it took none.
    pub position: Position,
    /// When it was numbered.
    pub issued_at: Timestamp,
    /// Whether anything was recorded: a retry is not, nor is a member that is one already.
    pub is_new: bool,
}

/// A record as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// Where it is.
    pub position: Position,
    /// The chain there.
    pub chain: Chain,
    /// Its bytes: see [`crate::wire::log`].
    pub bytes: Vec<u8>,
}

/// The end of a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// The position of the last record.
    pub position: Position,
    /// The chain there.
    pub chain: Chain,
}

/// How somebody who comes to follow the log begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// With the records behind what it knows. The head is told so that it knows when it has caught up.
    Behind(Head),
    /// At the head, with everything hidden that it has.
    AtHead(Head),
}

/// The log can't be read or written.
#[derive(Debug, Error)]
#[error("{}: the purge log can't be {doing}: {cause}\n    hint: {}", path.display(), hint(cause))]
pub struct LogError {
    /// Its file.
    pub path: PathBuf,
    /// `opened`, `read` or `written`.
    pub doing: &'static str,
    /// Why not.
    pub cause: Cause,
}

/// Why the log can't be read or written.
#[derive(Debug, Error)]
pub enum Cause {
    /// The database says so.
    #[error("{0}")]
    Database(Box<redb::Error>),
    /// What is in it is not what was written.
    #[error("{0}")]
    Content(String),
}

const RESTORE: &str = "if the disk is sound, move the file away and restore it from a backup";

fn hint(cause: &Cause) -> &'static str {
    let Cause::Database(error) = cause else { return RESTORE };
    match &**error {
        redb::Error::DatabaseAlreadyOpen => "another process has it open: stop that one first",
        redb::Error::Io(error) => match error.kind() {
            std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => "make room on the disk",
            std::io::ErrorKind::PermissionDenied => "its folder must belong to the user that the node runs as",
            std::io::ErrorKind::NotFound => "its folder is missing",
            std::io::ErrorKind::InvalidData => RESTORE,
            _ => "check the disk",
        },
        _ => RESTORE,
    }
}

/// Why nothing was recorded.
#[derive(Debug, Error)]
pub enum AppendError {
    /// The log has a reason.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The log can't be written. Whether the record is there will be known when it can be read again: the same id can be
    /// sent again.
    #[error(transparent)]
    Log(#[from] LogError),
}

/// A home of the purge log. All that it tells is durable.
#[async_trait]
pub trait LogHome: fmt::Debug + Send + Sync + 'static {
    /// Records something.
    ///
    /// # Errors
    /// [`AppendError`].
    async fn append(&self, entry: Entry) -> Result<Appended, AppendError>;

    /// The records behind a position, the oldest first: as many as fit in so many bytes, and one at least, if there is one.
    ///
    /// # Errors
    /// [`LogError`].
    async fn read(&self, after: Position, most_bytes: usize) -> Result<Vec<Kept>, LogError>;

    /// The head, and each one that takes its place.
    fn follow(&self) -> watch::Receiver<Head>;

    /// How somebody begins who knows the log up to a position, and the chain there.
    ///
    /// # Errors
    /// [`AppendError`]: that can take an epoch.
    async fn meet(&self, at: Position, chain: Chain) -> Result<Start, AppendError>;

    /// What the records add up to.
    fn ledger(&self) -> Ledger;

    /// Notes that a member has applied the log up to a position.
    fn acknowledge(&self, member: &Member, applied: Position);

    /// Changes with every receipt and every member.
    fn receipts(&self) -> watch::Receiver<u64>;

    /// Up to where a member has applied the log, if it has said so since the home runs.
    fn applied(&self, member: &Member) -> Option<Position>;

    /// The members that have not applied the record at a position, as far as is known; in their order.
    fn unproven(&self, at: Position) -> Vec<Member>;

    /// Whether a process is a member.
    fn is_member(&self, member: &Member) -> bool;

    /// Whether somebody can follow who knows the log up to a position: to be asked before it joins.
    ///
    /// # Errors
    /// [`Refusal`]: it knows what can't be.
    fn may_come(&self, at: Position) -> Result<(), Refusal>;

    /// A process has opened a stream: for as long as it is open nobody takes its place.
    fn stream_opens(&self, member: &Member);

    /// A stream of a member has ended.
    fn stream_ends(&self, member: &Member);

    /// Whether a stream of a member is open.
    fn has_stream(&self, member: &Member) -> bool;

    /// Grants a member a lease: for so long, if it has applied the head.
    ///
    /// # Errors
    /// [`Refusal`]: it is no member, or the log goes on elsewhere.
    fn lease(&self, member: &Member) -> Result<(Duration, Head), Refusal>;

    /// How long the lease of a member may still last, if it serves under leases alone.
    fn lease_left(&self, member: &Member) -> Option<Duration>;

    /// The members of a node get no leases any more: they are to be forgotten. Returns after how long the last one ends.
    fn ends_leases(&self, node: &NodeId) -> Duration;

    /// The members of a node are not to be forgotten after all.
    fn keeps_leases(&self, node: &NodeId);

    /// The last purge with this id: of that token, or whoever allowed it.
    fn find(&self, id: &RecordId, by: Option<&TokenId>) -> Option<Position>;

    /// The record with this number, if it is kept.
    ///
    /// # Errors
    /// [`LogError`].
    async fn record(&self, seq: u64) -> Result<Option<Kept>, LogError> {
        let before = Position::new(0, seq.saturating_sub(1));
        let kept = self.read(before, 1).await?;
        Ok(kept.into_iter().next().filter(|kept| kept.position.seq() == seq))
    }

    /// Tells the whole log as it is now, in the lines of [`crate::wire::backup`], for as long as somebody takes them.
    ///
    /// # Errors
    /// [`LogError`].
    async fn back_up(&self, lines: mpsc::Sender<Bytes>) -> Result<(), LogError>;
}
