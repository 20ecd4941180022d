//! The home's side of a stream.

use super::lines::{Lines, TooLong};
use super::{End, HEARTBEAT, SILENCE};
use crate::core::log::{Chain, Member, Position, Refusal};
use crate::log_home::{AppendError, Entry, LogHome, Start};
use crate::wire::admin::ErrorReply;
use crate::wire::follow::{FromHome, FromNode, MAX_NODE_LINE_BYTES, RECORD_MARK};
use bytes::Bytes;
use std::sync::Arc;
use tokio::time::{MissedTickBehavior, interval, timeout};

/// Records that are read from the log at once, in bytes.
const READ_BYTES: usize = 1 << 20;

/// Tells a node of the log for as long as the node listens, and takes its receipts.
pub async fn attend(home: Arc<dyn LogHome>, mut end: End) {
    let mut lines = Lines::new(MAX_NODE_LINE_BYTES);
    let Some((member, at, chain)) = hello(&mut end, &mut lines).await else { return };
    let told = match home.append(Entry::Join(member.clone())).await {
        Ok(_) => {
            let _open = Stream::of(&home, &member);
            tell(home.as_ref(), &mut end, &mut lines, &member, at, chain).await
        }
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

async fn tell(
    home: &dyn LogHome,
    end: &mut End,
    lines: &mut Lines,
    member: &Member,
    at: Position,
    chain: Chain,
) -> Result<(), AppendError> {
    let mut head = home.follow();
    let (mut sent, first) = match home.meet(at, chain).await? {
        Start::Behind(head) => (at, FromHome::Behind { head: head.position.to_string() }),
        Start::AtHead(head) => {
            (head.position, FromHome::AtHead { head: head.position.to_string(), chain: head.chain.to_string() })
        }
    };
    if !end.say(&first).await {
        return Ok(());
    }
    let mut heartbeat = interval(HEARTBEAT);
    heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    head.mark_changed();
    loop {
        tokio::select! {
            changed = head.changed() => {
                // Who has been forgotten may join again, and is waited for then.
                if !home.is_member(member) {
                    return Err(Refusal::NoMember(member.to_string()).into());
                }
                if changed.is_err() || !send_all(home, end, &mut sent).await? {
                    return Ok(());
                }
            }
            _ = heartbeat.tick() => {
                let position = head.borrow().position.to_string();
                if !end.say(&FromHome::Head { head: position }).await {
                    return Ok(());
                }
            }
            heard = timeout(SILENCE, end.incoming.recv()) => {
                let Ok(Some(part)) = heard else { return Ok(()) };
                lines.push(&part);
                if !hear(home, end, lines, member).await? {
                    return Ok(());
                }
            }
        }
    }
}

/// Sends the records that the node lacks; `false` if it is gone.
async fn send_all(home: &dyn LogHome, end: &End, sent: &mut Position) -> Result<bool, AppendError> {
    loop {
        let kept = home.read(*sent, READ_BYTES).await?;
        let Some(last) = kept.last() else { return Ok(true) };
        *sent = last.position;
        let mut bytes = Vec::new();
        for kept in &kept {
            bytes.push(RECORD_MARK);
            bytes.extend_from_slice(&kept.bytes);
            bytes.push(b'\n');
        }
        if !end.send(Bytes::from(bytes)).await {
            return Ok(false);
        }
    }
}

/// Takes what the node says; `false` if it has said its last word, or nonsense.
async fn hear(home: &dyn LogHome, end: &End, lines: &mut Lines, member: &Member) -> Result<bool, AppendError> {
    loop {
        let line = match lines.next() {
            Ok(Some(line)) => line,
            Ok(None) => return Ok(true),
            Err(TooLong) => return Ok(false),
        };
        match serde_json::from_slice(&line) {
            Ok(FromNode::Applied { at }) => match Position::parse(&at) {
                Some(at) => home.acknowledge(member, at),
                None => return Ok(false),
            },
            Ok(FromNode::Beat {}) => {
                let (duration, head) = home.lease(member)?;
                let ms = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
                if !end.say(&FromHome::Lease { head: head.position.to_string(), ms }).await {
                    return Ok(false);
                }
            }
            Ok(FromNode::Drained {}) => {
                home.append(Entry::Drained(member.clone())).await?;
                return Ok(false);
            }
            Ok(FromNode::Hello { .. }) | Err(_) => return Ok(false),
        }
    }
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
