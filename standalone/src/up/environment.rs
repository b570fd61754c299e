//! The environment of each part: the same variables that Terraform and Helm set.

use std::collections::BTreeMap;

use cloudapp_postgres::SchemaUrls;

use super::local_aws::{REGION, Resources};
use super::ports::Ports;
use crate::part::Service;

/// The account that the simulator's machines belong to.
pub(crate) const ACCOUNT: &str = "000000000000";

/// Who gets the demo's mail to the admins.
pub(crate) const ADMINS: &str = "admins@example.com";

type Environment = BTreeMap<String, String>;

fn environment<const N: usize>(pairs: [(&str, String); N]) -> Environment {
    pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// A URL on loopback.
pub(crate) fn local(port: u16) -> String {
    format!("http://127.0.0.1:{port}")
}

fn aws(ports: &Ports) -> Environment {
    environment([
        ("AWS_REGION", REGION.to_owned()),
        ("AWS_ENDPOINT_URL", local(ports.aws)),
        ("AWS_ENDPOINT_URL_EC2", local(ports.ec2)),
        // The emulator's root key: no secret.
        ("AWS_ACCESS_KEY_ID", "test".to_owned()),
        ("AWS_SECRET_ACCESS_KEY", "test".to_owned()),
        ("AWS_EC2_METADATA_DISABLED", "true".to_owned()),
    ])
}

/// What the developer says about traces: every part hears it.
fn traces() -> Environment {
    std::env::vars().filter(|(name, _)| name.starts_with("OTEL_")).collect()
}

/// What each Lambda gets. `${…}` is filled in by the bootstrap, which alone knows the names.
pub(crate) fn lambdas(ports: &Ports, urls: &SchemaUrls) -> BTreeMap<&'static str, Environment> {
    let guard = environment([
        ("CLOUDAPP_ISSUER", "${issuer}".to_owned()),
        ("CLOUDAPP_JWKS_URL", "${jwks_url}".to_owned()),
        ("CLOUDAPP_CLIENT_ID", "${client_id}".to_owned()),
    ]);
    let database = |url: &str| environment([("DATABASE_URL", url.replace('$', "$$"))]);
    let join = |parts: &[Environment]| parts.iter().flat_map(Clone::clone).collect::<Environment>();
    BTreeMap::from([
        (
            "auth",
            join(&[
                aws(ports),
                traces(),
                environment([
                    ("CLOUDAPP_ADMIN_TOPIC_ARN", "${topics_admin}".to_owned()),
                    ("CLOUDAPP_FIRST_SEEN_BUCKET", "${buckets_first_seen}".to_owned()),
                ]),
            ]),
        ),
        ("login-poller", join(&[aws(ports), traces(), guard.clone(), database(&urls.login)])),
        (
            "stop-ec2",
            join(&[
                aws(ports),
                traces(),
                guard,
                database(&urls.stop_ec2),
                environment([("CLOUDAPP_INSTANCE_EVENTS_QUEUE_URL", "${queues_instance_events}".to_owned())]),
            ]),
        ),
    ])
}

/// The simulator's.
pub(crate) fn simulator(ports: &Ports, resources: &Resources, state: &std::path::Path) -> Environment {
    environment([
        ("SIMULATOR_PORT", ports.ec2.to_string()),
        ("SIMULATOR_STATE_DIR", state.display().to_string()),
        ("SIMULATOR_EVENT_QUEUE_URL", queue(resources, "instance_events")),
    ])
}

/// A service's, or the web tier's.
pub(crate) fn service(
    service: Service,
    ports: &Ports,
    resources: &Resources,
    urls: &SchemaUrls,
    certificates: &std::path::Path,
    session_key: &str,
) -> Environment {
    let mut all = aws(ports);
    all.extend(traces());
    all.extend(environment([
        ("CLOUDAPP_ISSUER", resources.issuer.clone()),
        ("CLOUDAPP_JWKS_URL", resources.jwks_url.clone()),
        ("CLOUDAPP_CLIENT_ID", resources.client_id.clone()),
        ("CLOUDAPP_LISTEN", format!("127.0.0.1:{}", port(service, ports))),
    ]));
    all.extend(match service {
        Service::ConfigureInstance => environment([("DATABASE_URL", urls.configure.clone())]),
        Service::ProvisionInstance => environment([
            ("DATABASE_URL", urls.provision.clone()),
            ("CLOUDAPP_INSTALLATION", "standalone".to_owned()),
            ("CLOUDAPP_LOGIN_QUEUE_URL", queue(resources, "login")),
            ("CLOUDAPP_INSTANCE_EVENTS_QUEUE_URL", queue(resources, "instance_events")),
            ("CLOUDAPP_ADMIN_TOPIC_ARN", resources.topics.get("admin").cloned().unwrap_or_default()),
            ("CLOUDAPP_EVENTS_BUCKET", resources.buckets.get("events").cloned().unwrap_or_default()),
            ("CLOUDAPP_SSH_CA_KEY_ID", resources.kms_key_id.clone()),
            ("CLOUDAPP_BOOT_REPORT_URL", format!("{}/api/boot-reports", local(ports.provision_instance))),
            ("CLOUDAPP_IDENTITY_CERTIFICATES", certificates.display().to_string()),
            ("CLOUDAPP_AWS_ACCOUNT_ID", ACCOUNT.to_owned()),
            ("CLOUDAPP_WEB_URL", local(ports.web)),
            // A laptop's statistics should move while one looks.
            ("CLOUDAPP_EXPORT_INTERVAL_SECONDS", "3".to_owned()),
        ]),
        Service::ViewStats => environment([
            ("CLOUDAPP_ATHENA_WORKGROUP", resources.workgroup.clone()),
            ("CLOUDAPP_ATHENA_DATABASE", resources.glue_database.clone()),
            ("CLOUDAPP_ATHENA_TABLE", resources.glue_table.clone()),
        ]),
        Service::Web => environment([
            ("CLOUDAPP_USER_POOL_ID", resources.user_pool_id.clone()),
            ("CLOUDAPP_CONFIGURE_URL", local(ports.configure_instance)),
            ("CLOUDAPP_PROVISION_URL", local(ports.provision_instance)),
            ("CLOUDAPP_STATS_URL", local(ports.view_stats)),
            ("CLOUDAPP_GATEWAY_URL", resources.api_gateway.clone()),
            ("CLOUDAPP_PUBLIC_URL", local(ports.web)),
            ("CLOUDAPP_ADMIN_EMAIL", ADMINS.to_owned()),
            ("CLOUDAPP_OPERATOR_EMAIL", ADMINS.to_owned()),
            ("CLOUDAPP_SESSION_KEY", session_key.to_owned()),
        ]),
    });
    all
}

fn queue(resources: &Resources, name: &str) -> String {
    resources.queues.get(name).cloned().unwrap_or_default()
}

/// Where a service listens.
pub(crate) const fn port(service: Service, ports: &Ports) -> u16 {
    match service {
        Service::ConfigureInstance => ports.configure_instance,
        Service::ProvisionInstance => ports.provision_instance,
        Service::ViewStats => ports.view_stats,
        Service::Web => ports.web,
    }
}
