//! A gate that a test opens.

use tokio::sync::watch;

/// Closed until it is opened. Clones are the same gate.
#[derive(Debug, Clone)]
pub(crate) struct Gate(watch::Sender<bool>);

impl Gate {
    /// A closed one.
    pub(crate) fn new() -> Self {
        Self(watch::Sender::new(false))
    }

    /// Lets everybody through, now and later.
    pub(crate) fn open(&self) {
        self.0.send_replace(true);
    }

    /// Stops those that come from now on.
    pub(crate) fn close(&self) {
        self.0.send_replace(false);
    }

    /// Waits until it is open.
    pub(super) async fn pass(&self) {
        // The sender lives in this gate, so the wait can't fail.
        let _ = self.0.subscribe().wait_for(|open| *open).await;
    }
}
