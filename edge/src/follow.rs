//! Layer 3b: how nodes follow the purge log: the two sides of a stream of lines ([`crate::wire::follow`]), whatever carries
//! it. What they do is decided by [`crate::core::log`].

mod home_side;
mod lines;
mod node_side;

#[cfg(test)]
mod tests;

pub use home_side::attend;
pub use node_side::{Applies, Ended, NodeSide};

use crate::wire::line_of;
use bytes::Bytes;
use serde::Serialize;
use std::time::Duration;
use tokio::sync::mpsc;

/// How often a home says that there is nothing new.
pub const HEARTBEAT: Duration = Duration::from_secs(1);

/// Without a word for so long, a side takes the other one for gone.
pub const SILENCE: Duration = Duration::from_secs(10);

/// Pieces of a stream that wait for their reader. A piece may be a megabyte, and there are thousands of streams.
pub(crate) const WAITING: usize = 2;

/// One end of a stream.
#[derive(Debug)]
pub struct End {
    /// What the other side says, cut anywhere.
    pub incoming: mpsc::Receiver<Bytes>,
    /// To the other side.
    pub outgoing: mpsc::Sender<Bytes>,
}

impl End {
    /// The two ends of a stream within this process.
    pub fn pair() -> (Self, Self) {
        let ((to_one, of_one), (to_other, of_other)) = (mpsc::channel(WAITING), mpsc::channel(WAITING));
        (Self { incoming: of_one, outgoing: to_other }, Self { incoming: of_other, outgoing: to_one })
    }

    /// Sends a line; `false` if the other side is gone, or does not read.
    async fn say(&self, line: &impl Serialize) -> bool {
        self.send(line_of(line).into()).await
    }

    async fn send(&self, bytes: Bytes) -> bool {
        matches!(tokio::time::timeout(SILENCE, self.outgoing.send(bytes)).await, Ok(Ok(())))
    }
}
