//! Tables: text to the left, numbers to the right, a scroll bar where the page is too narrow.

use maud::{Markup, html};

/// Rows of cells under headings; the first `text` columns are words.
pub fn table(heads: &[&str], text: usize, rows: &[Vec<String>]) -> Markup {
    let class = |index: usize| (index < text).then_some("t");
    html! {
        div.scroll {
            table class=[(heads.len() > DENSE_ABOVE).then_some("dense")] {
                thead { tr { @for (index, head) in heads.iter().enumerate() { th class=[class(index)] { (head) } } } }
                tbody {
                    @for row in rows {
                        tr { @for (index, cell) in row.iter().enumerate() { td class=[cell_class(index < text, cell)] { (cell) } } }
                    }
                }
            }
        }
    }
}

/// More columns than these stand closer together, so that a wide window holds them.
const DENSE_ABOVE: usize = 10;

/// Words are to the left; the short ones stay on one line.
fn cell_class(words: bool, cell: &str) -> Option<&'static str> {
    match words {
        true if cell.chars().count() <= 18 => Some("t short"),
        true => Some("t"),
        false => None,
    }
}

/// Names and values, in as many columns as fit; values longer than a short phrase get a row of their own, and all do if most are.
pub fn settings(pairs: &[(String, String)]) -> Markup {
    let is_long = |(name, value): &(String, String)| name.chars().count() + value.chars().count() > 38;
    let most = pairs.iter().filter(|pair| is_long(pair)).count() * 2 > pairs.len();
    html! {
        dl.settings {
            @for pair @ (name, value) in pairs {
                div class=[(most || is_long(pair)).then_some("long")] {
                    dt { (name) }
                    dd { (value) }
                }
            }
        }
    }
}
