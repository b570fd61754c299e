//! What EC2 and the database together say must be done: pure.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher as _, RandomState};

use chrono::{DateTime, TimeDelta, Utc};
use cloudapp_domain::{Ec2InstanceId, InstanceState};
use cloudapp_ec2::Machine;
use uuid::Uuid;

use crate::observe::{Step, host, step};

/// The row of a machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Owner {
    pub(crate) instance: Uuid,
    pub(crate) ec2_id: Ec2InstanceId,
    pub(crate) state: InstanceState,
    /// Where its user connects.
    pub(crate) host: Option<String>,
    /// An execution is at work on it.
    pub(crate) busy: bool,
}

impl Owner {
    /// EC2 says otherwise, and nobody is at work on it.
    fn is_contradicted(&self, machine: &Machine) -> bool {
        let moved = || self.state == InstanceState::Ready && host(self.host.as_deref(), machine) != self.host;
        !self.busy && (step(self.state, machine.state, false) != Step::Keep || moved())
    }
}

/// A row that lives and has a machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Living {
    pub(crate) instance: Uuid,
    pub(crate) ec2_id: Ec2InstanceId,
    /// The shared describe will look at it.
    pub(crate) watched: bool,
}

/// What is known of one page of machines. EC2 listed it first, then the database was read, requests before rows: what a
/// request made meanwhile has its row.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Facts<'a> {
    /// Machines tagged as CloudApp's, those that ended lately included.
    pub(crate) machines: &'a [Machine],
    /// The rows that these machines have.
    pub(crate) owners: &'a [Owner],
    /// Client tokens of requests that may still make machines, or may have made some that nobody knows of yet.
    pub(crate) live_tokens: &'a HashSet<String>,
    /// Machines that nobody seemed to own at an earlier pass, and since when.
    pub(crate) marks: &'a HashMap<Ec2InstanceId, DateTime<Utc>>,
    pub(crate) now: DateTime<Utc>,
    /// How long a mark must stand before the machine is removed.
    pub(crate) grace: TimeDelta,
}

/// What is to be done about a page of machines.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Judgement {
    /// Machines of nobody, seen for the first time.
    pub(crate) mark: Vec<Ec2InstanceId>,
    /// Machines of nobody, marked long enough ago and seen again now.
    pub(crate) remove: Vec<Ec2InstanceId>,
    /// Machines that run on although their end was asked for, nobody being at work on it.
    pub(crate) end_again: Vec<Ec2InstanceId>,
    /// Rows that EC2 contradicts.
    pub(crate) look_at: Vec<Uuid>,
}

/// A comparison of all machines with all rows, page by page. Of machines that somebody owns it keeps eight bytes: a
/// hundred thousand are a megabyte or two.
#[derive(Debug, Default)]
pub(crate) struct Comparison {
    hasher: RandomState,
    listed: HashSet<u64>,
    nobodys: HashSet<Ec2InstanceId>,
}

impl Comparison {
    /// Judges a page. A machine is removed only if it carries our tag, belongs to no living row, was made under no
    /// living request, and both was so at an earlier pass and is so now.
    pub(crate) fn page(&mut self, facts: &Facts<'_>) -> Judgement {
        let mut judgement = Judgement::default();
        let owners: HashMap<&Ec2InstanceId, &Owner> =
            facts.owners.iter().map(|owner| (&owner.ec2_id, owner)).collect();
        self.listed.extend(facts.machines.iter().map(|machine| self.hasher.hash_one(&machine.id)));
        let contradicted = facts.machines.iter().filter_map(|machine| {
            owners.get(&machine.id).filter(|owner| owner.is_contradicted(machine)).map(|owner| owner.instance)
        });
        judgement.look_at.extend(contradicted);
        for machine in facts.machines.iter().filter(|machine| !machine.state.is_ending()) {
            let owner = owners.get(&machine.id).filter(|owner| !owner.state.is_final() || owner.busy);
            let intended =
                machine.client_token.as_ref().is_some_and(|token| facts.live_tokens.contains(token));
            match owner {
                Some(owner) if owner.state == InstanceState::Terminating && !owner.busy => {
                    judgement.end_again.push(machine.id.clone());
                }
                Some(_) => {}
                None if intended => {}
                None => {
                    self.nobodys.insert(machine.id.clone());
                    match facts.marks.get(&machine.id) {
                        None => judgement.mark.push(machine.id.clone()),
                        Some(marked_at) if *marked_at + facts.grace <= facts.now => {
                            judgement.remove.push(machine.id.clone());
                        }
                        Some(_) => {}
                    }
                }
            }
        }
        judgement
    }

    /// After the last page: the marks of machines that have found an owner, or their end.
    pub(crate) fn unmark(&self, marks: &HashMap<Ec2InstanceId, DateTime<Utc>>) -> Vec<Ec2InstanceId> {
        let mut settled: Vec<_> = marks.keys().filter(|id| !self.nobodys.contains(id)).cloned().collect();
        settled.sort();
        settled
    }

    /// After the last page: the rows that nobody would look at any more, or whose machine EC2 does not list.
    pub(crate) fn to_look_at(&self, rows: &[Living]) -> Vec<Uuid> {
        let unlisted =
            |row: &&Living| !row.watched || !self.listed.contains(&self.hasher.hash_one(&row.ec2_id));
        rows.iter().filter(unlisted).map(|row| row.instance).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use cloudapp_domain::Market;
    use cloudapp_ec2::MachineState;
    use proptest::prelude::*;

    use super::*;

    fn id(n: usize) -> Ec2InstanceId {
        format!("i-{n:017x}").parse().unwrap()
    }

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::seconds(seconds)
    }

    fn machine(n: usize, state: MachineState, token: Option<&str>) -> Machine {
        Machine {
            id: id(n),
            state,
            instance_type: "t3.micro".to_owned(),
            zone: None,
            market: Market::OnDemand,
            private_ip: None,
            public_ip: None,
            public_dns: None,
            launched_at: None,
            state_reason: None,
            tags: BTreeMap::new(),
            client_token: token.map(str::to_owned),
        }
    }

    fn owner(n: usize, state: InstanceState, busy: bool) -> Owner {
        Owner { instance: Uuid::from_u128(n as u128), ec2_id: id(n), state, host: None, busy }
    }

    fn living(n: usize, watched: bool) -> Living {
        Living { instance: Uuid::from_u128(n as u128), ec2_id: id(n), watched }
    }

    /// Judges pages of three; also what is unmarked in the end.
    fn judged(
        machines: &[Machine],
        owners: &[Owner],
        live: &[&str],
        marks: &[(usize, i64)],
    ) -> (Judgement, Vec<Ec2InstanceId>) {
        let live_tokens = live.iter().map(|token| (*token).to_owned()).collect();
        let marks = marks.iter().map(|(n, since)| (id(*n), at(*since))).collect();
        let (now, grace) = (at(1000), TimeDelta::seconds(120));
        let (mut comparison, mut all) = (Comparison::default(), Judgement::default());
        for machines in machines.chunks(3) {
            let facts = Facts { machines, owners, live_tokens: &live_tokens, marks: &marks, now, grace };
            let mut page = comparison.page(&facts);
            all.mark.append(&mut page.mark);
            all.remove.append(&mut page.remove);
            all.end_again.append(&mut page.end_again);
            all.look_at.append(&mut page.look_at);
        }
        (all, comparison.unmark(&marks))
    }

    #[test]
    fn nobodys_machine_is_marked_first_and_removed_when_it_is_seen_again_later() {
        let machines = [machine(1, MachineState::Running, Some("old"))];
        assert_eq!(judged(&machines, &[], &[], &[]).0.mark, [id(1)]);
        let (early, _) = judged(&machines, &[], &[], &[(1, 950)]);
        assert_eq!((early.mark, early.remove), (vec![], vec![]));
        assert_eq!(judged(&machines, &[], &[], &[(1, 880)]).0.remove, [id(1)]);
    }

    #[test]
    fn whatever_may_have_an_owner_is_left_alone() {
        use InstanceState::{Failed, Ready};
        let machines = [machine(1, MachineState::Running, Some("token"))];
        for (owners, live) in [
            (vec![owner(1, Ready, false)], &[][..]),
            (vec![owner(1, Failed, true)], &[][..]),
            (vec![], &["token"][..]),
        ] {
            let (judgement, unmarked) = judged(&machines, &owners, live, &[(1, 0)]);
            assert_eq!((judgement.mark, judgement.remove), (vec![], vec![]));
            assert_eq!(unmarked, [id(1)]);
        }
        let (failed, _) = judged(&machines, &[owner(1, Failed, false)], &[], &[]);
        assert_eq!(failed.mark, [id(1)], "nobody is at work on a failed launch's machine");
    }

    #[test]
    fn an_end_that_was_forgotten_is_asked_for_again_and_a_row_without_machine_is_looked_at() {
        use InstanceState::Terminating;
        let machines =
            [machine(1, MachineState::Running, None), machine(2, MachineState::ShuttingDown, None)];
        let owners = [owner(1, Terminating, false), owner(2, Terminating, false)];
        assert_eq!(judged(&machines, &owners, &[], &[]).0.end_again, [id(1)]);
        let mut comparison = Comparison::default();
        let (live_tokens, marks, now) = (HashSet::new(), HashMap::new(), at(0));
        let facts = |machines| Facts {
            machines,
            owners: &owners,
            live_tokens: &live_tokens,
            marks: &marks,
            now,
            grace: TimeDelta::zero(),
        };
        comparison.page(&facts(&machines[..1]));
        comparison.page(&facts(&machines[1..]));
        let rows = [living(1, true), living(2, false), living(3, true)];
        assert_eq!(comparison.to_look_at(&rows), [2, 3].map(Uuid::from_u128));
    }

    #[test]
    fn what_ec2_contradicts_is_looked_at_unless_somebody_is_at_work_on_it() {
        use InstanceState::{Ready, Stopped};
        let states =
            [MachineState::Running, MachineState::Stopping, MachineState::Stopped, MachineState::Terminated];
        let machines: Vec<_> = (1..).zip(states).map(|(n, state)| machine(n, state, None)).collect();
        let looked_at = |state, busy| {
            let owners = [1, 2, 3, 4].map(|n| owner(n, state, busy));
            judged(&machines, &owners, &[], &[]).0.look_at
        };
        assert_eq!(looked_at(Ready, false), [2, 3, 4].map(Uuid::from_u128));
        assert_eq!(looked_at(Stopped, false), [1, 4].map(Uuid::from_u128));
        assert!(looked_at(Ready, true).is_empty() && looked_at(Stopped, true).is_empty());
    }

    #[test]
    fn a_machine_with_another_address_is_looked_at() {
        let mut moved = machine(1, MachineState::Running, None);
        moved.public_ip = Some([198, 51, 100, 7].into());
        let known_as = |host: Option<&str>| {
            let host = host.map(str::to_owned);
            let owner = Owner { host, ..owner(1, InstanceState::Ready, false) };
            judged(std::slice::from_ref(&moved), &[owner], &[], &[]).0.look_at
        };
        assert!(known_as(Some("198.51.100.7")).is_empty());
        assert_eq!(known_as(Some("198.51.100.8")), [Uuid::from_u128(1)]);
    }

    proptest! {
        /// Whatever is there: nothing that has an owner, a living request, no mark, or a young mark is removed.
        #[test]
        fn nothing_is_removed_that_may_be_somebodys(
            machines in prop::collection::vec((0_usize..20, any::<bool>(), any::<bool>()), 0..20),
            owners in prop::collection::vec((0_usize..20, any::<bool>(), any::<bool>()), 0..20),
            marks in prop::collection::vec((0_usize..20, 0_i64..1000), 0..20),
        ) {
            let machines: Vec<_> = machines
                .into_iter()
                .map(|(n, ending, live)| {
                    let state = if ending { MachineState::Terminated } else { MachineState::Running };
                    machine(n, state, Some(if live { "live" } else { "dead" }))
                })
                .collect();
            let owners: Vec<_> = owners
                .into_iter()
                .map(|(n, alive, busy)| {
                    owner(n, if alive { InstanceState::Ready } else { InstanceState::Failed }, busy)
                })
                .collect::<Vec<_>>();
            let mut unique = HashSet::new();
            let owners: Vec<_> =
                owners.into_iter().filter(|owner| unique.insert(owner.ec2_id.clone())).collect();
            let (judgement, unmarked) = judged(&machines, &owners, &["live"], &marks);
            for removed in &judgement.remove {
                let owner = owners.iter().find(|owner| owner.ec2_id == *removed);
                prop_assert!(owner.is_none_or(|owner| owner.state.is_final() && !owner.busy));
                let dead = machines.iter().any(|m| m.id == *removed && m.client_token.as_deref() == Some("dead"));
                prop_assert!(dead);
                let marked = marks.iter().rev().find(|(n, _)| id(*n) == *removed);
                prop_assert!(marked.is_some_and(|(_, since)| *since <= 880));
                prop_assert!(!judgement.mark.contains(removed) && !unmarked.contains(removed));
            }
        }
    }
}
