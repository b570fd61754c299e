//! Cookies on the wire: names, attributes, and values too long for one cookie.

use std::fmt::Write as _;

use cookie::Cookie;
use http::header::COOKIE;
use http::{HeaderMap, HeaderValue};

/// Browsers take at least 4,096 bytes for a cookie with its name and attributes (RFC 6265, 6.1).
const CHUNK: usize = 3_600;
/// More than this is never ours.
const MAX_CHUNKS: usize = 8;

/// The names and attributes of our cookies.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cookies {
    secure: bool,
}

impl Cookies {
    pub(super) const fn new(secure: bool) -> Self {
        Self { secure }
    }

    /// The full name of a cookie: `__Host-` pins it to this host, over TLS, for all paths.
    pub(super) fn name(self, base: &str) -> String {
        if self.secure { format!("__Host-{base}") } else { base.to_owned() }
    }

    /// `Set-Cookie` headers for a value, split over several cookies if it must be; `max_age` in seconds, the
    /// browser's session if absent. Left-over parts of a longer value before are removed.
    pub(super) fn set(
        self,
        base: &str,
        value: &str,
        max_age: Option<i64>,
        before: &HeaderMap,
    ) -> Vec<HeaderValue> {
        let name = self.name(base);
        // Sealed values are base64: every byte is a character.
        let chunks: Vec<&str> =
            value.as_bytes().chunks(CHUNK).filter_map(|chunk| std::str::from_utf8(chunk).ok()).collect();
        let mut headers: Vec<HeaderValue> = chunks
            .iter()
            .enumerate()
            .filter_map(|(index, chunk)| {
                let value =
                    if index == 0 { format!("{}~{chunk}", chunks.len()) } else { (*chunk).to_owned() };
                self.header(&part(&name, index), &value, max_age)
            })
            .collect();
        headers.extend(self.remove_parts(&name, chunks.len(), before));
        headers
    }

    /// `Set-Cookie` headers that remove a value with all its parts.
    pub(super) fn remove(self, base: &str, before: &HeaderMap) -> Vec<HeaderValue> {
        self.remove_parts(&self.name(base), 0, before)
    }

    fn remove_parts(self, name: &str, from: usize, before: &HeaderMap) -> Vec<HeaderValue> {
        (from..MAX_CHUNKS)
            .map(|index| part(name, index))
            .filter(|part| find(before, part).is_some())
            .filter_map(|part| self.header(&part, "", Some(0)))
            .collect()
    }

    /// The value of a cookie that [`Self::set`] wrote.
    pub(super) fn get(self, base: &str, headers: &HeaderMap) -> Option<String> {
        let name = self.name(base);
        let first = find(headers, &name)?;
        let (count, first) = first.split_once('~')?;
        let count = count.parse::<usize>().ok().filter(|count| (1..=MAX_CHUNKS).contains(count))?;
        let mut value = first.to_owned();
        for index in 1..count {
            value.push_str(&find(headers, &part(&name, index))?);
        }
        Some(value)
    }

    fn header(self, name: &str, value: &str, max_age: Option<i64>) -> Option<HeaderValue> {
        let mut text = format!("{name}={value}; Path=/; HttpOnly; SameSite=Lax");
        if let Some(seconds) = max_age {
            let _ = write!(text, "; Max-Age={seconds}");
        }
        if self.secure {
            text.push_str("; Secure");
        }
        HeaderValue::from_str(&text).ok()
    }
}

fn part(name: &str, index: usize) -> String {
    if index == 0 { name.to_owned() } else { format!("{name}.{index}") }
}

fn find(headers: &HeaderMap, name: &str) -> Option<String> {
    headers
        .get_all(COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| Cookie::split_parse(value.to_owned()))
        .filter_map(Result::ok)
        .find(|cookie| cookie.name() == name)
        .map(|cookie| cookie.value().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The `Cookie` header a browser would send after these `Set-Cookie` headers.
    fn sent(set: &[HeaderValue]) -> HeaderMap {
        let pairs: Vec<&str> =
            set.iter().map(|value| value.to_str().unwrap().split(';').next().unwrap()).collect();
        HeaderMap::from_iter([(COOKIE, pairs.join("; ").parse().unwrap())])
    }

    #[test]
    fn long_values_are_split_and_joined() {
        let cookies = Cookies::new(true);
        for length in [1, CHUNK, CHUNK + 1, 3 * CHUNK] {
            let value = "x".repeat(length);
            let set = cookies.set("cloudapp", &value, None, &HeaderMap::new());
            assert_eq!(set.len(), length.div_ceil(CHUNK));
            assert!(set.iter().all(|header| header.len() < 4_096));
            assert_eq!(cookies.get("cloudapp", &sent(&set)), Some(value));
        }
    }

    #[test]
    fn parts_of_a_longer_value_before_are_removed() {
        let cookies = Cookies::new(false);
        let before = sent(&cookies.set("cloudapp", &"x".repeat(3 * CHUNK), None, &HeaderMap::new()));
        let set = cookies.set("cloudapp", "short", None, &before);
        assert_eq!(set.len(), 3);
        assert!(set[1].to_str().unwrap().starts_with("cloudapp.1=; "));
        assert_eq!(cookies.remove("cloudapp", &before).len(), 3);
    }

    #[test]
    fn tls_makes_host_cookies() {
        let set = Cookies::new(true).set("cloudapp", "v", Some(60), &HeaderMap::new());
        assert_eq!(set[0], "__Host-cloudapp=1~v; Path=/; HttpOnly; SameSite=Lax; Max-Age=60; Secure");
        let set = Cookies::new(false).set("cloudapp", "v", None, &HeaderMap::new());
        assert_eq!(set[0], "cloudapp=1~v; Path=/; HttpOnly; SameSite=Lax");
    }
}
