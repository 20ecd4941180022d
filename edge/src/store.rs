//! Layer 3b: the memory store.
//!
//! [`memory::MemoryStore`] holds complete responses in moka, weighed in bytes, and the fills in flight in a bounded map
//! of their own, since moka may refuse a cold newcomer while readers stream it. [`pingora`] puts Pingora's `Storage`
//! over it; [`lock`] collapses concurrent fetches of one key and refuses to join a fill that a purge has hidden.

pub mod body;
pub mod entry;
pub mod in_flight;
pub mod lock;
pub mod lookup;
pub mod memory;
pub mod pause;
pub mod pingora;
