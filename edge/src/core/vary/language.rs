//! `Accept-Language` in one form (RFC 9110 §12.5.4), so that requests that ask for the same share a variant.

use crate::core::cache_control::fields::{list_members, trim_ows};
use http::header::{self, HeaderMap};
use std::collections::HashSet;

/// A field with more ranges than this is left as it stands.
const MAX_RANGES: usize = 32;

/// The longest subtag of a language (RFC 4647 §2.1).
const MAX_SUBTAG_BYTES: usize = 8;

/// The language ranges that a request accepts: in lower case, the most wanted first, those wanted alike in alphabetical
/// order, weights of 1 left out. `None` where there is no field, or one that can't be read: it is then compared as it
/// stands.
///
/// That ranges of equal weight have no order is RFC 9110's word ("cannot be relied upon"); an origin that goes by it all
/// the same must not be asked in this form.
pub fn normalise_accept_language(request_headers: &HeaderMap) -> Option<String> {
    let written: Vec<String> = read_ranges(request_headers)?
        .into_iter()
        .map(|(range, thousandths)| match thousandths {
            1000 => range,
            less => format!("{range};q=0.{less:03}"),
        })
        .collect();
    Some(written.join(", "))
}

/// The language that a request wants most, in lower case; `None` if it wants several alike, any, or doesn't say, or says
/// it in a field that can't be read.
///
/// No response suits such a request better, as far as languages go, than one in that language (RFC 9110 §12.5.4).
pub fn most_wanted_language(request_headers: &HeaderMap) -> Option<String> {
    let mut ranges = read_ranges(request_headers)?.into_iter();
    let (most, weight) = ranges.next().filter(|&(_, weight)| weight > 0)?;
    let wants_another_alike = ranges.next().is_some_and(|(_, next)| next == weight);
    (!wants_another_alike && most != ANY).then_some(most)
}

/// Whether a language, in lower case, is one of those that a request wants most.
pub fn is_most_wanted(language: &str, request_headers: &HeaderMap) -> bool {
    let ranges = read_ranges(request_headers).unwrap_or_default();
    let most = ranges.first().map_or(0, |(_, weight)| *weight);
    most > 0 && ranges.iter().any(|(range, weight)| *weight == most && range == language)
}

/// The language of a response, in lower case; `None` if it is in several, or doesn't say (RFC 9110 §8.5).
pub fn sole_language(response_headers: &HeaderMap) -> Option<String> {
    let mut members = list_members(response_headers, &header::CONTENT_LANGUAGE);
    let sole = members.next().filter(|_| members.next().is_none())?;
    language_range(sole.bytes).filter(|language| language != ANY)
}

/// The range that every language matches.
const ANY: &str = "*";

/// The ranges of a request with their weights in thousandths: the most wanted first, those wanted alike in alphabetical
/// order, each once. `None` where there is none, or one of them can't be read.
fn read_ranges(request_headers: &HeaderMap) -> Option<Vec<(String, u16)>> {
    let mut ranges = Vec::new();
    for member in list_members(request_headers, &header::ACCEPT_LANGUAGE) {
        if ranges.len() == MAX_RANGES {
            return None;
        }
        ranges.push(read_range(member.bytes)?);
    }
    ranges.sort_unstable_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    let mut seen = HashSet::new();
    ranges.retain(|(range, _)| seen.insert(range.clone()));
    (!ranges.is_empty()).then_some(ranges)
}

/// A range in lower case, and its weight in thousandths (RFC 9110 §12.4.2: no whitespace around its `=`).
fn read_range(member: &[u8]) -> Option<(String, u16)> {
    let mut parts = member.split(|&byte| byte == b';').map(trim_ows);
    let range = language_range(parts.next()?)?;
    let weight = match parts.next() {
        None => 1000,
        Some(parameter) if parameter.iter().any(|byte| matches!(byte, b' ' | b'\t')) => return None,
        Some(parameter) => super::weight(parameter)?,
    };
    parts.next().is_none().then_some((range, weight))
}

/// A basic language range, in lower case: `1*8ALPHA *("-" 1*8alphanum)` or `*` (RFC 4647 §2.1).
fn language_range(bytes: &[u8]) -> Option<String> {
    let mut subtags = bytes.split(|&byte| byte == b'-');
    let is_one = |subtag: &[u8], allowed: fn(&u8) -> bool| {
        (1..=MAX_SUBTAG_BYTES).contains(&subtag.len()) && subtag.iter().all(allowed)
    };
    let is_range = bytes == ANY.as_bytes()
        || (is_one(subtags.next()?, u8::is_ascii_alphabetic)
            && subtags.all(|subtag| is_one(subtag, u8::is_ascii_alphanumeric)));
    is_range.then(|| String::from_utf8_lossy(bytes).to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::cache_control::fields::any_value;
    use http::HeaderValue;
    use proptest::prelude::*;

    #[track_caller]
    fn check(lines: &[&'static str], want: Option<&str>) {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(header::ACCEPT_LANGUAGE, HeaderValue::from_static(line));
        }
        assert_eq!(normalise_accept_language(&headers).as_deref(), want, "{lines:?}");
    }

    #[test]
    fn one_form() {
        check(&["en, de"], Some("de, en"));
        check(&["De", "eN"], Some("de, en"));
        check(&["fr;q=0.5 , de;Q=1.0"], Some("de, fr;q=0.500"));
        check(&["en-GB;q=0.8, en;q=0.80, *;q=0"], Some("en;q=0.800, en-gb;q=0.800, *;q=0.000"));
        check(&["en, en;q=0.5"], Some("en"));
    }

    #[test]
    fn the_most_wanted() {
        let check = |line: &'static str, want: Option<&str>| {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT_LANGUAGE, HeaderValue::from_static(line));
            assert_eq!(most_wanted_language(&headers).as_deref(), want, "{line}");
        };
        check("fr;q=0.5, De;q=1.0", Some("de"));
        check("de", Some("de"));
        check("de, fr", None);
        check("*, de;q=0.5", None);
        check("de;q=0", None);
        check("de;q=x", None);
        check("", None);
        check("de, de", Some("de"));
        check("fr;q=0.5, de;q=0.5, it;q=0.4", None);
        // Something in the field is no language range: an origin may make anything of it.
        for with_rubbish in ["de, x*;q=0.1", "de, --;q=0.1", "de, 1;q=0.1", "de, <script>;q=0.1", "de, abcdefghi;q=0.1"]
        {
            check(with_rubbish, None);
        }
        let behind_many: &'static str = Box::leak(format!("de{}", ", en;q=0.5".repeat(MAX_RANGES)).into_boxed_str());
        check(behind_many, None);
    }

    #[test]
    fn one_of_those_that_are_wanted_most() {
        for (line, want) in [
            ("de", true),
            ("en, DE", true),
            ("fr;q=0.1, en;q=0.5, de;q=0.5", true),
            ("en, de;q=0.9", false),
            ("de;q=0", false),
            ("*", false),
            ("de, x--y;q=0.1", false),
            ("de, en;q=1.1", false),
            ("", false),
        ] {
            let headers = HeaderMap::from_iter([(header::ACCEPT_LANGUAGE, HeaderValue::from_static(line))]);
            assert_eq!(is_most_wanted("de", &headers), want, "{line}");
        }
    }

    #[test]
    fn the_language_of_a_response() {
        let check = |line: &'static str, want: Option<&str>| {
            let mut headers = HeaderMap::new();
            headers.insert(header::CONTENT_LANGUAGE, HeaderValue::from_static(line));
            assert_eq!(sole_language(&headers).as_deref(), want, "{line}");
        };
        check("De-AT", Some("de-at"));
        for none in ["", "*", "de, en", "de;q=0.5", "-de", "de-", "de--at", "4de", "d e"] {
            check(none, None);
        }
    }

    #[test]
    fn what_cannot_be_read_is_left_alone() {
        for lines in [&[][..], &[""], &["en;q=2"], &["en;q=0.5;x=y"], &["e n"], &["\"en\""]] {
            check(lines, None);
        }
        for not_by_rfc_4647 in ["-", "en-", "-en", "en--gb", "*-de", "de-*-at", "1", "e1", "abcdefghi", "en-abcdefghi"]
        {
            check(&[not_by_rfc_4647], None);
        }
        for no_weight in ["en;q=1.001", "en;q=0.1234", "en;q=", "en;q = 0.5", "en;q= 1", "en;p=1", "en;"] {
            check(&[no_weight], None);
        }
        let many: &'static str = Box::leak(vec!["en"; MAX_RANGES + 1].join(",").into_boxed_str());
        check(&[many], None);
    }

    proptest! {
        #[test]
        fn a_form_is_its_own_form(line in any_value()) {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT_LANGUAGE, line);
            if let Some(form) = normalise_accept_language(&headers) {
                headers.insert(header::ACCEPT_LANGUAGE, HeaderValue::from_str(&form).unwrap());
                prop_assert_eq!(normalise_accept_language(&headers), Some(form));
            }
        }
    }
}
