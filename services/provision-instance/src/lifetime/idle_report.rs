use chrono::TimeDelta;
use cloudapp_contract::idle_report::IdleReport;
use cloudapp_domain::{BootId, InstanceState};
use uuid::Uuid;

use super::decide::idle_since;
use crate::boot_report::{ReportError, known_machine};
use crate::deps::Deps;
use crate::instance::InstanceRecord;
use crate::ports::IdentityVerifier;

/// Takes a machine's word about its use. A repeated or older one changes nothing: within a boot the kernel's uptime
/// only grows, and only the newest boot of the current start is heard.
pub(crate) async fn take(
    deps: &Deps,
    verifier: &dyn IdentityVerifier,
    report: &IdleReport,
) -> Result<(), ReportError> {
    let (machine, _) = known_machine(
        deps,
        verifier,
        &report.instance_id,
        (&report.identity_document, &report.identity_signature),
    )
    .await?;
    if machine.is_spare() || machine.state() != InstanceState::Ready {
        return Err(ReportError::Outdated);
    }
    match newest_boot(deps, &machine).await? {
        // Its boot report is still on its way.
        None => return Err(ReportError::NotKnownYet),
        Some(boot) if boot != report.boot_id => return Err(ReportError::Outdated),
        Some(_) => {}
    }
    let now = deps.clock.now();
    // A century is long enough, and keeps the arithmetic in its bounds.
    let seconds =
        |count: u64| TimeDelta::seconds(i64::try_from(count).unwrap_or(i64::MAX).min(3_155_760_000));
    let uptime = seconds(report.uptime_seconds);
    let since = idle_since(seconds(report.idle_seconds), uptime, machine.running_since, now);
    let taken = sqlx::query(
        "insert into idle_report (instance_id, generation, boot_id, uptime_seconds, received_at, idle_since) \
         values ($1, $2, $3, $4, $5, $6) \
         on conflict (instance_id) do update set generation = excluded.generation, boot_id = excluded.boot_id, \
             uptime_seconds = excluded.uptime_seconds, received_at = excluded.received_at, \
             idle_since = excluded.idle_since \
         where (idle_report.generation, idle_report.boot_id) <> (excluded.generation, excluded.boot_id) \
             or idle_report.uptime_seconds < excluded.uptime_seconds",
    )
    .bind(machine.id().as_uuid())
    .bind(machine.generation)
    .bind(report.boot_id.as_uuid())
    .bind(uptime.num_seconds())
    .bind(now)
    .bind(since)
    .execute(&deps.pool)
    .await?;
    if taken.rows_affected() == 1 { Ok(()) } else { Err(ReportError::Outdated) }
}

/// The boot that the machine has reported last, of its current start.
async fn newest_boot(deps: &Deps, machine: &InstanceRecord) -> Result<Option<BootId>, sqlx::Error> {
    let boot: Option<Uuid> = sqlx::query_scalar(
        "select boot_id from boot_report where instance_id = $1 and generation = $2 \
         order by received_at desc limit 1",
    )
    .bind(machine.id().as_uuid())
    .bind(machine.generation)
    .fetch_optional(&deps.pool)
    .await?;
    Ok(boot.map(BootId::from))
}
