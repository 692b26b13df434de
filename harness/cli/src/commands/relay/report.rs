//! The figures as text: for the terminal and as Markdown.

use crossover_report::format::{count, mebibytes, moment, ms_or_none, number, percent, rate, seconds};
use crossover_report::{grid, markdown_table};

use super::result::{Backlog, Idle, RelayReport, Used, Verification};

const BACKLOG_HEADS: [&str; 8] = [
    "backlog",
    "rows/s",
    "in",
    "Kafka's own",
    "share",
    "CPU relay",
    "PostgreSQL",
    "Kafka",
];
const IDLE_HEADS: [&str; 8] = [
    "one row at a time",
    "p50",
    "p99",
    "max",
    "rows",
    "CPU relay",
    "PostgreSQL",
    "memory",
];

/// At most 100 columns.
pub fn terminal(report: &RelayReport) -> String {
    let mut out = format!("{}\n{}\n\n", subject(report), doubts(report).join("\n"));
    if !report.backlogs.is_empty() {
        out.push_str(&grid(
            &table(&BACKLOG_HEADS, report.backlogs.iter().map(backlog_row)),
            1,
        ));
        out.push('\n');
    }
    if !report.idle.is_empty() {
        out.push_str(&grid(&table(&IDLE_HEADS, report.idle.iter().map(idle_row)), 1));
        out.push('\n');
    }
    notes(report).iter().for_each(|note| out.push_str(&format!("{note}\n")));
    out
}

/// The same as Markdown.
pub fn markdown(report: &RelayReport) -> String {
    let mut out = format!("# The relay alone\n\n{}.\n", subject(report));
    doubts(report)
        .iter()
        .for_each(|doubt| out.push_str(&format!("\n**{doubt}**\n")));
    let mut add = |heads: &[&str], rows: Vec<Vec<String>>| {
        let heads: Vec<String> = heads.iter().map(|head| (*head).to_owned()).collect();
        if !rows.is_empty() {
            out.push_str(&format!("\n{}", markdown_table(&heads, 1, &rows)));
        }
    };
    add(&BACKLOG_HEADS, report.backlogs.iter().map(backlog_row).collect());
    add(&IDLE_HEADS, report.idle.iter().map(idle_row).collect());
    out.push('\n');
    notes(report)
        .iter()
        .for_each(|note| out.push_str(&format!("- {note}\n")));
    let commit = report.git_commit.as_deref().unwrap_or("unknown");
    out.push_str(&format!("\nCommit {commit}. Repeat: `{}`\n", report.command));
    out
}

fn subject(report: &RelayReport) -> String {
    format!(
        "The relay alone, {}: payloads of {} bytes, records of {} bytes, {} instances, {} partitions",
        moment(&report.started_at),
        report.payload_bytes,
        number(report.record_bytes_mean),
        count(u64::from(report.instances)),
        report.partitions,
    )
}

fn doubts(report: &RelayReport) -> Vec<String> {
    let mut doubts: Vec<String> = report
        .invalid_reasons
        .iter()
        .map(|reason| format!("INVALID: {reason}"))
        .collect();
    if report.interrupted {
        doubts.push("INTERRUPTED: not all was measured".to_owned());
    }
    if !report.is_verified() {
        doubts.push("FAILED: see what was verified".to_owned());
    }
    doubts
}

fn table(heads: &[&str], rows: impl Iterator<Item = Vec<String>>) -> Vec<Vec<String>> {
    let heads = heads.iter().map(|head| (*head).to_owned()).collect();
    std::iter::once(heads).chain(rows).collect()
}

fn backlog_row(backlog: &Backlog) -> Vec<String> {
    let uses = &backlog.uses;
    vec![
        format!("{} rows", count(u64::from(backlog.rows))),
        rate(backlog.rows_per_s),
        seconds(backlog.elapsed_s),
        backlog.reference_records_per_s.map_or_else(|| "–".to_owned(), rate),
        backlog.share_of_reference.map_or_else(|| "–".to_owned(), percent),
        cpu(uses, uses.relay_cpu_s),
        cpu(uses, uses.postgres_cpu_s),
        cpu(uses, uses.kafka_cpu_s),
    ]
}

fn idle_row(idle: &Idle) -> Vec<String> {
    let (of, uses) = (&idle.latency_ms, &idle.uses);
    vec![
        idle.name.clone(),
        ms_or_none(of.p50),
        ms_or_none(of.p99),
        ms_or_none(of.max),
        count(of.count),
        cpu(uses, uses.relay_cpu_s),
        cpu(uses, uses.postgres_cpu_s),
        mebibytes(idle.relay_memory_mb_max),
    ]
}

/// As a share of one processor.
fn cpu(uses: &Used, cpu_s: f64) -> String {
    percent(cpu_s / uses.elapsed_s)
}

fn notes(report: &RelayReport) -> Vec<String> {
    let mut notes: Vec<String> = report.backlogs.iter().map(verified).collect();
    let references: Vec<String> = report.references.iter().map(|each| rate(each.records_per_s)).collect();
    if !references.is_empty() {
        notes.push(format!(
            "Kafka's own: its producer benchmark with acks=all, records of the same size, 12 partitions, before the first \
             backlog and after each: {}; a backlog's share is of the two beside it",
            references.join(" · ")
        ));
    }
    if !report.backlogs.is_empty() {
        notes.push(
            "rows/s: from the moment the relay took the lead to its last mark, by PostgreSQL's clock; the rows were written, \
             vacuumed, analysed and checkpointed before, and the topic was there"
                .to_owned(),
        );
    }
    for idle in &report.idle {
        let call = idle.call_ms.as_ref().map(|call| {
            let (p50, p99) = (ms_or_none(call.p50), ms_or_none(call.p99));
            format!("; of that, the call: p50 {p50}, p99 {p99}")
        });
        notes.push(format!("{}: {}{}", idle.name, idle.measures, call.unwrap_or_default()));
    }
    notes.push("CPU: of one processor, as a mean over the time; memory: the most that the relay ever had".to_owned());
    notes.extend(machine(report));
    notes
}

fn verified(backlog: &Backlog) -> String {
    let Verification {
        records,
        missing,
        duplicates,
        unreadable,
        out_of_order,
        wrong_marks,
    } = backlog.verification;
    format!(
        "{} rows: {} records, {missing} missing, {duplicates} twice, {unreadable} unreadable, {out_of_order} out of their \
         instance's order, {wrong_marks} wrong marks; relay's memory at most {}",
        count(u64::from(backlog.rows)),
        count(records),
        mebibytes(backlog.relay_memory_mb_max),
    )
}

fn machine(report: &RelayReport) -> Option<String> {
    let testbed = report.testbed.as_ref()?;
    let fsync = testbed
        .fsync_us_p50
        .map(|micros| format!(", fsync p50 {} µs", count(micros)));
    Some(format!(
        "PostgreSQL {}, Kafka {}, {} CPUs, {}{}",
        testbed.postgres.version,
        crossover_testbed::kafka::KAFKA_VERSION,
        testbed.cpus,
        testbed.file_system,
        fsync.unwrap_or_default()
    ))
}
