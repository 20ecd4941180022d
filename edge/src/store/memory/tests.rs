use super::*;
use crate::core::freshness::{Freshness, LifetimePolicy};
use crate::core::id::{SiteId, Tag};
use crate::core::log::Position;
use crate::core::purge::Subject;
use crate::core::store_rule::ResponseHead;
use crate::core::time::Timestamp;
use crate::core::url::{Scheme, SiteUrl};
use crate::core::vary::{AcceptLanguage, VaryPolicy, VaryRule};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use std::sync::Weak;

const MIB: u64 = 1 << 20;

fn store(capacity_bytes: u64, max_object_bytes: u64) -> Arc<MemoryStore> {
    Arc::new(MemoryStore::new(capacity_bytes, max_object_bytes))
}

fn url(path: &str) -> SiteUrl {
    SiteUrl {
        site: SiteId::new("docs").expect("a good name"),
        scheme: Scheme::Http,
        host: "www.example".to_owned(),
        path: path.to_owned(),
        query: None,
    }
}

/// When so many purges were applied.
fn fence_at(seq: u64) -> Fence {
    Fence::new(Position::new(1, seq), Position::ZERO)
}

/// A request for a path, in a language, whose upstream request was sent when so many purges were applied.
fn lookup(path: &str, language: &'static str, fence: u64) -> Lookup {
    let mut request = HeaderMap::new();
    request.insert(header::ACCEPT_LANGUAGE, HeaderValue::from_static(language));
    let url = url(path);
    let lookup = Lookup::new(url.cache_key(), request, VaryPolicy::default(), Subject::new(&url, &[]));
    lookup.set_fence(fence_at(fence));
    lookup
}

/// A response with tags.
pub(in crate::store) fn plan_with(path: &str, tags: &[Tag]) -> Plan {
    Plan { subject: Subject::new(&url(path), tags), ..plan(path, None) }
}

/// A response that is fresh for an hour.
fn plan(path: &str, vary: Option<&'static str>) -> Plan {
    let mut head = HeaderMap::new();
    head.insert(header::CACHE_CONTROL, HeaderValue::from_static("max-age=3600"));
    if let Some(vary) = vary {
        head.insert(header::VARY, HeaderValue::from_static(vary));
    }
    let now = Timestamp::from_millis(1_000_000);
    let status = StatusCode::OK;
    Plan {
        status,
        freshness: Freshness::of(ResponseHead::new(status, &head), &LifetimePolicy::default(), now, now),
        subject: Subject::new(&url(path), &[]),
        vary: VaryRule::from_response(&head).expect("a good Vary"),
        part: None,
        head,
        content_length: None,
        authorized: false,
    }
}

/// Fills a place with a body, to its end.
async fn fill(store: &Arc<MemoryStore>, lookup: &Lookup, plan: Plan, body: &[u8]) -> Arc<Entry> {
    let mut fill = store.begin(lookup, plan);
    for part in body.chunks(64 << 10) {
        fill.push(Bytes::copy_from_slice(part)).await;
    }
    let entry = fill.entry().clone();
    fill.finish().expect("the right length");
    entry
}

async fn fill_path(store: &Arc<MemoryStore>, path: &str, fence: u64, body: &[u8]) -> Arc<Entry> {
    fill(store, &lookup(path, "en", fence), plan(path, None), body).await
}

/// The body that a request finds complete.
fn stored(store: &Arc<MemoryStore>, lookup: &Lookup) -> Option<Vec<u8>> {
    match store.lookup(lookup, |_| true) {
        Some(Found::Complete(entry)) => entry.body.block_at(0).map(|block| block.to_vec()).or(Some(Vec::new())),
        Some(Found::Filling(_)) | None => None,
    }
}

fn stored_path(store: &Arc<MemoryStore>, path: &str) -> Option<String> {
    stored(store, &lookup(path, "en", 0)).map(|body| String::from_utf8(body).expect("text"))
}

#[tokio::test]
async fn bytes_are_accounted_for() {
    let store = store(64 * MIB, 16 * MIB);
    let mut want = 0;
    for n in 0..20u64 {
        let entry = fill_path(&store, &format!("/{n}"), 0, &vec![b'x'; (n * 10_000) as usize]).await;
        assert!(entry.bytes() >= n * 10_000 + super::super::entry::OVERHEAD_BYTES);
        want += entry.bytes().next_multiple_of(UNIT_BYTES);
        let stats = store.stats();
        assert_eq!((stats.objects, stats.bytes, stats.evicted), (n + 1, want, 0));
    }
    // A response that takes another one's place takes its bytes, too.
    let before = want;
    let entry = fill_path(&store, "/19", 0, b"short").await;
    assert!(store.stats().bytes < before - 19 * 10_000 + entry.bytes() + UNIT_BYTES);
    assert_eq!((store.stats().objects, store.stats().capacity_bytes), (20, 64 * MIB));
}

/// Large objects come faster than moka looks after itself, and what it evicts is freed a little later. What is alive never
/// exceeds the capacity by more than [`MemoryStore::has_room`] says, and most of what comes is stored.
#[tokio::test]
async fn a_burst_of_large_objects_stays_within_bounds() {
    const CAPACITY: u64 = 64 * MIB;
    const LARGEST: u64 = 8 * MIB;
    const BOUND: u64 = CAPACITY + CAPACITY / 4;
    let store = store(CAPACITY, LARGEST);
    let mut refused = 0;
    let mut bodies: Vec<Weak<Body>> = Vec::new();
    let mut most = 0;
    for n in 0..400u64 {
        let size = (n % 8 + 1) * MIB;
        if !store.has_room(Some(size)) {
            refused += 1;
            continue;
        }
        let entry = fill_path(&store, &format!("/{n}"), 0, &vec![b'x'; size as usize]).await;
        bodies.push(Arc::downgrade(&entry.body));
        drop(entry);
        let alive: u64 = bodies.iter().filter_map(Weak::upgrade).map(|body| body.len()).sum();
        most = most.max(alive);
        assert!(alive <= BOUND, "{} MiB after {n} objects", alive / MIB);
    }
    let stats = store.stats();
    assert!(stats.bytes <= CAPACITY && stats.objects > 0, "{stats:?}");
    assert_eq!(stats.evicted, 400 - refused - stats.objects);
    assert_eq!(refused, 0, "what is evicted makes room at once");
    assert!(most > CAPACITY / 2, "the store is used: {} MiB", most / MIB);
}

#[tokio::test]
async fn many_small_objects_stay_within_bounds() {
    const CAPACITY: u64 = 4 * MIB;
    let store = store(CAPACITY, MIB);
    let mut bodies: Vec<Weak<Body>> = Vec::new();
    for n in 0..20_000u64 {
        let entry = fill_path(&store, &format!("/{n}"), 0, &[b'x'; 1000]).await;
        bodies.push(Arc::downgrade(&entry.body));
        if n % 1000 == 999 {
            drop(entry);
            let alive = bodies.iter().filter(|body| body.strong_count() > 0).count() as u64;
            assert!(alive * 1000 <= CAPACITY, "{alive} objects after {n}");
        }
    }
}

#[tokio::test]
async fn an_older_fill_never_takes_the_place_of_a_newer_one() {
    let store = store(64 * MIB, MIB);
    // The newer one is stored first.
    let old = store.begin(&lookup("/a", "en", 1), plan("/a", None));
    fill_path(&store, "/a", 2, b"new").await;
    assert!(old.finish().is_ok());
    assert_eq!(stored_path(&store, "/a").as_deref(), Some("new"));
    // Both are in flight.
    let mut newer = store.begin(&lookup("/b", "en", 2), plan("/b", None));
    let mut older = store.begin(&lookup("/b", "en", 1), plan("/b", None));
    newer.push(Bytes::from_static(b"new")).await;
    older.push(Bytes::from_static(b"old")).await;
    let found = store.lookup(&lookup("/b", "en", 0), |_| true).expect("one of them");
    assert!(Arc::ptr_eq(found.entry(), newer.entry()), "requests join the newer one");
    drop(older);
    assert_eq!(store.stats().fills_in_flight, 1);
    assert!(newer.finish().is_ok());
    assert_eq!(stored_path(&store, "/b").as_deref(), Some("new"));
    // A newer one does take the place of an older one, and so does one of the same age.
    fill_path(&store, "/b", 3, b"newest").await;
    fill_path(&store, "/b", 3, b"again").await;
    assert_eq!(stored_path(&store, "/b").as_deref(), Some("again"));
}

#[tokio::test]
async fn a_failed_fill_leaves_nothing() {
    let store = store(64 * MIB, MIB);
    let mut dropped = store.begin(&lookup("/a", "en", 0), plan("/a", None));
    dropped.push(Bytes::from_static(b"half")).await;
    let entry = dropped.entry().clone();
    let mut reader = super::super::body::BodyReader::new(entry.body.clone(), super::super::body::Pace::Waited)
        .expect("its beginning");
    drop(dropped);
    assert_eq!(reader.read().await, Ok(Some(Bytes::from_static(b"half"))));
    reader.read().await.expect_err("it failed");
    for body in ["short", "much too long"] {
        let announced = Plan { content_length: Some(8), ..plan("/a", None) };
        let mut fill = store.begin(&lookup("/a", "en", 0), announced);
        fill.push(Bytes::copy_from_slice(body.as_bytes())).await;
        assert_eq!(fill.finish(), Err(WrongLength { announced: 8, received: body.len() as u64 }));
    }
    assert!(store.lookup(&lookup("/a", "en", 0), |_| true).is_none());
    let stats = store.stats();
    assert_eq!((stats.objects, stats.bytes, stats.fills_in_flight, stats.fills_failed), (0, 0, 0, 3));
}

#[tokio::test]
async fn a_failed_fill_leaves_what_was_there() {
    let store = store(64 * MIB, MIB);
    fill_path(&store, "/a", 1, b"good").await;
    drop(store.begin(&lookup("/a", "en", 2), plan("/a", None)));
    assert_eq!(stored_path(&store, "/a").as_deref(), Some("good"));
}

#[tokio::test]
async fn what_is_of_no_use_gives_way_to_a_fill_in_flight() {
    let store = store(64 * MIB, MIB);
    fill_path(&store, "/a", 1, b"stale").await;
    let request = lookup("/a", "en", 0);
    let fill = store.begin(&lookup("/a", "en", 2), plan("/a", None));
    assert!(matches!(store.lookup(&request, |_| true), Some(Found::Complete(_))));
    assert!(matches!(store.lookup(&request, |_| false), Some(Found::Filling(_))));
    drop(fill);
    assert!(matches!(store.lookup(&request, |_| false), Some(Found::Complete(_))));
}

#[tokio::test]
async fn variants_have_places_of_their_own() {
    let store = store(64 * MIB, MIB);
    let vary = Some("Accept-Language");
    let (en, de, fr) = (lookup("/a", "en", 1), lookup("/a", "de", 1), lookup("/a", "fr", 1));
    fill(&store, &en, plan("/a", vary), b"hello").await;
    assert_eq!(stored(&store, &de), None);
    fill(&store, &de, plan("/a", vary), b"hallo").await;
    assert_eq!(stored(&store, &en).as_deref(), Some(&b"hello"[..]));
    assert_eq!(stored(&store, &de).as_deref(), Some(&b"hallo"[..]));
    assert_eq!(stored(&store, &fr), None);
    assert!(![fr.primary, en.key(), de.key()].contains(&fr.key()), "a fetch that follows is for the variant");
    // While a variant arrives, others don't join it.
    let fill_of_fr = store.begin(&fr, plan("/a", vary));
    assert!(matches!(store.lookup(&fr, |_| true), Some(Found::Filling(_))));
    assert!(store.lookup(&lookup("/a", "it", 1), |_| true).is_none());
    drop(fill_of_fr);
    // Responses that vary no longer answer everybody.
    fill(&store, &fr, plan("/a", None), b"one for all").await;
    for request in [&en, &de, &fr] {
        assert_eq!(stored(&store, request).as_deref(), Some(&b"one for all"[..]));
    }
}

#[tokio::test]
async fn responses_of_one_url_may_vary_in_several_ways() {
    let store = store(64 * MIB, MIB);
    let in_language = |language: &'static str, accept: &'static str| {
        let mut lookup = lookup("/a", language, 1);
        lookup.request.insert(header::ACCEPT, HeaderValue::from_static(accept));
        lookup
    };
    let (en, de, fr) = (in_language("en", "x"), in_language("de", "x"), in_language("fr", "x"));
    fill(&store, &en, plan("/a", Some("Accept-Language")), b"hello").await;
    fill(&store, &de, plan("/a", Some("Accept-Language, Accept")), b"hallo").await;
    assert_eq!(stored(&store, &en).as_deref(), Some(&b"hello"[..]));
    assert_eq!(stored(&store, &in_language("en", "y")).as_deref(), Some(&b"hello"[..]));
    assert_eq!(stored(&store, &de).as_deref(), Some(&b"hallo"[..]));
    assert_eq!(stored(&store, &in_language("de", "y")), None);
    // Of two that match, the newer one counts; of equally old ones any will do.
    let newer = Plan {
        freshness: Freshness { response_time: Timestamp::from_millis(2_000_000), ..plan("/a", None).freshness },
        ..plan("/a", Some("Accept-Language, Accept"))
    };
    fill(&store, &en, newer, b"howdy").await;
    assert_eq!(stored(&store, &en).as_deref(), Some(&b"howdy"[..]));
    assert_eq!(stored(&store, &in_language("en", "y")).as_deref(), Some(&b"hello"[..]));
    // Only so many ways are remembered.
    for vary in ["a", "b", "c", "d"] {
        fill(&store, &fr, plan("/a", Some(vary)), b"salut").await;
    }
    let places = [&en, &de].map(|lookup| stored(&store, lookup).map(|body| body.to_vec()));
    assert_eq!(places, [Some(b"salut".to_vec()), Some(b"salut".to_vec())], "those vary by what none of them sends");
}

#[tokio::test]
async fn variants_do_not_come_back_with_a_marker_that_was_lost() {
    let store = store(64 * MIB, MIB);
    let vary = Some("Accept-Language");
    let (en, de) = (lookup("/a", "en", 1), lookup("/a", "de", 1));
    fill(&store, &en, plan("/a", vary), b"hello").await;
    store.complete.invalidate(&en.primary);
    assert!(!store.holds(&en.primary));
    fill(&store, &de, plan("/a", vary), b"hallo").await;
    assert!(store.holds(&en.primary));
    assert_eq!(stored(&store, &en), None);
    assert_eq!(stored(&store, &de).as_deref(), Some(&b"hallo"[..]));
}

#[tokio::test]
async fn an_older_fill_does_not_change_by_what_a_url_varies() {
    let store = store(64 * MIB, MIB);
    let (old, new) = (lookup("/a", "en", 1), lookup("/a", "en", 2));
    let vary = Some("Accept-Language");
    fill(&store, &new, plan("/a", None), b"new").await;
    drop(store.begin(&old, plan("/a", vary)));
    assert_eq!(stored(&store, &new).as_deref(), Some(&b"new"[..]));
    fill(&store, &new, plan("/b", vary), b"new").await;
    fill(&store, &old, plan("/b", None), b"old").await;
    assert_eq!(stored(&store, &new).as_deref(), Some(&b"new"[..]));
}

#[tokio::test]
async fn freshening_replaces_the_very_entry_and_no_other() {
    let store = store(64 * MIB, MIB);
    let old = fill_path(&store, "/a", 1, b"body").await;
    let newer_head = || {
        let mut plan = plan("/a", None);
        plan.head.insert(header::ETAG, HeaderValue::from_static("\"2\""));
        plan
    };
    let fresh = store.freshen(&old, lookup("/a", "en", 2).fence(), newer_head());
    assert!(Arc::ptr_eq(&fresh.body, &old.body), "the body is shared");
    assert_eq!(fresh.fence, fence_at(2));
    let found = store.lookup(&lookup("/a", "en", 0), |_| true).expect("it is there");
    assert!(Arc::ptr_eq(found.entry(), &fresh));
    assert_eq!(store.stats().objects, 1);
    // By now the old entry is not there any more.
    store.freshen(&old, lookup("/a", "en", 3).fence(), newer_head());
    let found = store.lookup(&lookup("/a", "en", 0), |_| true).expect("it is there");
    assert!(Arc::ptr_eq(found.entry(), &fresh));
    // And what has left the store does not come back.
    store.complete.invalidate(&fresh.key);
    store.freshen(&fresh, lookup("/a", "en", 3).fence(), newer_head());
    assert!(store.lookup(&lookup("/a", "en", 0), |_| true).is_none());
}

#[tokio::test]
async fn forgetting_drops_the_very_entry_and_no_other() {
    let store = store(64 * MIB, MIB);
    let old = fill_path(&store, "/a", 1, b"old").await;
    let new = fill_path(&store, "/a", 1, b"new").await;
    store.forget(&old);
    assert_eq!(stored_path(&store, "/a").as_deref(), Some("new"));
    store.forget(&new);
    assert_eq!(stored_path(&store, "/a"), None);
    let stats = store.stats();
    assert_eq!((stats.objects, stats.bytes, stats.evicted), (0, 0, 0));
}

#[tokio::test]
async fn what_is_too_large_is_not_kept() {
    let store = store(64 * MIB, MIB);
    let request = lookup("/a", "en", 0);
    let mut fill = store.begin(&request, plan("/a", None));
    fill.push(Bytes::from(vec![0; MIB as usize])).await;
    assert!(store.lookup(&request, |_| true).is_some());
    fill.push(Bytes::from_static(b"x")).await;
    assert!(store.lookup(&request, |_| true).is_none(), "nobody joins it from now on");
    assert_eq!(fill.finish(), Ok(MIB + 1));
    assert!(store.lookup(&request, |_| true).is_none());
    let stats = store.stats();
    assert_eq!((stats.objects, stats.fills_in_flight, stats.fills_failed), (0, 0, 0));
}

/// A request for languages, which are compared in one form.
fn wanting(languages: &'static str) -> Lookup {
    let mut lookup = lookup("/a", languages, 1);
    lookup.vary_policy.accept_language = AcceptLanguage::Normalised;
    lookup
}

/// What a site's origin sends to who asks for these languages.
fn in_language(language: &'static str) -> Plan {
    let mut plan = plan("/a", Some("Accept-Language"));
    plan.head.insert(header::CONTENT_LANGUAGE, HeaderValue::from_static(language));
    plan
}

#[tokio::test]
async fn only_who_wants_a_language_most_has_its_response_found_by_it() {
    for (asked, language, will_do) in [
        ("de, en;q=0.5", "de", true),
        ("en, de;q=0.5", "de", false),
        ("de, en", "de", true),
        ("en, fr", "de", false),
        ("de, en;q=1.5", "de", false),
        ("de, en;q=0.5, x--y;q=0.1", "de", false),
        ("de, *-x;q=0.1", "de", false),
        ("de, waytoolong;q=0.1", "de", false),
        ("*, de;q=0.5", "de", false),
    ] {
        let store = store(64 * MIB, MIB);
        fill(&store, &wanting(asked), in_language(language), b"hallo").await;
        assert_eq!(stored(&store, &wanting("de")).is_some(), will_do, "{asked}");
    }
}
