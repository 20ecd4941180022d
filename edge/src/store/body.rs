//! The body of a stored response, readable while it grows.
//!
//! Readers keep their own place. A body ends in one of two ways: complete, or failed, and a reader of a failed body
//! gets an error, never a short success.
//!
//! A body that outgrows the storable size goes on as a stream: parts that every reader has passed are dropped, and the
//! writer waits for readers that fall more than [`STREAM_WINDOW_BYTES`] behind, so memory stays bounded. The reader that
//! the fill was started for is not waited for: it runs in the writer's own task, which paces it already. Once no reader
//! is left the body is abandoned: nobody wants the rest, and it can't be kept.
//!
//! One that may still be kept goes on without readers, but not forever: it is abandoned when it has been unread for
//! longer than its end can be waited for. A response that never ends would hold its connections for good otherwise.

use crate::clock;
use bytes::{Bytes, BytesMut};
use parking_lot::Mutex;
use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};
use tokio::sync::Notify;

/// Complete bodies are kept in blocks of this size, so that no block keeps a larger network buffer alive, and the
/// block of an offset is found by division.
pub const BLOCK_BYTES: usize = 256 << 10;

/// How far behind a reader of an outgrown body may fall before the writer waits for it.
pub const STREAM_WINDOW_BYTES: u64 = 8 << 20;

/// A reader in the writer's own task takes up to so much at once. It has its turn after every few parts that the writer
/// brings, however slow its client is; taking one part each time, it would fall behind without end.
pub const OWN_READ_BYTES: usize = 1 << 20;

/// So far behind an outgrown body such a reader never is while it reads, since it takes [`OWN_READ_BYTES`] in each of
/// its turns: it has gone.
pub const OWN_WINDOW_BYTES: u64 = 32 << 20;

/// How long the writer waits for a reader before it cuts it off.
pub const STREAM_PATIENCE: Duration = Duration::from_secs(10);

/// How long a body of unknown length goes on without a reader. Nothing says that it ends at all: most do within seconds,
/// and events are sent for as long as somebody listens.
pub const UNREAD_PATIENCE: Duration = Duration::from_secs(10);

/// How long a refresh in the background goes on, which nobody reads from the beginning, if its length is unknown. It has
/// more time, since it is worth more: there is one for each key at most, and no client's connection waits for it.
pub const REFRESH_PATIENCE: Duration = Duration::from_secs(60);

/// How long a body of known length, which ends by itself, goes on without a reader, beside the time that
/// [`UNREAD_BYTES_PER_SECOND`] gives it: what trickles in more slowly is worth no connection.
pub const KNOWN_PATIENCE: Duration = Duration::from_secs(60);

/// The slowest pace at which a body of known length is taken without a reader.
pub const UNREAD_BYTES_PER_SECOND: u64 = 64 << 10;

/// Why a body can't be read on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// The fill ended before the body did.
    #[error("the response that this one was read from ended before its end")]
    FillFailed,
    /// The reader fell too far behind a body that is too large to be kept.
    #[error("read too slowly: the body is too large to be kept")]
    TooSlow,
}

/// Whether the writer of an outgrown body waits for a reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// It does: the reader runs in a task of its own.
    Waited,
    /// It doesn't: the reader runs in the writer's task.
    Own,
    /// It doesn't, and nobody is at the reader's other end: it is a refresh in the background.
    Refresh,
}

/// A body, complete or growing.
#[derive(Debug)]
pub struct Body {
    complete: OnceLock<Complete>,
    growing: Mutex<Growing>,
    changed: Notify,
    account: Account,
}

/// What a body has in memory, and will have by its announced length, counted into a total for as long as anybody holds
/// the body: a reader may hold it long after the store has let it go.
#[derive(Debug)]
struct Account {
    total: Arc<AtomicU64>,
    counted: AtomicU64,
}

impl Account {
    fn new(total: Arc<AtomicU64>, announced: u64) -> Self {
        total.fetch_add(announced, Ordering::Relaxed);
        Self { total, counted: AtomicU64::new(announced) }
    }

    /// Counts `bytes` from now on.
    fn set(&self, bytes: u64) {
        let before = self.counted.swap(bytes, Ordering::Relaxed);
        self.total.fetch_add(bytes.wrapping_sub(before), Ordering::Relaxed);
    }
}

impl Drop for Account {
    fn drop(&mut self) {
        self.total.fetch_sub(self.counted.load(Ordering::Relaxed), Ordering::Relaxed);
    }
}

#[derive(Debug)]
struct Complete {
    blocks: Box<[Bytes]>,
    len: u64,
}

#[derive(Debug, Default)]
struct Growing {
    chunks: VecDeque<Bytes>,
    /// For each chunk the offset where it ends.
    ends: VecDeque<u64>,
    len: u64,
    announced: u64,
    failed: bool,
    outgrown: bool,
    unread_since: Option<Instant>,
    readers: HashMap<u64, Place>,
    next_reader: u64,
}

#[derive(Debug, Clone, Copy)]
struct Place {
    at: u64,
    pace: Pace,
}

impl Growing {
    fn new(announced: Option<u64>) -> Self {
        Self { announced: announced.unwrap_or(0), unread_since: Some(clock::monotonic()), ..Self::default() }
    }

    /// Bytes that are in memory now, or will be.
    fn held(&self) -> u64 {
        match self.outgrown {
            true => self.len - self.start(),
            false => self.len.max(self.announced),
        }
    }

    fn start(&self) -> u64 {
        self.ends.front().map_or(self.len, |end| end - self.chunks[0].len() as u64)
    }

    fn drop_what_all_have_read(&mut self) {
        let slowest = self.readers.values().map(|place| place.at).min().unwrap_or(self.len);
        while self.ends.front().is_some_and(|&end| end <= slowest) {
            self.ends.pop_front();
            self.chunks.pop_front();
        }
    }

    fn is_late(&self, place: &Place) -> bool {
        place.pace == Pace::Waited && self.len - place.at > STREAM_WINDOW_BYTES
    }

    fn forget_who_has_gone(&mut self) {
        let len = self.len;
        self.readers.retain(|_, place| place.pace == Pace::Waited || len - place.at <= OWN_WINDOW_BYTES);
        self.note_readers();
    }

    /// Notes since when nobody reads, after readers have come or gone.
    fn note_readers(&mut self) {
        let is_read = self.readers.values().any(|place| place.pace != Pace::Refresh);
        self.unread_since = match self.unread_since {
            _ if is_read => None,
            Some(since) => Some(since),
            None => Some(clock::monotonic()),
        };
    }

    /// How long it goes on without a reader.
    fn patience(&self) -> Duration {
        let is_refresh = || self.readers.values().any(|place| place.pace == Pace::Refresh);
        match self.announced {
            _ if self.outgrown => Duration::ZERO,
            0 if is_refresh() => REFRESH_PATIENCE,
            0 => UNREAD_PATIENCE,
            bytes => KNOWN_PATIENCE + Duration::from_secs(bytes / UNREAD_BYTES_PER_SECOND),
        }
    }
}

impl Body {
    /// A body that is about to be written. Its bytes are counted into `total`: at once what is announced, then what is
    /// there.
    pub fn growing(total: &Arc<AtomicU64>, announced: Option<u64>) -> Self {
        let account = Account::new(total.clone(), announced.unwrap_or(0));
        Self {
            complete: OnceLock::new(),
            growing: Mutex::new(Growing::new(announced)),
            changed: Notify::new(),
            account,
        }
    }

    /// Bytes so far, or in all once it is complete.
    pub fn len(&self) -> u64 {
        self.complete.get().map_or_else(|| self.growing.lock().len, |complete| complete.len)
    }

    /// Whether no byte is there (yet).
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether it is complete.
    pub fn is_complete(&self) -> bool {
        self.complete.get().is_some()
    }

    /// Appends a part.
    pub fn push(&self, chunk: Bytes) {
        if chunk.is_empty() {
            return;
        }
        let mut growing = self.growing.lock();
        growing.len += chunk.len() as u64;
        let end = growing.len;
        growing.ends.push_back(end);
        growing.chunks.push_back(chunk);
        if growing.outgrown {
            growing.forget_who_has_gone();
            growing.drop_what_all_have_read();
        }
        self.account.set(growing.held());
        drop(growing);
        self.changed.notify_waiters();
    }

    /// Whether nobody reads it any more, and it is too large to be kept or its end is not waited for any longer.
    pub fn is_abandoned(&self, now: Instant) -> bool {
        let growing = self.growing.lock();
        growing.unread_since.is_some_and(|since| now.saturating_duration_since(since) >= growing.patience())
    }

    /// The reader in the writer's own task reads no more: its client has gone, or wants no body.
    pub fn forget_own_reader(&self) {
        let mut growing = self.growing.lock();
        growing.readers.retain(|_, place| place.pace != Pace::Own);
        growing.note_readers();
        if growing.outgrown {
            growing.drop_what_all_have_read();
        }
    }

    /// From now on the body is a stream: what every reader has read is dropped.
    pub fn outgrow(&self) {
        self.growing.lock().outgrown = true;
    }

    /// Waits until no reader of an outgrown body is too far behind. One that makes no progress is cut off.
    pub async fn wait_for_readers(&self) {
        loop {
            let progress = self.changed.notified();
            tokio::pin!(progress);
            progress.as_mut().enable();
            {
                let growing = self.growing.lock();
                if !growing.readers.values().any(|place| growing.is_late(place)) {
                    return;
                }
            }
            if tokio::time::timeout(STREAM_PATIENCE, progress).await.is_err() {
                let mut growing = self.growing.lock();
                let late: Vec<u64> =
                    growing.readers.iter().filter(|(_, place)| growing.is_late(place)).map(|(n, _)| *n).collect();
                for number in late {
                    growing.readers.remove(&number);
                }
                growing.note_readers();
                drop(growing);
                self.changed.notify_waiters();
            }
        }
    }

    /// The body ended as it should.
    pub fn finish(&self) {
        let mut growing = self.growing.lock();
        if !growing.outgrown {
            let len = growing.len;
            let blocks = into_blocks(&growing.chunks, len);
            growing.chunks.clear();
            growing.ends.clear();
            self.account.set(len);
            let _ = self.complete.set(Complete { blocks, len });
        } else if !growing.failed {
            // Readers go on from the chunks that are left; there is no complete body to keep.
            let _ = self.complete.set(Complete { blocks: Box::default(), len: growing.len });
        }
        drop(growing);
        self.changed.notify_waiters();
    }

    /// The body broke off.
    pub fn fail(&self) {
        if self.complete.get().is_none() {
            self.growing.lock().failed = true;
            self.changed.notify_waiters();
        }
    }

    /// A part of a complete body: from `offset`, at most one block. `None` at the end, or if the body is not complete.
    pub fn block_at(&self, offset: u64) -> Option<Bytes> {
        let complete = self.complete.get()?;
        let block = complete.blocks.get(usize::try_from(offset / BLOCK_BYTES as u64).ok()?)?;
        let within = (offset % BLOCK_BYTES as u64) as usize;
        (within < block.len()).then(|| block.slice(within..))
    }
}

/// Copies the parts into blocks that own exactly their bytes.
fn into_blocks(chunks: &VecDeque<Bytes>, len: u64) -> Box<[Bytes]> {
    let mut blocks = Vec::with_capacity((len as usize).div_ceil(BLOCK_BYTES));
    let mut left = len as usize;
    let mut block = BytesMut::with_capacity(left.min(BLOCK_BYTES));
    for chunk in chunks {
        let mut chunk = &chunk[..];
        while !chunk.is_empty() {
            let take = chunk.len().min(BLOCK_BYTES - block.len());
            block.extend_from_slice(&chunk[..take]);
            chunk = &chunk[take..];
            left -= take;
            if block.len() == BLOCK_BYTES || left == 0 {
                blocks.push(block.split().freeze());
                block = BytesMut::with_capacity(left.min(BLOCK_BYTES));
            }
        }
    }
    blocks.into_boxed_slice()
}

/// A reader's place in a body.
#[derive(Debug)]
pub struct BodyReader {
    body: Arc<Body>,
    pace: Pace,
    offset: u64,
    end: Option<u64>,
    number: Option<u64>,
}

impl BodyReader {
    /// A reader at the beginning; `None` if that is not there any more.
    pub fn new(body: Arc<Body>, pace: Pace) -> Option<Self> {
        let number = {
            let mut growing = body.growing.lock();
            if growing.outgrown {
                return None;
            }
            (!body.is_complete()).then(|| {
                let number = growing.next_reader;
                growing.next_reader += 1;
                growing.readers.insert(number, Place { at: 0, pace });
                growing.note_readers();
                number
            })
        };
        Some(Self { body, pace, offset: 0, end: None, number })
    }

    /// Whether [`BodyReader::seek`] can be used: the body is kept, and how long it is, or will be, is known.
    pub fn can_seek(&self) -> bool {
        match self.body.complete.get() {
            Some(complete) => !complete.blocks.is_empty(),
            None => {
                let growing = self.body.growing.lock();
                growing.announced > 0 && !growing.outgrown
            }
        }
    }

    /// Goes to `start`; reading stops before `end`.
    pub fn seek(&mut self, start: u64, end: Option<u64>) {
        self.offset = start;
        self.end = end;
    }

    /// The next part; `None` at the end.
    ///
    /// # Errors
    /// [`ReadError`] if the body broke off, or the reader was too slow for one that is not kept.
    pub async fn read(&mut self) -> Result<Option<Bytes>, ReadError> {
        loop {
            let body = self.body.clone();
            let changed = body.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            if let Some(outcome) = self.try_read() {
                return outcome;
            }
            changed.await;
        }
    }

    fn try_read(&mut self) -> Option<Result<Option<Bytes>, ReadError>> {
        if self.end.is_some_and(|end| self.offset >= end) {
            return Some(Ok(None));
        }
        if let Some(block) = self.body.block_at(self.offset) {
            return Some(Ok(Some(self.take(block))));
        }
        let body = self.body.clone();
        let mut growing = body.growing.lock();
        if let Some(complete) = body.complete.get()
            && (!growing.outgrown || self.offset >= complete.len)
        {
            // It may have become complete between the look above and the lock.
            return Some(Ok(body.block_at(self.offset).map(|block| self.take(block))));
        }
        if self.number.is_some_and(|number| !growing.readers.contains_key(&number)) || self.offset < growing.start() {
            return Some(Err(ReadError::TooSlow));
        }
        let at = growing.ends.partition_point(|&end| end <= self.offset);
        if let Some(chunk) = growing.chunks.get(at) {
            let begin = growing.ends[at] - chunk.len() as u64;
            let rest = chunk.slice((self.offset - begin) as usize..);
            let rest = match self.pace {
                Pace::Waited => rest,
                Pace::Own | Pace::Refresh => with_what_follows(rest, growing.chunks.range(at + 1..)),
            };
            let rest = self.take(rest);
            if let Some(place) = self.number.and_then(|number| growing.readers.get_mut(&number)) {
                place.at = self.offset;
            }
            if growing.outgrown {
                growing.drop_what_all_have_read();
                drop(growing);
                body.changed.notify_waiters();
            }
            return Some(Ok(Some(rest)));
        }
        growing.failed.then_some(Err(ReadError::FillFailed))
    }

    fn take(&mut self, mut bytes: Bytes) -> Bytes {
        if let Some(end) = self.end {
            bytes.truncate(usize::try_from(end - self.offset).unwrap_or(usize::MAX));
        }
        self.offset += bytes.len() as u64;
        bytes
    }
}

/// A part and as many of the next ones as make up to [`OWN_READ_BYTES`].
fn with_what_follows<'c>(part: Bytes, next: impl Iterator<Item = &'c Bytes> + Clone) -> Bytes {
    let mut len = part.len();
    let fits = move |next: &&Bytes| {
        len += next.len();
        len <= OWN_READ_BYTES
    };
    let next = next.take_while(fits);
    let more = next.clone().map(Bytes::len).sum::<usize>();
    if more == 0 {
        return part;
    }
    let mut all = BytesMut::with_capacity(part.len() + more);
    all.extend_from_slice(&part);
    next.for_each(|next| all.extend_from_slice(next));
    all.freeze()
}

impl Drop for BodyReader {
    fn drop(&mut self) {
        if let Some(number) = self.number {
            let mut growing = self.body.growing.lock();
            growing.readers.remove(&number);
            growing.note_readers();
            drop(growing);
            self.body.changed.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn read_all(reader: &mut BodyReader) -> Result<Vec<u8>, ReadError> {
        let mut all = Vec::new();
        while let Some(part) = reader.read().await? {
            all.extend_from_slice(&part);
        }
        Ok(all)
    }

    fn pattern(len: usize) -> Vec<u8> {
        (0..len).map(|n| (n % 251) as u8).collect()
    }

    #[tokio::test]
    async fn readers_stream_a_growing_body_and_later_ones_read_it_whole() {
        let bytes = pattern(3 * BLOCK_BYTES + 77);
        let body = Arc::new(Body::growing(&Arc::default(), None));
        let mut early = BodyReader::new(body.clone(), Pace::Own).expect("its beginning");
        let mut joined = BodyReader::new(body.clone(), Pace::Waited).expect("its beginning");
        let joiner = tokio::spawn(async move { read_all(&mut joined).await });
        for chunk in bytes.chunks(10_007) {
            body.push(Bytes::copy_from_slice(chunk));
            tokio::task::yield_now().await;
        }
        body.finish();
        assert_eq!(joiner.await.expect("the task ends").as_deref(), Ok(&bytes[..]));
        assert_eq!(read_all(&mut early).await.as_deref(), Ok(&bytes[..]));
        let mut late = BodyReader::new(body.clone(), Pace::Waited).expect("its beginning");
        assert_eq!(read_all(&mut late).await.as_deref(), Ok(&bytes[..]));
        assert!(late.can_seek());
        late.seek(BLOCK_BYTES as u64 - 3, Some(BLOCK_BYTES as u64 + 3));
        assert_eq!(read_all(&mut late).await.as_deref(), Ok(&bytes[BLOCK_BYTES - 3..BLOCK_BYTES + 3]));
    }

    #[tokio::test]
    async fn a_part_is_read_as_soon_as_it_is_there() {
        let body = Arc::new(Body::growing(&Arc::default(), Some(9)));
        let reader = |start, end| {
            let mut reader = BodyReader::new(body.clone(), Pace::Waited).expect("its beginning");
            assert!(reader.can_seek());
            reader.seek(start, Some(end));
            tokio::spawn(async move { read_all(&mut reader).await })
        };
        let (first, across, last) = (reader(1, 3), reader(2, 5), reader(7, 9));
        body.push(Bytes::from_static(b"abcd"));
        assert_eq!(first.await.expect("it ends"), Ok(b"bc".to_vec()));
        body.push(Bytes::from_static(b"efg"));
        assert_eq!(across.await.expect("it ends"), Ok(b"cde".to_vec()));
        body.fail();
        assert_eq!(last.await.expect("it ends"), Err(ReadError::FillFailed));
        let unknown = Arc::new(Body::growing(&Arc::default(), None));
        assert!(!BodyReader::new(unknown, Pace::Waited).expect("its beginning").can_seek());
    }

    #[tokio::test]
    async fn a_failed_body_is_an_error_to_its_readers() {
        let body = Arc::new(Body::growing(&Arc::default(), None));
        let mut reader = BodyReader::new(body.clone(), Pace::Waited).expect("its beginning");
        body.push(Bytes::from_static(b"half"));
        body.fail();
        assert_eq!(reader.read().await, Ok(Some(Bytes::from_static(b"half"))));
        assert_eq!(reader.read().await, Err(ReadError::FillFailed));
    }

    #[tokio::test]
    async fn an_outgrown_body_reaches_its_readers_whole_and_keeps_little() {
        let bytes = pattern(STREAM_WINDOW_BYTES as usize * 3);
        let body = Arc::new(Body::growing(&Arc::default(), None));
        let mut own = BodyReader::new(body.clone(), Pace::Own).expect("its beginning");
        let mut joined = BodyReader::new(body.clone(), Pace::Waited).expect("its beginning");
        let joiner = tokio::spawn(async move { read_all(&mut joined).await });
        let mut read = Vec::new();
        for chunk in bytes.chunks(100_000) {
            body.push(Bytes::copy_from_slice(chunk));
            body.outgrow();
            body.wait_for_readers().await;
            read.extend_from_slice(&own.read().await.expect("the fill goes on").expect("there is more"));
            assert!(body.growing.lock().chunks.len() <= 2 + STREAM_WINDOW_BYTES as usize / 100_000);
        }
        body.finish();
        assert_eq!(own.read().await, Ok(None));
        assert_eq!(read, bytes);
        assert_eq!(joiner.await.expect("the task ends").as_deref(), Ok(&bytes[..]));
    }

    #[tokio::test(start_paused = true)]
    async fn a_reader_that_stands_still_does_not_hold_an_outgrown_body() {
        let body = Arc::new(Body::growing(&Arc::default(), None));
        let mut stuck = BodyReader::new(body.clone(), Pace::Waited).expect("its beginning");
        body.push(Bytes::from(vec![0; STREAM_WINDOW_BYTES as usize + 1]));
        body.outgrow();
        body.wait_for_readers().await;
        assert_eq!(stuck.read().await, Err(ReadError::TooSlow));
    }

    #[tokio::test]
    async fn an_outgrown_body_that_nobody_reads_is_abandoned() {
        let body = Arc::new(Body::growing(&Arc::default(), None));
        let own = BodyReader::new(body.clone(), Pace::Own).expect("its beginning");
        let joined = BodyReader::new(body.clone(), Pace::Waited).expect("its beginning");
        body.push(Bytes::from(vec![0; 1000]));
        body.outgrow();
        assert!(BodyReader::new(body.clone(), Pace::Waited).is_none(), "its beginning may be gone");
        drop(joined);
        // The client of the one in the writer's task has gone: it doesn't read, and is not dropped either.
        while !body.is_abandoned(clock::monotonic()) {
            assert!(body.len() <= OWN_WINDOW_BYTES + (1 << 20));
            body.push(Bytes::from(vec![0; 1 << 20]));
        }
        assert!(body.growing.lock().chunks.is_empty());
        drop(own);
    }

    /// Checks how long a body goes on once `leave` has left it without readers.
    #[track_caller]
    fn check_patience(announced: Option<u64>, pace: Pace, patience: Duration) {
        let body = Arc::new(Body::growing(&Arc::default(), announced));
        let own = BodyReader::new(body.clone(), pace).expect("its beginning");
        let joined = BodyReader::new(body.clone(), Pace::Waited).expect("its beginning");
        let long = Duration::from_secs(1_000_000);
        body.forget_own_reader();
        assert!(!body.is_abandoned(clock::monotonic() + long), "somebody reads");
        let before = clock::monotonic();
        drop(joined);
        let after = clock::monotonic();
        assert!(!body.is_abandoned((before + patience).checked_sub(Duration::from_millis(1)).expect("later")));
        assert!(body.is_abandoned(after + patience), "{announced:?} {pace:?}");
        let again = BodyReader::new(body.clone(), Pace::Waited).expect("its beginning");
        assert!(!body.is_abandoned(clock::monotonic() + long), "somebody reads again");
        drop((own, again));
    }

    #[test]
    fn a_body_goes_on_unread_for_as_long_as_its_end_can_be_waited_for() {
        check_patience(None, Pace::Own, UNREAD_PATIENCE);
        check_patience(None, Pace::Refresh, REFRESH_PATIENCE);
        let slow = Duration::from_secs(16);
        for pace in [Pace::Own, Pace::Refresh] {
            check_patience(Some(1 << 20), pace, KNOWN_PATIENCE + slow);
        }
    }

    #[tokio::test]
    async fn an_outgrown_refresh_is_abandoned_at_once() {
        let body = Arc::new(Body::growing(&Arc::default(), None));
        let _own = BodyReader::new(body.clone(), Pace::Refresh).expect("its beginning");
        body.push(Bytes::from(vec![0; 1000]));
        assert!(!body.is_abandoned(clock::monotonic()));
        body.outgrow();
        assert!(body.is_abandoned(clock::monotonic()));
    }

    #[tokio::test]
    async fn the_reader_in_the_writer_s_task_catches_up() {
        let body = Arc::new(Body::growing(&Arc::default(), None));
        let mut own = BodyReader::new(body.clone(), Pace::Own).expect("its beginning");
        let bytes = pattern(3 * OWN_READ_BYTES);
        for chunk in bytes.chunks(60_000) {
            body.push(Bytes::copy_from_slice(chunk));
        }
        let first = own.read().await.expect("the fill goes on").expect("there is more");
        assert!((OWN_READ_BYTES - 60_000..=OWN_READ_BYTES).contains(&first.len()), "{}", first.len());
        body.finish();
        assert_eq!(read_all(&mut own).await.as_deref(), Ok(&bytes[first.len()..]));
    }
}
