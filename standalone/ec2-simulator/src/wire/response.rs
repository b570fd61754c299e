//! Writing EC2's XML answers.

use chrono::{DateTime, SecondsFormat, Utc};
use rand::Rng;

/// The namespace of API version 2016-11-15.
const NAMESPACE: &str = "http://ec2.amazonaws.com/doc/2016-11-15/";

/// An XML document that grows from the outside in; names are the code's own, texts are escaped.
#[derive(Debug)]
pub(crate) struct Xml {
    text: String,
    root: String,
}

impl Xml {
    /// The answer to `action`, opened with its request id.
    pub(crate) fn answer(action: &str) -> Self {
        let root = format!("{action}Response");
        let text = format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<{root} xmlns=\"{NAMESPACE}\">");
        let mut xml = Self { text, root };
        xml.text("requestId", &request_id());
        xml
    }

    /// A document without namespace, as errors have it.
    pub(crate) fn bare(root: &str) -> Self {
        let text = format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<{root}>");
        Self { text, root: root.to_owned() }
    }

    /// `<name>value</name>`.
    pub(crate) fn text(&mut self, name: &str, value: &str) {
        self.element(name, |xml| xml.own_text(value));
    }

    /// The text of the element that is open.
    pub(crate) fn own_text(&mut self, value: &str) {
        for character in value.chars() {
            match character {
                '&' => self.text.push_str("&amp;"),
                '<' => self.text.push_str("&lt;"),
                '>' => self.text.push_str("&gt;"),
                '"' => self.text.push_str("&quot;"),
                // XML 1.0 has no way to write other control characters.
                control if control.is_control() && !matches!(control, '\n' | '\t') => self.text.push(' '),
                plain => self.text.push(plain),
            }
        }
    }

    /// As [`text`](Self::text), when there is a value.
    pub(crate) fn optional(&mut self, name: &str, value: Option<&str>) {
        if let Some(value) = value {
            self.text(name, value);
        }
    }

    /// A number or boolean.
    pub(crate) fn value(&mut self, name: &str, value: impl ToString + Copy) {
        self.text(name, &value.to_string());
    }

    /// A time in UTC, to the second and written as EC2 does.
    pub(crate) fn time(&mut self, name: &str, value: DateTime<Utc>) {
        self.text(name, &value.to_rfc3339_opts(SecondsFormat::Millis, true));
    }

    /// `<name>…</name>` around what `inside` writes.
    pub(crate) fn element(&mut self, name: &str, inside: impl FnOnce(&mut Self)) {
        self.text.push_str(&format!("<{name}>"));
        inside(self);
        self.text.push_str(&format!("</{name}>"));
    }

    /// `<name><item>…</item>…</name>`.
    pub(crate) fn items<T>(
        &mut self,
        name: &str,
        items: impl IntoIterator<Item = T>,
        each: impl FnMut(&mut Self, T),
    ) {
        self.list(name, "item", items, each);
    }

    /// As [`items`](Self::items), with another name for the single one.
    pub(crate) fn list<T>(
        &mut self,
        name: &str,
        single: &str,
        items: impl IntoIterator<Item = T>,
        mut each: impl FnMut(&mut Self, T),
    ) {
        self.element(name, |xml| {
            for item in items {
                xml.element(single, |xml| each(xml, item));
            }
        });
    }

    /// `<tagSet>` of keys and values.
    pub(crate) fn tags<'a>(&mut self, tags: impl IntoIterator<Item = (&'a String, &'a String)>) {
        self.items("tagSet", tags, |xml, (key, value)| {
            xml.text("key", key);
            xml.text("value", value);
        });
    }

    /// The whole document.
    pub(crate) fn finish(mut self) -> String {
        self.text.push_str(&format!("</{}>", self.root));
        self.text
    }
}

/// A new request id; it only has to be unique in a client's log.
pub(crate) fn request_id() -> String {
    uuid::Builder::from_random_bytes(rand::rng().random()).into_uuid().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_escaped_and_control_characters_dropped() {
        let mut xml = Xml::bare("a");
        xml.text("b", "<&>\u{1}x");
        assert!(xml.finish().ends_with("<a><b>&lt;&amp;&gt; x</b></a>"));
    }
}
