use super::*;
use crate::core::freshness::{Lifetime, LifetimeSource};
use proptest::prelude::*;

const ARRIVAL: Timestamp = Timestamp::from_secs(1_000);

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Fresh for 60 s from [`ARRIVAL`], then 30 s of stale-while-revalidate and 100 s of stale-if-error.
fn entry() -> Freshness {
    Freshness {
        lifetime: Lifetime { duration: secs(60), source: LifetimeSource::MaxAge },
        initial_age: Duration::ZERO,
        response_time: ARRIVAL,
        stale_while_revalidate: secs(30),
        stale_if_error: secs(100),
        stale_rule: StaleRule::WithinWindows,
        immutable: false,
    }
}

fn without_windows(stale_rule: StaleRule) -> Freshness {
    Freshness { stale_while_revalidate: Duration::ZERO, stale_if_error: Duration::ZERO, stale_rule, ..entry() }
}

fn after(seconds: u64) -> Timestamp {
    ARRIVAL.saturating_add(secs(seconds))
}

fn soft(seconds: u64) -> PurgeMark {
    PurgeMark::Soft { since: after(seconds) }
}

fn bound(seconds: u64) -> ReusePolicy {
    ReusePolicy { soft_purge_bound: Some(secs(seconds)), ..ReusePolicy::default() }
}

#[track_caller]
fn check(f: &Freshness, mark: PurgeMark, seconds: u64, policy: ReusePolicy, expected: Reuse) {
    let verdict = reuse(&RequestDirectives::NONE, f, mark, after(seconds), &policy);
    assert_eq!(verdict, expected, "{mark:?} after {seconds} s");
}

#[track_caller]
fn check_request(request: RequestDirectives, seconds: u64, expected: Reuse) {
    let f = Freshness { stale_while_revalidate: Duration::ZERO, ..entry() };
    let verdict = reuse(&request, &f, PurgeMark::Valid, after(seconds), &ReusePolicy::default());
    assert_eq!(verdict, expected, "{request:?}");
}

#[track_caller]
fn check_error(f: &Freshness, mark: PurgeMark, seconds: u64, policy: ReusePolicy, expected: Result<(), StaleRefusal>) {
    let verdict = stale_if_error(&RequestDirectives::NONE, f, mark, after(seconds), &policy, UpstreamFailure::Connect);
    let wanted = expected.map_or_else(StaleIfError::Refused, |()| StaleIfError::Allowed);
    assert_eq!(verdict, wanted, "{mark:?} after {seconds} s");
}

#[test]
fn by_age() {
    let plain = ReusePolicy::default();
    check(&entry(), PurgeMark::Valid, 0, plain, Reuse::Fresh);
    check(&entry(), PurgeMark::Valid, 59, plain, Reuse::Fresh);
    check(&entry(), PurgeMark::Valid, 60, plain, Reuse::StaleWhileRevalidate(StaleReason::Expired));
    check(&entry(), PurgeMark::Valid, 89, plain, Reuse::StaleWhileRevalidate(StaleReason::Expired));
    check(&entry(), PurgeMark::Valid, 90, plain, Reuse::MustRevalidate(RevalidateReason::Expired));
    let strict = without_windows(StaleRule::MustRevalidate);
    check(&strict, PurgeMark::Valid, 59, plain, Reuse::Fresh);
    check(&strict, PurgeMark::Valid, 60, plain, Reuse::MustRevalidate(RevalidateReason::ExpiredMustRevalidate));
    let no_cache = without_windows(StaleRule::NoCache);
    check(&no_cache, PurgeMark::Valid, 0, plain, Reuse::MustRevalidate(RevalidateReason::NoCache));
}

#[test]
fn a_soft_purge_makes_stale() {
    let swr = Reuse::StaleWhileRevalidate(StaleReason::SoftPurged);
    let validate = Reuse::MustRevalidate(RevalidateReason::SoftPurged);
    // The response's own window alone.
    check(&entry(), soft(10), 10, ReusePolicy::default(), swr);
    check(&entry(), soft(10), 39, ReusePolicy::default(), swr);
    check(&entry(), soft(10), 40, ReusePolicy::default(), validate);
    check(&without_windows(StaleRule::WithinWindows), soft(10), 10, ReusePolicy::default(), validate);
    // The site's bound while fresh by age, whatever the origin said of staleness.
    check(&without_windows(StaleRule::MustRevalidate), soft(10), 29, bound(20), swr);
    check(&entry(), soft(10), 30, bound(20), validate);
    // And once it is not, the response's own window too.
    check(&entry(), soft(50), 89, bound(60), swr);
    check(&entry(), soft(50), 90, bound(60), validate);
    check(&without_windows(StaleRule::MustRevalidate), soft(50), 60, bound(60), validate);
    check(
        &without_windows(StaleRule::NoCache),
        soft(10),
        10,
        bound(20),
        Reuse::MustRevalidate(RevalidateReason::NoCache),
    );
}

#[test]
fn a_missing_lease_stops_all_reuse() {
    let unleased = ReusePolicy { lease: Lease::Absent, ..bound(60) };
    for mark in [PurgeMark::Valid, soft(0)] {
        check(&entry(), mark, 0, unleased, Reuse::MustRevalidate(RevalidateReason::NoLease));
        check_error(&entry(), mark, 0, unleased, Err(StaleRefusal::NoLease));
    }
}

#[test]
fn request_directives() {
    let ask = RequestDirectives::NONE;
    let validate = |reason| Reuse::MustRevalidate(reason);
    let stale = Reuse::StaleWhileRevalidate(StaleReason::RequestMaxStale);
    check_request(RequestDirectives { no_cache: true, ..ask.clone() }, 0, validate(RevalidateReason::RequestNoCache));
    let max_age = RequestDirectives { max_age: Some(secs(20)), ..ask.clone() };
    check_request(max_age.clone(), 20, Reuse::Fresh);
    check_request(max_age.clone(), 21, validate(RevalidateReason::RequestMaxAge));
    check_request(
        RequestDirectives { max_age: Some(secs(99)), ..ask.clone() },
        70,
        validate(RevalidateReason::RequestMaxAge),
    );
    let both = RequestDirectives { max_age: Some(secs(99)), max_stale: Some(MaxStale::Any), ..ask.clone() };
    check_request(both, 70, stale);
    let min_fresh = RequestDirectives { min_fresh: Some(secs(20)), ..ask.clone() };
    check_request(min_fresh.clone(), 40, Reuse::Fresh);
    check_request(min_fresh, 41, validate(RevalidateReason::RequestMinFresh));
    let max_stale = RequestDirectives { max_stale: Some(MaxStale::UpTo(secs(5))), ..ask };
    check_request(max_stale.clone(), 65, stale);
    check_request(max_stale, 66, validate(RevalidateReason::Expired));
}

#[test]
fn a_reload_of_what_is_immutable_is_a_hit() {
    let immutable = Freshness { immutable: true, stale_while_revalidate: Duration::ZERO, ..entry() };
    let check = |request: RequestDirectives, seconds, expected| {
        let verdict = reuse(&request, &immutable, PurgeMark::Valid, after(seconds), &ReusePolicy::default());
        assert_eq!(verdict, expected, "{request:?} after {seconds} s");
    };
    let reload = RequestDirectives { max_age: Some(Duration::ZERO), ..RequestDirectives::NONE };
    let forced = RequestDirectives { no_cache: true, ..reload.clone() };
    check(reload.clone(), 30, Reuse::Fresh);
    check(reload, 60, Reuse::MustRevalidate(RevalidateReason::RequestMaxAge));
    check(forced, 30, Reuse::MustRevalidate(RevalidateReason::RequestNoCache));
}

#[test]
fn only_if_cached_forbids_to_go_upstream() {
    assert_eq!(forward(&RequestDirectives::NONE), Forward::Allowed);
    let demanding = RequestDirectives { only_if_cached: true, ..RequestDirectives::NONE };
    assert_eq!(forward(&demanding), Forward::OnlyIfCached);
}

#[test]
fn instead_of_an_error() {
    let plain = ReusePolicy::default();
    check_error(&entry(), PurgeMark::Valid, 10, plain, Ok(()));
    check_error(&entry(), PurgeMark::Valid, 159, plain, Ok(()));
    check_error(&entry(), PurgeMark::Valid, 160, plain, Err(StaleRefusal::WindowOver));
    for (rule, refusal) in [
        (StaleRule::WithinWindows, StaleRefusal::NoWindow),
        (StaleRule::MustRevalidate, StaleRefusal::MustRevalidate),
        (StaleRule::ProxyRevalidate, StaleRefusal::ProxyRevalidate),
        (StaleRule::SMaxage, StaleRefusal::SMaxage),
        (StaleRule::NoCache, StaleRefusal::NoCache),
    ] {
        check_error(&without_windows(rule), PurgeMark::Valid, 60, plain, Err(refusal));
    }
    check_error(&without_windows(StaleRule::NoCache), PurgeMark::Valid, 0, plain, Err(StaleRefusal::NoCache));
}

#[test]
fn instead_of_an_error_after_a_soft_purge() {
    check_error(&entry(), soft(10), 109, ReusePolicy::default(), Ok(()));
    check_error(&entry(), soft(10), 110, ReusePolicy::default(), Err(StaleRefusal::WindowOver));
    check_error(&entry(), soft(10), 29, bound(20), Ok(()));
    check_error(&entry(), soft(10), 30, bound(20), Err(StaleRefusal::SoftPurgeBoundOver));
    check_error(&without_windows(StaleRule::MustRevalidate), soft(10), 29, bound(20), Ok(()));
    check_error(
        &without_windows(StaleRule::MustRevalidate),
        soft(50),
        60,
        bound(20),
        Err(StaleRefusal::MustRevalidate),
    );
}

#[test]
fn only_outages_are_covered() {
    let verdict = |cause| {
        stale_if_error(&RequestDirectives::NONE, &entry(), PurgeMark::Valid, after(70), &ReusePolicy::default(), cause)
    };
    for cause in [UpstreamFailure::Connect, UpstreamFailure::Timeout, UpstreamFailure::Disconnected] {
        assert_eq!(verdict(cause), StaleIfError::Allowed, "{cause:?}");
    }
    for status in [500, 501, 502, 503, 504, 505, 200, 304, 404, 429] {
        let allowed = matches!(status, 500 | 502 | 503 | 504);
        let wanted = if allowed { StaleIfError::Allowed } else { StaleIfError::Refused(StaleRefusal::NotAnOutage) };
        assert_eq!(verdict(UpstreamFailure::Status(StatusCode::from_u16(status).unwrap())), wanted, "{status}");
    }
}

fn any_entry() -> impl Strategy<Value = Freshness> {
    use StaleRule::*;
    let rule = prop::sample::select(vec![WithinWindows, NoCache, MustRevalidate, ProxyRevalidate, SMaxage]);
    (0u64..100, 0u64..100, 0u64..50, 0u64..50, rule).prop_map(|(lifetime, age, swr, sie, stale_rule)| Freshness {
        lifetime: Lifetime { duration: secs(lifetime), source: LifetimeSource::MaxAge },
        initial_age: secs(age),
        stale_while_revalidate: secs(if stale_rule == WithinWindows { swr } else { 0 }),
        stale_if_error: secs(if stale_rule == WithinWindows { sie } else { 0 }),
        stale_rule,
        ..entry()
    })
}

fn any_policy() -> impl Strategy<Value = ReusePolicy> {
    (prop::option::of(0u64..50), any::<bool>()).prop_map(|(bound, leased)| ReusePolicy {
        soft_purge_bound: bound.map(secs),
        lease: if leased { Lease::Held } else { Lease::Absent },
    })
}

fn any_request() -> impl Strategy<Value = RequestDirectives> {
    let bounds = (prop::option::of(0u64..99), prop::option::of(0u64..99), prop::option::of(0u64..99));
    (any::<bool>(), bounds).prop_map(|(no_cache, (max_age, min_fresh, max_stale))| RequestDirectives {
        no_cache,
        max_age: max_age.map(secs),
        min_fresh: min_fresh.map(secs),
        max_stale: max_stale.map(|bound| MaxStale::UpTo(secs(bound))),
        ..RequestDirectives::NONE
    })
}

proptest! {
    #[test]
    fn a_hard_purge_is_final(f in any_entry(), policy in any_policy(), req in any_request(), at in 0u64..300) {
        let verdict = reuse(&req, &f, PurgeMark::Hard, after(at), &policy);
        prop_assert_eq!(verdict, Reuse::MustRefetch(RefetchReason::HardPurged));
        let instead = stale_if_error(&RequestDirectives::NONE, &f, PurgeMark::Hard, after(at), &policy, UpstreamFailure::Connect);
        prop_assert_eq!(instead, StaleIfError::Refused(StaleRefusal::HardPurged));
    }

    #[test]
    fn fresh_means_fresh(
        f in any_entry(),
        policy in any_policy(),
        req in any_request(),
        at in 0u64..300,
        since in 0u64..300,
    ) {
        let now = after(at);
        let verdict = reuse(&req, &f, PurgeMark::Valid, now, &policy);
        prop_assert!(verdict != Reuse::Fresh || f.fresh_at(now));
        prop_assert_ne!(reuse(&req, &f, soft(since), now, &policy), Reuse::Fresh);
    }

    #[test]
    fn staleness_ends_at_the_sites_bound(
        f in any_entry(),
        policy in any_policy(),
        req in any_request(),
        since in 0u64..99,
        by in 0u64..99,
    ) {
        let Some(bound) = policy.soft_purge_bound else { return Ok(()) };
        let now = after(since + by);
        if secs(by) >= bound {
            prop_assert!(matches!(reuse(&req, &f, soft(since), now, &policy), Reuse::MustRevalidate(_)));
            let instead = stale_if_error(&RequestDirectives::NONE, &f, soft(since), now, &policy, UpstreamFailure::Timeout);
            prop_assert!(matches!(instead, StaleIfError::Refused(_)));
        }
    }

    #[test]
    fn what_forbids_staleness_is_obeyed(f in any_entry(), policy in any_policy(), at in 0u64..300, since in 0u64..300) {
        let now = after(at);
        if f.stale_rule != StaleRule::WithinWindows && !f.fresh_at(now) {
            for mark in [PurgeMark::Valid, soft(since)] {
                let verdict = reuse(&RequestDirectives::NONE, &f, mark, now, &policy);
                prop_assert!(matches!(verdict, Reuse::MustRevalidate(_)), "{:?}", verdict);
                let instead = stale_if_error(&RequestDirectives::NONE, &f, mark, now, &policy, UpstreamFailure::Timeout);
                prop_assert!(matches!(instead, StaleIfError::Refused(_)));
            }
        }
    }
}

#[test]
fn a_tier_is_not_given_what_a_soft_purge_has_marked() {
    let soft = Reuse::StaleWhileRevalidate(StaleReason::SoftPurged);
    assert_eq!(for_tier(soft), Reuse::MustRevalidate(RevalidateReason::SoftPurged));
    for verdict in [Reuse::Fresh, Reuse::StaleWhileRevalidate(StaleReason::Expired)] {
        assert_eq!(for_tier(verdict), verdict);
    }
}
