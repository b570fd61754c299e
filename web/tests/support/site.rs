use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cloudapp_chassis::health::AlwaysReady;
use cloudapp_chassis::token::TokenVerifier;
use cloudapp_chassis::{http_client, telemetry};
use cloudapp_domain::Clock;
use cloudapp_web::{App, Backend, BackendArgs, Contacts, Parts, SessionKeys};
use http::header::{COOKIE, LOCATION, SET_COOKIE};
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::BodyExt as _;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

use super::pool::{CODE, FakePool};
use super::services::FakeServices;

pub const PUBLIC_URL: &str = "http://127.0.0.1:8080";

/// The web tier and everything behind it.
pub struct Site {
    pub router: Router,
    pub pool: Arc<FakePool>,
    pub services: FakeServices,
}

impl Site {
    pub async fn start(clock: Arc<dyn Clock>) -> Self {
        Self::start_with(clock, PUBLIC_URL, &[1]).await
    }

    /// With a public URL and session keys (a byte each, the first one seals).
    pub async fn start_with(clock: Arc<dyn Clock>, public_url: &str, keys: &[u8]) -> Self {
        let pool = Arc::new(FakePool::start(Arc::clone(&clock)).await);
        let services = FakeServices::new(Arc::clone(&clock));
        let router = assemble(clock, &pool, &services, public_url, keys).await;
        Self { router, pool, services }
    }

    pub fn browser(&self) -> Browser {
        Browser { router: self.router.clone(), cookies: BTreeMap::new() }
    }

    /// A browser signed in with password and, where the account has one, second factor.
    pub async fn signed_in(&self, email: &str) -> Browser {
        let mut browser = self.browser();
        browser.sign_in(email).await;
        browser
    }
}

/// The web tier in front of these fakes.
pub async fn assemble(
    clock: Arc<dyn Clock>,
    pool: &Arc<FakePool>,
    services: &FakeServices,
    public_url: &str,
    keys: &[u8],
) -> Router {
    let url = services.serve().await;
    let http = http_client::short_calls().unwrap();
    let backend = BackendArgs {
        configure_url: url.clone(),
        provision_url: url.clone(),
        stats_url: url.clone(),
        gateway_url: url,
    };
    let keys: Vec<String> = keys.iter().map(|seed| STANDARD.encode([*seed; 64])).collect();
    let verifier = TokenVerifier::new(pool.issuer().token_args(), http.clone(), Arc::clone(&clock));
    let app = App::new(Parts {
        identity: Arc::clone(pool) as _,
        backend: Backend::new(&backend, &http, &http_client::streams().unwrap()),
        contacts: Contacts { admin_email: Some("admins@example.com".to_owned()), operator_email: None },
        verifier: Arc::new(verifier),
        clock,
        keys: SessionKeys::parse(&keys.join(",")).unwrap(),
        public_url: public_url.parse().unwrap(),
        shutdown: CancellationToken::new(),
    });
    cloudapp_web::router(app, Arc::new(AlwaysReady), telemetry::init_metrics().unwrap())
}

/// What came back.
pub struct Page {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub text: String,
}

impl Page {
    pub fn location(&self) -> &str {
        self.headers.get(LOCATION).map_or("", |value| value.to_str().unwrap())
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The first form token of the page.
    pub fn csrf(&self) -> String {
        let rest = self.text.split("name=\"csrf\" value=\"").nth(1).expect("the page has no form");
        rest.split('"').next().unwrap().to_owned()
    }

    #[track_caller]
    pub fn shows(&self, text: &str) -> &Self {
        assert!(self.text.contains(text), "`{text}` is not on the page ({}):\n{}", self.status, self.text);
        self
    }

    #[track_caller]
    pub fn hides(&self, text: &str) -> &Self {
        assert!(!self.text.contains(text), "`{text}` is on the page");
        self
    }
}

/// Keeps cookies and sends what browsers send.
#[derive(Clone)]
pub struct Browser {
    pub router: Router,
    pub cookies: BTreeMap<String, String>,
}

impl Browser {
    pub async fn get(&mut self, path: &str) -> Page {
        self.send(Request::get(path).body(Body::empty()).unwrap()).await
    }

    /// Opens `page`, then posts a form with that page's token.
    pub async fn submit(&mut self, page: &str, path: &str, fields: &[(&str, &str)]) -> Page {
        let csrf = self.get(page).await.csrf();
        let mut all = vec![("csrf", csrf.as_str())];
        all.extend_from_slice(fields);
        self.post(path, &all).await
    }

    /// Posts a form as one of our own pages would.
    pub async fn post(&mut self, path: &str, fields: &[(&str, &str)]) -> Page {
        self.post_from("same-origin", path, fields).await
    }

    pub async fn post_from(&mut self, site: &str, path: &str, fields: &[(&str, &str)]) -> Page {
        let body: String = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        let request = Request::builder()
            .method(Method::POST)
            .uri(path)
            .header("content-type", "application/x-www-form-urlencoded")
            .header("sec-fetch-site", site)
            .body(Body::from(body))
            .unwrap();
        self.send(request).await
    }

    pub async fn sign_in(&mut self, email: &str) {
        let page = self.submit("/sign-in", "/sign-in", &[("email", email), ("password", "password")]).await;
        if page.location() == "/sign-in/code" {
            self.submit("/sign-in/code", "/sign-in/code", &[("code", CODE)]).await;
        }
        assert!(self.cookies.keys().any(|name| name.ends_with("cloudapp")), "{email} could not sign in");
    }

    pub async fn send(&mut self, mut request: Request<Body>) -> Page {
        let cookies: Vec<String> =
            self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        if !cookies.is_empty() {
            request.headers_mut().insert(COOKIE, cookies.join("; ").parse().unwrap());
        }
        let response = self.router.clone().oneshot(request).await.unwrap();
        for cookie in response.headers().get_all(SET_COOKIE) {
            let text = cookie.to_str().unwrap();
            let (name, value) = text.split(';').next().unwrap().split_once('=').unwrap();
            if text.contains("Max-Age=0") {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        Page { status: parts.status, headers: parts.headers, text }
    }
}
