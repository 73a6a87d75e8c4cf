//! Points in time, in milliseconds since the Unix epoch, and the one clock that everything reads.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant, SystemTime};

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// Milliseconds since 1970-01-01T00:00:00Z, without leap seconds.
///
/// Shown as RFC 3339 UTC with `Z` and three digits, the only form that goes out on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(u64);

impl Timestamp {
    /// The last moment that RFC 3339 can name: 9999-12-31T23:59:59.999Z.
    pub const MAX: Self = Self(253_402_300_799_999);

    /// This many milliseconds after the epoch; anything beyond [`Timestamp::MAX`] is that.
    pub const fn from_unix_ms(ms: u64) -> Self {
        if ms > Self::MAX.0 { Self::MAX } else { Self(ms) }
    }

    /// Milliseconds since the epoch.
    pub const fn unix_ms(self) -> u64 {
        self.0
    }

    /// Reads an RFC 3339 `date-time`, to the millisecond before it: any offset, `T` and `Z` in either case, any number of
    /// digits after the second, a leap second at the end of a month (as the millisecond before midnight). A time before
    /// 1970 is the epoch. `None` for anything else.
    pub fn parse_rfc3339(text: &str) -> Option<Self> {
        // `time` takes any character between date and time; the grammar (RFC 3339, section 5.6) has this one only.
        if !matches!(text.as_bytes().get(10), Some(b'T' | b't')) {
            return None;
        }
        let moment = OffsetDateTime::parse(text, &Rfc3339).ok()?;
        let ms = moment.unix_timestamp_nanos().div_euclid(1_000_000).max(0);
        Some(Self::from_unix_ms(u64::try_from(ms).unwrap_or(u64::MAX)))
    }

    /// The time `later` after this one, at most [`Timestamp::MAX`].
    #[must_use]
    pub fn plus(self, later: Duration) -> Self {
        let ms = u64::try_from(later.as_millis()).unwrap_or(u64::MAX);
        Self::from_unix_ms(self.0.saturating_add(ms))
    }

    /// The time `earlier` before this one, at least the epoch.
    #[must_use]
    pub fn minus(self, earlier: Duration) -> Self {
        let ms = u64::try_from(earlier.as_millis()).unwrap_or(u64::MAX);
        Self(self.0.saturating_sub(ms))
    }

    /// How long after `earlier` this is; zero if it is not.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

impl fmt::Display for Timestamp {
    /// Days to year, month and day as in Howard Hinnant's "chrono-Compatible Low-Level Date Algorithms", `civil_from_days`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (days, ms) = (self.0 / 86_400_000, self.0 % 86_400_000);
        let shifted = days + 719_468;
        let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
        let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let month_from_march = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
        let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
        let year = year_of_era + era * 400 + u64::from(month <= 2);
        let (hour, minute, second, ms) = (ms / 3_600_000, ms / 60_000 % 60, ms / 1000 % 60, ms % 1000);
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{ms:03}Z")
    }
}

impl serde::Serialize for Timestamp {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for Timestamp {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        Self::parse_rfc3339(&text).ok_or_else(|| serde::de::Error::custom("not an RFC 3339 time"))
    }
}

/// Where the current time comes from: the system, or values that a test sets.
#[derive(Debug, Clone)]
pub struct Clock(Source);

#[derive(Debug, Clone)]
enum Source {
    System,
    /// Milliseconds since the epoch, and of running; the test that made it sets them.
    Held(Arc<AtomicU64>, Arc<AtomicU64>),
}

impl Clock {
    /// The system's clock.
    pub const fn system() -> Self {
        Self(Source::System)
    }

    /// A clock that stands still at whatever `ms` holds; for [`Clock::running`], no time passes.
    pub fn held(ms: Arc<AtomicU64>) -> Self {
        Self::held_with_running(ms, Arc::default())
    }

    /// A clock that stands still at whatever `ms` holds, and has been running for as many milliseconds as `running_ms`.
    pub const fn held_with_running(ms: Arc<AtomicU64>, running_ms: Arc<AtomicU64>) -> Self {
        Self(Source::Held(ms, running_ms))
    }

    /// The current time.
    pub fn now(&self) -> Timestamp {
        match &self.0 {
            Source::System => system_now(),
            Source::Held(ms, _) => Timestamp::from_unix_ms(ms.load(Ordering::Relaxed)),
        }
    }

    /// How long this process has known the time: never goes back, and nobody can set it.
    pub fn running(&self) -> Duration {
        static START: LazyLock<Instant> = LazyLock::new(Instant::now);
        match &self.0 {
            Source::System => START.elapsed(),
            Source::Held(_, running_ms) => Duration::from_millis(running_ms.load(Ordering::Relaxed)),
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "the one place that reads the system's clock")]
fn system_now() -> Timestamp {
    let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_unix_ms(u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn known_moments_are_written_as_rfc3339() {
        assert_eq!(Timestamp::from_unix_ms(0).to_string(), "1970-01-01T00:00:00.000Z");
        assert_eq!(Timestamp::from_unix_ms(951_782_400_007).to_string(), "2000-02-29T00:00:00.007Z");
        assert_eq!(Timestamp::from_unix_ms(u64::MAX).to_string(), "9999-12-31T23:59:59.999Z");
    }

    #[test]
    fn rfc3339_is_read_whole() {
        for (text, time) in [
            ("1970-01-01T02:00:01+02:00", "1970-01-01T00:00:01.000Z"),
            ("2026-11-25t09:01:21z", "2026-11-25T09:01:21.000Z"),
            ("2026-11-25T09:01:21.5-00:00", "2026-11-25T09:01:21.500Z"),
            ("2026-11-25T23:59:00-23:59", "2026-11-26T23:58:00.000Z"),
            ("2026-11-25T09:01:21.123999999999999999999999999999999999999999Z", "2026-11-25T09:01:21.123Z"),
            // Leap seconds of 1990, in UTC and as in RFC 3339, section 5.8.
            ("1990-12-31T23:59:60Z", "1990-12-31T23:59:59.999Z"),
            ("1990-12-31T15:59:60.25-08:00", "1990-12-31T23:59:59.999Z"),
            // Before the epoch, and beyond what the year's four digits can name in UTC.
            ("1969-12-31T23:59:59.999Z", "1970-01-01T00:00:00.000Z"),
            ("0000-01-01T00:00:00+23:59", "1970-01-01T00:00:00.000Z"),
            ("9999-12-31T23:59:59-23:59", "9999-12-31T23:59:59.999Z"),
        ] {
            let read = Timestamp::parse_rfc3339(text).map(|time| time.to_string());
            assert_eq!(read.as_deref(), Some(time), "{text}");
        }
    }

    #[test]
    fn what_is_not_rfc3339_is_refused() {
        for text in [
            "",
            "tomorrow",
            "1970",
            "2026-11-25",
            "2026-11-25T",
            "2026-11-25T09:01:21",
            "2026-11-25T09:01Z",
            "2026-11-25_09:01:21Z",
            "2026-11-25 09:01:21Z",
            "2026-11-25\t09:01:21Z",
            "2026-11-25T09:01:21.Z",
            "2026-11-25T09:01:21,5Z",
            "2026-11-25T09:01:21Z ",
            " 2026-11-25T09:01:21Z",
            "2026-11-25T09:01:21ZZ",
            "2026-11-25T09:01:21+0200",
            "2026-11-25T09:01:21+02",
            "2026-11-25T09:01:21+24:00",
            "2026-11-25T09:01:21+02:60",
            "2026-11-25T24:00:00Z",
            "2026-11-25T09:60:00Z",
            "2026-11-25T09:01:60Z",
            "2026-11-25T09:01:61Z",
            "2026-02-29T00:00:00Z",
            "2026-13-01T00:00:00Z",
            "2026-00-01T00:00:00Z",
            "2026-11-31T00:00:00Z",
            "26-11-25T09:01:21Z",
            "+2026-11-25T09:01:21Z",
            "12026-11-25T09:01:21Z",
            "20261125T090121Z",
            "2026-W48-3T09:01:21Z",
            "9999-12-31T23:59:60-23:59",
            "2026-11-2\u{e9}T9:01:21Z",
        ] {
            assert_eq!(Timestamp::parse_rfc3339(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(ms in 0..=Timestamp::MAX.0) {
            let moment = Timestamp::from_unix_ms(ms);
            prop_assert_eq!(Timestamp::parse_rfc3339(&moment.to_string()), Some(moment));
        }

        #[test]
        fn no_text_makes_it_panic(
            date in "[0-9]{4}-[01][0-9]-[0-3][0-9]",
            time in "[Tt_ ][0-2][0-9]:[0-6][0-9]:[0-6][0-9](\\.[0-9]{0,12})?",
            offset in "[Zz]|[+-][0-2][0-9]:[0-6][0-9]",
        ) {
            Timestamp::parse_rfc3339(&format!("{date}{time}{offset}"));
        }
    }
}
