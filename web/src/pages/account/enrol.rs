//! Setting up a second factor: QR code, first code, and a fresh start of all sessions.

use askama::Template;
use axum::extract::{Form, State};
use axum::response::{IntoResponse as _, Response};
use cloudapp_chassis::ApiError;
use cloudapp_chassis::error::Chain;
use cloudapp_contract::ProblemCode;
use cloudapp_contract::revocation::Revoke;
use http::{HeaderMap, StatusCode};
use qrcode::render::svg;
use qrcode::{EcLevel, QrCode};
use secrecy::ExposeSecret as _;
use serde::Deserialize;

use crate::app::App;
use crate::identity::IdentityError;
use crate::pages::notice::Notice;
use crate::pages::problem::pool_error;
use crate::pages::sign_in::digits;
use crate::pages::{Section, Shell, User, redirect_with};
use crate::security::LocalPath;

#[derive(Template, askama_web::WebTemplate)]
#[template(path = "account/enrol.html")]
struct EnrolPage {
    shell: Shell,
    /// An `<svg>` element made here.
    qr: String,
    /// The secret, for typing: base32.
    secret: String,
    next: String,
    error: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct BeginForm {
    #[serde(default)]
    next: String,
}

#[derive(Deserialize)]
pub(super) struct VerifyForm {
    #[serde(default)]
    code: String,
    /// The secret that the page showed, so that it can show the same again after a wrong code.
    #[serde(default)]
    secret: String,
    #[serde(default)]
    next: String,
}

pub(super) async fn begin(
    State(app): State<App>,
    user: User,
    Form(form): Form<BeginForm>,
) -> Result<Response, ApiError> {
    let secret =
        app.identity.associate_totp(&user.session.access).await.map_err(|error| pool_error(&error))?;
    page(&user, secret.expose_secret(), &LocalPath::or_home(&form.next), None)
}

pub(super) async fn verify(
    State(app): State<App>,
    user: User,
    headers: HeaderMap,
    Form(form): Form<VerifyForm>,
) -> Result<Response, ApiError> {
    let next = LocalPath::or_home(&form.next);
    match app.identity.enable_totp(&user.session.access, &digits(&form.code)).await {
        Ok(()) => {
            end_all_sessions(&app, &user).await;
            let to = Notice::TOTP_ENABLED.on(&next.as_next_of("/sign-in"));
            Ok(redirect_with(&to, app.sessions.end(&headers)))
        }
        Err(IdentityError::WrongCode) => {
            let error = "This code is wrong. Check that your device's clock is right and try the next code.";
            page(&user, &form.secret, &next, Some(error.to_owned()))
        }
        Err(error) => Err(pool_error(&error)),
    }
}

/// From now on only sign-ins with the second factor count. The services first: they need a token that is good.
async fn end_all_sessions(app: &App, user: &User) {
    let revoke = Revoke { subject: user.caller.sub.to_string() };
    if let Err(error) = app.backend.provision(user.token()).revoke(&revoke).await {
        tracing::warn!(error = %Chain(&error), "an enrolment could not be told to provision-instance");
    }
    if let Err(error) = app.identity.global_sign_out(&user.session.access).await {
        tracing::warn!(error = %Chain(&error), "sessions could not be ended after an enrolment");
    }
}

fn page(user: &User, secret: &str, next: &LocalPath, error: Option<String>) -> Result<Response, ApiError> {
    let secret: String = secret.chars().filter(char::is_ascii_alphanumeric).take(128).collect();
    let qr = qr_code(&otpauth_uri(&user.session.email, &secret))
        .ok_or_else(|| ApiError::new(ProblemCode::Internal, "The QR code could not be drawn."))?;
    let status = if error.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    let shell = Shell::of(user, Section::Account);
    let page = EnrolPage { shell, qr, secret: grouped(&secret), next: next.as_str().to_owned(), error };
    Ok((status, page).into_response())
}

/// What authenticators read: `otpauth://totp/CloudApp:{email}?secret=…&issuer=CloudApp`.
fn otpauth_uri(email: &str, secret: &str) -> String {
    let label: String = form_urlencoded::byte_serialize(email.as_bytes()).collect();
    format!("otpauth://totp/CloudApp:{label}?secret={secret}&issuer=CloudApp")
}

fn qr_code(uri: &str) -> Option<String> {
    let code = QrCode::with_error_correction_level(uri, EcLevel::M).ok()?;
    let drawn = code
        .render::<svg::Color<'_>>()
        .min_dimensions(200, 200)
        .dark_color(svg::Color("#000000"))
        .light_color(svg::Color("#ffffff"))
        .build();
    // Inside a page there is no room for an XML declaration.
    drawn.find("<svg").and_then(|start| drawn.get(start..)).map(str::to_owned)
}

/// In groups of four, for people who type.
fn grouped(secret: &str) -> String {
    let letters: Vec<char> = secret.chars().collect();
    letters.chunks(4).map(|group| group.iter().collect::<String>()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn authenticators_can_read_the_code() {
        assert_eq!(
            otpauth_uri("a+b@example.com", "ABCD"),
            "otpauth://totp/CloudApp:a%2Bb%40example.com?secret=ABCD&issuer=CloudApp"
        );
        assert!(qr_code(&otpauth_uri("a@example.com", &"A".repeat(52))).unwrap().starts_with("<svg"));
        assert_eq!(grouped("ABCDEFGHIJ"), "ABCD EFGH IJ");
    }
}
