//! User data: what a configuration becomes on the machine.
//!
//! [`render`] turns a checked configuration into one `#cloud-config` document, identical for every machine of
//! that configuration version, so that machines can be launched in batches and kept as spares. It holds no secret:
//! the SSH certificate authority's public key, the address that boots are reported to, and what the admin wrote.
//!
//! On the machine, in this order:
//!
//! 1. cloud-init writes the files before sshd starts. sshd then trusts the certificate authority and nothing
//!    else: plain keys, passwords and root are refused, and without a principals file so is everybody.
//! 2. cloud-init installs the packages, then runs `/etc/cloudapp/install.sh` (the admin's script and commands).
//! 3. `cloudapp-report.service` runs after `cloud-final.service` on this boot and every later one: it writes the
//!    machine's own id as the only principal, then posts the outcome until it is answered.
//!
//! The scripts are POSIX sh with curl and the usual text tools, because these are on every image that has
//! cloud-init, while a python or jq may be missing, or be the very thing that an installation broke.
//!
//! [`Document`] reads user data back: for tests and for whatever plays a machine without being one.

mod compression;
mod document;
mod machine;
mod raw;
mod render;
mod settings;

pub use document::{Document, MachineFile, UnreadableUserData};
pub use render::{UserData, render};
pub use settings::{InUse, MachineSettings};

/// EC2's limit for user data, before base64 (AWS, "Run commands at launch").
pub const LIMIT_BYTES: usize = 16_384;
