//! `MaxResults` and `NextToken`.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};

use crate::wire::{error::Ec2Error, request::Params};

/// Pages are at most this long, and this is what EC2 sends when nothing was said.
const LONGEST: u32 = 1000;
const SHORTEST: u32 = 5;
const MARK: &str = "after:";

/// One page of a list, and the token for the next.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Page<T> {
    pub(super) items: Vec<T>,
    pub(super) next: Option<String>,
}

/// What a call says about pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Paging {
    limit: Option<u32>,
    after: Option<u64>,
}

impl Paging {
    pub(super) fn read(params: &Params<'_>) -> Result<Self, Ec2Error> {
        let limit = params.number("MaxResults")?;
        if let Some(limit) = limit.filter(|limit| !(SHORTEST..=LONGEST).contains(limit)) {
            let message = format!(
                "Value ( {limit} ) for parameter maxResults is invalid. Expecting a value between 5 and 1000."
            );
            return Err(Ec2Error::new("InvalidParameterValue", message));
        }
        let after = params.get("NextToken").map(decode).transpose()?;
        Ok(Self { limit, after })
    }

    /// Whether the caller asked for pages.
    pub(super) fn is_asked_for(self) -> bool {
        self.limit.is_some() || self.after.is_some()
    }

    /// The page of `items`, which come in ascending order of `key`. Tokens name the last item sent, so that
    /// items which come or go between two pages neither repeat nor hide others.
    pub(super) fn cut<T>(self, items: impl Iterator<Item = T>, key: impl Fn(&T) -> u64) -> Page<T> {
        let limit = self.limit.unwrap_or(LONGEST) as usize;
        let mut rest = items.filter(|item| self.after.is_none_or(|after| key(item) > after));
        let page: Vec<T> = rest.by_ref().take(limit).collect();
        let more = rest.next().is_some();
        let next = page.last().filter(|_| more).map(|last| encode(key(last)));
        Page { items: page, next }
    }
}

fn encode(after: u64) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(format!("{MARK}{after}"))
}

fn decode(token: &str) -> Result<u64, Ec2Error> {
    BASE64_URL_SAFE_NO_PAD
        .decode(token)
        .ok()
        .and_then(|bytes| String::from_utf8(bytes).ok())
        .and_then(|text| text.strip_prefix(MARK)?.parse().ok())
        .ok_or_else(|| Ec2Error::new("InvalidParameterValue", "Unable to parse pagination token"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::request::Request;

    fn paging(body: &str) -> Result<Paging, Ec2Error> {
        Paging::read(&Request::parse(body.as_bytes()).params())
    }

    #[test]
    fn pages_cover_everything_once() {
        let mut after = String::new();
        let mut seen = Vec::new();
        loop {
            let page =
                paging(&format!("MaxResults=5&NextToken={after}")).unwrap().cut(0..12_u64, |item| *item);
            seen.extend(page.items);
            match page.next {
                Some(next) => after = next,
                None => break,
            }
        }
        assert_eq!(seen, Vec::from_iter(0..12));
    }

    #[test]
    fn nonsense_is_refused() {
        assert!(paging("MaxResults=4").is_err());
        assert!(paging("MaxResults=1001").is_err());
        assert!(paging("NextToken=nonsense").is_err());
    }
}
