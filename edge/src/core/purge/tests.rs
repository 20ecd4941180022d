use super::*;
use crate::core::id::{SiteId, Tag};
use crate::core::log::Position;
use crate::core::reuse::PurgeMark;
use crate::core::time::Timestamp;
use crate::core::url::{Scheme, SiteUrl};

const HOST: &str = "docs.example.com";

fn site() -> SiteId {
    SiteId::new("docs").expect("a good name")
}

fn tag(text: &str) -> Tag {
    Tag::new(text).expect("a good tag")
}

fn subject(path: &str, tags: &[&str]) -> Subject {
    let (path, query) = crate::core::url::normal_target(path);
    let url = SiteUrl { site: site(), scheme: Scheme::Http, host: HOST.into(), path, query };
    Subject::new(&url, &tags.iter().map(|t| tag(t)).collect::<Vec<_>>())
}

fn url(target: &str) -> Selector {
    let (path, query) = crate::core::url::normal_target(target);
    Selector::Url { site: site(), host: HOST.into(), path, query }
}

fn prefix(path: &str) -> Selector {
    Selector::prefix(site(), HOST.into(), path.into()).expect("a good prefix")
}

fn at(ms: u64) -> Timestamp {
    Timestamp::from_millis(ms)
}

/// Applies the next record of the log.
fn apply(index: &mut Index, selector: &Selector, mode: Mode, ms: u64) -> Fence {
    let next = index.applied().log().next();
    index.apply(next, &[selector], mode, at(ms));
    index.applied()
}

/// Applies `selector` hard after an entry was filled, and says whether it hides the entry.
fn check(selector: Selector, entry: &Subject, hidden: bool) {
    let mut index = Index::new();
    let mark = Mark::new(index.applied());
    apply(&mut index, &selector, Mode::Hard, 1);
    let want = if hidden { PurgeMark::Hard } else { PurgeMark::Valid };
    assert_eq!(index.verdict(entry, &mark), want, "{selector}");
    assert_eq!(index.selects_since(entry, Fence::ZERO), hidden, "{selector}");
    let later = Mark::new(index.applied());
    assert_eq!(index.verdict(entry, &later), PurgeMark::Valid, "{selector} hides what was filled after it");
}

#[test]
fn selectors_select_what_they_say() {
    let page = subject("/docs/a?x=1", &["release:v1", "dir:docs"]);
    let other_site = SiteId::new("shop").expect("a good name");
    check(url("/docs/a?x=1"), &page, true);
    check(url("/docs/a"), &page, false);
    check(url("/docs/a?x=2"), &page, false);
    check(prefix("/"), &page, true);
    check(prefix("/docs/"), &page, true);
    check(prefix("/docs/a"), &page, true);
    check(prefix("/docs/ab"), &page, false);
    check(prefix("/doc/"), &page, false);
    check(Selector::Tag { site: site(), tag: tag("dir:docs") }, &page, true);
    check(Selector::Tag { site: site(), tag: tag("dir:doc") }, &page, false);
    check(Selector::Tag { site: other_site.clone(), tag: tag("dir:docs") }, &page, false);
    check(Selector::Host { site: site(), host: HOST.into() }, &page, true);
    check(Selector::Host { site: site(), host: "www.example.com".into() }, &page, false);
    check(Selector::Site { site: site() }, &page, true);
    check(Selector::Site { site: other_site }, &page, false);
    check(Selector::Everything, &page, true);
}

#[test]
fn a_fill_in_flight_is_hidden_by_its_fence() {
    let mut index = Index::new();
    let page = subject("/a", &["t"]);
    let fence = index.applied();
    apply(&mut index, &Selector::Tag { site: site(), tag: tag("t") }, Mode::Hard, 1);
    apply(&mut index, &url("/unrelated"), Mode::Hard, 2);
    let filled_late = Mark::new(fence);
    assert_eq!(index.verdict(&page, &filled_late), PurgeMark::Hard);
}

#[test]
fn a_soft_purge_marks_and_a_hard_one_before_it_still_hides() {
    let mut index = Index::new();
    let page = subject("/a", &[]);
    let soft = Mark::new(index.applied());
    apply(&mut index, &url("/a"), Mode::Soft, 7);
    assert_eq!(index.verdict(&page, &soft), PurgeMark::Soft { since: at(7) });
    apply(&mut index, &url("/b"), Mode::Hard, 8);
    assert_eq!(index.verdict(&page, &soft), PurgeMark::Soft { since: at(7) }, "the mark outlives the check");
    apply(&mut index, &url("/a"), Mode::Hard, 9);
    apply(&mut index, &url("/a"), Mode::Soft, 10);
    assert_eq!(index.verdict(&page, &soft), PurgeMark::Hard, "soft after hard");
}

#[test]
fn what_is_soft_purged_again_is_stale_since_the_first_time() {
    let mut index = Index::new();
    let page = subject("/a", &[]);
    let old = Mark::new(index.applied());
    apply(&mut index, &url("/a"), Mode::Soft, 7);
    let newer = Mark::new(index.applied());
    apply(&mut index, &url("/a"), Mode::Soft, 100);
    let newest = Mark::new(index.applied());
    apply(&mut index, &url("/a"), Mode::Soft, 1000);
    for (mark, since) in [(&old, 7), (&newer, 7), (&newest, 1000)] {
        assert_eq!(index.verdict(&page, mark), PurgeMark::Soft { since: at(since) });
    }
}

#[test]
fn a_checked_entry_costs_one_load_until_the_next_purge() {
    let mut index = Index::new();
    let page = subject("/a", &[]);
    let mark = Mark::new(index.applied());
    apply(&mut index, &url("/b"), Mode::Hard, 1);
    assert!(!mark.is_current(index.applied()));
    assert_eq!(index.verdict(&page, &mark), PurgeMark::Valid);
    assert!(mark.is_current(index.applied()));
    apply(&mut index, &url("/c"), Mode::Hard, 2);
    assert!(!mark.is_current(index.applied()));
}

#[test]
fn retirement_hides_more_but_never_less() {
    let mut index = Index::new();
    let page = subject("/a", &[]);
    let unchecked = Mark::new(index.applied());
    let hidden = Mark::new(index.applied());
    apply(&mut index, &url("/a"), Mode::Hard, 0);
    for n in 0..MAX_RULES {
        apply(&mut index, &url(&format!("/{n}")), Mode::Hard, 1);
    }
    assert_eq!(index.verdict(&page, &hidden), PurgeMark::Hard);
    assert_eq!(index.verdict(&subject("/never-purged", &[]), &unchecked), PurgeMark::Hard);
    let after = Mark::new(index.applied());
    assert_eq!(index.verdict(&page, &after), PurgeMark::Valid);
}

#[test]
fn one_sites_purges_never_touch_another_site() {
    let mut index = Index::new();
    let page = subject("/a", &[]);
    let mark = Mark::new(index.applied());
    let other = SiteId::new("shop").expect("a good name");
    for n in 0..=MAX_RULES {
        let selector = Selector::Tag { site: other.clone(), tag: tag(&n.to_string()) };
        apply(&mut index, &selector, Mode::Hard, 1);
    }
    assert_eq!(index.verdict(&page, &mark), PurgeMark::Valid);
}

#[test]
fn many_lengths_of_prefixes_are_retired() {
    let mut index = Index::new();
    let page = subject("/a", &[]);
    let early = Mark::new(index.applied());
    for n in 1..=MAX_PREFIX_LENGTHS + 1 {
        apply(&mut index, &prefix(&format!("/{}", "x".repeat(n))), Mode::Hard, 1);
    }
    assert_eq!(index.verdict(&page, &early), PurgeMark::Hard, "the floor hides more");
    let late = Mark::new(index.applied());
    assert_eq!(index.verdict(&page, &late), PurgeMark::Valid);
}

#[test]
fn a_validated_entry_is_hidden_by_its_old_tags_too() {
    let mut index = Index::new();
    let old = subject("/a", &["a"]);
    let fence = index.applied();
    apply(&mut index, &Selector::Tag { site: site(), tag: tag("a") }, Mode::Hard, 1);
    let validated = subject("/a", &["b"]).covering(&old);
    assert_eq!(index.verdict(&validated, &Mark::new(fence)), PurgeMark::Hard);
    let again = subject("/a", &["c"]).covering(&validated);
    apply(&mut index, &Selector::Tag { site: site(), tag: tag("a") }, Mode::Hard, 2);
    assert_eq!(
        index.verdict(&again, &Mark::new(Fence::new(fence.log().next(), fence.own()))),
        PurgeMark::Valid,
        "only its predecessor's own tags"
    );
}

#[test]
fn after_a_sweep_the_floor_hides_only_what_was_in_flight() {
    let mut index = Index::new();
    let (kept, purged, arriving) = (subject("/kept", &[]), subject("/0", &[]), subject("/arriving", &[]));
    let (of_kept, of_purged) = (Mark::new(index.applied()), Mark::new(index.applied()));
    let fence_of_arriving = index.applied();
    for n in 0..SWEEP_AT {
        assert!(!index.sweep_due());
        apply(&mut index, &url(&format!("/{n}")), Mode::Hard, 1);
    }
    assert!(index.sweep_due());
    let upto = index.applied();
    assert_eq!(index.verdict(&kept, &of_kept), PurgeMark::Valid);
    assert_eq!(index.verdict(&purged, &of_purged), PurgeMark::Hard);
    let during = apply(&mut index, &prefix("/during"), Mode::Hard, 2);
    index.retire(upto);
    assert!(!index.sweep_due());
    assert_eq!(index.verdict(&kept, &of_kept), PurgeMark::Valid, "what the sweep has looked at is not hidden");
    assert_eq!(index.verdict(&purged, &of_purged), PurgeMark::Hard, "what it has found hidden stays so");
    assert_eq!(index.verdict(&arriving, &Mark::new(fence_of_arriving)), PurgeMark::Hard, "safe for what it can't see");
    assert!(index.selects_since(&subject("/during/a", &[]), upto), "a purge during the sweep is kept");
    assert!(!index.selects_since(&subject("/during/a", &[]), during));
}

#[test]
fn the_nodes_own_invalidations_and_the_log_do_not_count_for_each_other() {
    let mut index = Index::new();
    let page = subject("/a", &[]);
    let sent = index.applied();
    let invalidated = url("/a");
    assert_eq!(index.invalidate(&[&invalidated], sent), Some(Fence::new(Position::ZERO, Position::new(0, 1))));
    assert_eq!(index.verdict(&page, &Mark::new(sent)), PurgeMark::Hard);
    // A tier above says that it is valid up to far in the log: that says nothing of what this node has invalidated.
    assert_eq!(index.verdict(&page, &Mark::new(sent.answered_at(Position::new(7, 1000)))), PurgeMark::Hard);
    let later = Mark::new(index.applied());
    assert_eq!(index.verdict(&page, &later), PurgeMark::Valid);
    let purged = apply(&mut index, &url("/a"), Mode::Hard, 1);
    assert_eq!(index.verdict(&page, &later), PurgeMark::Hard);
    assert_eq!(index.invalidate(&[&invalidated], sent), None, "something was purged since the request was sent");
    assert!(index.applied().reaches(purged) && !purged.reaches(index.applied()));
}

#[test]
fn an_epoch_hides_all_that_came_before_it() {
    let mut index = Index::new();
    let page = subject("/a", &[]);
    let before = Mark::new(index.applied());
    apply(&mut index, &url("/b"), Mode::Hard, 1);
    assert_eq!(index.verdict(&page, &before), PurgeMark::Valid);
    index.hide_all(Position::new(2, 1));
    assert_eq!(index.applied().log(), Position::new(2, 1));
    assert_eq!(index.verdict(&page, &before), PurgeMark::Hard);
    assert_eq!(index.verdict(&page, &Mark::new(index.applied())), PurgeMark::Valid);
}

#[test]
fn an_epoch_hides_what_is_being_looked_at() {
    let mut index = Index::with_limits(Limits { sweep_at: 1, max_rules: MAX_RULES });
    let page = subject("/a", &[]);
    let (valid, applied) = (index.applied(), apply(&mut index, &url("/a"), Mode::Hard, 1));
    index.retire(applied);
    let look = index.look(&page, valid, applied);
    assert!(!look.is_hidden(), "the rule is retired");
    index.hide_all(Position::new(2, 2));
    assert!(index.floors_hide(&page, valid), "its floor is gone, but not what it hid");
}

#[test]
fn too_many_prefixes_in_one_record_are_bounded_too() {
    let mut index = Index::new();
    let prefixes: Vec<Selector> =
        (1..=2 * MAX_PREFIX_LENGTHS).map(|n| prefix(&format!("/{}", "x".repeat(n)))).collect();
    let early = Mark::new(index.applied());
    index.apply(Position::new(1, 1), &prefixes.iter().collect::<Vec<_>>(), Mode::Hard, at(1));
    for page in [subject("/xx", &[]), subject(&format!("/{}", "x".repeat(100)), &[]), subject("/a", &[])] {
        assert_eq!(index.verdict(&page, &early), PurgeMark::Hard);
        assert_eq!(index.verdict(&page, &Mark::new(index.applied())), PurgeMark::Valid);
    }
}

#[test]
fn what_arrives_after_a_purge_answers_who_asked_before_it() {
    let mut index = Index::new();
    let page = subject("/a", &["t"]);
    let before = index.applied();
    assert_eq!(index.arrival(&page, before, before), Arrival::Valid);
    let after = apply(&mut index, &Selector::Tag { site: site(), tag: tag("t") }, Mode::Soft, 1);
    assert_eq!(index.arrival(&page, before, before), Arrival::AnswersOnly);
    assert_eq!(index.arrival(&page, before, after), Arrival::Hidden);
    assert_eq!(index.arrival(&subject("/a", &["u"]), before, after), Arrival::Valid);
    assert_eq!(index.arrival(&page, after, after), Arrival::Valid);
}
