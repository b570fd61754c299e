//! Login details do what they promise: OpenSSH's own client logs in with them, to OpenSSH's own server, set up from
//! the user data that EC2 was given, with the host key that the machine reported.

use std::path::Path;

use cloudapp_contract::execution::LoginDetails;
use cloudapp_contract::instance::{CreateInstance, RequestCredentials};
use cloudapp_domain::ExecutionState;
use cloudapp_test_sshd::{Account, Sshd, ssh_keygen};
use cloudapp_tests::{Person, Stack, demo, eventually_some};
use cloudapp_user_data::Document;

use super::launches::{configuration, finished};
use super::simulator;

const HOST_KEY: &str = "ssh_host_ecdsa_key";

/// A configuration whose login user is an account of this machine: the published shell box, but for that.
async fn publish_for(account: &Account, admin: &Person) -> cloudapp_domain::ConfigurationId {
    let shell = configuration(admin, "Amazon Linux shell").await;
    let mut draft = admin.configure().get(shell).await.expect("the configuration").spec;
    draft.name = "Login test".to_owned();
    draft.login_user.clone_from(&account.name);
    let created = admin.configure().create("login-test", &draft).await.expect("a draft");
    admin.configure().publish(created.id, "login-test-publish").await.expect("published").id
}

/// What cloud-init does with the user data, below `root`, and the machine's own host key.
async fn set_up(stack: &Stack, ec2_id: &str, root: &Path) {
    let machine = simulator::machine(stack, ec2_id).await;
    let user_data = machine["user_data"].as_str().expect("user data");
    let document = Document::read(user_data.as_bytes()).expect("cloud-init's format");
    document.write_files(root).expect("files");
    let ssh = root.join("etc/ssh");
    for entry in std::fs::read_dir(ssh.join("sshd_config.d")).expect("our settings") {
        // On the machine the paths begin at /.
        let path = entry.expect("a file").path();
        let text = std::fs::read_to_string(&path).expect("text");
        let here = format!("{}/etc/ssh/", root.display());
        std::fs::write(&path, text.replace("/etc/ssh/", &here)).expect("written");
    }
    let key = machine["host_private_key"].as_str().expect("the machine's host key");
    std::fs::write(ssh.join(HOST_KEY), key).expect("written");
    // The machine learns its own id from the metadata service; the report script writes it here at each boot.
    let principals = ssh.join("auth_principals");
    std::fs::create_dir_all(&principals).expect("a folder");
    std::fs::write(principals.join(Account::for_login().name), format!("{ec2_id}\n")).expect("written");
}

fn write_certificate(folder: &Path, login: &LoginDetails) -> std::path::PathBuf {
    let path = folder.join("id_ed25519-cert.pub");
    std::fs::write(&path, format!("{}\n", login.certificate.as_deref().expect("a certificate")))
        .expect("written");
    path
}

#[tokio::test]
async fn ssh_logs_in_with_the_login_details_and_with_nothing_else() {
    let stack = demo().await;
    let (person, admin) = (Person::new(stack, "login").await, Person::admin(stack).await);
    let account = Account::for_login();
    let configuration_id = publish_for(&account, &admin).await;

    let folder = tempfile::tempdir().expect("a folder");
    let key = folder.path().join("id_ed25519");
    ssh_keygen(&["-q", "-t", "ed25519", "-N", "", "-f", key.to_str().expect("a path")]);
    let public = std::fs::read_to_string(folder.path().join("id_ed25519.pub")).expect("a public key");
    let request = CreateInstance { configuration_id, ssh_public_key: Some(public.clone()), hours: Some(1) };
    let accepted = person.provision().create("one", &request).await.expect("accepted");
    assert_eq!(finished(&person, accepted.execution_id).await.state, ExecutionState::Succeeded);
    let login = eventually_some("login details", async || {
        person.gateway().execution(accepted.execution_id).await.expect("the status").login
    })
    .await;

    let machine = person.provision().get(accepted.instance_id).await.expect("the machine");
    let ec2_id = machine.ec2_instance_id.expect("EC2's id").to_string();
    let root = folder.path().join("machine");
    set_up(stack, &ec2_id, &root).await;
    let sshd = Sshd::start(&root, &account, HOST_KEY, &login.host_keys).await;

    let certificate = write_certificate(folder.path(), &login);
    let attempt = sshd.log_in(&login.username, &key, Some(&certificate)).await;
    assert!(attempt.came_in, "{}\n{}", attempt.client_log, attempt.server_log);

    // A fresh certificate is as good; the key alone is not; nor is a certificate for another machine.
    let request = RequestCredentials { ssh_public_key: Some(public.clone()) };
    let fresh = person.provision().credentials(accepted.instance_id, &request).await;
    let fresh = write_certificate(folder.path(), &fresh.expect("fresh login details"));
    assert!(sshd.log_in(&login.username, &key, Some(&fresh)).await.came_in);
    let _ = std::fs::remove_file(&fresh);
    let attempt = sshd.log_in(&login.username, &key, None).await;
    assert!(!attempt.came_in, "{}", attempt.server_log);

    let other = CreateInstance { configuration_id, ssh_public_key: Some(public), hours: Some(1) };
    let other = person.provision().create("other", &other).await.expect("accepted");
    assert_eq!(finished(&person, other.execution_id).await.state, ExecutionState::Succeeded);
    let foreign = eventually_some("login details of the other machine", async || {
        person.gateway().execution(other.execution_id).await.expect("the status").login
    })
    .await;
    let certificate = write_certificate(folder.path(), &foreign);
    let attempt = sshd.log_in(&login.username, &key, Some(&certificate)).await;
    assert!(!attempt.came_in, "a certificate for another machine came in:\n{}", attempt.server_log);
}
