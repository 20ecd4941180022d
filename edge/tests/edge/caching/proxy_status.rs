//! Proxy-Status: what went wrong, and where (RFC 9209).

use crate::stage::{Exchange, Gate, HOST, Identity, Origin, Script, Stage, docs, eventually, expect, outcome};
use scenarios::cache_status::Outcome;
use scenarios::client::{Ask, Reply};
use scenarios::fleet::Fleet;

/// Checks the status and what is told of it.
#[track_caller]
fn check(reply: &Reply, status: u16, told: &str) {
    let got = (reply.status.as_u16(), reply.header("proxy-status"));
    assert_eq!(got, (status, Some(told)), "{:?}\n{}", reply.headers, reply.text());
}

/// An edge in front of this URL.
async fn edge_of(url: &str, keys: &str) -> (Fleet, Origin) {
    let origin = Origin::start().await;
    let extra = format!("[[origins]]\nid = \"docs\"\nurl = \"{url}\"\n{keys}");
    let fleet = docs(&origin).pop("fra", 50.11, 8.68).toml_extra(&extra).start().await.expect("a fleet");
    (fleet, origin)
}

async fn get(fleet: &Fleet, target: &str) -> Reply {
    fleet.node("fra-1").get(HOST, target).await.expect("an answer")
}

#[tokio::test]
async fn what_works_says_nothing() {
    let stage = Stage::new().await;
    stage.origin.on("/a", Script::cached("x"));
    for did in [Outcome::Miss, Outcome::Hit] {
        let reply = stage.get("/a").await;
        assert_eq!((outcome(&reply), reply.header("proxy-status")), (did, None));
    }
    // Errors of the origin's own are none of the node's.
    stage.origin.on("/503", Script::ok("down").status(503));
    assert_eq!(stage.get("/503").await.header("proxy-status"), None);
    assert_eq!(stage.get("/404").await.header("proxy-status"), None);
}

#[tokio::test]
async fn connections_that_fail() {
    let mut stage = Stage::new().await;
    stage.origin.stop().await;
    check(&stage.get("/a").await, 502, "fra-1;error=connection_refused");
    let (fleet, _origin) = edge_of("http://no-such-host.invalid", "").await;
    let told = get(&fleet, "/a").await.header("proxy-status").map(str::to_owned);
    // A machine without a resolver may not hear of it in time.
    assert!(matches!(told.as_deref(), Some("fra-1;error=dns_error" | "fra-1;error=dns_timeout")), "{told:?}");
}

#[tokio::test]
async fn responses_that_fail() {
    let stage = Stage::with("[[origins]]\nid = \"docs\"\nfirst_byte_timeout = \"200ms\"").await;
    let never = Gate::new();
    let large = format!("HTTP/1.1 200 OK\r\n{}\r\n", "X: y\r\n".repeat(1000));
    for (target, script, status, error) in [
        ("/nothing", Script::raw(""), 502, "connection_terminated"),
        ("/half", Script::raw("HTTP/1.1 200 OK\r\nContent-Le"), 502, "connection_terminated"),
        ("/slow", Script::hang(&never), 504, "connection_read_timeout"),
        ("/ssh", Script::raw("SSH-2.0-OpenSSH_9.9\r\n"), 502, "http_protocol_error"),
        ("/length", Script::raw("HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n"), 502, "http_protocol_error"),
        ("/large", Script::raw(large), 502, "http_response_header_section_size"),
    ] {
        stage.origin.on(target, script);
        check(&stage.get(target).await, status, &format!("fra-1;error={error}"));
    }
}

/// What has begun can't be told any more, and the connection breaks. If nothing was sent yet, it is told.
#[tokio::test]
async fn responses_that_begin_and_fail() {
    let stage = Stage::new().await;
    for (target, rest, error) in [
        ("/length", "Content-Length: 5\r\n\r\nhel", "http_response_incomplete"),
        ("/chunks", "Transfer-Encoding: chunked\r\n\r\nxyz\r\n", "http_response_transfer_coding"),
    ] {
        for store in ["max-age=60", "private"] {
            let target = format!("{target}/{store}");
            let raw = format!("HTTP/1.1 200 OK\r\nCache-Control: {store}\r\n{rest}");
            stage.origin.on(&target, Script::raw(raw));
            let told = format!("fra-1;error={error};received-status=200");
            match stage.try_send(&Ask::get(HOST, &target)).await {
                Ok(reply) => check(&reply, 502, &told),
                Err(_broken) => {}
            }
        }
    }
}

#[tokio::test]
async fn tls_that_fails() {
    let open = Gate::new();
    open.open();
    let identity = Identity::of("other.example");
    let origin = Origin::start_tls(&identity, &open).await;
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("ca.pem");
    std::fs::write(&path, &identity.authority).expect("a file");
    let keys = format!("sni = \"origin.example\"\nca_file = \"{}\"", path.display());
    let (fleet, plain) = edge_of(&format!("https://{}", origin.address()), &keys).await;
    check(&get(&fleet, "/a").await, 502, "fra-1;error=tls_certificate_error");
    let (fleet, _) = edge_of(&format!("https://{}", plain.address()), "verify = false").await;
    check(&get(&fleet, "/a").await, 502, "fra-1;error=tls_protocol_error");
}

#[tokio::test]
async fn refusals() {
    let stage = Stage::new().await;
    let loops = Ask::get(HOST, "/a").with("CDN-Loop", "tidewall, tidewall, tidewall");
    let looping = stage.send(&loops).await;
    check(&looping, 508, "fra-1;error=proxy_loop_detected");
    assert_eq!(looping.header("cache-status"), Some("fra-1;detail=\"loop\""), "it went nowhere");
    let unknown = stage.node().get("other.example", "/a").await.expect("an answer");
    check(&unknown, 421, "fra-1;error=destination_not_found");
    assert_eq!(unknown.header("cache-status"), Some("fra-1;detail=\"unknown-host\""));
    let trace = stage.send(&Ask::new(http::Method::TRACE, HOST, "/a")).await;
    check(&trace, 405, "fra-1;error=http_request_error;details=\"method-not-allowed\"");
    for (request, status, told) in [
        ("GET\r\n\r\n", 400, "http_request_error;details=\"malformed-head\""),
        ("GET / HTTP/1.1\r\n\r\n", 400, "http_request_error;details=\"no-host\""),
        ("GET / HTTP/4.2\r\nHost: a\r\n\r\n", 505, "http_request_denied;details=\"http-version\""),
    ] {
        let mut exchange = Exchange::send(stage.node().public_addr(), request).await;
        let (got, fields) = exchange.head().await.expect("a refusal");
        let told = format!("fra-1;error={told}");
        assert_eq!(got, status, "{request:?}");
        assert_eq!(fields["proxy-status"], told);
        let detail = told.split_once("details=").expect("details").1;
        assert_eq!(fields["cache-status"], format!("fra-1;detail={detail}"));
    }
}

/// The shield's word comes first.
#[tokio::test]
async fn each_tier_has_its_say() {
    let mut origin = Origin::start().await;
    let fleet = docs(&origin).shield("shield-1").pop("fra", 50.11, 8.68).start().await.expect("a fleet");
    origin.on("/nothing", Script::raw(""));
    check(&get(&fleet, "/nothing").await, 502, "shield-1;error=connection_terminated, fra-1");
    origin.on("/a", Script::cached("x"));
    assert_eq!(get(&fleet, "/a").await.header("proxy-status"), None);
    // A stale response of the shield's is one like any other for the edge, and what it stood in for is soon forgotten.
    origin.next("/stale", Script::stale("old", ", stale-if-error=600"));
    get(&fleet, "/stale").await;
    origin.stop().await;
    check(&get(&fleet, "/refused").await, 502, "shield-1;error=connection_refused, fra-1");
    let stale = get(&fleet, "/stale").await;
    assert_eq!(stale.text(), "old");
    check(&stale, 200, "shield-1;error=connection_refused, fra-1");
    let again = get(&fleet, "/stale").await;
    check(&again, 200, "shield-1;error=destination_unavailable, fra-1");
}

/// Pingora shows the edge no more of an error response that it does not use than its status.
#[tokio::test]
async fn a_stale_response_stands_in_for_that_of_a_tier() {
    let origin = Origin::start().await;
    let mut fleet = docs(&origin).shield("shield-1").pop("fra", 50.11, 8.68).start().await.expect("a fleet");
    origin.next("/a", Script::stale("old", ", stale-if-error=600"));
    origin.on("/a", Script::raw(""));
    get(&fleet, "/a").await;
    // What it holds is gone with the process.
    fleet.restart("shield-1").await.expect("it is restarted");
    check(&get(&fleet, "/a").await, 200, "fra-1;received-status=502");
}

#[tokio::test]
async fn a_tier_above_that_is_not_there() {
    let origin = Origin::start().await;
    let mut fleet = docs(&origin).shield("shield-1").pop("fra", 50.11, 8.68).start().await.expect("a fleet");
    fleet.kill("shield-1").await.expect("it is killed");
    check(&get(&fleet, "/a").await, 502, "fra-1;error=connection_refused");
}

/// Another proxy in front of the origin: its members are kept, and not stored.
#[tokio::test]
async fn members_from_beyond_are_passed_on_and_not_stored() {
    let stage = Stage::new().await;
    let script = Script::cached("x").field("Proxy-Status", "varnish;error=dns_error").field("Proxy-Status", "lb");
    stage.origin.on("/a", script);
    check(&stage.get("/a").await, 200, "varnish;error=dns_error, lb, fra-1");
    let hit = stage.get("/a").await;
    assert_eq!((outcome(&hit), hit.header("proxy-status")), (Outcome::Hit, None), "nothing went wrong now");
    // What can't be read would make the whole unreadable.
    stage.origin.on("/b", Script::cached("x").field("Proxy-Status", "it failed, badly;"));
    assert_eq!(stage.get("/b").await.header("proxy-status"), None);
    // A validation is an exchange of its own.
    stage.origin.next("/c", Script::stale("x", "").field("ETag", "\"1\""));
    stage
        .origin
        .on("/c", Script::not_modified().field("ETag", "\"1\"").field("Proxy-Status", "varnish;error=dns_error"));
    stage.get("/c").await;
    let revalidated = stage.get("/c").await;
    expect(&revalidated, 200, "x", Outcome::Revalidated);
    check(&revalidated, 200, "varnish;error=dns_error, fra-1");
}

#[tokio::test]
async fn a_stale_response_says_what_it_stands_in_for() {
    let mut stage = Stage::with("[[origins]]\nid = \"docs\"\nfirst_byte_timeout = \"200ms\"").await;
    let never = Gate::new();
    let stale = |target: &str, failure: Option<Script>| {
        stage.origin.next(target, Script::stale("old", ", stale-if-error=600"));
        failure.into_iter().for_each(|failure| stage.origin.on(target, failure));
    };
    for (target, failure, told) in [
        ("/503", Script::ok("down").status(503), "fra-1;received-status=503"),
        ("/slow", Script::hang(&never), "fra-1;error=connection_read_timeout"),
        ("/cut", Script::raw(""), "fra-1;error=connection_terminated"),
    ] {
        stale(target, Some(failure));
        assert_eq!(stage.get(target).await.header("proxy-status"), None);
        let reply = stage.get(target).await;
        expect(&reply, 200, "old", Outcome::Stale);
        check(&reply, 200, told);
        // Those who come later don't ask: one of them has it refreshed.
        let reply = stage.get(target).await;
        expect(&reply, 200, "old", Outcome::Stale);
        check(&reply, 200, "fra-1;error=destination_unavailable");
    }
    stale("/gone", None);
    stale("/back", None);
    for target in ["/gone", "/back"] {
        stage.get(target).await;
    }
    stage.origin.stop().await;
    let condition = Ask::get(HOST, "/gone").with("If-None-Match", "\"other\"");
    check(&stage.send(&condition).await, 200, "fra-1;error=connection_refused");
}

/// Stale while it is refreshed is nothing that went wrong.
#[tokio::test]
async fn a_refresh_is_no_error() {
    let stage = Stage::new().await;
    stage.origin.next("/a", Script::stale("old", ", stale-while-revalidate=600"));
    stage.origin.on("/a", Script::cached("new").field("Proxy-Status", "varnish;error=dns_error"));
    stage.get("/a").await;
    let reply = stage.get("/a").await;
    expect(&reply, 200, "old", Outcome::Stale);
    assert_eq!(reply.header("proxy-status"), None);
    eventually("it is refreshed", async || stage.get("/a").await.text() == "new").await;
    assert_eq!(stage.get("/a").await.header("proxy-status"), None);
}
