//! Responses to POST that answer a GET (RFC 9110 §9.3.3): those that name their own URL, and state their lifetime.

use crate::stage::{
    Exchange, Gate, HOST, Script, Stage, eventually, expect, outcome, parameter, pattern, reply, tag, url,
};
use edge::clock;
use edge::wire::purge::{Mode, Target};
use http::Method;
use scenarios::cache_status::Outcome;
use scenarios::client::Ask;
use std::time::Duration;

const CHANGED: &str = "Sat, 01 Nov 2025 10:00:00 GMT";

/// A stage whose site stores such responses.
async fn storing_posts() -> Stage {
    Stage::with_site("store_posts = true").await
}

fn post(target: &str) -> Ask {
    Ask::new(Method::POST, HOST, target).json("{}")
}

/// What answers a GET of `target` as well.
fn posted(target: &str) -> Script {
    Script::cached("posted").field("Content-Location", target)
}

/// Sends a POST of `target` that has this answer, and says whether a GET is answered with it.
async fn answers(stage: &Stage, ask: &Ask, target: &str, answer: Script) -> bool {
    stage.origin.next(target, answer.clone());
    stage.origin.on(target, Script::ok("got").field("Cache-Control", "no-store"));
    let status = stage.send(ask).await.status;
    let asked = stage.origin.count(target);
    let reply = stage.get(target).await;
    let answers = stage.origin.count(target) == asked;
    let want = if answers { "posted" } else { "got" };
    assert_eq!(reply.text(), want, "{status} {answer:?}");
    assert_eq!(outcome(&reply) == Outcome::Hit, answers, "{answer:?}");
    answers
}

#[tokio::test]
async fn an_answer_that_names_its_own_url_answers_a_get() {
    let stage = storing_posts().await;
    let later = httpdate::fmt_http_date(clock::now().to_system_time() + Duration::from_secs(600));
    let own = format!("http://{HOST}/f/0?q");
    for (n, script) in [
        posted("/f/0?q"),
        posted(&own),
        posted("?q"),
        posted("0?q"),
        posted("./../f/0?q#x"),
        posted("/f/0?q").chunked(),
        posted("/f/0?q").hinting("Link", "</x>"),
        Script::ok("posted").field("Content-Location", "/f/0?q").field("Expires", &later),
        Script::ok("posted").field("Content-Location", "/f/0?q").field("Cache-Control", "s-maxage=600"),
        Script::ok("posted").field("Content-Location", "/f/0?q").field("CDN-Cache-Control", "max-age=600"),
    ]
    .into_iter()
    .enumerate()
    {
        assert!(answers(&stage, &post("/f/0?q"), "/f/0?q", script).await, "{n}");
        // Like any other stored response.
        let head = stage.send(&Ask::new(Method::HEAD, HOST, "/f/0?q")).await;
        assert_eq!((outcome(&head), head.header("content-length")), (Outcome::Hit, Some("6")), "{n}");
        let part = stage.send(&Ask::get(HOST, "/f/0?q").with("Range", "bytes=1-2")).await;
        expect(&part, 206, "os", Outcome::Hit);
        assert!(parameter(&part, "ttl").is_some_and(|ttl| ttl > 500), "{n}");
        assert_eq!(stage.get("/f/0").await.status.as_u16(), 404, "{n}: another URL is another one");
    }
}

#[tokio::test]
async fn only_where_the_site_says_so() {
    let stage = Stage::new().await;
    assert!(!answers(&stage, &post("/a"), "/a", posted("/a")).await);
}

#[tokio::test]
async fn other_answers_do_not() {
    let stage = Stage::with_site("store_posts = true\ntargeted_fields = [\"X-CDN\"]").await;
    let named = |control: &str| Script::ok("posted").field("Content-Location", "/a").field("Cache-Control", control);
    for (n, script) in [
        Script::cached("posted"),
        posted("/b"),
        posted("/a?x"),
        posted("/a/"),
        posted("http://other.example/a"),
        posted("https://www.example/a"),
        posted("/a").field("Content-Location", "/a"),
        // Only what is said counts, not what could be guessed.
        Script::ok("posted").field("Content-Location", "/a").field("Last-Modified", CHANGED),
        named("public").field("Last-Modified", CHANGED),
        named("stale-if-error=600").field("Last-Modified", CHANGED),
        named("public").field("Last-Modified", CHANGED).field("CDN-Cache-Control", "max-age=600"),
        named("public").field("Last-Modified", CHANGED).field("X-CDN", "stale-if-error=600"),
        named("max-age=600").field("Last-Modified", CHANGED).field("X-CDN", "stale-if-error=600"),
        named("private, max-age=600"),
        named("no-store, max-age=600"),
        named("max-age=0"),
        posted("/a").field("Set-Cookie", "a=1"),
        posted("/a").field("Vary", "*"),
        posted("/a").status(201),
        posted("/a").status(203),
        posted("/a").status(404),
        posted("/a").status(206).field("Content-Range", "bytes 0-5/6"),
    ]
    .into_iter()
    .enumerate()
    {
        assert!(!answers(&stage, &post("/a"), "/a", script.clone()).await, "{n}: {script:?}");
    }
    for method in ["PUT", "PATCH", "DELETE", "OPTIONS", "FROBNICATE", "post"] {
        let ask = Ask::new(method.parse().expect("a method"), HOST, "/a");
        assert!(!answers(&stage, &ask, "/a", posted("/a")).await, "{method}");
    }
    // What is one client's is not everybody's.
    assert!(!answers(&stage, &post("/a").with("Authorization", "Basic Zm9v"), "/a", posted("/a")).await);
    assert!(answers(&stage, &post("/a"), "/a", posted("/a")).await, "it is the answers, not the stage");
}

#[tokio::test]
async fn its_own_url_is_the_one_by_the_sites_rule_for_queries() {
    let stage = Stage::with_site("store_posts = true\nquery = { sort = true, drop = [\"utm_*\"] }").await;
    for (n, location) in ["/a?x=1&y=2", "/a?y=2&x=1", "?y=2&utm_source=z&x=1"].into_iter().enumerate() {
        stage.origin.next("/a?x=1&y=2", posted(location));
        stage.origin.on("/a?x=1&y=2", Script::ok("got").field("Cache-Control", "no-store"));
        stage.send(&post("/a?y=2&x=1")).await;
        expect(&stage.get("/a?utm_source=w&x=1&y=2").await, 200, "posted", Outcome::Hit);
        assert_eq!(stage.origin.count("/a?x=1&y=2"), n + 1);
    }
    assert!(!answers(&stage, &post("/a?x=1"), "/a?x=1", posted("/a?y=1")).await);
}

#[tokio::test]
async fn a_site_may_have_it_passed() {
    let stage =
        Stage::with_site("store_posts = true\n[[sites.rules]]\nmatch = { path = \"/api/*\" }\nset = { pass = true }")
            .await;
    assert!(!answers(&stage, &post("/api/a"), "/api/a", posted("/api/a")).await);
    assert!(answers(&stage, &post("/a"), "/a", posted("/a")).await);
}

#[tokio::test]
async fn it_takes_the_place_of_what_was_stored() {
    let stage = storing_posts().await;
    for body in ["one", "two"] {
        stage.origin.on("/a", Script::cached(body));
        stage.purge(Mode::Hard, &[url("/a")]).await;
        stage.get("/a").await;
        stage.origin.on("/a", posted("/a"));
        expect(&stage.send(&post("/a")).await, 200, "posted", Outcome::Pass);
        expect(&stage.get("/a").await, 200, "posted", Outcome::Hit);
    }
}

/// The origin may have made the answer before the purge, whatever is purged, and whenever the purge comes.
#[tokio::test]
async fn a_purge_hides_it() {
    let targets = [url("/a"), tag("t"), Target::Prefix { url: format!("http://{HOST}/") }, Target::Everything];
    for target in targets {
        let stage = storing_posts().await;
        let script =
            |body: bytes::Bytes| Script::cached(body).field("Content-Location", "/a").field("Surrogate-Key", "t");
        let got = || Script::cached("got").field("Surrogate-Key", "t");
        // At the origin.
        let gate = Gate::new();
        stage.origin.next("/a", script("posted".into()).after(&gate));
        stage.origin.on("/a", got());
        let early = stage.ask(post("/a"));
        stage.origin.arrived("/a", 1).await;
        stage.purge(Mode::Hard, std::slice::from_ref(&target)).await;
        gate.open();
        assert_eq!(reply(early).await.text(), "posted");
        expect(&stage.get("/a").await, 200, "got", Outcome::Miss);
        // On its way.
        let (gate, large) = (Gate::new(), pattern(100_000));
        stage.purge(Mode::Hard, &[url("/a")]).await;
        stage.origin.next("/a", script(large.clone()).pause_at(50_000, &gate));
        let request = format!("POST /a HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: 0\r\n\r\n");
        let mut early = Exchange::send(stage.node().public_addr(), &request).await;
        early.bytes_after_head(50_000).await;
        stage.purge(Mode::Hard, std::slice::from_ref(&target)).await;
        gate.open();
        early.rest().await.expect("the rest");
        eventually("it has ended", async || stage.stats().await.store.fills_in_flight == 0).await;
        expect(&stage.get("/a").await, 200, "got", Outcome::Miss);
        // Stored.
        stage.purge(Mode::Hard, &[url("/a")]).await;
        stage.origin.next("/a", script("posted".into()));
        stage.send(&post("/a")).await;
        expect(&stage.get("/a").await, 200, "posted", Outcome::Hit);
        stage.purge(Mode::Hard, std::slice::from_ref(&target)).await;
        expect(&stage.get("/a").await, 200, "got", Outcome::Miss);
    }
}

/// Of two changes, the one whose answer comes last need not be the last.
#[tokio::test]
async fn a_change_that_came_in_between_hides_it() {
    for method in ["POST", "DELETE"] {
        let stage = storing_posts().await;
        let gate = Gate::new();
        stage.origin.next("/a", posted("/a").after(&gate));
        stage.origin.next("/a", Script::ok("changed"));
        stage.origin.on("/a", Script::cached("got"));
        let early = stage.ask(post("/a"));
        stage.origin.arrived("/a", 1).await;
        let change = Ask::new(method.parse().expect("a method"), HOST, "/a");
        assert_eq!(stage.send(&change).await.text(), "changed");
        gate.open();
        assert_eq!(reply(early).await.text(), "posted");
        expect(&stage.get("/a").await, 200, "got", Outcome::Miss);
    }
    // Also while it is on its way.
    let stage = storing_posts().await;
    let (gate, large) = (Gate::new(), pattern(100_000));
    let script = Script::cached(large).field("Content-Location", "/a");
    stage.origin.next("/a", script.pause_at(50_000, &gate));
    stage.origin.next("/a", Script::ok("changed"));
    stage.origin.on("/a", Script::cached("got"));
    let request = format!("POST /a HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: 0\r\n\r\n");
    let mut early = Exchange::send(stage.node().public_addr(), &request).await;
    early.bytes_after_head(50_000).await;
    assert_eq!(stage.send(&Ask::new(Method::PUT, HOST, "/a")).await.text(), "changed");
    gate.open();
    early.rest().await.expect("the rest");
    expect(&stage.get("/a").await, 200, "got", Outcome::Miss);
}

#[tokio::test]
async fn one_that_breaks_off_is_not_stored() {
    let stage = storing_posts().await;
    for chunked in [false, true] {
        let target = if chunked { "/chunked" } else { "/length" };
        let broken = Script::cached(pattern(100_000)).field("Content-Location", target).cut_at(60_000);
        stage.origin.next(target, if chunked { broken.chunked() } else { broken });
        stage.origin.on(target, Script::cached("got"));
        stage.try_send(&post(target)).await.expect_err("it breaks off");
        expect(&stage.get(target).await, 200, "got", Outcome::Miss);
    }
    eventually("nothing is left", async || stage.stats().await.store.fills_in_flight == 0).await;
}

#[tokio::test]
async fn one_that_is_too_large_is_delivered_and_not_stored() {
    let stage =
        Stage::with("[store]\nmemory = \"64MiB\"\nmax_object = \"1MiB\"\n[[sites]]\nid = \"docs\"\nstore_posts = true")
            .await;
    let large = pattern((1 << 20) + 1);
    for chunked in [false, true] {
        let target = if chunked { "/chunked" } else { "/length" };
        let script = Script::cached(large.clone()).field("Content-Location", target);
        stage.origin.next(target, if chunked { script.chunked() } else { script });
        stage.origin.on(target, Script::cached("got"));
        assert!(stage.send(&post(target)).await.body == large);
        expect(&stage.get(target).await, 200, "got", Outcome::Miss);
    }
    let fits = pattern(1 << 20);
    stage.origin.next("/fits", Script::cached(fits.clone()).field("Content-Location", "/fits").chunked());
    assert!(stage.send(&post("/fits")).await.body == fits);
    assert!(stage.get("/fits").await.body == fits);
    assert_eq!(stage.origin.count("/fits"), 1);
}

/// Whoever sends a POST can read its answer as slowly as they like, or leave. Nobody's GET waits for that.
#[tokio::test]
async fn nobody_joins_it_before_it_is_whole() {
    let stage = storing_posts().await;
    for leaves in [true, false] {
        let gate = Gate::new();
        let target = if leaves { "/leaves" } else { "/stays" };
        let script = Script::cached(pattern(100_000)).field("Content-Location", target);
        stage.origin.next(target, script.pause_at(50_000, &gate));
        stage.origin.on(target, Script::cached("got"));
        let request = format!("POST {target} HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: 0\r\n\r\n");
        let mut early = Exchange::send(stage.node().public_addr(), &request).await;
        early.bytes_after_head(50_000).await;
        expect(&stage.get(target).await, 200, "got", Outcome::Miss);
        if leaves {
            drop(early);
            stage.origin.broken(target, 1).await;
        } else {
            gate.open();
            early.rest().await.expect("the rest");
        }
        assert_eq!(outcome(&stage.get(target).await), Outcome::Hit);
        assert_eq!(stage.origin.count(target), 2);
    }
}

/// A POST goes up as it is. What comes back in a coding, or a language, that only this client asked for must not be
/// given to others.
#[tokio::test]
async fn only_what_others_would_have_asked_for_is_stored() {
    let stage = Stage::with_site("store_posts = true\naccept_language = \"normalise\"").await;
    let answer =
        |fields: &[(&str, &str)]| fields.iter().fold(posted("/a"), |script, (name, value)| script.field(name, value));
    for (sent, fields, stores) in [
        (("Accept-Encoding", "zstd"), &[("Content-Encoding", "zstd"), ("Vary", "Accept-Encoding")][..], false),
        (("Accept-Encoding", "zstd"), &[("Content-Encoding", "zstd")], false),
        (("Accept-Encoding", "gzip, deflate, br, zstd"), &[("Vary", "Accept-Encoding")], false),
        (("Accept-Encoding", "gzip, deflate, br, zstd"), &[], true),
        (("Accept-Encoding", "identity"), &[("Vary", "Accept-Encoding")], true),
        (("X-Plain", "1"), &[("Vary", "Accept-Encoding")], true),
        (("X-Plain", "1"), &[("Vary", "Accept-Encoding"), ("Content-Encoding", "gzip")], false),
        (("Accept-Language", "EN, de"), &[("Vary", "Accept-Language")], false),
        (("Accept-Language", "de, en"), &[("Vary", "Accept-Language")], true),
        (("Accept-Language", "EN, de"), &[], true),
    ] {
        stage.purge(Mode::Hard, &[url("/a")]).await;
        stage.origin.next("/a", answer(fields));
        stage.origin.on("/a", Script::ok("got").field("Cache-Control", "no-store"));
        stage.send(&post("/a").with(sent.0, sent.1)).await;
        let reply = match sent.0 {
            "Accept-Language" => stage.send(&Ask::get(HOST, "/a").with("Accept-Language", "de, en")).await,
            _ => stage.get("/a").await,
        };
        assert_eq!(reply.text(), if stores { "posted" } else { "got" }, "{sent:?} {fields:?}");
    }
    // A site that tells codings apart as they are sent has no such doubt.
    let stage = Stage::with_site("store_posts = true\naccept_encoding = \"as-sent\"").await;
    stage.origin.next("/a", answer(&[("Content-Encoding", "zstd"), ("Vary", "Accept-Encoding")]));
    stage.origin.on("/a", Script::cached("got").field("Vary", "Accept-Encoding"));
    stage.send(&post("/a").with("Accept-Encoding", "zstd")).await;
    expect(&stage.get("/a").await, 200, "got", Outcome::Miss);
    expect(&stage.send(&Ask::get(HOST, "/a").with("Accept-Encoding", "zstd")).await, 200, "posted", Outcome::Hit);
}
