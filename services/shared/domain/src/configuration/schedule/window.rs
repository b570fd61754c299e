use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Datelike as _, NaiveTime, Timelike as _, Utc};
use chrono_tz::Tz;

use super::{InvalidSchedule, MIDNIGHT, Minute, Weekdays, parse, parse_minute, show_minute};

const EXAMPLE: &str = "Mon-Fri 08:00-18:00 Europe/Berlin";

/// The same hours on some days of every week, by the clock on the wall of a place: `Mon-Fri 08:00-18:00 Europe/Berlin`.
///
/// Days are ranges or lists (`Mon-Thu,Sat`; `Sat-Mon` passes the end of the week; `daily`). A window whose end is not after its
/// beginning (`22:00-06:00`) passes midnight and belongs to the day it begins on; `00:00-24:00` is a whole day. The zone
/// is an IANA name. An hour that the clocks skip in spring is never open, one that they repeat in autumn is open both
/// times.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WeeklySchedule {
    days: Weekdays,
    /// Less than [`MIDNIGHT`].
    from: Minute,
    /// Never equal to `from`.
    until: Minute,
    zone: Tz,
}

impl WeeklySchedule {
    /// Whether `now` is in one of its windows; their ends are not.
    #[must_use]
    pub fn is_open_at(&self, now: DateTime<Utc>) -> bool {
        let local = now.with_timezone(&self.zone);
        let minute = minute_of(local.time());
        let (today, yesterday) =
            (self.days.contains(local.weekday()), self.days.contains(local.weekday().pred()));
        if self.from < self.until {
            today && (self.from..self.until).contains(&minute)
        } else {
            (today && minute >= self.from) || (yesterday && minute < self.until)
        }
    }
}

fn minute_of(time: NaiveTime) -> Minute {
    // 1,439 at most.
    Minute::try_from(time.hour() * 60 + time.minute()).unwrap_or(MIDNIGHT)
}

impl FromStr for WeeklySchedule {
    type Err = InvalidSchedule;

    fn from_str(text: &str) -> Result<Self, InvalidSchedule> {
        let read = parse(text, parse_hours);
        let (days, (from, until), zone) =
            read.map_err(|wrong| InvalidSchedule { example: EXAMPLE, wrong })?;
        Ok(Self { days, from, until, zone })
    }
}

fn parse_hours(text: &str) -> Result<(Minute, Minute), &'static str> {
    let times = text.split_once('-').map(|(from, until)| (parse_minute(from), parse_minute(until)));
    match times {
        Some((Some(from), Some(until))) if from < MIDNIGHT && from != until => Ok((from, until)),
        _ => Err("hours are two different times such as 08:00-18:00"),
    }
}

impl fmt::Display for WeeklySchedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}-{} {}", self.days, show_minute(self.from), show_minute(self.until), self.zone)
    }
}

#[cfg(test)]
mod tests {
    use chrono::{NaiveDate, TimeDelta, TimeZone as _};
    use proptest::prelude::*;

    use super::*;

    fn schedule(text: &str) -> WeeklySchedule {
        text.parse().unwrap()
    }

    /// By the clock on the wall in Berlin; the earlier of two.
    fn berlin(text: &str) -> DateTime<Utc> {
        let local = chrono::NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M").unwrap();
        Tz::Europe__Berlin.from_local_datetime(&local).earliest().unwrap().to_utc()
    }

    #[test]
    fn office_hours_follow_the_clock_on_the_wall_through_the_year() {
        let office = schedule("Mon-Fri 08:00-18:00 Europe/Berlin");
        // A Friday in winter (UTC+1), a Monday in summer (UTC+2).
        for day in ["2026-03-27", "2026-03-30"] {
            assert!(!office.is_open_at(berlin(&format!("{day} 07:59"))), "{day}");
            assert!(office.is_open_at(berlin(&format!("{day} 08:00"))), "{day}");
            assert!(office.is_open_at(berlin(&format!("{day} 17:59"))), "{day}");
            assert!(!office.is_open_at(berlin(&format!("{day} 18:00"))), "{day}");
        }
        assert_eq!(
            berlin("2026-03-27 08:00") + TimeDelta::hours(71),
            berlin("2026-03-30 08:00"),
            "the clocks change on the Sunday in between"
        );
        assert!(!office.is_open_at(berlin("2026-03-28 12:00")), "a Saturday");
    }

    #[test]
    fn an_hour_that_the_clocks_skip_is_never_open_and_one_that_they_repeat_is_open_twice() {
        let night = schedule("Sun 02:00-03:00 Europe/Berlin");
        let open_minutes = |from: &str| {
            let from = berlin(from);
            (0..24 * 60).filter(|minute| night.is_open_at(from + TimeDelta::minutes(*minute))).count()
        };
        assert_eq!(open_minutes("2026-03-29 00:00"), 0, "spring");
        assert_eq!(open_minutes("2026-10-25 00:00"), 120, "autumn");
        assert_eq!(open_minutes("2026-06-07 00:00"), 60, "any other Sunday");
    }

    #[test]
    fn a_window_past_midnight_belongs_to_the_day_it_begins_on() {
        let night = schedule("Fri 22:00-06:00 Europe/Berlin");
        assert!(night.is_open_at(berlin("2026-11-20 22:00")));
        assert!(night.is_open_at(berlin("2026-11-21 05:59")), "on Saturday, of Friday's window");
        assert!(!night.is_open_at(berlin("2026-11-21 06:00")));
        assert!(!night.is_open_at(berlin("2026-11-21 22:00")));
        assert!(!night.is_open_at(berlin("2026-11-20 05:00")), "of Thursday's, which there is none of");
        let sunday = schedule("Sun 22:00-06:00 Europe/Berlin");
        assert!(sunday.is_open_at(berlin("2026-11-23 01:00")), "past the end of the week");
    }

    #[test]
    fn days_are_ranges_and_lists() {
        assert_eq!(schedule("Sat-Mon,Wed 08:00-24:00 UTC").to_string(), "Mon,Wed,Sat,Sun 08:00-24:00 UTC");
        assert_eq!(
            schedule("mon 00:00-24:00 America/New_York").to_string(),
            "Mon 00:00-24:00 America/New_York"
        );
    }

    #[test]
    fn what_is_not_a_schedule_is_refused_with_the_reason() {
        for wrong in [
            "",
            "Mon-Fri",
            "Mon-Fri 08:00-18:00",
            "Mon-Fri 8-18 Europe/Berlin",
            "Mon-Fri 08:00-08:00 Europe/Berlin",
            "Mon-Fri 24:00-08:00 Europe/Berlin",
            "Mon-Fri 08:00-24:01 Europe/Berlin",
            "Mon-Fri 08:60-18:00 Europe/Berlin",
            "Mon-Fri +8:00-18:00 Europe/Berlin",
            "Mon-Fri 08:00-18:00 Berlin",
            "Monday 08:00-18:00 Europe/Berlin",
            "Mon- 08:00-18:00 Europe/Berlin",
            "Mon,,Tue 08:00-18:00 Europe/Berlin",
            "Mon 08:00-18:00 Europe/Berlin always",
        ] {
            let error = wrong.parse::<WeeklySchedule>().expect_err(wrong);
            assert!(error.to_string().starts_with("must be written as"), "{wrong}: {error}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "\\PC{0,40}") {
            let _ = text.parse::<WeeklySchedule>();
        }

        /// Whatever the zone and the season: open exactly when the clock on the wall says so.
        #[test]
        fn open_means_that_the_wall_clock_says_so(
            days in proptest::collection::vec(0_u8..7, 1..7),
            from in 0_u16..MIDNIGHT, length in 1_u16..MIDNIGHT,
            zone in proptest::sample::select(vec![
                "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "UTC", "Africa/Casablanca",
            ]),
            minute_of_two_years in 0_i64..2 * 366 * 24 * 60,
        ) {
            let names = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
            let days: Vec<&str> = days.iter().map(|day| names[usize::from(*day)]).collect();
            let until = (from + length) % MIDNIGHT;
            let clock = |minutes: u16| format!("{:02}:{:02}", minutes / 60, minutes % 60);
            let text = format!("{} {}-{} {zone}", days.join(","), clock(from), clock(until));
            let start = Utc.from_utc_datetime(&NaiveDate::from_ymd_opt(2026, 1, 1).unwrap().and_hms_opt(0, 0, 0).unwrap());
            let now = start + TimeDelta::minutes(minute_of_two_years);
            let wall = now.with_timezone(&zone.parse::<Tz>().unwrap());
            // How long ago, by the wall, the newest window that could cover this minute began.
            let minute = minute_of(wall.time());
            let (begun, day) = if minute >= from { (minute - from, wall.weekday()) }
                else { (minute + MIDNIGHT - from, wall.weekday().pred()) };
            let expected = begun < length && days.contains(&day.to_string().as_str());
            prop_assert_eq!(text.parse::<WeeklySchedule>().unwrap().is_open_at(now), expected, "{}", text);
        }
    }
}
