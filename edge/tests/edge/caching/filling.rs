//! Responses on their way into the store, and who reads them meanwhile.

use crate::stage::{Exchange, Gate, HOST, Script, Stage, eventually, expect, outcome, pattern};
use edge::store::body::UNREAD_PATIENCE;
use scenarios::cache_status::Outcome;

/// Both ways to frame a body.
fn framings(script: Script) -> [Script; 2] {
    [script.clone(), script.chunked()]
}

#[tokio::test]
async fn readers_stream_what_has_arrived() {
    let body = pattern(300_000);
    let gate = Gate::new();
    for script in framings(Script::cached(body.clone()).pause_at(100_000, &gate)) {
        gate.close();
        let stage = Stage::new().await;
        stage.origin.on("/a", script);
        let early = 100_000;
        let mut first = stage.open("/a").await;
        first.head().await.expect("a head");
        assert!(first.bytes(early).await.expect("the first part") == body[..early]);
        // Requests that come now join, and have the first part at once too.
        let mut joined = Vec::new();
        for _ in 0..5 {
            let mut exchange = stage.open("/a").await;
            let (status, fields) = exchange.head().await.expect("a head");
            assert_eq!(status, 200);
            assert!(fields["cache-status"].to_str().is_ok_and(|text| text.contains("collapsed")), "{fields:?}");
            assert!(exchange.bytes(early).await.expect("the first part") == body[..early]);
            joined.push(exchange);
        }
        assert_eq!(stage.stats().await.store.fills_in_flight, 1);
        gate.open();
        for mut exchange in joined.into_iter().chain([first]) {
            assert!(exchange.rest().await.expect("the rest") == body[early..]);
        }
        eventually("it is stored", async || stage.stats().await.store.fills_in_flight == 0).await;
        assert_eq!(outcome(&stage.get("/a").await), Outcome::Hit);
        assert_eq!(stage.origin.count("/a"), 1);
        let stats = stage.stats().await;
        assert_eq!((stats.store.fills_failed, stats.store.objects), (0, 1));
    }
}

#[tokio::test]
async fn a_truncated_response_is_an_error_to_every_reader() {
    let body = pattern(200_000);
    let gate = Gate::new();
    for script in framings(Script::cached(body.clone()).pause_at(150_000, &gate).cut_at(150_000)) {
        gate.close();
        let stage = Stage::new().await;
        stage.origin.next("/a", script);
        stage.origin.on("/a", Script::cached(body.clone()));
        let mut readers = vec![stage.open("/a").await];
        stage.origin.arrived("/a", 1).await;
        for _ in 0..4 {
            readers.push(stage.open("/a").await);
        }
        for reader in &mut readers {
            assert_eq!(reader.head().await.expect("a head").0, 200);
            reader.bytes(150_000).await.expect("the first part");
        }
        gate.open();
        for reader in &mut readers {
            reader.rest().await.expect_err("the response was cut off");
        }
        let reply = stage.get("/a").await;
        assert_eq!(outcome(&reply), Outcome::Miss, "nothing was stored");
        assert!(reply.body == body);
        assert_eq!(outcome(&stage.get("/a").await), Outcome::Hit);
        assert_eq!(stage.origin.count("/a"), 2);
        let stats = stage.stats().await;
        assert_eq!((stats.store.fills_failed, stats.store.objects), (1, 1));
    }
}

#[tokio::test]
async fn a_response_that_is_cut_off_at_its_head_is_never_a_short_success() {
    for cut in [0, 1] {
        for script in framings(Script::cached("hello").cut_at(cut)) {
            let stage = Stage::new().await;
            stage.origin.next("/a", script);
            stage.origin.on("/a", Script::cached("hello"));
            match stage.open("/a").await.whole().await {
                Ok((status, body)) => assert!(status >= 500, "{status}, {} bytes", body.len()),
                Err(_broken) => {}
            }
            expect(&stage.get("/a").await, 200, "hello", Outcome::Miss);
        }
    }
}

#[tokio::test]
async fn what_is_not_stored_is_no_short_success_either() {
    for script in framings(Script::ok(pattern(50_000)).field("Cache-Control", "no-store").cut_at(20_000)) {
        let stage = Stage::new().await;
        stage.origin.on("/a", script);
        for _ in 0..2 {
            stage.open("/a").await.whole().await.expect_err("it was cut off");
        }
    }
}

#[tokio::test]
async fn a_fill_goes_on_when_its_client_leaves() {
    // So large that it can't all be on its way to a client that has gone.
    let body = pattern(16 << 20);
    let gate = Gate::new();
    for script in framings(Script::cached(body.clone()).pause_at(100_000, &gate)) {
        gate.close();
        let stage = Stage::new().await;
        stage.origin.on("/a", script);
        let mut leaving = stage.open("/a").await;
        leaving.bytes_after_head(100_000).await;
        drop(leaving);
        gate.open();
        stage.origin.answered("/a", 1).await;
        eventually("the whole is stored", async || stage.stats().await.store.objects == 1).await;
        let reply = stage.get("/a").await;
        assert!(outcome(&reply) == Outcome::Hit && reply.body == body);
        assert_eq!(stage.origin.count("/a"), 1);
    }
}

#[tokio::test]
async fn a_client_that_leaves_does_not_break_those_that_joined() {
    let body = pattern(16 << 20);
    let gate = Gate::new();
    for script in framings(Script::cached(body.clone()).pause_at(100_000, &gate)) {
        gate.close();
        let stage = Stage::new().await;
        stage.origin.on("/a", script);
        let early = 100_000;
        let mut leaving = stage.open("/a").await;
        leaving.bytes_after_head(early).await;
        let mut joined = stage.open("/a").await;
        joined.bytes_after_head(early).await;
        drop(leaving);
        gate.open();
        assert!(joined.rest().await.expect("the rest") == body[early..]);
    }
}

/// The one that the fill was started for reads nothing, and neither does one that joined: the others have the whole.
#[tokio::test]
async fn clients_that_do_not_read_do_not_stall_the_others() {
    let body = pattern(16 << 20);
    let stage = Stage::new().await;
    let gate = Gate::new();
    stage.origin.on("/a", Script::cached(body.clone()).pause_at(100_000, &gate));
    let address = stage.node().public_addr();
    let mut stuck = vec![Exchange::get_slowly(address, "/a").await];
    stage.origin.arrived("/a", 1).await;
    stuck.push(Exchange::get_slowly(address, "/a").await);
    let mut reading = stage.open("/a").await;
    let early = 100_000;
    reading.bytes_after_head(early).await;
    gate.open();
    assert!(reading.rest().await.expect("the rest") == body[early..]);
    eventually("it is stored", async || stage.stats().await.store.fills_in_flight == 0).await;
    let hit = stage.get("/a").await;
    assert!(outcome(&hit) == Outcome::Hit && hit.body == body);
    for exchange in stuck {
        let (_, bytes) = exchange.whole().await.expect("it is never too late");
        assert!(bytes == body);
    }
    assert_eq!(stage.origin.count("/a"), 1);
}

#[tokio::test]
async fn bodies_of_all_sizes_arrive_as_they_are() {
    let stage = Stage::new().await;
    for size in [0, 1, 1023, 65_536, (256 << 10) - 1, 256 << 10, (256 << 10) + 1, (1 << 20) + 1, 5_000_000] {
        let body = pattern(size);
        for (at, script) in framings(Script::cached(body.clone())).into_iter().enumerate() {
            let target = format!("/{size}/{at}");
            stage.origin.on(&target, script);
            for did in [Outcome::Miss, Outcome::Hit, Outcome::Hit] {
                let reply = stage.get(&target).await;
                assert!(reply.body == body, "{target}: {} bytes", reply.body.len());
                assert_eq!(outcome(&reply), did, "{target}");
            }
        }
    }
}

/// Events, say, are sent for as long as somebody listens. Nobody does any more, or a HEAD never did: that ends.
#[tokio::test]
async fn an_endless_response_ends_after_its_readers() {
    let stage = Stage::new().await;
    let events = Script::cached("data: x\n\n").field("Content-Type", "text/event-stream");
    for (target, script) in [("/chunked", events.clone().chunked()), ("/until-close", events.until_close())] {
        stage.origin.on(target, script.endless());
    }
    let (mut stays, mut joins) = (stage.open("/chunked").await, stage.open("/chunked").await);
    for reader in [&mut stays, &mut joins] {
        reader.bytes_after_head(20).await;
    }
    let mut leaving = stage.open("/until-close").await;
    leaving.bytes_after_head(20).await;
    drop((joins, leaving));
    let head = format!("HEAD /head HTTP/1.1\r\nHost: {HOST}\r\n\r\n");
    stage.origin.on("/head", Script::cached("data: x\n\n").chunked().endless());
    let mut head = Exchange::send(stage.node().public_addr(), &head).await;
    assert_eq!(head.head().await.expect("a head").0, 200);
    stage.origin.broken("/until-close", 1).await;
    stage.origin.broken("/head", 1).await;
    eventually("their places are free", async || stage.stats().await.store.fills_in_flight == 1).await;
    // The one that somebody reads goes on, though who it was begun for may leave.
    let mut joins = stage.open("/chunked").await;
    joins.bytes_after_head(20).await;
    drop(stays);
    tokio::time::sleep(UNREAD_PATIENCE + std::time::Duration::from_secs(1)).await;
    joins.bytes(2400).await.expect("it goes on");
}
