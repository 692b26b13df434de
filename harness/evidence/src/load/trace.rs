//! A trace: a CSV of a team's own arrivals. The text comes from the caller, who also names the file in errors.
//!
//! ```csv
//! offset_ms,definition,service_ms,payload_bytes
//! 0,order,12.5,300
//! 4.2,order,3,300
//! ```
//! Offsets count from the start of the phase and never go back; fractions are kept to the microsecond.

use super::Workload;

/// The first line of a trace.
pub const HEADER: &str = "offset_ms,definition,service_ms,payload_bytes";
/// Largest value of a time (ms): a day.
const MILLIS_MAX: f64 = 86_400_000.0;

/// One row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceRow {
    /// From the start of the phase (µs).
    pub offset_us: u64,
    /// Place of the definition in the workload.
    pub definition: u16,
    /// How long each handler of the instance takes (µs).
    pub service_us: u32,
    /// Size of the payload (bytes).
    pub payload_bytes: u32,
}

/// What is wrong with a trace, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {problem}")]
pub struct TraceError {
    /// Line of the file, from 1.
    pub line: usize,
    /// What was found and what is allowed.
    pub problem: String,
}

/// Reads a trace; its definitions must be the workload's. Empty lines are skipped.
///
/// # Errors
/// The first line that is wrong, with what was found and what is allowed.
pub fn parse(text: &str, workload: &Workload) -> Result<Vec<TraceRow>, TraceError> {
    let mut lines = text.lines().enumerate();
    let header = lines.next().map_or("", |(_, line)| line.trim());
    if header != HEADER {
        let problem = format!("found {header:?}; the first line must be {HEADER:?}");
        return Err(TraceError { line: 1, problem });
    }
    let mut rows: Vec<TraceRow> = Vec::new();
    for (index, line) in lines.filter(|(_, line)| !line.trim().is_empty()) {
        let row = parse_row(line, workload).map_err(|problem| TraceError {
            line: index + 1,
            problem,
        })?;
        if let Some(last) = rows.last().filter(|last| last.offset_us > row.offset_us) {
            let problem = format!(
                "offset_ms: found {}, after {}; offsets never go back",
                millis(row.offset_us),
                millis(last.offset_us)
            );
            return Err(TraceError {
                line: index + 1,
                problem,
            });
        }
        rows.push(row);
    }
    if rows.is_empty() {
        let problem = "found no row; a trace needs at least one".to_owned();
        return Err(TraceError { line: 1, problem });
    }
    Ok(rows)
}

fn parse_row(line: &str, workload: &Workload) -> Result<TraceRow, String> {
    let cells: Vec<&str> = line.split(',').map(str::trim).collect();
    let [offset, name, service, payload] = cells[..] else {
        return Err(format!("found {} cells; allowed are 4: {HEADER}", cells.len()));
    };
    let definition = workload
        .position(name)
        .and_then(|place| u16::try_from(place).ok())
        .ok_or_else(|| {
            let names: Vec<&str> = workload
                .definitions
                .iter()
                .map(|entry| entry.definition.name.as_str())
                .collect();
            format!("definition: found {name:?}; allowed are {}", names.join(", "))
        })?;
    let payload_bytes = payload
        .parse()
        .ok()
        .filter(|bytes| *bytes <= 16 * 1024 * 1024)
        .ok_or_else(|| format!("payload_bytes: found {payload:?}; allowed is 0 to 16777216"))?;
    Ok(TraceRow {
        offset_us: micros("offset_ms", offset, MILLIS_MAX)?,
        definition,
        service_us: u32::try_from(micros("service_ms", service, 3_600_000.0)?).unwrap_or(u32::MAX),
        payload_bytes,
    })
}

fn micros(key: &str, cell: &str, millis_max: f64) -> Result<u64, String> {
    match cell.parse::<f64>() {
        Ok(value) if (0.0..=millis_max).contains(&value) => Ok((value * 1_000.0).round() as u64),
        _ => Err(format!("{key}: found {cell:?}; allowed is 0 to {millis_max}")),
    }
}

fn millis(micros: u64) -> f64 {
    micros as f64 / 1_000.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scene::workload;

    fn refused(rows: &str) -> String {
        parse(&format!("{HEADER}\n{rows}"), &workload(&[1]))
            .unwrap_err()
            .to_string()
    }

    #[test]
    fn rows_are_read_to_the_microsecond() {
        let text = format!("{HEADER}\r\n0,flow,12.5,300\r\n\r\n4.2015, flow , 0 ,0\r\n");
        let rows = parse(&text, &workload(&[1])).unwrap();
        let row = |offset_us, service_us, payload_bytes| TraceRow {
            offset_us,
            definition: 0,
            service_us,
            payload_bytes,
        };
        assert_eq!(rows, [row(0, 12_500, 300), row(4_202, 0, 0)]);
    }

    #[test]
    fn each_fault_is_named_with_its_line() {
        let cases = [
            (
                "5,flow,1,1\n4,flow,1,1",
                "line 3: offset_ms: found 4, after 5; offsets never go back",
            ),
            ("0,other,1,1", "line 2: definition: found \"other\"; allowed are flow"),
            ("0,flow,1", "line 2: found 3 cells; allowed are 4"),
            (
                "-1,flow,1,1",
                "line 2: offset_ms: found \"-1\"; allowed is 0 to 86400000",
            ),
            (
                "0,flow,soon,1",
                "line 2: service_ms: found \"soon\"; allowed is 0 to 3600000",
            ),
            (
                "0,flow,1,big",
                "line 2: payload_bytes: found \"big\"; allowed is 0 to 16777216",
            ),
            ("", "line 1: found no row"),
        ];
        for (rows, expected) in cases {
            let message = refused(rows);
            assert!(
                message.contains(expected),
                "{rows}\n  gave {message}\n  not  {expected}"
            );
        }
        let message = parse("a,b\n", &workload(&[1])).unwrap_err().to_string();
        assert!(
            message.contains("line 1: found \"a,b\"; the first line must be"),
            "{message}"
        );
    }
}
