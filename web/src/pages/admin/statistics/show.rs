//! `GET /admin/statistics`

use askama::Template;
use axum::extract::{Query, State};
use chrono::{DateTime, Utc};
use cloudapp_chassis::ApiError;
use cloudapp_contract::client::CallError;
use cloudapp_contract::instance::{InstanceQuery, OwnerFilter};
use cloudapp_contract::stats::{FailuresRow, InstanceHoursRow, LaunchesRow, Stats};

use super::range::{PRESETS, Range, RangeQuery};
use crate::app::App;
use crate::pages::problem::call_error;
use crate::pages::{Admin, Section, Shell};
use crate::view::chart::Chart;
use crate::view::{MachineView, moment, relative};

#[derive(Template, askama_web::WebTemplate)]
#[template(path = "admin/statistics.html")]
pub(super) struct StatisticsPage {
    shell: Shell,
    range: Range,
    presets: Vec<(i64, String)>,
    launches: Panel<LaunchesRow>,
    hours: Panel<InstanceHoursRow>,
    failures: Panel<FailuresRow>,
    chart: Chart,
    totals: Totals,
    /// The newest machines that are not gone, to stop from here; from provision-instance, not from Athena.
    running: Result<Vec<MachineView>, String>,
}

/// How many of the machines that run now are shown here.
const RUNNING_SHOWN: u16 = 10;

/// One of the figures, or why it is not there: each is shown on its own.
struct Panel<T> {
    rows: Vec<T>,
    age: Option<Age>,
    error: Option<String>,
}

/// How old figures are.
struct Age {
    at: String,
    ago: String,
    stale: bool,
}

struct Totals {
    launches: i64,
    ready: i64,
    failed: i64,
    hours: f64,
    cost: f64,
}

impl Totals {
    /// How many launches became usable, of those that ended one way or the other.
    fn success(&self) -> String {
        let ended = self.ready + self.failed;
        if ended == 0 {
            return "–".to_owned();
        }
        format!("{} %", (self.ready * 100 + ended / 2) / ended)
    }
}

impl<T> Panel<T> {
    fn new(figures: Result<Stats<T>, CallError>, now: DateTime<Utc>) -> Self {
        match figures {
            Ok(stats) => Self {
                age: Some(Age {
                    at: moment(&stats.as_of),
                    ago: relative(stats.as_of, now),
                    stale: stats.stale,
                }),
                rows: stats.rows,
                error: None,
            },
            Err(error) => {
                let detail = call_error(error).problem().detail.clone();
                Self { rows: Vec::new(), age: None, error: Some(detail) }
            }
        }
    }
}

pub(super) async fn show(
    State(app): State<App>,
    Admin(user): Admin,
    Query(query): Query<RangeQuery>,
) -> Result<StatisticsPage, ApiError> {
    let today = app.clock.now().date_naive();
    let range = query.range(today);
    let (stats, asked) = (app.backend.stats(user.token()), range.query());
    let provision = app.backend.provision(user.token());
    let live = InstanceQuery {
        owner: OwnerFilter::All,
        state: Some("live".to_owned()),
        cursor: None,
        limit: Some(RUNNING_SHOWN),
    };
    let (launches, hours, failures, running) = tokio::join!(
        stats.launches(&asked),
        stats.instance_hours(&asked),
        stats.failures(&asked),
        provision.list(&live)
    );
    let now = app.clock.now();
    let running = running
        .map(|page| page.items.iter().map(|machine| MachineView::new(machine, now)).collect())
        .map_err(|error| call_error(error).problem().detail.clone());
    let launches = Panel::new(launches, now);
    let hours = Panel::new(hours, now);
    let failures = Panel::new(failures, now);
    let chart = Chart::new(&launches.rows, range.from, range.to);
    let totals = Totals {
        launches: launches.rows.iter().map(|row: &LaunchesRow| row.launches).sum(),
        ready: launches.rows.iter().map(|row| row.ready).sum(),
        failed: launches.rows.iter().map(|row| row.failed).sum(),
        // Not `sum()`, which makes nothing at all into -0.
        hours: hours.rows.iter().fold(0.0, |sum, row: &InstanceHoursRow| sum + row.hours),
        cost: hours.rows.iter().fold(0.0, |sum, row| sum + row.cost_usd),
    };
    Ok(StatisticsPage {
        shell: Shell::of(&user, Section::Statistics),
        range,
        presets: PRESETS.iter().map(|days| (*days, Range::preset(*days, today))).collect(),
        launches,
        hours,
        failures,
        chart,
        totals,
        running,
    })
}
