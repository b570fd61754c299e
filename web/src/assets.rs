//! Static files: inside the binary, served under names that carry a hash of their content.

use std::collections::HashMap;
use std::sync::LazyLock;

use axum::extract::Path;
use axum::response::{IntoResponse, Response};
use cloudapp_chassis::ApiError;
use http::HeaderValue;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use rust_embed::RustEmbed;

/// The files of `assets/`.
#[derive(RustEmbed)]
#[folder = "assets"]
struct Files;

/// Where static files are served.
const BASE: &str = "/assets/";
/// How much of the hash goes into the name: 64 bits.
const HASH_BYTES: usize = 8;

struct Index {
    /// File name to URL path.
    urls: HashMap<String, String>,
    /// Hashed name to file name.
    files: HashMap<String, String>,
}

static INDEX: LazyLock<Index> = LazyLock::new(|| {
    let mut index = Index { urls: HashMap::new(), files: HashMap::new() };
    for name in Files::iter() {
        let Some(file) = Files::get(&name) else { continue };
        let hash: String =
            file.metadata.sha256_hash().iter().take(HASH_BYTES).map(|byte| format!("{byte:02x}")).collect();
        let hashed = match name.rsplit_once('.') {
            Some((stem, extension)) => format!("{stem}.{hash}.{extension}"),
            None => format!("{name}.{hash}"),
        };
        index.urls.insert(name.to_string(), format!("{BASE}{hashed}"));
        index.files.insert(hashed, name.to_string());
    }
    index
});

/// The URL path of a file of `assets/`; the base folder for a name that is not there.
pub(crate) fn url(name: &str) -> &'static str {
    INDEX.urls.get(name).map_or(BASE, String::as_str)
}

/// `GET /assets/{name}`: only hashed names are served, so that they may be kept for ever.
pub(crate) async fn serve(Path(hashed): Path<String>) -> Result<Response, ApiError> {
    let name = INDEX.files.get(&hashed).ok_or_else(|| ApiError::not_found("file"))?;
    let file = Files::get(name).ok_or_else(|| ApiError::not_found("file"))?;
    let content_type = HeaderValue::from_static(content_type(name));
    let forever = HeaderValue::from_static("public, max-age=31536000, immutable");
    Ok(([(CONTENT_TYPE, content_type), (CACHE_CONTROL, forever)], file.data).into_response())
}

fn content_type(name: &str) -> &'static str {
    match name.rsplit_once('.').map(|(_, extension)| extension) {
        Some("css") => "text/css; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("svg") => "image/svg+xml",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_hashed_names_are_served() {
        let path = url("app.css");
        let hashed = path.strip_prefix(BASE).unwrap();
        let response = serve(Path(hashed.to_owned())).await.unwrap();
        assert_eq!(response.headers()[CONTENT_TYPE], "text/css; charset=utf-8");
        assert!(response.headers()[CACHE_CONTROL].to_str().unwrap().contains("immutable"));
        for wrong in ["app.css", "app.0000000000000000.css", "../Cargo.toml"] {
            assert!(serve(Path(wrong.to_owned())).await.is_err(), "{wrong}");
        }
    }
}
