use cloudapp_contract::stats::InstanceHoursRow;

use super::{Figure, Row, UnexpectedAnswer};
use crate::csv::Cell;

impl Figure for InstanceHoursRow {
    const SQL: &'static str = include_str!("instance_hours.sql");
    const HEADER: &'static [&'static str] =
        &["configuration_id", "configuration_name", "instances", "hours", "cost_usd"];

    fn read(row: &Row<'_>) -> Result<Self, UnexpectedAnswer> {
        Ok(Self {
            configuration_id: row.required("configuration_id")?,
            configuration_name: row.required("configuration_name")?,
            instances: row.required("instances")?,
            hours: row.required("hours")?,
            cost_usd: row.required("cost_usd")?,
        })
    }

    fn cells(&self) -> Vec<Cell<'_>> {
        vec![
            Cell::value(self.configuration_id),
            Cell::Text(&self.configuration_name),
            Cell::value(self.instances),
            Cell::value(self.hours),
            Cell::value(self.cost_usd),
        ]
    }
}
