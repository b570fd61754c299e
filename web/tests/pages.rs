//! What pages show in their states, and what their forms do.

#![allow(clippy::allow_attributes, clippy::unwrap_used, reason = "what is not as expected ends the test")]

mod support;

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use cloudapp_contract::execution::{LoginDetails, QueuePlace};
use cloudapp_contract::instance::NoteKind;
use cloudapp_domain::configuration::ConfigurationState;
use cloudapp_domain::{
    ExecutionKind, ExecutionState, Failure, FailureCode, Fixer, InstanceState, ManualClock,
};
use http::StatusCode;
use support::sample;
use support::site::{Browser, Page, Site};

/// The tests' time stands still.
fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_795_000_000, 0).unwrap()
}

async fn site() -> Site {
    let site = Site::start(Arc::new(ManualClock::new(now()))).await;
    site.pool.add("ada@example.com", &[], false);
    site.pool.add("grace@example.com", &["admin"], true);
    site.services.world().configurations =
        vec![sample::configuration(1, "Shell", "terminal", "t3.micro", &["git", "tmux"])];
    site
}

/// Puts a machine of ada's into the world; its path.
fn add_machine(site: &Site, state: InstanceState, steps_done: usize) -> String {
    let mut world = site.services.world();
    let machine = sample::machine(&world.configurations[0], "sub-ada", state, now());
    world.executions.push(sample::launch(&machine, steps_done, now()));
    let path = format!("/machines/{}", machine.id);
    world.machines.push(machine);
    path
}

/// The text between two marks: a fragment of a page.
fn fragment<'a>(page: &'a Page, from: &str, to: &str) -> &'a str {
    let start = page.text.find(from).unwrap_or_else(|| panic!("`{from}` is not on the page"));
    let rest = &page.text[start..];
    &rest[..rest.find(to).unwrap() + to.len()]
}

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

async fn admin(site: &Site) -> Browser {
    site.signed_in("grace@example.com").await
}

#[tokio::test]
async fn a_configuration_form_keeps_what_was_typed_and_names_every_wrong_field() {
    let site = site().await;
    let mut admin = admin(&site).await;
    let fields = [
        ("key", "k"),
        ("name", "My box"),
        ("icon", "server"),
        ("image", "ubuntu"),
        ("instance_types", "t3.micro\r\nhuge"),
        ("market", "on_demand"),
        ("root_volume_gib", "4"),
        ("login_user", "root"),
        ("lifetime_hours", "8"),
        ("max_lifetime_hours", "72"),
        ("on_stop", "terminate"),
        ("warm_pool_size", "0"),
        ("warm_pool_kind", "running"),
        ("file_path", "relative"),
        ("file_permissions", "0644"),
        ("file_content", "x"),
    ];
    let page = admin.submit("/admin/configurations/new", "/admin/configurations", &fields).await;
    assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY);
    page.shows("value=\"My box\"").shows("t3.micro\nhuge</textarea>").shows("<li>Line 2: ");
    page.shows("Must be between 8 and 2,048 GiB.").shows("Must be an absolute path without ..");
    for field in ["image", "root_volume_gib", "login_user", "instance_types"] {
        page.shows(&format!("id=\"{field}-error\""));
    }
    assert_eq!(site.services.world().configurations.len(), 1, "nothing may have been saved");
}

#[tokio::test]
async fn a_stale_edit_is_told_and_not_lost() {
    let site = site().await;
    let mut admin = admin(&site).await;
    let path = "/admin/configurations/00000000-0000-0000-0000-000000000001";
    let mut fields = vec![
        ("key", "k"),
        ("version", "1"),
        ("name", "My change"),
        ("icon", "server"),
        ("image", "ami-0123456789abcdef0"),
        ("instance_types", "t3.micro"),
        ("market", "on_demand"),
        ("root_volume_gib", "20"),
        ("login_user", "ec2-user"),
        ("lifetime_hours", "8"),
        ("max_lifetime_hours", "72"),
        ("on_stop", "terminate"),
        ("warm_pool_size", "0"),
        ("warm_pool_kind", "running"),
    ];
    let page = admin.submit(path, path, &fields).await;
    assert_eq!(page.status, StatusCode::CONFLICT);
    page.shows("Somebody else saved version 2")
        .shows("value=\"My change\"")
        .shows("name=\"version\" value=\"2\"");
    fields[1] = ("version", "2");
    let page = admin.submit(path, path, &fields).await;
    assert!(page.location().ends_with("?notice=configuration-saved"), "{}", page.text);
    let key = [("key", "k")];
    let page = admin.submit(path, &format!("{path}/publish"), &key).await;
    admin.get(page.location()).await.shows("Published: users get the newest version");
    let page = admin.submit(path, &format!("{path}/retire"), &key).await;
    admin.get(page.location()).await.shows("Retired");
}

#[tokio::test]
async fn users_are_counted_created_disabled_and_deleted_with_their_machines() {
    let site = site().await;
    add_machine(&site, InstanceState::Ready, 4);
    let mut admin = admin(&site).await;
    admin.get("/admin/users").await.shows("id=\"active-users\">2<");
    let users = "/admin/users";
    let page = admin.submit(users, users, &[("email", "Alan@Example.com")]).await;
    page.shows("alan@example.com").shows("id=\"temporary-password\"").shows("Invited");
    admin.get(users).await.hides("temporary-password").shows("id=\"active-users\">3<");
    let page = admin.submit(users, users, &[("email", "alan@example.com")]).await;
    assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY);
    page.shows("There is an account with this e-mail address.");

    let page = admin.submit(users, "/admin/users/sub-ada/disable", &[]).await;
    assert_eq!(page.location(), "/admin/users?notice=user-disabled");
    admin.get(users).await.shows("id=\"active-users\">2<").shows("Disabled");
    assert_eq!(site.services.world().revoked[0].0, "sub-ada", "its tokens must be revoked");

    let delete = "/admin/users/sub-ada/delete";
    admin.get(delete).await.shows("<strong>1 machine</strong> will be destroyed");
    assert_eq!(
        admin.submit(delete, delete, &[("key", "k")]).await.location(),
        "/admin/users?notice=user-deleted"
    );
    assert!(site.services.world().done[0].starts_with("destroy "));
    assert!(!site.pool.emails().contains(&"ada@example.com".to_owned()));

    for action in ["disable", "delete"] {
        let page = admin.submit(users, &format!("/admin/users/sub-grace/{action}"), &[("key", "k")]).await;
        assert_eq!(page.status, StatusCode::CONFLICT, "{action}");
    }
}

#[tokio::test]
async fn a_machine_is_force_stopped_only_with_a_reason() {
    let site = site().await;
    add_machine(&site, InstanceState::Ready, 4);
    let mut admin = admin(&site).await;
    admin.get("/admin/machines").await.shows("sub-ada").shows("Force stop");
    let id = site.services.world().machines[0].id;
    let path = format!("/admin/machines/{id}/force-stop");
    let page = admin.submit(&path, &path, &[("reason", "  ")]).await;
    assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY);
    page.shows("id=\"reason-error\"");
    let page = admin.submit(&path, &path, &[("reason", "runaway costs")]).await;
    assert_eq!(page.location(), "/admin/machines?notice=force-terminating");
    assert_eq!(site.services.world().done, [format!("force-stop {id}: runaway costs")]);
    admin.get("/admin/machines?state=failed").await.shows("No machines in this state");
}

#[tokio::test]
async fn statistics_are_shown_or_said_to_be_missing() {
    let site = site().await;
    let row = cloudapp_contract::stats::LaunchesRow {
        day: now().date_naive(),
        configuration_id: site.services.world().configurations[0].id,
        configuration_name: "=Shell, \"big\"".to_owned(),
        launches: 3,
        ready: 2,
        failed: 1,
    };
    site.services.world().launches.push(row);
    let mut admin = admin(&site).await;
    let page = admin.get("/admin/statistics").await;
    page.shows("<dd>0.0</dd>").shows("<dd>$0.00</dd>").shows("Running now");
    page.shows("3 launches by day and configuration")
        .shows("67 %")
        .shows("4 min ago")
        .shows("<rect class=\"s0\"");
    let csv = admin.get("/admin/statistics/launches.csv").await;
    assert_eq!(csv.header("content-type"), "text/csv; charset=utf-8");
    csv.shows("\"'=Shell, \"\"big\"\"\",3,2,1\r\n");
    site.services.world().stats_down = true;
    let page = admin.get("/admin/statistics").await;
    assert_eq!(page.status, StatusCode::OK, "the page stands while Athena does not answer");
    page.shows("Athena does not answer at the moment.");
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
async fn admins_set_and_remove_limits() {
    let site = site().await;
    let mut admin = site.signed_in("grace@example.com").await;
    admin.get("/admin/limits").await.shows("Everybody may have 3 machines at a time");
    let set = "/admin/limits/group";
    let wrong = [("group", "science"), ("machines_per_member", "many"), ("machines_together", "")];
    let page = admin.submit("/admin/limits", set, &wrong).await;
    assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY);
    page.shows("Limits are whole numbers.").shows("value=\"science\"");
    let too_many = [("group", "science"), ("machines_per_member", "2000"), ("machines_together", "")];
    admin.submit("/admin/limits", set, &too_many).await.shows("Must be at most 1000.");
    let none = [("group", "science"), ("machines_per_member", ""), ("machines_together", "")];
    admin.submit("/admin/limits", set, &none).await.shows("Give at least one of the two limits.");
    let right = [("group", "science"), ("machines_per_member", "2"), ("machines_together", "40")];
    let page = admin.submit("/admin/limits", set, &right).await;
    assert_eq!(page.location(), "/admin/limits?notice=limit-set", "{}", page.text);
    admin.get("/admin/limits").await.shows("2 machines").shows("40 machines").shows("science");
    admin.get("/admin/users").await.shows("href=\"/admin/limits?sub=sub-ada#user-title\"");
    admin.get("/admin/limits?sub=sub-ada").await.shows("value=\"sub-ada\"");
    let one = [("sub", "sub-ada"), ("machines", "7")];
    let page = admin.submit("/admin/limits", "/admin/limits/user", &one).await;
    assert_eq!(page.location(), "/admin/limits?notice=limit-set", "{}", page.text);
    let page = admin.submit("/admin/limits", "/admin/limits/groups/science/remove", &[]).await;
    assert_eq!(page.location(), "/admin/limits?notice=limit-removed", "{}", page.text);
    assert_eq!(site.services.world().done, ["limit science", "limit sub-ada to 7", "unlimit science"]);
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
    page.shows("You can fix this yourself.").shows("Client.Error");

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
async fn the_fleet_says_what_happens_to_what_nobody_owns() {
    let site = site().await;
    let mut admin = admin(&site).await;
    let page = admin.get("/admin/fleet").await;
    page.shows("Every machine at AWS belongs to somebody.").shows("AWS and CloudApp have agreed all day.");
    page.hides("stuck.</strong>");
    let machine = {
        let path = add_machine(&site, InstanceState::Booting, 2);
        assert!(path.starts_with("/machines/"));
        site.services.world().machines[0].clone()
    };
    site.services.world().fleet = Some(sample::fleet(&[machine.execution_id], now()));
    let page = admin.get("/admin/fleet").await;
    page.shows("1 execution is stuck.").shows("id=\"waiting\">184<").shows("the oldest for 1 min");
    page.shows("i-0f00ba4cafe123456").shows("Ended in 1 min if it still belongs to nobody");
    page.shows("Ended at the next comparison, unless it has found its owner")
        .shows("Machines without an owner ended");
    let mut user = site.signed_in("ada@example.com").await;
    for path in ["/admin/fleet", "/admin/stuck", "/admin/pools"] {
        let page = user.get(path).await;
        assert_ne!(page.status, StatusCode::OK, "{path} is for admins");
    }
}

#[tokio::test]
async fn what_is_stuck_is_forced_only_with_a_reason() {
    let site = site().await;
    let mut admin = admin(&site).await;
    admin.get("/admin/stuck").await.shows("Nothing is stuck");
    add_machine(&site, InstanceState::Booting, 2);
    let id = {
        let mut world = site.services.world();
        world.executions[0] = sample::stuck(&world.machines[0], now());
        world.executions[0].id
    };
    let page = admin.get("/admin/stuck").await;
    page.shows("sub-ada")
        .shows("Somebody has protected this machine at AWS")
        .shows("because it had been cancelled");
    page.shows("i-0123456789abcdef0 (t3.micro, us-east-1b) may still run at AWS and cost money.");
    let path = format!("/admin/stuck/{id}/force");
    page.shows(&format!("href=\"{path}\""));

    let page = admin.submit(&path, &path, &[("key", "k"), ("course", "give_up"), ("reason", " ")]).await;
    assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY);
    page.shows("id=\"reason-error\"").shows("value=\"give_up\" checked");
    site.services.world().force_refused = true;
    let fields = [("key", "k"), ("course", "give_up"), ("reason", "account <closed>")];
    let page = admin.submit(&path, &path, &fields).await;
    assert_eq!(page.status, StatusCode::CONFLICT);
    page.shows("Something else is being done to the machine.").shows("account &#60;closed&#62;</textarea>");
    site.services.world().force_refused = false;
    let page = admin.submit(&path, &path, &fields).await;
    assert_eq!(page.location(), "/admin/stuck?notice=forced-given-up", "{}", page.text);
    assert_eq!(site.services.world().done, [format!("give up {id}: account <closed>")]);
    admin.get(page.location()).await.shows("Given up.").shows("Nothing is stuck");

    let page = admin.get(&path).await;
    assert_eq!(page.status, StatusCode::CONFLICT);
    page.shows("It is no longer stuck");
    site.services.world().executions[0].state = ExecutionState::Stuck;
    let page = admin.submit(&path, &path, &[("key", "k2"), ("reason", "permission is back")]).await;
    assert_eq!(page.location(), "/admin/stuck?notice=forced-undo");
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

#[tokio::test]
async fn pools_say_what_they_have_and_what_stands_in_their_way() {
    let site = site().await;
    let mut admin = admin(&site).await;
    admin.get("/admin/pools").await.shows("No warm pools");
    {
        let mut world = site.services.world();
        let mut short = sample::pool(&world.configurations[0], 3, 1);
        short.trouble = Some(sample::pool_trouble(now()));
        let closed = sample::pool(&world.configurations[0], 0, 0);
        let mut retired = sample::pool(&world.configurations[0], 0, 0);
        (retired.configuration_version, retired.size, retired.schedule) = (None, 0, None);
        world.pools = vec![short, closed, retired];
    }
    let page = admin.get("/admin/pools").await;
    page.shows("Version 2, spares run").shows("badge warn\">1 of 3").shows("17 of 21 clicks");
    page.shows("3 spares in a row have failed: ").shows("The next one is tried in 8 min.");
    page.shows("Mon\u{2011}Fri 08:00\u{2011}18:00 Europe/Berlin")
        .shows("Closed now by its schedule")
        .shows("$0.0208 / hour");
    page.shows("No longer in the catalogue: its spares are ended").shows(">Always");
}
