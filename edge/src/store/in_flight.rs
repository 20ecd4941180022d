//! Which URLs are being fetched just now, from before the first byte of a request is sent until its response is in the
//! store or refused. Whatever makes stored responses invalid must reach these as well.

use crate::core::key::CacheKey;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;

/// The keys, before Vary, of all fetches under way. Bounded by the requests under way.
#[derive(Debug, Default)]
pub struct InFlight {
    fetches: Mutex<HashMap<CacheKey, usize>>,
}

/// One fetch, until it is dropped.
#[derive(Debug)]
pub struct Fetch {
    of: Arc<InFlight>,
    key: CacheKey,
}

impl InFlight {
    /// A fetch begins.
    pub fn enter(self: &Arc<Self>, key: CacheKey) -> Fetch {
        *self.fetches.lock().entry(key).or_default() += 1;
        Fetch { of: self.clone(), key }
    }

    /// Whether a fetch of this key is under way, other than `own`.
    pub fn contains_other(&self, key: &CacheKey, own: Option<&Fetch>) -> bool {
        let own = usize::from(own.is_some_and(|own| own.key == *key));
        self.fetches.lock().get(key).is_some_and(|&count| count > own)
    }
}

impl Drop for Fetch {
    fn drop(&mut self) {
        let mut fetches = self.of.fetches.lock();
        if let Some(count) = fetches.get_mut(&self.key) {
            *count -= 1;
            if *count == 0 {
                fetches.remove(&self.key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_there_until_its_last_fetch_ends() {
        let (all, key) = (Arc::new(InFlight::default()), CacheKey::from([1; 16]));
        let (first, second) = (all.enter(key), all.enter(key));
        assert!(all.contains_other(&key, Some(&first)));
        drop(first);
        assert!(all.contains_other(&key, None) && !all.contains_other(&key, Some(&second)));
        let other = all.enter(CacheKey::from([2; 16]));
        assert!(all.contains_other(&key, Some(&other)));
        drop((second, other));
        assert!(!all.contains_other(&key, None));
        assert!(all.fetches.lock().is_empty());
    }
}
