use chrono::{NaiveDate, TimeDelta};
use cloudapp_contract::stats::StatsQuery;
use serde::Deserialize;

/// Which days are wanted, as the page's query says; the last 30 days otherwise.
#[derive(Debug, Clone, Default, Deserialize)]
pub(super) struct RangeQuery {
    /// First day.
    #[serde(default)]
    from: String,
    /// Last day.
    #[serde(default)]
    to: String,
}

/// Days in UTC, both included, the first not after the last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Range {
    pub(super) from: NaiveDate,
    pub(super) to: NaiveDate,
}

/// Choices that the page offers, in days.
pub(super) const PRESETS: &[i64] = &[7, 30, 90];
/// The longest range, in days.
const LONGEST: i64 = 366;

impl RangeQuery {
    /// The range; what cannot be read is as if it were absent.
    pub(super) fn range(&self, today: NaiveDate) -> Range {
        let to = self.to.parse().unwrap_or(today).min(today);
        let from = self.from.parse().unwrap_or(to - TimeDelta::days(29));
        Range { from: from.clamp(to - TimeDelta::days(LONGEST - 1), to), to }
    }
}

impl Range {
    pub(super) fn query(self) -> StatsQuery {
        StatsQuery { from: Some(self.from), to: Some(self.to) }
    }

    /// The link to the last `days` days.
    pub(super) fn preset(days: i64, today: NaiveDate) -> String {
        format!("/admin/statistics?from={}&to={today}", today - TimeDelta::days(days - 1))
    }

    /// The query string of this range.
    pub(super) fn as_query_string(self) -> String {
        format!("from={}&to={}", self.from, self.to)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_sane_whatever_is_asked() {
        let today: NaiveDate = "2026-11-22".parse().unwrap();
        let range = |from: &str, to: &str| {
            let range = RangeQuery { from: from.to_owned(), to: to.to_owned() }.range(today);
            (range.from.to_string(), range.to.to_string())
        };
        let is = |from: &str, to: &str| (from.to_owned(), to.to_owned());
        assert_eq!(range("", ""), is("2026-10-24", "2026-11-22"));
        assert_eq!(range("2026-11-01", "2026-11-03"), is("2026-11-01", "2026-11-03"));
        assert_eq!(range("2026-11-09", "2026-11-03"), is("2026-11-03", "2026-11-03"));
        assert_eq!(range("1900-01-01", "2999-01-01"), is("2025-11-22", "2026-11-22"));
    }
}
