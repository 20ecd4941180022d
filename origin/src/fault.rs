//! Responses that go wrong on purpose.

use std::io;
use std::str::FromStr;
use std::time::Duration;

use axum::body::{Body, BodyDataStream};
use axum::response::Response;
use bytes::Bytes;
use futures_util::stream::{self, StreamExt as _};

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The head and half of the body, then the connection is closed.
    Truncate,
    /// The connection is reset (TCP RST) before the first byte.
    Reset,
    /// The head and half of the body, then nothing for a while, then the connection is closed.
    Stall,
    /// 503 instead of the object.
    Status503,
}

impl Fault {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Truncate, Self::Reset, Self::Stall, Self::Status503];

    /// The name in the query, and in the counters.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Truncate => "truncate",
            Self::Reset => "reset",
            Self::Stall => "stall",
            Self::Status503 => "status503",
        }
    }
}

impl FromStr for Fault {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        Self::ALL.into_iter().find(|fault| fault.name() == text).ok_or(())
    }
}

/// Marks a response that the server must not send: it resets the connection instead.
#[derive(Clone, Copy, Debug)]
pub struct ResetConnection;

/// Lets the body fail after so many bytes and a wait. The head, `Content-Length` included, stays as it is.
pub fn cut_short(response: Response, after_bytes: usize, wait: Duration) -> Response {
    response.map(|body| {
        let cut = Cut { body: body.into_data_stream(), left_bytes: after_bytes, wait };
        Body::from_stream(stream::try_unfold(cut, Cut::next))
    })
}

struct Cut {
    body: BodyDataStream,
    left_bytes: usize,
    wait: Duration,
}

impl Cut {
    async fn next(mut self) -> Result<Option<(Bytes, Self)>, axum::Error> {
        if self.left_bytes > 0
            && let Some(chunk) = self.body.next().await
        {
            let mut chunk = chunk?;
            chunk.truncate(self.left_bytes);
            self.left_bytes -= chunk.len();
            return Ok(Some((chunk, self)));
        }
        // At least one pause in every case: the server flushes what it has when a body has nothing ready.
        tokio::task::yield_now().await;
        tokio::time::sleep(self.wait).await;
        Err(axum::Error::new(io::Error::other("cut short on purpose")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::BodyExt as _;

    #[tokio::test]
    async fn the_bytes_before_the_cut_arrive() {
        for (after_bytes, expected) in [(0, 0), (1, 1), (3, 3), (4, 4), (10, 10), (11, 10)] {
            let chunks = [b"abc".as_slice(), b"def", b"ghij"].map(Ok::<_, io::Error>);
            let response = Response::new(Body::from_stream(stream::iter(chunks)));
            let mut body = cut_short(response, after_bytes, Duration::ZERO).into_body();
            let mut received = Vec::new();
            let failure = loop {
                match body.frame().await {
                    Some(Ok(frame)) => received.extend(frame.into_data().expect("data")),
                    end => break end,
                }
            };
            assert!(matches!(failure, Some(Err(_))), "{after_bytes}");
            assert_eq!(received, b"abcdefghij"[..expected], "{after_bytes}");
        }
    }

    #[test]
    fn names_come_back() {
        for fault in Fault::ALL {
            assert_eq!(fault.name().parse(), Ok(fault));
        }
        assert_eq!("none".parse::<Fault>(), Err(()));
    }
}
