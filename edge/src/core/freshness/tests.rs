use super::*;
use crate::core::cache_control::fields::any_value;
use crate::core::time::http_date_value;
use http::HeaderValue;
use proptest::prelude::*;

/// The moment at which the responses of these tests arrive: a whole second.
const ARRIVAL: Timestamp = Timestamp::from_secs(1_700_000_000);

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// A head from `(name, value)`; a value like `@-60` is a date that many seconds from [`ARRIVAL`].
fn headers(lines: &[(&'static str, &str)]) -> HeaderMap {
    let value = |text: &str| match text.strip_prefix('@') {
        Some(offset) => {
            let at = ARRIVAL.as_secs().saturating_add_signed(offset.parse().unwrap());
            http_date_value(Timestamp::from_secs(at))
        }
        None => HeaderValue::from_str(text).unwrap(),
    };
    lines.iter().map(|(name, text)| (HeaderName::from_static(name), value(text))).collect()
}

fn freshness(status: u16, lines: &[(&'static str, &str)], policy: &LifetimePolicy) -> Freshness {
    let head = headers(lines);
    let head = ResponseHead::new(StatusCode::from_u16(status).unwrap(), &head);
    Freshness::of(head, policy, ARRIVAL, ARRIVAL)
}

#[track_caller]
fn check(lines: &[(&'static str, &str)], expected: (u64, LifetimeSource)) {
    check_with(200, lines, &LifetimePolicy::default(), expected);
}

#[track_caller]
fn check_with(
    status: u16,
    lines: &[(&'static str, &str)],
    policy: &LifetimePolicy,
    (seconds, source): (u64, LifetimeSource),
) {
    let wanted = Lifetime { duration: secs(seconds), source };
    assert_eq!(freshness(status, lines, policy).lifetime, wanted, "{status} {lines:?}");
}

#[track_caller]
fn check_age(lines: &[(&'static str, &str)], delay_ms: u64, expected_ms: u64) {
    let sent = ARRIVAL.saturating_sub(Duration::from_millis(delay_ms));
    let age = corrected_initial_age(&headers(lines), sent, ARRIVAL);
    assert_eq!(age, Duration::from_millis(expected_ms), "{lines:?}");
}

#[track_caller]
fn check_stale(cache_control: &str, policy: &LifetimePolicy, expected: (StaleRule, u64, u64)) {
    let f = freshness(200, &[("cache-control", cache_control)], policy);
    let wanted = (expected.0, secs(expected.1), secs(expected.2));
    assert_eq!((f.stale_rule, f.stale_while_revalidate, f.stale_if_error), wanted, "{cache_control}");
}

#[test]
fn stated_lifetimes_in_order_of_precedence() {
    use LifetimeSource::*;
    check(&[("cache-control", "max-age=60")], (60, MaxAge));
    check(&[("cache-control", "max-age=60, s-maxage=5"), ("expires", "@999")], (5, SMaxage));
    check(&[("cache-control", "s-maxage=x, max-age=60")], (0, SMaxage));
    check(&[("cache-control", "max-age=60"), ("expires", "0")], (60, MaxAge));
    check(&[("cdn-cache-control", "max-age=9"), ("cache-control", "s-maxage=1")], (9, TargetedMaxAge));
    check(&[("cdn-cache-control", "s-maxage=9, max-age=1")], (9, TargetedSMaxage));
    check(&[("cdn-cache-control", "max-age=9,,"), ("cache-control", "max-age=1")], (1, MaxAge));
}

#[test]
fn a_targeted_field_silences_expires() {
    check(&[("cdn-cache-control", "foo"), ("expires", "@60"), ("date", "@0")], (0, LifetimeSource::Unstated));
}

#[test]
fn expires_less_date() {
    use LifetimeSource::*;
    check(&[("expires", "@60"), ("date", "@0")], (60, Expires));
    check(&[("expires", "@60")], (60, Expires));
    check(&[("expires", "@60"), ("date", "@-40")], (100, Expires));
    check(&[("expires", "@60"), ("date", "rubbish")], (60, Expires));
    check(&[("expires", "@-60"), ("date", "@0")], (0, Expires));
    check(&[("expires", "@90"), ("expires", "@60"), ("date", "@0")], (60, Expires));
    check(&[("expires", "@60"), ("expires", "@90"), ("date", "@0")], (60, Expires));
    for invalid in ["0", "-1", "", "tomorrow"] {
        check(&[("expires", invalid), ("date", "@0")], (0, InvalidExpires));
        check(&[("expires", "@60"), ("expires", invalid), ("date", "@0")], (0, InvalidExpires));
    }
}

#[test]
fn heuristics() {
    use LifetimeSource::*;
    let old = [("last-modified", "@-1000"), ("date", "@0")];
    check(&old, (100, Heuristic));
    check(&[("last-modified", "@-1000")], (100, Heuristic));
    check(&[("last-modified", "@-99999999"), ("date", "@0")], (DEFAULT_HEURISTIC_CAP.as_secs(), Heuristic));
    check(&[("last-modified", "@60"), ("date", "@0")], (0, Heuristic));
    check(&[("date", "@0")], (0, Unstated));
    check(&[("last-modified", "rubbish"), ("date", "@0")], (0, Unstated));
    let default = LifetimePolicy::default();
    check_with(403, &old, &default, (0, Unstated));
    check_with(404, &old, &default, (100, Heuristic));
    check_with(403, &[("cache-control", "public"), old[0], old[1]], &default, (100, Heuristic));
    let off = LifetimePolicy { heuristic: super::Heuristic::Off, ..default };
    check_with(200, &old, &off, (0, Unstated));
}

#[test]
fn what_the_site_says() {
    use LifetimeSource::*;
    let not_found = StatusCode::NOT_FOUND;
    let policy = LifetimePolicy {
        default_ttl: Some(secs(300)),
        negative_ttls: vec![(not_found, secs(10)), (StatusCode::SERVICE_UNAVAILABLE, secs(1))],
        max_ttl: Some(secs(1000)),
        ..LifetimePolicy::default()
    };
    check_with(200, &[("last-modified", "@-1000")], &policy, (300, SiteDefault));
    check_with(404, &[], &policy, (10, NegativeTtl(not_found)));
    check_with(404, &[("cache-control", "max-age=70")], &policy, (70, MaxAge));
    check_with(503, &[], &policy, (1, NegativeTtl(StatusCode::SERVICE_UNAVAILABLE)));
    check_with(403, &[], &policy, (0, Unstated));
    check_with(200, &[("cache-control", "max-age=5000")], &policy, (1000, MaxAge));
}

#[test]
fn initial_age() {
    check_age(&[], 0, 0);
    check_age(&[], 250, 250);
    check_age(&[("date", "@0")], 250, 250);
    check_age(&[("date", "@-7")], 250, 7_000);
    check_age(&[("date", "@7")], 250, 250);
    check_age(&[("date", "@-7"), ("age", "30")], 250, 30_250);
    check_age(&[("date", "@-70"), ("age", "30")], 250, 70_000);
}

#[test]
fn age_fields() {
    for (text, seconds) in [
        ("7200", 7200),
        ("7200,0", 7200),
        ("0, 7200", 0),
        (" 5 ", 5),
        ("abc", 0),
        ("-7200", 0),
        ("7200.0", 0),
        ("", 0),
        ("99999999999999999999999", 1 << 31),
    ] {
        assert_eq!(age_value(&headers(&[("age", text)])), secs(seconds), "{text:?}");
    }
    assert_eq!(age_value(&headers(&[("age", "7"), ("age", "9")])), secs(7));
}

#[test]
fn the_fraction_of_the_second_of_arrival_is_no_age() {
    let arrival = ARRIVAL.saturating_add(Duration::from_millis(999));
    assert_eq!(corrected_initial_age(&headers(&[("date", "@0")]), arrival, arrival), Duration::ZERO);
}

#[test]
fn time_passes() {
    let f = freshness(200, &[("cache-control", "max-age=60"), ("age", "10")], &LifetimePolicy::default());
    for (after_ms, age, ttl, fresh, stale_ms) in [
        (0, 10, 50, true, 0),
        (1_500, 11, 48, true, 0),
        (49_999, 59, 0, true, 0),
        (50_000, 60, 0, false, 0),
        (50_001, 60, -1, false, 1),
        (80_000, 90, -30, false, 30_000),
    ] {
        let now = ARRIVAL.saturating_add(Duration::from_millis(after_ms));
        let seen = (f.age_secs_at(now), f.ttl_secs_at(now), f.fresh_at(now), f.stale_for(now));
        assert_eq!(seen, (age, ttl, fresh, Duration::from_millis(stale_ms)), "after {after_ms} ms");
    }
    assert_eq!(f.expires_at(), ARRIVAL.saturating_add(secs(50)));
    assert_eq!(f.age_at(Timestamp::EPOCH), secs(10), "a clock that was set back doesn't make it younger");
}

#[test]
fn stale_rules_and_windows() {
    use StaleRule::*;
    let plain = LifetimePolicy::default();
    let windows = LifetimePolicy {
        default_stale_while_revalidate: secs(30),
        default_stale_if_error: secs(40),
        ..LifetimePolicy::default()
    };
    check_stale("max-age=1", &plain, (WithinWindows, 0, 0));
    check_stale("max-age=1", &windows, (WithinWindows, 30, 40));
    check_stale("max-age=1, stale-while-revalidate=5", &windows, (WithinWindows, 5, 40));
    check_stale("max-age=1, stale-if-error=0", &windows, (WithinWindows, 30, 0));
    check_stale("no-cache, stale-while-revalidate=5", &windows, (NoCache, 0, 0));
    check_stale("no-cache=\"x-a\"", &windows, (WithinWindows, 30, 40));
    check_stale("must-revalidate, stale-if-error=5", &windows, (MustRevalidate, 0, 0));
    check_stale("proxy-revalidate", &windows, (ProxyRevalidate, 0, 0));
    check_stale("s-maxage=1, stale-while-revalidate=5", &windows, (SMaxage, 0, 0));
    let yields = LifetimePolicy { s_maxage_stale: SMaxageStale::YieldsToStatedWindows, ..windows };
    check_stale("s-maxage=1, stale-while-revalidate=5", &yields, (WithinWindows, 5, 0));
    check_stale("s-maxage=1, must-revalidate, stale-while-revalidate=5", &yields, (MustRevalidate, 0, 0));
}

fn any_freshness() -> impl Strategy<Value = Freshness> {
    let lines = (any::<Option<u64>>(), any::<Option<u32>>(), any::<Option<u64>>(), any::<u64>(), any::<u64>());
    lines.prop_map(|(age, max_age, date, sent, arrived)| {
        let mut headers = HeaderMap::new();
        if let Some(age) = age {
            headers.insert(header::AGE, HeaderValue::from(age));
        }
        if let Some(max_age) = max_age {
            let value = format!("max-age={max_age}, stale-while-revalidate={max_age}");
            headers.insert(header::CACHE_CONTROL, HeaderValue::try_from(value).unwrap());
        }
        if let Some(date) = date {
            headers.insert(header::DATE, http_date_value(Timestamp::from_millis(date)));
        }
        let times = (Timestamp::from_millis(sent), Timestamp::from_millis(arrived));
        Freshness::of(ResponseHead::new(StatusCode::OK, &headers), &LifetimePolicy::default(), times.0, times.1)
    })
}

proptest! {
    #[test]
    fn age_never_decreases_and_nothing_becomes_fresh_again(f in any_freshness(), a: u64, b: u64) {
        let (early, late) = (Timestamp::from_millis(a.min(b)), Timestamp::from_millis(a.max(b)));
        prop_assert!(f.age_at(early) <= f.age_at(late));
        prop_assert!(f.age_secs_at(early) <= f.age_secs_at(late));
        prop_assert!(f.ttl_ms_at(early) >= f.ttl_ms_at(late));
        prop_assert!(f.stale_for(early) <= f.stale_for(late));
        prop_assert!(f.fresh_at(early) || !f.fresh_at(late));
    }

    #[test]
    fn the_answers_agree(f in any_freshness(), millis: u64) {
        let now = Timestamp::from_millis(millis);
        prop_assert_eq!(f.fresh_at(now), f.ttl_ms_at(now) > 0);
        prop_assert!(!f.fresh_at(now) || f.stale_for(now).is_zero());
        prop_assert!(f.age_at(now) >= f.initial_age);
        let _ = f.expires_at();
    }

    #[test]
    fn any_value_is_survived(
        value in any_value(),
        name in prop::sample::select(vec!["age", "date", "expires", "last-modified"]),
    ) {
        let mut headers = HeaderMap::new();
        headers.insert(name, value);
        let head = ResponseHead::new(StatusCode::OK, &headers);
        let _ = Freshness::of(head, &LifetimePolicy::default(), ARRIVAL, ARRIVAL);
    }
}
