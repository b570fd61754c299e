//! The same figures as JSON or CSV, as `Accept` asks.

use axum::extract::FromRequestParts;
use axum::response::{IntoResponse as _, Response};
use cloudapp_contract::stats::Stats;
use http::header::{ACCEPT, CONTENT_DISPOSITION, CONTENT_TYPE, VARY};
use http::request::Parts;
use http::{HeaderName, HeaderValue};
use serde::Serialize;

use crate::csv;
use crate::queries::Figure;

/// How an answer is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    Json,
    Csv,
}

impl Format {
    /// CSV if it is asked for by name and not liked less than JSON (RFC 9110, section 12.5.1).
    fn accepted(accept: &str) -> Self {
        let quality = |wanted: &[&str]| {
            accept
                .split(',')
                .filter_map(|range| {
                    let mut parts = range.split(';').map(str::trim);
                    let name =
                        parts.next().filter(|name| wanted.iter().any(|w| name.eq_ignore_ascii_case(w)))?;
                    let q = parts.find_map(|parameter| parameter.strip_prefix("q="));
                    (!name.is_empty()).then(|| q.map_or(1.0, |q| q.parse().unwrap_or(0.0)))
                })
                .fold(0.0_f32, f32::max)
        };
        let csv = quality(&["text/csv"]);
        if csv > 0.0 && csv >= quality(&["application/json"]) { Self::Csv } else { Self::Json }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Format {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        let accept = parts.headers.get(ACCEPT).and_then(|value| value.to_str().ok());
        Ok(accept.map_or(Self::Json, Self::accepted))
    }
}

/// Writes the figures. CSV has no place for how old they are, so headers say it.
pub(crate) fn write<F: Figure + Serialize>(name: &str, stats: &Stats<F>, format: Format) -> Response {
    let mut response = match format {
        Format::Json => axum::Json(stats).into_response(),
        Format::Csv => csv::document(F::HEADER, stats.rows.iter().map(Figure::cells)).into_response(),
    };
    let headers = response.headers_mut();
    headers.insert(VARY, HeaderValue::from_static("accept"));
    if format == Format::Csv {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/csv; charset=utf-8; header=present"));
        headers.insert("x-stale", HeaderValue::from_static(if stats.stale { "true" } else { "false" }));
        let file = format!("attachment; filename=\"{name}_{}_{}.csv\"", stats.from, stats.to);
        // Digits, letters and punctuation of ASCII: always valid in a header.
        headers.extend(HeaderValue::from_str(&file).map(|value| (CONTENT_DISPOSITION, value)));
        headers.extend(
            HeaderValue::from_str(&stats.as_of.to_rfc3339())
                .map(|value| (HeaderName::from_static("x-as-of"), value)),
        );
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn csv_only_for_those_who_ask() {
        for accept in
            ["text/csv", "Text/CSV; q=0.5", "text/csv, */*;q=0.1", "application/json;q=0.5, text/csv;q=0.9"]
        {
            assert_eq!(Format::accepted(accept), Format::Csv, "{accept}");
        }
        for accept in
            ["", "*/*", "text/*", "application/json", "text/csv;q=0", "application/json, text/csv;q=0.9"]
        {
            assert_eq!(Format::accepted(accept), Format::Json, "{accept}");
        }
    }
}
