//! Packet times as text: RFC 3339, UTC, six decimals. Nanoseconds are cut, not rounded.

use ctcpmon_core::time::{NANOS_PER_SECOND, Timestamp};

const SECONDS_PER_DAY: i64 = 86_400;
/// Days from 0000-03-01 to 1970-01-01 in the Gregorian calendar.
const DAYS_TO_1970: i64 = 719_468;
const DAYS_PER_ERA: i64 = 146_097;
const DAYS_PER_YEAR: i64 = 365;

/// Bytes of every stamp.
pub const LENGTH: usize = 27;

/// The text of a time. An `i64` of nanoseconds spans the years 1677 to 2262, so all have four
/// digits.
pub fn rfc3339(at: Timestamp) -> [u8; LENGTH] {
    let seconds = at.0.div_euclid(NANOS_PER_SECOND);
    let micros = at.0.rem_euclid(NANOS_PER_SECOND) / 1_000;
    let (year, month, day) = date(seconds.div_euclid(SECONDS_PER_DAY));
    let second = seconds.rem_euclid(SECONDS_PER_DAY);
    let mut text = *b"0000-00-00T00:00:00.000000Z";
    put(&mut text[0..4], year);
    put(&mut text[5..7], month);
    put(&mut text[8..10], day);
    put(&mut text[11..13], second / 3_600);
    put(&mut text[14..16], second / 60 % 60);
    put(&mut text[17..19], second % 60);
    put(&mut text[20..26], micros);
    text
}

/// Year, month and day of a day counted from 1970-01-01. The year is taken to begin in March, so
/// that the leap day is its last.
fn date(day: i64) -> (i64, i64, i64) {
    let day = day + DAYS_TO_1970;
    let era = day.div_euclid(DAYS_PER_ERA);
    let of_era = day.rem_euclid(DAYS_PER_ERA);
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
    (era * 400 + year + i64::from(month <= 2), month, day)
}

/// Decimal digits of `number` over the whole of `place`.
fn put(place: &mut [u8], mut number: i64) {
    for digit in place.iter_mut().rev() {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
    }
}
