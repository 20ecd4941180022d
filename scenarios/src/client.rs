//! All HTTP that this crate speaks as a client: HTTP/1.1 over TCP, with the whole body in memory.

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderMap};
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::TcpStream;

/// Largest body that is taken, in bytes. Sites of scenarios are small; anything larger is a mistake.
pub const MAX_BODY_BYTES: usize = 64 << 20;
/// How long a request may take, from connecting to the last byte.
pub const TIMEOUT: Duration = Duration::from_secs(30);

/// A response.
#[derive(Debug, Clone)]
pub struct Reply {
    /// The status.
    pub status: StatusCode,
    /// The fields.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

impl Reply {
    /// The value of a field, if it is there once and is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The body as text, with whatever isn't UTF-8 replaced.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// A request that got no response.
#[derive(Debug, thiserror::Error)]
#[error("{method} http://{address}{target}: {cause}")]
pub struct ClientError {
    address: SocketAddr,
    method: Method,
    target: String,
    /// Why not.
    pub cause: ClientErrorCause,
}

/// Why a request got no response.
#[derive(Debug, thiserror::Error)]
pub enum ClientErrorCause {
    /// No connection.
    #[error("no connection: {0}")]
    Connect(std::io::Error),
    /// The connection broke, or what came is not HTTP.
    #[error("{0}")]
    Http(#[from] hyper::Error),
    /// The body broke off, or is too large.
    #[error("the body broke off or is too large: {0}")]
    Body(Box<dyn std::error::Error + Send + Sync>),
    /// The request can't be written.
    #[error("it can't be written: {0}")]
    Request(#[from] hyper::http::Error),
    /// It took too long.
    #[error("no response within {TIMEOUT:?}")]
    Timeout,
    /// The response isn't one that was asked for.
    #[error("answered {status}: {body}")]
    Refused {
        /// Its status.
        status: StatusCode,
        /// Its body.
        body: String,
    },
    /// The body is no JSON of the expected shape.
    #[error("the body is not what was expected: {0}")]
    Json(#[from] serde_json::Error),
}

impl ClientErrorCause {
    /// Whether the other side closed the connection before it answered anything, as servers do with connections that
    /// have been idle for long. A request that changes nothing may then be sent again.
    pub fn was_closed_before(&self) -> bool {
        let reset = |error: &hyper::Error| {
            let cause = std::error::Error::source(error).and_then(|cause| cause.downcast_ref::<std::io::Error>());
            cause.is_some_and(|cause| matches!(cause.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe))
        };
        match self {
            Self::Http(error) => {
                error.is_canceled() || error.is_closed() || error.is_incomplete_message() || reset(error)
            }
            _ => false,
        }
    }
}

/// A request: what to ask, whom as, with what.
#[derive(Debug, Clone)]
pub struct Ask {
    method: Method,
    target: String,
    headers: HeaderMap,
    body: Bytes,
}

impl Ask {
    /// A request for a target (path and query) of a host.
    pub fn new(method: Method, host: &str, target: &str) -> Self {
        let mut ask = Self { method, target: target.to_owned(), headers: HeaderMap::new(), body: Bytes::new() };
        ask.set(HOST.as_str(), host);
        ask
    }

    /// A GET request.
    pub fn get(host: &str, target: &str) -> Self {
        Self::new(Method::GET, host, target)
    }

    /// Adds a field. Names and values that HTTP doesn't allow are left out.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.set(name, value);
        self
    }

    /// Adds a bearer token.
    #[must_use]
    pub fn bearer(self, token: &str) -> Self {
        self.with(AUTHORIZATION.as_str(), &format!("Bearer {token}"))
    }

    /// Sets the body, which is JSON.
    #[must_use]
    pub fn json(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self.with(CONTENT_TYPE.as_str(), "application/json")
    }

    /// What is asked, in a line.
    pub fn summary(&self) -> String {
        let fields = self.headers.iter().filter(|(name, _)| **name != HOST && **name != AUTHORIZATION);
        let fields = fields.map(|(name, value)| format!(" {name}: {}", String::from_utf8_lossy(value.as_bytes())));
        format!("{} {}{}", self.method, self.target, fields.collect::<String>())
    }

    fn set(&mut self, name: &str, value: &str) {
        let name = hyper::header::HeaderName::from_bytes(name.as_bytes());
        if let (Ok(name), Ok(value)) = (name, value.parse()) {
            self.headers.append(name, value);
        }
    }

    fn request(&self) -> Result<Request<Full<Bytes>>, ClientErrorCause> {
        let mut request =
            Request::builder().method(&self.method).uri(&self.target).body(Full::new(self.body.clone()))?;
        request.headers_mut().extend(self.headers.clone());
        Ok(request)
    }
}

/// A connection that is kept for further requests.
#[derive(Debug)]
pub struct Connection {
    address: SocketAddr,
    sender: SendRequest<Full<Bytes>>,
    requests: u64,
}

impl Connection {
    /// Opens one.
    ///
    /// # Errors
    /// If it can't be opened.
    pub async fn open(address: SocketAddr) -> Result<Self, ClientErrorCause> {
        let stream = TcpStream::connect(address).await.map_err(ClientErrorCause::Connect)?;
        stream.set_nodelay(true).map_err(ClientErrorCause::Connect)?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        // It ends when the sender is dropped or the other side closes.
        tokio::spawn(async move { drop(connection.await) });
        Ok(Self { address, sender, requests: 0 })
    }

    /// Whether the other side has closed it.
    pub fn is_closed(&self) -> bool {
        self.sender.is_closed()
    }

    /// How many requests it has carried.
    pub fn requests(&self) -> u64 {
        self.requests
    }

    /// Sends a request and reads the response to its end.
    ///
    /// # Errors
    /// If there is no complete response.
    pub async fn send(&mut self, ask: &Ask) -> Result<Reply, ClientErrorCause> {
        self.requests += 1;
        self.sender.ready().await?;
        let response = self.sender.send_request(ask.request()?).await?;
        let (parts, body) = response.into_parts();
        let body = Limited::new(body, MAX_BODY_BYTES).collect().await.map_err(ClientErrorCause::Body)?.to_bytes();
        Ok(Reply { status: parts.status, headers: parts.headers, body })
    }

    /// Where it leads.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

/// Sends one request on a connection of its own, within [`TIMEOUT`].
///
/// # Errors
/// If there is no complete response.
pub async fn ask(address: SocketAddr, ask: &Ask) -> Result<Reply, ClientError> {
    let exchange = async { Connection::open(address).await?.send(ask).await };
    let result = tokio::time::timeout(TIMEOUT, exchange).await.unwrap_or(Err(ClientErrorCause::Timeout));
    result.map_err(|cause| error(address, ask, cause))
}

/// Asks for JSON with a bearer token.
///
/// # Errors
/// If the response is not 200 or its body is of another shape.
pub async fn get_json<T: DeserializeOwned>(address: SocketAddr, target: &str, token: &str) -> Result<T, ClientError> {
    ask_json(address, &Ask::get(&address.to_string(), target).bearer(token)).await
}

/// Posts JSON with a bearer token.
///
/// # Errors
/// If the response is not 200 or its body is of another shape.
pub async fn post_json<T: DeserializeOwned>(
    address: SocketAddr,
    target: &str,
    token: &str,
    body: &impl Serialize,
) -> Result<T, ClientError> {
    let question = Ask::new(Method::POST, &address.to_string(), target).bearer(token);
    match serde_json::to_vec(body) {
        Ok(body) => ask_json(address, &question.json(body)).await,
        Err(cause) => Err(error(address, &question, cause.into())),
    }
}

async fn ask_json<T: DeserializeOwned>(address: SocketAddr, question: &Ask) -> Result<T, ClientError> {
    let reply = ask(address, question).await?;
    let read = if reply.status == StatusCode::OK {
        serde_json::from_slice(&reply.body).map_err(ClientErrorCause::from)
    } else {
        Err(ClientErrorCause::Refused { status: reply.status, body: reply.text() })
    };
    read.map_err(|cause| error(address, question, cause))
}

fn error(address: SocketAddr, ask: &Ask, cause: ClientErrorCause) -> ClientError {
    ClientError { address, method: ask.method.clone(), target: ask.target.clone(), cause }
}
