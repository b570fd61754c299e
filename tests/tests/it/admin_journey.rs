//! An admin in a browser: the second factor, a configuration, a user, a machine stopped with a reason, statistics.

use std::cell::RefCell;

use cloudapp_domain::ExecutionState;
use cloudapp_tests::{Browser, Person, Stack, demo, eventually_some, totp_code};

use super::launches::{configuration, finished, request};
use super::user_journey::sign_in;

/// Gives the second factor. A code is good once, so another test's code is waited out.
async fn give_code(browser: &Browser, secret: &str) {
    let given = RefCell::new(String::new());
    eventually_some("a code is accepted", async || {
        if browser.text("h1").await.contains("My machines") {
            return Some(());
        }
        let code = totp_code(secret);
        if *given.borrow() != code && browser.has("#code").await {
            browser.fill("#code", &code).await;
            browser.click("button[type=submit]").await;
            given.replace(code);
        }
        None
    })
    .await;
}

pub(crate) async fn sign_in_as_admin(browser: &Browser, stack: &Stack) {
    let admin = stack.demo_user("admin");
    sign_in(browser, stack, &admin.email, &admin.password).await;
    give_code(browser, admin.totp_secret.as_deref().expect("a second factor")).await;
}

/// A page's address.
pub(crate) fn at(stack: &Stack, path: &str) -> String {
    stack.endpoints.web.join(path).expect("an address").to_string()
}

#[tokio::test]
async fn configurations_users_machines_and_statistics() {
    let stack = demo().await;
    let owner = Person::new(stack, "watched").await;
    let shell = configuration(&owner, "Amazon Linux shell").await;
    let accepted = owner.provision().create("one", &request(shell)).await.expect("accepted");
    assert_eq!(finished(&owner, accepted.execution_id).await.state, ExecutionState::Succeeded);

    let browser = Browser::start().await;
    sign_in_as_admin(&browser, stack).await;
    configure(&browser, stack).await;
    create_and_delete_a_user(&browser, stack).await;

    // Stop somebody's machine, and say why.
    browser.open(&at(stack, "/admin/machines")).await;
    browser.find("table").await;
    browser.screenshot("admin-4-machines").await;
    browser.click(&format!("a[href='/admin/machines/{}/force-stop']", accepted.instance_id)).await;
    browser.fill("#reason", "maintenance of the lab").await;
    browser.click("form[action$='/force-stop'] button.danger").await;
    let instance = eventually_some("the owner sees it", async || {
        let instance = owner.provision().get(accepted.instance_id).await.expect("the machine");
        instance.state.is_final().then_some(instance)
    })
    .await;
    assert!(instance.reason.is_some_and(|reason| reason.contains("maintenance of the lab")));

    // Statistics: a chart, and what runs now, to be stopped from here.
    let second = owner.provision().create("two", &request(shell)).await.expect("accepted");
    assert_eq!(finished(&owner, second.execution_id).await.state, ExecutionState::Succeeded);
    eventually_some("the launch is in the statistics", async || {
        browser.open(&at(stack, "/admin/statistics")).await;
        browser.text("main").await.contains("Amazon Linux shell").then_some(())
    })
    .await;
    browser.find("svg[role=img]").await;
    let stop = format!("a[href='/admin/machines/{}/force-stop']", second.instance_id);
    browser.find(&stop).await;
    browser.screenshot("admin-5-statistics").await;
    browser.close().await;
}

/// A wrong field is told at the field; then the draft is saved, published, and users see it.
async fn configure(browser: &Browser, stack: &Stack) {
    browser.open(&at(stack, "/admin/configurations/new")).await;
    browser.fill("#name", "Made in a browser").await;
    browser.fill("#image", "no image at all").await;
    browser.fill("#instance_types", "t3.micro").await;
    browser.click("form.stack button.primary[type=submit]").await;
    browser.find_text(".field-error", "image").await;
    browser.screenshot("admin-1-field-error").await;
    browser.fill("#image", "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64").await;
    browser.click("form.stack button.primary[type=submit]").await;
    // The answer first: opening a page meanwhile races with the form's own way to the next one.
    browser.wait_for_url("notice=configuration-saved").await;
    browser.open(&at(stack, "/admin/configurations")).await;
    browser.find_text("table", "Made in a browser").await;
    browser.screenshot("admin-2-configurations").await;
    let row = "//tr[contains(., 'Made in a browser')]//form[contains(@action, 'publish')]//button";
    browser.click_xpath(row).await;
    browser.wait_for_url("notice=configuration-published").await;
    browser.open(stack.endpoints.web.as_str()).await;
    browser.find_text("main", "Made in a browser").await;
}

async fn create_and_delete_a_user(browser: &Browser, stack: &Stack) {
    browser.open(&at(stack, "/admin/users")).await;
    let active: u32 = browser.text("#active-users").await.parse().expect("a number of active users");
    assert!(active >= 3, "{active}");
    browser.fill("#email", "invited@example.com").await;
    browser.click("form.inline-form button[type=submit]").await;
    browser.find("#temporary-password").await;
    browser.screenshot("admin-3-users").await;
    browser.open(&at(stack, "/admin/users")).await;
    browser.find_text("table", "invited@example.com").await;
    browser.click("a[aria-label='Delete invited@example.com']").await;
    browser.click("form[action$='/delete'] button.danger").await;
    browser.wait_for_url("notice=").await;
    browser.open(&at(stack, "/admin/users")).await;
    browser.find("table").await;
    assert!(!browser.text("table").await.contains("invited@example.com"));
}

#[tokio::test]
async fn the_admin_pages_are_closed_to_users_and_open_after_enrolment() {
    let stack = demo().await;
    let (email, temporary) = cloudapp_tests::new_admin_account(stack, "second-admin").await;
    let browser = Browser::start().await;
    sign_in(&browser, stack, &email, &temporary).await;
    let password = "correct Horse 8 battery";
    browser.fill("#password", password).await;
    browser.fill("#repeated", password).await;
    browser.click("button[type=submit]").await;
    browser.find_text("h1", "My machines").await;

    // In the group, but without a second factor: the way there is shown, the page is not.
    browser.open(&at(stack, "/admin/users")).await;
    assert!(!browser.has("#active-users").await, "admin pages without a second factor");
    browser.open(&at(stack, "/account/security")).await;
    browser.click("main form button, main a.primary").await;
    browser.find("svg").await;
    browser.evaluate("document.querySelectorAll('details').forEach(d => d.open = true); return null").await;
    let secret = browser.text("#totp-secret").await.replace(' ', "");
    browser.screenshot("admin-6-enrolment").await;
    browser.fill("#code", &totp_code(&secret)).await;
    browser.click("form.stack button.primary").await;

    // Enrolling ends every session: a full sign-in, with the new factor.
    browser.find("#password").await;
    sign_in(&browser, stack, &email, password).await;
    give_code(&browser, &secret).await;
    browser.open(&at(stack, "/admin/users")).await;
    browser.find("#active-users").await;
    browser.close().await;
}
