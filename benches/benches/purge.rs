//! What purges cost the core: applying them, the verdict on each of a million entries afterwards, retiring 50,000 rules.

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use edge::core::id::{SiteId, Tag};
use edge::core::log::Position;
use edge::core::purge::{Fence, Hashed, Index, Mark, Mode, SWEEP_AT, Selector, Subject};
use edge::core::reuse::PurgeMark;
use edge::core::time::Timestamp;
use edge::core::url::{Scheme, SiteUrl};
use std::hint::black_box;

/// Entries that are stored.
const ENTRIES: u32 = 1_000_000;
/// URLs of one batch.
const BATCH: u32 = 10_000;
/// Tags of each entry.
const TAGS: u32 = 4;
const HOST: &str = "docs.example.com";
const NOW: Timestamp = Timestamp::from_millis(0);

fn site() -> SiteId {
    SiteId::new("docs").expect("a good name")
}

fn path(number: u32) -> String {
    format!("/guides/deploying/a-page-of-usual-length-{number}.html")
}

fn tag(number: u32) -> Tag {
    Tag::new(&format!("tag-{number}")).expect("a good tag")
}

fn url(number: u32) -> Selector {
    Selector::Url { site: site(), host: HOST.into(), path: path(number), query: None }
}

fn prefix(number: u32) -> Selector {
    Selector::prefix(site(), HOST.into(), format!("/another/{number:012}/")).expect("a good prefix")
}

/// What of an entry purges look at.
struct Stored {
    subject: Subject,
    mark: Mark,
}

fn entries() -> Vec<Stored> {
    let entry = |number: u32| {
        let url = SiteUrl { site: site(), scheme: Scheme::Https, host: HOST.into(), path: path(number), query: None };
        let tags: Vec<Tag> = (0..TAGS).map(|n| tag(number.wrapping_mul(TAGS) + n)).collect();
        Stored { subject: Subject::new(&url, &tags), mark: Mark::new(Fence::ZERO) }
    };
    (0..ENTRIES).map(entry).collect()
}

fn apply_to(index: &mut Index, selectors: &[&Selector]) {
    index.apply(index.applied().log().next(), selectors, Mode::Hard, NOW);
}

/// An index with so many rules for URLs that nobody has stored.
fn index_of(rules: u32) -> Index {
    let mut index = Index::new();
    for number in 0..rules {
        apply_to(&mut index, &[&url(ENTRIES + number)]);
    }
    index
}

fn apply(c: &mut Criterion) {
    let mut group = c.benchmark_group("purge: apply");
    let mut index = index_of(BATCH);
    for (name, selector) in [
        ("a URL", url(ENTRIES)),
        ("a tag", Selector::Tag { site: site(), tag: tag(0) }),
        ("a prefix", prefix(0)),
        ("a host", Selector::Host { site: site(), host: HOST.into() }),
        ("a site", Selector::Site { site: site() }),
        ("everything", Selector::Everything),
    ] {
        group.bench_function(name, |b| b.iter(|| apply_to(&mut index, &[black_box(&selector)])));
    }
    let batch: Vec<Selector> = (0..BATCH).map(url).collect();
    let selectors: Vec<&Selector> = batch.iter().collect();
    group.sample_size(20);
    group.bench_function("10,000 URLs", |b| {
        b.iter_batched_ref(Index::new, |index| apply_to(index, &selectors), BatchSize::PerIteration);
    });
    // For this long whoever asks for a verdict waits.
    let hashed: Vec<_> = batch.iter().map(Hashed::new).collect();
    group.bench_function("10,000 URLs, hashed before", |b| {
        let at = Position::ZERO.next_in(1);
        b.iter_batched_ref(
            Index::new,
            |index| index.apply_hashed(at, &hashed, Mode::Hard, NOW),
            BatchSize::PerIteration,
        );
    });
}

/// The next of all entries at each call, in an order that no cache of the processor foresees.
fn walk<'e>(entries: &'e [Stored]) -> impl FnMut() -> &'e Stored {
    let mut at = 0;
    move || {
        at = (at + 611_953) % entries.len();
        &entries[at]
    }
}

fn verdict(c: &mut Criterion) {
    let entries = entries();
    let mut index = index_of(BATCH);
    let mut group = c.benchmark_group("purge: verdict on one of a million");
    for entry in &entries {
        index.verdict(&entry.subject, &entry.mark);
    }
    let mut next = walk(&entries);
    group.bench_function("nothing purged since", |b| {
        b.iter(|| {
            let entry = next();
            index.verdict(&entry.subject, &entry.mark)
        });
    });
    // Each look is the first after a purge of something else.
    let first_look = |index: &mut Index, entry: &Stored| {
        index.publish(index.applied().log().next());
        index.verdict(&entry.subject, &entry.mark)
    };
    let mut next = walk(&entries);
    group.bench_function("the first look after a purge", |b| b.iter(|| first_look(&mut index, next())));
    apply_to(&mut index, &[&prefix(0)]);
    let mut next = walk(&entries);
    group.bench_function("the first look after a purge, prefixes of one length", |b| {
        b.iter(|| first_look(&mut index, next()));
    });
    group.finish();

    let mut group = c.benchmark_group("purge: sweep");
    group.sample_size(10);
    group.bench_function("verdicts on a million entries, 50,000 rules", |b| {
        // No entry has been looked at since.
        let before = index.applied().log();
        let mut index = index_of(SWEEP_AT as u32);
        index.publish(before);
        b.iter(|| {
            index.publish(index.applied().log().next());
            entries
                .iter()
                .map(|entry| index.verdict(&entry.subject, &entry.mark))
                .filter(|mark| *mark == PurgeMark::Hard)
                .count()
        });
    });
    // For this long whoever asks for a verdict waits.
    group.bench_function("retire 50,000 rules", |b| {
        b.iter_batched_ref(
            || index_of(SWEEP_AT as u32),
            |index| index.retire(index.applied()),
            BatchSize::PerIteration,
        );
    });
}

criterion_group!(purges, apply, verdict);
criterion_main!(purges);
