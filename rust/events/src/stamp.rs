//! Packet times as text: RFC 3339, UTC, six decimals. Nanoseconds are cut, not rounded.

use ctcpmon_core::time::{NANOS_PER_SECOND, Timestamp};

use crate::json::two_digits;

const SECONDS_PER_DAY: u64 = 86_400;
/// Days from 0000-03-01 to 1970-01-01 in the Gregorian calendar.
const DAYS_TO_1970: u64 = 719_468;
const DAYS_PER_ERA: u64 = 146_097;
const DAYS_PER_YEAR: u64 = 365;

/// Bytes of every stamp.
pub const LENGTH: usize = 27;

/// The text of a time. An `i64` of nanoseconds spans the years 1677 to 2262, so all have four
/// digits.
pub fn rfc3339(at: Timestamp) -> [u8; LENGTH] {
    let micros = (at.0.rem_euclid(NANOS_PER_SECOND) / 1_000) as u64;
    // From the year 0 on, where every time that there can be is positive.
    let before_1970 = (DAYS_TO_1970 * SECONDS_PER_DAY) as i64;
    let seconds = (at.0.div_euclid(NANOS_PER_SECOND) + before_1970) as u64;
    let (year, month, day) = date(seconds / SECONDS_PER_DAY);
    let second = seconds % SECONDS_PER_DAY;
    let mut text = *b"0000-00-00T00:00:00.000000Z";
    let pairs = [
        (0, year / 100),
        (2, year % 100),
        (5, month),
        (8, day),
        (11, second / 3_600),
        (14, second / 60 % 60),
        (17, second % 60),
        (20, micros / 10_000),
        (22, micros / 100 % 100),
        (24, micros % 100),
    ];
    for (at, number) in pairs {
        text[at..at + 2].copy_from_slice(&two_digits(number));
    }
    text
}

/// Year, month and day of a day counted from 0000-03-01. The year is taken to begin in March, so
/// that the leap day is its last.
fn date(day: u64) -> (u64, u64, u64) {
    let (era, of_era) = (day / DAYS_PER_ERA, day % DAYS_PER_ERA);
    let leap_days = of_era / 1_460 - of_era / 36_524 + of_era / (DAYS_PER_ERA - 1);
    let year = (of_era - leap_days) / DAYS_PER_YEAR;
    let of_year = of_era - (DAYS_PER_YEAR * year + year / 4 - year / 100);
    // Five months from March take 153 days, whichever they are.
    let from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 {
        from_march + 3
    } else {
        from_march - 9
    };
    (era * 400 + year + u64::from(month <= 2), month, day)
}
