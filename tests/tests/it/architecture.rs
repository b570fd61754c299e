//! Dependencies point inwards. Reads `cargo metadata` and fails on an edge that the design forbids.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::Value;

/// Each crate of ours and the crates of ours that it may name as a dependency. A new crate must be put here: that
/// is the moment to think about where it belongs. Development dependencies are not looked at.
const ALLOWED: &[(&str, &[&str])] = &[
    ("cloudapp-domain", &[]),
    ("cloudapp-trace", &[]),
    ("cloudapp-contract", &["domain", "trace"]),
    ("cloudapp-chassis", &["contract", "domain", "trace"]),
    ("cloudapp-coalesce", &[]),
    ("cloudapp-database", &["aws", "chassis", "coalesce", "domain"]),
    ("cloudapp-migrations", &[]),
    ("cloudapp-workflow", &["coalesce", "domain", "migrations", "trace"]),
    ("cloudapp-aws-calls", &["trace"]),
    ("cloudapp-aws", &["aws-calls", "domain", "trace"]),
    ("cloudapp-ec2", &["aws-calls", "domain"]),
    ("cloudapp-ssh-ca", &["domain"]),
    ("cloudapp-identity-document", &["domain"]),
    ("cloudapp-user-data", &["domain"]),
    ("cloudapp-test-issuer", &["chassis", "domain"]),
    ("cloudapp-test-sshd", &["free-port"]),
    ("cloudapp-lambda", &["chassis", "contract", "domain", "trace"]),
    (
        "cloudapp-configure-instance",
        &["chassis", "contract", "database", "domain", "migrations", "user-data"],
    ),
    (
        "cloudapp-provision-instance",
        &[
            "aws",
            "chassis",
            "coalesce",
            "contract",
            "database",
            "domain",
            "ec2",
            "identity-document",
            "migrations",
            "ssh-ca",
            "trace",
            "user-data",
            "workflow",
        ],
    ),
    ("cloudapp-view-stats", &["aws", "chassis", "contract", "domain"]),
    ("cloudapp-auth", &["aws", "chassis", "contract", "domain", "lambda", "trace"]),
    (
        "cloudapp-login-poller",
        &["aws", "chassis", "contract", "database", "domain", "lambda", "migrations", "trace"],
    ),
    ("cloudapp-stop-ec2", &["aws", "chassis", "contract", "database", "domain", "ec2", "lambda"]),
    ("cloudapp-web", &["aws", "chassis", "contract", "domain", "trace"]),
    ("cloudapp-schemas", &[]),
    (
        "cloudapp-operate",
        &[
            "aws",
            "chassis",
            "configure-instance",
            "database",
            "login-poller",
            "provision-instance",
            "schemas",
        ],
    ),
    ("cloudapp-free-port", &[]),
    ("cloudapp-postgres", &["free-port", "schemas"]),
    ("cloudapp-ec2-simulator", &[]),
    (
        "cloudapp-standalone",
        &[
            "auth",
            "chassis",
            "configure-instance",
            "domain",
            "ec2-simulator",
            "free-port",
            "login-poller",
            "postgres",
            "provision-instance",
            "stop-ec2",
            "view-stats",
            "web",
        ],
    ),
    // Runs the services as processes: of their code it links none but the workflow's migrations.
    (
        "cloudapp-rig",
        &["contract", "domain", "ec2-simulator", "free-port", "postgres", "test-issuer", "workflow"],
    ),
    ("cloudapp-bench", &["contract", "domain", "ec2-simulator", "free-port", "rig"]),
    ("cloudapp-tests", &["aws", "chassis", "contract", "domain", "free-port", "rig", "standalone"]),
];

/// Crates from outside that only some of ours may use, also through others of ours.
const KEPT_TO: &[(&str, &[&str])] = &[
    (
        "sqlx",
        &[
            "database",
            "migrations",
            "workflow",
            "configure-instance",
            "provision-instance",
            "login-poller",
            "stop-ec2",
            "schemas",
            "operate",
            "postgres",
            "standalone",
            "rig",
            "bench",
        ],
    ),
    ("aws-sdk-ec2", &["ec2"]),
    ("aws-sdk-s3", &["aws"]),
    ("aws-sdk-sqs", &["aws"]),
    ("aws-sdk-secretsmanager", &["aws"]),
    ("aws-sdk-sns", &["aws"]),
    ("aws-sdk-kms", &["aws"]),
    ("aws-sdk-athena", &["aws"]),
    ("aws-sdk-cognitoidentityprovider", &["aws"]),
    ("lambda_runtime", &["lambda"]),
    ("opentelemetry-otlp", &["chassis"]),
    ("opentelemetry_sdk", &["chassis"]),
    (
        "metrics-exporter-prometheus",
        &["chassis", "configure-instance", "provision-instance", "view-stats", "web"],
    ),
    ("askama", &["web"]),
    ("parquet", &["provision-instance"]),
];

/// Every crate of the workspace and what it names in `[dependencies]`.
fn workspace() -> BTreeMap<String, BTreeSet<String>> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--format-version", "1", "--offline"])
        .output()
        .expect("cargo runs");
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("cargo metadata answers JSON");
    let packages = metadata["packages"].as_array().expect("packages");
    packages
        .iter()
        .map(|package| {
            let dependencies = package["dependencies"].as_array().expect("dependencies");
            let normal = dependencies.iter().filter(|dependency| dependency["kind"].is_null());
            let names =
                normal.filter_map(|dependency| dependency["name"].as_str()).map(str::to_owned).collect();
            (package["name"].as_str().expect("a name").to_owned(), names)
        })
        .collect()
}

#[test]
fn our_crates_depend_on_each_other_only_inwards() {
    let allowed: BTreeMap<&str, &[&str]> = ALLOWED.iter().copied().collect();
    let workspace = workspace();
    let mut wrong = Vec::new();
    for (name, dependencies) in &workspace {
        let Some(allowed) = allowed.get(name.as_str()) else {
            wrong.push(format!("{name} is not in the list of this test"));
            continue;
        };
        for dependency in dependencies.iter().filter_map(|name| name.strip_prefix("cloudapp-")) {
            if !allowed.contains(&dependency) {
                wrong.push(format!("{name} → cloudapp-{dependency}"));
            }
        }
    }
    for name in allowed.keys().filter(|name| !workspace.contains_key(**name)) {
        wrong.push(format!("{name} is in the list of this test but not in the workspace"));
    }
    assert!(wrong.is_empty(), "forbidden edges:\n{}", wrong.join("\n"));
}

#[test]
fn outside_crates_stay_in_their_rooms() {
    let workspace = workspace();
    let mut wrong = Vec::new();
    for (outside, keepers) in KEPT_TO {
        for (name, dependencies) in &workspace {
            let short = name.trim_start_matches("cloudapp-");
            if dependencies.contains(*outside) && !keepers.contains(&short) && name != "cloudapp-tests" {
                wrong.push(format!("{name} → {outside}"));
            }
        }
    }
    assert!(wrong.is_empty(), "forbidden edges:\n{}", wrong.join("\n"));
}

/// The web tier never reaches the data tier, by whatever way.
#[test]
fn web_reaches_no_database_not_even_through_others() {
    let workspace = workspace();
    let mut seen = BTreeSet::from(["cloudapp-web".to_owned()]);
    let mut open = vec!["cloudapp-web".to_owned()];
    while let Some(name) = open.pop() {
        for dependency in workspace.get(&name).into_iter().flatten() {
            let forbidden = [
                "sqlx",
                "aws-sdk-ec2",
                "cloudapp-workflow",
                "cloudapp-ec2",
                "cloudapp-database",
                "cloudapp-postgres",
            ];
            assert!(
                !forbidden.contains(&dependency.as_str()),
                "cloudapp-web reaches {dependency} through {name}"
            );
            if seen.insert(dependency.clone()) {
                open.push(dependency.clone());
            }
        }
    }
}
