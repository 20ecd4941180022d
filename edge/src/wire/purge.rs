//! `POST /purges`: a purge as a client asks for it, and the node's receipt.

use crate::core::purge;
use serde::{Deserialize, Serialize};

/// How many selectors one request may carry.
pub const MAX_SELECTORS: usize = 10_000;

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
}

/// The receipt: the purge is applied on this node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PurgeReply {
    /// The node.
    pub node: String,
    /// Changes with every start of the node.
    pub boot_id: String,
    /// The number of the purge, in the node's own order.
    pub applied_seq: u64,
    /// How many selectors were applied.
    pub targets: usize,
}
