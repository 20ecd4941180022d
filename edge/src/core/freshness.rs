//! How long a response stays fresh, and how old it is (RFC 9111 §4.2).
//!
//! [`Freshness`] is worked out once, when a response is stored or validated, and travels with the stored entry; every
//! later question (age, fresh or stale, for how long) is arithmetic on it and on `now`.

use super::cache_control::fields::{parse_digits, trim_ows};
use super::cache_control::{DEFAULT_TARGET_LIST, DirectiveSource, MAX_DELTA, ResponseDirectives, effective_directives};
use super::store_rule::head::{ResponseHead, is_heuristically_cacheable};
use super::time::{Timestamp, parse_http_date};
use http::StatusCode;
use http::header::{self, HeaderMap, HeaderName};
use std::time::Duration;

/// Longest heuristic lifetime unless the site says otherwise: one day, what browsers and other caches use.
pub const DEFAULT_HEURISTIC_CAP: Duration = Duration::from_secs(24 * 3600);

/// Share of the time since `Last-Modified` that counts as lifetime, "a typical setting" in RFC 9111 §4.2.2.
pub const DEFAULT_HEURISTIC_PERCENT: u32 = 10;

/// What a site says about lifetimes. The default follows RFC 9111 alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LifetimePolicy {
    /// The targeted fields that apply, first the preferred one (RFC 9213 §2.2).
    pub target_list: Vec<HeaderName>,
    /// Lifetime of a response that states none and whose status allows one; replaces the heuristics.
    pub default_ttl: Option<Duration>,
    /// Lifetime by status for responses that state none, whatever the status: 404 for a minute, 503 for a second.
    pub negative_ttls: Vec<(StatusCode, Duration)>,
    /// No lifetime is longer than this, wherever it comes from.
    pub max_ttl: Option<Duration>,
    /// What to do with a response that states no lifetime when there is no default (RFC 9111 §4.2.2).
    pub heuristic: Heuristic,
    /// Window of stale-while-revalidate for responses that state none.
    pub default_stale_while_revalidate: Duration,
    /// Window of stale-if-error for responses that state none.
    pub default_stale_if_error: Duration,
    /// Whether `s-maxage` forbids stale answers even where the same response grants a window.
    pub s_maxage_stale: SMaxageStale,
}

impl Default for LifetimePolicy {
    fn default() -> Self {
        Self {
            target_list: DEFAULT_TARGET_LIST.to_vec(),
            default_ttl: None,
            negative_ttls: Vec::new(),
            max_ttl: None,
            heuristic: Heuristic::default(),
            default_stale_while_revalidate: Duration::ZERO,
            default_stale_if_error: Duration::ZERO,
            s_maxage_stale: SMaxageStale::Forbids,
        }
    }
}

/// Heuristic freshness (RFC 9111 §4.2.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heuristic {
    /// A response without a stated lifetime is stale at once.
    Off,
    /// A share of the time between `Last-Modified` and `Date`.
    LastModified {
        /// The share, in percent.
        percent: u32,
        /// No longer than this.
        cap: Duration,
    },
}

impl Default for Heuristic {
    fn default() -> Self {
        Self::LastModified { percent: DEFAULT_HEURISTIC_PERCENT, cap: DEFAULT_HEURISTIC_CAP }
    }
}

/// What `s-maxage` means for stale answers.
///
/// It "incorporates the semantics of the proxy-revalidate response directive" (RFC 9111 §5.2.2.10): a shared cache
/// never serves such a response stale. Yet `s-maxage=60, stale-while-revalidate=600` is a common wish at CDNs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SMaxageStale {
    /// Never stale, as the RFC has it.
    #[default]
    Forbids,
    /// Stale within a window that the same response states (RFC 5861); a site's default window doesn't count.
    YieldsToStatedWindows,
}

/// Where a lifetime comes from, in the order of precedence (RFC 9111 §4.2.1, RFC 9213 §2.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LifetimeSource {
    /// `s-maxage` of a targeted field.
    TargetedSMaxage,
    /// `max-age` of a targeted field.
    TargetedMaxAge,
    /// `s-maxage` of `Cache-Control`.
    SMaxage,
    /// `max-age` of `Cache-Control`.
    MaxAge,
    /// `Expires` less `Date`.
    Expires,
    /// An `Expires` that can't be read: expired already (RFC 9111 §5.3).
    InvalidExpires,
    /// The site's lifetime for this status.
    NegativeTtl(StatusCode),
    /// The site's lifetime for responses that state none.
    SiteDefault,
    /// A share of the time since `Last-Modified`.
    Heuristic,
    /// Nothing gives it one: it is stale at once.
    Unstated,
}

impl LifetimeSource {
    /// A word for metrics, Cache-Status and `explain`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::TargetedSMaxage => "targeted-s-maxage",
            Self::TargetedMaxAge => "targeted-max-age",
            Self::SMaxage => "s-maxage",
            Self::MaxAge => "max-age",
            Self::Expires => "expires",
            Self::InvalidExpires => "invalid-expires",
            Self::NegativeTtl(_) => "negative-ttl",
            Self::SiteDefault => "site-default",
            Self::Heuristic => "heuristic",
            Self::Unstated => "unstated",
        }
    }

    /// Whether the response itself states its lifetime (RFC 9111 §4.2: "explicit").
    pub const fn is_explicit(self) -> bool {
        match self {
            Self::TargetedSMaxage | Self::TargetedMaxAge | Self::SMaxage | Self::MaxAge => true,
            Self::Expires | Self::InvalidExpires => true,
            Self::NegativeTtl(_) | Self::SiteDefault | Self::Heuristic | Self::Unstated => false,
        }
    }
}

/// How long a response is fresh, counted from the moment when the origin made it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lifetime {
    /// The lifetime, after the site's maximum.
    pub duration: Duration,
    /// Where it comes from.
    pub source: LifetimeSource,
}

impl Lifetime {
    /// The freshness lifetime of a response (RFC 9111 §4.2.1): of a targeted field's or `Cache-Control`'s `s-maxage`
    /// and `max-age`, then `Expires` less `Date`, then what the site says for the status or for all, then the
    /// heuristic. `response_time` stands in for a `Date` that is missing or can't be read.
    pub fn of(
        head: ResponseHead<'_>,
        directives: &ResponseDirectives,
        policy: &LifetimePolicy,
        response_time: Timestamp,
    ) -> Self {
        let stated = explicit(head.headers, directives, response_time);
        let lifetime = stated.unwrap_or_else(|| granted(head, directives, policy, response_time));
        Self { duration: lifetime.duration.min(policy.max_ttl.unwrap_or(Duration::MAX)), ..lifetime }
    }
}

/// Whether, and by whose word, a stale response may be served (RFC 9111 §4.2.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StaleRule {
    /// Within its windows.
    WithinWindows,
    /// Never: `no-cache`.
    NoCache,
    /// Never: `must-revalidate`.
    MustRevalidate,
    /// Never: `proxy-revalidate`.
    ProxyRevalidate,
    /// Never: `s-maxage`.
    SMaxage,
}

/// All that a stored response needs for questions about time. Copied with the entry; see [`Freshness::of`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Freshness {
    /// How long it is fresh, and by whose word.
    pub lifetime: Lifetime,
    /// How old it was when it was received (`corrected_initial_age`, RFC 9111 §4.2.3).
    pub initial_age: Duration,
    /// When it was received, or last validated.
    pub response_time: Timestamp,
    /// How long after its expiry it may be served while a refresh runs (RFC 5861 §3). Zero where forbidden.
    pub stale_while_revalidate: Duration,
    /// How long after its expiry it may be served instead of an error (RFC 5861 §4). Zero where forbidden.
    pub stale_if_error: Duration,
    /// Whether it may be served stale at all.
    pub stale_rule: StaleRule,
    /// Whether it does not change while it is fresh, so that there is nothing to validate (RFC 8246).
    pub immutable: bool,
}

impl Freshness {
    /// Works out the freshness of a response.
    ///
    /// `request_time` is when its request was sent, `response_time` when its head arrived. After a validation, call it
    /// again with the merged head and with the times of the validation (RFC 9111 §4.3.4).
    pub fn of(
        head: ResponseHead<'_>,
        policy: &LifetimePolicy,
        request_time: Timestamp,
        response_time: Timestamp,
    ) -> Self {
        let directives = effective_directives(head.headers, &policy.target_list);
        let stale_rule = stale_rule(&directives, policy);
        let window = |stated: Option<Duration>, default: Duration| match stale_rule {
            StaleRule::WithinWindows if directives.s_maxage.is_some() => stated.unwrap_or(Duration::ZERO),
            StaleRule::WithinWindows => stated.unwrap_or(default),
            _ => Duration::ZERO,
        };
        Self {
            lifetime: Lifetime::of(head, &directives, policy, response_time),
            initial_age: corrected_initial_age(head.headers, request_time, response_time),
            response_time,
            stale_while_revalidate: window(directives.stale_while_revalidate, policy.default_stale_while_revalidate),
            stale_if_error: window(directives.stale_if_error, policy.default_stale_if_error),
            stale_rule,
            immutable: directives.immutable,
        }
    }

    /// Its age (`current_age`, RFC 9111 §4.2.3). Never decreases as `now` grows.
    pub fn age_at(&self, now: Timestamp) -> Duration {
        self.initial_age.saturating_add(now.since(self.response_time))
    }

    /// Its age in whole seconds, as the `Age` field has it: rounded down, at most 2³¹ (RFC 9111 §1.2.2, §5.1).
    pub fn age_secs_at(&self, now: Timestamp) -> u64 {
        self.age_at(now).min(MAX_DELTA).as_secs()
    }

    /// Whether its lifetime exceeds its age (RFC 9111 §4.2). `no-cache` is not looked at: that is
    /// [`crate::core::reuse`]'s to ask.
    pub fn fresh_at(&self, now: Timestamp) -> bool {
        self.lifetime.duration > self.age_at(now)
    }

    /// How long it remains fresh, in milliseconds; zero or less once it is stale.
    pub fn ttl_ms_at(&self, now: Timestamp) -> i64 {
        let millis = |duration: Duration| i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
        millis(self.lifetime.duration).saturating_sub(millis(self.age_at(now)))
    }

    /// How long it remains fresh, in whole seconds rounded down; negative once it is stale (RFC 9211 §2.4).
    pub fn ttl_secs_at(&self, now: Timestamp) -> i64 {
        self.ttl_ms_at(now).div_euclid(1000)
    }

    /// For how long it has been stale; zero while it is fresh, and in the moment of its expiry.
    pub fn stale_for(&self, now: Timestamp) -> Duration {
        self.age_at(now).saturating_sub(self.lifetime.duration)
    }

    /// When its lifetime ends or ended; [`Timestamp::EPOCH`] at the earliest.
    pub fn expires_at(&self) -> Timestamp {
        self.response_time.saturating_add(self.lifetime.duration).saturating_sub(self.initial_age)
    }

    /// Whether it must be validated before each reuse, fresh or not (`no-cache`, RFC 9111 §5.2.2.4).
    pub const fn needs_validation_always(&self) -> bool {
        matches!(self.stale_rule, StaleRule::NoCache)
    }
}

/// How old a response was on arrival (RFC 9111 §4.2.3): the larger of the age by its `Date` and the age that the tiers
/// above count plus the time the exchange took.
///
/// `Date` has whole seconds, so the moment of arrival is rounded down before the comparison; otherwise every response
/// would arrive up to a second old.
pub fn corrected_initial_age(headers: &HeaderMap, request_time: Timestamp, response_time: Timestamp) -> Duration {
    let date = date_of(headers, response_time);
    let apparent_age = response_time.floor_to_second().since(date);
    let response_delay = response_time.since(request_time);
    apparent_age.max(age_value(headers).saturating_add(response_delay))
}

/// The `Age` of a message (RFC 9111 §5.1): of several the first, clamped to 2³¹ seconds; zero when there is none or
/// when it can't be read, for then "a cache SHOULD ignore the field".
pub fn age_value(headers: &HeaderMap) -> Duration {
    let Some(line) = headers.get(header::AGE) else { return Duration::ZERO };
    let first = line.as_bytes().split(|&byte| byte == b',').next().unwrap_or_default();
    let seconds = parse_digits(trim_ows(first)).unwrap_or(0);
    Duration::from_secs(seconds).min(MAX_DELTA)
}

fn date_of(headers: &HeaderMap, response_time: Timestamp) -> Timestamp {
    headers.get(header::DATE).and_then(parse_http_date).unwrap_or(response_time)
}

fn explicit(headers: &HeaderMap, directives: &ResponseDirectives, response_time: Timestamp) -> Option<Lifetime> {
    let targeted = directives.source == DirectiveSource::Targeted;
    let (s_maxage, max_age) = match targeted {
        true => (LifetimeSource::TargetedSMaxage, LifetimeSource::TargetedMaxAge),
        false => (LifetimeSource::SMaxage, LifetimeSource::MaxAge),
    };
    if let Some(duration) = directives.s_maxage {
        return Some(Lifetime { duration, source: s_maxage });
    }
    if let Some(duration) = directives.max_age {
        return Some(Lifetime { duration, source: max_age });
    }
    if targeted { None } else { expires(headers, response_time) }
}

/// `Expires` less `Date` (RFC 9111 §4.2.1). Of several `Expires` that can be read the earliest counts; one that can't
/// be read, "especially the value 0", means expired already (§5.3).
fn expires(headers: &HeaderMap, response_time: Timestamp) -> Option<Lifetime> {
    let mut lines = headers.get_all(header::EXPIRES).iter().map(parse_http_date).peekable();
    lines.peek()?;
    let earliest = lines.try_fold(Timestamp::MAX, |earliest, line| line.map(|time| time.min(earliest)));
    Some(match earliest {
        Some(time) => {
            let duration = time.since(date_of(headers, response_time).floor_to_second()).min(MAX_DELTA);
            Lifetime { duration, source: LifetimeSource::Expires }
        }
        None => Lifetime { duration: Duration::ZERO, source: LifetimeSource::InvalidExpires },
    })
}

/// The lifetime of a response that states none.
fn granted(
    head: ResponseHead<'_>,
    directives: &ResponseDirectives,
    policy: &LifetimePolicy,
    response_time: Timestamp,
) -> Lifetime {
    if let Some((status, duration)) = policy.negative_ttls.iter().find(|(status, _)| *status == head.status) {
        return Lifetime { duration: *duration, source: LifetimeSource::NegativeTtl(*status) };
    }
    if is_heuristically_cacheable(head.status) || directives.public {
        if let Some(duration) = policy.default_ttl {
            return Lifetime { duration, source: LifetimeSource::SiteDefault };
        }
        if let Some(duration) = heuristic(head.headers, policy.heuristic, response_time) {
            return Lifetime { duration, source: LifetimeSource::Heuristic };
        }
    }
    Lifetime { duration: Duration::ZERO, source: LifetimeSource::Unstated }
}

/// A share of the time between `Last-Modified` and `Date` (RFC 9111 §4.2.2).
fn heuristic(headers: &HeaderMap, heuristic: Heuristic, response_time: Timestamp) -> Option<Duration> {
    let Heuristic::LastModified { percent, cap } = heuristic else { return None };
    let last_modified = headers.get(header::LAST_MODIFIED).and_then(parse_http_date)?;
    let unchanged_for = date_of(headers, response_time).since(last_modified);
    Some(unchanged_for.saturating_mul(percent.min(100)) / 100).map(|share| share.min(cap))
}

fn stale_rule(directives: &ResponseDirectives, policy: &LifetimePolicy) -> StaleRule {
    if directives.no_cache_whole() {
        StaleRule::NoCache
    } else if directives.must_revalidate {
        StaleRule::MustRevalidate
    } else if directives.proxy_revalidate {
        StaleRule::ProxyRevalidate
    } else if directives.s_maxage.is_some() && policy.s_maxage_stale == SMaxageStale::Forbids {
        StaleRule::SMaxage
    } else {
        StaleRule::WithinWindows
    }
}

#[cfg(test)]
mod tests;
