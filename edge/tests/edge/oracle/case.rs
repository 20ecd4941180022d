//! An exchange and a later request, made of ingredients that matter to caches.

use edge::core::time::{Timestamp, format_http_date};
use http::{HeaderMap, HeaderName, HeaderValue};
use rand::Rng;
use std::time::Duration;

/// When the response is received.
const RECEIVED: u64 = 1_700_000_000;

/// The later request comes within so many seconds.
const LATER_BOUND: u64 = 200;

/// Fields in order.
#[derive(Debug, Clone, Default)]
pub(super) struct Fields(Vec<(&'static str, String)>);

impl Fields {
    pub(super) fn map(&self) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in &self.0 {
            map.append(HeaderName::from_static(name), HeaderValue::from_str(value).expect("a field value"));
        }
        map
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(it, _)| *it == name)
    }

    /// All values of a field, as one.
    pub(super) fn value(&self, name: &str) -> String {
        let values: Vec<&str> = self.0.iter().filter(|(it, _)| *it == name).map(|(_, value)| value.as_str()).collect();
        values.join(", ")
    }

    fn add(&mut self, name: &'static str, value: String) {
        self.0.push((name, value));
    }
}

/// What is compared.
#[derive(Debug, Clone)]
pub(super) struct Case {
    pub(super) request: Fields,
    pub(super) status: u16,
    pub(super) response: Fields,
    pub(super) later_request: Fields,
    later_by: u64,
}

const STATUSES: [u16; 24] = [
    200, 200, 200, 200, 200, 200, 203, 204, 206, 299, 300, 301, 302, 307, 308, 400, 403, 404, 405, 410, 414, 500, 501,
    503,
];

const RESPONSE_DIRECTIVES: [&str; 22] = [
    "no-store",
    "no-cache",
    "private",
    "public",
    "must-revalidate",
    "proxy-revalidate",
    "must-understand",
    "immutable",
    "no-transform",
    "No-Store",
    "PRIVATE",
    "Max-Age=50",
    "private=\"x-a\"",
    "no-cache=\"x-a\"",
    "x-unknown=\"no-store\"",
    "x-list=\"a, no-store, b\"",
    "max-age=\"60\"",
    "max-age=x",
    "max-age=-1",
    "s-maxage=x",
    "max-age=99999999999999999999999",
    "max-age",
];

const REQUEST_DIRECTIVES: [&str; 9] = [
    "no-cache",
    "no-store",
    "max-age=0",
    "max-age=50",
    "min-fresh=30",
    "max-stale",
    "max-stale=20",
    "no-transform",
    "only-if-cached",
];

impl Case {
    pub(super) fn random(rng: &mut impl Rng) -> Self {
        Self {
            request: request(rng),
            status: STATUSES[rng.random_range(0..STATUSES.len())],
            response: response(rng),
            later_request: request(rng),
            later_by: seconds(rng, LATER_BOUND),
        }
    }

    pub(super) fn received(&self) -> Timestamp {
        Timestamp::from_secs(RECEIVED)
    }

    pub(super) fn asked(&self) -> Timestamp {
        self.received().saturating_add(Duration::from_secs(self.later_by))
    }
}

/// Round numbers more often than others, so that bounds are met exactly.
fn seconds(rng: &mut impl Rng, below: u64) -> u64 {
    let any = rng.random_range(0..below);
    if rng.random_ratio(2, 3) { any - any % 10 } else { any }
}

fn one_of(rng: &mut impl Rng, from: &[&str]) -> String {
    from[rng.random_range(0..from.len())].to_owned()
}

fn date(rng: &mut impl Rng, around: i64) -> String {
    let seconds = RECEIVED as i64 + around + rng.random_range(-100..100);
    format_http_date(Timestamp::from_secs(seconds.max(0) as u64))
}

fn request(rng: &mut impl Rng) -> Fields {
    let mut fields = Fields::default();
    if rng.random_ratio(1, 8) {
        fields.add("cache-control", one_of(rng, &REQUEST_DIRECTIVES));
    }
    if rng.random_ratio(1, 20) {
        fields.add("pragma", "no-cache".to_owned());
    }
    if rng.random_ratio(1, 8) {
        fields.add("authorization", "Basic eA==".to_owned());
    }
    if rng.random_ratio(1, 2) {
        fields.add("accept", one_of(rng, &["a", "b"]));
    }
    fields
}

fn response(rng: &mut impl Rng) -> Fields {
    let mut fields = Fields::default();
    let mut directives = Vec::new();
    if rng.random_ratio(1, 2) {
        directives.push(format!("max-age={}", seconds(rng, 250)));
    }
    if rng.random_ratio(1, 5) {
        directives.push(format!("s-maxage={}", seconds(rng, 250)));
    }
    while rng.random_ratio(1, 3) {
        directives.push(one_of(rng, &RESPONSE_DIRECTIVES));
    }
    match directives.as_slice() {
        [] => {}
        [first, rest @ ..] if !rest.is_empty() && rng.random_ratio(1, 6) => {
            fields.add("cache-control", first.clone());
            fields.add("cache-control", rest.join(", "));
        }
        all => fields.add("cache-control", all.join(", ")),
    }
    if rng.random_ratio(1, 3) {
        fields.add("date", date(rng, 0));
    }
    if rng.random_ratio(1, 4) {
        let value = if rng.random_ratio(1, 5) { one_of(rng, &["0", "-1", "soon"]) } else { date(rng, 100) };
        fields.add("expires", value);
    }
    if rng.random_ratio(1, 4) {
        fields.add("last-modified", date(rng, -1_500));
    }
    if rng.random_ratio(1, 5) {
        fields.add("age", one_of(rng, &["0", "10", "100", "x", "5, 7", "99999999999"]));
    }
    if rng.random_ratio(1, 3) {
        fields.add("etag", "\"a\"".to_owned());
    }
    if rng.random_ratio(1, 6) {
        fields.add("vary", one_of(rng, &["accept", "Accept", "*", "x-b, accept", "accept-language"]));
    }
    if rng.random_ratio(1, 12) {
        fields.add("set-cookie", "a=b".to_owned());
    }
    if rng.random_ratio(1, 15) {
        fields.add("pragma", "no-cache".to_owned());
    }
    if rng.random_ratio(1, 15) {
        fields.add("content-range", "bytes 0-4/10".to_owned());
    }
    if rng.random_ratio(1, 15) {
        fields.add("cdn-cache-control", one_of(rng, &["max-age=100", "no-store", "max-age=0", "&&&"]));
    }
    fields
}
