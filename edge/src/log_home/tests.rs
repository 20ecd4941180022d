use super::*;
use crate::core::id::{SiteId, TokenId};
use crate::core::key_rules::KeyRules;
use crate::core::log::RecordId;
use crate::core::purge::{Mode, Selector};
use crate::wire::log::decode;
use std::path::Path;
use std::time::Duration;

const ALL: Retention = Retention { age: Duration::from_secs(3600), count: u64::MAX };

fn open(folder: &Path) -> FileHome {
    FileHome::open(&folder.join("log"), ALL, None).expect("a log")
}

fn id(text: &str) -> RecordId {
    RecordId::new(text).expect("a good id")
}

fn purge(name: &str) -> Purge {
    Purge {
        id: id(name),
        digest: [7; 16],
        by: TokenId::new("deploy").expect("a good name"),
        mode: Mode::Hard,
        selectors: vec![Selector::Site { site: SiteId::new("docs").expect("a good name") }],
        rules: KeyRules::default(),
    }
}

fn member(node: &str, boot: &str) -> Member {
    Member {
        node: NodeId::new(node).expect("a good name"),
        boot: id(boot),
        folder: id(&format!("folder-of-{node}")),
        strict: false,
    }
}

async fn append(home: &FileHome, entry: Entry) -> Appended {
    home.append(entry).await.expect("it is recorded")
}

#[tokio::test]
async fn what_is_answered_is_there_after_a_restart() {
    let folder = tempfile::tempdir().expect("a folder");
    let home = open(folder.path());
    let first = append(&home, Entry::Purge(purge("a"))).await;
    assert_eq!((first.position, first.is_new), (Position::new(1, 2), true));
    append(&home, Entry::Join(member("fra-1", "b1"))).await;
    let ledger = home.ledger();
    drop(home);

    let home = open(folder.path());
    assert_eq!(home.ledger(), ledger, "no epoch begins for a restart");
    let retry = append(&home, Entry::Purge(purge("a"))).await;
    assert_eq!(retry, Appended { is_new: false, ..first });
    let other = Purge { digest: [8; 16], ..purge("a") };
    let refused = home.append(Entry::Purge(other)).await;
    assert!(matches!(refused, Err(AppendError::Refused(Refusal::IdReused(at))) if at == first.position));
    let kept = home.read(Position::ZERO, usize::MAX).await.expect("the records");
    assert_eq!(kept.iter().map(|kept| kept.position.seq()).collect::<Vec<_>>(), [1, 2, 3]);
    assert_eq!(kept.last().map(|kept| kept.chain), Some(ledger.chain));
    assert!(kept.iter().all(|kept| decode(&kept.bytes).expect("a record").position == kept.position));
}

#[tokio::test]
async fn reading_is_bounded_and_goes_on_where_it_ended() {
    let folder = tempfile::tempdir().expect("a folder");
    let home = open(folder.path());
    for n in 0..10 {
        append(&home, Entry::Purge(purge(&n.to_string()))).await;
    }
    let (mut at, mut reads) = (Position::ZERO, 0);
    while let Some(last) = home.read(at, 400).await.expect("records").last().map(|kept| kept.position) {
        (at, reads) = (last, reads + 1);
    }
    assert_eq!(at, Position::new(1, 11));
    assert!((4..=11).contains(&reads), "{reads}");
    assert_eq!(home.read(Position::ZERO, 1).await.expect("records").len(), 1, "one at least");
}

#[tokio::test]
async fn a_replaced_process_leaves_in_the_same_transaction() {
    let folder = tempfile::tempdir().expect("a folder");
    let home = open(folder.path());
    append(&home, Entry::Join(member("fra-1", "b1"))).await;
    let next = append(&home, Entry::Join(member("fra-1", "b2"))).await;
    assert_eq!(next.position, Position::new(1, 4));
    assert_eq!(append(&home, Entry::Join(member("fra-1", "b2"))).await.position, next.position, "it is one already");
    let purge = append(&home, Entry::Purge(purge("a"))).await.position;
    let mut receipts = home.receipts();
    receipts.mark_unchanged();
    assert_eq!(home.unproven(purge), [member("fra-1", "b2")]);
    home.acknowledge(&member("fra-1", "b2"), purge);
    assert!(receipts.has_changed().expect("the home lives"));
    assert_eq!(home.unproven(purge), []);
    append(&home, Entry::Drained(member("fra-1", "b2"))).await;
    assert!(home.ledger().members.is_empty());
    let nobody = home.append(Entry::Forget(member("fra-1", "b2").node)).await;
    assert!(matches!(nobody, Err(AppendError::Refused(Refusal::NoMember(_)))));
}

#[tokio::test]
async fn old_records_are_dropped_and_what_they_add_up_to_is_kept() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("log");
    let few = Retention { age: Duration::from_secs(3600), count: 5 };
    let home = FileHome::open(&path, few, None).expect("a log");
    append(&home, Entry::Join(member("fra-1", "b1"))).await;
    for n in 0..1010 {
        append(&home, Entry::Purge(purge(&n.to_string()))).await;
    }
    let kept = home.read(Position::ZERO, usize::MAX).await.expect("records");
    assert!(kept.len() < 1000, "{}", kept.len());
    let (ledger, base) = (home.ledger(), Position::new(1, kept[0].position.seq() - 1));
    drop(home);
    let home = FileHome::open(&path, few, None).expect("a log");
    assert_eq!(home.ledger(), ledger, "the member that joined long ago among them");
    let chain_of = |at: Position| kept.iter().find(|kept| kept.position == at).map(|kept| kept.chain);
    let (at, chain) = (kept[0].position, kept[0].chain);
    assert!(matches!(home.meet(at, chain).await, Ok(Start::Behind(_))));
    assert!(matches!(home.meet(Position::new(1, 2), chain).await, Ok(Start::AtHead(_))), "too long ago to be told");
    assert_eq!(chain_of(base), None);
    let head = *home.follow().borrow();
    assert_eq!(home.meet(head.position, head.chain).await.expect("a start"), Start::Behind(head));
    assert_eq!(head.position.epoch(), 1);
}

#[tokio::test]
async fn a_stranger_makes_an_epoch_begin() {
    let folder = tempfile::tempdir().expect("a folder");
    let home = open(folder.path());
    let before = *home.follow().borrow();
    let started = home.meet(Position::new(3, 50), Chain::START).await.expect("a start");
    let Start::AtHead(head) = started else { panic!("{started:?}") };
    assert_eq!(head.position, Position::new(4, before.position.seq() + 1));
    assert_eq!(home.meet(head.position, head.chain).await.expect("a start"), Start::Behind(head));
}

#[tokio::test]
async fn a_sealed_log_numbers_nothing_until_it_is_taken_over() {
    let folder = tempfile::tempdir().expect("a folder");
    let home = open(folder.path());
    append(&home, Entry::Seal).await;
    let sealed = |result: Result<Appended, AppendError>| matches!(result, Err(AppendError::Refused(Refusal::Sealed)));
    assert!(sealed(home.append(Entry::Purge(purge("a"))).await));
    assert!(sealed(home.append(Entry::Join(member("fra-1", "b1"))).await));
    assert!(sealed(home.append(Entry::Epoch { above: 0, lifts_seal: false }).await));
    drop(home);
    let home = open(folder.path());
    assert!(sealed(home.append(Entry::Purge(purge("a"))).await), "nor after a restart");
    append(&home, Entry::Epoch { above: 0, lifts_seal: true }).await;
    assert_eq!(append(&home, Entry::Purge(purge("a"))).await.position, Position::new(2, 4));
}

#[test]
fn what_can_not_be_opened_says_why() {
    let folder = tempfile::tempdir().expect("a folder");
    let error = FileHome::open(&folder.path().join("missing/log"), ALL, None).expect_err("no folder").to_string();
    assert!(error.contains("missing/log: the purge log can't be opened") && error.contains("hint: "), "{error}");
    let path = folder.path().join("log");
    let _first = FileHome::open(&path, ALL, None).expect("a log");
    let error = FileHome::open(&path, ALL, None).expect_err("it is open").to_string();
    assert!(error.contains("another process has it open"), "{error}");
    let garbage = folder.path().join("garbage");
    std::fs::write(&garbage, vec![7; 8192]).expect("a file");
    let error = FileHome::open(&garbage, ALL, None).expect_err("no database").to_string();
    assert!(error.contains("hint: if the disk is sound"), "{error}");
}
