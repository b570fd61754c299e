//! The table of figures, for people and as Markdown.

/// One figure.
#[derive(Debug, Clone, Default)]
pub(crate) struct Line {
    /// What is measured.
    pub(crate) figure: String,
    /// What is to be reached.
    pub(crate) target: String,
    /// What CloudApp reached.
    pub(crate) cloudapp: String,
    /// What the baseline reached.
    pub(crate) baseline: String,
    /// How many times better CloudApp is, where that is a number.
    pub(crate) ratio: String,
}

impl Line {
    pub(crate) fn new(
        figure: impl Into<String>,
        target: impl Into<String>,
        cloudapp: impl Into<String>,
    ) -> Self {
        Self {
            figure: figure.into(),
            target: target.into(),
            cloudapp: cloudapp.into(),
            baseline: "—".to_owned(),
            ratio: "—".to_owned(),
        }
    }

    pub(crate) fn against(mut self, baseline: impl Into<String>) -> Self {
        self.baseline = baseline.into();
        self
    }

    /// `better` and `worse` measure the same; the ratio says how many times.
    pub(crate) fn times(mut self, worse: f64, better: f64) -> Self {
        if worse > 0.0 && better > 0.0 {
            self.ratio = format!("{} ×", number(worse / better));
        }
        self
    }
}

const HEAD: [&str; 5] = ["figure", "target", "CloudApp", "baseline", "ratio"];

/// The lines as a Markdown table whose columns are aligned, so that it reads well in a terminal too.
pub(crate) fn markdown(lines: &[Line]) -> String {
    let cells = |line: &Line| {
        [&line.figure, &line.target, &line.cloudapp, &line.baseline, &line.ratio].map(Clone::clone)
    };
    let rows: Vec<[String; 5]> = lines.iter().map(cells).collect();
    let mut widths = HEAD.map(|head| head.chars().count());
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let line = |cells: [&str; 5]| {
        let padded: Vec<String> =
            cells.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        format!("| {} |\n", padded.join(" | "))
    };
    let mut text = line(HEAD);
    text += &format!("|{}\n", widths.map(|width| format!("{}|", "-".repeat(width + 2))).concat());
    for row in &rows {
        text += &line([&row[0], &row[1], &row[2], &row[3], &row[4]]);
    }
    text
}

/// A number with as many digits as say something.
pub(crate) fn number(value: f64) -> String {
    match value.abs() {
        0.0 => "0".to_owned(),
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        size if size >= 0.1 => format!("{value:.2}"),
        size if size >= 0.01 => format!("{value:.3}"),
        _ => format!("{value:.4}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_and_numbers_short() {
        let text = markdown(&[Line::new("a figure", "≤ 2", number(1.234)).against("8").times(8.0, 1.234)]);
        let lengths: Vec<usize> = text.lines().map(|line| line.chars().count()).collect();
        assert_eq!(lengths, [lengths[0]; 3]);
        assert!(text.contains("| a figure | ≤ 2    | 1.23     | 8        | 6.48 × |"), "{text}");
        assert_eq!([1234.5, 12.34, 0.0123, 0.00123].map(number), ["1234", "12.3", "0.012", "0.0012"]);
    }
}
