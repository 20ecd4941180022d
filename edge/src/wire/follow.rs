//! How a node follows the purge log: `POST /log/follow` on its home's admin server. The bodies of request and response are
//! lines, which both sides write for as long as the stream is open.

use super::log::MemberLine;
use serde::{Deserialize, Serialize};

/// Where a home is asked.
pub const PATH: &str = "/log/follow";

/// Longest line that a node sends, in bytes.
pub const MAX_NODE_LINE_BYTES: usize = 4096;

/// Longest line that a home sends, in bytes: a record of as many selectors as there may be, of the longest URLs.
pub const MAX_HOME_LINE_BYTES: usize = 64 << 20;

/// What comes before the bytes of a record, as they are kept. Other lines of the home are [`FromHome`].
pub const RECORD_MARK: u8 = b'R';

/// What a node says, a line of JSON each.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum FromNode {
    /// The first line.
    Hello {
        /// Who it is.
        member: MemberLine,
        /// Up to where it knows the log.
        at: String,
        /// The chain there.
        chain: String,
    },
    /// It asks for a lease.
    Beat {},
    /// It has applied the log up to here.
    Applied {
        /// Where.
        at: String,
    },
    /// It has drained, and ends.
    Drained {},
}

/// What a home says beside the records, a line of JSON each.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum FromHome {
    /// The first line: the records behind what the node knows follow.
    Behind {
        /// The last one that there is now.
        head: String,
    },
    /// The first line: the node hides all that it has, and starts here.
    AtHead {
        /// Where.
        head: String,
        /// The chain there.
        chain: String,
    },
    /// There is nothing behind this.
    Head {
        /// The last record.
        head: String,
    },
    /// The answer to [`FromNode::Beat`].
    Lease {
        /// The last record: the lease is for who has applied it.
        head: String,
        /// For how long, in milliseconds, from when it was asked for.
        ms: u64,
    },
    /// The first and only line: the node is not taken.
    Refused {
        /// Why not.
        error: String,
        /// What to do.
        hint: String,
    },
}
