//! Layer 4: the express lane. A request that asks for no more than a stored response as it is (see [`Plain`]), and finds
//! one that is fresh, is answered at the front door: one look-up, one write. Everything else goes to Pingora, bytes
//! untouched.
//!
//! The lane decides nothing itself. Which response a URL selects, whether it is fresh, whether a purge hides it: it asks
//! those whom the proxy asks, and hands over whatever they don't plainly say yes to. What it writes is what the proxy would
//! have written.

mod answer;
mod plain;

pub(crate) use answer::{Answer, answer};
pub(crate) use plain::Plain;
