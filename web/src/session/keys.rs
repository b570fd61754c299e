use anyhow::{Context as _, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cookie::Key;
use secrecy::{ExposeSecret as _, SecretString};
use url::Url;

/// How sessions are kept.
#[derive(Debug, Clone, clap::Args)]
pub struct SessionArgs {
    /// Keys that seal sessions: base64 of at least 64 bytes each, separated by commas. The first one seals; the
    /// others still open what they sealed, so that a key can be replaced without signing everybody out.
    #[arg(long, env = "CLOUDAPP_SESSION_KEY", hide_env_values = true)]
    pub session_key: SecretString,
    /// Where browsers reach CloudApp; `https` makes cookies `__Host-` and `Secure`.
    #[arg(long, env = "CLOUDAPP_PUBLIC_URL", default_value = "http://127.0.0.1:8080")]
    pub public_url: Url,
}

impl SessionArgs {
    /// The keys.
    ///
    /// # Errors
    /// If there is none, or one is not base64 of at least 64 bytes; or if plain http is asked for anywhere but on
    /// this machine.
    pub fn keys(&self) -> anyhow::Result<SessionKeys> {
        let loopback = match self.public_url.host() {
            Some(url::Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
            Some(url::Host::Ipv4(address)) => address.is_loopback(),
            Some(url::Host::Ipv6(address)) => address.is_loopback(),
            None => false,
        };
        ensure!(
            self.public_url.scheme() == "https" || loopback,
            "CLOUDAPP_PUBLIC_URL must be https: without TLS, session cookies can be read on the way"
        );
        SessionKeys::parse(self.session_key.expose_secret())
    }
}

/// Keys that seal sessions. The first one seals; all of them open.
pub struct SessionKeys(Vec<Key>);

impl SessionKeys {
    /// Reads keys as `CLOUDAPP_SESSION_KEY` gives them.
    ///
    /// # Errors
    /// If there is none, or one is not base64 of at least 64 bytes.
    pub fn parse(text: &str) -> anyhow::Result<Self> {
        let keys: Vec<Key> = text
            .split(',')
            .map(str::trim)
            .filter(|part| !part.is_empty())
            .map(|part| {
                let bytes = STANDARD.decode(part).context("CLOUDAPP_SESSION_KEY is not base64")?;
                Key::try_from(bytes.as_slice())
                    .context("CLOUDAPP_SESSION_KEY needs at least 64 bytes for each key")
            })
            .collect::<anyhow::Result<_>>()?;
        ensure!(!keys.is_empty(), "CLOUDAPP_SESSION_KEY is empty");
        Ok(Self(keys))
    }

    /// The key that seals.
    pub(crate) fn sealing(&self) -> Option<&Key> {
        self.0.first()
    }

    /// All keys, the sealing one first.
    pub(crate) fn all(&self) -> &[Key] {
        &self.0
    }
}

/// Shows how many keys there are, nothing of them.
impl std::fmt::Debug for SessionKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SessionKeys({})", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(key: &str, url: &str) -> anyhow::Result<SessionKeys> {
        SessionArgs { session_key: key.into(), public_url: Url::parse(url).unwrap() }.keys()
    }

    #[test]
    fn weak_keys_and_plain_http_are_refused() {
        let good = STANDARD.encode([7; 64]);
        assert!(args(&good, "http://127.0.0.1:8080").is_ok());
        assert!(args(&format!("{good}, {good}"), "https://cloudapp.example").is_ok());
        assert!(args(&good, "http://cloudapp.example").is_err());
        for weak in ["", ",", "not base64!", &STANDARD.encode([7; 63])] {
            assert!(args(weak, "http://localhost").is_err(), "{weak}");
        }
    }
}
