//! The parameters of a synthetic object, from its URL.

use std::time::{Duration, SystemTime};

use axum::extract::Query;
use http::{HeaderName, HeaderValue, StatusCode, Uri};
use serde::Deserialize;

use crate::cache_control;
use crate::conditional::sendable_date;
use crate::fault::Fault;
use crate::tags::{MAX_TAGS_PER_FILE, TagTemplate};

/// What to do about a URL that doesn't parse.
pub const HINT: &str = "GET /_synthetic/{bytes}/{id} with any of max-age, s-maxage, swr, sie (seconds), cache-control, \
    delay_ms, chunked, status, tags=a,b, vary, etag, last_modified (HTTP date or Unix seconds), type, unique, \
    fault=truncate|reset|stall|status503, stall_ms";

/// A larger object tests the disk of nobody: the bytes are made, not stored.
const MAX_BYTES: u64 = 1024 * 1024 * 1024;
/// No client waits longer; a request must not hold its connection forever.
const MAX_WAIT_MS: u64 = 60_000;
/// As long as a file name.
const MAX_ID_BYTES: usize = 255;
/// Without a word about caching, an object is cached for as long as a page.
const DEFAULT_CACHE_CONTROL: &str = "public, max-age=60";

/// How a synthetic object behaves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// What the bytes are derived from.
    pub id: String,
    /// The size of the whole object.
    pub length_bytes: u64,
    /// None: the field isn't sent.
    pub cache_control: Option<HeaderValue>,
    /// Before the head.
    pub delay: Duration,
    /// No `Content-Length`.
    pub is_chunked: bool,
    /// Preconditions and ranges count for 200 only.
    pub status: StatusCode,
    /// None: the field isn't sent.
    pub tags: Option<HeaderValue>,
    /// None: the field isn't sent.
    pub vary: Option<HeaderValue>,
    /// The request fields that `vary` lists; the bytes are derived from their values too.
    pub varies_by: Vec<HeaderName>,
    /// Whether there is an entity tag.
    pub has_etag: bool,
    /// None: the field isn't sent.
    pub last_modified: Option<SystemTime>,
    /// `Content-Type`.
    pub content_type: HeaderValue,
    /// Every response has other bytes and another entity tag.
    pub is_unique: bool,
    /// What goes wrong.
    pub fault: Option<Fault>,
    /// How long [`Fault::Stall`] keeps the client waiting.
    pub stall: Duration,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct RawQuery {
    #[serde(rename = "max-age", alias = "max_age")]
    max_age: Option<String>,
    #[serde(rename = "s-maxage", alias = "s_maxage")]
    s_maxage: Option<String>,
    swr: Option<String>,
    sie: Option<String>,
    #[serde(rename = "cache-control", alias = "cache_control")]
    cache_control: Option<String>,
    delay_ms: Option<String>,
    chunked: Option<String>,
    status: Option<String>,
    tags: Option<String>,
    vary: Option<String>,
    etag: Option<String>,
    last_modified: Option<String>,
    #[serde(rename = "type")]
    content_type: Option<String>,
    unique: Option<String>,
    fault: Option<String>,
    stall_ms: Option<String>,
}

impl Plan {
    /// Reads the path's two parts and the query. All problems are reported together.
    pub fn parse(bytes: &str, id: &str, uri: &Uri) -> Result<Self, Vec<String>> {
        let Query(raw) = Query::<RawQuery>::try_from_uri(uri).map_err(|error| vec![error.body_text()])?;
        let mut problems = Problems(Vec::new());
        let (vary, varies_by) = problems.of("vary", raw.vary.as_deref(), vary).unwrap_or_default();
        let plan = Self {
            id: problems.of("id", Some(id), self::id).unwrap_or_default(),
            length_bytes: problems.of("bytes", Some(bytes), |text| number(text, MAX_BYTES)).unwrap_or(0),
            cache_control: cache_control_field(&raw, &mut problems),
            delay: problems.of("delay_ms", raw.delay_ms.as_deref(), wait).unwrap_or_default(),
            is_chunked: problems.of("chunked", raw.chunked.as_deref(), flag).unwrap_or(false),
            status: problems.of("status", raw.status.as_deref(), status).unwrap_or(StatusCode::OK),
            tags: problems.of("tags", raw.tags.as_deref(), tags).flatten(),
            vary,
            varies_by,
            has_etag: problems.of("etag", raw.etag.as_deref(), flag).unwrap_or(true),
            last_modified: problems.of("last_modified", raw.last_modified.as_deref(), date),
            content_type: problems
                .of("type", raw.content_type.as_deref(), field_value)
                .unwrap_or(HeaderValue::from_static("application/octet-stream")),
            is_unique: problems.of("unique", raw.unique.as_deref(), flag).unwrap_or(false),
            fault: problems.of("fault", raw.fault.as_deref(), fault),
            stall: problems.of("stall_ms", raw.stall_ms.as_deref(), wait).unwrap_or(Duration::from_millis(MAX_WAIT_MS)),
        };
        if matches!(plan.fault, Some(Fault::Truncate | Fault::Stall)) && plan.length_bytes < 2 {
            problems.0.push("fault: there's no half of an object of less than 2 bytes".to_owned());
        }
        if problems.0.is_empty() { Ok(plan) } else { Err(problems.0) }
    }
}

struct Problems(Vec<String>);

impl Problems {
    fn of<T>(&mut self, name: &str, text: Option<&str>, parse: impl FnOnce(&str) -> Result<T, String>) -> Option<T> {
        let parsed = parse(text?);
        parsed.map_err(|cause| self.0.push(format!("{name}: {cause}"))).ok()
    }
}

fn cache_control_field(raw: &RawQuery, problems: &mut Problems) -> Option<HeaderValue> {
    let mut directives = String::new();
    for (name, directive, text) in [
        ("max-age", "max-age", &raw.max_age),
        ("s-maxage", "s-maxage", &raw.s_maxage),
        ("swr", "stale-while-revalidate", &raw.swr),
        ("sie", "stale-if-error", &raw.sie),
    ] {
        if let Some(seconds) = problems.of(name, text.as_deref(), |text| number(text, u32::MAX.into())) {
            directives += &format!(", {directive}={seconds}");
        }
    }
    match raw.cache_control.as_deref() {
        Some(_) if !directives.is_empty() => {
            problems.0.push("cache-control: it excludes max-age, s-maxage, swr and sie".to_owned());
            None
        }
        Some("") => None,
        Some(text) => problems
            .of("cache-control", Some(text), |text| cache_control::parse(text).map_err(|fault| fault.to_string())),
        None if directives.is_empty() => Some(HeaderValue::from_static(DEFAULT_CACHE_CONTROL)),
        None => HeaderValue::from_str(&format!("public{directives}")).ok(),
    }
}

fn id(text: &str) -> Result<String, String> {
    let is_id = (1..=MAX_ID_BYTES).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'~' | b'-'));
    is_id.then(|| text.to_owned()).ok_or_else(|| format!("{text:?} is not 1 to {MAX_ID_BYTES} of A-Z a-z 0-9 . _ ~ -"))
}

fn number(text: &str, largest: u64) -> Result<u64, String> {
    let is_digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let number = text.parse().ok().filter(|&number| is_digits && number <= largest);
    number.ok_or_else(|| format!("{text:?} is not a whole number from 0 to {largest}"))
}

fn wait(text: &str) -> Result<Duration, String> {
    number(text, MAX_WAIT_MS).map(Duration::from_millis)
}

fn flag(text: &str) -> Result<bool, String> {
    match text {
        "0" | "false" => Ok(false),
        "1" | "true" => Ok(true),
        _ => Err(format!("{text:?} is neither 0 nor 1")),
    }
}

/// 206 belongs to a range that the client asks for.
fn status(text: &str) -> Result<StatusCode, String> {
    let code = text.parse().ok().filter(|code| (200..600).contains(code) && *code != 206);
    code.and_then(|code| StatusCode::from_u16(code).ok())
        .ok_or_else(|| format!("{text:?} is not a status from 200 to 599 other than 206"))
}

fn tags(text: &str) -> Result<Option<HeaderValue>, String> {
    let tags: Vec<&str> = text.split([',', ' ']).filter(|tag| !tag.is_empty()).collect();
    if tags.len() > MAX_TAGS_PER_FILE {
        return Err(format!("more than {MAX_TAGS_PER_FILE} tags"));
    }
    for tag in &tags {
        tag.parse::<TagTemplate>().map_err(|error| format!("{tag:?}: {error}"))?;
    }
    if tags.is_empty() { Ok(None) } else { field_value(&tags.join(" ")).map(Some) }
}

/// `*` is a legal value that no cache reuses (RFC 9110 §12.5.5); it lists no field.
fn vary(text: &str) -> Result<(Option<HeaderValue>, Vec<HeaderName>), String> {
    if text == "*" {
        return Ok((Some(HeaderValue::from_static("*")), Vec::new()));
    }
    let names =
        text.split(',').map(str::trim).map(|name| name.parse().map_err(|_| format!("{name:?} is not a field name")));
    Ok((field_value(text).map(Some)?, names.collect::<Result<_, _>>()?))
}

fn date(text: &str) -> Result<SystemTime, String> {
    let seconds = text.parse().ok().map(|seconds| SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds)));
    let date = seconds.unwrap_or_else(|| httpdate::parse_http_date(text).ok());
    date.map(|date| sendable_date(date, date))
        .ok_or_else(|| format!("{text:?} is neither an HTTP date nor Unix seconds"))
}

fn fault(text: &str) -> Result<Fault, String> {
    let names = || Fault::ALL.map(Fault::name).join(", ");
    text.parse().map_err(|()| format!("{text:?} is none of {}", names()))
}

fn field_value(text: &str) -> Result<HeaderValue, String> {
    HeaderValue::from_str(text).map_err(|_| format!("{text:?} can't be a field's value"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(query: &str) -> Result<Plan, Vec<String>> {
        Plan::parse("1000", "hero.jpg", &format!("/?{query}").parse().expect("a URI"))
    }

    #[test]
    fn cache_control() {
        for (query, expected) in [
            ("", Some("public, max-age=60")),
            ("max-age=5", Some("public, max-age=5")),
            (
                "s-maxage=9&max_age=5&swr=1&sie=2",
                Some("public, max-age=5, s-maxage=9, stale-while-revalidate=1, stale-if-error=2"),
            ),
            ("cache-control=no-store", Some("no-store")),
            ("cache-control=private,%20max-age=0", Some("private, max-age=0")),
            ("cache-control=", None),
        ] {
            let field = parse(query).expect(query).cache_control;
            assert_eq!(field.as_ref().map(|value| value.to_str().expect("ASCII")), expected, "{query}");
        }
    }

    #[test]
    fn everything_at_once() {
        let query = "delay_ms=7&chunked=1&status=404&tags=a,b&vary=Accept-Language,%20X-A&etag=0&last_modified=86400\
                     &type=text/plain&unique=true&fault=stall&stall_ms=60000";
        let plan = parse(query).expect(query);
        assert_eq!((plan.id.as_str(), plan.length_bytes, plan.delay), ("hero.jpg", 1000, Duration::from_millis(7)));
        assert_eq!((plan.is_chunked, plan.has_etag, plan.is_unique), (true, false, true));
        assert_eq!((plan.status, plan.fault), (StatusCode::NOT_FOUND, Some(Fault::Stall)));
        assert_eq!(plan.tags.expect("tags"), "a b");
        assert_eq!(plan.varies_by, ["accept-language", "x-a"]);
        assert_eq!(plan.last_modified, Some(SystemTime::UNIX_EPOCH + Duration::from_secs(86400)));
        assert_eq!((plan.content_type.as_bytes(), plan.stall), (b"text/plain".as_slice(), Duration::from_secs(60)));
        let date = parse("last_modified=Fri,%2002%20Jan%201970%2000:00:00%20GMT").expect("a date").last_modified;
        assert_eq!(date, plan.last_modified);
    }

    #[test]
    fn bad_values() {
        for (query, expected) in [
            ("max-age=x", "max-age: \"x\" is not a whole number from 0 to 4294967295"),
            ("max-age=%2B1", "max-age: \"+1\" is not a whole number from 0 to 4294967295"),
            ("delay_ms=60001", "delay_ms: \"60001\" is not a whole number from 0 to 60000"),
            ("stall_ms=-1", "stall_ms: \"-1\" is not a whole number from 0 to 60000"),
            ("chunked=maybe", "chunked: \"maybe\" is neither 0 nor 1"),
            ("status=199", "status: \"199\" is not a status from 200 to 599 other than 206"),
            ("status=206", "status: \"206\" is not a status from 200 to 599 other than 206"),
            ("vary=a%20b", "vary: \"a b\" is not a field name"),
            ("type=a%0Ab", "type: \"a\\nb\" can't be a field's value"),
            ("last_modified=today", "last_modified: \"today\" is neither an HTTP date nor Unix seconds"),
            ("fault=fire", "fault: \"fire\" is none of truncate, reset, stall, status503"),
            ("cache-control=a%20b", "cache-control: `a b` is not a directive"),
            ("cache-control=no-store&swr=1", "cache-control: it excludes max-age, s-maxage, swr and sie"),
        ] {
            assert_eq!(parse(query), Err(vec![expected.to_owned()]), "{query}");
        }
        for query in ["colour=blue", "swr=1&swr=2", "tags=%22"] {
            assert_eq!(parse(query).map_err(|problems| problems.len()), Err(1), "{query}");
        }
        let too_many = format!("tags={}", "t,".repeat(MAX_TAGS_PER_FILE + 1));
        assert!(parse(&too_many).is_err());
        assert_eq!(parse("max-age=x&delay_ms=y&etag=2").map_err(|problems| problems.len()), Err(3));
    }

    #[test]
    fn bad_paths() {
        let none = Uri::from_static("/");
        for (bytes, id) in
            [("1073741825", "a"), ("-1", "a"), ("", "a"), ("1k", "a"), ("1", ""), ("1", "a b"), ("1", "é")]
        {
            assert!(Plan::parse(bytes, id, &none).is_err(), "{bytes}/{id}");
        }
        assert!(Plan::parse("1073741824", "a", &none).is_ok());
        assert!(Plan::parse("1", "a", &Uri::from_static("/?fault=truncate")).is_err());
    }
}
