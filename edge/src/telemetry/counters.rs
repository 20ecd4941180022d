//! The atomics that requests count into, and the instruments that read them.

use super::outcome::CacheOutcome;
use crate::core::id::SiteId;
use opentelemetry::KeyValue;
use opentelemetry::metrics::{Meter, MeterProvider};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::metrics::data::ResourceMetrics;
use opentelemetry_sdk::metrics::reader::MetricReader;
use opentelemetry_sdk::metrics::{InstrumentKind, ManualReader, Pipeline, SdkMeterProvider, Temporality};
use parking_lot::RwLock;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

/// Names of the instruments, as the report finds them.
pub(super) mod name {
    pub(in super::super) const REQUESTS: &str = "cdn.requests";
    pub(in super::super) const BODY_BYTES_SENT: &str = "cdn.response.body.sent";
    pub(in super::super) const BODY_BYTES_FROM_STORE: &str = "cdn.response.body.from_store";
    pub(in super::super) const EXPRESS_REQUESTS: &str = "cdn.requests.express";
    pub(in super::super) const UPSTREAM_REQUESTS: &str = "cdn.upstream.requests";
    pub(in super::super) const UPSTREAM_BODY_BYTES: &str = "cdn.upstream.response.body";
    pub(in super::super) const UPSTREAM_ERRORS: &str = "cdn.upstream.errors";
    pub(in super::super) const CONNECTIONS: &str = "cdn.client.connections";
}

/// The attribute of the site; absent for requests that belong to none.
pub(super) const SITE: &str = "cdn.site";
/// The attribute of what the cache did.
pub(super) const CACHE_STATUS: &str = "cdn.cache.status";

/// The counters of one site, or of the requests that belong to none.
#[derive(Debug, Default)]
pub struct Counters {
    by_outcome: [AtomicU64; CacheOutcome::ALL.len()],
    body_bytes_sent: AtomicU64,
    body_bytes_from_store: AtomicU64,
    express_requests: AtomicU64,
    upstream_requests: AtomicU64,
    upstream_body_bytes: AtomicU64,
    upstream_errors: AtomicU64,
}

impl Counters {
    /// A request was answered.
    pub fn answered(&self, outcome: CacheOutcome, body_bytes: u64) {
        self.by_outcome[outcome as usize].fetch_add(1, Ordering::Relaxed);
        self.body_bytes_sent.fetch_add(body_bytes, Ordering::Relaxed);
        if outcome.from_store() {
            self.body_bytes_from_store.fetch_add(body_bytes, Ordering::Relaxed);
        }
    }

    /// A hit was answered in the express lane.
    pub fn answered_express(&self, body_bytes: u64) {
        self.answered(CacheOutcome::Hit, body_bytes);
        self.express_requests.fetch_add(1, Ordering::Relaxed);
    }

    /// A request is sent to the tier above.
    pub fn upstream_request(&self) {
        self.upstream_requests.fetch_add(1, Ordering::Relaxed);
    }

    /// A part of a body came from the tier above.
    pub fn upstream_body(&self, bytes: u64) {
        self.upstream_body_bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// A request to the tier above failed.
    pub fn upstream_error(&self) {
        self.upstream_errors.fetch_add(1, Ordering::Relaxed);
    }
}

#[derive(Debug, Default)]
struct Shared {
    no_site: Arc<Counters>,
    sites: RwLock<HashMap<SiteId, Arc<Counters>>>,
    connections: AtomicU64,
}

impl Shared {
    /// Calls `observe` for each set of counters, with the attribute of its site.
    fn each(&self, mut observe: impl FnMut(&Counters, Option<KeyValue>)) {
        observe(&self.no_site, None);
        for (site, counters) in self.sites.read().iter() {
            observe(counters, Some(KeyValue::new(SITE, site.as_str().to_owned())));
        }
    }
}

/// The node's recorder and its meter provider.
#[derive(Debug)]
pub struct Telemetry {
    shared: Arc<Shared>,
    reader: SharedReader,
    _provider: SdkMeterProvider,
}

impl Telemetry {
    /// Counters at zero, for the node with these attributes (`cdn.pop`, `cdn.tier`).
    pub fn new(attributes: Vec<KeyValue>) -> Self {
        let shared = Arc::new(Shared::default());
        let reader = SharedReader(Arc::new(ManualReader::builder().build()));
        let resource = Resource::builder_empty()
            .with_attribute(KeyValue::new("service.name", "tidewall-edge"))
            .with_attributes(attributes)
            .build();
        let provider = SdkMeterProvider::builder().with_reader(reader.clone()).with_resource(resource).build();
        register(&provider.meter("tidewall"), &shared);
        Self { shared, reader, _provider: provider }
    }

    /// The counters of a site. Sites come from the fleet file, so their number is bounded by it.
    pub fn site(&self, site: &SiteId) -> Arc<Counters> {
        if let Some(counters) = self.shared.sites.read().get(site) {
            return counters.clone();
        }
        self.shared.sites.write().entry(site.clone()).or_default().clone()
    }

    /// The counters of requests that belong to no site.
    pub fn no_site(&self) -> &Counters {
        &self.shared.no_site
    }

    /// A client connection opened; it counts until the guard is dropped.
    pub fn connection(&self) -> OpenConnection {
        self.shared.connections.fetch_add(1, Ordering::Relaxed);
        OpenConnection(self.shared.clone())
    }

    /// Collects every instrument.
    pub(super) fn collect(&self) -> ResourceMetrics {
        let mut metrics = ResourceMetrics::default();
        // Fails only after a shutdown, and then there is nothing to report.
        let _ = self.reader.collect(&mut metrics);
        metrics
    }
}

/// Counts a client connection for as long as it lives.
#[derive(Debug)]
pub struct OpenConnection(Arc<Shared>);

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.0.connections.fetch_sub(1, Ordering::Relaxed);
    }
}

fn register(meter: &Meter, shared: &Arc<Shared>) {
    let requests = shared.clone();
    let _ = meter
        .u64_observable_counter(name::REQUESTS)
        .with_description("Requests answered, by what the cache did")
        .with_callback(move |observer| {
            requests.each(|counters, site| {
                for outcome in CacheOutcome::ALL {
                    let value = counters.by_outcome[outcome as usize].load(Ordering::Relaxed);
                    if value > 0 {
                        let mut attributes = vec![KeyValue::new(CACHE_STATUS, outcome.as_str())];
                        attributes.extend(site.clone());
                        observer.observe(value, &attributes);
                    }
                }
            });
        })
        .build();
    type Pick = fn(&Counters) -> &AtomicU64;
    let by_site: [(&'static str, &'static str, &'static str, Pick); 6] = [
        (name::BODY_BYTES_SENT, "By", "Bytes of response bodies sent", |c| &c.body_bytes_sent),
        (name::BODY_BYTES_FROM_STORE, "By", "Bytes of response bodies sent from the store", |c| {
            &c.body_bytes_from_store
        }),
        (name::EXPRESS_REQUESTS, "{request}", "Hits answered in the express lane", |c| &c.express_requests),
        (name::UPSTREAM_REQUESTS, "{request}", "Requests sent to the tier above", |c| &c.upstream_requests),
        (name::UPSTREAM_BODY_BYTES, "By", "Bytes of response bodies received from the tier above", |c| {
            &c.upstream_body_bytes
        }),
        (name::UPSTREAM_ERRORS, "{error}", "Requests to the tier above that failed", |c| &c.upstream_errors),
    ];
    for (name, unit, description, pick) in by_site {
        let shared = shared.clone();
        let _ = meter
            .u64_observable_counter(name)
            .with_unit(unit)
            .with_description(description)
            .with_callback(move |observer| {
                shared.each(|counters, site| {
                    let value = pick(counters).load(Ordering::Relaxed);
                    observer.observe(value, site.as_slice());
                });
            })
            .build();
    }
    let connections = shared.clone();
    let _ = meter
        .u64_observable_gauge(name::CONNECTIONS)
        .with_description("Client connections open")
        .with_callback(move |observer| observer.observe(connections.connections.load(Ordering::Relaxed), &[]))
        .build();
}

/// The SDK takes its reader by value; this one stays reachable.
#[derive(Debug, Clone)]
struct SharedReader(Arc<ManualReader>);

impl MetricReader for SharedReader {
    fn register_pipeline(&self, pipeline: Weak<Pipeline>) {
        self.0.register_pipeline(pipeline);
    }

    fn collect(&self, metrics: &mut ResourceMetrics) -> OTelSdkResult {
        self.0.collect(metrics)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.0.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.0.shutdown_with_timeout(timeout)
    }

    fn temporality(&self, kind: InstrumentKind) -> Temporality {
        self.0.temporality(kind)
    }
}
