//! Reading the XML that other endpoints answer.

use quick_xml::{
    Reader,
    escape::resolve_xml_entity,
    events::{BytesRef, Event},
};

/// An element with its text and what is inside it; attributes and namespaces say nothing here.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Element {
    name: String,
    text: String,
    inside: Vec<Element>,
}

impl Element {
    /// The root of a document; `None` if it is none.
    pub(crate) fn read(document: &str) -> Option<Self> {
        let mut reader = Reader::from_str(document);
        // The elements that are open, from the outside in, below one that holds the root.
        let mut open = vec![Self::default()];
        loop {
            match reader.read_event().ok()? {
                Event::Start(start) => open.push(Self::named(start.local_name().as_ref())),
                Event::Empty(empty) => {
                    let empty = Self::named(empty.local_name().as_ref());
                    open.last_mut()?.inside.push(empty);
                }
                Event::End(_) => {
                    let mut closed = open.pop()?;
                    closed.text = closed.text.trim().to_owned();
                    open.last_mut()?.inside.push(closed);
                }
                Event::Text(text) => open.last_mut()?.text.push_str(&text.xml10_content()),
                Event::CData(text) => open.last_mut()?.text.push_str(&text.xml10_content()),
                Event::GeneralRef(reference) => open.last_mut()?.text.push_str(&resolve(&reference)?),
                Event::Eof => break,
                Event::Comment(_) | Event::Decl(_) | Event::PI(_) | Event::DocType(_) => {}
            }
        }
        let document = open.pop().filter(|_| open.is_empty())?;
        document.inside.into_iter().next()
    }

    fn named(name: &str) -> Self {
        Self { name: name.to_owned(), ..Self::default() }
    }

    /// The first element of this name directly inside.
    pub(crate) fn child(&self, name: &str) -> Option<&Self> {
        self.inside.iter().find(|element| element.name == name)
    }

    /// All elements of this name directly inside.
    pub(crate) fn children(&self, name: &str) -> impl Iterator<Item = &Self> {
        self.inside.iter().filter(move |element| element.name == name)
    }

    /// The text of the first element of this name directly inside.
    pub(crate) fn text_of(&self, name: &str) -> Option<&str> {
        self.child(name).map(|element| element.text.as_str())
    }

    /// The first element of this name anywhere inside.
    pub(crate) fn find(&self, name: &str) -> Option<&Self> {
        self.inside
            .iter()
            .find_map(|element| if element.name == name { Some(element) } else { element.find(name) })
    }
}

/// What `&amp;` or `&#38;` stands for.
fn resolve(reference: &BytesRef<'_>) -> Option<String> {
    if reference.is_char_ref() {
        return reference.resolve_char_ref().ok().flatten().map(String::from);
    }
    resolve_xml_entity(&reference.xml10_content()).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{error::Ec2Error, response::Xml};

    #[test]
    fn what_is_written_can_be_read() {
        let mut xml = Xml::answer("DescribeThings");
        xml.items("thingSet", ["a & b", "<c>"], |xml, name| xml.text("name", name));
        let read = Element::read(&xml.finish()).unwrap();
        let names: Vec<_> = read
            .child("thingSet")
            .unwrap()
            .children("item")
            .map(|item| item.text_of("name").unwrap())
            .collect();
        assert_eq!(names, ["a & b", "<c>"]);
        let refusal = Element::read(&Ec2Error::new("Some.Code", "it's so").body("id")).unwrap();
        assert_eq!(refusal.find("Error").unwrap().text_of("Message"), Some("it's so"));
        assert_eq!(refusal.find("Message").map(|message| message.text.as_str()), Some("it's so"));
    }

    #[test]
    fn spaces_between_elements_are_no_text_and_references_are_resolved() {
        let read =
            Element::read("<?xml version=\"1.0\"?>\n<a xmlns=\"x\">\n <b> 1 &#43; 2 </b>\n <c/>\n</a>\n")
                .unwrap();
        assert_eq!(read.text_of("b"), Some("1 + 2"));
        assert_eq!(read.text_of("c"), Some(""));
        assert_eq!(read.text, "");
    }

    #[test]
    fn what_is_no_document_is_not_read() {
        for text in ["", "no xml", "<a>", "<a></b>", "<a>&unknown;</a>"] {
            assert_eq!(Element::read(text), None, "{text}");
        }
    }
}
