//! JSON as the encoder of the other events (msgspec) writes it: no blanks, UTF-8 as it is, what is
//! not known left out. `tests/contract/test_event_lines.py` holds both against each other.

use std::io::Write;
use std::net::IpAddr;

use ctcpmon_core::time::Timestamp;

use crate::stamp;

/// Largest integer that every JSON reader keeps exact; no real count comes near it.
const MAX_SAFE_INTEGER: u64 = (1 << 53) - 1;

const MILLION: u64 = 1_000_000;
/// Digits of the longest number.
const MOST_DIGITS: usize = 20;

/// The decimal digits of a number.
pub(crate) fn digits(out: &mut Vec<u8>, mut number: u64) {
    if number < 10 {
        out.push(b'0' + number as u8);
        return;
    }
    let mut text = [0; MOST_DIGITS];
    let mut at = text.len();
    while number >= 10 {
        at -= 2;
        text[at..at + 2].copy_from_slice(&two_digits(number % 100));
        number /= 100;
    }
    if number > 0 {
        at -= 1;
        text[at] = b'0' + number as u8;
    }
    out.extend(&text[at..]);
}

/// The digits of a number below 100.
pub(crate) fn two_digits(number: u64) -> [u8; 2] {
    [b'0' + (number / 10) as u8, b'0' + (number % 10) as u8]
}

/// A number in hexadecimal, with at least so many digits.
pub(crate) fn hex(out: &mut Vec<u8>, number: u64, least: u32) {
    let needed = (u64::BITS - number.leading_zeros()).div_ceil(4);
    for at in (0..needed.max(least)).rev() {
        let digit = number.checked_shr(4 * at).unwrap_or(0) & 15;
        out.push(b"0123456789abcdef"[digit as usize]);
    }
}

/// An address in the spelling of RFC 5952.
pub(crate) fn address(out: &mut Vec<u8>, address: IpAddr) {
    match address {
        IpAddr::V4(address) => {
            for (at, octet) in address.octets().into_iter().enumerate() {
                if at > 0 {
                    out.push(b'.');
                }
                digits(out, octet.into());
            }
        }
        IpAddr::V6(address) => {
            // Writing to a vector cannot fail.
            let _ = write!(out, "{address}");
        }
    }
}

/// An integer.
pub fn integer(out: &mut Vec<u8>, number: i64) {
    if number < 0 {
        out.push(b'-');
    }
    digits(out, number.unsigned_abs());
}

/// The shortest digits that read back as the same number, which must be finite.
pub fn number(out: &mut Vec<u8>, value: f64) {
    // Writing to a vector cannot fail.
    let _ = if value.fract() == 0.0 {
        write!(out, "{value:.1}")
    } else if value.abs() < 1e-5 {
        write!(out, "{value:e}")
    } else {
        write!(out, "{value}")
    };
}

/// A truth value.
pub fn flag(out: &mut Vec<u8>, value: bool) {
    out.extend(if value { &b"true"[..] } else { b"false" });
}

/// A string with its quotes.
pub fn string(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    escaped(out, text);
    out.push(b'"');
}

/// A byte that does not stand for itself in a string.
fn is_special(b: u8) -> bool {
    matches!(b, 0..=0x1f | b'"' | b'\\')
}

/// What stands between the quotes of a string.
pub(crate) fn escaped(out: &mut Vec<u8>, text: &str) {
    let bytes = text.as_bytes();
    // Asked of all at once, which the compiler does sixteen at a time; nearly no text has one.
    if !bytes.iter().fold(false, |any, b| any | is_special(*b)) {
        out.extend(bytes);
        return;
    }
    let mut from = 0;
    for (at, b) in bytes.iter().enumerate() {
        if !is_special(*b) {
            continue;
        }
        out.extend(&bytes[from..at]);
        from = at + 1;
        match b {
            b'"' => out.extend(b"\\\""),
            b'\\' => out.extend(b"\\\\"),
            b'\n' => out.extend(b"\\n"),
            b'\r' => out.extend(b"\\r"),
            b'\t' => out.extend(b"\\t"),
            0x08 => out.extend(b"\\b"),
            0x0c => out.extend(b"\\f"),
            _ => {
                let _ = write!(out, "\\u{b:04x}");
            }
        }
    }
    out.extend(&bytes[from..]);
}

/// How many parts of which `each` make one the absolute of a number has, rounded. `None` where that is not sure:
/// it is large, or may be a half, which all its digits tell.
pub(crate) fn parts_of(value: f64, each: u64) -> Option<u64> {
    let parts = value.abs() * each as f64;
    let (whole, rest) = (parts.trunc(), parts.fract());
    // Up to here the product is off by less than a thousandth. False for what is no number.
    (parts < 1e12 && (rest - 0.5).abs() >= 1e-3).then(|| whole as u64 + u64::from(rest > 0.5))
}

/// A finite number rounded to six decimals, which is more than any estimate holds: exact to the last digit
/// before it is cut, and a half goes to the even neighbour, as in Python.
pub(crate) fn six_decimals(out: &mut Vec<u8>, value: f64) {
    let Some(millionths) = parts_of(value, MILLION) else {
        number(out, format!("{value:.6}").parse().unwrap_or(value));
        return;
    };
    if value.is_sign_negative() {
        out.push(b'-');
    }
    if (1..10).contains(&millionths) {
        digits(out, millionths);
        out.extend(b"e-6");
        return;
    }
    digits(out, millionths / MILLION);
    let rest = millionths % MILLION;
    out.push(b'.');
    for pair in [rest / 10_000, rest / 100 % 100, rest % 100] {
        out.extend(two_digits(pair));
    }
    let unneeded = out.iter().rev().take(5).take_while(|digit| **digit == b'0');
    out.truncate(out.len() - unneeded.count());
}

/// A ratio, set to the nearest of 0 to 1.
pub(crate) fn ratio(out: &mut Vec<u8>, value: f64) {
    six_decimals(out, if value <= 0.0 { 0.0 } else { value.min(1.0) });
}

/// A list of what `write` makes of each item.
pub(crate) fn list<T>(
    out: &mut Vec<u8>,
    items: impl Iterator<Item = T>,
    write: impl Fn(&mut Vec<u8>, T),
) {
    out.push(b'[');
    for (n, item) in items.enumerate() {
        if n > 0 {
            out.push(b',');
        }
        write(out, item);
    }
    out.push(b']');
}

/// An object under construction; its fields come in the order of the schema. Names are arrays, so that each
/// is copied as so many bytes and not by a call.
pub(crate) struct Object<'a> {
    out: &'a mut Vec<u8>,
    is_empty: bool,
}

impl<'a> Object<'a> {
    pub(crate) fn new(out: &'a mut Vec<u8>) -> Self {
        out.push(b'{');
        Self {
            out,
            is_empty: true,
        }
    }

    pub(crate) fn end(self) {
        self.out.push(b'}');
    }

    /// Writes the name of a field; what the closure writes is its value.
    pub(crate) fn with<const N: usize>(
        &mut self,
        name: &[u8; N],
        value: impl FnOnce(&mut Vec<u8>),
    ) -> &mut Self {
        if !std::mem::take(&mut self.is_empty) {
            self.out.push(b',');
        }
        self.out.push(b'"');
        self.out.extend(name);
        self.out.extend(b"\":");
        value(self.out);
        self
    }

    /// An object as value.
    pub(crate) fn object<const N: usize>(
        &mut self,
        name: &[u8; N],
        fields: impl FnOnce(&mut Object<'_>),
    ) -> &mut Self {
        self.with(name, |out| {
            let mut inner = Object::new(out);
            fields(&mut inner);
            inner.end();
        })
    }

    /// JSON that is written already.
    pub(crate) fn raw<const N: usize>(&mut self, name: &[u8; N], json: &[u8]) -> &mut Self {
        self.with(name, |out| out.extend(json))
    }

    pub(crate) fn text<const N: usize>(&mut self, name: &[u8; N], text: &str) -> &mut Self {
        self.with(name, |out| string(out, text))
    }

    /// A text that needs no escapes: ids, addresses, times.
    pub(crate) fn plain<const N: usize>(
        &mut self,
        name: &[u8; N],
        text: impl FnOnce(&mut Vec<u8>),
    ) -> &mut Self {
        self.with(name, |out| {
            out.push(b'"');
            text(out);
            out.push(b'"');
        })
    }

    /// A list of texts.
    pub(crate) fn texts<T: AsRef<str>, const N: usize>(
        &mut self,
        name: &[u8; N],
        texts: impl IntoIterator<Item = T>,
    ) -> &mut Self {
        self.with(name, |out| {
            list(out, texts.into_iter(), |out, text| {
                string(out, text.as_ref());
            });
        })
    }

    pub(crate) fn flag<const N: usize>(&mut self, name: &[u8; N], value: bool) -> &mut Self {
        self.with(name, |out| flag(out, value))
    }

    pub(crate) fn count<const N: usize>(
        &mut self,
        name: &[u8; N],
        count: impl Into<u64>,
    ) -> &mut Self {
        let count = count.into().min(MAX_SAFE_INTEGER);
        self.with(name, |out| digits(out, count))
    }

    pub(crate) fn time<const N: usize>(&mut self, name: &[u8; N], at: Timestamp) -> &mut Self {
        self.plain(name, |out| out.extend(stamp::rfc3339(at)))
    }

    /// A number in hexadecimal, with at least so many digits.
    pub(crate) fn hex<const N: usize>(
        &mut self,
        name: &[u8; N],
        number: u64,
        least: u32,
    ) -> &mut Self {
        self.plain(name, |out| hex(out, number, least))
    }

    pub(crate) fn maybe_text<const N: usize>(
        &mut self,
        name: &[u8; N],
        text: Option<&str>,
    ) -> &mut Self {
        match text {
            Some(text) => self.text(name, text),
            None => self,
        }
    }

    pub(crate) fn maybe_count<const N: usize>(
        &mut self,
        name: &[u8; N],
        count: Option<impl Into<u64>>,
    ) -> &mut Self {
        match count {
            Some(count) => self.count(name, count),
            None => self,
        }
    }

    pub(crate) fn maybe_time<const N: usize>(
        &mut self,
        name: &[u8; N],
        at: Option<Timestamp>,
    ) -> &mut Self {
        match at {
            Some(at) => self.time(name, at),
            None => self,
        }
    }

    pub(crate) fn maybe_hex<const N: usize>(
        &mut self,
        name: &[u8; N],
        number: Option<u64>,
        least: u32,
    ) -> &mut Self {
        match number {
            Some(number) => self.hex(name, number, least),
            None => self,
        }
    }

    /// A ratio; NaN and infinities are not known.
    pub(crate) fn maybe_ratio<const N: usize>(
        &mut self,
        name: &[u8; N],
        value: Option<f64>,
    ) -> &mut Self {
        match value.filter(|value| value.is_finite()) {
            Some(value) => self.with(name, |out| ratio(out, value)),
            None => self,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn text(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).expect("ASCII")
    }

    /// What `six_decimals` writes, by way of all digits.
    fn by_all_digits(value: f64) -> String {
        text(|out| number(out, format!("{value:.6}").parse().expect("a number")))
    }

    #[test]
    fn every_millionth_is_written_so_that_it_reads_back() {
        for millionths in 0..=1_000_000_u32 {
            let value = f64::from(millionths) / 1e6;
            assert_eq!(
                text(|out| ratio(out, value)),
                text(|out| number(out, value))
            );
        }
    }

    #[test]
    fn halves_go_to_the_even_neighbour() {
        for (of_128, expected) in [(1.0, "0.007812"), (3.0, "0.023438"), (5.0, "0.039062")] {
            assert_eq!(text(|out| ratio(out, of_128 / 128.0)), expected);
        }
    }

    #[test]
    fn what_is_no_ratio_is_cut_or_not_known() {
        for (value, expected) in [
            (-1.0, "{\"r\":0.0}"),
            (-0.0, "{\"r\":0.0}"),
            (2.0, "{\"r\":1.0}"),
            (f64::NAN, "{}"),
            (f64::INFINITY, "{}"),
            (f64::MIN_POSITIVE, "{\"r\":0.0}"),
        ] {
            let written = text(|out| {
                let mut object = Object::new(out);
                object.maybe_ratio(b"r", Some(value));
                object.end();
            });
            assert_eq!(written, expected, "{value}");
        }
    }

    #[test]
    fn six_decimals_at_the_edges() {
        for value in [
            0.0,
            -0.0,
            -1e-9,
            1e-9,
            5e-7,
            1.5e-6,
            9e-6,
            9.5e-6,
            1e-5,
            0.1,
            0.25,
            1.0,
            999_999.999_999_5,
            1e6,
            1e7,
            -2.5,
            -1e-6,
            123_456.789_012_345,
            1e300,
            0.000_000_5,
            0.000_001_5,
        ] {
            assert_eq!(text(|out| six_decimals(out, value)), by_all_digits(value));
        }
    }

    proptest! {
        #[test]
        fn six_decimals_are_those_of_all_digits(value in -2e6..2e6, small in -1e-4..1e-4) {
            let value: f64 = value;
            for value in [value, small, value / 1e3, (value * 128.0).round() / 128.0] {
                prop_assert_eq!(text(|out| six_decimals(out, value)), by_all_digits(value));
            }
        }

        #[test]
        fn hexadecimal_digits_are_those_of_the_standard_library(number: u64, cut in 0..64_u32) {
            let number = number >> cut;
            prop_assert_eq!(text(|out| hex(out, number, 12)), format!("{number:012x}"));
            prop_assert_eq!(text(|out| hex(out, number, 1)), format!("{number:x}"));
        }

        #[test]
        fn addresses_are_those_of_the_standard_library(bits: u32) {
            let at = std::net::Ipv4Addr::from_bits(bits);
            prop_assert_eq!(text(|out| address(out, at.into())), at.to_string());
        }

        #[test]
        fn digits_are_those_of_the_standard_library(number: u64, cut in 0..64_u32) {
            let number = number >> cut;
            prop_assert_eq!(text(|out| digits(out, number)), number.to_string());
        }
    }
}
