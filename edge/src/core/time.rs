//! Points in time without a clock, and HTTP dates (RFC 9110 §5.6.7).
//!
//! Nothing here asks what time it is: `now` is always an argument, so the node, the tests and the simulator share one
//! arithmetic. All of it saturates, because a duration or a date may have come from a stranger's header.

use http::HeaderValue;
use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Last second that an HTTP date can express: 31 December 9999, 23:59:59 GMT.
const LAST_HTTP_SECOND: u64 = 253_402_300_799;

/// Longest text that is looked at as an HTTP date, in bytes. The longest of the three forms
/// (`Wednesday, 06-Nov-94 08:49:37 GMT`) has 33; the rest is room for padding.
const MAX_HTTP_DATE_BYTES: usize = 64;

/// A point in time: whole milliseconds since 1970-01-01T00:00:00Z, leap seconds not counted.
///
/// Ordered, copyable, and saturating at both ends; times before 1970 become [`Timestamp::EPOCH`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(u64);

impl Timestamp {
    /// 1970-01-01T00:00:00Z, the earliest point.
    pub const EPOCH: Self = Self(0);
    /// The latest point, far beyond any date that HTTP can express.
    pub const MAX: Self = Self(u64::MAX);

    /// The point that is `millis` milliseconds after 1970.
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis)
    }

    /// The point that is `secs` seconds after 1970.
    pub const fn from_secs(secs: u64) -> Self {
        Self(secs.saturating_mul(1000))
    }

    /// Milliseconds since 1970.
    pub const fn as_millis(self) -> u64 {
        self.0
    }

    /// Whole seconds since 1970, rounded down.
    pub const fn as_secs(self) -> u64 {
        self.0 / 1000
    }

    /// The same point without its fraction of a second: the precision of HTTP's dates.
    pub const fn floor_to_second(self) -> Self {
        Self(self.0 - self.0 % 1000)
    }

    /// The point `by` later. Fractions of a millisecond are dropped.
    pub fn saturating_add(self, by: Duration) -> Self {
        Self(self.0.saturating_add(whole_millis(by)))
    }

    /// The point `by` earlier. Fractions of a millisecond are dropped.
    pub fn saturating_sub(self, by: Duration) -> Self {
        Self(self.0.saturating_sub(whole_millis(by)))
    }

    /// How long after `earlier` this point is; zero when it is not after it.
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }

    /// The point that a system time names; [`Timestamp::EPOCH`] for times before 1970.
    pub fn from_system_time(time: SystemTime) -> Self {
        Self(time.duration_since(UNIX_EPOCH).map_or(0, whole_millis))
    }

    /// This point as a system time. Points that the platform can't express become 1970, so that nothing looks fresh
    /// for ever by accident.
    pub fn to_system_time(self) -> SystemTime {
        UNIX_EPOCH.checked_add(Duration::from_millis(self.0)).unwrap_or(UNIX_EPOCH)
    }
}

impl fmt::Display for Timestamp {
    /// Seconds and milliseconds since 1970, as in `784111777.000`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:03}", self.0 / 1000, self.0 % 1000)
    }
}

/// Reads an HTTP date in any of its three forms (RFC 9110 §5.6.7), in any case, as RFC 9111 §4.2 asks of caches; the name
/// of the weekday need not fit the date, since nothing depends on it.
///
/// `None` for anything else: another zone than GMT, a date that the calendar doesn't have, a leap second. What that
/// means is the field's business; an `Expires` that can't be read means "already expired".
///
/// A two-digit year (RFC 850 form) from 70 to 99 is read as 19xx and from 00 to 69 as 20xx. The RFC's rule of "at
/// most 50 years ahead" would need a clock; where the two disagree, this reading is in the past, hence stale.
pub fn parse_http_date(value: &HeaderValue) -> Option<Timestamp> {
    parse_http_date_bytes(value.as_bytes())
}

/// [`parse_http_date`] for a value that is not in a header map.
pub fn parse_http_date_bytes(value: &[u8]) -> Option<Timestamp> {
    if value.len() > MAX_HTTP_DATE_BYTES {
        return None;
    }
    let text = std::str::from_utf8(value).ok()?;
    let read = |text: &str| httpdate::parse_http_date(text).ok().map(Timestamp::from_system_time);
    // What `httpdate` reads is the rule; the rest is brought into that form first.
    read(text).or_else(|| respelt(text).find_map(|text| read(&text)))
}

const WEEKDAYS: [&str; 7] = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];

/// A date in the case that the RFC writes it in, once with each name of a weekday; nothing for what doesn't begin like a
/// date.
fn respelt(text: &str) -> impl Iterator<Item = String> {
    let text = text.trim_matches([' ', '\t']);
    let name = &text[..text.bytes().take_while(u8::is_ascii_alphabetic).count()];
    let is_long = name.len() > 3;
    let begins_like_a_date =
        WEEKDAYS.iter().any(|day| name.eq_ignore_ascii_case(if is_long { day } else { &day[..3] }));
    let mut rest = String::with_capacity(text.len());
    let mut within_word = false;
    for c in text[name.len()..].chars() {
        rest.push(if within_word { c.to_ascii_lowercase() } else { c.to_ascii_uppercase() });
        within_word = c.is_ascii_alphabetic();
    }
    if let Some(stem) = rest.strip_suffix("Gmt") {
        rest = format!("{stem}GMT");
    }
    let days = if begins_like_a_date { &WEEKDAYS[..] } else { &[] };
    days.iter().map(move |day| format!("{}{rest}", if is_long { day } else { &day[..3] }))
}

/// Writes a point as an IMF-fixdate (RFC 9110 §5.6.7), as in `Sun, 06 Nov 1994 08:49:37 GMT`.
///
/// The fraction of a second is dropped; points after the year 9999 become its last second.
pub fn format_http_date(time: Timestamp) -> String {
    let secs = time.as_secs().min(LAST_HTTP_SECOND);
    httpdate::fmt_http_date(Timestamp::from_secs(secs).to_system_time())
}

/// [`format_http_date`] as a field value.
pub fn http_date_value(time: Timestamp) -> HeaderValue {
    // An IMF-fixdate is ASCII, so the conversion can't fail; the epoch stands in for the impossible.
    HeaderValue::try_from(format_http_date(time)).unwrap_or(HeaderValue::from_static("Thu, 01 Jan 1970 00:00:00 GMT"))
}

fn whole_millis(by: Duration) -> u64 {
    u64::try_from(by.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[track_caller]
    fn check(text: &str, expected_secs: Option<u64>) {
        let read = parse_http_date_bytes(text.as_bytes());
        assert_eq!(read, expected_secs.map(Timestamp::from_secs), "{text:?}");
    }

    #[test]
    fn dates_in_the_three_forms() {
        check("Sun, 06 Nov 1994 08:49:37 GMT", Some(784_111_777));
        check("Sunday, 06-Nov-94 08:49:37 GMT", Some(784_111_777));
        check("Sun Nov  6 08:49:37 1994", Some(784_111_777));
        check("Thu, 01 Jan 1970 00:00:00 GMT", Some(0));
        check("Fri, 31 Dec 9999 23:59:59 GMT", Some(LAST_HTTP_SECOND));
        check("Tue, 29 Feb 2000 12:00:00 GMT", Some(951_825_600));
    }

    #[test]
    fn dates_in_any_case_and_with_any_weekday() {
        check("SUN, 06 nov 1994 08:49:37 gmt", Some(784_111_777));
        check("sunday, 06-NOV-94 08:49:37 GMT", Some(784_111_777));
        check("Sun NOV  6 08:49:37 1994", Some(784_111_777));
        check("Mon, 06 Nov 1994 08:49:37 GMT", Some(784_111_777));
        check("Mon Nov  6 08:49:37 1994", Some(784_111_777));
    }

    #[test]
    fn what_is_not_a_date() {
        for text in [
            "",
            "0",
            "-1",
            "Xyz, 06 Nov 1994 08:49:37 GMT",
            "Sun, 06 Nov 1994 08:49:37 UTC",
            "Sun, 06 Nov 1994 08:49:37 AEST",
            "Sun 06 Nov 1994 08:49:37 GMT",
            "Sun, 06-Nov-1994 08:49:37 GMT",
            "Sun, 06 Nov 1994 08.49.37 GMT",
            "Sun,  06 Nov 1994 08:49:37 GMT",
            "Sun, 06 Nov 1994 8:49:37 GMT",
            "Sun, 06 Nov 94 08:49:37 GMT",
            "Thu, 29 Feb 1900 12:00:00 GMT",
            "Wed, 31 Dec 1969 23:59:59 GMT",
            "Sat, 31 Dec 2016 23:59:60 GMT",
            "Sun, 06 Nov 1994 08:49:37 GMT, Sun, 06 Nov 1994 08:49:37 GMT",
            "Súnday, 06-Nov-94 08:49:37 GMT",
        ] {
            check(text, None);
        }
    }

    #[test]
    fn arithmetic_saturates() {
        assert_eq!(Timestamp::MAX.saturating_add(Duration::MAX), Timestamp::MAX);
        assert_eq!(Timestamp::EPOCH.saturating_sub(Duration::from_secs(1)), Timestamp::EPOCH);
        assert_eq!(Timestamp::EPOCH.since(Timestamp::MAX), Duration::ZERO);
        assert_eq!(Timestamp::from_secs(u64::MAX), Timestamp::MAX);
        assert_eq!(Timestamp::from_millis(1999).floor_to_second(), Timestamp::from_secs(1));
        assert_eq!(Timestamp::from_millis(1_005).to_string(), "1.005");
        assert_eq!(Timestamp::from_system_time(UNIX_EPOCH - Duration::from_secs(9)), Timestamp::EPOCH);
        assert_eq!(format_http_date(Timestamp::MAX), "Fri, 31 Dec 9999 23:59:59 GMT");
    }

    proptest! {
        #[test]
        fn dates_round_trip(secs in 0..=LAST_HTTP_SECOND) {
            let time = Timestamp::from_secs(secs);
            prop_assert_eq!(parse_http_date(&http_date_value(time)), Some(time));
        }

        #[test]
        fn system_time_round_trips(millis in 0..=LAST_HTTP_SECOND * 1000) {
            let time = Timestamp::from_millis(millis);
            prop_assert_eq!(Timestamp::from_system_time(time.to_system_time()), time);
        }

        #[test]
        fn any_bytes_and_any_point_are_survived(bytes: Vec<u8>, millis: u64) {
            let _ = parse_http_date_bytes(&bytes);
            let time = Timestamp::from_millis(millis);
            let _ = (format_http_date(time), time.to_system_time());
        }

        #[test]
        fn near_dates_are_survived(text in "[A-Za-z]{3,9},? [0-9]{1,2}[- ][A-Za-z]{3}[- ][0-9]{2,4} [0-9:]{5,8} GMT") {
            let _ = parse_http_date_bytes(text.as_bytes());
        }
    }
}
