//! Which of several shields a key is fetched through: rendezvous hashing (Thaler and Ravishankar, 1996). Each key ranks
//! the shields by a hash of both; it goes to the first that may be asked. When a shield leaves, only its own keys move.

use super::key::{CacheKey, Framed};

/// The names, ordered by preference for `key`. Names that are equal keep their order.
pub fn rank<'a>(key: CacheKey, names: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    let mut ranked: Vec<([u8; 16], &str)> = names.into_iter().map(|name| (score(key, name), name)).collect();
    ranked.sort_by_key(|(score, _)| std::cmp::Reverse(*score));
    ranked.into_iter().map(|(_, name)| name).collect()
}

fn score(key: CacheKey, name: &str) -> [u8; 16] {
    let mut hash = Framed::new(b"tidewall route 1");
    hash.part(&key.bytes());
    hash.part(name.as_bytes());
    hash.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(n: u128) -> CacheKey {
        CacheKey::from(n.to_be_bytes())
    }

    #[test]
    fn keys_spread_evenly() {
        let names = ["a", "b", "c"];
        let mut count = [0; 3];
        for n in 0..3000 {
            let first = rank(key(n), names)[0];
            count[names.iter().position(|&name| name == first).expect("one of them")] += 1;
        }
        assert!(count.iter().all(|&n| (850..1150).contains(&n)), "{count:?}");
    }

    #[test]
    fn only_the_keys_of_a_lost_shield_move() {
        for n in 0..500 {
            let all = rank(key(n), ["a", "b", "c"]);
            let left = rank(key(n), ["a", "c"]);
            let want: Vec<&str> = all.into_iter().filter(|&name| name != "b").collect();
            assert_eq!(left, want);
        }
    }
}
