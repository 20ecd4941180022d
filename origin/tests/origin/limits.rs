//! What clients can't take.

use crate::harness::{Origin, Site};

fn origin(arguments: &[&str]) -> Origin {
    Origin::serve_with(Site::new(&[("index.html", "home")]), arguments)
}

#[test]
fn a_head_that_does_not_arrive_ends_the_connection() {
    let origin = origin(&["--head-timeout-ms", "50"]);
    for sent in ["", "GET / HTTP/1.1\r\nHost:"] {
        let mut connection = origin.connect();
        connection.send(sent.as_bytes());
        assert!(connection.is_closed(), "{sent:?}");
    }
}

#[test]
fn further_connections_wait() {
    let origin = origin(&["--max-connections", "1"]);
    let mut first = origin.connect();
    first.request("GET", "/", &[], "").expect("a response").expect(200);
    let mut second = origin.connect();
    second.send_request("GET", "/", &[], "");
    first.request("GET", "/", &[], "").expect("a response").expect(200);
    drop(first);
    second.start(true).expect("a head").finish().expect(200);
    drop(second);
    assert_eq!(origin.stats()["connections"]["open"], 1);
}

#[test]
fn bodies_and_heads_are_bounded() {
    let origin = origin(&[]);
    let large = "x".repeat(70_000);
    origin.control("POST", "/_origin/release", &large).expect(413);
    let authorization = format!("Bearer {}", crate::harness::TOKEN);
    let fields = [
        ("Authorization", authorization.as_str()),
        ("Content-Type", "application/json"),
        ("Transfer-Encoding", "chunked"),
    ];
    let mut connection = origin.connect();
    connection.send_request("POST", "/_origin/release", &fields, "");
    connection.send(format!("{:x}\r\n{large}\r\n0\r\n\r\n", large.len()).as_bytes());
    connection.start(true).expect("a head").finish().expect(413);

    origin.get_with("/", "X-Large", &large).expect(431);
    origin.get(&format!("/{}", "x".repeat(40_000))).expect(431);
    origin.get(&format!("/{}", "x".repeat(1_000))).expect(404);
    assert_eq!(origin.stats()["requests"]["by_path_other"], 1);
}
