//! Which content coding a request gets (RFC 9110 §12.5.3).

use http::HeaderMap;
use http::header::ACCEPT_ENCODING;

/// A content coding that a file may have on disk (RFC 9110 §8.4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Coding {
    /// The file as it is.
    Identity,
    /// The `.br` sibling (RFC 7932).
    Brotli,
    /// The `.gz` sibling (RFC 1952).
    Gzip,
}

impl Coding {
    /// In order of preference among equals: the smallest first, identity when nothing else is asked for.
    pub const PREFERRED: [Self; 3] = [Self::Brotli, Self::Gzip, Self::Identity];

    /// The token in `Content-Encoding`; none for identity.
    pub const fn token(self) -> Option<&'static str> {
        match self {
            Self::Identity => None,
            Self::Brotli => Some("br"),
            Self::Gzip => Some("gzip"),
        }
    }

    /// What a sibling's name ends in; none for identity.
    pub const fn suffix(self) -> Option<&'static str> {
        match self {
            Self::Identity => None,
            Self::Brotli => Some(".br"),
            Self::Gzip => Some(".gz"),
        }
    }

    fn is_named(self, name: &str) -> bool {
        match self {
            Self::Identity => name.eq_ignore_ascii_case("identity"),
            Self::Brotli => name.eq_ignore_ascii_case("br"),
            // RFC 9110 §8.4.1.3: x-gzip is the same as gzip.
            Self::Gzip => name.eq_ignore_ascii_case("gzip") || name.eq_ignore_ascii_case("x-gzip"),
        }
    }
}

/// A weight in thousandths (RFC 9110 §12.4.2).
type Weight = u16;

const FULL_WEIGHT: Weight = 1000;

/// The coding to answer with among those that `is_available`, or none when the client refuses them all (406).
///
/// A coding that the client lists wins over an identity that it doesn't list; equal weights go by
/// [`Coding::PREFERRED`]. Elements that don't parse count for nothing.
pub fn negotiate(request: &HeaderMap, is_available: impl Fn(Coding) -> bool) -> Option<Coding> {
    let Some(accepted) = Accepted::parse(request) else { return Some(Coding::Identity) };
    let mut best = None;
    for coding in Coding::PREFERRED {
        let weight = if is_available(coding) { accepted.weight(coding) } else { None };
        if let Some(weight) = weight
            && best.is_none_or(|(_, heaviest)| weight > heaviest)
        {
            best = Some((coding, weight));
        }
    }
    best.map(|(coding, _)| coding)
}

struct Accepted<'a> {
    listed: Vec<(&'a str, Weight)>,
}

impl<'a> Accepted<'a> {
    /// None when the field is absent: then any coding will do, and identity is the safest.
    fn parse(request: &'a HeaderMap) -> Option<Self> {
        if !request.contains_key(ACCEPT_ENCODING) {
            return None;
        }
        let lines = request.get_all(ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
        Some(Self { listed: lines.flat_map(|line| line.split(',')).filter_map(element).collect() })
    }

    /// None when the coding is not acceptable.
    fn weight(&self, coding: Coding) -> Option<Weight> {
        let of = |wanted: &dyn Fn(&str) -> bool| {
            self.listed.iter().find(|(name, _)| wanted(name)).map(|&(_, weight)| weight)
        };
        let weight = of(&|name| coding.is_named(name)).or_else(|| of(&|name| name == "*"));
        match (weight, coding) {
            (Some(0), _) => None,
            (Some(weight), _) => Some(weight),
            (None, Coding::Identity) => Some(0),
            (None, _) => None,
        }
    }
}

fn element(text: &str) -> Option<(&str, Weight)> {
    let (name, parameter) = match text.split_once(';') {
        Some((name, parameter)) => (name.trim(), Some(parameter.trim())),
        None => (text.trim(), None),
    };
    let is_token = !name.is_empty() && !name.contains(char::is_whitespace);
    let weight = match parameter {
        None => FULL_WEIGHT,
        Some(parameter) => weight(parameter.strip_prefix("q=").or_else(|| parameter.strip_prefix("Q="))?)?,
    };
    is_token.then_some((name, weight))
}

/// `0`, `1`, or either with up to three decimals, none of them past 1.
fn weight(text: &str) -> Option<Weight> {
    let (whole, decimals) = text.split_once('.').unwrap_or((text, ""));
    if decimals.len() > 3 || !decimals.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let thousandths: Weight = format!("{decimals:0<3}").parse().ok()?;
    match whole {
        "0" => Some(thousandths),
        "1" if thousandths == 0 => Some(FULL_WEIGHT),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    const BOTH: &[Coding] = &[Coding::Identity, Coding::Brotli, Coding::Gzip];
    const GZIP: &[Coding] = &[Coding::Identity, Coding::Gzip];
    const NONE: &[Coding] = &[Coding::Identity];

    fn check(lines: &[&'static str], available: &[Coding], expected: Option<Coding>) {
        let mut request = HeaderMap::new();
        for line in lines {
            request.append(ACCEPT_ENCODING, HeaderValue::from_static(line));
        }
        assert_eq!(negotiate(&request, |coding| available.contains(&coding)), expected, "{lines:?} of {available:?}");
    }

    #[test]
    fn table() {
        use Coding::{Brotli, Gzip, Identity};
        check(&[], BOTH, Some(Identity));
        check(&[""], BOTH, Some(Identity));
        check(&["br"], BOTH, Some(Brotli));
        check(&["BR"], BOTH, Some(Brotli));
        check(&["gzip, br"], BOTH, Some(Brotli));
        check(&["gzip", "br"], BOTH, Some(Brotli));
        check(&["gzip, br"], GZIP, Some(Gzip));
        check(&["x-gzip"], GZIP, Some(Gzip));
        check(&["gzip, br"], NONE, Some(Identity));
        check(&["br;q=0.5, gzip;q=0.8"], BOTH, Some(Gzip));
        check(&["br;q=0.001"], BOTH, Some(Brotli));
        check(&["br; q=0.5, identity"], BOTH, Some(Identity));
        check(&["br;q=0"], BOTH, Some(Identity));
        check(&["*"], BOTH, Some(Brotli));
        check(&["*;q=0.5, br;q=0"], BOTH, Some(Gzip));
        check(&["identity;q=0"], BOTH, None);
        check(&["identity;q=0, gzip"], BOTH, Some(Gzip));
        check(&["*;q=0"], BOTH, None);
        check(&["*;q=0, gzip"], BOTH, Some(Gzip));
        check(&["*;q=0, identity;q=0.1"], BOTH, Some(Identity));
        check(&["br;q=2"], BOTH, Some(Identity));
        check(&["br;q=1.001"], BOTH, Some(Identity));
        check(&["br;q=0.0001"], BOTH, Some(Identity));
        check(&["br;q=x"], BOTH, Some(Identity));
        check(&["b r, gzip;q=1."], BOTH, Some(Gzip));
        check(&["deflate, zstd"], BOTH, Some(Identity));
    }
}
