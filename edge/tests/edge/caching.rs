//! What the node stores, reuses, revalidates and passes on, against RFC 9110, 9111 and 5861.

mod collapsing;
mod conditionals;
mod cookies;
pub(crate) mod dates;
mod directives;
mod exchange;
mod failures;
mod filling;
mod groups;
mod heads;
mod interim;
mod invalidation;
mod languages;
mod oversize;
mod parts;
mod posting;
mod proxy_status;
mod range_misses;
mod ranges;
mod revalidation;
mod rules;
mod staleness;
mod storing;
mod targeted;
mod tls;
mod validation;
mod variants;
