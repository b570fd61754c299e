//! Who gets which machine.

use cloudapp_domain::InstanceId;

/// A member of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Member {
    /// The machine that it waits for.
    pub(crate) id: InstanceId,
    /// Whether its launch is being taken back: it takes what nobody else wants, to end it.
    pub(crate) abandoned: bool,
}

/// What comes to whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Shares<M> {
    /// Members with their machines, abandoned ones included.
    pub(crate) placed: Vec<(InstanceId, M)>,
    /// Members who go back to the head of the queue.
    pub(crate) back: Vec<InstanceId>,
    /// Abandoned members for whom nothing was made.
    pub(crate) left: Vec<InstanceId>,
    /// Machines that nobody can be found for. EC2 never makes more than it was asked for; if it does, the
    /// reconciler ends them.
    pub(crate) surplus: Vec<M>,
}

/// Shares machines out in the stable order of the members: those who want one first, and every machine has an owner,
/// who uses it or ends it.
pub(crate) fn share_out<M>(members: &[Member], machines: Vec<M>) -> Shares<M> {
    let wanting = members.iter().filter(|member| !member.abandoned);
    let abandoned = members.iter().filter(|member| member.abandoned);
    let mut machines = machines.into_iter();
    let mut shares = Shares { placed: Vec::new(), back: Vec::new(), left: Vec::new(), surplus: Vec::new() };
    for member in wanting.chain(abandoned) {
        match machines.next() {
            Some(machine) => shares.placed.push((member.id, machine)),
            None if member.abandoned => shares.left.push(member.id),
            None => shares.back.push(member.id),
        }
    }
    shares.surplus = machines.collect();
    shares
}

#[cfg(test)]
mod tests {
    use cloudapp_domain::SystemClock;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn nobody_is_lost_and_no_machine_is_orphaned(
            abandoned in proptest::collection::vec(any::<bool>(), 0..40),
            machines in 0_usize..50,
        ) {
            let members: Vec<Member> = abandoned
                .iter()
                .map(|abandoned| Member { id: InstanceId::new(&SystemClock), abandoned: *abandoned })
                .collect();
            let shares = share_out(&members, (0..machines).collect());
            let Shares { placed, back, left, surplus } = &shares;
            prop_assert_eq!(placed.len() + back.len() + left.len(), members.len());
            prop_assert_eq!(placed.len() + surplus.len(), machines);
            let is_abandoned = |id: &InstanceId| members.iter().any(|m| m.id == *id && m.abandoned);
            prop_assert!(!back.iter().any(is_abandoned));
            prop_assert!(left.iter().all(is_abandoned));
            // An abandoned member never has a machine while somebody who wants one has none.
            prop_assert!(back.is_empty() || !placed.iter().any(|(id, _)| is_abandoned(id)));
            prop_assert!(surplus.is_empty() || back.is_empty() && left.is_empty());
            prop_assert_eq!(&share_out(&members, (0..machines).collect()), &shares, "stable");
        }
    }
}
