use cloudapp_aws::cognito::{SignIn, UserPool};
use cloudapp_contract::client::{ConfigureClient, GatewayClient, ProvisionClient, StatsClient, Transport};
use secrecy::{ExposeSecret as _, SecretString};

use crate::{Stack, totp_code};

/// Somebody who has signed in, with a client for every API.
#[derive(Debug)]
pub struct Person {
    /// Sign-in name.
    pub email: String,
    /// Password.
    pub password: String,
    /// Cognito's name of the person.
    pub sub: String,
    token: SecretString,
    configure: Transport,
    provision: Transport,
    stats: Transport,
    gateway: Transport,
}

impl Person {
    /// A new user with a chosen password, signed in.
    ///
    /// # Panics
    /// If the pool refuses.
    pub async fn new(stack: &Stack, name: &str) -> Self {
        let pool = pool(stack).await;
        let email = format!("{name}-{}@example.com", uuid_tail());
        let (user, temporary) = pool.create_user(&email, Some("user")).await.expect("a new user");
        let password = format!("Bb2-{}", uuid_tail());
        let signed_in = pool.sign_in(&email, &temporary).await.expect("the temporary password");
        let SignIn::NewPasswordRequired { session, username } = signed_in else {
            panic!("a new user must choose a password")
        };
        let chosen = SecretString::from(password.clone());
        let SignIn::Done(tokens) = pool.new_password(&session, &username, &chosen).await.expect("a password")
        else {
            panic!("a user without a second factor is signed in now")
        };
        Self::with_token(stack, email, password, user.sub.to_string(), tokens.access)
    }

    /// The demo admin, signed in with the second factor.
    ///
    /// # Panics
    /// If the pool refuses.
    pub async fn admin(stack: &Stack) -> Self {
        let user = stack.demo_user("admin");
        let pool = pool(stack).await;
        let secret = user.totp_secret.as_deref().expect("the admin has a second factor");
        // A code is good once (RFC 6238, 5.2): when another test has used this one, the next is waited for.
        let tokens = crate::eventually_some("the admin signs in", async || {
            let password = SecretString::from(user.password.clone());
            let signed_in = pool.sign_in(&user.email, &password).await.expect("the admin's password");
            let SignIn::TotpRequired { session, username } = signed_in else {
                panic!("an admin must give a second factor")
            };
            match pool.totp(&session, &username, &totp_code(secret).into()).await {
                Ok(SignIn::Done(tokens)) => Some(tokens),
                _ => None,
            }
        })
        .await;
        Self::with_token(stack, user.email.clone(), user.password.clone(), user.sub.clone(), tokens.access)
    }

    /// The same person at a CloudApp that has been started again.
    ///
    /// # Panics
    /// If the pool no longer knows them.
    pub async fn back_in(&self, stack: &Stack) -> Self {
        let password = SecretString::from(self.password.clone());
        let Ok(SignIn::Done(tokens)) = pool(stack).await.sign_in(&self.email, &password).await else {
            panic!("{} is no longer known", self.email)
        };
        Self::with_token(stack, self.email.clone(), self.password.clone(), self.sub.clone(), tokens.access)
    }

    /// Signs in once more, with the password.
    ///
    /// # Panics
    /// If the pool refuses.
    pub async fn sign_in_again(&self, stack: &Stack) {
        let password = SecretString::from(self.password.clone());
        let signed_in = pool(stack).await.sign_in(&self.email, &password).await;
        assert!(matches!(signed_in, Ok(SignIn::Done(_))), "{signed_in:?}");
    }

    fn with_token(stack: &Stack, email: String, password: String, sub: String, token: SecretString) -> Self {
        let http = cloudapp_chassis::http_client::streams().expect("an HTTP client");
        let transport = |url: &url::Url| Transport::new(http.clone(), url.clone());
        Self {
            email,
            password,
            sub,
            token,
            configure: transport(&stack.endpoints.configure_instance),
            provision: transport(&stack.endpoints.provision_instance),
            stats: transport(&stack.endpoints.view_stats),
            gateway: transport(&stack.endpoints.api_gateway),
        }
    }

    /// The access token.
    #[must_use]
    pub fn token(&self) -> &str {
        self.token.expose_secret()
    }

    /// configure-instance.
    #[must_use]
    pub fn configure(&self) -> ConfigureClient<'_> {
        ConfigureClient::new(&self.configure, self.token())
    }

    /// provision-instance.
    #[must_use]
    pub fn provision(&self) -> ProvisionClient<'_> {
        ProvisionClient::new(&self.provision, self.token())
    }

    /// view-stats.
    #[must_use]
    pub fn stats(&self) -> StatsClient<'_> {
        StatsClient::new(&self.stats, self.token())
    }

    /// API Gateway.
    #[must_use]
    pub fn gateway(&self) -> GatewayClient<'_> {
        GatewayClient::new(&self.gateway, self.token())
    }
}

/// A new user who has never signed in: e-mail and temporary password.
///
/// # Panics
/// If the pool refuses.
pub async fn new_account(stack: &Stack, name: &str) -> (String, String) {
    account(stack, name, "user").await
}

/// A new admin who has never signed in and has no second factor yet: e-mail and temporary password.
///
/// # Panics
/// If the pool refuses.
pub async fn new_admin_account(stack: &Stack, name: &str) -> (String, String) {
    account(stack, name, "admin").await
}

async fn account(stack: &Stack, name: &str, group: &str) -> (String, String) {
    let email = format!("{name}-{}@example.com", uuid_tail());
    let (_, temporary) = pool(stack).await.create_user(&email, Some(group)).await.expect("a new user");
    (email, temporary.expose_secret().to_owned())
}

async fn pool(stack: &Stack) -> UserPool {
    let config = cloudapp_aws::config::emulator(stack.endpoints.aws.as_str(), "us-east-1").await;
    UserPool::new(&config, &stack.endpoints.cognito.user_pool_id, &stack.endpoints.cognito.client_id)
}

fn uuid_tail() -> String {
    let id = cloudapp_domain::EventId::new(&cloudapp_domain::SystemClock).to_string();
    id.chars().rev().take(12).collect()
}
