//! The load generator against a server whose behaviour is known.

use scenarios::cache_status::Outcome;
use scenarios::load::{Catalogue, Load, LoadSpec, Observed, Observer, Record, Region};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;

/// Answers every request at once, except that it stalls once for this long.
const STALL: Duration = Duration::from_millis(400);

#[derive(Default)]
struct Server {
    connections: AtomicU64,
    has_stalled: AtomicBool,
}

impl Server {
    async fn start(self: Arc<Self>) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                self.connections.fetch_add(1, Relaxed);
                tokio::spawn(Arc::clone(&self).serve(stream));
            }
        });
        address
    }

    async fn serve(self: Arc<Self>, mut stream: TcpStream) {
        let mut seen = Vec::new();
        while let Ok(read @ 1..) = stream.read_buf(&mut seen).await.map(|read| read.min(seen.len())) {
            let _ = read;
            while let Some(end) = seen.windows(4).position(|four| four == b"\r\n\r\n") {
                let head = String::from_utf8(seen.drain(..end + 4).collect()).unwrap();
                let path = head.split(' ').nth(1).unwrap().to_owned();
                if !self.has_stalled.swap(true, Relaxed) {
                    tokio::time::sleep(STALL).await;
                }
                let status = if path == "/stored" { "fra-1; hit; ttl=5" } else { "fra-1; fwd=uri-miss; stored" };
                let reply = format!(
                    "HTTP/1.1 200 OK\r\ncontent-length: {}\r\ncache-status: {status}\r\n\r\n{path}",
                    path.len()
                );
                if stream.write_all(reply.as_bytes()).await.is_err() {
                    return;
                }
            }
        }
    }
}

/// Every body must be its URL; those of `wrong` never are in order.
struct Bodies {
    wrong: &'static str,
}

impl Observer for Bodies {
    fn look(&self, seen: &Observed<'_>) -> Result<(), String> {
        assert_eq!(seen.reply.body, seen.url);
        if seen.url == self.wrong { Err("wrong".to_owned()) } else { Ok(()) }
    }
}

async fn until(condition: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !condition() {
        assert!(Instant::now() < deadline, "never came");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

fn catalogue(urls: &[&str]) -> Catalogue {
    Catalogue::new(urls.iter().map(|&url| url.to_owned()), 0.0, 1)
}

#[tokio::test]
async fn a_stall_is_charged_to_all_who_would_have_asked() {
    let server = Arc::new(Server::default());
    let region = Region { name: "fra".to_owned(), address: Arc::clone(&server).start().await };
    let spec = LoadSpec { host: "www.example".to_owned(), per_second: 200.0, seed: 3, max_connections: 1 };
    let observer = Arc::new(Bodies { wrong: "" });
    let load = Load::start(&[region], &spec, "all", catalogue(&["/stored"]), &observer);
    until(|| load.responses() > 150).await;
    let results = load.finish().await;
    let (_, record) = &results[0].stages[0];
    // 80 requests were due during the stall; a closed loop would have charged one. Half of them waited more than half.
    let report = record.report();
    assert_eq!((report.unanswered, report.wrong, report.not_sent), (0, 0, 0), "{report:?}");
    assert!(report.hit_p99_ms.unwrap() > STALL.as_secs_f64() * 0.8e3, "{report:?}");
    let slow = record.latency[&Outcome::Hit].quantile_ms(0.85).unwrap();
    assert!(slow > STALL.as_secs_f64() * 0.1e3, "{slow} ms: the stall was charged to too few");
    assert_eq!((results[0].connections, server.connections.load(Relaxed)), (1, 1));
}

#[tokio::test]
async fn stages_and_regions_are_told_apart() {
    let server = Arc::new(Server::default());
    server.has_stalled.store(true, Relaxed);
    let address = Arc::clone(&server).start().await;
    let regions = ["fra", "sin"].map(|name| Region { name: name.to_owned(), address });
    let spec = LoadSpec { host: "www.example".to_owned(), per_second: 300.0, seed: 4, max_connections: 8 };
    let observer = Arc::new(Bodies { wrong: "/late" });
    let mut load = Load::start(&regions, &spec, "first", catalogue(&["/stored", "/fetched"]), &observer);
    until(|| load.responses() > 100).await;
    load.enter("second", catalogue(&["/late"]));
    until(|| load.responses() > 250).await;
    let results = load.finish().await;
    assert_eq!(results.iter().map(|result| result.region.as_str()).collect::<Vec<_>>(), ["fra", "sin"]);
    for result in results {
        let stage = |name: &str| -> &Record { &result.stages.iter().find(|(stage, _)| stage == name).unwrap().1 };
        let (first, second) = (stage("first").report(), stage("second").report());
        assert_eq!((first.unanswered, first.wrong), (0, 0), "{first:?}");
        assert!(first.by_outcome[&Outcome::Hit] > 10 && first.by_outcome[&Outcome::Miss] > 10, "{first:?}");
        assert_eq!((second.hit_ratio, second.wrong), (Some(0.0), second.responses), "{second:?}");
        assert!(second.messages[0].ends_with("/late: wrong"), "{second:?}");
    }
}

#[tokio::test]
async fn a_server_that_is_not_there_is_no_silence() {
    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let region = Region { name: "fra".to_owned(), address: nobody };
    let spec = LoadSpec { host: "www.example".to_owned(), per_second: 500.0, seed: 5, max_connections: 8 };
    let load = Load::start(&[region], &spec, "all", catalogue(&["/"]), &Arc::new(Bodies { wrong: "" }));
    tokio::time::sleep(Duration::from_millis(200)).await;
    let report = load.finish().await[0].stages[0].1.report();
    assert!(report.unanswered > 10 && report.responses == 0, "{report:?}");
    assert!(report.messages[0].contains("no connection"), "{report:?}");
}
