//! Parts of representations that are fetched and stored on their own (`range_miss = "forward"`; RFC 9111 §3.3, §3.4).

use crate::stage::{
    Gate, HOST, Script, Stage, eventually, expect, outcome, parameter, pattern, replies, reply, tag, url,
};
use edge::wire::purge::{Mode, Target};
use http::Method;
use scenarios::cache_status::Outcome;
use scenarios::client::{Ask, Reply};

const BODY: &str = "0123456789";
const CHANGED: &str = "Sat, 01 Nov 2025 10:00:00 GMT";

fn range(target: &str, value: &str) -> Ask {
    Ask::get(HOST, target).with("Range", value)
}

async fn forwarding() -> Stage {
    let stage = Stage::with_site("range_miss = \"forward\"").await;
    stage.origin.on("/a", Script::cached(BODY).field("ETag", "\"1\"").field("Last-Modified", CHANGED).ranged());
    stage
}

/// Checks a 206: its bytes, where they are, and where they came from.
#[track_caller]
fn is_part(reply: &Reply, body: &str, content_range: &str, did: Outcome) {
    expect(reply, 206, body, did);
    let lines: Vec<_> = reply.headers.get_all("content-range").iter().collect();
    assert_eq!(lines, [content_range], "{:?}", reply.headers);
    assert_eq!(reply.header("content-length"), Some(body.len().to_string().as_str()));
}

#[tokio::test]
async fn a_part_answers_for_what_it_has() {
    for first in [range("/a", "bytes=2-6"), range("/a", "bytes=2-6").with("If-Range", "\"1\"")] {
        let stage = forwarding().await;
        is_part(&stage.send(&first).await, "23456", "bytes 2-6/10", Outcome::Miss);
        assert_eq!(stage.origin.last("/a").field("range"), Some("bytes=2-6"));
        for (asked, body, content_range) in [
            ("bytes=2-6", "23456", "bytes 2-6/10"),
            ("bytes=3-3", "3", "bytes 3-3/10"),
            ("bytes=2-4", "234", "bytes 2-4/10"),
            ("bytes= 5-6 ", "56", "bytes 5-6/10"),
            ("Bytes=6-6,", "6", "bytes 6-6/10"),
        ] {
            is_part(&stage.send(&range("/a", asked)).await, body, content_range, Outcome::Hit);
        }
        assert_eq!(stage.origin.count("/a"), 1);
    }
}

#[tokio::test]
async fn a_part_answers_for_nothing_else() {
    for (asked, body, content_range) in [
        ("bytes=2-7", "234567", "bytes 2-7/10"),
        ("bytes=1-6", "123456", "bytes 1-6/10"),
        ("bytes=3-", "3456789", "bytes 3-9/10"),
        ("bytes=-4", "6789", "bytes 6-9/10"),
        ("bytes=8-8", "8", "bytes 8-8/10"),
        ("bytes=0-0", "0", "bytes 0-0/10"),
    ] {
        let stage = forwarding().await;
        stage.send(&range("/a", "bytes=2-6")).await;
        let reply = stage.send(&range("/a", asked)).await;
        is_part(&reply, body, content_range, Outcome::Miss);
        assert!(reply.header("cache-status").is_some_and(|text| text.contains("fwd=partial")), "{:?}", reply.headers);
        assert_eq!((stage.origin.count("/a"), stage.origin.last("/a").field("range")), (2, Some(asked)));
    }
    // Requests without a range, and those that can't be read, are for the whole.
    for ask in [
        Ask::get(HOST, "/a"),
        Ask::new(Method::HEAD, HOST, "/a"),
        Ask::new(Method::HEAD, HOST, "/a").with("Range", "bytes=2-6"),
        range("/a", "lines=2-6"),
        range("/a", "bytes=6-2"),
        range("/a", "bytes=2-6").with("Range", "bytes=2-6"),
    ] {
        let stage = forwarding().await;
        stage.send(&range("/a", "bytes=2-6")).await;
        let reply = stage.send(&ask).await;
        assert_eq!((reply.status.as_u16(), outcome(&reply)), (200, Outcome::Miss), "{ask:?}");
        assert_eq!((reply.header("content-length"), reply.header("content-range")), (Some("10"), None));
        assert_eq!(stage.origin.last("/a").field("range"), None, "{ask:?}");
        stage.origin.answered("/a", 2).await;
        eventually("the whole is stored", async || outcome(&stage.get("/a").await) == Outcome::Hit).await;
        expect(&stage.get("/a").await, 200, BODY, Outcome::Hit);
        is_part(&stage.send(&range("/a", "bytes=8-9")).await, "89", "bytes 8-9/10", Outcome::Hit);
        assert_eq!(stage.origin.count("/a"), 2);
    }
    // Several ranges: the whole is fetched, and stored.
    let stage = forwarding().await;
    stage.send(&range("/a", "bytes=2-6")).await;
    let reply = stage.send(&range("/a", "bytes=2-2,4-5")).await;
    assert_eq!((reply.status.as_u16(), stage.origin.last("/a").field("range")), (206, None));
    assert!(reply.text().contains("bytes 4-5/10\r\n\r\n45\r\n"), "{}", reply.text());
}

#[tokio::test]
async fn who_asks_for_the_end_in_the_same_words_gets_the_same() {
    let stage = forwarding().await;
    is_part(&stage.send(&range("/a", "bytes=-3")).await, "789", "bytes 7-9/10", Outcome::Miss);
    is_part(&stage.send(&range("/a", "bytes=-3")).await, "789", "bytes 7-9/10", Outcome::Hit);
    is_part(&stage.send(&range("/a", "bytes=-1")).await, "9", "bytes 9-9/10", Outcome::Hit);
    is_part(&stage.send(&range("/a", "bytes=7-")).await, "789", "bytes 7-9/10", Outcome::Hit);
    is_part(&stage.send(&range("/a", "bytes=8-100")).await, "89", "bytes 8-9/10", Outcome::Hit);
    assert_eq!(stage.origin.count("/a"), 1);
}

#[tokio::test]
async fn a_part_that_is_the_whole_is_as_good_as_a_200() {
    for asked in ["bytes=0-", "bytes=0-9", "bytes=-10", "bytes=0-999"] {
        for chunked in [false, true] {
            let stage = forwarding().await;
            let script = Script::cached(BODY).ranged();
            stage.origin.on("/a", if chunked { script.chunked() } else { script });
            is_part(&stage.send(&range("/a", asked)).await, BODY, "bytes 0-9/10", Outcome::Miss);
            eventually("it is stored", async || outcome(&stage.get("/a").await) == Outcome::Hit).await;
            let whole = stage.get("/a").await;
            expect(&whole, 200, BODY, Outcome::Hit);
            assert_eq!((whole.header("content-range"), whole.header("content-length")), (None, Some("10")));
            is_part(&stage.send(&range("/a", "bytes=4-5")).await, "45", "bytes 4-5/10", Outcome::Hit);
            assert_eq!(stage.origin.count("/a"), 1, "{asked}");
        }
    }
}

/// An origin need not know ranges.
#[tokio::test]
async fn a_whole_in_answer_to_a_range_is_stored_as_such() {
    let stage = forwarding().await;
    stage.origin.on("/a", Script::cached(BODY));
    is_part(&stage.send(&range("/a", "bytes=2-4")).await, "234", "bytes 2-4/10", Outcome::Miss);
    eventually("it is stored", async || outcome(&stage.get("/a").await) == Outcome::Hit).await;
    expect(&stage.get("/a").await, 200, BODY, Outcome::Hit);
    assert_eq!(stage.origin.count("/a"), 1);
}

#[tokio::test]
async fn a_416_is_for_the_one_who_asked() {
    let stage = forwarding().await;
    for n in 1..=2 {
        let reply = stage.send(&range("/a", "bytes=50-60")).await;
        assert_eq!((reply.status.as_u16(), reply.header("content-range")), (416, Some("bytes */10")));
        assert_eq!(stage.origin.count("/a"), n);
    }
    is_part(&stage.send(&range("/a", "bytes=2-4")).await, "234", "bytes 2-4/10", Outcome::Miss);
    expect(&stage.get("/a").await, 200, BODY, Outcome::Miss);
    // Of a stored whole the node says it itself.
    assert_eq!(stage.send(&range("/a", "bytes=50-60")).await.status.as_u16(), 416);
    assert_eq!(stage.origin.count("/a"), 4);
}

#[tokio::test]
async fn if_range_must_name_the_very_part() {
    for (condition, did) in [
        ("\"1\"", Outcome::Hit),
        (CHANGED, Outcome::Hit),
        ("\"2\"", Outcome::Miss),
        ("W/\"1\"", Outcome::Miss),
        ("Sat, 01 Nov 2025 10:00:01 GMT", Outcome::Miss),
        ("nonsense", Outcome::Miss),
    ] {
        let stage = forwarding().await;
        stage.send(&range("/a", "bytes=2-4")).await;
        let reply = stage.send(&range("/a", "bytes=2-4").with("If-Range", condition)).await;
        if did == Outcome::Hit {
            is_part(&reply, "234", "bytes 2-4/10", did);
        } else {
            // The origin is asked in the same words, and sends the whole.
            expect(&reply, 200, BODY, did);
            let seen = stage.origin.last("/a");
            assert_eq!((seen.field("range"), seen.field("if-range")), (Some("bytes=2-4"), Some(condition)));
            expect(&stage.get("/a").await, 200, BODY, Outcome::Hit);
        }
    }
}

#[tokio::test]
async fn a_condition_is_checked_against_the_part() {
    let stage = forwarding().await;
    stage.send(&range("/a", "bytes=2-4")).await;
    let reply = stage.send(&range("/a", "bytes=2-4").with("If-None-Match", "\"1\"")).await;
    expect(&reply, 304, "", Outcome::Hit);
    assert_eq!((reply.header("content-range"), reply.header("content-length")), (None, None));
    let reply = stage.send(&range("/a", "bytes=3-4").with("If-None-Match", "\"2\"")).await;
    is_part(&reply, "34", "bytes 3-4/10", Outcome::Hit);
}

#[tokio::test]
async fn a_part_lives_as_long_as_it_says() {
    let stage = forwarding().await;
    stage.origin.on("/a", Script::stale(BODY, "").field("ETag", "\"1\"").ranged());
    for n in 1..=2 {
        is_part(&stage.send(&range("/a", "bytes=2-4")).await, "234", "bytes 2-4/10", Outcome::Miss);
        let seen = stage.origin.last("/a");
        assert_eq!((seen.field("range"), seen.field("if-none-match")), (Some("bytes=2-4"), None));
        assert_eq!(stage.origin.count("/a"), n);
    }
    stage.origin.on("/b", Script::cached(BODY).field("Age", "600").ranged());
    stage.send(&range("/b", "bytes=2-4")).await;
    let reply = stage.send(&range("/b", "bytes=2-4")).await;
    is_part(&reply, "234", "bytes 2-4/10", Outcome::Hit);
    assert!(parameter(&reply, "ttl").is_some_and(|ttl| (2900..=3000).contains(&ttl)), "{:?}", reply.headers);
    assert!(reply.header("age").is_some_and(|age| age.starts_with('6')));
    // And is refreshed like others.
    let swr = "max-age=60, stale-while-revalidate=600";
    stage.origin.next("/c", Script::ok("old").field("Age", "120").field("Cache-Control", swr).ranged());
    stage.origin.on("/c", Script::cached("new").ranged());
    for did in [Outcome::Miss, Outcome::Stale] {
        is_part(&stage.send(&range("/c", "bytes=1-2")).await, "ld", "bytes 1-2/3", did);
    }
    eventually("it is refreshed", async || stage.send(&range("/c", "bytes=1-2")).await.text() == "ew").await;
}

#[tokio::test]
async fn a_part_that_breaks_off_is_not_stored() {
    let stage = forwarding().await;
    let part = |body: &'static str| Script::cached(body).status(206).field("Content-Range", "bytes 2-6/10");
    for (n, broken) in [
        part("23456").cut_at(3),
        part("23456").chunked().cut_at(3),
        // It says that it is longer than it is, or shorter.
        part("234").chunked(),
        part("2345678").chunked(),
        part("234").until_close(),
    ]
    .into_iter()
    .enumerate()
    {
        let target = format!("/{n}");
        stage.origin.next(&target, broken);
        stage.origin.on(&target, part("23456"));
        // It was on its way already when that turned out.
        let _ = stage.try_send(&range(&target, "bytes=2-6")).await;
        eventually("it is over", async || stage.stats().await.store.fills_in_flight == 0).await;
        is_part(&stage.send(&range(&target, "bytes=2-6")).await, "23456", "bytes 2-6/10", Outcome::Miss);
        is_part(&stage.send(&range(&target, "bytes=3-5")).await, "345", "bytes 3-5/10", Outcome::Hit);
    }
}

/// What does not say where it belongs, or belongs to a whole of unknown length, is passed on and not stored.
#[tokio::test]
async fn parts_that_can_not_be_placed_are_not_stored() {
    let stage = forwarding().await;
    for (n, field) in ["bytes 2-4/*", "bytes 2-9/10", "items 2-4/10", "bytes 4-2/10", "2-4"].into_iter().enumerate() {
        let target = format!("/{n}");
        stage.origin.on(&target, Script::cached("234").status(206).field("Content-Range", field));
        for count in 1..=2 {
            let reply = stage.send(&range(&target, "bytes=2-4")).await;
            assert_eq!((reply.status.as_u16(), reply.text().as_str()), (206, "234"), "{field}");
            if field != "bytes 2-9/10" {
                assert_eq!(stage.origin.count(&target), count, "{field}");
            }
        }
    }
}

#[tokio::test]
async fn equal_ranges_share_a_fetch_and_others_do_not_wait() {
    let stage = forwarding().await;
    let (gate, body) = (Gate::new(), pattern(10_000));
    stage.origin.on("/a", Script::cached(body.clone()).ranged().after(&gate));
    let mut asking = Vec::new();
    for n in 0..30 {
        asking.push(stage.ask(range("/a", ["bytes=0-99", "bytes=5000-5999", "bytes=-7"][n % 3])));
    }
    asking.push(stage.ask(Ask::get(HOST, "/a")));
    stage.origin.arrived("/a", 4).await;
    eventually("all are there", async || stage.stats().await.connections >= 31).await;
    gate.open();
    for (n, reply) in replies(asking).await.into_iter().enumerate() {
        let want = if n == 30 { &body[..] } else { [&body[..100], &body[5000..6000], &body[9993..]][n % 3] };
        assert!(reply.body == want, "{n}: {} {:?}", reply.status, reply.headers);
    }
    // A request that waited may find another one's part in the place of the one that it waited for, and fetches then.
    assert!((4..=12).contains(&stage.origin.count("/a")), "{}", stage.origin.count("/a"));
}

#[tokio::test]
async fn a_range_joins_a_part_that_arrives() {
    let stage = forwarding().await;
    let (gate, body) = (Gate::new(), pattern(200_000));
    let part = Script::cached(body.slice(..100_000)).status(206).field("Content-Range", "bytes 0-99999/200000");
    stage.origin.next("/a", part.pause_at(50_000, &gate));
    let first = stage.ask(range("/a", "bytes=0-99999"));
    eventually("it arrives", async || stage.stats().await.store.fills_in_flight == 1).await;
    let early = stage.send(&range("/a", "bytes=10-19")).await;
    assert!(early.status == 206 && early.body == body[10..20], "{:?}", early.headers);
    let late = stage.ask(range("/a", "bytes=90000-99999"));
    gate.open();
    assert!(reply(late).await.body == body[90_000..100_000]);
    assert!(reply(first).await.body == body[..100_000]);
    assert_eq!(stage.origin.count("/a"), 1);
}

#[tokio::test]
async fn a_purge_hides_parts_stored_or_on_their_way() {
    let all = [
        url("/a"),
        tag("t"),
        Target::Prefix { url: format!("http://{HOST}/") },
        Target::Host { host: HOST.into() },
        Target::Everything,
    ];
    for target in all {
        let stage = forwarding().await;
        let (gate, arriving) = (Gate::new(), pattern(100_000));
        let script = |body: &'static str| Script::cached(body).field("Surrogate-Key", "t").ranged();
        // One that is stored.
        stage.origin.on("/a", script("old old old"));
        stage.send(&range("/a", "bytes=0-2")).await;
        assert_eq!(outcome(&stage.send(&range("/a", "bytes=0-2")).await), Outcome::Hit);
        // One whose request is at the origin.
        stage.origin.next("/a", script("old old old").after(&gate));
        let early = stage.ask(range("/a", "bytes=4-10"));
        stage.origin.arrived("/a", 2).await;
        stage.purge(Mode::Hard, std::slice::from_ref(&target)).await;
        stage.origin.on("/a", script("new new new"));
        is_part(&stage.send(&range("/a", "bytes=0-2")).await, "new", "bytes 0-2/11", Outcome::Miss);
        // By its tags what is fetched may be purged, or not: whoever wants the same waits for its head.
        let same = stage.ask(range("/a", "bytes=4-10"));
        eventually("it waits, or not", async || same.is_finished() || stage.stats().await.connections >= 2).await;
        gate.open();
        assert_eq!(reply(same).await.text(), "new new", "{target:?}");
        assert_eq!(reply(early).await.text(), "old old");
        for asked in ["bytes=0-2", "bytes=4-6"] {
            assert_eq!(stage.send(&range("/a", asked)).await.text(), "new", "{target:?}");
        }
        // One whose body arrives.
        let gate = Gate::new();
        let part = Script::cached(arriving.clone()).status(206).field("Content-Range", "bytes 0-99999/200000");
        stage.origin.next("/a", part.field("Surrogate-Key", "t").pause_at(50_000, &gate));
        let early = stage.ask(range("/a", "bytes=0-99999"));
        eventually("it arrives", async || stage.stats().await.store.fills_in_flight == 1).await;
        stage.purge(Mode::Hard, std::slice::from_ref(&target)).await;
        assert_eq!(stage.send(&range("/a", "bytes=0-2")).await.text(), "new", "{target:?}");
        gate.open();
        assert!(reply(early).await.body == arriving);
        eventually("it is over", async || stage.stats().await.store.fills_in_flight == 0).await;
        assert_eq!(stage.send(&range("/a", "bytes=1-2")).await.text(), "ew", "{target:?}");
    }
}

#[tokio::test]
async fn parts_have_variants() {
    let stage = forwarding().await;
    let script = |body: &'static str| Script::cached(body).field("Vary", "Accept-Language").ranged();
    let ask = |language: &str| range("/a", "bytes=1-2").with("Accept-Language", language);
    stage.origin.next("/a", script("hallo"));
    stage.origin.next("/a", script("hello"));
    is_part(&stage.send(&ask("de")).await, "al", "bytes 1-2/5", Outcome::Miss);
    is_part(&stage.send(&ask("en")).await, "el", "bytes 1-2/5", Outcome::Miss);
    for (language, body) in [("de", "al"), ("en", "el")] {
        is_part(&stage.send(&ask(language)).await, body, "bytes 1-2/5", Outcome::Hit);
    }
    assert_eq!(stage.origin.count("/a"), 2);
}

/// A larger whole, so that the node holds nothing back that it could send.
#[tokio::test]
async fn a_whole_that_arrives_answers_ranges() {
    let stage = forwarding().await;
    let (gate, body) = (Gate::new(), pattern(100_000));
    stage.origin.on("/a", Script::cached(body.clone()).pause_at(50_000, &gate));
    let mut first = stage.open("/a").await;
    first.bytes_after_head(50_000).await;
    let part = stage.send(&range("/a", "bytes=100-199")).await;
    assert!(part.status == 206 && part.body == body[100..200], "{:?}", part.headers);
    gate.open();
    first.rest().await.expect("the rest");
    assert_eq!(stage.origin.count("/a"), 1);
}
