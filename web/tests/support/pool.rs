use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use chrono::{DateTime, Utc};
use cloudapp_domain::{Clock, UserSub};
use cloudapp_test_issuer::{TestIssuer, TokenSpec};
use cloudapp_web::identity::{
    AccountStatus, Challenge, ChallengeKind, IdentityError, IdentityProvider, NewUser, PoolUser, Profile,
    SignIn, Tokens,
};
use secrecy::{ExposeSecret as _, SecretString};

/// The code that every authenticator shows.
pub const CODE: &str = "123456";
/// The secret that every enrolment is given.
pub const TOTP_SECRET: &str = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP";

/// A user pool in memory. It behaves like Cognito with the pre-token trigger: the group `admin` is withheld from
/// tokens of anyone without a second factor.
pub struct FakePool {
    issuer: TestIssuer,
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    accounts: Vec<Account>,
    /// Refresh token to account and time of sign-in.
    sessions: HashMap<String, (String, DateTime<Utc>)>,
    refreshes: usize,
    issued: usize,
    down: bool,
}

#[derive(Clone)]
struct Account {
    sub: String,
    email: String,
    password: String,
    temporary: bool,
    totp: bool,
    enabled: bool,
    groups: Vec<String>,
    created_at: DateTime<Utc>,
}

impl std::fmt::Debug for FakePool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FakePool").finish_non_exhaustive()
    }
}

impl FakePool {
    pub async fn start(clock: Arc<dyn Clock>) -> Self {
        Self { issuer: TestIssuer::start().await.unwrap(), clock, state: Mutex::default() }
    }

    pub fn issuer(&self) -> &TestIssuer {
        &self.issuer
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// Adds an account with the password `password`.
    pub fn add(&self, email: &str, groups: &[&str], totp: bool) {
        let created_at = self.clock.now();
        let sub = format!("sub-{}", email.split('@').next().unwrap());
        self.state().accounts.push(Account {
            sub,
            email: email.to_owned(),
            password: "password".to_owned(),
            temporary: false,
            totp,
            enabled: true,
            groups: groups.iter().map(|group| (*group).to_owned()).collect(),
            created_at,
        });
    }

    /// Makes the account's password a temporary one.
    pub fn make_temporary(&self, email: &str) {
        self.change(email, |account| account.temporary = true);
    }

    pub fn disable(&self, email: &str) {
        self.change(email, |account| account.enabled = false);
    }

    /// Whether the pool answers.
    pub fn set_down(&self, down: bool) {
        self.state().down = down;
    }

    pub fn refreshes(&self) -> usize {
        self.state().refreshes
    }

    pub fn sessions_of(&self, email: &str) -> usize {
        self.state().sessions.values().filter(|(owner, _)| owner == email).count()
    }

    pub fn emails(&self) -> Vec<String> {
        self.state().accounts.iter().map(|account| account.email.clone()).collect()
    }

    fn change(&self, email: &str, change: impl FnOnce(&mut Account)) {
        let mut state = self.state();
        change(state.accounts.iter_mut().find(|account| account.email == email).unwrap());
    }

    fn find(&self, matches: impl Fn(&Account) -> bool) -> Result<Account, IdentityError> {
        if self.state().down {
            return Err(IdentityError::Unavailable("the fake pool is down".into()));
        }
        self.state()
            .accounts
            .iter()
            .find(|account| matches(account))
            .cloned()
            .ok_or(IdentityError::UserNotFound)
    }

    fn by_access(&self, access: &SecretString) -> Result<Account, IdentityError> {
        // The tests' tokens are real JWTs; the pool reads its own.
        let payload = access.expose_secret().split('.').nth(1).ok_or(IdentityError::SessionExpired)?;
        let payload = base64::Engine::decode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, payload)
            .map_err(|_| IdentityError::SessionExpired)?;
        let claims: serde_json::Value =
            serde_json::from_slice(&payload).map_err(|_| IdentityError::SessionExpired)?;
        self.find(|account| claims["sub"] == account.sub.as_str())
    }

    fn issue(&self, account: &Account, signed_in_at: DateTime<Utc>, refresh: Option<String>) -> Tokens {
        let mut spec = TokenSpec::user(&account.sub).issued_at(self.clock.now());
        spec.auth_time = Some(signed_in_at);
        spec.origin_jti = Some(format!("session-of-{}", account.sub));
        for group in account.groups.iter().filter(|group| *group != "admin" || account.totp) {
            spec = spec.in_group(group);
        }
        Tokens {
            access: self.issuer.token(spec).unwrap().into(),
            refresh: refresh.map(SecretString::from),
            expires_in: Duration::from_secs(300),
        }
    }

    fn begin(&self, account: &Account) -> SignIn {
        let now = self.clock.now();
        let refresh = {
            let mut state = self.state();
            state.issued += 1;
            // As long as Cognito's are, so that the session needs more than one cookie.
            let refresh = format!("refresh-{}-{}", state.issued, "x".repeat(1_800));
            state.sessions.insert(refresh.clone(), (account.email.clone(), now));
            refresh
        };
        SignIn::Done(self.issue(account, now, Some(refresh)))
    }

    fn after_password(&self, account: &Account) -> SignIn {
        let challenge = |kind| {
            SignIn::Challenged(Challenge {
                kind,
                session: account.email.clone(),
                username: account.sub.clone(),
            })
        };
        if account.temporary {
            challenge(ChallengeKind::NewPassword)
        } else if account.totp {
            challenge(ChallengeKind::Totp)
        } else {
            self.begin(account)
        }
    }

    fn listed(account: &Account) -> PoolUser {
        PoolUser {
            sub: account.sub.parse().unwrap(),
            email: account.email.clone(),
            enabled: account.enabled,
            status: if account.temporary { AccountStatus::Invited } else { AccountStatus::Confirmed },
            created_at: Some(account.created_at),
        }
    }
}

#[async_trait::async_trait]
impl IdentityProvider for FakePool {
    async fn sign_in(&self, email: &str, password: &SecretString) -> Result<SignIn, IdentityError> {
        match self.find(|account| account.email == email) {
            Ok(account) if account.enabled && account.password == password.expose_secret() => {
                Ok(self.after_password(&account))
            }
            Ok(_) | Err(IdentityError::UserNotFound) => Err(IdentityError::WrongCredentials),
            Err(error) => Err(error),
        }
    }

    async fn new_password(
        &self,
        challenge: &Challenge,
        password: &SecretString,
    ) -> Result<SignIn, IdentityError> {
        if password.expose_secret().len() < 8 {
            return Err(IdentityError::PasswordRefused("Password not long enough".to_owned()));
        }
        self.change(&challenge.session, |account| {
            account.temporary = false;
            account.password = password.expose_secret().to_owned();
        });
        let account = self.find(|account| account.email == challenge.session)?;
        Ok(self.after_password(&account))
    }

    async fn totp(&self, challenge: &Challenge, code: &str) -> Result<SignIn, IdentityError> {
        if code != CODE {
            return Err(IdentityError::WrongCode);
        }
        Ok(self.begin(&self.find(|account| account.email == challenge.session)?))
    }

    async fn refresh(&self, refresh: &SecretString) -> Result<Tokens, IdentityError> {
        let (email, signed_in_at) = {
            let mut state = self.state();
            if state.down {
                return Err(IdentityError::Unavailable("the fake pool is down".into()));
            }
            state.refreshes += 1;
            state.sessions.get(refresh.expose_secret()).cloned().ok_or(IdentityError::SessionExpired)?
        };
        let account = self.find(|account| account.email == email && account.enabled)?;
        Ok(self.issue(&account, signed_in_at, None))
    }

    async fn revoke(&self, refresh: &SecretString) -> Result<(), IdentityError> {
        self.state().sessions.remove(refresh.expose_secret());
        Ok(())
    }

    async fn global_sign_out(&self, access: &SecretString) -> Result<(), IdentityError> {
        let account = self.by_access(access)?;
        self.sign_out_everywhere(&account.sub.parse().unwrap()).await
    }

    async fn change_password(
        &self,
        access: &SecretString,
        old: &SecretString,
        new: &SecretString,
    ) -> Result<(), IdentityError> {
        let account = self.by_access(access)?;
        if account.password != old.expose_secret() {
            return Err(IdentityError::WrongCredentials);
        }
        self.change(&account.email, |account| account.password = new.expose_secret().to_owned());
        Ok(())
    }

    async fn profile(&self, access: &SecretString) -> Result<Profile, IdentityError> {
        let account = self.by_access(access)?;
        Ok(Profile { sub: account.sub.parse().unwrap(), email: account.email, totp_enabled: account.totp })
    }

    async fn associate_totp(&self, access: &SecretString) -> Result<SecretString, IdentityError> {
        self.by_access(access)?;
        Ok(TOTP_SECRET.into())
    }

    async fn enable_totp(&self, access: &SecretString, code: &str) -> Result<(), IdentityError> {
        let account = self.by_access(access)?;
        if code != CODE {
            return Err(IdentityError::WrongCode);
        }
        self.change(&account.email, |account| account.totp = true);
        Ok(())
    }

    async fn users(&self, cursor: Option<String>) -> Result<(Vec<PoolUser>, Option<String>), IdentityError> {
        const PAGE: usize = 10;
        let start: usize = cursor.and_then(|cursor| cursor.parse().ok()).unwrap_or(0);
        let state = self.state();
        let page = state.accounts.iter().skip(start).take(PAGE).map(Self::listed).collect();
        let next = (state.accounts.len() > start + PAGE).then(|| (start + PAGE).to_string());
        Ok((page, next))
    }

    async fn user(&self, sub: &UserSub) -> Result<Option<PoolUser>, IdentityError> {
        Ok(self.find(|account| account.sub == sub.as_str()).ok().as_ref().map(Self::listed))
    }

    async fn count_enabled(&self) -> Result<u64, IdentityError> {
        Ok(self.state().accounts.iter().filter(|account| account.enabled).count() as u64)
    }

    async fn groups_of(&self, sub: &UserSub) -> Result<Vec<String>, IdentityError> {
        Ok(self.find(|account| account.sub == sub.as_str())?.groups)
    }

    async fn create_user(&self, email: &str, group: Option<&str>) -> Result<NewUser, IdentityError> {
        if self.find(|account| account.email == email).is_ok() {
            return Err(IdentityError::UserExists);
        }
        self.add(email, group.as_slice(), false);
        self.make_temporary(email);
        let account = self.find(|account| account.email == email)?;
        Ok(NewUser { user: Self::listed(&account), temporary_password: account.password.into() })
    }

    async fn set_enabled(&self, sub: &UserSub, enabled: bool) -> Result<(), IdentityError> {
        let account = self.find(|account| account.sub == sub.as_str())?;
        self.change(&account.email, |account| account.enabled = enabled);
        Ok(())
    }

    async fn sign_out_everywhere(&self, sub: &UserSub) -> Result<(), IdentityError> {
        let account = self.find(|account| account.sub == sub.as_str())?;
        self.state().sessions.retain(|_, (email, _)| *email != account.email);
        Ok(())
    }

    async fn delete_user(&self, sub: &UserSub) -> Result<(), IdentityError> {
        self.state().accounts.retain(|account| account.sub != sub.as_str());
        Ok(())
    }
}
