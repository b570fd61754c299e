//! Signing in and out, what sessions hold, and when they end.

#![allow(clippy::allow_attributes, clippy::unwrap_used, reason = "what is not as expected ends the test")]

mod support;

use std::sync::Arc;
use std::time::Duration;

use cloudapp_domain::{Clock, ManualClock};
use http::StatusCode;
use support::pool::CODE;
use support::site::{PUBLIC_URL, Site, assemble};

fn clock() -> Arc<ManualClock> {
    Arc::new(ManualClock::new("2026-11-22T10:00:00Z".parse().unwrap()))
}

async fn site(clock: &Arc<ManualClock>) -> Site {
    let site = Site::start(Arc::clone(clock) as Arc<dyn Clock>).await;
    site.pool.add("ada@example.com", &[], false);
    site.pool.add("grace@example.com", &["admin"], true);
    site
}

#[tokio::test]
async fn a_user_signs_in_and_comes_to_the_page_they_wanted() {
    let site = site(&clock()).await;
    let mut browser = site.browser();
    let page = browser.get("/machines/new?configuration=x").await;
    assert_eq!(page.status, StatusCode::SEE_OTHER);
    assert_eq!(page.location(), "/sign-in?next=%2Fmachines%2Fnew%3Fconfiguration%3Dx");
    let fields = [("email", "ada@example.com"), ("password", "password"), ("next", "/account/security")];
    let page = browser.submit("/sign-in", "/sign-in", &fields).await;
    assert_eq!(page.location(), "/account/security");
    browser.get("/").await.shows("ada@example.com").shows("No machines yet");
}

#[tokio::test]
async fn a_wrong_password_and_an_unknown_address_look_the_same() {
    let site = site(&clock()).await;
    let mut texts = Vec::new();
    for email in ["ada@example.com", "nobody@example.com"] {
        let fields = [("email", email), ("password", "wrong")];
        let page = site.browser().submit("/sign-in", "/sign-in", &fields).await;
        assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY);
        page.shows("E-mail or password is wrong.").shows(email);
        texts.push(page.text.replace(email, "").replace(&page.csrf(), ""));
    }
    assert_eq!(texts[0], texts[1]);
}

#[tokio::test]
async fn the_first_sign_in_asks_for_a_password_of_ones_own() {
    let site = site(&clock()).await;
    site.pool.make_temporary("ada@example.com");
    let mut browser = site.browser();
    let fields = [("email", "ada@example.com"), ("password", "password")];
    let page = browser.submit("/sign-in", "/sign-in", &fields).await;
    assert_eq!(page.location(), "/sign-in/password");
    let form = "/sign-in/password";
    let page = browser.submit(form, form, &[("password", "long enough"), ("repeated", "different")]).await;
    page.shows("The two passwords are not the same.");
    let page = browser.submit(form, form, &[("password", "short"), ("repeated", "short")]).await;
    page.shows("Password not long enough.");
    let page = browser.submit(form, form, &[("password", "long enough"), ("repeated", "long enough")]).await;
    assert_eq!(page.location(), "/");
    assert_eq!(browser.get("/").await.status, StatusCode::OK);
    assert_eq!(browser.get(form).await.location(), "/sign-in", "an ended sign-in cannot go on");
}

#[tokio::test]
async fn the_second_factor_is_asked_for() {
    let site = site(&clock()).await;
    let mut browser = site.browser();
    let fields = [("email", "grace@example.com"), ("password", "password"), ("next", "/admin/users")];
    let page = browser.submit("/sign-in", "/sign-in", &fields).await;
    assert_eq!(page.location(), "/sign-in/code");
    assert_eq!(browser.get("/").await.status, StatusCode::SEE_OTHER, "the password alone is no session");
    browser
        .submit("/sign-in/code", "/sign-in/code", &[("code", "000000")])
        .await
        .shows("This code is wrong.");
    let grouped = format!("{} {}", &CODE[..3], &CODE[3..]);
    let page = browser.submit("/sign-in/code", "/sign-in/code", &[("code", &grouped)]).await;
    assert_eq!(page.location(), "/admin/users");
}

#[tokio::test]
async fn nobody_is_redirected_to_another_site() {
    let site = site(&clock()).await;
    for evil in ["https://evil.example", "//evil.example", "/\\evil.example"] {
        let fields = [("email", "ada@example.com"), ("password", "password"), ("next", evil)];
        let page = site.browser().submit("/sign-in", "/sign-in", &fields).await;
        assert_eq!(page.location(), "/", "{evil}");
    }
}

#[tokio::test]
async fn signing_out_ends_the_session_everywhere() {
    let site = site(&clock()).await;
    let mut browser = site.signed_in("ada@example.com").await;
    let before = browser.clone();
    let page = browser.submit("/", "/sign-out", &[]).await;
    assert_eq!(page.location(), "/sign-in?notice=signed-out");
    assert_eq!(site.pool.sessions_of("ada@example.com"), 0, "the refresh token must be revoked");
    assert_eq!(site.services.world().revoked[0].0, "session-of-sub-ada", "the services must know");
    assert!(browser.cookies.keys().all(|name| name == "cloudapp-visitor"), "{:?}", browser.cookies.keys());
    assert!(before.cookies.len() > 1, "such a session needs more than one cookie");
}

#[tokio::test]
async fn a_session_is_sealed_and_cannot_be_changed() {
    let site = site(&clock()).await;
    let mut browser = site.signed_in("ada@example.com").await;
    for value in browser.cookies.values() {
        assert!(!value.contains("refresh-") && !value.contains("eyJ") && !value.contains("ada@"), "{value}");
    }
    let sealed = browser.cookies.get_mut("cloudapp").unwrap();
    let last = sealed.pop().unwrap();
    sealed.push(if last == 'A' { 'B' } else { 'A' });
    assert_eq!(browser.get("/").await.location(), "/sign-in?next=%2F");
}

#[tokio::test]
async fn a_session_key_can_be_replaced() {
    let clock = clock();
    let site = site(&clock).await;
    let mut browser = site.signed_in("ada@example.com").await;
    let time = || Arc::clone(&clock) as Arc<dyn Clock>;
    browser.router = assemble(time(), &site.pool, &site.services, PUBLIC_URL, &[2, 1]).await;
    assert_eq!(browser.get("/").await.status, StatusCode::OK, "the old key still opens");
    browser.router = assemble(time(), &site.pool, &site.services, PUBLIC_URL, &[2]).await;
    assert_eq!(browser.get("/").await.status, StatusCode::SEE_OTHER, "a removed key does not");
}

#[tokio::test]
async fn tokens_are_renewed_once_for_requests_that_come_together() {
    let clock = clock();
    let site = site(&clock).await;
    let browser = site.signed_in("ada@example.com").await;
    clock.advance(Duration::from_secs(290));
    let requests = (0..8).map(|_| {
        let mut browser = browser.clone();
        async move { (browser.get("/").await.status, browser) }
    });
    let answers = futures::future::join_all(requests).await;
    assert!(answers.iter().all(|(status, _)| *status == StatusCode::OK));
    assert_eq!(site.pool.refreshes(), 1);
    let mut renewed = answers.into_iter().next().unwrap().1;
    clock.advance(Duration::from_secs(200));
    assert_eq!(renewed.get("/").await.status, StatusCode::OK, "the renewed tokens are kept in the cookie");
    assert_eq!(site.pool.refreshes(), 1);
}

#[tokio::test]
async fn a_session_ends_when_idle_and_in_any_case_after_half_a_day() {
    let clock = clock();
    let site = site(&clock).await;
    let mut idle = site.signed_in("ada@example.com").await;
    let mut busy = site.signed_in("ada@example.com").await;
    for _ in 0..23 {
        clock.advance(Duration::from_secs(31 * 60));
        assert_eq!(busy.get("/").await.status, StatusCode::OK);
    }
    assert_eq!(idle.get("/").await.status, StatusCode::SEE_OTHER, "not used for an hour");
    clock.advance(Duration::from_secs(31 * 60));
    assert_eq!(busy.get("/").await.status, StatusCode::SEE_OTHER, "older than twelve hours");
}

#[tokio::test]
async fn a_disabled_account_is_out_within_the_tokens_life() {
    let clock = clock();
    let site = site(&clock).await;
    let mut browser = site.signed_in("ada@example.com").await;
    site.pool.disable("ada@example.com");
    clock.advance(Duration::from_secs(5 * 60));
    assert_eq!(browser.get("/").await.status, StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn a_pool_that_does_not_answer_is_a_page_and_no_sign_out() {
    let clock = clock();
    let site = site(&clock).await;
    let mut browser = site.signed_in("ada@example.com").await;
    site.pool.set_down(true);
    clock.advance(Duration::from_secs(400));
    let page = browser.get("/").await;
    assert_eq!(page.status, StatusCode::SERVICE_UNAVAILABLE);
    page.shows("Nothing is lost");
    site.pool.set_down(false);
    assert_eq!(browser.get("/").await.status, StatusCode::OK);
}

#[tokio::test]
async fn over_tls_cookies_are_bound_to_the_host() {
    let site = Site::start_with(clock(), "https://cloudapp.example", &[1]).await;
    site.pool.add("ada@example.com", &[], false);
    let browser = site.signed_in("ada@example.com").await;
    assert!(browser.cookies.keys().all(|name| name.starts_with("__Host-")), "{:?}", browser.cookies.keys());
    let page = browser.clone().get("/").await;
    assert!(page.header("strict-transport-security").contains("max-age="));
}

#[tokio::test]
async fn a_step_up_proves_the_one_who_is_signed_in() {
    let clock = clock();
    let site = site(&clock).await;
    let mut browser = site.signed_in("grace@example.com").await;
    assert_eq!(browser.get("/admin/users").await.status, StatusCode::OK);
    clock.advance(Duration::from_secs(15 * 60 + 1));
    let page = browser.get("/admin/users").await;
    assert_eq!(page.location(), "/sign-in/again?next=%2Fadmin%2Fusers");
    let again = "/sign-in/again?next=%2Fadmin%2Fusers";
    browser.get(again).await.shows("Confirm it’s you").shows("grace@example.com");
    let fields =
        [("again", "true"), ("email", "ada@example.com"), ("password", "password"), ("next", "/admin/users")];
    let page = browser.submit(again, "/sign-in", &fields).await;
    assert_eq!(page.location(), "/sign-in/code", "the address in the form must not matter");
    let page = browser.submit("/sign-in/code", "/sign-in/code", &[("code", CODE)]).await;
    assert_eq!(page.location(), "/admin/users");
    assert_eq!(browser.get("/admin/users").await.status, StatusCode::OK);
}
