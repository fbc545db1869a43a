//! JSON as the encoder of the other events (msgspec) writes it: no blanks, UTF-8 as it is, what is
//! not known left out. `tests/contract/test_event_lines.py` holds both against each other.

use std::io::Write;

use ctcpmon_core::time::Timestamp;

use crate::stamp;

/// Largest integer that every JSON reader keeps exact; no real count comes near it.
const MAX_SAFE_INTEGER: u64 = (1 << 53) - 1;

/// The decimal digits of a number.
pub(crate) fn digits(out: &mut Vec<u8>, mut number: u64) {
    let mut text = [0; 20];
    let mut at = text.len();
    loop {
        at -= 1;
        text[at] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.extend(&text[at..]);
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

/// A ratio of 0 to 1, rounded to six decimals: more than any estimate holds. NaN and infinities are
/// not known.
pub(crate) fn ratio(value: f64) -> Option<f64> {
    if !value.is_finite() {
        return None;
    }
    Some(if value <= 0.0 {
        0.0
    } else if value >= 1.0 {
        1.0
    } else {
        // Exact to the last digit, and a half goes to the even neighbour, as in Python.
        format!("{value:.6}").parse().ok()?
    })
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

/// An object under construction; its fields come in the order of the schema.
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
    pub(crate) fn with(&mut self, name: &str, value: impl FnOnce(&mut Vec<u8>)) -> &mut Self {
        if !std::mem::take(&mut self.is_empty) {
            self.out.push(b',');
        }
        self.out.push(b'"');
        self.out.extend(name.as_bytes());
        self.out.extend(b"\":");
        value(self.out);
        self
    }

    /// An object as value.
    pub(crate) fn object(&mut self, name: &str, fields: impl FnOnce(&mut Object<'_>)) -> &mut Self {
        self.with(name, |out| {
            let mut inner = Object::new(out);
            fields(&mut inner);
            inner.end();
        })
    }

    /// JSON that is written already.
    pub(crate) fn raw(&mut self, name: &str, json: &[u8]) -> &mut Self {
        self.with(name, |out| out.extend(json))
    }

    pub(crate) fn text(&mut self, name: &str, text: &str) -> &mut Self {
        self.with(name, |out| string(out, text))
    }

    /// A list of texts.
    pub(crate) fn texts<T: AsRef<str>>(
        &mut self,
        name: &str,
        texts: impl IntoIterator<Item = T>,
    ) -> &mut Self {
        self.with(name, |out| {
            list(out, texts.into_iter(), |out, text| {
                string(out, text.as_ref());
            });
        })
    }

    pub(crate) fn flag(&mut self, name: &str, value: bool) -> &mut Self {
        self.with(name, |out| flag(out, value))
    }

    pub(crate) fn count(&mut self, name: &str, count: impl Into<u64>) -> &mut Self {
        let count = count.into().min(MAX_SAFE_INTEGER);
        self.with(name, |out| digits(out, count))
    }

    pub(crate) fn time(&mut self, name: &str, at: Timestamp) -> &mut Self {
        self.with(name, |out| {
            out.push(b'"');
            out.extend(stamp::rfc3339(at));
            out.push(b'"');
        })
    }

    /// Four-byte number as eight hexadecimal digits.
    pub(crate) fn maybe_hex(&mut self, name: &str, value: Option<u32>) -> &mut Self {
        match value {
            Some(value) => self.text(name, &format!("{value:08x}")),
            None => self,
        }
    }

    pub(crate) fn maybe_text(&mut self, name: &str, text: Option<&str>) -> &mut Self {
        match text {
            Some(text) => self.text(name, text),
            None => self,
        }
    }

    pub(crate) fn maybe_count(&mut self, name: &str, count: Option<impl Into<u64>>) -> &mut Self {
        match count {
            Some(count) => self.count(name, count),
            None => self,
        }
    }

    pub(crate) fn maybe_time(&mut self, name: &str, at: Option<Timestamp>) -> &mut Self {
        match at {
            Some(at) => self.time(name, at),
            None => self,
        }
    }

    pub(crate) fn maybe_ratio(&mut self, name: &str, value: Option<f64>) -> &mut Self {
        match value.and_then(ratio) {
            Some(value) => self.with(name, |out| number(out, value)),
            None => self,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_millionth_is_written_so_that_it_reads_back() {
        for millionths in 0..=1_000_000_u32 {
            let value = f64::from(millionths) / 1e6;
            assert_eq!(ratio(value), Some(value));
        }
    }

    #[test]
    fn halves_go_to_the_even_neighbour() {
        for (of_128, expected) in [(1.0, 0.007_812), (3.0, 0.023_438), (5.0, 0.039_062)] {
            assert_eq!(ratio(of_128 / 128.0), Some(expected));
        }
    }

    #[test]
    fn what_is_no_ratio_is_cut_or_not_known() {
        for (value, expected) in [
            (-1.0, Some(0.0)),
            (2.0, Some(1.0)),
            (f64::NAN, None),
            (f64::INFINITY, None),
            (f64::MIN_POSITIVE, Some(0.0)),
        ] {
            assert_eq!(ratio(value), expected);
        }
    }

    proptest! {
        #[test]
        fn rounding_moves_by_half_a_millionth_at_most(value in 0.0..1.0) {
            let moved = (ratio(value).unwrap_or(9.0) - value).abs();
            prop_assert!(moved <= 0.5e-6 + f64::EPSILON);
        }

        #[test]
        fn digits_are_those_of_the_standard_library(number: u64) {
            let mut out = Vec::new();
            digits(&mut out, number);
            prop_assert_eq!(out, number.to_string().into_bytes());
        }
    }
}
