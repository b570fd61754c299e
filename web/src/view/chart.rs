//! A stacked bar chart as numbers; the template draws it as SVG.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use cloudapp_contract::stats::LaunchesRow;
use cloudapp_domain::ConfigurationId;

/// Width of the drawing area, in the SVG's own units.
const WIDTH: f64 = 720.0;
/// Height of the drawing area.
const HEIGHT: f64 = 200.0;
/// Configurations beyond these share one colour.
const COLOURS: usize = 6;
/// Labels below the bars, at most.
const LABELS: i64 = 8;
/// Longer ranges than this are not drawn bar by bar.
const MAX_DAYS: i64 = 400;

/// Launches by day, one bar a day, one colour a configuration.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Chart {
    pub(crate) series: Vec<Series>,
    pub(crate) segments: Vec<Segment>,
    pub(crate) days: Vec<Label>,
    pub(crate) levels: Vec<Level>,
    pub(crate) total: i64,
}

/// A configuration in the legend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Series {
    pub(crate) name: String,
    /// 0 to 6, for the style sheet.
    pub(crate) colour: usize,
    pub(crate) total: i64,
}

/// A part of a bar.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Segment {
    pub(crate) x: String,
    pub(crate) y: String,
    pub(crate) width: String,
    pub(crate) height: String,
    pub(crate) colour: usize,
    pub(crate) title: String,
}

/// A day below the bars.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Label {
    pub(crate) x: String,
    pub(crate) text: String,
}

/// A line across the chart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Level {
    pub(crate) y: String,
    pub(crate) text: String,
}

impl Chart {
    /// Draws `rows` from `from` to `to`, both included.
    pub(crate) fn new(rows: &[LaunchesRow], from: NaiveDate, to: NaiveDate) -> Self {
        let days = ((to - from).num_days() + 1).clamp(1, MAX_DAYS);
        let series = series(rows);
        let colour_of = |id: ConfigurationId| {
            series.iter().find(|(known, _)| *known == id).map_or(COLOURS, |(_, series)| series.colour)
        };
        let mut by_day: BTreeMap<NaiveDate, Vec<&LaunchesRow>> = BTreeMap::new();
        for row in rows.iter().filter(|row| row.launches > 0) {
            by_day.entry(row.day).or_default().push(row);
        }
        let highest =
            by_day.values().map(|rows| rows.iter().map(|row| row.launches).sum()).max().unwrap_or(0);
        let (top, step) = scale(highest);
        let slot = WIDTH / as_f64(days);
        let mut segments = Vec::new();
        for (day, rows) in &by_day {
            let mut below = 0.0;
            for row in rows {
                let height = as_f64(row.launches) / as_f64(top) * HEIGHT;
                segments.push(Segment {
                    x: unit(as_f64((*day - from).num_days()) * slot + slot * 0.15),
                    y: unit(HEIGHT - below - height),
                    width: unit(slot * 0.7),
                    height: unit(height),
                    colour: colour_of(row.configuration_id),
                    title: format!("{}: {} × {}", day.format("%-d %b"), row.launches, row.configuration_name),
                });
                below += height;
            }
        }
        let every = (days + LABELS - 1) / LABELS;
        let labels = (0..days)
            .filter(|day| day % every == 0)
            .map(|day| Label {
                x: unit(as_f64(day) * slot + slot / 2.0),
                text: (from + chrono::TimeDelta::days(day)).format("%-d %b").to_string(),
            })
            .collect();
        let levels = (0..=top / step)
            .map(|index| Level {
                y: unit(HEIGHT - as_f64(index * step) / as_f64(top) * HEIGHT),
                text: (index * step).to_string(),
            })
            .collect();
        let total = rows.iter().map(|row| row.launches).sum();
        let series = series.into_iter().map(|(_, series)| series).collect();
        Self { series, segments, days: labels, levels, total }
    }
}

/// Configurations, the most launched first.
fn series(rows: &[LaunchesRow]) -> Vec<(ConfigurationId, Series)> {
    let mut totals: BTreeMap<ConfigurationId, (String, i64)> = BTreeMap::new();
    for row in rows {
        let entry = totals.entry(row.configuration_id).or_insert_with(|| (row.configuration_name.clone(), 0));
        entry.1 += row.launches;
    }
    let mut totals: Vec<_> = totals.into_iter().collect();
    totals
        .sort_by(|(_, (name, total)), (_, (other, others))| others.cmp(total).then_with(|| name.cmp(other)));
    totals
        .into_iter()
        .enumerate()
        .map(|(index, (id, (name, total)))| (id, Series { name, colour: index.min(COLOURS), total }))
        .collect()
}

/// A round number at or above `highest`, and the step of the lines up to it.
fn scale(highest: i64) -> (i64, i64) {
    let mut step = 1;
    // 1, 2, 5, 10, 20, 50, … until four steps are enough.
    while step * 4 < highest {
        let leading = step.to_string().starts_with('2');
        step = if leading { step * 5 / 2 } else { step * 2 };
    }
    let steps = ((highest + step - 1) / step).max(1);
    (steps * step, step)
}

#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
const fn as_f64(number: i64) -> f64 {
    number as f64
}

fn unit(number: f64) -> String {
    format!("{number:.1}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(day: &str, configuration: u128, launches: i64) -> LaunchesRow {
        LaunchesRow {
            day: day.parse().unwrap(),
            configuration_id: ConfigurationId::from(uuid::Uuid::from_u128(configuration)),
            configuration_name: format!("C{configuration}"),
            launches,
            ready: launches,
            failed: 0,
        }
    }

    #[test]
    fn bars_stack_up_to_their_sum() {
        let rows = [row("2026-11-01", 1, 3), row("2026-11-01", 2, 5), row("2026-11-02", 1, 2)];
        let chart = Chart::new(&rows, "2026-11-01".parse().unwrap(), "2026-11-02".parse().unwrap());
        assert_eq!(chart.total, 10);
        assert_eq!(chart.levels.last().unwrap().text, "8");
        let heights: Vec<&str> = chart.segments.iter().map(|segment| segment.height.as_str()).collect();
        assert_eq!(heights, ["75.0", "125.0", "50.0"]);
        assert_eq!(chart.segments[1].y, "0.0", "the highest day reaches the top");
        assert_eq!(chart.series[0].name, "C1", "equal totals are sorted by name");
    }

    #[test]
    fn scales_are_round() {
        assert_eq!(scale(0), (1, 1));
        assert_eq!(scale(4), (4, 1));
        assert_eq!(scale(5), (6, 2));
        assert_eq!(scale(9), (10, 5));
        assert_eq!(scale(1_000), (1_000, 500));
    }

    #[test]
    fn no_rows_make_an_empty_chart() {
        let chart = Chart::new(&[], "2026-11-01".parse().unwrap(), "2026-11-30".parse().unwrap());
        assert!(chart.segments.is_empty());
        assert!(chart.days.len() <= 8);
    }
}
