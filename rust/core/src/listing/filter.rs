//! A filter over rows: terms that must all hold. Bounded, so that nobody can make a pass over a
//! million rows slow by what they type.

use std::fmt::Write as _;
use std::net::IpAddr;

use super::{Column, Subject, Word};
use crate::segment::{Addr, Endpoint};
use crate::time::{NANOS_PER_SECOND, Timestamp};

/// Terms of a filter.
pub const MAX_TERMS: usize = 16;
/// Values of a term.
const MAX_VALUES: usize = 16;
/// Bytes of a text.
const MAX_TEXT: usize = 64;

/// Why terms make no filter. Who types them was told before, so this is for programs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unfit(pub String);

impl std::fmt::Display for Unfit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Unfit {}

/// A term as it comes from outside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Term {
    /// What is looked at.
    pub field: String,
    /// `=`, `<`, `<=`, `>` or `>=`.
    pub relation: String,
    /// It must not hold.
    pub is_negated: bool,
    /// One of these is enough.
    pub values: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Relation {
    Equal,
    Less,
    AtMost,
    More,
    AtLeast,
}

impl Relation {
    fn holds(self, one: f64, other: f64) -> bool {
        match self {
            // Whole numbers and tenths of seconds.
            Self::Equal => (one - other).abs() < 0.05,
            Self::Less => one < other,
            Self::AtMost => one <= other,
            Self::More => one > other,
            Self::AtLeast => one >= other,
        }
    }
}

/// Addresses that begin alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Net {
    first: u128,
    mask: u128,
}

impl Net {
    fn read(text: &str) -> Option<Self> {
        let (addr, bits) = text
            .split_once('/')
            .map_or((text, None), |(a, b)| (a, Some(b)));
        let (addr, room) = match addr.parse().ok()? {
            IpAddr::V4(v4) => (Addr::v4(v4.octets()), 32),
            IpAddr::V6(v6) => (Addr(v6.octets()), 128),
        };
        let bits = bits.map_or(Some(room), |bits| bits.parse().ok())?;
        if bits > room {
            return None;
        }
        let mask = u128::MAX.checked_shl(room - bits).unwrap_or(0);
        Some(Self {
            first: u128::from_be_bytes(addr.0) & mask,
            mask,
        })
    }

    fn has(self, end: Endpoint) -> bool {
        u128::from_be_bytes(end.addr.0) & self.mask == self.first
    }
}

#[derive(Clone, Debug, PartialEq)]
enum Test {
    Words(Word, Vec<String>),
    /// Of one end, or of any.
    Nets(Option<usize>, Vec<Net>),
    Port(Relation, Vec<f64>),
    Count(Column, Relation, Vec<f64>),
    /// Seconds since.
    Since(Column, Relation, Vec<f64>),
    Text(Vec<String>),
}

/// Terms that must all hold; without any, every row is accepted.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Filter {
    tests: Vec<(bool, Test)>,
}

impl Filter {
    /// The filter of `terms`.
    ///
    /// # Errors
    /// A field that there is not, a value that does not fit it, or too many of either.
    pub fn new(terms: &[Term]) -> Result<Self, Unfit> {
        if terms.len() > MAX_TERMS {
            return Err(Unfit(format!("more than {MAX_TERMS} terms")));
        }
        let tests = terms.iter().map(|term| Ok((term.is_negated, test(term)?)));
        let mut tests = tests.collect::<Result<Vec<_>, Unfit>>()?;
        // Text is looked for last: it has to be made.
        tests.sort_by_key(|(_, test)| matches!(test, Test::Text(_)));
        Ok(Self { tests })
    }

    /// True when every row passes.
    pub fn is_empty(&self) -> bool {
        self.tests.is_empty()
    }

    #[inline]
    pub(super) fn accepts(&self, row: &impl Subject, now: Timestamp, text: &mut String) -> bool {
        self.tests
            .iter()
            .all(|(is_negated, test)| test.holds(row, now, text) != *is_negated)
    }
}

impl Test {
    fn holds(&self, row: &impl Subject, now: Timestamp, text: &mut String) -> bool {
        let is = |relation: Relation, one: f64, others: &[f64]| {
            others.iter().any(|other| relation.holds(one, *other))
        };
        match self {
            Self::Words(word, wanted) => wanted.iter().any(|w| w == row.word(*word)),
            Self::Nets(side, nets) => {
                let ends = row.ends();
                let in_any = |end: &Endpoint| nets.iter().any(|net| net.has(*end));
                match side {
                    Some(side) => in_any(&ends[*side]),
                    None => ends.iter().any(in_any),
                }
            }
            Self::Port(relation, ports) => row
                .ends()
                .iter()
                .any(|end| is(*relation, f64::from(end.port), ports)),
            Self::Count(column, relation, counts) => row
                .number(*column)
                .is_some_and(|n| is(*relation, n as f64, counts)),
            Self::Since(column, relation, seconds) => row.number(*column).is_some_and(|at| {
                let since = now.since(Timestamp(at)).max(0) as f64 / NANOS_PER_SECOND as f64;
                is(*relation, since, seconds)
            }),
            Self::Text(wanted) => {
                text.clear();
                let [client, server] = row.ends();
                let (from, to) = (client.addr.to_ip(), server.addr.to_ip());
                let words = [Word::State, Word::Protocol, Word::Ended].map(|w| row.word(w));
                // Writing to a string cannot fail.
                let _ = write!(
                    text,
                    "{from}:{} {to}:{} {}",
                    client.port,
                    server.port,
                    words.join(" ")
                );
                wanted.iter().any(|wanted| text.contains(wanted.as_str()))
            }
        }
    }
}

fn test(term: &Term) -> Result<Test, Unfit> {
    let unfit = |what: &str| Unfit(format!("{what} of {:?}", term.field));
    if term.values.is_empty() || term.values.len() > MAX_VALUES {
        return Err(unfit("number of values"));
    }
    let relation = match term.relation.as_str() {
        "=" => Relation::Equal,
        "<" => Relation::Less,
        "<=" => Relation::AtMost,
        ">" => Relation::More,
        ">=" => Relation::AtLeast,
        _ => return Err(unfit("relation")),
    };
    let equal = |test: Test| {
        if relation == Relation::Equal {
            Ok(test)
        } else {
            Err(unfit("relation"))
        }
    };
    let words = |word| equal(Test::Words(word, term.values.clone()));
    let nets = |side| {
        let nets: Option<Vec<Net>> = term.values.iter().map(|v| Net::read(v)).collect();
        equal(Test::Nets(side, nets.ok_or_else(|| unfit("address"))?))
    };
    let numbers = || {
        let numbers = term.values.iter().map(|v| v.parse::<f64>().ok());
        let finite = numbers.map(|n| n.filter(|n| n.is_finite()));
        finite
            .collect::<Option<Vec<_>>>()
            .ok_or_else(|| unfit("number"))
    };
    match term.field.as_str() {
        "state" => words(Word::State),
        "worst_state" => words(Word::Was),
        "protocol" => words(Word::Protocol),
        "end_reason" => words(Word::Ended),
        "client" => nets(Some(0)),
        "headend" => nets(Some(1)),
        "addr" => nets(None),
        "port" => Ok(Test::Port(relation, numbers()?)),
        "text" => {
            let texts: Vec<String> = term.values.iter().map(|v| v.to_lowercase()).collect();
            if texts.iter().any(|text| text.len() > MAX_TEXT) {
                return Err(unfit("length"));
            }
            equal(Test::Text(texts))
        }
        name => {
            let column = Column::named(name).ok_or_else(|| unfit("name"))?;
            match column {
                Column::First | Column::Last | Column::Stalled => {
                    Ok(Test::Since(column, relation, numbers()?))
                }
                Column::Worst => Err(unfit("name")),
                _ => Ok(Test::Count(column, relation, numbers()?)),
            }
        }
    }
}
