//! The exit codes, and what each means.

use std::process::ExitCode;

/// How a run ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Every node has applied the purge.
    Applied,
    /// The fleet file, the token or the list can't be had, so nothing was sent; or the report can't be written.
    Error,
    /// Nothing was sent: what was typed can't be meant.
    Usage,
    /// Some nodes have not applied the purge; each is named with the reason.
    Partial,
    /// A node did not accept the token, or the token may not purge this.
    Refused,
}

impl Exit {
    /// All of them, by number.
    pub const ALL: [Self; 5] = [Self::Applied, Self::Error, Self::Usage, Self::Partial, Self::Refused];

    /// The number that the shell sees.
    pub const fn code(self) -> u8 {
        match self {
            Self::Applied => 0,
            Self::Error => 1,
            Self::Usage => 2,
            Self::Partial => 3,
            Self::Refused => 4,
        }
    }

    /// What it means, in one line.
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Applied => "every node of the fleet has applied the purge",
            Self::Error => "the fleet file, the token or the list can't be used, or the report can't be written",
            Self::Usage => "nothing was sent: wrong arguments, no or wrong targets, or `all` not confirmed",
            Self::Partial => "some nodes have not applied the purge; each is named with the reason",
            Self::Refused => "a node answered 401 or 403: it doesn't know the token, or the token may not purge this",
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        exit.code().into()
    }
}
