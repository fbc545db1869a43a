//! The list of counters is closed, ordered, and its names are usable as keys.

use ctcpmon_core::decode::Disposition;
use std::collections::BTreeSet;

#[test]
fn names_are_unique_and_snake_case() {
    let names: BTreeSet<_> = Disposition::ALL.iter().map(|d| d.name()).collect();
    assert_eq!(names.len(), Disposition::ALL.len());
    for disposition in Disposition::ALL {
        let name = disposition.name();
        assert!(
            name.bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
        );
        assert!(
            !disposition.doc().is_empty() && !disposition.doc().contains('\n'),
            "{name}"
        );
    }
}

#[test]
fn all_is_indexed_by_the_discriminant() {
    for (i, disposition) in Disposition::ALL.into_iter().enumerate() {
        assert_eq!(disposition as usize, i);
    }
}
