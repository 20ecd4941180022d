//! What `Cache-Control` and the fields aimed at CDNs say (RFC 9111 §5.2, RFC 9213, RFC 5861).
//!
//! Reading is total: whatever stands in the fields, there is an answer, and where the text is in doubt the answer is
//! the one that serves less from the cache:
//!
//! - A directive that forbids (`no-store`, `private`, `no-cache`, `must-revalidate`, `proxy-revalidate`,
//!   `no-transform`) counts whatever argument it carries.
//! - A directive that permits (`public`, `immutable`, `must-understand`) counts only in its exact form, and so does one
//!   that forbids or limits where it permits something as well (§3.5).
//! - A duration that can't be read is zero, "encouraged" by §4.2.1 for `max-age`. Of several, the smallest counts:
//!   §4.2.1 offers the first or "stale", and the smallest is never more than the first.
//! - A duration too large is 2³¹ seconds (§1.2.2).
//! - `no-cache` and `private` with and without field names mean the whole response; so does a list of names that is
//!   empty, can't be read, or names a field without which the rest would mean something else.
//! - A member that is more than a directive and its argument (`no-store; max-age=60`, `no-cache private`) is several
//!   directives of which none has the form that it should: those that forbid count, those that permit don't, and
//!   durations can't be read.
//! - A line whose quoted string doesn't end is read as if the quote were an ordinary character, permits nothing, and
//!   its response must be validated before each reuse.

pub mod fields;
mod targeted;

use fields::{Member, Quoting, is_inseparable, is_tchar, is_token, list_members, parse_digits, trim_ows, unquote};
use http::header::{self, HeaderMap, HeaderName};
use std::time::Duration;

/// Largest duration that a directive or an `Age` can state, 2³¹ seconds (RFC 9111 §1.2.2): longer ones become this.
pub const MAX_DELTA: Duration = Duration::from_secs(1 << 31);

/// Most field names that one `private="…"` or `no-cache="…"` may list; a longer list means the whole response.
pub const MAX_FIELD_NAMES: usize = 32;

/// The field that speaks to all CDNs (RFC 9213 §3.1).
pub static CDN_CACHE_CONTROL: HeaderName = HeaderName::from_static("cdn-cache-control");

/// The fields aimed at this cache, first the one that is preferred (RFC 9213 §2.2), unless the site says otherwise.
pub static DEFAULT_TARGET_LIST: [HeaderName; 1] = [HeaderName::from_static("cdn-cache-control")];

/// Where the directives that apply to a response stood.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DirectiveSource {
    /// Neither `Cache-Control` nor a targeted field is there.
    #[default]
    Absent,
    /// `Cache-Control`.
    CacheControl,
    /// A field of the target list: then `Cache-Control` and `Expires` are ignored (RFC 9213 §2.2).
    Targeted,
}

/// What a `private` or `no-cache` directive covers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FieldScope {
    /// The response as a whole.
    Whole,
    /// Only these fields: the rest may be stored and reused without them (RFC 9111 §5.2.2.4, §5.2.2.7).
    Fields(Vec<HeaderName>),
}

/// The directives of a response (RFC 9111 §5.2.2, RFC 5861 §3 and §4, RFC 8246).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ResponseDirectives {
    /// Which field these were read from.
    pub source: DirectiveSource,
    /// `no-store`, §5.2.2.5.
    pub no_store: bool,
    /// `no-cache`, §5.2.2.4: validate before each reuse.
    pub no_cache: Option<FieldScope>,
    /// `private`, §5.2.2.7: not for a shared cache.
    pub private: Option<FieldScope>,
    /// `public`, §5.2.2.9.
    pub public: bool,
    /// `must-revalidate`, §5.2.2.2: never served stale.
    pub must_revalidate: bool,
    /// `proxy-revalidate`, §5.2.2.8: never served stale by a shared cache.
    pub proxy_revalidate: bool,
    /// `must-understand`, §5.2.2.3: `no-store` is for caches that don't know the status.
    pub must_understand: bool,
    /// `public`, `must-revalidate` or `s-maxage`, in the form that each must have: what was had with credentials may be
    /// shared (§3.5).
    pub shares_authorized: bool,
    /// `no-transform`, §5.2.2.6.
    pub no_transform: bool,
    /// `immutable`, RFC 8246.
    pub immutable: bool,
    /// `max-age`, §5.2.2.1.
    pub max_age: Option<Duration>,
    /// `s-maxage`, §5.2.2.10.
    pub s_maxage: Option<Duration>,
    /// `stale-while-revalidate`, RFC 5861 §3.
    pub stale_while_revalidate: Option<Duration>,
    /// `stale-if-error`, RFC 5861 §4.
    pub stale_if_error: Option<Duration>,
}

impl ResponseDirectives {
    /// Reads `Cache-Control` from all its lines. Never fails: see the module's rules.
    pub fn from_cache_control(headers: &HeaderMap) -> Self {
        let source = match headers.contains_key(header::CACHE_CONTROL) {
            true => DirectiveSource::CacheControl,
            false => DirectiveSource::Absent,
        };
        let mut read = Self { source, ..Self::default() };
        for member in list_members(headers, &header::CACHE_CONTROL) {
            Directive::all_in(member).for_each(|directive| read.take(&directive));
            if member.quoting == Quoting::Unclosed {
                read.distrust();
            }
        }
        read
    }

    /// Reads one field aimed at CDNs, a dictionary of structured fields (RFC 9213 §2.1).
    ///
    /// `None` when the field is absent, empty, or not a dictionary: it is then as if it were not there. A known
    /// directive whose value has another type than it should is read in the safe direction, like in `Cache-Control`.
    pub fn from_targeted(headers: &HeaderMap, field: &HeaderName) -> Option<Self> {
        targeted::read(headers, field)
    }

    /// Whether some directive or none covers the whole response with `no-cache`.
    pub fn no_cache_whole(&self) -> bool {
        matches!(self.no_cache, Some(FieldScope::Whole))
    }

    /// The field names that `private="…"` and `no-cache="…"` list.
    pub fn listed_fields(&self) -> impl Iterator<Item = &HeaderName> {
        [&self.private, &self.no_cache].into_iter().flat_map(|scope| match scope {
            Some(FieldScope::Fields(names)) => names.as_slice(),
            Some(FieldScope::Whole) | None => &[],
        })
    }

    fn take(&mut self, directive: &Directive<'_>) {
        self.shares_authorized |= match directive.name.as_str() {
            "public" | "must-revalidate" => directive.is_exact_flag(),
            "s-maxage" => directive.readable_delta().is_some(),
            _ => false,
        };
        match directive.name.as_str() {
            "no-store" => self.no_store = true,
            "no-cache" => widen(&mut self.no_cache, directive.scope()),
            "private" => widen(&mut self.private, directive.scope()),
            "public" => self.public |= directive.is_exact_flag(),
            "must-revalidate" => self.must_revalidate = true,
            "proxy-revalidate" => self.proxy_revalidate = true,
            "must-understand" => self.must_understand |= directive.is_exact_flag(),
            "no-transform" => self.no_transform = true,
            "immutable" => self.immutable |= directive.is_exact_flag(),
            "max-age" => shorten(&mut self.max_age, directive.delta()),
            "s-maxage" => shorten(&mut self.s_maxage, directive.delta()),
            "stale-while-revalidate" => shorten(&mut self.stale_while_revalidate, directive.delta()),
            "stale-if-error" => shorten(&mut self.stale_if_error, directive.delta()),
            _ => {}
        }
    }

    /// The line can't be read as it was meant: keep what forbids, drop what permits, and validate before reuse.
    fn distrust(&mut self) {
        self.no_cache = Some(FieldScope::Whole);
        self.public = false;
        self.shares_authorized = false;
        self.must_understand = false;
        self.immutable = false;
    }
}

/// The directives that apply to a response: those of the first field in `target_list` that is there and well formed,
/// else those of `Cache-Control` (RFC 9213 §2.2).
pub fn effective_directives(headers: &HeaderMap, target_list: &[HeaderName]) -> ResponseDirectives {
    let mut targeted = target_list.iter().filter_map(|field| ResponseDirectives::from_targeted(headers, field));
    targeted.next().unwrap_or_else(|| ResponseDirectives::from_cache_control(headers))
}

/// How stale a response a request is content with (RFC 9111 §5.2.1.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MaxStale {
    /// `max-stale`: however stale.
    Any,
    /// `max-stale=n`: stale for no longer than this.
    UpTo(Duration),
}

/// The directives of a request (RFC 9111 §5.2.1). They are advice: a cache may follow them or not.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RequestDirectives {
    /// `no-store`, §5.2.1.5.
    pub no_store: bool,
    /// `no-cache`, §5.2.1.4; also `Pragma: no-cache` when there is no `Cache-Control` (§5.4).
    pub no_cache: bool,
    /// `no-transform`, §5.2.1.6.
    pub no_transform: bool,
    /// `only-if-cached`, §5.2.1.7.
    pub only_if_cached: bool,
    /// `max-age`, §5.2.1.1.
    pub max_age: Option<Duration>,
    /// `max-stale`, §5.2.1.2.
    pub max_stale: Option<MaxStale>,
    /// `min-fresh`, §5.2.1.3; one that can't be read is [`MAX_DELTA`].
    pub min_fresh: Option<Duration>,
    /// `stale-if-error`, RFC 5861 §4.
    pub stale_if_error: Option<Duration>,
}

impl RequestDirectives {
    /// No directive at all: the request asks for nothing, or isn't listened to.
    pub const NONE: Self = Self {
        no_store: false,
        no_cache: false,
        no_transform: false,
        only_if_cached: false,
        max_age: None,
        max_stale: None,
        min_fresh: None,
        stale_if_error: None,
    };

    /// Reads `Cache-Control` and, in its absence, `Pragma` from all their lines. Never fails.
    pub fn from_headers(headers: &HeaderMap) -> Self {
        let mut read = Self::default();
        if !headers.contains_key(header::CACHE_CONTROL) {
            let asks = |member: Member<'_>| member.bytes.eq_ignore_ascii_case(b"no-cache");
            read.no_cache = list_members(headers, &header::PRAGMA).any(asks);
            return read;
        }
        for member in list_members(headers, &header::CACHE_CONTROL) {
            Directive::all_in(member).for_each(|directive| read.take(&directive));
        }
        read
    }

    fn take(&mut self, directive: &Directive<'_>) {
        match directive.name.as_str() {
            "no-store" => self.no_store = true,
            "no-cache" => self.no_cache = true,
            "no-transform" => self.no_transform = true,
            "only-if-cached" => self.only_if_cached = true,
            "max-age" => shorten(&mut self.max_age, directive.delta()),
            "stale-if-error" => shorten(&mut self.stale_if_error, directive.delta()),
            "min-fresh" => {
                let asked = directive.readable_delta().unwrap_or(MAX_DELTA);
                self.min_fresh = Some(self.min_fresh.map_or(asked, |before| before.max(asked)));
            }
            "max-stale" => {
                let granted = match directive.argument {
                    Argument::None => MaxStale::Any,
                    Argument::Malformed | Argument::Bytes(_) => MaxStale::UpTo(directive.delta()),
                };
                self.max_stale = Some(match (self.max_stale, granted) {
                    (Some(MaxStale::UpTo(a)), MaxStale::UpTo(b)) => MaxStale::UpTo(a.min(b)),
                    (Some(bounded @ MaxStale::UpTo(_)), MaxStale::Any) => bounded,
                    (None | Some(MaxStale::Any), granted) => granted,
                });
            }
            _ => {}
        }
    }
}

/// How far a site follows the directives of requests. They are advice (RFC 9111 §5.2.1), and some of them let any client
/// send each of its requests to the origin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ClientDirectives {
    /// Those that cost the origin nothing count: `only-if-cached`, `max-stale`, `stale-if-error`, `no-transform`. Those
    /// by which a client forces a fetch, or keeps a response out of the cache, don't.
    #[default]
    Harmless,
    /// All of them.
    All,
}

impl ClientDirectives {
    /// What counts of a request's directives.
    pub fn heeded(self, asked: &RequestDirectives) -> RequestDirectives {
        match self {
            Self::All => asked.clone(),
            Self::Harmless => {
                RequestDirectives { no_store: false, no_cache: false, max_age: None, min_fresh: None, ..asked.clone() }
            }
        }
    }
}

/// One directive of `Cache-Control`, its name in lower case.
struct Directive<'a> {
    name: String,
    argument: Argument<'a>,
}

#[derive(Clone, Copy)]
enum Argument<'a> {
    None,
    /// Token or quoted string, as it stands.
    Bytes(&'a [u8]),
    /// Something else than an `=` and one of those.
    Malformed,
}

impl<'a> Directive<'a> {
    /// The directives of a member: one, unless there is more in it than that. A list of them is separated by commas (RFC
    /// 9111 §5.2), but origins write semicolons, or nothing but spaces.
    fn all_in(member: Member<'a>) -> impl Iterator<Item = Self> {
        let mut words = split_words(member.bytes, member.quoting).peekable();
        let first = words.next().unwrap_or_default();
        let is_alone = words.peek().is_none() && first.len() == member.bytes.len();
        std::iter::once(first).chain(words).map(move |word| match is_alone {
            true => Self::read(word),
            false => Self { argument: Argument::Malformed, ..Self::read(word) },
        })
    }

    fn read(word: &'a [u8]) -> Self {
        let (name, rest) = word.split_at(word.iter().take_while(|&&byte| is_tchar(byte)).count());
        let argument = match rest {
            [] => Argument::None,
            [b'=', argument @ ..] if !argument.is_empty() => Argument::Bytes(argument),
            _ => Argument::Malformed,
        };
        Self { name: String::from_utf8_lossy(name).to_ascii_lowercase(), argument }
    }

    /// Without argument, as directives that permit must be.
    fn is_exact_flag(&self) -> bool {
        matches!(self.argument, Argument::None)
    }

    fn readable_delta(&self) -> Option<Duration> {
        let Argument::Bytes(bytes) = self.argument else { return None };
        // "A recipient ought to accept both" the token and the quoted form (RFC 9111 §5.2).
        let digits = unquote(bytes).map_or_else(|| parse_digits(bytes), |text| parse_digits(&text));
        digits.map(delta_seconds)
    }

    fn delta(&self) -> Duration {
        self.readable_delta().unwrap_or(Duration::ZERO)
    }

    fn scope(&self) -> FieldScope {
        match self.argument {
            Argument::None | Argument::Malformed => FieldScope::Whole,
            Argument::Bytes(bytes) => match unquote(bytes) {
                Some(text) => field_scope(&text),
                None if is_token(bytes) => field_scope(bytes),
                None => FieldScope::Whole,
            },
        }
    }
}

/// What semicolons and whitespace outside quoted strings part a member into.
fn split_words(member: &[u8], quoting: Quoting) -> impl Iterator<Item = &[u8]> {
    let (mut quoted, mut escaped) = (false, false);
    let words = member.split(move |&byte| {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' if quoting == Quoting::Closed => quoted = !quoted,
            _ => {}
        }
        !quoted && matches!(byte, b';' | b' ' | b'\t')
    });
    words.filter(|word| !word.is_empty())
}

/// Seconds as a duration of at most [`MAX_DELTA`].
fn delta_seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds).min(MAX_DELTA)
}

/// What a list of field names covers; the whole response unless each name can be read and left out.
fn field_scope(list: &[u8]) -> FieldScope {
    let parts: Vec<&[u8]> = list.split(|&byte| byte == b',').map(trim_ows).filter(|part| !part.is_empty()).collect();
    if parts.is_empty() || parts.len() > MAX_FIELD_NAMES {
        return FieldScope::Whole;
    }
    let readable = |part: &&[u8]| HeaderName::from_bytes(part).ok().filter(|name| !is_inseparable(name));
    parts.iter().map(readable).collect::<Option<Vec<_>>>().map_or(FieldScope::Whole, FieldScope::Fields)
}

/// Two directives of one name cover what either covers.
fn widen(scope: &mut Option<FieldScope>, more: FieldScope) {
    let wider = match (scope.take(), more) {
        (Some(FieldScope::Whole), _) | (_, FieldScope::Whole) => FieldScope::Whole,
        (None, more) => more,
        (Some(FieldScope::Fields(mut names)), FieldScope::Fields(more)) => {
            names.extend(more);
            FieldScope::Fields(names)
        }
    };
    *scope = Some(wider);
}

/// Of two durations of one name, the shorter counts.
fn shorten(duration: &mut Option<Duration>, other: Duration) {
    *duration = Some(duration.map_or(other, |before| before.min(other)));
}

#[cfg(test)]
mod tests;
