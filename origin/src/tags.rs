//! Surrogate tags: the names by which a cache purges many files at once.
//!
//! A tag is written as a template. `{release}` stands for the release's name, `{dir}` for the file's top-level folder
//! (`root` for a file that is in none), `{type}` for `html` or `asset`, `{ext}` for the extension (`none` without).

use std::fmt::Write as _;
use std::str::FromStr;

use globset::GlobMatcher;
use http::{HeaderName, HeaderValue};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

use crate::release_name::ReleaseName;
use crate::site_path::top_level_folder;

/// More tags than this on one file is a mistake in the policy: they'd outgrow what caches read of a field.
pub const MAX_TAGS_PER_FILE: usize = 64;
/// A template longer than this is a mistake in the policy.
const MAX_TEMPLATE_BYTES: usize = 128;

/// Tags are separated by spaces here and by commas at other CDNs; neither may stand in one.
const NOT_IN_TAG: &AsciiSet = &CONTROLS.add(b' ').add(b',').add(b'"').add(b'%');

/// Which tags a file gets, and in which response field.
#[derive(Clone, Debug)]
pub struct TagRules {
    /// The response field.
    pub header: HeaderName,
    /// For every file.
    pub defaults: Vec<TagTemplate>,
    /// For the files that match, on top of the defaults.
    pub rules: Vec<(GlobMatcher, Vec<TagTemplate>)>,
}

impl Default for TagRules {
    fn default() -> Self {
        use Part::{Dir, Release, Text, Type};
        let named = |name: &str, part| TagTemplate { parts: vec![Text(name.to_owned()), part] };
        Self {
            header: HeaderName::from_static("surrogate-key"),
            defaults: vec![named("release:", Release), named("dir:", Dir), named("type:", Type)],
            rules: Vec::new(),
        }
    }
}

impl TagRules {
    /// The field's value for a file of the site; none when no rule gives it a tag.
    pub fn value(&self, file: &str, release: &ReleaseName) -> Option<HeaderValue> {
        let subject = Subject { file, release };
        let by_rule = self.rules.iter().filter(|(glob, _)| glob.is_match(file)).flat_map(|(_, templates)| templates);
        let mut tags: Vec<String> = Vec::new();
        for tag in self.defaults.iter().chain(by_rule).map(|template| template.render(&subject)) {
            if !tags.contains(&tag) && tags.len() < MAX_TAGS_PER_FILE {
                tags.push(tag);
            }
        }
        if tags.is_empty() { None } else { HeaderValue::from_str(&tags.join(" ")).ok() }
    }
}

/// Whether a file is a page: what `{type}` says, and which Cache-Control it gets.
pub fn is_html(file: &str) -> bool {
    extension(file)
        .is_some_and(|extension| ["html", "htm", "xhtml"].iter().any(|html| extension.eq_ignore_ascii_case(html)))
}

/// What follows the last dot of a file's name.
pub fn extension(file: &str) -> Option<&str> {
    let name = file.rsplit_once('/').map_or(file, |(_, name)| name);
    name.rsplit_once('.').map(|(_, extension)| extension)
}

/// A tag with places to fill in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TagTemplate {
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Release,
    Dir,
    Type,
    Ext,
}

/// Why a text is no tag.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadTag {
    /// Nothing in it, or too much.
    #[error("a tag has 1 to {MAX_TEMPLATE_BYTES} bytes")]
    Length,
    /// A character that separates tags, or that a field can't carry.
    #[error("{0:?} can't be part of a tag: use visible ASCII without space, comma and double quote")]
    Character(char),
    /// `{name}` with another name, or a brace on its own.
    #[error("`{{{0}}}` is not known: use {{release}}, {{dir}}, {{type}} or {{ext}}")]
    Placeholder(String),
}

impl FromStr for TagTemplate {
    type Err = BadTag;

    fn from_str(text: &str) -> Result<Self, BadTag> {
        if text.is_empty() || text.len() > MAX_TEMPLATE_BYTES {
            return Err(BadTag::Length);
        }
        if let Some(bad) = text.chars().find(|c| !c.is_ascii_graphic() || matches!(c, ',' | '"')) {
            return Err(BadTag::Character(bad));
        }
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('{') {
            let (name, after) = after.split_once('}').ok_or_else(|| BadTag::Placeholder(after.to_owned()))?;
            if !before.is_empty() {
                parts.push(Part::Text(before.to_owned()));
            }
            parts.push(match name {
                "release" => Part::Release,
                "dir" => Part::Dir,
                "type" => Part::Type,
                "ext" => Part::Ext,
                _ => return Err(BadTag::Placeholder(name.to_owned())),
            });
            rest = after;
        }
        if !rest.is_empty() {
            parts.push(Part::Text(rest.to_owned()));
        }
        Ok(Self { parts })
    }
}

struct Subject<'a> {
    file: &'a str,
    release: &'a ReleaseName,
}

impl TagTemplate {
    fn render(&self, subject: &Subject<'_>) -> String {
        let mut tag = String::new();
        for part in &self.parts {
            let text = match part {
                Part::Text(text) => text,
                Part::Release => subject.release.as_str(),
                Part::Dir => top_level_folder(subject.file).unwrap_or("root"),
                Part::Type => {
                    if is_html(subject.file) {
                        "html"
                    } else {
                        "asset"
                    }
                }
                Part::Ext => extension(subject.file).unwrap_or("none"),
            };
            // Writing to a string can't fail.
            let _ = write!(tag, "{}", utf8_percent_encode(text, NOT_IN_TAG));
        }
        tag
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(rules: &TagRules, file: &str) -> Option<String> {
        let release = "v1".parse().expect("a name");
        rules.value(file, &release).map(|value| value.to_str().expect("ASCII").to_owned())
    }

    #[test]
    fn defaults() {
        let rules = TagRules::default();
        for (file, expected) in [
            ("index.html", "release:v1 dir:root type:html"),
            ("docs/a/INDEX.HTM", "release:v1 dir:docs type:html"),
            ("assets/app-DiwrgTda.js", "release:v1 dir:assets type:asset"),
            ("my docs, 100%/é.txt", "release:v1 dir:my%20docs%2C%20100%25 type:asset"),
            ("日本/x.txt", "release:v1 dir:%E6%97%A5%E6%9C%AC type:asset"),
        ] {
            assert_eq!(value(&rules, file).as_deref(), Some(expected), "{file}");
        }
    }

    #[test]
    fn rules_add_to_the_defaults_without_repeating_them() {
        let glob = globset::Glob::new("blog/**").expect("a glob").compile_matcher();
        let template = |text: &str| text.parse::<TagTemplate>().expect("a template");
        let rules = TagRules {
            defaults: vec![template("{ext}")],
            rules: vec![(glob, vec![template("blog"), template("{dir}"), template("x-{release}-{type}-y")])],
            ..TagRules::default()
        };
        assert_eq!(value(&rules, "blog/a.html").as_deref(), Some("html blog x-v1-html-y"));
        assert_eq!(value(&rules, "LICENSE").as_deref(), Some("none"));
        assert_eq!(value(&TagRules { defaults: Vec::new(), ..rules }, "LICENSE"), None);
    }

    #[test]
    fn the_number_of_tags_is_bounded() {
        let defaults = (0..100).map(|n| format!("t{n}").parse().expect("a template")).collect();
        let rules = TagRules { defaults, ..TagRules::default() };
        let tags = value(&rules, "a").expect("tags");
        assert_eq!(tags.split(' ').count(), MAX_TAGS_PER_FILE);
    }

    #[test]
    fn bad_templates() {
        for (text, expected) in [
            ("", BadTag::Length),
            ("two words", BadTag::Character(' ')),
            ("a,b", BadTag::Character(',')),
            ("é", BadTag::Character('é')),
            ("a\nb", BadTag::Character('\n')),
            ("{host}", BadTag::Placeholder("host".to_owned())),
            ("{dir", BadTag::Placeholder("dir".to_owned())),
        ] {
            assert_eq!(text.parse::<TagTemplate>(), Err(expected), "{text}");
        }
        assert_eq!("x".repeat(MAX_TEMPLATE_BYTES + 1).parse::<TagTemplate>(), Err(BadTag::Length));
    }
}
