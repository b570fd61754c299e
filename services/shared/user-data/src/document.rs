use std::borrow::Cow;
use std::path::Path;
use std::{fs, io};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_yaml_ng::{Mapping, Value};

use crate::compression::gunzip;

/// The first line by which cloud-init knows the format.
const HEADER: &str = "#cloud-config";

/// What CloudApp puts into a cloud-init document. The keys are cloud-init's.
#[derive(Debug, Serialize)]
pub(crate) struct CloudConfig {
    /// Replaces parts of the image's default user: here its name, so that groups and sudo stay the image's.
    pub(crate) user: DefaultUser,
    pub(crate) disable_root: bool,
    pub(crate) ssh_pwauth: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) packages: Vec<String>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) package_update: bool,
    pub(crate) write_files: Vec<WriteFile>,
    pub(crate) runcmd: Vec<Vec<String>>,
}

impl CloudConfig {
    /// Every key that CloudApp sets itself, whether this document needs it or not.
    pub(crate) const KEYS: &'static [&'static str] =
        &["user", "disable_root", "ssh_pwauth", "packages", "package_update", "write_files", "runcmd"];

    /// The document's text, with an admin's further keys at its end.
    pub(crate) fn to_text(&self, further: &Further<'_>) -> Result<String, serde_yaml_ng::Error> {
        let own = format!("{HEADER}\n{}", serde_yaml_ng::to_string(self)?);
        if further.keys.is_empty() {
            return Ok(own);
        }
        // As it was written, if that means the same here: YAML 1.1, which cloud-init reads, and YAML 1.2, which
        // is written here, differ in which plain words need quotes, and the admin knows what was meant.
        let mut whole: Mapping = serde_yaml_ng::from_str(&own)?;
        whole.extend(further.keys.clone());
        let as_written = format!("{own}{}\n", further.text);
        if serde_yaml_ng::from_str::<Mapping>(&as_written).is_ok_and(|found| found == whole) {
            Ok(as_written)
        } else {
            Ok(format!("{own}{}", serde_yaml_ng::to_string(&further.keys)?))
        }
    }
}

/// Keys of a hand-written `#cloud-config` document.
#[derive(Debug, Default)]
pub(crate) struct Further<'a> {
    /// The document.
    pub(crate) text: &'a str,
    /// What it says.
    pub(crate) keys: Mapping,
}

#[derive(Debug, Serialize)]
pub(crate) struct DefaultUser {
    pub(crate) name: String,
}

/// One entry of `write_files`.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct WriteFile {
    path: String,
    permissions: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    encoding: Option<String>,
    content: String,
}

impl WriteFile {
    pub(crate) fn new<'a>(path: &str, permissions: &str, content: impl Into<Cow<'a, str>>) -> Self {
        let content = content.into();
        let (encoding, content) = if content.chars().all(survives_yaml) && !looks_like_a_number(&content) {
            (None, content.into_owned())
        } else {
            (Some("b64".to_owned()), STANDARD.encode(content.as_bytes()))
        };
        Self { path: path.to_owned(), permissions: permissions.to_owned(), encoding, content }
    }

    fn bytes(&self) -> Option<Vec<u8>> {
        match self.encoding.as_deref() {
            None => Some(self.content.clone().into_bytes()),
            Some("b64" | "base64") => STANDARD.decode(&self.content).ok(),
            Some(_) => None,
        }
    }
}

/// Whether a character means itself in a YAML 1.1 block, which is what cloud-init's reader speaks: not control
/// characters, nor the line breaks that YAML 1.1 knows beside LF and turns into it.
fn survives_yaml(c: char) -> bool {
    match c {
        '\n' | '\t' | ' '..='~' => true,
        '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}' => false,
        c => c >= '\u{a0}',
    }
}

/// Whether a single line could be read as something else than text by YAML 1.1, which knows more kinds of numbers
/// than its successor: `12:30:00`, `1_000`, `2026-01-01`.
fn looks_like_a_number(content: &str) -> bool {
    !content.contains('\n') && content.starts_with(|c: char| c.is_ascii_digit() || "+-.=<".contains(c))
}

/// These bytes are not user data as [`crate::render`] makes it.
#[derive(Debug, thiserror::Error)]
pub enum UnreadableUserData {
    /// The compression is damaged.
    #[error("the user data cannot be unpacked")]
    Compression(#[source] io::Error),
    /// It is not a `#cloud-config` document in UTF-8.
    #[error("the user data is not a #cloud-config document")]
    NotCloudConfig,
    /// Its YAML is not what it should be.
    #[error("the user data's YAML cannot be read")]
    Yaml(#[source] serde_yaml_ng::Error),
    /// A file's content or permissions cannot be decoded.
    #[error("the file {0} of the user data cannot be decoded")]
    File(String),
}

/// A file that user data puts on the machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MachineFile {
    /// Absolute path on the machine, without any root prefix.
    pub path: String,
    /// Permission bits.
    pub mode: u32,
    /// The content.
    pub content: Vec<u8>,
}

/// User data read back.
#[derive(Debug, Clone)]
pub struct Document {
    keys: Mapping,
    files: Vec<MachineFile>,
}

impl Document {
    /// Reads user data as EC2 hands it to the machine: plain or gzip, without base64.
    ///
    /// # Errors
    /// [`UnreadableUserData`].
    pub fn read(bytes: &[u8]) -> Result<Self, UnreadableUserData> {
        #[derive(Deserialize)]
        struct Files {
            #[serde(default)]
            write_files: Vec<WriteFile>,
        }
        let text = gunzip(bytes).map_err(UnreadableUserData::Compression)?;
        let text = String::from_utf8(text).map_err(|_| UnreadableUserData::NotCloudConfig)?;
        if text.lines().next().map(str::trim_end) != Some(HEADER) {
            return Err(UnreadableUserData::NotCloudConfig);
        }
        let keys: Mapping = serde_yaml_ng::from_str(&text).map_err(UnreadableUserData::Yaml)?;
        let files: Files =
            serde_yaml_ng::from_value(Value::Mapping(keys.clone())).map_err(UnreadableUserData::Yaml)?;
        let files = files.write_files.into_iter().map(machine_file).collect::<Result<_, _>>()?;
        Ok(Self { keys, files })
    }

    /// The files, in the order in which they are written.
    #[must_use]
    pub fn files(&self) -> &[MachineFile] {
        &self.files
    }

    /// The file at `path`; the last one wins, as on the machine.
    #[must_use]
    pub fn file(&self, path: &str) -> Option<&MachineFile> {
        self.files.iter().rev().find(|file| file.path == path)
    }

    /// The packages to install.
    #[must_use]
    pub fn packages(&self) -> Vec<&str> {
        let packages = self.keys.get("packages").and_then(Value::as_sequence);
        packages.into_iter().flatten().filter_map(Value::as_str).collect()
    }

    /// The value of one of the document's keys.
    #[must_use]
    pub fn key(&self, name: &str) -> Option<&Value> {
        self.keys.get(name)
    }

    /// Writes the files below `root`, as cloud-init writes them below `/`.
    ///
    /// # Errors
    /// If a folder or file cannot be written.
    pub fn write_files(&self, root: &Path) -> io::Result<()> {
        use std::os::unix::fs::PermissionsExt as _;
        for file in &self.files {
            let target = root.join(file.path.trim_start_matches('/'));
            if let Some(folder) = target.parent() {
                fs::create_dir_all(folder)?;
            }
            fs::write(&target, &file.content)?;
            fs::set_permissions(&target, fs::Permissions::from_mode(file.mode))?;
        }
        Ok(())
    }
}

fn machine_file(file: WriteFile) -> Result<MachineFile, UnreadableUserData> {
    let mode = u32::from_str_radix(&file.permissions, 8).ok();
    match (mode, file.bytes()) {
        (Some(mode), Some(content)) => Ok(MachineFile { path: file.path, mode, content }),
        _ => Err(UnreadableUserData::File(file.path)),
    }
}
