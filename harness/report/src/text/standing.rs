//! All claims in the terminal and in a pull request.

use crossover_evidence::claims::standing::{ClaimsPage, Stand};

use super::grid::{code, markdown, markdown_table, wrap};
use crate::format::{NONE, count, moment, sentence};

/// How many claims stand where: `3 supported, 1 refuted, 2 not settled, 24 not yet measured.`
pub fn headline(page: &ClaimsPage) -> String {
    let number = |stand: Stand| page.claims.iter().filter(|claim| claim.stand == stand).count();
    let parts = Stand::ALL.map(|stand| format!("{} {}", number(stand), stand.words()));
    sentence(&parts.join(", "))
}

/// The claims as a text, at most 100 columns.
pub fn claims_terminal(page: &ClaimsPage) -> String {
    let mut out = wrap(&headline(page), "");
    out.push_str(&wrap(
        &format!(
            "{} runs were read, {} of them valid.",
            count(page.runs as u64),
            count(page.valid_runs as u64)
        ),
        "",
    ));
    for claim in &page.claims {
        out.push('\n');
        let word = claim.stand.words().to_uppercase();
        out.push_str(&wrap(&format!("{} {word}. {}", claim.id, sentence(&claim.text)), ""));
        out.push_str(&wrap(&sentence(&claim.evidence), "    "));
        let hint = match &claim.run {
            Some(run) => run.clone(),
            None => format!("next: {}", claim.command),
        };
        out.push_str(&wrap(&hint, "    "));
    }
    out
}

/// The claims as Markdown.
pub fn claims_markdown(page: &ClaimsPage) -> String {
    let heads = ["claim", "where it stands", "the number", "run"].map(str::to_owned);
    let rows: Vec<Vec<String>> = page
        .claims
        .iter()
        .map(|claim| {
            let run = claim.run.as_deref().map_or_else(|| NONE.to_owned(), code);
            vec![
                format!("**{}** {}", claim.id, markdown(&sentence(&claim.text))),
                claim.stand.words().to_owned(),
                markdown(&sentence(&claim.evidence)),
                run,
            ]
        })
        .collect();
    format!(
        "### Crossover: claims\n\n**{}**\n\n{}\n{} of {} runs are valid. {}\n",
        headline(page),
        markdown_table(&heads, heads.len(), &rows),
        page.valid_runs,
        page.runs,
        markdown(&moment(&page.written_at))
    )
}
