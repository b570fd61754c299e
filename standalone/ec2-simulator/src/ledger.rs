//! A record of every call, so that tests can count exactly.

use std::collections::{BTreeMap, VecDeque};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// The oldest entries go when there are more than this.
const MOST_ENTRIES: usize = 200_000;

/// One call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LedgerEntry {
    /// Counts up from 1, also past a clearing.
    pub seq: u64,
    /// When it was answered.
    pub at: DateTime<Utc>,
    /// The action, as the caller wrote it.
    pub action: String,
    /// The caller's token.
    pub client_token: Option<String>,
    /// Digest of all parameters but the token and `DryRun`.
    pub params_digest: String,
    /// `ok`, `reply_lost` (it took effect), or EC2's error code (it did not).
    pub outcome: String,
    /// The resources it was about.
    pub ids: Vec<String>,
}

/// How often an action was called with one outcome.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// The action, as callers wrote it.
    pub action: String,
    /// `ok`, `reply_lost`, or EC2's error code.
    pub outcome: String,
    /// How often.
    pub calls: u64,
}

/// All calls, in order.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    entries: VecDeque<LedgerEntry>,
    /// By action and outcome.
    counts: BTreeMap<(String, String), u64>,
    last: u64,
}

impl Ledger {
    /// Enters a call; its number is given here.
    pub(crate) fn enter(&mut self, entry: LedgerEntry) {
        self.last += 1;
        *self.counts.entry((entry.action.clone(), entry.outcome.clone())).or_default() += 1;
        self.entries.push_back(LedgerEntry { seq: self.last, ..entry });
        if self.entries.len() > MOST_ENTRIES {
            self.entries.pop_front();
        }
    }

    pub(crate) fn list(&self) -> Vec<LedgerEntry> {
        self.entries.iter().cloned().collect()
    }

    /// The calls, counted; also those whose entries have gone because there were too many.
    pub(crate) fn tallies(&self) -> Vec<Tally> {
        let counts = self.counts.iter();
        counts
            .map(|((action, outcome), calls)| Tally {
                action: action.clone(),
                outcome: outcome.clone(),
                calls: *calls,
            })
            .collect()
    }

    pub(crate) fn clear(&mut self) {
        self.counts.clear();
        self.entries.clear();
    }
}
