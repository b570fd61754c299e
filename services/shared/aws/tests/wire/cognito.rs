//! Cognito over the wire: what is asked, and what each answer means.

use std::time::Duration;

use cloudapp_aws::cognito::{CognitoError, SignIn, UserPool, UserStatus};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};

use crate::support::Service;

async fn pool() -> (Service, UserPool) {
    let (service, config) = Service::start().await;
    (service, UserPool::new(&config, "us-east-1_pool", "client"))
}

fn secret(text: &str) -> SecretString {
    SecretString::from(text.to_owned())
}

fn tokens() -> Value {
    json!({ "AuthenticationResult": {
        "AccessToken": "access-token", "IdToken": "id-token", "RefreshToken": "refresh-token",
        "ExpiresIn": 300, "TokenType": "Bearer",
    }})
}

fn user(sub: &str) -> Value {
    json!({
        "Username": sub, "Enabled": true, "UserStatus": "FORCE_CHANGE_PASSWORD", "UserCreateDate": 1_767_225_600.5,
        "Attributes": [{ "Name": "sub", "Value": sub }, { "Name": "email", "Value": "ada@example.org" }],
    })
}

#[tokio::test]
async fn signing_in_asks_with_the_password_and_shows_it_nowhere() {
    let (service, pool) = pool().await;
    service.answers(200, &tokens());
    let step = pool.sign_in("ada@example.org", &secret("pass-word")).await.unwrap();
    let [asked] = &service.asked()[..] else { panic!("not one request") };
    assert_eq!(asked.operation, "InitiateAuth");
    assert_eq!(asked.body["AuthFlow"], "USER_PASSWORD_AUTH");
    assert_eq!(asked.body["ClientId"], "client");
    assert_eq!(
        asked.body["AuthParameters"],
        json!({ "USERNAME": "ada@example.org", "PASSWORD": "pass-word" })
    );
    assert!(!asked.headers.contains_key("authorization"), "signing in needs no AWS credentials");
    let shown = format!("{step:?} {pool:?}");
    for hidden in ["access-token", "id-token", "refresh-token", "pass-word"] {
        assert!(!shown.contains(hidden), "{shown}");
    }
    let SignIn::Done(tokens) = step else { panic!("{step:?}") };
    assert_eq!(tokens.access.expose_secret(), "access-token");
    assert_eq!(tokens.expires_in, Duration::from_secs(300));
}

#[tokio::test]
async fn challenges_are_answered_under_the_pools_own_user_name() {
    let (service, pool) = pool().await;
    service.answers(
        200,
        &json!({ "ChallengeName": "NEW_PASSWORD_REQUIRED", "Session": "session-1",
                 "ChallengeParameters": { "USER_ID_FOR_SRP": "sub-1", "requiredAttributes": "[]" } }),
    );
    let step = pool.sign_in("ada@example.org", &secret("temporary")).await.unwrap();
    assert!(!format!("{step:?}").contains("session-1"));
    let SignIn::NewPasswordRequired { session, username } = step else { panic!("{step:?}") };
    service.asked();

    service.answers(
        200,
        &json!({ "ChallengeName": "SOFTWARE_TOKEN_MFA", "Session": "session-2",
                 "ChallengeParameters": { "USER_ID_FOR_SRP": "sub-1" } }),
    );
    let step = pool.new_password(&session, &username, &secret("new-password")).await.unwrap();
    let SignIn::TotpRequired { session, username } = step else { panic!("{step:?}") };
    let asked = service.asked().remove(0);
    assert_eq!(
        (asked.operation.as_str(), &asked.body["Session"]),
        ("RespondToAuthChallenge", &json!("session-1"))
    );
    assert_eq!(
        asked.body["ChallengeResponses"],
        json!({ "USERNAME": "sub-1", "NEW_PASSWORD": "new-password" })
    );

    service.answers(200, &tokens());
    assert!(matches!(pool.totp(&session, &username, &secret("123456")).await, Ok(SignIn::Done(_))));
    let asked = service.asked().remove(0);
    assert_eq!(
        (&asked.body["ChallengeName"], &asked.body["Session"]),
        (&json!("SOFTWARE_TOKEN_MFA"), &json!("session-2"))
    );
    let answers = json!({ "USERNAME": "sub-1", "SOFTWARE_TOKEN_MFA_CODE": "123456" });
    assert_eq!(asked.body["ChallengeResponses"], answers);

    service.answers(200, &json!({ "ChallengeName": "SMS_MFA", "Session": "s" }));
    let other = pool.sign_in("ada@example.org", &secret("x")).await;
    assert!(matches!(other, Err(CognitoError::Refused(_))), "{other:?}");
}

#[tokio::test]
async fn refusals_keep_their_meaning_over_the_wire() {
    let (service, pool) = pool().await;
    service.refuses("NotAuthorizedException", "Incorrect username or password.");
    let error = pool.sign_in("a@b.c", &secret("x")).await.unwrap_err();
    assert!(matches!(error, CognitoError::WrongCredentials), "{error:?}");
    service.refuses("NotAuthorizedException", "User is disabled.");
    let error = pool.sign_in("a@b.c", &secret("x")).await.unwrap_err();
    assert!(matches!(error, CognitoError::Refused(_)), "{error:?}");
    service.refuses("NotAuthorizedException", "Invalid session for the user, session is expired.");
    let error = pool.totp(&secret("s"), "u", &secret("1")).await.unwrap_err();
    assert!(matches!(error, CognitoError::SessionExpired), "{error:?}");
    service.refuses("CodeMismatchException", "Invalid code received for user");
    let error = pool.totp(&secret("s"), "u", &secret("1")).await.unwrap_err();
    assert!(matches!(error, CognitoError::WrongCode), "{error:?}");
    service.refuses(
        "InvalidPasswordException",
        "Password did not conform with policy: Password not long enough",
    );
    let error = pool.new_password(&secret("s"), "u", &secret("x")).await.unwrap_err();
    assert_eq!(error.to_string(), "Password not long enough.");
    service.refuses("NotAuthorizedException", "Refresh Token has been revoked");
    let error = pool.refresh(&secret("r")).await.unwrap_err();
    assert!(matches!(error, CognitoError::SessionExpired), "{error:?}");
    service.refuses("LimitExceededException", "Attempt limit exceeded, please try after some time.");
    let error = pool.forgot_password("a@b.c").await.unwrap_err();
    assert!(matches!(error, CognitoError::TooManyAttempts), "{error:?}");
    service.refuses("UserNotFoundException", "Username/client id combination not found.");
    pool.forgot_password("a@b.c").await.unwrap();
    service.refuses("EnableSoftwareTokenMFAException", "Code mismatch");
    let error = pool.verify_totp(&secret("a"), &secret("000000")).await.unwrap_err();
    assert!(matches!(error, CognitoError::WrongCode), "{error:?}");
    service.answers(200, &json!({ "Status": "ERROR" }));
    let error = pool.verify_totp(&secret("a"), &secret("000000")).await.unwrap_err();
    assert!(matches!(error, CognitoError::WrongCode), "{error:?}");
}

#[tokio::test]
async fn a_broken_cognito_is_asked_again_and_then_unavailable() {
    let (service, pool) = pool().await;
    service.answers_in_turn(&[(500, json!({ "__type": "InternalErrorException" })), (200, tokens())]);
    assert!(pool.sign_in("a@b.c", &secret("x")).await.is_ok());
    assert_eq!(service.asked().len(), 2);
    service.answers(503, &json!({}));
    let error = pool.sign_in("a@b.c", &secret("pass-word")).await.unwrap_err();
    let CognitoError::Unavailable(source) = &error else { panic!("{error:?}") };
    assert!(source.retryable);
    assert_eq!(error.to_string(), "The sign-in service is not available.");
    assert_eq!(service.asked().len(), 3);
    service.answers(200, &json!({ "AuthenticationResult": { "AccessToken": "only-this-one" } }));
    let error = pool.sign_in("a@b.c", &secret("x")).await.unwrap_err();
    assert!(matches!(error, CognitoError::Unavailable(_)), "{error:?}");
    assert!(!format!("{error:?}").contains("only-this-one"));
}

#[tokio::test]
async fn a_refresh_token_that_is_not_replaced_is_kept() {
    let (service, pool) = pool().await;
    let mut answer = tokens();
    answer["AuthenticationResult"].as_object_mut().unwrap().remove("RefreshToken");
    service.answers(200, &answer);
    let tokens = pool.refresh(&secret("long-lived")).await.unwrap();
    assert_eq!(tokens.refresh.expose_secret(), "long-lived");
    assert_eq!(service.asked()[0].body["AuthFlow"], "REFRESH_TOKEN_AUTH");
}

#[tokio::test]
async fn a_new_user_gets_a_shown_password_and_no_mail() {
    let (service, pool) = pool().await;
    service.answers_in_turn(&[(200, json!({ "User": user("sub-1") })), (200, json!({}))]);
    let (made, password) = pool.create_user("ada@example.org", Some("admin")).await.unwrap();
    assert_eq!((made.sub.as_str(), made.status, made.totp_enabled), ("sub-1", UserStatus::Invited, None));
    assert_eq!(made.created_at.map(|at| at.timestamp_millis()), Some(1_767_225_600_500));
    let asked = service.asked();
    let body = &asked[0].body;
    assert_eq!((&body["UserPoolId"], &body["MessageAction"]), (&json!("us-east-1_pool"), &json!("SUPPRESS")));
    assert_eq!(body["TemporaryPassword"], password.expose_secret());
    assert!(
        body["UserAttributes"]
            .as_array()
            .unwrap()
            .contains(&json!({ "Name": "email_verified", "Value": "true" }))
    );
    assert_eq!(asked[1].operation, "AdminAddUserToGroup");
    assert_eq!((&asked[1].body["Username"], &asked[1].body["GroupName"]), (&json!("sub-1"), &json!("admin")));
    assert!(asked[0].headers.contains_key("authorization"), "the directory is for CloudApp's own role");
}

#[tokio::test]
async fn a_user_whose_group_is_missing_is_not_left_behind() {
    let (service, pool) = pool().await;
    let missing = json!({ "__type": "ResourceNotFoundException", "message": "Group not found." });
    service.answers_in_turn(&[(200, json!({ "User": user("sub-1") })), (400, missing), (200, json!({}))]);
    let error = pool.create_user("ada@example.org", Some("nobody")).await.unwrap_err();
    assert!(matches!(error, CognitoError::Refused(_)), "{error:?}");
    let operations: Vec<_> = service.asked().into_iter().map(|asked| asked.operation).collect();
    assert_eq!(operations, ["AdminCreateUser", "AdminAddUserToGroup", "AdminDeleteUser"]);
}

#[tokio::test]
async fn the_directory_is_paged_and_a_missing_user_is_none() {
    let (service, pool) = pool().await;
    service.answers(200, &json!({ "Users": [user("sub-1"), user("sub-2")], "PaginationToken": "next" }));
    let (users, next) = pool.users(Some("here".to_owned()), 200).await.unwrap();
    assert_eq!((users.len(), next.as_deref()), (2, Some("next")));
    let asked = service.asked().remove(0);
    assert_eq!((&asked.body["Limit"], &asked.body["PaginationToken"]), (&json!(60), &json!("here")));

    let mut one = user("sub-1");
    one["UserAttributes"] = one["Attributes"].take();
    one["UserMFASettingList"] = json!(["SOFTWARE_TOKEN_MFA"]);
    service.answers(200, &one);
    let sub = "sub-1".parse().unwrap();
    assert_eq!(pool.user(&sub).await.unwrap().and_then(|user| user.totp_enabled), Some(true));
    service.refuses("UserNotFoundException", "User does not exist.");
    assert_eq!(pool.user(&sub).await.unwrap(), None);
    assert!(matches!(pool.set_enabled(&sub, false).await, Err(CognitoError::UserNotFound)));
    service.answers(200, &json!({ "UserPool": { "Id": "p", "EstimatedNumberOfUsers": 42 } }));
    assert_eq!(pool.count().await.unwrap(), 42);
}
