use std::str::FromStr;

use cloudapp_contract::{Page, PageQuery};
use cloudapp_domain::configuration::FieldErrors;

const DEFAULT_LIMIT: u16 = 50;
const MAX_LIMIT: u16 = 200;

/// A page to read: entries after `after`, `limit` at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Wanted<C> {
    pub(crate) after: Option<C>,
    limit: u16,
}

impl<C: FromStr> Wanted<C> {
    /// Reads what a caller sent.
    pub(crate) fn parse(query: &PageQuery) -> Result<Self, FieldErrors> {
        let limit = query.limit.unwrap_or(DEFAULT_LIMIT);
        if !(1..=MAX_LIMIT).contains(&limit) {
            return Err(FieldErrors::one("limit", format!("must be between 1 and {MAX_LIMIT}")));
        }
        let after = query.cursor.as_deref().map(str::parse).transpose();
        let after =
            after.map_err(|_| FieldErrors::one("cursor", "must be the next_cursor of the page before"))?;
        Ok(Self { after, limit })
    }
}

impl<C> Wanted<C> {
    /// Rows to read: one more than the page has, which tells whether another page follows.
    pub(crate) fn rows(&self) -> i64 {
        i64::from(self.limit) + 1
    }

    /// The page made of the rows that were read; `cursor` says where an entry stands.
    pub(crate) fn page<T>(&self, mut rows: Vec<T>, cursor: impl Fn(&T) -> String) -> Page<T> {
        let more = rows.len() > usize::from(self.limit);
        rows.truncate(usize::from(self.limit));
        let next_cursor = rows.last().filter(|_| more).map(cursor);
        Page { items: rows, next_cursor }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(cursor: Option<&str>, limit: Option<u16>) -> PageQuery {
        PageQuery { cursor: cursor.map(str::to_owned), limit }
    }

    #[test]
    fn a_page_names_the_next_one_only_if_there_is_one() {
        let wanted = Wanted::<i32>::parse(&query(Some("7"), Some(2))).unwrap();
        assert_eq!((wanted.after, wanted.rows()), (Some(7), 3));
        assert_eq!(wanted.page(vec![6, 5, 4], i32::to_string).next_cursor.as_deref(), Some("5"));
        assert_eq!(wanted.page(vec![6, 5], i32::to_string).next_cursor, None);
        assert_eq!(wanted.page(Vec::<i32>::new(), i32::to_string).items, Vec::<i32>::new());
    }

    #[test]
    fn wrong_limits_and_cursors_are_named() {
        let field = |wrong| Wanted::<i32>::parse(&wrong).unwrap_err().into_vec().remove(0).field;
        assert_eq!(field(query(None, Some(0))), "limit");
        assert_eq!(field(query(None, Some(201))), "limit");
        assert_eq!(field(query(Some("x"), None)), "cursor");
    }
}
