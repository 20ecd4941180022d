//! How far apart places are, in round-trip time.

use std::time::Duration;

/// Mean radius of the Earth (IUGG), in kilometres.
const EARTH_RADIUS_KM: f64 = 6_371.008_8;
/// Light in glass is a third slower than in the void.
const FIBRE_KM_PER_S: f64 = 299_792.458 * 2.0 / 3.0;

/// A place on Earth.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Place {
    /// Degrees north, -90 to 90.
    pub latitude: f64,
    /// Degrees east, -180 to 180.
    pub longitude: f64,
}

/// How distances become round-trip times.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Geography {
    /// How much longer the way of the fibre is than the great circle. 1.5 fits the round trips that large networks
    /// publish between well-connected cities.
    pub path_factor: f64,
    /// No round trip is shorter: racks, routers and the last metres.
    pub min_rtt: Duration,
}

impl Default for Geography {
    fn default() -> Self {
        Self { path_factor: 1.5, min_rtt: Duration::from_micros(500) }
    }
}

impl Geography {
    /// The round-trip time between two places.
    pub fn rtt_between(&self, from: Place, to: Place) -> Duration {
        let seconds = 2.0 * great_circle_km(from, to) * self.path_factor / FIBRE_KM_PER_S;
        Duration::from_secs_f64(seconds).max(self.min_rtt)
    }
}

/// The length of the great circle between two places, in kilometres (haversine).
pub fn great_circle_km(from: Place, to: Place) -> f64 {
    let (lat_from, lat_to) = (from.latitude.to_radians(), to.latitude.to_radians());
    let half_lat = (lat_to - lat_from) / 2.0;
    let half_lon = (to.longitude - from.longitude).to_radians() / 2.0;
    let h = half_lat.sin().powi(2) + lat_from.cos() * lat_to.cos() * half_lon.sin().powi(2);
    2.0 * EARTH_RADIUS_KM * h.sqrt().clamp(0.0, 1.0).asin()
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRANKFURT: Place = Place { latitude: 50.11, longitude: 8.68 };
    const PARIS: Place = Place { latitude: 48.86, longitude: 2.35 };
    const WASHINGTON: Place = Place { latitude: 38.95, longitude: -77.45 };
    const SINGAPORE: Place = Place { latitude: 1.36, longitude: 103.99 };
    const AUCKLAND: Place = Place { latitude: -36.85, longitude: 174.76 };
    const SEVILLE: Place = Place { latitude: 37.39, longitude: -5.99 };

    #[test]
    fn known_pairs() {
        // Kilometres by the great circle, within half a percent.
        for (from, to, km) in [
            (FRANKFURT, PARIS, 479.0),
            (FRANKFURT, WASHINGTON, 6_550.0),
            (FRANKFURT, SINGAPORE, 10_290.0),
            (WASHINGTON, SINGAPORE, 15_560.0),
            // Near antipodes, where a cosine formula loses its digits.
            (AUCKLAND, SEVILLE, 19_925.5),
        ] {
            let found = great_circle_km(from, to);
            assert!((found / km - 1.0).abs() < 0.005, "{from:?} {to:?}: {found}");
            assert!((great_circle_km(to, from) - found).abs() < 1e-6);
        }
    }

    #[test]
    fn round_trips() {
        let geography = Geography::default();
        // Milliseconds, as networks publish them, within a generous margin.
        for (from, to, ms) in
            [(FRANKFURT, PARIS, 7..=11), (FRANKFURT, WASHINGTON, 85..=105), (FRANKFURT, SINGAPORE, 145..=165)]
        {
            let rtt = geography.rtt_between(from, to).as_millis();
            assert!(ms.contains(&rtt), "{from:?} {to:?}: {rtt} ms");
        }
        assert_eq!(geography.rtt_between(PARIS, PARIS), geography.min_rtt);
        let straight = Geography { path_factor: 1.0, ..geography };
        let ratio = geography.rtt_between(PARIS, SINGAPORE).as_secs_f64()
            / straight.rtt_between(PARIS, SINGAPORE).as_secs_f64();
        assert!((ratio - 1.5).abs() < 1e-6);
    }
}
