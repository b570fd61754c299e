//! Comma-separated values (RFC 4180), safe to open in a spreadsheet. Pure.

/// One line for the header, one for each row.
pub(super) fn table<const N: usize>(header: [&str; N], rows: impl Iterator<Item = [String; N]>) -> String {
    let mut text = line(&header.map(str::to_owned));
    for row in rows {
        text.push_str(&line(&row));
    }
    text
}

fn line(cells: &[String]) -> String {
    let cells: Vec<String> = cells.iter().map(|cell| escape(cell)).collect();
    format!("{}\r\n", cells.join(","))
}

/// Spreadsheets take cells that begin with certain signs for formulas: a leading apostrophe keeps them text.
fn escape(cell: &str) -> String {
    let is_number = cell.parse::<f64>().is_ok();
    let formula = !is_number && cell.starts_with(['=', '+', '-', '@', '\t', '\r']);
    let cell = if formula { format!("'{cell}") } else { cell.to_owned() };
    if cell.contains([',', '"', '\n', '\r']) { format!("\"{}\"", cell.replace('"', "\"\"")) } else { cell }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_quoted_and_formulas_are_text() {
        let rows = [["a,b".to_owned(), "say \"x\"".to_owned()], ["=1+1".to_owned(), "-2.5".to_owned()]];
        let text = table(["one", "two"], rows.into_iter());
        assert_eq!(text, "one,two\r\n\"a,b\",\"say \"\"x\"\"\"\r\n'=1+1,-2.5\r\n");
    }
}
