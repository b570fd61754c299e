//! Revocations read for many requests at once.

use std::collections::HashMap;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use cloudapp_chassis::token::{RevocationCheck, RevocationUnknown};
use cloudapp_coalesce::{Bounds, Coalescer, Job};

use crate::PublishedRevocations;

/// One statement asks for at most as many requests; two may be under way.
const BOUNDS: Bounds = Bounds { items: 256, groups: 2 };

/// [`PublishedRevocations`] for processes under load: requests that come together are looked up by one statement,
/// which begins after each of them has come. Nothing is remembered.
#[derive(Debug, Clone)]
pub struct SharedRevocations(Coalescer<Lookup>);

impl SharedRevocations {
    /// Reads through `published`.
    #[must_use]
    pub fn new(published: PublishedRevocations) -> Self {
        Self(Coalescer::new(Lookup(published), BOUNDS))
    }
}

#[async_trait]
impl RevocationCheck for SharedRevocations {
    async fn not_before(&self, subjects: &[&str]) -> Result<Option<DateTime<Utc>>, RevocationUnknown> {
        let subjects = subjects.iter().map(|subject| (*subject).to_owned()).collect();
        self.0.submit(subjects).await.map_err(|error| RevocationUnknown(Box::new(error)))
    }
}

struct Lookup(PublishedRevocations);

#[async_trait]
impl Job for Lookup {
    type Item = Vec<String>;
    type Outcome = Option<DateTime<Utc>>;
    type Error = sqlx::Error;

    async fn handle(&self, requests: &[Vec<String>]) -> Result<Vec<Option<DateTime<Utc>>>, sqlx::Error> {
        let subjects: Vec<&str> = requests.iter().flatten().map(String::as_str).collect();
        let revoked = self.0.revoked(&subjects).await?;
        Ok(requests.iter().map(|subjects| latest(subjects, &revoked)).collect())
    }
}

/// The latest moment before which tokens of any of `subjects` are no longer good.
fn latest(subjects: &[String], revoked: &HashMap<String, DateTime<Utc>>) -> Option<DateTime<Utc>> {
    subjects.iter().filter_map(|subject| revoked.get(subject)).max().copied()
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;

    #[test]
    fn each_request_gets_the_latest_of_its_own_subjects() {
        let at = |seconds| DateTime::UNIX_EPOCH + TimeDelta::seconds(seconds);
        let revoked = HashMap::from([("ann".to_owned(), at(1)), ("session".to_owned(), at(2))]);
        let of = |subjects: &[&str]| {
            latest(&subjects.iter().map(|subject| (*subject).to_owned()).collect::<Vec<_>>(), &revoked)
        };
        assert_eq!(of(&["ann", "session"]), Some(at(2)));
        assert_eq!(of(&["ann", "other"]), Some(at(1)));
        assert_eq!(of(&["bob"]), None);
        assert_eq!(of(&[]), None);
    }
}
