//! An origin that answers as it is told, and remembers what it was asked.

use super::client::excerpt;
use super::eventually;
use bytes::{Buf as _, BytesMut};
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// Most fields that a request is read with: what a node lets through, and what it adds.
const MOST_FIELDS: usize = 256;

/// Requests for targets that begin so are answered before their body is read.
pub(crate) const EARLY: &str = "/early";

/// A request, as the origin saw it.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) fields: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Seen {
    /// The value of a field, if it is there.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }
}

/// One thing that an answer consists of.
pub(crate) enum Step {
    /// Sends bytes.
    Send(Vec<u8>),
    /// Waits until the gate is open.
    Wait(Gate),
    /// Reads so many bytes, and sends them back.
    Echo(usize),
    /// Ends the connection.
    Close,
}

/// What the origin does in answer to a request.
pub(crate) type Answer = Vec<Step>;

/// A point that answers don't get past until it is opened.
#[derive(Clone)]
pub(crate) struct Gate(Arc<watch::Sender<bool>>);

impl Gate {
    pub(crate) fn new() -> Self {
        Self(Arc::new(watch::Sender::new(false)))
    }

    pub(crate) fn open(&self) {
        self.0.send_replace(true);
    }

    async fn passed(&self) {
        let _ = self.0.subscribe().wait_for(|open| *open).await;
    }
}

type Handler = Arc<dyn Fn(&Seen) -> Answer + Send + Sync>;

/// A running origin. It ends with the test's runtime.
pub(crate) struct Origin {
    address: SocketAddr,
    state: Arc<State>,
}

struct State {
    handler: Handler,
    seen: Mutex<Vec<Seen>>,
    /// What came that is no request.
    broken: Mutex<Vec<String>>,
    connections: AtomicUsize,
}

impl Origin {
    /// An origin whose every answer says what it was asked, and may be stored for a minute.
    pub(crate) async fn start() -> Self {
        Self::answering(|seen| vec![Step::Send(Self::plain(seen))]).await
    }

    /// An origin that answers in this way.
    pub(crate) async fn answering(handler: impl Fn(&Seen) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("a bound listener");
        let state = Arc::new(State {
            handler: Arc::new(handler),
            seen: Mutex::default(),
            broken: Mutex::default(),
            connections: AtomicUsize::new(0),
        });
        let shared = state.clone();
        tokio::spawn(async move {
            while let Ok((tcp, _)) = listener.accept().await {
                shared.connections.fetch_add(1, Ordering::SeqCst);
                let state = shared.clone();
                tokio::spawn(async move {
                    if let Err(error) = serve(tcp, &state).await
                        && error.kind() == ErrorKind::InvalidData
                    {
                        lock(&state.broken).push(error.to_string());
                    }
                    state.connections.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        Self { address, state }
    }

    /// The usual answer: 200, storable, with the method, the target and the body of the request as its body.
    pub(crate) fn plain(seen: &Seen) -> Vec<u8> {
        let mut body = format!("{} {}\n", seen.method, seen.target).into_bytes();
        body.extend_from_slice(&seen.body);
        let mut answer = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nCache-Control: max-age=60\r\nContent-Length: {}\r\n\r\n",
            body.len()
        )
        .into_bytes();
        if seen.method != "HEAD" {
            answer.extend_from_slice(&body);
        }
        answer
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// All requests so far.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        lock(&self.state.seen).clone()
    }

    /// The requests so far for a target.
    pub(crate) fn seen_of(&self, target: &str) -> Vec<Seen> {
        self.seen().into_iter().filter(|seen| seen.target == target).collect()
    }

    /// Waits for the first request for a target.
    pub(crate) async fn asked_for(&self, target: &str) -> Seen {
        eventually(&format!("the origin is asked for {target}"), async || !self.seen_of(target).is_empty()).await;
        self.seen_of(target).remove(0)
    }

    /// Connections that are open.
    pub(crate) fn connections(&self) -> usize {
        self.state.connections.load(Ordering::SeqCst)
    }

    /// Checks that nothing came that is no request: that would be a mistake of the node.
    pub(crate) fn understood_all(&self) {
        let broken = lock(&self.state.broken);
        assert!(broken.is_empty(), "{broken:?}");
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn serve(mut tcp: TcpStream, state: &State) -> io::Result<()> {
    tcp.set_nodelay(true)?;
    let mut buffer = BytesMut::new();
    while let Some(seen) = read_request(&mut tcp, &mut buffer).await? {
        lock(&state.seen).push(seen.clone());
        for step in (state.handler)(&seen) {
            match step {
                Step::Send(bytes) => tcp.write_all(&bytes).await?,
                Step::Wait(gate) => gate.passed().await,
                Step::Echo(count) => {
                    while buffer.len() < count {
                        more(&mut tcp, &mut buffer).await?;
                    }
                    tcp.write_all(&buffer.split_to(count)).await?;
                }
                Step::Close => return Ok(()),
            }
        }
    }
    Ok(())
}

/// Reads a request with its body; `None` if the connection ends before one.
async fn read_request(tcp: &mut TcpStream, buffer: &mut BytesMut) -> io::Result<Option<Seen>> {
    let mut seen = loop {
        if let Some(seen) = take_head(buffer)? {
            break seen;
        }
        if tcp.read_buf(buffer).await? == 0 {
            return Ok(None);
        }
    };
    if seen.target.starts_with(EARLY) {
        return Ok(Some(seen));
    }
    if seen.header("expect").is_some() {
        tcp.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await?;
    }
    match (seen.header("transfer-encoding"), seen.header("content-length")) {
        (Some(_), Some(_)) => return Err(broken("both Transfer-Encoding and Content-Length", buffer)),
        (Some(_), None) => loop {
            let size = line(tcp, buffer).await?;
            let size = usize::from_str_radix(&size, 16).map_err(|_| broken("a bad chunk size", buffer))?;
            exactly(tcp, buffer, size, &mut seen.body).await?;
            let end = line(tcp, buffer).await?;
            if size == 0 {
                break;
            }
            if !end.is_empty() {
                return Err(broken("a chunk longer than its size", buffer));
            }
        },
        (None, Some(length)) => {
            let length = length.parse().map_err(|_| broken("a bad Content-Length", buffer))?;
            exactly(tcp, buffer, length, &mut seen.body).await?;
        }
        (None, None) => {}
    }
    Ok(Some(seen))
}

fn take_head(buffer: &mut BytesMut) -> io::Result<Option<Seen>> {
    let mut fields = [httparse::EMPTY_HEADER; MOST_FIELDS];
    let mut request = httparse::Request::new(&mut fields);
    let end = match request.parse(buffer) {
        Ok(httparse::Status::Complete(end)) => end,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(error) => return Err(broken(&error.to_string(), buffer)),
    };
    let text =
        |field: &httparse::Header<'_>| (field.name.to_owned(), String::from_utf8_lossy(field.value).into_owned());
    let seen = Seen {
        method: request.method.unwrap_or_default().to_owned(),
        target: request.path.unwrap_or_default().to_owned(),
        fields: request.headers.iter().map(text).collect(),
        body: Vec::new(),
    };
    buffer.advance(end);
    Ok(Some(seen))
}

async fn more(tcp: &mut TcpStream, buffer: &mut BytesMut) -> io::Result<()> {
    match tcp.read_buf(buffer).await? {
        0 => Err(ErrorKind::UnexpectedEof.into()),
        _ => Ok(()),
    }
}

async fn line(tcp: &mut TcpStream, buffer: &mut BytesMut) -> io::Result<String> {
    loop {
        if let Some(end) = buffer.iter().position(|&byte| byte == b'\n') {
            let line = buffer.split_to(end + 1);
            return Ok(String::from_utf8_lossy(&line).trim_end().to_owned());
        }
        more(tcp, buffer).await?;
    }
}

async fn exactly(tcp: &mut TcpStream, buffer: &mut BytesMut, count: usize, body: &mut Vec<u8>) -> io::Result<()> {
    while buffer.len() < count {
        more(tcp, buffer).await?;
    }
    body.extend_from_slice(&buffer.split_to(count));
    Ok(())
}

fn broken(what: &str, buffer: &[u8]) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, format!("{what}, before {}", excerpt(buffer)))
}
