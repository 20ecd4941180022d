//! The core beside another reading of RFC 9111, the crate `http-cache-semantics`: may a response be stored, and may it
//! answer a later request without being validated? The two differ, and each difference that is accepted has a name, the
//! section that decides, and the reason why ours is the better reading (or the stricter one). A difference without a name
//! fails.
//!
//! The names describe what must be in an exchange for them to count, not the outcome: a fault of ours that happens to
//! need the same ingredients would hide behind them. The core's tests are there for those.

mod case;
mod difference;

use case::Case;
use difference::{Difference, Verdict};
use edge::core::cache_control::{ClientDirectives, RequestDirectives};
use edge::core::freshness::{Freshness, Heuristic, LifetimePolicy};
use edge::core::reuse::{PurgeMark, Reuse, ReusePolicy, reuse};
use edge::core::store_rule::{RequestHead, ResponseHead, Store, StorePolicy, may_store};
use edge::core::vary::{VaryPolicy, VaryRule};
use http::{Method, Request, Response, StatusCode};
use http_cache_semantics::{BeforeRequest, CacheOptions, CachePolicy};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use std::collections::BTreeMap;
use std::time::Duration;

/// How many exchanges are compared.
const CASES: u64 = 150_000;

/// The oracle's shared cache, without what it adds of its own to RFC 9111.
const OPTIONS: CacheOptions = CacheOptions {
    shared: true,
    cache_heuristic: 0.1,
    immutable_min_time_to_live: Duration::ZERO,
    ignore_cargo_cult: false,
};

fn policy() -> StorePolicy {
    let heuristic = Heuristic::LastModified { percent: 10, cap: Duration::from_secs(u64::from(u32::MAX)) };
    StorePolicy {
        lifetime: LifetimePolicy { heuristic, ..LifetimePolicy::default() },
        client_directives: ClientDirectives::All,
        ..StorePolicy::default()
    }
}

fn ours(case: &Case) -> Verdict {
    let policy = policy();
    let (request, response) = (case.request.map(), case.response.map());
    let status = StatusCode::from_u16(case.status).expect("a status");
    let response = ResponseHead::new(status, &response);
    if may_store(RequestHead::new(&Method::GET, &request), response, &policy) != Store::Yes {
        return Verdict { stored: false, answers: false };
    }
    let freshness = Freshness::of(response, &policy.lifetime, case.received(), case.received());
    let later = case.later_request.map();
    let vary = VaryRule::from_response(response.headers).expect("what is stored has a Vary that can be read");
    let same_variant =
        vary.variant_key(&request, VaryPolicy::default()) == vary.variant_key(&later, VaryPolicy::default());
    let directives = ClientDirectives::All.heeded(&RequestDirectives::from_headers(&later));
    let verdict = reuse(&directives, &freshness, PurgeMark::Valid, case.asked(), &ReusePolicy::default());
    let answers = same_variant && matches!(verdict, Reuse::Fresh | Reuse::StaleWhileRevalidate(_));
    Verdict { stored: true, answers }
}

fn theirs(case: &Case) -> Verdict {
    let request = |fields: &case::Fields| {
        let mut request = Request::get("http://a.example/x").body(()).expect("a request");
        *request.headers_mut() = fields.map();
        request
    };
    let mut response = Response::builder().status(case.status).body(()).expect("a response");
    *response.headers_mut() = case.response.map();
    let received = case.received().to_system_time();
    let policy = CachePolicy::new_options(&request(&case.request), &response, received, OPTIONS);
    let before = policy.before_request(&request(&case.later_request), case.asked().to_system_time());
    let stored = policy.is_storable();
    Verdict { stored, answers: stored && matches!(before, BeforeRequest::Fresh(_)) }
}

#[test]
fn every_difference_has_a_name() {
    let mut met: BTreeMap<Difference, u64> = BTreeMap::new();
    let mut agreed = 0;
    for seed in 0..CASES {
        let case = Case::random(&mut ChaCha8Rng::seed_from_u64(seed));
        let (ours, theirs) = (ours(&case), theirs(&case));
        if ours == theirs {
            agreed += 1;
            continue;
        }
        let named = Difference::ALL.iter().copied().filter(|difference| difference.explains(&case, ours, theirs));
        let named: Vec<Difference> = named.collect();
        assert!(!named.is_empty(), "seed {seed}: ours {ours:?}, theirs {theirs:?}\n{case:#?}");
        if let [alone] = named.as_slice() {
            *met.entry(*alone).or_default() += 1;
        }
    }
    assert!(agreed > CASES / 2, "they agree in {agreed} of {CASES} cases only");
    for difference in Difference::ALL {
        assert!(met.contains_key(difference), "{difference:?} explains nothing that others don't: {met:?}");
    }
}

#[test]
fn a_case_is_told_by_its_seed() {
    let case = |seed| format!("{:?}", Case::random(&mut ChaCha8Rng::seed_from_u64(seed)));
    assert_eq!(case(1), case(1));
    assert_ne!(case(1), case(2));
}
