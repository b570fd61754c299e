//! A user in a browser: from the first sign-in to login details that OpenSSH understands, and Stop.

use base64::Engine as _;
use cloudapp_domain::ExecutionState;
use cloudapp_test_sshd::ssh_keygen;
use cloudapp_tests::{Browser, Person, Stack, demo, eventually_some, new_account};
use serde_json::json;

use super::launches::{configuration, finished, request};
use super::simulator;

/// Signs in on the sign-in page.
pub(crate) async fn sign_in(browser: &Browser, stack: &Stack, email: &str, password: &str) {
    // The sign-in page itself, whatever a click before this one is still loading.
    browser.open(stack.endpoints.web.join("/sign-in").expect("an address").as_str()).await;
    browser.fill("#email", email).await;
    browser.fill("#password", password).await;
    browser.click("button[type=submit]").await;
}

/// The catalogue's Create button of a configuration.
fn create(name: &str) -> String {
    format!("a[aria-label='Create Instance: {name}']")
}

/// Clicks the machine page's Stop and confirms.
async fn stop(browser: &Browser) {
    browser.click(".page-head a[href$='/stop']").await;
    browser.click("form[action$='/stop'] button[type=submit]").await;
}

#[tokio::test]
async fn from_the_first_sign_in_to_a_stopped_machine() {
    let stack = demo().await;
    let (email, temporary) = new_account(stack, "browser").await;
    let browser = Browser::start().await;

    // The first sign-in asks for a password of one's own, and a wrong one is told.
    sign_in(&browser, stack, &email, "not the password").await;
    browser.find("[role=alert]").await;
    sign_in(&browser, stack, &email, &temporary).await;
    let password = "correct Horse 8 battery";
    browser.fill("#password", password).await;
    browser.fill("#repeated", password).await;
    browser.click("button[type=submit]").await;
    browser.find_text("h1", "My machines").await;
    browser.find_text("main", "No machines yet").await;
    browser.screenshot("user-1-home").await;
    assert_private_cookies(&browser).await;

    // Create Instance, with a key that the browser makes.
    browser.click(&create("Amazon Linux shell")).await;
    browser.find_text("h1", "Amazon Linux shell").await;
    browser.screenshot("user-2-create").await;
    browser.click("[data-submit]").await;
    browser.wait_for_url("/machines/").await;
    browser.find(".timeline").await;
    browser.screenshot("user-3-progress").await;

    // Progress comes without reloading: a mark on this page survives.
    browser.evaluate("window.notReloaded = true; return null").await;
    browser.find("#login-command").await;
    browser.find_text("[data-state]", "Ready").await;
    assert_eq!(browser.evaluate("return window.notReloaded === true").await, true, "the page was reloaded");
    browser.screenshot("user-4-login").await;
    check_login_card(&browser).await;

    // Stop, which here destroys: said before, done after.
    stop(&browser).await;
    browser.find_text("[data-state]", "Destroyed").await;
    browser.screenshot("user-5-stopped").await;
    browser.close().await;
}

#[tokio::test]
async fn a_failure_is_readable_and_a_kept_disk_comes_back() {
    let stack = demo().await;
    let (email, temporary) = new_account(stack, "second-browser").await;
    let browser = Browser::start().await;
    sign_in(&browser, stack, &email, &temporary).await;
    browser.fill("#password", "correct Horse 8 battery").await;
    browser.fill("#repeated", "correct Horse 8 battery").await;
    browser.click("button[type=submit]").await;

    browser.click(&create("Always fails")).await;
    browser.click("[data-submit]").await;
    browser.find_text(".failure", "installing this configuration on it failed").await;
    browser.find_text("[data-remedy]", "Write to an admin").await;
    browser.screenshot("user-6-failure").await;

    browser.open(stack.endpoints.web.as_str()).await;
    browser.click(&create("Docker host")).await;
    browser.click("[data-submit]").await;
    browser.find("#login-command").await;
    stop(&browser).await;
    browser.find_text("[data-state]", "Stopped").await;
    browser.click("form[action$='/start'] button").await;
    browser.find_text("[data-state]", "Ready").await;
    browser.open(stack.endpoints.web.as_str()).await;
    browser.resize(390, 844).await;
    browser.screenshot("user-7-phone").await;
    let overflow = browser.evaluate("return document.documentElement.scrollWidth > window.innerWidth").await;
    assert_eq!(overflow, false, "the page is wider than a phone");
    browser.close().await;
}

#[tokio::test]
async fn what_happens_to_a_machine_outside_is_told_to_its_owner() {
    let stack = demo().await;
    let owner = Person::new(stack, "outside").await;
    let docker = configuration(&owner, "Docker host").await;
    let accepted = owner.provision().create("one", &request(docker)).await.expect("accepted");
    assert_eq!(finished(&owner, accepted.execution_id).await.state, ExecutionState::Succeeded);
    let machine = owner.provision().get(accepted.instance_id).await.expect("the machine");
    let ec2_id = machine.ec2_instance_id.expect("EC2 has made it");
    simulator::tell(stack, &format!("instances/{ec2_id}/happening"), &json!("stopped_in_console")).await;

    let browser = Browser::start().await;
    sign_in(&browser, stack, &owner.email, &owner.password).await;
    browser.find_text("h1", "My machines").await;
    let page = stack.endpoints.web.join(&format!("/machines/{}", accepted.instance_id)).expect("an address");
    eventually_some("the page tells of it", async || {
        browser.open(page.as_str()).await;
        browser.text(".history").await.contains("Stopped outside CloudApp").then_some(())
    })
    .await;
    browser.find_text("[data-state]", "Stopped").await;
    browser.screenshot("user-9-history").await;
    owner.provision().destroy(accepted.instance_id, "end").await.expect("destroyed");
    browser.close().await;
}

#[tokio::test]
async fn all_of_it_works_without_javascript() {
    let stack = demo().await;
    let (email, temporary) = new_account(stack, "no-scripts").await;
    let folder = tempfile::tempdir().expect("a folder");
    let key = folder.path().join("key").display().to_string();
    ssh_keygen(&["-q", "-t", "ed25519", "-N", "", "-f", &key]);
    let public = std::fs::read_to_string(format!("{key}.pub")).expect("a public key");

    let browser = Browser::start_without_scripts().await;
    sign_in(&browser, stack, &email, &temporary).await;
    browser.fill("#password", "correct Horse 8 battery").await;
    browser.fill("#repeated", "correct Horse 8 battery").await;
    browser.click("button[type=submit]").await;
    browser.click(&create("Amazon Linux shell")).await;
    browser.fill("#ssh_public_key", public.trim()).await;
    browser.click("[data-submit]").await;
    // The page comes again by itself while something happens.
    browser.find("#login-command").await;
    browser.find_text("[data-state]", "Ready").await;
    browser.screenshot("user-8-without-scripts").await;
    stop(&browser).await;
    browser.find_text("[data-state]", "Destroyed").await;
    browser.close().await;
}

/// The card's parts, and the key that the browser made: OpenSSH reads both the private key and the certificate, and
/// they belong together.
async fn check_login_card(browser: &Browser) {
    assert_eq!(browser.text("#login-port").await, "22");
    assert_eq!(browser.text("#login-user").await, "ec2-user");
    assert!(browser.text("#login-command").await.starts_with("ssh "));
    browser.evaluate("document.querySelectorAll('details').forEach(d => d.open = true); return null").await;
    let certificate = browser.text("#login-certificate").await;
    assert!(certificate.contains("-cert-v01@openssh.com"), "{certificate}");
    assert!(browser.text("#login-known-hosts").await.contains("ssh-ed25519 "));

    // What the Private key button downloads.
    browser
        .evaluate(
            "window.saved = null;
             const original = URL.createObjectURL;
             URL.createObjectURL = blob => {
                 blob.arrayBuffer().then(b => {
                     window.saved = btoa(String.fromCharCode(...new Uint8Array(b)));
                 });
                 return original.call(URL, blob);
             };
             return null",
        )
        .await;
    browser.click("[data-private-key]").await;
    let encoded = eventually_some("the private key is saved", async || {
        browser.evaluate("return window.saved").await.as_str().map(str::to_owned)
    })
    .await;
    let key = base64::engine::general_purpose::STANDARD.decode(encoded).expect("base64");

    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name).display().to_string();
    std::fs::write(path("key"), &key).expect("written");
    std::fs::write(path("key-cert.pub"), format!("{certificate}\n")).expect("written");
    set_private(&path("key"));
    let public = output(&["-y", "-f", &path("key")]);
    std::fs::write(path("key.pub"), &public).expect("written");
    ssh_keygen(&["-L", "-f", &path("key-cert.pub")]);
    let of_key = output(&["-l", "-f", &path("key.pub")]);
    let of_certificate = output(&["-L", "-f", &path("key-cert.pub")]);
    let fingerprint = of_key.split_whitespace().nth(1).expect("a fingerprint");
    assert!(of_certificate.contains(fingerprint), "the certificate is for another key:\n{of_certificate}");
}

fn set_private(path: &str) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).expect("permissions");
}

fn output(arguments: &[&str]) -> String {
    let output = std::process::Command::new("ssh-keygen").args(arguments).output().expect("ssh-keygen runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

/// Scripts cannot read the session, and a cross-site page cannot use it for writes.
async fn assert_private_cookies(browser: &Browser) {
    let cookies = browser.cookies().await;
    let session: Vec<_> = cookies.iter().filter(|cookie| cookie.name.starts_with("cloudapp")).collect();
    assert!(!session.is_empty(), "no session cookie among {cookies:?}");
    assert!(session.iter().all(|cookie| cookie.http_only == Some(true)), "{session:?}");
    assert_eq!(browser.evaluate("return document.cookie.includes('cloudapp')").await, false);
}
