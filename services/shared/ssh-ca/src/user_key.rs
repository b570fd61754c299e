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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use ssh_key::Mpint;
    use ssh_key::public::RsaPublicKey;

    use super::*;

    const ED25519: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILM+rvN+ot98qgEN796jTiQfZfG1KaT0PtFDJ/XFSqti";

    fn rsa(bits: usize) -> String {
        let mut modulus = vec![0xff; bits.div_ceil(8)];
        modulus[0] >>= (8 - bits % 8) % 8;
        let key = RsaPublicKey {
            e: Mpint::from_positive_bytes(&[1, 0, 1]).unwrap(),
            n: Mpint::from_positive_bytes(&modulus).unwrap(),
        };
        PublicKey::new(KeyData::Rsa(key), "").to_openssh().unwrap()
    }

    #[test]
    fn a_key_is_read_with_and_without_comment_and_the_comment_is_dropped() {
        for text in [ED25519.to_owned(), format!("{ED25519} me@home"), format!("  {ED25519} a comment\n")] {
            assert_eq!(UserKey::parse(&text).map(|key| key.to_string()).as_deref(), Ok(ED25519), "{text}");
        }
    }

    #[test]
    fn each_wrong_text_gets_its_own_sentence() {
        let certificate = ED25519.replacen("ssh-ed25519", "ssh-ed25519-cert-v01@openssh.com", 1);
        let hardware = ED25519.replacen("ssh-ed25519", "sk-ssh-ed25519@openssh.com", 1);
        let mislabelled = ED25519.replacen("ssh-ed25519", "ecdsa-sha2-nistp256", 1);
        let table = [
            ("", UserKeyError::Empty),
            (" \n", UserKeyError::Empty),
            ("-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaA==\n", UserKeyError::PrivateKey),
            ("PuTTY-User-Key-File-3: ssh-ed25519", UserKeyError::PrivateKey),
            (&format!("{ED25519}\n{ED25519}"), UserKeyError::NotOneLine),
            (&"a".repeat(10_000), UserKeyError::NotOneLine),
            (&certificate, UserKeyError::Certificate),
            (&format!("command=\"/bin/sh\" {ED25519}"), UserKeyError::Options),
            (&format!("no-pty {ED25519}"), UserKeyError::Options),
            ("ssh-dss AAAAB3NzaC1kc3M=", UserKeyError::Dsa),
            (&hardware, UserKeyError::UnsupportedType),
            (&mislabelled, UserKeyError::Unreadable),
            (&ED25519[..60], UserKeyError::Unreadable),
            (&format!("{ED25519}AAAA"), UserKeyError::Unreadable),
            ("hello", UserKeyError::Unreadable),
        ];
        for (text, expected) in table {
            assert_eq!(UserKey::parse(text), Err(expected), "{text}");
        }
    }

    #[test]
    fn rsa_keys_need_their_bits() {
        for bits in [1024, 2048, 3071, 16_385] {
            assert_eq!(UserKey::parse(&rsa(bits)), Err(UserKeyError::WeakRsa), "{bits}");
        }
        for bits in [3072, 4096, 16_384] {
            assert!(UserKey::parse(&rsa(bits)).is_ok(), "{bits}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_the_parser_panic(text in "\\PC*") {
            let _ = UserKey::parse(&text);
        }

        #[test]
        fn no_damaged_key_makes_the_parser_panic(at in 0..80_usize, byte in 32..127_u8, cut in 0..80_usize) {
            let mut damaged = ED25519.as_bytes().to_vec();
            let length = damaged.len();
            damaged[at % length] = byte;
            damaged.truncate(length - cut % length);
            let _ = UserKey::parse(&String::from_utf8(damaged).unwrap());
        }

        #[test]
        fn what_is_accepted_is_one_plain_line(text in "(ssh-ed25519|ssh-rsa|ecdsa-sha2-nistp256) [A-Za-z0-9+/]{0,120}={0,2}( [a-z@]*)?") {
            if let Ok(key) = UserKey::parse(&text) {
                let line = key.to_string();
                prop_assert!(!line.contains('\n'));
                prop_assert_eq!(UserKey::parse(&line), Ok(key));
            }
        }
    }
}
