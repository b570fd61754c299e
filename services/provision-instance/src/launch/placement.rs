//! Where a machine is asked for next: a pure choice over types, subnets and markets in the configuration's order.

use cloudapp_domain::Market;
use cloudapp_domain::configuration::ConfigurationSpec;
use cloudapp_ec2::Subnet;

/// One thing that EC2 can be asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Offering {
    pub(super) instance_type: String,
    pub(super) subnet: Option<Subnet>,
    pub(super) market: Market,
}

impl Offering {
    fn place(&self) -> String {
        self.subnet.as_ref().map_or_else(|| "every zone".to_owned(), |subnet| subnet.zone.clone())
    }
}

/// An offering that EC2 refused for now or here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refused {
    pub(super) instance_type: String,
    pub(super) zone: Option<String>,
    pub(super) subnet: Option<String>,
    pub(super) market: Market,
}

/// Everything that may be tried, in order: cheaper markets first, then the preferred types, then the subnets.
pub(super) fn offerings(spec: &ConfigurationSpec, subnets: &[Subnet]) -> Vec<Offering> {
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

/// The first offering that has not been refused.
pub(super) fn next<'a>(offerings: &'a [Offering], refused: &[Refused]) -> Option<&'a Offering> {
    offerings.iter().find(|offering| {
        !refused.iter().any(|refusal| {
            refusal.instance_type == offering.instance_type
                && refusal.market == offering.market
                && refusal.subnet.as_deref() == offering.subnet.as_ref().map(|subnet| subnet.id.as_str())
        })
    })
}

/// What was refused on the way, for people: "t3.micro was full in us-east-1a and us-east-1b".
pub(super) fn told(refused: &[Refused]) -> Option<String> {
    let mut kinds: Vec<(&str, Market, Vec<&str>)> = Vec::new();
    for refusal in refused {
        let zone = refusal.zone.as_deref().unwrap_or("every zone");
        match kinds
            .iter_mut()
            .find(|(kind, market, _)| *kind == refusal.instance_type && *market == refusal.market)
        {
            Some((_, _, zones)) => zones.push(zone),
            None => kinds.push((&refusal.instance_type, refusal.market, vec![zone])),
        }
    }
    let parts: Vec<String> = kinds
        .into_iter()
        .map(|(kind, market, zones)| format!("{kind}{} was full in {}", bought(market), listed(&zones)))
        .collect();
    (!parts.is_empty()).then(|| parts.join("; "))
}

/// What was got, for people, after what was not.
pub(super) fn got(instance_type: &str, zone: Option<&str>, market: Market, refused: &[Refused]) -> String {
    let place = zone.map(|zone| format!(" in {zone}")).unwrap_or_default();
    let got = format!("{instance_type}{}{place}", bought(market));
    match told(refused) {
        Some(refused) => format!("{refused}; you have {got}"),
        None => got,
    }
}

/// What is being asked for, for people.
pub(super) fn asking(offering: &Offering) -> String {
    format!("asking AWS for {}{} in {}", offering.instance_type, bought(offering.market), offering.place())
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
mod tests {
    use cloudapp_domain::configuration::{ConfigurationDraft, MarketChoice};

    use super::*;

    fn spec(types: &[&str], market: MarketChoice) -> ConfigurationSpec {
        let draft: ConfigurationDraft = serde_json::from_value(serde_json::json!({
            "name": "Box", "image": "ami-0123456789abcdef0", "instance_types": types
        }))
        .unwrap();
        ConfigurationSpec { market, ..draft.validate().unwrap() }
    }

    fn subnets() -> Vec<Subnet> {
        ["a", "b"]
            .map(|zone| Subnet { id: format!("subnet-{zone}"), zone: format!("us-east-1{zone}") })
            .into()
    }

    fn refusal(offering: &Offering) -> Refused {
        Refused {
            instance_type: offering.instance_type.clone(),
            zone: offering.subnet.as_ref().map(|subnet| subnet.zone.clone()),
            subnet: offering.subnet.as_ref().map(|subnet| subnet.id.clone()),
            market: offering.market,
        }
    }

    #[test]
    fn every_offering_is_tried_once_in_order() {
        let all = offerings(&spec(&["m7i.large", "m6i.large"], MarketChoice::SpotThenOnDemand), &subnets());
        assert_eq!(all.len(), 8);
        let (mut refused, mut tried) = (Vec::new(), Vec::new());
        while let Some(offering) = next(&all, &refused) {
            tried.push(offering.clone());
            refused.push(refusal(offering));
        }
        assert_eq!(tried, all);
        assert!(all[..4].iter().all(|offering| offering.market == Market::Spot));
        assert_eq!(all[1].subnet.as_ref().unwrap().zone, "us-east-1b");
        assert_eq!(all[2].instance_type, "m6i.large");
    }

    #[test]
    fn the_way_there_is_told() {
        let all = offerings(&spec(&["m7i.large", "m6i.large"], MarketChoice::OnDemand), &subnets());
        let refused: Vec<_> = all[..2].iter().map(refusal).collect();
        assert_eq!(
            got("m6i.large", Some("us-east-1a"), Market::OnDemand, &refused),
            "m7i.large was full in us-east-1a and us-east-1b; you have m6i.large in us-east-1a"
        );
        assert_eq!(got("t3.micro", None, Market::Spot, &[]), "t3.micro (spot)");
    }

    #[test]
    fn without_subnets_the_zone_is_left_to_ec2() {
        let all = offerings(&spec(&["t3.micro"], MarketChoice::OnDemand), &[]);
        assert_eq!(all.len(), 1);
        assert_eq!(all[0].subnet, None);
        assert!(next(&all, &[refusal(&all[0])]).is_none());
    }
}
