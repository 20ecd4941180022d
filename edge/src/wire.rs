//! Layer 2: what travels between the programs, as JSON.

pub mod admin;
pub mod backup;
pub mod follow;
pub mod log;
pub mod purge;
pub mod stats;

use serde::Serialize;

/// Something as a line of JSON, its end included.
pub fn line_of(line: &impl Serialize) -> Vec<u8> {
    // What travels is made of texts, numbers and lists: there is nothing that JSON could not hold.
    let mut bytes = serde_json::to_vec(line).unwrap_or_default();
    bytes.push(b'\n');
    bytes
}
