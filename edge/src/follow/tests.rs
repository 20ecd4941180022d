use super::*;
use crate::core::id::{NodeId, SiteId, TokenId};
use crate::core::key_rules::KeyRules;
use crate::core::log::{Lease, Member, Position, Purge, RecordId, Refusal};
use crate::core::purge::{Mode, Selector};
use crate::core::time::Timestamp;
use crate::data_folder::Known;
use crate::log_home::{Entry, FileHome, LogHome, Retention};
use parking_lot::Mutex;
use std::sync::Arc;

fn id(text: &str) -> RecordId {
    RecordId::new(text).expect("a good id")
}

fn member(node: &str, boot: &str, folder: &str) -> Member {
    Member { node: NodeId::new(node).expect("a good name"), boot: id(boot), folder: id(folder), strict: false }
}

fn purge(name: &str) -> Entry {
    Entry::Purge(Purge {
        id: id(name),
        digest: [1; 16],
        by: TokenId::new("deploy").expect("a good name"),
        mode: Mode::Hard,
        selectors: vec![Selector::Site { site: SiteId::new("docs").expect("a good name") }],
        rules: KeyRules::default(),
    })
}

fn home(folder: &tempfile::TempDir) -> Arc<FileHome> {
    let retention = Retention { age: Duration::from_secs(3600), count: u64::MAX };
    Arc::new(FileHome::open(&folder.path().join("log"), retention, None).expect("a log"))
}

/// A node that notes what it is told.
#[derive(Debug, Default)]
struct Noted {
    did: Mutex<Vec<String>>,
    known: Mutex<Option<Known>>,
}

impl Noted {
    fn note(&self, what: String) {
        let mut did = self.did.lock();
        if did.last() != Some(&what) {
            did.push(what);
        }
    }

    fn did(&self) -> Vec<String> {
        self.did.lock().clone()
    }
}

impl Applies for Noted {
    fn purge(&self, at: Position, purge: &Purge, _: Timestamp) {
        self.note(format!("purge {} at {at}", purge.id));
    }

    fn hide_all(&self, upto: Position) {
        self.note(format!("hide all to {upto}"));
    }

    fn pass(&self, at: Position) {
        self.note(format!("pass {at}"));
    }

    fn caught_up(&self, is_so: bool) {
        if is_so {
            self.note("caught up".to_owned());
        }
    }

    fn knows(&self, known: Known) {
        *self.known.lock() = Some(known);
    }

    fn leased(&self, lease: Lease) {
        self.note(format!("leased {}", lease != Lease::NONE));
    }

    fn refused(&self) {
        self.note("refused".to_owned());
    }
}

/// A node that follows, in tasks of their own.
struct Node {
    noted: Arc<Noted>,
    task: tokio::task::JoinHandle<(NodeSide, Ended)>,
}

impl Node {
    fn start(home: &Arc<FileHome>, side: NodeSide) -> Self {
        let (mut end, of_home) = End::pair();
        let home: Arc<dyn LogHome> = home.clone();
        tokio::spawn(attend(home, of_home));
        let noted = Arc::new(Noted::default());
        let (mut side, applies) = (side, noted.clone());
        let task = tokio::spawn(async move {
            let ended = side.follow(&mut end, applies.as_ref()).await;
            (side, ended)
        });
        Self { noted, task }
    }

    fn new(home: &Arc<FileHome>, member: Member, known: Known) -> Self {
        Self::start(home, NodeSide::new(member, known, None))
    }

    async fn until(&self, what: &str) {
        for _ in 0..2000 {
            if self.noted.did().iter().any(|did| did == what) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        panic!("never {what}: {:?}", self.noted.did());
    }

    async fn did(&self, count: usize) -> Vec<String> {
        for _ in 0..2000 {
            if self.noted.did().len() >= count {
                break;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        self.noted.did()
    }
}

async fn proven(home: &FileHome, at: Position) {
    let mut receipts = home.receipts();
    while !home.unproven(at).is_empty() {
        tokio::time::timeout(Duration::from_secs(20), receipts.changed()).await.expect("soon").expect("a home");
    }
}

/// Until the home has found that nobody is at the other end.
async fn no_stream(home: &FileHome, member: &Member) {
    for _ in 0..6000 {
        if !home.has_stream(member) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("the stream of {member} is still open");
}

#[tokio::test]
async fn a_copy_of_a_folder_is_no_sign_that_its_process_has_ended() {
    let folder = tempfile::tempdir().expect("a folder");
    let home = home(&folder);
    let first = Node::new(&home, member("fra-1", "b1", "f1"), Known::NOTHING);
    first.did(2).await;
    let copy = Node::new(&home, member("fra-1", "b2", "f1"), Known::NOTHING);
    let (_, ended) = copy.task.await.expect("it ends");
    assert!(matches!(&ended, Ended::Refused { error, .. } if error.contains("fra-1/b1")), "{ended:?}");
    assert_eq!(copy.noted.did(), ["leased false", "refused"]);
    // Once its stream has ended the first one is gone, as far as anybody can tell.
    first.task.abort();
    no_stream(&home, &member("fra-1", "b1", "f1")).await;
    let next = Node::new(&home, member("fra-1", "b3", "f1"), Known::NOTHING);
    next.until("caught up").await;
    assert_eq!(home.ledger().members.keys().collect::<Vec<_>>(), [&member("fra-1", "b3", "f1")]);
}

#[tokio::test]
async fn who_is_a_member_no_longer_is_told() {
    let folder = tempfile::tempdir().expect("a folder");
    let home = home(&folder);
    let fra = Node::new(&home, member("fra-1", "b1", "f1"), Known::NOTHING);
    fra.until("caught up").await;
    home.append(Entry::Forget(member("fra-1", "b1", "f1").node)).await.expect("it is recorded");
    let (_, ended) = fra.task.await.expect("it ends");
    assert!(matches!(&ended, Ended::Refused { .. }), "{ended:?}");
    assert!(fra.noted.did().contains(&"refused".to_owned()), "it serves nothing that is stored: {:?}", fra.noted.did());
}

/// Neither side waits for the other one to listen, however much there is to say.
#[tokio::test]
async fn who_is_far_behind_catches_up_within_the_process() {
    let folder = tempfile::tempdir().expect("a folder");
    let home = home(&folder);
    let fra = member("fra-1", "b1", "f1");
    let known = {
        let node = Node::new(&home, fra.clone(), Known::NOTHING);
        node.until("caught up").await;
        node.task.abort();
        node.noted.known.lock().expect("it knows something")
    };
    no_stream(&home, &fra).await;
    let mut last = Position::ZERO;
    for n in 0..24 {
        let Entry::Purge(mut purge) = purge(&n.to_string()) else { unreachable!("it is a purge") };
        let url = |n: usize| Selector::Url {
            site: SiteId::new("docs").expect("a good name"),
            host: "www.example".to_owned(),
            path: format!("/{n}{}", "x".repeat(2000)),
            query: None,
        };
        purge.selectors = (0..600).map(url).collect();
        last = home.append(Entry::Purge(purge)).await.expect("it is recorded").position;
    }
    let node = Node::new(&home, fra, known);
    proven(&home, last).await;
    node.until("caught up").await;
    assert!(!node.noted.did().iter().any(|did| did.starts_with("hide")), "{:?}", node.noted.did());
}

/// A process that stands still, or a machine that is gone without a word.
#[tokio::test]
async fn who_says_nothing_is_gone_after_a_while() {
    let folder = tempfile::tempdir().expect("a folder");
    let home = home(&folder);
    let (mut end, of_home) = End::pair();
    let attending = tokio::spawn(attend(home.clone(), of_home));
    let (sin, at) = (member("sin-1", "b3", "f3"), Position::ZERO.to_string());
    let chain = crate::core::log::Chain::START.to_string();
    assert!(end.say(&crate::wire::follow::FromNode::Hello { member: (&sin).into(), at, chain }).await);
    end.incoming.recv().await.expect("it is told where to begin");
    assert!(home.has_stream(&sin));
    let listening = tokio::spawn(async move { while end.incoming.recv().await.is_some() {} });
    no_stream(&home, &sin).await;
    attending.await.expect("it ends");
    listening.await.expect("it is told no more");
}

#[tokio::test]
async fn nobody_takes_all_the_epochs() {
    let folder = tempfile::tempdir().expect("a folder");
    let home = home(&folder);
    let at = Position::new(60_000, 5);
    let known = Known { at, chain: crate::core::log::Chain::START.with(at, b"x") };
    let fra = Node::new(&home, member("fra-1", "b1", "f1"), known);
    let (_, ended) = fra.task.await.expect("it ends");
    assert!(matches!(&ended, Ended::Refused { hint, .. } if hint.contains("state.json")), "{ended:?}");
    assert_eq!(home.ledger().epoch(), 1);
    assert!(home.ledger().members.is_empty(), "nobody waits for it");
}

#[tokio::test]
async fn a_purge_reaches_whoever_follows_and_is_proven() {
    let folder = tempfile::tempdir().expect("a folder");
    let home = home(&folder);
    let fra = Node::new(&home, member("fra-1", "b1", "f1"), Known::NOTHING);
    let sin = Node::new(&home, member("sin-1", "b2", "f2"), Known::NOTHING);
    fra.did(2).await;
    sin.did(2).await;
    let at = home.append(purge("a")).await.expect("it is recorded").position;
    proven(&home, at).await;
    for node in [&fra, &sin] {
        let did = node.noted.did();
        assert!(did[0].starts_with("hide all to 1."), "{did:?}");
        assert!(did.contains(&format!("purge a at {at}")), "{did:?}");
    }
    assert_eq!(home.applied(&member("fra-1", "b1", "f1")), Some(at));
}

#[tokio::test]
async fn who_was_away_gets_what_it_lacks() {
    let folder = tempfile::tempdir().expect("a folder");
    let home = home(&folder);
    let fra = Node::new(&home, member("fra-1", "b1", "f1"), Known::NOTHING);
    fra.did(2).await;
    let first = home.append(purge("a")).await.expect("it is recorded").position;
    proven(&home, first).await;
    let known = fra.noted.known.lock().expect("it knows something");
    fra.task.abort();
    let mut last = first;
    for name in ["b", "c"] {
        last = home.append(purge(name)).await.expect("it is recorded").position;
    }
    assert_eq!(home.unproven(last), [member("fra-1", "b1", "f1")], "nobody forgets it");
    no_stream(&home, &member("fra-1", "b1", "f1")).await;
    // The node's next process, in the same folder.
    let again = Node::new(&home, member("fra-1", "b2", "f1"), known);
    proven(&home, last).await;
    let did = again.did(5).await;
    assert_eq!(did[..2], [format!("purge b at {}", first.next()), format!("purge c at {last}")], "{did:?}");
    assert!(!did.iter().any(|did| did.starts_with("hide")), "{did:?}");
    assert_eq!(home.ledger().members.len(), 1);
}

#[tokio::test]
async fn a_second_process_of_a_node_is_refused_and_one_that_drained_leaves() {
    let folder = tempfile::tempdir().expect("a folder");
    let home = home(&folder);
    let first = Node::new(&home, member("fra-1", "b1", "f1"), Known::NOTHING);
    first.did(2).await;
    let second = Node::new(&home, member("fra-1", "b2", "f2"), Known::NOTHING);
    let (_, ended) = second.task.await.expect("it ends");
    let Ended::Refused { error, hint } = ended else { panic!("{ended:?}") };
    assert!(error.contains("fra-1/b1") && hint.contains("forget"), "{error} {hint}");

    let (end, of_home) = End::pair();
    let attending = tokio::spawn(attend(home.clone(), of_home));
    let hello = crate::wire::follow::FromNode::Hello {
        member: (&member("sin-1", "b3", "f3")).into(),
        at: Position::ZERO.to_string(),
        chain: crate::core::log::Chain::START.to_string(),
    };
    assert!(end.say(&hello).await);
    NodeSide::drained(&end, SILENCE).await;
    attending.await.expect("it ends");
    assert_eq!(home.ledger().members.keys().collect::<Vec<_>>(), [&member("fra-1", "b1", "f1")]);
}

#[tokio::test]
async fn a_home_that_came_back_from_a_backup_makes_everybody_hide_all() {
    let folder = tempfile::tempdir().expect("a folder");
    let before = home(&folder);
    before.append(purge("a")).await.expect("it is recorded");
    let backup = folder.path().join("backup");
    drop(before);
    std::fs::copy(folder.path().join("log"), &backup).expect("a copy");
    let lost = home(&folder);
    let fra = Node::new(&lost, member("fra-1", "b1", "f1"), Known::NOTHING);
    fra.did(2).await;
    let at = lost.append(purge("b")).await.expect("it is recorded").position;
    proven(&lost, at).await;
    let known = fra.noted.known.lock().expect("it knows something");
    fra.task.abort();

    let retention = Retention { age: Duration::from_secs(3600), count: u64::MAX };
    let restored = Arc::new(FileHome::open(&backup, retention, None).expect("a log"));
    for name in ["x", "y", "z"] {
        restored.append(purge(name)).await.expect("it is recorded");
    }
    let again = Node::new(&restored, member("fra-1", "b1", "f1"), known);
    let did = again.did(2).await;
    assert!(did[0].starts_with("hide all to 2."), "{did:?}");
}

#[tokio::test]
async fn nonsense_ends_a_stream_and_changes_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let home = home(&folder);
    let before = home.ledger();
    for line in ["", "{}", "{\"kind\":\"applied\",\"at\":\"1.5\"}", &"x".repeat(5000)] {
        let (end, of_home) = End::pair();
        let attending = tokio::spawn(attend(home.clone(), of_home));
        end.send(Bytes::from(format!("{line}\n"))).await;
        attending.await.expect("it ends");
    }
    assert_eq!(home.ledger(), before);

    // A member's line without end.
    let (end, of_home) = End::pair();
    let attending = tokio::spawn(attend(home.clone(), of_home));
    let member_line = (&member("sin-1", "b3", "f3")).into();
    let (at, chain) = (Position::ZERO.to_string(), crate::core::log::Chain::START.to_string());
    assert!(end.say(&crate::wire::follow::FromNode::Hello { member: member_line, at, chain }).await);
    while end.send(Bytes::from(vec![b'x'; 1000])).await {}
    attending.await.expect("it ends");
    home.append(Entry::Forget(member("sin-1", "b3", "f3").node)).await.expect("it is recorded");

    let (mut end, mut of_home) = End::pair();
    let mut side = NodeSide::new(member("fra-1", "b1", "f1"), Known::NOTHING, None);
    let noted = Arc::new(Noted::default());
    let applies = noted.clone();
    let following = tokio::spawn(async move { side.follow(&mut end, applies.as_ref()).await });
    of_home.incoming.recv().await.expect("hello");
    of_home
        .send(Bytes::from_static(b"R{\"position\":\"1.7\",\"issued_at_ms\":1,\"event\":{\"kind\":\"seal\"}}\n"))
        .await;
    let ended = following.await.expect("it ends");
    assert!(matches!(&ended, Ended::Nonsense(why) if why.contains("1.7")), "{ended:?}");
    assert_eq!(noted.did(), Vec::<String>::new());
}

/// A node that serves under leases alone is leased once it has applied what there is.
#[tokio::test]
async fn a_strict_node_is_leased() {
    let folder = tempfile::tempdir().expect("a folder");
    let retention = Retention { age: Duration::from_secs(3600), count: 1000 };
    let lease = Duration::from_secs(3600);
    let home = Arc::new(FileHome::open(&folder.path().join("log"), retention, Some(lease)).expect("a log"));
    let fra = Member { strict: true, ..member("fra-1", "b1", "f1") };
    let node = Node::start(&home, NodeSide::new(fra.clone(), Known::NOTHING, Some(lease)));
    node.until("leased true").await;
    assert!(home.lease_left(&fra).is_some_and(|left| left > Duration::from_secs(3000)));
    let other = member("sin-1", "b2", "f2");
    assert_eq!(home.lease_left(&other), None);
    assert!(matches!(home.lease(&other), Err(Refusal::NoMember(_))));
    assert!(home.ends_leases(&fra.node) > Duration::from_secs(3000), "it is waited for, should it run");
    assert_eq!(home.ends_leases(&other.node), Duration::ZERO);
    assert!(matches!(home.lease(&fra), Err(Refusal::NoMember(_))), "it gets no more");
}
