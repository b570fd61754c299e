//! `probe`: do these addresses answer? For `helm test` and for scripts: the images hold no other program.

use std::time::Duration;

use cloudapp_chassis::http_client;
use futures::future::try_join_all;
use url::Url;

/// Between two questions to the same address.
const PAUSE: Duration = Duration::from_secs(1);

/// Settings of `probe`.
#[derive(Debug, Clone, clap::Args)]
pub struct ProbeArgs {
    /// Addresses that must answer with success (2xx).
    #[arg(required = true)]
    pub urls: Vec<Url>,
    /// How long each is asked, seconds.
    #[arg(long, default_value_t = 30)]
    pub within_seconds: u64,
}

/// An address did not answer as it must.
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    /// Its last answer was no success.
    #[error("{url} answered {status}")]
    Status {
        /// The address.
        url: Url,
        /// What it answered last.
        status: u16,
    },
    /// It did not answer.
    #[error("{url} does not answer")]
    Silent {
        /// The address.
        url: Url,
        /// What happened last.
        #[source]
        source: reqwest::Error,
    },
    /// The HTTP client cannot be set up.
    #[error("the HTTP client cannot be set up")]
    Client(#[source] reqwest::Error),
}

/// Asks all addresses at the same time, each until it has answered with success once.
///
/// # Errors
/// [`ProbeError`], of the first address whose time is over.
pub async fn probe(args: &ProbeArgs) -> Result<(), ProbeError> {
    let http = http_client::short_calls().map_err(ProbeError::Client)?;
    let within = Duration::from_secs(args.within_seconds);
    try_join_all(args.urls.iter().map(|url| until_answered(&http, url, within))).await?;
    Ok(())
}

async fn until_answered(http: &reqwest::Client, url: &Url, within: Duration) -> Result<(), ProbeError> {
    let end = tokio::time::Instant::now() + within;
    loop {
        let failed = match http.get(url.clone()).send().await {
            Ok(answer) if answer.status().is_success() => {
                tracing::info!(%url, "answers");
                return Ok(());
            }
            Ok(answer) => ProbeError::Status { url: url.clone(), status: answer.status().as_u16() },
            Err(source) => ProbeError::Silent { url: url.clone(), source: source.without_url() },
        };
        if tokio::time::Instant::now() + PAUSE > end {
            return Err(failed);
        }
        tokio::time::sleep(PAUSE).await;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    use axum::Router;
    use axum::http::StatusCode;
    use axum::routing::get;

    use super::*;

    async fn serve(router: Router) -> Url {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/readyz", listener.local_addr().unwrap()).parse().unwrap();
        tokio::spawn(async move { axum::serve(listener, router).await });
        url
    }

    #[tokio::test]
    async fn an_address_is_asked_until_it_answers() {
        let asked = Arc::new(AtomicU32::new(0));
        let counter = Arc::clone(&asked);
        let answer = move || {
            let earlier = counter.fetch_add(1, Ordering::SeqCst);
            async move { if earlier == 0 { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK } }
        };
        let url = serve(Router::new().route("/readyz", get(answer))).await;
        probe(&ProbeArgs { urls: vec![url], within_seconds: 30 }).await.unwrap();
        assert_eq!(asked.load(Ordering::SeqCst), 2);
    }

    #[tokio::test]
    async fn an_address_that_never_does_is_named() {
        let good = serve(Router::new().route("/readyz", get(async || "ready"))).await;
        let bad = serve(Router::new().route("/readyz", get(async || StatusCode::SERVICE_UNAVAILABLE))).await;
        let error = probe(&ProbeArgs { urls: vec![good, bad.clone()], within_seconds: 0 }).await.unwrap_err();
        assert_eq!(error.to_string(), format!("{bad} answered 503"));
        let silent: Url = "http://127.0.0.1:9/readyz".parse().unwrap();
        let error = probe(&ProbeArgs { urls: vec![silent.clone()], within_seconds: 0 }).await.unwrap_err();
        assert_eq!(error.to_string(), format!("{silent} does not answer"));
    }
}
