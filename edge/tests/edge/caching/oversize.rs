//! Responses that are too large to be kept.

use crate::stage::{Exchange, Gate, Script, Stage, eventually, outcome, pattern, replies};
use scenarios::cache_status::Outcome;

const SMALL_STORE: &str = "[store]\nmemory = \"64MiB\"\nmax_object = \"1MiB\"";

#[tokio::test]
async fn they_are_delivered_whole_and_not_stored() {
    let body = pattern((3 << 20) + 5);
    for script in [Script::cached(body.clone()), Script::cached(body.clone()).chunked()] {
        let stage = Stage::with(SMALL_STORE).await;
        stage.origin.on("/a", script);
        for n in 1..=3 {
            let reply = stage.get("/a").await;
            assert!(outcome(&reply) == Outcome::Miss && reply.body == body, "{:?}", reply.headers);
            assert_eq!(stage.origin.count("/a"), n);
        }
        let stats = stage.stats().await;
        assert_eq!((stats.store.objects, stats.store.fills_in_flight, stats.store.fills_failed), (0, 0, 0));
    }
}

#[tokio::test]
async fn the_largest_that_is_kept() {
    let stage = Stage::with(SMALL_STORE).await;
    for (target, body, did) in [
        ("/fits", pattern(1 << 20), Outcome::Hit),
        ("/too-large", pattern((1 << 20) + 1), Outcome::Miss),
        ("/fits-chunked", pattern(1 << 20), Outcome::Hit),
        ("/too-large-chunked", pattern((1 << 20) + 1), Outcome::Miss),
    ] {
        let script = Script::cached(body.clone());
        stage.origin.on(target, if target.ends_with("chunked") { script.chunked() } else { script });
        stage.get(target).await;
        let reply = stage.get(target).await;
        assert!(reply.body == body, "{target}");
        assert_eq!(outcome(&reply), did, "{target}");
    }
}

#[tokio::test]
async fn those_that_joined_have_the_whole_too() {
    let body = pattern(12 << 20);
    let stage = Stage::with(SMALL_STORE).await;
    let gate = Gate::new();
    stage.origin.on("/a", Script::cached(body.clone()).chunked().pause_at(1000, &gate));
    let mut first = stage.open("/a").await;
    first.bytes_after_head(1000).await;
    let mut readers = vec![first];
    for _ in 0..8 {
        let mut joined = stage.open("/a").await;
        joined.bytes_after_head(1000).await;
        readers.push(joined);
    }
    gate.open();
    let reading: Vec<_> =
        readers.into_iter().map(|mut reader| tokio::spawn(async move { reader.rest().await })).collect();
    for rest in reading {
        assert!(rest.await.expect("it ends").expect("the rest") == body[1000..]);
    }
    assert_eq!(stage.origin.count("/a"), 1);
}

#[tokio::test]
async fn a_truncated_one_is_an_error_to_every_reader() {
    let body = pattern(6 << 20);
    let stage = Stage::with(SMALL_STORE).await;
    let gate = Gate::new();
    stage.origin.next("/a", Script::cached(body.clone()).chunked().pause_at(1000, &gate).cut_at(5 << 20));
    let mut first = stage.open("/a").await;
    first.bytes_after_head(1000).await;
    let mut joined = stage.open("/a").await;
    joined.bytes_after_head(1000).await;
    gate.open();
    let joined = tokio::spawn(async move { joined.rest().await });
    first.rest().await.expect_err("it was cut off");
    joined.await.expect("it ends").expect_err("it was cut off");
    eventually("the fill is gone", async || stage.stats().await.store.fills_in_flight == 0).await;
}

/// Nobody wants the rest, and it can't be kept: it is not fetched to its end.
#[tokio::test]
async fn one_that_nobody_reads_any_more_is_given_up() {
    let stage = Stage::with(SMALL_STORE).await;
    let gate = Gate::new();
    stage.origin.on("/a", Script::cached(pattern(256 << 20)).chunked().pause_at(1000, &gate));
    let mut leaving = stage.open("/a").await;
    leaving.bytes_after_head(1000).await;
    drop(leaving);
    gate.open();
    stage.origin.broken("/a", 1).await;
    assert!(stage.stats().await.total.upstream_body_bytes < 64 << 20);
}

/// One reader that is slow: what it has not read yet stays with the origin, not in the node's memory.
#[tokio::test]
async fn a_slow_reader_does_not_fill_the_node_s_memory() {
    let body = pattern(128 << 20);
    let stage = Stage::with(SMALL_STORE).await;
    stage.origin.on("/a", Script::cached(body.clone()).chunked());
    let mut reader = Exchange::get_slowly(stage.node().public_addr(), "/a").await;
    let (status, _) = reader.head().await.expect("a head");
    assert_eq!(status, 200);
    let (mut read, mut paced) = (0, 0);
    loop {
        let part = reader.part().await.expect("more");
        if part.is_empty() {
            break;
        }
        assert!(part == body[read..read + part.len()], "at {read}");
        read += part.len();
        if read >= paced + (1 << 20) {
            // Slower than the origin could go.
            paced = read;
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    }
    assert_eq!(read, body.len());
    let most = most_memory(stage.node().process().pid().expect("it runs"));
    assert!(most < 72 << 20, "{} MiB", most >> 20);
}

/// Far more comes than fits, from many clients at once.
#[tokio::test]
async fn a_burst_of_large_objects_does_not_fill_the_node_s_memory() {
    let body = pattern(4 << 20);
    let stage = Stage::with("[store]\nmemory = \"64MiB\"\nmax_object = \"8MiB\"").await;
    for batch in 0..25 {
        let mut asking = Vec::new();
        for n in 0..8 {
            let target = format!("/{batch}/{n}");
            stage.origin.on(&target, Script::cached(body.clone()));
            asking.extend(stage.many(&target, 1));
        }
        for reply in replies(asking).await {
            assert!(reply.body == body);
        }
    }
    let stats = stage.stats().await;
    // Most took another one's place; those for which there was no room beside the fills in flight were passed.
    assert!(stats.store.bytes <= 64 << 20 && stats.store.evicted >= 64, "{:?}", stats.store);
    let most = most_memory(stage.node().process().pid().expect("it runs"));
    // The store, eight fills of which each is copied once as it ends, and what a node takes anyway.
    assert!(most < (64 + 8 * 2 * 4 + 40) << 20, "{} MiB", most >> 20);
}

/// The most memory that a process has held, in bytes.
fn most_memory(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("the process's status");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("its high-water mark");
    let kib: u64 = line.trim().trim_end_matches(" kB").parse().expect("a number");
    kib << 10
}
