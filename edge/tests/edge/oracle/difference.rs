//! The differences that are accepted.

use super::case::Case;

/// What a reading says of a case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Verdict {
    /// The response may be stored.
    pub(super) stored: bool,
    /// It answers the later request without being validated.
    pub(super) answers: bool,
}

macro_rules! differences {
    ($($(#[$doc:meta])* $name:ident;)*) => {
        /// A difference between the two readings.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub(super) enum Difference {
            $($(#[$doc])* $name,)*
        }

        impl Difference {
            pub(super) const ALL: &'static [Self] = &[$(Self::$name,)*];
        }
    };
}

differences! {
    /// RFC 9111 §5.2: directives are compared without regard to case. The oracle does not see `No-Store`.
    DirectiveCase;
    /// RFC 9111 §5.2: a comma or a directive inside a quoted string is none. The oracle splits there.
    QuotedStrings;
    /// RFC 9111 §3: a response with an explicit lifetime may be stored whatever its status, unless it says
    /// `must-understand`. The oracle has a list.
    UnlistedStatus;
    /// RFC 9111 §3.3: a 206 whose place is known is stored as a part. The oracle stores none.
    Parts;
    /// RFC 9111 §5.2.2.3: `must-understand` with `no-store` means to store what is understood, and alone not to store
    /// what isn't. The oracle does not know it.
    MustUnderstand;
    /// RFC 9111 §5.2.2.4, §5.2.2.7: with field names, `private` and `no-cache` are about those fields, which we leave out.
    /// For the oracle they are about everything.
    QualifiedDirectives;
    /// RFC 9213 §2.2: a targeted field takes the place of Cache-Control and Expires. The oracle does not know it.
    TargetedField;
    /// RFC 9111 §7.3 leaves it open: we don't store what sets cookies; the oracle stores it and takes it for stale.
    Cookies;
    /// RFC 9111 §4.1: what varies by everything never answers, so we don't store it.
    VaryStar;
    /// What is stale at once and has no validator can't be used but for a request with `max-stale`: we don't store it (RFC
    /// 9111 §3 allows to, no more).
    NeverReusable;
    /// RFC 9111 §4.2.3: the age by Date counts, if it is the larger one. For the oracle only the Age field does.
    AgeByDate;
    /// RFC 9111 §5.1: of several values in Age the first one counts. The oracle takes none.
    FirstAge;
    /// RFC 9111 §1.2.2: a number that is too large means 2³¹. The oracle takes it for zero.
    LargeNumbers;
    /// RFC 9111 §4.2.1: of several values of one directive the smallest counts here. The oracle takes the first, and
    /// adds `must-revalidate`, by which what was asked for with Authorization may be stored.
    Duplicates;
    /// RFC 9111 §5.2.2.8: `proxy-revalidate` forbids stale answers, not fresh ones. The oracle gives it no lifetime.
    ProxyRevalidate;
    /// RFC 9111 §4.2.4: `no-cache`, `proxy-revalidate` and `s-maxage` forbid a shared cache to follow `max-stale`. The
    /// oracle looks at `must-revalidate` alone.
    MaxStaleForbidden;
    /// RFC 9111 §5.4: Pragma means nothing in a response, and in a request only without Cache-Control.
    Pragma;
    /// RFC 9111 §5.2.1.2: `max-stale=20` is met by what is stale for exactly that long.
    MaxStaleBound;
    /// RFC 9111 §5.2.1.1: `max-age` in a request also asks for something fresh, unless it has `max-stale`; and RFC 8246 §2:
    /// what is immutable and fresh needs no reload.
    RequestMaxAge;
    /// RFC 9111 §4.2.2: a lifetime by heuristics is for statuses that are defined so, or with `public`; it is reckoned in
    /// milliseconds here and in seconds there.
    Heuristics;
    /// RFC 9111 §5.2: a directive that takes a value and has none gives no valid lifetime, so there is none (zero). The
    /// oracle takes it for absent and looks at Expires.
    ValuelessMaxAge;
    /// RFC 9111 §3.5: an `s-maxage` that can't be read does not allow to share what was asked for with Authorization. For
    /// the oracle it is enough that it is there.
    UnreadablePermission;
}

impl Difference {
    /// Whether a case has what it takes for this difference.
    pub(super) fn explains(self, case: &Case, ours: Verdict, theirs: Verdict) -> bool {
        let cache_control = case.response.value("cache-control");
        let says = |directive: &str| cache_control.contains(directive);
        let later = case.later_request.value("cache-control");
        let oracle_knows = [200, 203, 204, 300, 301, 302, 303, 307, 308, 404, 405, 410, 414, 501];
        let stricter = (theirs.stored && !ours.stored) || (theirs.answers && !ours.answers);
        match self {
            Self::DirectiveCase => says("No-Store") || says("PRIVATE") || says("Max-Age"),
            Self::QuotedStrings => says("x-list"),
            Self::UnlistedStatus => !oracle_knows.contains(&case.status) && ours.stored && case.status != 206,
            Self::Parts => case.status == 206 && case.response.has("content-range"),
            Self::MustUnderstand => says("must-understand"),
            Self::QualifiedDirectives => says("=\"x-a\""),
            Self::TargetedField => !["", "&&&"].contains(&case.response.value("cdn-cache-control").as_str()),
            Self::Cookies => case.response.has("set-cookie") && !ours.stored,
            Self::VaryStar => case.response.value("vary").contains('*') && !ours.stored,
            Self::NeverReusable => {
                theirs.stored
                    && !ours.stored
                    && (!theirs.answers || later.contains("max-stale"))
                    && !case.response.has("etag")
                    && !case.response.has("last-modified")
            }
            Self::AgeByDate => case.response.has("date") && stricter,
            Self::FirstAge => case.response.value("age").contains(','),
            Self::LargeNumbers => says("999999") || case.response.value("age").contains("999999"),
            Self::Duplicates => has_duplicates(&cache_control),
            Self::ProxyRevalidate => says("proxy-revalidate") && ours.answers,
            Self::MaxStaleForbidden => {
                (says("no-cache") || says("proxy-revalidate") || says("s-maxage"))
                    && later.contains("max-stale")
                    && stricter
            }
            Self::Pragma => {
                case.response.has("pragma")
                    || (case.later_request.has("pragma") && case.later_request.has("cache-control"))
            }
            Self::MaxStaleBound => later.contains("max-stale=") && ours.answers && !theirs.answers,
            Self::RequestMaxAge => later.contains("max-age") && (stricter || says("immutable")),
            Self::Heuristics => {
                case.response.has("last-modified") && !says("max-age=") && !case.response.has("expires")
            }
            Self::ValuelessMaxAge => cache_control.split(',').any(|part| part.trim() == "max-age"),
            Self::UnreadablePermission => says("s-maxage=x") && case.request.has("authorization") && !ours.stored,
        }
    }
}

/// Whether a directive occurs twice.
fn has_duplicates(cache_control: &str) -> bool {
    let names: Vec<&str> = cache_control.split(',').filter_map(|part| part.trim().split('=').next()).collect();
    (1..names.len()).any(|n| names[..n].contains(&names[n]))
}
