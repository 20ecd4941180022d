//! Responses that set cookies: not stored unless the site says so (RFC 9111 §7.3).

use crate::stage::{HOST, Script, Stage, outcome};
use scenarios::cache_status::Outcome;
use scenarios::client::{Ask, Reply};

fn cookies(reply: &Reply) -> Vec<String> {
    let names = ["set-cookie", "set-cookie2"];
    let lines = names.into_iter().flat_map(|name| reply.headers.get_all(name));
    lines.map(|line| line.to_str().expect("text").to_owned()).collect()
}

fn setting(control: &str) -> Script {
    let script = Script::ok("x").field("Cache-Control", control).field("Content-Type", "text/plain");
    script.field("Set-Cookie", "a=1").field("Set-Cookie", "b=2")
}

/// Asks twice with a cookie, under a rule; says whether the second answer came from the store, which cookies came with
/// it, and which cookie the origin was sent.
async fn twice(rule: &str, script: Script) -> (bool, Vec<String>, Option<String>) {
    let stage = Stage::with_site(rule).await;
    stage.origin.on("/a", script);
    let ask = Ask::get(HOST, "/a").with("Cookie", "c=3");
    let first = stage.send(&ask).await;
    let second = stage.send(&ask).await;
    if outcome(&second) != Outcome::Hit {
        assert_eq!(cookies(&first), cookies(&second), "{rule}");
    }
    let sent = stage.origin.last("/a").field("cookie").map(str::to_owned);
    (outcome(&second) == Outcome::Hit, cookies(&second), sent)
}

#[track_caller]
fn check(got: (bool, Vec<String>, Option<String>), stored: bool, cookies: &[&str], sent: Option<&str>) {
    assert_eq!((got.0, got.1, got.2.as_deref()), (stored, cookies.iter().map(|&cookie| cookie.into()).collect(), sent));
}

const STORE: &str = "[[sites.rules]]\nset = { store_cookies = true }";
const STRIP: &str = "[[sites.rules]]\nset = { strip_cookies = true }";
const STRIP_TEXT: &str = "[[sites.rules]]\nmatch = { content_type = \"text/*\" }\nset = { strip_cookies = true }";
const BOTH: &str = "[[sites.rules]]\nset = { store_cookies = true }\n[[sites.rules]]\nset = { strip_cookies = true }";
const ELSEWHERE: &str = "[[sites.rules]]\nmatch = { path = \"/b\" }\nset = { store_cookies = true }\n[[sites.rules]]\nmatch = { path = \"/b\" }\nset = { strip_cookies = true }";
const NOT_HERE: &str = "[[sites.rules]]\nset = { store_cookies = true }\n[[sites.rules]]\nmatch = { path = \"/a\" }\nset = { store_cookies = false }";

#[tokio::test]
async fn what_becomes_of_cookies_is_for_the_site_to_say() {
    let (both, sent) = (["a=1", "b=2"], Some("c=3"));
    check(twice("", setting("max-age=60")).await, false, &both, sent);
    check(twice(STORE, setting("max-age=60")).await, true, &both, sent);
    check(twice(STRIP, setting("max-age=60")).await, true, &[], None);
    check(twice(BOTH, setting("max-age=60")).await, true, &[], None);
    check(twice(ELSEWHERE, setting("max-age=60")).await, false, &both, sent);
    check(twice(NOT_HERE, setting("max-age=60")).await, false, &both, sent);
    // What the response is, is known only after the request was sent.
    check(twice(STRIP_TEXT, setting("max-age=60")).await, true, &[], sent);
    check(twice(STRIP_TEXT, setting("no-store")).await, false, &[], sent);
}

#[tokio::test]
async fn no_rule_stores_what_the_origin_forbids_to_store() {
    for control in ["private, max-age=60", "no-store", "max-age=60, private=\"x\", no-store"] {
        check(twice(STORE, setting(control)).await, false, &["a=1", "b=2"], Some("c=3"));
    }
    // Of some fields alone it may.
    check(twice(STORE, setting("max-age=60, private=\"set-cookie\"")).await, true, &[], Some("c=3"));
}

#[tokio::test]
async fn the_old_field_is_one_too() {
    let script = || Script::cached("x").field("Set-Cookie2", "a=1");
    check(twice("", script()).await, false, &["a=1"], Some("c=3"));
    check(twice(STORE, script()).await, true, &["a=1"], Some("c=3"));
    check(twice(STRIP, script()).await, true, &[], None);
}

/// Without their cookies all clients are alike, also where the origin says that it looks at them.
#[tokio::test]
async fn stripped_cookies_tell_nobody_apart() {
    let stage = Stage::with_site(STRIP).await;
    stage.origin.on("/a", Script::cached("x").field("Vary", "Cookie"));
    stage.send(&Ask::get(HOST, "/a").with("Cookie", "a=1")).await;
    for ask in [Ask::get(HOST, "/a"), Ask::get(HOST, "/a").with("Cookie", "b=2")] {
        assert_eq!(outcome(&stage.send(&ask).await), Outcome::Hit);
    }
    assert_eq!(stage.origin.count("/a"), 1);
}
