//! `endpoints.json`: where everything is, for people and scripts. A stable format.

use std::path::Path;

use serde::Serialize;

use super::environment::local;
use super::folder::write_private;
use super::local_aws::{DemoUser, Resources};
use super::ports::Ports;

#[derive(Debug, Serialize)]
struct Endpoints<'a> {
    web: String,
    configure_instance: String,
    provision_instance: String,
    view_stats: String,
    api_gateway: &'a str,
    aws: String,
    ec2: String,
    database_url: &'a str,
    cognito: Cognito<'a>,
    users: &'a [DemoUser],
}

#[derive(Debug, Serialize)]
struct Cognito<'a> {
    user_pool_id: &'a str,
    client_id: &'a str,
    jwks_url: &'a str,
}

/// Writes the file, readable by its owner only: it holds the demo passwords.
pub(crate) fn write(
    path: &Path,
    ports: &Ports,
    resources: &Resources,
    database_url: &str,
    users: &[DemoUser],
) -> anyhow::Result<()> {
    let endpoints = Endpoints {
        web: local(ports.web),
        configure_instance: local(ports.configure_instance),
        provision_instance: local(ports.provision_instance),
        view_stats: local(ports.view_stats),
        api_gateway: &resources.api_gateway,
        aws: local(ports.aws),
        ec2: local(ports.ec2),
        database_url,
        cognito: Cognito {
            user_pool_id: &resources.user_pool_id,
            client_id: &resources.client_id,
            jwks_url: &resources.jwks_url,
        },
        users,
    };
    write_private(path, &serde_json::to_vec_pretty(&endpoints)?)
}
