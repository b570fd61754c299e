//! Products that are broken on purpose: every one of them must be caught.
//!
//! Three ways are left out. For two of them something else covers almost always: a placer that writes without looking at
//! its fence (the client token gives both the same machines, and only an open attempt is written to), and a wake-up that
//! is forgotten when it falls into the few milliseconds of a run (the next look comes anyway). The third, a queue that
//! serves first come, first served, starves nobody in worlds this small: the properties of `decide::ripe` judge it.

macro_rules! mutants {
    ($($(#[doc = $doc:literal])+ $name:ident,)+) => {
        /// A way in which the product could be broken.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(super) enum Mutant {
            $($(#[doc = $doc])+ $name,)+
        }

        impl Mutant {
            /// Every way.
            pub(super) const ALL: &'static [Self] = &[$(Self::$name),+];

            /// What is broken.
            pub(super) const fn what(self) -> &'static str {
                match self { $(Self::$name => concat!($($doc),+),)+ }
            }
        }
    };
}

mutants! {
    // Asking for machines.
    /// The client token does not depend on the attempt's number and offering.
    TokenWithoutAttempt,
    /// Batches of the same type share a client token.
    TokenOfTheType,
    /// Every sending has a client token of its own.
    TokenFreshOnEachSend,
    /// The attempt is forgotten when its replica dies: it was not committed before the call.
    IntentNotCommitted,
    /// It is not written down that a call may have been executed.
    DoubtNotNoted,
    /// What nobody wants any more is withdrawn although it may have been made.
    DoubtIgnoredWhenUnwanted,
    /// A throttle counts as a refusal: a new attempt under a new token.
    ThrottleIsRefusal,
    /// A lost reply counts as a refusal: a new attempt under a new token.
    LostReplyIsRefusal,
    /// A refusal ends the doubt that an earlier sending left.
    RefusalEndsDoubt,
    /// No capacity counts as machines.
    CapacityIsSuccess,
    /// No capacity in one place ends the launch.
    CapacityIsTheEnd,
    /// A token whose machines are gone is asked for again and again.
    TerminatedIsAskedAgain,
    /// A look by token that finds nothing is believed inside the grace window.
    GraceIgnoredInLook,
    /// Members of a batch for whom there was no machine are forgotten.
    RestOfBatchForgotten,
    /// The first machine of an answer is given to everybody.
    MachineGivenTwice,
    /// A batch is taken from a placer that holds it.
    BatchLeaseIgnored,
    /// Equal launches are asked for one by one.
    RipenessIgnored,
    // Taking back.
    /// The machine of a launch that was cancelled is kept.
    AbandonedMachineKept,
    /// A member of a batch leaves as if it still waited in the queue.
    BatchedTakenForWaiting,
    /// Undoing does not wait for what the batch is still asking for.
    AbandonedNotAwaited,
    /// A termination that does not find the machine is believed inside the grace window.
    GraceIgnoredInTakeBack,
    // The workflow.
    /// Executions' rows are written without looking at the fence.
    FenceNotChecked,
    /// Steps write without looking at the fence.
    StepsNotFenced,
    /// Executions are claimed although somebody holds them.
    LeaseIgnored,
    /// A cancel is heard only between steps.
    CancelIgnoredAfterBegin,
    /// Nothing is ever overdue.
    DeadlinesIgnored,
    /// The step in hand is not undone.
    UndoSkippedForStepInHand,
    /// Undoing begins with the first step instead of the last.
    TurnsBackToTheStart,
    /// Undoing is recorded and not done.
    UndoOnlyPretended,
    /// What turns back ends at once.
    NothingUndone,
    /// Nobody is woken by what happens to a machine.
    WakeupsLost,
    /// A wake-up is written and not signalled.
    WakeupsNeverSignalled,
    // Observing.
    /// What an event says is believed, however late it comes.
    EventsBelieved,
    /// Events about machines that no row knows yet are dropped.
    UnknownEventsDropped,
    /// Parked events are never taken up.
    ParkedNeverAdopted,
    /// A machine that is not found is gone, however new it is.
    GraceIgnoredInMissing,
    /// A machine that is not found once is gone.
    MissingOnceIsGone,
    /// What was known of a machine before its start is taken for the present.
    StartKeepsOldState,
    /// Reports of earlier boots count for a new start.
    GenerationNotRaised,
    /// Ready without looking at what the machine has become meanwhile.
    ReadyWithoutLooking,
    // The reconciler.
    /// The reconciler reads the rows before it lists EC2.
    ReconcilerReadsRowsFirst,
    /// The reconciler does not know of requests that are under way.
    ReconcilerIgnoresLiveTokens,
    /// The reconciler ends at once what it sees for the first time.
    ReconcilerRemovesInOnePhase,
    /// The reconciler never ends what nobody owns.
    ReconcilerBlind,
    // Admission and traffic.
    /// The quota is counted before the lock is taken.
    QuotaCountedOutsideTheLock,
    /// A failed launch keeps its share of the quota.
    QuotaNotGivenBack,
    /// A click that is sent again counts as another.
    IdempotencyKeyIgnored,
    /// EC2 is asked as fast as one likes.
    LimiterOff,
    /// Every replica has the whole of AWS's rates.
    LimiterPerReplica,
    /// Tokens are counted by the replicas' own clocks.
    LimiterByReplicasClocks,
}
