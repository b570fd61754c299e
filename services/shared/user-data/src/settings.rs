use cloudapp_domain::configuration::FieldErrors;

/// What a machine must know apart from its configuration. The same for all machines of an installation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MachineSettings {
    /// The SSH certificate authority's public key, one OpenSSH line: `ecdsa-sha2-nistp256 AAAA… cloudapp-ca`.
    pub ca_public_key: String,
    /// Where boots are reported: the full URL of `POST /api/boot-reports` as machines reach it.
    pub report_url: String,
    /// The metadata service; [`MachineSettings::METADATA_BASE`] on EC2.
    pub metadata_base: String,
    /// Empty on a machine. In a test the folder that stands for `/`: configuration files then name paths below
    /// it, and scripts take it from the environment variable `CLOUDAPP_ROOT`.
    pub root_prefix: String,
    /// From when on a machine counts as in use, where its configuration stops machines that nobody uses.
    pub in_use: InUse,
}

/// What a machine does at least while somebody uses it; below all of this, with nobody connected, it is idle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InUse {
    /// The load over five minutes, in percent of one processor: an idle system stays far below 25.
    pub load_percent: u32,
    /// Traffic with others, bytes a second: scans and time servers stay below 8 KiB.
    pub bytes_per_second: u64,
}

impl Default for InUse {
    fn default() -> Self {
        Self { load_percent: 25, bytes_per_second: 8192 }
    }
}

impl MachineSettings {
    /// EC2's metadata service.
    pub const METADATA_BASE: &'static str = "http://169.254.169.254";

    /// Settings for real machines.
    #[must_use]
    pub fn new(ca_public_key: impl Into<String>, report_url: impl Into<String>) -> Self {
        Self {
            ca_public_key: ca_public_key.into(),
            report_url: report_url.into(),
            metadata_base: Self::METADATA_BASE.to_owned(),
            root_prefix: String::new(),
            in_use: InUse::default(),
        }
    }

    /// Where machines report that nobody uses them: beside the boot reports, `POST /api/idle-reports`.
    #[must_use]
    pub fn idle_report_url(&self) -> String {
        let beside = self.report_url.rsplit_once('/').map_or(self.report_url.as_str(), |(beside, _)| beside);
        format!("{beside}/idle-reports")
    }

    /// The scripts read these values with sed, and sshd and systemd by lines and words.
    pub(crate) fn check(&self) -> Result<(), FieldErrors> {
        let key = self.ca_public_key.trim();
        if key.is_empty() || key.chars().any(char::is_control) {
            return Err(FieldErrors::one("ca_public_key", "must be one line with an OpenSSH public key"));
        }
        for (field, url) in [("report_url", &self.report_url), ("metadata_base", &self.metadata_base)] {
            let plain = url.bytes().all(|b| b.is_ascii_graphic() && !matches!(b, b'"' | b'\\' | b'\''));
            if !plain || !(url.starts_with("http://") || url.starts_with("https://")) {
                return Err(FieldErrors::one(field, "must be an http or https URL"));
            }
        }
        let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'/' | b'-' | b'_' | b'.');
        let root = &self.root_prefix;
        if !root.bytes().all(plain) || !(root.is_empty() || root.starts_with('/') && !root.ends_with('/')) {
            return Err(FieldErrors::one(
                "root_prefix",
                "must be an absolute path of plain characters, or empty",
            ));
        }
        Ok(())
    }
}
