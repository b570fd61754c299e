//! How most tests begin: two people, one configuration, a time that stands still.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use cloudapp_domain::{InstanceState, ManualClock};

use super::sample;
use super::site::{Browser, Page, Site};

/// The tests' time stands still.
pub fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_795_000_000, 0).unwrap()
}

pub async fn site() -> Site {
    let site = Site::start(Arc::new(ManualClock::new(now()))).await;
    site.pool.add("ada@example.com", &[], false);
    site.pool.add("grace@example.com", &["admin"], true);
    site.services.world().configurations =
        vec![sample::configuration(1, "Shell", "terminal", "t3.micro", &["git", "tmux"])];
    site
}

/// Puts a machine of ada's into the world; its path.
pub fn add_machine(site: &Site, state: InstanceState, steps_done: usize) -> String {
    let mut world = site.services.world();
    let machine = sample::machine(&world.configurations[0], "sub-ada", state, now());
    world.executions.push(sample::launch(&machine, steps_done, now()));
    let path = format!("/machines/{}", machine.id);
    world.machines.push(machine);
    path
}

/// The text between two marks: a fragment of a page.
pub fn fragment<'a>(page: &'a Page, from: &str, to: &str) -> &'a str {
    let start = page.text.find(from).unwrap_or_else(|| panic!("`{from}` is not on the page"));
    let rest = &page.text[start..];
    &rest[..rest.find(to).unwrap() + to.len()]
}

/// An admin with a fresh second factor.
pub async fn admin(site: &Site) -> Browser {
    site.signed_in("grace@example.com").await
}
