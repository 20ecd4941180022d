//! What one tier tells the next about a request: the client-facing URL and who asks, in one field with a MAC.
//!
//! A shield takes these words only from a node that knows the fleet's tier secret. The MAC (keyed BLAKE3 over the
//! length-framed words) covers them all, so a field that a client made up, or one that was changed on the way, is
//! ignored as if it were not there; and the secret itself never travels.

use super::key::Framed;
use super::url::Scheme;
use subtle::ConstantTimeEq;

/// The request field that carries a [`TierHop`]. Dropped from what clients send and from what origins are sent.
pub const TIER_FIELD: &str = "tidewall-tier";

/// A key for the MAC, derived from the fleet's tier secret.
#[derive(Clone)]
pub struct TierKey([u8; 32]);

impl std::fmt::Debug for TierKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TierKey(..)")
    }
}

impl TierKey {
    /// Derives the key from the secret's bytes.
    pub fn derive(secret: &[u8]) -> Self {
        Self(blake3::derive_key("tidewall 2026 tier hop mac", secret))
    }
}

/// The words of the field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TierHop {
    /// The node that asks.
    pub node: String,
    /// The scheme that the client used.
    pub scheme: Scheme,
    /// The request's id.
    pub request_id: String,
}

impl TierHop {
    /// The field's value for a request of `target` at `host`.
    pub fn sign(&self, key: &TierKey, host: &str, target: &str) -> String {
        let mac = self.mac(key, host, target);
        format!("v1;{};{};{};{}", self.node, self.scheme.as_str(), self.request_id, hex(&mac))
    }

    /// Reads and checks a value; `None` if it is not from a tier that knows the key, for this very request.
    pub fn verify(value: &str, key: &TierKey, host: &str, target: &str) -> Option<Self> {
        let mut words = value.split(';');
        let (version, node, scheme, request_id, mac) =
            (words.next()?, words.next()?, words.next()?, words.next()?, words.next()?);
        if version != "v1" || words.next().is_some() {
            return None;
        }
        let hop = Self { node: node.to_owned(), scheme: Scheme::parse(scheme)?, request_id: request_id.to_owned() };
        let want = hex(&hop.mac(key, host, target));
        bool::from(want.as_bytes().ct_eq(mac.as_bytes())).then_some(hop)
    }

    fn mac(&self, key: &TierKey, host: &str, target: &str) -> [u8; 32] {
        let mut words = Framed::new(b"tidewall tier 1");
        for part in [&self.node, self.scheme.as_str(), &self.request_id, host, target] {
            words.part(part.as_bytes());
        }
        *blake3::keyed_hash(&key.0, &words.finish()).as_bytes()
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hop() -> TierHop {
        TierHop { node: "fra-1".into(), scheme: Scheme::Https, request_id: "ab12".into() }
    }

    #[test]
    fn only_the_very_words_under_the_very_key_are_taken() {
        let key = TierKey::derive(b"secret");
        let value = hop().sign(&key, "a.example", "/x?y");
        assert_eq!(TierHop::verify(&value, &key, "a.example", "/x?y"), Some(hop()));
        for (value, key, host, target) in [
            (value.clone(), TierKey::derive(b"other"), "a.example", "/x?y"),
            (value.clone(), key.clone(), "b.example", "/x?y"),
            (value.clone(), key.clone(), "a.example", "/x"),
            (value.replace("fra-1", "fra-2"), key.clone(), "a.example", "/x?y"),
            (value.replace("https", "http"), key.clone(), "a.example", "/x?y"),
            (format!("{value};more"), key.clone(), "a.example", "/x?y"),
            (String::new(), key.clone(), "a.example", "/x?y"),
            ("v1;;;;".into(), key, "a.example", "/x?y"),
        ] {
            assert_eq!(TierHop::verify(&value, &key, host, target), None, "{value:?}");
        }
    }
}
