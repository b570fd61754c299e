//! What admins' pages show, and what their forms do.

#![allow(clippy::allow_attributes, clippy::unwrap_used, reason = "what is not as expected ends the test")]

mod support;

use cloudapp_domain::{ExecutionState, InstanceState};
use http::StatusCode;
use support::sample;
use support::start::{add_machine, admin, now, site};

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
async fn the_fleet_says_what_happens_to_what_nobody_owns() {
    let site = site().await;
    let mut admin = admin(&site).await;
    let page = admin.get("/admin/fleet").await;
    page.shows("Every machine at AWS belongs to somebody.").shows("AWS and CloudApp have agreed all day.");
    page.hides("stuck.</strong>");
    add_machine(&site, InstanceState::Booting, 2);
    let stuck = site.services.world().machines[0].execution_id;
    site.services.world().fleet = Some(sample::fleet(&[stuck], now()));
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
    page.shows("sub-ada").shows("Could not be undone: ").shows("because it had been cancelled");
    page.shows("not allowed to do this at AWS. Ask the operator to check")
        .shows("<pre>UnauthorizedOperation: ");
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
