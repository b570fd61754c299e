//! Whether a machine is admitted: pure decisions about what is wished and what is known.
//!
//! Wishes are decided in groups. Within a group the earlier wish counts for the later one, as if it had been
//! committed before: that is what keeps limits and keys exact while many share one transaction.

use std::collections::HashMap;
use std::sync::Arc;

use cloudapp_contract::instance::{Accepted, CreateInstance};
use cloudapp_domain::configuration::FieldErrors;
use cloudapp_domain::{ConfigurationId, IdempotencyKey, UserSub};
use cloudapp_trace::TraceContext;

use super::idempotency::{Known, Remembered};
use crate::configurations::Published;
use crate::limits::{Exceeded, Share, Standing};

/// What somebody wants.
#[derive(Debug, Clone)]
pub(crate) struct Wish {
    pub(crate) owner: UserSub,
    /// Groups of the owner, as the token says.
    pub(crate) groups: Vec<String>,
    pub(crate) key: IdempotencyKey,
    /// Tells this request from another one under the same key.
    pub(crate) digest: Vec<u8>,
    pub(crate) request: CreateInstance,
    /// What is wrong with the public key, for its owner to read; `None` if nothing is, or there is none.
    pub(crate) key_complaint: Option<String>,
    /// The ids that it gets if it is admitted.
    pub(crate) proposed: Accepted,
    /// The request that it came in.
    pub(crate) trace: Option<TraceContext>,
}

/// What is known, read under the owners' locks.
#[derive(Debug, Clone, Default)]
pub(crate) struct Facts {
    /// Keys that were used before.
    pub(crate) remembered: HashMap<(UserSub, IdempotencyKey), Remembered>,
    /// Configurations that are published now.
    pub(crate) published: HashMap<ConfigurationId, Arc<Published>>,
    /// Limits, and what counts against them.
    pub(crate) standing: Standing,
}

/// What becomes of a wish.
#[derive(Debug, Clone)]
pub(crate) enum Verdict {
    /// It was done before: the same answer.
    Repeat(Accepted),
    /// No.
    Refuse(Refusal),
    /// Yes, and this is its place within the owner's limit.
    Admit { published: Arc<Published>, share: Share },
}

/// Why no machine is admitted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// No such configuration, as far as this user may know.
    NoConfiguration,
    /// Fields are wrong.
    Fields(FieldErrors),
    /// A limit does not allow another machine.
    LimitReached(Exceeded),
    /// The idempotency key was used for another request.
    KeyReused,
}

/// Decides a group of wishes in order; answers as many verdicts.
pub(crate) fn decide_all<'a>(wishes: impl IntoIterator<Item = &'a Wish>, mut facts: Facts) -> Vec<Verdict> {
    wishes
        .into_iter()
        .map(|wish| {
            let verdict = decide(wish, &facts);
            if matches!(verdict, Verdict::Admit { .. }) {
                facts.count(wish);
            }
            verdict
        })
        .collect()
}

/// Decides one wish. A key that is known comes first: the answer of a repetition must not depend on what has
/// changed since.
pub(crate) fn decide(wish: &Wish, facts: &Facts) -> Verdict {
    let remembered = facts.remembered.get(&(wish.owner.clone(), wish.key.clone()));
    match Known::of(remembered, &wish.digest) {
        Known::Same(accepted) => return Verdict::Repeat(accepted),
        Known::Other => return Verdict::Refuse(Refusal::KeyReused),
        Known::New => {}
    }
    let published = facts.published.get(&wish.request.configuration_id);
    let Some(published) = published.filter(|published| published.spec.allows(&wish.groups)) else {
        return Verdict::Refuse(Refusal::NoConfiguration);
    };
    if let Err(fields) = check_fields(wish, published) {
        return Verdict::Refuse(Refusal::Fields(fields));
    }
    match facts.standing.verdict(&wish.owner, &wish.groups) {
        Ok(share) => Verdict::Admit { published: Arc::clone(published), share },
        Err(exceeded) => Verdict::Refuse(Refusal::LimitReached(exceeded)),
    }
}

fn check_fields(wish: &Wish, published: &Published) -> Result<(), FieldErrors> {
    let most = published.spec.max_lifetime_hours;
    if wish.request.hours.is_some_and(|hours| !(1..=most).contains(&hours)) {
        let message = format!("must be between 1 and {most} for this configuration");
        return Err(FieldErrors::one("hours", message));
    }
    match &wish.key_complaint {
        Some(complaint) => Err(FieldErrors::one("ssh_public_key", complaint.clone())),
        None => Ok(()),
    }
}

impl Facts {
    /// From here on an admitted wish counts, as its rows will.
    fn count(&mut self, wish: &Wish) {
        self.standing.count(&wish.owner, &wish.groups);
        let remembered = Remembered { digest: wish.digest.clone(), accepted: wish.proposed.clone() };
        self.remembered.insert((wish.owner.clone(), wish.key.clone()), remembered);
    }
}

#[cfg(test)]
mod tests;
