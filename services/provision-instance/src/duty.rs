//! Work that one replica does for all: a lease by name.

use std::sync::{Arc, Mutex, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};

use crate::deps::Deps;

/// How long it is good to know that a duty is another's: every signal asks, and the database need not hear each time.
const THEIRS_FOR: TimeDelta = TimeDelta::seconds(1);

/// A duty that this replica may have. Everything done under it is safe to do twice: a lease cannot promise more.
pub(crate) struct Duty {
    deps: Arc<Deps>,
    name: &'static str,
    holder: String,
    /// Whether it was ours when last asked, and until when that is good for.
    known: Mutex<(bool, DateTime<Utc>)>,
}

impl Duty {
    pub(crate) fn new(deps: Arc<Deps>, name: &'static str, holder: &str) -> Self {
        Self { deps, name, holder: holder.to_owned(), known: Mutex::new((false, DateTime::UNIX_EPOCH)) }
    }

    /// Takes or renews the duty; `false` if another replica has it, or that cannot be known.
    pub(crate) async fn is_ours(&self) -> bool {
        let now = self.deps.clock.now();
        let (ours, good_until) = *self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if now < good_until {
            return ours;
        }
        let ours = self.take(now).await;
        metrics::gauge!(crate::measures::DUTY, "duty" => self.name).set(f64::from(u8::from(ours)));
        let good_for = if ours { self.held_for() / 3 } else { THEIRS_FOR.min(self.held_for() / 3) };
        *self.known.lock().unwrap_or_else(PoisonError::into_inner) = (ours, now + good_for);
        ours
    }

    /// How long the duty stays with a replica that is gone.
    fn held_for(&self) -> TimeDelta {
        TimeDelta::from_std(self.deps.settings.pace.short_lease()).unwrap_or(TimeDelta::MAX)
    }

    async fn take(&self, now: DateTime<Utc>) -> bool {
        let taken = sqlx::query(
            "insert into duty (name, holder, until) values ($1, $2, $4) \
             on conflict (name) do update set holder = $2, until = $4 \
             where duty.holder = $2 or duty.until <= $3",
        )
        .bind(self.name)
        .bind(&self.holder)
        .bind(now)
        .bind(now + self.held_for())
        .execute(&self.deps.pool)
        .await;
        match taken {
            Ok(taken) => taken.rows_affected() == 1,
            Err(error) => {
                tracing::warn!(duty = self.name, %error, "a duty could not be taken");
                false
            }
        }
    }

    /// Gives the duty back, so that another replica has it at once.
    pub(crate) async fn give_up(&self) {
        metrics::gauge!(crate::measures::DUTY, "duty" => self.name).set(0.0);
        let given = sqlx::query("delete from duty where name = $1 and holder = $2")
            .bind(self.name)
            .bind(&self.holder)
            .execute(&self.deps.pool)
            .await;
        if let Err(error) = given {
            tracing::warn!(duty = self.name, %error, "a duty was not given back; it runs out");
        }
    }
}
