//! What one tier tells the next about a request: the client-facing URL and who asks, in one field with a MAC.
//!
//! A shield takes these words only from a node that knows the fleet's tier secret. The MAC (keyed BLAKE3 over the
//! length-framed words) covers them all, so a field that a client made up, or one that was changed on the way, is
//! ignored as if it were not there; and the secret itself never travels.

use super::hop::Asked;
use super::key::Framed;
use super::key_rules::KeyRules;
use super::log::Position;
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

    /// What a node shows to the home of the purge log, to follow it.
    pub fn follow_token(&self) -> String {
        hex(&blake3::derive_key("tidewall 2026 follow token", &self.0))
    }
}

/// The words of the field in a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TierHop {
    /// The node that asks.
    pub node: String,
    /// The scheme that the client used.
    pub scheme: Scheme,
    /// The request's id.
    pub request_id: String,
    /// What it asks of purges.
    pub asked: Asked,
    /// The rules by which it has made the URL, and will read the answer's tags.
    pub rules: KeyRules,
}

impl TierHop {
    /// The field's value for a request of `target` at `host`.
    pub fn sign(&self, key: &TierKey, host: &str, target: &str) -> String {
        let mac = self.mac(key, host, target);
        let Self { node, scheme, request_id, asked, rules } = self;
        let (scheme, valid_to, caches) = (scheme.as_str(), asked.valid_to, caches(*asked));
        format!("v3;{node};{scheme};{request_id};{valid_to};{caches};{rules};{}", hex(&mac))
    }

    /// Reads and checks a value; `None` if it is not from a tier that knows the key, for this very request.
    pub fn verify(value: &str, key: &TierKey, host: &str, target: &str) -> Option<Self> {
        let words: Vec<&str> = value.split(';').collect();
        let ["v3", node, scheme, request_id, valid_to, caches, rules, mac] = words[..] else { return None };
        let past_caches = match caches {
            "any" => false,
            "past" => true,
            _ => return None,
        };
        let asked = Asked { valid_to: Position::parse(valid_to)?, past_caches };
        let (scheme, rules) = (Scheme::parse(scheme)?, KeyRules::parse(rules)?);
        let hop = Self { node: node.to_owned(), scheme, request_id: request_id.to_owned(), asked, rules };
        let want = hex(&hop.mac(key, host, target));
        bool::from(want.as_bytes().ct_eq(mac.as_bytes())).then_some(hop)
    }

    fn mac(&self, key: &TierKey, host: &str, target: &str) -> [u8; 32] {
        let mut words = Framed::new(b"tidewall tier 3");
        let (valid_to, rules) = (self.asked.valid_to.to_string(), self.rules.to_string());
        let caches = caches(self.asked);
        let parts = [&self.node, self.scheme.as_str(), &self.request_id, &valid_to, caches, &rules, host, target];
        for part in parts {
            words.part(part.as_bytes());
        }
        *blake3::keyed_hash(&key.0, &words.finish()).as_bytes()
    }
}

const fn caches(asked: Asked) -> &'static str {
    if asked.past_caches { "past" } else { "any" }
}

/// The words of the field in a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TierReply {
    /// Up to here no purge hides it.
    pub valid_to: Position,
    /// The rules by which the tier above has made keys, and read tags.
    pub rules: KeyRules,
}

impl TierReply {
    /// The field's value for the response to the request with this id.
    pub fn sign(self, key: &TierKey, request_id: &str) -> String {
        format!("v3;{};{};{}", self.valid_to, self.rules, hex(&self.mac(key, request_id)))
    }

    /// Reads and checks a value; `None` if it is not from a tier that knows the key, for this very request.
    pub fn verify(value: &str, key: &TierKey, request_id: &str) -> Option<Self> {
        let words: Vec<&str> = value.split(';').collect();
        let ["v3", valid_to, rules, mac] = words[..] else { return None };
        let reply = Self { valid_to: Position::parse(valid_to)?, rules: KeyRules::parse(rules)? };
        let want = hex(&reply.mac(key, request_id));
        bool::from(want.as_bytes().ct_eq(mac.as_bytes())).then_some(reply)
    }

    fn mac(self, key: &TierKey, request_id: &str) -> [u8; 32] {
        let mut words = Framed::new(b"tidewall tier reply 3");
        words.part(self.valid_to.to_string().as_bytes());
        words.part(self.rules.to_string().as_bytes());
        words.part(request_id.as_bytes());
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
        let asked = Asked { valid_to: Position::new(1, 7), past_caches: false };
        TierHop { node: "fra-1".into(), scheme: Scheme::Https, request_id: "ab12".into(), asked, rules: rules("0f") }
    }

    fn rules(byte: &str) -> KeyRules {
        KeyRules::parse(&byte.repeat(16)).expect("key rules")
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
            (value.replace("1.7", "1.6"), key.clone(), "a.example", "/x?y"),
            (value.replace("any", "past"), key.clone(), "a.example", "/x?y"),
            (value.replace(&"0f".repeat(16), &"0e".repeat(16)), key.clone(), "a.example", "/x?y"),
            (format!("{value};more"), key.clone(), "a.example", "/x?y"),
            (String::new(), key.clone(), "a.example", "/x?y"),
            ("v3;;;;;;;".into(), key, "a.example", "/x?y"),
        ] {
            assert_eq!(TierHop::verify(&value, &key, host, target), None, "{value:?}");
        }
    }
    #[test]
    fn a_reply_is_for_the_very_request() {
        let (key, valid_to) = (TierKey::derive(b"secret"), Position::new(1, 7));
        let reply = TierReply { valid_to, rules: rules("0f") };
        let value = reply.sign(&key, "ab12");
        assert_eq!(TierReply::verify(&value, &key, "ab12"), Some(reply));
        assert_eq!(TierReply::verify(&value, &key, "ab13"), None);
        assert_eq!(TierReply::verify(&value, &TierKey::derive(b"other"), "ab12"), None);
        assert_eq!(TierReply::verify(&value.replace("1.7", "1.8"), &key, "ab12"), None);
        assert_eq!(TierReply::verify(&value.replace("0f0f", "0e0f"), &key, "ab12"), None);
        assert_ne!(key.follow_token(), TierKey::derive(b"other").follow_token());
    }
}
