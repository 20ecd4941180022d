//! Ranges (RFC 9110 §14).

use crate::harness::{Origin, Site};

#[test]
fn outcomes() {
    let origin = Origin::with(&[("a.txt", "0123456789"), ("empty.txt", "")]);
    for (range, status, content_range, body) in [
        ("bytes=0-0", 206, Some("bytes 0-0/10"), "0"),
        ("bytes=2-4", 206, Some("bytes 2-4/10"), "234"),
        ("bytes=7-", 206, Some("bytes 7-9/10"), "789"),
        ("bytes=7-99", 206, Some("bytes 7-9/10"), "789"),
        ("bytes=-3", 206, Some("bytes 7-9/10"), "789"),
        ("bytes=-99", 206, Some("bytes 0-9/10"), "0123456789"),
        ("bytes=10-", 416, Some("bytes */10"), "no byte is in that range\n"),
        ("bytes=-0", 416, Some("bytes */10"), "no byte is in that range\n"),
        ("bytes=4-2", 200, None, "0123456789"),
        ("bytes=0-1,3-4", 200, None, "0123456789"),
        ("pages=1-2", 200, None, "0123456789"),
    ] {
        let response = origin.get_with("/a.txt", "Range", range).expect(status);
        assert_eq!((response.field("content-range"), response.text()), (content_range, body), "{range}");
        assert_eq!(response.field("content-length"), Some(body.len().to_string().as_str()), "{range}");
        assert_eq!(response.field("etag").is_some(), status != 416, "{range}");
        origin.request("HEAD", "/a.txt", &[("Range", range)]).expect(200);
    }
    let empty = origin.get_with("/empty.txt", "Range", "bytes=0-").expect(416);
    assert_eq!(empty.field("content-range"), Some("bytes */0"));
}

#[test]
fn if_range_and_preconditions_come_first() {
    let origin = Origin::with(&[("a.txt", "0123456789")]);
    let whole = origin.get("/a.txt").expect(200);
    let etag = whole.field("etag").expect("an etag");
    let date = whole.field("last-modified").expect("a date");
    let weak = format!("W/{etag}");
    for (name, value, status) in [
        ("If-Range", etag, 206),
        ("If-Range", "\"x\"", 200),
        ("If-Range", weak.as_str(), 200),
        ("If-Range", date, 200),
        ("If-None-Match", etag, 304),
        ("If-None-Match", "\"x\"", 206),
        ("If-Match", etag, 206),
        ("If-Match", "\"x\"", 412),
    ] {
        origin.request("GET", "/a.txt", &[("Range", "bytes=2-4"), (name, value)]).expect(status);
    }
}

#[test]
fn a_range_is_of_the_encoded_bytes() {
    let origin = Origin::with(&[("a.txt", "0123456789"), ("a.txt.gz", "GZIPGZIP!")]);
    let response = origin.request("GET", "/a.txt", &[("Range", "bytes=-2"), ("Accept-Encoding", "gzip")]).expect(206);
    assert_eq!((response.text(), response.field("content-range")), ("P!", Some("bytes 7-8/9")));
    assert_eq!(response.field("content-encoding"), Some("gzip"));
    assert_eq!(response.field("vary"), Some("Accept-Encoding"));
}

#[test]
fn ranges_of_a_file_that_stays_on_disk() {
    let site = Site::new(&[]);
    let bytes: Vec<u8> = (0..3_000_000u32).map(|n| (n % 251) as u8).collect();
    site.write("large.bin", &bytes);
    let origin = Origin::serve(site);
    assert!(origin.get("/large.bin").expect(200).body == bytes);
    for (range, expected) in [
        ("bytes=0-0", 0..1),
        ("bytes=65535-65536", 65_535..65_537),
        ("bytes=1000000-2999999", 1_000_000..3_000_000),
        ("bytes=-5", 2_999_995..3_000_000),
    ] {
        let response = origin.get_with("/large.bin", "Range", range).expect(206);
        assert!(response.body == bytes[expected.clone()], "{range}");
        let content_range = format!("bytes {}-{}/3000000", expected.start, expected.end - 1);
        assert_eq!(response.field("content-range"), Some(content_range.as_str()));
    }
}
