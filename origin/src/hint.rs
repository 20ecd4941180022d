//! What a user can do about an error.

use std::error::Error;

/// An error that knows the next step for the person who reads it.
pub trait Hint: Error {
    /// The next step, as one sentence without a full stop.
    fn hint(&self) -> String;
}

impl<E: Hint + 'static> From<E> for Box<dyn Hint> {
    fn from(error: E) -> Self {
        Box::new(error)
    }
}

/// An error and its causes on one line: `what failed: cause: cause of the cause`.
pub fn chain(error: &(dyn Error + 'static)) -> String {
    std::iter::successors(error.source(), |&cause| cause.source())
        .fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}
