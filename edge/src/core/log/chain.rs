//! The chain of a log's records: by its last link two logs are told apart, however alike their positions are.

use super::position::Position;
use crate::core::key::{Framed, parse_digits};
use std::fmt;

/// The chain hash at a position: 128 bits of BLAKE3 over the one before it, the position, and the record's bytes as they are
/// kept. A home that was restored from a backup, and numbers other records with the same positions, has another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Chain([u8; 16]);

impl Chain {
    /// Before the first record. A log's first record names the log, so that no two logs share a chain.
    pub const START: Self = Self([0; 16]);

    /// The link of the next record.
    #[must_use]
    pub fn with(self, position: Position, record: &[u8]) -> Self {
        let mut hash = Framed::new(b"tidewall log 1");
        hash.part(&self.0);
        hash.part(&position.packed().to_be_bytes());
        hash.part(record);
        Self(hash.finish())
    }

    /// Its bytes.
    pub const fn bytes(self) -> [u8; 16] {
        self.0
    }

    /// From its bytes.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// Reads what [`fmt::Display`] writes.
    pub fn parse(text: &str) -> Option<Self> {
        parse_digits(text).map(Self)
    }
}

impl fmt::Display for Chain {
    /// 32 hexadecimal digits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_counts() {
        let (at, chain) = (Position::new(1, 1), Chain::START.with(Position::new(1, 1), b"a"));
        assert_eq!(chain, Chain::START.with(at, b"a"));
        for other in [
            Chain::START.with(at, b"b"),
            Chain::START.with(at, b""),
            Chain::START.with(Position::new(1, 2), b"a"),
            Chain::START.with(Position::new(2, 1), b"a"),
            chain.with(at, b"a"),
        ] {
            assert_ne!(chain, other);
        }
    }

    #[test]
    fn texts() {
        let chain = Chain::START.with(Position::new(1, 1), b"a");
        for chain in [chain, Chain::START] {
            assert_eq!(Chain::parse(&chain.to_string()), Some(chain));
            assert_eq!(Chain::from_bytes(chain.bytes()), chain);
        }
        for text in ["", "00", "+0000000000000000000000000000000", "0000000000000000000000000000000G"] {
            assert_eq!(Chain::parse(text), None, "{text:?}");
        }
    }
}
