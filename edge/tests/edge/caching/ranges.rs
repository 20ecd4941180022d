//! Parts of stored responses.

use crate::stage::{Gate, HOST, Script, Stage, expect, outcome, pattern, reply};
use scenarios::cache_status::Outcome;
use scenarios::client::Ask;

const BODY: &str = "0123456789";
const CHANGED: &str = "Sat, 01 Nov 2025 10:00:00 GMT";

fn range(target: &str, value: &str) -> Ask {
    Ask::get(HOST, target).with("Range", value)
}

async fn stored(etag: &str) -> Stage {
    let stage = Stage::new().await;
    stage.origin.on("/a", Script::cached(BODY).field("ETag", etag).field("Last-Modified", CHANGED));
    stage.get("/a").await;
    stage
}

#[tokio::test]
async fn parts_come_from_the_store() {
    let stage = stored("\"v1\"").await;
    for (asked, body, content_range) in [
        ("bytes=0-0", "0", "bytes 0-0/10"),
        ("bytes=2-4", "234", "bytes 2-4/10"),
        ("bytes=7-", "789", "bytes 7-9/10"),
        ("bytes=-3", "789", "bytes 7-9/10"),
        ("bytes=-99", BODY, "bytes 0-9/10"),
        ("bytes=8-99", "89", "bytes 8-9/10"),
        ("bytes=0-18446744073709551616", BODY, "bytes 0-9/10"),
        ("bytes=-18446744073709551615", BODY, "bytes 0-9/10"),
        ("bytes=-18446744073709551616", BODY, "bytes 0-9/10"),
        ("bytes=-99999999999999999999999999", BODY, "bytes 0-9/10"),
        ("Bytes=2-4", "234", "bytes 2-4/10"),
        // RFC 9110 §5.6.1: empty members of a list count for nothing.
        ("bytes=0-1,", "01", "bytes 0-1/10"),
        ("bytes=,0-1", "01", "bytes 0-1/10"),
        ("bytes= , ,,2-4 , ", "234", "bytes 2-4/10"),
        ("bytes=0-1,20-30", "01", "bytes 0-1/10"),
    ] {
        let reply = stage.send(&range("/a", asked)).await;
        expect(&reply, 206, body, Outcome::Hit);
        assert_eq!(reply.header("content-range"), Some(content_range), "{asked}");
        assert_eq!(reply.header("content-length"), Some(body.len().to_string().as_str()), "{asked}");
        assert_eq!(reply.header("etag"), Some("\"v1\""));
    }
    assert_eq!(stage.origin.count("/a"), 1);
}

#[tokio::test]
async fn several_parts_come_as_multipart() {
    let stage = stored("\"v1\"").await;
    let reply = stage.send(&range("/a", "bytes=,0-1, 4-5,,-1,")).await;
    assert_eq!((reply.status.as_u16(), outcome(&reply)), (206, Outcome::Hit));
    assert_eq!(reply.header("content-length"), Some(reply.body.len().to_string().as_str()));
    let media = reply.header("content-type").expect("a type");
    let boundary = media.strip_prefix("multipart/byteranges; boundary=").unwrap_or_else(|| panic!("{media}"));
    let text = reply.text();
    let parts: Vec<&str> = text.split(&format!("--{boundary}")).collect();
    let bodies: Vec<&str> =
        parts.iter().filter_map(|part| part.split_once("\r\n\r\n")).map(|(_, body)| body.trim_end()).collect();
    assert_eq!(bodies, ["01", "45", "9"], "{text}");
    assert!(text.contains("bytes 4-5/10"), "{text}");
}

/// RFC 9110 §14.1.2: the last 2⁶⁴ bytes are all there are.
#[tokio::test]
async fn a_suffix_of_any_length_is_at_most_the_whole_on_each_path() {
    let longest = "bytes=-18446744073709551616";
    let stage = Stage::with_site("client_directives = \"all\"").await;
    stage.origin.next("/a", Script::cached(BODY).field("ETag", "\"1\""));
    stage.origin.on("/a", Script::not_modified().field("ETag", "\"1\""));
    let validated = range("/a", longest).with("Cache-Control", "no-cache");
    for (ask, did) in
        [(range("/a", longest), Outcome::Miss), (range("/a", longest), Outcome::Hit), (validated, Outcome::Revalidated)]
    {
        let reply = stage.send(&ask).await;
        expect(&reply, 206, BODY, did);
        assert_eq!(reply.header("content-range"), Some("bytes 0-9/10"));
        stage.origin.answered("/a", 1).await;
        crate::stage::eventually("it is stored", async || outcome(&stage.get("/a").await) == Outcome::Hit).await;
    }
    stage.origin.on("/b", Script::ok(BODY).field("Cache-Control", "no-store"));
    let reply = stage.send(&range("/b", longest)).await;
    assert!(
        matches!(reply.status.as_u16(), 200 | 206) && reply.text() == BODY,
        "{}: {:?}",
        reply.status,
        reply.headers
    );
    let stage = Stage::with_site("range_miss = \"forward\"").await;
    stage.origin.on("/a", Script::cached(BODY).field("ETag", "\"1\"").ranged());
    stage.get("/a").await;
    expect(&stage.send(&range("/a", longest)).await, 206, BODY, Outcome::Hit);
}

#[tokio::test]
async fn what_is_no_range_gets_the_whole() {
    let stage = stored("\"v1\"").await;
    let many = format!("bytes={}", vec!["0-"; 100].join(","));
    for asked in ["lines=1-2", "bytes=x", "bytes=3-1", "bytes=0-5,2-7", "bytes=4-5,0-1", "bytes=,", &many] {
        let reply = stage.send(&range("/a", asked)).await;
        expect(&reply, 200, BODY, Outcome::Hit);
    }
}

#[tokio::test]
async fn parts_that_do_not_exist_get_416() {
    let stage = stored("\"v1\"").await;
    for asked in ["bytes=10-", "bytes=99-100", "bytes=-0"] {
        let reply = stage.send(&range("/a", asked)).await;
        assert_eq!((reply.status.as_u16(), outcome(&reply)), (416, Outcome::Hit), "{asked}");
        assert_eq!(reply.header("content-range"), Some("bytes */10"));
        assert_eq!(reply.text(), "");
    }
    expect(&stage.get("/a").await, 200, BODY, Outcome::Hit);
}

#[tokio::test]
async fn if_range_needs_a_strong_match() {
    for (etag, condition, status) in [
        ("\"v1\"", "\"v1\"", 206),
        ("\"v1\"", "\"v2\"", 200),
        ("\"v1\"", "W/\"v1\"", 200),
        ("W/\"v1\"", "W/\"v1\"", 200),
        ("W/\"v1\"", "\"v1\"", 200),
        ("\"v1\"", CHANGED, 206),
        ("\"v1\"", "Sat, 01 Nov 2025 10:00:01 GMT", 200),
        ("\"v1\"", "nonsense", 200),
    ] {
        let stage = stored(etag).await;
        let reply = stage.send(&range("/a", "bytes=0-1").with("If-Range", condition)).await;
        assert_eq!(reply.status.as_u16(), status, "ETag {etag}, If-Range {condition}");
    }
}

#[tokio::test]
async fn a_range_that_misses_fetches_the_whole() {
    let stage = Stage::new().await;
    stage.origin.on("/a", Script::cached(BODY));
    let reply = stage.send(&range("/a", "bytes=2-4")).await;
    expect(&reply, 206, "234", Outcome::Miss);
    assert_eq!(reply.header("content-range"), Some("bytes 2-4/10"));
    let seen = stage.origin.last("/a");
    assert_eq!((seen.field("range"), seen.field("if-range")), (None, None));
    stage.origin.answered("/a", 1).await;
    crate::stage::eventually("the whole is stored", async || outcome(&stage.get("/a").await) == Outcome::Hit).await;
    assert_eq!(stage.origin.count("/a"), 1);
}

#[tokio::test]
async fn a_range_of_what_can_not_be_stored_is_right_or_whole() {
    let stage = Stage::new().await;
    stage.origin.on("/a", Script::ok(BODY).field("Cache-Control", "no-store"));
    for _ in 0..2 {
        let reply = stage.send(&range("/a", "bytes=2-4")).await;
        let want = if reply.status.as_u16() == 206 { "234" } else { BODY };
        assert_eq!(reply.text(), want, "{}: {:?}", reply.status, reply.headers);
    }
}

#[tokio::test]
async fn a_range_of_a_chunked_response_is_answered_once_it_is_stored() {
    let stage = Stage::new().await;
    stage.origin.on("/a", Script::cached(BODY).chunked());
    expect(&stage.get("/a").await, 200, BODY, Outcome::Miss);
    let whole = stage.get("/a").await;
    expect(&whole, 200, BODY, Outcome::Hit);
    assert_eq!(whole.header("content-length"), Some("10"), "its length is known by now");
    let reply = stage.send(&range("/a", "bytes=2-4")).await;
    expect(&reply, 206, "234", Outcome::Hit);
    assert_eq!(reply.header("content-range"), Some("bytes 2-4/10"));
}

#[tokio::test]
async fn a_range_of_a_response_that_still_arrives_is_right() {
    let stage = Stage::new().await;
    let (gate, body) = (Gate::new(), pattern(90_000));
    stage.origin.on("/a", Script::cached(body.clone()).pause_at(50_000, &gate));
    let mut first = stage.open("/a").await;
    first.bytes_after_head(50_000).await;
    let joined = stage.ask(range("/a", "bytes=2-60000"));
    gate.open();
    assert!(first.rest().await.expect("the rest") == body[50_000..]);
    let reply = reply(joined).await;
    let want = if reply.status.as_u16() == 206 { &body[2..=60_000] } else { &body[..] };
    assert!(reply.body == want, "{}: {} bytes", reply.status, reply.body.len());
    assert_eq!(stage.origin.count("/a"), 1);
}
