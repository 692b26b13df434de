//! `doctor`: what a run would use here, what is missing, and how to get it; and whether servers of the user's own will do.

use std::io::Write;
use std::process::ExitCode;

use crossover_external::{Examined, ExternalArgs};
use crossover_testbed::doctor::{Finding, Part, Readiness, State, Use, examine, readiness};

/// Exit code of a testbed that is not available.
const UNAVAILABLE: u8 = 3;

/// Runs the command: polling, which needs least, decides the exit code; with `--testbed external`, the user's servers.
///
/// # Errors
/// If nobody reads what it says, or the user's servers will not do.
pub async fn run(args: &ExternalArgs) -> anyhow::Result<ExitCode> {
    if args.is_external()? {
        let examined = crossover_external::examine(args, !args.external_broker.is_empty()).await?;
        tell_servers(&mut std::io::stdout().lock(), &examined)?;
        return Ok(ExitCode::SUCCESS);
    }
    let findings = examine();
    let ready = readiness(&findings);
    tell(&mut std::io::stdout().lock(), &findings, &ready)?;
    let can_poll = ready.iter().all(|ready| ready.of != Use::Polling || ready.is_ready());
    Ok(if can_poll {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(UNAVAILABLE)
    })
}

fn tell(out: &mut impl Write, findings: &[Finding], ready: &[Readiness]) -> std::io::Result<()> {
    let width = findings
        .iter()
        .map(|finding| finding.part.to_string().len())
        .max()
        .unwrap_or(0);
    for finding in findings {
        let mark = match finding.state {
            State::Ready => "ready  ",
            State::WillFetch => "fetched",
            State::Missing => "missing",
        };
        let purpose = finding
            .part
            .purpose()
            .map(|purpose| format!(" ({purpose})"))
            .unwrap_or_default();
        writeln!(out, "{mark}  {:width$}  {}{purpose}", finding.part, finding.found)?;
        if let Some(remedy) = &finding.remedy {
            writeln!(out, "         {:width$}  → {remedy}", "")?;
        }
    }
    writeln!(out)?;
    for ready in ready {
        let state = match (ready.is_ready(), &ready.fetched_first[..]) {
            (false, _) => format!("missing {}", names(&ready.missing)),
            (true, []) => "ready".to_owned(),
            (true, parts) => format!("ready, after {} was fetched", names(parts)),
        };
        writeln!(out, "{:15}  {state}", ready.of)?;
    }
    Ok(())
}

fn names(parts: &[Part]) -> String {
    let names: Vec<String> = parts.iter().map(ToString::to_string).collect();
    names.join(", ")
}

fn tell_servers(out: &mut impl Write, examined: &Examined) -> std::io::Result<()> {
    writeln!(out, "ready    PostgreSQL {}", examined.postgres.version)?;
    if let Some(kafka) = &examined.kafka {
        writeln!(out, "ready    {}, {} brokers", kafka.kind, kafka.brokers)?;
    }
    for (server, acknowledgement) in examined.acknowledgements() {
        writeln!(out, "         {server}: {acknowledgement}")?;
    }
    for difference in examined.differences() {
        writeln!(out, "         note: {difference}")?;
    }
    for reason in examined.invalid_reasons() {
        writeln!(out, "         a run would not be valid: {reason}")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_use_says_whether_it_is_ready_or_what_it_lacks() {
        let finding = |part, state, found: &str, remedy: Option<&str>| Finding {
            part,
            state,
            found: found.to_owned(),
            remedy: remedy.map(str::to_owned),
        };
        let findings = [
            finding(
                Part::Postgres,
                State::Ready,
                "15.14 in /usr/lib/postgresql/15/bin",
                None,
            ),
            finding(Part::Docker, State::Ready, "27.0 at unix:///var/run/docker.sock", None),
            finding(
                Part::Images,
                State::Missing,
                "PostgreSQL: none",
                Some("./just images builds stand-ins here"),
            ),
            finding(
                Part::Java,
                State::Missing,
                "no Java",
                Some("apt-get install default-jre-headless"),
            ),
            finding(
                Part::Toxiproxy,
                State::WillFetch,
                "none; will be built",
                Some("crossover setup"),
            ),
        ];
        let mut out = Vec::new();
        tell(&mut out, &findings, &readiness(&findings)).unwrap();
        insta::assert_snapshot!(String::from_utf8(out).unwrap(), @r"
        ready    PostgreSQL     15.14 in /usr/lib/postgresql/15/bin (for every mode)
        ready    Docker engine  27.0 at unix:///var/run/docker.sock (for servers in containers)
        missing  images         PostgreSQL: none (for servers in containers)
                                → ./just images builds stand-ins here
        missing  Java           no Java (for event-driven mode)
                                → apt-get install default-jre-headless
        fetched  Toxiproxy      none; will be built (for faults on links)
                                → crossover setup

        polling          ready
        event-driven     missing Java
        faults on links  ready, after Toxiproxy was fetched
        containers       missing images
        ");
    }
}
