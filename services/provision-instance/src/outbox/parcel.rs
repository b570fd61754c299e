//! Which messages leave together.

use super::Topic;
use super::relay::Due;
use crate::ports::{Letter, Notice};

/// SQS and SNS take at most this many messages in one call.
const MESSAGES: usize = 10;

/// What one call carries.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Parcel {
    Login(Vec<Letter>),
    Admin(Vec<Notice>),
}

/// Packs messages for their topics, each parcel with the messages in it, in the same order.
pub(super) fn parcels(due: Vec<Due>) -> Vec<(Parcel, Vec<Due>)> {
    let (logins, notices): (Vec<Due>, Vec<Due>) =
        due.into_iter().partition(|message| message.is(Topic::Login));
    let login = |messages: &[Due]| Parcel::Login(messages.iter().map(letter).collect());
    let admin = |messages: &[Due]| Parcel::Admin(messages.iter().map(notice).collect());
    let logins = logins.chunks(MESSAGES).map(|messages| (login(messages), messages.to_vec()));
    logins.chain(notices.chunks(MESSAGES).map(|messages| (admin(messages), messages.to_vec()))).collect()
}

fn letter(message: &Due) -> Letter {
    Letter { body: message.payload.to_string(), trace: message.trace() }
}

fn notice(message: &Due) -> Notice {
    let text =
        |name| message.payload.get(name).and_then(serde_json::Value::as_str).unwrap_or_default().to_owned();
    Notice { subject: text("subject"), body: text("body") }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use cloudapp_domain::{EventId, SystemClock};
    use serde_json::json;

    use super::*;

    fn due(number: usize, topic: Topic) -> Due {
        Due {
            id: EventId::new(&SystemClock).as_uuid(),
            topic: topic.as_str().to_owned(),
            payload: json!({ "subject": "s", "body": number.to_string() }),
            tries: 1,
            trace_parent: None,
        }
    }

    #[test]
    fn parcels_are_full_keep_topics_apart_and_leave_nothing_out() {
        let due: Vec<Due> = (0..30)
            .map(|number| due(number, if number % 3 == 0 { Topic::Admin } else { Topic::Login }))
            .collect();
        let parcels = parcels(due.clone());
        let sizes: Vec<_> = parcels.iter().map(|(_, messages)| messages.len()).collect();
        assert_eq!(sizes, [10, 10, 10]);
        let ids: BTreeSet<_> = parcels.iter().flat_map(|(_, messages)| messages).map(|due| due.id).collect();
        assert_eq!(ids, due.iter().map(|due| due.id).collect());
        for (parcel, messages) in &parcels {
            match parcel {
                Parcel::Login(letters) => {
                    assert_eq!(*letters, messages.iter().map(letter).collect::<Vec<_>>());
                }
                Parcel::Admin(notices) => {
                    assert!(messages.iter().all(|due| due.is(Topic::Admin)));
                    assert_eq!(*notices, messages.iter().map(notice).collect::<Vec<_>>());
                }
            }
        }
    }
}
