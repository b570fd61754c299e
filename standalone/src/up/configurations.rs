//! The four configurations that a new CloudApp comes with.

use cloudapp_domain::configuration::ConfigurationDraft;
use serde_json::{Value, json};

const AMAZON_LINUX: &str = "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64";

/// Shell box, Docker host, data science, and one whose installation fails, so that failure can be seen.
pub(crate) fn drafts() -> Result<Vec<ConfigurationDraft>, serde_json::Error> {
    [shell_box(), docker_host(), data_science(), always_fails()]
        .into_iter()
        .map(serde_json::from_value)
        .collect()
}

fn shell_box() -> Value {
    json!({
        "name": "Amazon Linux shell",
        "description": "A plain Amazon Linux 2023 machine with git, tmux and the usual tools. Ready fastest.",
        "icon": "terminal",
        "image": AMAZON_LINUX,
        "instance_types": ["t3.micro", "t3.small"],
        "packages": ["git", "tmux", "htop"],
        "root_volume_gib": 20,
        "lifetime_hours": 8,
        "max_lifetime_hours": 72,
    })
}

fn docker_host() -> Value {
    json!({
        "name": "Docker host",
        "description": "Docker with Compose, ready for your containers. Stop keeps the disk; Start brings it back.",
        "icon": "container",
        "image": AMAZON_LINUX,
        "instance_types": ["t3.medium", "t3.large", "m6i.large"],
        "packages": ["docker", "git"],
        "files": [{
            "path": "/etc/docker/daemon.json",
            "permissions": "0644",
            "content": "{\"log-driver\": \"local\", \"live-restore\": true}\n",
        }],
        "commands": ["systemctl enable --now docker", "usermod -aG docker ec2-user", "docker info > /dev/null"],
        "root_volume_gib": 60,
        "on_stop": "stop",
        "lifetime_hours": 24,
        "max_lifetime_hours": 168,
    })
}

fn data_science() -> Value {
    json!({
        "name": "Python data science",
        "description": "Python with JupyterLab, pandas, scikit-learn and Polars in a virtual environment.",
        "icon": "notebook",
        "image": AMAZON_LINUX,
        "instance_types": ["m7i.large", "m6i.large", "c7i.xlarge"],
        "packages": ["python3.11", "python3.11-pip", "git"],
        "commands": [
            "python3.11 -m venv /opt/science",
            "/opt/science/bin/pip install --quiet jupyterlab pandas polars scikit-learn matplotlib",
            "echo 'export PATH=/opt/science/bin:$PATH' > /etc/profile.d/science.sh",
        ],
        "root_volume_gib": 80,
        "on_stop": "stop",
        "lifetime_hours": 12,
        "max_lifetime_hours": 120,
    })
}

fn always_fails() -> Value {
    json!({
        "name": "Always fails",
        "description": "Its installation fails on purpose: see what a failure looks like, and what happens next.",
        "icon": "warning",
        "image": AMAZON_LINUX,
        "instance_types": ["t3.micro"],
        "commands": ["echo 'about to fail'", "false"],
        "lifetime_hours": 1,
        "max_lifetime_hours": 2,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_one_is_valid() {
        for draft in drafts().unwrap() {
            let name = draft.name.clone();
            assert!(draft.validate().is_ok(), "{name}");
        }
    }
}
