//! `DescribeInstances`.

use super::{Answer, Call, instance_xml, paging::Paging};
use crate::{
    model::filter::{self, Filter, all_match, instance_values},
    model::instance::Instance,
    wire::{error::Ec2Error, response::Xml},
};

pub(super) fn perform(call: &mut Call<'_>) -> Result<Answer, Ec2Error> {
    let params = call.params();
    let (ids, filters) = (params.strings("InstanceId"), params.filters()?);
    let paging = Paging::read(&params)?;
    if paging.is_asked_for() && !ids.is_empty() {
        return Err(Ec2Error::new(
            "InvalidParameterCombination",
            "The parameter instancesSet cannot be used with the parameter maxResults",
        ));
    }
    call.ready()?;
    let found = select(call, &ids, &filters)?;
    let page = paging.cut(found.into_iter(), |instance| instance.sequence);
    let mut xml = Xml::answer("DescribeInstances");
    reservations(&mut xml, &page.items, &call.home.account_id);
    xml.optional("nextToken", page.next.as_deref());
    let ids = page.items.iter().map(|instance| instance.id.clone()).collect();
    Ok(Answer { xml, ids })
}

/// The machines with these ids (all, when there are none) that pass the filters. One id that is not known
/// fails the whole call.
pub(super) fn select<'r>(
    call: &'r Call<'_>,
    ids: &[&str],
    filters: &[Filter],
) -> Result<Vec<&'r Instance>, Ec2Error> {
    let now = call.moment.now;
    call.region.require(ids, now)?;
    // A filter's name is judged even when there is no machine to apply it to.
    for (name, _) in filters {
        if !instance_xml::is_filter(name) {
            return Err(Ec2Error::new("InvalidParameterValue", format!("The filter '{name}' is invalid")));
        }
    }
    let named: Vec<&str> = if ids.is_empty() { filter::plain_ids(filters) } else { ids.to_vec() };
    // All machines are in the order of their launches already.
    let mut candidates: Vec<&Instance> = if named.is_empty() {
        call.region.visible(now).collect()
    } else {
        let found = named.iter().filter_map(|id| call.region.get(id));
        found.filter(|instance| instance.visible_at <= now).collect()
    };
    if !named.is_empty() {
        candidates.sort_unstable_by_key(|instance| instance.sequence);
        candidates.dedup_by_key(|instance| instance.sequence);
    }
    let mut found = Vec::new();
    for instance in candidates {
        if all_match(filters, |name| instance_values(instance, name))? {
            found.push(instance);
        }
    }
    Ok(found)
}

fn reservations(xml: &mut Xml, instances: &[&Instance], account_id: &str) {
    // Machines of one launch follow each other, since they are in the order of launches.
    let groups = instances.chunk_by(|one, next| one.reservation_id == next.reservation_id);
    xml.items("reservationSet", groups, |xml, group| {
        let Some(first) = group.first() else { return };
        xml.text("reservationId", &first.reservation_id);
        xml.text("ownerId", account_id);
        xml.element("groupSet", |_| {});
        xml.items("instancesSet", group, |xml, instance| instance_xml::write(xml, instance));
    });
}
