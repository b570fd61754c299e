use chrono::{DateTime, Utc};
use cloudapp_contract::instance::Instance;
use cloudapp_domain::{InstanceState, OnStop};

use super::{Upcoming, market_label, moment, price, relative, upcoming};

/// The colour that a state is shown in; never the only thing that tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tone {
    /// Nothing to see.
    Neutral,
    /// Something is under way.
    Busy,
    /// All is well.
    Good,
    /// Look here.
    Warn,
    /// It went wrong.
    Bad,
}

impl Tone {
    /// The name in style sheets.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Neutral => "neutral",
            Self::Busy => "busy",
            Self::Good => "good",
            Self::Warn => "warn",
            Self::Bad => "bad",
        }
    }
}

/// A machine's state, in words.
pub(crate) const fn state_label(state: InstanceState) -> &'static str {
    match state {
        InstanceState::Requested => "Requested",
        InstanceState::Launching => "Launching",
        InstanceState::Booting => "Booting",
        InstanceState::Ready => "Ready",
        InstanceState::Stopping => "Stopping",
        InstanceState::Stopped => "Stopped",
        InstanceState::Starting => "Starting",
        InstanceState::Terminating => "Being destroyed",
        InstanceState::Terminated => "Destroyed",
        InstanceState::Failed => "Failed",
    }
}

/// A machine's state, as a colour.
pub(crate) const fn state_tone(state: InstanceState) -> Tone {
    match state {
        InstanceState::Ready => Tone::Good,
        InstanceState::Stopped => Tone::Warn,
        InstanceState::Failed => Tone::Bad,
        InstanceState::Terminated => Tone::Neutral,
        InstanceState::Requested
        | InstanceState::Launching
        | InstanceState::Booting
        | InstanceState::Stopping
        | InstanceState::Starting
        | InstanceState::Terminating => Tone::Busy,
    }
}

/// A machine as lists and its own page show it.
#[derive(Debug, Clone)]
pub(crate) struct MachineView {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) state: &'static str,
    pub(crate) tone: Tone,
    /// A sentence about now: what is waited for, when it ends.
    pub(crate) summary: String,
    /// What will happen to it by itself, soon.
    pub(crate) upcoming: Vec<Upcoming>,
    /// Why it failed or was ended.
    pub(crate) why: Option<String>,
    /// Type, zone, market: what is known of them.
    pub(crate) hardware: Vec<String>,
    pub(crate) price: String,
    pub(crate) created: String,
    pub(crate) expires: Option<String>,
    pub(crate) ended: Option<String>,
    pub(crate) owner: String,
    pub(crate) can_stop: bool,
    pub(crate) stop_destroys: bool,
    pub(crate) can_start: bool,
    pub(crate) can_extend: bool,
    pub(crate) can_destroy: bool,
    pub(crate) can_cancel: bool,
    pub(crate) is_ready: bool,
    pub(crate) is_live: bool,
}

impl MachineView {
    pub(crate) fn new(machine: &Instance, now: DateTime<Utc>) -> Self {
        use InstanceState::{Booting, Launching, Ready, Requested, Stopped, Terminating};
        let state = machine.state;
        let live = !state.is_final();
        let stop_destroys = machine.on_stop == OnStop::Terminate;
        let can_stop = state == Ready;
        let can_cancel = matches!(state, Requested | Launching | Booting);
        let hardware = [
            machine.instance_type.clone(),
            machine.zone.clone(),
            machine.market.as_ref().map(|market| market_label(market).to_owned()),
        ];
        Self {
            id: machine.id.to_string(),
            name: machine.configuration_name.clone(),
            state: state_label(state),
            tone: state_tone(state),
            summary: summary(machine, now),
            upcoming: upcoming(machine, now),
            why: machine
                .failure
                .as_ref()
                .map(|failure| failure.sentence.clone())
                .or_else(|| machine.reason.clone()),
            hardware: hardware.into_iter().flatten().collect(),
            price: price(machine.price_per_hour.as_ref()),
            created: moment(&machine.created_at),
            expires: machine.expires_at.as_ref().filter(|_| live).map(moment),
            ended: machine.ended_at.as_ref().map(moment),
            owner: machine.owner.to_string(),
            can_stop,
            stop_destroys,
            can_start: state == Stopped,
            can_extend: matches!(state, Ready | Stopped) && hours_left(machine) > 0,
            // Where Stop or Cancel destroys, a second button that does the same would only confuse.
            can_destroy: live && state != Terminating && !can_cancel && !(can_stop && stop_destroys),
            can_cancel,
            is_ready: state == Ready,
            is_live: live,
        }
    }
}

impl MachineView {
    /// The same while undoing its newest execution is stuck: whatever state it was left in, nothing goes on by itself,
    /// and what is being undone already cannot be cancelled.
    pub(crate) fn stuck(self) -> Self {
        let summary = "Nothing goes on until an admin decides".to_owned();
        Self { state: "Stuck", tone: Tone::Bad, summary, can_cancel: false, ..self }
    }
}

/// By how many whole hours the machine's life can be extended.
pub(crate) fn hours_left(machine: &Instance) -> i64 {
    match (machine.expires_at, machine.max_expires_at) {
        (Some(ends), Some(latest)) => (latest - ends).num_hours().max(0),
        _ => 0,
    }
}

fn summary(machine: &Instance, now: DateTime<Utc>) -> String {
    let ends = || match machine.expires_at {
        Some(at) => format!("ends {}", relative(at, now)),
        None => "no end is set".to_owned(),
    };
    match machine.state {
        InstanceState::Requested => "Waiting for its turn".to_owned(),
        InstanceState::Launching => "Waiting for EC2 to give a machine".to_owned(),
        InstanceState::Booting => "Starting up and installing".to_owned(),
        InstanceState::Ready => format!("Running, {}", ends()),
        InstanceState::Stopping => "Being stopped; the disk is kept".to_owned(),
        InstanceState::Stopped => format!("Disk kept, {}", ends()),
        InstanceState::Starting => "Starting up again".to_owned(),
        InstanceState::Terminating => "Machine and disk are being destroyed".to_owned(),
        InstanceState::Terminated | InstanceState::Failed => match machine.ended_at {
            Some(at) => format!("Ended {}", relative(at, now)),
            None => "Ended".to_owned(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine(state: &str, on_stop: &str) -> Instance {
        serde_json::from_value(serde_json::json!({
            "id": "01890a5d-ac96-774b-bcce-b302099a8057", "owner": "sub", "state": state,
            "configuration_id": "01890a5d-ac96-774b-bcce-b302099a8057", "configuration_version": 1,
            "configuration_name": "Shell", "ec2_instance_id": null, "instance_type": null, "zone": null,
            "market": null, "host": null, "login_user": "ec2-user", "on_stop": on_stop,
            "price_per_hour": null, "execution_id": "01890a5d-ac96-774b-bcce-b302099a8057", "reason": null,
            "has_public_key": false, "created_at": "2026-11-22T09:00:00Z", "ready_at": null,
            "expires_at": "2026-11-22T17:00:00Z", "max_expires_at": "2026-11-22T18:30:00Z", "ended_at": null
        }))
        .unwrap()
    }

    fn buttons(state: &str, on_stop: &str) -> Vec<&'static str> {
        let view = MachineView::new(&machine(state, on_stop), "2026-11-22T15:00:00Z".parse().unwrap());
        [
            (view.can_stop, "stop"),
            (view.can_start, "start"),
            (view.can_extend, "extend"),
            (view.can_destroy, "destroy"),
            (view.can_cancel, "cancel"),
        ]
        .into_iter()
        .filter_map(|(can, name)| can.then_some(name))
        .collect()
    }

    #[test]
    fn each_state_offers_what_it_allows() {
        assert_eq!(buttons("ready", "stop"), ["stop", "extend", "destroy"]);
        assert_eq!(buttons("ready", "terminate"), ["stop", "extend"]);
        assert_eq!(buttons("stopped", "stop"), ["start", "extend", "destroy"]);
        assert_eq!(buttons("booting", "stop"), ["cancel"]);
        for state in ["terminating", "terminated", "failed"] {
            assert_eq!(buttons(state, "stop"), [""; 0], "{state}");
        }
        assert_eq!(hours_left(&machine("ready", "stop")), 1);
    }
}
