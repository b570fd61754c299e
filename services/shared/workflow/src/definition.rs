use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use cloudapp_domain::{Clock, ExecutionId, ExecutionKind, Failure, FailureCode, Fixer, UserSub};
use cloudapp_trace::TraceContext;
use sqlx::PgPool;
use uuid::Uuid;

use crate::fence::{Fence, FencedTransaction};
use crate::moments::Moments;

/// What applying a step came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Applied {
    /// The step is done. The detail is for people.
    Done(Option<String>),
    /// Nothing more to do until something happens to the subject, or until this time at the latest.
    Wait {
        /// When to look again without a wake-up.
        until: DateTime<Utc>,
        /// What is waited for, for people.
        detail: Option<String>,
    },
    /// A passing trouble: again, after a back-off.
    Retry {
        /// What was in the way, for people.
        detail: Option<String>,
    },
    /// It cannot be done: undo everything.
    Fail(Failure),
}

impl Applied {
    /// Done, with a detail for people.
    #[must_use]
    pub fn done(detail: impl Into<String>) -> Self {
        Self::Done(Some(detail.into()))
    }

    /// Waits, with a detail for people.
    #[must_use]
    pub fn wait(until: DateTime<Utc>, detail: impl Into<String>) -> Self {
        Self::Wait { until, detail: Some(detail.into()) }
    }

    /// A passing trouble, with a detail for people.
    #[must_use]
    pub fn retry(detail: impl Into<String>) -> Self {
        Self::Retry { detail: Some(detail.into()) }
    }
}

/// What undoing a step came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Undone {
    /// Nothing of the step's effect is left.
    Done,
    /// Not yet; look again then, or when something happens to the subject.
    Wait {
        /// When to look again without a wake-up.
        until: DateTime<Utc>,
    },
    /// A passing trouble, and which: again, after a back-off, until a person must look.
    Retry(Failure),
    /// It cannot be undone, and why: a person must look.
    Failed(Failure),
}

/// A step could not find out what it came to.
#[derive(Debug, thiserror::Error)]
pub enum StepError {
    /// Somebody else runs the execution now: whatever this run still wants to do, it must not.
    #[error("the lease was lost")]
    LeaseLost,
    /// The database does not answer as it should.
    #[error("the database failed")]
    Database(#[from] sqlx::Error),
    /// Anything else that passes; the step runs again.
    #[error("{0}")]
    Other(&'static str, #[source] Box<dyn std::error::Error + Send + Sync>),
}

impl StepError {
    /// Wraps an error with what was being done.
    pub fn doing(what: &'static str) -> impl Fn(Box<dyn std::error::Error + Send + Sync>) -> Self {
        move |source| Self::Other(what, source)
    }
}

/// The execution that a step works for.
#[derive(Debug, Clone, PartialEq)]
pub struct Execution {
    /// Its id.
    pub id: ExecutionId,
    /// What it does.
    pub kind: ExecutionKind,
    /// What it acts on.
    pub subject: Uuid,
    /// For whom.
    pub owner: UserSub,
    /// What was frozen when it was accepted.
    pub input: serde_json::Value,
    /// When it was accepted.
    pub created_at: DateTime<Utc>,
    /// Why it is being undone, if it is.
    pub failure: Option<Failure>,
    /// The request that it was accepted in.
    pub trace: Option<TraceContext>,
}

/// What a step may use while it runs.
#[derive(Debug)]
pub struct StepContext<'a> {
    /// The execution.
    pub execution: &'a Execution,
    /// Runs of this step since it last got on, this one included.
    pub attempt: u32,
    /// When the step (or its undoing) began.
    pub started_at: DateTime<Utc>,
    /// The time.
    pub clock: &'a dyn Clock,
    pub(crate) fence: i64,
    pub(crate) pool: &'a PgPool,
    pub(crate) moments: &'a Moments,
}

impl StepContext<'_> {
    /// A transaction that commits only while this run still holds the execution, so that whatever the step writes is
    /// fenced as well.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn begin(&self) -> Result<FencedTransaction, StepError> {
        Ok(FencedTransaction::new(self.pool.begin().await?, self.fence(), self.moments.clone()))
    }

    /// The run's claim, for what is written in a transaction of others' making.
    #[must_use]
    pub const fn fence(&self) -> Fence {
        Fence::new(self.execution.id, self.fence)
    }

    /// For reading.
    #[must_use]
    pub const fn pool(&self) -> &PgPool {
        self.pool
    }
}

/// One step: one external effect, and how to take it back. Both must be safe to repeat, also after a run that was
/// cut off anywhere: "already there" and "already gone" are success.
#[async_trait]
pub trait Step: Send + Sync {
    /// A stable name, seen by users.
    fn name(&self) -> &'static str;

    /// How long it may take from its beginning, waits included.
    fn deadline(&self) -> Duration;

    /// What is said when the deadline passes.
    fn overdue(&self) -> Failure {
        Failure {
            code: FailureCode::DeadlineExceeded,
            sentence: format!("The step `{}` took too long and was given up.", self.name()),
            fixer: Fixer::User,
            next_step: "Try again; if it happens again, tell an admin.".to_owned(),
            detail: None,
        }
    }

    /// Does it.
    async fn apply(&self, context: &StepContext<'_>) -> Result<Applied, StepError>;

    /// Takes it back, however far `apply` got.
    async fn undo(&self, context: &StepContext<'_>) -> Result<Undone, StepError>;
}

/// A line of steps.
#[derive(Clone)]
pub struct Definition {
    /// Which executions it runs.
    pub kind: ExecutionKind,
    /// How long an execution may take in all before it is undone.
    pub deadline: Duration,
    /// The steps in order.
    pub steps: Vec<Arc<dyn Step>>,
}

impl std::fmt::Debug for Definition {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let steps: Vec<_> = self.steps.iter().map(|step| step.name()).collect();
        f.debug_struct("Definition").field("kind", &self.kind).field("steps", &steps).finish_non_exhaustive()
    }
}

/// The definitions that a worker knows, by kind.
#[derive(Debug, Clone, Default)]
pub struct Definitions(HashMap<ExecutionKind, Arc<Definition>>);

impl Definitions {
    /// Collects definitions; the last of a kind wins.
    #[must_use]
    pub fn new(definitions: impl IntoIterator<Item = Definition>) -> Self {
        Self(definitions.into_iter().map(|definition| (definition.kind, Arc::new(definition))).collect())
    }

    /// The definition of a kind.
    #[must_use]
    pub fn get(&self, kind: ExecutionKind) -> Option<&Arc<Definition>> {
        self.0.get(&kind)
    }
}
