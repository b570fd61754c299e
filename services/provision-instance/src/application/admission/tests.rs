use cloudapp_domain::SystemClock;
use cloudapp_domain::configuration::ConfigurationDraft;
use cloudapp_domain::{ExecutionId, InstanceId};
use proptest::prelude::*;
use serde_json::json;

use super::*;

fn published() -> Arc<Published> {
    let draft: ConfigurationDraft = serde_json::from_value(json!({
        "name": "Shell box", "image": "ami-0c5a7e1d20f6b3a48", "instance_types": ["t3.micro"],
        "max_lifetime_hours": 8, "lifetime_hours": 4
    }))
    .unwrap();
    Arc::new(Published { version: 1, spec: draft.validate().unwrap() })
}

fn configuration() -> ConfigurationId {
    "01890a5d-ac96-774b-bcce-b302099a8057".parse().unwrap()
}

fn wish(owner: &str, key: &str) -> Wish {
    Wish {
        owner: owner.parse().unwrap(),
        groups: vec![],
        key: key.parse().unwrap(),
        digest: vec![1],
        request: CreateInstance { configuration_id: configuration(), ssh_public_key: None, hours: None },
        key_complaint: None,
        proposed: Accepted {
            execution_id: ExecutionId::new(&SystemClock),
            instance_id: InstanceId::new(&SystemClock),
        },
        trace: None,
    }
}

fn facts(limit: u32) -> Facts {
    let standing = Standing { default: limit, ..Standing::default() };
    Facts { published: HashMap::from([(configuration(), published())]), standing, ..Facts::default() }
}

fn refusal(verdict: &Verdict) -> &Refusal {
    match verdict {
        Verdict::Refuse(refusal) => refusal,
        other => panic!("admitted: {other:?}"),
    }
}

#[test]
fn a_key_that_is_known_is_answered_whatever_has_changed_since() {
    let first = wish("ann", "k");
    let mut facts = facts(1);
    facts.count(&first);
    facts.published.clear();
    assert!(matches!(decide(&first, &facts), Verdict::Repeat(accepted) if accepted == first.proposed));
    let other = Wish { digest: vec![2], ..first };
    assert_eq!(*refusal(&decide(&other, &facts)), Refusal::KeyReused);
}

#[test]
fn a_key_twice_in_one_group_is_one_machine() {
    let (first, second) = (wish("ann", "k"), wish("ann", "k"));
    let other = Wish { digest: vec![2], ..wish("ann", "k") };
    let verdicts = decide_all([&first, &second, &other], facts(9));
    assert!(matches!(&verdicts[0], Verdict::Admit { share: Share { number: 1, limit: 9 }, .. }));
    assert!(matches!(&verdicts[1], Verdict::Repeat(accepted) if *accepted == first.proposed));
    assert_eq!(*refusal(&verdicts[2]), Refusal::KeyReused);
}

#[test]
fn what_is_wrong_is_said_in_order() {
    let mut wish = wish("ann", "k");
    (wish.request.hours, wish.key_complaint) = (Some(9), Some("no key".to_owned()));
    let hours = FieldErrors::one("hours", "must be between 1 and 8 for this configuration");
    assert_eq!(*refusal(&decide(&wish, &facts(0))), Refusal::Fields(hours));
    wish.request.hours = Some(8);
    let key = FieldErrors::one("ssh_public_key", "no key");
    assert_eq!(*refusal(&decide(&wish, &facts(0))), Refusal::Fields(key));
    wish.key_complaint = None;
    assert!(matches!(
        refusal(&decide(&wish, &facts(0))),
        Refusal::LimitReached(Exceeded::Own { used: 0, .. })
    ));
    wish.request.configuration_id = "01890a5d-ac96-774b-bcce-b302099a8058".parse().unwrap();
    assert_eq!(*refusal(&decide(&wish, &facts(0))), Refusal::NoConfiguration);
}

proptest! {
    #[test]
    fn groups_admit_exactly_what_one_by_one_would(
        limit in 0_u32..5, clicks in prop::collection::vec((0_u8..4, 0_u8..12), 0..60), cut in 0_usize..60
    ) {
        let wishes: Vec<Wish> =
            clicks.iter().map(|(owner, key)| wish(&format!("u{owner}"), &format!("k{key}"))).collect();
        // Two groups, the second one knowing what the first one wrote.
        let (first, second) = wishes.split_at(cut.min(wishes.len()));
        let mut known = facts(limit);
        let mut verdicts = decide_all(first, known.clone());
        for (wish, verdict) in first.iter().zip(&verdicts) {
            if matches!(verdict, Verdict::Admit { .. }) {
                known.count(wish);
            }
        }
        verdicts.extend(decide_all(second, known));
        for owner in 0..4 {
            let owner: UserSub = format!("u{owner}").parse().unwrap();
            let of_owner = || wishes.iter().zip(&verdicts).filter(|(wish, _)| wish.owner == owner);
            let keys: std::collections::HashSet<_> = of_owner().map(|(wish, _)| &wish.key).collect();
            let numbers: Vec<u32> = of_owner()
                .filter_map(|(_, verdict)| match verdict {
                    Verdict::Admit { share, .. } => Some(share.number),
                    _ => None,
                })
                .collect();
            let expected = u32::try_from(keys.len()).unwrap().min(limit);
            prop_assert_eq!(numbers, (1..=expected).collect::<Vec<_>>());
        }
    }
}
