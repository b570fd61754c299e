//! Settings of the process.

use std::path::PathBuf;
use std::time::Duration;

use cloudapp_chassis::server::ListenArgs;
use cloudapp_chassis::telemetry::TelemetryArgs;
use cloudapp_chassis::token::TokenArgs;
use cloudapp_database::DatabaseArgs;
use cloudapp_domain::Installation;
use cloudapp_user_data::InUse;

use crate::limiter::RateFactor;
use crate::settings::{Pace, Settings};

/// Settings of provision-instance.
#[derive(Debug, Clone, clap::Parser)]
#[command(version, about = "Launches, stops, starts and destroys CloudApp's machines")]
pub struct Args {
    /// Where it listens.
    #[command(flatten)]
    pub listen: ListenArgs,
    /// Its database, with the role `provision`. The URL must lead to PostgreSQL itself: LISTEN passes no pooler.
    #[command(flatten)]
    pub database: DatabaseArgs,
    /// Whose tokens it accepts.
    #[command(flatten)]
    pub token: TokenArgs,
    /// How it logs.
    #[command(flatten)]
    pub telemetry: TelemetryArgs,
    /// What this replica does.
    #[arg(long, env = "CLOUDAPP_ROLE", value_enum, default_value_t)]
    pub role: Role,
    /// Machines and their surroundings.
    #[command(flatten)]
    pub machines: MachineArgs,
    /// Where things go.
    #[command(flatten)]
    pub outlets: OutletArgs,
    /// How long an execution stays with a replica that is gone, seconds; batches and duties a quarter of it. One run of
    /// a step is cut off at three quarters.
    #[arg(long, env = "CLOUDAPP_LEASE_SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u64).range(2..=3600))]
    pub lease_seconds: u64,
    /// How long EC2 may not find what it has just made, seconds: inside, a machine that is not found is not gone, and
    /// one that nobody owns is not removed.
    #[arg(long, env = "CLOUDAPP_GRACE_SECONDS", default_value_t = 120, value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub grace_seconds: u64,
    /// Allows `--crash-at`. For tests of what survives; never in production.
    #[arg(long, env = "CLOUDAPP_ALLOW_CRASH_POINTS", default_value_t = false)]
    pub allow_crash_points: bool,
    /// Dies at this named point (see `crash.rs`), if crash points are allowed.
    #[arg(long, env = "CLOUDAPP_CRASH_AT")]
    pub crash_at: Option<String>,
}

/// What a replica does. Every replica answers `/healthz`, `/readyz` and `/metrics`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Role {
    /// The API and the work.
    #[default]
    All,
    /// The API.
    Api,
    /// The work: executions, events, outbox, reconciler.
    Worker,
}

impl Role {
    pub(crate) const fn serves(self) -> bool {
        matches!(self, Self::All | Self::Api)
    }

    pub(crate) const fn works(self) -> bool {
        matches!(self, Self::All | Self::Worker)
    }
}

/// Machines and their surroundings.
#[derive(Debug, Clone, clap::Args)]
pub struct MachineArgs {
    /// The installation's name, by which it knows its own machines: 3 to 16 lower-case letters, digits and hyphens, of
    /// no other installation in this region of the account. It stays: machines made under another name are no longer
    /// its own.
    #[arg(long, env = "CLOUDAPP_INSTALLATION")]
    pub installation: Installation,
    /// How many machines a user may have at a time.
    #[arg(long, env = "CLOUDAPP_INSTANCES_PER_USER", default_value_t = 3)]
    pub instances_per_user: u32,
    /// Subnets for configurations that name none; the default VPC's if empty.
    #[arg(long, env = "CLOUDAPP_SUBNETS", value_delimiter = ',')]
    pub subnets: Vec<String>,
    /// Security groups for configurations that name none; the VPC's default if empty.
    #[arg(long, env = "CLOUDAPP_SECURITY_GROUPS", value_delimiter = ',')]
    pub security_groups: Vec<String>,
    /// The URL that machines post their boot reports to.
    #[arg(long, env = "CLOUDAPP_BOOT_REPORT_URL")]
    pub boot_report_url: String,
    /// Where machines find their metadata service.
    #[arg(long, env = "CLOUDAPP_METADATA_BASE", default_value = "http://169.254.169.254")]
    pub metadata_base: String,
    /// From which load over five minutes on, in percent of one processor, a machine counts as in use, where its
    /// configuration stops machines that nobody uses. Machines keep what held when they were asked for.
    #[arg(long, env = "CLOUDAPP_IN_USE_LOAD_PERCENT", default_value_t = 25, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub in_use_load_percent: u32,
    /// From how many bytes a second to and from others on, likewise.
    #[arg(long, env = "CLOUDAPP_IN_USE_BYTES_PER_SECOND", default_value_t = 8192, value_parser = clap::value_parser!(u64).range(1..=1_000_000_000))]
    pub in_use_bytes_per_second: u64,
    /// A PEM file with further certificates that sign identity documents; local runs only.
    #[arg(long, env = "CLOUDAPP_IDENTITY_CERTIFICATES")]
    pub identity_certificates: Option<PathBuf>,
    /// The AWS account that machines must belong to.
    #[arg(long, env = "CLOUDAPP_AWS_ACCOUNT_ID")]
    pub aws_account_id: String,
    /// The region that machines must run in.
    #[arg(long, env = "AWS_REGION")]
    pub aws_region: String,
    /// How many times AWS's default API limits the account has: a number, or `off` to ask without any limit. CloudApp
    /// stays a little below what this says.
    #[arg(long, env = "CLOUDAPP_EC2_RATE_FACTOR", default_value = "1")]
    pub ec2_rate_factor: RateFactor,
    /// The KMS key that signs login certificates.
    #[arg(long, env = "CLOUDAPP_SSH_CA_KEY_ID")]
    pub ssh_ca_key_id: String,
}

/// Where things go.
#[derive(Debug, Clone, clap::Args)]
pub struct OutletArgs {
    /// The queue `cloudapp-login`.
    #[arg(long, env = "CLOUDAPP_LOGIN_QUEUE_URL")]
    pub login_queue_url: String,
    /// The queue `cloudapp-instance-events`.
    #[arg(long, env = "CLOUDAPP_INSTANCE_EVENTS_QUEUE_URL")]
    pub instance_events_queue_url: String,
    /// The topic `cloudapp-admin`.
    #[arg(long, env = "CLOUDAPP_ADMIN_TOPIC_ARN")]
    pub admin_topic_arn: String,
    /// The bucket with the event log.
    #[arg(long, env = "CLOUDAPP_EVENTS_BUCKET")]
    pub events_bucket: String,
    /// How often events are put there, seconds.
    #[arg(long, env = "CLOUDAPP_EXPORT_INTERVAL_SECONDS", default_value_t = 60)]
    pub export_interval_seconds: u64,
    /// Where users find CloudApp; for links in notices.
    #[arg(long, env = "CLOUDAPP_WEB_URL")]
    pub web_url: Option<String>,
}

impl Args {
    pub(crate) fn settings(&self) -> Settings {
        let named = |list: &[String]| {
            list.iter().map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()).collect()
        };
        Settings {
            installation: self.machines.installation.clone(),
            instances_per_user: self.machines.instances_per_user,
            subnets: named(&self.machines.subnets),
            security_groups: named(&self.machines.security_groups),
            report_url: self.machines.boot_report_url.clone(),
            metadata_base: self.machines.metadata_base.clone(),
            in_use: InUse {
                load_percent: self.machines.in_use_load_percent,
                bytes_per_second: self.machines.in_use_bytes_per_second,
            },
            account_id: self.machines.aws_account_id.clone(),
            region: self.machines.aws_region.clone(),
            web_url: self.outlets.web_url.clone(),
            pace: Pace::normal(Duration::from_secs(self.outlets.export_interval_seconds.max(1)))
                .with(Duration::from_secs(self.lease_seconds), Duration::from_secs(self.grace_seconds)),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_options_are_consistent() {
        Args::command().debug_assert();
    }
}
