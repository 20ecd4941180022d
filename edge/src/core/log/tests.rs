use super::*;
use crate::core::id::{NodeId, SiteId, TokenId};
use crate::core::key_rules::KeyRules;
use crate::core::purge::{Mode, Selector};
use crate::core::time::Timestamp;

fn at(secs: u64) -> Timestamp {
    Timestamp::from_secs(secs)
}

fn id(text: &str) -> RecordId {
    RecordId::new(text).expect("a good id")
}

fn member(node: &str, boot: &str, folder: &str) -> Member {
    Member { node: NodeId::new(node).expect("a good name"), boot: id(boot), folder: id(folder), strict: false }
}

/// A home in memory, with the bytes of its records: the shell without a disk.
struct Kept {
    home: Home,
    records: Vec<(Record, Vec<u8>, Chain)>,
}

impl Kept {
    fn new(name: &str) -> Self {
        let mut kept = Self { home: Home::new(Ledger::default()), records: Vec::new() };
        kept.open(0, name);
        kept
    }

    fn write(&mut self, position: Position, issued_at: Timestamp, event: Event) -> Position {
        let record = Record { position, issued_at, event };
        let bytes = format!("{record:?}").into_bytes();
        self.home.committed(&record, &bytes).expect("it follows");
        self.records.push((record, bytes, self.home.ledger().chain));
        position
    }

    fn open(&mut self, seen: Epoch, name: &str) -> Position {
        let position = self.home.next_epoch(seen, true).expect("an epoch");
        self.write(position, at(0), Event::Epoch { name: name.to_owned() })
    }

    fn append(&mut self, event: Event) -> Position {
        let position = self.home.next().expect("a number");
        self.write(position, at(0), event)
    }

    fn purge(&mut self, name: &str, now: Timestamp) -> Result<Position, Refusal> {
        match self.home.offer(&by(), &id(name), [1; 16], now)? {
            Offer::Same(numbered) => Ok(numbered.position),
            Offer::Number(position) => Ok(self.write(position, now, Event::Purge(purge(name)))),
        }
    }

    fn join(&mut self, member: &Member) -> Result<(), Refusal> {
        for event in self.home.join(member, |_| false)? {
            self.append(event);
        }
        Ok(())
    }

    fn chain_at(&self, at: Position) -> Option<Chain> {
        self.records.iter().find(|(record, ..)| record.position == at).map(|(.., chain)| *chain)
    }

    /// A follower reads what it lacks.
    fn feed(&mut self, follower: &mut Follower) -> Vec<String> {
        let mut did = Vec::new();
        let (known, chain) = (follower.applied(), follower.chain());
        let mut note = |step: Step<'_>| did.push(format!("{step:?}").split(['(', ' ']).next().unwrap_or("").to_owned());
        match self.home.meets(known, chain, self.chain_at(known)) {
            Meeting::Continues => follower.told(self.home.head()),
            Meeting::StartsAtHead => note(follower.restart(self.home.head(), self.home.ledger().chain)),
            Meeting::MustOpenAbove(seen) => {
                self.open(seen, "again");
                note(follower.restart(self.home.head(), self.home.ledger().chain));
            }
        }
        for (record, bytes, _) in &self.records {
            if record.position.seq() > follower.applied().seq() {
                note(follower.record(record, bytes).expect("it follows"));
            }
        }
        assert!(follower.caught_up());
        assert_eq!((follower.applied(), follower.chain()), (self.home.head(), self.home.ledger().chain));
        did
    }
}

fn purge(name: &str) -> Purge {
    Purge {
        id: id(name),
        digest: [1; 16],
        by: by(),
        mode: Mode::Hard,
        selectors: vec![Selector::Site { site: SiteId::new("docs").expect("a good name") }],
        rules: KeyRules::default(),
    }
}

#[test]
fn a_home_numbers_nothing_before_its_first_epoch_and_nothing_once_sealed() {
    let empty = Home::new(Ledger::default());
    assert_eq!(empty.next(), Err(Refusal::NotOpened));
    assert_eq!(empty.offer(&by(), &id("a"), [0; 16], at(0)), Err(Refusal::NotOpened));
    let mut kept = Kept::new("log");
    assert_eq!(kept.home.head(), Position::new(1, 1));
    assert_eq!(kept.purge("a", at(1)), Ok(Position::new(1, 2)));
    kept.append(Event::Seal);
    assert_eq!(kept.purge("b", at(1)), Err(Refusal::Sealed));
    assert_eq!(kept.home.next_epoch(7, false), Err(Refusal::Sealed));
    assert_eq!(kept.purge("a", at(2)), Ok(Position::new(1, 2)), "a retry still gets its answer");
    // Where it moves to, it goes on in a later epoch.
    assert_eq!(kept.open(1, "moved"), Position::new(2, 4));
    assert_eq!(kept.purge("b", at(3)), Ok(Position::new(2, 5)));
}

#[test]
fn a_retry_gets_the_first_number_and_nothing_else_does() {
    let mut kept = Kept::new("log");
    let first = kept.purge("a", at(100)).expect("a number");
    let retry_until = Timestamp::from_millis(100_000 + RETRY_WINDOW.as_millis() as u64);
    assert!(
        matches!(kept.home.offer(&by(), &id("a"), [1; 16], retry_until), Ok(Offer::Same(same)) if same.position == first)
    );
    let late = Timestamp::from_millis(retry_until.as_millis() + 1);
    assert_eq!(kept.home.offer(&by(), &id("a"), [1; 16], late), Err(Refusal::RetryTooLate(first)));
    assert_eq!(kept.home.offer(&by(), &id("a"), [2; 16], at(101)), Err(Refusal::IdReused(first)));
    assert_eq!(kept.home.offer(&by(), &id("b"), [1; 16], at(101)), Ok(Offer::Number(first.next())));
    kept.home.dropped(first, Chain::START);
    assert_eq!(
        kept.home.offer(&by(), &id("a"), [2; 16], at(101)),
        Ok(Offer::Number(first.next())),
        "forgotten with its record"
    );
}

#[test]
fn a_node_without_state_hides_all_and_starts_at_the_head() {
    let mut kept = Kept::new("log");
    kept.purge("a", at(1)).expect("a number");
    let mut follower = Follower::new(Position::ZERO, Chain::START);
    assert!(!follower.caught_up());
    assert_eq!(kept.feed(&mut follower), ["HideAll"]);
    kept.purge("b", at(2)).expect("a number");
    kept.append(Event::Join(member("fra-1", "b1", "f1")));
    assert_eq!(kept.feed(&mut follower), ["Purge", "Pass"]);
    follower.lost();
    assert!(!follower.caught_up(), "without a stream nobody knows");
    follower.told(follower.applied());
    assert!(follower.caught_up());
    follower.told(follower.applied().next());
    assert!(!follower.caught_up());
}

#[test]
fn only_contiguous_records_are_applied() {
    let mut kept = Kept::new("log");
    let mut follower = Follower::new(Position::ZERO, Chain::START);
    kept.feed(&mut follower);
    for name in ["a", "b", "c"] {
        kept.purge(name, at(1)).expect("a number");
    }
    let before = follower.clone();
    let (skipped, bytes, _) = &kept.records[2];
    assert_eq!(
        follower.record(skipped, bytes),
        Err(NotNext::Number { after: Position::new(1, 1), got: Position::new(1, 3) })
    );
    let (first, bytes, _) = &kept.records[1];
    let of_another_epoch = Record { position: Position::new(2, 2), ..first.clone() };
    assert_eq!(follower.record(&of_another_epoch, bytes), Err(NotNext::Epoch(Position::new(2, 2))));
    let of_an_earlier_one = Record { position: Position::new(0, 2), ..first.clone() };
    assert!(follower.record(&of_an_earlier_one, bytes).is_err());
    assert_eq!(follower, before);
    follower.record(first, bytes).expect("it follows");
    assert!(follower.record(first, bytes).is_err(), "once");
}

#[test]
fn whoever_knows_another_log_makes_the_home_begin_an_epoch() {
    let mut first = Kept::new("one");
    let mut follower = Follower::new(Position::ZERO, Chain::START);
    for name in ["a", "b", "c"] {
        first.purge(name, at(1)).expect("a number");
    }
    first.feed(&mut follower);

    // The home comes back from a backup that lacks the last two, and the node knows of more than it.
    let mut restored = Kept { home: Home::new(Ledger::default()), records: Vec::new() };
    for (record, bytes, _) in first.records.iter().take(2) {
        restored.home.committed(record, bytes).expect("it follows");
        restored.records.push((record.clone(), bytes.clone(), restored.home.ledger().chain));
    }
    let mut ahead = follower.clone();
    assert_eq!(restored.feed(&mut ahead), ["HideAll"]);
    assert_eq!(ahead.applied(), Position::new(2, 3));

    // It has numbered others by the time that a second node comes: the positions exist, with other records.
    for name in ["x", "y", "z"] {
        restored.purge(name, at(2)).expect("a number");
    }
    let mut other = follower.clone();
    assert_eq!(restored.feed(&mut other), ["HideAll"]);
    assert_eq!(other.applied(), Position::new(2, 6), "this epoch has begun since");
    assert_eq!(restored.feed(&mut ahead), ["Purge", "Purge", "Purge"]);
    assert_eq!(ahead, other);

    // Two logs that began alike.
    let mut another = Kept::new("two");
    let mut stranger = ahead.clone();
    assert_eq!(another.feed(&mut stranger), ["HideAll"]);
    assert_eq!(another.home.head().epoch(), 3);
}

#[test]
fn records_that_are_not_kept_any_more_are_made_up_for_by_hiding_all() {
    let mut kept = Kept::new("log");
    let mut follower = Follower::new(Position::ZERO, Chain::START);
    kept.feed(&mut follower);
    for name in ["a", "b", "c"] {
        kept.purge(name, at(1)).expect("a number");
    }
    let mut at_the_base = follower.clone();
    for (record, bytes, _) in &kept.records[1..3] {
        at_the_base.record(record, bytes).expect("it follows");
    }
    kept.home.dropped(Position::new(1, 3), at_the_base.chain());
    kept.records.retain(|(record, ..)| record.position > Position::new(1, 3));
    assert_eq!(kept.home.base(), Position::new(1, 3));
    assert_eq!(kept.feed(&mut follower), ["HideAll"]);
    assert_eq!(kept.feed(&mut at_the_base), ["Purge"], "whoever stands where they end lacks nothing");
    assert_eq!(kept.home.head().epoch(), 1, "that is no reason for an epoch");
}

#[test]
fn a_purge_is_proven_when_every_member_has_applied_it() {
    let mut kept = Kept::new("log");
    let (fra, sin) = (member("fra-1", "b1", "f1"), member("sin-1", "b2", "f2"));
    let early = kept.purge("early", at(1)).expect("a number");
    kept.join(&fra).expect("a member");
    kept.join(&sin).expect("a member");
    assert_eq!(kept.home.unproven(early), [fra.clone(), sin.clone()], "they may have been serving before they joined");
    kept.home.acknowledged(&fra, kept.home.head());
    kept.home.acknowledged(&sin, kept.home.head());
    assert_eq!(kept.home.unproven(early), [], "they have begun behind it");
    let purge = kept.purge("a", at(1)).expect("a number");
    assert_eq!(kept.home.unproven(purge), [fra.clone(), sin.clone()]);
    kept.home.acknowledged(&fra, purge);
    kept.home.acknowledged(&fra, early);
    assert_eq!(kept.home.unproven(purge), std::slice::from_ref(&sin), "a late word takes nothing back");
    kept.home.acknowledged(&member("sin-1", "other", "f2"), purge);
    assert_eq!(kept.home.unproven(purge), std::slice::from_ref(&sin), "receipts are of a process, not of a node");
    let event = kept.home.drained(&sin).expect("it is a member");
    kept.append(event);
    assert_eq!(kept.home.unproven(purge), []);
    assert_eq!(kept.home.drained(&sin), None);
    kept.home.acknowledged(&fra, Position::MAX);
    let later = kept.purge("b", at(1)).expect("a number");
    assert_eq!(kept.home.unproven(later), [fra], "nobody acknowledges what is not there yet");
}

#[test]
fn a_purge_from_before_an_epoch_is_proven_in_that_epoch() {
    let mut kept = Kept::new("log");
    let (fra, sin) = (member("fra-1", "b1", "f1"), member("sin-1", "b2", "f2"));
    kept.join(&fra).expect("a member");
    kept.join(&sin).expect("a member");
    let purge = kept.purge("a", at(1)).expect("a number");
    kept.home.acknowledged(&fra, purge);
    // The other one knows of another record at that number, and may have answered the first with what that hides.
    let epoch = kept.open(1, "again");
    kept.home.acknowledged(&sin, epoch);
    assert_eq!(kept.home.unproven(purge), std::slice::from_ref(&fra));
    kept.home.acknowledged(&fra, epoch);
    assert_eq!(kept.home.unproven(purge), []);
}

#[test]
fn one_process_for_each_node() {
    let mut kept = Kept::new("log");
    let first = member("fra-1", "b1", "f1");
    kept.join(&first).expect("a member");
    assert_eq!(kept.home.join(&first, |_| false), Ok(Vec::new()), "it is one already");
    let elsewhere = member("fra-1", "b2", "f2");
    assert_eq!(kept.home.join(&elsewhere, |_| false), Err(Refusal::NodeTaken(first.clone())));
    // The same data folder can't be another process's while the first one runs.
    let next = member("fra-1", "b3", "f1");
    let heard = kept.home.join(&next, |other| *other == first);
    assert_eq!(heard, Err(Refusal::NodeTaken(first.clone())), "a copy of it can");
    kept.join(&next).expect("a member");
    assert_eq!(kept.home.ledger().members.keys().collect::<Vec<_>>(), [&next]);
    for event in kept.home.forget(&node("fra-1")).expect("it is known") {
        kept.append(event);
    }
    kept.join(&elsewhere).expect("a member");
}

fn by() -> TokenId {
    TokenId::new("deploy").expect("a good name")
}

fn node(name: &str) -> NodeId {
    NodeId::new(name).expect("a good name")
}

#[test]
fn nobody_is_taken_for_gone_unsaid() {
    let mut kept = Kept::new("log");
    let (left, stays) = (member("fra-1", "b1", "f1"), member("sin-1", "b2", "f2"));
    let is_gone = |kept: &Kept, name: &str| kept.home.ledger().gone.contains(&node(name));
    assert!(!is_gone(&kept, "iad-1"), "an empty log may stand where one was lost");
    for event in kept.home.forget(&node("iad-1")).expect("it may run") {
        kept.append(event);
    }
    assert!(is_gone(&kept, "iad-1"));
    assert_eq!(kept.home.forget(&node("iad-1")), Err(Refusal::NoMember("iad-1".to_owned())));
    kept.join(&left).expect("a member");
    kept.join(&stays).expect("a member");
    let event = kept.home.drained(&left).expect("a member");
    kept.append(event);
    assert!(is_gone(&kept, "fra-1"), "it has said so itself");
    // However it begins: a backup of a sealed log may be restored twice.
    kept.append(Event::Seal);
    kept.open(1, "moved");
    assert!(!is_gone(&kept, "iad-1") && !is_gone(&kept, "fra-1"));
    let again = member("iad-1", "b3", "f3");
    kept.join(&again).expect("a member");
    assert!(!is_gone(&kept, "iad-1"));
}

#[test]
fn no_word_takes_all_the_epochs() {
    let kept = Kept::new("log");
    let far = 1 + MAX_EPOCH_STEP;
    assert_eq!(kept.home.next_epoch(far, false), Ok(Position::new(far + 1, 2)));
    assert_eq!(kept.home.next_epoch(far + 1, false), Err(Refusal::NoSuchEpoch(far + 1)));
    assert_eq!(kept.home.may_come(Position::new(far, 5)), Ok(()));
    assert_eq!(kept.home.may_come(Position::new(far + 1, 5)), Err(Refusal::NoSuchEpoch(far + 1)));
}

#[test]
fn ids_belong_to_their_tokens() {
    let mut kept = Kept::new("log");
    let first = kept.purge("a", at(1)).expect("a number");
    let other = TokenId::new("another").expect("a good name");
    assert_eq!(kept.home.offer(&other, &id("a"), [9; 16], at(2)), Ok(Offer::Number(first.next())));
    assert_eq!(kept.home.find(&id("a"), None).map(|numbered| numbered.position), Some(first));
    assert_eq!(kept.home.find(&id("a"), Some(&by())).map(|numbered| numbered.position), Some(first));
    assert_eq!(kept.home.find(&id("a"), Some(&other)), None);
    assert_eq!(kept.home.find(&id("b"), None), None);
}
