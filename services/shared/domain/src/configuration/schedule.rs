//! Times that come back every week, as people write them: hours ([`WeeklySchedule`]) and moments ([`WeeklyTime`]).
//!
//! Both belong to a place: they are what a clock on the wall there shows, through the nights in which clocks change.

mod days;
mod moment;
mod window;

use chrono_tz::Tz;

pub use moment::WeeklyTime;
pub use window::WeeklySchedule;

use days::Weekdays;

/// A text that is not a schedule: what is wrong with it and what would be right.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("must be written as `{example}`: {wrong}")]
pub struct InvalidSchedule {
    example: &'static str,
    wrong: &'static str,
}

/// Minutes after midnight, by the clock on the wall; at most [`MIDNIGHT`].
type Minute = u16;

/// Minutes of a day.
const MIDNIGHT: Minute = 24 * 60;

/// Reads days, what comes between, and a time zone, separated by spaces. Errors are what is wrong.
fn parse<T>(
    text: &str,
    times: impl Fn(&str) -> Result<T, &'static str>,
) -> Result<(Weekdays, T, Tz), &'static str> {
    let mut parts = text.split_whitespace();
    let (Some(days), Some(between), Some(zone), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err("it needs days, a time and a time zone, separated by spaces");
    };
    let zone = zone.parse().map_err(|_| "the time zone is not an IANA name")?;
    Ok((Weekdays::parse(days)?, times(between)?, zone))
}

/// `08:00`; `24:00` is the end of the day.
fn parse_minute(time: &str) -> Option<Minute> {
    let (hours, minutes) = time.split_once(':')?;
    let two = |digits: &str| {
        let plain = digits.len() == 2 && digits.bytes().all(|b| b.is_ascii_digit());
        plain.then(|| digits.parse::<Minute>().ok()).flatten()
    };
    let (hours, minutes) = (two(hours)?, two(minutes)?);
    let total = hours * 60 + minutes;
    (minutes < 60 && total <= MIDNIGHT).then_some(total)
}

fn show_minute(minutes: Minute) -> String {
    format!("{:02}:{:02}", minutes / 60, minutes % 60)
}
