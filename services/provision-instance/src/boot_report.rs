//! What machines say about their boots.

use std::net::Ipv4Addr;

use chrono::{DateTime, TimeDelta, Utc};
use cloudapp_contract::boot_report::{BootOutcome, BootReport};
use cloudapp_contract::instance::NoteKind;
use cloudapp_domain::{BootId, Ec2InstanceId, InstanceState};
use sqlx::types::Json;
use sqlx::{PgConnection, PgExecutor};

use crate::deps::Deps;
use crate::instance::{self, InstanceRecord, Note, note};
use crate::ports::{Identity, IdentityVerifier};

/// `pendingTime` is cut to seconds, and EC2's clock is not ours.
const CLOCK_DIFFERENCE: TimeDelta = TimeDelta::seconds(30);
/// What is kept of an installation log.
const LOG_TAIL_CHARACTERS: usize = 4096;
/// More host keys than any sshd has.
const HOST_KEYS: usize = 16;

/// The first report of the machine's current start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reported {
    pub(crate) outcome: BootOutcome,
    pub(crate) log_tail: String,
    pub(crate) host_keys: Vec<String>,
}

/// Why a report is not taken.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReportError {
    /// The identity document is not EC2's, not our account's, or not this machine's.
    #[error("the identity document does not hold: {0}")]
    NotProven(String),
    /// No such machine: the report makes no sense, now or later.
    #[error("there is no such machine")]
    Unknown,
    /// No such machine yet, but the document is so new that it may come.
    #[error("there is no such machine yet")]
    NotKnownYet,
    /// The machine has been started anew since, or has ended.
    #[error("the report is about an earlier start")]
    Outdated,
    /// The database failed.
    #[error("the database failed")]
    Database(#[from] sqlx::Error),
    /// Executions cannot be woken.
    #[error("executions cannot be woken")]
    Workflow(#[from] cloudapp_workflow::StoreError),
}

/// Takes a machine's report; the first of a boot stays.
pub(crate) async fn take(
    deps: &Deps,
    verifier: &dyn IdentityVerifier,
    report: &BootReport,
) -> Result<(), ReportError> {
    let proof = (report.identity_document.as_str(), report.identity_signature.as_str());
    let (instance, identity) = known_machine(deps, verifier, &report.instance_id, proof).await?;
    let mut transaction = deps.pool.begin().await?;
    let taken = sqlx::query(
        "insert into boot_report (instance_id, boot_id, generation, outcome, log_tail, host_keys, received_at) \
         values ($1, $2, $3, $4, $5, $6, $7) on conflict do nothing",
    )
    .bind(instance.id().as_uuid())
    .bind(report.boot_id.as_uuid())
    .bind(instance.generation)
    .bind(if report.outcome == BootOutcome::Success { "success" } else { "failure" })
    .bind(tail(&report.log_tail))
    .bind(Json(report.host_keys.iter().filter(|key| is_host_key(key)).take(HOST_KEYS).collect::<Vec<_>>()))
    .bind(deps.clock.now())
    .execute(&mut *transaction)
    .await?;
    if taken.rows_affected() == 1 {
        runs(&mut transaction, deps, &instance, Address::told(report, &identity)).await?;
        note_reboot(&mut transaction, deps, &instance, report.boot_id).await?;
        deps.executions.wake(&mut transaction, instance.id().as_uuid()).await?;
    }
    transaction.commit().await?;
    deps.signals.work();
    Ok(())
}

/// Where a machine says that it can be reached.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Address {
    /// Here.
    Known(String),
    /// It does not know: EC2 is asked.
    AskEc2,
}

impl Address {
    fn told(report: &BootReport, identity: &Identity) -> Self {
        match report.public_ipv4.as_deref().map(str::trim) {
            None => Self::AskEc2,
            Some("") => Self::Known(identity.private_ip.to_string()),
            Some(text) => match text.parse::<Ipv4Addr>() {
                Ok(address) => Self::Known(address.to_string()),
                Err(_) => Self::AskEc2,
            },
        }
    }
}

/// A machine that reports runs, whatever EC2 has told so far. With its address it can be used at once, and the shared
/// describe confirms that in a while, for whoever came up at about the same time together.
async fn runs(
    connection: &mut PgConnection,
    deps: &Deps,
    instance: &InstanceRecord,
    address: Address,
) -> Result<(), sqlx::Error> {
    let (query, at, host) = match address {
        Address::Known(host) => (
            "update instance set ec2_state = 'running', host = $3, look_at = least(look_at, $2), \
                 state = case when state = 'launching' then 'booting' else state end \
             where id = $1 and ec2_instance_id = $4 and (ec2_state is null or ec2_state = 'pending') \
             and state not in ('terminated', 'failed')",
            deps.after(deps.settings.pace.look),
            Some(host),
        ),
        Address::AskEc2 => (
            "update instance set look_at = $2, host = coalesce($3, host) \
             where id = $1 and ec2_instance_id = $4 and ec2_state is distinct from 'running' \
             and state not in ('terminated', 'failed')",
            deps.clock.now(),
            None,
        ),
    };
    let ran = sqlx::query(query)
        .bind(instance.id().as_uuid())
        .bind(at)
        .bind(host)
        .bind(instance.ec2_id().map(cloudapp_domain::Ec2InstanceId::as_str))
        .execute(&mut *connection)
        .await?;
    if ran.rows_affected() == 0 {
        // EC2 last said that it stops or has stopped, which must be out of date.
        sqlx::query(
            "update instance set look_at = $2 where id = $1 and ec2_state is distinct from 'running' \
             and state not in ('terminated', 'failed')",
        )
        .bind(instance.id().as_uuid())
        .bind(deps.clock.now())
        .execute(connection)
        .await?;
    }
    Ok(())
}

/// A further boot of the same start is a reboot: of the host, or by somebody on the machine.
async fn note_reboot(
    connection: &mut PgConnection,
    deps: &Deps,
    instance: &InstanceRecord,
    boot: BootId,
) -> Result<(), sqlx::Error> {
    let booted_before: bool = sqlx::query_scalar(
        "select exists (select from boot_report where instance_id = $1 and generation = $2 and boot_id <> $3)",
    )
    .bind(instance.id().as_uuid())
    .bind(instance.generation)
    .bind(boot.as_uuid())
    .fetch_one(&mut *connection)
    .await?;
    if !booted_before {
        return Ok(());
    }
    let rebooted = Note {
        instance: instance.id().as_uuid(),
        dedupe: format!("{}:{boot}", NoteKind::Rebooted.as_str()),
        kind: NoteKind::Rebooted,
        sentence: "It was rebooted, by AWS or by somebody on the machine; what ran on it was started anew."
            .to_owned(),
        actor: None,
    };
    note(connection, deps.clock.now(), &[rebooted]).await.map(drop)
}

/// The machine that calls itself `claimed`, if `proof` (its identity document and the document's signature) shows that
/// it is, that it is ours, and that it has not been started anew since or ended.
pub(crate) async fn known_machine(
    deps: &Deps,
    verifier: &dyn IdentityVerifier,
    claimed: &Ec2InstanceId,
    proof: (&str, &str),
) -> Result<(InstanceRecord, Identity), ReportError> {
    let identity =
        verifier.verify(proof.0, proof.1).map_err(|refused| ReportError::NotProven(refused.to_string()))?;
    prove(deps, claimed, &identity)?;
    let Some(instance) = instance::load_by_ec2_id(&deps.pool, &identity.instance_id).await? else {
        let recent = !deps.grace_is_over(identity.pending_time + CLOCK_DIFFERENCE);
        return Err(if recent { ReportError::NotKnownYet } else { ReportError::Unknown });
    };
    if is_outdated(&instance, &identity) {
        return Err(ReportError::Outdated);
    }
    Ok((instance, identity))
}

fn prove(deps: &Deps, claimed: &Ec2InstanceId, identity: &Identity) -> Result<(), ReportError> {
    let refuse = |what: &str| Err(ReportError::NotProven(what.to_owned()));
    if identity.account_id != deps.settings.account_id {
        return refuse("another account");
    }
    if identity.region != deps.settings.region {
        return refuse("another region");
    }
    if identity.instance_id != *claimed {
        return refuse("another machine");
    }
    Ok(())
}

fn is_outdated(instance: &InstanceRecord, identity: &Identity) -> bool {
    let asked_later = instance
        .asked_at
        .is_some_and(|asked: DateTime<Utc>| identity.pending_time + CLOCK_DIFFERENCE < asked);
    asked_later || instance.state().is_final() || instance.state() == InstanceState::Stopped
}

/// The first report of the machine's current start.
pub(crate) async fn of_current_start(
    executor: impl PgExecutor<'_>,
    instance: &InstanceRecord,
) -> Result<Option<Reported>, sqlx::Error> {
    let row: Option<(String, String, Json<Vec<String>>)> = sqlx::query_as(
        "select outcome, log_tail, host_keys from boot_report where instance_id = $1 and generation = $2 \
         order by received_at, boot_id limit 1",
    )
    .bind(instance.id().as_uuid())
    .bind(instance.generation)
    .fetch_optional(executor)
    .await?;
    Ok(row.map(|(outcome, log_tail, Json(host_keys))| Reported {
        outcome: if outcome == "success" { BootOutcome::Success } else { BootOutcome::Failure },
        log_tail,
        host_keys,
    }))
}

/// The end of a text, without what PostgreSQL or a page could not hold.
fn tail(text: &str) -> String {
    let clean: Vec<char> = text.chars().filter(|c| !c.is_control() || matches!(c, '\n' | '\t')).collect();
    clean[clean.len().saturating_sub(LOG_TAIL_CHARACTERS)..].iter().collect()
}

/// A type and base64, nothing that could change a `known_hosts` file's meaning.
fn is_host_key(text: &str) -> bool {
    let mut parts = text.split_ascii_whitespace();
    let kind = parts.next().is_some_and(|kind| kind.starts_with("ssh-") || kind.starts_with("ecdsa-sha2-"));
    let key = parts.next().is_some_and(|key| {
        key.len() >= 40 && key.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'='))
    });
    kind && key && text.len() <= 2048 && !text.contains(['\n', '\r'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_public_host_keys_are_kept() {
        let key = format!("ssh-ed25519 {}", "A".repeat(68));
        assert!(is_host_key(&key));
        assert!(is_host_key(&format!("{key} root@host")));
        for wrong in ["", "ssh-ed25519", "ssh-ed25519 short", "@cert-authority * ssh-ed25519 AAAA"] {
            assert!(!is_host_key(wrong), "{wrong}");
        }
        assert!(!is_host_key(&format!("{key}\n{key}")));
    }

    #[test]
    fn the_end_of_a_log_is_kept() {
        assert_eq!(tail("a\u{0}b\u{1b}[31m\nc"), "ab[31m\nc");
        let long = "x".repeat(5000) + "end";
        let kept = tail(&long);
        assert_eq!(kept.chars().count(), LOG_TAIL_CHARACTERS);
        assert!(kept.ends_with("end"));
    }
}
