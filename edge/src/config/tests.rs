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
        &["16 sites[0].default_ttl: is longer than max_ttl"],
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

/// The problems of [`SMALL`] with more in the table of its site, without their lines.
fn check_site(more: &str, want: &[&str]) {
    let problems = match parse(&SMALL.replacen("origin = \"www\"", &format!("origin = \"www\"\n{more}"), 1)) {
        Ok(_) => Vec::new(),
        Err(problems) => problems.list,
    };
    let got: Vec<String> = problems.iter().map(|p| format!("{}: {}", p.key, p.what)).collect();
    assert_eq!(got, want, "{more}");
    for problem in problems {
        assert!(problem.line > 0 && !problem.hint.is_empty(), "{problem:?}");
    }
}

#[test]
fn addresses_are_the_fleets_and_binds_the_machines() {
    let nodes = |second: &str| {
        let first = "public = \"203.0.113.7:80\", listen = \"0.0.0.0:80\", admin = \"10.0.0.7:9090\", admin_listen = \"0.0.0.0:9090\"";
        format!("nodes = [{{ id = \"fra-1\", {first} }}, {{ id = \"fra-2\", {second} }}]")
    };
    let check = |second: &str, want: &[&str]| {
        let one = "nodes = [{ id = \"fra-1\", public = \"127.0.0.1:8080\", admin = \"127.0.0.1:9090\" }]";
        // Two nodes know each other by the tier secret.
        check(one, &format!("{}\n[tier]\nsecret_env = \"T\"\n", nodes(second)), want);
    };
    let listens = "listen = \"0.0.0.0:80\", admin_listen = \"0.0.0.0:9090\"";
    check(&format!("public = \"203.0.113.8:80\", admin = \"10.0.0.8:9090\", {listens}"), &[]);
    check(
        &format!("public = \"203.0.113.7:80\", admin = \"10.0.0.8:9090\", {listens}"),
        &["6 pops[0].nodes[1].public: there is a listener of this name already, at pops[0].nodes[0].public"],
    );
    check(
        &format!("public = \"10.0.0.7:9090\", admin = \"10.0.0.8:9090\", {listens}"),
        &["6 pops[0].nodes[1].public: there is a listener of this name already, at pops[0].nodes[0].admin"],
    );
    check(
        "public = \"203.0.113.8:80\", admin = \"10.0.0.8:9090\", listen = \"0.0.0.0:80\", admin_listen = \"0.0.0.0:80\"",
        &["6 pops[0].nodes[1].admin_listen: there is a listener of this name already, at pops[0].nodes[1].listen"],
    );
    check(
        "public = \"10.0.0.8:80\", admin = \"10.0.0.8:9090\", admin_listen = \"10.0.0.8:80\"",
        &["6 pops[0].nodes[1].admin_listen: there is a listener of this name already, at pops[0].nodes[1].public"],
    );
}

#[test]
fn directives_and_tags_stand_in_fields_of_their_own() {
    check_site(
        "targeted_fields = [\"Tidewall-Control\", \"X-CDN\", \"CDN-Cache-Control\", \"Surrogate-Control\"]",
        &[],
    );
    check_site("targeted_fields = []\ntag_fields = []", &[]);
    check_site("tag_fields = [\"Surrogate-Key\", \"X-Tags\"]", &[]);
    check_site(
        "targeted_fields = [\"cache-control\"]",
        &["sites[0].targeted_fields[0]: is what speaks to all caches, and counts where none of these fields is there"],
    );
    for field in ["Set-Cookie", "Expires", "Vary", "Content-Type", "Age", "Via", "Range", "Tidewall-Tier", "Location"] {
        let means_more = |key: &str| format!("sites[0].{key}[0]: has a meaning of its own in a response");
        check_site(&format!("targeted_fields = [{field:?}]"), &[&means_more("targeted_fields")]);
        check_site(&format!("tag_fields = [{field:?}]"), &[&means_more("tag_fields")]);
    }
    for field in ["Content-Length", "Transfer-Encoding", "Cache-Control", "CDN-Cache-Control", "ETag"] {
        check_site(
            &format!("tag_fields = [{field:?}]"),
            &["sites[0].tag_fields[0]: has a meaning of its own in a response"],
        );
    }
    check_site(
        "tag_fields = [\"X-A\"]\ntargeted_fields = [\"x-a\"]",
        &["sites[0].targeted_fields: has x-a, which is one of tag_fields too"],
    );
    check_site(
        "tag_fields = [\"X-A\", \"X-B\", \"x-a\"]",
        &["sites[0].tag_fields[2]: is listed already, at sites[0].tag_fields[0]"],
    );
}

#[test]
fn a_query_has_one_rule() {
    check_site("query = { keep = [] }", &[]);
    check_site("query = { keep = [\"page\", \"q*\"], drop = [] }", &[]);
    check_site(
        "query = { keep = [\"page\"], drop = [\"utm_*\"] }",
        &["sites[0].query.drop: stands beside keep, by which all that it does not name are dropped"],
    );
    check_site(
        "query = { drop = [\"a\", \"b\", \"a\", \"*_x\", \"a=1\", \"\"] }",
        &[
            "sites[0].query.drop[2]: is listed already, at sites[0].query.drop[0]",
            "sites[0].query.drop[3]: is the name of no parameter",
            "sites[0].query.drop[4]: is the name of no parameter",
            "sites[0].query.drop[5]: is the name of no parameter",
        ],
    );
}

#[test]
fn a_rule_does_what_it_says() {
    let check = |matches: &str, set: &str, want: &[&str]| {
        let want: Vec<String> = want.iter().map(|want| format!("sites[0].rules[0].{want}")).collect();
        let want: Vec<&str> = want.iter().map(String::as_str).collect();
        check_site(&format!("[[sites.rules]]\nmatch = {{ {matches} }}\nset = {{ {set} }}"), &want);
    };
    for path in ["/search?*", "/a#b"] {
        let matches = format!("path = {path:?}");
        check(&matches, "pass = true", &["match.path: matches no path, which ends before the query"]);
    }
    check("", "request_headers = { accept-encoding = \"identity\", cookie = false, authorization = \"x\" }", &[]);
    check(
        "",
        "response_headers = { cache-control = \"no-cache\", set-cookie = false, content-type = \"text/css\" }",
        &[],
    );
    for field in ["range", "If-Range", "if-none-match", "if-modified-since", "expect", "cdn-loop", "keep-alive", "host"]
    {
        let want = format!("set.request_headers.{field}: a rule can't change this field");
        check("", &format!("request_headers = {{ {field} = false }}"), &[&want]);
    }
    for field in ["age", "Date", "content-range", "content-length", "cache-status", "content-encoding", "tidewall-tier"]
    {
        let want = format!("set.response_headers.{field}: a rule can't change this field");
        check("", &format!("response_headers = {{ {field} = \"x\" }}"), &[&want]);
    }
    check(
        "",
        "response_headers = { x-a = \"x\", X-A = false }",
        &["set.response_headers.x-a: this field is changed already, written in another way"],
    );
    check("path = \"/\"", "", &["set: changes nothing"]);
    check("", "pass = true, ttl = \"1h\"", &["set.ttl: has no effect on what goes past the cache"]);
    check("", "pass = true, store_cookies = true", &["set.store_cookies: has no effect on what goes past the cache"]);
    check(
        "",
        "strip_cookies = true, store_cookies = true",
        &["set.store_cookies: stands beside strip_cookies, which leaves none to store"],
    );
    check("", "ttl = \"800d\"", &["set.ttl: is longer than max_ttl"]);
    let after = "can't depend on the content type, which is known only after the fetch";
    check("content_type = \"text/*\"", "pass = true", &[&format!("set.pass: {after}")]);
    check(
        "content_type = \"text/*\"",
        "request_headers = { x-a = \"x\" }",
        &[&format!("set.request_headers: {after}")],
    );
    check("extension = [\"css\", \".js\"]", "ttl = \"1h\"", &[]);
    check(
        "extension = [\"css\", \".CSS\", \"tar.gz\", \"\"], cookie = \"a=b\", content_type = \"html\"",
        "ttl = \"1h\"",
        &[
            "match.extension[1]: is listed already, at sites[0].rules[0].match.extension[0]",
            "match.extension[2]: is no extension",
            "match.extension[3]: is no extension",
            "match.cookie: is the name of no cookie",
            "match.content_type: matches no content type",
        ],
    );
}

#[test]
fn what_has_no_effect_is_a_mistake() {
    check_site(
        "max_ttl = \"1h\"\nnegative_ttl = { 404 = \"2h\" }",
        &["sites[0].negative_ttl.404: is longer than max_ttl"],
    );
    let to = |text: &str| format!("env = \"T\"\n[[tokens]]\nid = \"b\"\n{text}");
    check("env = \"T\"", &to("role = \"purge\"\nsites = [\"docs\"]\nenv = \"U\""), &[]);
    check(
        "env = \"T\"",
        &to("role = \"admin\"\nsites = [\"docs\"]\nenv = \"U\""),
        &["24 tokens[1].sites: does not bound what a token with role = \"admin\" may do"],
    );
    check("env = \"T\"", &to("role = \"purge\"\nsites = []\nenv = \"U\""), &["24 tokens[1].sites: names no site"]);
    check(
        "env = \"T\"",
        &to("role = \"purge\"\nsites = [\"docs\", \"docs\"]\nenv = \"U\""),
        &["24 tokens[1].sites[1]: is listed already, at tokens[1].sites[0]"],
    );
    let url = "url = \"http://127.0.0.1:8000\"";
    for key in ["sni = \"x\"", "ca_file = \"x\"", "verify = false"] {
        let name = key.split(' ').next().unwrap_or_default();
        let want = format!("11 origins[0].{name}: has no effect: an http origin has no certificate");
        check(url, &format!("{url}\n{key}"), &[&want]);
    }
    check(
        url,
        "url = \"https://127.0.0.1:8000\"\nverify = false\nca_file = \"x\"",
        &["12 origins[0].ca_file: has no effect beside verify = false, by which every certificate is taken"],
    );
}

#[test]
fn what_is_hardly_meant_is_a_warning() {
    let warnings = |more: &str| {
        let text = SMALL.replacen("origin = \"www\"", &format!("origin = \"www\"\n{more}"), 1);
        parse(&text).unwrap_or_else(|problems| panic!("{problems}")).warnings
    };
    let cookies = "[[sites.rules]]\nset = { store_cookies = true }";
    assert_eq!(warnings(""), []);
    assert_eq!(warnings("store_posts = true"), []);
    assert_eq!(warnings(cookies), []);
    let [warning] = &warnings(&format!("store_posts = true\n{cookies}"))[..] else { panic!("one warning") };
    assert_eq!((warning.line, warning.key.as_str()), (16, "sites[0].store_posts"));
    let text = warning.in_file("fleet.toml").to_string();
    assert!(
        text.starts_with("fleet.toml:16: sites[0].store_posts = true: ") && text.contains("\n    hint: "),
        "{text}"
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
