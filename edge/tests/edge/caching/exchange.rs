//! What origins are told, and what clients are told of it.

use crate::stage::{Exchange, HOST, Origin, Script, Stage, docs, eventually, outcome};
use scenarios::cache_status::Outcome;
use scenarios::client::Ask;
use scenarios::fleet::View;

/// Everything that a client might make up about the way here.
fn forged(target: &str) -> Ask {
    Ask::get(HOST, target)
        .with("X-Forwarded-For", "1.2.3.4")
        .with("X-Forwarded-For", "5.6.7.8")
        .with("X-Forwarded-Proto", "https")
        .with("X-Forwarded-Host", "evil.example")
        .with("Forwarded", "for=1.2.3.4;proto=https")
        .with("X-Request-Id", "made-up")
        .with("X-Original-URL", "/admin")
        .with("X-Rewrite-URL", "/admin")
        .with("X-Forwarded-Server", "evil.example")
        .with("X-Forwarded-Port", "1")
        .with("X-Forwarded-Prefix", "/admin")
        .with("X-HTTP-Method-Override", "DELETE")
        .with("tidewall-tier", "v1;fra-1;https;made-up;00")
        .with("Cache-Status", "evil; hit")
}

#[tokio::test]
async fn the_way_so_far_begins_at_the_node() {
    let stage = Stage::new().await;
    stage.origin.on("/a", Script::cached("x"));
    stage.origin.on("/b", Script::ok("x"));
    let cached = stage.send(&forged("/a")).await;
    let mut post = forged("/b");
    post = post.with("Via", "1.0 client-proxy").with("User-Agent", "test");
    stage.send(&post).await;
    for target in ["/a", "/b"] {
        let seen = stage.origin.last(target);
        assert_eq!(seen.field("host"), Some(HOST));
        assert_eq!(seen.field("x-forwarded-for"), Some("127.0.0.1"));
        assert_eq!(seen.field("x-forwarded-proto"), Some("http"));
        assert_eq!(seen.field("x-forwarded-host"), Some(HOST));
        let forwarded = format!("for=127.0.0.1;by=_fra-1;proto=http;host={HOST}");
        assert_eq!(seen.field("forwarded"), Some(forwarded.as_str()));
        for name in [
            "tidewall-tier",
            "x-original-url",
            "x-rewrite-url",
            "x-forwarded-server",
            "x-forwarded-port",
            "x-forwarded-prefix",
            "x-http-method-override",
        ] {
            assert_eq!(seen.field(name), None, "{name}");
        }
        assert_ne!(seen.field("x-request-id"), Some("made-up"));
        assert!(seen.field("cdn-loop").is_some_and(|passed| passed.starts_with("tidewall;w=")));
    }
    assert_eq!(stage.origin.last("/a").field("via"), Some("1.1 fra-1"));
    assert_eq!(stage.origin.last("/b").field("via"), Some("1.0 client-proxy, 1.1 fra-1"));
    assert_eq!(stage.origin.last("/b").field("user-agent"), Some("test"));
    assert_ne!(cached.header("x-request-id"), Some("made-up"));
    assert!(!cached.header("cache-status").unwrap_or_default().contains("evil"));
}

#[tokio::test]
async fn fields_of_the_client_s_connection_end_at_the_node() {
    let stage = Stage::new().await;
    stage.origin.on("/a", Script::cached("x"));
    stage.origin.on("/b", Script::ok("x"));
    for (method, target) in [("GET", "/a"), ("POST", "/b")] {
        let request = format!(
            "{method} {target} HTTP/1.1\r\nHost: {HOST}\r\nConnection: X-Hop, keep-alive\r\nX-Hop: 1\r\n\
             Keep-Alive: timeout=5\r\nProxy-Connection: keep-alive\r\nTE: trailers\r\n\
             Proxy-Authorization: Basic Zm9v\r\nX-Stays: 1\r\n\r\n"
        );
        let (status, _) = Exchange::send(stage.node().public_addr(), &request).await.whole().await.expect("an answer");
        assert_eq!(status, 200);
        let seen = stage.origin.last(target);
        for name in ["x-hop", "keep-alive", "proxy-connection", "te", "proxy-authorization"] {
            assert_eq!(seen.field(name), None, "{name} of {method}: {:?}", seen.fields);
        }
        assert_eq!(seen.field("x-stays"), Some("1"));
    }
}

#[tokio::test]
async fn fields_of_the_origin_s_connection_end_at_the_node() {
    let stage = Stage::new().await;
    let script = |script: Script| {
        script
            .field("Connection", "X-Hop, keep-alive")
            .field("X-Hop", "1")
            .field("Keep-Alive", "timeout=5")
            .field("Proxy-Connection", "keep-alive")
            .field("Proxy-Authenticate", "Basic")
            .field("Upgrade", "h2c")
            .field("tidewall-tier", "v1")
            .field("X-Request-Id", "the origin's")
            .field("X-Stays", "1")
    };
    stage.origin.on("/a", script(Script::cached("x")));
    stage.origin.on("/b", script(Script::ok("x").field("Cache-Control", "no-store")));
    stage.origin.on("/c", script(Script::ok("x")));
    let post = Ask::new(http::Method::POST, HOST, "/c");
    for ask in [Ask::get(HOST, "/a"), Ask::get(HOST, "/a"), Ask::get(HOST, "/b"), post] {
        let reply = stage.send(&ask).await;
        for name in ["x-hop", "proxy-connection", "proxy-authenticate", "upgrade", "tidewall-tier"] {
            assert_eq!(reply.header(name), None, "{name}: {:?}", reply.headers);
        }
        assert_ne!(reply.header("keep-alive"), Some("timeout=5"));
        assert_ne!(reply.header("x-request-id"), Some("the origin's"));
        assert_eq!(reply.header("x-stays"), Some("1"));
    }
}

#[tokio::test]
async fn an_origin_may_be_asked_for_another_host() {
    let stage = Stage::with("[[origins]]\nid = \"docs\"\nhost = \"bucket.example\"").await;
    stage.origin.on("/a", Script::cached("x"));
    assert_eq!(outcome(&stage.get("/a").await), Outcome::Miss);
    let seen = stage.origin.last("/a");
    assert_eq!((seen.field("host"), seen.field("x-forwarded-host")), (Some("bucket.example"), Some(HOST)));
}

#[tokio::test]
async fn an_absolute_target_is_asked_for_as_a_path() {
    let stage = Stage::new().await;
    stage.origin.on("/a?b", Script::cached("x"));
    let request = format!("GET http://{HOST}/a?b HTTP/1.1\r\nHost: {HOST}\r\n\r\n");
    let answer = Exchange::send(stage.node().public_addr(), &request).await.whole().await;
    assert_eq!(answer, Ok((200, b"x".to_vec())));
    assert_eq!(outcome(&stage.get("/a?b").await), Outcome::Hit);
    assert_eq!(stage.origin.last("/a?b").field("host"), Some(HOST));
}

#[tokio::test]
async fn a_request_that_goes_round_in_circles_is_ended() {
    let stage = Stage::new().await;
    stage.origin.on("/a", Script::cached("x"));
    let passed = Ask::get(HOST, "/a").with("CDN-Loop", "other.example, tidewall; v=1");
    assert_eq!(stage.send(&passed).await.text(), "x");
    let seen = stage.origin.last("/a");
    let passed = seen.field("cdn-loop").and_then(|all| all.strip_prefix("other.example, tidewall; v=1, tidewall;w="));
    assert!(passed.is_some_and(|word| word.len() == 16), "{seen:?}");
    let circling = Ask::get(HOST, "/b").with("CDN-Loop", "tidewall, tidewall, tidewall");
    assert_eq!(stage.send(&circling).await.status.as_u16(), 508);
    assert_eq!(stage.origin.count("/b"), 0);
}

/// An origin's address that leads back to the edge. It says so at once: no request waits for itself.
#[tokio::test]
async fn an_origin_that_is_a_node_is_noticed() {
    for tiers in [1, 2] {
        let origin = Origin::start().await;
        let builder = docs(&origin).pop("fra", 50.11, 8.68);
        let builder = if tiers == 2 { builder.shield("shield-1") } else { builder };
        let mut plan = builder.reserve().expect("addresses");
        let edge = plan.nodes()[0].public;
        for pop in ["fra", "shield-1"] {
            plan.view(pop, View { origins: [("docs".to_owned(), edge)].into(), ..View::default() });
        }
        let fleet = plan.start().await.expect("a fleet");
        let reply = fleet.node("fra-1").get(HOST, "/a").await.expect("an answer");
        assert_eq!(reply.status.as_u16(), 508, "{tiers} tiers: {}", reply.text());
    }
}

#[tokio::test]
async fn sites_and_hosts_do_not_share_responses() {
    let origin = Origin::start().await;
    let fleet = docs(&origin)
        .site_of("blog", &["blog.example", "www.blog.example"], "docs")
        .pop("fra", 50.11, 8.68)
        .start()
        .await
        .expect("a fleet");
    origin.on("/a", Script::cached("x"));
    let node = fleet.node("fra-1");
    for (n, host) in [HOST, "blog.example", "www.blog.example"].into_iter().enumerate() {
        assert_eq!(outcome(&node.get(host, "/a").await.expect("an answer")), Outcome::Miss);
        assert_eq!(outcome(&node.get(host, "/a").await.expect("an answer")), Outcome::Hit);
        assert_eq!((origin.count("/a"), origin.last("/a").field("host")), (n + 1, Some(host)));
    }
    for host in ["WWW.EXAMPLE", "www.example:80", "www.example."] {
        assert_eq!(outcome(&node.get(host, "/a").await.expect("an answer")), Outcome::Hit, "{host}");
    }
    assert_eq!(node.get("other.example", "/a").await.expect("an answer").status.as_u16(), 421);
    eventually("all requests are counted", async || node.stats().await.expect("statistics").total.requests == 10).await;
    let stats = node.stats().await.expect("statistics");
    assert_eq!((stats.sites["docs"].requests, stats.sites["blog"].requests, stats.total.requests), (5, 4, 10));
}
