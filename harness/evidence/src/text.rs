//! Numbers and durations as people read them, for details, stories and the printed plan. It must not round in our favour.

use std::time::Duration;

/// An integer with thousands separated: `1,234,567`.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A count with its noun: `1 job`, `2,000 jobs`.
pub(crate) fn counted(number: u64, noun: &str) -> String {
    if number == 1 {
        format!("1 {noun}")
    } else {
        format!("{} {noun}s", grouped(number))
    }
}

/// A rate without needless decimals: `200/s`, `0.5/s`.
pub(crate) fn rate(per_s: f64) -> String {
    format!("{per_s}/s")
}

/// A duration in the spelling of scenario files: `1m 30s`.
pub(crate) fn duration(length: Duration) -> String {
    humantime::format_duration(length).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_separated_and_nouns_agree() {
        assert_eq!(grouped(0), "0");
        assert_eq!(grouped(999), "999");
        assert_eq!(grouped(1_234_567), "1,234,567");
        assert_eq!(counted(1, "job"), "1 job");
        assert_eq!(counted(2_000, "job"), "2,000 jobs");
    }
}
