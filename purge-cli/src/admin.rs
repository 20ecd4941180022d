//! A client of the admin server of a node: one request, one connection, one answer, within a deadline.

mod error;

pub(crate) use error::printable;
pub use error::{AdminError, Stage};

use crate::clock::Deadline;
use bytes::{Bytes, BytesMut};
use edge::wire::admin::Status;
use edge::wire::backup;
use edge::wire::purge::{
    ForgetRequest, LINES_TYPE, LogReply, PurgeLine, PurgeReply, PurgeRequest, RecordsReply, StatusReply,
};
use edge::wire::stats::Stats;
use futures_util::future::{Either, select};
use http::{HeaderValue, Method, Request, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use std::pin::pin;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::timeout_at;

/// Largest response body that is read, in bytes. A node's statistics with thousands of sites stay far below it.
pub const MAX_REPLY_BYTES: usize = 16 << 20;

/// Largest response head that is read, in bytes: an admin server sends a few hundred.
const MAX_HEAD_BYTES: usize = 64 << 10;

const USER_AGENT: &str = concat!("purge-cli/", env!("CARGO_PKG_VERSION"));

/// Whether a node takes requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ready {
    /// It does.
    Yes(Status),
    /// Not yet, or no more; [`Status::status`] says what it waits for.
    No(Status),
}

/// A client of admin servers. It keeps no connections: each call opens one, and makes one attempt.
#[derive(Debug, Clone, Copy)]
pub struct AdminClient {
    timeout: Duration,
}

impl AdminClient {
    /// A client whose every call ends within `timeout`.
    pub const fn new(timeout: Duration) -> Self {
        Self { timeout }
    }

    /// `POST /purges` at the home's `addr` (`host:port`). The purge is recorded when this returns; the answer says where it is
    /// proven.
    ///
    /// # Errors
    /// [`AdminError`]: the node can't be reached, does not answer in time, or refuses.
    pub async fn post_purge(&self, addr: &str, token: &str, purge: &PurgeRequest) -> Result<PurgeReply, AdminError> {
        let body = Bytes::from(serde_json::to_vec(purge).expect("texts and enums have a JSON form"));
        self.post_purge_body(addr, token, body, Deadline::after(self.timeout), |_| {}).await
    }

    /// `GET /log` at the home's `addr`.
    ///
    /// # Errors
    /// [`AdminError`]: the home can't be reached, does not answer in time, or refuses.
    pub async fn log(&self, addr: &str, token: &str) -> Result<LogReply, AdminError> {
        let request = request(Method::GET, "/log", addr, Some(token), Bytes::new())?;
        exchange(addr, request, Deadline::after(self.timeout)).await?.read()
    }

    /// `POST /log/forget` at the home's `addr`.
    ///
    /// # Errors
    /// [`AdminError`]: the home can't be reached, does not answer in time, or refuses.
    pub async fn forget(&self, addr: &str, token: &str, node: &str) -> Result<LogReply, AdminError> {
        let body = serde_json::to_vec(&ForgetRequest { node: node.to_owned() }).expect("a text has a JSON form");
        let request = request(Method::POST, "/log/forget", addr, Some(token), body.into())?;
        exchange(addr, request, Deadline::after(self.timeout)).await?.read()
    }

    /// `POST /log/seal` at the home's `addr`.
    ///
    /// # Errors
    /// [`AdminError`]: the home can't be reached, does not answer in time, or refuses.
    pub async fn seal(&self, addr: &str, token: &str) -> Result<LogReply, AdminError> {
        let request = request(Method::POST, "/log/seal", addr, Some(token), Bytes::new())?;
        exchange(addr, request, Deadline::after(self.timeout)).await?.read()
    }

    /// `GET /log/records` at the home's `addr`: those behind the number `since`.
    ///
    /// # Errors
    /// [`AdminError`]: the home can't be reached, does not answer in time, or refuses.
    pub async fn records(&self, addr: &str, token: &str, since: u64) -> Result<RecordsReply, AdminError> {
        let path = format!("/log/records?since={since}");
        let request = request(Method::GET, &path, addr, Some(token), Bytes::new())?;
        exchange(addr, request, Deadline::after(self.timeout)).await?.read()
    }

    /// `GET /log/purges/…` at the home's `addr`. `purge` is made of the characters of ids.
    ///
    /// # Errors
    /// [`AdminError`]: the home can't be reached, does not answer in time, or refuses.
    pub async fn status(&self, addr: &str, token: &str, purge: &str) -> Result<StatusReply, AdminError> {
        let path = format!("/log/purges/{purge}");
        let request = request(Method::GET, &path, addr, Some(token), Bytes::new())?;
        exchange(addr, request, Deadline::after(self.timeout)).await?.read()
    }

    /// `GET /log/backup` at the home's `addr`. Each piece is told as it comes, and has the timeout for itself.
    ///
    /// # Errors
    /// [`AdminError`]: the home can't be reached, falls silent, or refuses.
    pub async fn back_up(&self, addr: &str, token: &str, told: impl FnMut(&[u8]) + Send) -> Result<(), AdminError> {
        let request = request(Method::GET, backup::PATH, addr, Some(token), Bytes::new())?;
        let answer = exchange_parts(addr, request, Patience::Each(self.timeout), Keep::Failures, told).await?;
        if answer.status.is_success() { Ok(()) } else { Err(AdminError::from_reply(answer.status, &answer.body)) }
    }

    /// `GET /stats` at `addr`.
    ///
    /// # Errors
    /// [`AdminError`]: the node can't be reached, does not answer in time, or refuses.
    pub async fn stats(&self, addr: &str, token: &str) -> Result<Stats, AdminError> {
        let request = request(Method::GET, "/stats", addr, Some(token), Bytes::new())?;
        exchange(addr, request, Deadline::after(self.timeout)).await?.read()
    }

    /// `GET /ready` at `addr`; needs no token.
    ///
    /// # Errors
    /// [`AdminError`]: the node can't be reached, does not answer in time, or answers something else.
    pub async fn get_ready(&self, addr: &str) -> Result<Ready, AdminError> {
        let request = request(Method::GET, "/ready", addr, None, Bytes::new())?;
        exchange(addr, request, Deadline::after(self.timeout)).await?.read_ready()
    }

    /// `POST /purges` with a body made before, by a deadline set before. Each line of the answer is told as it comes.
    pub(crate) async fn post_purge_body(
        &self,
        addr: &str,
        token: &str,
        body: Bytes,
        deadline: Deadline,
        mut told: impl FnMut(&PurgeLine) + Send,
    ) -> Result<PurgeReply, AdminError> {
        let mut request = request(Method::POST, "/purges", addr, Some(token), body)?;
        request.headers_mut().insert(header::ACCEPT, HeaderValue::from_static(LINES_TYPE));
        let mut lines = Vec::new();
        let mut last = None;
        let answer = exchange_parts(addr, request, Patience::Whole(deadline), Keep::All, |part| {
            lines.extend_from_slice(part);
            while let Some(end) = lines.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = lines.drain(..=end).collect();
                match serde_json::from_slice(&line) {
                    Ok(PurgeLine::Done(reply)) => last = Some(reply),
                    Ok(line) => told(&line),
                    // It is told below.
                    Err(_) => {}
                }
            }
        });
        let answer = answer.await?;
        match last {
            Some(reply) if answer.status.is_success() => Ok(reply),
            _ => answer.read(),
        }
    }
}

/// The value of the Authorization field; `None` if the token has a character that no field may have.
pub(crate) fn bearer(token: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(&format!("Bearer {token}")).ok()?;
    value.set_sensitive(true);
    Some(value)
}

fn request(
    method: Method,
    path: &str,
    addr: &str,
    token: Option<&str>,
    body: Bytes,
) -> Result<Request<Full<Bytes>>, AdminError> {
    let host = HeaderValue::from_str(addr).map_err(|_| AdminError::BadAddress { addr: addr.to_owned() })?;
    let mut request = Request::new(Full::new(body));
    *request.method_mut() = method;
    *request.uri_mut() = path.parse().map_err(|_| AdminError::BadPath { path: path.to_owned() })?;
    let headers = request.headers_mut();
    headers.insert(header::HOST, host);
    headers.insert(header::USER_AGENT, HeaderValue::from_static(USER_AGENT));
    headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
    headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    if request.method() == Method::POST {
        request.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    }
    if let Some(token) = token {
        let value = bearer(token).ok_or(AdminError::BadToken)?;
        request.headers_mut().insert(header::AUTHORIZATION, value);
    }
    Ok(request)
}

async fn exchange(addr: &str, request: Request<Full<Bytes>>, deadline: Deadline) -> Result<Answer, AdminError> {
    exchange_parts(addr, request, Patience::Whole(deadline), Keep::All, |_| {}).await
}

/// Which bodies are kept whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Keep {
    All,
    Failures,
}

/// For how long an answer is waited for.
#[derive(Debug, Clone, Copy)]
enum Patience {
    /// All of it must be there by then.
    Whole(Deadline),
    /// The connection, the head and each part of the body may take so long.
    Each(Duration),
}

impl Patience {
    /// Waits for the next step.
    async fn wait<T>(self, addr: &str, stage: Stage, step: impl Future<Output = T>) -> Result<T, AdminError> {
        let deadline = match self {
            Self::Whole(deadline) => deadline,
            Self::Each(span) => Deadline::after(span),
        };
        let late = |_| AdminError::Timeout { addr: addr.to_owned(), after: deadline.span(), stage };
        timeout_at(deadline.at(), step).await.map_err(late)
    }
}

/// Each part of the body is told as it comes.
async fn exchange_parts(
    addr: &str,
    request: Request<Full<Bytes>>,
    patience: Patience,
    keep: Keep,
    told: impl FnMut(&[u8]) + Send,
) -> Result<Answer, AdminError> {
    let stream = patience.wait(addr, Stage::Connect, TcpStream::connect(addr)).await?;
    let stream = stream.map_err(|cause| AdminError::Unreachable { addr: addr.to_owned(), cause })?;
    talk(addr, stream, request, patience, keep, told).await
}

/// Sends the request and reads the answer. The connection lives as long as this future does, and no longer.
async fn talk(
    addr: &str,
    stream: TcpStream,
    request: Request<Full<Bytes>>,
    patience: Patience,
    keep: Keep,
    mut told: impl FnMut(&[u8]) + Send,
) -> Result<Answer, AdminError> {
    let broken = |cause: hyper::Error| AdminError::BrokenOff { addr: addr.to_owned(), cause };
    // Without it a small body may wait for the acknowledgement of the head; if it can't be set, it does.
    let _ = stream.set_nodelay(true);
    let (mut sender, connection) =
        http1::Builder::new().max_buf_size(MAX_HEAD_BYTES).handshake(TokioIo::new(stream)).await.map_err(broken)?;
    let exchange = pin!(async move {
        let response = patience.wait(addr, Stage::Answer, sender.send_request(request)).await?.map_err(broken)?;
        let status = response.status();
        let mut incoming = response.into_body();
        let mut body = BytesMut::new();
        while let Some(frame) = patience.wait(addr, Stage::Answer, incoming.frame()).await? {
            let Ok(part) = frame.map_err(broken)?.into_data() else { continue };
            if (keep == Keep::All || !status.is_success()) && body.len() + part.len() > MAX_REPLY_BYTES {
                return Err(AdminError::TooLarge { addr: addr.to_owned() });
            }
            if status.is_success() {
                told(&part);
                if keep == Keep::Failures {
                    continue;
                }
            }
            body.extend_from_slice(&part);
        }
        Ok(Answer { addr: addr.to_owned(), status, body: body.freeze() })
    });
    match select(exchange, pin!(connection)).await {
        Either::Left((answer, _)) => answer,
        // The connection is at its end: what it brought, or how it broke off, is with the exchange.
        Either::Right((_, exchange)) => exchange.await,
    }
}

/// What a node answered.
struct Answer {
    addr: String,
    status: StatusCode,
    body: Bytes,
}

impl Answer {
    /// Reads the body of a success; anything else is an error.
    fn read<T: DeserializeOwned>(&self) -> Result<T, AdminError> {
        if !self.status.is_success() {
            return Err(AdminError::from_reply(self.status, &self.body));
        }
        self.parse()
    }

    fn read_ready(&self) -> Result<Ready, AdminError> {
        match self.status {
            StatusCode::SERVICE_UNAVAILABLE => match self.parse() {
                Ok(status) => Ok(Ready::No(status)),
                Err(_) => Err(AdminError::from_reply(self.status, &self.body)),
            },
            _ => self.read().map(Ready::Yes),
        }
    }

    fn parse<T: DeserializeOwned>(&self) -> Result<T, AdminError> {
        serde_json::from_slice(&self.body)
            .map_err(|cause| AdminError::NotUnderstood { addr: self.addr.clone(), what: cause.to_string() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, body: &str) -> Answer {
        let status = StatusCode::from_u16(status).expect("a status");
        Answer { addr: "node:9090".into(), status, body: Bytes::copy_from_slice(body.as_bytes()) }
    }

    #[test]
    fn receipts() {
        let good =
            r#"{"node":"s","position":"1.7","issued_at_ms":1,"is_new":true,"targets":3,"proven":true,"nodes":[]}"#;
        let check = |status, body, want: Result<String, &str>| {
            let got = answer(status, body).read::<PurgeReply>();
            let got = got.map(|reply| reply.position).map_err(|error| error.reason());
            assert_eq!(got, want, "{status} {body}");
        };
        check(200, good, Ok("1.7".to_owned()));
        check(201, good, Ok("1.7".to_owned()));
        check(200, "", Err("not_understood"));
        check(200, "<html>", Err("not_understood"));
        check(301, good, Err("rejected"));
        check(401, good, Err("unauthorized"));
        check(403, "", Err("forbidden"));
        check(404, "", Err("rejected"));
        check(500, good, Err("failing"));
    }

    #[test]
    fn readiness() {
        let body = |status: &str| format!(r#"{{"status":"{status}","node":"fra-1"}}"#);
        let status = |status: &str| Status { status: status.into(), node: "fra-1".into() };
        assert_eq!(answer(200, &body("ready")).read_ready().ok(), Some(Ready::Yes(status("ready"))));
        assert_eq!(answer(503, &body("draining")).read_ready().ok(), Some(Ready::No(status("draining"))));
        assert_eq!(answer(503, "").read_ready().map_err(|error| error.reason()), Err("failing"));
        assert_eq!(answer(404, "").read_ready().map_err(|error| error.reason()), Err("rejected"));
    }

    #[test]
    fn what_cannot_be_sent() {
        let reason =
            |addr, token| request(Method::GET, "/stats", addr, Some(token), Bytes::new()).map_err(|e| e.reason());
        assert!(reason("127.0.0.1:1", "good").is_ok());
        assert_eq!(reason("127.0.0.1:1", "a\nb").map(|_| ()), Err("bad_token"));
        assert_eq!(reason("a\nb", "good").map(|_| ()), Err("bad_address"));
    }

    #[test]
    fn a_token_is_not_shown() {
        let request = request(Method::GET, "/stats", "127.0.0.1:1", Some("secret"), Bytes::new()).expect("a request");
        assert!(!format!("{request:?}").contains("secret"));
    }
}
