//! Pingora's `Storage` over the memory store.

use super::body::{BodyReader, Pace};
use super::entry::Entry;
use super::lock::lookup_of;
use super::lookup::{Collapse, Lookup};
use super::memory::{Fill, Found, MemoryStore};
use crate::core::range::content_range;
use async_trait::async_trait;
use bytes::Bytes;
use http::{StatusCode, header};
use pingora::cache::CacheMeta;
use pingora::cache::key::{CacheHashKey, CacheKey as PingoraKey};
use pingora::cache::storage::{
    HandleHit, HandleMiss, HitHandler, MissFinishType, MissHandler, PurgeOutcome, PurgeTarget, PurgeType, Storage,
};
use pingora::cache::trace::SpanHandle;
use pingora::http::ResponseHeader;
use pingora::{Error, ErrorType, Result};
use std::any::Any;
use std::sync::Arc;
use std::time::Duration;

/// Pingora asks its own metadata whether stale content may be served. It always may by that metadata: the core decides,
/// in the proxy's hooks.
const CORE_DECIDES: u32 = u32::MAX;

/// Says whether a complete entry answers a request as it is (fresh, or stale while it is revalidated). A lookup then
/// takes it before a fill in flight.
pub trait Judge: Send + Sync + 'static {
    /// Whether `entry` is of use without a fetch.
    fn usable(&self, entry: &Entry) -> bool;
}

/// Pingora's view of the store.
pub struct PingoraStorage {
    store: Arc<MemoryStore>,
}

impl std::fmt::Debug for PingoraStorage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PingoraStorage").finish_non_exhaustive()
    }
}

impl PingoraStorage {
    /// Over this store.
    pub fn new(store: Arc<MemoryStore>) -> Self {
        Self { store }
    }
}

fn no_lookup() -> Box<Error> {
    Error::explain(ErrorType::InternalError, "a cache key without its lookup")
}

/// Pingora's metadata of an entry. Its times are not used for decisions. The length of a complete body is known, even
/// if it came in chunks.
fn meta_of(entry: &Entry) -> Result<CacheMeta> {
    let mut meta = meta(entry.status, &entry.head, &entry.freshness)?;
    if let Some(part) = &entry.part {
        // As it is stored; which bytes of it a request gets is decided when it is answered.
        let header = meta.response_header_mut();
        header.insert_header(header::CONTENT_LENGTH, part.range().end - part.range().start)?;
        header.insert_header(header::CONTENT_RANGE, content_range(part.range(), part.total()))?;
        return Ok(meta);
    }
    let has_body = !matches!(entry.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    if has_body && entry.body.is_complete() && !entry.head.contains_key(header::CONTENT_LENGTH) {
        meta.response_header_mut().insert_header(header::CONTENT_LENGTH, entry.body.len())?;
    }
    Ok(meta)
}

/// Pingora's metadata of a response head.
///
/// # Errors
/// If Pingora does not take the head.
pub fn meta(
    status: StatusCode,
    head: &http::HeaderMap,
    freshness: &crate::core::freshness::Freshness,
) -> Result<CacheMeta> {
    let mut header = ResponseHeader::build_no_case(status, Some(head.len() + 4))?;
    for (name, value) in head {
        header.append_header(name, value)?;
    }
    let created = freshness.response_time.to_system_time();
    let fresh_until = freshness.expires_at().to_system_time();
    Ok(CacheMeta::new(fresh_until, created, CORE_DECIDES, CORE_DECIDES, header))
}

/// A reader of an entry; `None` if its body has just turned out to be too large to be kept.
fn hit(entry: &Arc<Entry>, pace: Pace) -> Result<Option<(CacheMeta, HitHandler)>> {
    let Some(reader) = BodyReader::new(entry.body.clone(), pace) else { return Ok(None) };
    Ok(Some((meta_of(entry)?, Box::new(Hit { entry: entry.clone(), reader }))))
}

#[async_trait]
impl Storage for PingoraStorage {
    async fn lookup(&'static self, key: &PingoraKey, _: &SpanHandle) -> Result<Option<(CacheMeta, HitHandler)>> {
        let lookup = lookup_of(key).ok_or_else(no_lookup)?;
        let judge = key.extensions.get::<Arc<dyn Judge>>();
        lookup.set_collapse(Collapse::Join);
        let found = self.store.lookup(lookup, |entry| judge.is_none_or(|judge| judge.usable(entry)));
        let Some(found) = found else { return Ok(None) };
        let hit = hit(found.entry(), Pace::Waited)?;
        match (&found, &hit) {
            (_, None) => lookup.set_found(None),
            // It is answered with what another request is fetching just now.
            (Found::Filling(_), Some(_)) => lookup.set_collapsed(),
            (Found::Complete(_), Some(_)) => {}
        }
        Ok(hit)
    }

    async fn lookup_streaming_write(
        &'static self,
        key: &PingoraKey,
        _: Option<&[u8]>,
        _: &SpanHandle,
    ) -> Result<Option<(CacheMeta, HitHandler)>> {
        let lookup = lookup_of(key).ok_or_else(no_lookup)?;
        let pace = if lookup.is_refresh() { Pace::Refresh } else { Pace::Own };
        lookup.own_fill().map_or(Ok(None), |entry| hit(&entry, pace))
    }

    async fn get_miss_handler(&'static self, key: &PingoraKey, _: &CacheMeta, _: &SpanHandle) -> Result<MissHandler> {
        let lookup = lookup_of(key).ok_or_else(no_lookup)?;
        let plan = lookup.take_plan().ok_or_else(no_lookup)?;
        let fill = self.store.begin(lookup, plan);
        lookup.set_own_fill(fill.entry().clone());
        Ok(Box::new(Miss { fill }))
    }

    async fn purge(&'static self, _: PurgeTarget<'_>, _: PurgeType, _: &SpanHandle) -> Result<PurgeOutcome> {
        // Purges are rules in an index (see `core::purge`); moka evicts on its own.
        Ok(PurgeOutcome::NotFound)
    }

    async fn update_meta(&'static self, key: &PingoraKey, _: &CacheMeta, _: &SpanHandle) -> Result<bool> {
        let lookup = lookup_of(key).ok_or_else(no_lookup)?;
        let (Some(old), Some(plan)) = (lookup.found(), lookup.take_plan()) else { return Ok(false) };
        lookup.set_served(self.store.freshen(&old, lookup.fence(), plan));
        Ok(true)
    }

    fn support_streaming_partial_write(&self) -> bool {
        true
    }

    fn as_any(&self) -> &(dyn Any + Send + Sync + 'static) {
        self
    }
}

/// Reads a stored response.
pub struct Hit {
    /// The response.
    pub entry: Arc<Entry>,
    reader: BodyReader,
}

#[async_trait]
impl HandleHit for Hit {
    async fn read_body(&mut self) -> Result<Option<Bytes>> {
        self.reader.read().await.map_err(|error| Error::explain(ErrorType::ReadError, error.to_string()))
    }

    async fn finish(self: Box<Self>, _: &'static (dyn Storage + Sync), _: &PingoraKey, _: &SpanHandle) -> Result<()> {
        Ok(())
    }

    fn can_seek(&self) -> bool {
        self.reader.can_seek()
    }

    fn seek(&mut self, start: usize, end: Option<usize>) -> Result<()> {
        self.reader.seek(start as u64, end.map(|end| end as u64));
        Ok(())
    }

    fn as_any(&self) -> &(dyn Any + Send + Sync) {
        self
    }

    fn as_any_mut(&mut self) -> &mut (dyn Any + Send + Sync) {
        self
    }
}

struct Miss {
    fill: Fill,
}

#[async_trait]
impl HandleMiss for Miss {
    async fn write_body(&mut self, data: Bytes, _eof: bool) -> Result<()> {
        // The end comes with `finish`: `eof` may never be set.
        self.fill.push(data).await;
        Ok(())
    }

    async fn finish(self: Box<Self>) -> Result<MissFinishType> {
        match self.fill.finish() {
            Ok(bytes) => Ok(MissFinishType::Created(usize::try_from(bytes).unwrap_or(usize::MAX))),
            Err(error) => {
                let mut error = Error::explain(ErrorType::ConnectionClosed, error.to_string());
                error.as_up();
                Err(error)
            }
        }
    }
}

/// The request's dealings with the store, as a Pingora cache key carries them.
pub fn pingora_key(lookup: Arc<Lookup>, judge: Arc<dyn Judge>) -> PingoraKey {
    let mut key = PingoraKey::new(Vec::new(), String::new());
    key.set_primary_bin_override(lookup.primary.bytes());
    key.extensions.insert(lookup);
    key.extensions.insert(judge);
    debug_assert!(key.variance_bin().is_none(), "the store resolves Vary itself");
    key
}

/// A patience with other fetches: how long a request waits for them in all, and how many it may wait for.
pub const WAIT_TIMEOUT: Duration = Duration::from_secs(60);

/// With Vary a request may wait for the fetch of the URL, then for that of its variant; each purge in between adds one.
pub const MAX_WAITS: usize = 8;
