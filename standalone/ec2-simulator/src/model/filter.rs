//! `Filter.n` of the Describe calls: names are ANDed, values ORed, `*` and `?` are wildcards.

use super::instance::{Instance, Market};
use crate::wire::error::Ec2Error;

/// A filter's name with its values.
pub(crate) type Filter = (String, Vec<String>);

/// Whether all filters match, where `values_of` tells a filter's actual values, or `None` for a name that
/// the call does not know: EC2 refuses that instead of ignoring it.
pub(crate) fn all_match(
    filters: &[Filter],
    values_of: impl Fn(&str) -> Option<Vec<String>>,
) -> Result<bool, Ec2Error> {
    let mut matching = true;
    for (name, wanted) in filters {
        let actual = values_of(name).ok_or_else(|| {
            Ec2Error::new("InvalidParameterValue", format!("The filter '{name}' is invalid"))
        })?;
        matching &= wanted.iter().any(|pattern| actual.iter().any(|value| matches(pattern, value)));
    }
    Ok(matching)
}

/// The ids that a filter names without wildcards: no other machine can match, so no other need be looked at. Empty
/// without such a filter.
pub(crate) fn plain_ids(filters: &[Filter]) -> Vec<&str> {
    let named = filters.iter().find(|(name, _)| name == "instance-id").map(|(_, values)| values.as_slice());
    let plain = named.filter(|values| values.iter().all(|value| !value.contains(['*', '?', '\\'])));
    plain.into_iter().flatten().map(String::as_str).collect()
}

/// The values of a machine under a filter's name.
pub(crate) fn instance_values(instance: &Instance, name: &str) -> Option<Vec<String>> {
    let one = |value: &str| Some(vec![value.to_owned()]);
    let some = |value: &Option<String>| Some(value.iter().cloned().collect());
    if let Some(key) = name.strip_prefix("tag:") {
        return Some(instance.tags.get(key).cloned().into_iter().collect());
    }
    match name {
        "instance-id" => one(&instance.id),
        "instance-state-name" => one(instance.state.name()),
        "instance-state-code" => one(&instance.state.code().to_string()),
        "instance-type" => one(&instance.instance_type),
        "instance-lifecycle" => {
            Some(Vec::from_iter((instance.market == Market::Spot).then(|| "spot".to_owned())))
        }
        "image-id" => one(&instance.image_id),
        "architecture" => one(&instance.architecture),
        "availability-zone" => one(&instance.zone),
        "subnet-id" => one(&instance.subnet_id),
        "vpc-id" => one(&instance.vpc_id),
        "reservation-id" => one(&instance.reservation_id),
        "private-ip-address" => one(&instance.private_ip),
        "ip-address" => some(&instance.public_ip),
        "client-token" => some(&instance.client_token),
        "key-name" => some(&instance.key_name),
        "iam-instance-profile.arn" => some(&instance.instance_profile),
        "instance.group-id" | "group-id" => Some(instance.security_groups.clone()),
        "instance.group-name" | "group-name" => Some(instance.group_names.values().cloned().collect()),
        "launch-time" => one(&instance.launch_time.to_rfc3339_opts(chrono::SecondsFormat::Millis, true)),
        "tag-key" => Some(instance.tags.keys().cloned().collect()),
        "tag-value" => Some(instance.tags.values().cloned().collect()),
        _ => None,
    }
}

/// Whether `value` fits `pattern`, where `*` is any text, `?` any character and `\` takes the next literally.
pub(crate) fn matches(pattern: &str, value: &str) -> bool {
    let mut rest = pattern.chars();
    match rest.next() {
        None => value.is_empty(),
        Some('*') => {
            let rest = rest.as_str();
            matches(rest, "") && value.is_empty()
                || value.char_indices().any(|(at, _)| matches(rest, &value[at..]))
                || matches(rest, "")
        }
        Some(wanted) => {
            let wanted = match wanted {
                '?' => None,
                '\\' => rest.next(),
                literal => Some(literal),
            };
            let mut characters = value.chars();
            characters.next().is_some_and(|found| wanted.is_none_or(|wanted| wanted == found))
                && matches(rest.as_str(), characters.as_str())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards() {
        for (pattern, value, expected) in [
            ("run*", "running", true),
            ("*ing", "running", true),
            ("*", "", true),
            ("r?nning", "running", true),
            ("r?nning", "rnning", false),
            ("running", "Running", false),
            ("\\*", "*", true),
            ("\\*", "x", false),
            ("", "", true),
            ("a*b*c", "aXXbYYc", true),
            ("a*b*c", "aXXbYY", false),
        ] {
            assert_eq!(matches(pattern, value), expected, "{pattern} {value}");
        }
    }

    #[test]
    fn an_unknown_filter_is_refused_even_when_another_already_fails() {
        let filters = [("known".to_owned(), vec!["x".to_owned()]), ("other".to_owned(), vec![])];
        let values = |name: &str| (name == "known").then(Vec::new);
        assert_eq!(all_match(&filters, values).unwrap_err().code, "InvalidParameterValue");
        assert!(!all_match(&filters[..1], values).unwrap());
    }
}
