//! What is to be purged: words brought into targets, each checked against the fleet file before anything is sent.

use crate::list::Word;
use edge::config::{Fleet, UrlError};
use edge::core::id::{SiteId, Tag};
use edge::core::purge::{MAX_RULES, Selector};
use edge::core::url::{Scheme, SiteUrl, normalise_host};
use edge::wire::purge::Target;
use std::collections::HashSet;
use std::fmt;
use std::ops::Range;

/// How many targets one run may have: as many as a node can tell apart. Past it the node would forget rules and hide
/// all that it holds, which `site` or `all` says plainly.
pub const MAX_TARGETS: usize = 100_000;
const _: () = assert!(MAX_TARGETS < MAX_RULES);

/// Longest target, in bytes: far beyond any request line that a node takes.
pub const MAX_TARGET_BYTES: usize = 64 << 10;

/// How many known names a hint lists.
const MAX_HINTED: usize = 8;

/// The kind of the targets of a run: all of them have the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// URLs.
    Url,
    /// URL prefixes.
    Prefix,
    /// Surrogate tags of a site.
    Tag,
    /// Hosts.
    Host,
    /// Sites.
    Site,
    /// Everything.
    Everything,
}

impl Kind {
    /// `3 URLs`, `1 tag`, `everything`.
    fn count(self, n: usize) -> String {
        let (one, many) = match self {
            Self::Url => ("URL", "URLs"),
            Self::Prefix => ("prefix", "prefixes"),
            Self::Tag => ("tag", "tags"),
            Self::Host => ("host", "hosts"),
            Self::Site => ("site", "sites"),
            Self::Everything => return "everything".to_owned(),
        };
        format!("{n} {}", if n == 1 { one } else { many })
    }
}

/// What a token must be allowed to purge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// These sites.
    Sites(Vec<SiteId>),
    /// The whole fleet.
    Everything,
}

/// Checked targets, each once, in the order in which they were given. At least one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Targets {
    /// Their kind.
    pub kind: Kind,
    /// The targets, as they are sent.
    pub list: Vec<Target>,
    /// The sites that they are of.
    pub scope: Scope,
}

impl fmt::Display for Targets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.kind.count(self.list.len()))
    }
}

/// A target that can't be purged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadTarget {
    /// Where it stands, unless it is an argument.
    pub place: Option<String>,
    /// The text, if there is one.
    pub text: Option<String>,
    /// What is wrong with it.
    pub what: String,
    /// What to do.
    pub hint: String,
}

/// All targets that can't be purged. Never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadTargets(pub Vec<BadTarget>);

impl std::error::Error for BadTargets {}

impl fmt::Display for BadTargets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, bad) in self.0.iter().enumerate() {
            if at > 0 {
                f.write_str("\n")?;
            }
            if let Some(place) = &bad.place {
                write!(f, "{place}: ")?;
            }
            if let Some(text) = &bad.text {
                let cut = cut(text);
                write!(f, "{cut:?}{} ", if cut.len() < text.len() { "…:" } else { ":" })?;
            }
            write!(f, "{}\n    hint: {}", bad.what, bad.hint)?;
        }
        Ok(())
    }
}

/// How much of a wrong target is shown.
fn cut(text: &str) -> &str {
    text.char_indices().nth(200).map_or(text, |(end, _)| &text[..end])
}

impl Targets {
    /// The target of `all`.
    pub fn everything() -> Self {
        Self { kind: Kind::Everything, list: vec![Target::Everything], scope: Scope::Everything }
    }

    /// Checks every word. `site` is what `--site` says, and matters to tags only.
    ///
    /// # Errors
    /// [`BadTargets`]: all of them that the fleet doesn't know or that are malformed, or that there is none.
    pub fn check(fleet: &Fleet, kind: Kind, words: &[Word], site: Option<&str>) -> Result<Self, BadTargets> {
        if kind == Kind::Everything {
            return Ok(Self::everything());
        }
        let alone = |what: String, hint: &str| {
            BadTargets(vec![BadTarget { place: None, text: None, what, hint: hint.to_owned() }])
        };
        if words.is_empty() {
            return Err(alone("there is nothing to purge: the list is empty".to_owned(), "write one target per line"));
        }
        if words.len() > MAX_TARGETS {
            let what = format!("{} are more than the {MAX_TARGETS} of one run", kind.count(words.len()));
            return Err(alone(what, "purge a prefix, a tag or the site instead, or split the list"));
        }
        let mut bad = Vec::new();
        let tag_site = match kind {
            Kind::Tag => site_of_tags(fleet, site).map_err(|error| bad.push(error)).ok(),
            _ => None,
        };
        let mut seen = HashSet::new();
        let mut list = Vec::new();
        let mut sites: Vec<SiteId> = Vec::new();
        for word in words {
            match read_word(fleet, kind, &word.text, tag_site.as_ref()) {
                Ok((target, site)) => {
                    if seen.insert(word.text.as_str()) {
                        list.push(target);
                        if !sites.contains(&site) {
                            sites.push(site);
                        }
                    }
                }
                // Told of once, for all tags together.
                Err(Wrong::Site) => {}
                Err(Wrong::Word { what, hint }) => {
                    let text = Some(without_password(&word.text));
                    bad.push(BadTarget { place: word.place.clone(), text, what, hint });
                }
            }
        }
        if bad.is_empty() { Ok(Self { kind, list, scope: Scope::Sites(sites) }) } else { Err(BadTargets(bad)) }
    }
}

/// The words that end in a star as patterns elsewhere do: it is taken literally here.
pub fn taken_literally(kind: Kind, words: &[Word]) -> impl Iterator<Item = &Word> {
    let takes_urls = matches!(kind, Kind::Url | Kind::Prefix);
    words.iter().filter(move |word| takes_urls && word.text.ends_with("/*"))
}

enum Wrong {
    /// The site of the tags is not known.
    Site,
    /// The word itself is wrong.
    Word { what: String, hint: String },
}

fn wrong(what: impl fmt::Display, hint: impl Into<String>) -> Wrong {
    Wrong::Word { what: what.to_string(), hint: hint.into() }
}

/// One word, as it is sent, and its site.
fn read_word(fleet: &Fleet, kind: Kind, text: &str, tag_site: Option<&SiteId>) -> Result<(Target, SiteId), Wrong> {
    if text.len() > MAX_TARGET_BYTES {
        return Err(wrong(format!("is longer than {MAX_TARGET_BYTES} bytes"), "nothing of that length is stored"));
    }
    match kind {
        Kind::Url => site_url(fleet, text).map(|url| (Target::Url { url: text.to_owned() }, url.site)),
        Kind::Prefix => prefix(fleet, text),
        Kind::Tag => {
            Tag::new(text).map_err(|error| wrong(error, "name one tag, as the site's origin sends it"))?;
            let site = tag_site.ok_or(Wrong::Site)?;
            Ok((Target::Tag { site: site.to_string(), tag: text.to_owned() }, site.clone()))
        }
        Kind::Host => {
            if text.contains("://") {
                let hint = "write the host alone, as in www.example.com; URLs are purged by `url` and `prefix`";
                return Err(wrong("is a URL, not a host", hint));
            }
            let host = normalise_host(text, Scheme::Http)
                .map_err(|error| wrong(error, "write a host alone, as in www.example.com"))?;
            let (site, _) = fleet.site_of_host(&host).ok_or_else(|| unknown_host(fleet, &host))?;
            Ok((Target::Host { host }, site.id.clone()))
        }
        Kind::Site => {
            let site = fleet.sites.iter().find(|site| site.id.as_str() == text);
            let site = site.ok_or_else(|| wrong("the fleet file has no site of this name", site_names(fleet)))?;
            Ok((Target::Site { site: text.to_owned() }, site.id.clone()))
        }
        Kind::Everything => Err(wrong("nothing can be named here", "use `all`")),
    }
}

impl Targets {
    /// The same URLs or prefixes on every host of their sites, in the order of the fleet file.
    ///
    /// # Errors
    /// [`BadTargets`]: there are too many then.
    pub fn on_all_hosts(self, fleet: &Fleet) -> Result<Self, BadTargets> {
        let mut list: Vec<Target> = Vec::new();
        let mut seen = HashSet::new();
        for target in &self.list {
            let (Target::Url { url } | Target::Prefix { url }) = target else { continue };
            let Ok(of_site) = fleet.site_url(url) else { continue };
            // Behind the host: the path and the query as they were typed.
            let from_host = url.find("://").map_or(0, |at| at + 3);
            let rest = url[from_host..].find(['/', '?', '#']).map_or("", |at| &url[from_host + at..]);
            let hosts = fleet.sites.iter().filter(|site| site.id == of_site.site).flat_map(|site| &site.hosts);
            for host in hosts {
                let url = format!("{}://{host}{rest}", of_site.scheme.as_str());
                if seen.insert(url.clone()) {
                    let is_prefix = matches!(target, Target::Prefix { .. });
                    list.push(if is_prefix { Target::Prefix { url } } else { Target::Url { url } });
                }
            }
            if list.len() > MAX_TARGETS {
                let what = format!("on all hosts these are more than the {MAX_TARGETS} of one run");
                let hint = "purge a prefix, a tag or the site instead, or split the list".to_owned();
                return Err(BadTargets(vec![BadTarget { place: None, text: None, what, hint }]));
            }
        }
        Ok(Self { list, ..self })
    }
}

fn prefix(fleet: &Fleet, text: &str) -> Result<(Target, SiteId), Wrong> {
    let url = site_url(fleet, text)?;
    if text.contains('?') {
        return Err(wrong("a prefix has no query", "leave out what follows the path: all queries are purged"));
    }
    if text.contains('#') {
        return Err(wrong("a prefix has no fragment", "leave out \"#\" and what follows it"));
    }
    let site = url.site.clone();
    Selector::prefix(url.site, url.host, url.path).map_err(|error| wrong(error, "purge a shorter prefix"))?;
    Ok((Target::Prefix { url: text.to_owned() }, site))
}

fn site_url(fleet: &Fleet, text: &str) -> Result<SiteUrl, Wrong> {
    fleet.site_url(text).map_err(|error| match error {
        UrlError::NotAbsolute(_) => wrong("is not an absolute URL", "write it as in https://www.example.com/path"),
        UrlError::NotEncoded(_) => {
            wrong("has characters that a URL must percent-encode", "write a space as %20, and others likewise")
        }
        UrlError::BadHost { .. } if user_in(text).is_some() => {
            wrong("has a user name or a password", "leave out what stands before the \"@\": URLs are stored without it")
        }
        UrlError::BadHost { cause, .. } => wrong(cause, "write it as in https://www.example.com/path"),
        UrlError::UnknownHost(host) => unknown_host(fleet, &host),
    })
}

/// Where in a URL the user name and the password stand, which no site's URLs have.
fn user_in(url: &str) -> Option<Range<usize>> {
    let from = url.find("://")? + 3;
    let authority = url[from..].split(['/', '?', '#']).next()?;
    Some(from..from + authority.rfind('@')?)
}

/// A text as it may be shown: messages end up in the logs of others.
fn without_password(text: &str) -> String {
    let mut text = text.to_owned();
    if let Some(user) = user_in(&text) {
        text.replace_range(user, "…");
    }
    text
}

fn unknown_host(fleet: &Fleet, host: &str) -> Wrong {
    let hosts = fleet.sites.iter().flat_map(|site| &site.hosts).map(String::as_str);
    wrong(format!("no site has the host {host:?}"), format!("the fleet file knows {}", first_few(hosts)))
}

fn site_names(fleet: &Fleet) -> String {
    format!("the fleet file knows {}", first_few(fleet.sites.iter().map(|site| site.id.as_str())))
}

fn first_few<'n>(names: impl Iterator<Item = &'n str>) -> String {
    let names: Vec<&str> = names.collect();
    let shown = names.iter().take(MAX_HINTED).copied().collect::<Vec<_>>().join(", ");
    match names.len().checked_sub(MAX_HINTED) {
        Some(more @ 1..) => format!("{shown} and {more} more"),
        _ => shown,
    }
}

/// The site that `--site` names, or the only one there is.
fn site_of_tags(fleet: &Fleet, named: Option<&str>) -> Result<SiteId, BadTarget> {
    let bad = |text: Option<&str>, what: &str| BadTarget {
        place: Some("--site".to_owned()),
        text: text.map(str::to_owned),
        what: what.to_owned(),
        hint: site_names(fleet),
    };
    match (named, fleet.sites.as_slice()) {
        (Some(name), sites) => {
            let site = sites.iter().find(|site| site.id.as_str() == name);
            site.map(|site| site.id.clone()).ok_or_else(|| bad(named, "the fleet file has no site of this name"))
        }
        (None, [only]) => Ok(only.id.clone()),
        (None, _) => Err(bad(None, "the fleet has several sites, and tags belong to one of them")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn fleet(sites: &[(&str, &str)]) -> Fleet {
        let mut text = String::from(
            "[[pops]]\nid = \"fra\"\nlatitude = 50.0\nlongitude = 8.0\n\
             [[pops.nodes]]\nid = \"fra-1\"\npublic = \"127.0.0.1:80\"\nadmin = \"127.0.0.1:90\"\n\
             [[origins]]\nid = \"www\"\nurl = \"http://127.0.0.1:8000\"\n\
             [[tokens]]\nid = \"admin\"\nrole = \"admin\"\nenv = \"T\"\n",
        );
        for (site, host) in sites {
            text.push_str(&format!("[[sites]]\nid = \"{site}\"\nhosts = [\"{host}\"]\norigin = \"www\"\n"));
        }
        Fleet::parse(&text, "fleet.toml", Path::new("")).expect("a fleet")
    }

    fn words(texts: &[&str]) -> Vec<Word> {
        texts.iter().map(|text| Word::from((*text).to_owned())).collect()
    }

    /// One word, in a fleet with the sites docs (docs.example.com) and shop (shop.example.com:8080).
    fn check(kind: Kind, text: &str, want: Result<Target, &str>) {
        let fleet = fleet(&[("docs", "docs.example.com"), ("shop", "shop.example.com:8080")]);
        let got = Targets::check(&fleet, kind, &words(&[text]), Some("docs"));
        let got = got.map(|targets| targets.list[0].clone()).map_err(|bad| bad.0[0].what.clone());
        assert_eq!(got, want.map_err(str::to_owned), "{kind:?} {text:?}");
    }

    #[test]
    fn urls() {
        let good = |url: &str| check(Kind::Url, url, Ok(Target::Url { url: url.to_owned() }));
        good("https://docs.example.com");
        good("HTTP://DOCS.example.com:80/a?b=c");
        good("http://shop.example.com:8080/");
        check(Kind::Url, "docs.example.com/a", Err("is not an absolute URL"));
        check(Kind::Url, "ftp://docs.example.com/a", Err("is not an absolute URL"));
        check(Kind::Url, "https://docs.example.com/a b", Err("has characters that a URL must percent-encode"));
        check(Kind::Url, "https://user@docs.example.com/", Err("has a user name or a password"));
        check(Kind::Url, "https:///a", Err("the host is empty"));
        check(Kind::Url, "https://www.example.com/", Err("no site has the host \"www.example.com\""));
        check(Kind::Url, "https://shop.example.com/", Err("no site has the host \"shop.example.com\""));
        let long = format!("https://docs.example.com/{}", "x".repeat(MAX_TARGET_BYTES));
        check(Kind::Url, &long, Err("is longer than 65536 bytes"));
    }

    #[test]
    fn stars() {
        let words =
            words(&["https://docs.example.com/*", "https://docs.example.com/a*", "https://docs.example.com/*/b"]);
        let check = |kind, want: &[&str]| {
            assert_eq!(
                taken_literally(kind, &words).map(|word| word.text.as_str()).collect::<Vec<_>>(),
                want,
                "{kind:?}"
            );
        };
        check(Kind::Url, &["https://docs.example.com/*"]);
        check(Kind::Prefix, &["https://docs.example.com/*"]);
        check(Kind::Tag, &[]);
    }

    #[test]
    fn all_hosts_of_a_site() {
        let fleet = fleet(&[("docs", "docs.example.com\", \"www.example.com:8080"), ("shop", "shop.example.com")]);
        let check = |kind, texts: &[&str], want: &[&str]| {
            let targets = Targets::check(&fleet, kind, &words(texts), None).expect("good ones");
            let all = targets.on_all_hosts(&fleet).expect("few");
            let urls = |target: &Target| match target {
                Target::Url { url } => format!("url {url}"),
                Target::Prefix { url } => format!("prefix {url}"),
                other => panic!("{other:?}"),
            };
            assert_eq!(all.list.iter().map(urls).collect::<Vec<_>>(), want);
        };
        check(
            Kind::Url,
            &["https://docs.example.com/a?b", "https://docs.example.com", "http://shop.example.com/"],
            &[
                "url https://docs.example.com/a?b",
                "url https://www.example.com:8080/a?b",
                "url https://docs.example.com",
                "url https://www.example.com:8080",
                "url http://shop.example.com/",
            ],
        );
        check(
            Kind::Prefix,
            &["http://www.example.com:8080/x/", "http://docs.example.com/x/"],
            &["prefix http://docs.example.com/x/", "prefix http://www.example.com:8080/x/"],
        );
    }

    #[test]
    fn prefixes() {
        let good = |url: &str| check(Kind::Prefix, url, Ok(Target::Prefix { url: url.to_owned() }));
        good("https://docs.example.com/guide/");
        good("https://docs.example.com");
        check(Kind::Prefix, "https://docs.example.com/a?b", Err("a prefix has no query"));
        check(Kind::Prefix, "https://docs.example.com/a#b", Err("a prefix has no fragment"));
        check(Kind::Prefix, "/guide/", Err("is not an absolute URL"));
        let long = format!("https://docs.example.com/{}", "x".repeat(2048));
        check(Kind::Prefix, &long, Err("a prefix has at most 2048 bytes, this one has 2049"));
    }

    #[test]
    fn tags_hosts_and_sites() {
        check(Kind::Tag, "release:v1", Ok(Target::Tag { site: "docs".into(), tag: "release:v1".into() }));
        check(Kind::Tag, "a b", Err("a tag is made of visible ASCII characters without spaces and commas"));
        check(Kind::Host, "Docs.Example.com:80", Ok(Target::Host { host: "docs.example.com".into() }));
        check(Kind::Host, "https://docs.example.com", Err("is a URL, not a host"));
        check(Kind::Host, "x.example.com", Err("no site has the host \"x.example.com\""));
        check(Kind::Site, "shop", Ok(Target::Site { site: "shop".into() }));
        check(Kind::Site, "blog", Err("the fleet file has no site of this name"));
    }

    #[test]
    fn all_mistakes_are_listed_with_their_places() {
        let fleet = fleet(&[("docs", "docs.example.com"), ("shop", "shop.example.com")]);
        let words = [
            Word { text: "a".into(), place: Some("list:1".into()) },
            Word::from("b,c".to_owned()),
            Word { text: "d e".into(), place: Some("list:3".into()) },
        ];
        let bad = Targets::check(&fleet, Kind::Tag, &words, None).expect_err("mistakes");
        assert_eq!(
            bad.to_string(),
            "--site: the fleet has several sites, and tags belong to one of them\n    \
             hint: the fleet file knows docs, shop\n\
             \"b,c\": a tag is made of visible ASCII characters without spaces and commas\n    \
             hint: name one tag, as the site's origin sends it\n\
             list:3: \"d e\": a tag is made of visible ASCII characters without spaces and commas\n    \
             hint: name one tag, as the site's origin sends it"
        );
        let bad = Targets::check(&fleet, Kind::Tag, &words[..1], Some("blog")).expect_err("a mistake");
        assert_eq!(
            bad.to_string(),
            "--site: \"blog\": the fleet file has no site of this name\n    hint: the fleet file knows docs, shop"
        );
    }

    #[test]
    fn the_only_site_needs_no_name() {
        let fleet = fleet(&[("docs", "docs.example.com")]);
        let targets = Targets::check(&fleet, Kind::Tag, &words(&["a", "b", "a"]), None).expect("targets");
        let tag = |tag: &str| Target::Tag { site: "docs".into(), tag: tag.into() };
        assert_eq!(targets.list, [tag("a"), tag("b")]);
        assert_eq!(targets.scope, Scope::Sites(vec![SiteId::new("docs").expect("a name")]));
        assert_eq!(targets.to_string(), "2 tags");
    }

    #[test]
    fn neither_none_nor_too_many() {
        let fleet = fleet(&[("docs", "docs.example.com")]);
        let what = |words: &[Word]| Targets::check(&fleet, Kind::Tag, words, None).map_err(|bad| bad.0[0].what.clone());
        assert_eq!(what(&[]), Err("there is nothing to purge: the list is empty".to_owned()));
        let many = vec![Word::from("a".to_owned()); MAX_TARGETS + 1];
        assert_eq!(what(&many), Err("100001 tags are more than the 100000 of one run".to_owned()));
        assert_eq!(what(&many[1..]).map(|targets| targets.list.len()), Ok(1));
    }

    #[test]
    fn hints_list_a_few_names() {
        assert_eq!(first_few(["a", "b"].into_iter()), "a, b");
        assert_eq!(first_few(["x"; 8].into_iter()), "x, x, x, x, x, x, x, x");
        assert_eq!(first_few(["x"; 10].into_iter()), "x, x, x, x, x, x, x, x and 2 more");
    }
}
