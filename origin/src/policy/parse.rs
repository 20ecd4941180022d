//! From the text of a policy to the policy.

use globset::{GlobBuilder, GlobMatcher};
use http::{HeaderName, HeaderValue};

use super::reader::{Complaint, Report, Section, Text};
use super::{CacheControl, Policy, Problem, Subject};
use crate::cache_control;
use crate::tags::{BadTag, TagRules, TagTemplate};

pub(super) fn parse(text: &str) -> Result<Policy, Vec<Problem>> {
    Report::of(text, |root, report| Policy {
        precompressed: root.flag("precompressed", report).unwrap_or(true),
        cache_control: root.section("cache_control", report, read_cache_control),
        tags: root.section("tags", report, read_tags),
    })
}

fn read_cache_control(section: &mut Section<'_>, report: &mut Report<'_>) -> CacheControl {
    let mut policy = CacheControl::default();
    for (key, value) in [
        ("html", &mut policy.html),
        ("hashed", &mut policy.hashed),
        ("other", &mut policy.other),
        ("not_found", &mut policy.not_found),
    ] {
        if let Some(parsed) = section.text(key, report).and_then(|text| report.checked(&text, directives)) {
            *value = parsed;
        }
    }
    section.sections("override", report, |section, report| {
        let subject = read_subject(section, report);
        let value = section.required_text("value", report).and_then(|text| report.checked(&text, directives));
        policy.overrides.extend(subject.zip(value));
    });
    policy
}

fn read_subject(section: &mut Section<'_>, report: &mut Report<'_>) -> Option<Subject> {
    match (section.text("path", report), section.text("extension", report)) {
        (Some(path), None) => report.checked(&path, glob).map(Subject::Path),
        (None, Some(text)) => report.checked(&text, extension).map(Subject::Extension),
        _ => {
            let cause = "it needs a path or an extension, and not both".to_owned();
            section.complain((cause, "write `path = \"live/**\"` or `extension = \"json\"` in it".to_owned()), report);
            None
        }
    }
}

fn read_tags(section: &mut Section<'_>, report: &mut Report<'_>) -> TagRules {
    let mut rules = TagRules::default();
    if let Some(header) = section.text("header", report).and_then(|text| report.checked(&text, header_name)) {
        rules.header = header;
    }
    if let Some(defaults) = section.texts("defaults", report) {
        rules.defaults = templates(&defaults, report);
    }
    section.sections("rule", report, |section, report| {
        let glob = section.required_text("path", report).and_then(|text| report.checked(&text, glob));
        let tags = section.texts("tags", report).unwrap_or_default();
        if tags.is_empty() {
            section.complain(("it has no tags".to_owned(), "add `tags = [\"section:blog\"]` to it".to_owned()), report);
        }
        let templates = templates(&tags, report);
        rules.rules.extend(glob.map(|glob| (glob, templates)));
    });
    rules
}

fn templates(texts: &[Text<'_>], report: &mut Report<'_>) -> Vec<TagTemplate> {
    texts.iter().filter_map(|text| report.checked(text, template)).collect()
}

fn directives(text: &str) -> Result<HeaderValue, Complaint> {
    cache_control::parse(text).map_err(|fault| {
        (fault.to_string(), "write directives separated by commas, such as `public, max-age=60`".to_owned())
    })
}

/// A leading slash is tolerated: paths in a site are thought of with and without.
fn glob(text: &str) -> Result<GlobMatcher, Complaint> {
    let pattern = text.strip_prefix('/').unwrap_or(text);
    GlobBuilder::new(pattern).literal_separator(true).build().map(|glob| glob.compile_matcher()).map_err(|error| {
        (error.kind().to_string(), "write a path within the site where * is any name and ** any folders".to_owned())
    })
}

fn extension(text: &str) -> Result<String, Complaint> {
    let is_extension = !text.is_empty() && !text.contains(['.', '/']);
    is_extension.then(|| text.to_ascii_lowercase()).ok_or_else(|| {
        ("an extension has neither dots nor slashes".to_owned(), "write it like `json`, without the dot".to_owned())
    })
}

fn header_name(text: &str) -> Result<HeaderName, Complaint> {
    /// Fields that this server or HTTP itself gives another meaning.
    const TAKEN: [&str; 15] = [
        "accept-ranges",
        "cache-control",
        "connection",
        "content-encoding",
        "content-length",
        "content-range",
        "content-type",
        "date",
        "etag",
        "last-modified",
        "location",
        "server",
        "transfer-encoding",
        "vary",
        "x-release",
    ];
    let remedy = || "write the name of a field of its own, such as `Surrogate-Key` or `Cache-Tag`".to_owned();
    let name = text.parse::<HeaderName>().map_err(|_| ("it is not a field name".to_owned(), remedy()))?;
    if TAKEN.contains(&name.as_str()) {
        return Err(("this field has another meaning".to_owned(), remedy()));
    }
    Ok(name)
}

fn template(text: &str) -> Result<TagTemplate, Complaint> {
    text.parse()
        .map_err(|error: BadTag| (error.to_string(), "write a tag like `section:blog` or `dir:{dir}`".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &[&str]) {
        let problems = parse(text).expect_err(text);
        let shown: Vec<String> = problems.iter().map(ToString::to_string).collect();
        assert_eq!(shown, expected, "{text}");
        assert!(problems.iter().all(|problem| !problem.remedy.is_empty()));
    }

    #[test]
    fn one_problem() {
        for (text, expected) in [
            ("x = ", "line 1, column 5: string values must be quoted, expected literal string"),
            ("hmtl = 1", "line 1, column 1: hmtl: this key is not known"),
            ("\n[cache_control]\nhmtl = \"no-store\"", "line 3, column 1: cache_control.hmtl: this key is not known"),
            (
                "[cache_control]\nhtml = 3",
                "line 2, column 8: cache_control.html: it needs a string, and this is of the type integer",
            ),
            ("tags = \"a\"", "line 1, column 8: tags: it needs a table, and this is of the type string"),
            (
                "[cache_control.override]\nvalue = 1",
                "line 1, column 1: cache_control.override: it needs an array of tables, and this is of the type table",
            ),
            (
                "tags.defaults = [1]",
                "line 1, column 18: tags.defaults: it needs an array of strings, and this is of the type integer",
            ),
            (
                "precompressed = 1",
                "line 1, column 17: precompressed: it needs true or false, and this is of the type integer",
            ),
            (
                "[cache_control]\nhtml = \"max-age\"",
                "line 2, column 8: cache_control.html = \"max-age\": `max-age` needs a number of whole seconds, such as `max-age=60`",
            ),
            (
                "[[cache_control.override]]\npath = \"[\"\nvalue = \"no-store\"",
                "line 2, column 8: cache_control.override.path = \"[\": unclosed character class; missing ']'",
            ),
            (
                "[[cache_control.override]]\nextension = \".js\"\nvalue = \"no-store\"",
                "line 2, column 13: cache_control.override.extension = \".js\": an extension has neither dots nor slashes",
            ),
            (
                "\n[[cache_control.override]]\nvalue = \"no-store\"",
                "line 2, column 1: cache_control.override: it needs a path or an extension, and not both",
            ),
            ("[[cache_control.override]]\npath = \"a\"", "line 1, column 1: cache_control.override: it has no `value`"),
            ("[[tags.rule]]\npath = \"a\"", "line 1, column 1: tags.rule: it has no tags"),
            ("[tags]\nheader = \"a b\"", "line 2, column 10: tags.header = \"a b\": it is not a field name"),
            ("[tags]\nheader = \"ETag\"", "line 2, column 10: tags.header = \"ETag\": this field has another meaning"),
        ] {
            check(text, &[expected]);
        }
    }

    #[test]
    fn all_problems_are_reported_together_in_the_order_of_the_text() {
        check(
            "tags = { defaults = [\"a b\", \"é{x}\"] }\n[cache_control]\nnot_found = \"\"\nhmtl = 1\nhtml = true\n[[x]]",
            &[
                "line 1, column 22: tags.defaults = \"a b\": ' ' can't be part of a tag: use visible ASCII without space, comma and double quote",
                "line 1, column 29: tags.defaults = \"é{x}\": 'é' can't be part of a tag: use visible ASCII without space, comma and double quote",
                "line 3, column 13: cache_control.not_found = \"\": it is empty",
                "line 4, column 1: cache_control.hmtl: this key is not known",
                "line 5, column 8: cache_control.html: it needs a string, and this is of the type boolean",
                "line 6, column 3: x: this key is not known",
            ],
        );
    }
}
