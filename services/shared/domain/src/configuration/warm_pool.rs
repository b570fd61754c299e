use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::schedule::{InvalidSchedule, WeeklySchedule};
use crate::execution::named;

/// How a spare waits for its user.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SpareKind {
    /// It runs and costs what a running machine costs; its user waits for a certificate only.
    #[default]
    Running,
    /// It is installed and stopped, and costs its disk; its user waits for one boot. On-demand only.
    Stopped,
}

named!(SpareKind as "kind of spare" { Running = "running", Stopped = "stopped" });

impl SpareKind {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// Spare machines kept ready for the next click.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct WarmPool {
    /// How many spares, 0 to 100.
    #[serde(default)]
    pub size: u16,
    /// How they wait. Left out of JSON where it says nothing new, so that an older replica can read it.
    #[serde(default, skip_serializing_if = "SpareKind::is_default")]
    pub kind: SpareKind,
    /// When they are kept, as `Mon-Fri 08:00-18:00 Europe/Berlin`; always, if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule: Option<String>,
}

impl WarmPool {
    /// The schedule, if it has one.
    ///
    /// # Errors
    /// If it is not one. A checked configuration may still hold such a text: versions never change, and the first ones
    /// were stored before schedules were read.
    pub fn parsed_schedule(&self) -> Result<Option<WeeklySchedule>, InvalidSchedule> {
        self.schedule.as_deref().map(str::trim).filter(|text| !text.is_empty()).map(str::parse).transpose()
    }

    /// How many spares there should be at `now`.
    ///
    /// # Errors
    /// As [`Self::parsed_schedule`].
    pub fn wanted_at(&self, now: DateTime<Utc>) -> Result<u16, InvalidSchedule> {
        let open = self.parsed_schedule()?.is_none_or(|schedule| schedule.is_open_at(now));
        Ok(if open { self.size } else { 0 })
    }

    /// The same with the schedule as it is shown.
    pub(super) fn tidied(self) -> Self {
        let schedule = self.schedule.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
        Self { schedule, ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_stored_before_there_were_kinds_is_read_and_written_alike() {
        let old = r#"{"size":2,"schedule":"Mon-Fri 08:00-18:00 Europe/Berlin"}"#;
        let pool: WarmPool = serde_json::from_str(old).unwrap();
        assert_eq!(pool.kind, SpareKind::Running);
        assert_eq!(serde_json::to_string(&pool).unwrap(), old);
        let stopped = WarmPool { kind: SpareKind::Stopped, ..pool };
        assert!(serde_json::to_string(&stopped).unwrap().contains(r#""kind":"stopped""#));
    }

    #[test]
    fn spares_are_wanted_while_the_schedule_is_open() {
        let at = |text: &str| text.parse::<DateTime<Utc>>().unwrap();
        let pool = |schedule: Option<&str>| WarmPool {
            size: 3,
            schedule: schedule.map(str::to_owned),
            ..WarmPool::default()
        };
        let monday_nine = at("2026-11-23T08:00:00Z");
        assert_eq!(pool(None).wanted_at(monday_nine), Ok(3));
        let office = pool(Some("Mon-Fri 08:00-18:00 Europe/Berlin"));
        assert_eq!(office.wanted_at(monday_nine), Ok(3));
        assert_eq!(office.wanted_at(at("2026-11-22T08:00:00Z")), Ok(0), "a Sunday");
        assert!(pool(Some("whenever")).wanted_at(monday_nine).is_err());
    }
}
