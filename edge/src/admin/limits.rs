//! What the admin server takes of a client, in bytes and in time. It is not configurable: its clients are programs of
//! the fleet's operators, and what they send is small.

use super::Denied;
use crate::core::id::TokenId;
use crate::wire::purge::MAX_BODY_BYTES;
use axum::body::{Body, HttpBody};
use axum::http::{HeaderMap, StatusCode, header};
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, SemaphorePermit};

/// Connections open at once: far more than there are programs that purge, poll or probe one node. See
/// [`super::places`] for who has to go when more come.
pub(super) const CONNECTIONS: usize = 64;

/// Connections that are told at the same time that there is no place for them; yet more are just closed.
pub(super) const REFUSALS: usize = 64;

/// Bytes of a request's head; a larger one gets 431. Tokens are the longest thing in it.
pub(super) const HEAD_BYTES: usize = 16 << 10;

/// Fields of a request's head; more get 431.
pub(super) const HEAD_FIELDS: usize = 64;

/// Nodes that follow the purge log at once. They have shown the fleet's secret, and keep their connections for good.
const FOLLOWERS: usize = 4096;

/// For a whole head, and so for the pause between two requests of a connection; then 408, or the end of the connection if
/// nothing has come of the next request.
pub(super) const HEAD_TIME: Duration = Duration::from_secs(10);

/// For a whole body; then 408. The largest takes no longer at 5 Mbit/s.
const BODY_TIME: Duration = Duration::from_secs(30);

/// For a write to make progress; then the connection is closed.
pub(super) const WRITE_TIME: Duration = Duration::from_secs(10);

/// For a client that still sends what nobody reads to take its answer, and how much of that is read: an answer is lost
/// with a connection that is closed on bytes that have not been read.
pub(super) const LINGER_TIME: Duration = Duration::from_secs(5);
pub(super) const LINGER_BYTES: usize = 2 * MAX_BODY_BYTES;

/// Bodies longer than this take turns, so that no number of them takes more memory than [`LARGE_BODIES`] of the largest.
const SMALL_BODY_BYTES: usize = 64 << 10;

/// Bodies that are longer than small ones, in memory at once.
const LARGE_BODIES: usize = 4;

/// Purges that one token for purges may have under way at once, so that it leaves places to the others. Those for
/// everything are not bounded: whoever has one rules the node anyway.
const PURGES_OF_TOKEN: usize = CONNECTIONS / 4;

/// Purges that all such tokens together may have under way, so that places are left for those who rule the node.
const PURGES_OF_ALL: usize = CONNECTIONS / 2;

/// Of them, such with a large body.
const LARGE_OF_TOKEN: usize = 1;

static TURNS: Semaphore = Semaphore::const_new(LARGE_BODIES);

/// What each token has under way; none that has nothing.
static SHARES: Mutex<BTreeMap<TokenId, InUse>> = Mutex::new(BTreeMap::new());

#[derive(Debug)]
struct InUse {
    purges: usize,
    large: Arc<Semaphore>,
}

static FOLLOWER_SEATS: Semaphore = Semaphore::const_new(FOLLOWERS);

/// A node that follows the purge log.
#[derive(Debug)]
pub(super) struct Follower(#[expect(dead_code, reason = "held until it ends")] SemaphorePermit<'static>);

impl Follower {
    /// Counts one more; `None` if there are as many as may be.
    pub(super) fn take() -> Option<Self> {
        FOLLOWER_SEATS.try_acquire().ok().map(Self)
    }
}

/// A purge under way, counted among its token's.
#[derive(Debug)]
pub(super) struct Share {
    token: TokenId,
    large: Arc<Semaphore>,
}

impl Share {
    /// Counts one more.
    ///
    /// # Errors
    /// [`Denied`] where the token has as many under way as it may.
    pub(super) fn take(token: &TokenId) -> Result<Self, Denied> {
        let mut shares = SHARES.lock();
        let of_all: usize = shares.values().map(|in_use| in_use.purges).sum();
        if of_all >= PURGES_OF_ALL {
            return Err(Denied::too_many(format!("{PURGES_OF_ALL} purges are under way, and there may be no more")));
        }
        let new = || InUse { purges: 0, large: Arc::new(Semaphore::new(LARGE_OF_TOKEN)) };
        let in_use = shares.entry(token.clone()).or_insert_with(new);
        if in_use.purges == PURGES_OF_TOKEN {
            return Err(Denied::too_many(format!(
                "token {token} has {PURGES_OF_TOKEN} purges under way, and may have no more"
            )));
        }
        in_use.purges += 1;
        Ok(Self { token: token.clone(), large: in_use.large.clone() })
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut shares = SHARES.lock();
        if let Some(in_use) = shares.get_mut(&self.token) {
            in_use.purges -= 1;
            if in_use.purges == 0 {
                shares.remove(&self.token);
            }
        }
    }
}

/// A request's body, which counts among the large ones for as long as it is held.
pub(super) struct Received {
    pub(super) bytes: Vec<u8>,
    turn: Option<Turn>,
}

/// A turn of a large body, among those of its token and among all.
struct Turn {
    _own: Option<OwnedSemaphorePermit>,
    _of_all: SemaphorePermit<'static>,
}

async fn take_turn(share: Option<&Share>) -> Option<Turn> {
    let own = match share {
        Some(share) => Some(share.large.clone().acquire_owned().await.ok()?),
        None => None,
    };
    Some(Turn { _own: own, _of_all: TURNS.acquire().await.ok()? })
}

/// Reads a body of at most [`MAX_BODY_BYTES`], within [`BODY_TIME`]. Call it for clients that may do what they ask for: of
/// anybody else's body nothing is read.
pub(super) async fn read_body(headers: &HeaderMap, body: Body, share: Option<&Share>) -> Result<Received, Denied> {
    read_within(BODY_TIME, headers, body, share).await
}

async fn read_within(
    time: Duration,
    headers: &HeaderMap,
    body: Body,
    share: Option<&Share>,
) -> Result<Received, Denied> {
    let announced = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|length| length > MAX_BODY_BYTES as u64) {
        return Err(Denied::too_large(MAX_BODY_BYTES));
    }
    let mut waits = false;
    match tokio::time::timeout(time, read_all(body, share, &mut waits)).await {
        Ok(read) => read,
        Err(_) if waits => Err(Denied::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "other large requests are being read".into(),
            Some("try again, or send fewer targets at a time".into()),
        )),
        Err(_) => Err(Denied::new(
            StatusCode::REQUEST_TIMEOUT,
            format!("the body did not come within {} s", time.as_secs()),
            Some("send it again, or fewer targets at a time".into()),
        )),
    }
}

/// `waits` is set while it is not the client that lets us wait.
async fn read_all(mut body: Body, share: Option<&Share>, waits: &mut bool) -> Result<Received, Denied> {
    let mut received = Received { bytes: Vec::new(), turn: None };
    while let Some(frame) = std::future::poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
        let frame =
            frame.map_err(|error| Denied::bad_request(format!("the body broke off: {error}"), "send it again"))?;
        let Ok(part) = frame.into_data() else { continue };
        let length = received.bytes.len() + part.len();
        if length > MAX_BODY_BYTES {
            return Err(Denied::too_large(MAX_BODY_BYTES));
        }
        if length > SMALL_BODY_BYTES && received.turn.is_none() {
            *waits = true;
            received.turn = take_turn(share).await;
            *waits = false;
        }
        received.bytes.extend_from_slice(&part);
    }
    Ok(received)
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;
    use bytes::Bytes;
    use hyper::body::Frame;
    use std::convert::Infallible;
    use std::task::{Context, Poll};

    /// A body of so many bytes, in parts, which may never end.
    struct Parts {
        bytes: usize,
        ends: bool,
    }

    impl HttpBody for Parts {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            let part = self.bytes.min(SMALL_BODY_BYTES);
            self.bytes -= part;
            match part {
                0 if self.ends => Poll::Ready(None),
                0 => Poll::Pending,
                part => Poll::Ready(Some(Ok(Frame::data(vec![b'x'; part].into())))),
            }
        }
    }

    async fn read(bytes: usize, ends: bool) -> Result<Received, StatusCode> {
        read_of(None, bytes, ends).await
    }

    async fn read_of(share: Option<&Share>, bytes: usize, ends: bool) -> Result<Received, StatusCode> {
        let body = Body::new(Parts { bytes, ends });
        let read = read_within(Duration::from_millis(20), &HeaderMap::new(), body, share).await;
        read.map_err(|denied| denied.status)
    }

    /// Part of the one test that takes shares: they are of the whole process.
    fn purges_are_bounded_for_each_token_and_in_all() {
        let [one, other] = ["limited", "another"].map(|name| TokenId::new(name).expect("a name"));
        let mut held: Vec<Share> = (0..PURGES_OF_TOKEN).map(|_| Share::take(&one).ok().expect("its share")).collect();
        assert_eq!(Share::take(&one).err().map(|denied| denied.status), Some(StatusCode::TOO_MANY_REQUESTS));
        assert!(Share::take(&other).is_ok());
        held.pop();
        assert!(Share::take(&one).is_ok());
        held.clear();
        assert!(!SHARES.lock().contains_key(&one));
        // However many tokens there are, they leave places to others.
        let of_many = |n: usize| TokenId::new(&format!("many-{n}")).expect("a name");
        let held: Vec<Share> = (0..PURGES_OF_ALL).map_while(|n| Share::take(&of_many(n / 2)).ok()).collect();
        assert_eq!(held.len(), PURGES_OF_ALL);
        assert!(Share::take(&of_many(PURGES_OF_ALL)).is_err());
    }

    #[tokio::test]
    async fn purges_and_bodies_are_bounded_in_size_time_and_number() {
        purges_are_bounded_for_each_token_and_in_all();
        for bytes in [0, 10, SMALL_BODY_BYTES, SMALL_BODY_BYTES + 1, MAX_BODY_BYTES] {
            assert_eq!(read(bytes, true).await.map(|received| received.bytes.len()), Ok(bytes));
        }
        assert_eq!(read(MAX_BODY_BYTES + 1, true).await.err(), Some(StatusCode::PAYLOAD_TOO_LARGE));
        for bytes in [0, 10, SMALL_BODY_BYTES + 1] {
            assert_eq!(read(bytes, false).await.err(), Some(StatusCode::REQUEST_TIMEOUT), "{bytes}");
        }
        // What is too large by its own word is not read at all.
        let announced = HeaderValue::from(MAX_BODY_BYTES + 1);
        let headers = HeaderMap::from_iter([(header::CONTENT_LENGTH, announced)]);
        let refused = read_body(&headers, Body::new(Parts { bytes: 0, ends: false }), None).await;
        assert_eq!(refused.err().map(|denied| denied.status), Some(StatusCode::PAYLOAD_TOO_LARGE));

        // One token has one turn.
        let share = Share::take(&TokenId::new("large").expect("a name")).ok().expect("its share");
        let turn = read_of(Some(&share), SMALL_BODY_BYTES + 1, true).await.expect("its turn");
        let second = read_of(Some(&share), SMALL_BODY_BYTES + 1, true).await;
        assert_eq!(second.err(), Some(StatusCode::SERVICE_UNAVAILABLE));
        assert!(read(SMALL_BODY_BYTES + 1, true).await.is_ok(), "it is another one's turn");
        drop(turn);
        assert!(read_of(Some(&share), SMALL_BODY_BYTES + 1, true).await.is_ok());

        let mut held = Vec::new();
        for _ in 0..LARGE_BODIES {
            held.push(read(SMALL_BODY_BYTES + 1, true).await.expect("its turn"));
        }
        assert_eq!(read(SMALL_BODY_BYTES + 1, true).await.err(), Some(StatusCode::SERVICE_UNAVAILABLE));
        assert!(read(SMALL_BODY_BYTES, true).await.is_ok(), "small ones don't wait");
        held.pop();
        assert!(read(SMALL_BODY_BYTES + 1, true).await.is_ok());
    }
}
