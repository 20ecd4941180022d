//! Several shields, and shields that fail.

use super::{fleet, get};
use crate::stage::{Gate, HOST, Origin, Script, docs, eventually, expect, outcome, reply};
use scenarios::cache_status::Outcome;
use scenarios::client::{self, Ask};
use scenarios::fleet::{Fleet, Signal};

/// Two shields and an edge.
async fn two_shields(extra: &str) -> (Fleet, Origin) {
    let origin = Origin::start().await;
    let fleet = docs(&origin).shield("shield-1").shield("shield-2").pop("fra", 50.11, 8.68);
    (fleet.toml_extra(extra).start().await.expect("a fleet"), origin)
}

async fn fetched_by(fleet: &Fleet, shield: &str) -> u64 {
    fleet.node(shield).stats().await.expect("statistics").total.upstream_requests
}

/// A target whose first shield is this one.
async fn target_of(fleet: &Fleet, origin: &Origin, shield: &str) -> String {
    for n in 0..100 {
        let target = format!("/probe/{n}");
        origin.on(&target, Script::ok("x").field("Cache-Control", "no-store"));
        let reply = get(fleet, "fra-1", &target).await;
        if reply.header("cache-status").is_some_and(|text| text.starts_with(shield)) {
            return target;
        }
    }
    panic!("no target is fetched through {shield}");
}

#[tokio::test]
async fn keys_are_spread_and_survive_a_shield() {
    let (mut fleet, origin) = two_shields("").await;
    let targets: Vec<String> = (0..40).map(|n| format!("/{n}")).collect();
    for target in &targets {
        origin.on(target, Script::cached(target.clone()));
        expect(&get(&fleet, "fra-1", target).await, 200, target, Outcome::Miss);
    }
    let (one, two) = (fetched_by(&fleet, "shield-1").await, fetched_by(&fleet, "shield-2").await);
    assert_eq!(one + two, 40);
    assert!(one >= 8 && two >= 8, "{one} and {two}");
    fleet.kill("shield-1").await.expect("it is killed");
    // What the edge has is not concerned; what it has not comes through the other shield.
    for target in &targets {
        expect(&get(&fleet, "fra-1", target).await, 200, target, Outcome::Hit);
    }
    for n in 40..80 {
        let target = format!("/{n}");
        origin.on(&target, Script::cached(target.clone()));
        let reply = get(&fleet, "fra-1", &target).await;
        expect(&reply, 200, &target, Outcome::Miss);
        assert!(reply.header("cache-status").is_some_and(|text| text.starts_with("shield-2;")));
    }
    // Requests that can't be repeated go there too: nothing was sent to the one that is not there.
    origin.on("/post", Script::ok("posted"));
    let posted = fleet.node("fra-1").send(&Ask::new(http::Method::POST, HOST, "/post").json("{}")).await;
    assert_eq!(posted.expect("an answer").text(), "posted");
    // Once it is back it has its keys again.
    fleet.restart("shield-1").await.expect("it starts");
    origin.on("/back", Script::ok("x").field("Cache-Control", "no-store"));
    eventually("it is asked again", async || {
        for n in 0..10 {
            get(&fleet, "fra-1", &format!("/back/{n}")).await;
        }
        fetched_by(&fleet, "shield-1").await > 0
    })
    .await;
}

#[tokio::test]
async fn a_shield_that_dies_with_a_request_is_replaced() {
    let (mut fleet, origin) = two_shields("").await;
    let target = target_of(&fleet, &origin, "shield-1").await;
    let gate = Gate::new();
    origin.next(&target, Script::cached("never").after(&gate));
    origin.on(&target, Script::cached("good"));
    let before = origin.count(&target);
    let (address, asked) = (fleet.node("fra-1").public_addr(), target.clone());
    let asking = tokio::spawn(async move { client::ask(address, &Ask::get(HOST, &asked)).await });
    origin.arrived(&target, before + 1).await;
    fleet.kill("shield-1").await.expect("it is killed");
    let reply = reply(asking).await;
    expect(&reply, 200, "good", Outcome::Miss);
    assert!(reply.header("cache-status").is_some_and(|text| text.starts_with("shield-2;")), "{:?}", reply.headers);
}

/// A request that may not be repeated is not, once it was sent.
#[tokio::test]
async fn a_post_that_a_shield_dies_with_is_not_sent_again() {
    let (mut fleet, origin) = two_shields("").await;
    let target = target_of(&fleet, &origin, "shield-1").await;
    let gate = Gate::new();
    origin.on(&target, Script::cached("never").after(&gate));
    let before = origin.count(&target);
    let ask = Ask::new(http::Method::POST, HOST, &target).json("{}");
    let address = fleet.node("fra-1").public_addr();
    let asking = tokio::spawn(async move { client::ask(address, &ask).await });
    origin.arrived(&target, before + 1).await;
    fleet.kill("shield-1").await.expect("it is killed");
    assert_eq!(reply(asking).await.status.as_u16(), 502);
    assert_eq!(origin.count(&target), before + 1);
}

/// Stops a node where it stands.
async fn stop(fleet: &Fleet, node: &str) {
    fleet.signal(node, Signal::STOP).expect("it runs");
    let pid = fleet.node(node).process().pid().expect("it runs");
    let stands = |thread: std::io::Result<std::fs::DirEntry>| {
        let stat = std::fs::read_to_string(thread?.path().join("stat"))?;
        // The name of the program, in parentheses, comes before the state.
        std::io::Result::Ok(stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('T')))
    };
    eventually("all its threads stand still", async || {
        let mut threads = std::fs::read_dir(format!("/proc/{pid}/task")).expect("its threads");
        threads.all(|thread| stands(thread).unwrap_or(false))
    })
    .await;
}

/// It accepts connections, which the system does for it, and says nothing.
#[tokio::test]
async fn a_shield_that_hangs_is_passed_by() {
    let timeouts = "[[origins]]\nid = \"docs\"\nconnect_timeout = \"100ms\"\nfirst_byte_timeout = \"100ms\"";
    let (fleet, origin) = two_shields(timeouts).await;
    let target = target_of(&fleet, &origin, "shield-1").await;
    origin.on(&target, Script::cached("good"));
    stop(&fleet, "shield-1").await;
    let reply = get(&fleet, "fra-1", &target).await;
    expect(&reply, 200, "good", Outcome::Miss);
    assert!(reply.header("cache-status").is_some_and(|text| text.starts_with("shield-2;")), "{:?}", reply.headers);
    fleet.signal("shield-1", Signal::CONT).expect("it goes on");
}

#[tokio::test]
async fn without_any_shield_the_failure_is_told_or_stood_in_for() {
    let (mut fleet, origin) = fleet("").await;
    origin.on("/a", Script::stale("old", ", stale-if-error=600"));
    get(&fleet, "fra-1", "/a").await;
    fleet.kill("shield-1").await.expect("it is killed");
    expect(&get(&fleet, "fra-1", "/a").await, 200, "old", Outcome::Stale);
    let reply = get(&fleet, "fra-1", "/b").await;
    assert_eq!(reply.status.as_u16(), 502);
    assert!(reply.text().contains("node: fra-1"), "{}", reply.text());
    fleet.restart("shield-1").await.expect("it starts");
    origin.on("/b", Script::cached("back"));
    expect(&get(&fleet, "fra-1", "/b").await, 200, "back", Outcome::Miss);
}

#[tokio::test]
async fn failures_of_the_origin_are_told_by_the_shield_and_not_kept() {
    let (fleet, origin) = fleet("[[origins]]\nid = \"docs\"\nfirst_byte_timeout = \"200ms\"").await;
    let never = Gate::new();
    for (target, failure, status) in [("/cut", Script::raw(""), 502), ("/slow", Script::hang(&never), 504)] {
        origin.next(target, failure);
        origin.on(target, Script::cached("good"));
        let reply = get(&fleet, "fra-1", target).await;
        assert_eq!(reply.status.as_u16(), status);
        assert!(reply.text().contains("node: shield-1"), "{}", reply.text());
        let members = reply.header("cache-status").expect("it is there");
        assert!(members.starts_with("shield-1;fwd=uri-miss;") && members.contains(", fra-1;fwd="), "{members}");
        assert_eq!(outcome(&get(&fleet, "fra-1", target).await), Outcome::Miss);
        expect(&get(&fleet, "fra-1", target).await, 200, "good", Outcome::Hit);
    }
}
