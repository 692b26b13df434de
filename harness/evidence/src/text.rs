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

/// A measured number of whole things, thousands separated: `12,346`. It must not be negative.
pub(crate) fn whole(value: f64) -> String {
    grouped(value.round() as u64)
}

/// A count with its noun: `1 job`, `2,000 jobs`.
pub(crate) fn counted(number: u64, noun: &str) -> String {
    if number == 1 {
        format!("1 {noun}")
    } else {
        format!("{} {noun}s", grouped(number))
    }
}

/// A measured number with three digits that matter, thousands separated: `0.0123`, `12.3`, `12,345`.
pub(crate) fn measured(value: f64) -> String {
    match value.abs() {
        size if size >= 99.95 => {
            let sign = if value < 0.0 { "-" } else { "" };
            format!("{sign}{}", whole(size))
        }
        size if size > 0.0 => {
            let digits = (2.0 - size.log10().floor()).clamp(0.0, 6.0) as usize;
            let text = format!("{value:.digits$}");
            text.trim_end_matches('0').trim_end_matches('.').to_owned()
        }
        _ => "0".to_owned(),
    }
}

/// A rate without needless decimals, not rounded: `2,000/s`, `0.5/s`.
pub(crate) fn rate(per_s: f64) -> String {
    if per_s.fract() == 0.0 && per_s >= 0.0 {
        return format!("{}/s", grouped(per_s as u64));
    }
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
        assert_eq!(
            [0.0, 0.012_34, 12.0, 12.34, 12_345.6].map(measured),
            ["0", "0.0123", "12", "12.3", "12,346"]
        );
        assert_eq!(grouped(0), "0");
        assert_eq!(grouped(999), "999");
        assert_eq!(grouped(1_234_567), "1,234,567");
        assert_eq!(counted(1, "job"), "1 job");
        assert_eq!(counted(2_000, "job"), "2,000 jobs");
        assert_eq!([2_000.0, 0.5, 1_234.5].map(rate), ["2,000/s", "0.5/s", "1234.5/s"]);
    }
}
