//! What the answer to a validation does with the stored response (RFC 9111 §4.3.3, §4.3.4), and which fields are for
//! the client alone that asked (§5.2.2.4, §5.2.2.7).

use crate::stage::{Gate, HOST, Script, Stage, eventually, expect, outcome, replies, url};
use edge::wire::purge::Mode;
use http::Method;
use scenarios::cache_status::Outcome;
use scenarios::client::{Ask, Connection, Reply};

const SIE: &str = ", stale-if-error=600";
const SWR: &str = ", stale-while-revalidate=600";
const CHANGED: &str = "Sat, 01 Nov 2025 10:00:00 GMT";
const LATER: &str = "Sat, 01 Nov 2025 10:00:01 GMT";

/// A 304 that speaks of this ETag, and makes what it validates fresh.
fn same(etag: &str) -> Script {
    Script::not_modified().field("ETag", etag).field("Cache-Control", "max-age=600")
}

/// The values of a field, in order.
fn values(reply: &Reply, name: &str) -> Vec<String> {
    reply.headers.get_all(name).iter().map(|value| value.to_str().expect("text").to_owned()).collect()
}

/// A site with a stored response that is stale, and may stand in for an error.
async fn stale(stored: Script) -> Stage {
    let stage = Stage::new().await;
    stage.origin.next("/a", stored);
    stage.get("/a").await;
    stage
}

#[tokio::test]
async fn a_304_for_another_response_is_followed_by_a_fetch() {
    let tagged = || Script::stale("old", SIE).field("ETag", "\"1\"");
    let weak = || Script::stale("old", SIE).field("ETag", "W/\"1\"");
    let dated = || Script::stale("old", SIE).field("Last-Modified", CHANGED);
    let since = |date: &str| Script::not_modified().field("Last-Modified", date);
    for (stored, answer, is_same) in [
        (tagged(), same("\"2\""), false),
        (tagged(), same("W/\"2\""), false),
        (weak(), same("\"1\""), false),
        (dated(), since(LATER), false),
        (dated(), same("\"2\""), false),
        (tagged(), same("\"1\""), true),
        (tagged(), same("W/\"1\""), true),
        (weak(), same("W/\"1\""), true),
        (dated(), since(CHANGED), true),
        (tagged(), Script::not_modified(), true),
    ] {
        let stage = stale(stored.clone()).await;
        stage.origin.next("/a", answer.clone());
        stage.origin.next("/a", Script::ok("new").field("ETag", "\"2\"").field("Cache-Control", "no-store"));
        let mut connection = Connection::open(stage.node().public_addr()).await.expect("a connection");
        let reply = connection.send(&Ask::get(HOST, "/a")).await.expect("an answer");
        assert_eq!(reply.text(), if is_same { "old" } else { "new" }, "{stored:?} {answer:?}");
        assert_eq!(reply.status.as_u16(), 200);
        if is_same {
            assert_eq!(stage.origin.count("/a"), 2);
            continue;
        }
        assert_eq!(reply.header("etag"), Some("\"2\""));
        let seen = stage.origin.requests("/a");
        assert_eq!(seen.len(), 3, "one fetch more, and no other");
        assert!(seen[1].field("if-none-match").or(seen[1].field("if-modified-since")).is_some());
        assert_eq!((seen[2].field("if-none-match"), seen[2].field("if-modified-since")), (None, None));
        // What was stored is not there any more, not even to stand in.
        stage.origin.on("/a", Script::ok("down").status(503));
        let reply = connection.send(&Ask::get(HOST, "/a")).await.expect("the connection is still good");
        assert_eq!((reply.status.as_u16(), reply.text().as_str()), (503, "down"));
    }
}

#[tokio::test]
async fn it_is_fetched_whatever_was_asked() {
    let (head, get) = (Ask::new(Method::HEAD, HOST, "/a"), Ask::get(HOST, "/a"));
    for (ask, status, body) in [
        (head, 200, ""),
        // It has the new one.
        (get.clone().with("If-None-Match", "\"2\""), 304, ""),
        (get.clone().with("If-None-Match", "\"1\""), 200, "new"),
        (get.clone().with("If-Modified-Since", LATER), 200, "new"),
        (get.clone().with("Range", "bytes=0-1"), 206, "ne"),
    ] {
        let stage = stale(Script::stale("old", "").field("ETag", "\"1\"")).await;
        stage.origin.next("/a", same("\"2\""));
        let new = Script::cached(if status == 206 { body } else { "new" }).field("ETag", "\"2\"");
        stage.origin.on("/a", if status == 206 { new.status(206).field("Content-Range", "bytes 0-1/3") } else { new });
        let reply = stage.send(&ask).await;
        assert_eq!((reply.status.as_u16(), reply.text().as_str()), (status, body), "{ask:?}");
        assert_eq!(reply.header("etag"), Some("\"2\""), "{ask:?}");
        assert_eq!(stage.origin.count("/a"), 3, "{ask:?}");
    }
}

/// An origin that answers 304 to whatever it is asked is not asked for ever.
#[tokio::test]
async fn there_is_one_fetch_more_and_no_third() {
    let stage = stale(Script::stale("old", SIE).field("ETag", "\"1\"")).await;
    stage.origin.on("/a", same("\"2\""));
    assert_eq!(stage.get("/a").await.status.as_u16(), 502);
    assert_eq!(stage.origin.count("/a"), 3);
    // Or that is gone by then.
    let stage = stale(Script::stale("old", SIE).field("ETag", "\"1\"")).await;
    stage.origin.next("/a", same("\"2\""));
    stage.origin.on("/a", Script::raw("what?\r\n\r\n"));
    assert_eq!(stage.get("/a").await.status.as_u16(), 502);
}

#[tokio::test]
async fn those_who_waited_for_it_get_what_is_new() {
    let stage = stale(Script::stale("old", "").field("ETag", "\"1\"")).await;
    let gate = Gate::new();
    stage.origin.next("/a", same("\"2\"").after(&gate));
    stage.origin.on("/a", Script::cached("new").field("ETag", "\"2\""));
    let asking = stage.many("/a", 10);
    stage.origin.arrived("/a", 2).await;
    gate.open();
    for reply in replies(asking).await {
        assert_eq!((reply.status.as_u16(), reply.text().as_str()), (200, "new"));
    }
    // In the background as well.
    stage.origin.next("/b", Script::stale("old", SWR).field("ETag", "\"1\""));
    stage.origin.next("/b", same("\"2\""));
    stage.origin.on("/b", Script::cached("new"));
    stage.get("/b").await;
    expect(&stage.get("/b").await, 200, "old", Outcome::Stale);
    eventually("the new one is there", async || stage.get("/b").await.text() == "new").await;
}

#[tokio::test]
async fn a_304_updates_fields_but_not_what_describes_the_body() {
    let stored = Script::stale("hello", "").field("ETag", "\"1\"");
    let kept = [
        ("Content-Encoding", "x"),
        ("Content-MD5", "old"),
        ("Content-Digest", "sha-256=:old:"),
        ("X-Old", "1"),
        ("X-Many", "1"),
        ("X-Many", "2"),
    ];
    let stage = stale(kept.into_iter().fold(stored, |stored, (name, value)| stored.field(name, value))).await;
    let update = [
        ("Content-Encoding", "y"),
        ("Content-MD5", "new"),
        ("Content-Digest", "sha-256=:new:"),
        ("Content-Range", "bytes 0-1/2"),
        ("Content-Length", "99"),
        ("X-Many", "3"),
        ("X-New", "1"),
        ("X-New", "2"),
        ("Connection", "X-Hop"),
        ("X-Hop", "1"),
        ("Content-Type", "text/new"),
    ];
    let answer = update.into_iter().fold(same("\"1\""), |answer, (name, value)| answer.field(name, value));
    stage.origin.on("/a", answer);
    let (validated, hit) = (stage.get("/a").await, stage.get("/a").await);
    expect(&validated, 200, "hello", Outcome::Revalidated);
    expect(&hit, 200, "hello", Outcome::Hit);
    for reply in [&validated, &hit] {
        for (name, want) in [
            ("content-encoding", &["x"][..]),
            ("content-md5", &["old"]),
            ("content-digest", &["sha-256=:old:"]),
            ("content-length", &["5"]),
            ("content-range", &[]),
            ("content-type", &["text/new"]),
            ("x-old", &["1"]),
            ("x-many", &["3"]),
            ("x-new", &["1", "2"]),
            ("x-hop", &[]),
        ] {
            assert_eq!(values(reply, name), want, "{name}");
        }
    }
}

#[tokio::test]
async fn a_cookie_of_a_304_is_for_the_client_that_asked() {
    let stage = stale(Script::stale("hello", "").field("ETag", "\"1\"")).await;
    let gate = Gate::new();
    stage.origin.on("/a", same("\"1\"").field("Set-Cookie", "a=1").field("Set-Cookie", "b=2").after(&gate));
    let asking = stage.many("/a", 10);
    stage.origin.arrived("/a", 2).await;
    gate.open();
    let replies = replies(asking).await;
    let given: Vec<_> =
        replies.iter().map(|reply| values(reply, "set-cookie")).filter(|lines| !lines.is_empty()).collect();
    assert_eq!(given, [["a=1", "b=2"]], "one of them asked");
    assert!(replies.iter().all(|reply| reply.text() == "hello"));
    assert_eq!(values(&stage.get("/a").await, "set-cookie"), [""; 0]);
    assert_eq!(stage.origin.count("/a"), 2);
}

#[tokio::test]
async fn fields_that_are_for_one_client_are_given_to_the_first() {
    for control in [
        "max-age=600, private=\"X-User, set-cookie\"",
        "max-age=600, no-cache=\"x-user, Set-Cookie\"",
        "max-age=600, private=x-user, no-cache=\"set-cookie\"",
    ] {
        let stage = Stage::new().await;
        let gate = Gate::new();
        let script = |script: Script| script.field("Set-Cookie", "a=1").field("X-User", "ann").field("ETag", "\"1\"");
        let first = script(Script::ok("hello").field("Cache-Control", control)).after(&gate);
        stage.origin.on("/a", first.field("X-All", "1"));
        let asking = stage.many("/a", 10);
        stage.origin.arrived("/a", 1).await;
        gate.open();
        let mut replies = replies(asking).await;
        replies.sort_by_key(|reply| outcome(reply) != Outcome::Miss);
        replies.push(stage.get("/a").await);
        for (n, reply) in replies.iter().enumerate() {
            let (cookies, user) = (values(reply, "set-cookie"), values(reply, "x-user"));
            let given = (cookies.iter().map(String::as_str).collect(), user.iter().map(String::as_str).collect());
            let want = if n == 0 { (vec!["a=1"], vec!["ann"]) } else { (vec![], vec![]) };
            assert_eq!(given, want, "{control}: {n}");
            assert_eq!((reply.header("x-all"), reply.text().as_str()), (Some("1"), "hello"));
        }
        assert_eq!(stage.origin.count("/a"), 1);
        // Who validates it gets those of the 304.
        stage.origin.next("/b", Script::stale("hello", "").field("X-User", "ann").field("ETag", "\"1\""));
        let again = Script::not_modified().field("ETag", "\"1\"").field("Cache-Control", control);
        stage.origin.on("/b", again.field("X-User", "bob"));
        stage.get("/b").await;
        assert_eq!(values(&stage.get("/b").await, "x-user"), ["bob"], "{control}");
        assert_eq!(values(&stage.get("/b").await, "x-user"), [""; 0], "{control}");
        assert_eq!(stage.origin.count("/b"), 2, "{control}");
    }
}

/// "Not for a cache" of the very response that is stored: it answers this request, and then it is gone.
#[tokio::test]
async fn a_304_that_forbids_to_store_ends_what_is_stored() {
    for control in ["private", "no-store", "max-age=600, private"] {
        let stage = stale(Script::stale("old", SIE).field("ETag", "\"1\"")).await;
        let answer = Script::not_modified().field("ETag", "\"1\"").field("Cache-Control", control);
        stage.origin.next("/a", answer.field("Set-Cookie", "a=1"));
        let reply = stage.get("/a").await;
        assert_eq!((reply.status.as_u16(), reply.text().as_str()), (200, "old"), "{control}");
        assert_eq!(values(&reply, "set-cookie"), ["a=1"], "{control}");
        assert_eq!((reply.header("cache-control"), reply.header("age")), (Some(control), None), "{control}");
        stage.origin.on("/a", Script::ok("down").status(503));
        assert_eq!(stage.get("/a").await.text(), "down", "{control}");
        assert_eq!(stage.origin.last("/a").field("if-none-match"), None, "{control}");
    }
}

/// What a site leaves out of responses, it leaves out of those that a 304 has brought as well.
#[tokio::test]
async fn the_site_s_rules_are_about_the_fields_of_a_304_too() {
    let rule = "[[sites.rules]]\nmatch = { content_type = \"text/*\" }\nset = { strip_cookies = true, response_headers = { x-secret = false } }";
    let stage = Stage::with_site(rule).await;
    for control in ["max-age=600", "private", "max-age=600, private=\"x-secret\""] {
        stage.origin.next("/a", Script::stale("hello", "").field("ETag", "\"1\"").field("Content-Type", "text/plain"));
        let answer = Script::not_modified().field("ETag", "\"1\"").field("Cache-Control", control);
        let answer = answer.field("Set-Cookie", "a=1").field("X-Secret", "1").field("Surrogate-Key", "t");
        stage.origin.next("/a", answer.field("X-Shown", "1"));
        stage.get("/a").await;
        let reply = stage.get("/a").await;
        assert_eq!((reply.text().as_str(), reply.header("x-shown")), ("hello", Some("1")), "{control}");
        for name in ["set-cookie", "x-secret", "surrogate-key"] {
            assert_eq!(reply.header(name), None, "{control}: {name}");
        }
        stage.purge(Mode::Hard, &[url("/a")]).await;
    }
}

/// Only what an origin says of its response counts against it, not what a client brings.
#[tokio::test]
async fn a_client_can_not_end_what_is_stored() {
    let stage = Stage::with_site("client_directives = \"all\"").await;
    for (n, (name, value)) in [("Cache-Control", "no-store"), ("Authorization", "Basic Zm9v")].into_iter().enumerate() {
        for method in [Method::GET, Method::HEAD] {
            for validators in [true, false] {
                let target = format!("/{n}{method}{validators}");
                let stored = Script::stale("old", SIE);
                stage.origin.next(&target, if validators { stored.field("ETag", "\"1\"") } else { stored });
                stage.get(&target).await;
                let ask = Ask::new(method.clone(), HOST, &target).with(name, value);
                let answer = if validators { same("\"1\"") } else { Script::cached("old") };
                stage.origin.next(&target, answer);
                assert_eq!(stage.send(&ask).await.status.as_u16(), 200);
                stage.origin.on(&target, Script::ok("down").status(503));
                let reply = stage.get(&target).await;
                assert_eq!((reply.status.as_u16(), reply.text().as_str()), (200, "old"), "{target} {name}");
            }
        }
    }
}

/// An error that may be stored is no use while there is something better.
#[tokio::test]
async fn an_error_with_a_lifetime_does_not_replace_what_may_be_served_stale() {
    let stage = Stage::with_site("[sites.negative_ttl]\n502 = \"1m\"").await;
    let errors = [
        ("/503", Script::ok("down").status(503).field("Cache-Control", "max-age=600")),
        ("/502", Script::ok("down").status(502)),
        ("/501", Script::ok("down").status(501).field("Cache-Control", "max-age=600")),
    ];
    for window in [SWR, SIE] {
        for (target, error) in &errors {
            if window == SIE && *target == "/501" {
                // It is no outage: the origin answers.
                continue;
            }
            let target = format!("{target}{}", window.len());
            stage.origin.next(&target, Script::stale("old", window));
            stage.origin.on(&target, error.clone());
            stage.get(&target).await;
            for n in 2..5 {
                eventually("another try", async || {
                    expect(&stage.get(&target).await, 200, "old", Outcome::Stale);
                    stage.origin.count(&target) >= n
                })
                .await;
            }
            stage.origin.on(&target, Script::cached("new"));
            eventually("the origin is heard", async || {
                let reply = stage.get(&target).await;
                assert_eq!(reply.status.as_u16(), 200, "{target}");
                reply.text() == "new"
            })
            .await;
        }
    }
    // Without a window it is stored like any other response.
    stage.origin.next("/none", Script::stale("old", ""));
    stage.origin.on("/none", errors[0].1.clone());
    stage.get("/none").await;
    for did in [Outcome::Miss, Outcome::Hit] {
        expect(&stage.get("/none").await, 503, "down", did);
    }
}

/// An answer to a validation is the origin's last word, stored or not (RFC 9111 §4.3.3): what was stored before it does not
/// come back when the origin fails.
#[tokio::test]
async fn what_the_origin_has_withdrawn_does_not_stand_in_for_errors() {
    let stage = Stage::with_site("stale_if_error = \"1h\"").await;
    for (n, answer) in [
        Script::ok("no").status(403),
        Script::ok("no").status(401),
        Script::ok("new").field("Cache-Control", "no-store"),
        Script::ok("new").field("Cache-Control", "private"),
        Script::cached("new").field("Vary", "*"),
    ]
    .into_iter()
    .enumerate()
    {
        let target = format!("/{n}");
        let stale = Script::ok("old").field("Cache-Control", "max-age=5").field("Age", "5");
        stage.origin.next(&target, stale);
        stage.get(&target).await;
        stage.origin.next(&target, answer);
        assert_ne!(stage.get(&target).await.text(), "old");
        stage.origin.on(&target, Script::ok("down").status(500));
        let reply = stage.get(&target).await;
        assert_eq!((reply.status.as_u16(), reply.text().as_str()), (500, "down"), "{n}: {:?}", reply.headers);
    }
}
