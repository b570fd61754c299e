//! The scripts of the user data run for real, against a metadata service and a receiver on loopback.

use cloudapp_test_sshd::{Account, give_to};

use crate::keys;
use crate::support::{DOCUMENT, INSTANCE_ID, Machine, PUBLIC_IPV4, SIGNATURE, spec};
use cloudapp_contract::boot_report::BootOutcome;
use serde_json::json;

const CA: &str = "ecdsa-sha2-nistp256 AAAAE2VjZHNh cloudapp-ca";

#[tokio::test]
async fn a_good_boot_is_reported_until_it_is_taken() {
    let configuration = spec(json!({
        "files": [{ "path": "/opt/greeting", "content": "hello" }],
        "commands": ["cat \"$CLOUDAPP_ROOT/opt/greeting\" > \"$CLOUDAPP_ROOT/opt/copy\"", "echo 'it'\"'\"'s done'"],
    }));
    let machine = Machine::new(&configuration, CA, &[503]).await;
    assert!(machine.install().await.status.success());
    assert_eq!(machine.read("opt/copy"), "hello");
    assert!(machine.read("var/log/cloudapp-install.log").contains("it's done"));
    machine.cloud_init_finished(&[]);
    machine.write("etc/ssh/ssh_host_ed25519_key.pub", "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5 root@ip-10-0-0-1\n");
    machine.write("etc/ssh/ssh_host_ecdsa_key.pub", "ecdsa-sha2-nistp256 AAAAE2VjZHNh root@ip-10-0-0-1\n");
    machine.report().await;

    let reports = machine.reports();
    assert_eq!(reports.len(), 2, "sent again after 503");
    assert_eq!(reports[0], reports[1]);
    let report = &reports[1];
    assert_eq!(report.instance_id.as_str(), INSTANCE_ID);
    assert_eq!(report.public_ipv4.as_deref(), Some(PUBLIC_IPV4));
    assert_eq!(report.boot_id.to_string(), "0b6f7e5c-3a1d-4c8e-9d2f-5a4b3c2d1e0f");
    assert_eq!((report.outcome, report.log_tail.as_str()), (BootOutcome::Success, ""));
    assert_eq!(report.host_keys, ["ecdsa-sha2-nistp256 AAAAE2VjZHNh", "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5"]);
    // To the byte: a signature covers it.
    assert_eq!(report.identity_document, DOCUMENT);
    assert_eq!(report.identity_signature, SIGNATURE);
    assert_eq!(machine.read("etc/ssh/auth_principals/ec2-user"), format!("{INSTANCE_ID}\n"));
}

#[tokio::test]
async fn the_first_failing_command_ends_the_installation_and_its_log_is_reported() {
    let configuration = spec(json!({ "commands": [
        "echo first",
        "printf 'no package \"foo\\\\bar\"\\tfür dich \\033[31m\\377\\n' >&2; exit 3",
        "touch \"$CLOUDAPP_ROOT/never\"",
    ]}));
    let machine = Machine::new(&configuration, CA, &[]).await;
    assert!(!machine.install().await.status.success());
    machine.cloud_init_finished(&[]);
    machine.report().await;
    assert!(!machine.root().join("never").exists());
    let report = machine.reports().remove(0);
    assert_eq!(report.outcome, BootOutcome::Failure);
    assert_eq!(
        report.log_tail,
        "== command 1 of 3\nfirst\n== command 2 of 3\nno package \"foo\\bar\" für dich [31m\n\
         == failed with exit status 3\n"
    );
}

#[tokio::test]
async fn the_script_of_the_user_data_runs_first() {
    let configuration = spec(json!({
        "raw_user_data": "#!/bin/sh\necho from-script > \"$CLOUDAPP_ROOT/order\"\n",
        "commands": ["echo from-command >> \"$CLOUDAPP_ROOT/order\""],
    }));
    let machine = Machine::new(&configuration, CA, &[]).await;
    assert!(machine.install().await.status.success());
    assert_eq!(machine.read("order"), "from-script\nfrom-command\n");
}

#[tokio::test]
async fn an_error_of_cloud_init_is_a_failure_even_if_the_commands_went_through() {
    let machine = Machine::new(&spec(json!({})), CA, &[]).await;
    machine.install().await;
    machine.cloud_init_finished(&["Failed to install packages: [\"no-such-package\"]"]);
    machine.write("var/log/cloud-init-output.log", "No match for argument: no-such-package\n");
    machine.report().await;
    let report = machine.reports().remove(0);
    assert_eq!(report.outcome, BootOutcome::Failure);
    assert!(
        report.log_tail.contains("Failed to install packages: [\\\"no-such-package\\\"]"),
        "{}",
        report.log_tail
    );
    assert!(report.log_tail.ends_with("No match for argument: no-such-package\n"), "{}", report.log_tail);
}

#[tokio::test]
async fn an_image_whose_sshd_would_let_nobody_in_is_a_failure() {
    let machine = Machine::new(&spec(json!({})), CA, &[]).await;
    keys::make_host_key(machine.root());
    machine.install().await;
    machine.cloud_init_finished(&[]);
    // As root, sshd would want more of the machine than a test may touch.
    let account = Account::for_login();
    let root = machine.root().display();
    let host_key = format!("HostKey {root}/etc/ssh/ssh_host_ed25519_key\n");
    for include in ["", &format!("Include {root}/etc/ssh/sshd_config.d/*.conf\n")] {
        machine.write("etc/ssh/sshd_config", &format!("{include}{host_key}"));
        give_to(machine.root(), &account);
        machine.report_as(account.switch_to).await;
    }
    let reports = machine.reports();
    assert_eq!(reports[0].outcome, BootOutcome::Failure);
    assert!(reports[0].log_tail.contains("sshd_config must include it"), "{}", reports[0].log_tail);
    assert_eq!(reports[1].outcome, BootOutcome::Success, "{}", reports[1].log_tail);
}

#[tokio::test]
async fn an_installation_that_did_not_end_is_a_failure() {
    let machine = Machine::new(&spec(json!({})), CA, &[]).await;
    machine.cloud_init_finished(&[]);
    machine.report().await;
    let report = machine.reports().remove(0);
    assert_eq!(report.outcome, BootOutcome::Failure);
    assert_eq!(report.log_tail, "The installation did not run to its end.\n");
}

#[tokio::test]
async fn a_long_log_is_cut_at_its_beginning() {
    let long = spec(json!({ "commands": ["seq -f 'äöü line %g' 1 2000; exit 1"] }));
    let machine = Machine::new(&long, CA, &[]).await;
    machine.install().await;
    machine.cloud_init_finished(&[]);
    machine.report().await;
    let tail = machine.reports().remove(0).log_tail;
    assert!(tail.len() <= 4_096 && tail.len() > 2_900, "{}", tail.len());
    assert!(tail.contains("äöü line 2000\n"), "{tail}");
}

#[tokio::test]
async fn every_boot_is_reported_and_a_refusal_ends_the_trying() {
    let machine = Machine::new(&spec(json!({})), CA, &[403]).await;
    machine.install().await;
    machine.cloud_init_finished(&[]);
    machine.report().await;
    assert_eq!(machine.reports().len(), 1, "a refusal is final");
    machine.write("proc/sys/kernel/random/boot_id", "1c7f8e6d-3a1d-4c8e-9d2f-5a4b3c2d1e0f\n");
    machine.report().await;
    let reports = machine.reports();
    assert_eq!(reports.len(), 2);
    assert_ne!(reports[0].boot_id, reports[1].boot_id);
    assert_eq!(reports[1].outcome, BootOutcome::Success);
}
