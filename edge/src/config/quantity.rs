//! Durations and sizes as people write them.

use crate::core::time::Timestamp;
use std::fmt;
use std::time::{Duration, UNIX_EPOCH};

/// Longest duration that a fleet file may hold: ten years.
pub const MAX_DURATION: Duration = Duration::from_secs(10 * 365 * 86_400);

/// Reads `250ms`, `10s`, `15m`, `2h`, `1d` or `1w`; `0` alone is allowed. `None` if it is not one, or longer than
/// [`MAX_DURATION`].
pub fn parse_duration(text: &str) -> Option<Duration> {
    if text == "0" {
        return Some(Duration::ZERO);
    }
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().ok()?;
    let ms = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        "w" => 604_800_000,
        _ => return None,
    };
    let duration = Duration::from_millis(number.checked_mul(ms)?);
    (duration <= MAX_DURATION).then_some(duration)
}

/// Reads a time of RFC 3339, as in `2027-01-31T12:00:00Z`, or a date, which stands for its beginning in UTC.
pub fn parse_time(text: &str) -> Option<Timestamp> {
    let whole = if text.len() == "2027-01-31".len() { format!("{text}T00:00:00Z") } else { text.to_owned() };
    let since = humantime::parse_rfc3339(&whole).ok()?.duration_since(UNIX_EPOCH).ok()?;
    Some(Timestamp::from_millis(u64::try_from(since.as_millis()).ok()?))
}

/// A number of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ByteSize(pub u64);

impl ByteSize {
    /// Reads `512`, `512B`, `64KiB`, `10MB`, `2GiB` or `1TiB`. `None` if it is not one.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let (number, unit) = text.split_at(digits);
        let number: u64 = number.parse().ok()?;
        let factor: u64 = match unit {
            "" | "B" => 1,
            "kB" | "KB" => 1_000,
            "MB" => 1_000_000,
            "GB" => 1_000_000_000,
            "TB" => 1_000_000_000_000,
            "KiB" => 1 << 10,
            "MiB" => 1 << 20,
            "GiB" => 1 << 30,
            "TiB" => 1 << 40,
            _ => return None,
        };
        number.checked_mul(factor).map(Self)
    }

    /// Mebibytes.
    pub const fn mib(n: u64) -> Self {
        Self(n << 20)
    }

    /// The number of bytes.
    pub const fn bytes(self) -> u64 {
        self.0
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units = [(40, "TiB"), (30, "GiB"), (20, "MiB"), (10, "KiB")];
        match units.into_iter().find(|&(shift, _)| self.0 >> shift > 0) {
            Some((shift, unit)) => {
                let whole = self.0 >> shift;
                let tenth = ((self.0 - (whole << shift)) * 10) >> shift;
                if tenth == 0 { write!(f, "{whole} {unit}") } else { write!(f, "{whole}.{tenth} {unit}") }
            }
            None => write!(f, "{} B", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        for (text, ms) in [
            ("0", Some(0)),
            ("250ms", Some(250)),
            ("10s", Some(10_000)),
            ("15m", Some(900_000)),
            ("2h", Some(7_200_000)),
            ("1d", Some(86_400_000)),
            ("1w", Some(604_800_000)),
            ("10", None),
            ("s", None),
            ("-1s", None),
            ("1.5s", None),
            ("1y", None),
            ("11w ", None),
            ("99999999999999999999s", None),
            ("4000d", None),
        ] {
            assert_eq!(parse_duration(text), ms.map(Duration::from_millis), "{text:?}");
        }
    }

    #[test]
    fn sizes() {
        for (text, bytes) in [
            ("512", Some(512)),
            ("512B", Some(512)),
            ("64KiB", Some(65_536)),
            ("10MB", Some(10_000_000)),
            ("2GiB", Some(2 << 30)),
            ("", None),
            ("KiB", None),
            ("1 MiB", None),
            ("99999999999TiB", None),
        ] {
            assert_eq!(ByteSize::parse(text), bytes.map(ByteSize), "{text:?}");
        }
        assert_eq!(ByteSize(1536).to_string(), "1.5 KiB");
        assert_eq!(ByteSize::mib(512).to_string(), "512 MiB");
        assert_eq!(ByteSize(12).to_string(), "12 B");
    }
}
