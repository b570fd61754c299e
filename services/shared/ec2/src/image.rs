use cloudapp_domain::configuration::ImageSource;

use crate::error::{Answer, Effect, from_sdk};
use crate::{Ec2, Ec2Error};

impl Ec2 {
    /// The name of the image's root device (`/dev/xvda`, `/dev/sda1`). Asked of EC2 once per image.
    ///
    /// # Errors
    /// [`Ec2Error`]; [`Ec2Error::Image`] when there is no such image, or it has no root device.
    pub async fn root_device_name(&self, image_id: &str) -> Result<String, Ec2Error> {
        let of_publisher = image_id.parse().ok().and_then(|image: ImageSource| image.root_device());
        if let Some(device) = of_publisher {
            return Ok(device.to_owned());
        }
        if let Some(known) = self.known_root_device(image_id) {
            return Ok(known);
        }
        let reply = self
            .client
            .describe_images()
            .image_ids(image_id)
            .send()
            .await
            .map_err(|error| from_sdk(Effect::Reads, &error))?;
        let name = reply.images().first().and_then(|image| image.root_device_name()).map(str::to_owned);
        let name = name.ok_or_else(|| {
            Ec2Error::Image(Answer {
                code: "InvalidAMIID.NotFound".to_owned(),
                message: format!("the image `{image_id}` is not to be found or has no root device"),
            })
        })?;
        self.root_devices
            .write()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .insert(image_id.to_owned(), name.clone());
        Ok(name)
    }

    /// Whether [`Self::root_device_name`] answers without asking EC2.
    #[must_use]
    pub fn knows_root_device(&self, image_id: &str) -> bool {
        let of_publisher = image_id.parse().ok().and_then(|image: ImageSource| image.root_device());
        of_publisher.is_some() || self.known_root_device(image_id).is_some()
    }

    fn known_root_device(&self, image_id: &str) -> Option<String> {
        self.root_devices.read().unwrap_or_else(std::sync::PoisonError::into_inner).get(image_id).cloned()
    }
}
