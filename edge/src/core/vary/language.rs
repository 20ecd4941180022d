//! `Accept-Language` in one form (RFC 9110 §12.5.4), so that requests that ask for the same share a variant.

use crate::core::cache_control::fields::{list_members, trim_ows};
use http::header::{self, HeaderMap};

/// A field with more ranges than this is left as it stands.
const MAX_RANGES: usize = 32;

/// The language ranges that a request accepts: in lower case, the most wanted first, those wanted alike in alphabetical
/// order, weights of 1 left out. `None` where there is no field, or one that can't be read: it is then compared as it
/// stands.
///
/// That ranges of equal weight have no order is RFC 9110's word ("cannot be relied upon"); an origin that goes by it all
/// the same must not be asked in this form.
pub fn normalise_accept_language(request_headers: &HeaderMap) -> Option<String> {
    let mut ranges = Vec::new();
    for member in list_members(request_headers, &header::ACCEPT_LANGUAGE) {
        if ranges.len() == MAX_RANGES {
            return None;
        }
        ranges.push(read_range(member.bytes)?);
    }
    if ranges.is_empty() {
        return None;
    }
    ranges.sort_unstable_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    ranges.dedup_by(|again, first| again.0 == first.0);
    let written: Vec<String> = ranges
        .into_iter()
        .map(|(range, thousandths)| match thousandths {
            1000 => range,
            less => format!("{range};q=0.{less:03}"),
        })
        .collect();
    Some(written.join(", "))
}

/// The language that a request wants most, in lower case; `None` if it wants several alike, any, or doesn't say.
///
/// No response suits such a request better, as far as languages go, than one in that language (RFC 9110 §12.5.4).
pub fn most_wanted_language(request_headers: &HeaderMap) -> Option<String> {
    let mut ranges = Vec::new();
    for member in list_members(request_headers, &header::ACCEPT_LANGUAGE).take(MAX_RANGES) {
        ranges.push(read_range(member.bytes)?);
    }
    let most = ranges.iter().map(|(_, weight)| *weight).max().filter(|&weight| weight > 0)?;
    let mut wanted = ranges.into_iter().filter(|(_, weight)| *weight == most).map(|(range, _)| range);
    wanted.next().filter(|range| wanted.next().is_none() && !range.contains('*'))
}

/// The language of a response, in lower case; `None` if it is in several, or doesn't say (RFC 9110 §8.5).
pub fn sole_language(response_headers: &HeaderMap) -> Option<String> {
    let mut members = list_members(response_headers, &header::CONTENT_LANGUAGE);
    let sole = members.next().filter(|_| members.next().is_none())?;
    read_range(sole.bytes).map(|(range, _)| range).filter(|range| !range.contains('*'))
}

/// A range in lower case, and its weight in thousandths.
fn read_range(member: &[u8]) -> Option<(String, u16)> {
    let mut parts = member.split(|&byte| byte == b';').map(trim_ows);
    let range = std::str::from_utf8(parts.next()?).ok()?.to_ascii_lowercase();
    let is_range = !range.is_empty() && range.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-*".contains(&byte));
    let weight = match parts.next() {
        None => 1000,
        Some(parameter) => super::weight(parameter)?,
    };
    (is_range && parts.next().is_none()).then_some((range, weight))
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
    }

    #[test]
    fn what_cannot_be_read_is_left_alone() {
        for lines in [&[][..], &[""], &["en;q=2"], &["en;q=0.5;x=y"], &["e n"], &["\"en\""]] {
            check(lines, None);
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
