//! What is asked for: the URLs of a release, some far more often than others.

use rand::Rng as _;
use rand_chacha::ChaCha8Rng;

/// Ranks drawn by Zipf's law: the k-th most popular thing is asked for in proportion to `1 / k^exponent`.
#[derive(Debug, Clone)]
pub struct Zipf {
    /// Up to and including each rank, the share of all.
    shares: Vec<f64>,
}

impl Zipf {
    /// A law over this many things. An exponent of 0 makes all of them equal; the web is near 0.9.
    pub fn new(count: usize, exponent: f64) -> Self {
        let mut sum = 0.0;
        let mut shares: Vec<f64> = (1..=count)
            .map(|rank| {
                sum += (rank as f64).powf(-exponent);
                sum
            })
            .collect();
        shares.iter_mut().for_each(|share| *share /= sum);
        Self { shares }
    }

    /// A rank, counted from 0.
    pub fn draw(&self, rng: &mut ChaCha8Rng) -> usize {
        let u: f64 = rng.random();
        self.shares.partition_point(|&share| share <= u).min(self.shares.len().saturating_sub(1))
    }
}

/// URL paths in the order of their popularity.
#[derive(Debug, Clone)]
pub struct Catalogue {
    urls: Vec<String>,
    zipf: Zipf,
}

impl Catalogue {
    /// Ranks URL paths by chance. A path keeps its place among others when the list changes, as after a deploy.
    pub fn new(urls: impl IntoIterator<Item = String>, exponent: f64, seed: u64) -> Self {
        let place = |url: &String| {
            let mut hasher = blake3::Hasher::new();
            hasher.update(&seed.to_le_bytes()).update(url.as_bytes());
            *hasher.finalize().as_bytes()
        };
        let mut urls: Vec<String> = urls.into_iter().collect();
        urls.sort_by_cached_key(place);
        let zipf = Zipf::new(urls.len(), exponent);
        Self { urls, zipf }
    }

    /// The URL paths, the most popular first.
    pub fn urls(&self) -> &[String] {
        &self.urls
    }

    /// A URL path, or `None` if there are none.
    pub fn draw(&self, rng: &mut ChaCha8Rng) -> Option<&str> {
        self.urls.get(self.zipf.draw(rng)).map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand_chacha::rand_core::SeedableRng as _;

    fn urls(range: std::ops::Range<usize>) -> impl Iterator<Item = String> {
        range.map(|n| format!("/{n}"))
    }

    #[test]
    fn draws_follow_from_the_seed() {
        let draw = |seed| {
            let catalogue = Catalogue::new(urls(0..50), 0.9, seed);
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            (0..200).map(|_| catalogue.draw(&mut rng).unwrap().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(draw(1), draw(1));
        assert_ne!(draw(1), draw(2));
    }

    #[test]
    fn the_shares_are_those_of_the_law() {
        let (zipf, mut rng) = (Zipf::new(100, 1.0), ChaCha8Rng::seed_from_u64(3));
        let mut counts = [0_u32; 100];
        (0..100_000).for_each(|_| counts[zipf.draw(&mut rng)] += 1);
        // The harmonic number of 100 is 5.187.
        for (rank, want) in [(0, 0.1928), (1, 0.0964), (9, 0.0193)] {
            let share = f64::from(counts[rank]) / 100_000.0;
            assert!((share / want - 1.0).abs() < 0.1, "rank {rank}: {share} instead of {want}");
        }
        assert!(counts.iter().all(|&count| count > 0));
    }

    #[test]
    fn a_change_of_the_list_leaves_the_order_of_the_rest() {
        let (before, after) = (Catalogue::new(urls(0..40), 0.9, 5), Catalogue::new(urls(10..60), 0.9, 5));
        let common = |catalogue: &Catalogue| {
            let both = |url: &&String| (10..40).any(|n| **url == format!("/{n}"));
            catalogue.urls().iter().filter(both).cloned().collect::<Vec<_>>()
        };
        assert_eq!(common(&before), common(&after));
        assert_eq!(Catalogue::new(urls(0..0), 0.9, 5).draw(&mut ChaCha8Rng::seed_from_u64(0)), None);
    }
}
