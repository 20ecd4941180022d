//! `GET /stats`, read from the instruments.

use super::counters::{CACHE_STATUS, SITE, Telemetry, name};
use crate::core::log::Position;
use crate::wire::stats::{Counts, Stats, StoreStats};
use opentelemetry::KeyValue;
use opentelemetry_sdk::metrics::data::{AggregatedMetrics, MetricData};
use std::collections::BTreeMap;

/// What the node is, for its reports.
#[derive(Debug, Clone)]
pub struct NodeInfo {
    /// Its name.
    pub node: String,
    /// Its PoP.
    pub pop: String,
    /// `edge` or `shield`.
    pub role: &'static str,
    /// Changes with every start.
    pub boot_id: String,
}

/// Figures that are not counters.
#[derive(Debug, Clone, Copy)]
pub struct Reporter {
    /// Seconds since the start.
    pub uptime_s: u64,
    /// Whether the node takes requests.
    pub ready: bool,
    /// Up to where in the purge log the node has applied it.
    pub applied: Position,
    /// Purges applied since the start.
    pub purges: u64,
    /// How often unsafe requests have made something invalid.
    pub invalidations: u64,
    /// The store's figures.
    pub store: StoreStats,
}

impl Reporter {
    /// The whole report.
    pub fn report(self, node: &NodeInfo, telemetry: &Telemetry) -> Stats {
        let mut stats = Stats {
            node: node.node.clone(),
            pop: node.pop.clone(),
            role: node.role.to_owned(),
            boot_id: node.boot_id.clone(),
            uptime_s: self.uptime_s,
            ready: self.ready,
            applied: self.applied.to_string(),
            purges: self.purges,
            invalidations: self.invalidations,
            connections: 0,
            store: self.store,
            total: Counts::default(),
            sites: BTreeMap::new(),
        };
        let metrics = telemetry.collect();
        for metric in metrics.scope_metrics().flat_map(|scope| scope.metrics()) {
            match metric.data() {
                AggregatedMetrics::U64(MetricData::Sum(sum)) => {
                    for point in sum.data_points() {
                        let mut site = None;
                        let mut status = None;
                        for KeyValue { key, value, .. } in point.attributes() {
                            match key.as_str() {
                                SITE => site = Some(value.to_string()),
                                CACHE_STATUS => status = Some(value.to_string()),
                                _ => {}
                            }
                        }
                        add(&mut stats.total, metric.name(), status.as_deref(), point.value());
                        if let Some(site) = site {
                            add(stats.sites.entry(site).or_default(), metric.name(), status.as_deref(), point.value());
                        }
                    }
                }
                AggregatedMetrics::U64(MetricData::Gauge(gauge)) if metric.name() == name::CONNECTIONS => {
                    stats.connections = gauge.data_points().map(|point| point.value()).sum();
                }
                _ => {}
            }
        }
        stats
    }
}

fn add(counts: &mut Counts, instrument: &str, status: Option<&str>, value: u64) {
    match (instrument, status) {
        (name::REQUESTS, Some(status)) => {
            counts.requests += value;
            *counts.by_cache_status.entry(status.to_owned()).or_default() += value;
        }
        (name::BODY_BYTES_SENT, _) => counts.body_bytes_sent += value,
        (name::BODY_BYTES_FROM_STORE, _) => counts.body_bytes_from_store += value,
        (name::EXPRESS_REQUESTS, _) => counts.express_requests += value,
        (name::UPSTREAM_REQUESTS, _) => counts.upstream_requests += value,
        (name::UPSTREAM_BODY_BYTES, _) => counts.upstream_body_bytes += value,
        (name::UPSTREAM_ERRORS, _) => counts.upstream_errors += value,
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::id::SiteId;
    use crate::telemetry::CacheOutcome;

    #[test]
    fn what_requests_count_is_what_the_report_says() {
        let telemetry = Telemetry::new(vec![]);
        let site = telemetry.site(&SiteId::new("docs").expect("a good name"));
        site.answered(CacheOutcome::Hit, 100);
        site.answered(CacheOutcome::Miss, 50);
        site.upstream_request();
        site.upstream_body(50);
        telemetry.no_site().answered(CacheOutcome::Error, 7);
        let open = telemetry.connection();
        let info = NodeInfo { node: "n".into(), pop: "p".into(), role: "edge", boot_id: "b".into() };
        let reporter = Reporter {
            uptime_s: 1,
            ready: true,
            applied: Position::ZERO,
            purges: 2,
            invalidations: 0,
            store: StoreStats::default(),
        };
        for _ in 0..2 {
            let stats = reporter.report(&info, &telemetry);
            assert_eq!((stats.total.requests, stats.total.body_bytes_sent, stats.connections), (3, 157, 1));
            let docs = &stats.sites["docs"];
            assert_eq!((docs.requests, docs.body_bytes_from_store, docs.upstream_requests), (2, 100, 1));
            assert_eq!(docs.by_cache_status["hit"], 1);
            assert_eq!(docs.hit_ratio(), Some(0.5));
        }
        drop(open);
        assert_eq!(reporter.report(&info, &telemetry).connections, 0);
    }
}
