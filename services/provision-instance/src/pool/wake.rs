use cloudapp_domain::configuration::SpareKind;
use cloudapp_domain::{InstanceId, InstanceState};
use cloudapp_ec2::Ec2Error;
use cloudapp_workflow::{Applied, StepContext, StepError};

use super::OWNER;
use crate::deps::Deps;
use crate::instance::InstanceRecord;
use crate::observe;

/// Whether a user has claimed this machine from a pool of stopped ones and it is not starting: EC2 has not been asked,
/// or it has ended meanwhile.
pub(crate) fn needs_waking(instance: &InstanceRecord) -> bool {
    let starts = matches!(instance.ec2_state.as_deref(), Some("pending" | "running"));
    instance.is_claimed() && instance.state() == InstanceState::Launching && !starts
}

/// What EC2's answer to a start means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Starts,
    AskAgain,
    /// It has died in the pool, or AWS has no room for it now: its user gets another one.
    Useless,
}

const fn judge(answer: Result<(), &Ec2Error>) -> Outcome {
    match answer {
        Ok(()) => Outcome::Starts,
        Err(Ec2Error::Throttled(_) | Ec2Error::Unavailable(_) | Ec2Error::OutcomeUnknown(_)) => {
            Outcome::AskAgain
        }
        Err(_) => Outcome::Useless,
    }
}

/// Starts a claimed machine. If it cannot be started, the launch goes on as if no spare had been there.
pub(crate) async fn wake(
    deps: &Deps,
    context: &StepContext<'_>,
    instance: &InstanceRecord,
) -> Result<Applied, StepError> {
    let Some(machine) = instance.ec2_id() else { return Ok(Applied::Retry { detail: None }) };
    let answer = deps.machines.start(std::slice::from_ref(machine)).await;
    match judge(answer.as_ref().copied()) {
        Outcome::Starts => {
            let mut transaction = context.begin().await?;
            sqlx::query(
                "update instance set ec2_state = 'pending', look_at = $2 where id = $1 and ec2_state = 'stopped'",
            )
            .bind(instance.id().as_uuid())
            .bind(deps.after(observe::first_look(instance.boot_report_required, deps.settings.pace.look)))
            .execute(&mut *transaction)
            .await?;
            transaction.commit().await?;
            Ok(Applied::done(format!("a warm {} was waiting; AWS starts it", instance.offering())))
        }
        Outcome::AskAgain => Ok(Applied::retry("AWS does not take requests now; asking again")),
        Outcome::Useless => {
            tracing::warn!(instance.id = %instance.id(), machine = %machine, error = ?answer.err(), "a spare does not start");
            give_back(deps, context, instance, SpareKind::Stopped).await?;
            Ok(Applied::wait(deps.clock.now(), "the warm machine could not be started; asking for a new one"))
        }
    }
}

/// Parts a user's row from a machine that is of no use, in one transaction: the user waits for another one, the machine
/// gets a row of its own again, ending, which the reconciler sees through.
pub(super) async fn give_back(
    deps: &Deps,
    context: &StepContext<'_>,
    instance: &InstanceRecord,
    kind: SpareKind,
) -> Result<(), StepError> {
    let spare = InstanceId::new(deps.clock.as_ref());
    let mut transaction = context.begin().await?;
    let parted = sqlx::query(
        "with parted as (\
             update instance set ec2_instance_id = null, ec2_state = null, ec2_state_reason = null, instance_type = null, \
                 zone = null, market = null, host = null, placed_at = null, asked_at = null, look_at = null, \
                 missing_since = null, state = 'requested', warm = 'missed', ready_at = null, running_since = null, \
                 expires_at = null, max_expires_at = null, owner_tagged_at = null \
             where id = $1 and ec2_instance_id = $2 and state in ('launching', 'booting', 'ready') returning *) \
         insert into instance (id, owner, pool, state, reason, look_at, placed_at, ec2_state, configuration_id, \
             configuration_version, configuration_name, login_user, on_stop, boot_report_required, lifetime_hours, \
             max_lifetime_hours, price_micros, execution_id, generation, created_at, instance_type, zone, market) \
         select $3, $4, $11, 'terminating', 'It was of no use to a user.', $5, $6, $7, configuration_id, \
             configuration_version, configuration_name, login_user, on_stop, boot_report_required, lifetime_hours, \
             max_lifetime_hours, price_micros, execution_id, generation, created_at, $8, $9, $10 from parted",
    )
    .bind(instance.id().as_uuid())
    .bind(instance.ec2_id().map(cloudapp_domain::Ec2InstanceId::as_str))
    .bind(spare.as_uuid())
    .bind(OWNER)
    .bind(deps.clock.now())
    .bind(instance.placed_at)
    .bind(&instance.ec2_state)
    .bind(&instance.instance_type)
    .bind(&instance.zone)
    .bind(instance.market().map(cloudapp_domain::Market::as_str))
    .bind(kind.as_str())
    .execute(&mut *transaction)
    .await?;
    if parted.rows_affected() == 1 {
        for sql in [
            "update instance set ec2_instance_id = $3 where id = $2 and $1::uuid is not null",
            "update batch_member set instance_id = $2 where instance_id = $1 and $3::text is not null",
            "update placement set instance_id = $2 where instance_id = $1 and $3::text is not null",
            "update boot_report set instance_id = $2 where instance_id = $1 and $3::text is not null",
        ] {
            sqlx::query(sql)
                .bind(instance.id().as_uuid())
                .bind(spare.as_uuid())
                .bind(instance.ec2_id().map(cloudapp_domain::Ec2InstanceId::as_str))
                .execute(&mut *transaction)
                .await?;
        }
    }
    transaction.commit().await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_passing_trouble_is_asked_again() {
        let said = || cloudapp_ec2::Answer { code: "Code".to_owned(), message: String::new() };
        assert_eq!(judge(Ok(())), Outcome::Starts);
        assert_eq!(judge(Err(&Ec2Error::Throttled(said()))), Outcome::AskAgain);
        for dead in [Ec2Error::NotFound(said()), Ec2Error::IncorrectState(said()), Ec2Error::Capacity(said())]
        {
            assert_eq!(judge(Err(&dead)), Outcome::Useless);
        }
    }
}
