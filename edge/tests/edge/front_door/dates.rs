//! The Date that a connection puts into each head on its way out, byte for byte.

use super::http2;
use crate::support::{HOST, Origin, Reply, Seen, Stand, Step, get};
use http::Method;

/// A Date for each target, so that none can be taken for another one's.
fn date_of(target: &str) -> String {
    let second = target.bytes().fold(0, |sum, byte| (sum * 7 + u32::from(byte)) % 60);
    format!("Sun, 06 Nov 1994 08:49:{second:02} GMT")
}

/// What a body may well begin with.
const BODY: &str = "Date: x\r\ntidewall-date: y\r\n\r\nHTTP/1.1 200 OK\r\nDate: z\r\n\r\n";

fn answer(seen: &Seen) -> Vec<Step> {
    let mut head = format!("HTTP/1.1 200 OK\r\nDate: {}\r\ntidewall-date: nonsense\r\n", date_of(&seen.target));
    if seen.target.starts_with("/large") {
        for n in 0..20 {
            head += &format!("X-Large-{n}: {}\r\n", "date: x, ".repeat(230));
        }
    }
    if !seen.target.contains("uncached") {
        head += "Cache-Control: max-age=600\r\nAge: 5\r\n";
    }
    let body = if seen.target.starts_with("/long") { BODY.repeat(2000) } else { BODY.to_owned() };
    head += &format!("Content-Length: {}\r\n\r\n", body.len());
    let hint = "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\ntidewall-date: nonsense\r\nDate: none\r\n\r\n";
    let hint = if seen.target.starts_with("/hints") { hint } else { "" };
    let body = if seen.method == "HEAD" { "" } else { &body };
    vec![Step::Send(format!("{hint}{head}{body}").into_bytes())]
}

#[track_caller]
fn check(target: &str, reply: &Reply, has_body: bool) {
    let dates: Vec<&str> = named(reply, "date").collect();
    assert_eq!((reply.status, dates), (200, vec![date_of(target).as_str()]), "{target}");
    assert_eq!(named(reply, "tidewall-date").count(), 0, "{target}");
    let body = if target.starts_with("/long") { BODY.repeat(2000) } else { BODY.to_owned() };
    assert!(reply.text() == if has_body { body.as_str() } else { "" }, "{target}: {} bytes", reply.body.len());
    if target.starts_with("/large") {
        assert_eq!(
            reply.fields.iter().filter(|(name, _)| name.to_ascii_lowercase().starts_with("x-large")).count(),
            20
        );
    }
}

fn named<'r>(reply: &'r Reply, name: &'static str) -> impl Iterator<Item = &'r str> {
    reply.fields.iter().filter(move |(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
}

const TARGETS: [&str; 8] =
    ["/a", "/uncached", "/large", "/large/uncached", "/long", "/long/uncached", "/large/long", "/hints/uncached"];

#[tokio::test]
async fn each_of_several_heads_on_a_connection_has_its_own() {
    let stand = Stand::before(Origin::answering(answer).await, "").await;
    let mut client = stand.connect().await;
    for _ in 0..2 {
        for target in TARGETS {
            client.send(get(target)).await;
            let mut reply = client.reply().await;
            if reply.status == 103 {
                assert_eq!(named(&reply, "tidewall-date").count(), 0);
                reply = client.reply().await;
            }
            check(target, &reply, true);
            client.send(get(target).replace("GET ", "HEAD ")).await;
            let mut reply = client.reply_to_head().await;
            if reply.status == 103 {
                reply = client.reply_to_head().await;
            }
            check(target, &reply, false);
        }
    }
    stand.did_not_panic();
}

#[tokio::test]
async fn pipelined_requests_get_their_own_each() {
    let stand = Stand::before(Origin::answering(answer).await, "").await;
    for _ in 0..2 {
        let targets: Vec<&str> = TARGETS.into_iter().filter(|target| !target.starts_with("/hints")).collect();
        let mut client = stand.connect().await;
        client.send(targets.iter().map(|target| get(target)).collect::<String>()).await;
        for target in targets {
            check(target, &client.reply().await, true);
        }
    }
    stand.did_not_panic();
}

/// Pingora writes those heads alone: Date is the moment of writing there, and Age says how old the response is.
#[tokio::test]
async fn over_http_2_nothing_of_it_is_seen() {
    let stand = Stand::before(Origin::answering(answer).await, http2::H2C).await;
    let client = http2::connect(&stand).await;
    for _ in 0..2 {
        for target in TARGETS {
            for method in [Method::GET, Method::HEAD] {
                let reply = http2::ask(&client, method.clone(), &http2::at(target), b"").await;
                assert_eq!(reply.status, 200, "{target}");
                assert_eq!(reply.fields.get_all("date").iter().count(), 1, "{target}: {:?}", reply.fields);
                assert!(!reply.fields.contains_key("tidewall-date"), "{method} {target}: {:?}", reply.fields);
            }
        }
    }
    // What it stored has the origin's Date over HTTP/1.1.
    check("/a", &stand.exchange(get("/a")).await, true);
    let refused = http2::ask(&client, Method::GET, "http://other.example/", b"").await;
    assert_eq!((refused.status, refused.fields.contains_key("tidewall-date")), (421, false));
    stand.did_not_panic();
}

#[tokio::test]
async fn refusals_at_the_door_have_one_as_well() {
    let stand = Stand::before(Origin::answering(answer).await, "").await;
    for request in ["GET / HTTP/1.1\r\n\r\n", "nonsense\r\n\r\n"] {
        let reply = stand.exchange(request).await;
        assert_eq!((reply.status, named(&reply, "date").count()), (400, 1), "{request}");
    }
    // Behind a response, on the same connection.
    let mut client = stand.connect().await;
    client.send(get("/a") + &format!("GET / HTTP/1.1\r\nHost: {HOST}\r\nHost: {HOST}\r\n\r\n")).await;
    check("/a", &client.reply().await, true);
    let reply = client.reply().await;
    assert_eq!((reply.status, named(&reply, "date").count()), (400, 1));
}
