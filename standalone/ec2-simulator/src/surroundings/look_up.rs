//! Looking up what a call speaks of. By filters and not by ids: whether something that is missing is an error, and
//! which, is for the call to say.

use http::HeaderMap;

use super::{Neighbours, Question};
use crate::{
    model::network::{Block, Group, Network, Place, Zone},
    wire::{element::Element, error::Ec2Error},
};

const EC2_VERSION: &str = "2016-11-15";
const IAM_VERSION: &str = "2010-05-08";

impl Neighbours {
    /// The part of the network that the question is about.
    pub(crate) async fn look_up(&self, question: Question, caller: &HeaderMap) -> Result<Network, Ec2Error> {
        match question {
            Question::Nothing => Ok(Network::default()),
            Question::Zones => Ok(Network { zones: self.zones(caller).await?, ..Network::default() }),
            Question::Launch { subnet, zones, group_ids, group_names, profile } => {
                if let Some((parameter, value)) = profile {
                    self.require_profile(parameter, &value, caller).await?;
                }
                let zones = if zones { self.zones(caller).await? } else { Vec::new() };
                let wanted = match subnet {
                    Some(id) => ("subnet-id", vec![id]),
                    None => ("default-for-az", vec!["true".to_owned()]),
                };
                let places = self.places(wanted, caller).await?;
                let mut groups = Vec::new();
                if !group_ids.is_empty() {
                    groups.extend(self.groups(("group-id", group_ids), caller).await?);
                }
                if let Some(place) = places.first().filter(|_| group_names) {
                    groups.extend(self.groups(("vpc-id", vec![place.vpc_id.clone()]), caller).await?);
                }
                Ok(Network { zones, places, groups })
            }
        }
    }

    async fn zones(&self, caller: &HeaderMap) -> Result<Vec<Zone>, Ec2Error> {
        self.items("DescribeAvailabilityZones", None, "availabilityZoneInfo", caller, |item| {
            Some(Zone { name: item.text_of("zoneName")?.to_owned(), id: item.text_of("zoneId")?.to_owned() })
        })
        .await
    }

    async fn places(&self, filter: Filter, caller: &HeaderMap) -> Result<Vec<Place>, Ec2Error> {
        self.items("DescribeSubnets", Some(filter), "subnetSet", caller, |item| {
            let is = |name| item.text_of(name) == Some("true");
            Some(Place {
                subnet_id: item.text_of("subnetId")?.to_owned(),
                vpc_id: item.text_of("vpcId")?.to_owned(),
                zone: item.text_of("availabilityZone")?.to_owned(),
                block: Block::parse(item.text_of("cidrBlock")?)?,
                is_default: is("defaultForAz"),
                is_public: is("mapPublicIpOnLaunch"),
            })
        })
        .await
    }

    async fn groups(&self, filter: Filter, caller: &HeaderMap) -> Result<Vec<Group>, Ec2Error> {
        self.items("DescribeSecurityGroups", Some(filter), "securityGroupInfo", caller, |item| {
            Some(Group {
                id: item.text_of("groupId")?.to_owned(),
                name: item.text_of("groupName")?.to_owned(),
                vpc_id: item.text_of("vpcId")?.to_owned(),
            })
        })
        .await
    }

    /// The items of a list that EC2 answers, each read by `each`.
    async fn items<T>(
        &self,
        action: &str,
        filter: Option<Filter>,
        list: &str,
        caller: &HeaderMap,
        each: impl Fn(&Element) -> Option<T>,
    ) -> Result<Vec<T>, Ec2Error> {
        let mut parameters = vec![pair("Action", action), pair("Version", EC2_VERSION)];
        if let Some((name, values)) = filter {
            parameters.push(pair("Filter.1.Name", name));
            let values = (1..).zip(values);
            parameters.extend(values.map(|(number, value)| (format!("Filter.1.Value.{number}"), value)));
        }
        let answer = self.network.ask("ec2", &parameters, caller).await?;
        let items: Option<Vec<T>> =
            answer.child(list).and_then(|list| list.children("item").map(each).collect());
        items.ok_or_else(|| self.network.unreadable(http::StatusCode::OK))
    }

    /// Refuses an instance profile that does not exist or has no role, as EC2 does.
    async fn require_profile(
        &self,
        parameter: &str,
        value: &str,
        caller: &HeaderMap,
    ) -> Result<(), Ec2Error> {
        let Some(iam) = &self.iam else { return Ok(()) };
        let name = value.rsplit('/').next().unwrap_or(value);
        let parameters = [
            pair("Action", "GetInstanceProfile"),
            pair("Version", IAM_VERSION),
            pair("InstanceProfileName", name),
        ];
        match iam.ask("iam", &parameters, caller).await {
            Ok(answer) if answer.find("RoleName").is_some() => Ok(()),
            Ok(_) => Err(Ec2Error::new(
                "InvalidParameterValue",
                format!(
                    "Value ({value}) for parameter iamInstanceProfile.{parameter} is invalid. IAM Instance Profile has \
                     no associated IAM Roles"
                ),
            )),
            Err(error) if error.code == "NoSuchEntity" => Err(Ec2Error::new(
                "InvalidParameterValue",
                format!(
                    "Value ({value}) for parameter iamInstanceProfile.{parameter} is invalid. Invalid IAM Instance \
                     Profile {parameter}"
                ),
            )),
            Err(error) => Err(error),
        }
    }
}

/// A filter's name and values.
type Filter = (&'static str, Vec<String>);

fn pair(name: &str, value: &str) -> (String, String) {
    (name.to_owned(), value.to_owned())
}
