//! The places for the admin server's connections. There are as many as may be open at once. When all are taken, the
//! connection that has gone longest without a whole request has to go for the next one: so those who open connections and
//! trickle, or say nothing at all, drive out each other, and not those who have something to say. Whose body is still on
//! its way has to go when there is nobody without even a head.

use super::limits::CONNECTIONS;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

/// All places.
#[derive(Debug)]
pub(super) struct Places {
    free: Arc<Semaphore>,
    idle: Mutex<Idle>,
}

/// The connections that have no whole request, by what is missing, and by when that began.
#[derive(Debug, Default)]
struct Idle {
    next: u64,
    waiting: BTreeMap<Number, Arc<Notify>>,
}

type Number = (Missing, u64);

/// What a connection waits for. Who waits for a head goes before who waits for a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Missing {
    Head,
    Body,
}

/// One connection's place.
#[derive(Debug)]
pub(super) struct Place {
    places: Arc<Places>,
    leaves: Arc<Notify>,
    /// Under what it waits; `None` while it has a request.
    number: Mutex<Option<Number>>,
    permit: Mutex<Option<OwnedSemaphorePermit>>,
}

impl Places {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self { free: Arc::new(Semaphore::new(CONNECTIONS)), idle: Mutex::default() })
    }

    /// A place for a connection; `None` if all are taken by such as have a request.
    pub(super) async fn enter(self: &Arc<Self>) -> Option<Place> {
        let permit = match self.free.clone().try_acquire_owned() {
            Ok(permit) => permit,
            Err(_) => {
                let (_, oldest) = self.idle.lock().waiting.pop_first()?;
                oldest.notify_one();
                // It leaves without waiting for anybody.
                self.free.clone().acquire_owned().await.ok()?
            }
        };
        let place = Place {
            places: self.clone(),
            leaves: Arc::default(),
            number: Mutex::default(),
            permit: Mutex::new(Some(permit)),
        };
        place.wait_for_request();
        Some(place)
    }
}

impl Place {
    /// The connection has no request, and may have to leave.
    pub(super) fn wait_for_request(&self) {
        self.wait_for(Missing::Head);
    }

    /// The connection has a request whose body is to come, and may have to leave.
    pub(super) fn wait_for_body(&self) {
        self.wait_for(Missing::Body);
    }

    /// Whether what the connection waits for is a body: it is owed an answer then.
    pub(super) fn waits_for_body(&self) -> bool {
        matches!(*self.number.lock(), Some((Missing::Body, _)))
    }

    fn wait_for(&self, missing: Missing) {
        if !self.has_request() {
            return;
        }
        let mut idle = self.places.idle.lock();
        idle.next += 1;
        let number = (missing, idle.next);
        idle.waiting.insert(number, self.leaves.clone());
        *self.number.lock() = Some(number);
    }

    /// The connection has a request. `false` if it has to leave all the same.
    pub(super) fn has_request(&self) -> bool {
        let number = self.number.lock().take();
        number.is_none_or(|number| self.places.idle.lock().waiting.remove(&number).is_some())
    }

    /// The connection goes on without a place: it is counted elsewhere.
    pub(super) fn give_up(&self) {
        drop(self.permit.lock().take());
    }

    /// Waits until the connection has to leave.
    pub(super) async fn has_to_leave(&self) {
        self.leaves.notified().await;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.has_request();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn has_to_leave(place: &Place) -> impl Future<Output = bool> {
        let told = tokio::time::timeout(Duration::from_millis(1), place.has_to_leave());
        async { told.await.is_ok() }
    }

    #[tokio::test]
    async fn who_has_been_silent_longest_goes_for_the_next() {
        let places = Places::new();
        let mut inside = Vec::new();
        for _ in 0..CONNECTIONS {
            inside.push(places.enter().await.expect("a place"));
        }
        // The first has a request; the second had one, and waits for another.
        assert!(inside[0].has_request());
        assert!(inside[1].has_request());
        inside[1].wait_for_request();
        let entering = tokio::spawn({
            let places = places.clone();
            async move { places.enter().await.is_some() }
        });
        inside[2].has_to_leave().await;
        assert!(!inside[2].has_request(), "it is too late for one");
        assert!(!has_to_leave(&inside[0]).await && !has_to_leave(&inside[1]).await && !has_to_leave(&inside[3]).await);
        inside.remove(2);
        assert!(entering.await.expect("it ends"));
    }

    #[tokio::test]
    async fn who_has_a_head_goes_after_those_without() {
        let places = Places::new();
        let mut inside = Vec::new();
        for _ in 0..CONNECTIONS {
            let place = places.enter().await.expect("a place");
            assert!(place.has_request());
            place.wait_for_body();
            inside.push(place);
        }
        assert!(inside[1].has_request());
        inside[1].wait_for_request();
        for (leaving, owed) in [(1, false), (0, true)] {
            let entering = tokio::spawn({
                let places = places.clone();
                async move { places.enter().await }
            });
            inside[leaving].has_to_leave().await;
            assert_eq!(inside[leaving].waits_for_body(), owed);
            drop(inside.remove(leaving));
            let entered = entering.await.expect("it ends").expect("a place");
            assert!(entered.has_request());
            inside.push(entered);
        }
    }

    #[tokio::test]
    async fn who_has_a_request_does_not_go() {
        let places = Places::new();
        let mut inside = Vec::new();
        for _ in 0..CONNECTIONS {
            inside.push(places.enter().await.expect("a place"));
            assert!(inside.last().is_some_and(Place::has_request));
        }
        assert!(places.enter().await.is_none());
        inside.pop();
        assert!(places.enter().await.is_some());
    }
}
