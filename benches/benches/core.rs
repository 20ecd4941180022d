//! What the core costs per request: the key, the verdict of purges, freshness, a parsed Cache-Control.

use criterion::{Criterion, criterion_group, criterion_main};
use edge::core::cache_control::RequestDirectives;
use edge::core::freshness::{Freshness, LifetimePolicy};
use edge::core::id::{SiteId, Tag};
use edge::core::purge::{Index, Mark, Mode, Selector, Subject};
use edge::core::reuse::{ReusePolicy, reuse};
use edge::core::store_rule::ResponseHead;
use edge::core::time::Timestamp;
use edge::core::url::{Scheme, SiteUrl};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use std::hint::black_box;

fn url() -> SiteUrl {
    SiteUrl {
        site: SiteId::new("docs").expect("a good name"),
        scheme: Scheme::Https,
        host: "docs.example.com".into(),
        path: "/guides/deploying/a-page-of-usual-length.html".into(),
        query: Some("lang=en&page=3".into()),
    }
}

fn key(c: &mut Criterion) {
    let url = url();
    c.bench_function("key: BLAKE3 of a URL of 80 bytes", |b| b.iter(|| black_box(&url).cache_key()));
}

fn purge(c: &mut Criterion) {
    let url = url();
    let tags: Vec<Tag> = (0..4).map(|n| Tag::new(&format!("tag-{n}")).expect("a good tag")).collect();
    let subject = Subject::new(&url, &tags);
    let mut index = Index::new();
    for n in 0..10_000 {
        let tag = Tag::new(&format!("other-{n}")).expect("a good tag");
        let selector = Selector::Tag { site: url.site.clone(), tag };
        index.apply(index.applied().log().next(), &[&selector], Mode::Hard, Timestamp::from_millis(0));
    }
    let checked = Mark::new(index.applied());
    c.bench_function("purge: checked since the last one", |b| {
        b.iter(|| black_box(&checked).is_current(index.applied()));
    });
    let fence = edge::core::purge::Fence::ZERO;
    c.bench_function("purge: first look after one, 10,000 rules, 4 tags", |b| {
        b.iter(|| index.verdict(&subject, &Mark::new(black_box(fence))));
    });
}

fn freshness(c: &mut Criterion) {
    let mut headers = HeaderMap::new();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=600, stale-while-revalidate=30"));
    headers.insert(header::DATE, HeaderValue::from_static("Sun, 22 Nov 2026 12:00:00 GMT"));
    let now = Timestamp::from_secs(1_795_348_800);
    let head = ResponseHead::new(StatusCode::OK, &headers);
    let policy = LifetimePolicy::default();
    c.bench_function("freshness: of a response head", |b| {
        b.iter(|| Freshness::of(black_box(head), &policy, now, now));
    });
    let stored = Freshness::of(head, &policy, now, now);
    let site = ReusePolicy::default();
    let mark = edge::core::reuse::PurgeMark::Valid;
    c.bench_function("reuse: the verdict on a stored response", |b| {
        b.iter(|| reuse(&RequestDirectives::NONE, black_box(&stored), mark, now, &site));
    });
}

criterion_group!(core, key, purge, freshness);
criterion_main!(core);
