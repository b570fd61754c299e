//! What pages show in their states, and what their forms do.

#![allow(clippy::allow_attributes, clippy::unwrap_used, reason = "what is not as expected ends the test")]

mod support;

use chrono::TimeDelta;
use cloudapp_contract::execution::{LoginDetails, QueuePlace};
use cloudapp_contract::instance::NoteKind;
use cloudapp_domain::configuration::ConfigurationState;
use cloudapp_domain::{ExecutionKind, ExecutionState, Failure, FailureCode, Fixer, InstanceState};
use http::StatusCode;
use support::sample;
use support::services::SERVICES;
use support::start::{add_machine, fragment, now, site};

#[tokio::test]
async fn the_catalogue_says_what_one_gets() {
    let site = site().await;
    let mut draft = sample::configuration(2, "Secret draft", "server", "t3.micro", &[]);
    draft.state = ConfigurationState::Draft;
    site.services.world().configurations.push(draft);
    let page = site.signed_in("ada@example.com").await.get("/").await;
    page.hides("Secret draft");
    insta::assert_snapshot!(fragment(&page, "<li class=\"card offer\">", "</dl>"));
}

#[tokio::test]
async fn names_that_admins_write_cannot_inject_anything() {
    let site = site().await;
    let evil = "<script>alert(1)</script>\"'&";
    {
        let mut world = site.services.world();
        world.configurations[0].spec.name = evil.to_owned();
        world.configurations[0].spec.description = evil.to_owned();
    }
    let machine = add_machine(&site, InstanceState::Ready, 4);
    let mut admin = site.signed_in("grace@example.com").await;
    let configuration = "00000000-0000-0000-0000-000000000001";
    for path in [
        "/".to_owned(),
        machine,
        format!("/machines/new?configuration={configuration}"),
        "/admin/configurations".to_owned(),
        format!("/admin/configurations/{configuration}"),
        format!("/admin/configurations/{configuration}/versions"),
        "/admin/machines".to_owned(),
    ] {
        let page = admin.get(&path).await;
        assert_eq!(page.status, StatusCode::OK, "{path}");
        page.hides("<script>alert").shows("&#60;script&#62;alert(1)");
    }
}

#[tokio::test]
async fn creating_a_machine_forwards_the_key_and_leads_to_it() {
    let site = site().await;
    let mut user = site.signed_in("ada@example.com").await;
    let form = "/machines/new?configuration=00000000-0000-0000-0000-000000000001";
    let configuration = ("configuration", "00000000-0000-0000-0000-000000000001");
    let fields =
        [configuration, ("key", "k1"), ("hours", "4"), ("ssh_public_key", " ssh-ed25519 AAAA ada\n")];
    let page = user.submit(form, "/machines", &fields).await;
    assert!(page.location().starts_with("/machines/"), "{}", page.text);
    assert_eq!(site.services.world().done, ["create ssh-ed25519 AAAA ada"]);
    let page = user.get(page.location()).await;
    page.shows("Requested").shows("data-settled=\"false\"").shows("<noscript><meta http-equiv=\"refresh\"");
}

#[tokio::test]
async fn what_is_wrong_with_a_request_stands_at_its_field() {
    let site = site().await;
    let mut user = site.signed_in("ada@example.com").await;
    let form = "/machines/new?configuration=00000000-0000-0000-0000-000000000001";
    let configuration = ("configuration", "00000000-0000-0000-0000-000000000001");
    let fields = [configuration, ("key", "k1"), ("hours", "4"), ("ssh_public_key", "rubbish")];
    let page = user.submit(form, "/machines", &fields).await;
    assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY);
    page.shows("id=\"key-error\">Must be one line of an OpenSSH public key.").shows("rubbish</textarea>");
    site.services.world().limit_reached = true;
    let page = user.submit(form, "/machines", &[configuration, ("key", "k2"), ("hours", "4")]).await;
    assert_eq!(page.status, StatusCode::CONFLICT);
    page.shows("You have 3 machines; 3 are allowed at a time.");
}

#[tokio::test]
async fn a_machine_shows_its_steps_while_it_comes_up() {
    let site = site().await;
    let path = add_machine(&site, InstanceState::Booting, 2);
    let mut user = site.signed_in("ada@example.com").await;
    let page = user.get(&path).await;
    page.shows("Creating the machine: Start up and install.").shows("Cancel").hides("Log in</h2>");
    insta::assert_snapshot!(fragment(&page, "<li class=\"step running\">", "</li>"));
    let events = user.get(&format!("{path}/events")).await;
    assert_eq!(events.header("content-type"), "text/event-stream");
    events.shows("event: execution").shows("\"kind\":\"launch\"");
    let live = user.get(&format!("{path}/live")).await;
    live.shows("data-settled=\"false\"").hides("<html");
}

#[tokio::test]
async fn login_details_appear_once_the_queue_has_brought_them() {
    let site = site().await;
    let path = add_machine(&site, InstanceState::Ready, 4);
    let mut user = site.signed_in("ada@example.com").await;
    user.get(&path).await.shows("Your login details are on their way").shows("data-settled=\"false\"");
    site.services.world().login = Some(sample::login(now()));
    let page = user.get(&path).await;
    page.shows("data-settled=\"true\"").shows("id=\"login-host\">203.0.113.24").shows("New certificate");
    insta::assert_snapshot!(fragment(&page, "<pre id=\"login-command\">", "</pre>"));
    let file = user.get(&format!("{path}/certificate")).await;
    assert_eq!(file.header("content-disposition"), "attachment; filename=\"shell-0067-cert.pub\"");
    assert!(file.text.starts_with("ssh-ed25519-cert-v01@openssh.com ") && file.text.ends_with('\n'));
    user.get(&format!("{path}/known-hosts")).await.shows("203.0.113.24 ssh-ed25519 ");
    user.get(&format!("{path}/ssh-config")).await.shows("StrictHostKeyChecking yes");
    let mut admin = site.signed_in("grace@example.com").await;
    admin.get(&path).await.hides("login-host").shows("Owner");
    assert_eq!(admin.get(&format!("{path}/certificate")).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn after_an_extension_login_details_are_asked_for_by_hand() {
    let site = site().await;
    let path = add_machine(&site, InstanceState::Ready, 4);
    site.services.world().executions[0].kind = ExecutionKind::Extend;
    let mut user = site.signed_in("ada@example.com").await;
    let page = user.get(&path).await;
    page.shows("Fetch fresh login details").shows("data-settled=\"true\"");
    user.submit(&path, &format!("{path}/credentials"), &[]).await.shows("Here is a fresh certificate");
}

#[tokio::test]
async fn a_machine_without_a_key_asks_for_one() {
    let site = site().await;
    let path = add_machine(&site, InstanceState::Ready, 4);
    let login = LoginDetails { certificate: None, valid_until: None, ..sample::login(now()) };
    site.services.world().login = Some(login);
    let mut user = site.signed_in("ada@example.com").await;
    user.get(&path).await.shows("does not know your key yet");
    let action = format!("{path}/credentials");
    let page = user.submit(&path, &action, &[("ssh_public_key", "rubbish")]).await;
    assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY);
    page.shows("id=\"key-error\">Must be one line");
    let page = user.submit(&path, &action, &[("ssh_public_key", "ssh-ed25519 AAAA")]).await;
    page.shows("Here is a fresh certificate").shows("ssh-ed25519-cert-v01@openssh.com");
}

#[tokio::test]
async fn ending_a_machine_says_first_what_will_be_lost() {
    let site = site().await;
    let path = add_machine(&site, InstanceState::Ready, 4);
    let mut user = site.signed_in("ada@example.com").await;
    let stop = format!("{path}/stop");
    user.get(&stop).await.shows("Its disk and all files on it are deleted").shows("Stop Instance");
    assert_eq!(user.submit(&stop, &stop, &[("key", "k")]).await.location(), path);
    assert!(site.services.world().done[0].starts_with("stop "));
    user.get(&path).await.shows("Stopping");
    let page = user.submit(&path, &stop, &[("key", "k2")]).await;
    assert_eq!(page.status, StatusCode::CONFLICT);
    page.shows("The machine is stopping.");
}

#[tokio::test]
async fn unknown_things_are_404_pages_with_a_trace_id() {
    let site = site().await;
    let mut user = site.signed_in("ada@example.com").await;
    for path in ["/nowhere", "/machines/00000000-0000-0000-0000-00000000dead", "/machines/not-an-id"] {
        let page = user.get(path).await;
        assert_eq!(page.status, StatusCode::NOT_FOUND, "{path}");
        page.shows("Not found").shows(page.header("x-trace-id")).shows("Back to your machines");
    }
}

#[tokio::test]
async fn while_the_services_are_away_pages_say_so_and_nobody_is_signed_out() {
    let site = site().await;
    let path = add_machine(&site, InstanceState::Ready, 4);
    let mut browser = site.signed_in("ada@example.com").await;
    site.services.world().away = SERVICES.to_vec();
    // Each half of the start page stands for itself.
    let home = browser.get("/").await;
    assert_eq!(home.status, StatusCode::OK);
    let page = browser.get(&path).await;
    assert_eq!(page.status, StatusCode::SERVICE_UNAVAILABLE);
    page.shows(page.header("x-trace-id"));
    for page in [home, page] {
        page.shows("Nothing is lost");
        let balancers = page.text.contains("Temporarily Unavailable</html>");
        assert!(!balancers, "what a load balancer says is not shown");
    }
    site.services.world().away.clear();
    browser.get(&path).await.hides("Nothing is lost");
}

/// A part that is away alone takes only what is its own along: everything else is shown, and what is missing is said.
#[tokio::test]
async fn each_service_that_is_away_alone_leaves_the_others_pages_standing() {
    let site = site().await;
    let machine = add_machine(&site, InstanceState::Ready, 4);
    {
        let mut world = site.services.world();
        world.machines[0].owner = "sub-grace".parse().unwrap();
        world.login = Some(LoginDetails {
            host: "198.51.100.9".to_owned(),
            port: 22,
            username: "ec2-user".to_owned(),
            certificate: None,
            host_keys: vec![],
            valid_until: None,
        });
    }
    let mut admin = site.signed_in("grace@example.com").await;
    let new = "/machines/new?configuration=00000000-0000-0000-0000-000000000001";
    let pages = ["/", &machine, new, "/admin/configurations", "/admin/machines", "/admin/statistics"];
    // Whose pages are gone, and which ones say that a part of them is.
    let cases = [
        ("configure-instance", vec![new, "/admin/configurations"], vec!["/"]),
        ("provision-instance", vec![machine.as_str(), "/admin/machines"], vec!["/", "/admin/statistics"]),
        ("view-stats", vec![], vec!["/admin/statistics"]),
        ("gateway", vec![], vec![]),
    ];
    for (away, gone, torn) in cases {
        site.services.world().away = vec![away];
        let (mut refused, mut said) = (vec![], vec![]);
        for path in pages {
            let page = admin.get(path).await;
            match page.status {
                StatusCode::OK if page.text.contains("Nothing is lost") => said.push(path),
                StatusCode::OK => {}
                StatusCode::SERVICE_UNAVAILABLE => {
                    page.shows("Nothing is lost").shows(page.header("x-trace-id"));
                    refused.push(path);
                }
                other => panic!("{path} without {away}: {other}"),
            }
        }
        assert_eq!((refused, said), (gone, torn), "without {away}");
    }
    // API Gateway's part is the login card.
    admin.get(&machine).await.hides("198.51.100.9").shows("Get login details");
    site.services.world().away.clear();
    admin.get(&machine).await.shows("198.51.100.9");
    for path in pages {
        assert_eq!(admin.get(path).await.status, StatusCode::OK, "nobody is signed out");
    }
}

/// A load balancer's own words about the trace are taken, the browser's are not.
#[tokio::test]
async fn a_page_is_in_the_trace_that_the_load_balancer_named() {
    let site = site().await;
    let browser = site.signed_in("ada@example.com").await;
    let trace = async |xray: &str| {
        let request = http::Request::get("/")
            .header("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
            .header("x-amzn-trace-id", xray)
            .body(axum::body::Body::empty())
            .unwrap();
        browser.clone().send(request).await.header("x-trace-id").to_owned()
    };
    assert_eq!(trace("Root=1-67891233-abcdef012345678912345678").await, "67891233abcdef012345678912345678");
    let with_a_browsers = "Self=1-67891234-12456789abcdef0123456789;\
                           Root=1-11111111-222222222222222222222222;Parent=3333333333333333;Sampled=1";
    assert_eq!(trace(with_a_browsers).await, "6789123412456789abcdef0123456789");
    let fresh = trace("nonsense").await;
    assert!(fresh.len() == 32 && fresh != "0af7651916cd43dd8448eb211c80319c", "{fresh}");
}

#[tokio::test]
async fn what_happens_soon_is_said_with_the_way_out() {
    let site = site().await;
    let path = add_machine(&site, InstanceState::Ready, 4);
    let mut user = site.signed_in("ada@example.com").await;
    user.get("/").await.shows("1 of 3 machines").hides("It ends in");
    {
        let mut world = site.services.world();
        let machine = world.machines.last_mut().unwrap();
        machine.expires_at = Some(now() + TimeDelta::minutes(20));
        machine.stop_at = Some(now() + TimeDelta::minutes(40));
        machine.idle_stop_at = Some(now() + TimeDelta::minutes(9));
    }
    user.get("/").await.shows("It ends in 20 min.").shows("Nobody uses it: it ");
    let page = user.get(&path).await;
    page.shows("It ends in 20 min.").shows("Its schedule stops it in 40 min; the disk is kept.");
    let stop_at = (now() + TimeDelta::minutes(40)).to_rfc3339();
    let fields = [("stop_at", stop_at.as_str())];
    let page = user.submit(&path, &format!("{path}/skip-stop"), &fields).await;
    assert_eq!(page.location(), format!("{path}?notice=stop-skipped"), "{}", page.text);
    assert_eq!(site.services.world().done, [format!("skip {stop_at}")]);
}

#[tokio::test]
async fn those_who_wait_see_their_place_and_when_it_is_their_turn() {
    let site = site().await;
    let path = add_machine(&site, InstanceState::Requested, 1);
    site.services.world().executions[0].queue = Some(QueuePlace { position: 312, estimated_seconds: 104 });
    let mut user = site.signed_in("ada@example.com").await;
    user.get(&path).await.shows("<strong>Place 312</strong> in the queue, asked for in about 2 minutes");
    site.services.world().executions[0].queue = Some(QueuePlace { position: 12, estimated_seconds: 4 });
    let live = user.get(&format!("{path}/live")).await;
    live.shows("<strong>Place 12</strong> in the queue, asked for in about 4 seconds");
    site.services.world().executions[0].queue = None;
    user.get(&format!("{path}/live")).await.hides("in the queue");
}

#[tokio::test]
async fn what_happened_to_a_machine_is_told_newest_first() {
    let site = site().await;
    let path = add_machine(&site, InstanceState::Stopped, 4);
    let mut user = site.signed_in("ada@example.com").await;
    user.get(&path).await.hides("What happened to it");
    site.services.world().machines[0].notes = vec![
        sample::note(NoteKind::Rebooted, "It booted anew.", None, TimeDelta::hours(2), now()),
        sample::note(
            NoteKind::ForceStopped,
            "An admin stopped it: costs",
            Some("sub-grace"),
            TimeDelta::hours(1),
            now(),
        ),
    ];
    let page = user.get(&path).await;
    insta::assert_snapshot!(fragment(&page, "<ol class=\"history\">", "</ol>"));
    page.hides("sub-grace");
    let mut admin = site.signed_in("grace@example.com").await;
    admin.get(&path).await.shows("By <code class=\"wrap\">sub-grace</code>");
}

#[tokio::test]
async fn a_failure_comes_with_the_button_that_helps() {
    let site = site().await;
    let path = add_machine(&site, InstanceState::Failed, 2);
    let fails = |code, fixer| {
        let failure = Failure {
            code,
            sentence: "It went <wrong>.".to_owned(),
            fixer,
            next_step: "Mend it.".to_owned(),
            detail: Some("Client.Error".to_owned()),
        };
        let mut world = site.services.world();
        world.executions[0].state = ExecutionState::Failed;
        world.executions[0].failure = Some(failure);
    };
    let configuration = "00000000-0000-0000-0000-000000000001";
    let mut user = site.signed_in("ada@example.com").await;
    let mut admin = site.signed_in("grace@example.com").await;

    fails(FailureCode::InsufficientCapacity, Fixer::User);
    let page = user.get(&path).await;
    page.shows("It went &#60;wrong&#62;.")
        .shows("href=\"/#catalogue\" data-remedy>Choose another configuration");
    page.shows("You can fix this yourself.");
    admin.get(&path).await.shows("Client.Error");

    fails(FailureCode::ImageUnavailable, Fixer::Admin);
    let page = user.get(&path).await;
    page.shows("href=\"mailto:admins@example.com?subject=")
        .shows("Write to an admin")
        .shows("id=\"message\"");
    let page = admin.get(&path).await;
    page.shows(&format!("href=\"/admin/configurations/{configuration}\" data-remedy>Fix the configuration"));

    fails(FailureCode::MachineLost, Fixer::User);
    let again =
        format!("href=\"/machines/new?configuration={configuration}\" data-remedy>Create a new machine");
    user.get(&path).await.shows(&again);
    admin.get(&path).await.hides("data-remedy");

    {
        let mut world = site.services.world();
        world.executions[0].kind = ExecutionKind::Start;
        world.machines[0].state = InstanceState::Stopped;
    }
    fails(FailureCode::Ec2Unavailable, Fixer::User);
    let page = user.get(&path).await;
    page.shows("data-remedy>Try again</button>");
    let page = user.submit(&path, &format!("{path}/start"), &[("key", "k")]).await;
    assert_eq!(page.location(), path, "{}", page.text);
    assert!(site.services.world().done[0].starts_with("start "));
}

#[tokio::test]
async fn a_stuck_machine_says_so_to_its_owner_and_leads_an_admin_to_force_it() {
    let site = site().await;
    let path = add_machine(&site, InstanceState::Booting, 2);
    let id = {
        let mut world = site.services.world();
        world.executions[0] = sample::stuck(&world.machines[0], now());
        world.executions[0].id
    };
    let mut user = site.signed_in("ada@example.com").await;
    let page = user.get(&path).await;
    page.shows("Undoing what had been begun did not work.").shows("The admins have been told.");
    page.shows("Write to an admin").hides("/admin/stuck").shows("You cancelled it.");
    page.hides("/cancel\"").shows("data-settled=\"true\"");
    let mut admin = site.signed_in("grace@example.com").await;
    admin.get(&path).await.shows(&format!("href=\"/admin/stuck/{id}/force\""));
}
