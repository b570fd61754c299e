use url::Url;

/// A path on this site, with its query: the only thing that a redirect may go to. Nobody can be sent elsewhere by
/// a link that was made for them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LocalPath(String);

impl LocalPath {
    /// The path, if `text` is one and nothing else; the home page otherwise.
    pub(crate) fn or_home(text: &str) -> Self {
        Self::parse(text).unwrap_or_else(Self::home)
    }

    /// The home page.
    pub(crate) fn home() -> Self {
        Self("/".to_owned())
    }

    fn parse(text: &str) -> Option<Self> {
        let local = text.starts_with('/')
            && !text.starts_with("//")
            && !text.contains('\\')
            && !text.chars().any(char::is_control)
            && text.len() <= 2_000;
        // What a browser makes of it must stay on the site that it starts from.
        let base = Url::parse("http://cloudapp.invalid").ok()?;
        let url = base.join(text).ok().filter(|url| local && url.origin() == base.origin())?;
        let mut path = url.path().to_owned();
        if path.starts_with("//") {
            return None;
        }
        if let Some(query) = url.query() {
            path = format!("{path}?{query}");
        }
        // Sign-in pages are no destination: one would go in circles.
        (!path.starts_with("/sign-")).then_some(Self(path))
    }

    /// The path and query.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// `to` with this path as its parameter `next`.
    pub(crate) fn as_next_of(&self, to: &str) -> String {
        let query = form_urlencoded::Serializer::new(String::new()).append_pair("next", &self.0).finish();
        format!("{to}?{query}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_local_paths_pass() {
        for good in ["/", "/machines/1", "/admin/users?cursor=a%20b"] {
            assert_eq!(LocalPath::or_home(good).as_str(), good);
        }
        for evil in [
            "",
            "machines",
            "https://evil.example",
            "//evil.example",
            "/\\evil.example",
            "/\t/evil.example",
            "/\n/evil.example",
            "\\\\evil.example",
            "javascript:alert(1)",
            "/.//evil.example",
            "/..//evil.example",
            "/sign-in",
            "/sign-out",
            " //evil.example",
        ] {
            assert_eq!(LocalPath::or_home(evil).as_str(), "/", "{evil:?}");
        }
    }
}
