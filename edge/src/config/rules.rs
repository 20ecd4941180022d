//! Rules of a site. A rule that can't do what it says is a mistake, and not one that does nothing.

use super::fields::{Way, read_changes};
use super::reader::Section;
use super::sites::{HINT_MAX, LONGER_THAN_MAX};
use crate::core::site_rule::{Glob, Match, Set, SiteRule};
use std::time::Duration;

pub(super) fn read_rule(rule: Section<'_>, max_ttl: Duration) -> SiteRule {
    let matches = rule.section("match").map(read_match).unwrap_or_default();
    let set = match rule.section("set") {
        Some(set) => read_set(set, &matches, max_ttl),
        None => {
            rule.missing("set", "say what the rule changes, as in set = { pass = true }");
            Set::default()
        }
    };
    rule.finish();
    SiteRule { matches, set }
}

fn read_match(section: Section<'_>) -> Match {
    let path = section.text("path").and_then(|at| {
        let good = at.value.starts_with(['/', '*']);
        if !good {
            section.reject(&at, "matches no path", "begin it with \"/\" or \"*\"");
        } else if at.value.contains(['?', '#']) {
            section.reject(&at, "matches no path, which ends before the query", "leave out \"?\" and what follows it");
        }
        good.then(|| Glob::new(at.value))
    });
    let plain = |extension: &str| extension.trim_start_matches('.').to_ascii_lowercase();
    let extensions = section.distinct("extension", plain).unwrap_or_default();
    for at in extensions.iter().filter(|at| plain(at.value).is_empty() || plain(at.value).contains(['.', '/', '*'])) {
        section.reject(at, "is no extension", "write what is behind the last dot, as in \"gz\", or match on path");
    }
    let cookie = section.text("cookie").inspect(|at| {
        if at.value.is_empty() || at.value.contains(['=', ';', ' ', '*']) {
            section.reject(at, "is the name of no cookie", "write its name alone, as in \"session\"");
        }
    });
    let content_type = section.text("content_type").inspect(|at| {
        if !at.value.contains(['/', '*']) || at.value.contains([';', ' ']) {
            section.reject(
                at,
                "matches no content type",
                "write it without parameters, as in \"text/html\" or \"image/*\"",
            );
        }
    });
    let matches = Match {
        path,
        extensions: extensions.iter().map(|at| plain(at.value)).collect(),
        cookie: cookie.map(|at| at.value.to_owned()),
        content_type: content_type.map(|at| Glob::new(&at.value.to_ascii_lowercase())),
    };
    section.finish();
    matches
}

fn read_set(section: Section<'_>, matches: &Match, max_ttl: Duration) -> Set {
    let set = Set {
        pass: section.boolean("pass"),
        ttl: section.duration("ttl"),
        strip_cookies: section.boolean("strip_cookies"),
        store_cookies: section.boolean("store_cookies"),
        request_headers: read_changes(&section, "request_headers", Way::ToOrigin),
        response_headers: read_changes(&section, "response_headers", Way::ToClient),
    };
    check_set(&section, &set, matches, max_ttl);
    section.finish();
    set
}

/// Finds what has no effect in this rule, or one that takes another's place.
fn check_set(section: &Section<'_>, set: &Set, matches: &Match, max_ttl: Duration) {
    if section.is_empty() {
        section.reject(&section.whole(), "changes nothing", "say what the rule changes, as in set = { pass = true }");
    }
    if matches.content_type.is_some() {
        let what = "can't depend on the content type, which is known only after the fetch";
        if set.pass == Some(true) {
            section.reject(&section.at("pass"), what, "match on path, extension or cookie, or set ttl = \"0s\"");
        }
        if !set.request_headers.is_empty() {
            section.reject(&section.at("request_headers"), what, "match on path, extension or cookie");
        }
    }
    if set.pass == Some(true) {
        let what = "has no effect on what goes past the cache";
        for (key, is_set) in [("ttl", set.ttl.is_some()), ("store_cookies", set.store_cookies == Some(true))] {
            if is_set {
                section.reject(&section.at(key), what, "remove it, or pass");
            }
        }
    }
    if set.strip_cookies == Some(true) && set.store_cookies == Some(true) {
        let what = "stands beside strip_cookies, which leaves none to store";
        section.reject(&section.at("store_cookies"), what, "keep one of them");
    }
    if set.ttl.is_some_and(|ttl| ttl > max_ttl) {
        section.reject(&section.at("ttl"), LONGER_THAN_MAX, HINT_MAX);
    }
}
