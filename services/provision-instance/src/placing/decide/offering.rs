//! What EC2 can be asked for, in the configuration's order, and how that is told.

use cloudapp_domain::Market;
use cloudapp_domain::configuration::ConfigurationSpec;
use cloudapp_ec2::Subnet;
use serde::{Deserialize, Serialize};

/// One thing that EC2 can be asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Offering {
    /// Such as `m7i.large`.
    pub(crate) instance_type: String,
    /// `None` leaves the zone to EC2.
    pub(crate) subnet: Option<Subnet>,
    /// How it is paid for.
    pub(crate) market: Market,
}

/// Why an offering was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum RefusalKind {
    /// Nothing is free there now: that passes.
    Full,
    /// EC2 does not offer it there: that lasts.
    Unsupported,
}

impl RefusalKind {
    /// The word in the database.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Unsupported => "unsupported",
        }
    }
}

/// An offering that a machine could not be had from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Refusal {
    /// Its type.
    pub(crate) instance_type: String,
    /// Its subnet, if one was named.
    pub(crate) subnet: Option<String>,
    /// The zone that the subnet lies in.
    pub(crate) zone: Option<String>,
    /// Its market.
    pub(crate) market: Market,
    /// Why.
    pub(crate) kind: RefusalKind,
    /// Whether EC2 was asked for this machine; else it was passed over because others had just been refused.
    pub(crate) asked: bool,
}

impl Offering {
    /// Its refusal.
    pub(crate) fn refusal(&self, kind: RefusalKind, asked: bool) -> Refusal {
        Refusal {
            instance_type: self.instance_type.clone(),
            subnet: self.subnet.as_ref().map(|subnet| subnet.id.clone()),
            zone: self.subnet.as_ref().map(|subnet| subnet.zone.clone()),
            market: self.market,
            kind,
            asked,
        }
    }

    /// Whether `refusal` is about this offering.
    pub(crate) fn is_that_of(&self, refusal: &Refusal) -> bool {
        refusal.instance_type == self.instance_type
            && refusal.market == self.market
            && refusal.subnet.as_deref() == self.subnet.as_ref().map(|subnet| subnet.id.as_str())
    }
}

const EVERYWHERE: &str = "every zone";

/// Everything that may be tried, in order: the configuration's markets first, then its types, then the subnets.
pub(crate) fn offerings(spec: &ConfigurationSpec, subnets: &[Subnet]) -> Vec<Offering> {
    let places: Vec<Option<Subnet>> =
        if subnets.is_empty() { vec![None] } else { subnets.iter().cloned().map(Some).collect() };
    let mut all = Vec::new();
    for &market in spec.market.markets() {
        for instance_type in &spec.instance_types {
            all.extend(places.iter().map(|subnet| Offering {
                instance_type: instance_type.as_str().to_owned(),
                subnet: subnet.clone(),
                market,
            }));
        }
    }
    all
}

/// Subnets in the order in which the configuration names them; EC2 answers in any.
pub(crate) fn in_order(configured: &[String], mut subnets: Vec<Subnet>) -> Vec<Subnet> {
    let rank = |id: &str| configured.iter().position(|wanted| wanted == id);
    subnets.sort_by(|a, b| (rank(&a.id), &a.zone).cmp(&(rank(&b.id), &b.zone)));
    subnets
}

/// What was refused on the way, for people: "t3.micro was full in us-east-1a and us-east-1b".
pub(crate) fn told(refused: &[Refusal]) -> Option<String> {
    let mut kinds: Vec<(&str, Market, RefusalKind, Vec<&str>)> = Vec::new();
    for refusal in refused {
        let zone = refusal.zone.as_deref().unwrap_or(EVERYWHERE);
        let same = |(name, market, kind, _): &&mut (&str, Market, RefusalKind, Vec<&str>)| {
            *name == refusal.instance_type && *market == refusal.market && *kind == refusal.kind
        };
        match kinds.iter_mut().find(same) {
            Some((.., zones)) if zones.contains(&zone) => {}
            Some((.., zones)) => zones.push(zone),
            None => kinds.push((&refusal.instance_type, refusal.market, refusal.kind, vec![zone])),
        }
    }
    let parts: Vec<String> = kinds
        .into_iter()
        .map(|(name, market, kind, zones)| {
            let was = match kind {
                RefusalKind::Full => "was full",
                RefusalKind::Unsupported => "is not offered",
            };
            format!("{name}{} {was} in {}", bought(market), listed(&zones))
        })
        .collect();
    (!parts.is_empty()).then(|| parts.join("; "))
}

/// What was got, for people, after what was not.
pub(crate) fn got(instance_type: &str, zone: Option<&str>, market: Market, refused: &[Refusal]) -> String {
    let place = zone.map(|zone| format!(" in {zone}")).unwrap_or_default();
    let got = format!("{instance_type}{}{place}", bought(market));
    match told(refused) {
        Some(refused) => format!("{refused}; you have {got}"),
        None => got,
    }
}

const fn bought(market: Market) -> &'static str {
    match market {
        Market::OnDemand => "",
        Market::Spot => " (spot)",
    }
}

fn listed(words: &[&str]) -> String {
    match words {
        [] => String::new(),
        [one] => (*one).to_owned(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use cloudapp_domain::configuration::{ConfigurationDraft, MarketChoice};

    use super::*;

    pub(in super::super) fn spec(types: &[&str], market: MarketChoice) -> ConfigurationSpec {
        let draft: ConfigurationDraft = serde_json::from_value(serde_json::json!({
            "name": "Box", "image": "ami-0123456789abcdef0", "instance_types": types
        }))
        .unwrap();
        ConfigurationSpec { market, ..draft.validate().unwrap() }
    }

    pub(in super::super) fn subnets() -> Vec<Subnet> {
        ["a", "b"]
            .map(|zone| Subnet { id: format!("subnet-{zone}"), zone: format!("us-east-1{zone}") })
            .into()
    }

    #[test]
    fn markets_then_types_then_zones() {
        let all = offerings(&spec(&["m7i.large", "m6i.large"], MarketChoice::SpotThenOnDemand), &subnets());
        assert_eq!(all.len(), 8);
        assert!(all[..4].iter().all(|offering| offering.market == Market::Spot));
        assert_eq!(all[1].subnet.as_ref().unwrap().zone, "us-east-1b");
        assert_eq!(all[2].instance_type, "m6i.large");
        let anywhere = offerings(&spec(&["t3.micro"], MarketChoice::OnDemand), &[]);
        assert_eq!((anywhere.len(), &anywhere[0].subnet), (1, &None), "the zone is left to EC2");
    }

    #[test]
    fn the_way_there_is_told() {
        let all = offerings(&spec(&["m7i.large", "m6i.large"], MarketChoice::OnDemand), &subnets());
        let mut refused: Vec<_> =
            all[..2].iter().map(|offering| offering.refusal(RefusalKind::Full, true)).collect();
        assert_eq!(
            got("m6i.large", Some("us-east-1a"), Market::OnDemand, &refused),
            "m7i.large was full in us-east-1a and us-east-1b; you have m6i.large in us-east-1a"
        );
        refused.push(all[0].refusal(RefusalKind::Full, false));
        refused.push(all[2].refusal(RefusalKind::Unsupported, true));
        assert_eq!(
            told(&refused).unwrap(),
            "m7i.large was full in us-east-1a and us-east-1b; m6i.large is not offered in us-east-1a"
        );
        assert_eq!(got("t3.micro", None, Market::Spot, &[]), "t3.micro (spot)");
    }

    #[test]
    fn subnets_follow_the_configuration() {
        let configured = ["subnet-b".to_owned(), "subnet-a".to_owned()];
        let ordered: Vec<_> = in_order(&configured, subnets()).into_iter().map(|subnet| subnet.id).collect();
        assert_eq!(ordered, configured);
    }
}
