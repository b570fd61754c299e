//! The adapters of `cloudapp-aws` against the whole local AWS. What a test needs there it makes itself, under names of
//! its own.

use std::time::Duration;

use aws_config::SdkConfig;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1, UnparsedPublicKey};
use aws_sdk_athena::types::{ResultConfiguration, WorkGroupConfiguration};
use aws_sdk_cognitoidentityprovider::types::{
    ExplicitAuthFlowsType, SoftwareTokenMfaConfigType, UserPoolMfaType, UsernameAttributeType,
};
use aws_sdk_sqs::types::QueueAttributeName;
use bytes::Bytes;
use cloudapp_aws::athena::{QueryError, Workgroup};
use cloudapp_aws::cognito::{CognitoError, SignIn, Tokens, UserPool, UserStatus};
use cloudapp_aws::kms::SigningKey;
use cloudapp_aws::s3::{Bucket, Placed};
use cloudapp_aws::sns::Topic;
use cloudapp_aws::sqs::Queue;
use cloudapp_tests::{demo, next_totp_code, totp_code};
use secrecy::{ExposeSecret, SecretString};

async fn emulator() -> SdkConfig {
    cloudapp_aws::config::emulator(demo().await.endpoints.aws.as_str(), "us-east-1").await
}

fn name(of: &str) -> String {
    format!("cloudapp-test-{of}-{:08x}", rand::random::<u32>())
}

#[tokio::test]
async fn s3_keeps_what_was_there_first() {
    let config = emulator().await;
    let bucket_name = name("bucket");
    let config_s3 = aws_sdk_s3::config::Builder::from(&config).force_path_style(true).build();
    aws_sdk_s3::Client::from_conf(config_s3).create_bucket().bucket(&bucket_name).send().await.unwrap();

    let bucket = Bucket::new(&config, &bucket_name);
    let put = async |body: &'static str| {
        bucket.put_if_absent("first-seen/a b", Bytes::from_static(body.as_bytes()), "text/plain").await
    };
    assert_eq!(put("one").await.unwrap(), Placed::Created);
    assert_eq!(put("two").await.unwrap(), Placed::AlreadyThere);
    assert_eq!(bucket.get("first-seen/a b").await.unwrap().as_deref(), Some(&b"one"[..]));
    bucket.put("first-seen/a b", Bytes::from_static(b"three"), "text/plain").await.unwrap();
    bucket.put("other", Bytes::new(), "text/plain").await.unwrap();
    assert_eq!(bucket.get("first-seen/a b").await.unwrap().as_deref(), Some(&b"three"[..]));
    assert_eq!(bucket.list("first-seen/").await.unwrap(), ["first-seen/a b"]);
    bucket.delete("first-seen/a b").await.unwrap();
    bucket.delete("first-seen/a b").await.unwrap();
    assert_eq!(bucket.get("first-seen/a b").await.unwrap(), None);
    let missing =
        Bucket::new(&config, name("missing")).put("k", Bytes::new(), "text/plain").await.unwrap_err();
    assert_eq!(missing.code.as_deref(), Some("NoSuchBucket"));
}

#[tokio::test]
async fn a_notice_goes_from_topic_to_queue() {
    let config = emulator().await;
    let sqs = aws_sdk_sqs::Client::new(&config);
    let url = sqs.create_queue().queue_name(name("queue")).send().await.unwrap().queue_url.unwrap();
    let attributes = sqs
        .get_queue_attributes()
        .queue_url(&url)
        .attribute_names(QueueAttributeName::QueueArn)
        .send()
        .await
        .unwrap();
    let queue_arn = attributes.attributes.unwrap().into_values().next().unwrap();
    let sns = aws_sdk_sns::Client::new(&config);
    let arn = sns.create_topic().name(name("topic")).send().await.unwrap().topic_arn.unwrap();
    let policy = format!(
        r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Principal":{{"Service":"sns.amazonaws.com"}},
        "Action":"sqs:SendMessage","Resource":"{queue_arn}","Condition":{{"ArnEquals":{{"aws:SourceArn":"{arn}"}}}}}}]}}"#
    );
    sqs.set_queue_attributes()
        .queue_url(&url)
        .attributes(QueueAttributeName::Policy, policy)
        .send()
        .await
        .unwrap();
    sns.subscribe().topic_arn(&arn).protocol("sqs").endpoint(queue_arn).send().await.unwrap();

    let queue = Queue::new(&config, &url);
    assert_eq!(queue.receive(10, 0).await.unwrap(), []);
    queue.send("{\"n\":1}").await.unwrap();
    Topic::new(&config, &arn).publish("A machine\nfailed", "details").await.unwrap();
    let mut bodies = Vec::new();
    let mut receipts = Vec::new();
    while bodies.len() < 2 {
        let received = queue.receive(10, 5).await.unwrap();
        assert!(!received.is_empty(), "only {bodies:?} came");
        for message in received {
            assert_eq!(message.receive_count, 1);
            bodies.push(message.body);
            receipts.push(message.receipt);
        }
    }
    assert!(bodies.contains(&"{\"n\":1}".to_owned()));
    assert!(
        bodies.iter().any(|body| body.contains("A machine failed") && body.contains("details")),
        "{bodies:?}"
    );
    queue.delete(&receipts).await.unwrap();
    assert!(Queue::new(&config, format!("{url}-missing")).send("x").await.is_err());
}

#[tokio::test]
async fn a_kms_signature_verifies() {
    let config = emulator().await;
    let made = aws_sdk_kms::Client::new(&config)
        .create_key()
        .key_spec(aws_sdk_kms::types::KeySpec::EccNistP256)
        .key_usage(aws_sdk_kms::types::KeyUsageType::SignVerify)
        .send()
        .await
        .unwrap();
    let key = SigningKey::new(&config, made.key_metadata.unwrap().key_id);
    let public = key.public_key().await.unwrap();
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, b"to be signed");
    let signature = key.sign_digest(digest.as_ref().try_into().unwrap()).await.unwrap();
    UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, public).verify(b"to be signed", &signature).unwrap();
}

#[tokio::test]
async fn athena_answers_and_explains() {
    let config = emulator().await;
    let results = name("results");
    let config_s3 = aws_sdk_s3::config::Builder::from(&config).force_path_style(true).build();
    aws_sdk_s3::Client::from_conf(config_s3).create_bucket().bucket(&results).send().await.unwrap();
    let group = name("workgroup");
    let location = ResultConfiguration::builder().output_location(format!("s3://{results}/")).build();
    aws_sdk_athena::Client::new(&config)
        .create_work_group()
        .name(&group)
        .configuration(WorkGroupConfiguration::builder().result_configuration(location).build())
        .send()
        .await
        .unwrap();
    let workgroup = Workgroup::new(&config, &group, "default");
    let minute = Duration::from_secs(60);
    let found = workgroup
        .query("select n, nullif(n, 2) as m from (values (1), (2), (3)) as t(n) order by n", &[], minute)
        .await
        .unwrap();
    assert_eq!(found.columns, ["n", "m"]);
    let text = |n: i32| Some(n.to_string());
    assert_eq!(found.rows, [[text(1), text(1)], [text(2), None], [text(3), text(3)]]);
    let many = workgroup.query("select n from unnest(sequence(1, 1500)) as t(n)", &[], minute).await.unwrap();
    assert_eq!(many.rows.len(), 1500);
    let failed = workgroup.query("select nothing from nowhere", &[], minute).await.unwrap_err();
    assert!(matches!(failed, QueryError::Failed(_)), "{failed:?}");
}

async fn pool(config: &SdkConfig) -> UserPool {
    let cognito = aws_sdk_cognitoidentityprovider::Client::new(config);
    let made = cognito
        .create_user_pool()
        .pool_name(name("pool"))
        .username_attributes(UsernameAttributeType::Email)
        .send()
        .await
        .unwrap();
    let pool_id = made.user_pool.unwrap().id.unwrap();
    cognito
        .set_user_pool_mfa_config()
        .user_pool_id(&pool_id)
        .software_token_mfa_configuration(SoftwareTokenMfaConfigType::builder().enabled(true).build())
        .mfa_configuration(UserPoolMfaType::Optional)
        .send()
        .await
        .unwrap();
    let client = cognito
        .create_user_pool_client()
        .user_pool_id(&pool_id)
        .client_name("web")
        .explicit_auth_flows(ExplicitAuthFlowsType::AllowUserPasswordAuth)
        .explicit_auth_flows(ExplicitAuthFlowsType::AllowRefreshTokenAuth)
        .send()
        .await
        .unwrap();
    cognito.create_group().user_pool_id(&pool_id).group_name("admin").send().await.unwrap();
    UserPool::new(config, pool_id, client.user_pool_client.unwrap().client_id.unwrap())
}

fn secret(text: &str) -> SecretString {
    SecretString::from(text.to_owned())
}

fn done(step: SignIn) -> Tokens {
    match step {
        SignIn::Done(tokens) => tokens,
        other => panic!("not signed in: {other:?}"),
    }
}

#[tokio::test]
async fn a_persons_whole_life_in_cognito() {
    let config = emulator().await;
    let pool = pool(&config).await;
    let email = "ada@example.org";

    // An admin invites her.
    let (ada, temporary) = pool.create_user(email, Some("admin")).await.unwrap();
    assert_eq!((ada.email.as_str(), ada.enabled, ada.status), (email, true, UserStatus::Invited));
    assert!(matches!(pool.create_user(email, None).await, Err(CognitoError::UserExists)));
    assert_eq!(pool.groups_of(&ada.sub).await.unwrap(), ["admin"]);
    let refused = pool.create_user("eve@example.org", Some("no-such-group")).await;
    assert!(matches!(refused, Err(CognitoError::Refused(_))), "{refused:?}");
    let (users, next) = pool.users(None, 60).await.unwrap();
    assert_eq!((users.len(), next), (1, None), "{users:?}");
    assert_eq!(users[0].sub, ada.sub);

    // She signs in for the first time and chooses a password.
    let wrong = pool.sign_in(email, &secret("Wrong-Pa55word")).await;
    assert!(matches!(wrong, Err(CognitoError::WrongCredentials)), "{wrong:?}");
    let unknown = pool.sign_in("nobody@example.org", &secret("Wrong-Pa55word")).await;
    assert!(matches!(unknown, Err(CognitoError::WrongCredentials)), "{unknown:?}");
    let first = pool.sign_in(email, &temporary).await.unwrap();
    let SignIn::NewPasswordRequired { session, username } = first else { panic!("{first:?}") };
    let password = secret("Correct-Horse-9");
    let tokens = done(pool.new_password(&session, &username, &password).await.unwrap());
    let profile = pool.profile(&tokens.access).await.unwrap();
    assert_eq!((&profile.sub, profile.email.as_str(), profile.totp_enabled), (&ada.sub, email, false));

    // She changes the password.
    let newer = secret("Correct-Horse-10");
    let not_hers = pool.change_password(&tokens.access, &secret("Wrong-Pa55word"), &newer).await;
    assert!(matches!(not_hers, Err(CognitoError::WrongCredentials)), "{not_hers:?}");
    let weak = pool.change_password(&tokens.access, &password, &secret("short")).await;
    assert!(matches!(weak, Err(CognitoError::PasswordRefused(_))), "{weak:?}");
    pool.change_password(&tokens.access, &password, &newer).await.unwrap();

    // She enrols an authenticator app.
    let shared = pool.associate_totp(&tokens.access).await.unwrap();
    let wrong = pool.verify_totp(&tokens.access, &secret("000000")).await;
    assert!(matches!(wrong, Err(CognitoError::WrongCode)), "{wrong:?}");
    pool.verify_totp(&tokens.access, &secret(&totp_code(shared.expose_secret()))).await.unwrap();
    pool.prefer_totp(&tokens.access).await.unwrap();
    assert!(pool.profile(&tokens.access).await.unwrap().totp_enabled);
    assert_eq!(pool.user(&ada.sub).await.unwrap().and_then(|user| user.totp_enabled), Some(true));
    let step = pool.sign_in(email, &newer).await.unwrap();
    let SignIn::TotpRequired { session, username } = step else { panic!("{step:?}") };
    let wrong = pool.totp(&session, &username, &secret("000000")).await;
    assert!(matches!(wrong, Err(CognitoError::WrongCode | CognitoError::SessionExpired)), "{wrong:?}");
    let step = pool.sign_in(email, &newer).await.unwrap();
    let SignIn::TotpRequired { session, username } = step else { panic!("{step:?}") };
    let early = tokens;
    let next = secret(&next_totp_code(shared.expose_secret()));
    let tokens = done(pool.totp(&session, &username, &next).await.unwrap());

    // Her session goes on, and ends.
    let refreshed = pool.refresh(&tokens.refresh).await.unwrap();
    assert!(refreshed.expires_in > Duration::ZERO);
    assert!(matches!(pool.refresh(&secret("junk")).await, Err(CognitoError::SessionExpired)));
    pool.revoke(&early.refresh).await.unwrap();
    assert!(matches!(pool.refresh(&early.refresh).await, Err(CognitoError::SessionExpired)));
    pool.global_sign_out(&tokens.access).await.unwrap();
    let after = pool.refresh(&tokens.refresh).await;
    assert!(matches!(after, Err(CognitoError::SessionExpired)), "{after:?}");

    // Nobody learns by mail whether she has an account.
    pool.forgot_password("nobody@example.org").await.unwrap();
    pool.forgot_password(email).await.unwrap();
    let wrong = pool.confirm_forgot_password(email, &secret("000000"), &password).await;
    assert!(matches!(wrong, Err(CognitoError::WrongCode)), "{wrong:?}");

    // An admin takes it all back.
    pool.remove_from_group(&ada.sub, "admin").await.unwrap();
    assert!(pool.groups_of(&ada.sub).await.unwrap().is_empty());
    pool.set_enabled(&ada.sub, false).await.unwrap();
    pool.user_global_sign_out(&ada.sub).await.unwrap();
    let disabled = pool.sign_in(email, &newer).await;
    assert!(matches!(disabled, Err(CognitoError::Refused(_))), "{disabled:?}");
    pool.set_enabled(&ada.sub, true).await.unwrap();
    assert_eq!(pool.count().await.unwrap(), 1);
    pool.delete_user(&ada.sub).await.unwrap();
    assert_eq!(pool.user(&ada.sub).await.unwrap(), None);
    assert!(matches!(pool.delete_user(&ada.sub).await, Err(CognitoError::UserNotFound)));
}
