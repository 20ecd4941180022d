//! Asks a running origin to switch.

use std::io;
use std::time::Duration;

use axum::body::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use http::{Request, StatusCode, Uri};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use crate::control::{PREFIX, ReleaseReport, SwitchRequest};
use crate::hint::Hint;
use crate::reply::Failure;
use crate::token::Token;

/// A report is a few hundred bytes.
const MAX_REPLY_BYTES: usize = 64 * 1024;

/// Where a running origin is: `http://HOST:PORT`.
#[derive(Clone, Debug)]
pub struct OriginUrl {
    host: String,
    port: u16,
}

/// A text that is no origin's URL.
#[derive(Debug, thiserror::Error)]
#[error("{0:?} is not a URL like http://127.0.0.1:8080")]
pub struct BadUrl(String);

impl std::str::FromStr for OriginUrl {
    type Err = BadUrl;

    fn from_str(text: &str) -> Result<Self, BadUrl> {
        let bad = || BadUrl(text.to_owned());
        let uri: Uri = text.parse().map_err(|_| bad())?;
        let authority = uri.authority().filter(|authority| !authority.as_str().contains('@')).ok_or_else(bad)?;
        if uri.scheme_str() != Some("http") || uri.path() != "/" || uri.query().is_some() {
            return Err(bad());
        }
        Ok(Self { host: authority.host().to_owned(), port: authority.port_u16().unwrap_or(80) })
    }
}

impl std::fmt::Display for OriginUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "http://{}:{}", self.host, self.port)
    }
}

/// Why an origin wasn't switched, or why that isn't known.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// Nothing answers there.
    #[error("cannot reach the origin at {url}")]
    Unreachable {
        /// Where.
        url: OriginUrl,
        /// Why not.
        source: io::Error,
    },
    /// The origin's answer didn't come in time.
    #[error("the origin at {url} did not answer within {within:?}")]
    TooSlow {
        /// Where.
        url: OriginUrl,
        /// The bound.
        within: Duration,
    },
    /// The conversation broke off.
    #[error("the origin at {url} broke off")]
    BrokenOff {
        /// Where.
        url: OriginUrl,
        /// How.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// It answered something else than an origin does.
    #[error("what answers at {url} is not an origin with a control token ({status})")]
    NotAnOrigin {
        /// Where.
        url: OriginUrl,
        /// What it answered.
        status: StatusCode,
    },
    /// The origin refused, and still serves what it served.
    #[error("the origin refused ({status}): {}", failure.error)]
    Refused {
        /// Its answer.
        status: StatusCode,
        /// Its reason.
        failure: Failure,
    },
}

impl Hint for CallError {
    fn hint(&self) -> String {
        match self {
            Self::Unreachable { .. } => "start it with `origin serve`, or correct --url".to_owned(),
            Self::TooSlow { url, .. } | Self::BrokenOff { url, .. } => {
                format!("it may have switched all the same: GET {url}{PREFIX}/release says what is served")
            }
            Self::NotAnOrigin { .. } => "correct --url, or start the origin with --control-token-env".to_owned(),
            Self::Refused { failure, .. } => failure.hint.clone(),
        }
    }
}

/// Switches the origin to a release and gives what it serves then.
pub async fn switch(
    url: &OriginUrl,
    token: &Token,
    request: &SwitchRequest,
    within: Duration,
) -> Result<ReleaseReport, CallError> {
    let too_slow = |_| CallError::TooSlow { url: url.clone(), within };
    let (status, reply) = tokio::time::timeout(within, post(url, token, request)).await.map_err(too_slow)??;
    if status == StatusCode::OK
        && let Ok(report) = serde_json::from_slice(&reply)
    {
        return Ok(report);
    }
    match serde_json::from_slice(&reply) {
        Ok(failure) if status != StatusCode::NOT_FOUND => Err(CallError::Refused { status, failure }),
        _ => Err(CallError::NotAnOrigin { url: url.clone(), status }),
    }
}

async fn post(url: &OriginUrl, token: &Token, request: &SwitchRequest) -> Result<(StatusCode, Bytes), CallError> {
    let unreachable = |source| CallError::Unreachable { url: url.clone(), source };
    let host = url.host.trim_matches(['[', ']']);
    let stream = TcpStream::connect((host, url.port)).await.map_err(unreachable)?;
    exchange(url, stream, token, request).await.map_err(|source| CallError::BrokenOff { url: url.clone(), source })
}

async fn exchange(
    url: &OriginUrl,
    stream: TcpStream,
    token: &Token,
    request: &SwitchRequest,
) -> Result<(StatusCode, Bytes), Box<dyn std::error::Error + Send + Sync>> {
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let mut head = Request::post(format!("{PREFIX}/release"))
        .header(HOST, format!("{}:{}", url.host, url.port))
        .header(CONTENT_TYPE, "application/json");
    if let Some(value) = token.header_value() {
        head = head.header(AUTHORIZATION, value);
    }
    let request = head.body(Full::new(Bytes::from(serde_json::to_vec(request)?)))?;
    let driving = tokio::spawn(connection);
    let response = sender.send_request(request).await?;
    let status = response.status();
    let reply = Limited::new(response.into_body(), MAX_REPLY_BYTES).collect().await?.to_bytes();
    driving.abort();
    Ok((status, reply))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls() {
        for (text, expected) in [
            ("http://127.0.0.1:8080", Some("http://127.0.0.1:8080")),
            ("http://origin.example/", Some("http://origin.example:80")),
            ("http://[::1]:8080", Some("http://[::1]:8080")),
            ("https://127.0.0.1:8080", None),
            ("http://127.0.0.1:8080/x", None),
            ("http://user:secret@127.0.0.1", None),
            ("127.0.0.1:8080", None),
            ("http://", None),
            ("", None),
        ] {
            let url = text.parse::<OriginUrl>().ok().map(|url| url.to_string());
            assert_eq!(url.as_deref(), expected, "{text}");
        }
    }
}
