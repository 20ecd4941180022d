use super::*;
use crate::core::id::{SiteId, Tag};
use crate::core::log::Position;
use crate::core::purge::{Mode, Selector};
use crate::core::time::Timestamp;
use crate::core::url::{Scheme, SiteUrl};
use crate::core::vary::VaryPolicy;
use crate::store::entry::Entry;
use crate::store::memory::MemoryStore;
use crate::store::memory::tests::plan_with;
use crate::store::pingora::{Judge, pingora_key};
use http::HeaderMap;

struct Any;

impl Judge for Any {
    fn usable(&self, _: &Entry) -> bool {
        true
    }
}

fn url(path: &str) -> SiteUrl {
    let site = SiteId::new("docs").expect("a good name");
    SiteUrl { site, scheme: Scheme::Http, host: "www.example".into(), path: path.into(), query: None }
}

/// A request for a path.
fn request(path: &str) -> (Arc<Lookup>, PingoraKey) {
    let url = url(path);
    let subject = Subject::new(&url, &[]);
    let lookup = Arc::new(Lookup::new(url.cache_key(), HeaderMap::new(), VaryPolicy::default(), subject));
    (lookup.clone(), pingora_key(lookup, Arc::new(Any)))
}

fn lock() -> (FetchLock, Arc<PurgeLog>) {
    let purges = Arc::new(PurgeLog::new());
    (FetchLock::new(purges.clone(), Arc::new(MemoryStore::new(1 << 20, 1 << 20))), purges)
}

fn next(purges: &PurgeLog) -> Position {
    purges.applied().log().next()
}

fn purge(purges: &PurgeLog, path: &str) {
    let SiteUrl { site, host, path, query, .. } = url(path);
    purges.apply(next(purges), &[Selector::Url { site, host, path, query }], Mode::Hard, Timestamp::from_millis(0));
}

/// The permit to fetch, for a request that must get it.
#[track_caller]
fn write(lock: &FetchLock, key: &PingoraKey) -> WritePermit {
    match lock.lock(key, false) {
        Locked::Write(permit) => permit,
        Locked::Read(_) => panic!("it has to wait"),
    }
}

#[track_caller]
fn read(lock: &FetchLock, key: &PingoraKey) {
    assert!(matches!(lock.lock(key, false), Locked::Read(_)), "it does not wait");
}

#[test]
fn one_fetches_and_the_others_wait() {
    let (lock, _) = lock();
    let (lookup, key) = request("/a");
    let permit = write(&lock, &key);
    assert!(!lookup.collapsed());
    let (joined, joined_key) = request("/a");
    read(&lock, &joined_key);
    assert!(joined.collapsed());
    let other = write(&lock, &request("/b").1);
    lock.release(&key, permit, LockStatus::Done);
    let next = write(&lock, &request("/a").1);
    lock.release(&key, next, LockStatus::TransientError);
    lock.release(&key, other, LockStatus::Done);
    assert!(lock.held.lock().by_key.is_empty());
}

#[test]
fn who_looked_before_a_fetch_ended_and_comes_to_its_turn_after_looks_again() {
    let (lock, _) = lock();
    let (late, late_key) = request("/a");
    assert!(lock.store.lookup(&late, |_| true).is_none());
    let (first, first_key) = request("/a");
    let permit = write(&lock, &first_key);
    let fill = lock.store.begin(&first, plan_with("/a", &[]));
    lock.release(&first_key, permit, LockStatus::Done);
    match lock.lock(&late_key, false) {
        Locked::Read(over) => assert!(!over.locked(), "there is nothing to wait for"),
        Locked::Write(_) => panic!("it would fetch again"),
    }
    assert!(lock.store.lookup(&late, |_| true).is_some());
    // Looking again once is enough, whatever it finds.
    write(&lock, &late_key);
    drop(fill);
}

#[test]
fn a_fetch_that_a_purge_has_hidden_is_not_joined() {
    let (lock, purges) = lock();
    let (_, key) = request("/a");
    let old = write(&lock, &key);
    purge(&purges, "/b");
    read(&lock, &request("/a").1);
    purge(&purges, "/a");
    let new = write(&lock, &request("/a").1);
    read(&lock, &request("/a").1);
    // The end of the old fetch does not release the new one's lock.
    lock.release(&key, old, LockStatus::Done);
    read(&lock, &request("/a").1);
    lock.release(&key, new, LockStatus::Done);
    let last = write(&lock, &request("/a").1);
    lock.release(&key, last, LockStatus::Done);
}

/// What is stored now tells which tags the fetch will most likely bring.
#[tokio::test]
async fn a_purge_by_a_tag_of_what_is_stored_hides_its_refresh() {
    let (lock, purges) = lock();
    let tag = Tag::new("x").expect("a good tag");
    let store = Arc::new(MemoryStore::new(1 << 20, 1 << 20));
    let entry = store.begin(&request("/a").0, plan_with("/a", std::slice::from_ref(&tag))).entry().clone();
    let refresh = |expected: bool| {
        let (lookup, key) = request("/a");
        lookup.set_found(Some(entry.clone()));
        lookup.set_collapse(Collapse::Refresh);
        let locked = lock.lock(&key, true);
        assert_eq!(matches!(locked, Locked::Write(_)), expected);
        locked
    };
    let first = refresh(true);
    refresh(false);
    purges.apply(next(&purges), &[Selector::Tag { site: url("/a").site, tag }], Mode::Soft, Timestamp::from_millis(0));
    let second = refresh(true);
    for locked in [first, second] {
        let Locked::Write(permit) = locked else { continue };
        lock.release(&request("/a").1, permit, LockStatus::Done);
    }
}

#[test]
fn keys_whose_responses_are_not_stored_are_remembered() {
    let (lock, _) = lock();
    let (lookup, key) = request("/a");
    let permit = write(&lock, &key);
    // An error, or a refusal that concerns one request, says nothing about the next.
    lock.release(&key, permit, LockStatus::GiveUp);
    let permit = write(&lock, &key);
    read(&lock, &request("/a").1);
    lookup.set_refused_for_good();
    lock.release(&key, permit, LockStatus::GiveUp);
    let (first, second) = (write(&lock, &request("/a").1), write(&lock, &request("/a").1));
    let other = write(&lock, &request("/b").1);
    read(&lock, &request("/b").1);
    lock.release(&key, first, LockStatus::GiveUp);
    // One that is stored after all brings the waiting back.
    lock.release(&key, second, LockStatus::Done);
    let third = write(&lock, &request("/a").1);
    read(&lock, &request("/a").1);
    for permit in [third, other] {
        lock.release(&key, permit, LockStatus::Done);
    }
}

#[test]
fn refreshes_run_one_at_a_time_and_validations_side_by_side() {
    let (lock, _) = lock();
    let (lookup, key) = request("/a");
    lookup.set_refused_for_good();
    let permit = write(&lock, &key);
    lock.release(&key, permit, LockStatus::GiveUp);
    let with = |collapse| {
        let (lookup, key) = request("/a");
        lookup.set_collapse(collapse);
        lock.lock(&key, true)
    };
    let Locked::Write(refresh) = with(Collapse::Refresh) else { panic!("the first one fetches") };
    assert!(matches!(with(Collapse::Refresh), Locked::Read(_)));
    for _ in 0..2 {
        let Locked::Write(alone) = with(Collapse::Alone) else { panic!("it waits for nobody") };
        lock.release(&key, alone, LockStatus::Done);
    }
    assert!(matches!(with(Collapse::Refresh), Locked::Read(_)), "the others' end is not the refresh's");
    lock.release(&key, refresh, LockStatus::Done);
}

#[test]
fn a_request_that_came_back_does_not_wait_for_itself() {
    let (lock, _) = lock();
    let (_, key) = request("/a");
    let permit = write(&lock, &key);
    let (lookup, back) = request("/a");
    lookup.set_waits_for_nobody();
    for collapse in [Collapse::Join, Collapse::Refresh] {
        lookup.set_collapse(collapse);
        let own = write(&lock, &back);
        lock.release(&back, own, LockStatus::Done);
    }
    read(&lock, &request("/a").1);
    lock.release(&key, permit, LockStatus::Done);
}

#[test]
fn a_lock_that_nobody_will_release_is_taken_over() {
    let (lock, _) = lock();
    let (_, key) = request("/a");
    drop(write(&lock, &key));
    let permit = write(&lock, &key);
    read(&lock, &request("/a").1);
    lock.release(&key, permit, LockStatus::Done);
}

#[test]
fn places_of_lost_locks_are_found_in_time() {
    let (lock, _) = lock();
    let kept = write(&lock, &request("/kept").1);
    for n in 0..2 * TIDY_AFTER {
        drop(write(&lock, &request(&format!("/{n}")).1));
    }
    assert!(lock.held.lock().by_key.len() as u64 <= TIDY_AFTER);
    read(&lock, &request("/kept").1);
    lock.release(&request("/kept").1, kept, LockStatus::Done);
}

#[test]
fn a_refresh_does_not_wait_for_itself() {
    let (lock, _) = lock();
    let (_, key) = request("/a");
    let Locked::Write(given) = lock.lock(&key, true) else { panic!("the first one fetches") };
    let (lookup, refresh) = request("/a");
    lookup.set_refresh();
    // What it was to refresh is gone: it comes as a miss.
    let own = write(&lock, &refresh);
    lock.release(&refresh, given, LockStatus::TransientError);
    read(&lock, &request("/a").1);
    lock.release(&refresh, own, LockStatus::Done);
}
