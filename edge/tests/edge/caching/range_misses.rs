//! Ranges of what is not stored, where the whole is fetched (`range_miss = "whole"`, the default).

use crate::stage::{Gate, HOST, Script, Stage, eventually, expect, outcome, pattern, replies, reply};
use bytes::Bytes;
use http::Method;
use scenarios::cache_status::Outcome;
use scenarios::client::{Ask, Connection};

const SMALL_STORE: &str = "[store]\nmemory = \"64MiB\"\nmax_object = \"1MiB\"";

fn range(target: &str, value: &str) -> Ask {
    Ask::get(HOST, target).with("Range", value)
}

/// A stage with an object that is too large to be kept, and its bytes.
async fn oversized() -> (Stage, Bytes) {
    let (stage, body) = (Stage::with(SMALL_STORE).await, pattern(3 << 20));
    stage.origin.on("/a", Script::cached(body.clone()).field("ETag", "\"1\"").ranged());
    (stage, body)
}

#[tokio::test]
async fn a_range_is_answered_before_the_whole_has_arrived() {
    let stage = Stage::new().await;
    let (gate, body) = (Gate::new(), pattern(200_000));
    stage.origin.on("/a", Script::cached(body.clone()).pause_at(100_000, &gate));
    // Whoever is first, and whoever comes then.
    for asked in ["bytes=10-19", "bytes=0-0", "bytes=60000-69999", "bytes=99999-99999"] {
        let reply = stage.send(&range("/a", asked)).await;
        let (first, last) = asked[6..].split_once('-').expect("two numbers");
        let (first, last): (usize, usize) = (first.parse().expect("a number"), last.parse().expect("a number"));
        assert!(reply.status == 206 && reply.body == body[first..=last], "{asked}: {:?}", reply.headers);
        assert_eq!(reply.header("content-range"), Some(format!("bytes {first}-{last}/200000").as_str()));
    }
    // That there is no such range is known, too, as soon as the head is there.
    assert_eq!(stage.send(&range("/a", "bytes=200000-")).await.status.as_u16(), 416);
    let end = stage.ask(range("/a", "bytes=-10"));
    let several = stage.ask(range("/a", "bytes=0-9,150000-150009"));
    gate.open();
    assert!(reply(end).await.body == body[199_990..]);
    assert_eq!(reply(several).await.status.as_u16(), 206);
    eventually("the whole is stored", async || outcome(&stage.get("/a").await) == Outcome::Hit).await;
    assert!(stage.get("/a").await.body == body);
    assert_eq!((stage.origin.count("/a"), stage.origin.last("/a").field("range")), (1, None));
}

/// Here the whole is asked for. A part that comes all the same does not answer the range that the client wanted: nobody has
/// asked the origin for that. What it holds, it says itself.
#[tokio::test]
async fn a_part_that_was_not_asked_for_is_known_by_its_place_alone() {
    let stage = Stage::new().await;
    stage.origin.on("/a", Script::cached("234").status(206).field("Content-Range", "bytes 2-4/10"));
    for count in 1..=3 {
        expect(&stage.send(&range("/a", "bytes=0-1")).await, 206, "234", Outcome::Miss);
        assert_eq!((stage.origin.count("/a"), stage.origin.last("/a").field("range")), (count, None));
    }
    let within = stage.send(&range("/a", "bytes=3-4")).await;
    expect(&within, 206, "34", Outcome::Hit);
    assert_eq!((within.header("content-range"), stage.origin.count("/a")), (Some("bytes 3-4/10"), 3));
}

#[tokio::test]
async fn ranges_of_one_object_share_the_fetch_of_the_whole() {
    let stage = Stage::new().await;
    let (gate, body) = (Gate::new(), pattern(10_000));
    stage.origin.on("/a", Script::cached(body.clone()).ranged().after(&gate));
    let asking: Vec<_> =
        (0..20).map(|n| stage.ask(range("/a", &format!("bytes={}-{}", n * 100, n * 100 + 9)))).collect();
    eventually("all are there", async || stage.stats().await.connections >= 20).await;
    gate.open();
    for (n, reply) in replies(asking).await.into_iter().enumerate() {
        assert!(reply.status == 206 && reply.body == body[n * 100..n * 100 + 10], "{n}: {:?}", reply.headers);
    }
    assert_eq!(stage.origin.count("/a"), 1);
}

#[tokio::test]
async fn a_range_of_what_is_too_large_is_forwarded() {
    let (stage, body) = oversized().await;
    let mut connection = Connection::open(stage.node().public_addr()).await.expect("a connection");
    let asks = [
        ("bytes=10-19", 10..20),
        ("bytes=2000000-2000099", 2_000_000..2_000_100),
        ("bytes=-7", body.len() - 7..body.len()),
    ];
    for (n, (asked, want)) in asks.into_iter().enumerate() {
        let reply = connection.send(&range("/a", asked)).await.expect("the connection is still good");
        assert!(reply.status == 206 && reply.body == body[want], "{asked}: {:?}", reply.headers);
        assert_eq!(reply.headers.get_all("content-range").iter().count(), 1, "{asked}");
        // The first time, the node learns from the answer how large it is.
        assert_eq!((stage.origin.count("/a"), stage.origin.last("/a").field("range")), (n + 2, Some(asked)));
    }
    let whole = connection.send(&Ask::get(HOST, "/a")).await.expect("the connection is still good");
    assert!(whole.status == 200 && whole.body == body);
    let none = connection.send(&range("/a", "bytes=9999999-")).await.expect("the connection is still good");
    assert_eq!((none.status.as_u16(), none.header("content-range")), (416, Some("bytes */3145728")));
    let head = Ask::new(Method::HEAD, HOST, "/a").with("Range", "bytes=0-1");
    let head = connection.send(&head).await.expect("the connection is still good");
    assert_eq!((head.status.as_u16(), head.header("content-length")), (200, Some("3145728")));
    assert_eq!(stage.stats().await.store.fills_in_flight, 0);
}

#[tokio::test]
async fn parts_of_it_are_stored_like_others() {
    let (stage, body) = oversized().await;
    for did in [Outcome::Miss, Outcome::Miss, Outcome::Hit] {
        let reply = stage.send(&range("/a", "bytes=1000-1999")).await;
        assert!(reply.status == 206 && reply.body == body[1000..2000], "{:?}", reply.headers);
        if stage.origin.count("/a") > 2 {
            assert_eq!(outcome(&reply), did);
        }
    }
    assert_eq!(stage.origin.count("/a"), 3);
    // But not if the part, too, is too large.
    for _ in 0..2 {
        let reply = stage.send(&range("/a", "bytes=0-2000000")).await;
        assert!(reply.status == 206 && reply.body == body[..2_000_001], "{:?}", reply.headers);
    }
    assert_eq!(stage.origin.count("/a"), 5);
}

/// What one client's player asks for does not wait for what another one's does.
#[tokio::test]
async fn its_ranges_do_not_wait_for_each_other() {
    let (stage, body) = oversized().await;
    for asked in ["bytes=0-9", "bytes=0-9", "bytes=10-19"] {
        stage.send(&range("/a", asked)).await;
    }
    let before = stage.origin.count("/a");
    let gate = Gate::new();
    stage.origin.on("/a", Script::cached(body.clone()).ranged().after(&gate));
    let starts: Vec<usize> = (0..10).map(|n| 1000 * (n + 1)).collect();
    let asking: Vec<_> =
        starts.iter().map(|start| stage.ask(range("/a", &format!("bytes={start}-{}", start + 9)))).collect();
    stage.origin.arrived("/a", before + 10).await;
    gate.open();
    for (start, reply) in starts.into_iter().zip(replies(asking).await) {
        assert!(reply.status == 206 && reply.body == body[start..start + 10], "{start}: {:?}", reply.headers);
    }
}

#[tokio::test]
async fn an_origin_without_ranges_sends_the_whole() {
    let (stage, body) = oversized().await;
    stage.origin.on("/a", Script::cached(body.clone()));
    stage.origin.on("/chunked", Script::cached(body.clone()).chunked());
    let mut connection = Connection::open(stage.node().public_addr()).await.expect("a connection");
    for target in ["/a", "/chunked", "/a", "/chunked"] {
        let reply = connection.send(&range(target, "bytes=10-19")).await.expect("the connection is still good");
        let want = if reply.status == 206 { &body[10..20] } else { &body[..] };
        assert!(reply.body == want, "{target}: {} {:?}", reply.status, reply.headers);
    }
}

#[tokio::test]
async fn if_range_goes_up_with_the_range() {
    let (stage, body) = oversized().await;
    for _ in 0..2 {
        let right = stage.send(&range("/a", "bytes=10-19").with("If-Range", "\"1\"")).await;
        assert!(right.status == 206 && right.body == body[10..20], "{:?}", right.headers);
        let wrong = stage.send(&range("/a", "bytes=10-19").with("If-Range", "\"2\"")).await;
        assert!(wrong.status == 200 && wrong.body == body, "{:?}", wrong.headers);
    }
}

/// Of a stored response, parts in any order.
#[tokio::test]
async fn several_ranges_of_a_hit_are_right_or_whole() {
    let stage = Stage::new().await;
    let body = "0123456789";
    stage.origin.on("/a", Script::cached(body));
    stage.get("/a").await;
    for (asked, parts) in [
        ("bytes=0-1,5-6", &["01", "56"][..]),
        ("bytes=5-6,0-1", &["56", "01"]),
        ("bytes=-2,0-1", &["89", "01"]),
        ("bytes=0-0,99-100", &["0"]),
        ("bytes=1-1, ,-1", &["1", "9"]),
    ] {
        let reply = stage.send(&range("/a", asked)).await;
        if reply.status == 200 {
            expect(&reply, 200, body, Outcome::Hit);
            continue;
        }
        assert_eq!((reply.status.as_u16(), outcome(&reply)), (206, Outcome::Hit), "{asked}");
        let text = reply.text();
        let got: Vec<&str> = match parts.len() {
            1 => vec![text.as_str()],
            _ => text.split("\r\n\r\n").skip(1).map(|part| part.split("\r\n").next().unwrap_or_default()).collect(),
        };
        assert_eq!(got, parts, "{asked}: {text}");
    }
    for asked in ["bytes=99-100,200-", "bytes=10-10"] {
        assert_eq!(stage.send(&range("/a", asked)).await.status.as_u16(), 416, "{asked}");
    }
    assert_eq!(stage.origin.count("/a"), 1);
}
