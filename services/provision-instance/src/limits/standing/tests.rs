use proptest::prelude::*;

use super::*;

fn sub(text: &str) -> UserSub {
    text.parse().unwrap()
}

fn groups(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn rule(per_member: Option<u32>, together: Option<u32>) -> GroupRule {
    GroupRule { per_member, together }
}

fn standing(rules: &[(&str, GroupRule)]) -> Standing {
    let rules = rules.iter().map(|(name, rule)| ((*name).to_owned(), *rule)).collect();
    Standing { default: 3, groups: rules, ..Standing::default() }
}

#[test]
fn the_default_holds_where_nothing_else_is_said() {
    let mut standing = standing(&[("science", rule(Some(5), None))]);
    assert_eq!(standing.verdict(&sub("ann"), &[]), Ok(Share { number: 1, limit: 3 }));
    standing.own.insert(sub("ann"), 3);
    let limit = Limit { machines: 3, source: Source::Default };
    assert_eq!(standing.verdict(&sub("ann"), &[]), Err(Exceeded::Own { used: 3, limit }));
    assert_eq!(standing.verdict(&sub("ann"), &groups(&["science"])), Ok(Share { number: 4, limit: 5 }));
}

#[test]
fn the_most_generous_group_counts_and_replaces_the_default_downwards_too() {
    let standing = standing(&[("class", rule(Some(1), None)), ("science", rule(Some(2), None))]);
    assert_eq!(standing.limit(&sub("ann"), &groups(&["class"])).machines, 1);
    let both = standing.limit(&sub("ann"), &groups(&["science", "class", "others"]));
    assert_eq!(both, Limit { machines: 2, source: Source::Group("science".to_owned()) });
}

#[test]
fn a_users_own_limit_replaces_those_of_groups_both_ways() {
    let mut standing = standing(&[("science", rule(Some(5), None))]);
    for machines in [0, 9] {
        standing.users.insert(sub("ann"), machines);
        let limit = standing.limit(&sub("ann"), &groups(&["science"]));
        assert_eq!(limit, Limit { machines, source: Source::User });
    }
    assert_eq!(standing.limit(&sub("bob"), &groups(&["science"])).machines, 5);
}

#[test]
fn every_limit_together_must_hold_also_for_whom_an_admin_allows_many() {
    let mut standing = standing(&[("class", rule(None, Some(2))), ("science", rule(None, Some(9)))]);
    standing.users.insert(sub("ann"), 50);
    standing.count(&sub("ann"), &groups(&["science", "class"]));
    standing.count(&sub("bob"), &groups(&["class"]));
    let full = Exceeded::Together { group: "class".to_owned(), used: 2, limit: 2 };
    assert_eq!(standing.verdict(&sub("ann"), &groups(&["science", "class"])), Err(full));
    assert_eq!(standing.verdict(&sub("ann"), &groups(&["science"])), Ok(Share { number: 2, limit: 50 }));
    assert_eq!(standing.together["science"], 1, "bob is not in it");
}

#[test]
fn refusals_name_the_limit_and_the_way_out() {
    let sentence =
        |standing: &Standing, of: &[&str]| standing.verdict(&sub("ann"), &groups(of)).unwrap_err().sentence();
    let mut all = standing(&[("class", rule(Some(1), None)), ("full", rule(None, Some(1)))]);
    all.together.insert("full".to_owned(), 1);
    assert_eq!(
        sentence(&all, &["full"]),
        "The members of full have 1 machine together, and 1 is their limit. Wait until one of them ends, or ask an \
         admin for more."
    );
    all.own.insert(sub("ann"), 3);
    assert_eq!(
        sentence(&all, &[]),
        "You have 3 machines, and 3 is the limit. End one that you no longer need, or ask an admin for more."
    );
    assert!(sentence(&all, &["class"]).contains("1 is the limit for members of class."));
    all.users.insert(sub("ann"), 2);
    assert!(sentence(&all, &["class"]).contains("2 is the limit that an admin has set for you."));
    all.users.insert(sub("ann"), 0);
    assert_eq!(sentence(&all, &[]), "You may not have machines. Ask an admin to raise your limit.");
}

proptest! {
    /// Whoever comes in whatever order: no limit is ever passed, and nobody is refused whom all limits allow.
    #[test]
    fn nothing_is_passed_and_nobody_is_refused_without_need(
        default in 0_u32..4,
        rules in proptest::collection::btree_map(
            "[abc]", (proptest::option::of(0_u32..5), proptest::option::of(0_u32..8)), 0..4),
        own_limits in proptest::collection::hash_map(0_u8..5, 0_u32..6, 0..3),
        // A user's groups may change from one click to the next: tokens do.
        clicks in proptest::collection::vec((0_u8..5, proptest::sample::subsequence(vec!["a", "b", "c"], 0..=3)), 0..60),
    ) {
        let user = |number: u8| sub(&format!("u{number}"));
        let mut standing = Standing {
            default,
            users: own_limits.iter().map(|(number, machines)| (user(*number), *machines)).collect(),
            groups: rules.iter().map(|(name, (each, all))| (name.clone(), rule(*each, *all))).collect(),
            ..Standing::default()
        };
        let mut admitted: Vec<(u8, Vec<&str>)> = Vec::new();
        for (number, of) in clicks {
            let names = groups(&of);
            let has = u32::try_from(admitted.iter().filter(|(other, _)| *other == number).count()).unwrap();
            let most_of_groups = of.iter().filter_map(|group| rules.get(*group)?.0).max();
            let may = own_limits.get(&number).copied().or(most_of_groups).unwrap_or(default);
            let full = of.iter().any(|group| {
                let counted = admitted.iter().filter(|(_, groups)| groups.contains(group)).count();
                rules.get(*group).and_then(|rule| rule.1).is_some_and(|all| counted >= all as usize)
            });
            let verdict = standing.verdict(&user(number), &names);
            prop_assert_eq!(verdict.is_ok(), has < may && !full, "{:?}", verdict);
            if let Ok(share) = verdict {
                prop_assert_eq!(share, Share { number: has + 1, limit: may });
                standing.count(&user(number), &names);
                admitted.push((number, of));
            }
        }
    }
}
