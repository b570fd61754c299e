//! CSV (RFC 4180) that is safe to open in a spreadsheet.

use std::fmt::Display;

/// One cell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cell<'a> {
    /// Words that somebody wrote: they may hold anything.
    Text(&'a str),
    /// A number, day or id, as it is written.
    Value(String),
}

impl Cell<'_> {
    /// A number, day or id.
    #[must_use]
    pub fn value(value: impl Display) -> Self {
        Self::Value(value.to_string())
    }

    fn write(&self, out: &mut String) {
        let text = match self {
            Self::Value(value) => return out.push_str(value),
            Self::Text(text) => text,
        };
        // Spreadsheets run a cell that begins like this as a formula; an apostrophe makes it words again.
        let formula = text.starts_with(['=', '+', '-', '@', '\t', '\r', '\n']);
        if !formula && !text.contains(['"', ',', '\r', '\n']) {
            return out.push_str(text);
        }
        out.push('"');
        if formula {
            out.push('\'');
        }
        out.push_str(&text.replace('"', "\"\""));
        out.push('"');
    }
}

/// A document with a header line.
pub(crate) fn document<'a>(header: &[&str], rows: impl Iterator<Item = Vec<Cell<'a>>>) -> String {
    let mut out = header.join(",");
    out.push_str("\r\n");
    for row in rows {
        for (index, cell) in row.iter().enumerate() {
            if index > 0 {
                out.push(',');
            }
            cell.write(&mut out);
        }
        out.push_str("\r\n");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(text: &str) -> String {
        let document = document(&["a"], std::iter::once(vec![Cell::Text(text), Cell::value(-1.5)]));
        document.strip_prefix("a\r\n").unwrap().strip_suffix(",-1.5\r\n").unwrap().to_owned()
    }

    #[test]
    fn words_are_quoted_only_where_they_must_be() {
        assert_eq!(line("plain words"), "plain words");
        assert_eq!(line(""), "");
        assert_eq!(line("a, \"b\"\r\nc"), "\"a, \"\"b\"\"\r\nc\"");
    }

    #[test]
    fn no_cell_is_a_formula() {
        assert_eq!(line("=HYPERLINK(\"http://x\",\"y\")"), "\"'=HYPERLINK(\"\"http://x\"\",\"\"y\"\")\"");
        for start in ["=", "+", "-", "@", "\t", "\r", "\n"] {
            assert!(line(&format!("{start}1")).starts_with("\"'"), "{start:?}");
        }
    }
}
