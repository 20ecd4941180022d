//! Faults on demand.

use std::io::ErrorKind;

use crate::harness::Origin;
use crate::http_client::Ended;

const BYTES: usize = 1000;

#[test]
fn half_a_body() {
    let origin = Origin::with(&[]);
    let whole = origin.get(&format!("/_synthetic/{BYTES}/a")).expect(200).body;
    for (query, length) in
        [("fault=truncate", Some("1000")), ("fault=stall&stall_ms=1", Some("1000")), ("fault=truncate&chunked=1", None)]
    {
        let response = origin.get(&format!("/_synthetic/{BYTES}/a?{query}"));
        assert_eq!((response.status, response.ended), (200, Ended::CutShort), "{query}");
        assert_eq!(response.field("content-length"), length, "{query}");
        assert_eq!(response.body, whole[..BYTES / 2], "{query}");
        // A HEAD has no body to cut.
        origin.request("HEAD", &format!("/_synthetic/{BYTES}/a?{query}"), &[]).expect(200);
    }
    let part = origin.get_with(&format!("/_synthetic/{BYTES}/a?fault=truncate"), "Range", "bytes=100-199");
    assert_eq!((part.status, part.ended), (206, Ended::CutShort));
    assert_eq!(part.body, whole[100..150]);

    let large = origin.get("/_synthetic/50000000/a?fault=truncate");
    assert_eq!((large.status, large.ended), (200, Ended::CutShort));
    assert!(large.body.len() <= 25_000_000);
}

#[test]
fn a_stall_holds_the_connection_until_the_client_gives_up() {
    let origin = Origin::with(&[]);
    let mut connection = origin.connect();
    connection.send_request("GET", &format!("/_synthetic/{BYTES}/a?fault=stall"), &[], "");
    connection.start(true).expect("a head");
    origin.wait_for_stats(|stats| stats["sent"]["body_bytes"] == BYTES / 2 && stats["requests"]["in_flight"] == 1);
    drop(connection);
    origin.wait_for_stats(|stats| stats["requests"]["in_flight"] == 0);
}

#[test]
fn a_reset_comes_before_the_first_byte() {
    let origin = Origin::with(&[]);
    let mut connection = origin.connect();
    let error =
        connection.request("GET", &format!("/_synthetic/{BYTES}/a?fault=reset"), &[], "").expect_err("no response");
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    let stats = origin.wait_for_stats(|stats| stats["requests"]["in_flight"] == 0);
    assert_eq!(stats["requests"]["by_status"], serde_json::json!({}));
}

#[test]
fn unavailable() {
    let origin = Origin::with(&[]);
    let response = origin.get(&format!("/_synthetic/{BYTES}/a?fault=status503&max-age=5")).expect(503);
    assert_eq!(response.field("cache-control"), Some("no-store"));
    assert_eq!(response.field("retry-after"), Some("1"));
    let faults = &origin.stats()["synthetic"]["faults"];
    assert_eq!(faults, &serde_json::json!({ "truncate": 0, "reset": 0, "stall": 0, "status503": 1 }));
}
