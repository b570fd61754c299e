//! Which part listens where, on loopback.

use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;

use anyhow::Context as _;
use serde::{Deserialize, Serialize};

/// One port per listener. Kept over restarts: names that AWS hands out (queue URLs) hold them.
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
    /// The ports of the start before, or new ones: from `base` upwards, free ones if it is 0.
    pub(crate) fn decide(file: &Path, base: u16) -> anyhow::Result<Self> {
        if let Ok(text) = std::fs::read_to_string(file) {
            return serde_json::from_str(&text).with_context(|| {
                format!("{} cannot be read; start with --reset to begin afresh", file.display())
            });
        }
        let ports = if base == 0 { Self::free()? } else { Self::from(base)? };
        super::folder::write_private(file, &serde_json::to_vec_pretty(&ports)?)?;
        Ok(ports)
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
        // All are held until all are chosen, so that none is handed out twice.
        let mut held = Vec::new();
        let mut port = || -> anyhow::Result<u16> {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
            let port = listener.local_addr()?.port();
            held.push(listener);
            Ok(port)
        };
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
            "port {} is taken; stop the program that uses it, or choose others with --port N --reset",
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
        let ports = Ports::decide(&file, 0).unwrap();
        assert_eq!(Ports::decide(&file, 9000).unwrap(), ports);
        let _taken = TcpListener::bind((Ipv4Addr::LOCALHOST, ports.ec2)).unwrap();
        let refused = ports.check().unwrap_err().to_string();
        assert!(refused.contains(&format!("{} (EC2 simulator)", ports.ec2)), "{refused}");
        std::fs::write(&file, "{").unwrap();
        assert!(Ports::decide(&file, 0).unwrap_err().to_string().contains("--reset"));
    }
}
