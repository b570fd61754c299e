//! Forged writes, headers, and who may see the admin pages.

#![allow(clippy::allow_attributes, clippy::unwrap_used, reason = "what is not as expected ends the test")]

mod support;

use std::sync::Arc;

use cloudapp_domain::{InstanceState, SystemClock};
use http::StatusCode;
use support::pool::{CODE, TOTP_SECRET};
use support::sample;
use support::site::{Browser, Site};

/// Every route that changes something.
const WRITES: &[&str] = &[
    "/sign-in",
    "/sign-in/password",
    "/sign-in/code",
    "/sign-out",
    "/account/security/second-factor",
    "/account/security/second-factor/verify",
    "/account/security/password",
    "/machines",
    "/machines/00000000-0000-0000-0000-000000000067/stop",
    "/machines/00000000-0000-0000-0000-000000000067/start",
    "/machines/00000000-0000-0000-0000-000000000067/extend",
    "/machines/00000000-0000-0000-0000-000000000067/destroy",
    "/machines/00000000-0000-0000-0000-000000000067/cancel",
    "/machines/00000000-0000-0000-0000-000000000067/skip-stop",
    "/machines/00000000-0000-0000-0000-000000000067/credentials",
    "/admin/configurations",
    "/admin/configurations/00000000-0000-0000-0000-000000000001",
    "/admin/configurations/00000000-0000-0000-0000-000000000001/publish",
    "/admin/configurations/00000000-0000-0000-0000-000000000001/retire",
    "/admin/users",
    "/admin/users/sub-ada/enable",
    "/admin/users/sub-ada/disable",
    "/admin/users/sub-ada/delete",
    "/admin/limits/group",
    "/admin/limits/user",
    "/admin/limits/groups/science/remove",
    "/admin/limits/users/sub-ada/remove",
    "/admin/machines/00000000-0000-0000-0000-000000000067/force-stop",
];

/// Every page of admins.
const ADMIN_PAGES: &[&str] = &[
    "/admin",
    "/admin/configurations",
    "/admin/configurations/new",
    "/admin/configurations/00000000-0000-0000-0000-000000000001",
    "/admin/configurations/00000000-0000-0000-0000-000000000001/versions",
    "/admin/users",
    "/admin/users/sub-ada/delete",
    "/admin/limits",
    "/admin/statistics",
    "/admin/statistics/launches.csv",
    "/admin/machines",
    "/admin/machines/00000000-0000-0000-0000-000000000067/force-stop",
];

async fn site() -> Site {
    let site = Site::start(Arc::new(SystemClock)).await;
    site.pool.add("ada@example.com", &[], false);
    site.pool.add("grace@example.com", &["admin"], true);
    site.pool.add("mary@example.com", &["admin"], false);
    let shell = sample::configuration(1, "Shell", "terminal", "t3.micro", &["git"]);
    let now = cloudapp_domain::Clock::now(&SystemClock);
    let machine = sample::machine(&shell, "sub-ada", InstanceState::Ready, now);
    {
        let mut world = site.services.world();
        world.executions = vec![sample::launch(&machine, 4, now)];
        world.machines = vec![machine];
        world.configurations = vec![shell];
    }
    site
}

#[tokio::test]
async fn a_write_without_a_good_token_is_refused_whoever_sends_it() {
    let site = site().await;
    let mut admin = site.signed_in("grace@example.com").await;
    let foreign = site.signed_in("ada@example.com").await.get("/").await.csrf();
    let done =
        |browser: &Browser| (browser.cookies.clone(), site.services.world().done.len(), site.pool.emails());
    let before = done(&admin);
    for path in WRITES {
        let page = admin.post(path, &[("key", "k")]).await;
        assert_eq!(page.status, StatusCode::FORBIDDEN, "{path} without a token");
        page.shows("did not come from a current CloudApp page");
        let page = admin.post(path, &[("csrf", &foreign), ("key", "k")]).await;
        assert_eq!(page.status, StatusCode::FORBIDDEN, "{path} with another session's token");
    }
    assert_eq!(done(&admin), before);
}

#[tokio::test]
async fn a_write_from_another_site_is_refused_even_with_the_token() {
    let site = site().await;
    let mut admin = site.signed_in("grace@example.com").await;
    let csrf = admin.get("/").await.csrf();
    for path in WRITES {
        for from in ["cross-site", "same-site", "none"] {
            let page = admin.post_from(from, path, &[("csrf", &csrf), ("key", "k")]).await;
            assert_eq!(page.status, StatusCode::FORBIDDEN, "{path} from {from}");
        }
    }
    assert!(site.services.world().done.is_empty());
}

#[tokio::test]
async fn every_answer_carries_the_security_headers() {
    let site = site().await;
    let mut user = site.signed_in("ada@example.com").await;
    let stylesheet = {
        let text = user.get("/").await.text;
        let rest = text.split("rel=\"stylesheet\" href=\"").nth(1).unwrap();
        rest.split('"').next().unwrap().to_owned()
    };
    for path in ["/", "/sign-in", "/nowhere", "/healthz", "/admin", stylesheet.as_str()] {
        let page = user.get(path).await;
        let policy = page.header("content-security-policy");
        assert!(policy.starts_with("default-src 'none'") && !policy.contains("unsafe"), "{path}");
        assert_eq!(page.header("x-content-type-options"), "nosniff", "{path}");
        assert_eq!(page.header("cross-origin-opener-policy"), "same-origin", "{path}");
        assert_eq!(page.header("referrer-policy"), "same-origin", "{path}");
        let kept = page.header("cache-control").to_owned();
        assert_eq!(kept.contains("immutable"), path == stylesheet, "{path}: {kept}");
        assert_eq!(kept == "no-store", path != stylesheet, "{path}: {kept}");
        if path != stylesheet {
            for inline in ["<style", " style=\"", " onclick=", "javascript:"] {
                assert!(!page.text.contains(inline), "{path} has {inline}");
            }
        }
    }
}

#[tokio::test]
async fn admin_pages_are_for_admins() {
    let site = site().await;
    let (mut stranger, mut user, mut admin) =
        (site.browser(), site.signed_in("ada@example.com").await, site.signed_in("grace@example.com").await);
    for path in ADMIN_PAGES {
        assert!(stranger.get(path).await.location().starts_with("/sign-in?next=%2Fadmin"), "{path}");
        let page = user.get(path).await;
        assert_eq!(page.status, StatusCode::FORBIDDEN, "{path}");
        page.shows("Only admins may do this.");
        let page = admin.get(path).await;
        assert!(page.status.is_success() || *path == "/admin", "{path}: {}", page.status);
    }
    let csrf = user.get("/").await.csrf();
    for path in WRITES.iter().filter(|path| path.starts_with("/admin")) {
        let page = user.post(path, &[("csrf", &csrf), ("key", "k")]).await;
        assert_eq!(page.status, StatusCode::FORBIDDEN, "{path}");
    }
    assert!(site.services.world().done.is_empty());
}

#[tokio::test]
async fn an_admin_without_a_second_factor_is_led_to_set_one_up() {
    let site = site().await;
    let mut admin = site.signed_in("mary@example.com").await;
    let page = admin.get("/admin/users").await;
    assert_eq!(page.location(), "/account/security?next=%2Fadmin%2Fusers");
    let security = "/account/security?next=%2Fadmin%2Fusers";
    admin.get(security).await.shows("Admin pages need a second factor");
    let page = admin.submit(security, "/account/security/second-factor", &[("next", "/admin/users")]).await;
    page.shows("<svg").shows("JBSW Y3DP");
    let csrf = page.csrf();
    let verify = "/account/security/second-factor/verify";
    let mut fields =
        vec![("csrf", csrf.as_str()), ("secret", TOTP_SECRET), ("next", "/admin/users"), ("code", "000000")];
    let page = admin.post(verify, &fields).await;
    assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY);
    page.shows("This code is wrong.").shows("JBSW Y3DP");
    fields[3] = ("code", CODE);
    let page = admin.post(verify, &fields).await;
    assert_eq!(page.location(), "/sign-in?next=%2Fadmin%2Fusers&notice=totp-enabled");
    assert_eq!(site.pool.sessions_of("mary@example.com"), 0, "all sessions must end");
    assert_eq!(site.services.world().revoked[0].0, "sub-mary");
    admin.get(page.location()).await.shows("Your second factor is set up");
    admin.sign_in("mary@example.com").await;
    assert_eq!(admin.get("/admin/users").await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_revoked_admin_cannot_change_users_any_more() {
    let site = site().await;
    let mut admin = site.signed_in("grace@example.com").await;
    let csrf = admin.get("/admin/users").await.csrf();
    let later = cloudapp_domain::Clock::now(&SystemClock) + chrono::TimeDelta::seconds(5);
    site.services.world().revoked.push(("sub-grace".to_owned(), later));
    let page = admin.post("/admin/users/sub-ada/disable", &[("csrf", &csrf)]).await;
    assert!(page.location().starts_with("/sign-in"), "{}", page.status);
    assert_eq!(site.services.world().revoked.len(), 1, "nothing more may have happened");
}
