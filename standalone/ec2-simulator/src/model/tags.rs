//! Tags on machines and their volumes.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use super::{
    instance::Instance,
    region::{Region, is_resource_id},
};
use crate::wire::error::Ec2Error;

/// Tags on one resource at most.
const MOST_TAGS: usize = 50;
const LONGEST_KEY: usize = 128;
const LONGEST_VALUE: usize = 256;

/// A tag with what it is on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TagOn {
    pub(crate) resource_id: String,
    pub(crate) resource_type: &'static str,
    pub(crate) key: String,
    pub(crate) value: String,
}

/// Refuses tags that EC2 would refuse.
pub(crate) fn check(tags: &BTreeMap<String, String>) -> Result<(), Ec2Error> {
    if tags.len() > MOST_TAGS {
        return Err(Ec2Error::new("TagLimitExceeded", "More than 50 tags specified"));
    }
    for (key, value) in tags {
        let refused = if key.is_empty() || key.chars().count() > LONGEST_KEY {
            "Tag keys must have between 1 and 128 characters"
        } else if value.chars().count() > LONGEST_VALUE {
            "Tag values must have at most 256 characters"
        } else if key.to_ascii_lowercase().starts_with("aws:") {
            "Tag keys starting with 'aws:' are reserved for internal use"
        } else {
            continue;
        };
        return Err(Ec2Error::new("InvalidParameterValue", refused));
    }
    Ok(())
}

impl Region {
    /// Sets tags on all these resources, or on none.
    pub(crate) fn set_tags(
        &mut self,
        resources: &[&str],
        tags: &BTreeMap<String, String>,
        now: DateTime<Utc>,
    ) -> Result<(), Ec2Error> {
        check(tags)?;
        for resource in resources {
            let mut merged = self.tags_of(resource, now)?.clone();
            merged.extend(tags.clone());
            check(&merged)?;
        }
        self.edit_tags(resources, |own| own.extend(tags.clone()));
        Ok(())
    }

    /// Removes tags: each key, or a key only where it has the given value.
    pub(crate) fn remove_tags(
        &mut self,
        resources: &[&str],
        tags: &[(String, Option<String>)],
        now: DateTime<Utc>,
    ) -> Result<(), Ec2Error> {
        for resource in resources {
            self.tags_of(resource, now)?;
        }
        self.edit_tags(resources, |own| {
            for (key, value) in tags {
                if value.as_ref().is_none_or(|value| own.get(key) == Some(value)) {
                    own.remove(key);
                }
            }
            if tags.is_empty() {
                own.clear();
            }
        });
        Ok(())
    }

    /// All tags there are.
    pub(crate) fn tags(&self, now: DateTime<Utc>) -> Vec<TagOn> {
        let on = |id: &str, resource_type, tags: &BTreeMap<String, String>| {
            let id = id.to_owned();
            let each = tags.clone().into_iter();
            each.map(move |(key, value)| TagOn { resource_id: id.clone(), resource_type, key, value })
                .collect::<Vec<_>>()
        };
        self.visible(now)
            .flat_map(|instance| {
                let volumes =
                    instance.volumes.iter().flat_map(|volume| on(&volume.id, "volume", &volume.tags));
                let mut all = on(&instance.id, "instance", &instance.tags);
                all.extend(volumes);
                all
            })
            .collect()
    }

    fn tags_of(&self, resource: &str, now: DateTime<Utc>) -> Result<&BTreeMap<String, String>, Ec2Error> {
        if resource.starts_with("i-") {
            self.require(&[resource], now)?;
            return self
                .get(resource)
                .map(|instance| &instance.tags)
                .ok_or_else(|| Ec2Error::instances_not_found(&[resource.to_owned()]));
        }
        let volumes = self.visible(now).flat_map(|instance| &instance.volumes);
        let found = volumes.into_iter().find(|volume| volume.id == resource).map(|volume| &volume.tags);
        found.ok_or_else(|| {
            if is_resource_id(resource, "vol-") {
                Ec2Error::new("InvalidVolume.NotFound", format!("The volume '{resource}' does not exist."))
            } else {
                Ec2Error::new("InvalidID", format!("The ID '{resource}' is not valid"))
            }
        })
    }

    fn edit_tags(&mut self, resources: &[&str], edit: impl Fn(&mut BTreeMap<String, String>)) {
        for resource in resources {
            if let Some(instance) = self.get_mut(resource) {
                edit(&mut instance.tags);
                continue;
            }
            let holds = |instance: &&Instance| instance.volumes.iter().any(|volume| volume.id == *resource);
            let Some(holder) = self.all().find(holds).map(|instance| instance.id.clone()) else { continue };
            let volumes = self.get_mut(&holder).into_iter().flat_map(|instance| &mut instance.volumes);
            volumes.filter(|volume| volume.id == *resource).for_each(|volume| edit(&mut volume.tags));
        }
    }
}
