//! Times as people write them in queries and options.

use std::time::Duration;

use crate::time::Timestamp;

const DAY: u64 = 24 * 60 * 60;

/// Seconds of the units of a duration; a year is 365 days.
const UNITS: [(char, u64); 6] = [('s', 1), ('m', 60), ('h', 60 * 60), ('d', DAY), ('w', 7 * DAY), ('y', 365 * DAY)];

/// The moment that `text` names: a date (its beginning, in UTC), an RFC 3339 time, or a duration such as `7d` before
/// `now` (`s`, `m` for minutes, `h`, `d`, `w`, `y`). `None` for anything else.
pub fn moment(text: &str, now: Timestamp) -> Option<Timestamp> {
    duration(text)
        .map(|ago| now.minus(ago))
        .or_else(|| Timestamp::parse_rfc3339(text))
        .or_else(|| Timestamp::parse_rfc3339(&format!("{text}T00:00:00Z")))
}

fn duration(text: &str) -> Option<Duration> {
    let unit = text.chars().next_back()?;
    let (_, seconds) = UNITS.into_iter().find(|(name, _)| *name == unit)?;
    let digits = text.strip_suffix(unit)?;
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let count: u64 = digits.parse().ok()?;
    Some(Duration::from_secs(count.checked_mul(seconds)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_times_and_durations_are_moments() {
        let now = Timestamp::parse_rfc3339("2026-11-24T12:00:00Z").expect("a time");
        for (text, time) in [
            ("2026-05-02", "2026-05-02T00:00:00.000Z"),
            ("2026-05-02T01:02:03.004+02:00", "2026-05-01T23:02:03.004Z"),
            ("1912-06-23", "1970-01-01T00:00:00.000Z"),
            ("7d", "2026-11-17T12:00:00.000Z"),
            ("90s", "2026-11-24T11:58:30.000Z"),
            ("5m", "2026-11-24T11:55:00.000Z"),
            ("2w", "2026-11-10T12:00:00.000Z"),
            ("0h", "2026-11-24T12:00:00.000Z"),
            ("9999y", "1970-01-01T00:00:00.000Z"),
        ] {
            assert_eq!(moment(text, now).map(|time| time.to_string()).as_deref(), Some(time), "{text}");
        }
        for text in [
            "",
            "d",
            "-7d",
            "+7d",
            "7",
            "7 d",
            "7x",
            "7é",
            "2026-13-01",
            "2026-05-02_01:02:03Z",
            "2026-05-02 01:02:03Z",
            "2026-05",
            "tomorrow",
            "99999999999999999999d",
        ] {
            assert_eq!(moment(text, now), None, "{text}");
        }
    }
}
