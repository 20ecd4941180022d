//! The home of the purge log, as a command asks it that purges nothing.

use super::RunError;
use crate::admin::{AdminClient, AdminError};
use crate::cli::Options;
use crate::token::{self, Need, Token, TokenPlace};
use edge::config::Fleet;
use std::time::Duration;

/// The home, and the token that it is asked with.
pub(super) struct Home {
    pub(super) fleet: Fleet,
    token: Token,
    doubt: Option<&'static str>,
}

impl Home {
    /// The home that is only asked to tell something.
    pub(super) fn to_read(options: &Options) -> Result<Self, RunError> {
        Self::find(options, Need::Read)
    }

    /// The home that is asked for what takes an admin's token.
    pub(super) fn to_rule(options: &Options) -> Result<Self, RunError> {
        Self::find(options, Need::Rule)
    }

    /// Reads the fleet file, and finds the token.
    fn find(options: &Options, need: Need<'_>) -> Result<Self, RunError> {
        let config = options.config.as_deref().ok_or(RunError::NoFleetFile)?;
        let place =
            TokenPlace::new(options.token_env.as_deref(), options.token_file.clone()).ok_or(RunError::TwoTokens)?;
        let fleet = Fleet::load(config)?;
        let token = token::find(&place, &fleet, need)?;
        Ok(Self { fleet, token, doubt: None })
    }

    /// What is asked for changes something. How to find out whether it has, if there is no answer.
    pub(super) fn in_doubt(self, hint: &'static str) -> Self {
        Self { doubt: Some(hint), ..self }
    }

    /// Asks it. Each answer may take so long.
    pub(super) fn ask<T>(
        &self,
        timeout: Duration,
        question: impl AsyncFnOnce(AdminClient, &str, &str) -> Result<T, AdminError>,
    ) -> Result<T, RunError> {
        let home = self.fleet.home();
        let (name, admin) = home.map_or_else(Default::default, |home| (home.id.to_string(), home.admin.clone()));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(RunError::Runtime)?;
        let asked = runtime.block_on(question(AdminClient::new(timeout), &admin, &self.token.secret));
        // A name that is still being resolved does not hold up the end.
        runtime.shutdown_background();
        let (token, doubt) = (self.token.origin.clone(), self.doubt);
        asked.map_err(|error| RunError::Home { home: name, error: Box::new(error), token, doubt })
    }
}
