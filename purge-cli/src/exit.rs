//! The exit codes, and what each means.

use std::process::ExitCode;

/// How a run ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// What was asked for is done. Of a hard purge that all nodes were waited for: it is proven.
    Success,
    /// Something else went wrong.
    Error,
    /// Wrong usage: nothing was sent.
    Usage,
    /// The purge is recorded, and some nodes have not acknowledged it; each is named with the reason. Or not all of it is. Of
    /// `ping`: not all nodes run and follow.
    Partial,
    /// The home did not accept the token, the token may not purge this or not so much, or the id is another purge's.
    Refused,
    /// The home did not answer in time, or not so that it tells: what was asked for may or may not be done.
    Timeout,
}

impl Exit {
    /// All of them, by number.
    pub const ALL: [Self; 6] = [Self::Success, Self::Error, Self::Usage, Self::Partial, Self::Refused, Self::Timeout];

    /// The number that the shell sees.
    pub const fn code(self) -> u8 {
        match self {
            Self::Success => 0,
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
            Self::Success => {
                "proven: no node serves what was purged. With --soft or --wait none: accepted, and no more than that"
            }
            Self::Error => {
                "the fleet file, the token, the list or the purge log's home can't be used, or the report can't be written"
            }
            Self::Usage => "nothing was sent: wrong arguments, no or wrong targets, or what asks was not confirmed",
            Self::Partial => {
                "recorded, but not acknowledged in time by all nodes, each of which is named, or not recorded whole; of \
                 ping: not all nodes run and follow"
            }
            Self::Refused => {
                "refused by the home, and nothing is recorded: 401 or 403 the token, 409 the id is used, 429 over quota"
            }
            Self::Timeout => {
                "no answer of the home that tells: it may or may not be recorded, or it is not known which nodes have \
                 applied it; status ID tells, and the same --id may be sent again"
            }
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        exit.code().into()
    }
}
