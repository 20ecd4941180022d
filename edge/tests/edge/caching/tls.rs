//! Origins that are spoken to over TLS.

use crate::stage::{Gate, HOST, Identity, Origin, Script, docs, expect};
use scenarios::cache_status::Outcome;
use scenarios::client::Reply;
use scenarios::fleet::Fleet;

/// A fleet whose origin has the certificate of `identity` and is trusted by this piece of the fleet file, in which CA
/// stands for the file of `authority`.
async fn ask(identity: &Identity, authority: &str, keys: &str) -> (Fleet, Origin, Reply) {
    let open = Gate::new();
    open.open();
    let origin = Origin::start_tls(identity, &open).await;
    origin.on("/a", Script::cached("over TLS"));
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("ca.pem");
    std::fs::write(&path, authority).expect("a file");
    let keys = keys.replace("CA", &path.display().to_string());
    let extra = format!("[[origins]]\nid = \"docs\"\nurl = \"https://{}\"\n{keys}", origin.address());
    let fleet = docs(&origin).pop("fra", 50.11, 8.68).toml_extra(&extra).start().await.expect("a fleet");
    let reply = fleet.node("fra-1").get(HOST, "/a").await.expect("an answer");
    (fleet, origin, reply)
}

async fn check(identity: &Identity, authority: &str, keys: &str, works: bool) {
    let (fleet, origin, reply) = ask(identity, authority, keys).await;
    if works {
        expect(&reply, 200, "over TLS", Outcome::Miss);
        let hit = fleet.node("fra-1").get(HOST, "/a").await.expect("an answer");
        expect(&hit, 200, "over TLS", Outcome::Hit);
        assert_eq!(origin.last("/a").field("host"), Some(HOST));
        assert_eq!(origin.last("/a").field("x-forwarded-proto"), Some("http"), "that is what the client used");
    } else {
        assert_eq!(reply.status.as_u16(), 502, "{keys}: {}", reply.text());
        assert_eq!(origin.count("/a"), 0, "nothing is asked of a server that nobody vouches for");
    }
}

#[tokio::test]
async fn a_certificate_of_the_authority_for_the_name_is_accepted() {
    let identity = Identity::of("origin.example");
    check(&identity, &identity.authority, "ca_file = \"CA\"\nsni = \"origin.example\"", true).await;
    let by_address = Identity::of("127.0.0.1");
    check(&by_address, &by_address.authority, "ca_file = \"CA\"", true).await;
}

#[tokio::test]
async fn another_name_is_refused() {
    let identity = Identity::of("other.example");
    check(&identity, &identity.authority, "ca_file = \"CA\"\nsni = \"origin.example\"", false).await;
}

#[tokio::test]
async fn another_authority_is_refused() {
    let identity = Identity::of("origin.example");
    let another = Identity::of("origin.example");
    check(&identity, &another.authority, "ca_file = \"CA\"\nsni = \"origin.example\"", false).await;
    // And so is one that the system doesn't know.
    check(&identity, "", "sni = \"origin.example\"", false).await;
}

#[tokio::test]
async fn nothing_is_checked_if_the_operator_says_so() {
    let identity = Identity::of("other.example");
    check(&identity, "", "verify = false\nsni = \"origin.example\"", true).await;
}

#[tokio::test]
async fn a_server_without_tls_is_refused() {
    let origin = Origin::start().await;
    let extra = format!("[[origins]]\nid = \"docs\"\nurl = \"https://{}\"\nverify = false", origin.address());
    let fleet = docs(&origin).pop("fra", 50.11, 8.68).toml_extra(&extra).start().await.expect("a fleet");
    let reply = fleet.node("fra-1").get(HOST, "/a").await.expect("an answer");
    assert_eq!(reply.status.as_u16(), 502, "{}", reply.text());
}

/// Two origins at one address, of which only one is checked, share no connection.
#[tokio::test]
async fn a_connection_that_was_not_checked_is_not_used_where_it_must_be() {
    let identity = Identity::of("other.example");
    let open = Gate::new();
    open.open();
    let origin = Origin::start_tls(&identity, &open).await;
    origin.on("/a", Script::ok("x").field("Cache-Control", "no-store"));
    let address = origin.address();
    let extra = format!(
        "[[origins]]\nid = \"docs\"\nurl = \"https://{address}\"\nverify = false\nsni = \"origin.example\"\n\
         [[origins]]\nid = \"strict\"\nurl = \"https://{address}\"\nsni = \"origin.example\"\n\
         [[sites]]\nid = \"strict\"\nhosts = [\"strict.example\"]\norigin = \"strict\""
    );
    let fleet = docs(&origin).pop("fra", 50.11, 8.68).toml_extra(&extra).start().await.expect("a fleet");
    let node = fleet.node("fra-1");
    assert_eq!(node.get(HOST, "/a").await.expect("an answer").status.as_u16(), 200);
    assert_eq!(node.get("strict.example", "/a").await.expect("an answer").status.as_u16(), 502);
    assert_eq!(origin.count("/a"), 1);
}
