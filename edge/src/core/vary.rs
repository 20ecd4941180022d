//! Which of several stored responses a request selects (RFC 9111 §4.1, RFC 9110 §12.5.5).
//!
//! A response's `Vary` becomes a [`VaryRule`]; the rule and a request's fields become a variant key. Two requests match
//! exactly when their keys are equal.

mod language;

pub use language::{is_most_wanted, most_wanted_language, normalise_accept_language, sole_language};

use super::cache_control::fields::{Quoting, line_members, line_parts, list_members, set_text, trim_ows};
use http::HeaderValue;
use http::header::{self, HeaderMap, HeaderName};
use std::sync::LazyLock;
use thiserror::Error;

/// Most fields that one `Vary` may name. A response that depends on more is as good as never reusable.
pub const MAX_VARY_FIELDS: usize = 32;

/// Why a `Vary` gives no rule. Such a response is not stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum VaryRefusal {
    /// `*` is among the names: no request ever matches.
    #[error("Vary: * matches no request")]
    Star,
    /// A name is no field name.
    #[error("Vary names something that is not a field name")]
    Malformed,
    /// More than [`MAX_VARY_FIELDS`] names.
    #[error("Vary names more than {MAX_VARY_FIELDS} fields")]
    TooManyFields,
}

/// How request fields are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct VaryPolicy {
    /// How `Accept-Encoding` is compared.
    pub accept_encoding: AcceptEncoding,
    /// How `Accept-Language` is compared.
    pub accept_language: AcceptLanguage,
}

/// How `Accept-Encoding` is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum AcceptEncoding {
    /// By the codings that matter: see [`normalise_accept_encoding`]. The request that goes upstream must then carry
    /// the normalised value, or a variant could be stored that others with the same key can't read.
    #[default]
    Normalised,
    /// As it stands, but for whitespace around commas.
    AsReceived,
}

/// How `Accept-Language` is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum AcceptLanguage {
    /// As it stands, but for case and whitespace.
    #[default]
    AsReceived,
    /// Without regard to the order of ranges of equal weight: see [`normalise_accept_language`]. The request that goes
    /// upstream must then carry the normalised value. And a response in the language that a request wants most answers
    /// it, whatever else the request accepts, if the request that it was fetched for wanted none more than that either.
    Normalised,
}

impl VaryPolicy {
    /// Puts the fields that are compared in one form into that form: what goes upstream, and what variants are told
    /// apart by.
    pub fn normalise(&self, request: &mut HeaderMap) {
        if self.accept_encoding == AcceptEncoding::Normalised {
            let value = normalise_accept_encoding(request);
            request.insert(header::ACCEPT_ENCODING, HeaderValue::from_static(value));
        }
        if self.accept_language == AcceptLanguage::Normalised
            && let Some(value) = normalise_accept_language(request)
        {
            set_text(request, header::ACCEPT_LANGUAGE, value);
        }
    }
}

impl VaryPolicy {
    /// Whether a request that went up as it was asked for the same as in the form that others are put into, as far as
    /// this response to it depends on that: only then may they be given it. A coding is one that was asked for, whatever
    /// `Vary` says.
    pub fn asked_as_others_do(&self, request: &HeaderMap, response: &HeaderMap) -> bool {
        let Ok(rule) = VaryRule::from_response(response) else { return false };
        let mut normal = request.clone();
        self.normalise(&mut normal);
        let is_normal = |name: &HeaderName| request.get_all(name).iter().eq(normal.get_all(name).iter());
        let is_coded = response.contains_key(header::CONTENT_ENCODING);
        let encoding = match request.contains_key(header::ACCEPT_ENCODING) {
            true => is_normal(&header::ACCEPT_ENCODING),
            // Plain bytes are what is sent to who doesn't ask, and to who asks for them.
            false => self.accept_encoding == AcceptEncoding::AsReceived || !is_coded,
        };
        (encoding || !(is_coded || rule.fields.contains(&header::ACCEPT_ENCODING)))
            && (is_normal(&header::ACCEPT_LANGUAGE) || !rule.fields.contains(&header::ACCEPT_LANGUAGE))
    }
}

/// The request fields that a response depends on: in lower case, sorted, each once.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct VaryRule {
    fields: Box<[HeaderName]>,
}

/// The key of one variant. [`VariantKey::SOLE`] where a response doesn't vary.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct VariantKey(pub [u8; 16]);

impl VariantKey {
    /// The key of the only variant of a response without `Vary`.
    pub const SOLE: Self = Self([0; 16]);
}

impl VaryRule {
    /// Reads the `Vary` of a response from all its lines. No `Vary`, or an empty one, gives the empty rule.
    ///
    /// # Errors
    /// [`VaryRefusal`] for `*`, for names that can't be read, and for too many of them.
    pub fn from_response(headers: &HeaderMap) -> Result<Self, VaryRefusal> {
        let mut fields = Vec::new();
        let mut refusal = None;
        for member in list_members(headers, &header::VARY) {
            match HeaderName::from_bytes(member.bytes) {
                // `*` is a legal field name, so it is met here and nowhere else; it outweighs other faults.
                Ok(name) if name.as_str() == "*" => return Err(VaryRefusal::Star),
                Ok(name) => fields.push(name),
                Err(_) => refusal = Some(VaryRefusal::Malformed),
            }
        }
        fields.sort_unstable_by(|a: &HeaderName, b| a.as_str().cmp(b.as_str()));
        fields.dedup();
        if fields.len() > MAX_VARY_FIELDS {
            refusal = refusal.or(Some(VaryRefusal::TooManyFields));
        }
        refusal.map_or_else(|| Ok(Self { fields: fields.into() }), Err)
    }

    /// The fields, in lower case and sorted.
    pub fn fields(&self) -> &[HeaderName] {
        &self.fields
    }

    /// Whether every request matches.
    pub fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    /// The key of the variant that a request selects: 128 bits of BLAKE3 over the rule's names and the request's values,
    /// each with its length before it.
    ///
    /// The values are normalised as RFC 9111 §4.1 allows: lines of one name are joined. In lists neither whitespace
    /// around commas outside quoted strings counts nor do empty members; in fields that are not known, such whitespace
    /// alone doesn't; fields that are known to be no lists are compared as they stand. `Accept-Language` is compared
    /// without regard to case and whitespace (RFC 4647 §2); `Accept-Encoding` as the policy says. A field that is absent
    /// differs from one that is empty.
    pub fn variant_key(&self, request_headers: &HeaderMap, policy: VaryPolicy) -> VariantKey {
        self.key_in(request_headers, policy, None)
    }

    /// [`VaryRule::variant_key`] of a request with these lines of `Accept-Encoding`, without its other fields: `None` where
    /// those count, or the lines count as they stand. There are four such keys, which are made once.
    pub fn key_by_encoding<'l>(&self, lines: impl Iterator<Item = &'l [u8]>, policy: VaryPolicy) -> Option<VariantKey> {
        static KEYS: [LazyLock<[VariantKey; 4]>; 2] = [
            const { LazyLock::new(|| encoding_keys(AcceptLanguage::AsReceived)) },
            const { LazyLock::new(|| encoding_keys(AcceptLanguage::Normalised)) },
        ];
        let is_alone = matches!(&*self.fields, [field] if *field == header::ACCEPT_ENCODING);
        if !is_alone || policy.accept_encoding != AcceptEncoding::Normalised {
            return None;
        }
        let keys = &KEYS[usize::from(policy.accept_language == AcceptLanguage::Normalised)];
        Some(keys[normal_encoding(lines)])
    }

    /// The key under which a response in `language` is found by those that want that language most: see
    /// [`AcceptLanguage::Normalised`]. `None` where the language doesn't count, or counts as it stands.
    pub fn key_by_language(
        &self,
        request_headers: &HeaderMap,
        policy: VaryPolicy,
        language: Option<String>,
    ) -> Option<VariantKey> {
        let counts =
            policy.accept_language == AcceptLanguage::Normalised && self.fields.contains(&header::ACCEPT_LANGUAGE);
        language.filter(|_| counts).map(|language| self.key_in(request_headers, policy, Some(&language)))
    }

    fn key_in(&self, request_headers: &HeaderMap, policy: VaryPolicy, language: Option<&str>) -> VariantKey {
        if self.is_empty() {
            return VariantKey::SOLE;
        }
        let mut hasher = blake3::Hasher::new();
        // The policy is part of the key: the same bytes mean other values under another policy.
        let encoding = match policy.accept_encoding {
            AcceptEncoding::Normalised => 1,
            AcceptEncoding::AsReceived => 2,
        };
        let ranges = match policy.accept_language {
            AcceptLanguage::Normalised => 1,
            AcceptLanguage::AsReceived => 2,
        };
        hasher.update(DOMAIN).update(&[encoding, ranges]);
        for name in &self.fields {
            frame(&mut hasher, name.as_str().as_bytes());
            if *name == header::ACCEPT_ENCODING && policy.accept_encoding == AcceptEncoding::Normalised {
                hasher.update(&[PRESENT]);
                frame(&mut hasher, normalise_accept_encoding(request_headers).as_bytes());
            } else if *name == header::ACCEPT_LANGUAGE
                && let Some(language) = language
            {
                hasher.update(&[MOST_WANTED]);
                frame(&mut hasher, language.as_bytes());
            } else if *name == header::ACCEPT_LANGUAGE
                && policy.accept_language == AcceptLanguage::Normalised
                && let Some(value) = normalise_accept_language(request_headers)
            {
                hasher.update(&[PRESENT]);
                frame(&mut hasher, value.as_bytes());
            } else {
                match joined_value(request_headers, name) {
                    None => drop(hasher.update(&[ABSENT])),
                    Some(value) => {
                        hasher.update(&[PRESENT]);
                        frame(&mut hasher, &value);
                    }
                }
            }
        }
        let mut key = [0; 16];
        hasher.finalize_xof().fill(&mut key);
        VariantKey(key)
    }
}

fn encoding_keys(accept_language: AcceptLanguage) -> [VariantKey; 4] {
    let policy = VaryPolicy { accept_encoding: AcceptEncoding::Normalised, accept_language };
    let rule = VaryRule { fields: Box::new([header::ACCEPT_ENCODING]) };
    NORMAL_ENCODINGS.map(|value| {
        let request = HeaderMap::from_iter([(header::ACCEPT_ENCODING, HeaderValue::from_static(value))]);
        rule.variant_key(&request, policy)
    })
}

/// The codings that matter, of those that a request accepts: `"br, gzip"`, `"br"`, `"gzip"` or `"identity"`. Each is
/// also the value to send upstream, and to hash.
///
/// A coding is accepted when it is named, or covered by `*`, with a weight above zero; a weight that can't be read
/// counts as zero (RFC 9110 §12.5.3). `x-gzip` is `gzip` (§8.4.1.3). Without the field any coding would do, but a
/// client that doesn't ask gets plain bytes. Weights above zero are not told apart: all that is accepted may be sent.
pub fn normalise_accept_encoding(request_headers: &HeaderMap) -> &'static str {
    let lines = request_headers.get_all(header::ACCEPT_ENCODING).iter().map(HeaderValue::as_bytes);
    NORMAL_ENCODINGS[normal_encoding(lines)]
}

/// What [`normalise_accept_encoding`] can give.
const NORMAL_ENCODINGS: [&str; 4] = ["br, gzip", "br", "gzip", "identity"];

/// [`normalise_accept_encoding`] of the lines of a request's `Accept-Encoding`, as an index into [`NORMAL_ENCODINGS`].
fn normal_encoding<'l>(lines: impl Iterator<Item = &'l [u8]>) -> usize {
    let (mut br, mut gzip, mut other) = (None, None, None);
    for member in lines.flat_map(line_members) {
        let mut parts = member.bytes.split(|&byte| byte == b';').map(trim_ows);
        let coding = parts.next().unwrap_or_default();
        let accepted = parts.all(|parameter| !is_refusal(parameter));
        let slot = match coding {
            c if c.eq_ignore_ascii_case(b"br") => &mut br,
            c if c.eq_ignore_ascii_case(b"gzip") || c.eq_ignore_ascii_case(b"x-gzip") => &mut gzip,
            b"*" => &mut other,
            _ => continue,
        };
        // Said twice, the refusal counts.
        *slot = Some(slot.unwrap_or(true) && accepted);
    }
    let any = other.unwrap_or(false);
    match (br.unwrap_or(any), gzip.unwrap_or(any)) {
        (true, true) => 0,
        (true, false) => 1,
        (false, true) => 2,
        (false, false) => 3,
    }
}

const DOMAIN: &[u8] = b"tidewall variant 1";
const ABSENT: u8 = 0;
const PRESENT: u8 = 1;
const MOST_WANTED: u8 = 2;

fn frame(hasher: &mut blake3::Hasher, bytes: &[u8]) {
    hasher.update(&(bytes.len() as u64).to_le_bytes());
    hasher.update(bytes);
}

/// Whether a parameter of a coding is a weight of zero, or one that can't be read (RFC 9110 §12.4.2).
fn is_refusal(parameter: &[u8]) -> bool {
    let is_weight = parameter.first().is_some_and(|name| name.eq_ignore_ascii_case(&b'q'));
    is_weight && weight(parameter).is_none_or(|thousandths| thousandths == 0)
}

/// Reads a weight, `q=0.5`, in thousandths; `None` for anything else (RFC 9110 §12.4.2).
fn weight(parameter: &[u8]) -> Option<u16> {
    let (&name, rest) = parameter.split_first()?;
    let value = trim_ows(trim_ows(rest).strip_prefix(b"=")?);
    if !name.eq_ignore_ascii_case(&b'q') {
        return None;
    }
    let (whole, fraction) = match value {
        [whole @ (b'0' | b'1')] => (*whole, &b""[..]),
        [whole @ (b'0' | b'1'), b'.', fraction @ ..] if fraction.len() <= 3 => (*whole, fraction),
        _ => return None,
    };
    let mut thousandths = if whole == b'1' { 1000 } else { 0 };
    for (digit, unit) in fraction.iter().zip([100, 10, 1]) {
        thousandths += u16::from(digit.is_ascii_digit().then(|| digit - b'0')?) * unit;
    }
    (thousandths <= 1000).then_some(thousandths)
}

/// Request fields whose values are lists (RFC 9110 §5.6.1), in which empty members mean nothing; and those that begin with
/// `accept`.
const LISTS: [&str; 14] = [
    "a-im",
    "cache-control",
    "cdn-loop",
    "content-encoding",
    "content-language",
    "expect",
    "forwarded",
    "if-match",
    "if-none-match",
    "pragma",
    "prefer",
    "te",
    "via",
    "x-forwarded-for",
];

/// Request fields in whose values a comma separates nothing.
const NO_LISTS: [&str; 8] =
    ["authorization", "cookie", "cookie2", "from", "origin", "referer", "user-agent", "x-requested-with"];

/// All lines of a field as one value, in which nothing is left that means nothing by the field's syntax. `None` when there
/// is no line.
fn joined_value(headers: &HeaderMap, name: &HeaderName) -> Option<Vec<u8>> {
    let lines = || headers.get_all(name).iter().map(|line| trim_ows(line.as_bytes()));
    lines().next()?;
    let is_raw = NO_LISTS.contains(&name.as_str()) || lines().any(|line| !is_quoted_right(line));
    let mut value = if name.as_str().starts_with("accept") || LISTS.contains(&name.as_str()) {
        let members: Vec<&[u8]> = lines().flat_map(line_members).map(|member| member.bytes).collect();
        members.join(&b","[..])
    } else if is_raw {
        lines().collect::<Vec<_>>().join(&b", "[..])
    } else {
        let parts: Vec<&[u8]> = lines().flat_map(line_parts).map(|part| part.bytes).collect();
        parts.join(&b","[..])
    };
    if *name == header::ACCEPT_LANGUAGE {
        value.retain(|byte| !matches!(byte, b' ' | b'\t'));
        value.make_ascii_lowercase();
    }
    Some(value)
}

fn is_quoted_right(line: &[u8]) -> bool {
    line_parts(line).all(|part| part.quoting == Quoting::Closed)
}

#[cfg(test)]
mod tests;
