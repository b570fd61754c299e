use cloudapp_domain::configuration::{ConfigurationDraft, FileSpec};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::Document;

fn settings() -> MachineSettings {
    MachineSettings::new(
        "ecdsa-sha2-nistp256 AAAAE2VjZHNh cloudapp-ca",
        "https://cloudapp.example/api/boot-reports",
    )
}

fn spec(change: impl FnOnce(&mut ConfigurationDraft)) -> ConfigurationSpec {
    let mut draft: ConfigurationDraft = serde_json::from_value(json!({
        "name": "Docker host",
        "image": "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64",
        "instance_types": ["t3.small"],
        "packages": ["docker"],
        "files": [{ "path": "/etc/motd", "content": "It's a \"Docker\" host.\n# Grüße\n" }],
        "commands": ["systemctl enable --now docker", "usermod -aG docker ec2-user && echo 'it''s done'"],
    }))
    .unwrap();
    change(&mut draft);
    draft.validate().unwrap()
}

fn refused(change: impl FnOnce(&mut ConfigurationDraft)) -> (String, String) {
    let errors = render(&spec(change), &settings()).unwrap_err().into_vec();
    let error = errors.into_iter().next().unwrap();
    (error.field, error.message)
}

fn content(document: &Document, path: &str) -> String {
    String::from_utf8(document.file(path).unwrap().content.clone()).unwrap()
}

/// Text that compresses to no less than three quarters of its size.
fn incompressible(bytes: usize) -> String {
    use base64::Engine as _;
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let noise: Vec<u8> = std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[3]
    })
    .take(bytes)
    .collect();
    base64::engine::general_purpose::STANDARD.encode(noise)
}

#[test]
fn a_rendered_document() {
    insta::assert_snapshot!(render(&spec(|_| ()), &settings()).unwrap().document());
}

#[test]
fn trust_principals_report_and_installation_are_in_it() {
    let rendered = render(&spec(|_| ()), &settings()).unwrap();
    let document = Document::read(&rendered.bytes()).unwrap();
    assert_eq!(
        content(&document, "/etc/ssh/cloudapp_ca.pub"),
        "ecdsa-sha2-nistp256 AAAAE2VjZHNh cloudapp-ca\n"
    );
    let sshd = content(&document, "/etc/ssh/sshd_config.d/10-cloudapp.conf");
    for line in [
        "TrustedUserCAKeys /etc/ssh/cloudapp_ca.pub",
        "AuthorizedPrincipalsFile /etc/ssh/auth_principals/%u",
        "PermitRootLogin no",
        "PasswordAuthentication no",
        "AuthorizedKeysFile none",
        "AllowUsers ec2-user",
    ] {
        assert!(sshd.lines().any(|found| found == line), "{line} is missing in:\n{sshd}");
    }
    let report: Value = serde_json::from_str(&content(&document, "/etc/cloudapp/report.json")).unwrap();
    assert_eq!(
        report,
        json!({
            "report_url": "https://cloudapp.example/api/boot-reports",
            "metadata_base": "http://169.254.169.254",
            "login_user": "ec2-user",
            "boot_report_required": true,
        })
    );
    let service = content(&document, "/etc/systemd/system/cloudapp-report.service");
    assert!(service.contains("After=cloud-final.service"));
    assert!(service.contains("WantedBy=cloud-init.target"));
    assert_eq!(document.packages(), ["docker"]);
    assert_eq!(document.key("ssh_pwauth").unwrap().as_bool(), Some(false));
}

#[test]
fn the_installation_runs_before_the_report_is_started() {
    let document = Document::read(&render(&spec(|_| ()), &settings()).unwrap().bytes()).unwrap();
    let commands = document.key("runcmd").unwrap().as_sequence().unwrap();
    let position = |word: &str| {
        commands
            .iter()
            .position(|words| words.as_sequence().unwrap().iter().any(|found| found.as_str() == Some(word)))
    };
    let (install, start) = (position("/etc/cloudapp/install.sh").unwrap(), position("start").unwrap());
    assert!(install < start);
    let installation = content(&document, "/etc/cloudapp/install.sh");
    assert!(installation.contains(r"sh -c 'usermod -aG docker ec2-user && echo '\''it'\'''\''s done'\'''"));
}

#[test]
fn large_user_data_is_compressed_the_same_way_every_time() {
    let large = spec(|draft| draft.files[0].content = "all work and no play\n".repeat(2_000));
    let rendered = render(&large, &settings()).unwrap();
    assert!(rendered.document().len() > LIMIT_BYTES);
    assert!(rendered.bytes().len() < LIMIT_BYTES);
    assert_eq!(rendered.bytes(), render(&large, &settings()).unwrap().bytes());
    let read = Document::read(&rendered.bytes()).unwrap();
    assert_eq!(content(&read, "/etc/motd").len(), 42_000);
}

#[test]
fn what_is_too_large_even_compressed_is_refused_by_its_largest_field() {
    let (field, message) = refused(|draft| {
        draft.files[0].content = "all work and no play\n".repeat(4_000);
        let path = "/opt/data".to_owned();
        draft.files.push(FileSpec { path, permissions: "0644".to_owned(), content: incompressible(20_000) });
    });
    assert_eq!(field, "files[1].content");
    assert!(message.contains("EC2 takes 16384"), "{message}");
    assert_eq!(refused(|draft| draft.commands.push(incompressible(20_000))).0, "commands");
}

#[test]
fn a_script_runs_first_and_a_document_is_merged() {
    let script = spec(|draft| draft.raw_user_data = Some("#!/bin/bash\necho 'hi'\n".to_owned()));
    let document = Document::read(&render(&script, &settings()).unwrap().bytes()).unwrap();
    assert_eq!(content(&document, "/etc/cloudapp/user-script"), "#!/bin/bash\necho 'hi'\n");
    let installation = content(&document, "/etc/cloudapp/install.sh");
    assert!(installation.find("user-script").unwrap() < installation.find("systemctl enable").unwrap());

    let merged =
        spec(|draft| draft.raw_user_data = Some("#cloud-config\ntimezone: Europe/Berlin\n".to_owned()));
    let document = Document::read(&render(&merged, &settings()).unwrap().bytes()).unwrap();
    assert_eq!(document.key("timezone").unwrap().as_str(), Some("Europe/Berlin"));
    assert!(document.file("/etc/cloudapp/install.sh").is_some());
}

#[test]
fn a_merged_document_keeps_its_quotes_and_may_be_in_flow_style() {
    let rendered = |text: &str| {
        let text = text.to_owned();
        render(&spec(|draft| draft.raw_user_data = Some(text)), &settings()).unwrap()
    };
    // Without its quotes cloud-init would read 45,000 seconds.
    let block = rendered("#cloud-config\n# at lunch\npower_state: { mode: reboot, delay: \"12:30:00\" }");
    assert!(block.document().contains("delay: \"12:30:00\""));
    let flow = rendered("#cloud-config\n{ hostname: box }\n");
    assert_eq!(Document::read(&flow.bytes()).unwrap().key("hostname").unwrap().as_str(), Some("box"));
}

#[test]
fn a_document_that_clashes_or_cannot_be_read_is_refused() {
    let raw = |text: &str| {
        let text = text.to_owned();
        refused(|draft| draft.raw_user_data = Some(text))
    };
    let (field, message) = raw("#cloud-config\nruncmd: [reboot]\nssh_pwauth: true\nhostname: x\n");
    assert_eq!(field, "raw_user_data");
    assert!(message.contains("runcmd, ssh_pwauth"), "{message}");
    assert!(!message.contains("hostname"), "{message}");
    assert!(raw("#cloud-config\n\ta: [").1.contains("not valid YAML"));
    assert!(raw("#cloud-config\n- a\n").1.contains("mapping"));
    assert!(raw("#cloud-config\n1: a\n").1.contains("text as keys"));
}

#[test]
fn files_of_cloudapps_own_cannot_be_replaced() {
    for path in
        ["/etc/cloudapp/install.sh", "/etc//ssh/./cloudapp_ca.pub", "/etc/ssh/auth_principals/ec2-user"]
    {
        assert_eq!(refused(|draft| draft.files[0].path = path.to_owned()).0, "files[0].path", "{path}");
    }
}

#[test]
fn settings_that_would_break_a_file_are_refused() {
    let wrong = [
        MachineSettings { ca_public_key: "a\nb".to_owned(), ..settings() },
        MachineSettings { report_url: "https://x/\"".to_owned(), ..settings() },
        MachineSettings { metadata_base: "ftp://x".to_owned(), ..settings() },
        MachineSettings { root_prefix: "/tmp/a b".to_owned(), ..settings() },
    ];
    for settings in wrong {
        assert!(render(&spec(|_| ()), &settings).is_err(), "{settings:?}");
    }
}

proptest! {
    /// Whatever an admin writes into files and commands arrives on the machine byte for byte.
    #[test]
    fn every_text_arrives_as_it_was_written(
        contents in proptest::collection::vec(any::<String>(), 0..4),
        awkward in "[ \t\n\r'\"#:{}|>&*!%@`\\\\äß☃\u{1f600}\u{85}\u{2028}\u{feff}0-9a-z-]{0,60}",
        packages in proptest::collection::vec("(yes|no|on|null|~x|1e3|0x1f|[a-z][a-z0-9.+-]{0,10})", 0..4),
    ) {
        let contents: Vec<String> = contents.into_iter().chain([awkward]).collect();
        let configuration = spec(|draft| {
            draft.packages = packages.clone();
            draft.files = contents.iter().enumerate().map(|(index, content)| FileSpec {
                path: format!("/opt/{index}"), permissions: "0640".to_owned(), content: content.clone(),
            }).collect();
            draft.commands = contents.iter()
                .filter(|text| !text.trim().is_empty() && !text.contains('\0')).cloned().collect();
        });
        let document = Document::read(&render(&configuration, &settings()).unwrap().bytes()).unwrap();
        for (index, content) in contents.iter().enumerate() {
            let file = document.file(&format!("/opt/{index}")).unwrap();
            prop_assert_eq!(&file.content, content.as_bytes());
            prop_assert_eq!(file.mode, 0o640);
        }
        prop_assert_eq!(document.packages(), packages);
        let installation = content(&document, "/etc/cloudapp/install.sh");
        for command in &configuration.commands {
            prop_assert!(installation.contains(&command.replace('\'', r"'\''")));
        }
    }
}
