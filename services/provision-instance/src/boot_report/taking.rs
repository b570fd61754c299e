//! Writes reports down: a class that boots at the same time shares a few transactions.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::Ipv4Addr;
use std::sync::Arc;

use async_trait::async_trait;
use cloudapp_coalesce::{Bounds, Coalescer, Failed, Job};
use cloudapp_contract::boot_report::{BootOutcome, BootReport};
use cloudapp_contract::instance::NoteKind;
use cloudapp_domain::{BootId, Ec2InstanceId};
use cloudapp_trace::TraceContext;
use sqlx::PgConnection;
use sqlx::types::Json;
use uuid::Uuid;

use super::proof::{current, proven};
use super::{ReportError, text, traces};
use crate::deps::Deps;
use crate::instance::{self, InstanceRecord, Note, note};
use crate::observe;
use crate::ports::{Identity, IdentityVerifier};

/// One transaction takes at most as many, and one is under way: the next group collects behind it.
const BOUNDS: Bounds = Bounds { items: 128, groups: 1 };

/// Takes machines' reports. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct BootReports(Coalescer<Desk>);

/// A report and which machine it is from.
struct Proven {
    report: BootReport,
    identity: Identity,
}

/// A report of a machine that is known, in the start that the report is about.
struct Current<'a> {
    instance: InstanceRecord,
    proven: &'a Proven,
}

/// A report that was not known before.
#[derive(Clone, Copy)]
struct New<'a> {
    report: &'a Current<'a>,
    /// In the same start, by a report that came earlier, in this group or before it.
    booted_before: bool,
}

struct Desk(Arc<Deps>);

impl BootReports {
    pub(crate) fn new(deps: &Arc<Deps>) -> Self {
        Self(Coalescer::new(Desk(Arc::clone(deps)), BOUNDS))
    }

    /// Takes a report; the first of a boot stays. Answers the trace of what the machine boots for, if spans are exported
    /// and there is one.
    pub(crate) async fn take(
        &self,
        deps: &Deps,
        verifier: &dyn IdentityVerifier,
        report: BootReport,
    ) -> Result<Option<TraceContext>, ReportError> {
        let proof = (report.identity_document.as_str(), report.identity_signature.as_str());
        let identity = proven(deps, verifier, &report.instance_id, proof)?;
        match self.0.submit(Proven { report, identity }).await {
            Ok(taken) => taken,
            Err(Failed::Item(error)) => Err(error),
            Err(Failed::CutOff) => Err(ReportError::CutOff),
        }
    }
}

#[async_trait]
impl Job for Desk {
    type Item = Proven;
    /// Whether the report is taken is each machine's own matter; an error is everybody's.
    type Outcome = Result<Option<TraceContext>, ReportError>;
    type Error = ReportError;

    async fn handle(&self, proven: &[Proven]) -> Result<Vec<Self::Outcome>, ReportError> {
        let mut transaction = self.0.pool.begin().await?;
        let ids: Vec<&Ec2InstanceId> = proven.iter().map(|one| &one.identity.instance_id).collect();
        let known = instance::load_by_ec2_ids(&mut *transaction, &ids).await?;
        let known: HashMap<&str, &InstanceRecord> =
            known.iter().filter_map(|it| Some((it.ec2_id()?.as_str(), it))).collect();
        let subjects: Vec<Uuid> = known.values().map(|it| it.id().as_uuid()).collect();
        let traces = traces::of_machines(&mut *transaction, &subjects).await?;
        let mut outcomes = Vec::with_capacity(proven.len());
        let mut reports = Vec::with_capacity(proven.len());
        for proven in proven {
            let instance = known.get(proven.identity.instance_id.as_str()).map(|it| (*it).clone());
            outcomes.push(current(&self.0, instance, &proven.identity).map(|instance| {
                let trace = traces.get(&instance.id().as_uuid()).copied();
                reports.push(Current { instance, proven });
                trace
            }));
        }
        let new = self.put(&mut transaction, &reports).await?;
        if !new.is_empty() {
            // Of two boots of one machine the later one tells how it is now.
            let latest: BTreeMap<Uuid, New<'_>> = new.iter().map(|new| (new.report.id(), *new)).collect();
            self.run(&mut transaction, &latest).await?;
            note(&mut transaction, self.0.clock.now(), &reboots(&new)).await?;
            let ids: Vec<Uuid> = latest.keys().copied().collect();
            self.0.executions.wake_many(&mut transaction, &ids).await?;
        }
        transaction.commit().await?;
        if !new.is_empty() {
            self.0.signals.work();
        }
        Ok(outcomes)
    }
}

impl Desk {
    /// Writes the reports down; answers those that are new, in the order in which they came.
    async fn put<'a>(
        &self,
        connection: &mut PgConnection,
        reports: &'a [Current<'a>],
    ) -> Result<Vec<New<'a>>, sqlx::Error> {
        if reports.is_empty() {
            return Ok(vec![]);
        }
        let said = |report: &Current<'_>| match report.proven.report.outcome {
            BootOutcome::Success => "success",
            BootOutcome::Failure => "failure",
        };
        let host_keys = reports.iter().map(|report| Json(text::host_keys(&report.proven.report.host_keys)));
        // With `exists`, PostgreSQL may read all reports there are once instead of looking for these.
        let put: Vec<(Uuid, Uuid, bool)> = sqlx::query_as(
            "insert into boot_report (instance_id, boot_id, generation, outcome, log_tail, host_keys, received_at) \
             select id, boot, generation, outcome, log_tail, host_keys, $7::timestamptz + place * interval '1 microsecond' \
             from unnest($1::uuid[], $2::uuid[], $3::int[], $4::text[], $5::text[], $6::jsonb[]) with ordinality \
                 as n (id, boot, generation, outcome, log_tail, host_keys, place) \
             on conflict do nothing \
             returning instance_id, boot_id, coalesce((select true from boot_report b \
                 where b.instance_id = boot_report.instance_id and b.generation = boot_report.generation limit 1), \
                 false)",
        )
        .bind(reports.iter().map(Current::id).collect::<Vec<_>>())
        .bind(reports.iter().map(|report| report.boot().as_uuid()).collect::<Vec<_>>())
        .bind(reports.iter().map(|report| report.instance.generation).collect::<Vec<_>>())
        .bind(reports.iter().map(said).collect::<Vec<_>>())
        .bind(reports.iter().map(|report| text::tail(&report.proven.report.log_tail)).collect::<Vec<_>>())
        .bind(host_keys.collect::<Vec<_>>())
        .bind(self.0.clock.now())
        .fetch_all(connection)
        .await?;
        let mut put: HashMap<(Uuid, Uuid), bool> =
            put.into_iter().map(|(id, boot, booted_before)| ((id, boot), booted_before)).collect();
        let mut booted = HashSet::new();
        let new = reports.iter().filter_map(|report| {
            // Of two reports of one boot the first was put.
            let known_before = put.remove(&(report.id(), report.boot().as_uuid()))?;
            let in_this_group = !booted.insert(report.id());
            Some(New { report, booted_before: known_before || in_this_group })
        });
        Ok(new.collect())
    }

    /// A machine that reports runs, whatever EC2 has told so far. With its address it can be used at once, and the
    /// shared describe confirms that in a while, for whoever came up at about the same time together. Without it, or
    /// where EC2 last said that the machine stops, which must be out of date, EC2 is asked.
    async fn run(
        &self,
        connection: &mut PgConnection,
        new: &BTreeMap<Uuid, New<'_>>,
    ) -> Result<(), sqlx::Error> {
        sqlx::query(
            "with told as ( \
                 select i.id, t.host, t.host is not null and coalesce(i.ec2_state = 'pending', true) as known \
                 from unnest($1::uuid[], $2::text[], $3::text[]) as t (id, ec2_id, host) \
                 join instance i on i.id = t.id and i.ec2_instance_id = t.ec2_id \
                 where i.ec2_state is distinct from 'running' and i.state not in ('terminated', 'failed') \
                 order by i.id for no key update of i \
             ) \
             update instance i set \
                 ec2_state = case when known then 'running' else i.ec2_state end, \
                 host = case when known then told.host else i.host end, \
                 look_at = case when known then least(i.look_at, $4) else $5 end, \
                 state = case when known and i.state = 'launching' then 'booting' else i.state end \
             from told where i.id = told.id",
        )
        .bind(new.keys().copied().collect::<Vec<_>>())
        .bind(new.values().map(|new| new.report.proven.identity.instance_id.as_str()).collect::<Vec<_>>())
        .bind(new.values().map(|new| new.report.proven.address()).collect::<Vec<_>>())
        .bind(self.0.after(observe::first_look(true, self.0.settings.pace.look)))
        .bind(self.0.clock.now())
        .execute(connection)
        .await?;
        Ok(())
    }
}

/// A further boot of the same start is a reboot: of the host, or by somebody on the machine.
fn reboots(new: &[New<'_>]) -> Vec<Note> {
    let rebooted = new.iter().filter(|new| new.booted_before);
    rebooted
        .map(|new| Note {
            instance: new.report.id(),
            dedupe: format!("{}:{}", NoteKind::Rebooted.as_str(), new.report.boot()),
            kind: NoteKind::Rebooted,
            sentence:
                "It was rebooted, by AWS or by somebody on the machine; what ran on it was started anew."
                    .to_owned(),
            actor: None,
        })
        .collect()
}

impl Current<'_> {
    fn id(&self) -> Uuid {
        self.instance.id().as_uuid()
    }

    fn boot(&self) -> BootId {
        self.proven.report.boot_id
    }
}

impl Proven {
    /// Where the machine says that it can be reached; `None` if it does not know.
    fn address(&self) -> Option<String> {
        match self.report.public_ipv4.as_deref().map(str::trim) {
            None => None,
            Some("") => Some(self.identity.private_ip.to_string()),
            Some(text) => text.parse::<Ipv4Addr>().ok().map(|address| address.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use cloudapp_domain::{ExecutionState, InstanceState};
    use serde_json::json;

    use super::*;
    use crate::testing::World;

    fn report(world: &World, machine: &Ec2InstanceId, boot: u128, outcome: BootOutcome) -> Proven {
        let deps = &world.app.deps;
        Proven {
            report: BootReport {
                instance_id: machine.clone(),
                boot_id: Uuid::from_u128(boot).into(),
                outcome,
                log_tail: String::new(),
                host_keys: vec![],
                public_ipv4: None,
                identity_document: String::new(),
                identity_signature: String::new(),
            },
            identity: Identity {
                instance_id: machine.clone(),
                account_id: deps.settings.account_id.clone(),
                region: deps.settings.region.clone(),
                private_ip: Ipv4Addr::LOCALHOST.into(),
                pending_time: deps.clock.now(),
            },
        }
    }

    #[tokio::test]
    async fn a_reboot_that_is_reported_together_with_the_first_boot_is_noted_once() {
        let world = World::with_configuration(json!({})).await;
        world.control.change_settings(&json!({ "next_boot_outcomes": ["silence"] })).await.unwrap();
        let accepted = world.create("ann", "k").await;
        let machine = world
            .until_state(accepted.instance_id, InstanceState::Booting)
            .await
            .ec2_instance_id
            .expect("a machine that boots has an id");
        let group = [(1, BootOutcome::Success), (1, BootOutcome::Success), (2, BootOutcome::Failure)]
            .map(|(boot, outcome)| report(&world, &machine, boot, outcome));
        let desk = Desk(Arc::clone(&world.app.deps));
        for _ in 0..2 {
            let taken = desk.handle(&group).await.unwrap();
            assert!(taken.iter().all(Result::is_ok), "{taken:?}");
        }
        let notes = world.instance(accepted.instance_id).await.notes;
        let kinds: Vec<NoteKind> = notes.iter().map(|note| note.kind).collect();
        assert_eq!(kinds, [NoteKind::Rebooted], "two boots are one reboot, however often they are reported");
        // The first boot's word about the installation counts.
        let execution = world.ended(accepted.execution_id).await;
        assert_eq!(execution.state, ExecutionState::Succeeded, "{execution:?}");
    }
}
