//! Signing in to RDS or Aurora by IAM: no password anywhere, and TLS that proves the server.

use std::sync::Arc;
use std::time::Duration;

use aws_config::SdkConfig;
use cloudapp_aws::rds::{TOKEN_LIFE, TokenSigner};
use cloudapp_domain::Clock;
use secrecy::{ExposeSecret as _, SecretString};
use sqlx::PgPool;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions, PgSslMode};

use crate::DatabaseError;

/// The roots of RDS; see `certificates/README.md`.
const RDS_ROOTS: &[u8] = include_bytes!("../certificates/rds-roots.pem");
/// How often the token for new connections is replaced: three tries before one ends.
pub(crate) const RENEWAL: Duration = Duration::from_secs(TOKEN_LIFE.as_secs() / 4);

/// How the server of this URL is reached over TLS that proves it: by the roots of RDS, or by the file that the URL
/// names as `sslrootcert`. Whatever the URL says about `sslmode`, the server must prove its name.
///
/// # Errors
/// [`DatabaseError::Url`].
pub fn proven_server(url: &SecretString) -> Result<PgConnectOptions, DatabaseError> {
    let url = url.expose_secret();
    let options: PgConnectOptions = url.parse().map_err(DatabaseError::Url)?;
    let options = options.ssl_mode(PgSslMode::VerifyFull);
    let named = url.contains("sslrootcert=");
    Ok(if named { options } else { options.ssl_root_cert_from_pem(RDS_ROOTS.to_vec()) })
}

/// Opens a pool whose connections sign in by tokens; they are renewed until the pool is closed.
pub(crate) async fn connect(
    settings: PgPoolOptions,
    url: &SecretString,
    aws: &SdkConfig,
    clock: Arc<dyn Clock>,
    renewal: Duration,
) -> Result<PgPool, DatabaseError> {
    let server = proven_server(url)?;
    let signer = TokenSigner::new(aws, server.get_host(), server.get_port(), server.get_username());
    let entry = Entry { server, signer, clock };
    let pool = settings.connect_with(entry.options().await?).await.map_err(DatabaseError::Connect)?;
    tokio::spawn(entry.renew(pool.clone(), renewal));
    Ok(pool)
}

/// What new connections are opened with.
struct Entry {
    server: PgConnectOptions,
    signer: TokenSigner,
    clock: Arc<dyn Clock>,
}

impl Entry {
    async fn options(&self) -> Result<PgConnectOptions, DatabaseError> {
        let token = self.signer.token(self.clock.now().into()).await.map_err(DatabaseError::Token)?;
        Ok(self.server.clone().password(token.expose_secret()))
    }

    async fn renew(self, pool: PgPool, every: Duration) {
        loop {
            tokio::select! {
                () = pool.close_event() => return,
                () = tokio::time::sleep(every) => {}
            }
            match self.options().await {
                Ok(options) => pool.set_connect_options(options),
                Err(error) => tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "the database token was not renewed; it is tried again"
                ),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use aws_config::{BehaviorVersion, Region};
    use cloudapp_domain::ManualClock;
    use cloudapp_postgres::{Cluster, ClusterConfig};
    use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection};

    use super::*;

    #[test]
    fn the_server_must_prove_itself_whatever_the_url_says() {
        for url in ["postgres://provision@h/cloudapp", "postgres://provision@h/cloudapp?sslmode=disable"] {
            let options = proven_server(&url.to_owned().into()).unwrap();
            assert!(matches!(options.get_ssl_mode(), PgSslMode::VerifyFull), "{url}");
        }
        let error = proven_server(&"postgres://secret@:x".to_owned().into()).unwrap_err();
        assert!(!error.to_string().contains("secret"), "{error}");
    }

    #[test]
    fn the_roots_are_certificates() {
        let text = std::str::from_utf8(RDS_ROOTS).unwrap();
        assert_eq!(text.matches("-----BEGIN CERTIFICATE-----").count(), 81);
        assert_eq!(text.matches("# Amazon RDS ").count(), 81);
    }

    fn aws() -> SdkConfig {
        let credentials = cloudapp_aws::rds::fixed_credentials("AKIDEXAMPLE", "secret");
        SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("eu-central-1"))
            .credentials_provider(credentials)
            .build()
    }

    /// Makes the server speak TLS as `127.0.0.1`; returns the certificate that proves it.
    async fn speak_tls(superuser: &mut PgConnection) -> String {
        let key = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
        for (file, text) in [("server.crt", key.cert.pem()), ("server.key", key.signing_key.serialize_pem())]
        {
            // One row per line of the file, which only the server's account may write.
            let rows = format!("select unnest(string_to_array($pem${}$pem$, chr(10)))", text.trim());
            let copy = format!("copy ({rows}) to program 'cat > {file} && chmod 600 {file}'");
            superuser.execute(AssertSqlSafe(copy)).await.unwrap();
        }
        superuser.execute("alter system set ssl = on").await.unwrap();
        superuser.execute("select pg_reload_conf()").await.unwrap();
        key.cert.pem()
    }

    async fn set_password(superuser: &mut PgConnection, token: &SecretString) {
        let statement = format!("alter role provision password '{}'", token.expose_secret());
        superuser.execute(AssertSqlSafe(statement)).await.unwrap();
    }

    /// A role whose password is the token of the moment stands for RDS, which checks the signature instead.
    #[tokio::test]
    async fn connections_are_opened_with_the_token_of_the_moment_over_proven_tls() {
        let folder = tempfile::tempdir().unwrap();
        let config = ClusterConfig { data_dir: folder.path().join("data"), port: None, durable: true };
        let cluster = Cluster::start(config).await.unwrap();
        let mut superuser = PgConnection::connect(&cluster.url()).await.unwrap();
        let root = folder.path().join("root.pem");
        std::fs::write(&root, speak_tls(&mut superuser).await).unwrap();
        superuser.execute("create role provision login").await.unwrap();

        let clock = Arc::new(ManualClock::new(chrono::DateTime::UNIX_EPOCH));
        let signer = TokenSigner::new(&aws(), "127.0.0.1", cluster.port(), "provision");
        let token = async || signer.token(clock.now().into()).await.unwrap();
        set_password(&mut superuser, &token().await).await;
        let open = async |root: Option<&Path>| {
            let root = root.map(|path| format!("?sslrootcert={}", path.display())).unwrap_or_default();
            let url = format!("postgres://provision@127.0.0.1:{}/postgres{root}", cluster.port());
            // A short life, so that every question has a connection of its own.
            let settings = PgPoolOptions::new()
                .max_connections(1)
                .max_lifetime(Duration::from_millis(1))
                .test_before_acquire(false);
            connect(settings, &url.into(), &aws(), clock.clone(), Duration::from_millis(20)).await
        };
        let pool = open(Some(&root)).await.unwrap();
        let over_tls: bool = sqlx::query_scalar("select ssl from pg_stat_ssl where pid = pg_backend_pid()")
            .fetch_one(&pool)
            .await
            .unwrap();
        assert!(over_tls);

        let unproven = open(None).await.unwrap_err();
        assert!(matches!(unproven, DatabaseError::Connect(_)), "no root of RDS signed it: {unproven:?}");

        clock.advance(TOKEN_LIFE);
        set_password(&mut superuser, &token().await).await;
        let renewed = async {
            while sqlx::query("select 1").execute(&pool).await.is_err() {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), renewed).await.expect("the token is renewed");
        pool.close().await;
        superuser.close().await.unwrap();
        cluster.stop().await;
    }
}
