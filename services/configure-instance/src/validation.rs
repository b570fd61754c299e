use cloudapp_domain::configuration::{ConfigurationDraft, ConfigurationSpec, FieldErrors};
use cloudapp_user_data::{MachineSettings, render};

/// A certificate authority's key as KMS makes it. Only its length matters here.
const TYPICAL_CA_KEY: &str = "ecdsa-sha2-nistp256 \
AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBEpi0p8O1c2hZ3RmT1oKQ1VJ0v6bqkq7oIhYc5mHf2z\
3v0nKcJm4oYt8wQ1rXgq5bGm2y0l9Qd8e7sT6uVwXyZ0= cloudapp-ca";
/// Longer than any real address, so that what is accepted here also fits at launch.
const TYPICAL_REPORT_URL: &str = "https://a-rather-long-name-of-a-load-balancer-in-front-of-the-services-0123456789\
.eu-central-1.elb.amazonaws.com/api/boot-reports";

/// A draft that machines can be launched from: every field is right, and its user data fits.
pub(crate) fn checked(draft: ConfigurationDraft) -> Result<ConfigurationSpec, FieldErrors> {
    let spec = draft.validate()?;
    render(&spec, &MachineSettings::new(TYPICAL_CA_KEY, TYPICAL_REPORT_URL))?;
    Ok(spec)
}
