//! Which days are asked for.

use chrono::{Days, NaiveDate};
use cloudapp_contract::stats::StatsQuery;
use cloudapp_domain::configuration::FieldErrors;

use crate::warehouse::Literal;

/// Days in a range that is not given.
const DEFAULT_DAYS: u64 = 30;
/// The most days in a range: a leap year.
const MOST_DAYS: i64 = 366;
/// An event is exported on its day or, when it happens around midnight or the exporter lags, a little later.
const EXPORT_LAG: Days = Days::new(2);

/// Days in UTC, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct DayRange {
    from: NaiveDate,
    to: NaiveDate,
    /// The day after `to`.
    end: NaiveDate,
    /// The last day on which an event of the range may have been exported.
    exported_until: NaiveDate,
}

impl DayRange {
    /// The days that a query asks for; up to today if it does not say, 30 days if it does not say from when.
    ///
    /// # Errors
    /// Names the field that cannot be right.
    pub(crate) fn of(query: &StatsQuery, today: NaiveDate) -> Result<Self, FieldErrors> {
        let to = query.to.unwrap_or(today);
        let impossible = || FieldErrors::one("to", "must be a day of the calendar that has days around it");
        let (Some(end), Some(exported_until)) =
            (to.checked_add_days(Days::new(1)), to.checked_add_days(EXPORT_LAG))
        else {
            return Err(impossible());
        };
        let from = match query.from {
            Some(from) => from,
            None => to.checked_sub_days(Days::new(DEFAULT_DAYS - 1)).ok_or_else(impossible)?,
        };
        if from > to {
            return Err(FieldErrors::one("from", format!("must not be after the last day, {to}")));
        }
        if (end - from).num_days() > MOST_DAYS {
            return Err(FieldErrors::one(
                "from",
                format!("must be at most {MOST_DAYS} days before the last day"),
            ));
        }
        Ok(Self { from, to, end, exported_until })
    }

    /// First day.
    #[must_use]
    pub(crate) const fn from(&self) -> NaiveDate {
        self.from
    }

    /// Last day.
    #[must_use]
    pub(crate) const fn to(&self) -> NaiveDate {
        self.to
    }

    /// The parameters of every query: first and last export day, first day, day after the last.
    #[must_use]
    pub(crate) fn parameters(&self) -> Vec<Literal> {
        [self.from, self.exported_until, self.from, self.end].map(Literal::day).to_vec()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    fn range(from: Option<&str>, to: Option<&str>) -> Result<DayRange, String> {
        let query = StatsQuery { from: from.map(day), to: to.map(day) };
        DayRange::of(&query, day("2026-11-22")).map_err(|errors| errors.as_slice()[0].field.clone())
    }

    #[test]
    fn the_last_thirty_days_if_nothing_is_said() {
        let range = range(None, None).unwrap();
        assert_eq!((range.from(), range.to()), (day("2026-10-24"), day("2026-11-22")));
        let parameters: Vec<_> =
            range.parameters().iter().map(|literal| literal.as_str().to_owned()).collect();
        assert_eq!(parameters, ["'2026-10-24'", "'2026-11-24'", "'2026-10-24'", "'2026-11-23'"]);
    }

    #[test]
    fn a_day_and_a_leap_year_are_ranges() {
        assert!(range(Some("2026-11-01"), Some("2026-11-01")).is_ok());
        assert!(range(Some("2024-01-01"), Some("2024-12-31")).is_ok());
    }

    #[test]
    fn what_is_no_range_names_its_field() {
        assert_eq!(range(Some("2026-11-02"), Some("2026-11-01")).unwrap_err(), "from");
        assert_eq!(range(Some("2026-12-01"), None).unwrap_err(), "from");
        assert_eq!(range(Some("2024-01-01"), Some("2025-01-01")).unwrap_err(), "from");
        let last = StatsQuery { from: None, to: Some(NaiveDate::MAX) };
        assert_eq!(DayRange::of(&last, day("2026-11-22")).unwrap_err().as_slice()[0].field, "to");
        let first = StatsQuery { from: None, to: Some(NaiveDate::MIN) };
        assert!(DayRange::of(&first, day("2026-11-22")).is_err());
    }
}
