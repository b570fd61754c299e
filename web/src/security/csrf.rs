//! Protection of writes against forgery by other sites, in two independent ways: the browser must say that the
//! request comes from our own pages, and the form must carry a token that only this session's pages hold.

use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cloudapp_chassis::ApiError;
use cloudapp_contract::ProblemCode;
use hmac::{Hmac, Mac as _};
use http::header::ORIGIN;
use http::{HeaderMap, Method};
use sha2::Sha256;
use subtle::{Choice, ConstantTimeEq as _};
use url::Url;

use crate::app::App;
use crate::session::{SessionKeys, Visit};

/// The form field that carries the token.
pub(crate) const FIELD: &str = "csrf";
/// Forms are small; configurations with files are the largest: 256 KiB.
const FORM_LIMIT: usize = 256 * 1024;

/// Makes and checks form tokens.
pub(crate) struct Csrf {
    keys: Vec<Hmac<Sha256>>,
}

impl std::fmt::Debug for Csrf {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Csrf").finish_non_exhaustive()
    }
}

impl Csrf {
    /// Tokens under keys derived from the session keys, with the same rotation.
    pub(crate) fn new(keys: &SessionKeys) -> Self {
        let derive = |key: &cookie::Key| {
            let mut mac = Hmac::<Sha256>::new_from_slice(key.signing()).ok()?;
            mac.update(b"cloudapp form tokens");
            Hmac::new_from_slice(&mac.finalize().into_bytes()).ok()
        };
        Self { keys: keys.all().iter().filter_map(derive).collect() }
    }

    /// The token for forms of the session or browser `bound_to`.
    pub(crate) fn token(&self, bound_to: &str) -> String {
        self.keys.first().map(|key| Self::sign(key, bound_to)).unwrap_or_default()
    }

    /// Whether `token` is one for `bound_to`. Takes the same time wherever they differ.
    fn is_valid(&self, bound_to: &str, token: &str) -> bool {
        let known = self.keys.iter().map(|key| Self::sign(key, bound_to).as_bytes().ct_eq(token.as_bytes()));
        known.fold(Choice::from(0), |any, one| any | one).into()
    }

    fn sign(key: &Hmac<Sha256>, bound_to: &str) -> String {
        let mut mac = key.clone();
        mac.update(bound_to.as_bytes());
        URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes())
    }
}

/// Refuses every write that is not a form of our own pages, whatever the page behind it does.
pub(crate) async fn protect(State(app): State<App>, request: Request, next: Next) -> Response {
    if matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS) {
        return next.run(request).await;
    }
    match check(&app, request).await {
        Ok(request) => next.run(request).await,
        Err(error) => error.into_response(),
    }
}

async fn check(app: &App, request: Request) -> Result<Request, ApiError> {
    let refused = |why: &'static str| {
        tracing::warn!(why, "write refused");
        let detail =
            "This form did not come from a current CloudApp page. Go back, reload the page and try again.";
        ApiError::new(ProblemCode::Forbidden, detail)
    };
    if !comes_from_us(request.headers(), &app.public_url) {
        return Err(refused("cross-site"));
    }
    let bound_to =
        request.extensions().get::<Visit>().map(|visit| visit.bound_to.clone()).unwrap_or_default();
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, FORM_LIMIT)
        .await
        .map_err(|_| ApiError::new(ProblemCode::TooLarge, "The form is too large: 256 KiB at most."))?;
    let token = form_urlencoded::parse(&body).find(|(name, _)| name == FIELD).map(|(_, value)| value);
    match token {
        Some(token) if app.csrf.is_valid(&bound_to, &token) => {
            Ok(Request::from_parts(parts, Body::from(body)))
        }
        Some(_) => Err(refused("foreign token")),
        None => Err(refused("no token")),
    }
}

/// Whether the browser says that one of our own pages sent this. Browsers without `Sec-Fetch-Site` send `Origin`
/// with every form that is posted.
fn comes_from_us(headers: &HeaderMap, public_url: &Url) -> bool {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    match text("sec-fetch-site") {
        Some(site) => site == "same-origin",
        None => {
            text(ORIGIN.as_str()).is_some_and(|origin| origin == public_url.origin().ascii_serialization())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    #[test]
    fn only_our_own_origin_is_us() {
        let url = Url::parse("https://cloudapp.example/").unwrap();
        assert!(comes_from_us(&headers(&[("sec-fetch-site", "same-origin")]), &url));
        assert!(comes_from_us(&headers(&[("origin", "https://cloudapp.example")]), &url));
        for foreign in [
            &[][..],
            &[("sec-fetch-site", "cross-site")],
            &[("sec-fetch-site", "same-site")],
            &[("sec-fetch-site", "none")],
            &[("sec-fetch-site", "cross-site"), ("origin", "https://cloudapp.example")],
            &[("origin", "http://cloudapp.example")],
            &[("origin", "null")],
        ] {
            assert!(!comes_from_us(&headers(foreign), &url), "{foreign:?}");
        }
    }

    #[test]
    fn a_token_is_good_for_its_session_only() {
        use base64::engine::general_purpose::STANDARD;
        let keys = |seed: u8| SessionKeys::parse(&STANDARD.encode([seed; 64])).unwrap();
        let csrf = Csrf::new(&keys(1));
        let token = csrf.token("session");
        assert!(csrf.is_valid("session", &token));
        assert!(!csrf.is_valid("other", &token));
        assert!(!csrf.is_valid("session", ""));
        assert!(!Csrf::new(&keys(2)).is_valid("session", &token));
    }
}
