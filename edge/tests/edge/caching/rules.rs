//! What a site's rules change.

use crate::stage::{HOST, Script, Stage, expect, outcome, parameter};
use scenarios::cache_status::Outcome;
use scenarios::client::Ask;

#[tokio::test]
async fn queries_are_normalised_for_the_key_and_for_the_origin() {
    let stage = Stage::with_site("[sites.query]\nsort = true\ndrop = [\"utm_*\", \"fbclid\"]").await;
    stage.origin.on("/a?x=1&y=2", Script::cached("both"));
    stage.origin.on("/a", Script::cached("bare"));
    expect(&stage.get("/a?y=2&utm_source=z&x=1").await, 200, "both", Outcome::Miss);
    expect(&stage.get("/a?x=1&fbclid=9&y=2").await, 200, "both", Outcome::Hit);
    expect(&stage.get("/a?utm_campaign=z").await, 200, "bare", Outcome::Miss);
    expect(&stage.get("/a").await, 200, "bare", Outcome::Hit);
    assert_eq!((stage.origin.count("/a?x=1&y=2"), stage.origin.count("/a")), (1, 1));
}

#[tokio::test]
async fn queries_stay_as_they_are_if_the_site_says_nothing() {
    let stage = Stage::new().await;
    for target in ["/a?b=2&a=1", "/a?a=1&b=2", "/a?", "/a", "/a?%2F=1", "/a?/=1", "/%2F", "/a?+", "/a?%20"] {
        stage.origin.on(target, Script::cached(target));
        expect(&stage.get(target).await, 200, target, Outcome::Miss);
        expect(&stage.get(target).await, 200, target, Outcome::Hit);
    }
}

#[tokio::test]
async fn only_listed_parameters_count() {
    let stage = Stage::with_site("[sites.query]\nkeep = [\"page\"]").await;
    stage.origin.on("/a?page=2", Script::cached("two"));
    expect(&stage.get("/a?x=1&page=2&y=2").await, 200, "two", Outcome::Miss);
    expect(&stage.get("/a?page=2").await, 200, "two", Outcome::Hit);
}

#[tokio::test]
async fn rules_match_by_path_extension_cookie_and_type() {
    let stage = Stage::with_site(
        r#"
        default_ttl = "1h"
        [[sites.rules]]
        match = { path = "/api/*" }
        set = { pass = true }
        [[sites.rules]]
        match = { cookie = "session" }
        set = { pass = true }
        [[sites.rules]]
        match = { extension = ["css", "js"] }
        set = { ttl = "2h", strip_cookies = true }
        [[sites.rules]]
        match = { content_type = "image/*" }
        set = { ttl = "3h" }
        "#,
    )
    .await;
    stage.origin.on("/api/x", Script::cached("api"));
    stage.origin.on("/page", Script::ok("page"));
    stage.origin.on("/a.CSS", Script::ok("css").field("Cache-Control", "max-age=5").field("Set-Cookie", "a=b"));
    stage.origin.on("/picture", Script::ok("png").field("Content-Type", "image/png"));
    for _ in 0..2 {
        expect(&stage.get("/api/x").await, 200, "api", Outcome::Pass);
    }
    expect(&stage.get("/page").await, 200, "page", Outcome::Miss);
    expect(&stage.get("/page").await, 200, "page", Outcome::Hit);
    let with_session = Ask::get(HOST, "/page").with("Cookie", "a=b; session=1");
    expect(&stage.send(&with_session).await, 200, "page", Outcome::Pass);
    let with_other = Ask::get(HOST, "/page").with("Cookie", "a=b");
    expect(&stage.send(&with_other).await, 200, "page", Outcome::Hit);

    let with_cookie = Ask::get(HOST, "/a.CSS").with("Cookie", "a=b");
    let reply = stage.send(&with_cookie).await;
    expect(&reply, 200, "css", Outcome::Miss);
    assert_eq!((reply.header("set-cookie"), stage.origin.last("/a.CSS").field("cookie")), (None, None));
    let hit = stage.get("/a.CSS").await;
    expect(&hit, 200, "css", Outcome::Hit);
    assert_eq!(hit.header("set-cookie"), None);
    assert!(parameter(&hit, "ttl").is_some_and(|ttl| (7190..=7200).contains(&ttl)), "{:?}", hit.headers);

    stage.get("/picture").await;
    let hit = stage.get("/picture").await;
    assert!(parameter(&hit, "ttl").is_some_and(|ttl| (10_790..=10_800).contains(&ttl)), "{:?}", hit.headers);
}

#[tokio::test]
async fn rules_change_fields_both_ways() {
    let stage = Stage::with_site(
        r#"
        [[sites.rules]]
        set = { request_headers = { x-from = "edge", x-secret = false }, response_headers = { x-frame-options = "DENY", server = false } }
        [[sites.rules]]
        match = { path = "/b" }
        set = { request_headers = { x-from = "rule 2" } }
        "#,
    )
    .await;
    let script = || Script::cached("x").field("Server", "Apache/1.3").field("X-Frame-Options", "ALLOW");
    stage.origin.on("/a", script());
    stage.origin.on("/b", script());
    for target in ["/a", "/b"] {
        let ask = Ask::get(HOST, target).with("X-Secret", "1").with("X-From", "client");
        for did in [Outcome::Miss, Outcome::Hit] {
            let reply = stage.send(&ask).await;
            assert_eq!(outcome(&reply), did);
            assert_eq!((reply.header("server"), reply.header("x-frame-options")), (None, Some("DENY")));
        }
    }
    assert_eq!(stage.origin.last("/a").field("x-from"), Some("edge"));
    assert_eq!(stage.origin.last("/a").field("x-secret"), None);
    assert_eq!(stage.origin.last("/b").field("x-from"), Some("rule 2"));
}

#[tokio::test]
async fn a_rule_s_lifetime_never_overrides_no_store() {
    let stage = Stage::with_site("[[sites.rules]]\nset = { ttl = \"1h\" }").await;
    stage.origin.on("/no-store", Script::ok("x").field("Cache-Control", "no-store"));
    stage.origin.on("/private", Script::ok("x").field("Cache-Control", "private"));
    stage.origin.on("/short", Script::ok("x").field("Cache-Control", "max-age=1"));
    stage.origin.on("/zero", Script::ok("x").field("Cache-Control", "max-age=0"));
    for (target, did) in
        [("/no-store", Outcome::Miss), ("/private", Outcome::Miss), ("/short", Outcome::Hit), ("/zero", Outcome::Hit)]
    {
        stage.get(target).await;
        assert_eq!(outcome(&stage.get(target).await), did, "{target}");
    }
}

#[tokio::test]
async fn a_rule_s_lifetime_of_zero_keeps_nothing_fresh() {
    let stage = Stage::with_site("[[sites.rules]]\nmatch = { path = \"/live/*\" }\nset = { ttl = \"0s\" }").await;
    stage.origin.on("/live/a", Script::cached("x"));
    for n in 1..=3 {
        assert_ne!(outcome(&stage.get("/live/a").await), Outcome::Hit);
        assert_eq!(stage.origin.count("/live/a"), n);
    }
}
