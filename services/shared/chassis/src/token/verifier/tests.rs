use std::sync::Arc;

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::KeyPair as _;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cloudapp_domain::ManualClock;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::*;

/// An issuer on a free port, with one key.
struct Issuer {
    key: EncodingKey,
    url: Url,
}

const NOW: i64 = 1_790_000_000;

impl Issuer {
    async fn start() -> Self {
        let pair = KeyPair::generate(KeySize::Rsa2048).unwrap();
        let public = pair.public_key();
        let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let jwks = json!({ "keys": [{
            "kty": "RSA", "alg": "RS256", "use": "sig", "kid": "one",
            "n": encode(public.modulus().big_endian_without_leading_zero()),
            "e": encode(public.exponent().big_endian_without_leading_zero()),
        }]});
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = Url::parse(&format!("http://{}/jwks.json", listener.local_addr().unwrap())).unwrap();
        let routes =
            axum::Router::new().route("/jwks.json", axum::routing::get(async move || axum::Json(jwks)));
        tokio::spawn(async move { axum::serve(listener, routes).await });
        let der = AsDer::<Pkcs8V1Der<'_>>::as_der(&pair).unwrap();
        let pem = rcgen_pem(der.as_ref());
        Self { key: EncodingKey::from_rsa_pem(pem.as_bytes()).unwrap(), url }
    }

    fn token(&self, change: impl FnOnce(&mut Value), header: &Header) -> String {
        let mut claims = json!({
            "sub": "11111111-2222-3333-4444-555555555555", "iss": "https://issuer", "client_id": "client",
            "token_use": "access", "exp": NOW + 300, "iat": NOW, "auth_time": NOW - 60,
            "cognito:groups": ["admin"], "origin_jti": "session",
        });
        change(&mut claims);
        jsonwebtoken::encode(header, &claims, &self.key).unwrap()
    }

    fn verifier(&self) -> TokenVerifier {
        let args = TokenArgs {
            issuer: "https://issuer".to_owned(),
            jwks_url: self.url.clone(),
            client_id: "client".to_owned(),
        };
        let clock = ManualClock::new(DateTime::from_timestamp(NOW, 0).unwrap());
        TokenVerifier::new(args, crate::http_client::short_calls().unwrap(), Arc::new(clock))
    }
}

fn rcgen_pem(der: &[u8]) -> String {
    let body = base64::engine::general_purpose::STANDARD.encode(der);
    let lines: Vec<&str> =
        body.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
    format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", lines.join("\n"))
}

fn signed_by_one() -> Header {
    Header { kid: Some("one".to_owned()), ..Header::new(Algorithm::RS256) }
}

#[tokio::test]
async fn a_current_access_token_names_its_caller() {
    let issuer = Issuer::start().await;
    let caller = issuer.verifier().verify(&issuer.token(|_| (), &signed_by_one())).await.unwrap();
    assert_eq!(caller.sub.as_str(), "11111111-2222-3333-4444-555555555555");
    assert!(caller.is_admin());
    assert!(caller.is_fresh(DateTime::from_timestamp(NOW + 600, 0).unwrap()));
    assert!(!caller.is_fresh(DateTime::from_timestamp(NOW + 900, 0).unwrap()));
    assert!(!format!("{caller:?}").contains("eyJ"), "the token must not be printed");
}

#[tokio::test]
async fn everything_else_is_refused() {
    let issuer = Issuer::start().await;
    let stranger = Issuer::start().await;
    let changed =
        |field: &'static str, value: Value| issuer.token(|claims| claims[field] = value, &signed_by_one());
    let refused = [
        ("expired", changed("exp", json!(NOW - 31))),
        ("from the future", changed("iat", json!(NOW + 31))),
        ("wrong issuer", changed("iss", json!("https://elsewhere"))),
        ("id token", changed("token_use", json!("id"))),
        ("wrong client", changed("client_id", json!("other"))),
        ("no subject", changed("sub", json!(""))),
        ("unknown key", issuer.token(|_| (), &Header { kid: Some("two".to_owned()), ..signed_by_one() })),
        ("no key id", issuer.token(|_| (), &Header::new(Algorithm::RS256))),
        ("somebody else's key", stranger.token(|_| (), &signed_by_one())),
        ("rubbish", "a.b.c".to_owned()),
        ("alg none", {
            let token = issuer.token(|_| (), &signed_by_one());
            let rest = token.split_once('.').unwrap().1;
            format!("{}.{rest}", URL_SAFE_NO_PAD.encode(r#"{"alg":"none","kid":"one"}"#))
        }),
    ];
    let verifier = issuer.verifier();
    for (what, token) in refused {
        assert!(matches!(verifier.verify(&token).await, Err(TokenError::Refused(_))), "{what}");
    }
}
