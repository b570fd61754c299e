use cloudapp_contract::stats::LaunchesRow;

use super::{Figure, Row, UnexpectedAnswer};
use crate::csv::Cell;

impl Figure for LaunchesRow {
    const SQL: &'static str = include_str!("launches.sql");
    const HEADER: &'static [&'static str] =
        &["day", "configuration_id", "configuration_name", "launches", "ready", "failed"];

    fn read(row: &Row<'_>) -> Result<Self, UnexpectedAnswer> {
        Ok(Self {
            day: row.required("day")?,
            configuration_id: row.required("configuration_id")?,
            configuration_name: row.required("configuration_name")?,
            launches: row.required("launches")?,
            ready: row.required("ready")?,
            failed: row.required("failed")?,
        })
    }

    fn cells(&self) -> Vec<Cell<'_>> {
        vec![
            Cell::value(self.day),
            Cell::value(self.configuration_id),
            Cell::Text(&self.configuration_name),
            Cell::value(self.launches),
            Cell::value(self.ready),
            Cell::value(self.failed),
        ]
    }
}
