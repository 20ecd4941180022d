//! Date and Age (RFC 9110 §6.6.1, RFC 9111 §4.2.3 and §5.1): Date is the origin's, wherever a response comes from.

use crate::stage::{Gate, HOST, Script, Stage, eventually, expect, outcome, parameter, reply};
use edge::clock;
use http::Method;
use scenarios::cache_status::Outcome;
use scenarios::client::{Ask, Reply};
use std::time::{Duration, SystemTime};

const BODY: &str = "0123456789";

/// The date so many seconds ago.
pub(crate) fn ago(seconds: u64) -> String {
    httpdate::fmt_http_date(clock::now().to_system_time() - Duration::from_secs(seconds))
}

fn time(date: &str) -> SystemTime {
    httpdate::parse_http_date(date).unwrap_or_else(|error| panic!("{date}: {error}"))
}

/// The Date of a response, of which there is one; and its Age.
#[track_caller]
pub(crate) fn date_and_age(reply: &Reply) -> (String, u64) {
    let dates: Vec<_> = reply.headers.get_all("date").iter().collect();
    assert_eq!(dates.len(), 1, "{:?}", reply.headers);
    assert_eq!(reply.header("tidewall-date"), None, "it stays in the node");
    let age = reply.header("age").map_or(0, |age| age.parse().expect("a number"));
    (dates[0].to_str().expect("text").to_owned(), age)
}

/// Checks that a Date is about now.
#[track_caller]
fn is_recent(date: &str) {
    let since = clock::now().to_system_time().duration_since(time(date));
    assert!(since.is_ok_and(|since| since < Duration::from_secs(60)), "{date}");
}

/// Waits until the clock has moved on so far that another second has begun.
async fn until_another_second() {
    let start = clock::now();
    eventually("another second", async || clock::now().since(start) > Duration::from_millis(1100)).await;
}

#[tokio::test]
async fn every_kind_of_answer_has_the_origin_s_date() {
    let stage = Stage::new().await;
    let date = ago(100);
    let dated = |script: Script| script.field("Date", &date).field("ETag", "\"1\"");
    let uncached = || dated(Script::ok(BODY)).field("Cache-Control", "no-store");
    stage.origin.on("/a", dated(Script::cached(BODY)));
    stage.origin.on("/chunked", dated(Script::cached(BODY).chunked()));
    stage.origin.on("/uncached", uncached());
    stage.origin.on("/error", dated(Script::ok("no").status(404)));
    stage.origin.on("/empty", dated(Script::cached("").status(204)));
    let get = |target| Ask::get(HOST, target);
    for (ask, status) in [
        (get("/a"), 200),
        (get("/a"), 200),
        (Ask::new(Method::HEAD, HOST, "/a"), 200),
        (get("/a").with("If-None-Match", "\"1\""), 304),
        (get("/a").with("Range", "bytes=1-2"), 206),
        (get("/a").with("Range", "bytes=0-0, 5-6"), 206),
        (get("/a").with("Range", "bytes=99-"), 416),
        (get("/chunked"), 200),
        (get("/chunked"), 200),
        (get("/uncached"), 200),
        (get("/uncached").with("If-None-Match", "\"1\""), 304),
        (Ask::new(Method::HEAD, HOST, "/uncached"), 200),
        (Ask::new(Method::POST, HOST, "/uncached"), 200),
        (get("/error"), 404),
        (get("/empty"), 204),
        (get("/empty"), 204),
    ] {
        let reply = stage.send(&ask).await;
        assert_eq!(reply.status.as_u16(), status, "{ask:?}");
        let (got, age) = date_and_age(&reply);
        assert_eq!(got, date, "{ask:?}");
        // What comes from the store, or has gone into it, says how old it is.
        if matches!(outcome(&reply), Outcome::Hit) {
            assert!((100..130).contains(&age), "{ask:?}: {age}");
        }
    }
}

#[tokio::test]
async fn a_stale_response_has_its_own_date_and_a_validated_one_that_of_the_304() {
    let stage = Stage::new().await;
    let (first, second) = (ago(200), ago(50));
    let gate = Gate::new();
    let stale = || {
        let script = Script::ok("x").field("Cache-Control", "max-age=60, stale-while-revalidate=600");
        script.field("Date", &first).field("ETag", "\"1\"")
    };
    let same = || Script::not_modified().field("ETag", "\"1\"").field("Cache-Control", "max-age=600");
    stage.origin.next("/a", stale());
    stage.origin.on("/a", same().field("Date", &second).after(&gate));
    for did in [Outcome::Miss, Outcome::Stale] {
        let reply = stage.get("/a").await;
        expect(&reply, 200, "x", did);
        assert_eq!(date_and_age(&reply).0, first);
        assert!(date_and_age(&reply).1 >= 200);
    }
    gate.open();
    eventually("it is refreshed", async || outcome(&stage.get("/a").await) == Outcome::Hit).await;
    let (date, age) = date_and_age(&stage.get("/a").await);
    assert!(date == second && (50..80).contains(&age), "{date} {age}");

    let must = || Script::ok("x").field("Cache-Control", "max-age=60").field("Date", &first).field("ETag", "\"1\"");
    stage.origin.next("/b", must());
    stage.origin.on("/b", same().field("Date", &second));
    stage.get("/b").await;
    for did in [Outcome::Revalidated, Outcome::Hit] {
        let reply = stage.get("/b").await;
        expect(&reply, 200, "x", did);
        assert_eq!(date_and_age(&reply).0, second);
    }
    // The date of a 304 without one is the moment when it came, and stays.
    stage.origin.next("/c", must());
    stage.origin.on("/c", same());
    stage.get("/c").await;
    let (date, _) = date_and_age(&stage.get("/c").await);
    is_recent(&date);
    until_another_second().await;
    assert_eq!(date_and_age(&stage.get("/c").await).0, date);
}

#[tokio::test]
async fn a_response_without_a_date_is_given_one_that_stays() {
    let stage = Stage::new().await;
    let scripts = [
        ("/none", Script::cached("x")),
        ("/nonsense", Script::cached("x").field("Date", "yesterday")),
        ("/empty", Script::cached("x").field("Date", "")),
        ("/two", Script::cached("x").field("Date", "yesterday").field("Date", "tomorrow")),
    ];
    let mut dates = Vec::new();
    for (target, script) in scripts {
        stage.origin.on(target, script);
        let (date, _) = date_and_age(&stage.get(target).await);
        is_recent(&date);
        dates.push((target, date));
    }
    until_another_second().await;
    for (target, date) in dates {
        let reply = stage.get(target).await;
        expect(&reply, 200, "x", Outcome::Hit);
        let (again, age) = date_and_age(&reply);
        assert!(age >= 1, "{target}: {age}");
        let between = time(&again).duration_since(time(&date)).expect("no step back");
        // The response is stored a moment after its head has come.
        assert!(between <= Duration::from_secs(1) && (age >= 2 || again == date), "{target}: {date}, then {again}");
    }
}

#[tokio::test]
async fn age_counts_what_the_origin_said_and_the_time_of_the_exchange() {
    let stage = Stage::new().await;
    let gate = Gate::new();
    stage.origin.on("/a", Script::cached("x").field("Age", "1000").after(&gate));
    let asking = stage.ask(Ask::get(HOST, "/a"));
    stage.origin.arrived("/a", 1).await;
    until_another_second().await;
    gate.open();
    for reply in [reply(asking).await, stage.get("/a").await] {
        let (_, age) = date_and_age(&reply);
        assert!((1001..1030).contains(&age), "{age}");
        assert!(parameter(&reply, "ttl").is_some_and(|ttl| ttl <= 2599), "{:?}", reply.headers);
    }
    // The older of what Date and Age say counts; an Age that can't be read says nothing.
    for (target, age, date, want) in [
        ("/date", "10", 500, 500),
        ("/age", "500", 10, 500),
        ("/two", "500, 9", 10, 500),
        ("/nonsense", "-5", 10, 10),
        ("/future", "10", 0, 10),
    ] {
        let mut date = ago(date);
        if target == "/future" {
            date = httpdate::fmt_http_date(clock::now().to_system_time() + Duration::from_secs(1000));
        }
        stage.origin.on(target, Script::cached("x").field("Age", age).field("Date", &date));
        stage.get(target).await;
        let reply = stage.get(target).await;
        let (_, got) = date_and_age(&reply);
        assert!((want..want + 30).contains(&got), "{target}: {got}");
        assert_eq!(reply.headers.get_all("age").iter().count(), 1);
    }
}

/// It is how the node's hooks tell its connections the Date; whoever else uses it says nothing by it.
#[tokio::test]
async fn nobody_steers_the_date_by_the_node_s_own_field() {
    let stage = Stage::new().await;
    let (date, made_up) = (ago(100), ago(1_000_000));
    let steering = |script: Script| {
        let script = script.field("TIDEWALL-Date", &made_up).field("Tidewall-Date", "x").field("Date", &date);
        script.field("tidewall-date", &made_up).field("ETag", "\"1\"")
    };
    stage.origin.on("/a", steering(Script::cached(BODY)));
    stage.origin.on("/uncached", steering(Script::ok(BODY).field("Cache-Control", "no-store")));
    let hinting = steering(Script::ok(BODY).field("Cache-Control", "no-store"));
    stage.origin.on("/hints", hinting.hinting("tidewall-date", &made_up));
    stage.origin.next("/same", Script::stale(BODY, "").field("ETag", "\"1\""));
    stage.origin.on("/same", steering(Script::not_modified().field("Cache-Control", "max-age=600")));
    for target in ["/a", "/a", "/uncached", "/hints"] {
        let reply = stage.send(&Ask::get(HOST, target).with("Tidewall-Date", &made_up)).await;
        assert_eq!(date_and_age(&reply).0, date, "{target}");
        assert_eq!(stage.origin.last(target).field("tidewall-date"), None, "{target}");
    }
    stage.get("/same").await;
    for did in [Outcome::Revalidated, Outcome::Hit] {
        let reply = stage.get("/same").await;
        expect(&reply, 200, BODY, did);
        assert_eq!(date_and_age(&reply).0, date);
    }
    // And it takes the place of no Date that is missing.
    stage.origin.on("/undated", Script::cached(BODY).field("tidewall-date", &made_up));
    for _ in 0..2 {
        is_recent(&date_and_age(&stage.get("/undated").await).0);
    }
}

#[tokio::test]
async fn what_the_node_answers_itself_has_a_date() {
    let stage = Stage::new().await;
    stage.origin.on("/broken", Script::raw("what?\r\n\r\n"));
    for (ask, status) in [
        (Ask::get("other.example", "/a"), 421),
        (Ask::get(HOST, "/a").with("Cache-Control", "only-if-cached"), 504),
        (Ask::get(HOST, "/broken"), 502),
        (Ask::new(Method::TRACE, HOST, "/a"), 405),
        (Ask::get(HOST, "/a").with("Tidewall-Date", "x").with("CDN-Loop", "tidewall, tidewall, tidewall"), 508),
    ] {
        let reply = stage.send(&ask).await;
        assert_eq!(reply.status.as_u16(), status, "{ask:?}");
        is_recent(&date_and_age(&reply).0);
    }
}
