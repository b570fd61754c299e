use cloudapp_contract::event::EventKind;
use cloudapp_domain::{Clock, InstanceState};
use cloudapp_ec2::{Machine, MachineState};
use sqlx::PgConnection;

use crate::instance::{Ending, InstanceRecord, Told, close, lock, set_state, tell};

/// What a look at EC2 means for a machine's row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// Only what is known about it changes.
    Note,
    /// To this state.
    Become(InstanceState),
    /// To `Stopped`, told to the event log.
    Stopped,
    /// To its end.
    Gone,
}

/// The step from `state` that EC2's word calls for. `busy` says that a launch or start is under way: what goes wrong
/// there is that execution's to judge.
const fn step(state: InstanceState, machine: MachineState, busy: bool) -> Step {
    use InstanceState::{
        Booting, Failed, Launching, Ready, Requested, Starting, Stopped, Stopping, Terminated, Terminating,
    };
    match (state, machine) {
        (Launching, MachineState::Running) => Step::Become(Booting),
        (Terminating, MachineState::Terminated) => Step::Gone,
        (Terminated | Failed | Terminating | Requested, _) => Step::Note,
        (Launching | Booting | Starting, _) if busy => Step::Note,
        (_, MachineState::Terminated) => Step::Gone,
        (_, MachineState::ShuttingDown) => Step::Become(Terminating),
        (Stopping, MachineState::Stopped) => Step::Stopped,
        (Ready | Booting | Starting, MachineState::Stopped) => Step::Stopped,
        (Ready, MachineState::Stopping) => Step::Become(Stopping),
        // Started outside CloudApp: it counts as ready again, for it was installed before.
        (Stopped, MachineState::Running) => Step::Become(Starting),
        (Starting, MachineState::Running) => Step::Become(Ready),
        _ => Step::Note,
    }
}

/// Brings a machine's row up to what EC2 says. `true` if that changed anything that executions wait for.
pub(crate) async fn follow(
    connection: &mut PgConnection,
    clock: &dyn Clock,
    instance: &InstanceRecord,
    machine: &Machine,
) -> Result<bool, sqlx::Error> {
    let Some(current) = lock(connection, instance.id()).await? else { return Ok(false) };
    let busy = has_execution(connection, &current).await?;
    let step = step(current.state(), machine.state, busy);
    let noted = note(connection, &current, machine).await?;
    let outside = !busy && !matches!(current.state(), InstanceState::Stopping | InstanceState::Terminating);
    let reason = outside.then(|| outside_reason(machine));
    let moved = match step {
        Step::Note => false,
        Step::Become(InstanceState::Ready) => became_ready_again(connection, clock, &current).await?,
        Step::Become(state) => {
            let moved = set_state(connection, &current, state).await?;
            if moved && outside && state != InstanceState::Booting {
                remember_reason(connection, &current, reason.as_deref()).await?;
            }
            moved
        }
        Step::Stopped => stopped(connection, clock, &current, reason.as_deref()).await?,
        Step::Gone => {
            let ending = Ending {
                state: InstanceState::Terminated,
                reason: reason.as_deref(),
                failure: None,
                execution: None,
            };
            close(connection, clock, &current, ending).await?
        }
    };
    Ok(noted || moved)
}

/// Ends the row of a machine that EC2 has not known for longer than it may not find what it has made.
pub(crate) async fn closed_as_missing(
    connection: &mut PgConnection,
    clock: &dyn Clock,
    instance: &InstanceRecord,
) -> Result<bool, sqlx::Error> {
    let ending = Ending {
        state: InstanceState::Terminated,
        reason: Some("AWS no longer knows the machine."),
        failure: None,
        execution: None,
    };
    sqlx::query("update instance set ec2_state = 'terminated' where id = $1")
        .bind(instance.id().as_uuid())
        .execute(&mut *connection)
        .await?;
    close(connection, clock, instance, ending).await
}

async fn has_execution(
    connection: &mut PgConnection,
    instance: &InstanceRecord,
) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar(
        "select exists (select from execution where subject = $1 and state in ('pending', 'running') \
         and kind in ('launch', 'start', 'refill'))",
    )
    .bind(instance.id().as_uuid())
    .fetch_one(connection)
    .await
}

async fn note(
    connection: &mut PgConnection,
    instance: &InstanceRecord,
    machine: &Machine,
) -> Result<bool, sqlx::Error> {
    let host = machine
        .public_dns
        .clone()
        .filter(|name| !name.is_empty())
        .or_else(|| machine.public_ip.map(|address| address.to_string()))
        .or_else(|| machine.private_ip.map(|address| address.to_string()));
    let state = word(machine.state);
    sqlx::query(
        "update instance set ec2_state = $2, ec2_state_reason = coalesce($3, ec2_state_reason), host = $4, \
             zone = coalesce($5, zone), missing_since = null where id = $1",
    )
    .bind(instance.id().as_uuid())
    .bind(state)
    .bind(&machine.state_reason)
    .bind(host)
    .bind(&machine.zone)
    .execute(connection)
    .await?;
    Ok(instance.ec2_state.as_deref() != Some(state))
}

async fn stopped(
    connection: &mut PgConnection,
    clock: &dyn Clock,
    instance: &InstanceRecord,
    reason: Option<&str>,
) -> Result<bool, sqlx::Error> {
    if !set_state(connection, instance, InstanceState::Stopped).await? {
        return Ok(false);
    }
    let row: InstanceRecord = sqlx::query_as(
        "update instance set running_since = null, reason = coalesce(reason, $2) where id = $1 returning *",
    )
    .bind(instance.id().as_uuid())
    .bind(reason)
    .fetch_one(&mut *connection)
    .await?;
    let told = Told {
        kind: EventKind::Stopped,
        dedupe: format!("{}:stopped:{}", row.id(), row.generation),
        execution: None,
        running_since: instance.running_since,
    };
    tell(connection, clock, &row, told).await?;
    Ok(true)
}

async fn became_ready_again(
    connection: &mut PgConnection,
    clock: &dyn Clock,
    instance: &InstanceRecord,
) -> Result<bool, sqlx::Error> {
    if !set_state(connection, instance, InstanceState::Ready).await? {
        return Ok(false);
    }
    let row: InstanceRecord = sqlx::query_as(
        "update instance set running_since = $2, generation = generation + 1, reason = null, actor = null \
         where id = $1 returning *",
    )
    .bind(instance.id().as_uuid())
    .bind(clock.now())
    .fetch_one(&mut *connection)
    .await?;
    let told = Told {
        kind: EventKind::Started,
        dedupe: format!("{}:started-outside:{}", row.id(), row.generation),
        execution: None,
        running_since: None,
    };
    tell(connection, clock, &row, told).await?;
    Ok(true)
}

async fn remember_reason(
    connection: &mut PgConnection,
    instance: &InstanceRecord,
    reason: Option<&str>,
) -> Result<(), sqlx::Error> {
    sqlx::query("update instance set reason = coalesce(reason, $2) where id = $1")
        .bind(instance.id().as_uuid())
        .bind(reason)
        .execute(connection)
        .await?;
    Ok(())
}

fn outside_reason(machine: &Machine) -> String {
    let what = match machine.state {
        MachineState::Stopping | MachineState::Stopped => "stopped",
        MachineState::Pending | MachineState::Running => "started",
        MachineState::ShuttingDown | MachineState::Terminated => "ended",
    };
    match &machine.state_reason {
        Some(reason) if reason.contains("SpotInstance") => {
            format!("AWS took the spot machine back ({reason}).")
        }
        Some(reason) => format!("It was {what} outside CloudApp ({reason})."),
        None => format!("It was {what} outside CloudApp."),
    }
}

/// EC2's word for a state.
pub(super) const fn word(state: MachineState) -> &'static str {
    match state {
        MachineState::Pending => "pending",
        MachineState::Running => "running",
        MachineState::ShuttingDown => "shutting-down",
        MachineState::Terminated => "terminated",
        MachineState::Stopping => "stopping",
        MachineState::Stopped => "stopped",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MACHINE_STATES: [MachineState; 6] = [
        MachineState::Pending,
        MachineState::Running,
        MachineState::ShuttingDown,
        MachineState::Terminated,
        MachineState::Stopping,
        MachineState::Stopped,
    ];

    #[test]
    fn every_step_is_legal() {
        for state in InstanceState::ALL.iter().copied() {
            for machine in MACHINE_STATES {
                for busy in [false, true] {
                    let to = match step(state, machine, busy) {
                        Step::Note => continue,
                        Step::Become(to) => to,
                        Step::Stopped => InstanceState::Stopped,
                        Step::Gone => InstanceState::Terminated,
                    };
                    assert!(state.may_become(to), "{state} → {to} on {machine:?}");
                }
            }
        }
    }

    #[test]
    fn a_launch_judges_its_own_losses() {
        use InstanceState::{Booting, Launching, Ready};
        assert_eq!(step(Launching, MachineState::Running, true), Step::Become(Booting));
        assert_eq!(step(Booting, MachineState::Terminated, true), Step::Note);
        assert_eq!(step(Ready, MachineState::Terminated, false), Step::Gone);
        assert_eq!(step(Ready, MachineState::Running, false), Step::Note);
    }
}
