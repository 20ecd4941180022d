//! What must hold.

use super::report::{DeployReport, OriginReport, ReadReport, RegionReport};
use crate::load::RecordReport;
use crate::scenario::Scenario;
use serde::Serialize;

/// How late requests may leave before the numbers are the generator's rather than the fleet's: 99th percentile.
const MAX_LAG_P99_MS: f64 = 50.0;

/// Something that must hold.
#[derive(Debug, Clone, Serialize)]
pub struct Check {
    /// What.
    pub name: &'static str,
    /// Whether it does.
    pub ok: bool,
    /// What was found.
    pub detail: String,
}

/// What checks look at.
pub(super) struct Facts<'r> {
    pub(super) scenario: &'r Scenario,
    pub(super) regions: &'r [RegionReport],
    pub(super) all: &'r RecordReport,
    pub(super) origin: &'r OriginReport,
    pub(super) deploy: &'r DeployReport,
}

/// All checks, in the order of the run.
pub(super) fn checks(facts: &Facts<'_>) -> Vec<Check> {
    let deploy = facts.deploy;
    let before = &deploy.before_purge;
    let mut all = vec![
        reads("every region was warm with the old release", &deploy.warm),
        check(
            "without a purge the old release would be served",
            before.all_right() && before.hits == before.reads,
            format!(
                "{} of {} reads after the switch got it from the cache, up to {} s old{}",
                before.hits.min(before.right),
                before.reads,
                before.max_age_s.unwrap_or(0),
                examples(before)
            ),
        ),
        purge(facts),
        reads("no reader gets the old release after the purge", &deploy.after_purge),
        check(
            "no request of the load gets it either",
            deploy.load_old_after_purge == 0 && deploy.load_sent_after_purge > 0,
            format!(
                "{} of {} sent after the purge for what changed got it{}",
                deploy.load_old_after_purge,
                deploy.load_sent_after_purge,
                listed(&deploy.load_old_examples)
            ),
        ),
        reads("it does not come back", &deploy.at_the_end),
        no_errors(facts.all),
    ];
    let expect = facts.scenario.expect;
    all.extend(expect.min_hit_ratio.map(|least| at_least("hit ratio", facts.all.hit_ratio.unwrap_or(0.0), least)));
    all.extend(expect.min_origin_offload.map(|least| at_least("origin offload", facts.origin.offload, least)));
    all.push(misses_cost_more(facts.regions));
    all.extend(distance_shows(facts));
    all.push(generator_kept_up(facts.all));
    all
}

fn check(name: &'static str, ok: bool, detail: String) -> Check {
    Check { name, ok, detail }
}

fn reads(name: &'static str, reads: &ReadReport) -> Check {
    let ReadReport { reads: all, right, of_another_release, .. } = reads;
    let detail = format!("{right} of {all} reads right, {of_another_release} of another release{}", examples(reads));
    check(name, reads.all_right(), detail)
}

fn examples(reads: &ReadReport) -> String {
    listed(&reads.examples)
}

/// The first few, for a person's eye; all of them are in the JSON.
fn listed(examples: &[String]) -> String {
    const SHOWN: usize = 3;
    examples.iter().take(SHOWN).map(|example| format!("\n    {example}")).collect()
}

fn purge(facts: &Facts<'_>) -> Check {
    let purge = &facts.deploy.purge;
    let proven = purge.nodes.iter().filter(|node| node.proven).count();
    let in_time = facts.scenario.expect.max_purge_ms.is_none_or(|most| purge.duration_ms <= most);
    let code = purge.exit_code.map_or("no code".to_owned(), |code| format!("code {code}"));
    let mut detail = format!(
        "{} URLs, proven on {proven} of {} nodes in {:.0} ms, {code}",
        purge.urls,
        purge.nodes.len(),
        purge.duration_ms
    );
    if purge.exit_code != Some(0) {
        purge.stderr.lines().take(5).for_each(|line| detail.push_str(&format!("\n    {line}")));
    }
    check("purge-cli exits 0", purge.exit_code == Some(0) && purge.ok && in_time, detail)
}

fn no_errors(all: &RecordReport) -> Check {
    let RecordReport { unanswered, wrong, not_sent, responses, .. } = all;
    let detail = format!(
        "{responses} responses; {unanswered} requests without one, {wrong} wrong, {not_sent} not sent{}",
        listed(&all.messages)
    );
    check("no unexpected errors", *unanswered + *wrong + *not_sent == 0 && *responses > 0, detail)
}

fn at_least(name: &'static str, found: f64, least: f64) -> Check {
    check(name, found >= least, format!("{:.1} %, at least {:.1} % expected", found * 100.0, least * 100.0))
}

fn misses_cost_more(regions: &[RegionReport]) -> Check {
    let dearer = |region: &RegionReport| region.clients.miss_p50_ms > region.clients.hit_p50_ms;
    let show = |region: &RegionReport| {
        let ms = |value: Option<f64>| value.map_or("none".to_owned(), |ms| format!("{ms:.0} ms"));
        let (hit, miss) = (ms(region.clients.hit_p50_ms), ms(region.clients.miss_p50_ms));
        format!("{} {hit} and {miss}", region.region)
    };
    let detail = regions.iter().map(show).collect::<Vec<_>>().join(", ");
    check("in every region a miss costs more than a hit", regions.iter().all(dearer), detail)
}

/// The region that is farthest from its shield pays more for a miss than the nearest one, if there is more than one.
fn distance_shows(facts: &Facts<'_>) -> Option<Check> {
    let (topology, geography) = (&facts.scenario.topology, facts.scenario.geography());
    let to_shield = |pop: &crate::scenario::PopEntry| geography.rtt_between(pop.place(), topology.shield.place());
    let near = topology.pops.iter().min_by_key(|&pop| to_shield(pop))?;
    let far = topology.pops.iter().max_by_key(|&pop| to_shield(pop))?;
    if to_shield(near) == to_shield(far) {
        return None;
    }
    let miss = |id: &str| facts.regions.iter().find(|region| region.region == id)?.clients.miss_p50_ms;
    let (near_ms, far_ms) = (miss(&near.id)?, miss(&far.id)?);
    let extra = (to_shield(far) - to_shield(near)).as_secs_f64() * 1e3;
    let detail = format!("{} {near_ms:.0} ms, {} {far_ms:.0} ms; the way is {extra:.0} ms longer", near.id, far.id);
    Some(check("a miss far from the shield costs more than one nearby", far_ms > near_ms, detail))
}

fn generator_kept_up(all: &RecordReport) -> Check {
    let lag = all.lag_p99_ms.unwrap_or(0.0);
    let detail = format!("requests left up to {lag:.1} ms late (p99), {:.1} ms at most", all.lag_max_ms);
    check("the load was sent when it was due", lag <= MAX_LAG_P99_MS, detail)
}
