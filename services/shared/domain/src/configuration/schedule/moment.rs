use std::fmt;
use std::str::FromStr;

use chrono::{
    DateTime, Datelike as _, Days, MappedLocalTime, NaiveDate, NaiveDateTime, TimeDelta, TimeZone as _, Utc,
};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

use super::{InvalidSchedule, Minute, Weekdays, parse, parse_minute, show_minute};

const EXAMPLE: &str = "Mon-Fri 19:00 Europe/Berlin";
/// No change of clocks has left out more than a day.
const LONGEST_GAP_MINUTES: i64 = 25 * 60;

/// A moment of some days of every week, by the clock on the wall of a place: `daily 20:00 Europe/Berlin`.
///
/// It comes once on each of its days: a time that the clocks skip in spring is the first moment after the gap, one that
/// they repeat in autumn is the first of the two. `24:00` is the end of the day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct WeeklyTime {
    days: Weekdays,
    at: Minute,
    zone: Tz,
}

impl WeeklyTime {
    /// The first such moment later than `after`; `None` only at the end of the calendar.
    #[must_use]
    pub fn next_after(&self, after: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let today = after.with_timezone(&self.zone).date_naive();
        // Yesterday's 24:00 may still come; a week and a day later there is certainly one.
        today
            .checked_sub_days(Days::new(1))?
            .iter_days()
            .take(10)
            .filter(|date| self.days.contains(date.weekday()))
            .filter_map(|date| self.on(date))
            .find(|moment| *moment > after)
    }

    fn on(&self, date: NaiveDate) -> Option<DateTime<Utc>> {
        let shown = date.and_hms_opt(0, 0, 0)?.checked_add_signed(TimeDelta::minutes(self.at.into()))?;
        match self.zone.from_local_datetime(&shown) {
            MappedLocalTime::Single(moment) | MappedLocalTime::Ambiguous(moment, _) => Some(moment.to_utc()),
            MappedLocalTime::None => self.end_of_gap(shown),
        }
    }

    /// The first moment after the gap that `skipped` lies in.
    fn end_of_gap(&self, skipped: NaiveDateTime) -> Option<DateTime<Utc>> {
        (1..=LONGEST_GAP_MINUTES).find_map(|minutes| {
            let shown = skipped.checked_add_signed(TimeDelta::minutes(minutes))?;
            Some(self.zone.from_local_datetime(&shown).earliest()?.to_utc())
        })
    }
}

impl FromStr for WeeklyTime {
    type Err = InvalidSchedule;

    fn from_str(text: &str) -> Result<Self, InvalidSchedule> {
        let time = |text: &str| parse_minute(text).ok_or("the time is one such as 19:00");
        let read = parse(text, time);
        let (days, at, zone) = read.map_err(|wrong| InvalidSchedule { example: EXAMPLE, wrong })?;
        Ok(Self { days, at, zone })
    }
}

impl fmt::Display for WeeklyTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.days, show_minute(self.at), self.zone)
    }
}

impl TryFrom<String> for WeeklyTime {
    type Error = InvalidSchedule;

    fn try_from(text: String) -> Result<Self, InvalidSchedule> {
        text.parse()
    }
}

impl From<WeeklyTime> for String {
    fn from(time: WeeklyTime) -> Self {
        time.to_string()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    fn next(schedule: &str, after: &str) -> DateTime<Utc> {
        schedule.parse::<WeeklyTime>().unwrap().next_after(at(after)).unwrap()
    }

    #[test]
    fn the_same_hour_on_the_wall_in_summer_and_in_winter() {
        assert_eq!(next("daily 20:00 Europe/Berlin", "2026-07-01T12:00:00Z"), at("2026-07-01T18:00:00Z"));
        assert_eq!(next("daily 20:00 Europe/Berlin", "2026-12-01T12:00:00Z"), at("2026-12-01T19:00:00Z"));
        // Clocks go back on Sunday, 25 October 2026.
        assert_eq!(next("daily 20:00 Europe/Berlin", "2026-10-24T18:00:00Z"), at("2026-10-25T19:00:00Z"));
    }

    #[test]
    fn only_on_its_days_and_never_the_moment_itself() {
        // 2026-11-20 is a Friday.
        assert_eq!(next("Mon-Fri 19:00 UTC", "2026-11-20T18:59:59Z"), at("2026-11-20T19:00:00Z"));
        assert_eq!(next("Mon-Fri 19:00 UTC", "2026-11-20T19:00:00Z"), at("2026-11-23T19:00:00Z"));
        assert_eq!(next("Sun 24:00 UTC", "2026-11-20T19:00:00Z"), at("2026-11-23T00:00:00Z"));
    }

    #[test]
    fn a_time_that_the_clocks_skip_is_the_first_moment_after_the_gap() {
        // From 02:00 to 03:00 on 29 March 2026.
        assert_eq!(next("daily 02:30 Europe/Berlin", "2026-03-28T12:00:00Z"), at("2026-03-29T01:00:00Z"));
        assert_eq!(next("daily 02:30 Europe/Berlin", "2026-03-29T01:00:00Z"), at("2026-03-30T00:30:00Z"));
        // Samoa left out all of 30 December 2011.
        assert_eq!(next("daily 12:00 Pacific/Apia", "2011-12-30T00:00:00Z"), at("2011-12-30T10:00:00Z"));
    }

    #[test]
    fn a_time_that_the_clocks_repeat_comes_once() {
        let first = "2026-10-25T00:30:00Z";
        assert_eq!(next("daily 02:30 Europe/Berlin", "2026-10-24T12:00:00Z"), at(first));
        assert_eq!(next("daily 02:30 Europe/Berlin", first), at("2026-10-26T01:30:00Z"));
    }

    #[test]
    fn what_is_not_a_time_is_refused_with_an_example() {
        for wrong in [
            "",
            "19:00 UTC",
            "Mon 25:00 UTC",
            "Mon 7:00 UTC",
            "Mon 19:60 UTC",
            "Mon 19:00 Berlin",
            "Mon 08:00-18:00 UTC",
            "Tag 19:00 UTC",
            "Mon 19:00 UTC always",
        ] {
            let sentence = wrong.parse::<WeeklyTime>().unwrap_err().to_string();
            assert!(sentence.starts_with("must be written as `Mon-Fri 19:00"), "{wrong}: {sentence}");
        }
    }

    #[test]
    fn it_travels_as_text() {
        let read: WeeklyTime = serde_json::from_value("mon-wed,sat 24:00 America/New_York".into()).unwrap();
        assert_eq!(serde_json::to_value(read).unwrap(), "Mon,Tue,Wed,Sat 24:00 America/New_York");
        assert!(serde_json::from_value::<WeeklyTime>("never".into()).is_err());
    }

    proptest! {
        #[test]
        fn the_next_moment_comes_within_a_week_and_shows_the_time(
            seconds in 1_577_836_800_i64..1_893_456_000, minute in 0_u16..1440,
            zone in proptest::sample::select(vec![
                "UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe",
            ]),
        ) {
            let schedule: WeeklyTime = format!("Wed {} {zone}", show_minute(minute)).parse().unwrap();
            let after = DateTime::from_timestamp(seconds, 0).unwrap();
            let next = schedule.next_after(after).unwrap();
            // A week, and an hour more if the clocks go back in it.
            prop_assert!(next > after && next - after <= TimeDelta::hours(7 * 24 + 1), "{next}");
            prop_assert_eq!(schedule.next_after(next - TimeDelta::seconds(1)), Some(next));
            let zone: Tz = zone.parse().unwrap();
            let shown = next.with_timezone(&zone).naive_local();
            let wanted = shown.date().and_hms_opt(0, 0, 0).unwrap() + TimeDelta::minutes(minute.into());
            prop_assert!(shown == wanted || zone.from_local_datetime(&wanted).earliest().is_none(), "{shown}");
        }
    }
}
