//! Layer 3b: how much each token has purged of late, on the home of the purge log.

use crate::config::TokenSpec;
use crate::core::id::TokenId;
use crate::core::quota::Budget;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use thiserror::Error;

/// The budgets of all tokens that have purged something. No more than the fleet file has had since the node runs.
#[derive(Debug)]
pub struct Quotas {
    began: Instant,
    spent: Mutex<BTreeMap<TokenId, Spent>>,
}

#[derive(Debug, Default, Clone, Copy)]
struct Spent {
    purges: Budget,
    targets: Budget,
}

/// A token has purged as much as it may.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("token {token} may purge {most} {what} in a minute, and {}", if wait.is_some() { "has" } else { "this is more" })]
pub struct OverQuota {
    /// Which.
    pub token: TokenId,
    /// `times` or `targets`.
    pub what: &'static str,
    /// How many.
    pub most: u64,
    /// After how long it may again; `None` if it asks for more than it ever may at once.
    pub wait: Option<Duration>,
}

impl Quotas {
    /// Nothing spent yet. `now` is when.
    pub fn new(now: Instant) -> Self {
        Self { began: now, spent: Mutex::default() }
    }

    /// Takes a purge of so many targets from a token's budgets.
    ///
    /// # Errors
    /// [`OverQuota`]; nothing is taken then.
    pub fn take(&self, token: &TokenSpec, targets: u64, now: Instant) -> Result<(), OverQuota> {
        let now = now.saturating_duration_since(self.began);
        let over = |what, most, wait| OverQuota { token: token.id.clone(), what, most, wait };
        let mut all = self.spent.lock();
        let spent = all.entry(token.id.clone()).or_default();
        let mut next = *spent;
        let quota = token.quota;
        next.purges.take(1, quota.purges, now).map_err(|wait| over("times", quota.purges, wait))?;
        next.targets.take(targets, quota.targets, now).map_err(|wait| over("targets", quota.targets, wait))?;
        *spent = next;
        Ok(())
    }
}
