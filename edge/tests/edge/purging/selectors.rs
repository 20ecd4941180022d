//! What each selector selects.

use crate::stage::{HOST, Origin, Script, Stage, docs, outcome, purge, tag, url};
use edge::wire::purge::{MAX_SELECTORS, Mode, Target};
use scenarios::cache_status::Outcome;
use scenarios::client::Ask;
use scenarios::fleet::Fleet;

const BLOG: &str = "blog.example";
const WWW_BLOG: &str = "www.blog.example";

/// Two sites, three hosts.
async fn two_sites() -> (Fleet, Origin) {
    let origin = Origin::start().await;
    let fleet = docs(&origin)
        .site_of("blog", &[BLOG, WWW_BLOG], "docs")
        .pop("fra", 50.11, 8.68)
        .start()
        .await
        .expect("a fleet");
    (fleet, origin)
}

/// What is stored in these tests: hosts, targets, tags.
const STORED: [(&str, &str, &str); 9] = [
    (HOST, "/", "home"),
    (HOST, "/a", "a shared"),
    (HOST, "/a?q=1", "a"),
    (HOST, "/a/b", "b"),
    (HOST, "/ab", "shared"),
    (BLOG, "/", "home"),
    (BLOG, "/a", "shared"),
    (WWW_BLOG, "/a", "other"),
    (WWW_BLOG, "/c", ""),
];

/// Stores everything, purges, and checks what is gone.
async fn check(targets: &[Target], gone: &[(&str, &str)]) {
    let (fleet, origin) = two_sites().await;
    let node = fleet.node("fra-1");
    for mode in [Mode::Hard, Mode::Soft] {
        for (host, target, tags) in STORED {
            let script = Script::cached(format!("{host}{target}")).field("ETag", "\"1\"");
            origin.next(target, script.field("Surrogate-Key", tags));
            let ask = Ask::get(host, target);
            // By the second round soft purges are the only ones that may have left something to be validated.
            node.send(&ask).await.expect("an answer");
            let hit = node.send(&ask).await.expect("an answer");
            assert_eq!((outcome(&hit), hit.text()), (Outcome::Hit, format!("{host}{target}")));
        }
        purge(&fleet, "fra-1", mode, targets).await;
        for (host, target, tags) in STORED {
            let is_gone = gone.contains(&(host, target));
            if is_gone {
                let script = Script::cached(format!("{host}{target}")).field("ETag", "\"1\"");
                origin.next(target, script.field("Surrogate-Key", tags));
            }
            let before = origin.count(target);
            let reply = node.get(host, target).await.expect("an answer");
            let did = if is_gone { Outcome::Miss } else { Outcome::Hit };
            assert_eq!(outcome(&reply), did, "{mode:?} {targets:?} {host}{target}: {:?}", reply.headers);
            assert_eq!(origin.count(target), before + usize::from(is_gone));
            if is_gone {
                let condition = origin.last(target);
                let condition = condition.field("if-none-match");
                // What is purged hard is dead; what is purged softly may be validated.
                assert_eq!(condition.is_some(), mode == Mode::Soft, "{mode:?} {host}{target}");
            }
        }
        purge(&fleet, "fra-1", Mode::Hard, &[Target::Everything]).await;
    }
}

#[tokio::test]
async fn a_url() {
    check(&[url("/a")], &[(HOST, "/a")]).await;
    check(&[url("/a?q=1")], &[(HOST, "/a?q=1")]).await;
    check(&[url("")], &[(HOST, "/")]).await;
    check(&[Target::Url { url: "https://WWW.Example:443/a/b#part".into() }], &[(HOST, "/a/b")]).await;
}

#[tokio::test]
async fn a_prefix() {
    let prefix = |url: &str| Target::Prefix { url: url.into() };
    let below_a = [(HOST, "/a"), (HOST, "/a?q=1"), (HOST, "/a/b"), (HOST, "/ab")];
    check(&[prefix("http://www.example/a")], &below_a).await;
    check(&[prefix("http://www.example/a/")], &[(HOST, "/a/b")]).await;
    check(&[prefix("http://www.example/a/b/")], &[]).await;
}

#[tokio::test]
async fn a_tag() {
    check(&[tag("shared")], &[(HOST, "/a"), (HOST, "/ab")]).await;
    check(&[tag("home")], &[(HOST, "/")]).await;
    check(&[tag("nobody's")], &[]).await;
}

#[tokio::test]
async fn a_host() {
    check(&[Target::Host { host: "WWW.blog.example".into() }], &[(WWW_BLOG, "/a"), (WWW_BLOG, "/c")]).await;
}

#[tokio::test]
async fn a_site() {
    let site = Target::Site { site: "blog".into() };
    check(&[site], &[(BLOG, "/"), (BLOG, "/a"), (WWW_BLOG, "/a"), (WWW_BLOG, "/c")]).await;
}

#[tokio::test]
async fn everything() {
    let all: Vec<(&str, &str)> = STORED.iter().map(|&(host, target, _)| (host, target)).collect();
    check(&[Target::Everything], &all).await;
}

#[tokio::test]
async fn several_at_once() {
    let blog_tag = Target::Tag { site: "blog".into(), tag: "home".into() };
    check(&[url("/ab"), tag("b"), blog_tag], &[(HOST, "/ab"), (HOST, "/a/b"), (BLOG, "/")]).await;
}

#[tokio::test]
async fn a_url_has_all_its_variants_and_its_head() {
    let stage = Stage::new().await;
    let vary = |body: &'static str| Script::cached(body).field("Vary", "Accept-Language");
    let asks = [
        Ask::get(HOST, "/a").with("Accept-Language", "de"),
        Ask::get(HOST, "/a").with("Accept-Language", "en"),
        Ask::new(http::Method::HEAD, HOST, "/a"),
    ];
    for round in ["old", "new"] {
        for ask in &asks {
            stage.origin.next("/a", vary(round));
            assert_eq!(outcome(&stage.send(ask).await), Outcome::Miss, "{round} {ask:?}");
            stage.origin.answered("/a", stage.origin.count("/a")).await;
        }
        for ask in &asks[..2] {
            let reply = stage.send(ask).await;
            assert_eq!((outcome(&reply), reply.text().as_str()), (Outcome::Hit, round));
        }
        stage.purge(Mode::Hard, &[url("/a")]).await;
    }
    assert_eq!(stage.origin.count("/a"), 6);
}

#[tokio::test]
async fn conditions_and_ranges_get_nothing_of_what_is_purged() {
    let stage = Stage::new().await;
    stage.origin.on("/a", Script::cached("old").field("ETag", "\"old\""));
    stage.get("/a").await;
    stage.purge(Mode::Hard, &[url("/a")]).await;
    stage.origin.on("/a", Script::cached("new").field("ETag", "\"new\""));
    let ask = Ask::get(HOST, "/a").with("If-None-Match", "\"old\"");
    assert_eq!(stage.send(&ask).await.status.as_u16(), 200);
    stage.purge(Mode::Hard, &[url("/a")]).await;
    stage.origin.on("/a", Script::cached("newer").field("ETag", "\"newer\""));
    let ask = Ask::get(HOST, "/a").with("Range", "bytes=0-2").with("If-Range", "\"new\"");
    let reply = stage.send(&ask).await;
    assert_eq!((reply.status.as_u16(), reply.text().as_str()), (200, "newer"));
}

#[tokio::test]
async fn what_is_purged_does_not_stand_in_for_an_origin_that_fails() {
    let stage = Stage::with_site("stale_if_error = \"1h\"\nstale_while_revalidate = \"1h\"").await;
    stage.origin.next("/a", Script::cached("old").field("ETag", "\"old\""));
    stage.origin.next("/a", Script::ok("down").status(503));
    stage.origin.on("/a", Script::not_modified().field("ETag", "\"old\""));
    stage.get("/a").await;
    stage.purge(Mode::Hard, &[url("/a")]).await;
    let reply = stage.get("/a").await;
    assert_eq!((reply.status.as_u16(), reply.text().as_str()), (503, "down"));
    // Nor does an origin that says that nothing has changed bring it back.
    let reply = stage.get("/a").await;
    assert_ne!(reply.text(), "old");
}

#[tokio::test]
async fn queries_are_purged_in_the_form_in_which_they_are_stored() {
    let stage = Stage::with_site("[sites.query]\nsort = true\ndrop = [\"utm_*\"]").await;
    stage.origin.on("/a?x=1&y=2", Script::cached("x"));
    stage.get("/a?y=2&x=1&utm_source=z").await;
    assert_eq!(outcome(&stage.get("/a?x=1&y=2").await), Outcome::Hit);
    stage.purge(Mode::Hard, &[url("/a?utm_medium=q&y=2&x=1")]).await;
    assert_eq!(outcome(&stage.get("/a?x=1&y=2").await), Outcome::Miss);
}

#[tokio::test]
async fn a_thousand_urls_at_once() {
    let stage = Stage::new().await;
    stage.origin.on("/0", Script::cached("x"));
    stage.origin.on("/999", Script::cached("x"));
    stage.origin.on("/1000", Script::cached("x"));
    for target in ["/0", "/999", "/1000"] {
        stage.get(target).await;
    }
    let targets: Vec<Target> = (0..1000).map(|n| url(&format!("/{n}"))).collect();
    let reply = stage.purge(Mode::Hard, &targets).await;
    assert_eq!(
        (reply.targets, reply.position.as_str(), reply.node.as_str()),
        (1000, "1.3", "fra-1"),
        "behind the epoch and the node"
    );
    assert_eq!(outcome(&stage.get("/0").await), Outcome::Miss);
    assert_eq!(outcome(&stage.get("/999").await), Outcome::Miss);
    assert_eq!(outcome(&stage.get("/1000").await), Outcome::Hit);
    let most: Vec<Target> = (0..MAX_SELECTORS).map(|n| url(&format!("/{n}"))).collect();
    assert_eq!(stage.purge(Mode::Hard, &most).await.position, "1.4");
    assert_eq!(outcome(&stage.get("/1000").await), Outcome::Miss);
}

/// URLs that differ in nothing but how they are written are one (RFC 3986 §6.2.2): stored once, and purged as one.
#[tokio::test]
async fn a_url_is_purged_however_it_is_written() {
    let stage = Stage::new().await;
    stage.origin.on("/~u/a%2F?x=a%C3%A4", Script::cached("x"));
    let written = ["/~u/a%2F?x=a%C3%A4", "/%7Eu/%61%2f?x=%61%c3%a4", "/%7eu/a%2F?%78=a%C3%A4"];
    for asked in written {
        for purged in written {
            assert_eq!(stage.get(asked).await.text(), "x");
            assert_eq!(outcome(&stage.get(asked).await), Outcome::Hit, "{asked}");
            stage.purge(Mode::Hard, &[url(purged)]).await;
            assert_eq!(outcome(&stage.get(asked).await), Outcome::Miss, "{asked} after a purge of {purged}");
        }
    }
    // The origin is asked for what the key holds, so nobody can store one spelling's response under another's.
    assert_eq!(stage.origin.count("/~u/a%2F?x=a%C3%A4"), 10);
}
