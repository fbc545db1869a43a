//! Numbers as phrases: evidence with its unit, as `python/ctcpmon/diagnosis/wording.py` says it.
//!
//! The sentences themselves are Python's and are handed in; here is only how a number is put into one.
//! `spellings.txt` holds both sides to the same text.

use std::collections::BTreeMap;

use ctcpmon_core::detect::Evidence;

use crate::json::parts_of;

/// What stands before the number, whether its unit belongs to it, and what follows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Phrase {
    /// Before the number.
    pub before: String,
    /// True: the number with its unit; false: the plain number.
    pub has_unit: bool,
    /// After it.
    pub after: String,
}

/// Phrases by the name of the evidence.
pub type Phrases = BTreeMap<String, Phrase>;

/// One piece of evidence as a phrase; a name without one says itself.
pub(crate) fn words(evidence: &Evidence, phrases: &Phrases) -> String {
    let info = evidence.name.info();
    let Some(phrase) = phrases.get(info.name) else {
        return format!("{}: {}", info.name, quantity(evidence.value, info.unit));
    };
    let mut text = String::with_capacity(96);
    text.push_str(&phrase.before);
    if phrase.has_unit {
        text.push_str(&quantity(evidence.value, info.unit));
    } else {
        text.push_str(&plain(evidence.value));
    }
    text.push_str(&phrase.after);
    text
}

/// A number with its unit in words; not-a-number and infinities are `not known`.
pub(crate) fn quantity(value: f64, unit: &str) -> String {
    if !value.is_finite() {
        return "not known".to_owned();
    }
    let noun = match unit {
        "ns" => return duration(value * 1e-6),
        "us" => return duration(value * 1e-3),
        "ms" => return duration(value),
        "s" => return duration(value * 1e3),
        "ratio" if value > 1.0 => return format!("{} times", plain(value)),
        "ratio" => return percent(value),
        "pct" => return percent(value * 0.01),
        "flag" => return if value == 0.0 { "no" } else { "yes" }.to_owned(),
        "count" => return plain(value),
        "bytes" => ["byte", "bytes"],
        "pkts" | "packets" => ["packet", "packets"],
        "segments" => ["segment", "segments"],
        other => [other, other],
    };
    // Exactly one: the singular is for counts.
    #[allow(clippy::float_cmp)]
    let is_many = value != 1.0;
    format!("{} {}", plain(value), noun[usize::from(is_many)])
}

/// A time span for people: `120 ms`, `4.1 s`, `3 min 20 s`, `2 h 05 min`.
fn duration(millis: f64) -> String {
    if millis < 1.0 {
        return fixed(millis * 1_000.0, 0) + " us";
    }
    if millis < 1_000.0 {
        return fixed(millis, 0) + " ms";
    }
    let seconds = millis / 1_000.0;
    if seconds < 100.0 {
        return fixed(seconds, 1) + " s";
    }
    // Longer than any capture: the cut of the conversion is never seen.
    let seconds = seconds.round_ties_even() as u64;
    let (minutes, rest) = (seconds / 60, seconds % 60);
    if minutes >= 120 {
        format!("{} h {:02} min", minutes / 60, minutes % 60)
    } else if rest == 0 {
        format!("{minutes} min")
    } else {
        format!("{minutes} min {rest} s")
    }
}

/// A ratio of 0 to 1 as per cent with two decimals below ten.
fn percent(ratio: f64) -> String {
    let value = ratio * 100.0;
    fixed(value, if value < 10.0 { 2 } else { 0 }) + " %"
}

/// A number with so many decimals, up to two: exact to the last digit before it is cut, a half to the even
/// neighbour.
fn fixed(value: f64, decimals: usize) -> String {
    let power = [1_u64, 10, 100][decimals.min(2)];
    let Some(units) = parts_of(value, power) else {
        return format!("{value:.decimals$}");
    };
    let mut text = String::with_capacity(24);
    if value.is_sign_negative() {
        text.push('-');
    }
    text.push_str(&(units / power).to_string());
    if decimals > 0 {
        let rest = units % power;
        text.push('.');
        if decimals == 2 && rest < 10 {
            text.push('0');
        }
        text.push_str(&rest.to_string());
    }
    text
}

/// A number alone, with a comma at each thousand; two decimals unless it is whole.
fn plain(value: f64) -> String {
    if !value.is_finite() {
        return "an unknown number of".to_owned();
    }
    let is_whole = value.fract() == 0.0;
    let digits = fixed(value.abs(), if is_whole { 0 } else { 2 });
    let whole = digits.split('.').next().map_or(0, str::len);
    let mut text = String::with_capacity(digits.len() + whole / 3 + 1);
    if value < 0.0 {
        text.push('-');
    }
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && at < whole && (whole - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn fixed_decimals_are_those_of_all_digits(
            value in -1e7..1e7,
            small in -1.0..1.0,
            eighths in 0..100_000_i32,
        ) {
            let eighths = f64::from(eighths) / 8.0;
            for value in [value, small, small / 1e3, eighths, value.round(), value * 1e9, 0.0, -0.0] {
                for decimals in 0..=2 {
                    prop_assert_eq!(fixed(value, decimals), format!("{value:.decimals$}"));
                }
            }
        }
    }
}
