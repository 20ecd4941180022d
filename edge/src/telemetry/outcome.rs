//! What the cache did for a request.

/// `cdn.cache.status`: what the cache did for a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CacheOutcome {
    /// Answered from the store, fresh.
    Hit,
    /// Answered from the store, stale: while it is refreshed, or because the tier above failed.
    Stale,
    /// Answered from the store after the tier above said that it is still good.
    Revalidated,
    /// Fetched, and open to be stored.
    Miss,
    /// Answered with what another request fetched at the same time.
    Collapsed,
    /// Fetched, and not stored because the response or the request forbids it.
    Bypass,
    /// Sent past the cache: by a site rule, the method or a request body.
    Pass,
    /// Answered with an error of the node's own.
    Error,
}

impl CacheOutcome {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 8] =
        [Self::Hit, Self::Stale, Self::Revalidated, Self::Miss, Self::Collapsed, Self::Bypass, Self::Pass, Self::Error];

    /// The word for it in metrics and statistics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Hit => "hit",
            Self::Stale => "stale",
            Self::Revalidated => "revalidated",
            Self::Miss => "miss",
            Self::Collapsed => "collapsed",
            Self::Bypass => "bypass",
            Self::Pass => "pass",
            Self::Error => "error",
        }
    }

    /// Whether the body came from the store.
    pub const fn from_store(self) -> bool {
        matches!(self, Self::Hit | Self::Stale | Self::Revalidated | Self::Collapsed)
    }
}
