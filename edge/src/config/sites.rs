//! Sites and their rules.

use super::fields::{may_be_targeted, may_carry_tags, read_fields};
use super::nodes::{Unique, checked};
use super::quantity::parse_duration;
use super::reader::{At, Section};
use super::rules::read_rule;
use crate::core::cache_control::{ClientDirectives, DEFAULT_TARGET_LIST};
use crate::core::id::{OriginId, SiteId};
use crate::core::site_rule::SiteRule;
use crate::core::url::{QueryRule, Scheme, normalise_host};
use crate::core::vary::{AcceptEncoding, AcceptLanguage, VaryPolicy};
use http::HeaderName;
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

pub(super) const LONGER_THAN_MAX: &str = "is longer than max_ttl";
pub(super) const HINT_MAX: &str = "make it no longer than max_ttl";

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
    let max_ttl = duration("max_ttl", DEFAULT_MAX_TTL);
    let read = Site {
        default_ttl: site.duration("default_ttl"),
        max_ttl,
        negative_ttl: read_negative_ttl(&site, max_ttl),
        stale_while_revalidate: duration("stale_while_revalidate", Duration::ZERO),
        stale_if_error: duration("stale_if_error", Duration::ZERO),
        query: read_query(&site),
        tag_fields: read_fields(&site, "tag_fields", may_carry_tags)
            .unwrap_or_else(|| vec![HeaderName::from_static("surrogate-key"), HeaderName::from_static("cache-tag")]),
        expose_tags: site.boolean("expose_tags").unwrap_or(false),
        targeted_fields: read_fields(&site, "targeted_fields", may_be_targeted)
            .unwrap_or_else(|| DEFAULT_TARGET_LIST.to_vec()),
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
        rules: site.sections("rules").into_iter().map(|rule| read_rule(rule, max_ttl)).collect(),
        id: SiteId::new("unnamed").ok()?,
        origin: OriginId::new("unnamed").ok()?,
        hosts,
    };
    if read.default_ttl.is_some_and(|ttl| ttl > max_ttl) {
        site.reject(&site.at("default_ttl"), LONGER_THAN_MAX, HINT_MAX);
    }
    for field in read.targeted_fields.iter().filter(|field| read.tag_fields.contains(field)) {
        let what = format!("has {field}, which is one of tag_fields too");
        site.reject(&site.at("targeted_fields"), what, "a field holds directives or tags: list it in one of the two");
    }
    if read.store_posts && read.rules.iter().any(|rule| rule.set.store_cookies == Some(true)) {
        site.warn(
            &site.at("store_posts"),
            "together with a rule's store_cookies, the cookies that the answer to one client's POST sets go to everybody",
            "leave it only if this origin says private or no-store of every answer that is one client's",
        );
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

fn read_negative_ttl(site: &Section<'_>, max_ttl: Duration) -> Vec<(u16, Duration)> {
    let Some(table) = site.section("negative_ttl") else { return Vec::new() };
    let mut ttls = Vec::new();
    for (status, value) in table.entries() {
        let at = At { value: (), key: status.key.clone(), span: value.span() };
        let ttl = match value.get_ref() {
            DeValue::String(text) => parse_duration(text),
            _ => None,
        };
        match (status.value.parse::<u16>(), ttl) {
            (Ok(400..=599), Some(ttl)) if ttl > max_ttl => table.reject(&at, LONGER_THAN_MAX, HINT_MAX),
            (Ok(code @ 400..=599), Some(ttl)) => ttls.push((code, ttl)),
            (Ok(400..=599), None) => table.reject(&at, "is not a duration", "write it as in 404 = \"10s\""),
            _ => table.reject(&at, "is not an error status", "use a status from 400 to 599, as in 404 = \"10s\""),
        }
    }
    ttls
}

fn read_query(site: &Section<'_>) -> QueryRule {
    let Some(query) = site.section("query") else { return QueryRule::default() };
    let names = |key| {
        let list = query.distinct(key, str::to_owned)?;
        for at in &list {
            let name = at.value.strip_suffix('*').unwrap_or(at.value);
            if at.value.is_empty() || name.contains(['*', '=', '&', '#', '?']) {
                query.reject(
                    at,
                    "is the name of no parameter",
                    "write a name, or its beginning and a *, as in \"utm_*\"",
                );
            }
        }
        Some(list.iter().map(|at| at.value.to_owned()).collect::<Vec<_>>())
    };
    let rule = QueryRule {
        sort: query.boolean("sort").unwrap_or(false),
        keep: names("keep"),
        drop: names("drop").unwrap_or_default(),
    };
    if rule.keep.is_some() && !rule.drop.is_empty() {
        query.reject(
            &query.at("drop"),
            "stands beside keep, by which all that it does not name are dropped",
            "write keep or drop",
        );
    }
    query.finish();
    rule
}
