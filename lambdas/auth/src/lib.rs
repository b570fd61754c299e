//! Lambda `auth`: what Cognito asks CloudApp at every sign-in.
//!
//! After a sign-in, the admins are told once about each new user ([`first_seen`]). Before tokens are made, the
//! group of the admins is withheld from whoever has no second factor ([`admin_group`]). Cognito gives a trigger
//! five seconds and fails the sign-in with it, so everything here ends sooner and never fails: a notice that
//! could not be sent is sent at the next sign-in, and what cannot be known about the second factor counts as no.

mod adapters;
pub mod admin_group;
pub mod first_seen;
mod trigger;

use std::sync::Arc;
use std::time::Duration;

use adapters::{AdminTopic, BucketLedger, CognitoSecondFactor};
use admin_group::SecondFactor;
use cloudapp_domain::{Clock, SystemClock};
use cloudapp_lambda::metric;
use first_seen::FirstSeen;
use serde_json::Value;
use trigger::{Trigger, TriggerEvent};

/// Cognito waits five seconds, which include the way there and a cold start.
const BUDGET: Duration = Duration::from_millis(3500);
/// This Lambda's name in metrics.
const FUNCTION: &str = "auth";

/// Settings of the Lambda.
#[derive(Debug, Clone, clap::Parser)]
pub struct Args {
    /// SNS topic that the admins read.
    #[arg(long, env = "CLOUDAPP_ADMIN_TOPIC_ARN")]
    pub admin_topic_arn: String,
    /// Bucket that remembers who has been seen.
    #[arg(long, env = "CLOUDAPP_FIRST_SEEN_BUCKET")]
    pub first_seen_bucket: String,
    /// Where CloudApp is, for the link in the notice.
    #[arg(long, env = "CLOUDAPP_WEB_URL")]
    pub web_url: Option<String>,
}

/// What the handler works with.
pub struct Deps {
    /// Tells the admins about new users.
    pub first_seen: FirstSeen,
    /// Knows who has TOTP.
    pub second_factor: Arc<dyn SecondFactor>,
    /// Time, for metrics.
    pub clock: Arc<dyn Clock>,
}

impl std::fmt::Debug for Deps {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Deps").finish_non_exhaustive()
    }
}

/// Runs the Lambda until its environment is taken down.
///
/// # Errors
/// If Lambda's runtime API cannot be reached.
pub async fn run(args: Args) -> anyhow::Result<()> {
    let config = cloudapp_aws::config::load().await;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let deps = Arc::new(Deps {
        first_seen: FirstSeen::new(
            Arc::new(BucketLedger::new(&config, &args.first_seen_bucket)),
            Arc::new(AdminTopic::new(&config, &args.admin_topic_arn)),
            Arc::clone(&clock),
            args.web_url,
        ),
        second_factor: Arc::new(CognitoSecondFactor::new(config)),
        clock,
    });
    cloudapp_lambda::run(move |event| {
        let deps = Arc::clone(&deps);
        async move {
            let (span, trace) = (tracing::info_span!("trigger"), cloudapp_trace::current());
            let answer = cloudapp_trace::within(span, trace, handler(event, &deps)).await;
            Ok::<_, std::convert::Infallible>(answer)
        }
    })
    .await
}

/// Answers one trigger: always with an event, as an error would refuse the sign-in.
pub async fn handler(event: Value, deps: &Deps) -> Value {
    let Some(trigger) = TriggerEvent::read(&event) else {
        tracing::error!("an event that is no Cognito trigger");
        metric::count(FUNCTION, "trigger_not_understood", deps.clock.as_ref());
        // Nobody becomes an admin by an event that cannot be read.
        return if trigger::is_token_generation(&event) { admin_group::answer(event, false) } else { event };
    };
    match trigger.kind {
        Trigger::PostAuthentication => {
            notice(&trigger, deps).await;
            event
        }
        // Cognito's guide names no post-authentication call for the sign-in that ends a new-password challenge,
        // which is the first one of everybody an admin creates. Claims are exclusive, so a second call is harmless.
        Trigger::PreTokenGeneration { after_new_password: true } => {
            let ((), admin_allowed) = tokio::join!(notice(&trigger, deps), admin_allowed(&trigger, deps));
            admin_group::answer(event, admin_allowed)
        }
        Trigger::PreTokenGeneration { after_new_password: false } => {
            let admin_allowed = admin_allowed(&trigger, deps).await;
            admin_group::answer(event, admin_allowed)
        }
        Trigger::Other => event,
    }
}

async fn notice(trigger: &TriggerEvent, deps: &Deps) {
    let noticed = tokio::time::timeout(BUDGET, deps.first_seen.notify_once(&trigger.sub)).await;
    let error: Box<dyn std::error::Error> = match noticed {
        Ok(Ok(outcome)) => return tracing::debug!(sub = %trigger.sub, ?outcome, "first-seen checked"),
        Ok(Err(error)) => Box::new(error),
        Err(elapsed) => Box::new(elapsed),
    };
    let error = cloudapp_chassis::error::Chain(error.as_ref());
    tracing::error!(sub = %trigger.sub, %error, "the admins could not be told of a sign-in; the next one tries again");
    metric::count(FUNCTION, "first_seen_failed", deps.clock.as_ref());
}

/// Whether the group of the admins may stay. Cognito is asked only if the answer matters.
async fn admin_allowed(trigger: &TriggerEvent, deps: &Deps) -> bool {
    if !trigger.is_admin {
        return true;
    }
    let asking = deps.second_factor.totp_enabled(&trigger.user_pool, &trigger.client, &trigger.user_name);
    let error: Box<dyn std::error::Error> = match tokio::time::timeout(BUDGET, asking).await {
        Ok(Ok(enabled)) => return enabled,
        Ok(Err(error)) => Box::new(error),
        Err(elapsed) => Box::new(elapsed),
    };
    let error = cloudapp_chassis::error::Chain(error.as_ref());
    tracing::error!(sub = %trigger.sub, %error, "the second factor is unknown; the group of the admins is withheld");
    metric::count(FUNCTION, "second_factor_unknown", deps.clock.as_ref());
    false
}

#[cfg(test)]
mod tests;
