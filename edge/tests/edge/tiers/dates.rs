//! Date, Expires and Age through two tiers.

use super::{fleet, get};
use crate::caching::dates::{ago, date_and_age};
use crate::stage::{Gate, HOST, Script, eventually, expect, outcome, parameter, reply};
use edge::clock;
use scenarios::cache_status::Outcome;
use scenarios::client::{self, Ask};
use std::time::Duration;

/// How long a response lives, and how old it is, is the same at both tiers, also when it has been at the shield for a
/// while: a Date made anew there would make it younger, or its Expires nearer.
#[tokio::test]
async fn a_response_grows_old_at_the_shield() {
    let (fleet, origin) = fleet("").await;
    let date = ago(100);
    let expires = httpdate::fmt_http_date(clock::now().to_system_time() + Duration::from_secs(3500));
    origin.on("/expires", Script::ok("x").field("Date", &date).field("Expires", &expires));
    origin.on("/max-age", Script::cached("x").field("Age", "100"));
    origin.on("/both", Script::cached("x").field("Date", &date).field("Expires", &ago(9)));
    let targets = ["/expires", "/max-age", "/both"];
    let mut first = Vec::new();
    for target in targets {
        first.push(date_and_age(&get(&fleet, "shield-1", target).await).0);
    }
    for target in targets {
        eventually("it is older at the shield", async || date_and_age(&get(&fleet, "shield-1", target).await).1 >= 102)
            .await;
    }
    for (target, first) in targets.into_iter().zip(first) {
        for did in [Outcome::Miss, Outcome::Hit] {
            let reply = get(&fleet, "fra-1", target).await;
            expect(&reply, 200, "x", did);
            let (got, age) = date_and_age(&reply);
            assert!((102..140).contains(&age), "{target}: {age}");
            if target == "/max-age" {
                // Stored a moment after its head came, maybe in another second.
                assert_eq!(date_and_age(&get(&fleet, "shield-1", target).await).0, got);
            } else {
                assert_eq!((&got, &first), (&date, &date), "{target}");
            }
            let lifetime = parameter(&reply, "ttl").expect("a ttl") + i64::try_from(age).expect("small");
            assert!((3597..=3600).contains(&lifetime), "{target}: {lifetime}");
        }
        assert_eq!(origin.count(target), 1);
    }
}

/// Each tier adds the time that its own exchange took.
#[tokio::test]
async fn age_adds_up() {
    let (fleet, origin) = fleet("").await;
    let gate = Gate::new();
    origin.on("/a", Script::cached("x").field("Age", "1000").after(&gate));
    let address = fleet.node("fra-1").public_addr();
    let start = clock::now();
    let asking = tokio::spawn(async move { client::ask(address, &Ask::get(HOST, "/a")).await });
    origin.arrived("/a", 1).await;
    eventually("a second passes", async || clock::now().since(start) > Duration::from_millis(1100)).await;
    gate.open();
    assert_eq!(outcome(&reply(asking).await), Outcome::Miss);
    for node in ["fra-1", "shield-1", "iad-1"] {
        let (_, age) = date_and_age(&get(&fleet, node, "/a").await);
        assert!((1001..1040).contains(&age), "{node}: {age}");
    }
}

#[tokio::test]
async fn the_node_s_own_field_stays_in_the_node() {
    let (fleet, origin) = fleet("").await;
    let (date, made_up) = (ago(100), ago(1_000_000));
    let steering = |script: Script| script.field("Tidewall-Date", &made_up).field("Date", &date);
    origin.on("/a", steering(Script::cached("x")));
    origin.on("/uncached", steering(Script::ok("x").field("Cache-Control", "no-store")));
    for target in ["/a", "/a", "/uncached"] {
        let ask = Ask::get(HOST, target).with("tidewall-date", &made_up);
        let reply = fleet.node("fra-1").send(&ask).await.expect("an answer");
        assert_eq!(date_and_age(&reply).0, date, "{target}");
        assert_eq!(origin.last(target).field("tidewall-date"), None, "{target}");
    }
}
