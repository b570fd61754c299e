//! `GET /admin/pools`

use std::cmp::Ordering;

use askama::Template;
use axum::extract::State;
use chrono::{DateTime, Utc};
use cloudapp_chassis::ApiError;
use cloudapp_contract::pool::{Pool, PoolTrouble};
use cloudapp_domain::configuration::SpareKind;

use crate::app::App;
use crate::pages::problem::call_error;
use crate::pages::{Admin, Section, Shell};
use crate::view::{Tone, count, price, relative};

#[derive(Template, askama_web::WebTemplate)]
#[template(path = "admin/pools.html")]
pub(super) struct PoolsPage {
    shell: Shell,
    pools: Vec<PoolRow>,
}

struct PoolRow {
    configuration_id: String,
    name: String,
    /// `Version 3, running`, or that there will be no more.
    version: String,
    /// `2 of 3`.
    ready: String,
    tone: Tone,
    warming: u32,
    leaving: u32,
    schedule: String,
    /// Why there are fewer now than configured.
    pause: Option<&'static str>,
    hits: String,
    cost: String,
    problems: Vec<String>,
}

pub(super) async fn show(State(app): State<App>, Admin(user): Admin) -> Result<PoolsPage, ApiError> {
    let pools = app.backend.provision(user.token()).pools().await.map_err(call_error)?;
    let now = app.clock.now();
    Ok(PoolsPage {
        shell: Shell::of(&user, Section::Pools),
        pools: pools.items.into_iter().map(|pool| PoolRow::new(pool, now)).collect(),
    })
}

impl PoolRow {
    fn new(pool: Pool, now: DateTime<Utc>) -> Self {
        let how = match pool.kind {
            SpareKind::Running => "spares run",
            SpareKind::Stopped => "spares are stopped",
        };
        let version = match pool.configuration_version {
            Some(version) => format!("Version {version}, {how}"),
            None => "No longer in the catalogue: its spares are ended".to_owned(),
        };
        let schedule_problem = pool
            .schedule_problem
            .map(|problem| format!("Its schedule cannot be read, so it keeps its spares always: {problem}."));
        let trouble = pool.trouble.as_ref().map(|trouble| said(trouble, now));
        Self {
            configuration_id: pool.configuration_id.to_string(),
            name: pool.configuration_name,
            version,
            ready: format!("{} of {}", pool.ready, pool.wanted),
            tone: match pool.ready.cmp(&pool.wanted) {
                Ordering::Less => Tone::Warn,
                Ordering::Equal if pool.wanted == 0 => Tone::Neutral,
                Ordering::Equal | Ordering::Greater => Tone::Good,
            },
            warming: pool.warming,
            leaving: pool.leaving,
            // Broken at its spaces only.
            schedule: pool.schedule.map_or_else(|| "Always".to_owned(), |text| text.replace('-', "\u{2011}")),
            pause: (pool.wanted == 0 && pool.size > 0).then_some("Closed now by its schedule"),
            hits: hits(pool.claimed_today, pool.missed_today),
            cost: match pool.idle_price_per_hour.micros() {
                0 => "Nothing".to_owned(),
                _ => price(Some(&pool.idle_price_per_hour)),
            },
            problems: [schedule_problem, trouble].into_iter().flatten().collect(),
        }
    }
}

/// How many clicks found a spare today.
fn hits(claimed: u32, missed: u32) -> String {
    let clicks = u64::from(claimed) + u64::from(missed);
    if clicks == 0 {
        return "No click yet".to_owned();
    }
    format!("{claimed} of {}", count(i64::try_from(clicks).unwrap_or(i64::MAX), "click", "clicks"))
}

/// Why there are no spares, and when another one is tried.
fn said(trouble: &PoolTrouble, now: DateTime<Utc>) -> String {
    let failed = count(trouble.failures, "spare has failed", "spares in a row have failed");
    let why = trouble.failure.as_ref().map(|failure| format!(": {}", failure.sentence)).unwrap_or_default();
    let stop = if why.ends_with('.') { "" } else { "." };
    let next = trouble.next_try_at.map_or_else(String::new, |at| {
        if at > now {
            format!(" The next one is tried {}.", relative(at, now))
        } else {
            " The next one is tried now.".to_owned()
        }
    });
    format!("{failed}{why}{stop}{next}")
}

#[cfg(test)]
mod tests {
    use cloudapp_domain::{Failure, FailureCode, Fixer};

    use super::*;

    #[test]
    fn a_pool_in_trouble_says_why_and_when_it_goes_on() {
        let now: DateTime<Utc> = "2026-11-22T09:00:00Z".parse().unwrap();
        let failure = Failure {
            code: FailureCode::InstallationFailed,
            sentence: "Installing it failed.".to_owned(),
            fixer: Fixer::Admin,
            next_step: String::new(),
            detail: None,
        };
        let trouble = PoolTrouble {
            failures: 3,
            failure: Some(failure),
            next_try_at: Some(now + chrono::TimeDelta::minutes(8)),
        };
        assert_eq!(
            said(&trouble, now),
            "3 spares in a row have failed: Installing it failed. The next one is tried in 8 min."
        );
        let first = PoolTrouble { failures: 1, failure: None, next_try_at: None };
        assert_eq!(said(&first, now), "1 spare has failed.");
    }

    #[test]
    fn hits_are_told_of_all_clicks() {
        assert_eq!(hits(0, 0), "No click yet");
        assert_eq!(hits(1, 0), "1 of 1 click");
        assert_eq!(hits(9, 3), "9 of 12 clicks");
    }
}
