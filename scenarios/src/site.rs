//! The sites that scenarios publish: releases as built, what differs between two of them, and which release a response
//! is from.

mod deploy;
mod history;
mod release;

pub use deploy::{Change, ChangeKind, DeployPlan};
pub use history::SiteHistory;
pub use release::{Release, SiteError, SiteFile};
