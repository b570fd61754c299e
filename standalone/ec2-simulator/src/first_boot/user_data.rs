//! Reading user data as cloud-init would: perhaps gzipped, cloud-config, a script, or several parts.

use std::collections::HashMap;
use std::io::Read;
use std::sync::{Arc, Mutex, PoisonError};

use base64::{Engine, prelude::BASE64_STANDARD};
use flate2::read::MultiGzDecoder;
use serde::Deserialize;

/// Unpacked user data and files are read up to here, as a guard against a compression bomb.
const MOST_BYTES: u64 = 4 << 20;

/// What the user data ask of the machine.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Instructions {
    /// Files to write, in order.
    pub(crate) files: Vec<(String, String)>,
    /// Commands and scripts to run, in order.
    pub(crate) commands: Vec<String>,
}

impl Instructions {
    /// The content of a file that the user data write.
    pub(crate) fn file(&self, path: &str) -> Option<&str> {
        self.files.iter().rev().find(|(name, _)| name == path).map(|(_, content)| content.as_str())
    }
}

/// Why cloud-init could not make sense of user data.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum UserDataError {
    #[error("the user data are not valid base64, gzip or UTF-8")]
    Encoding,
    #[error("failed loading yaml blob: {0}")]
    Yaml(String),
    #[error("unhandled non-multipart (text/x-not-multipart) userdata")]
    UnknownKind,
}

#[derive(Debug, Deserialize)]
struct CloudConfig {
    #[serde(default)]
    write_files: Vec<WriteFile>,
    #[serde(default)]
    bootcmd: Vec<serde_yaml_ng::Value>,
    #[serde(default)]
    runcmd: Vec<serde_yaml_ng::Value>,
}

#[derive(Debug, Deserialize)]
struct WriteFile {
    path: String,
    #[serde(default)]
    content: String,
    #[serde(default)]
    encoding: Option<String>,
    #[serde(default)]
    append: bool,
}

/// At most this many user data are remembered.
const REMEMBERED: usize = 64;

/// What user data were found to ask: thousands of machines come with the same.
#[derive(Debug, Default)]
pub(crate) struct KnownUserData(Mutex<HashMap<String, Arc<Instructions>>>);

impl KnownUserData {
    /// As [`read`], once for equal ones.
    pub(crate) fn read(&self, encoded: Option<&str>) -> Result<Arc<Instructions>, UserDataError> {
        let text = encoded.unwrap_or_default();
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(instructions) = known.get(text) {
            return Ok(Arc::clone(instructions));
        }
        let instructions = Arc::new(read(encoded)?);
        if known.len() >= REMEMBERED {
            known.clear();
        }
        known.insert(text.to_owned(), Arc::clone(&instructions));
        Ok(instructions)
    }
}

/// Reads user data as they came in `RunInstances`.
fn read(encoded: Option<&str>) -> Result<Instructions, UserDataError> {
    let raw = BASE64_STANDARD.decode(encoded.unwrap_or_default()).map_err(|_| UserDataError::Encoding)?;
    let text = String::from_utf8(unzip(raw)?).map_err(|_| UserDataError::Encoding)?;
    let mut instructions = Instructions::default();
    if !text.trim().is_empty() {
        read_part(&text, &mut instructions)?;
    }
    Ok(instructions)
}

fn read_part(text: &str, into: &mut Instructions) -> Result<(), UserDataError> {
    let first = text.lines().next().unwrap_or_default().trim_end();
    if first == "#cloud-config" {
        read_cloud_config(text, into)
    } else if first.starts_with("#!") {
        into.commands.push(text.to_owned());
        Ok(())
    } else if let Some(boundary) = boundary(text) {
        read_multipart(text, &boundary, into)
    } else {
        Err(UserDataError::UnknownKind)
    }
}

fn read_cloud_config(text: &str, into: &mut Instructions) -> Result<(), UserDataError> {
    let config: Option<CloudConfig> =
        serde_yaml_ng::from_str(text).map_err(|error| UserDataError::Yaml(error.to_string()))?;
    let Some(config) = config else { return Ok(()) };
    for file in config.write_files {
        let content = decode_file(&file)?;
        let earlier = into.file(&file.path).filter(|_| file.append).unwrap_or_default();
        let whole = format!("{earlier}{content}");
        into.files.push((file.path, whole));
    }
    let commands = config.bootcmd.iter().chain(&config.runcmd);
    into.commands.extend(commands.map(command_text));
    Ok(())
}

fn decode_file(file: &WriteFile) -> Result<String, UserDataError> {
    let encoding = file.encoding.as_deref().unwrap_or("text/plain");
    let base64 = ["b64", "base64", "gz+b64", "gz+base64", "gzip+b64", "gzip+base64"].contains(&encoding);
    let mut bytes = file.content.clone().into_bytes();
    if base64 {
        bytes.retain(|byte| !byte.is_ascii_whitespace());
        bytes = BASE64_STANDARD.decode(bytes).map_err(|_| UserDataError::Encoding)?;
    }
    String::from_utf8(unzip(bytes)?).map_err(|_| UserDataError::Encoding)
}

/// A command is a line for the shell, or a list of a program and its arguments.
fn command_text(command: &serde_yaml_ng::Value) -> String {
    let word = |value: &serde_yaml_ng::Value| match value {
        serde_yaml_ng::Value::String(text) => text.clone(),
        serde_yaml_ng::Value::Number(number) => number.to_string(),
        serde_yaml_ng::Value::Bool(flag) => flag.to_string(),
        _ => String::new(),
    };
    match command {
        // `[sh, -c, "…"]` says what its third word says.
        serde_yaml_ng::Value::Sequence(words) => {
            let words: Vec<String> = words.iter().map(word).collect();
            match words.as_slice() {
                [shell, flag, script] if is_shell(shell) && flag.starts_with('-') && flag.ends_with('c') => {
                    script.clone()
                }
                words => words.join(" "),
            }
        }
        other => word(other),
    }
}

fn is_shell(program: &str) -> bool {
    matches!(program.rsplit('/').next(), Some("sh" | "bash" | "dash"))
}

fn unzip(bytes: Vec<u8>) -> Result<Vec<u8>, UserDataError> {
    if !bytes.starts_with(&[0x1f, 0x8b]) {
        return Ok(bytes);
    }
    let mut plain = Vec::new();
    MultiGzDecoder::new(bytes.as_slice())
        .take(MOST_BYTES)
        .read_to_end(&mut plain)
        .map_err(|_| UserDataError::Encoding)?;
    Ok(plain)
}

/// The boundary that the header of a MIME message names.
fn boundary(text: &str) -> Option<String> {
    let header = text.split("\n\n").next()?.replace("\r\n", "\n");
    let (_, rest) = header.split_once("boundary=")?;
    let value = rest.trim_start_matches('"');
    let end = value.find(['"', ';', '\n', '\r']).unwrap_or(value.len());
    Some(value[..end].to_owned())
}

fn read_multipart(text: &str, boundary: &str, into: &mut Instructions) -> Result<(), UserDataError> {
    let text = text.replace("\r\n", "\n");
    let delimiter = format!("--{boundary}");
    for part in text.split(&delimiter).skip(1) {
        if part.starts_with("--") {
            break;
        }
        let Some((header, body)) = part.trim_start_matches('\n').split_once("\n\n") else { continue };
        let header = header.to_ascii_lowercase();
        let body = if header.contains("content-transfer-encoding: base64") {
            let packed: String = body.split_whitespace().collect();
            let bytes = BASE64_STANDARD.decode(packed).map_err(|_| UserDataError::Encoding)?;
            String::from_utf8(unzip(bytes)?).map_err(|_| UserDataError::Encoding)?
        } else {
            body.to_owned()
        };
        if header.contains("text/cloud-config") {
            read_cloud_config(&body, into)?;
        } else if header.contains("text/x-shellscript") {
            into.commands.push(body);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::{Compression, write::GzEncoder};

    use super::*;

    const CONFIG: &str = "#cloud-config\nwrite_files:\n- path: /a\n  content: |\n    one\n    two\n\
                          - path: /b\n  encoding: b64\n  content: aGVsbG8=\nruncmd:\n- [sh, -c, exit 3]\n- echo hi\n";

    fn gzip(text: &str) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(text.as_bytes()).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn plain_and_gzipped_cloud_config_say_the_same() {
        let plain = read(Some(&BASE64_STANDARD.encode(CONFIG))).unwrap();
        let zipped = read(Some(&BASE64_STANDARD.encode(gzip(CONFIG)))).unwrap();
        assert_eq!(plain, zipped);
        assert_eq!(plain.file("/a"), Some("one\ntwo\n"));
        assert_eq!(plain.file("/b"), Some("hello"));
        assert_eq!(plain.commands, ["exit 3", "echo hi"]);
    }

    #[test]
    fn json_is_cloud_config_too() {
        let text = "#cloud-config\n{\"write_files\": [{\"path\": \"/a\", \"content\": \"x\"}]}";
        assert_eq!(read(Some(&BASE64_STANDARD.encode(text))).unwrap().file("/a"), Some("x"));
    }

    #[test]
    fn parts_of_a_mime_message_are_read_in_order() {
        let text = format!(
            "Content-Type: multipart/mixed; boundary=\"=x=\"\nMIME-Version: 1.0\n\n--=x=\n\
             Content-Type: text/cloud-config\n\n{CONFIG}\n--=x=\nContent-Type: text/x-shellscript\n\
             Content-Transfer-Encoding: base64\n\n{}\n--=x=--\n",
            BASE64_STANDARD.encode("#!/bin/sh\nfalse\n")
        );
        let read = read(Some(&BASE64_STANDARD.encode(text))).unwrap();
        assert_eq!(read.file("/b"), Some("hello"));
        assert_eq!(read.commands.last().unwrap(), "#!/bin/sh\nfalse\n");
    }

    #[test]
    fn nonsense_is_told_apart() {
        let error = |text: &str| read(Some(&BASE64_STANDARD.encode(text))).unwrap_err();
        assert_eq!(error("hello"), UserDataError::UnknownKind);
        assert!(matches!(error("#cloud-config\n: : :\n- ["), UserDataError::Yaml(_)));
        assert_eq!(read(None).unwrap(), Instructions::default());
    }
}
