use chrono::{DateTime, TimeDelta, Utc};

/// A `<time>` element: UTC as text, which a script turns into the reader's own time.
pub(crate) fn moment(at: &DateTime<Utc>) -> String {
    format!(
        r#"<time datetime="{}">{}</time>"#,
        at.format("%Y-%m-%dT%H:%M:%SZ"),
        at.format("%-d %b %Y, %H:%M UTC")
    )
}

/// `45 s`, `3 min`, `2 h 10 min`, `3 days`.
pub(crate) fn duration(time: TimeDelta) -> String {
    let seconds = time.num_seconds().max(0);
    let (minutes, hours, days) = (seconds / 60, seconds / 3_600, seconds / 86_400);
    match seconds {
        ..60 => format!("{seconds} s"),
        60..3_600 => format!("{minutes} min"),
        3_600..172_800 if minutes % 60 == 0 => format!("{hours} h"),
        3_600..172_800 => format!("{hours} h {} min", minutes % 60),
        _ => format!("{days} days"),
    }
}

/// `in 2 h 10 min`, `5 min ago`, `now`.
pub(crate) fn relative(at: DateTime<Utc>, now: DateTime<Utc>) -> String {
    let difference = at - now;
    if difference.abs() < TimeDelta::seconds(1) {
        "now".to_owned()
    } else if difference > TimeDelta::zero() {
        format!("in {}", duration(difference))
    } else {
        format!("{} ago", duration(-difference))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_short_and_exact_enough() {
        let now = DateTime::from_timestamp(1_790_000_000, 0).unwrap();
        assert_eq!(duration(TimeDelta::seconds(59)), "59 s");
        assert_eq!(duration(TimeDelta::minutes(130)), "2 h 10 min");
        assert_eq!(duration(TimeDelta::hours(8)), "8 h");
        assert_eq!(duration(TimeDelta::hours(72)), "3 days");
        assert_eq!(relative(now + TimeDelta::minutes(5), now), "in 5 min");
        assert_eq!(relative(now - TimeDelta::minutes(5), now), "5 min ago");
        assert_eq!(moment(&now), r#"<time datetime="2026-09-21T14:13:20Z">21 Sep 2026, 14:13 UTC</time>"#);
    }
}
