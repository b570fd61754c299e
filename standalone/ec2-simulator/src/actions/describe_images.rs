//! `DescribeImages`.

use super::{Answer, Call, paging::Paging};
use crate::{
    model::{
        filter::all_match,
        images::{self, IMAGES, Image},
    },
    wire::{error::Ec2Error, response::Xml},
};

pub(super) fn perform(call: &mut Call<'_>) -> Result<Answer, Ec2Error> {
    let params = call.params();
    let (ids, owners) = (params.strings("ImageId"), params.strings("Owner"));
    let (filters, paging) = (params.filters()?, Paging::read(&params)?);
    params.flag("IncludeDeprecated")?;
    params.flag("IncludeDisabled")?;
    params.strings("ExecutableBy");
    call.ready()?;
    for id in &ids {
        images::resolve(id)?;
    }
    let mut found = Vec::new();
    for image in &IMAGES {
        let named = ids.is_empty() || ids.contains(&image.id);
        let owned = owners.is_empty()
            || owners.iter().any(|owner| *owner == image.owner_id || Some(*owner) == image.owner_alias);
        if all_match(&filters, |name| values(image, name))? && named && owned {
            found.push(image);
        }
    }
    let page = paging.cut((0_u64..).zip(found), |(number, _)| *number);
    let mut xml = Xml::answer("DescribeImages");
    xml.items("imagesSet", page.items, |xml, (_, image)| write(xml, image));
    xml.optional("nextToken", page.next.as_deref());
    Ok(Answer::about_nothing(xml))
}

fn values(image: &Image, name: &str) -> Option<Vec<String>> {
    let value = match name {
        "image-id" => image.id,
        "name" => image.name,
        "description" => image.description,
        "architecture" => image.architecture,
        "owner-id" => image.owner_id,
        "owner-alias" => return Some(image.owner_alias.into_iter().map(str::to_owned).collect()),
        "state" => "available",
        "is-public" => "true",
        "image-type" => "machine",
        "root-device-type" => "ebs",
        "root-device-name" => image.root_device,
        "virtualization-type" => "hvm",
        "hypervisor" => "xen",
        "creation-date" => image.created,
        _ => return None,
    };
    Some(vec![value.to_owned()])
}

fn write(xml: &mut Xml, image: &Image) {
    xml.text("imageId", image.id);
    xml.text("imageLocation", &format!("{}/{}", image.owner_alias.unwrap_or(image.owner_id), image.name));
    xml.text("imageState", "available");
    xml.text("imageOwnerId", image.owner_id);
    xml.text("creationDate", image.created);
    xml.value("isPublic", true);
    xml.text("architecture", image.architecture);
    xml.text("imageType", "machine");
    xml.optional("imageOwnerAlias", image.owner_alias);
    xml.text("name", image.name);
    xml.text("description", image.description);
    xml.text("rootDeviceType", "ebs");
    xml.text("rootDeviceName", image.root_device);
    xml.items("blockDeviceMapping", [image], |xml, image| {
        xml.text("deviceName", image.root_device);
        xml.element("ebs", |xml| {
            xml.value("volumeSize", image.root_gib);
            xml.text("volumeType", "gp3");
            xml.value("deleteOnTermination", true);
            xml.value("encrypted", false);
        });
    });
    xml.text("virtualizationType", "hvm");
    xml.text("hypervisor", "xen");
    xml.value("enaSupport", true);
    xml.text("platformDetails", "Linux/UNIX");
}
