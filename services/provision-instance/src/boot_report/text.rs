//! What is kept of a report.

/// What is kept of an installation log.
const LOG_TAIL_CHARACTERS: usize = 4096;
/// More host keys than any sshd has.
const HOST_KEYS: usize = 16;

/// The public host keys among `keys`.
pub(super) fn host_keys(keys: &[String]) -> Vec<&str> {
    keys.iter().map(String::as_str).filter(|key| is_host_key(key)).take(HOST_KEYS).collect()
}

/// The end of a text, without what PostgreSQL or a page could not hold.
pub(super) fn tail(text: &str) -> String {
    let clean: Vec<char> = text.chars().filter(|c| !c.is_control() || matches!(c, '\n' | '\t')).collect();
    clean[clean.len().saturating_sub(LOG_TAIL_CHARACTERS)..].iter().collect()
}

/// A type and base64, nothing that could change a `known_hosts` file's meaning.
fn is_host_key(text: &str) -> bool {
    let mut parts = text.split_ascii_whitespace();
    let kind = parts.next().is_some_and(|kind| kind.starts_with("ssh-") || kind.starts_with("ecdsa-sha2-"));
    let key = parts.next().is_some_and(|key| {
        key.len() >= 40 && key.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'='))
    });
    kind && key && text.len() <= 2048 && !text.contains(['\n', '\r'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_public_host_keys_are_kept() {
        let key = format!("ssh-ed25519 {}", "A".repeat(68));
        assert!(is_host_key(&key));
        assert!(is_host_key(&format!("{key} root@host")));
        for wrong in ["", "ssh-ed25519", "ssh-ed25519 short", "@cert-authority * ssh-ed25519 AAAA"] {
            assert!(!is_host_key(wrong), "{wrong}");
        }
        assert!(!is_host_key(&format!("{key}\n{key}")));
    }

    #[test]
    fn the_end_of_a_log_is_kept() {
        assert_eq!(tail("a\u{0}b\u{1b}[31m\nc"), "ab[31m\nc");
        let long = "x".repeat(5000) + "end";
        let kept = tail(&long);
        assert_eq!(kept.chars().count(), LOG_TAIL_CHARACTERS);
        assert!(kept.ends_with("end"));
    }
}
