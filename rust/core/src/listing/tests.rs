use super::*;
use crate::segment::Addr;
use crate::time::NANOS_PER_SECOND;

struct Row {
    number: i64,
    client: Endpoint,
}

impl Subject for Row {
    fn number(&self, column: Column) -> Option<i64> {
        (column != Column::Stalled).then_some(self.number)
    }

    fn word(&self, word: Word) -> &'static str {
        match word {
            Word::State => "at_risk",
            Word::Was => "stalled",
            Word::Protocol => "ctcp",
            Word::Ended => "open",
        }
    }

    fn ends(&self) -> [Endpoint; 2] {
        let server = Endpoint {
            addr: Addr::v4([198, 51, 100, 9]),
            port: 10_000,
        };
        [self.client, server]
    }
}

fn row() -> Row {
    Row {
        number: 4,
        client: Endpoint {
            addr: Addr::v4([10, 1, 4, 17]),
            port: 1_061,
        },
    }
}

fn term(field: &str, relation: &str, values: &[&str]) -> Term {
    Term {
        field: field.into(),
        relation: relation.into(),
        is_negated: false,
        values: values.iter().map(|v| (*v).to_owned()).collect(),
    }
}

fn accepts(terms: &[Term]) -> bool {
    let now = Timestamp(20 * NANOS_PER_SECOND);
    let filter = Filter::new(terms).expect("fits");
    filter.accepts(&row(), now, &mut String::new())
}

#[test]
fn every_kind_of_term_tells_rows_apart() {
    for (field, relation, good, bad) in [
        ("state", "=", "at_risk", "stalled"),
        ("worst_state", "=", "stalled", "at_risk"),
        ("protocol", "=", "ctcp", "faketcp"),
        ("end_reason", "=", "open", "fin"),
        ("client", "=", "10.1.0.0/16", "10.2.0.0/16"),
        ("client", "=", "10.1.4.17", "10.1.4.18"),
        ("client", "=", "0.0.0.0/0", "::1"),
        ("headend", "=", "198.51.100.9", "10.1.4.17"),
        ("addr", "=", "10.1.4.17/32", "192.0.2.0/24"),
        ("port", "=", "1061", "1062"),
        ("port", ">=", "10000", "10001"),
        ("holes", "=", "4", "5"),
        ("missing", ">", "3", "4"),
        ("missing", ">=", "4", "5"),
        ("missing", "<", "5", "4"),
        ("missing", "<=", "4", "3"),
        ("age", ">", "19.9", "20.1"),
        ("text", "=", "10.1.4.17:1061 198", "10.1.4.18"),
        ("text", "=", "AT_RISK", "healthy"),
    ] {
        assert!(accepts(&[term(field, relation, &[good])]), "{field} {good}");
        assert!(!accepts(&[term(field, relation, &[bad])]), "{field} {bad}");
        assert!(
            accepts(&[term(field, relation, &[bad, good])]),
            "one of two"
        );
        let negated = |value| Term {
            is_negated: true,
            ..term(field, relation, &[value])
        };
        assert!(!accepts(&[negated(good)]), "not {field} {good}");
        assert!(accepts(&[negated(bad)]), "not {field} {bad}");
    }
}

#[test]
fn all_terms_must_hold_and_none_is_true() {
    assert!(accepts(&[]));
    let both = [term("holes", "=", &["4"]), term("state", "=", &["healthy"])];
    assert!(!accepts(&both));
}

#[test]
fn a_row_without_the_number_does_not_match() {
    assert!(!accepts(&[term("stalled", ">", &["0"])]));
}

#[test]
fn what_is_no_filter_is_refused() {
    let many = vec![term("port", "=", &["1"]); MAX_TERMS + 1];
    for terms in [
        vec![term("colour", "=", &["red"])],
        vec![term("worst", "=", &["1"])],
        vec![term("client", "=", &["10.1.0.0/33"])],
        vec![term("client", "=", &["10.1"])],
        vec![term("client", ">", &["10.1.0.0"])],
        vec![term("state", "<", &["stalled"])],
        vec![term("port", "=", &["nan"])],
        vec![term("port", "~", &["1"])],
        vec![term("port", "=", &[])],
        vec![term("port", "=", &["1"; 17])],
        vec![term("text", "=", &[&"x".repeat(65)])],
        many,
    ] {
        assert!(Filter::new(&terms).is_err(), "{terms:?}");
    }
}

#[test]
fn ranks_sort_as_the_list() {
    let spec = |order, is_reversed| Spec {
        kind: Kind::Flows,
        order,
        is_reversed,
        filter: Filter::default(),
    };
    let order = |order, is_reversed| {
        let mut pass = Pass::new(spec(order, is_reversed));
        for (at, number) in [5_i64, 9, 1].into_iter().enumerate() {
            let mut one = row();
            one.number = number;
            one.client.port = number as u16;
            pass.take(&one, at as u32, || 0, Timestamp(0));
        }
        pass.ranks.sort_unstable();
        pass.ranks.iter().map(|r| r.at).collect::<Vec<_>>()
    };
    assert_eq!(order(Column::Bytes, false), [1, 0, 2]);
    assert_eq!(order(Column::Bytes, true), [2, 0, 1]);
    assert_eq!(order(Column::First, false), [2, 0, 1]);
    assert_eq!(order(Column::Last, false), [1, 0, 2]);
    assert_eq!(order(Column::Client, false), [2, 0, 1]);
}
