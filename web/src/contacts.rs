use form_urlencoded::byte_serialize;

/// Whom people can write to when something fails that they cannot mend themselves.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Contacts {
    /// E-mail address of the admins; without one, the reader's mail program asks for it.
    #[arg(long, env = "CLOUDAPP_ADMIN_EMAIL", value_parser = address)]
    pub admin_email: Option<String>,
    /// E-mail address of those who operate CloudApp.
    #[arg(long, env = "CLOUDAPP_OPERATOR_EMAIL", value_parser = address)]
    pub operator_email: Option<String>,
}

/// A plain address. What has a meaning of its own in a `mailto:` address (RFC 6068) is not taken.
fn address(text: &str) -> Result<String, String> {
    let plain = |part: &str| {
        !part.is_empty()
            && part.chars().all(|letter| letter.is_ascii_alphanumeric() || ".-_+".contains(letter))
    };
    match text.split_once('@') {
        Some((name, domain)) if plain(name) && plain(domain) => Ok(text.to_owned()),
        _ => Err("must be an e-mail address such as admins@example.com".to_owned()),
    }
}

/// A link that begins an e-mail (RFC 6068: spaces are `%20`, never `+`, and lines end with CR LF).
pub(crate) fn mailto(to: Option<&str>, subject: &str, body: &str) -> String {
    let encoded = |text: &str| byte_serialize(text.as_bytes()).collect::<String>().replace('+', "%20");
    format!(
        "mailto:{}?subject={}&body={}",
        to.unwrap_or_default(),
        encoded(subject),
        encoded(&body.replace('\n', "\r\n"))
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_plain() {
        assert!(address("admins+cloud@example.com").is_ok());
        for wrong in ["", "admins", "a@b?bcc=c", "a b@c", "@c", "a@b,c@d"] {
            assert!(address(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_message_survives_the_link() {
        let link = mailto(Some("a@b.example"), "It failed: 1 + 1", "x\ny & z");
        assert_eq!(link, "mailto:a@b.example?subject=It%20failed%3A%201%20%2B%201&body=x%0D%0Ay%20%26%20z");
        assert!(mailto(None, "s", "b").starts_with("mailto:?"));
    }
}
