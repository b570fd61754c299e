use std::fmt;

use chrono::Weekday;

const WEEK: [Weekday; 7] =
    [Weekday::Mon, Weekday::Tue, Weekday::Wed, Weekday::Thu, Weekday::Fri, Weekday::Sat, Weekday::Sun];

/// Some days of the week, at least one: `daily`, `Mon-Fri`, `Mon-Thu,Sat`; `Sat-Mon` passes the end of the week.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Weekdays {
    /// By `Weekday::num_days_from_monday`.
    on: [bool; 7],
}

impl Weekdays {
    pub(super) fn parse(text: &str) -> Result<Self, &'static str> {
        if text.eq_ignore_ascii_case("daily") {
            return Ok(Self { on: [true; 7] });
        }
        let mut days = Self { on: [false; 7] };
        for range in text.split(',') {
            let (first, last) = range.split_once('-').unwrap_or((range, range));
            let (mut current, last) = (day(first)?, day(last)?);
            days.add(current);
            while current != last {
                current = current.succ();
                days.add(current);
            }
        }
        Ok(days)
    }

    const fn add(&mut self, day: Weekday) {
        self.on[day.num_days_from_monday() as usize] = true;
    }

    pub(super) const fn contains(self, day: Weekday) -> bool {
        self.on[day.num_days_from_monday() as usize]
    }
}

fn day(name: &str) -> Result<Weekday, &'static str> {
    let known = WEEK.into_iter().find(|day| day.to_string().eq_ignore_ascii_case(name));
    known.ok_or("days are Mon, Tue, Wed, Thu, Fri, Sat, Sun or daily")
}

/// The days one by one, so that any two equal schedules read alike.
impl fmt::Display for Weekdays {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let days: Vec<_> =
            WEEK.into_iter().filter(|day| self.contains(*day)).map(|day| day.to_string()).collect();
        f.write_str(&days.join(","))
    }
}
