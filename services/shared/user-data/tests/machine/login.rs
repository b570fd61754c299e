//! OpenSSH judges the user data: a real sshd, set up from it, decides who may come in.

use std::path::Path;

use cloudapp_test_sshd::{Account, Sshd};

use crate::keys::{self, HOST_KEY, Keys};
use crate::support::{INSTANCE_ID, Machine, spec};
use serde_json::json;

/// A machine that has booted and reported, with sshd running on it.
async fn machine(keys: &Keys, account: &Account) -> (Machine, Sshd) {
    let configuration = spec(json!({ "login_user": account.name }));
    let machine = Machine::new(&configuration, &keys.ca_public(), &[]).await;
    keys::make_host_key(machine.root());
    machine.install().await;
    machine.cloud_init_finished(&[]);
    machine.report().await;
    let host_keys = machine.reports().remove(0).host_keys;
    let sshd = Sshd::start(machine.root(), account, HOST_KEY, &host_keys).await;
    (machine, sshd)
}

async fn refused(sshd: &Sshd, user: &str, key: &Path, certificate: Option<&Path>, reason: &str) {
    let attempt = sshd.log_in(user, key, certificate).await;
    assert!(!attempt.came_in, "{reason}: came in");
    assert!(attempt.server_log.contains(reason), "`{reason}` is missing in:\n{}", attempt.server_log);
}

#[tokio::test]
async fn only_a_current_certificate_for_this_machine_logs_in() {
    let (keys, account) = (Keys::new(), Account::for_login());
    let (machine, sshd) = machine(&keys, &account).await;
    let user = account.name.as_str();

    let good = keys.certificate("good", INSTANCE_ID, "-5m:+1h");
    let attempt = sshd.log_in(user, &good.key, Some(&good.certificate)).await;
    assert!(attempt.came_in, "{}\n{}", attempt.client_log, attempt.server_log);
    assert!(attempt.server_log.contains("Accepted certificate ID \"good\" (serial 7) signed by ECDSA"));

    let other = keys.certificate("other", "i-0fedcba9876543210", "-5m:+1h");
    refused(&sshd, user, &other.key, Some(&other.certificate), "does not contain an authorized principal")
        .await;
    let expired = keys.certificate("expired", INSTANCE_ID, "-2h:-1h");
    refused(&sshd, user, &expired.key, Some(&expired.certificate), "Certificate invalid: expired").await;
    let early = keys.certificate("early", INSTANCE_ID, "+1h:+2h");
    refused(&sshd, user, &early.key, Some(&early.certificate), "Certificate invalid: not yet valid").await;
    let other_authority = Keys::new();
    let stranger = other_authority.certificate("stranger", INSTANCE_ID, "-5m:+1h");
    refused(&sshd, user, &stranger.key, Some(&stranger.certificate), "Failed publickey").await;

    refused(&sshd, user, &keys.plain("plain"), None, "ssh-ed25519 not in PubkeyAcceptedAlgorithms").await;
    // sshd may have a second reason of its own (an account without a password), so no more than this.
    refused(&sshd, "root", &good.key, Some(&good.certificate), "User root ").await;
    refused(&sshd, "bin", &good.key, Some(&good.certificate), "User bin from 127.0.0.1 not allowed").await;

    // What a machine is before its report: nobody's.
    std::fs::remove_file(machine.root().join("etc/ssh/auth_principals").join(user)).unwrap();
    refused(&sshd, user, &good.key, Some(&good.certificate), "does not contain an authorized principal")
        .await;
}

#[tokio::test]
async fn sshd_reads_the_settings_as_they_are_meant() {
    let (keys, account) = (Keys::new(), Account::for_login());
    let (_machine, sshd) = machine(&keys, &account).await;
    let effective = sshd.effective_settings().await;
    for line in [
        "permitrootlogin no",
        "passwordauthentication no",
        "kbdinteractiveauthentication no",
        "authorizedkeysfile none",
        "authorizedkeyscommand none",
        "authenticationmethods publickey",
    ] {
        assert!(effective.lines().any(|found| found == line), "{line} is missing in:\n{effective}");
    }
    let algorithms = effective.lines().find(|line| line.starts_with("pubkeyacceptedalgorithms ")).unwrap();
    assert!(algorithms.split([' ', ',']).skip(1).all(|name| name.contains("-cert-v01@")), "{algorithms}");
}
