//! Numbers for people: three digits that matter, thousands separated, the unit beside the number.
//!
//! Must not flatter: a share that is not whole never prints as 0 % or 100 %.

use crossover_evidence::result::Percentiles;

/// Stands where there is no number.
pub const NONE: &str = "–";

/// `12345` → `12,345`.
pub fn count(value: u64) -> String {
    let digits = value.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// Any number with up to three digits that matter, no idle zeros: `0.042`, `3.1`, `31`, `31,416`.
pub fn number(value: f64) -> String {
    trim_zeros(three_digits(value))
}

/// A measured number: its zeros matter, and columns of it line up. `3.10`, `31.0`.
fn three_digits(value: f64) -> String {
    if !value.is_finite() {
        return NONE.to_owned();
    }
    let size = value.abs();
    let decimals = match size {
        _ if size >= 99.95 || size == 0.0 => 0,
        _ if size >= 9.995 => 1,
        _ if size >= 0.9995 => 2,
        _ => 3,
    };
    grouped(value, decimals)
}

fn grouped(value: f64, decimals: usize) -> String {
    let text = format!("{:.decimals$}", value.abs());
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    let whole = whole.parse::<u64>().map_or_else(|_| whole.to_owned(), count);
    let sign = if value < 0.0 { "−" } else { "" };
    let dot = if fraction.is_empty() { "" } else { "." };
    format!("{sign}{whole}{dot}{fraction}")
}

fn trim_zeros(text: String) -> String {
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text
    }
}

/// A latency: ms below 1 s, seconds above. `0.42 ms`, `14.8 ms`, `1.24 s`.
pub fn ms(value: f64) -> String {
    in_ms(value, three_digits)
}

/// The same on an axis or in a setting: `10 ms`, `1 s`.
pub fn ms_tick(value: f64) -> String {
    in_ms(value, number)
}

fn in_ms(value: f64, show: fn(f64) -> String) -> String {
    if value.abs() < 999.5 {
        format!("{} ms", show(value))
    } else {
        format!("{} s", show(value / 1_000.0))
    }
}

/// A latency that may not exist.
pub fn ms_or_none(value: Option<f64>) -> String {
    value.map_or_else(|| NONE.to_owned(), ms)
}

/// A percentile, or why there is none: its rank fell among jobs that never started.
pub fn percentile(value: Option<f64>, of: &Percentiles) -> String {
    match value {
        Some(value) => ms(value),
        None if of.censored > 0 => format!("not reached ({} never started)", jobs(of.censored)),
        None => NONE.to_owned(),
    }
}

/// The same where there is room for two words only.
pub fn percentile_short(value: Option<f64>, of: &Percentiles) -> String {
    match value {
        Some(value) => ms(value),
        None if of.censored > 0 => "not reached".to_owned(),
        None => NONE.to_owned(),
    }
}

/// A number of seconds: `0.42 s`, `15 s`, `1 min 5 s`.
pub fn seconds(value: f64) -> String {
    if value.abs() < 119.5 {
        return format!("{} s", number(value));
    }
    let (minutes, rest) = ((value / 60.0).floor(), (value % 60.0).round());
    if rest == 0.0 {
        format!("{} min", number(minutes))
    } else {
        format!("{} min {} s", number(minutes), rest)
    }
}

/// Jobs per second.
pub fn rate(value: f64) -> String {
    format!("{}/s", number(value))
}

/// A share of one as percent.
pub fn percent(share: f64) -> String {
    let value = share * 100.0;
    match value {
        _ if !value.is_finite() => NONE.to_owned(),
        _ if value > 0.0 && value < 0.01 => "< 0.01 %".to_owned(),
        _ if (99.995..100.0).contains(&value) => "> 99.99 %".to_owned(),
        _ if (10.0..99.95).contains(&value) => format!("{} %", trim_zeros(format!("{value:.1}"))),
        _ => format!("{} %", trim_zeros(format!("{value:.2}"))),
    }
}

/// A share that may not exist.
pub fn percent_or_none(share: Option<f64>) -> String {
    share.map_or_else(|| NONE.to_owned(), percent)
}

/// Memory in MiB, GiB from 10 GiB on.
pub fn mebibytes(value: f64) -> String {
    if value < 10_240.0 {
        format!("{} MiB", number(value))
    } else {
        format!("{} GiB", number(value / 1_024.0))
    }
}

/// `1 job`, `12,000 jobs`.
pub fn jobs(value: u64) -> String {
    counted(value, "job")
}

/// A count with its noun: `1 step`, `9 steps`.
pub fn counted(value: u64, noun: &str) -> String {
    let plural = if value == 1 { "" } else { "s" };
    format!("{} {noun}{plural}", count(value))
}

/// `nothing-lost` → `nothing lost`.
pub fn words(name: &str) -> String {
    name.replace(['-', '_'], " ")
}

/// A phase's name, marked as warm-up unless the name says it.
pub fn phase(name: &str, warmup: bool) -> String {
    let says = name.to_lowercase().contains("warm");
    if warmup && !says {
        format!("{name} (warm-up)")
    } else {
        name.to_owned()
    }
}

/// `2026-11-22T14:03:11Z` → `2026-11-22 14:03 UTC`; anything else as it is.
pub fn moment(rfc3339: &str) -> String {
    match (rfc3339.get(..10), rfc3339.get(11..16)) {
        (Some(date), Some(time)) if rfc3339.ends_with('Z') => format!("{date} {time} UTC"),
        _ => rfc3339.to_owned(),
    }
}

/// A sentence starts with a capital, unless with a term such as `p50`, and ends with one full stop.
pub fn sentence(text: &str) -> String {
    let text = text.trim();
    let term = text
        .split(' ')
        .next()
        .is_some_and(|word| word.contains(|letter: char| letter.is_ascii_digit()));
    let mut letters = text.chars();
    let first = letters
        .next()
        .map(|letter| letter.to_uppercase().to_string())
        .unwrap_or_default();
    let start = if term {
        text.to_owned()
    } else {
        format!("{first}{}", letters.as_str())
    };
    let stop = if text.ends_with(['.', '!', '?']) || text.is_empty() {
        ""
    } else {
        "."
    };
    format!("{start}{stop}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_separated() {
        assert_eq!(
            ["0", "999", "1,000", "12,345,678"],
            [0, 999, 1_000, 12_345_678].map(count).each_ref().map(|s| &**s)
        );
    }

    #[test]
    fn a_latency_turns_to_seconds_at_one_second() {
        assert_eq!(ms(0.0421), "0.042 ms");
        assert_eq!(ms(3.2049), "3.20 ms");
        assert_eq!(ms(999.0), "999 ms");
        assert_eq!(ms(999.9), "1.00 s");
        assert_eq!(ms(30.0), "30.0 ms");
        assert_eq!(ms_tick(1_000.0), "1 s");
        assert_eq!(ms(12_340.0), "12.3 s");
    }

    #[test]
    fn a_share_that_is_not_whole_never_prints_as_whole() {
        assert_eq!(percent(1.0), "100 %");
        assert_eq!(percent(0.999_999), "> 99.99 %");
        assert_eq!(percent(0.9996), "99.96 %");
        assert_eq!(percent(0.000_001), "< 0.01 %");
        assert_eq!(percent(0.0), "0 %");
        assert_eq!(percent(0.1234), "12.3 %");
    }

    #[test]
    fn a_percentile_among_censored_jobs_says_so() {
        let of = Percentiles {
            count: 10,
            censored: 1,
            ..Percentiles::default()
        };
        assert_eq!(percentile(None, &of), "not reached (1 job never started)");
        assert_eq!(percentile(None, &Percentiles::default()), "–");
    }

    #[test]
    fn a_sentence_has_one_full_stop() {
        assert_eq!(sentence("late by 3 %"), "Late by 3 %.");
        assert_eq!(sentence("Done."), "Done.");
        assert_eq!(sentence("p50 is 3 ms"), "p50 is 3 ms.");
    }
}
