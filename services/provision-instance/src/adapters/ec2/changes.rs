use std::collections::{BTreeMap, HashMap, HashSet};

use async_trait::async_trait;
use cloudapp_domain::Ec2InstanceId;
use cloudapp_ec2::{Answer, Ec2, Ec2Error, Shutdown};

use super::blame::{Blame, blame};
use super::meter::Meter;
use crate::adapters::batcher::Carrier;
use crate::limiter::Family;

/// What is done to machines. Those of one kind leave in one call.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Change {
    Start,
    Stop(Shutdown),
    Terminate(Shutdown),
    Tag(BTreeMap<String, String>),
}

impl Change {
    const fn family(&self) -> Family {
        match self {
            Self::Start => Family::StartInstances,
            Self::Stop(_) => Family::StopInstances,
            Self::Terminate(_) => Family::TerminateInstances,
            Self::Tag(_) => Family::CreateTags,
        }
    }
}

/// Carries changes out, each call in its turn.
#[derive(Clone)]
pub(super) struct Changes {
    pub(super) ec2: Ec2,
    pub(super) meter: Meter,
}

#[async_trait]
impl Carrier<Change, Ec2InstanceId, Result<(), Ec2Error>> for Changes {
    async fn carry(&self, change: Change, ids: Vec<Ec2InstanceId>) -> Vec<Result<(), Ec2Error>> {
        all_or_none(&OfKind { changes: self, change }, ids).await
    }
}

struct OfKind<'a> {
    changes: &'a Changes,
    change: Change,
}

/// A call about many machines that EC2 executes for all of them or for none.
#[async_trait]
trait AllOrNone: Sync {
    /// Waits for a turn; for how many of `most` machines it is good.
    async fn turn(&self, most: usize) -> Result<usize, Ec2Error>;
    async fn call(&self, ids: &[Ec2InstanceId]) -> Result<(), Ec2Error>;
}

#[async_trait]
impl AllOrNone for OfKind<'_> {
    async fn turn(&self, most: usize) -> Result<usize, Ec2Error> {
        self.changes.meter.turn(self.change.family(), most).await
    }

    async fn call(&self, ids: &[Ec2InstanceId]) -> Result<(), Ec2Error> {
        let ec2 = &self.changes.ec2;
        let answer = match &self.change {
            Change::Start => ec2.start(ids).await,
            Change::Stop(how) => ec2.stop(ids, *how).await,
            Change::Terminate(how) => ec2.terminate(ids, *how).await,
            Change::Tag(tags) => ec2.create_tags(ids, tags).await,
        };
        self.changes.meter.told(self.change.family(), answer).await
    }
}

/// Refusals after which a call is halved rather than repeated without whom EC2 names: it may name one at a time.
const NAMED_AT_A_TIME: usize = 3;
/// Refusals of one gathering; what is left then is told to come again, without those that were found.
const MOST_REFUSALS: usize = 32;

/// Does something to each of `ids`, whoever of them stands in the way; answers in their order.
async fn all_or_none(port: &impl AllOrNone, ids: Vec<Ec2InstanceId>) -> Vec<Result<(), Ec2Error>> {
    let mut answers: HashMap<Ec2InstanceId, Result<(), Ec2Error>> = HashMap::with_capacity(ids.len());
    let mut seen = HashSet::with_capacity(ids.len());
    let mut work = vec![ids.iter().filter(|id| seen.insert(*id)).cloned().collect::<Vec<_>>()];
    let mut refusals = 0;
    while let Some(mut group) = work.pop() {
        if group.is_empty() {
            continue;
        }
        let answer = match port.turn(group.len()).await {
            Ok(good_for) => {
                let rest = group.split_off(good_for.clamp(1, group.len()));
                work.push(rest);
                port.call(&group).await
            }
            Err(error) => {
                answers.extend(group.into_iter().map(|id| (id, Err(error.clone()))));
                continue;
            }
        };
        let Err(error) = answer else {
            answers.extend(group.into_iter().map(|id| (id, Ok(()))));
            continue;
        };
        refusals += 1;
        match blame(&error, &group) {
            Blame::All => answers.extend(group.into_iter().map(|id| (id, Err(error.clone())))),
            Blame::These(named) => {
                group.retain(|id| !named.contains(id));
                answers.extend(named.into_iter().map(|id| (id, Err(error.clone()))));
                let half = if refusals > NAMED_AT_A_TIME { group.len() / 2 } else { group.len() };
                let rest = group.split_off(half);
                work.extend([rest, group]);
            }
            Blame::Someones if refusals >= MOST_REFUSALS => {
                answers.extend(group.into_iter().map(|id| (id, Err(not_isolated(&error)))));
            }
            Blame::Someones => {
                let rest = group.split_off(group.len() / 2);
                work.extend([rest, group]);
            }
        }
    }
    ids.iter().map(|id| answers.get(id).cloned().unwrap_or_else(|| Err(super::abandoned()))).collect()
}

/// The refusal of another machine says nothing about this one.
fn not_isolated(error: &Ec2Error) -> Ec2Error {
    Ec2Error::Unavailable(Answer {
        code: "NotIsolated".to_owned(),
        message: format!("a call about several machines was refused: {error}"),
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use proptest::prelude::*;

    use super::*;

    /// EC2 with machines that stand in the way; it names the first of them, or none.
    struct Fake {
        bad: HashSet<Ec2InstanceId>,
        names: bool,
        good_for: usize,
        calls: Mutex<Vec<Vec<Ec2InstanceId>>>,
    }

    #[async_trait]
    impl AllOrNone for Fake {
        async fn turn(&self, most: usize) -> Result<usize, Ec2Error> {
            Ok(most.min(self.good_for))
        }

        async fn call(&self, ids: &[Ec2InstanceId]) -> Result<(), Ec2Error> {
            self.calls.lock().unwrap().push(ids.to_vec());
            let Some(bad) = ids.iter().find(|id| self.bad.contains(*id)) else { return Ok(()) };
            let message =
                if self.names { format!("The instance '{bad}' is not") } else { "One is not".into() };
            Err(Ec2Error::IncorrectState(Answer { code: "IncorrectInstanceState".to_owned(), message }))
        }
    }

    fn id(n: usize) -> Ec2InstanceId {
        format!("i-{n:017x}").parse().unwrap()
    }

    fn fake(bad: impl IntoIterator<Item = usize>, names: bool) -> Fake {
        let bad = bad.into_iter().map(id).collect();
        Fake { bad, names, good_for: 1000, calls: Mutex::default() }
    }

    #[tokio::test]
    async fn one_bad_machine_costs_the_others_one_more_call() {
        let fake = fake([7], true);
        let answers = all_or_none(&fake, (0..500).map(id).collect()).await;
        assert!(answers.iter().enumerate().all(|(n, answer)| answer.is_ok() == (n != 7)));
        assert_eq!(fake.calls.lock().unwrap().len(), 2);
    }

    #[tokio::test]
    async fn a_call_is_as_large_as_its_turn_and_asked_twice_is_done_once() {
        let fake = Fake { good_for: 4, ..fake([], true) };
        let ids: Vec<_> = (0..10).chain(0..10).map(id).collect();
        assert!(all_or_none(&fake, ids).await.iter().all(Result::is_ok));
        let sizes: Vec<_> = fake.calls.lock().unwrap().iter().map(Vec::len).collect();
        assert_eq!(sizes, [4, 4, 2]);
    }

    proptest! {
        /// Whoever is bad, named or not: nobody is blamed for another, and EC2 is not asked about each one alone.
        #[test]
        fn nobody_suffers_for_another(
            bad in prop::collection::hash_set(0_usize..300, 0..40), names in any::<bool>(),
        ) {
            let fake = fake(bad.iter().copied(), names);
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            let answers = runtime.block_on(all_or_none(&fake, (0..300).map(id).collect()));
            for (n, answer) in answers.iter().enumerate() {
                match answer {
                    Ok(()) => prop_assert!(!bad.contains(&n)),
                    Err(Ec2Error::IncorrectState(_)) => prop_assert!(bad.contains(&n)),
                    Err(Ec2Error::Unavailable(answer)) => prop_assert_eq!(&answer.code, "NotIsolated"),
                    Err(other) => prop_assert!(false, "{}", other),
                }
            }
            let calls = fake.calls.lock().unwrap().len();
            prop_assert!(calls <= 2 * (MOST_REFUSALS + bad.len()) + 2, "{calls} calls for {} bad", bad.len());
        }
    }
}
