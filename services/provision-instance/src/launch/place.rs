use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use cloudapp_domain::configuration::{ConfigurationSpec, InstanceType, on_demand_price};
use cloudapp_domain::{BatchId, Failure, FailureCode, Fixer, InstanceState};
use cloudapp_ec2::{Ec2Error, LaunchRequest, Machine};
use cloudapp_user_data::MachineSettings;
use cloudapp_workflow::{Applied, Step, StepContext, StepError, Undone};

use super::attempt::{self, OpenAttempt, Settled};
use super::placement::{self, Offering};
use super::take_back;
use crate::configurations;
use crate::crash::CrashPoint;
use crate::deps::{Deps, subject};
use crate::instance::{InstanceRecord, set_state};
use crate::limiter::{Family, Priority};
use crate::observe;
use crate::pool;

/// Asks EC2 for the machine, exactly once: the request is committed before it is sent, an unknown outcome is asked
/// again under the identical token, and a new attempt is made only after proof that the last one made nothing.
pub(super) struct Place(pub(super) Arc<Deps>);

#[async_trait]
impl Step for Place {
    fn name(&self) -> &'static str {
        "place"
    }

    fn deadline(&self) -> Duration {
        self.0.settings.pace.place
    }

    fn overdue(&self) -> Failure {
        Failure {
            code: FailureCode::Ec2Unavailable,
            sentence: "AWS did not accept the request in time.".to_owned(),
            fixer: Fixer::User,
            next_step: "Try again in a few minutes.".to_owned(),
            detail: None,
        }
    }

    async fn apply(&self, context: &StepContext<'_>) -> Result<Applied, StepError> {
        let instance = subject(context).await?;
        if pool::needs_waking(&instance) {
            return pool::wake(&self.0, context, &instance).await;
        }
        if instance.ec2_id().is_some() {
            let refused = attempt::refused(context.pool(), instance.id()).await?;
            let (kind, market) = (instance.instance_type.as_deref(), instance.market());
            let got = placement::got(
                kind.unwrap_or("a machine"),
                instance.zone.as_deref(),
                market.unwrap_or_default(),
                &refused,
            );
            return Ok(Applied::done(got));
        }
        match attempt::open(context.pool(), instance.id()).await? {
            Some(attempt) => self.ask(context, &instance, &attempt).await,
            None => self.intend(context, &instance).await,
        }
    }

    async fn undo(&self, context: &StepContext<'_>) -> Result<Undone, StepError> {
        take_back::take_back(&self.0, context).await
    }
}

impl Place {
    /// Chooses what to ask for and writes it down; asking is the next run's work.
    async fn intend(
        &self,
        context: &StepContext<'_>,
        instance: &InstanceRecord,
    ) -> Result<Applied, StepError> {
        let id = instance.configuration_id();
        let spec = configurations::version(context.pool(), id, instance.configuration_version).await?;
        let configured = if spec.subnets.is_empty() { &self.0.settings.subnets } else { &spec.subnets };
        let subnets = match self.0.machines.subnets(configured).await {
            Ok(subnets) => in_order(configured, subnets),
            Err(error @ Ec2Error::Invalid(_)) => return Ok(Applied::Fail(error.failure())),
            Err(error) => return Ok(Applied::retry(waiting_for_ec2(&error))),
        };
        let refused = attempt::refused(context.pool(), instance.id()).await?;
        let offerings = placement::offerings(&spec, &subnets);
        let Some(offering) = placement::next(&offerings, &refused) else {
            return Ok(Applied::Fail(nothing_free(placement::told(&refused))));
        };
        let user_data = self.user_data(&spec).await?;
        let mut transaction = context.begin().await?;
        set_state(&mut transaction, instance, InstanceState::Launching).await?;
        attempt::intend(&mut transaction, self.0.clock.as_ref(), instance, offering, |batch, token| {
            self.frozen(&spec, instance, offering, batch, token, user_data)
        })
        .await?;
        self.0.crash.pass(CrashPoint::BeforeIntentCommit);
        transaction.commit().await?;
        Ok(Applied::wait(self.0.clock.now(), placement::asking(offering)))
    }

    async fn user_data(&self, spec: &ConfigurationSpec) -> Result<Vec<u8>, StepError> {
        let authority = self.0.certificates.authority().await;
        let authority =
            authority.map_err(|error| StepError::doing("the CA key cannot be read")(Box::new(error)))?;
        let mut settings = MachineSettings::new(authority, self.0.settings.report_url.clone());
        settings.metadata_base.clone_from(&self.0.settings.metadata_base);
        let rendered = cloudapp_user_data::render(spec, &settings);
        Ok(rendered
            .map_err(|error| StepError::doing("user data cannot be rendered")(Box::new(error)))?
            .bytes())
    }

    fn frozen(
        &self,
        spec: &ConfigurationSpec,
        instance: &InstanceRecord,
        offering: &Offering,
        batch: BatchId,
        client_token: String,
        user_data: Vec<u8>,
    ) -> LaunchRequest {
        let mut tags: BTreeMap<String, String> = spec.tags.clone();
        tags.insert("cloudapp:managed".to_owned(), "true".to_owned());
        tags.insert("cloudapp:batch".to_owned(), batch.to_string());
        tags.insert("cloudapp:configuration".to_owned(), instance.configuration_id().to_string());
        let groups = &spec.security_groups;
        LaunchRequest {
            client_token,
            image_id: spec.image.image_id(),
            instance_type: offering.instance_type.clone(),
            subnet_id: offering.subnet.as_ref().map(|subnet| subnet.id.clone()),
            zone: None,
            market: offering.market,
            min_count: 1,
            max_count: 1,
            user_data,
            security_groups: if groups.is_empty() {
                self.0.settings.security_groups.clone()
            } else {
                groups.clone()
            },
            instance_profile: spec.instance_profile.clone(),
            root_volume_gib: u32::from(spec.root_volume_gib),
            tags,
            shutdown_terminates: spec.on_stop == cloudapp_domain::OnStop::Terminate,
        }
    }

    async fn ask(
        &self,
        context: &StepContext<'_>,
        instance: &InstanceRecord,
        attempt: &OpenAttempt,
    ) -> Result<Applied, StepError> {
        let turn = self.0.limiter.turn(Family::RunInstances, Priority::User, 1..=1).await;
        turn.map_err(|error| StepError::doing("there is no turn to ask AWS")(Box::new(error)))?;
        self.note_uncertainty(context, attempt, Some(self.0.clock.now())).await?;
        self.0.crash.pass(CrashPoint::BeforeRunInstances);
        let answer = self.0.machines.launch(attempt.request()).await;
        self.0.crash.pass(CrashPoint::AfterRunInstances);
        if answer.as_ref().is_err_and(Ec2Error::certainly_not_executed) {
            // As uncertain as before this sending, and no more: a cancel need not wait for what cannot come.
            self.note_uncertainty(context, attempt, attempt.uncertain_since).await?;
        }
        match answer {
            Ok(machines) => match machines.into_iter().next() {
                Some(machine) => self.assign(context, instance, attempt, &machine).await,
                None => Ok(Applied::retry("AWS accepted the request and named no machine")),
            },
            Err(error) => self.refused(context, instance, attempt, error).await,
        }
    }

    async fn assign(
        &self,
        context: &StepContext<'_>,
        instance: &InstanceRecord,
        attempt: &OpenAttempt,
        machine: &Machine,
    ) -> Result<Applied, StepError> {
        let price = machine.instance_type.parse::<InstanceType>().ok().as_ref().and_then(on_demand_price);
        let mut transaction = context.begin().await?;
        sqlx::query(
            "update instance set ec2_instance_id = $2, instance_type = $3, zone = $4, market = $5, \
                 placed_at = $6, look_at = $7, price_micros = coalesce($8, price_micros) \
             where id = $1 and ec2_instance_id is null",
        )
        .bind(instance.id().as_uuid())
        .bind(machine.id.as_str())
        .bind(&machine.instance_type)
        .bind(machine.zone.as_ref().or(attempt.zone.as_ref()))
        .bind(machine.market.as_str())
        .bind(self.0.clock.now())
        .bind(self.0.after(self.0.settings.pace.look))
        .bind(price.map(cloudapp_domain::PricePerHour::micros))
        .execute(&mut *transaction)
        .await?;
        attempt::settle(&mut transaction, self.0.clock.as_ref(), attempt, Settled::Fulfilled, None).await?;
        observe::adopt_parked(&mut transaction, self.0.clock.as_ref(), &machine.id).await?;
        self.0.crash.pass(CrashPoint::BeforePlaceCommit);
        transaction.commit().await?;
        self.0.crash.pass(CrashPoint::AfterPlaceCommit);
        self.0.signals.work();
        let refused = attempt::refused(context.pool(), instance.id()).await?;
        let zone = machine.zone.as_deref().or(attempt.zone.as_deref());
        Ok(Applied::done(placement::got(&machine.instance_type, zone, machine.market, &refused)))
    }

    async fn refused(
        &self,
        context: &StepContext<'_>,
        instance: &InstanceRecord,
        attempt: &OpenAttempt,
        error: Ec2Error,
    ) -> Result<Applied, StepError> {
        let code = error.code().to_owned();
        match error {
            // Another type, zone or market may have room: the next run asks for it.
            Ec2Error::Capacity(_) | Ec2Error::UnsupportedHere(_) => {
                self.settle(context, attempt, Settled::Refused, &code).await?;
                Ok(Applied::Wait { until: self.0.clock.now(), detail: None })
            }
            // The machine was made and is gone already: proof enough for a new attempt.
            Ec2Error::IdempotentInstanceTerminated(_) => {
                self.settle(context, attempt, Settled::Ended, &code).await?;
                Ok(Applied::Wait { until: self.0.clock.now(), detail: None })
            }
            // The token is used with other values, which only a fault of ours explains; what it made is ours.
            Ec2Error::IdempotentParameterMismatch(_) => {
                match self.0.machines.describe_by_token(&attempt.client_token).await {
                    Ok(machines) => match machines.into_iter().find(|machine| !machine.state.is_ending()) {
                        Some(machine) => self.assign(context, instance, attempt, &machine).await,
                        None => Ok(Applied::Fail(error.failure())),
                    },
                    Err(error) => Ok(Applied::retry(waiting_for_ec2(&error))),
                }
            }
            Ec2Error::Throttled(_) | Ec2Error::Unavailable(_) | Ec2Error::OutcomeUnknown(_) => {
                Ok(Applied::retry(waiting_for_ec2(&error)))
            }
            _ => {
                self.settle(context, attempt, Settled::Refused, &code).await?;
                Ok(Applied::Fail(error.failure()))
            }
        }
    }

    async fn note_uncertainty(
        &self,
        context: &StepContext<'_>,
        attempt: &OpenAttempt,
        since: Option<DateTime<Utc>>,
    ) -> Result<(), StepError> {
        let mut transaction = context.begin().await?;
        attempt::set_uncertain_since(&mut transaction, attempt, since).await?;
        transaction.commit().await
    }

    async fn settle(
        &self,
        context: &StepContext<'_>,
        attempt: &OpenAttempt,
        settled: Settled,
        code: &str,
    ) -> Result<(), StepError> {
        let mut transaction = context.begin().await?;
        attempt::settle(&mut transaction, self.0.clock.as_ref(), attempt, settled, Some(code)).await?;
        transaction.commit().await
    }
}

/// Subnets in the order in which the configuration names them; EC2 answers in any.
fn in_order(configured: &[String], mut subnets: Vec<cloudapp_ec2::Subnet>) -> Vec<cloudapp_ec2::Subnet> {
    let rank = |id: &str| configured.iter().position(|wanted| wanted == id);
    subnets.sort_by(|a, b| (rank(&a.id), &a.zone).cmp(&(rank(&b.id), &b.zone)));
    subnets
}

fn nothing_free(told: Option<String>) -> Failure {
    Failure {
        code: FailureCode::InsufficientCapacity,
        sentence: "AWS has no machine of this kind free at the moment.".to_owned(),
        fixer: Fixer::User,
        next_step: "Try again in a few minutes, or choose another configuration.".to_owned(),
        detail: told,
    }
}

fn waiting_for_ec2(error: &Ec2Error) -> String {
    match error {
        Ec2Error::Throttled(_) => "AWS asks for patience; waiting for a turn".to_owned(),
        Ec2Error::OutcomeUnknown(_) => "AWS's answer was lost; asking again for the same machine".to_owned(),
        _ => "AWS does not answer; trying again".to_owned(),
    }
}
