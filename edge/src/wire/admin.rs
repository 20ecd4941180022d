//! What the admin server says of itself, and how it says that something is wrong.

use serde::{Deserialize, Serialize};

/// The one line of JSON that a node prints on stdout as soon as it listens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listening {
    /// The node's name.
    pub node: String,
    /// The address that the public listener is bound to.
    pub public: String,
    /// The address that the admin listener is bound to.
    pub admin: String,
}

/// `GET /health` and `GET /ready`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// `ok`, `ready`, or what the node waits for.
    pub status: String,
    /// The node's name.
    pub node: String,
}

/// The body of every response of the admin server that reports an error.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorReply {
    /// What is wrong.
    pub error: String,
    /// What to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

impl ErrorReply {
    /// An error in words, as programs print it: what is wrong, and behind `hint:` on a line of its own what to do.
    pub fn read(text: &str) -> Self {
        match text.split_once("\n    hint: ") {
            Some((error, hint)) => Self { error: error.to_owned(), hint: Some(hint.to_owned()) },
            None => Self { error: text.to_owned(), hint: None },
        }
    }
}
