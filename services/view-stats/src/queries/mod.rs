//! The figures: for each an `.sql` file and the reading of its rows.

mod failures;
mod instance_hours;
mod launches;

use std::fmt::Display;
use std::str::FromStr;

use crate::csv::Cell;
use crate::warehouse::{Table, TableName};

/// How the `.sql` files call the table of the events.
const TABLE: &str = "instance_events";

/// One kind of figures.
pub trait Figure: Sized + Clone + Send + Sync + 'static {
    /// Its query, over the table `instance_events`.
    const SQL: &'static str;
    /// Its columns in CSV, in the order of [`Self::cells`].
    const HEADER: &'static [&'static str];

    /// Reads one row of the answer.
    ///
    /// # Errors
    /// [`UnexpectedAnswer`] if a column is missing or holds something else than it should.
    fn read(row: &Row<'_>) -> Result<Self, UnexpectedAnswer>;

    /// The row in CSV.
    fn cells(&self) -> Vec<Cell<'_>>;
}

/// The figure's query over this table.
#[must_use]
pub fn sql<F: Figure>(table: &TableName) -> String {
    F::SQL.replace(TABLE, table.as_str())
}

/// The figures in an answer.
///
/// # Errors
/// [`UnexpectedAnswer`].
pub fn read<F: Figure>(table: &Table) -> Result<Vec<F>, UnexpectedAnswer> {
    table.rows.iter().map(|values| F::read(&Row { columns: &table.columns, values })).collect()
}

/// The answer does not have the shape that the query asks for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("column `{column}` of the answer is {problem}")]
pub struct UnexpectedAnswer {
    column: &'static str,
    problem: String,
}

/// One row of an answer.
#[derive(Debug, Clone, Copy)]
pub struct Row<'a> {
    columns: &'a [String],
    values: &'a [Option<String>],
}

impl Row<'_> {
    /// A value that may be null.
    fn optional<T: FromStr<Err: Display>>(
        &self,
        column: &'static str,
    ) -> Result<Option<T>, UnexpectedAnswer> {
        let unexpected = |problem: String| UnexpectedAnswer { column, problem };
        let value = self
            .columns
            .iter()
            .position(|name| name == column)
            .and_then(|index| self.values.get(index))
            .ok_or_else(|| unexpected("missing".to_owned()))?;
        value
            .as_deref()
            .map(|text| text.parse().map_err(|error: T::Err| unexpected(error.to_string())))
            .transpose()
    }

    /// A value.
    fn required<T: FromStr<Err: Display>>(&self, column: &'static str) -> Result<T, UnexpectedAnswer> {
        self.optional(column)?.ok_or_else(|| UnexpectedAnswer { column, problem: "null".to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use cloudapp_contract::stats::{FailuresRow, InstanceHoursRow, LaunchesRow};

    use super::*;

    fn table(columns: &[&str], row: &[Option<&str>]) -> Table {
        Table {
            columns: columns.iter().map(|&name| name.to_owned()).collect(),
            rows: vec![row.iter().map(|value| value.map(str::to_owned)).collect()],
        }
    }

    #[test]
    fn columns_are_found_by_name() {
        let answer = table(&["latest_reason", "code", "failures"], &[None, Some("boot_timeout"), Some("3")]);
        let row = FailuresRow { code: "boot_timeout".to_owned(), failures: 3, latest_reason: None };
        assert_eq!(read::<FailuresRow>(&answer).unwrap(), [row]);
    }

    #[test]
    fn another_shape_is_an_error_that_names_the_column() {
        let wrong = [
            (
                table(&["code", "failures"], &[Some("x"), Some("1")]),
                "column `latest_reason` of the answer is missing",
            ),
            (
                table(&["code", "failures", "latest_reason"], &[None, Some("1"), None]),
                "column `code` of the answer is null",
            ),
            (table(&["code", "failures", "latest_reason"], &[Some("x"), Some("many"), None]), "`failures`"),
            (
                table(&["code", "failures", "latest_reason"], &[Some("x")]),
                "`failures` of the answer is missing",
            ),
        ];
        for (answer, message) in wrong {
            let error = read::<FailuresRow>(&answer).unwrap_err().to_string();
            assert!(error.contains(message), "{error}");
        }
    }

    #[test]
    fn the_table_is_named_once_in_every_query_and_parameters_nowhere() {
        fn check<F: Figure>() {
            let sql = sql::<F>(&"other_table".parse().unwrap());
            assert_eq!(sql.matches("other_table").count(), 1);
            assert!(!sql.contains(TABLE));
            let body = sql.lines().filter(|line| !line.starts_with("--")).collect::<Vec<_>>().join("\n");
            assert_eq!(body.matches('?').count(), 4);
        }
        check::<LaunchesRow>();
        check::<InstanceHoursRow>();
        check::<FailuresRow>();
    }
}
