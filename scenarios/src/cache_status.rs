//! What the edge says it did with a request: the last member of `Cache-Status` (RFC 9211).

use serde::Serialize;
use sfv::{List, ListEntry, Parameters, Parser};

/// What a cache did with a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Answered from the store, fresh.
    Hit,
    /// Answered from the store, stale.
    Stale,
    /// Asked the tier above, which said that what was stored is still right.
    Revalidated,
    /// Joined a request of another client that was on its way already.
    Collapsed,
    /// Fetched.
    Miss,
    /// Not a matter of the cache: passed on.
    Pass,
    /// The response doesn't say.
    Unknown,
}

impl Outcome {
    /// All of them.
    pub const ALL: [Self; 7] =
        [Self::Hit, Self::Stale, Self::Revalidated, Self::Collapsed, Self::Miss, Self::Pass, Self::Unknown];

    /// Reads the field, whose last member is the cache nearest to the client.
    pub fn of(cache_status: Option<&str>) -> Self {
        let list = cache_status.and_then(|text| Parser::new(text).parse::<List>().ok());
        match list.as_ref().and_then(|list| list.last()) {
            Some(ListEntry::Item(item)) => Self::of_member(&item.params),
            _ => Self::Unknown,
        }
    }

    fn of_member(parameters: &Parameters) -> Self {
        let truth = |key: &str| parameters.get(key).and_then(|value| value.as_boolean()).unwrap_or(false);
        let number = |key: &str| parameters.get(key).and_then(|value| value.as_integer()).map(i64::from);
        let text = |key: &str| {
            let value = parameters.get(key)?;
            value.as_string().map(|text| text.as_str()).or_else(|| value.as_token().map(|token| token.as_str()))
        };
        if truth("hit") {
            return if number("ttl").is_some_and(|ttl| ttl < 0) { Self::Stale } else { Self::Hit };
        }
        let forward = parameters.get("fwd").and_then(|value| value.as_token()).map(|token| token.as_str());
        match forward {
            Some("bypass" | "method") => Self::Pass,
            Some(_) if truth("collapsed") => Self::Collapsed,
            Some("stale" | "request") if number("fwd-status") == Some(304) => Self::Revalidated,
            Some("stale") if text("detail") == Some("stale-if-error") => Self::Stale,
            Some(_) => Self::Miss,
            None => Self::Unknown,
        }
    }

    /// Whether the client waited for no tier above.
    pub const fn is_hit(self) -> bool {
        matches!(self, Self::Hit | Self::Stale)
    }

    /// Whether the client waited for a tier above to have something that could have been stored.
    pub const fn is_miss(self) -> bool {
        matches!(self, Self::Miss | Self::Collapsed | Self::Revalidated)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_member_decides() {
        for (field, want) in [
            (Some("shield-1; fwd=uri-miss; stored, fra-1; hit; ttl=57"), Outcome::Hit),
            (Some("shield-1; hit; ttl=9, fra-1; fwd=uri-miss; stored"), Outcome::Miss),
            (Some("fra-1; hit; ttl=-3"), Outcome::Stale),
            (Some("fra-1; hit"), Outcome::Hit),
            (Some("fra-1; fwd=stale; fwd-status=304; stored"), Outcome::Revalidated),
            (Some("fra-1; fwd=stale; fwd-status=200"), Outcome::Miss),
            (Some("fra-1; fwd=uri-miss; collapsed"), Outcome::Collapsed),
            (Some("\"fra 1\"; fwd=bypass"), Outcome::Pass),
            (Some("fra-1"), Outcome::Unknown),
            (Some("fra-1; hit, ("), Outcome::Unknown),
            (Some(""), Outcome::Unknown),
            (None, Outcome::Unknown),
        ] {
            assert_eq!(Outcome::of(field), want, "{field:?}");
        }
    }
}
