//! The home's side of a stream.

use super::lines::{Lines, TooLong};
use super::{End, HEARTBEAT, SILENCE};
use crate::clock;
use crate::core::log::{Chain, Member, Position, Refusal};
use crate::log_home::{AppendError, Entry, LogHome, Start};
use crate::wire::admin::ErrorReply;
use crate::wire::follow::{FromHome, FromNode, MAX_NODE_LINE_BYTES, RECORD_MARK};
use crate::wire::line_of;
use bytes::Bytes;
use std::collections::VecDeque;
use std::sync::Arc;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until, timeout};

/// Records that are read from the log at once, in bytes.
const READ_BYTES: usize = 1 << 20;

/// Pieces that may be due to a node: one of records, and the answers to what it asks meanwhile.
const MOST_DUE: usize = 16;

/// Tells a node of the log for as long as the node listens, and takes its receipts.
pub async fn attend(home: Arc<dyn LogHome>, mut end: End) {
    let mut lines = Lines::new(MAX_NODE_LINE_BYTES);
    let Some((member, at, chain)) = hello(&mut end, &mut lines).await else { return };
    // Open before it is a member: nobody takes its place from then on.
    let _open = Stream::of(&home, &member);
    let told = match join(home.as_ref(), &member, at).await {
        Ok(()) => Telling::new(home.as_ref(), &member).tell(&mut end, &mut lines, at, chain).await,
        Err(error) => Err(error),
    };
    let Err(error) = told else { return };
    tracing::warn!(%member, %error, "a node is told no more of the purge log");
    if let AppendError::Refused(_) = error {
        // It serves nothing any more that is stored, until it is taken.
        let (error, hint) = in_words(&error);
        end.say(&FromHome::Refused { error, hint }).await;
    }
}

/// A member's stream, open for as long as this is.
struct Stream<'h> {
    home: &'h dyn LogHome,
    member: &'h Member,
}

impl<'h> Stream<'h> {
    fn of(home: &'h Arc<dyn LogHome>, member: &'h Member) -> Self {
        home.stream_opens(member);
        Self { home: home.as_ref(), member }
    }
}

impl Drop for Stream<'_> {
    fn drop(&mut self) {
        self.home.stream_ends(self.member);
    }
}

async fn hello(end: &mut End, lines: &mut Lines) -> Option<(Member, Position, Chain)> {
    let line = loop {
        match lines.next() {
            Ok(Some(line)) => break line,
            Ok(None) => lines.push(&timeout(SILENCE, end.incoming.recv()).await.ok()??),
            Err(_) => return None,
        }
    };
    let Ok(FromNode::Hello { member, at, chain }) = serde_json::from_slice(&line) else { return None };
    Some((member.read().ok()?, Position::parse(&at)?, Chain::parse(&chain)?))
}

async fn join(home: &dyn LogHome, member: &Member, at: Position) -> Result<(), AppendError> {
    home.may_come(at)?;
    home.append(Entry::Join(member.clone())).await.map(drop)
}

/// What a member is told, and how far that is. Nothing that is to be said keeps the home from listening: a node that waits
/// until it is heard does not listen either.
struct Telling<'h> {
    home: &'h dyn LogHome,
    member: &'h Member,
    /// What is to be said next.
    due: VecDeque<Bytes>,
    /// Since when the first of that waits.
    due_since: Instant,
    /// The last record that was said, or is due.
    sent: Position,
}

impl<'h> Telling<'h> {
    fn new(home: &'h dyn LogHome, member: &'h Member) -> Self {
        Self { home, member, due: VecDeque::new(), due_since: now(), sent: Position::ZERO }
    }

    fn say(&mut self, bytes: Vec<u8>) {
        if self.due.is_empty() {
            self.due_since = now();
        }
        self.due.push_back(bytes.into());
    }

    async fn tell(mut self, end: &mut End, lines: &mut Lines, at: Position, chain: Chain) -> Result<(), AppendError> {
        let mut head = self.home.follow();
        let (sent, first) = match self.home.meet(at, chain).await? {
            Start::Behind(head) => (at, FromHome::Behind { head: head.position.to_string() }),
            Start::AtHead(head) => {
                (head.position, FromHome::AtHead { head: head.position.to_string(), chain: head.chain.to_string() })
            }
        };
        self.sent = sent;
        self.say(line_of(&first));
        let mut heartbeat = interval(HEARTBEAT);
        heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut heard_at, mut is_behind) = (now(), true);
        loop {
            if is_behind && self.due.is_empty() {
                is_behind = self.read_on().await?;
            }
            let silent_at = heard_at + SILENCE;
            let gone_at = if self.due.is_empty() { silent_at } else { silent_at.min(self.due_since + SILENCE) };
            tokio::select! {
                place = end.outgoing.reserve(), if !self.due.is_empty() => {
                    let Ok(place) = place else { return Ok(()) };
                    if let Some(bytes) = self.due.pop_front() {
                        place.send(bytes);
                    }
                    self.due_since = now();
                }
                changed = head.changed() => {
                    if changed.is_err() {
                        return Ok(());
                    }
                    // Who has been forgotten may join again, and is waited for then.
                    if !self.home.is_member(self.member) {
                        return Err(Refusal::NoMember(self.member.to_string()).into());
                    }
                    is_behind = true;
                }
                // Where something is due, that says as much.
                _ = heartbeat.tick() => if self.due.is_empty() {
                    let position = head.borrow().position.to_string();
                    self.say(line_of(&FromHome::Head { head: position }));
                },
                part = end.incoming.recv() => {
                    let Some(part) = part else { return Ok(()) };
                    heard_at = now();
                    lines.push(&part);
                    if !self.hear(lines).await? {
                        return Ok(());
                    }
                }
                () = sleep_until(gone_at) => return Ok(()),
            }
        }
    }

    /// Has the next records said; `false` if there are none.
    async fn read_on(&mut self) -> Result<bool, AppendError> {
        let kept = self.home.read(self.sent, READ_BYTES).await?;
        let Some(last) = kept.last() else { return Ok(false) };
        self.sent = last.position;
        let mut bytes = Vec::new();
        for kept in &kept {
            bytes.push(RECORD_MARK);
            bytes.extend_from_slice(&kept.bytes);
            bytes.push(b'\n');
        }
        self.say(bytes);
        Ok(true)
    }

    /// Takes what the node says; `false` if it has said its last word, or nonsense.
    async fn hear(&mut self, lines: &mut Lines) -> Result<bool, AppendError> {
        loop {
            let line = match lines.next() {
                Ok(Some(line)) => line,
                Ok(None) => return Ok(true),
                Err(TooLong) => return Ok(false),
            };
            match serde_json::from_slice(&line) {
                Ok(FromNode::Applied { at }) => match Position::parse(&at) {
                    Some(at) => self.home.acknowledge(self.member, at),
                    None => return Ok(false),
                },
                // It asks for one at a time.
                Ok(FromNode::Beat {}) if self.due.len() >= MOST_DUE => return Ok(false),
                Ok(FromNode::Beat {}) => {
                    let (duration, head) = self.home.lease(self.member)?;
                    let ms = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
                    self.say(line_of(&FromHome::Lease { head: head.position.to_string(), ms }));
                }
                Ok(FromNode::Drained {}) => {
                    self.home.append(Entry::Drained(self.member.clone())).await?;
                    return Ok(false);
                }
                Ok(FromNode::Hello { .. }) | Err(_) => return Ok(false),
            }
        }
    }
}

fn now() -> Instant {
    Instant::from_std(clock::monotonic())
}

fn in_words(error: &AppendError) -> (String, String) {
    let ErrorReply { error: what, hint } = ErrorReply::read(&error.to_string());
    let hint = match error {
        AppendError::Refused(Refusal::NodeTaken(_)) => {
            "stop the other one; if it does not run any more, say so: purge-cli forget NODE".to_owned()
        }
        AppendError::Refused(Refusal::NoMember(_)) => "it joins again by itself".to_owned(),
        AppendError::Refused(Refusal::NoSuchEpoch(_)) => {
            "it has followed another purge log: remove state.json in its data folder, and start it again".to_owned()
        }
        AppendError::Refused(Refusal::Sealed) => "name the new home in [purge_log] home".to_owned(),
        _ => hint.unwrap_or_default(),
    };
    (what, hint)
}
