//! What the admin server takes of its clients: none of them keeps the others from it.

use crate::stage::{Stage, eventually, url, within};
use crate::support::{Client, HOST, Reply};
use edge::wire::admin::ErrorReply;
use edge::wire::purge::{MAX_BODY_BYTES, Mode};

/// As many connections as the admin server takes.
const CONNECTIONS: usize = 64;

async fn connect(stage: &Stage) -> Client {
    Client::connect(stage.node().admin_addr()).await
}

/// The head of a purge by this token, with a body of so many bytes to come.
fn head(token: &str, fields: &str, bytes: usize) -> String {
    format!(
        "POST /purges HTTP/1.1\r\nHost: {HOST}\r\nAuthorization: Bearer {token}\r\n{fields}Content-Length: {bytes}\r\n\r\n"
    )
}

const HEALTH: &str = "GET /health HTTP/1.1\r\nHost: x\r\n\r\n";

#[track_caller]
fn check_refused(reply: &Reply, status: u16) {
    assert_eq!((reply.status, reply.closes()), (status, true), "{reply:?}");
    let error: ErrorReply = serde_json::from_slice(&reply.body).unwrap_or_else(|_| panic!("{}", reply.text()));
    assert!(error.hint.is_some(), "it says what to do: {error:?}");
}

#[tokio::test]
async fn a_head_is_bounded() {
    let stage = Stage::new().await;
    for (n, text) in [
        format!("GET /health HTTP/1.1\r\nHost: x\r\nX: {}\r\n\r\n", "y".repeat(20 << 10)),
        format!("GET /health HTTP/1.1\r\nHost: x\r\n{}\r\n", "X: y\r\n".repeat(64)),
        format!("GET /{} HTTP/1.1\r\nHost: x\r\n\r\n", "y".repeat(1 << 20)),
    ]
    .into_iter()
    .enumerate()
    {
        let mut client = connect(&stage).await;
        let status = client.exchange(text).await.status;
        assert!(matches!(status, 431 | 414), "{n}: {status}");
        client.closed().await;
    }
    assert_eq!(connect(&stage).await.exchange(HEALTH).await.status, 200);
}

#[tokio::test]
async fn a_head_must_come_in_time() {
    let stage = Stage::new().await;
    let mut silent = connect(&stage).await;
    let mut begun = connect(&stage).await;
    begun.send("GET /health HTTP/1.1\r\nHo").await;
    let mut second = connect(&stage).await;
    assert_eq!(second.exchange(HEALTH).await.status, 200);
    second.send("GET /health HTTP/1.1\r\n").await;
    check_refused(&begun.reply().await, 408);
    check_refused(&second.reply().await, 408);
    silent.closed().await;
}

#[tokio::test]
async fn of_a_body_that_may_not_be_sent_nothing_is_read() {
    let stage = Stage::new().await;
    let secrets = stage.fleet.secrets();
    for (token, status) in [("wrong", 401), (secrets.read.as_str(), 403)] {
        // It is answered before the body comes, and not told to send it.
        let mut client = connect(&stage).await;
        let reply = client.exchange(head(token, "Expect: 100-continue\r\n", 1000)).await;
        assert_eq!((reply.status, reply.closes()), (status, true), "{reply:?}");
        client.closed().await;
    }
    let mut client = connect(&stage).await;
    let reply = client.exchange(head(&secrets.admin, "Expect: 100-continue\r\n", MAX_BODY_BYTES + 1)).await;
    assert_eq!((reply.status, reply.closes()), (413, true), "{reply:?}");
}

/// Silence and trickles give way to requests.
#[tokio::test]
async fn connections_without_a_request_keep_nobody_out() {
    let stage = Stage::new().await;
    let mut open = Vec::new();
    for n in 0..5 * CONNECTIONS {
        let mut client = connect(&stage).await;
        if n % 2 == 0 {
            client.send("GET /health HTTP/1.1\r\nX").await;
        }
        open.push(client);
        if n % 50 == 0 {
            assert_eq!(connect(&stage).await.exchange(HEALTH).await.status, 200);
        }
    }
    assert!(stage.purge(Mode::Hard, &[url("/a")]).await.is_new);
    assert_eq!(connect(&stage).await.exchange(HEALTH).await.status, 200);
    // The last one was not driven out.
    let mut last = open.pop().expect("many");
    assert_eq!(last.exchange(HEALTH).await.status, 200);
    // Who had said something is told.
    check_refused(&open.swap_remove(0).reply().await, 503);
}

/// Bodies that don't come give way to those who have something to say.
#[tokio::test]
async fn requests_without_their_bodies_keep_nobody_out() {
    let stage = Stage::new().await;
    let body = serde_json::json!({ "targets": [url("/a")] }).to_string();
    let mut busy = Vec::new();
    for _ in 0..CONNECTIONS {
        let mut client = connect(&stage).await;
        // Told to go on: it has its place.
        client.send(head(&stage.fleet.secrets().admin, "Expect: 100-continue\r\n", body.len())).await;
        assert_eq!(client.bytes(12).await, b"HTTP/1.1 100");
        busy.push(client);
    }
    assert_eq!(connect(&stage).await.exchange(HEALTH).await.status, 200);
    assert!(stage.purge(Mode::Hard, &[url("/a")]).await.is_new);
    // The last one was not driven out, and the first is told.
    let mut last = busy.pop().expect("many");
    last.send(&body).await;
    eventually("it is purged", async || stage.stats().await.purges == 2).await;
}

/// A token for some sites' purges has its share of the admin server, and no more.
#[tokio::test]
async fn a_token_leaves_places_to_others() {
    let stage = Stage::new().await;
    let deploy = &stage.fleet.secrets().deploy;
    let mut busy = Vec::new();
    for n in 0..CONNECTIONS {
        let mut client = connect(&stage).await;
        client.send(head(deploy, "", 100)).await;
        if n >= CONNECTIONS / 4 {
            check_refused(&client.reply().await, 429);
        } else {
            // It is there before the next one.
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        busy.push(client);
    }
    assert!(stage.purge(Mode::Hard, &[url("/a")]).await.is_new);
    assert_eq!(connect(&stage).await.exchange(HEALTH).await.status, 200);
    drop(busy);

    // As many slow large bodies as there are turns: one of them has one.
    let mut slow = Vec::new();
    for _ in 0..4 {
        let mut client = connect(&stage).await;
        client.send(head(deploy, "", MAX_BODY_BYTES)).await;
        client.send("x".repeat(70 << 10)).await;
        slow.push(client);
    }
    tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    let many: Vec<_> = (0..3000).map(|n| url(&format!("/{n}"))).collect();
    // Their time is over later than this ends.
    let purge = within("a purge beside them", stage.purge(Mode::Hard, &many)).await;
    assert_eq!(purge.targets, 3000);
}
