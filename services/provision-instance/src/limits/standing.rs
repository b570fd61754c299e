use std::collections::{BTreeMap, HashMap};

use cloudapp_domain::UserSub;

/// What an admin has set for a group; at least one of the two.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct GroupRule {
    /// How many machines each member may have.
    pub(crate) per_member: Option<u32>,
    /// How many machines all members may have together.
    pub(crate) together: Option<u32>,
}

/// Limits, and the machines that count against them, as far as some users and their groups are concerned.
#[derive(Debug, Clone, Default)]
pub(crate) struct Standing {
    /// How many machines a user may have whom nothing else is said about.
    pub(crate) default: u32,
    /// Limits of single users.
    pub(crate) users: HashMap<UserSub, u32>,
    /// Limits of groups, by their names.
    pub(crate) groups: BTreeMap<String, GroupRule>,
    /// Machines that have not ended, per owner.
    pub(crate) own: HashMap<UserSub, u32>,
    /// Machines that have not ended, per group that has a limit together.
    pub(crate) together: HashMap<String, u32>,
}

/// What a user may have, and who says so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Limit {
    pub(crate) machines: u32,
    pub(crate) source: Source,
}

/// Who says how many machines a user may have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Source {
    /// The operator, for everybody.
    Default,
    /// An admin, for this user.
    User,
    /// An admin, for each member of this group.
    Group(String),
}

/// The place of a machine within its owner's limit: the `number`th of `limit`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Share {
    pub(crate) number: u32,
    pub(crate) limit: u32,
}

/// Which limit does not allow another machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Exceeded {
    /// The user's.
    Own { used: u32, limit: Limit },
    /// That of a group together.
    Together { group: String, used: u32, limit: u32 },
}

impl Standing {
    /// Whether a user in `groups` may have one more machine, and as which of how many. One's own limit comes first: it
    /// is the one that one can do something about.
    pub(crate) fn verdict(&self, user: &UserSub, groups: &[String]) -> Result<Share, Exceeded> {
        let (used, limit) = (self.used(user), self.limit(user, groups));
        if used >= limit.machines {
            return Err(Exceeded::Own { used, limit });
        }
        let full = self.totals(groups).find(|(_, used, limit)| used >= limit);
        if let Some((group, used, limit)) = full {
            return Err(Exceeded::Together { group: group.to_owned(), used, limit });
        }
        Ok(Share { number: used + 1, limit: limit.machines })
    }

    /// From here on one more machine of this user counts, as its row will.
    pub(crate) fn count(&mut self, user: &UserSub, groups: &[String]) {
        *self.own.entry(user.clone()).or_default() += 1;
        let counted: Vec<String> = self.totals(groups).map(|(group, ..)| group.to_owned()).collect();
        for group in counted {
            *self.together.entry(group).or_default() += 1;
        }
    }

    /// How many machines a user in `groups` may have.
    pub(crate) fn limit(&self, user: &UserSub, groups: &[String]) -> Limit {
        if let Some(machines) = self.users.get(user) {
            return Limit { machines: *machines, source: Source::User };
        }
        let of_group = |group: &String| {
            let machines = self.groups.get(group)?.per_member?;
            Some(Limit { machines, source: Source::Group(group.clone()) })
        };
        groups
            .iter()
            .filter_map(of_group)
            .max_by_key(|limit| limit.machines)
            .unwrap_or(Limit { machines: self.default, source: Source::Default })
    }

    /// How many machines a user has.
    pub(crate) fn used(&self, user: &UserSub) -> u32 {
        self.own.get(user).copied().unwrap_or_default()
    }

    /// Those of `groups` that have a limit together, by name: with their machines and the limit.
    pub(crate) fn totals<'a>(&'a self, groups: &'a [String]) -> impl Iterator<Item = (&'a str, u32, u32)> {
        self.groups.iter().filter(|(name, _)| groups.contains(name)).filter_map(|(name, rule)| {
            let used = self.together.get(name).copied().unwrap_or_default();
            Some((name.as_str(), used, rule.together?))
        })
    }
}

impl Exceeded {
    /// What holds, and the way out, for whoever wanted a machine.
    pub(crate) fn sentence(&self) -> String {
        match self {
            Self::Own { limit: Limit { machines: 0, .. }, .. } => {
                "You may not have machines. Ask an admin to raise your limit.".to_owned()
            }
            Self::Own { used, limit } => {
                let whose = match &limit.source {
                    Source::Default => String::new(),
                    Source::User => " that an admin has set for you".to_owned(),
                    Source::Group(group) => format!(" for members of {group}"),
                };
                format!(
                    "You have {}, and {} is the limit{whose}. End one that you no longer need, or ask an admin for \
                     more.",
                    machines(*used),
                    limit.machines
                )
            }
            Self::Together { group, used, limit } => format!(
                "The members of {group} have {} together, and {limit} is their limit. Wait until one of them ends, \
                 or ask an admin for more.",
                machines(*used)
            ),
        }
    }
}

fn machines(count: u32) -> String {
    if count == 1 { "1 machine".to_owned() } else { format!("{count} machines") }
}

#[cfg(test)]
mod tests;
