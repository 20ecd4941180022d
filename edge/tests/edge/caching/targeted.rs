//! Directives that are aimed at this cache alone (RFC 9213).

use crate::stage::{HOST, Script, Stage, expect, outcome, parameter};
use scenarios::cache_status::Outcome;
use scenarios::client::Ask;

/// The fields of a response, and the lifetime that they give it; `None` if it is not stored.
type Case = (&'static [(&'static str, &'static str)], Option<i64>);

async fn check(site: &str, cases: &[Case]) {
    let stage = Stage::with_site(site).await;
    for (n, (fields, want)) in cases.iter().enumerate() {
        let target = format!("/{n}");
        let script = fields.iter().fold(Script::ok("x"), |script, (name, value)| script.field(name, value));
        stage.origin.on(&target, script);
        stage.get(&target).await;
        let reply = stage.get(&target).await;
        let stored = outcome(&reply) == Outcome::Hit;
        let ttl = parameter(&reply, "ttl").filter(|_| stored);
        let near = match (ttl, want) {
            (Some(ttl), Some(want)) => (want - 20..=*want).contains(&ttl),
            (None, None) => true,
            _ => false,
        };
        assert!(near, "{site} {fields:?}: {ttl:?}, not {want:?}");
        // They are for everybody on the way, and stay.
        for (name, value) in *fields {
            assert!(reply.headers.get_all(*name).iter().any(|line| line == value), "{fields:?}: {:?}", reply.headers);
        }
    }
}

#[tokio::test]
async fn the_targeted_field_comes_first() {
    const CDN: &str = "CDN-Cache-Control";
    const CC: &str = "Cache-Control";
    check(
        "",
        &[
            (&[(CC, "no-store"), (CDN, "max-age=600")], Some(600)),
            (&[(CC, "private"), (CDN, "max-age=600")], Some(600)),
            (&[(CC, "max-age=600"), (CDN, "no-store")], None),
            (&[(CC, "max-age=600"), (CDN, "private")], None),
            (&[(CC, "s-maxage=600"), (CDN, "max-age=60")], Some(60)),
            (&[(CC, "max-age=60"), (CDN, "max-age=9, s-maxage=600")], Some(600)),
            (&[(CDN, "max-age=60"), (CDN, "s-maxage=600")], Some(600)),
            (&[("Expires", "0"), (CDN, "max-age=600")], Some(600)),
            // It says nothing of a lifetime; what others say doesn't count then.
            (&[(CC, "max-age=600"), (CDN, "must-revalidate")], None),
            (&[("Expires", "Sun, 06 Nov 2094 08:49:37 GMT"), (CDN, "must-revalidate")], None),
        ],
    )
    .await;
}

#[tokio::test]
async fn a_malformed_field_is_as_good_as_none() {
    const CDN: &str = "CDN-Cache-Control";
    const CC: &str = "Cache-Control";
    check(
        "",
        &[
            (&[(CC, "max-age=600"), (CDN, "no-store, =")], Some(600)),
            (&[(CC, "max-age=600"), (CDN, "no-store,")], Some(600)),
            (&[(CC, "max-age=600"), (CDN, "no-store; max-age 5")], Some(600)),
            (&[(CC, "max-age=600"), (CDN, "No-Store")], Some(600)),
            (&[(CC, "max-age=600"), (CDN, "")], Some(600)),
            (&[(CC, "max-age=600"), (CDN, "no-store"), (CDN, "=")], Some(600)),
            (&[(CC, "no-store"), (CDN, "max-age=600, \u{e4}")], None),
            // Well-formed, but no number: it expires at once.
            (&[(CC, "max-age=600"), (CDN, "max-age=\"600\"")], None),
            (&[(CC, "max-age=600"), (CDN, "max-age=-600")], None),
        ],
    )
    .await;
}

#[tokio::test]
async fn a_site_has_a_list_of_its_own() {
    const CDN: &str = "CDN-Cache-Control";
    const OWN: &str = "X-Cache-Control";
    const CC: &str = "Cache-Control";
    check(
        "targeted_fields = [\"X-Cache-Control\", \"CDN-Cache-Control\"]",
        &[
            (&[(CC, "no-store"), (CDN, "max-age=60"), (OWN, "max-age=600")], Some(600)),
            (&[(OWN, "max-age=600"), (CDN, "no-store")], Some(600)),
            (&[(OWN, "no-store"), (CDN, "max-age=600")], None),
            (&[(OWN, "no-store,"), (CDN, "max-age=600")], Some(600)),
            (&[(CDN, "max-age=600")], Some(600)),
        ],
    )
    .await;
    check(
        "targeted_fields = []",
        &[(&[(CC, "max-age=600"), (CDN, "no-store")], Some(600)), (&[(CC, "no-store"), (CDN, "max-age=600")], None)],
    )
    .await;
}

#[tokio::test]
async fn windows_and_validation_go_by_it_as_well() {
    let stage = Stage::new().await;
    let script = |body: &'static str, control: &str| {
        Script::ok(body).field("Age", "120").field("Cache-Control", "max-age=600").field("CDN-Cache-Control", control)
    };
    stage.origin.next("/swr", script("old", "max-age=60, stale-while-revalidate=600"));
    stage.origin.next("/sie", script("old", "max-age=60, stale-if-error=600"));
    stage.origin.next("/none", script("old", "max-age=60"));
    stage.origin.next("/validated", script("old", "max-age=60").field("ETag", "\"1\""));
    for target in ["/swr", "/sie", "/none", "/validated"] {
        stage.get(target).await;
        stage.origin.on(target, Script::ok("down").status(503));
    }
    expect(&stage.get("/swr").await, 200, "old", Outcome::Stale);
    expect(&stage.get("/sie").await, 200, "old", Outcome::Stale);
    assert_eq!(stage.get("/none").await.status.as_u16(), 503);
    let same = Script::not_modified().field("ETag", "\"1\"").field("CDN-Cache-Control", "max-age=900");
    stage.origin.on("/validated", same);
    stage.get("/validated").await;
    let reply = stage.send(&Ask::get(HOST, "/validated")).await;
    expect(&reply, 200, "old", Outcome::Hit);
    assert!(parameter(&reply, "ttl").is_some_and(|ttl| (800..=900).contains(&ttl)), "{:?}", reply.headers);
}
