//! Plain text: columns that line up, lines that fit, Markdown cells that can't break out.

/// Widest line of the terminal output.
pub const COLUMNS: usize = 100;

/// Columns padded to their widest cell, two spaces apart; the first `text` ones to the left. Lines are cut at [`COLUMNS`].
pub fn grid(rows: &[Vec<String>], text: usize) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        rows.iter()
            .filter_map(|row| row.get(column))
            .map(|cell| length(cell))
            .max()
            .unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let line = |row: &Vec<String>| {
        let cells: Vec<String> = row
            .iter()
            .zip(&widths)
            .enumerate()
            .map(|(column, (cell, width))| {
                let space = " ".repeat(width - length(cell));
                if column < text {
                    format!("{cell}{space}")
                } else {
                    format!("{space}{cell}")
                }
            })
            .collect();
        cut(&format!("  {}", cells.join("  ")), COLUMNS) + "\n"
    };
    rows.iter().map(line).collect()
}

/// Text broken at spaces so that no line is longer than [`COLUMNS`]; every line starts with `indent`.
pub fn wrap(text: &str, indent: &str) -> String {
    let room = COLUMNS - length(indent);
    let mut lines: Vec<String> = vec![String::new()];
    for word in plain(text).split_whitespace() {
        for piece in pieces(word, room) {
            let last = lines.len() - 1;
            if lines[last].is_empty() {
                lines[last] = piece;
            } else if length(&lines[last]) + 1 + length(&piece) <= room {
                lines[last] = format!("{} {piece}", lines[last]);
            } else {
                lines.push(piece);
            }
        }
    }
    lines.into_iter().map(|line| format!("{indent}{line}\n")).collect()
}

/// A word too long for a line, in pieces.
fn pieces(word: &str, room: usize) -> Vec<String> {
    let letters: Vec<char> = word.chars().collect();
    letters
        .chunks(room.max(1))
        .map(|chunk| chunk.iter().collect())
        .collect()
}

/// The text, cut with an ellipsis.
pub fn cut(text: &str, columns: usize) -> String {
    let text = plain(text);
    if length(&text) <= columns {
        return text.trim_end().to_owned();
    }
    let kept: String = text.chars().take(columns.saturating_sub(1)).collect();
    format!("{}…", kept.trim_end())
}

/// Control characters, escape sequences above all, become spaces: a name must not drive the terminal.
fn plain(text: &str) -> String {
    text.chars()
        .map(|letter| if letter.is_control() { ' ' } else { letter })
        .collect()
}

fn length(text: &str) -> usize {
    text.chars().count()
}

/// Text for Markdown: no markup from outside, no cell or line broken.
pub fn markdown(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in plain(text).chars() {
        match letter {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '|' | '*' | '_' | '`' | '[' | ']' | '\\' | '#' | '~' => out.extend(['\\', letter]),
            // A zero-width space keeps a pull request from notifying people.
            '@' => out.push_str("@\u{200b}"),
            _ => out.push(letter),
        }
    }
    out
}

/// Text inside a code span: the only thing that could leave it is a backtick.
pub fn code(text: &str) -> String {
    format!("`{}`", plain(text).replace('`', "'"))
}

/// Lines as a code block: a run of backticks could end it, so none is left.
pub fn block(lines: &[String]) -> String {
    let lines: Vec<String> = lines
        .iter()
        .take(12)
        .map(|line| plain(line).replace('`', "'").trim_end().to_owned())
        .collect();
    format!("\n```text\n{}\n```\n", lines.join("\n"))
}

/// A Markdown table; the first `text` columns to the left. Cells must be escaped already.
pub fn markdown_table(heads: &[String], text: usize, rows: &[Vec<String>]) -> String {
    let rule: Vec<&str> = (0..heads.len())
        .map(|column| if column < text { ":--" } else { "--:" })
        .collect();
    let mut out = format!("| {} |\n| {} |\n", heads.join(" | "), rule.join(" | "));
    for row in rows {
        out.push_str(&format!("| {} |\n", row.join(" | ")));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_never_exceed_the_terminal() {
        let text = wrap(&format!("{} {}", "word ".repeat(60), "x".repeat(250)), "  ");
        assert!(text.lines().all(|line| line.chars().count() <= COLUMNS), "{text}");
    }

    #[test]
    fn markup_and_escape_sequences_from_outside_are_text() {
        assert_eq!(markdown("<b>|*\u{1b}[31m@me"), "&lt;b&gt;\\|\\* \\[31m@\u{200b}me");
        assert_eq!(cut("a\u{1b}[31mb", 20), "a [31mb");
        assert_eq!(code("a`b"), "`a'b`");
    }
}
