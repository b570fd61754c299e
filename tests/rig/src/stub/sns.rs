//! SNS: topics keep what was published.

use std::collections::BTreeMap;

use http::header::CONTENT_TYPE;

use axum::response::IntoResponse as _;

use super::{Answered, Shared, locked, unknown};

/// Subject and body.
pub(super) type Notice = (String, String);

pub(super) fn answer(shared: &Shared, body: &[u8]) -> Answered {
    let form: BTreeMap<String, String> = form_urlencoded::parse(body).into_owned().collect();
    let value = |name: &str| form.get(name).cloned().unwrap_or_default();
    let action = value("Action");
    let result = match action.as_str() {
        "Publish" => {
            locked(&shared.notices).push((value("Subject"), value("Message")));
            "<MessageId>00000000-0000-0000-0000-000000000000</MessageId>".to_owned()
        }
        "PublishBatch" => {
            let mut taken = String::new();
            for number in 1..=10 {
                let entry = format!("PublishBatchRequestEntries.member.{number}");
                let Some(id) = form.get(&format!("{entry}.Id")) else { break };
                let (subject, body) =
                    (value(&format!("{entry}.Subject")), value(&format!("{entry}.Message")));
                locked(&shared.notices).push((subject, body));
                // Ids are letters, digits, `-` and `_`: nothing to escape.
                taken += &format!("<member><Id>{id}</Id><MessageId>m{number}</MessageId></member>");
            }
            format!("<Successful>{taken}</Successful><Failed/>")
        }
        _ => return unknown(&format!("sns:{action}")),
    };
    let xml = format!(
        "<{action}Response xmlns=\"http://sns.amazonaws.com/doc/2010-03-31/\"><{action}Result>{result}\
         </{action}Result><ResponseMetadata><RequestId>r</RequestId></ResponseMetadata></{action}Response>"
    );
    (format!("sns:{action}"), ([(CONTENT_TYPE, "text/xml")], xml).into_response())
}
