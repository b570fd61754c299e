//! S3, SQS, KMS and Athena over the wire: what is asked, and how a failure looks.

use std::time::Duration;

use bytes::Bytes;
use cloudapp_aws::athena::{QueryError, Workgroup, text};
use cloudapp_aws::kms::SigningKey;
use cloudapp_aws::s3::{Bucket, Placed};
use cloudapp_aws::sns::Topic;
use cloudapp_aws::sqs::{Outgoing, Queue};
use cloudapp_trace::TraceContext;
use serde_json::{Value, json};

use crate::support::Service;

#[tokio::test]
async fn a_conditional_put_asks_for_no_object_and_a_412_is_an_answer() {
    let (service, config) = Service::start().await;
    let bucket = Bucket::new(&config, "bucket");
    service.answers_text(200, "");
    assert_eq!(
        bucket.put_if_absent("a/b", Bytes::from_static(b"x"), "text/plain").await.unwrap(),
        Placed::Created
    );
    let asked = service.asked().remove(0);
    assert!(asked.path.starts_with("/bucket/a/b"), "{}", asked.path);
    assert_eq!(asked.headers["if-none-match"], "*");
    assert_eq!(asked.headers["content-type"], "text/plain");

    let refusal = |code: &str| format!("<Error><Code>{code}</Code><Message>m</Message></Error>");
    service.answers_text(412, &refusal("PreconditionFailed"));
    let again = bucket.put_if_absent("a/b", Bytes::from_static(b"x"), "text/plain").await.unwrap();
    assert_eq!(again, Placed::AlreadyThere);
    service.answers_text(409, &refusal("ConditionalRequestConflict"));
    let error = bucket.put_if_absent("a/b", Bytes::from_static(b"x"), "text/plain").await.unwrap_err();
    assert!(error.retryable, "{error:?}");
    service.answers_text(404, &refusal("NoSuchKey"));
    assert_eq!(bucket.get("a/b").await.unwrap(), None);
    service.answers_text(403, &refusal("AccessDenied"));
    let error = bucket.get("a/b").await.unwrap_err();
    assert_eq!(
        (error.to_string().as_str(), error.retryable),
        ("s3:GetObject failed with AccessDenied", false)
    );
}

#[tokio::test]
async fn a_queue_waits_as_long_as_asked_and_tells_a_failed_deletion() {
    let (service, config) = Service::start().await;
    let queue = Queue::new(&config, "http://queue.test/000000000000/login");
    service.answers(
        200,
        &json!({ "Messages": [{ "MessageId": "m", "ReceiptHandle": "r", "Body": "{}",
                                "Attributes": { "ApproximateReceiveCount": "4" } }] }),
    );
    let received = queue.receive(50, 90).await.unwrap();
    assert_eq!((received[0].receive_count, received[0].receipt.as_str()), (4, "r"));
    let asked = service.asked().remove(0);
    assert_eq!(
        (&asked.body["MaxNumberOfMessages"], &asked.body["WaitTimeSeconds"]),
        (&json!(10), &json!(20))
    );

    let receipts: Vec<String> = (0..12).map(|n| n.to_string()).collect();
    service.answers(200, &json!({ "Successful": [], "Failed": [] }));
    queue.delete(&receipts).await.unwrap();
    let sizes: Vec<_> =
        service.asked().iter().map(|asked| asked.body["Entries"].as_array().map(Vec::len)).collect();
    assert_eq!(sizes, [Some(10), Some(2)]);
    let failed = json!([{ "Id": "0", "SenderFault": true, "Code": "ReceiptHandleIsInvalid" }]);
    service.answers(200, &json!({ "Successful": [], "Failed": failed }));
    let error = queue.delete(&receipts[..1]).await.unwrap_err();
    assert_eq!((error.code.as_deref(), error.retryable), (Some("ReceiptHandleIsInvalid"), false));
}

#[tokio::test]
async fn a_digest_is_signed_as_a_digest() {
    let (service, config) = Service::start().await;
    service.answers(200, &json!({ "Signature": "MAA=" }));
    let signature = SigningKey::new(&config, "alias/ca").sign_digest(&[7; 32]).await.unwrap();
    assert_eq!(signature, [0x30, 0x00]);
    let asked = service.asked().remove(0);
    assert_eq!(
        (&asked.body["MessageType"], &asked.body["SigningAlgorithm"]),
        (&json!("DIGEST"), &json!("ECDSA_SHA_256"))
    );
    assert_eq!(asked.body["KeyId"], "alias/ca");
}

#[tokio::test]
async fn a_query_that_takes_too_long_is_stopped() {
    let (service, config) = Service::start().await;
    let running = json!({ "QueryExecution": { "Status": { "State": "RUNNING" } } });
    service.answers_in_turn(&[(200, json!({ "QueryExecutionId": "q-1" })), (200, running)]);
    let workgroup = Workgroup::new(&config, "group", "cloudapp").reusing_results(Duration::from_secs(300));
    let parameters = [text("o'clock"), "7".to_owned()];
    let error = workgroup.query("select ?, ?", &parameters, Duration::from_millis(400)).await.unwrap_err();
    assert!(matches!(error, QueryError::TooSlow(_)), "{error:?}");

    let mut asked = service.asked();
    let start = asked.remove(0);
    assert_eq!(start.operation, "StartQueryExecution");
    assert_eq!(
        (&start.body["WorkGroup"], &start.body["QueryExecutionContext"]["Database"]),
        (&json!("group"), &json!("cloudapp"))
    );
    assert_eq!(start.body["ExecutionParameters"], json!(["'o''clock'", "7"]));
    let reuse = &start.body["ResultReuseConfiguration"]["ResultReuseByAgeConfiguration"];
    assert_eq!(reuse, &json!({ "Enabled": true, "MaxAgeInMinutes": 5 }));
    for _ in 0..500 {
        if asked
            .iter()
            .any(|asked| asked.operation == "StopQueryExecution" && asked.body["QueryExecutionId"] == "q-1")
        {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
        asked.extend(service.asked());
    }
    panic!("the query was not stopped");
}

#[tokio::test]
async fn results_come_over_all_pages_without_the_header() {
    let (service, config) = Service::start().await;
    let row = |values: &[Option<&str>]| {
        let data: Vec<Value> = values
            .iter()
            .map(|value| value.map_or_else(|| json!({}), |value| json!({ "VarCharValue": value })))
            .collect();
        json!({ "Data": data })
    };
    let columns =
        json!({ "ColumnInfo": [{ "Name": "day", "Type": "varchar" }, { "Name": "n", "Type": "bigint" }] });
    let page = |rows: Value, next: Value| json!({ "ResultSet": { "Rows": rows, "ResultSetMetadata": columns.clone() }, "NextToken": next });
    service.answers_in_turn(&[
        (200, json!({ "QueryExecutionId": "q-1" })),
        (200, json!({ "QueryExecution": { "Status": { "State": "QUEUED" } } })),
        (200, json!({ "QueryExecution": { "Status": { "State": "SUCCEEDED" }, "Statistics": { "DataScannedInBytes": 99 } } })),
        (200, page(json!([row(&[Some("day"), Some("n")]), row(&[Some("monday"), None])]), json!("more"))),
        (200, page(json!([row(&[Some("day"), Some("n")])]), Value::Null)),
    ]);
    let found = Workgroup::new(&config, "group", "cloudapp")
        .query("select 1", &[], Duration::from_secs(30))
        .await
        .unwrap();
    assert_eq!((found.columns, found.bytes_scanned), (vec!["day".to_owned(), "n".to_owned()], 99));
    // A later page's first row is data, even when it reads like the header.
    let text = |text: &str| Some(text.to_owned());
    assert_eq!(found.rows, [[text("monday"), None], [text("day"), text("n")]]);
    assert!(service.asked().iter().all(|asked| asked.operation != "StopQueryExecution"));
}

async fn within<F: Future>(place: TraceContext, work: F) -> F::Output {
    cloudapp_trace::within(tracing::Span::none(), Some(place), work).await
}

/// X-Ray's header on every call, unsigned because it changes on the way; and beside each message, for whoever takes it.
#[tokio::test]
async fn a_call_carries_its_trace_and_so_does_a_message() {
    let (service, config) = Service::start().await;
    let place: TraceContext = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".parse().unwrap();
    let xray = "Root=1-0af76519-16cd43dd8448eb211c80319c;Parent=b7ad6b7169203331;Sampled=1";
    let queue = Queue::new(&config, "http://queue.test/000000000000/login");
    service.answers(200, &json!({ "Successful": [], "Failed": [] }));
    let other: TraceContext = "00-11111111111111111111111111111111-2222222222222222-00".parse().unwrap();
    let messages = [
        Outgoing { body: "{}".to_owned(), trace: Some(other) },
        Outgoing { body: "{}".to_owned(), trace: None },
    ];
    within(place, queue.send_batch(&messages)).await.unwrap();
    let asked = service.asked().remove(0);
    assert_eq!(asked.headers["x-amzn-trace-id"], xray);
    let signature = asked.headers["authorization"].to_str().unwrap();
    assert!(!signature.contains("x-amzn-trace-id"), "{signature}");
    let entries = &asked.body["Entries"];
    let header = |entry: usize| &entries[entry]["MessageSystemAttributes"]["AWSTraceHeader"]["StringValue"];
    let of_message = "Root=1-11111111-111111111111111111111111;Parent=2222222222222222;Sampled=0";
    assert_eq!((header(0), header(1)), (&json!(of_message), &Value::Null), "a message's trace is its own");

    service.answers(200, &json!({ "MessageId": "m" }));
    within(place, queue.send("{}")).await.unwrap();
    let asked = service.asked().remove(0);
    let of_message = &asked.body["MessageSystemAttributes"]["AWSTraceHeader"]["StringValue"];
    assert_eq!(of_message, &json!(xray));

    let topic = Topic::new(&config, "arn:aws:sns:us-east-1:000000000000:cloudapp-admin");
    let published =
        "<PublishResponse><PublishResult><MessageId>m</MessageId></PublishResult></PublishResponse>";
    service.answers_text(200, published);
    within(place, topic.publish("a", "b")).await.unwrap();
    assert_eq!(service.asked().remove(0).headers["x-amzn-trace-id"], xray, "SNS hands it on");

    service.answers(200, &json!({ "Signature": "MAA=" }));
    SigningKey::new(&config, "alias/ca").sign_digest(&[7; 32]).await.unwrap();
    assert!(!service.asked().remove(0).headers.contains_key("x-amzn-trace-id"), "outside of a trace");
}
