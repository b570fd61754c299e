use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use cloudapp_domain::Ec2InstanceId;

use crate::error::{Effect, from_sdk};
use crate::{Ec2, Ec2Error};

impl Ec2 {
    /// What the machine printed on its console, as far as EC2 has collected it; bytes that are no text are
    /// replaced. None before EC2 has anything.
    ///
    /// # Errors
    /// [`Ec2Error`].
    pub async fn console_output(&self, id: &Ec2InstanceId) -> Result<Option<String>, Ec2Error> {
        let reply = self
            .client
            .get_console_output()
            .instance_id(id.as_str())
            .send()
            .await
            .map_err(|error| from_sdk(Effect::Reads, &error))?;
        Ok(reply.output().and_then(text))
    }
}

fn text(encoded: &str) -> Option<String> {
    let bytes = STANDARD.decode(encoded.trim()).ok()?;
    (!bytes.is_empty()).then(|| String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn output_is_decoded_and_nothing_is_nothing() {
        assert_eq!(text("bG9naW46IA==\n").as_deref(), Some("login: "));
        assert_eq!(text("/w==").as_deref(), Some("\u{fffd}"));
        assert_eq!(text(""), None);
        assert_eq!(text("not base64"), None);
    }
}
