//! The page around the sections: head, style, script, header, footer.

use maud::{DOCTYPE, Markup, PreEscaped, html};

const STYLE: &str = include_str!("../assets/page.css");
const SCRIPT: &str = include_str!("../assets/page.js");

/// The whole page; `facts` stand in the header, parted by dots.
pub fn page(title: &str, body_class: &str, facts: &[String], body: &Markup) -> String {
    let markup = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="generator" content=(concat!("crossover ", env!("CARGO_PKG_VERSION")));
                title { (title) }
                style { (PreEscaped(STYLE)) }
            }
            body class=(body_class) {
                div.page {
                    header.top {
                        span.brand { "Crossover" }
                        span.facts { @for fact in facts { span { (fact) } } }
                        button #theme type="button" hidden { "Dark" }
                    }
                    main { (body) }
                }
                script { (PreEscaped(SCRIPT)) }
            }
        }
    };
    markup.into_string()
}

/// A relative path stays one: `javascript:` and other schemes get a harmless prefix.
pub fn link(path: &str) -> String {
    if path.split('/').next().is_some_and(|first| first.contains(':')) {
        format!("./{path}")
    } else {
        path.to_owned()
    }
}

/// A section with its heading; `numbers` marks what an invalid run greys.
pub fn section(id: &str, title: &str, numbers: bool, body: &Markup) -> Markup {
    html! {
        section id=(id) class=[numbers.then_some("numbers")] {
            h2 { (title) }
            (body)
        }
    }
}
