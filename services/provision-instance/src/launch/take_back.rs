use cloudapp_domain::Ec2InstanceId;
use cloudapp_ec2::{Ec2Error, Machine, Shutdown};
use cloudapp_workflow::{StepContext, StepError, Undone};

use super::attempt::{self, OpenAttempt, Settled};
use crate::crash::CrashPoint;
use crate::deps::{Deps, subject};

/// Takes a placement back however far it got: a known machine is ended; one whose id was never learnt is looked for
/// by its token, until EC2 can no longer fail to find what it has made.
pub(super) async fn take_back(deps: &Deps, context: &StepContext<'_>) -> Result<Undone, StepError> {
    let instance = subject(context).await?;
    if let Some(attempt) = attempt::open(context.pool(), instance.id()).await? {
        return take_back_unknown(deps, context, &attempt).await;
    }
    match (instance.ec2_id(), instance.placed_at) {
        (Some(id), placed_at) => {
            let known_gone = placed_at.is_none_or(|placed_at| deps.grace_is_over(placed_at));
            terminate(deps, std::slice::from_ref(id), known_gone).await
        }
        (None, _) => Ok(Undone::Done),
    }
}

async fn take_back_unknown(
    deps: &Deps,
    context: &StepContext<'_>,
    attempt: &OpenAttempt,
) -> Result<Undone, StepError> {
    let Some(uncertain_since) = attempt.uncertain_since else {
        return settle(deps, context, attempt, Settled::Refused).await;
    };
    let machines = match deps.machines.describe_by_token(&attempt.client_token).await {
        Ok(machines) => machines,
        Err(error) => return Ok(patience(&error)),
    };
    if machines.is_empty() && !deps.grace_is_over(uncertain_since) {
        // It may have been made and not be visible yet.
        return Ok(Undone::Wait { until: deps.after(deps.settings.pace.look) });
    }
    let settled = if machines.is_empty() { Settled::Refused } else { Settled::Ended };
    let living: Vec<Ec2InstanceId> = living(machines);
    if !living.is_empty() {
        match terminate(deps, &living, false).await? {
            Undone::Done => {}
            other => return Ok(other),
        }
    }
    settle(deps, context, attempt, settled).await
}

async fn settle(
    deps: &Deps,
    context: &StepContext<'_>,
    attempt: &OpenAttempt,
    settled: Settled,
) -> Result<Undone, StepError> {
    let mut transaction = context.begin().await?;
    attempt::settle(&mut transaction, deps.clock.as_ref(), attempt, settled, Some("taken_back")).await?;
    transaction.commit().await?;
    Ok(Undone::Done)
}

fn living(machines: Vec<Machine>) -> Vec<Ec2InstanceId> {
    machines.into_iter().filter(|machine| !machine.state.is_ending()).map(|machine| machine.id).collect()
}

async fn terminate(deps: &Deps, ids: &[Ec2InstanceId], known_gone: bool) -> Result<Undone, StepError> {
    deps.crash.pass(CrashPoint::BeforeTerminate);
    let answer = deps.machines.terminate(ids, Shutdown::Abrupt).await;
    deps.crash.pass(CrashPoint::AfterTerminate);
    match answer {
        Ok(()) => Ok(Undone::Done),
        Err(Ec2Error::NotFound(_)) if known_gone => Ok(Undone::Done),
        // Inside the grace window EC2 may not find what it has made.
        Err(Ec2Error::NotFound(_)) => Ok(Undone::Wait { until: deps.after(deps.settings.pace.look) }),
        Err(error) => Ok(patience(&error)),
    }
}

/// A refusal to end a machine is retried like an outage: permissions and limits change, and giving up would leave a
/// machine running. The workflow's limit for undoing says when a person must look.
fn patience(error: &Ec2Error) -> Undone {
    tracing::warn!(%error, "a machine cannot be taken back yet");
    Undone::Retry
}
