//! When requests are sent: a Poisson process.

use rand::Rng as _;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng as _;
use std::time::Duration;

/// The times of requests, counted from the start of the load. The same seed gives the same times.
#[derive(Debug, Clone)]
pub struct Arrivals {
    rng: ChaCha8Rng,
    per_second: f64,
    at_s: f64,
}

impl Arrivals {
    /// So many a second on average. `stream` tells sources with the same seed apart.
    pub fn new(per_second: f64, seed: u64, stream: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(stream);
        Self { rng, per_second, at_s: 0.0 }
    }
}

impl Iterator for Arrivals {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        // 1 - u is in (0, 1], whose logarithm is finite.
        let u: f64 = self.rng.random();
        self.at_s += -(1.0 - u).ln() / self.per_second;
        Duration::try_from_secs_f64(self.at_s).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_follow_from_the_seed() {
        let times = |seed, stream| Arrivals::new(100.0, seed, stream).take(1000).collect::<Vec<_>>();
        assert_eq!(times(7, 0), times(7, 0));
        assert_ne!(times(7, 0), times(8, 0));
        assert_ne!(times(7, 0), times(7, 1));
        let mut sorted = times(7, 0);
        sorted.sort();
        assert_eq!(sorted, times(7, 0));
        // A thousand at a hundred a second: ten seconds, give or take three standard deviations.
        let last = sorted[999].as_secs_f64();
        assert!((9.0..11.0).contains(&last), "{last}");
    }
}
