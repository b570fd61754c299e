//! The auth Lambda: one mail to the admins per new user, whenever and however often the user signs in.

use cloudapp_tests::{Person, Stack, demo, eventually};
use serde_json::Value;

/// How many mails to the admins name this person.
async fn mails_about(stack: &Stack, sub: &str) -> usize {
    let url = stack.endpoints.aws.join("/_cloudapp/mail").expect("an address");
    let mails: Vec<Value> = reqwest::get(url).await.expect("the mail").json().await.expect("a list");
    let new_user = |mail: &&Value| {
        let text = mail["body"].as_str().unwrap_or_default();
        text.contains(sub) && mail["subject"].as_str().unwrap_or_default().contains("user")
    };
    mails.iter().filter(new_user).count()
}

#[tokio::test]
async fn the_admins_are_told_once_about_a_new_user() {
    let stack = demo().await;
    let person = Person::new(stack, "newcomer").await;
    eventually("the admins are told", 1, async || mails_about(stack, &person.sub).await).await;
    for _ in 0..5 {
        person.sign_in_again(stack).await;
    }
    assert_eq!(mails_about(stack, &person.sub).await, 1, "once, however often the user signs in");
}
