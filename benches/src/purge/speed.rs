//! How long purges take.

use super::Options;
use super::stand::Stand;
use crate::figures::Series;
use crate::machine;
use anyhow::{Result, ensure};
use edge::wire::purge::{MAX_SELECTORS, Target};
use scenarios::cache_status::Outcome;
use std::time::Duration;

/// Between two purges: what the one before has left to do is done.
const BETWEEN: Duration = Duration::from_millis(5);

/// Purges one after another.
#[derive(Debug, Default)]
pub(super) struct Timed {
    /// For who asked: from the request to the answer that it is proven, in milliseconds.
    pub(super) proven_ms: Series,
    /// The home's word for when the node's receipt was there, in milliseconds since it was asked.
    pub(super) receipt_ms: Series,
    /// In the node: from the record to its being applied, in microseconds.
    pub(super) apply_us: Series,
    /// Processor time of the node's process for each, in microseconds.
    pub(super) cpu_us: f64,
}

async fn timed(stand: &mut Stand, name: &str, purges: Vec<Vec<Target>>) -> Result<Timed> {
    let before = stand.took_us().len();
    let cpu = machine::cpu_time(stand.pid()?)?;
    let (mut found, count) = (Timed::default(), purges.len());
    for targets in purges {
        let (took, reply) = stand.purge(targets).await?;
        found.proven_ms.push(took);
        found.receipt_ms.push(Stand::applied_ms(&reply)?);
        tokio::time::sleep(BETWEEN).await;
    }
    found.cpu_us = machine::cpu_time(stand.pid()?)?.saturating_sub(cpu).as_secs_f64() * 1e6 / count as f64;
    found.apply_us = stand.took_us().into_iter().skip(before).collect();
    ensure!(found.apply_us.values().len() == count, "the node's log does not tell of each purge");
    eprintln!(
        "{name}: applied in {:.1} µs, proven in {:.2} ms (medians of {count})",
        found.apply_us.median(),
        found.proven_ms.median()
    );
    Ok(found)
}

/// Purges of one selector each.
pub(super) async fn single(stand: &mut Stand, count: u32) -> Result<Timed> {
    let purges = (0..count).map(|_| vec![stand.another()]).collect();
    timed(stand, "purges of one selector", purges).await
}

/// Purges of as many URLs as one may have: of objects that are there.
pub(super) async fn batches(stand: &mut Stand, options: &Options) -> Result<Timed> {
    let size = (MAX_SELECTORS as u64).min(options.objects / 2);
    // The first object is never purged, and tells that not too much was.
    let of_batch = |batch: u64| (0..size).map(move |n| 1 + (batch * size + n) % (options.objects - 1));
    ensure!(is_hit(stand, 0).await? && is_hit(stand, 1).await?, "the node has lost an object before it was purged");
    let mut purges: Vec<Vec<Target>> = (0..=u64::from(options.batches))
        .map(|batch| of_batch(batch).map(|object| Target::Url { url: stand.url(object) }).collect())
        .collect();
    let others = purges.split_off(1);
    timed(stand, "the first batch, not counted", purges).await?;
    ensure!(!is_hit(stand, 1).await?, "the node serves what was purged");
    ensure!(is_hit(stand, 0).await?, "the node has lost what was not purged");
    // Where these come faster than the rules before them are retired, the node may hide more than they name.
    timed(stand, "batches", others).await
}

/// Purges of everything.
pub(super) async fn everything(stand: &mut Stand, options: &Options) -> Result<Timed> {
    let purges = (0..options.purges).map(|_| vec![Target::Everything]).collect();
    let found = timed(stand, "purges of everything", purges).await?;
    ensure!(!is_hit(stand, 0).await?, "the node serves what was purged");
    Ok(found)
}

async fn is_hit(stand: &Stand, object: u64) -> Result<bool> {
    let reply = stand.ask(object).await?;
    ensure!(reply.status == 200, "object {object}: {}", reply.status);
    Ok(Outcome::of(reply.header("cache-status")).is_hit())
}
