use cloudapp_contract::stats::FailuresRow;

use super::{Figure, Row, UnexpectedAnswer};
use crate::csv::Cell;

impl Figure for FailuresRow {
    const SQL: &'static str = include_str!("failures.sql");
    const HEADER: &'static [&'static str] = &["code", "failures", "latest_reason"];

    fn read(row: &Row<'_>) -> Result<Self, UnexpectedAnswer> {
        Ok(Self {
            code: row.required("code")?,
            failures: row.required("failures")?,
            latest_reason: row.optional("latest_reason")?,
        })
    }

    fn cells(&self) -> Vec<Cell<'_>> {
        vec![
            Cell::Text(&self.code),
            Cell::value(self.failures),
            Cell::Text(self.latest_reason.as_deref().unwrap_or_default()),
        ]
    }
}
