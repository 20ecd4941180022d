//! Accept-Language in one form, and responses in the language that is wanted most (RFC 9110 §12.5.4); Accept-Encoding as
//! it is sent.

use crate::stage::{Exchange, Gate, HOST, Script, Stage, eventually, expect, outcome, pattern, url};
use edge::wire::purge::Mode;
use http::Method;
use scenarios::cache_status::Outcome;
use scenarios::client::Ask;

const NORMALISE: &str = "accept_language = \"normalise\"";

fn wanting(target: &str, languages: &str) -> Ask {
    Ask::get(HOST, target).with("Accept-Language", languages)
}

fn in_language(body: &'static str, language: &str) -> Script {
    Script::cached(body).field("Vary", "Accept-Language").field("Content-Language", language)
}

#[tokio::test]
async fn the_origin_is_asked_in_one_form() {
    let stage = Stage::with_site(NORMALISE).await;
    stage.origin.on("/a", Script::cached("x").field("Vary", "Accept-Language"));
    for (asked, sent, did) in [
        ("en, de", "de, en", Outcome::Miss),
        ("DE,en", "de, en", Outcome::Hit),
        ("de;q=1.0 , en;Q=1", "de, en", Outcome::Hit),
        ("en, en, de", "de, en", Outcome::Hit),
        ("de, en;q=0.9", "de, en;q=0.900", Outcome::Miss),
        ("en;q=0.90, de", "de, en;q=0.900", Outcome::Hit),
        ("en, de;q=0.9", "en, de;q=0.900", Outcome::Miss),
        ("*", "*", Outcome::Miss),
        // What can't be read is compared, and sent, as it stands.
        ("e n, de", "e n, de", Outcome::Miss),
        ("de, e n", "de, e n", Outcome::Miss),
    ] {
        expect(&stage.send(&wanting("/a", asked)).await, 200, "x", did);
        if did == Outcome::Miss {
            assert_eq!(stage.origin.last("/a").field("accept-language"), Some(sent), "{asked}");
        }
    }
    expect(&stage.get("/a").await, 200, "x", Outcome::Miss);
    assert_eq!(stage.origin.last("/a").field("accept-language"), None);
}

#[tokio::test]
async fn by_default_languages_are_asked_for_as_they_are_sent() {
    let stage = Stage::new().await;
    stage.origin.on("/a", in_language("x", "de"));
    for asked in ["en, de", "de, en", "de", "de, en;q=0.5"] {
        expect(&stage.send(&wanting("/a", asked)).await, 200, "x", Outcome::Miss);
        assert_eq!(stage.origin.last("/a").field("accept-language"), Some(asked));
    }
}

#[tokio::test]
async fn a_response_in_the_language_that_is_wanted_most_will_do() {
    for (language, asked, will_do) in [
        ("de", "de", true),
        ("DE", "de, en;q=0.5", true),
        ("de", "en;q=0.5, de;q=0.6", true),
        ("de", "en, de;q=0.5", false),
        ("de", "en, de", false),
        ("de", "de-at, de;q=0.5", false),
        ("de-at", "de", false),
        ("de", "*, de;q=0.5", false),
        ("de", "de;q=0", false),
        ("de, en", "de", false),
        ("", "de", false),
        ("*", "*", false),
    ] {
        let stage = Stage::with_site(NORMALISE).await;
        stage.origin.next("/a", in_language("first", language));
        stage.origin.on("/a", in_language("second", language));
        // A list that is nobody else's.
        stage.send(&wanting("/a", "de, fr;q=0.123, en;q=0.234")).await;
        let want = if will_do { ("first", Outcome::Hit) } else { ("second", Outcome::Miss) };
        let reply = stage.send(&wanting("/a", asked)).await;
        assert_eq!((reply.text().as_str(), outcome(&reply)), want, "{language} {asked}");
    }
}

/// An origin may write into its response what the request says: nobody's request makes it one for others.
#[tokio::test]
async fn what_was_made_for_another_wish_is_nobody_elses() {
    for asked in ["de, <b>;q=0.1", "de, x--x;q=0.1", "de, somebodys;q=0.1", "de;q=0.5, en", "en, fr", "de, en;q=1.1"] {
        let stage = Stage::with_site(NORMALISE).await;
        stage.origin.next("/a", in_language("reflected", "de"));
        stage.origin.on("/a", in_language("hallo", "de"));
        expect(&stage.send(&wanting("/a", asked)).await, 200, "reflected", Outcome::Miss);
        expect(&stage.send(&wanting("/a", "de")).await, 200, "hallo", Outcome::Miss);
        expect(&stage.send(&wanting("/a", "de, it;q=0.1")).await, 200, "hallo", Outcome::Hit);
    }
}

#[tokio::test]
async fn other_fields_must_match_all_the_same() {
    let stage = Stage::with_site(NORMALISE).await;
    let script = |body: &'static str| {
        Script::cached(body).field("Vary", "X-Plan, Accept-Language").field("Content-Language", "de")
    };
    stage.origin.next("/a", script("for free"));
    stage.origin.next("/a", script("paid"));
    stage.send(&wanting("/a", "de").with("X-Plan", "free")).await;
    let paid = |asked| wanting("/a", asked).with("X-Plan", "paid");
    expect(&stage.send(&paid("de, en;q=0.5")).await, 200, "paid", Outcome::Miss);
    expect(&stage.send(&paid("de, fr;q=0.5")).await, 200, "paid", Outcome::Hit);
    let free = wanting("/a", "de, fr;q=0.5").with("X-Plan", "free");
    expect(&stage.send(&free).await, 200, "for free", Outcome::Hit);
}

/// The place by which a response is found leads to what is stored now.
#[tokio::test]
async fn what_is_found_by_language_is_what_is_stored() {
    let stage = Stage::with_site(&format!("{NORMALISE}\nclient_directives = \"all\"")).await;
    let first = wanting("/a", "de, fr;q=0.123");
    // Validated: it is still found.
    stage.origin.next("/a", in_language("hallo", "de").field("Age", "3590").field("ETag", "\"1\""));
    let same = Script::not_modified().field("ETag", "\"1\"").field("Cache-Control", "max-age=3600");
    stage.origin.next("/a", same.field("X-New", "1"));
    stage.send(&first).await;
    stage.send(&first.clone().with("Cache-Control", "no-cache")).await;
    let reply = stage.send(&wanting("/a", "de")).await;
    expect(&reply, 200, "hallo", Outcome::Hit);
    assert_eq!(reply.header("x-new"), Some("1"));
    // Replaced: by another one in the language, or by one that is in none.
    stage.origin.next("/a", in_language("servus", "de"));
    stage.send(&first.clone().with("Cache-Control", "no-cache")).await;
    expect(&stage.send(&wanting("/a", "de")).await, 200, "servus", Outcome::Hit);
    stage.origin.next("/a", in_language("hello", "en"));
    stage.origin.next("/a", in_language("gruezi", "de"));
    stage.send(&first.clone().with("Cache-Control", "no-cache")).await;
    expect(&stage.send(&wanting("/a", "de")).await, 200, "gruezi", Outcome::Miss);
    expect(&stage.send(&first).await, 200, "hello", Outcome::Hit);
}

/// Somebody who reads slowly keeps a response in memory that is not stored any more.
#[tokio::test]
async fn what_is_still_being_read_is_not_found_by_language() {
    let stage = Stage::with_site(&format!("{NORMALISE}\nclient_directives = \"all\"")).await;
    let large = Script::cached(pattern(32 << 20)).field("Vary", "Accept-Language").field("Content-Language", "de");
    stage.origin.next("/a", large);
    let first = wanting("/a", "de, fr;q=0.123");
    stage.send(&first).await;
    let request = format!("GET /a HTTP/1.1\r\nHost: {HOST}\r\nAccept-Language: de, fr;q=0.123\r\n\r\n");
    let mut reader = Exchange::send(stage.node().public_addr(), &request).await;
    reader.bytes_after_head(1000).await;
    // Of another length than what is stored: it is stale from now on.
    stage.origin.next("/a", in_language("new", "de"));
    let head = Ask::new(Method::HEAD, HOST, "/a").with("Accept-Language", "de, fr;q=0.123");
    stage.send(&head.with("Cache-Control", "no-cache")).await;
    stage.origin.on("/a", in_language("new", "de"));
    expect(&stage.send(&wanting("/a", "de")).await, 200, "new", Outcome::Miss);
    reader.rest().await.expect("it is read to its end");
}

#[tokio::test]
async fn a_purge_hides_what_is_found_by_language() {
    let stage = Stage::with_site(NORMALISE).await;
    stage.origin.next("/a", in_language("old", "de"));
    stage.origin.on("/a", in_language("new", "de"));
    stage.send(&wanting("/a", "de, fr;q=0.1")).await;
    expect(&stage.send(&wanting("/a", "de")).await, 200, "old", Outcome::Hit);
    stage.purge(Mode::Hard, &[url("/a")]).await;
    expect(&stage.send(&wanting("/a", "de")).await, 200, "new", Outcome::Miss);
    expect(&stage.send(&wanting("/a", "de, en;q=0.1")).await, 200, "new", Outcome::Hit);
    // One that was on its way makes no place for itself that leads to it.
    let (gate, large) = (Gate::new(), pattern(100_000));
    stage.purge(Mode::Hard, &[url("/a")]).await;
    let script = Script::cached(large).field("Vary", "Accept-Language").field("Content-Language", "de");
    stage.origin.next("/a", script.pause_at(50_000, &gate));
    let request = format!("GET /a HTTP/1.1\r\nHost: {HOST}\r\nAccept-Language: de, fr;q=0.1\r\n\r\n");
    let mut early = Exchange::send(stage.node().public_addr(), &request).await;
    early.bytes_after_head(50_000).await;
    stage.purge(Mode::Hard, &[url("/a")]).await;
    gate.open();
    early.rest().await.expect("the rest");
    eventually("it has ended", async || stage.stats().await.store.fills_in_flight == 0).await;
    expect(&stage.send(&wanting("/a", "de")).await, 200, "new", Outcome::Miss);
}

#[tokio::test]
async fn codings_may_be_told_apart_as_they_are_sent() {
    let stage = Stage::with_site("accept_encoding = \"as-sent\"").await;
    stage.origin.on("/a", Script::cached("x").field("Vary", "Accept-Encoding"));
    let with = |value: &str| Ask::get(HOST, "/a").with("Accept-Encoding", value);
    for (ask, sent, did) in [
        (with("gzip, zstd"), Some("gzip, zstd"), Outcome::Miss),
        (with("zstd, gzip"), Some("zstd, gzip"), Outcome::Miss),
        (with("gzip,zstd"), Some("zstd, gzip"), Outcome::Hit),
        (with("gzip;q=0.5, zstd"), Some("gzip;q=0.5, zstd"), Outcome::Miss),
        (with(""), Some(""), Outcome::Miss),
        (Ask::get(HOST, "/a"), None, Outcome::Miss),
        (Ask::get(HOST, "/a"), None, Outcome::Hit),
    ] {
        expect(&stage.send(&ask).await, 200, "x", did);
        assert_eq!(stage.origin.last("/a").field("accept-encoding"), sent, "{ask:?}");
    }
}
