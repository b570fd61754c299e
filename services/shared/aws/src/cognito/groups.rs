use cloudapp_domain::UserSub;

use super::error::{About, from_sdk};
use super::{CognitoError, UserPool};

impl UserPool {
    /// Puts a user into a group; being in it already is fine. Tokens say so from the next sign-in or refresh on.
    ///
    /// # Errors
    /// [`CognitoError`].
    pub async fn add_to_group(&self, sub: &UserSub, group: &str) -> Result<(), CognitoError> {
        self.client
            .admin_add_user_to_group()
            .user_pool_id(&self.pool_id)
            .username(sub.as_str())
            .group_name(group)
            .send()
            .await
            .map(drop)
            .map_err(|error| from_sdk(About::Directory, "cognito:AdminAddUserToGroup", error))
    }

    /// Takes a user out of a group; not being in it is fine.
    ///
    /// # Errors
    /// [`CognitoError`].
    pub async fn remove_from_group(&self, sub: &UserSub, group: &str) -> Result<(), CognitoError> {
        self.client
            .admin_remove_user_from_group()
            .user_pool_id(&self.pool_id)
            .username(sub.as_str())
            .group_name(group)
            .send()
            .await
            .map(drop)
            .map_err(|error| from_sdk(About::Directory, "cognito:AdminRemoveUserFromGroup", error))
    }

    /// The names of all groups a user is in.
    ///
    /// # Errors
    /// [`CognitoError`].
    pub async fn groups_of(&self, sub: &UserSub) -> Result<Vec<String>, CognitoError> {
        let mut pages = self
            .client
            .admin_list_groups_for_user()
            .user_pool_id(&self.pool_id)
            .username(sub.as_str())
            .into_paginator()
            .send();
        let mut names = Vec::new();
        while let Some(page) = pages.next().await {
            let page =
                page.map_err(|error| from_sdk(About::Directory, "cognito:AdminListGroupsForUser", error))?;
            names.extend(page.groups().iter().filter_map(|group| group.group_name().map(str::to_owned)));
        }
        Ok(names)
    }
}
