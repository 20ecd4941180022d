//! The exit codes, and what each means.

use std::process::ExitCode;

/// How a run ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Every node has applied the purge (or it is recorded, where that was asked for).
    Proven,
    /// Something else went wrong.
    Error,
    /// Wrong usage: nothing was sent.
    Usage,
    /// The purge is recorded, and some nodes have not acknowledged it; each is named with the reason.
    Partial,
    /// The home did not accept the token, the token may not purge this or not so much, or the id is another purge's.
    Refused,
    /// The home did not answer in time: whether it has recorded the purge is not known.
    Timeout,
}

impl Exit {
    /// All of them, by number.
    pub const ALL: [Self; 6] = [Self::Proven, Self::Error, Self::Usage, Self::Partial, Self::Refused, Self::Timeout];

    /// The number that the shell sees.
    pub const fn code(self) -> u8 {
        match self {
            Self::Proven => 0,
            Self::Error => 1,
            Self::Usage => 2,
            Self::Partial => 3,
            Self::Refused => 4,
            Self::Timeout => 5,
        }
    }

    /// What it means, in one line.
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Proven => "proven: no node serves what was purged (with --wait none: accepted, and nothing more)",
            Self::Error => {
                "the fleet file, the token, the list or the purge log's home can't be used, or the report \
                            can't be written"
            }
            Self::Usage => "nothing was sent: wrong arguments, no or wrong targets, or `all` not confirmed",
            Self::Partial => "recorded, but some nodes have not acknowledged it in time; each is named with the reason",
            Self::Refused => {
                "the home refused it, and nothing has changed: 401 or 403 the token, 409 the id is used, 429 over quota"
            }
            Self::Timeout => "the home did not answer in time: the same --id can be sent again",
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        exit.code().into()
    }
}
