//! Sites and their rules.

use super::nodes::{Unique, checked};
use super::quantity::parse_duration;
use super::reader::{At, Section};
use crate::core::cache_control::{ClientDirectives, DEFAULT_TARGET_LIST};
use crate::core::id::{OriginId, SiteId};
use crate::core::site_rule::{Glob, HeaderChange, Match, Set, SiteRule};
use crate::core::url::{QueryRule, Scheme, normalise_host};
use crate::core::vary::{AcceptEncoding, AcceptLanguage, VaryPolicy};
use http::{HeaderName, HeaderValue};
use std::time::Duration;
use toml::de::DeValue;

/// A site: some hosts, where they are fetched from, and how they are cached.
#[derive(Debug, Clone)]
pub struct Site {
    /// Its name.
    pub id: SiteId,
    /// Its hosts, in their one form.
    pub hosts: Vec<String>,
    /// Where it is fetched from.
    pub origin: OriginId,
    /// The lifetime of responses that say nothing about theirs; `None` for a tenth of their age by Last-Modified, at most
    /// a day (RFC 9111 §4.2.2).
    pub default_ttl: Option<Duration>,
    /// No lifetime is longer than this.
    pub max_ttl: Duration,
    /// Lifetimes of error responses that say nothing about theirs, by status.
    pub negative_ttl: Vec<(u16, Duration)>,
    /// For how long a response that does not say may be served stale while it is revalidated.
    pub stale_while_revalidate: Duration,
    /// For how long a response that does not say may be served stale when its origin fails.
    pub stale_if_error: Duration,
    /// How queries are normalised.
    pub query: QueryRule,
    /// The response fields that carry surrogate tags.
    pub tag_fields: Vec<HeaderName>,
    /// Whether those fields are shown to clients.
    pub expose_tags: bool,
    /// The response fields with directives for this cache, first the preferred one (RFC 9213).
    pub targeted_fields: Vec<HeaderName>,
    /// How far the directives of requests are followed.
    pub client_directives: ClientDirectives,
    /// Whether windows for stale answers that a response states count although it states `s-maxage` too.
    pub stale_despite_s_maxage: bool,
    /// How variants are told apart.
    pub vary: VaryPolicy,
    /// How a Range is fetched that nothing stored can answer.
    pub range_miss: RangeMiss,
    /// Whether the response to a POST may be stored where it says that it is what a GET would get.
    pub store_posts: bool,
    /// Whether Cache-Status shows the cache key.
    pub expose_key: bool,
    /// Rules, in order.
    pub rules: Vec<SiteRule>,
}

/// How a request for a range is fetched when nothing stored can answer it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RangeMiss {
    /// The whole representation is fetched and stored; the range is sent as its bytes arrive.
    #[default]
    Whole,
    /// The range alone is fetched, and stored as a part.
    Forward,
}

/// What a site's lifetimes are clamped to if it does not say: one year, the longest that RFC 2616 recommended and that
/// immutable assets use.
const DEFAULT_MAX_TTL: Duration = Duration::from_secs(365 * 86_400);

pub(super) fn read_sites(root: &Section<'_>, origins: &[OriginId]) -> Vec<Site> {
    let mut names = Unique::new("site");
    let mut hosts = Unique::new("host");
    let sections = root.sections("sites");
    if sections.is_empty() {
        root.missing("sites", "write at least one [[sites]] with id, hosts and origin");
    }
    sections.into_iter().filter_map(|site| read_site(site, origins, &mut names, &mut hosts)).collect()
}

fn read_site(site: Section<'_>, origins: &[OriginId], names: &mut Unique, all_hosts: &mut Unique) -> Option<Site> {
    let id = site.needed("id", "name the site, as in id = \"docs\"");
    let id = id.and_then(|at| checked(&site, &at, SiteId::new)).inspect(|(id, at)| names.add(&site, id.as_str(), at));
    let hosts = read_hosts(&site, all_hosts);
    let origin = site.needed("origin", "name one of [[origins]]").and_then(|at| {
        let known = origins.iter().find(|origin| origin.as_str() == at.value);
        if known.is_none() {
            site.reject(&at, "is no origin of this file", "name one of [[origins]]");
        }
        known.cloned()
    });
    let duration = |key, default| site.duration(key).unwrap_or(default);
    let read = Site {
        default_ttl: site.duration("default_ttl"),
        max_ttl: duration("max_ttl", DEFAULT_MAX_TTL),
        negative_ttl: read_negative_ttl(&site),
        stale_while_revalidate: duration("stale_while_revalidate", Duration::ZERO),
        stale_if_error: duration("stale_if_error", Duration::ZERO),
        query: read_query(&site),
        tag_fields: read_fields(&site, "tag_fields")
            .unwrap_or_else(|| vec![HeaderName::from_static("surrogate-key"), HeaderName::from_static("cache-tag")]),
        expose_tags: site.boolean("expose_tags").unwrap_or(false),
        targeted_fields: read_fields(&site, "targeted_fields").unwrap_or_else(|| DEFAULT_TARGET_LIST.to_vec()),
        client_directives: choice(
            &site,
            "client_directives",
            &[("harmless", ClientDirectives::Harmless), ("all", ClientDirectives::All)],
        ),
        stale_despite_s_maxage: site.boolean("stale_despite_s_maxage").unwrap_or(false),
        vary: VaryPolicy {
            accept_encoding: choice(
                &site,
                "accept_encoding",
                &[("normalise", AcceptEncoding::Normalised), ("as-sent", AcceptEncoding::AsReceived)],
            ),
            accept_language: choice(
                &site,
                "accept_language",
                &[("as-sent", AcceptLanguage::AsReceived), ("normalise", AcceptLanguage::Normalised)],
            ),
        },
        range_miss: choice(&site, "range_miss", &[("whole", RangeMiss::Whole), ("forward", RangeMiss::Forward)]),
        store_posts: site.boolean("store_posts").unwrap_or(false),
        expose_key: site.boolean("expose_key").unwrap_or(false),
        rules: site.sections("rules").into_iter().map(read_rule).collect(),
        id: SiteId::new("unnamed").ok()?,
        origin: OriginId::new("unnamed").ok()?,
        hosts,
    };
    if read.default_ttl.is_some_and(|ttl| ttl > read.max_ttl) {
        let at = At { value: (), key: format!("{}.default_ttl", site.path), span: site.span.clone() };
        site.reject(&at, "is longer than max_ttl", "make it no longer than max_ttl");
    }
    site.finish();
    Some(Site { id: id?.0, origin: origin?, ..read })
}

/// One of some words, the first of which is the default.
fn choice<T: Copy>(section: &Section<'_>, key: &'static str, words: &[(&str, T)]) -> T {
    let default = words[0].1;
    let Some(at) = section.text(key) else { return default };
    match words.iter().find(|(word, _)| *word == at.value) {
        Some((_, meant)) => *meant,
        None => {
            let known = words.iter().map(|(word, _)| format!("\"{word}\"")).collect::<Vec<_>>().join(" or ");
            section.reject(&at, "is none of the words that can stand here", format!("write {known}"));
            default
        }
    }
}

fn read_hosts(site: &Section<'_>, all_hosts: &mut Unique) -> Vec<String> {
    let listed = site.texts("hosts").unwrap_or_default();
    if listed.is_empty() {
        site.missing("hosts", "list the hosts of the site, as in hosts = [\"www.example.com\"]");
    }
    let mut hosts = Vec::new();
    for at in listed {
        match normalise_host(at.value, Scheme::Http) {
            Ok(host) => {
                all_hosts.add(site, &host, &at);
                hosts.push(host);
            }
            Err(error) => site.reject(&at, error.to_string(), "write a host, as in \"www.example.com\""),
        }
    }
    hosts
}

fn read_negative_ttl(site: &Section<'_>) -> Vec<(u16, Duration)> {
    let Some(table) = site.section("negative_ttl") else { return Vec::new() };
    let mut ttls = Vec::new();
    for (status, value) in table.entries() {
        let at = At { value: (), key: status.key.clone(), span: value.span() };
        let ttl = match value.get_ref() {
            DeValue::String(text) => parse_duration(text),
            _ => None,
        };
        match (status.value.parse::<u16>(), ttl) {
            (Ok(code @ 400..=599), Some(ttl)) => ttls.push((code, ttl)),
            (Ok(400..=599), None) => table.reject(&at, "is not a duration", "write it as in 404 = \"10s\""),
            _ => table.reject(&at, "is not an error status", "use a status from 400 to 599, as in 404 = \"10s\""),
        }
    }
    ttls
}

fn read_query(site: &Section<'_>) -> QueryRule {
    let Some(query) = site.section("query") else { return QueryRule::default() };
    let names = |key| query.texts(key).map(|list| list.iter().map(|at| at.value.to_owned()).collect::<Vec<_>>());
    let rule = QueryRule {
        sort: query.boolean("sort").unwrap_or(false),
        keep: names("keep"),
        drop: names("drop").unwrap_or_default(),
    };
    query.finish();
    rule
}

fn read_fields(section: &Section<'_>, key: &'static str) -> Option<Vec<HeaderName>> {
    let list = section.texts(key)?;
    let mut fields = Vec::new();
    for at in list {
        match HeaderName::from_bytes(at.value.as_bytes()) {
            Ok(name) => fields.push(name),
            Err(_) => section.reject(&at, "is not a field name", "write it as in \"Surrogate-Key\""),
        }
    }
    Some(fields)
}

fn read_rule(rule: Section<'_>) -> SiteRule {
    let matches = rule.section("match").map(read_match).unwrap_or_default();
    let set = match rule.section("set") {
        Some(set) => read_set(set),
        None => {
            rule.missing("set", "say what the rule changes, as in set = { pass = true }");
            Set::default()
        }
    };
    if set.pass == Some(true) && matches.content_type.is_some() {
        let at = At { value: (), key: format!("{}.set.pass", rule.path), span: rule.span.clone() };
        rule.reject(
            &at,
            "can't depend on the content type, which is known only after the fetch",
            "match on path, extension or cookie, or set ttl = \"0\"",
        );
    }
    rule.finish();
    SiteRule { matches, set }
}

fn read_match(section: Section<'_>) -> Match {
    let path = section.text("path").and_then(|at| {
        let good = at.value.starts_with(['/', '*']);
        if !good {
            section.reject(&at, "matches no path", "begin it with \"/\" or \"*\"");
        }
        good.then(|| Glob::new(at.value))
    });
    let extensions = section.texts("extension").unwrap_or_default();
    let matches = Match {
        path,
        extensions: extensions.iter().map(|at| at.value.trim_start_matches('.').to_ascii_lowercase()).collect(),
        cookie: section.text("cookie").map(|at| at.value.to_owned()),
        content_type: section.text("content_type").map(|at| Glob::new(&at.value.to_ascii_lowercase())),
    };
    section.finish();
    matches
}

fn read_set(section: Section<'_>) -> Set {
    let set = Set {
        pass: section.boolean("pass"),
        ttl: section.duration("ttl"),
        strip_cookies: section.boolean("strip_cookies"),
        store_cookies: section.boolean("store_cookies"),
        request_headers: read_changes(&section, "request_headers"),
        response_headers: read_changes(&section, "response_headers"),
    };
    section.finish();
    set
}

/// Fields that frame a message or belong to the node; a rule can't touch them.
const FIXED_FIELDS: [&str; 9] = [
    "connection",
    "content-length",
    "transfer-encoding",
    "te",
    "trailer",
    "upgrade",
    "host",
    "via",
    crate::core::tier::TIER_FIELD,
];

fn read_changes(section: &Section<'_>, key: &'static str) -> Vec<HeaderChange> {
    let Some(table) = section.section(key) else { return Vec::new() };
    let mut changes = Vec::new();
    for (name, value) in table.entries() {
        let at = At { value: (), key: name.key.clone(), span: value.span() };
        let field = HeaderName::from_bytes(name.value.as_bytes()).ok();
        let change = match value.get_ref() {
            DeValue::String(text) => HeaderValue::from_str(text).ok().map(Some),
            DeValue::Boolean(false) => Some(None),
            _ => None,
        };
        match (field, change) {
            (Some(field), _) if FIXED_FIELDS.contains(&field.as_str()) => {
                table.reject(&at, "a rule can't change this field", "remove it");
            }
            (Some(field), Some(change)) => changes.push((field, change)),
            (None, _) => table.reject(&at, "is not a field name", "write it as in x-frame-options = \"DENY\""),
            (_, None) => table.reject(&at, "is not a field value", "write a text, or false to remove the field"),
        }
    }
    changes
}
