//! What the response to a HEAD says of a stored response that can't be validated (RFC 9111 §4.3.5).

use crate::stage::{HOST, Script, Stage, expect, outcome};
use http::Method;
use scenarios::cache_status::Outcome;
use scenarios::client::{Ask, Connection};

/// For a response that has been stale for a minute, and a little longer than it was fresh.
const SIE: &str = ", stale-if-error=100";

fn head(target: &str) -> Ask {
    Ask::new(Method::HEAD, HOST, target)
}

/// What becomes of the stored response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Becomes {
    Fresh,
    /// Stale, as it was: it may still stand in for an error.
    AsItWas,
    /// Stale from its beginning: its window is over.
    Stale,
    Gone,
}

/// Stores "hello", which is stale by now and has no validators; lets a HEAD have this answer; and looks what became of it.
async fn check(answer: Script, status: u16, want: Becomes) {
    let stage = Stage::new().await;
    stage.origin.next("/a", Script::stale("hello", SIE).field("X-Old", "1").field("X-Both", "1"));
    stage.get("/a").await;
    stage.origin.next("/a", answer.clone().field("X-Both", "2"));
    let mut connection = Connection::open(stage.node().public_addr()).await.expect("a connection");
    let reply = connection.send(&head("/a")).await.expect("an answer");
    assert_eq!((reply.status.as_u16(), reply.text().as_str()), (status, ""), "{answer:?}");
    assert_eq!(reply.header("x-both"), Some("2"), "it is the origin's own answer");
    let seen = stage.origin.last("/a");
    assert_eq!((seen.method.as_str(), stage.origin.count("/a")), ("HEAD", 2), "{answer:?}");
    stage.origin.on("/a", Script::ok("down").status(503));
    let reply = connection.send(&Ask::get(HOST, "/a")).await.expect("the connection is still good");
    let got = (reply.status.as_u16(), reply.text(), outcome(&reply));
    match want {
        Becomes::Fresh => assert_eq!(got, (200, "hello".to_owned(), Outcome::Hit), "{answer:?}"),
        Becomes::AsItWas => assert_eq!(got, (200, "hello".to_owned(), Outcome::Stale), "{answer:?}"),
        Becomes::Stale | Becomes::Gone => assert_eq!((got.0, got.1.as_str()), (503, "down"), "{answer:?}"),
    }
    if want == Becomes::Fresh {
        let fields = ["x-old", "x-both", "content-length"].map(|name| reply.header(name));
        assert_eq!(fields, [Some("1"), Some("2"), Some("5")], "{answer:?}");
    }
    let reason = reply.header("cache-status").unwrap_or_default();
    // What is gone is missed; what is stale is asked about.
    assert_eq!(reason.contains("fwd=uri-miss"), want == Becomes::Gone, "{answer:?}: {reason}");
}

#[tokio::test]
async fn what_agrees_freshens() {
    check(Script::cached("world"), 200, Becomes::Fresh).await;
    check(Script::cached("hello").chunked(), 200, Becomes::Fresh).await;
    check(Script::cached("hello").field("Age", "5").field("Set-Cookie", "a=1"), 200, Becomes::Fresh).await;
}

#[tokio::test]
async fn what_differs_makes_stale() {
    check(Script::cached("longer"), 200, Becomes::Stale).await;
    check(Script::cached("hello").field("ETag", "\"1\""), 200, Becomes::Stale).await;
    check(Script::cached("hello").field("Last-Modified", "Sat, 01 Nov 2025 10:00:00 GMT"), 200, Becomes::Stale).await;
}

#[tokio::test]
async fn what_is_no_200_says_nothing() {
    check(Script::ok("gone").status(410), 410, Becomes::AsItWas).await;
    check(Script::cached("gone!").status(404), 404, Becomes::AsItWas).await;
    check(Script::ok("").status(302).field("Location", "/b"), 302, Becomes::AsItWas).await;
    check(Script::cached("what?").status(501), 501, Becomes::AsItWas).await;
}

#[tokio::test]
async fn what_forbids_to_store_ends_it() {
    for control in ["private", "no-store", "max-age=60, private"] {
        check(Script::ok("hello").field("Cache-Control", control), 200, Becomes::Gone).await;
    }
}

/// The origin fails: the HEAD is answered like a GET would be.
#[tokio::test]
async fn an_error_is_stood_in_for() {
    let stage = Stage::new().await;
    stage.origin.next("/a", Script::stale("hello", SIE));
    stage.origin.on("/a", Script::ok("down").status(503));
    stage.get("/a").await;
    for _ in 0..2 {
        let reply = stage.send(&head("/a")).await;
        expect(&reply, 200, "", Outcome::Stale);
        assert_eq!(reply.header("content-length"), Some("5"));
    }
}

#[tokio::test]
async fn with_validators_a_get_asks() {
    for (name, value) in [("ETag", "\"1\""), ("Last-Modified", "Sat, 01 Nov 2025 10:00:00 GMT")] {
        let stage = Stage::new().await;
        stage.origin.next("/a", Script::stale("hello", "").field(name, value));
        stage.origin.next("/a", Script::not_modified().field(name, value).field("Cache-Control", "max-age=600"));
        stage.get("/a").await;
        let reply = stage.send(&head("/a")).await;
        expect(&reply, 200, "", Outcome::Revalidated);
        assert_eq!((reply.header("content-length"), stage.origin.last("/a").method.as_str()), (Some("5"), "GET"));
        expect(&stage.get("/a").await, 200, "hello", Outcome::Hit);
        // And what has changed is stored, for everybody.
        stage.origin.next("/b", Script::stale("hello", "").field(name, value));
        stage.origin.on("/b", Script::cached("changed"));
        stage.get("/b").await;
        let reply = stage.send(&head("/b")).await;
        assert_eq!((reply.text().as_str(), reply.header("content-length")), ("", Some("7")));
        stage.origin.answered("/b", 2).await;
        crate::stage::eventually("it is stored", async || outcome(&stage.get("/b").await) == Outcome::Hit).await;
        assert_eq!((stage.get("/b").await.text().as_str(), stage.origin.count("/b")), ("changed", 2));
    }
}

/// Of a fresh response, too, a HEAD may find out that it is not what it was.
#[tokio::test]
async fn a_fresh_response_becomes_stale() {
    let stage = Stage::with_site("client_directives = \"all\"").await;
    stage.origin.next("/a", Script::cached("hello"));
    stage.get("/a").await;
    stage.origin.next("/a", Script::cached("longer"));
    stage.origin.on("/a", Script::cached("longer, and changed again"));
    let forced = head("/a").with("Cache-Control", "no-cache");
    assert_eq!(stage.send(&forced).await.header("content-length"), Some("6"));
    expect(&stage.get("/a").await, 200, "longer, and changed again", Outcome::Miss);
    assert_eq!(stage.origin.count("/a"), 3);
}

/// A HEAD finds out about the response that it found, not about one that has come since.
#[tokio::test]
async fn what_was_stored_meanwhile_is_left_alone() {
    let stage = Stage::new().await;
    let gate = crate::stage::Gate::new();
    stage.origin.next("/a", Script::stale("old", ""));
    stage.get("/a").await;
    stage.origin.next("/a", Script::ok("private").field("Cache-Control", "private").after(&gate));
    stage.origin.on("/a", Script::cached("new"));
    let asking = stage.ask(head("/a"));
    stage.origin.arrived("/a", 2).await;
    expect(&stage.get("/a").await, 200, "new", Outcome::Miss);
    gate.open();
    assert_eq!(crate::stage::reply(asking).await.status.as_u16(), 200);
    expect(&stage.get("/a").await, 200, "new", Outcome::Hit);
}
