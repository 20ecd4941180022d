use super::*;
use crate::core::url::Scheme;
use std::time::Duration;

const EXAMPLE: &str = include_str!("../../deploy/fleet.example.toml");

fn parse(text: &str) -> Result<Fleet, Problems> {
    Fleet::parse(text, "fleet.toml", Path::new("/etc/tidewall"))
}

/// The smallest fleet file that is right.
const SMALL: &str = r#"
[[pops]]
id = "fra"
latitude = 50.1
longitude = 8
nodes = [{ id = "fra-1", public = "127.0.0.1:8080", admin = "127.0.0.1:9090" }]

[[origins]]
id = "www"
url = "http://127.0.0.1:8000"

[[sites]]
id = "docs"
hosts = ["docs.example.com"]
origin = "www"

[[tokens]]
id = "admin"
role = "admin"
env = "T"
"#;

/// The problems of [`SMALL`] with one text replaced by another, as `line key: what`.
fn check(from: &str, to: &str, want: &[&str]) {
    assert!(SMALL.contains(from), "{from:?} is in the file");
    let problems = match parse(&SMALL.replacen(from, to, 1)) {
        Ok(_) => Vec::new(),
        Err(problems) => problems.list,
    };
    let got: Vec<String> = problems.iter().map(|p| format!("{} {}: {}", p.line, p.key, p.what)).collect();
    assert_eq!(got, want, "{from:?} -> {to:?}");
    for problem in problems {
        assert!(!problem.hint.is_empty(), "{problem:?}");
    }
}

#[test]
fn the_shipped_example_is_right() {
    let fleet = parse(EXAMPLE).unwrap_or_else(|problems| panic!("{problems}"));
    assert_eq!(fleet.nodes().count(), 4);
    assert_eq!(fleet.shields().count(), 1);
    let (site, _) = fleet.site_of_host("www.example.com").expect("a site of the example");
    assert_eq!(site.negative_ttl, [(404, Duration::from_secs(10)), (410, Duration::from_secs(60))]);
    assert_eq!(site.rules.len(), 2);
    assert_eq!(fleet.store.memory, ByteSize::mib(512));
}

#[test]
fn the_example_shows_the_defaults_where_it_says_so() {
    let small = parse(SMALL).unwrap_or_else(|problems| panic!("{problems}"));
    let example = parse(EXAMPLE).unwrap_or_else(|problems| panic!("{problems}"));
    assert_eq!(small.limits, example.limits);
    assert_eq!(small.timeouts, example.timeouts);
    assert_eq!(small.store, example.store);
    assert_eq!(small.h2c, example.h2c);
}

#[test]
fn mistakes_have_a_place_and_a_remedy() {
    check("", "", &[]);
    check("latitude = 50.1", "latitude = 91", &["4 pops[0].latitude: is out of range"]);
    check("latitude = 50.1", "latitude = \"x\"", &["4 pops[0].latitude: can't be read"]);
    check("latitude = 50.1\n", "", &["2 pops[0].latitude: is missing"]);
    check(
        "id = \"fra\"",
        "id = \"FRA\"",
        &["3 pops[0].id: 'F' can't stand in a name: use a-z, 0-9, '-', '_' and '.', beginning with a letter or digit"],
    );
    check("id = \"fra\"", "idd = \"fra\"", &["2 pops[0].id: is missing", "3 pops[0].idd: unknown key"]);
    check(
        "127.0.0.1:9090",
        "127.0.0.1:8080",
        &["6 pops[0].nodes[0].admin: there is a listener of this name already, at pops[0].nodes[0].public"],
    );
    check("127.0.0.1:9090", "localhost:9090", &["6 pops[0].nodes[0].admin: is a name, not an IP address"]);
    check("127.0.0.1:9090", "nowhere", &["6 pops[0].nodes[0].admin: is not an address"]);
    check("http://127.0.0.1:8000", "ftp://x", &["10 origins[0].url: is not an origin's URL"]);
    check("http://127.0.0.1:8000", "http://x/path", &["10 origins[0].url: is not an origin's URL"]);
    check("origin = \"www\"", "origin = \"ww\"", &["15 sites[0].origin: is no origin of this file"]);
    check("origin = \"www\"", "origin = \"www\"\ndefault_ttl = \"10\"", &["16 sites[0].default_ttl: can't be read"]);
    check(
        "origin = \"www\"",
        "origin = \"www\"\ndefault_ttl = \"2h\"\nmax_ttl = \"1h\"",
        &["12 sites[0].default_ttl: is longer than max_ttl"],
    );
    check(
        "origin = \"www\"",
        "origin = \"www\"\nnegative_ttl = { 200 = \"1s\" }",
        &["16 sites[0].negative_ttl.200: is not an error status"],
    );
    check("docs.example.com", "docs example", &["14 sites[0].hosts[0]: the host has the character ' '"]);
    check("role = \"admin\"", "role = \"root\"", &["19 tokens[0].role: is no role"]);
    check("role = \"admin\"", "role = \"purge\"", &["17 tokens[0].sites: is missing"]);
    check(
        "role = \"admin\"",
        "role = \"purge\"\nsites = [\"doc\"]",
        &["20 tokens[0].sites[0]: is no site of this file"],
    );
    check("env = \"T\"", "", &["17 tokens[0].env: is missing"]);
    check("env = \"T\"", "env = \"T\"\nfile = \"x\"", &["21 tokens[0].file: the secret has two places, env and file"]);
    check("[[tokens]]", "[limits]\nhead = \"1GiB\"\n[[tokens]]", &["17 limits.head: is out of range"]);
    check(
        "[[tokens]]",
        "[store]\nmemory = \"1MiB\"\nmax_object = \"2MiB\"\n[[tokens]]",
        &["19 store.max_object: is more than the whole store (1 MiB)"],
    );
    check(
        "env = \"T\"",
        "env = \"T\"\n[[sites.rules]]\nmatch = { path = \"x\" }\nset = { response_headers = { via = \"x\" }, pas = true }",
        &[
            "22 sites[0].rules[0].match.path: matches no path",
            "23 sites[0].rules[0].set.response_headers.via: a rule can't change this field",
            "23 sites[0].rules[0].set.pas: unknown key",
        ],
    );
    check(", admin = ", ", role = \"shield\", admin = ", &[]);
    check(
        "nodes = [{",
        "nodes = [{ id = \"s\", role = \"shield\", public = \"127.0.0.2:1\", admin = \"127.0.0.2:2\" }, {",
        &["0 tier: is missing"],
    );
}

#[test]
fn a_file_with_ten_mistakes_lists_ten() {
    let text = r#"
[[pops]]
id = "Fra"
latitude = 500
nodes = [{ id = "fra-1", public = "here", admin = "127.0.0.1:9090", rol = "edge" }]
[[origins]]
id = "www"
url = "www.example.com"
[[sites]]
id = "docs"
origin = "ww"
max_ttl = 10
[store]
memory = "lots"
[listen]
h2c = "yes"
"#;
    let problems = parse(text).expect_err("it is full of mistakes");
    let text = problems.to_string();
    assert!(problems.list.len() >= 10, "{text}");
    for (key, hint) in [("pops[0].nodes[0].rol", "did you mean \"role\"?"), ("store.memory = \"lots\"", "512MiB")] {
        let at = text.find(key).unwrap_or_else(|| panic!("{key} in\n{text}"));
        assert!(text[at..].contains(hint), "{hint} after {key} in\n{text}");
    }
    assert!(text.contains("fleet.toml:5: pops[0].nodes[0].public = \"here\": is not an address"), "{text}");
}

#[test]
fn broken_toml_is_reported_with_its_line() {
    let problems = parse("[[pops]\nid = ").expect_err("it is no TOML");
    assert!(problems.list.iter().any(|p| p.line == 1 && p.what.starts_with("is not TOML")), "{problems}");
    parse("").expect_err("an empty file is no fleet");
}

#[test]
fn urls_are_brought_into_their_form() {
    let fleet = parse(EXAMPLE).unwrap_or_else(|problems| panic!("{problems}"));
    let url = fleet.site_url("https://WWW.example.com:443/a?utm_source=x&b=2&a=1#f").expect("a URL of the site");
    assert_eq!((url.scheme, url.target()), (Scheme::Https, "/a?a=1&b=2".to_owned()));
    assert_eq!(fleet.site_url("http://docs.example.com").expect("a URL of the site").target(), "/");
    assert_eq!(fleet.site_url("http://docs.example.com?x").expect("a URL of the site").target(), "/?x");
    let with_port = fleet.site_url("http://docs.example.com:8080/a").expect("a URL of the site");
    assert_eq!(with_port.host, "docs.example.com", "a listener's port is not the site's business");
    for text in ["/a", "ftp://docs.example.com/", "http://other.example/", "http:///a", "http://docs.example.com/a b"] {
        fleet.site_url(text).expect_err(text);
    }
}
