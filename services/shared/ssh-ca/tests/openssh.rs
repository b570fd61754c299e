//! OpenSSH judges: `ssh-keygen` reads the certificate, a real `sshd` lets a real `ssh` in with it, and only with it.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

mod support;

use std::process::Command;

use chrono::{DateTime, TimeDelta, Utc};
use cloudapp_domain::{Clock, Ec2InstanceId, SystemClock};
use cloudapp_ssh_ca::{CertificateRequest, UserKey};
use support::{Sshd, authority, generate_key, ssh_keygen};

fn request(principal: &str, now: DateTime<Utc>) -> CertificateRequest {
    CertificateRequest {
        serial: 7,
        key_id: "owner-1 execution-2".to_owned(),
        principal: principal.parse::<Ec2InstanceId>().unwrap(),
        valid_after: now - TimeDelta::minutes(5),
        valid_before: now + TimeDelta::hours(1),
    }
}

const MACHINE: &str = "i-0123456789abcdef0";

#[tokio::test]
async fn ssh_keygen_reads_what_was_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let authority = authority();
    let at = "2026-03-01T12:00:00Z".parse().unwrap();
    let kinds: [&[&str]; 5] = [
        &["-t", "ed25519"],
        &["-t", "ecdsa", "-b", "256"],
        &["-t", "ecdsa", "-b", "384"],
        &["-t", "ecdsa", "-b", "521"],
        &["-t", "rsa", "-b", "3072"],
    ];
    for (n, kind) in kinds.into_iter().enumerate() {
        let public = generate_key(folder.path(), &format!("key{n}"), kind);
        let key = UserKey::parse(&public).unwrap();
        assert_eq!(public.split(' ').take(2).collect::<Vec<_>>().join(" "), key.to_string());

        let certificate = authority.sign_user_certificate(&key, &request(MACHINE, at)).await.unwrap();
        let file = folder.path().join(format!("key{n}-cert.pub"));
        std::fs::write(&file, &certificate).unwrap();
        let shown = ssh_keygen(["-L", "-f", file.to_str().unwrap()]);

        assert!(shown.contains("-cert-v01@openssh.com user certificate"), "{shown}");
        assert!(shown.contains(&format!("Public key: {}", key_line(&public, &key))), "{shown}");
        assert!(shown.contains("Signing CA: ECDSA SHA256:"), "{shown}");
        assert!(shown.contains("(using ecdsa-sha2-nistp256)"), "{shown}");
        assert!(shown.contains("Key ID: \"owner-1 execution-2\""), "{shown}");
        assert!(shown.contains("Serial: 7"), "{shown}");
        assert!(shown.contains(&format!("Principals: \n                {MACHINE}\n")), "{shown}");
        assert!(shown.contains("Critical Options: (none)"), "{shown}");
        let extensions = "Extensions: \n                permit-port-forwarding\n                permit-pty\n";
        assert!(shown.contains(extensions), "{shown}");
        assert!(!certificate.contains('\n'));
    }
}

/// How `ssh-keygen -L` names the certified key: `ED25519-CERT SHA256:…`.
fn key_line(public: &str, key: &UserKey) -> String {
    let kind = match public.split(' ').next().unwrap() {
        "ssh-ed25519" => "ED25519-CERT",
        "ssh-rsa" => "RSA-CERT",
        _ => "ECDSA-CERT",
    };
    format!("{kind} {}", key.fingerprint())
}

#[tokio::test]
async fn a_certificate_that_never_is_valid_is_not_made() {
    let folder = tempfile::tempdir().unwrap();
    let key = UserKey::parse(&generate_key(folder.path(), "key", &["-t", "ed25519"])).unwrap();
    let at = "2026-03-01T12:00:00Z".parse().unwrap();
    let backwards = CertificateRequest { valid_before: at, valid_after: at, ..request(MACHINE, at) };
    assert!(authority().sign_user_certificate(&key, &backwards).await.is_err());
    let ancient =
        CertificateRequest { valid_after: "1969-01-01T00:00:00Z".parse().unwrap(), ..request(MACHINE, at) };
    assert!(authority().sign_user_certificate(&key, &ancient).await.is_err());
}

#[tokio::test]
async fn sshd_lets_in_the_right_certificate_and_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let authority = authority();
    let sshd = Sshd::start(folder.path(), &authority.public_key_openssh().await.unwrap(), MACHINE);
    let now = SystemClock.now();
    let right = request(MACHINE, now);
    let other_machine = request("i-0fedcba9876543210", now);
    let expired = CertificateRequest {
        valid_after: now - TimeDelta::hours(2),
        valid_before: now - TimeDelta::hours(1),
        ..right.clone()
    };
    for (name, kind) in [("ed", "ed25519"), ("ec", "ecdsa"), ("rsa", "rsa")] {
        let key = UserKey::parse(&generate_key(folder.path(), name, &["-t", kind])).unwrap();
        let login = async |request: &CertificateRequest| {
            let certificate = authority.sign_user_certificate(&key, request).await.unwrap();
            sshd.login(&folder.path().join(name), &certificate)
        };
        let (let_in, said) = login(&right).await;
        assert!(let_in, "{kind}: {said}\n{}", sshd.log());
        assert!(!login(&other_machine).await.0, "{kind}: another machine's certificate was accepted");
        assert!(!login(&expired).await.0, "{kind}: an expired certificate was accepted");
    }
}

#[tokio::test]
async fn the_public_key_is_one_line_that_ssh_keygen_knows() {
    let folder = tempfile::tempdir().unwrap();
    let line = authority().public_key_openssh().await.unwrap();
    assert!(line.starts_with("ecdsa-sha2-nistp256 AAAA") && line.ends_with(" cloudapp-ca"), "{line}");
    let file = folder.path().join("ca.pub");
    std::fs::write(&file, &line).unwrap();
    let shown = ssh_keygen(["-l", "-f", file.to_str().unwrap()]);
    assert!(shown.starts_with("256 SHA256:") && shown.contains("cloudapp-ca (ECDSA)"), "{shown}");
    assert!(Command::new("ssh-keygen").arg("-B").arg("-f").arg(&file).status().unwrap().success());
}
