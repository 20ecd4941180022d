//! Connections: how many requests they carry, in which order those are answered, and how they end.

use super::check_usable;
use crate::support::{Client, Gate, HOST, Origin, Seen, Stand, Step, get};

async fn check_reply(client: &mut Client, text: &str) {
    let reply = client.reply().await;
    assert_eq!((reply.status, reply.text().as_str()), (200, text));
}

#[tokio::test]
async fn a_connection_carries_many_requests() {
    let stand = Stand::new().await;
    let mut client = stand.connect().await;
    for n in 0..50 {
        check_usable(&mut client, &format!("/{}", n % 7)).await;
    }
    assert_eq!(stand.origin.seen().len(), 7);
    drop(client);
    stand.drained().await;
    stand.still_serves().await;
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order() {
    let stand = Stand::new().await;
    let mut client = stand.connect().await;
    // Misses, hits, and both, in one write.
    for targets in [["/a", "/b", "/c"], ["/c", "/a", "/b"], ["/b", "/d", "/a"]] {
        client.send(targets.map(get).concat()).await;
        for target in targets {
            check_reply(&mut client, &format!("GET {target}\n")).await;
        }
    }
    // A write may end anywhere.
    let many: String = (0..30).map(|n| get(&format!("/{n}"))).collect();
    let (send, replies) = (many.as_bytes().chunks(37).collect::<Vec<_>>(), 0..30);
    for piece in send {
        client.send(piece).await;
    }
    for n in replies {
        check_reply(&mut client, &format!("GET /{n}\n")).await;
    }
    stand.still_serves().await;
}

#[tokio::test]
async fn requests_that_come_while_another_is_answered_wait() {
    let gate = Gate::new();
    let waits = gate.clone();
    let origin = Origin::answering(move |seen: &Seen| {
        let answer = Step::Send(Origin::plain(seen));
        if seen.target == "/slow" { vec![Step::Wait(waits.clone()), answer] } else { vec![answer] }
    });
    let stand = Stand::before(origin.await, "").await;
    let mut client = stand.connect().await;
    client.send(get("/slow")).await;
    stand.origin.asked_for("/slow").await;
    client.send(get("/second")).await;
    client.send(get("/third") + &get("/fourth")).await;
    stand.still_serves().await;
    assert!(client.is_silent(), "nothing is answered out of turn");
    gate.open();
    for target in ["/slow", "/second", "/third", "/fourth"] {
        check_reply(&mut client, &format!("GET {target}\n")).await;
    }
    stand.still_serves().await;
}

#[tokio::test]
async fn a_connection_ends_after_its_last_request() {
    let stand = Stand::with("[limits]\nrequests_per_connection = 3").await;
    let mut client = stand.connect().await;
    client.send((0..5).map(|n| get(&format!("/{n}"))).collect::<String>()).await;
    for n in 0..3 {
        let reply = client.reply().await;
        assert_eq!((reply.status, reply.text()), (200, format!("GET /{n}\n")));
        assert_eq!(reply.closes(), n == 2, "{reply:?}");
    }
    client.closed().await;
    let seen: Vec<_> = stand.origin.seen().into_iter().map(|seen| seen.target).collect();
    assert_eq!(seen, ["/0", "/1", "/2"]);
    stand.still_serves().await;
}

#[tokio::test]
async fn a_client_can_ask_for_the_end() {
    let stand = Stand::new().await;
    for option in ["close", "Close", "x-other, close", "close, x-other"] {
        let mut client = stand.connect().await;
        let request = format!("GET /a HTTP/1.1\r\nHost: {HOST}\r\nConnection: {option}\r\n\r\n");
        let reply = client.exchange(request + &get("/never")).await;
        assert_eq!((reply.status, reply.text().as_str(), reply.closes()), (200, "GET /a\n", true), "{option}");
        client.closed().await;
    }
    assert!(stand.origin.seen_of("/never").is_empty());
    stand.still_serves().await;
}

#[tokio::test]
async fn an_answer_to_what_failed_says_whether_the_connection_ends() {
    let origin = Origin::answering(|seen: &Seen| match seen.target.as_str() {
        "/fails" => vec![Step::Close],
        _ => vec![Step::Send(Origin::plain(seen))],
    });
    let stand = Stand::before(origin.await, "").await;
    for method in ["GET", "POST"] {
        let mut client = stand.connect().await;
        let reply = client.exchange(format!("{method} /fails HTTP/1.1\r\nHost: {HOST}\r\n\r\n")).await;
        assert_eq!(reply.status, 502, "{method}");
        if reply.closes() {
            client.closed().await;
        } else {
            check_usable(&mut client, "/after").await;
        }
    }
    stand.still_serves().await;
}

#[tokio::test]
async fn http_1_0_ends_unless_it_is_to_be_kept() {
    let stand = Stand::new().await;
    let request = |target: &str, fields: &str| format!("GET {target} HTTP/1.0\r\nHost: {HOST}\r\n{fields}\r\n");
    // As a miss and as a hit.
    for _ in 0..2 {
        let mut client = stand.connect().await;
        let reply = client.exchange(request("/a", "")).await;
        assert_eq!((reply.status, reply.text().as_str(), reply.closes()), (200, "GET /a\n", true));
        client.closed().await;
    }
    let mut client = stand.connect().await;
    for target in ["/a", "/b", "/b"] {
        let reply = client.exchange(request(target, "Connection: keep-alive\r\n")).await;
        assert_eq!((reply.status, reply.text()), (200, format!("GET {target}\n")));
        assert_eq!(reply.header("connection").map(str::to_ascii_lowercase).as_deref(), Some("keep-alive"));
    }
    let reply = client.exchange(request("/c", "")).await;
    assert!(reply.closes());
    client.closed().await;
    stand.still_serves().await;
}

/// A chunked response can't be sent to a client of HTTP/1.0: it ends with the connection.
#[tokio::test]
async fn http_1_0_gets_no_chunks() {
    let origin = Origin::answering(|_| {
        vec![Step::Send(
            b"HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n".to_vec(),
        )]
    });
    let stand = Stand::before(origin.await, "").await;
    for fields in ["", "Connection: keep-alive\r\n"] {
        // As a miss, and as a hit.
        for target in ["/a", "/a"] {
            let mut client = stand.connect().await;
            client.send(format!("GET {target} HTTP/1.0\r\nHost: {HOST}\r\n{fields}\r\n")).await;
            let reply = client.reply().await;
            assert_eq!(reply.header("transfer-encoding"), None, "{reply:?}");
            assert_eq!((reply.status, reply.text().as_str()), (200, "hello"));
        }
    }
    stand.still_serves().await;
}

#[tokio::test]
async fn a_chunked_request_is_the_last() {
    let stand = Stand::new().await;
    let mut client = stand.connect().await;
    check_usable(&mut client, "/a").await;
    let request = format!("POST /b HTTP/1.1\r\nHost: {HOST}\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n");
    let reply = client.exchange(request).await;
    assert_eq!((reply.status, reply.text().as_str()), (200, "POST /b\nx"));
    assert!(reply.closes(), "{reply:?}");
    client.closed().await;
    stand.still_serves().await;
}

#[tokio::test]
async fn a_client_that_will_ask_no_more_is_answered_from_the_store() {
    let stand = Stand::new().await;
    assert_eq!(stand.exchange(get("/a")).await.status, 200);
    let mut client = stand.connect().await;
    client.send(get("/a")).await;
    client.end_writing().await;
    check_reply(&mut client, "GET /a\n").await;
    client.closed().await;
    stand.still_serves().await;
}

#[tokio::test]
async fn clients_that_leave_at_any_point_leave_nothing_behind() {
    let gate = Gate::new();
    let waits = gate.clone();
    let origin = Origin::answering(move |seen: &Seen| {
        let body = Origin::plain(seen);
        if seen.target.starts_with("/slow") {
            let head = b"HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Length: 200000\r\n\r\n".to_vec();
            let half = vec![b'x'; 100_000];
            return vec![Step::Send(head), Step::Send(half.clone()), Step::Wait(waits.clone()), Step::Send(half)];
        }
        vec![Step::Send(body)]
    });
    let stand = Stand::before(origin.await, "").await;
    for reset in [false, true] {
        let leave = |client: Client| if reset { client.reset() } else { drop(client) };
        // Before a request, within a head, within a body, before a response, within a response.
        leave(stand.connect().await);
        for part in
            ["G", "GET / HTTP/1.1\r\n", "POST /cut HTTP/1.1\r\nHost: docs.example\r\nContent-Length: 9\r\n\r\nabc"]
        {
            let mut client = stand.connect().await;
            client.send(part).await;
            leave(client);
        }
        let mut client = stand.connect().await;
        client.send(get("/quick")).await;
        leave(client);
        for pipelined in ["", "GET /next HTTP/1.1\r\nHost: docs.example\r\n\r\n"] {
            let target = format!("/slow-{reset}-{}", pipelined.len());
            let mut client = stand.connect().await;
            client.send(get(&target) + pipelined).await;
            client.bytes(1000).await;
            leave(client);
        }
    }
    gate.open();
    stand.drained().await;
    assert!(stand.origin.seen_of("/cut").is_empty(), "half a body is no request");
    // Whoever comes next gets it whole.
    let reply = stand.exchange(get("/slow-true-0")).await;
    assert_eq!((reply.status, reply.body.len()), (200, 200_000));
    stand.still_serves().await;
}
