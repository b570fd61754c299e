//! Reading a form-encoded request: `Name=value`, lists as `Name.1`, structures as `Name.Member`.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
};

use sha2::{Digest, Sha256};

use super::error::Ec2Error;

/// Part of every request, or meant for the protocol: never "unknown" and not part of what is asked for.
const PROTOCOL: [&str; 2] = ["Action", "Version"];
/// Not part of what a client token stands for.
const OUTSIDE_DIGEST: [&str; 4] = ["Action", "Version", "ClientToken", "DryRun"];

/// All parameters of one request. It notes which were looked at, so that one that this simulator does not
/// know is refused instead of silently ignored.
#[derive(Debug)]
pub(crate) struct Request {
    values: BTreeMap<String, String>,
    seen: RefCell<BTreeSet<String>>,
}

impl Request {
    /// Reads a body.
    pub(crate) fn parse(body: &[u8]) -> Self {
        let values = form_urlencoded::parse(body).into_owned().collect();
        Self { values, seen: RefCell::default() }
    }

    /// The request's own parameters.
    pub(crate) fn params(&self) -> Params<'_> {
        Params { request: self, prefix: String::new() }
    }

    /// A digest of everything that was asked for, the client token and `DryRun` aside.
    pub(crate) fn digest(&self) -> String {
        let mut digest = Sha256::new();
        for (name, value) in &self.values {
            if !OUTSIDE_DIGEST.contains(&name.as_str()) {
                digest.update(format!("{}:{name}{}:{value}", name.len(), value.len()));
            }
        }
        digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Refuses a request with a parameter that nobody has looked at.
    pub(crate) fn refuse_unknown(&self) -> Result<(), Ec2Error> {
        let seen = self.seen.borrow();
        let unknown =
            self.values.keys().find(|name| !PROTOCOL.contains(&name.as_str()) && !seen.contains(*name));
        match unknown {
            None => Ok(()),
            Some(name) => Err(Ec2Error::new(
                "UnknownParameter",
                format!("The parameter {name} is not recognized by the EC2 simulator"),
            )),
        }
    }
}

/// The parameters below a prefix.
#[derive(Debug, Clone)]
pub(crate) struct Params<'a> {
    request: &'a Request,
    prefix: String,
}

impl<'a> Params<'a> {
    fn name(&self, name: &str) -> String {
        if self.prefix.is_empty() { name.to_owned() } else { format!("{}.{name}", self.prefix) }
    }

    /// A value, when it is there and not empty.
    pub(crate) fn get(&self, name: &str) -> Option<&'a str> {
        let name = self.name(name);
        let value = self.request.values.get(&name)?;
        self.request.seen.borrow_mut().insert(name);
        Some(value.as_str()).filter(|value| !value.is_empty())
    }

    /// A value that must be there.
    pub(crate) fn required(&self, name: &str) -> Result<&'a str, Ec2Error> {
        self.get(name).ok_or_else(|| Ec2Error::missing_parameter(&self.name(name)))
    }

    /// `true` or `false`.
    pub(crate) fn flag(&self, name: &str) -> Result<Option<bool>, Ec2Error> {
        match self.get(name) {
            None => Ok(None),
            Some("true" | "True" | "1") => Ok(Some(true)),
            Some("false" | "False" | "0") => Ok(Some(false)),
            Some(other) => Err(Ec2Error::invalid_value(&self.name(name), other)),
        }
    }

    /// A whole number.
    pub(crate) fn number(&self, name: &str) -> Result<Option<u32>, Ec2Error> {
        let Some(text) = self.get(name) else { return Ok(None) };
        text.parse().map(Some).map_err(|_| Ec2Error::invalid_value(&self.name(name), text))
    }

    /// One of the words that are allowed there.
    pub(crate) fn word<T: Copy>(&self, name: &str, words: &[(&str, T)]) -> Result<Option<T>, Ec2Error> {
        let Some(text) = self.get(name) else { return Ok(None) };
        let found = words.iter().find(|(word, _)| *word == text).map(|(_, value)| *value);
        found.map(Some).ok_or_else(|| Ec2Error::invalid_value(&self.name(name), text))
    }

    /// The parameters of a structure.
    pub(crate) fn structure(&self, name: &str) -> Params<'a> {
        Params { request: self.request, prefix: self.name(name) }
    }

    /// `Name.1`, `Name.2`, … in the order of their numbers.
    pub(crate) fn strings(&self, name: &str) -> Vec<&'a str> {
        self.indices(name).into_iter().filter_map(|index| self.get(&format!("{name}.{index}"))).collect()
    }

    /// The structures `Name.1.…`, `Name.2.…`.
    pub(crate) fn structures(&self, name: &str) -> Vec<Params<'a>> {
        self.indices(name).into_iter().map(|index| self.structure(&format!("{name}.{index}"))).collect()
    }

    fn indices(&self, name: &str) -> BTreeSet<u32> {
        let start = format!("{}.", self.name(name));
        self.request
            .values
            .keys()
            .filter_map(|key| key.strip_prefix(&start)?.split('.').next()?.parse().ok())
            .collect()
    }

    /// `Filter.n.Name` with `Filter.n.Value.m`.
    pub(crate) fn filters(&self) -> Result<Vec<(String, Vec<String>)>, Ec2Error> {
        let read = |filter: Params<'_>| {
            let values = filter.strings("Value").into_iter().map(str::to_owned).collect();
            Ok((filter.required("Name")?.to_owned(), values))
        };
        self.structures("Filter").into_iter().map(read).collect()
    }

    /// `<prefix>.n.Key` with `<prefix>.n.Value`.
    pub(crate) fn tags(&self, name: &str) -> Result<BTreeMap<String, String>, Ec2Error> {
        let read = |tag: Params<'_>| {
            let value = tag.get("Value").unwrap_or_default();
            Ok((tag.required("Key")?.to_owned(), value.to_owned()))
        };
        self.structures(name).into_iter().map(read).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_come_in_the_order_of_their_numbers() {
        let request = Request::parse(b"InstanceId.10=c&InstanceId.2=b&InstanceId.1=a");
        assert_eq!(request.params().strings("InstanceId"), ["a", "b", "c"]);
        request.refuse_unknown().unwrap();
    }

    #[test]
    fn filters_and_tags_are_structures_in_lists() {
        let body =
            b"Filter.1.Name=tag%3Aa&Filter.1.Value.1=x&Filter.1.Value.2=y&Tag.1.Key=k&Tag.1.Value=v%26";
        let request = Request::parse(body);
        let filters = request.params().filters().unwrap();
        assert_eq!(filters, [("tag:a".to_owned(), vec!["x".to_owned(), "y".to_owned()])]);
        assert_eq!(request.params().tags("Tag").unwrap()["k"], "v&");
    }

    #[test]
    fn what_nobody_looked_at_is_refused() {
        let request = Request::parse(b"Action=RunInstances&Version=1&Surprise=1");
        assert_eq!(request.refuse_unknown().unwrap_err().code, "UnknownParameter");
    }

    #[test]
    fn the_digest_ignores_order_and_token_and_nothing_else() {
        let digest = |body: &[u8]| Request::parse(body).digest();
        assert_eq!(digest(b"A=1&B=2&ClientToken=x"), digest(b"B=2&A=1&ClientToken=y&DryRun=true"));
        assert_ne!(digest(b"A=1&B=2"), digest(b"A=1&B=3"));
        assert_ne!(digest(b"A=1B"), digest(b"A=1&B="));
    }
}
