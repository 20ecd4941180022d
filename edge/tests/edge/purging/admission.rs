//! Who may purge, and what is refused.

use crate::stage::{HOST, Origin, Script, Stage, docs, outcome, url};
use edge::wire::admin::ErrorReply;
use edge::wire::purge::{MAX_BODY_BYTES, MAX_SELECTORS, PurgeReply};
use scenarios::cache_status::Outcome;
use scenarios::client::{self, Ask, Reply};
use scenarios::fleet::Fleet;

/// A fleet with two sites, and a token that may purge one of them.
async fn fleet() -> (Fleet, Origin) {
    let origin = Origin::start().await;
    let fleet = docs(&origin)
        .site_of("blog", &["blog.example"], "docs")
        .pop("fra", 50.11, 8.68)
        .edit(|root| {
            let deploy = root["tokens"]
                .as_array_mut()
                .and_then(|tokens| tokens.iter_mut().find(|token| token["id"].as_str() == Some("deploy")));
            deploy.expect("the token").as_table_mut().expect("a table").insert("sites".into(), vec!["docs"].into());
        })
        .start()
        .await
        .expect("a fleet");
    (fleet, origin)
}

async fn post(fleet: &Fleet, token: Option<&str>, body: &str) -> Reply {
    let address = fleet.node("fra-1").admin_addr();
    let ask = Ask::new(http::Method::POST, &address.to_string(), "/purges").json(body.to_owned());
    let ask = match token {
        Some(token) => ask.bearer(token),
        None => ask,
    };
    client::ask(address, &ask).await.expect("an answer")
}

async fn get(fleet: &Fleet, token: Option<&str>, target: &str) -> Reply {
    let address = fleet.node("fra-1").admin_addr();
    let ask = Ask::get(&address.to_string(), target);
    let ask = match token {
        Some(token) => ask.bearer(token),
        None => ask,
    };
    client::ask(address, &ask).await.expect("an answer")
}

/// Checks a refusal: its status, a word of what is wrong, and that it says what to do.
#[track_caller]
fn expect_refusal(reply: &Reply, status: u16, word: &str) {
    assert_eq!(reply.status.as_u16(), status, "{}", reply.text());
    let error: ErrorReply = serde_json::from_slice(&reply.body).unwrap_or_else(|_| panic!("{}", reply.text()));
    assert!(error.error.contains(word), "{error:?}");
    let said = error.hint.is_some() || error.error.contains("hint: ");
    assert!(said, "it says what to do: {error:?}");
}

const ONE_URL: &str = r#"{"targets":[{"kind":"url","url":"http://www.example/a"}]}"#;

#[tokio::test]
async fn tokens_decide_who_may_do_what() {
    let (fleet, _origin) = fleet().await;
    let secrets = fleet.secrets();
    let (admin, deploy, read) = (secrets.admin.as_str(), secrets.deploy.as_str(), secrets.read.as_str());
    let of_blog = r#"{"targets":[{"kind":"site","site":"blog"}]}"#;
    let of_both = r#"{"targets":[{"kind":"site","site":"docs"},{"kind":"site","site":"blog"}]}"#;
    let everything = r#"{"targets":[{"kind":"everything"}]}"#;
    for (token, body, status) in [
        (None, ONE_URL, 401),
        (Some("wrong"), ONE_URL, 401),
        (Some(""), ONE_URL, 401),
        (Some(&read[1..]), ONE_URL, 401),
        (Some(read), ONE_URL, 403),
        (Some(deploy), of_blog, 403),
        (Some(deploy), of_both, 403),
        (Some(deploy), everything, 403),
        (Some(deploy), ONE_URL, 200),
        (Some(admin), of_both, 200),
        (Some(admin), everything, 200),
    ] {
        let reply = post(&fleet, token, body).await;
        assert_eq!(reply.status.as_u16(), status, "{token:?} {body}: {}", reply.text());
        match status {
            200 => drop(serde_json::from_slice::<PurgeReply>(&reply.body).expect("a receipt")),
            401 => {
                expect_refusal(&reply, 401, "token");
                assert_eq!(reply.header("www-authenticate"), Some("Bearer realm=\"tidewall\""));
            }
            _ => expect_refusal(&reply, 403, "may"),
        }
    }
    let applied = fleet.node("fra-1").stats().await.expect("statistics").purges;
    assert_eq!(applied, 3, "what was refused was not applied in part either");
}

#[tokio::test]
async fn what_can_be_asked_without_a_token() {
    let (fleet, _origin) = fleet().await;
    let secrets = fleet.secrets();
    for (target, status) in [("/health", 200), ("/ready", 200), ("/stats", 401), ("/nothing", 404)] {
        assert_eq!(get(&fleet, None, target).await.status.as_u16(), status, "{target}");
    }
    expect_refusal(&get(&fleet, None, "/stats").await, 401, "token");
    expect_refusal(&get(&fleet, Some("wrong"), "/stats").await, 401, "token");
    expect_refusal(&get(&fleet, Some(&secrets.admin), "/purges").await, 405, "method");
    expect_refusal(&get(&fleet, Some(&secrets.admin), "/nothing").await, 404, "nothing");
    for token in [&secrets.admin, &secrets.deploy, &secrets.read] {
        assert_eq!(get(&fleet, Some(token), "/stats").await.status.as_u16(), 200);
    }
}

#[tokio::test]
async fn what_can_not_be_meant_is_refused_whole() {
    let stage = Stage::new().await;
    stage.origin.on("/a", Script::cached("x"));
    stage.get("/a").await;
    let admin = &stage.fleet.secrets().admin;
    let with = |target: &str| format!(r#"{{"targets":[{{"kind":"url","url":"http://{HOST}/a"}},{target}]}}"#);
    for (body, word) in [
        (String::new(), "not a purge"),
        ("nonsense".to_owned(), "not a purge"),
        ("{}".to_owned(), "targets"),
        (r#"{"targets":[]}"#.to_owned(), "1 to"),
        (r#"{"targets":[{"kind":"everything"}],"mode":"gentle"}"#.to_owned(), "gentle"),
        (r#"{"targets":[{"kind":"everything"}],"mod":"soft"}"#.to_owned(), "mod"),
        (with(r#"{"kind":"planet"}"#), "planet"),
        (with(r#"{"kind":"url"}"#), "url"),
        (with(r#"{"kind":"url","url":"/a"}"#), "absolute"),
        (with(r#"{"kind":"url","url":"ftp://www.example/a"}"#), "absolute"),
        (with(r#"{"kind":"url","url":"http://unknown.example/a"}"#), "unknown.example"),
        (with(r#"{"kind":"url","url":"http:///a"}"#), "empty"),
        (with(r#"{"kind":"url","url":"http://www.example/a b"}"#), "percent-encode"),
        (with(r#"{"kind":"url","url":"http://www.example:99999/a"}"#), "port"),
        (with(r#"{"kind":"prefix","url":"http://www.example/a?b"}"#), "query"),
        (with(r#"{"kind":"tag","site":"unknown","tag":"x"}"#), "unknown"),
        (with(r#"{"kind":"tag","site":"docs","tag":""}"#), "tag"),
        (with(r#"{"kind":"tag","site":"docs","tag":"two words"}"#), "tag"),
        (with(r#"{"kind":"host","host":"unknown.example"}"#), "unknown.example"),
        (with(r#"{"kind":"host","host":"a/b"}"#), "a/b"),
        (with(r#"{"kind":"site","site":"unknown"}"#), "unknown"),
        (with(r#"{"kind":"site","site":"no site"}"#), "no site"),
    ] {
        let reply = post(&stage.fleet, Some(admin), &body).await;
        expect_refusal(&reply, 400, word);
    }
    let too_many = vec![url("/a"); MAX_SELECTORS + 1];
    let body = serde_json::json!({ "targets": too_many }).to_string();
    expect_refusal(&post(&stage.fleet, Some(admin), &body).await, 400, "10000");
    assert_eq!(stage.stats().await.purges, 0);
    assert_eq!(outcome(&stage.get("/a").await), Outcome::Hit, "nothing was purged");
}

#[tokio::test]
async fn a_body_that_is_too_large_is_refused() {
    let (fleet, _origin) = fleet().await;
    let large = "x".repeat(MAX_BODY_BYTES + 1);
    let admin = fleet.secrets().admin.clone();
    expect_refusal(&post(&fleet, Some(&admin), &large).await, 413, "large");
    assert_eq!(fleet.node("fra-1").stats().await.expect("statistics").purges, 0);
    // It is not even read for somebody who may not purge.
    for (token, status) in [(None, 401), (Some("wrong"), 401), (Some(fleet.secrets().read.as_str()), 403)] {
        assert_eq!(post(&fleet, token, &large).await.status.as_u16(), status);
    }
}
