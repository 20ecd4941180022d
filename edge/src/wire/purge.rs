//! `POST /purges` and `/log`: what the home of the purge log is asked, and what it answers.

use super::log::RecordLine;
use crate::core::purge;
use serde::{Deserialize, Serialize};

/// How many selectors one request may carry.
pub const MAX_SELECTORS: usize = 10_000;

/// Longest text of a target, in bytes: a URL as long as nodes take.
pub const MAX_TARGET_BYTES: usize = 8 << 10;

/// Largest request body, in bytes.
pub const MAX_BODY_BYTES: usize = 16 << 20;

/// One thing that is to be purged. URLs are as people type them: the node brings them into its own form.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Target {
    /// One URL, all schemes and variants.
    Url {
        /// An absolute URL.
        url: String,
    },
    /// Every URL of a host whose path begins like this one's.
    Prefix {
        /// An absolute URL without a query.
        url: String,
    },
    /// Every response of a site that carries a tag.
    Tag {
        /// The site's name.
        site: String,
        /// The tag.
        tag: String,
    },
    /// Every URL of a host.
    Host {
        /// The host.
        host: String,
    },
    /// Every URL of a site.
    Site {
        /// The site's name.
        site: String,
    },
    /// Everything.
    Everything,
}

impl Target {
    /// How long its text is, in bytes.
    pub const fn text_bytes(&self) -> usize {
        match self {
            Self::Url { url } | Self::Prefix { url } => url.len(),
            Self::Tag { site, tag } => site.len() + tag.len(),
            Self::Host { host } => host.len(),
            Self::Site { site } => site.len(),
            Self::Everything => 0,
        }
    }
}

/// `GET /log`: the purge log, as its home knows it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LogReply {
    /// The home.
    pub node: String,
    /// The last record.
    pub head: String,
    /// Whether the log goes on elsewhere.
    pub sealed: bool,
    /// The nodes, those of the fleet file and whoever else follows the log.
    pub nodes: Vec<NodeReply>,
}

/// `GET /log/records`: what the purge log's home has recorded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordsReply {
    /// The last record that there is.
    pub head: String,
    /// The number of the last one that was looked at: what follows is asked for with it.
    pub last: u64,
    /// Whether that was the head.
    pub is_all: bool,
    /// The records, the oldest first: those that the token may see.
    pub records: Vec<RecordLine>,
}

/// `GET /log/purges/…`: one purge.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StatusReply {
    /// The home.
    pub node: String,
    /// Who purged what and when.
    pub record: RecordLine,
    /// Whether no node serves anything any more that it selects, from before it.
    pub proven: bool,
    /// The nodes, those of the fleet file and whoever else follows the log.
    pub nodes: Vec<NodeReply>,
}

/// The body of `POST /log/forget`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ForgetRequest {
    /// The node that does not run any more.
    pub node: String,
}

/// What becomes of what is selected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Never serve it again.
    #[default]
    Hard,
    /// Take it for stale.
    Soft,
}

impl From<purge::Mode> for Mode {
    fn from(mode: purge::Mode) -> Self {
        match mode {
            purge::Mode::Hard => Self::Hard,
            purge::Mode::Soft => Self::Soft,
        }
    }
}

impl From<Mode> for purge::Mode {
    fn from(mode: Mode) -> Self {
        match mode {
            Mode::Hard => Self::Hard,
            Mode::Soft => Self::Soft,
        }
    }
}

/// The body of `POST /purges`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PurgeRequest {
    /// What to purge: 1 to [`MAX_SELECTORS`]. All of it is applied, or none.
    pub targets: Vec<Target>,
    /// How.
    #[serde(default)]
    pub mode: Mode,
    /// By which a retry is known: 1 to 64 of `A-Z a-z 0-9 - _ . :`. Without one, each request is another purge.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// What the answer waits for.
    #[serde(default, skip_serializing_if = "Wait::is_all")]
    pub wait: Wait,
    /// For how long, in milliseconds: 10,000 unless said otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<u64>,
}

impl PurgeRequest {
    /// A purge that is waited for.
    pub const fn new(targets: Vec<Target>, mode: Mode) -> Self {
        Self { targets, mode, id: None, wait: Wait::All, timeout_ms: None }
    }
}

/// What the answer to a purge waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Wait {
    /// Until every node has applied it.
    #[default]
    All,
    /// Until it is recorded.
    None,
}

impl Wait {
    const fn is_all(&self) -> bool {
        matches!(self, Self::All)
    }
}

/// How long an answer waits unless the request says otherwise, and at most.
pub const DEFAULT_WAIT_MS: u64 = 10_000;
/// The longest that an answer waits.
pub const MAX_WAIT_MS: u64 = 600_000;

/// A node, as the home of the purge log knows it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NodeReply {
    /// Its name.
    pub node: String,
    /// Which process of it; none if it does not run: then it serves nothing that is stored until it has caught up.
    pub boot_id: Option<String>,
    /// Up to where it has applied the log, if it has said so.
    pub applied: Option<String>,
    /// Whether it serves nothing any more that the purge selects.
    pub proven: bool,
    /// What it is for, `edge` or `shield`, if the home's fleet file has it.
    #[serde(default)]
    pub role: Option<String>,
    /// How many records it has still to apply, if it has said how far it is.
    #[serde(default)]
    pub lag: Option<u64>,
    /// For how long its lease may still last, in milliseconds, if it serves under leases alone.
    #[serde(default)]
    pub lease_ms: Option<u64>,
    /// Whether its stream to the home is open; none if the home does not say.
    #[serde(default)]
    pub connected: Option<bool>,
    /// When that was known, in milliseconds since the home was asked; none if that was not waited for.
    #[serde(default)]
    pub ms: Option<f64>,
}

/// The media type of an answer in lines, for who accepts it.
pub const LINES_TYPE: &str = "application/x-ndjson";

/// The answer of the purge log's home in lines, each as soon as it is known.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum PurgeLine {
    /// The purge is recorded.
    Recorded {
        /// Where.
        position: String,
        /// How many nodes are waited for.
        waits_for: usize,
    },
    /// A node is proven.
    Node(NodeReply),
    /// The last line: what the answer is in one piece.
    Done(PurgeReply),
}

/// The answer of the purge log's home: the purge is recorded.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PurgeReply {
    /// The home.
    pub node: String,
    /// Where the purge is in the log, as in `1.42`: the epoch and the number.
    pub position: String,
    /// When it was recorded, in milliseconds since the Unix epoch.
    pub issued_at_ms: u64,
    /// Whether it was recorded now: a retry was recorded before.
    pub is_new: bool,
    /// How many selectors it has.
    pub targets: usize,
    /// Whether no node serves anything any more that it selects, from before it.
    pub proven: bool,
    /// The nodes, those of the fleet file and whoever else follows the log.
    pub nodes: Vec<NodeReply>,
}
