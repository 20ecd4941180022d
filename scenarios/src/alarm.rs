//! Sleeps that end on time.
//!
//! The timers of tokio tick once a millisecond and always round up. An exchange over an emulated link sleeps twice, and
//! the load generator before it once more, so a hit at a round trip of 10 ms would be reported as one of 14. Here one
//! thread sleeps for all, as precisely as the system can: within some tens of microseconds on a machine that is idle.

use crate::clock;
use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::sync::LazyLock;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::Instant;

/// How long the thread sleeps when it has nothing to do.
const IDLE: Duration = Duration::from_secs(3600);

/// Somebody who sleeps. There are never more than there are tasks that wait.
struct Sleeper {
    due: Instant,
    wake: oneshot::Sender<()>,
}

static SLEEPERS: LazyLock<Sender<Sleeper>> = LazyLock::new(|| {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || ring(&receiver));
    sender
});

/// Sleeps until a time, never less.
pub async fn sleep_until(due: Instant) {
    if due <= clock::now() {
        return;
    }
    let (wake, woken) = oneshot::channel();
    let is_told = SLEEPERS.send(Sleeper { due, wake }).is_ok();
    if !is_told || woken.await.is_err() {
        // The thread never ends; but if it did, late would be better than never.
        tokio::time::sleep_until(due).await;
    }
}

fn ring(receiver: &Receiver<Sleeper>) {
    let mut sleepers: BinaryHeap<Sleeper> = BinaryHeap::new();
    loop {
        let now = clock::now();
        while sleepers.peek().is_some_and(|first| first.due <= now) {
            // Whoever has stopped waiting needs no waking.
            let _ = sleepers.pop().map(|first| first.wake.send(()));
        }
        let pause = sleepers.peek().map_or(IDLE, |first| first.due.saturating_duration_since(now));
        match receiver.recv_timeout(pause) {
            Ok(sleeper) => sleepers.push(sleeper),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

// The heap gives the greatest first: who is due first is the greatest.
impl Ord for Sleeper {
    fn cmp(&self, other: &Self) -> Ordering {
        other.due.cmp(&self.due)
    }
}

impl PartialOrd for Sleeper {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Sleeper {
    fn eq(&self, other: &Self) -> bool {
        self.due == other.due
    }
}

impl Eq for Sleeper {}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn nobody_wakes_early_and_all_in_order() {
        let start = clock::now();
        let sleep = |ms: u64| async move {
            let due = start + Duration::from_millis(ms);
            sleep_until(due).await;
            let woken = clock::now();
            assert!(woken >= due, "{ms} ms: early by {:?}", due - woken);
            woken
        };
        let (late, early, middle, past) = tokio::join!(sleep(30), sleep(5), sleep(15), sleep(0));
        assert!(past <= early && early <= middle && middle <= late);
    }
}
