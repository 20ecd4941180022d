//! SIGHUP: the fleet file is taken anew, whole or not at all; the store stays.

use crate::support::{HOST, NODE, Origin, Reply, Stand, Step, eventually, get};
use scenarios::client::Ask;
use toml::{Table, Value};

const TAKEN: &str = "reloaded the fleet file";
const REFUSED: &str = "kept the old fleet file";

fn count(stand: &Stand, what: &str) -> usize {
    stand.node().stderr().matches(what).count()
}

/// Writes the node's fleet file, and has it read.
async fn reload_text(stand: &Stand, text: &str, outcome: &str) {
    let before = count(stand, outcome);
    std::fs::write(stand.node().fleet_file(), text).expect("a folder of our own");
    stand.fleet.reload(NODE).expect("the node runs");
    eventually(outcome, async || count(stand, outcome) > before).await;
}

fn text(stand: &Stand) -> String {
    std::fs::read_to_string(stand.node().fleet_file()).expect("its fleet file")
}

/// Changes the node's fleet file, and has it read.
async fn reload(stand: &Stand, outcome: &str, change: impl FnOnce(&mut Table)) {
    let mut table: Table = text(stand).parse().expect("TOML");
    change(&mut table);
    reload_text(stand, &table.to_string(), outcome).await;
}

/// An entry of a list of tables.
fn entry<'t>(table: &'t mut Table, list: &str, at: usize) -> &'t mut Table {
    table[list][at].as_table_mut().expect("a list of tables")
}

fn list<'t>(table: &'t mut Table, name: &str) -> &'t mut Vec<Value> {
    table[name].as_array_mut().expect("a list")
}

fn parsed(text: &str) -> Table {
    text.parse().expect("TOML")
}

fn cache_status(reply: &Reply) -> &str {
    reply.header("cache-status").unwrap_or_default()
}

async fn get_from(stand: &Stand, host: &str, target: &str) -> Reply {
    stand.exchange(format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n")).await
}

#[tokio::test]
async fn sites_and_rules_change_and_the_store_stays() {
    let stand = Stand::new().await;
    let mut kept = stand.connect().await;
    assert_eq!(kept.exchange(get("/a")).await.status, 200);
    assert_eq!(get_from(&stand, "blog.example", "/").await.status, 421);
    reload(&stand, TAKEN, |table| {
        list(table, "sites").push(parsed("id = \"blog\"\nhosts = [\"blog.example\"]\norigin = \"docs\"").into());
        let rules = parsed("rules = [{ set = { response_headers = { x-rule = \"new\" } } }, { match = { path = \"/p/*\" }, set = { pass = true } }]");
        entry(table, "sites", 0).extend(rules);
    })
    .await;
    // On a connection from before, and on a new one.
    for reply in [kept.exchange(get("/a")).await, stand.exchange(get("/a")).await] {
        assert_eq!((reply.status, reply.text().as_str(), reply.header("x-rule")), (200, "GET /a\n", Some("new")));
        assert!(cache_status(&reply).contains(";hit"), "{reply:?}");
    }
    assert_eq!(stand.origin.seen_of("/a").len(), 1, "the store is kept");
    assert_eq!(get_from(&stand, "blog.example", "/").await.status, 200);
    assert!(cache_status(&stand.exchange(get("/p/1")).await).contains("site-rule"));
    reload(&stand, TAKEN, |table| drop(list(table, "sites").pop())).await;
    assert_eq!(get_from(&stand, "blog.example", "/").await.status, 421, "the site is gone");
    stand.still_serves().await;
}

#[tokio::test]
async fn lifetimes_change() {
    let origin = Origin::answering(|_| vec![Step::Send(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok\n".to_vec())]);
    let stand = Stand::before(origin.await, "").await;
    for n in 1..=2 {
        assert_eq!(stand.exchange(get("/a")).await.status, 200);
        assert_eq!(stand.origin.seen_of("/a").len(), n, "nothing says that it may be stored");
    }
    reload(&stand, TAKEN, |table| drop(entry(table, "sites", 0).insert("default_ttl".into(), "1h".into()))).await;
    for _ in 0..2 {
        assert_eq!(stand.exchange(get("/a")).await.status, 200);
        assert_eq!(stand.origin.seen_of("/a").len(), 3);
    }
    stand.still_serves().await;
}

#[tokio::test]
async fn limits_and_timeouts_change() {
    let stand = Stand::new().await;
    let long = get(&format!("/{}", "a".repeat(100)));
    assert_eq!(stand.exchange(&long).await.status, 200);
    reload(&stand, TAKEN, |table| {
        table.extend(parsed("[limits]\nrequest_line = 64\n[timeouts]\nkeepalive = \"1s\""));
    })
    .await;
    assert_eq!(stand.exchange(&long).await.status, 414);
    stand.connect().await.closed().await;
    stand.still_serves().await;
}

async fn stats_with(stand: &Stand, token: &str) -> u16 {
    let admin = stand.node().admin_addr();
    let ask = Ask::get(&admin.to_string(), "/stats").bearer(token);
    scenarios::client::ask(admin, &ask).await.unwrap_or_else(|error| panic!("{error}")).status.as_u16()
}

#[tokio::test]
async fn tokens_change() {
    let stand = Stand::new().await;
    let secrets = stand.fleet.secrets();
    assert_eq!(stats_with(&stand, &secrets.deploy).await, 200);
    reload(&stand, TAKEN, |table| list(table, "tokens").retain(|token| token["id"].as_str() != Some("deploy"))).await;
    assert_eq!(stats_with(&stand, &secrets.deploy).await, 401, "the token is gone");
    assert_eq!(stats_with(&stand, &secrets.admin).await, 200);
    // A secret that is changed where it is kept.
    std::fs::write(secrets.file("admin"), "another secret of the admin").expect("a file of our own");
    reload(&stand, TAKEN, |_| {}).await;
    assert_eq!(stats_with(&stand, &secrets.admin).await, 401);
    assert_eq!(stats_with(&stand, "another secret of the admin").await, 200);
    stand.still_serves().await;
}

#[tokio::test]
async fn a_file_that_is_wrong_changes_nothing() {
    let stand = Stand::new().await;
    let good = text(&stand);
    assert_eq!(stand.exchange(get("/a")).await.status, 200);
    let broken = format!("{good}\n[limits]\nfields = 1000\nunknown = 1\n");
    for (wrong, reason) in [
        (broken.as_str(), "limits.fields = 1000"),
        ("", "pops: is missing"),
        ("[[pops", "is not TOML"),
        (&good.replace("docs.example", "other.example").replace("\"fra-1\"", "\"fra-9\""), "no node \"fra-1\""),
        (&good.replace("secrets/admin", "secrets/nowhere"), "secrets/nowhere: can't be read"),
    ] {
        reload_text(&stand, wrong, REFUSED).await;
        let log = stand.node().stderr();
        let said = log.rfind(REFUSED).map_or("", |at| &log[at..]);
        assert!(said.contains(reason) && said.contains("hint:"), "{reason:?} should be in {said}");
        let reply = stand.exchange(get("/a")).await;
        assert!(reply.status == 200 && cache_status(&reply).contains(";hit"), "{reply:?}");
    }
    std::fs::remove_file(stand.node().fleet_file()).expect("a file of our own");
    let before = count(&stand, REFUSED);
    stand.fleet.reload(NODE).expect("the node runs");
    eventually("the refusal", async || count(&stand, REFUSED) > before).await;
    // When it is right again, it is taken.
    reload_text(&stand, &good, TAKEN).await;
    stand.still_serves().await;
}

#[tokio::test]
async fn what_a_running_node_cannot_change_is_refused() {
    let stand = Stand::with("[store]\nmemory = \"64MiB\"\nmax_object = \"1MiB\"").await;
    let good = text(&stand);
    let node = |table: &mut Table, key: &str, value: Value| {
        entry(entry(table, "pops", 0), "nodes", 0).insert(key.to_owned(), value);
    };
    type Change<'c> = &'c dyn Fn(&mut Table);
    let changes: [(&str, Change<'_>); 8] = [
        ("public address", &|table| node(table, "public", "127.0.0.1:18080".into())),
        ("public address", &|table| node(table, "listen", "127.0.0.1:18080".into())),
        ("admin address", &|table| node(table, "admin", "127.0.0.1:18081".into())),
        ("role", &|table| node(table, "role", "shield".into())),
        ("size of the store", &|table| node(table, "memory", "32MiB".into())),
        ("size of the store", &|table| drop(entry_of(table, "store").insert("memory".into(), "32MiB".into()))),
        ("limits.connections", &|table| table.extend(parsed("[limits]\nconnections = 5"))),
        ("h2c", &|table| table.extend(parsed("[listen]\nh2c = true"))),
    ];
    for (reason, change) in changes {
        reload_text(&stand, &good, TAKEN).await;
        reload(&stand, REFUSED, |table| {
            change(table);
            // What could be changed is not changed either.
            entry(table, "sites", 0).insert("hosts".into(), vec!["other.example"].into());
        })
        .await;
        let log = stand.node().stderr();
        let said = log.rfind(REFUSED).map_or("", |at| &log[at..]);
        assert!(said.contains(reason) && said.contains("restart the node"), "{reason:?} should be in {said}");
        assert_eq!(get_from(&stand, HOST, "/a").await.status, 200);
        assert_eq!(get_from(&stand, "other.example", "/a").await.status, 421);
    }
    stand.still_serves().await;
}

fn entry_of<'t>(table: &'t mut Table, name: &str) -> &'t mut Table {
    table[name].as_table_mut().expect("a table")
}

#[tokio::test]
async fn reloading_under_load_loses_no_request() {
    let stand = Stand::new().await;
    let before = count(&stand, TAKEN);
    let mut client = stand.connect().await;
    for n in 0..200 {
        if n % 10 == 0 {
            stand.fleet.reload(NODE).expect("the node runs");
        }
        let reply = client.exchange(get(&format!("/{}", n % 17))).await;
        assert_eq!(reply.status, 200);
    }
    eventually("it reloads", async || count(&stand, TAKEN) > before).await;
    stand.still_serves().await;
}
