//! Reads URLs in every region, and says which release each answer is of.

use crate::cache_status::Outcome;
use crate::client::{Ask, Reply};
use crate::load::{Pool, Region};
use crate::site::SiteHistory;
use std::sync::Arc;
use tokio::task::JoinSet;

/// Requests of a region that are under way at a time.
const PER_REGION: usize = 16;

/// What a URL should be answered with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Want {
    /// The file of this release.
    Release(String),
    /// 404, by this release.
    Missing(String),
}

/// An answer.
#[derive(Debug, Clone)]
pub(super) struct Read {
    pub(super) region: String,
    pub(super) url: String,
    pub(super) want: Want,
    /// `Err` if there was no complete response.
    pub(super) answer: Result<Answer, String>,
}

#[derive(Debug, Clone)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) outcome: Outcome,
    /// Its age, in seconds.
    pub(super) age: Option<u64>,
    /// The release that the origin named.
    pub(super) release: Option<String>,
    /// The releases that have these bytes at this URL.
    pub(super) bytes_of: Vec<String>,
}

impl Read {
    /// Whether it is what it should be: by status, by bytes, and by what the origin named.
    pub(super) fn is_right(&self) -> bool {
        let Ok(answer) = &self.answer else { return false };
        let named = |release: &String| answer.release.as_ref() == Some(release);
        match &self.want {
            Want::Release(release) => answer.status == 200 && answer.bytes_of.contains(release) && named(release),
            Want::Missing(release) => answer.status == 404 && named(release),
        }
    }

    /// Whether it is an answer of some other release.
    pub(super) fn is_of_another_release(&self) -> bool {
        let (Want::Release(want) | Want::Missing(want)) = &self.want;
        !self.is_right()
            && self.answer.as_ref().is_ok_and(|answer| {
                let named_another = answer.release.as_ref().is_some_and(|release| release != want);
                named_another || (!answer.bytes_of.is_empty() && !answer.bytes_of.contains(want))
            })
    }

    /// In a line, for people.
    pub(super) fn describe(&self) -> String {
        let Self { region, url, answer, .. } = self;
        match answer {
            Err(error) => format!("{region}: {url}: {error}"),
            Ok(answer) => {
                let named = answer.release.as_deref().unwrap_or("none");
                let bytes = if answer.bytes_of.is_empty() { "none".to_owned() } else { answer.bytes_of.join(" and ") };
                let (status, outcome) = (answer.status, answer.outcome);
                format!("{region}: {url}: {status}, {outcome:?}, release {named}, bytes of {bytes}")
            }
        }
    }
}

/// Readers in every region, with connections of their own.
pub(super) struct Readers {
    pools: Vec<(String, Arc<Pool>)>,
    host: String,
    history: Arc<SiteHistory>,
}

impl Readers {
    pub(super) fn new(regions: &[Region], host: &str, history: &Arc<SiteHistory>) -> Self {
        let pool = |region: &Region| (region.name.clone(), Arc::new(Pool::new(region.address, PER_REGION)));
        Self { pools: regions.iter().map(pool).collect(), host: host.to_owned(), history: Arc::clone(history) }
    }

    /// Reads every URL in every region, all regions side by side.
    pub(super) async fn read(&self, urls: &[(String, Want)]) -> Vec<Read> {
        let mut reading = JoinSet::new();
        for (region, pool) in &self.pools {
            for (url, want) in urls {
                let (pool, history, region) = (Arc::clone(pool), Arc::clone(&self.history), region.clone());
                let (ask, url, want) = (Ask::get(&self.host, url), url.clone(), want.clone());
                // The pool lets so many through at a time.
                reading.spawn(async move {
                    let exchange = pool.exchange(&ask).await;
                    let answer = exchange.map(|it| answer(&it.reply, &url, &history)).map_err(|it| it.to_string());
                    Read { region, url, want, answer }
                });
            }
        }
        reading.join_all().await
    }
}

fn answer(reply: &Reply, url: &str, history: &SiteHistory) -> Answer {
    Answer {
        status: reply.status.as_u16(),
        outcome: Outcome::of(reply.header("cache-status")),
        age: reply.header("age").and_then(|age| age.parse().ok()),
        release: reply.header("x-release").map(str::to_owned),
        bytes_of: history.releases_of(url, &reply.body).into_iter().map(str::to_owned).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(want: Want, status: u16, named: &str, bytes_of: &[&str]) -> Read {
        let answer = Answer {
            status,
            outcome: Outcome::Miss,
            age: None,
            release: (!named.is_empty()).then(|| named.to_owned()),
            bytes_of: bytes_of.iter().map(|&name| name.to_owned()).collect(),
        };
        Read { region: "fra".to_owned(), url: "/".to_owned(), want, answer: Ok(answer) }
    }

    #[test]
    fn verdicts() {
        let (there, gone) = (Want::Release("v2".to_owned()), Want::Missing("v2".to_owned()));
        for (read, right, another) in [
            (read(there.clone(), 200, "v2", &["v2"]), true, false),
            (read(there.clone(), 200, "v1", &["v1"]), false, true),
            // Neither may the header lie about the bytes nor the bytes about the header.
            (read(there.clone(), 200, "v2", &["v1"]), false, true),
            (read(there.clone(), 200, "v1", &["v2"]), false, true),
            (read(there.clone(), 200, "v2", &[]), false, false),
            (read(there.clone(), 503, "", &[]), false, false),
            (read(there, 404, "v1", &[]), false, true),
            (read(gone.clone(), 404, "v2", &[]), true, false),
            (read(gone.clone(), 200, "v1", &["v1"]), false, true),
            (read(gone, 404, "v1", &[]), false, true),
        ] {
            assert_eq!((read.is_right(), read.is_of_another_release()), (right, another), "{}", read.describe());
        }
    }
}
