//! Why a node did not do what it was asked.

use edge::wire::admin::ErrorReply;
use http::StatusCode;
use std::io;
use std::time::Duration;
use thiserror::Error;

/// How much of what a node says is shown, in characters.
const MAX_SHOWN_CHARS: usize = 400;

/// How far a request got before its time was up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// No connection.
    Connect,
    /// A connection, but no or no whole answer.
    Answer,
}

impl Stage {
    const fn missing(self) -> &'static str {
        match self {
            Self::Connect => "no connection to",
            Self::Answer => "no answer from",
        }
    }
}

/// A request to an admin server that failed. Texts of nodes in it are cut, and free of control characters.
#[derive(Debug, Error)]
pub enum AdminError {
    /// No connection: refused, no route, no such name.
    #[error("can't connect to {addr}: {}", plain(cause))]
    Unreachable {
        /// The address.
        addr: String,
        /// Why not.
        cause: io::Error,
    },
    /// The time was up.
    #[error("{} {addr} within {after:?}", stage.missing())]
    Timeout {
        /// The address.
        addr: String,
        /// How long was waited.
        after: Duration,
        /// How far it got.
        stage: Stage,
    },
    /// The connection broke off before the answer was there.
    #[error("the connection to {addr} broke off: {cause}")]
    BrokenOff {
        /// The address.
        addr: String,
        /// How.
        cause: hyper::Error,
    },
    /// 401: the node doesn't know the token.
    #[error("401: {}", .0.error)]
    Unauthorized(ErrorReply),
    /// 403: the token does not allow it.
    #[error("403: {}", .0.error)]
    Forbidden(ErrorReply),
    /// Another status below 500 that is no success.
    #[error("{}: {}", status.as_u16(), reply.error)]
    Rejected {
        /// The status.
        status: StatusCode,
        /// What the node says.
        reply: ErrorReply,
    },
    /// 5xx: the node can't do it now.
    #[error("{}: {}", status.as_u16(), reply.error)]
    Failing {
        /// The status.
        status: StatusCode,
        /// What the node says.
        reply: ErrorReply,
    },
    /// The answer is larger than [`super::MAX_REPLY_BYTES`].
    #[error("the answer of {addr} is larger than 16 MiB")]
    TooLarge {
        /// The address.
        addr: String,
    },
    /// A success whose body is not what it should be.
    #[error("the answer of {addr} is not understood: {what}")]
    NotUnderstood {
        /// The address.
        addr: String,
        /// What is wrong with it.
        what: String,
    },
    /// The address can't stand in a Host field.
    #[error("{addr:?} is no address")]
    BadAddress {
        /// The address.
        addr: String,
    },
    /// What was asked for can't stand in a URL.
    #[error("{path:?} is no path")]
    BadPath {
        /// The path.
        path: String,
    },
    /// The token can't stand in an Authorization field.
    #[error("the token has a character that no HTTP field may have")]
    BadToken,
}

impl AdminError {
    /// The error that a response without success stands for.
    pub(crate) fn from_reply(status: StatusCode, body: &[u8]) -> Self {
        let reply = read_reply(status, body);
        match status {
            StatusCode::UNAUTHORIZED => Self::Unauthorized(reply),
            StatusCode::FORBIDDEN => Self::Forbidden(reply),
            _ if status.is_server_error() => Self::Failing { status, reply },
            _ => Self::Rejected { status, reply },
        }
    }

    /// One word for programs.
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Unreachable { .. } => "unreachable",
            Self::Timeout { .. } => "timeout",
            Self::BrokenOff { .. } => "broken_off",
            Self::Unauthorized(_) => "unauthorized",
            Self::Forbidden(_) => "forbidden",
            Self::Rejected { .. } => "rejected",
            Self::Failing { .. } => "failing",
            Self::TooLarge { .. } => "too_large",
            Self::NotUnderstood { .. } => "not_understood",
            Self::BadAddress { .. } => "bad_address",
            Self::BadPath { .. } => "bad_path",
            Self::BadToken => "bad_token",
        }
    }

    /// Whether the next attempt may succeed: no connection, a broken one, or a 5xx.
    pub const fn is_transient(&self) -> bool {
        matches!(self, Self::Unreachable { .. } | Self::BrokenOff { .. } | Self::Failing { .. })
    }

    /// Whether this is how a node looks that restarts: nobody listens at its address, or the connection ends.
    pub fn is_like_restart(&self) -> bool {
        match self {
            Self::Unreachable { cause, .. } => {
                matches!(cause.kind(), io::ErrorKind::ConnectionRefused | io::ErrorKind::ConnectionReset)
            }
            Self::BrokenOff { .. } => true,
            _ => false,
        }
    }

    /// Whether the node refused what was asked: 401 or 403 (the token), 409 (the id is another purge's) or 429 (over quota).
    pub fn is_refusal(&self) -> bool {
        match self {
            Self::Unauthorized(_) | Self::Forbidden(_) => true,
            Self::Rejected { status, .. } => matches!(*status, StatusCode::CONFLICT | StatusCode::TOO_MANY_REQUESTS),
            _ => false,
        }
    }

    /// Whether it was the token.
    pub const fn is_about_token(&self) -> bool {
        matches!(self, Self::Unauthorized(_) | Self::Forbidden(_))
    }

    /// Whether there was no answer: the time was up, or the connection broke off.
    pub const fn is_no_answer(&self) -> bool {
        matches!(self, Self::Timeout { .. } | Self::BrokenOff { .. })
    }

    /// Whether what was asked for may have been done all the same: the request may have arrived, and no answer says that
    /// nothing came of it.
    pub const fn leaves_open(&self) -> bool {
        match self {
            Self::Timeout { stage: Stage::Answer, .. }
            | Self::BrokenOff { .. }
            | Self::Failing { .. }
            | Self::TooLarge { .. }
            | Self::NotUnderstood { .. } => true,
            Self::Timeout { stage: Stage::Connect, .. }
            | Self::Unreachable { .. }
            | Self::Unauthorized(_)
            | Self::Forbidden(_)
            | Self::Rejected { .. }
            | Self::BadAddress { .. }
            | Self::BadPath { .. }
            | Self::BadToken => false,
        }
    }

    /// Whether the same request may be taken another time, when something outside of it has changed. Who may not do it may
    /// not do it later.
    pub fn may_pass(&self) -> bool {
        match self {
            Self::Rejected { status, .. } => *status == StatusCode::TOO_MANY_REQUESTS,
            Self::Forbidden(_) | Self::BadAddress { .. } | Self::BadPath { .. } | Self::BadToken => false,
            _ => true,
        }
    }

    /// Whether the id is that of another purge: so this one is not recorded under it, whatever became of earlier attempts.
    pub fn is_conflict(&self) -> bool {
        matches!(self, Self::Rejected { status, .. } if *status == StatusCode::CONFLICT)
    }

    /// Whether there is nothing by that name.
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::Rejected { status, .. } if *status == StatusCode::NOT_FOUND)
    }

    /// What to do. The node's own word, if it has one.
    pub fn hint(&self) -> String {
        let said = match self {
            Self::Unauthorized(reply) | Self::Forbidden(reply) => reply.hint.as_deref(),
            Self::Rejected { reply, .. } | Self::Failing { reply, .. } => reply.hint.as_deref(),
            _ => None,
        };
        said.unwrap_or(self.own_hint()).to_owned()
    }

    const fn own_hint(&self) -> &'static str {
        match self {
            Self::Unreachable { .. } => "is the node running, and can its admin address be reached from here?",
            Self::Timeout { stage: Stage::Connect, .. } => {
                "the machine may be down, or a firewall drops what goes to the admin port"
            }
            Self::Timeout { stage: Stage::Answer, .. } => {
                "look at the node's log; a slow node may need a longer timeout"
            }
            Self::BrokenOff { .. } => "the node may be restarting; is its admin address that of a Tidewall node?",
            Self::Unauthorized(_) => "it must be the secret of a token that the home's fleet file names",
            Self::Forbidden(_) => "use a token with role = \"admin\", or role = \"purge\" for all these sites",
            Self::Rejected { .. } => "do this program, the node and their fleet files fit together?",
            Self::Failing { .. } => "look at the node's log",
            Self::TooLarge { .. } | Self::NotUnderstood { .. } => "is the admin address that of a Tidewall node?",
            Self::BadAddress { .. } => "write it as host:port",
            Self::BadPath { .. } => "write a position (1.42), a number or an id",
            Self::BadToken => "a token is made of visible ASCII characters",
        }
    }
}

/// What the node says is wrong, however it says it.
fn read_reply(status: StatusCode, body: &[u8]) -> ErrorReply {
    if let Ok(reply) = serde_json::from_slice::<ErrorReply>(body) {
        return ErrorReply { error: printable(&reply.error), hint: reply.hint.as_deref().map(printable) };
    }
    let text = printable(String::from_utf8_lossy(body).trim());
    let error = if text.is_empty() { status.canonical_reason().unwrap_or("no reason given").to_owned() } else { text };
    ErrorReply { error, hint: None }
}

/// A text from outside as it may be shown on a terminal.
pub(crate) fn printable(text: &str) -> String {
    let mut shown: String = text.chars().take(MAX_SHOWN_CHARS).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if text.chars().nth(MAX_SHOWN_CHARS).is_some() {
        shown.push('…');
    }
    shown
}

/// The common causes in plain words, without a number of the system.
fn plain(cause: &io::Error) -> String {
    match cause.kind() {
        io::ErrorKind::ConnectionRefused => "connection refused".to_owned(),
        io::ErrorKind::ConnectionReset => "connection reset".to_owned(),
        io::ErrorKind::HostUnreachable => "no route to the host".to_owned(),
        io::ErrorKind::NetworkUnreachable => "no route to the network".to_owned(),
        io::ErrorKind::TimedOut => "no connection in time".to_owned(),
        _ => cause.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nodes_say() {
        let check = |status: u16, body: &[u8], want: &str, hint: &str| {
            let error = AdminError::from_reply(StatusCode::from_u16(status).expect("a status"), body);
            assert_eq!((error.to_string().as_str(), error.hint().as_str()), (want, hint), "{status}");
        };
        let own = "use a token with role = \"admin\", or role = \"purge\" for all these sites";
        check(403, br#"{"error":"deploy may not purge shop","hint":"ask"}"#, "403: deploy may not purge shop", "ask");
        check(403, br#"{"error":"deploy may not purge shop"}"#, "403: deploy may not purge shop", own);
        check(403, b"no\x1b[2J", "403: no [2J", own);
        check(500, b"", "500: Internal Server Error", "look at the node's log");
        check(599, b" ", "599: no reason given", "look at the node's log");
        let whose = "it is none of [[tokens]] in the node's fleet file";
        let unknown = format!(r#"{{"error":"the token is not accepted","hint":"{whose}"}}"#);
        check(401, unknown.as_bytes(), "401: the token is not accepted", whose);
        let long = "x".repeat(MAX_SHOWN_CHARS + 1);
        let cut = format!("500: {}…", "x".repeat(MAX_SHOWN_CHARS));
        check(500, long.as_bytes(), &cut, "look at the node's log");
    }

    #[test]
    fn what_may_have_been_done() {
        let answered = |status: u16| AdminError::from_reply(StatusCode::from_u16(status).expect("a status"), b"");
        let late = |stage| AdminError::Timeout { addr: "a".into(), after: Duration::ZERO, stage };
        for (error, open, may_pass) in [
            (late(Stage::Connect), false, true),
            (late(Stage::Answer), true, true),
            (answered(401), false, true),
            (answered(403), false, false),
            (answered(400), false, false),
            (answered(409), false, false),
            (answered(429), false, true),
            (answered(503), true, true),
            (AdminError::NotUnderstood { addr: "a".into(), what: "x".into() }, true, true),
            (AdminError::BadToken, false, false),
        ] {
            assert_eq!((error.leaves_open(), error.may_pass()), (open, may_pass), "{error}");
        }
    }

    #[test]
    fn what_is_tried_again() {
        let answered = |status| AdminError::from_reply(status, b"");
        for (error, transient, refusal) in [
            (answered(StatusCode::UNAUTHORIZED), false, true),
            (answered(StatusCode::FORBIDDEN), false, true),
            (answered(StatusCode::BAD_REQUEST), false, false),
            (answered(StatusCode::TOO_MANY_REQUESTS), false, true),
            (answered(StatusCode::CONFLICT), false, true),
            (answered(StatusCode::SERVICE_UNAVAILABLE), true, false),
            (AdminError::Unreachable { addr: "a".into(), cause: io::ErrorKind::ConnectionRefused.into() }, true, false),
            (AdminError::Timeout { addr: "a".into(), after: Duration::ZERO, stage: Stage::Answer }, false, false),
        ] {
            assert_eq!((error.is_transient(), error.is_refusal()), (transient, refusal), "{error}");
        }
    }
}
