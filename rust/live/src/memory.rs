//! How much memory there is: that of rings is the kernel's own, and a kernel that has none left
//! ends other programs for it.

use std::fs;

/// Bytes that may be taken without pushing others out; none where the system does not tell.
pub fn memory_available() -> Option<u64> {
    available_in(&fs::read_to_string("/proc/meminfo").ok()?)
}

fn available_in(text: &str) -> Option<u64> {
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kib: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    kib.checked_mul(1_024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_is_read_and_what_is_no_such_line_is_not() {
        let text = "MemTotal:  100 kB\nMemAvailable:   22737 kB\n";
        assert_eq!(available_in(text), Some(22_737 * 1_024));
        for odd in ["", "MemAvailable:", "MemAvailable: x kB", "MemAvailable: 7"] {
            assert_eq!(available_in(odd), None);
        }
    }
}
