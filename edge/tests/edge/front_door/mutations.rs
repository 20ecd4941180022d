//! Ten thousand requests that are almost right. `TIDEWALL_SEED` replays a run.

use crate::support::{BOUND, Client, HOST, Stand, eventually};
use rand::seq::IndexedRandom as _;
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;

const REQUESTS: usize = 10_000;
/// How many clients send them side by side.
const CLIENTS: usize = 32;
/// How long a client waits for the answer to a request that may be half of one.
const PATIENCE: Duration = Duration::from_millis(60);
/// What the node may hold on to in the end, in bytes, after some thousand small requests.
const MOST_RESIDENT_BYTES: u64 = 512 << 20;

/// Requests that are right.
const CORPUS: [&str; 14] = [
    "GET / HTTP/1.1\r\nHost: docs.example\r\n\r\n",
    "GET /a?b=c HTTP/1.1\r\nHost: docs.example\r\nAccept: */*\r\nAccept-Encoding: gzip, br\r\n\r\n",
    "HEAD /a HTTP/1.1\r\nHost: docs.example\r\nConnection: keep-alive\r\n\r\n",
    "GET http://docs.example/abs HTTP/1.1\r\nHost: docs.example\r\n\r\n",
    "GET /old HTTP/1.0\r\nHost: docs.example\r\nConnection: keep-alive\r\n\r\n",
    "GET /range HTTP/1.1\r\nHost: docs.example\r\nRange: bytes=0-1,3-\r\nIf-Range: \"x\"\r\n\r\n",
    "GET /cond HTTP/1.1\r\nHost: docs.example\r\nIf-None-Match: \"x\", W/\"y\"\r\nIf-Modified-Since: Thu, 01 Jan 2026 00:00:00 GMT\r\n\r\n",
    "GET /cc HTTP/1.1\r\nHost: docs.example\r\nCache-Control: max-age=0, max-stale=5, no-cache=\"x\"\r\nPragma: no-cache\r\n\r\n",
    "POST /p HTTP/1.1\r\nHost: docs.example\r\nContent-Length: 11\r\n\r\nhello world",
    "POST /q HTTP/1.1\r\nHost: docs.example\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6;x=y\r\n world\r\n0\r\nT: x\r\n\r\n",
    "PUT /e HTTP/1.1\r\nHost: docs.example\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\nok",
    "GET /ws HTTP/1.1\r\nHost: docs.example\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
    "OPTIONS * HTTP/1.1\r\nHost: docs.example\r\nCookie: a=b; c=d\r\nAuthorization: Basic eDp5\r\n\r\n",
    "GET /x HTTP/1.1\r\nHost: docs.example\r\nX-Forwarded-For: 192.0.2.1\r\nForwarded: for=192.0.2.1\r\nVia: 1.1 x\r\nCDN-Loop: y\r\nX-Request-Id: z\r\n\r\n",
];

/// What is put where it doesn't belong.
const WORDS: [&str; 18] = [
    "\r\n",
    "\n",
    "\r",
    "\r\n\r\n",
    "\0",
    " ",
    "\t",
    ":",
    "99999999999999999999999999",
    "-1",
    "18446744073709551615",
    "\u{e9}",
    "Content-Length: 3\r\n",
    "Transfer-Encoding: chunked\r\n",
    "Host: docs.example\r\n",
    "Connection: close\r\n",
    "%00",
    "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
];

fn mutated(rng: &mut ChaCha8Rng) -> Vec<u8> {
    let mut bytes = CORPUS.choose(rng).expect("a request").as_bytes().to_vec();
    for _ in 0..rng.random_range(1..=3) {
        mutate(rng, &mut bytes);
    }
    bytes
}

fn mutate(rng: &mut ChaCha8Rng, bytes: &mut Vec<u8>) {
    if bytes.is_empty() {
        return;
    }
    let at = rng.random_range(0..bytes.len());
    match rng.random_range(0..10) {
        0 => bytes[at] ^= 1 << rng.random_range(0..8),
        1 => bytes[at] = rng.random(),
        2 => drop(bytes.remove(at)),
        3 => bytes.insert(at, rng.random()),
        4 => bytes.truncate(at),
        5 => drop(bytes.splice(at..at, WORDS.choose(rng).expect("a word").bytes())),
        6 => {
            let to = rng.random_range(at..bytes.len());
            bytes.drain(at..to);
        }
        7 => {
            // A line twice, or a number for another.
            let lines: Vec<&[u8]> = bytes.split_inclusive(|&byte| byte == b'\n').collect();
            let twice = rng.random_range(0..lines.len());
            let doubled = lines.iter().enumerate().flat_map(|(n, line)| vec![*line; 1 + usize::from(n == twice)]);
            *bytes = doubled.collect::<Vec<_>>().concat();
        }
        8 => {
            let number = WORDS[rng.random_range(8..11)].bytes();
            if let Some(digit) = (at..bytes.len()).find(|&n| bytes[n].is_ascii_digit()) {
                bytes.splice(digit..=digit, number);
            }
        }
        _ => {
            // Other line ends.
            let text: Vec<u8> = bytes.iter().copied().filter(|&byte| byte != b'\r').collect();
            *bytes = text;
        }
    }
}

/// Sends its share of the requests, many on one connection where the node lets it.
async fn hammer(address: std::net::SocketAddr, seed: u64, count: usize) {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut client = Client::connect(address).await;
    for _ in 0..count {
        let request = mutated(&mut rng);
        let sent = client.try_send(&request).await.is_ok();
        let answer = tokio::time::timeout(PATIENCE, client.try_reply());
        let goes_on = match answer.await {
            // What comes as an answer is one.
            Ok(Ok(reply)) => {
                assert!((100..600).contains(&reply.status), "{reply:?}");
                sent && !reply.closes() && reply.status >= 200
            }
            Ok(Err(_)) | Err(_) => false,
        };
        if !goes_on {
            let old = std::mem::replace(&mut client, Client::connect(address).await);
            if rng.random_bool(0.2) { old.reset() } else { drop(old) }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mutated_requests_do_no_harm() {
    let seed: u64 = match std::env::var("TIDEWALL_SEED") {
        Ok(text) => text.parse().expect("TIDEWALL_SEED is a number"),
        Err(_) => rand::rng().random(),
    };
    eprintln!("TIDEWALL_SEED={seed}");
    let toml = "[timeouts]\nhead = \"500ms\"\nbody = \"500ms\"\nkeepalive = \"1s\"\n[listen]\nh2c = true\n[limits]\nbody = \"1MiB\"";
    let stand = Arc::new(Stand::with(toml).await);
    let address = stand.node().public_addr();
    let mut clients = JoinSet::new();
    for n in 0..CLIENTS {
        clients.spawn(hammer(address, seed.wrapping_add(n as u64), REQUESTS.div_ceil(CLIENTS)));
    }
    let all = async {
        while let Some(ended) = clients.join_next().await {
            ended.expect("a client")
        }
    };
    tokio::time::timeout(BOUND * 4, all).await.expect("an answer, or none, to each");

    stand.drained().await;
    eventually("fills and upstream connections have ended", async || {
        let stats = stand.node().stats().await.expect("its counters");
        stats.store.fills_in_flight == 0
    })
    .await;
    stand.origin.understood_all();
    for seen in stand.origin.seen() {
        assert_eq!(seen.header("host"), Some(HOST), "{seen:?}");
    }
    let stats = stand.node().stats().await.expect("its counters");
    assert!(stats.total.requests > REQUESTS as u64 / 4, "it looked at what came: {stats:?}");
    let resident = resident_bytes(stand.node().process().pid().expect("it runs"));
    assert!(resident < MOST_RESIDENT_BYTES, "{resident} bytes resident");
    stand.still_serves().await;
}

/// How much memory a process takes, where the system says.
fn resident_bytes(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kibibytes = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
    kibibytes.unwrap_or(0) << 10
}
