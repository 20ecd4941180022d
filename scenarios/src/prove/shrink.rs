//! A failing plan, made smaller for as long as it fails in the same way.

use super::plan::Plan;
use super::{Failure, run_plan};

/// The smallest plan that was found, and its failure.
pub(super) fn shrink(plan: &Plan, failure: Failure) -> (Plan, Failure) {
    let (mut best, mut found) = (plan.clone(), failure);
    let mut chunk = best.events.len().div_ceil(2);
    while chunk > 0 {
        let mut at = 0;
        let mut shrunk = false;
        while at < best.events.len() {
            let mut smaller = best.clone();
            smaller.events.drain(at..(at + chunk).min(smaller.events.len()));
            match run_plan(&smaller, false).failure {
                Some(failure) if failure.violation.monitor == found.violation.monitor => {
                    (best, found, shrunk) = (smaller, failure, true);
                }
                _ => at += chunk,
            }
        }
        chunk = if chunk == 1 && shrunk { 1 } else { chunk / 2 };
    }
    (best, found)
}
