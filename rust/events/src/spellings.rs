//! Times, ratios, quantities, strings and flow hashes as Python writes them.
//!
//! `tests/contract/test_event_lines.py` makes the file and fails when it is not what the Python
//! functions say, so the two sides of the contract cannot drift apart.

use ctcpmon_core::segment::{Addr, Endpoint};
use ctcpmon_core::time::Timestamp;

use crate::community::community_id;
use crate::json::Object;
use crate::phrases;

/// An object with one field, `x`, as JSON.
fn with_field(write: impl for<'a, 'b> FnOnce(&'b mut Object<'a>) -> &'b mut Object<'a>) -> String {
    let mut out = Vec::new();
    let mut object = Object::new(&mut out);
    write(&mut object);
    object.end();
    String::from_utf8(out).expect("JSON is UTF-8")
}

fn from_hex(text: &str) -> String {
    let bytes = (0..text.len() / 2)
        .map(|i| u8::from_str_radix(&text[2 * i..2 * i + 2], 16).expect("hexadecimal digits"))
        .collect();
    String::from_utf8(bytes).expect("UTF-8")
}

fn end(address: &str, port: &str) -> Endpoint {
    let address: std::net::IpAddr = address.parse().expect("an address");
    let addr = match address {
        std::net::IpAddr::V4(four) => Addr::v4(four.octets()),
        std::net::IpAddr::V6(six) => Addr(six.octets()),
    };
    Endpoint {
        addr,
        port: port.parse().expect("a port"),
    }
}

#[test]
fn spellings_are_those_of_python() {
    let mut checked = 0;
    for line in include_str!("spellings.txt").lines() {
        let words: Vec<&str> = line.split(' ').collect();
        let (ours, expected) = match words[..] {
            ["time", at, text] => {
                let at = Timestamp(at.parse().expect("nanoseconds"));
                (with_field(|o| o.time(b"x", at)), format!("\"{text}\""))
            }
            ["ratio", bits, text] => {
                let value = f64::from_bits(u64::from_str_radix(bits, 16).expect("64 bits"));
                let ours = with_field(|o| o.maybe_ratio(b"x", Some(value)));
                (ours, text.to_owned())
            }
            ["words", bits, unit, words] => {
                let value = f64::from_bits(u64::from_str_radix(bits, 16).expect("64 bits"));
                let ours = phrases::quantity(value, unit).replace(' ', "_");
                (format!("{{\"x\":{ours}}}"), words.to_owned())
            }
            ["text", plain, json] => {
                let plain = from_hex(plain.trim_end_matches('.'));
                (with_field(|o| o.text(b"x", &plain)), from_hex(json))
            }
            ["flow", a, a_port, b, b_port, id] => {
                let ours = community_id(end(a, a_port), end(b, b_port));
                let ours = ours.unwrap_or_else(|| "None".into());
                (format!("{{\"x\":{ours}}}"), id.to_owned())
            }
            _ => panic!("no such kind of line: {line}"),
        };
        assert_eq!(ours, format!("{{\"x\":{expected}}}"), "{line}");
        checked += 1;
    }
    assert!(checked > 500);
}
