use aws_sdk_cognitoidentityprovider::error::ProvideErrorMetadata;
use aws_sdk_cognitoidentityprovider::types::{
    AttributeType, MessageActionType, UserPoolType, UserStatusType, UserType,
};
use chrono::{DateTime, Utc};
use cloudapp_domain::UserSub;
use rand::Rng;
use rand::seq::SliceRandom;
use secrecy::{ExposeSecret, SecretString};

use super::error::{About, from_sdk};
use super::sign_in::unreadable;
use super::{CognitoError, UserPool, attribute, has_totp, secret};

/// Cognito lists at most this many users in a page.
const LARGEST_PAGE: u8 = 60;
/// Characters of a temporary password: about 120 bits.
const PASSWORD: usize = 20;
/// One of each is in every temporary password, so that it fits any policy. Without look-alikes.
const CHARACTERS: [&[u8]; 4] =
    [b"ABCDEFGHJKLMNPQRSTUVWXYZ", b"abcdefghijkmnopqrstuvwxyz", b"23456789", b"!#%+:=?@"];

/// How far an account has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UserStatus {
    /// Has chosen a password.
    Confirmed,
    /// Has a temporary password and has not signed in yet.
    Invited,
    /// Must reset the password.
    ResetRequired,
    /// Anything else Cognito knows.
    Other,
}

/// One user in the directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PoolUser {
    /// Who they are.
    pub sub: UserSub,
    /// Their e-mail address.
    pub email: String,
    /// Whether they may sign in.
    pub enabled: bool,
    /// How far the account has come.
    pub status: UserStatus,
    /// Since when there has been the account.
    pub created_at: Option<DateTime<Utc>>,
    /// Whether signing in asks for an authenticator app's code; a list does not tell.
    pub totp_enabled: Option<bool>,
}

/// A page of the directory: users, and the cursor of the next page if there is one.
pub type UserPage = (Vec<PoolUser>, Option<String>);

impl UserPool {
    /// A page of up to `limit` users (at most 60), from the beginning or after a page's cursor.
    ///
    /// # Errors
    /// [`CognitoError`].
    pub async fn users(&self, cursor: Option<String>, limit: u8) -> Result<UserPage, CognitoError> {
        const OPERATION: &str = "cognito:ListUsers";
        let page = self
            .client
            .list_users()
            .user_pool_id(&self.pool_id)
            .limit(limit.clamp(1, LARGEST_PAGE).into())
            .set_pagination_token(cursor)
            .send()
            .await
            .map_err(|error| from_sdk(About::Directory, OPERATION, error))?;
        let users = page.users().iter().map(|user| listed(OPERATION, user)).collect::<Result<_, _>>()?;
        Ok((users, page.pagination_token))
    }

    /// About how many users there are.
    ///
    /// # Errors
    /// [`CognitoError`].
    pub async fn count(&self) -> Result<u32, CognitoError> {
        let reply = self
            .client
            .describe_user_pool()
            .user_pool_id(&self.pool_id)
            .send()
            .await
            .map_err(|error| from_sdk(About::SignIn, "cognito:DescribeUserPool", error))?;
        let count = reply.user_pool().map_or(0, UserPoolType::estimated_number_of_users);
        Ok(u32::try_from(count).unwrap_or(0))
    }

    /// One user; none if there is no such user.
    ///
    /// # Errors
    /// [`CognitoError`].
    pub async fn user(&self, sub: &UserSub) -> Result<Option<PoolUser>, CognitoError> {
        const OPERATION: &str = "cognito:AdminGetUser";
        let reply =
            self.client.admin_get_user().user_pool_id(&self.pool_id).username(sub.as_str()).send().await;
        let user = match reply {
            Ok(user) => user,
            Err(error) if error.code() == Some("UserNotFoundException") => return Ok(None),
            Err(error) => return Err(from_sdk(About::Directory, OPERATION, error)),
        };
        let attributes = user.user_attributes();
        Ok(Some(PoolUser {
            sub: sub_of(OPERATION, attributes, Some(user.username()))?,
            email: attribute(attributes, "email").unwrap_or_default().to_owned(),
            enabled: user.enabled,
            status: status(user.user_status()),
            created_at: user.user_create_date().and_then(utc),
            totp_enabled: Some(has_totp(user.user_mfa_setting_list())),
        }))
    }

    /// Makes a user with a temporary password, which is shown to the admin instead of being mailed, and puts them
    /// into a group. Where the group cannot be, the user is removed again.
    ///
    /// # Errors
    /// [`CognitoError`]; [`CognitoError::UserExists`] also when an earlier try's reply was lost.
    pub async fn create_user(
        &self,
        email: &str,
        group: Option<&str>,
    ) -> Result<(PoolUser, SecretString), CognitoError> {
        let password = temporary_password(&mut rand::rng());
        let user = self.create(email, &password).await?;
        if let Some(group) = group
            && let Err(error) = self.add_to_group(&user.sub, group).await
        {
            self.delete_user(&user.sub).await?;
            return Err(error);
        }
        Ok((user, password))
    }

    async fn create(&self, email: &str, password: &SecretString) -> Result<PoolUser, CognitoError> {
        const OPERATION: &str = "cognito:AdminCreateUser";
        let reply = self
            .client
            .admin_create_user()
            .user_pool_id(&self.pool_id)
            .username(email)
            .temporary_password(password.expose_secret())
            .message_action(MessageActionType::Suppress)
            .set_user_attributes(Some(vec![
                attribute_type(OPERATION, "email", email)?,
                attribute_type(OPERATION, "email_verified", "true")?,
            ]))
            .send()
            .await
            .map_err(|error| from_sdk(About::Directory, OPERATION, error))?;
        listed(OPERATION, reply.user().ok_or_else(|| unreadable(OPERATION, "no user"))?)
    }

    /// Removes a user for good.
    ///
    /// # Errors
    /// [`CognitoError`].
    pub async fn delete_user(&self, sub: &UserSub) -> Result<(), CognitoError> {
        self.client
            .admin_delete_user()
            .user_pool_id(&self.pool_id)
            .username(sub.as_str())
            .send()
            .await
            .map(drop)
            .map_err(|error| from_sdk(About::Directory, "cognito:AdminDeleteUser", error))
    }

    /// Allows or forbids a user to sign in; sessions that are open go on until [`Self::user_global_sign_out`].
    ///
    /// # Errors
    /// [`CognitoError`].
    pub async fn set_enabled(&self, sub: &UserSub, enabled: bool) -> Result<(), CognitoError> {
        if enabled {
            let call = self.client.admin_enable_user().user_pool_id(&self.pool_id).username(sub.as_str());
            let reply = call.send().await.map(drop);
            reply.map_err(|error| from_sdk(About::Directory, "cognito:AdminEnableUser", error))
        } else {
            let call = self.client.admin_disable_user().user_pool_id(&self.pool_id).username(sub.as_str());
            let reply = call.send().await.map(drop);
            reply.map_err(|error| from_sdk(About::Directory, "cognito:AdminDisableUser", error))
        }
    }

    /// Ends all of a user's sessions.
    ///
    /// # Errors
    /// [`CognitoError`].
    pub async fn user_global_sign_out(&self, sub: &UserSub) -> Result<(), CognitoError> {
        self.client
            .admin_user_global_sign_out()
            .user_pool_id(&self.pool_id)
            .username(sub.as_str())
            .send()
            .await
            .map(drop)
            .map_err(|error| from_sdk(About::Directory, "cognito:AdminUserGlobalSignOut", error))
    }
}

fn listed(operation: &'static str, user: &UserType) -> Result<PoolUser, CognitoError> {
    let attributes = user.attributes();
    Ok(PoolUser {
        sub: sub_of(operation, attributes, user.username())?,
        email: attribute(attributes, "email").unwrap_or_default().to_owned(),
        enabled: user.enabled,
        status: status(user.user_status()),
        created_at: user.user_create_date().and_then(utc),
        totp_enabled: None,
    })
}

fn sub_of(
    operation: &'static str,
    attributes: &[AttributeType],
    username: Option<&str>,
) -> Result<UserSub, CognitoError> {
    attribute(attributes, "sub")
        .or(username)
        .and_then(|sub| sub.parse().ok())
        .ok_or_else(|| unreadable(operation, "a user without a sub"))
}

const fn status(status: Option<&UserStatusType>) -> UserStatus {
    match status {
        Some(UserStatusType::Confirmed) => UserStatus::Confirmed,
        Some(UserStatusType::ForceChangePassword) => UserStatus::Invited,
        Some(UserStatusType::ResetRequired) => UserStatus::ResetRequired,
        _ => UserStatus::Other,
    }
}

fn utc(at: &aws_smithy_types::DateTime) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp(at.secs(), at.subsec_nanos())
}

fn attribute_type(operation: &'static str, name: &str, value: &str) -> Result<AttributeType, CognitoError> {
    let built = AttributeType::builder().name(name).value(value).build();
    built.map_err(|_| unreadable(operation, "an attribute without a name"))
}

fn temporary_password(random: &mut impl Rng) -> SecretString {
    let all: Vec<u8> = CHARACTERS.concat();
    let mut password: Vec<u8> =
        CHARACTERS.iter().map(|kind| kind[random.random_range(0..kind.len())]).collect();
    password.extend((CHARACTERS.len()..PASSWORD).map(|_| all[random.random_range(0..all.len())]));
    password.shuffle(random);
    secret(password.into_iter().map(char::from).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn temporary_passwords_fit_every_policy_and_differ() {
        let mut seen = std::collections::HashSet::new();
        for _ in 0..200 {
            let password = temporary_password(&mut rand::rng());
            let text = password.expose_secret();
            assert_eq!(text.len(), PASSWORD);
            for kind in CHARACTERS {
                assert!(text.bytes().any(|byte| kind.contains(&byte)), "{text}");
            }
            assert!(seen.insert(text.to_owned()));
        }
    }

    #[test]
    fn a_user_without_a_sub_is_an_error() {
        assert!(listed("x", &UserType::builder().build()).is_err());
        let named = UserType::builder().username("5f0b").enabled(true).build();
        assert_eq!(listed("x", &named).map(|user| user.sub.to_string()).ok().as_deref(), Some("5f0b"));
    }
}
