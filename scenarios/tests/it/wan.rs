//! A link must charge at least the round trips that a real one would; being on time is the machine's business, so upper
//! bounds are generous.

use scenarios::wan::{Link, LinkSpec};
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;

const RTT: Duration = Duration::from_millis(60);
/// Even a machine that is busy building is not slower than that.
const SLACK: Duration = Duration::from_secs(5);

/// What a server does with a connection.
#[derive(Clone, Copy)]
enum Server {
    /// Sends back what it gets, and ends when the client does.
    Echo,
    /// Greets first.
    Greet,
    /// Reads a byte and resets.
    Reset,
}

async fn serve(kind: Server) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                match kind {
                    Server::Echo => {
                        let (mut read, mut write) = stream.split();
                        drop(tokio::io::copy(&mut read, &mut write).await);
                        drop(write.shutdown().await);
                    }
                    Server::Greet => drop(stream.write_all(b"hello").await),
                    Server::Reset => {
                        drop(stream.read_u8().await);
                        stream.set_zero_linger().unwrap();
                    }
                }
            });
        }
    });
    address
}

async fn link(target: SocketAddr) -> Link {
    let listen = SocketAddr::from(([127, 0, 0, 1], 0));
    Link::open(LinkSpec { name: "test".to_owned(), listen, target, rtt: RTT }).await.unwrap()
}

async fn exchange(stream: &mut TcpStream) {
    stream.write_all(b"ping").await.unwrap();
    let mut reply = [0; 4];
    stream.read_exact(&mut reply).await.unwrap();
    assert_eq!(&reply, b"ping");
}

#[track_caller]
fn took(since: Instant, round_trips: u32) {
    let elapsed = since.elapsed();
    assert!(elapsed >= RTT * round_trips, "{elapsed:?} is less than {round_trips} round trips");
    assert!(elapsed < RTT * round_trips + SLACK, "{elapsed:?} is far more than {round_trips} round trips");
}

#[tokio::test]
async fn each_exchange_costs_its_round_trips() {
    let link = link(serve(Server::Echo).await).await;
    let start = Instant::now();
    let mut stream = TcpStream::connect(link.address()).await.unwrap();
    exchange(&mut stream).await;
    took(start, 2);

    let start = Instant::now();
    exchange(&mut stream).await;
    took(start, 1);

    // As TLS 1.3 does: a flight each way before the request.
    let start = Instant::now();
    let mut stream = TcpStream::connect(link.address()).await.unwrap();
    exchange(&mut stream).await;
    exchange(&mut stream).await;
    took(start, 3);
    let traffic = link.traffic();
    assert_eq!((traffic.connections, traffic.bytes_up, traffic.bytes_down), (2, 16, 16));
}

#[tokio::test]
async fn a_server_that_speaks_first_is_heard_after_two_round_trips() {
    let link = link(serve(Server::Greet).await).await;
    let start = Instant::now();
    let mut stream = TcpStream::connect(link.address()).await.unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    assert_eq!(text, "hello");
    took(start, 2);
}

#[tokio::test]
async fn the_delay_does_not_limit_throughput() {
    const BYTES: usize = 8 << 20;
    let link = link(serve(Server::Echo).await).await;
    let start = Instant::now();
    let stream = TcpStream::connect(link.address()).await.unwrap();
    let (mut read, mut write) = stream.into_split();
    let sent: Vec<u8> = (0..BYTES).map(|at| ((at * 31) >> 3) as u8).collect();
    let copy = sent.clone();
    let writer = tokio::spawn(async move {
        write.write_all(&copy).await.unwrap();
        write.shutdown().await.unwrap();
    });
    let mut got = Vec::new();
    read.read_to_end(&mut got).await.unwrap();
    writer.await.unwrap();
    assert!(got == sent, "bytes were lost or came out of order");
    // A round trip per chunk of 16 KiB would take half a minute.
    took(start, 2);
}

#[tokio::test]
async fn half_a_close_leaves_the_other_half_open() {
    let link = link(serve(Server::Echo).await).await;
    let mut stream = TcpStream::connect(link.address()).await.unwrap();
    stream.write_all(b"last words").await.unwrap();
    stream.shutdown().await.unwrap();
    let start = Instant::now();
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    assert_eq!(text, "last words");
    took(start, 1);
}

#[tokio::test]
async fn a_reset_travels() {
    let link = link(serve(Server::Reset).await).await;
    let start = Instant::now();
    let mut stream = TcpStream::connect(link.address()).await.unwrap();
    stream.write_all(b"x").await.unwrap();
    let error = stream.read_u8().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    took(start, 2);
}

#[tokio::test]
async fn a_refusal_takes_one_round_trip() {
    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let link = link(nobody).await;
    let start = Instant::now();
    let mut stream = TcpStream::connect(link.address()).await.unwrap();
    let error = stream.read_u8().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    took(start, 1);
    assert_eq!(link.traffic().refused, 1);
}

#[tokio::test]
async fn a_dropped_link_takes_its_connections_along() {
    let link = link(serve(Server::Echo).await).await;
    let mut stream = TcpStream::connect(link.address()).await.unwrap();
    exchange(&mut stream).await;
    let address = link.address();
    drop(link);
    assert!(stream.read_u8().await.is_err());
    let deadline = Instant::now() + SLACK;
    while TcpStream::connect(address).await.is_ok() {
        assert!(Instant::now() < deadline, "still listening");
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_link_that_is_cut_delivers_once_it_is_whole_again() {
    let link = link(serve(Server::Echo).await).await;
    let mut stream = TcpStream::connect(link.address()).await.unwrap();
    exchange(&mut stream).await;
    link.cut();
    stream.write_all(b"ping").await.unwrap();
    let mut late = TcpStream::connect(link.address()).await.unwrap();
    late.write_all(b"ping").await.unwrap();
    let mut reply = [0; 4];
    for stream in [&mut stream, &mut late] {
        let waited = tokio::time::timeout(RTT * 4, stream.read_exact(&mut reply)).await;
        assert!(waited.is_err(), "it was delivered");
    }
    link.restore();
    for stream in [&mut stream, &mut late] {
        tokio::time::timeout(SLACK, stream.read_exact(&mut reply)).await.unwrap().unwrap();
        assert_eq!(&reply, b"ping");
    }
}

#[tokio::test]
async fn a_reset_ends_all_connections_and_no_later_one() {
    let link = link(serve(Server::Echo).await).await;
    let mut stream = TcpStream::connect(link.address()).await.unwrap();
    exchange(&mut stream).await;
    link.reset();
    let error = tokio::time::timeout(SLACK, stream.read_u8()).await.unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    exchange(&mut TcpStream::connect(link.address()).await.unwrap()).await;
}
