//! A node's side of a stream.

use super::lines::Lines;
use super::{End, SILENCE};
use crate::clock;
use crate::core::boot_time::BootTime;
use crate::core::log::{Chain, Follower, Lease, Member, Position, Purge, Step};
use crate::core::time::Timestamp;
use crate::data_folder::Known;
use crate::wire::follow::{FromHome, FromNode, MAX_HOME_LINE_BYTES, RECORD_MARK};
use crate::wire::log::decode;
use bytes::Bytes;
use std::time::Duration;
use thiserror::Error;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout, timeout_at};

/// What a node does with what it hears. It is done when these return.
pub trait Applies {
    /// Applies a purge.
    fn purge(&self, at: Position, purge: &Purge, issued_at: Timestamp);
    /// Hides all that is not known to be valid beyond a position.
    fn hide_all(&self, upto: Position);
    /// Goes to a position where nothing is purged.
    fn pass(&self, at: Position);
    /// Says whether the node knows everything that the home knew when it last spoke.
    fn caught_up(&self, is_so: bool);
    /// Something was applied.
    fn knows(&self, known: Known);
    /// The node's lease, after each change.
    fn leased(&self, lease: Lease);
    /// The home does not take the node for a member: nobody waits for it any more.
    fn refused(&self);
}

/// Why a stream has ended.
#[derive(Debug, Error)]
pub enum Ended {
    /// The home is gone, or says nothing any more.
    #[error("the home of the purge log is gone")]
    Gone,
    /// The home can't be reached.
    #[error(
        "the home of the purge log can't be reached at {address}: {cause}\n    hint: is it running? [purge_log] home names it"
    )]
    Unreachable {
        /// Its admin address.
        address: String,
        /// Why not.
        cause: String,
    },
    /// The home is another one now.
    #[error("the purge log has another home now")]
    Moved,
    /// The home doesn't take the node.
    #[error("the home of the purge log refuses this node: {error}\n    hint: {hint}")]
    Refused {
        /// Why.
        error: String,
        /// What to do.
        hint: String,
    },
    /// What the home says makes no sense.
    #[error("the home of the purge log says what can't be understood: {0}")]
    Nonsense(String),
}

/// A node's side, over all the streams that it opens.
#[derive(Debug)]
pub struct NodeSide {
    member: Member,
    follower: Follower,
    /// Of a node that serves under leases alone: how long they last.
    strict: Option<Duration>,
    lease: Lease,
    /// The lease that the home was asked for, and has not granted yet: when it was asked.
    asked: Option<BootTime>,
    /// The lease that it has granted to who has applied so much.
    granted: Option<(BootTime, Position, Duration)>,
}

/// How many leases a node asks for while one lasts.
const BEATS: u32 = 5;

impl NodeSide {
    /// Of a node that knows so much of the log.
    pub const fn new(member: Member, known: Known, strict: Option<Duration>) -> Self {
        let follower = Follower::new(known.at, known.chain);
        Self { member, follower, strict, lease: Lease::NONE, asked: None, granted: None }
    }

    /// Follows the log on a stream, to its end.
    pub async fn follow(&mut self, end: &mut End, node: &impl Applies) -> Ended {
        let ended = self.listen(end, node).await;
        self.lost(node);
        ended
    }

    /// There is no stream any more, however it ended.
    pub fn lost(&mut self, node: &impl Applies) {
        self.follower.lost();
        self.asked = None;
        self.granted = None;
        node.caught_up(false);
    }

    /// Tells the home that the node has drained.
    pub async fn drained(end: &End, patience: Duration) {
        let _ = timeout(patience, end.say(&FromNode::Drained {})).await;
    }

    async fn listen(&mut self, end: &mut End, node: &impl Applies) -> Ended {
        let (at, chain) = (self.follower.applied(), self.follower.chain());
        let hello = FromNode::Hello { member: (&self.member).into(), at: at.to_string(), chain: chain.to_string() };
        if !end.say(&hello).await {
            return Ended::Gone;
        }
        let mut lines = Lines::new(MAX_HOME_LINE_BYTES);
        let mut silent_since = Instant::from_std(clock::monotonic());
        let mut beat = interval(self.strict.map_or(SILENCE, |lease| lease / BEATS));
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let mut heard = false;
            loop {
                match lines.next() {
                    Err(_) => return Ended::Nonsense("a line without end".to_owned()),
                    Ok(None) => break,
                    Ok(Some(line)) => match self.hear(&line, node) {
                        Ok(()) => heard = true,
                        Err(ended) => return ended,
                    },
                }
            }
            // All that has come is applied: it is acknowledged, also where that was only that nothing is new.
            node.caught_up(self.follower.caught_up());
            if heard && !end.say(&self.applied()).await {
                return Ended::Gone;
            }
            self.renew(node);
            tokio::select! {
                part = timeout_at(silent_since + SILENCE, end.incoming.recv()) => match part {
                    Ok(Some(part)) => {
                        silent_since = Instant::from_std(clock::monotonic());
                        lines.push(&part);
                    }
                    Ok(None) | Err(_) => return Ended::Gone,
                },
                _ = beat.tick(), if self.strict.is_some() && self.asked.is_none() => {
                    self.asked = Some(clock::boot_time());
                    if !end.say(&FromNode::Beat {}).await {
                        return Ended::Gone;
                    }
                }
            }
        }
    }

    /// Takes the lease that was granted, as soon as what it is for is applied.
    fn renew(&mut self, node: &impl Applies) {
        let Some((asked, head, duration)) = self.granted else { return };
        if self.lease.renew(asked, head, self.follower.applied(), duration) {
            self.granted = None;
            node.leased(self.lease);
        }
    }

    fn applied(&self) -> FromNode {
        FromNode::Applied { at: self.follower.applied().to_string() }
    }

    fn hear(&mut self, line: &Bytes, node: &impl Applies) -> Result<(), Ended> {
        let nonsense = |why: String| Ended::Nonsense(why);
        let position = |text: &str| Position::parse(text).ok_or_else(|| nonsense(format!("position {text:?}")));
        if let Some(bytes) = line.strip_prefix(&[RECORD_MARK]) {
            let record = decode(bytes).map_err(|error| nonsense(error.to_string()))?;
            let step = self.follower.record(&record, bytes).map_err(|error| nonsense(error.to_string()))?;
            self.take(&step, record.position, record.issued_at, node);
            return Ok(());
        }
        match serde_json::from_slice(line).map_err(|error| nonsense(error.to_string()))? {
            FromHome::Behind { head } | FromHome::Head { head } => self.follower.told(position(&head)?),
            FromHome::Lease { head, ms } => {
                let head = position(&head)?;
                self.follower.told(head);
                if let Some(asked) = self.asked.take() {
                    self.granted = Some((asked, head, Duration::from_millis(ms)));
                }
            }
            FromHome::AtHead { head, chain } => {
                let chain = Chain::parse(&chain).ok_or_else(|| nonsense(format!("chain {chain:?}")))?;
                let head = position(&head)?;
                let step = self.follower.restart(head, chain);
                self.take(&step, head, Timestamp::from_millis(0), node);
            }
            FromHome::Refused { error, hint } => {
                self.lease.give_up();
                node.leased(self.lease);
                node.refused();
                return Err(Ended::Refused { error, hint });
            }
        }
        Ok(())
    }

    fn take(&self, step: &Step<'_>, at: Position, issued_at: Timestamp, node: &impl Applies) {
        match step {
            Step::Purge(purge) => node.purge(at, purge, issued_at),
            Step::HideAll(upto) => node.hide_all(*upto),
            Step::Pass(at) => node.pass(*at),
        }
        node.knows(Known { at: self.follower.applied(), chain: self.follower.chain() });
    }
}
