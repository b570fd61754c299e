//! Which part listens where, on loopback.

use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;

use anyhow::Context as _;
use serde::{Deserialize, Serialize};

/// The first of the ports, if nobody says otherwise.
const DEFAULT_BASE: u16 = 8080;

/// One port per listener. Kept over restarts, so that bookmarks, scripts and the report address of simulated machines
/// stay good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Ports {
    pub(crate) web: u16,
    pub(crate) configure_instance: u16,
    pub(crate) provision_instance: u16,
    pub(crate) view_stats: u16,
    pub(crate) aws: u16,
    pub(crate) ec2: u16,
    pub(crate) postgres: u16,
}

impl Ports {
    /// From `base` upwards if it is given; otherwise, and for 0, those of the start before. A first start takes the
    /// default, and free ones for 0.
    pub(crate) fn decide(file: &Path, base: Option<u16>) -> anyhow::Result<Self> {
        if let Some(base @ 1..) = base {
            return Self::from(base);
        }
        if let Ok(text) = std::fs::read_to_string(file) {
            return serde_json::from_str(&text).with_context(|| {
                format!("{} cannot be read; start with --reset to begin afresh", file.display())
            });
        }
        if base == Some(0) { Self::free() } else { Self::from(DEFAULT_BASE) }
    }

    /// Keeps them for the next start.
    pub(crate) fn keep(&self, file: &Path) -> anyhow::Result<()> {
        super::folder::write_private(file, &serde_json::to_vec_pretty(self)?)
    }

    fn from(base: u16) -> anyhow::Result<Self> {
        let port = |offset: u16| base.checked_add(offset).context("--port is too high");
        Ok(Self {
            web: port(0)?,
            configure_instance: port(1)?,
            provision_instance: port(2)?,
            view_stats: port(3)?,
            aws: port(4)?,
            ec2: port(5)?,
            postgres: port(6)?,
        })
    }

    fn free() -> anyhow::Result<Self> {
        let port = || cloudapp_free_port::free_port().context("no free port");
        Ok(Self {
            web: port()?,
            configure_instance: port()?,
            provision_instance: port()?,
            view_stats: port()?,
            aws: port()?,
            ec2: port()?,
            postgres: port()?,
        })
    }

    /// Names every port that somebody else uses.
    pub(crate) fn check(&self) -> anyhow::Result<()> {
        let taken: Vec<String> = [
            ("web", self.web),
            ("configure-instance", self.configure_instance),
            ("provision-instance", self.provision_instance),
            ("view-stats", self.view_stats),
            ("local AWS", self.aws),
            ("EC2 simulator", self.ec2),
            ("PostgreSQL", self.postgres),
        ]
        .into_iter()
        .filter(|(_, port)| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_err())
        .map(|(part, port)| format!("{port} ({part})"))
        .collect();
        anyhow::ensure!(
            taken.is_empty(),
            "port {} is taken; stop the program that uses it, or choose others with --port N",
            taken.join(", ")
        );
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_kept_and_a_taken_one_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("ports.json");
        assert_eq!(Ports::decide(&file, None).unwrap().web, DEFAULT_BASE);
        let ports = Ports::decide(&file, Some(0)).unwrap();
        ports.keep(&file).unwrap();
        assert_eq!(Ports::decide(&file, None).unwrap(), ports);
        assert_eq!(Ports::decide(&file, Some(0)).unwrap(), ports);
        assert_eq!(Ports::decide(&file, Some(9000)).unwrap().web, 9000);
        let _taken = TcpListener::bind((Ipv4Addr::LOCALHOST, ports.ec2)).unwrap();
        let refused = ports.check().unwrap_err().to_string();
        assert!(refused.contains(&format!("{} (EC2 simulator)", ports.ec2)), "{refused}");
        std::fs::write(&file, "{").unwrap();
        assert!(Ports::decide(&file, None).unwrap_err().to_string().contains("--reset"));
    }
}
