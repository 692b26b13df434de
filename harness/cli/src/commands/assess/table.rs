//! Which table is the job table: the one that the user names, or the only one that is named as job libraries name theirs.

use sqlx::postgres::types::Oid;
use sqlx::{PgConnection, Row};

use super::session::quoted;
use super::sql;
use crate::failure::bad_input;
use crate::place::did_you_mean;

/// What job libraries and engines call their tables, in any schema.
const USUAL: [&str; 11] = [
    "job",
    "jobs",
    "river_job",
    "oban_jobs",
    "good_jobs",
    "solid_queue_ready_executions",
    "que_jobs",
    "delayed_jobs",
    "procrastinate_jobs",
    "_private_jobs",
    "scheduled_jobs",
];

/// Most names that a message lists.
const LISTED: usize = 12;

/// The job table, found.
#[derive(Debug)]
pub struct Found {
    /// With its schema, quoted where SQL needs it.
    pub name: String,
    /// By its usual name.
    pub guessed: bool,
    /// Itself, and its partitions.
    pub relations: Vec<Oid>,
    /// Regular expression that finds it in a statement.
    pub pattern: String,
    bare: String,
}

impl Found {
    /// For a file's name.
    pub fn file_name(&self) -> String {
        let fits = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
        self.bare.chars().map(fits).collect()
    }
}

/// A table of the user's.
#[derive(Debug, Clone, PartialEq)]
struct Table {
    oid: Oid,
    schema: String,
    name: String,
}

impl Table {
    fn shown(&self) -> String {
        format!("{}.{}", quoted(&self.schema), quoted(&self.name))
    }
}

/// Finds it.
///
/// # Errors
/// Bad input with the nearest names, or with the candidates; the server's own failures.
pub async fn find(connection: &mut PgConnection, asked: Option<&str>) -> anyhow::Result<Found> {
    let rows = sqlx::query(sql::TABLES).fetch_all(&mut *connection).await?;
    let table = |row: &sqlx::postgres::PgRow| {
        Ok::<_, sqlx::Error>(Table {
            oid: row.try_get("oid")?,
            schema: row.try_get("schema")?,
            name: row.try_get("name")?,
        })
    };
    let tables: Vec<Table> = rows.iter().map(table).collect::<Result<_, _>>()?;
    let chosen = match asked {
        Some(asked) => named(&tables, asked)?,
        None => usual(&tables)?,
    };
    let rows = sqlx::query(sql::RELATIONS)
        .bind(chosen.oid)
        .fetch_all(connection)
        .await?;
    let mut relations = Vec::new();
    let mut names = Vec::new();
    for row in &rows {
        relations.push(row.try_get("oid")?);
        names.push(row.try_get::<String, _>("name")?);
    }
    Ok(Found {
        name: chosen.shown(),
        guessed: asked.is_none(),
        relations,
        pattern: pattern(&names),
        bare: chosen.name.clone(),
    })
}

/// The table of this name: with its schema, else in the only schema that has it.
fn named<'a>(tables: &'a [Table], asked: &str) -> anyhow::Result<&'a Table> {
    let plain = asked.replace('"', "");
    if let Some(table) = tables
        .iter()
        .find(|table| format!("{}.{}", table.schema, table.name) == plain)
    {
        return Ok(table);
    }
    let of_name: Vec<&Table> = tables.iter().filter(|table| table.name == plain).collect();
    match of_name[..] {
        [table] => Ok(table),
        [] => {
            let names: Vec<String> = match plain.contains('.') {
                true => tables
                    .iter()
                    .map(|table| format!("{}.{}", table.schema, table.name))
                    .collect(),
                false => tables.iter().map(|table| table.name.clone()).collect(),
            };
            Err(bad_input(format!(
                "--table: no table {asked:?} in this database{}; {}",
                did_you_mean(&plain, &names),
                listed(tables.iter())
            )))
        }
        _ => Err(bad_input(format!(
            "--table: {asked:?} is in several schemas; give one of {}",
            shown(of_name.into_iter())
        ))),
    }
}

/// The only table with a usual name.
fn usual(tables: &[Table]) -> anyhow::Result<&Table> {
    let found: Vec<&Table> = tables.iter().filter(|table| USUAL.contains(&&*table.name)).collect();
    match found[..] {
        [table] => Ok(table),
        [] => Err(bad_input(format!(
            "no table is named as job tables usually are ({}); name yours with --table; {}",
            USUAL.join(", "),
            listed(tables.iter())
        ))),
        _ => Err(bad_input(format!(
            "several tables may be the job table: {}; name one with --table",
            shown(found.into_iter())
        ))),
    }
}

fn shown<'a>(tables: impl Iterator<Item = &'a Table>) -> String {
    tables.map(Table::shown).collect::<Vec<_>>().join(", ")
}

fn listed<'a>(tables: impl ExactSizeIterator<Item = &'a Table>) -> String {
    match tables.len() {
        0 => "it has no tables at all: is it the right database?".to_owned(),
        count if count > LISTED => format!("there are {count}, such as {}", shown(tables.take(LISTED))),
        _ => format!("there are: {}", shown(tables)),
    }
}

/// Finds any of the names as a word of its own, so that `job` is not found in `job_type`.
fn pattern(names: &[String]) -> String {
    let escaped = |name: &String| -> String {
        let one = |c: char| match c {
            c if c.is_alphanumeric() || c == '_' => c.to_string(),
            c => format!("\\{c}"),
        };
        name.chars().map(one).collect()
    };
    let names: Vec<String> = names.iter().map(escaped).collect();
    format!("(?<!\\w)({})(?!\\w)", names.join("|"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tables(names: &[(&str, &str)]) -> Vec<Table> {
        let table = |(schema, name): &(&str, &str)| Table {
            oid: Oid(1),
            schema: (*schema).to_owned(),
            name: (*name).to_owned(),
        };
        names.iter().map(table).collect()
    }

    #[test]
    fn a_name_is_found_with_its_schema_or_in_the_only_one_that_has_it() {
        let tables = tables(&[("app", "job"), ("public", "task"), ("app", "Order")]);
        assert_eq!(named(&tables, "app.job").unwrap().schema, "app");
        assert_eq!(named(&tables, "task").unwrap().schema, "public");
        assert_eq!(named(&tables, "Order").unwrap().shown(), "app.\"Order\"");
        assert_eq!(named(&tables, "app.\"Order\"").unwrap().schema, "app");
    }

    #[test]
    fn a_name_that_is_not_there_is_answered_with_the_nearest() {
        let tables = tables(&[("public", "river_job"), ("public", "users")]);
        let error = named(&tables, "river_jobs").unwrap_err().to_string();
        assert!(
            error.contains("did you mean \"river_job\"?") && error.contains("public.users"),
            "{error}"
        );
        let error = named(&tables, "publik.river_job").unwrap_err().to_string();
        assert!(error.contains("did you mean \"public.river_job\"?"), "{error}");
        assert!(named(&[], "job").unwrap_err().to_string().contains("no tables at all"));
    }

    #[test]
    fn a_name_in_several_schemas_is_answered_with_them() {
        let tables = tables(&[("a", "job"), ("b", "job")]);
        let error = named(&tables, "job").unwrap_err().to_string();
        assert!(error.contains("a.job, b.job"), "{error}");
    }

    #[test]
    fn the_only_table_with_a_usual_name_is_taken_and_several_are_not() {
        let one = tables(&[("public", "users"), ("graphile_worker", "_private_jobs")]);
        assert_eq!(usual(&one).unwrap().shown(), "graphile_worker._private_jobs");
        let two = tables(&[("public", "river_job"), ("pgboss", "job")]);
        let error = usual(&two).unwrap_err().to_string();
        assert!(
            error.contains("public.river_job, pgboss.job") && error.contains("--table"),
            "{error}"
        );
        let error = usual(&tables(&[("public", "users")])).unwrap_err().to_string();
        assert!(error.contains("river_job") && error.contains("public.users"), "{error}");
    }

    #[test]
    fn names_are_escaped_for_the_pattern() {
        assert_eq!(
            pattern(&["job".to_owned(), "a.b".to_owned()]),
            "(?<!\\w)(job|a\\.b)(?!\\w)"
        );
    }
}
