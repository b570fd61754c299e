//! The admins are told once about each user, when that user first signs in.
//!
//! A claim in S3, placed only if there is none, decides which of several concurrent sign-ins tells them. It becomes
//! `sent` after the notice. A claim that stays unsent is stale after 30 seconds: the next sign-in then places the
//! claim of a second attempt, again only one of them. A notice may therefore come twice only when SNS took it and
//! the mark could not be placed; both carry the same id.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use cloudapp_domain::{Clock, UserSub};
use serde::{Deserialize, Serialize};

/// A claim this old whose notice was not sent is given up.
const STALE_AFTER: TimeDelta = TimeDelta::seconds(30);
/// Attempts after which a person must look; the failures before have raised alarms.
const ATTEMPTS: u32 = 20;

/// How far the notice about a user is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NoticeState {
    /// Somebody is about to send it.
    Claimed,
    /// It was sent.
    Sent,
}

/// What the ledger holds about one attempt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// How far it is.
    pub state: NoticeState,
    /// Since when.
    pub at: DateTime<Utc>,
    /// The notice's stable id.
    pub notice_id: String,
}

/// Something outside failed.
#[derive(Debug, thiserror::Error)]
#[error("{what} failed")]
pub struct PortError {
    /// What was tried.
    pub what: &'static str,
    /// Why it failed.
    #[source]
    pub source: Box<dyn std::error::Error + Send + Sync>,
}

/// Remembers who has been seen.
#[async_trait::async_trait]
pub trait Ledger: Send + Sync {
    /// The record under this key.
    async fn read(&self, key: &str) -> Result<Option<Record>, PortError>;
    /// Places a record if there is none; false if there is one.
    async fn claim(&self, key: &str, record: &Record) -> Result<bool, PortError>;
    /// Places a record whatever is there.
    async fn mark(&self, key: &str, record: &Record) -> Result<(), PortError>;
}

/// Reaches the admins.
#[async_trait::async_trait]
pub trait AdminNotices: Send + Sync {
    /// Sends a notice to all admins.
    async fn publish(&self, subject: &str, body: &str) -> Result<(), PortError>;
}

/// What became of one sign-in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The admins were told now.
    Told,
    /// They had been told before.
    Known,
    /// Another sign-in is telling them.
    BeingTold,
}

/// Why the admins could not be told.
#[derive(Debug, thiserror::Error)]
pub enum FirstSeenError {
    /// S3 or SNS failed.
    #[error(transparent)]
    Port(#[from] PortError),
    /// Every attempt so far went stale.
    #[error("the notice failed {ATTEMPTS} times; remove the claims of this user to try again")]
    GivenUp,
}

/// Tells the admins about new users.
#[derive(Clone)]
pub struct FirstSeen {
    ledger: Arc<dyn Ledger>,
    notices: Arc<dyn AdminNotices>,
    clock: Arc<dyn Clock>,
    web_url: Option<String>,
}

impl std::fmt::Debug for FirstSeen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FirstSeen").finish_non_exhaustive()
    }
}

impl FirstSeen {
    /// Remembers in `ledger`, tells over `notices`; `web_url` is the link in the notice.
    #[must_use]
    pub fn new(
        ledger: Arc<dyn Ledger>,
        notices: Arc<dyn AdminNotices>,
        clock: Arc<dyn Clock>,
        web_url: Option<String>,
    ) -> Self {
        Self { ledger, notices, clock, web_url }
    }

    /// Tells the admins about this user unless they know. Costs one read from the second sign-in on.
    ///
    /// # Errors
    /// [`FirstSeenError`]; a later sign-in tries again.
    pub async fn notify_once(&self, sub: &UserSub) -> Result<Outcome, FirstSeenError> {
        for attempt in 1..=ATTEMPTS {
            let key = claim_key(sub, attempt);
            let standing = match self.ledger.read(&key).await? {
                Some(record) => Some(record),
                None if self.claim(&key, sub).await? => return self.tell(sub).await,
                // Somebody was faster.
                None => self.ledger.read(&key).await?,
            };
            match standing {
                Some(Record { state: NoticeState::Sent, .. }) => return Ok(Outcome::Known),
                Some(record) if self.clock.now() - record.at <= STALE_AFTER => return Ok(Outcome::BeingTold),
                // Stale, or removed by an operator in this moment.
                _ => {}
            }
        }
        Err(FirstSeenError::GivenUp)
    }

    async fn claim(&self, key: &str, sub: &UserSub) -> Result<bool, PortError> {
        self.ledger.claim(key, &self.record(sub, NoticeState::Claimed)).await
    }

    async fn tell(&self, sub: &UserSub) -> Result<Outcome, FirstSeenError> {
        let (subject, body) = self.notice(sub);
        self.notices.publish(&subject, &body).await?;
        // Always the first attempt's key: it is the one that every sign-in reads first.
        self.ledger.mark(&claim_key(sub, 1), &self.record(sub, NoticeState::Sent)).await?;
        Ok(Outcome::Told)
    }

    fn record(&self, sub: &UserSub, state: NoticeState) -> Record {
        Record { state, at: self.clock.now(), notice_id: notice_id(sub) }
    }

    fn notice(&self, sub: &UserSub) -> (String, String) {
        let link = self.web_url.as_ref().map_or_else(String::new, |url| format!("\nCloudApp: {url}"));
        let body = format!(
            "A new user signed in to CloudApp for the first time.\n\nUser: {sub}\nTime: {}{link}\nNotice: {}\n",
            self.clock.now().format("%Y-%m-%d %H:%M:%S UTC"),
            notice_id(sub),
        );
        ("CloudApp: a new user signed in".to_owned(), body)
    }
}

fn notice_id(sub: &UserSub) -> String {
    format!("first-seen-{sub}")
}

fn claim_key(sub: &UserSub, attempt: u32) -> String {
    match attempt {
        1 => format!("first-seen/{sub}"),
        attempt => format!("first-seen/{sub}/attempt-{attempt}"),
    }
}

#[cfg(test)]
mod tests;
