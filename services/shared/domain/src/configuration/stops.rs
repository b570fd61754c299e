use super::field::Collector;
use super::{ConfigurationDraft, WeeklyTime};
use crate::OnStop;

/// Machines tell about their use every five minutes, and their owners are warned before.
const SHORTEST_IDLE_MINUTES: u32 = 15;
/// A week.
const LONGEST_IDLE_MINUTES: u32 = 7 * 24 * 60;

impl ConfigurationDraft {
    /// Checks when its machines are stopped; the schedule, if it has one.
    pub(super) fn check_stops(&self, errors: &mut Collector) -> Option<WeeklyTime> {
        let limits = SHORTEST_IDLE_MINUTES..=LONGEST_IDLE_MINUTES;
        errors.check(
            self.idle_stop_minutes.is_none_or(|minutes| limits.contains(&minutes)),
            "idle_stop_minutes",
            "must be between 15 and 10,080 minutes",
        );
        let text = self.stop_schedule.as_deref().map(str::trim).filter(|text| !text.is_empty())?;
        errors.check(
            self.on_stop == OnStop::Stop,
            "stop_schedule",
            "must be empty unless on_stop is stop: a schedule must not destroy what people have on their machines",
        );
        errors.take("stop_schedule", text.parse().map_err(|error: super::InvalidSchedule| error.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::configuration::ConfigurationSpec;

    fn draft(changes: serde_json::Value) -> ConfigurationDraft {
        let mut draft = serde_json::json!({
            "name": "Shell box", "image": "ami-0123456789abcdef0", "instance_types": ["t3.micro"]
        });
        draft.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        serde_json::from_value(draft).unwrap()
    }

    fn fields(changes: serde_json::Value) -> Vec<String> {
        let errors = draft(changes).validate().unwrap_err().into_vec();
        errors.into_iter().map(|error| error.field).collect()
    }

    #[test]
    fn a_schedule_is_for_machines_that_keep_their_disk() {
        let schedule =
            serde_json::json!({ "stop_schedule": " mon-fri 19:00 Europe/Berlin", "on_stop": "stop" });
        let spec = draft(schedule).validate().unwrap();
        let stored = serde_json::to_value(&spec).unwrap();
        assert_eq!(stored["stop_schedule"], "Mon,Tue,Wed,Thu,Fri 19:00 Europe/Berlin");
        assert_eq!(serde_json::from_value::<ConfigurationSpec>(stored).unwrap(), spec);
        assert_eq!(fields(serde_json::json!({ "stop_schedule": "daily 20:00 UTC" })), ["stop_schedule"]);
        assert_eq!(
            fields(serde_json::json!({ "stop_schedule": "every evening", "on_stop": "stop" })),
            ["stop_schedule"]
        );
        let none = draft(serde_json::json!({ "stop_schedule": "  " })).validate().unwrap();
        let stored = serde_json::to_value(&none).unwrap();
        assert_eq!((none.stop_schedule, stored.get("stop_schedule")), (None, None));
    }

    #[test]
    fn idle_machines_have_at_least_a_quarter_of_an_hour() {
        for minutes in [0, 14, 10_081] {
            let changes = serde_json::json!({ "idle_stop_minutes": minutes });
            assert_eq!(fields(changes), ["idle_stop_minutes"], "{minutes}");
        }
        let spec = draft(serde_json::json!({ "idle_stop_minutes": 15 })).validate().unwrap();
        assert_eq!(spec.idle_stop_minutes, Some(15));
    }
}
