//! Vary: which of several responses to a URL a request gets.

use crate::stage::{Exchange, Gate, HOST, Script, Stage, expect, outcome, replies, reply};
use scenarios::cache_status::Outcome;
use scenarios::client::Ask;

fn language(target: &str, language: &str) -> Ask {
    Ask::get(HOST, target).with("Accept-Language", language)
}

#[tokio::test]
async fn variants_live_side_by_side() {
    let stage = Stage::new().await;
    let vary = |body: &'static str| Script::cached(body).field("Vary", "Accept-Language");
    stage.origin.next("/a", vary("hallo"));
    stage.origin.next("/a", vary("hello"));
    stage.origin.next("/a", vary("none"));
    expect(&stage.send(&language("/a", "de")).await, 200, "hallo", Outcome::Miss);
    expect(&stage.send(&language("/a", "en")).await, 200, "hello", Outcome::Miss);
    expect(&stage.get("/a").await, 200, "none", Outcome::Miss);
    for _ in 0..2 {
        expect(&stage.send(&language("/a", "DE")).await, 200, "hallo", Outcome::Hit);
        expect(&stage.send(&language("/a", "en")).await, 200, "hello", Outcome::Hit);
        expect(&stage.get("/a").await, 200, "none", Outcome::Hit);
    }
    assert_eq!(stage.origin.count("/a"), 3);
}

#[tokio::test]
async fn accept_encoding_is_normalised_towards_the_origin() {
    let stage = Stage::new().await;
    stage.origin.on("/a", Script::cached("x").field("Vary", "Accept-Encoding"));
    let with = |value: &str| Ask::get(HOST, "/a").with("Accept-Encoding", value);
    for (ask, sent, did) in [
        (with("gzip, deflate, br, zstd"), "br, gzip", Outcome::Miss),
        (with("br;q=0.9,gzip;q=0.1"), "br, gzip", Outcome::Hit),
        (with("x-gzip"), "gzip", Outcome::Miss),
        (with("gzip, br;q=0"), "gzip", Outcome::Hit),
        (with("identity"), "identity", Outcome::Miss),
        (Ask::get(HOST, "/a"), "identity", Outcome::Hit),
        (with("zstd"), "identity", Outcome::Hit),
    ] {
        expect(&stage.send(&ask).await, 200, "x", did);
        assert_eq!(stage.origin.last("/a").field("accept-encoding"), Some(sent));
    }
}

#[tokio::test]
async fn vary_star_reaches_the_client_and_is_not_stored() {
    let stage = Stage::new().await;
    stage.origin.on("/a", Script::cached("x").field("Vary", "Accept, *"));
    for n in 1..=2 {
        let reply = stage.get("/a").await;
        assert_eq!((reply.header("vary"), stage.origin.count("/a")), (Some("Accept, *"), n));
        assert!(reply.header("cache-status").is_some_and(|text| text.contains("vary-star")), "{:?}", reply.headers);
    }
}

#[tokio::test]
async fn what_responses_vary_by_may_change() {
    let stage = Stage::new().await;
    let stale = |body: &'static str| Script::stale(body, "");
    stage.origin.next("/a", stale("plain"));
    stage.origin.next("/a", stale("by language").field("Vary", "Accept-Language"));
    stage.origin.next("/a", stale("by type").field("Vary", "Accept"));
    stage.origin.next("/a", Script::cached("plain again"));
    for body in ["plain", "by language", "by type", "plain again"] {
        let reply = stage.send(&language("/a", "de")).await;
        assert_eq!(reply.text(), body);
    }
    expect(&stage.send(&language("/a", "en")).await, 200, "plain again", Outcome::Hit);
}

#[tokio::test]
async fn concurrent_requests_for_different_variants_each_get_their_own() {
    let stage = Stage::new().await;
    let gate = Gate::new();
    let vary = |body: &'static str| Script::cached(body).field("Vary", "Accept-Language");
    stage.origin.next("/a", vary("first").after(&gate));
    stage.origin.next("/a", vary("second"));
    let first = stage.ask(language("/a", "de"));
    stage.origin.arrived("/a", 1).await;
    let others: Vec<_> = (0..20).map(|n| stage.ask(language("/a", if n % 2 == 0 { "de" } else { "en" }))).collect();
    gate.open();
    assert_eq!(reply(first).await.text(), "first");
    for (n, reply) in replies(others).await.into_iter().enumerate() {
        assert_eq!(reply.text(), if n % 2 == 0 { "first" } else { "second" });
    }
    assert_eq!(stage.origin.count("/a"), 2);
    assert_eq!(outcome(&stage.send(&language("/a", "en")).await), Outcome::Hit);
}

/// RFC 9111 §4.1: what a value may be normalised by is a matter of its field's syntax.
#[tokio::test]
async fn commas_mean_nothing_in_lists_alone() {
    let stage = Stage::new().await;
    for (target, field, a, b, did) in [
        ("/cookie", "Cookie", "id=1,,2", "id=1,2", Outcome::Miss),
        ("/space", "Cookie", "id=1 ,2", "id=1,2", Outcome::Miss),
        ("/user", "X-User", ",bob", "bob", Outcome::Miss),
        ("/list", "Prefer", ",a , b", "a,b", Outcome::Hit),
    ] {
        stage.origin.on(target, Script::cached("x").field("Vary", field));
        assert_eq!(outcome(&stage.send(&Ask::get(HOST, target).with(field, a)).await), Outcome::Miss, "{target}");
        assert_eq!(outcome(&stage.send(&Ask::get(HOST, target).with(field, b)).await), did, "{target}");
    }
}

/// What does not go up selects nothing: its variant would be another one's.
#[tokio::test]
async fn a_field_that_connection_names_selects_no_variant() {
    let stage = Stage::new().await;
    for field in ["Cache-Control", "Content-Language", "X-User"] {
        let target = format!("/{field}");
        let vary = |body: &'static str| Script::cached(body).field("Vary", field);
        stage.origin.next(&target, vary("without"));
        stage.origin.next(&target, vary("with"));
        let ask = async |fields: &str| {
            let text = format!("GET {target} HTTP/1.1\r\nHost: {HOST}\r\n{fields}\r\n");
            let (status, body) =
                Exchange::send(stage.node().public_addr(), &text).await.whole().await.expect("a response");
            (status, String::from_utf8(body).expect("text"))
        };
        let named = format!("{field}: x\r\nConnection: {field}\r\n");
        assert_eq!(ask(&named).await, (200, "without".to_owned()), "{field}");
        let seen = stage.origin.last(&target);
        assert_eq!(seen.field(field), None);
        assert_eq!(ask(&format!("{field}: x\r\n")).await, (200, "with".to_owned()), "{field}");
        assert_eq!(ask("").await, (200, "without".to_owned()), "{field}");
        assert_eq!(ask(&named).await, (200, "without".to_owned()), "{field}");
        assert_eq!(stage.origin.count(&target), 2, "{field}");
    }
}
