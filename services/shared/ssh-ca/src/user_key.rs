use std::fmt;
use std::str::FromStr;

use ssh_encoding::Encode;
use ssh_key::public::KeyData;
use ssh_key::{HashAlg, PublicKey};

/// No public key that is accepted is longer; a 16,384-bit RSA key takes about 2,800 characters.
const LONGEST: usize = 8192;
/// RSA keys below this many bits are refused.
const RSA_BITS: usize = 3072;
/// RSA keys above this many bits OpenSSH refuses.
const RSA_MOST_BITS: usize = 16_384;
/// The key types that are accepted.
const TYPES: [&str; 5] =
    ["ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521", "ssh-rsa"];

/// Why a text is no public key that CloudApp certifies; each as a sentence for the person who pasted it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UserKeyError {
    /// Nothing, or only blanks.
    #[error("Paste your SSH public key: the one line in a file such as ~/.ssh/id_ed25519.pub.")]
    Empty,
    /// A private key. It is not kept, and not shown again.
    #[error(
        "This is a private key, which nobody else should ever see. Paste the public key instead: the file with the \
         ending .pub. Consider replacing the private key."
    )]
    PrivateKey,
    /// More than one line, or too long for any key.
    #[error("Paste one public key, which is a single line.")]
    NotOneLine,
    /// A certificate.
    #[error("This is an SSH certificate. Paste the plain public key; CloudApp makes the certificate.")]
    Certificate,
    /// A line of an `authorized_keys` file.
    #[error("Paste the public key without options in front: it begins with a type such as ssh-ed25519.")]
    Options,
    /// A DSA key.
    #[error("DSA keys are no longer safe and OpenSSH refuses them. Make a new key: ssh-keygen -t ed25519.")]
    Dsa,
    /// An RSA key that is too short, too long or otherwise weak.
    #[error("RSA keys need 3,072 to 16,384 bits. Make a new key: ssh-keygen -t ed25519.")]
    WeakRsa,
    /// A key of another type, such as one on a hardware token.
    #[error("Keys of this type are not supported. Use Ed25519, ECDSA or RSA: ssh-keygen -t ed25519.")]
    UnsupportedType,
    /// Anything else.
    #[error("This is not an SSH public key, or it is damaged. Copy the whole line from the .pub file.")]
    Unreadable,
}

/// A user's public key: Ed25519, ECDSA on a NIST curve, or RSA of 3,072 bits and more. Without its comment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserKey(KeyData);

impl UserKey {
    /// Reads one line as `ssh-keygen` writes it to a `.pub` file; the comment is dropped.
    ///
    /// # Errors
    /// [`UserKeyError`].
    pub fn parse(text: &str) -> Result<Self, UserKeyError> {
        let line = one_line(text)?;
        of_accepted_type(line)?;
        let key = PublicKey::from_openssh(line).map_err(|_| UserKeyError::Unreadable)?;
        let data = key.key_data().clone();
        match &data {
            KeyData::Ed25519(_) => {}
            KeyData::Ecdsa(key) if key.as_sec1_bytes().first() == Some(&4) => {}
            KeyData::Rsa(key) => strong_rsa(key)?,
            _ => return Err(UserKeyError::Unreadable),
        }
        Ok(Self(data))
    }

    /// The fingerprint as `ssh-keygen -l` shows it: `SHA256:…`.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        self.0.fingerprint(HashAlg::Sha256).to_string()
    }

    /// The type of a certificate for this key.
    pub(crate) fn certificate_type(&self) -> String {
        self.0.algorithm().to_certificate_type()
    }

    /// The key's own fields as a certificate holds them: its encoding without the type in front.
    pub(crate) fn fields(&self) -> Result<Vec<u8>, ssh_key::Error> {
        let mut encoded = Vec::new();
        self.0.encode(&mut encoded)?;
        let kind = self.0.algorithm().encoded_len()?;
        Ok(encoded.split_off(kind))
    }
}

/// The key as one line without a comment.
impl fmt::Display for UserKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let line = PublicKey::new(self.0.clone(), "").to_openssh().map_err(|_| fmt::Error)?;
        f.write_str(line.trim_end())
    }
}

impl FromStr for UserKey {
    type Err = UserKeyError;

    fn from_str(text: &str) -> Result<Self, UserKeyError> {
        Self::parse(text)
    }
}

fn one_line(text: &str) -> Result<&str, UserKeyError> {
    let line = text.trim();
    if line.is_empty() {
        Err(UserKeyError::Empty)
    } else if line.contains("PRIVATE KEY") || line.starts_with("PuTTY-User-Key-File") {
        Err(UserKeyError::PrivateKey)
    } else if line.len() > LONGEST || line.contains(['\n', '\r', '\0']) {
        Err(UserKeyError::NotOneLine)
    } else {
        Ok(line)
    }
}

fn of_accepted_type(line: &str) -> Result<(), UserKeyError> {
    let mut words = line.split_ascii_whitespace();
    let first = words.next().unwrap_or_default();
    if TYPES.contains(&first) {
        Ok(())
    } else if first.ends_with("-cert-v01@openssh.com") {
        Err(UserKeyError::Certificate)
    } else if first == "ssh-dss" {
        Err(UserKeyError::Dsa)
    } else if words.any(|word| TYPES.contains(&word)) {
        Err(UserKeyError::Options)
    } else if first.starts_with("ssh-") || first.starts_with("sk-") || first.starts_with("ecdsa-") {
        Err(UserKeyError::UnsupportedType)
    } else {
        Err(UserKeyError::Unreadable)
    }
}

fn strong_rsa(key: &ssh_key::public::RsaPublicKey) -> Result<(), UserKeyError> {
    let modulus = key.n.as_positive_bytes().ok_or(UserKeyError::Unreadable)?;
    let exponent = key.e.as_positive_bytes().ok_or(UserKeyError::Unreadable)?;
    let bits = modulus.first().map_or(0, |top| modulus.len() * 8 - top.leading_zeros() as usize);
    let odd = |number: &[u8]| number.last().is_some_and(|byte| byte % 2 == 1);
    if (RSA_BITS..=RSA_MOST_BITS).contains(&bits) && odd(modulus) && odd(exponent) && exponent != [1] {
        Ok(())
    } else {
        Err(UserKeyError::WeakRsa)
    }
}
