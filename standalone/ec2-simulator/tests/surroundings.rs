//! A simulator whose network is another endpoint's: a double that answers EC2's and IAM's XML over HTTP.

#![expect(clippy::unwrap_used, reason = "a test stops where it fails")]

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode},
    routing::post,
};
use cloudapp_ec2_simulator::{Fault, Home, Instance, Simulator, SimulatorConfig, Surroundings};
use tokio::net::TcpListener;

const SUBNET: &str = "subnet-74f5205442177b170";
const GROUP: &str = "sg-4789ba1ac6904d9b1";
const GROUP_OF_ANOTHER_VPC: &str = "sg-1e5489ec35e762170";
const UNKNOWN_SUBNET: &str = "subnet-00000000000000000";
const CREDENTIAL: &str = "AWS4-HMAC-SHA256 Credential=test/20261122/eu-west-1/ec2/aws4_request, \
                          SignedHeaders=host, Signature=0";

/// The other endpoint: what it was asked, as headers and body.
#[derive(Clone, Default)]
struct Emulator(Arc<Mutex<Vec<(HeaderMap, String)>>>);

impl Emulator {
    /// Listens and tells its URL.
    async fn start() -> (Self, String) {
        let emulator = Self::default();
        let app = Router::new().route("/", post(answer)).with_state(emulator.clone());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, app).await });
        (emulator, url)
    }

    /// The bodies of the calls of this action, with their callers' signatures.
    fn asked(&self, action: &str) -> Vec<(String, String)> {
        let wanted = format!("Action={action}&");
        let asked = self.0.lock().unwrap();
        let of_action = asked.iter().filter(|(_, body)| body.contains(&wanted));
        let signed = |headers: &HeaderMap| {
            headers.get("authorization").map(|value| value.to_str().unwrap().to_owned()).unwrap_or_default()
        };
        of_action.map(|(headers, body)| (signed(headers), body.clone())).collect()
    }
}

async fn answer(
    State(emulator): State<Emulator>,
    headers: HeaderMap,
    body: Bytes,
) -> (StatusCode, [(&'static str, &'static str); 1], String) {
    let body = String::from_utf8(body.to_vec()).unwrap();
    let has = |text: &str| body.contains(text);
    let (status, list) = if has("Action=DescribeSubnets&") {
        let named = has(&format!("={SUBNET}"));
        let subnet = format!(
            "<item><subnetId>{SUBNET}</subnetId><vpcId>vpc-5c1cb1822432d5fa3</vpcId>\n<cidrBlock>10.40.128.0/19\
             </cidrBlock><availabilityZone>eu-west-1a</availabilityZone><defaultForAz>false</defaultForAz>\
             <mapPublicIpOnLaunch>false</mapPublicIpOnLaunch><tagSet><item><key>a</key></item></tagSet></item>"
        );
        (StatusCode::OK, format!("<subnetSet>\n{}</subnetSet>", if named { subnet.as_str() } else { "" }))
    } else if has("Action=DescribeSecurityGroups&") {
        let group = |id: &str, name: &str, vpc: &str| {
            format!("<item><groupId>{id}</groupId><groupName>{name}</groupName><vpcId>{vpc}</vpcId></item>")
        };
        let mut groups = String::new();
        if has(GROUP) || has("vpc-id") {
            groups += &group(GROUP, "machines &amp; more", "vpc-5c1cb1822432d5fa3");
        }
        if has(GROUP_OF_ANOTHER_VPC) {
            groups += &group(GROUP_OF_ANOTHER_VPC, "default", "vpc-54213852381cff857");
        }
        (StatusCode::OK, format!("<securityGroupInfo>{groups}</securityGroupInfo>"))
    } else if has("Action=DescribeAvailabilityZones&") {
        let zone = "<item><zoneName>eu-west-1a</zoneName><zoneId>euw1-az3</zoneId></item>";
        (StatusCode::OK, format!("<availabilityZoneInfo>{zone}</availabilityZoneInfo>"))
    } else if has("Action=GetInstanceProfile&") && has("InstanceProfileName=known") {
        (
            StatusCode::OK,
            "<InstanceProfile><Roles><member><RoleName>r</RoleName></member></Roles></InstanceProfile>"
                .into(),
        )
    } else if has("Action=GetInstanceProfile&") {
        (StatusCode::NOT_FOUND, "<Error><Code>NoSuchEntity</Code><Message>none</Message></Error>".into())
    } else {
        let refusal =
            "<Errors><Error><Code>InvalidVpcID.NotFound</Code><Message>no such</Message></Error></Errors>";
        (StatusCode::BAD_REQUEST, refusal.to_owned())
    };
    emulator.0.lock().unwrap().push((headers, body));
    let document = format!(
        "<?xml version=\"1.0\"?>\n<Answer xmlns=\"http://ec2.amazonaws.com/doc/2016-11-15/\">{list}</Answer>"
    );
    (status, [("content-type", "text/xml")], document)
}

/// A simulator over this endpoint, which also has the instance profiles.
async fn over(url: &str) -> Simulator {
    let endpoint: url::Url = url.parse().unwrap();
    let config = SimulatorConfig {
        home: Home { region: "eu-west-1".to_owned(), account_id: "123456789012".to_owned() },
        surroundings: Some(Surroundings { network_endpoint: endpoint.clone(), iam_endpoint: Some(endpoint) }),
        ..SimulatorConfig::for_tests()
    };
    Simulator::start(config).await.unwrap()
}

async fn call(simulator: &Simulator, action: &str, parameters: &[(&str, &str)]) -> (u16, String) {
    let client = reqwest::Client::builder().timeout(Duration::from_secs(60)).build().unwrap();
    let named = [("Action", action), ("Version", "2016-11-15")];
    let form: Vec<_> = named.iter().chain(parameters).collect();
    let request = client.post(simulator.endpoint()).header("authorization", CREDENTIAL).form(&form);
    let answer = request.send().await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

/// A launch with these parameters: the machine, or the refusal's code and message.
async fn launch(simulator: &Simulator, parameters: &[(&str, &str)]) -> Result<Instance, (String, String)> {
    let machine = [
        ("ImageId", "ami-0c5a7e1d20f6b3a48"),
        ("InstanceType", "t3.micro"),
        ("MinCount", "1"),
        ("MaxCount", "1"),
    ];
    let all: Vec<_> = machine.iter().chain(parameters).copied().collect();
    let (status, body) = call(simulator, "RunInstances", &all).await;
    let text = |name: &str| {
        let (_, rest) = body.split_once(&format!("<{name}>")).unwrap_or_else(|| panic!("no {name}: {body}"));
        rest.split_once('<').unwrap().0.to_owned()
    };
    match status {
        200 => Ok(simulator.control().unwrap().instance(&text("instanceId")).await.unwrap().instance),
        _ => Err((text("Code"), text("Message"))),
    }
}

#[tokio::test]
async fn machines_are_launched_into_the_subnets_that_are_there() {
    let (emulator, url) = Emulator::start().await;
    let simulator = over(&url).await;
    let machine = launch(&simulator, &[("SubnetId", SUBNET), ("SecurityGroupId.1", GROUP)]).await.unwrap();
    assert_eq!((machine.zone.as_str(), machine.vpc_id.as_str()), ("eu-west-1a", "vpc-5c1cb1822432d5fa3"));
    assert_eq!((machine.subnet_id.as_str(), machine.private_ip.as_str()), (SUBNET, "10.40.128.4"));
    assert_eq!(machine.security_groups, [GROUP]);
    assert_eq!(machine.group_names[GROUP], "machines & more");
    assert!(!machine.is_public, "the subnet gives no public addresses");
    let (status, described) = call(&simulator, "DescribeInstances", &[("InstanceId.1", &machine.id)]).await;
    assert_eq!(status, 200, "{described}");
    for shown in ["<ownerId>123456789012</ownerId>", "machines &amp; more", "eu-west-1.compute.internal"] {
        assert!(described.contains(shown), "{shown}: {described}");
    }
    let asked = emulator.asked("DescribeSubnets");
    assert!(asked.iter().all(|(signed, _)| signed == CREDENTIAL) && asked.len() == 1, "{asked:?}");
}

#[tokio::test]
async fn what_is_not_there_is_refused_with_ec2s_codes() {
    let (_emulator, url) = Emulator::start().await;
    let simulator = over(&url).await;
    let both = [("SubnetId", SUBNET), ("SecurityGroupId.1", GROUP)];
    for (parameters, code, message) in [
        (vec![("SubnetId", UNKNOWN_SUBNET)], "InvalidSubnetID.NotFound", UNKNOWN_SUBNET),
        (vec![("SubnetId", "mine")], "InvalidSubnetID.Malformed", "mine"),
        // It is one of the simulator's own network, which is not there now.
        (vec![("SubnetId", "subnet-0a1b2c3d4e5f60001")], "InvalidSubnetID.NotFound", "does not exist"),
        (vec![both[0], ("SecurityGroupId.1", "sg-00000000000000000")], "InvalidGroup.NotFound", "sg-0000"),
        (
            vec![both[0], ("SecurityGroupId.1", GROUP_OF_ANOTHER_VPC)],
            "InvalidParameter",
            "different networks",
        ),
        (vec![both[0], ("Placement.AvailabilityZone", "eu-west-1z")], "InvalidParameterValue", "eu-west-1z"),
        (vec![], "VPCIdNotSpecified", "No default VPC"),
        (
            vec![both[0], both[1], ("IamInstanceProfile.Name", "gone")],
            "InvalidParameterValue",
            "iamInstanceProfile.name",
        ),
    ] {
        let refused = launch(&simulator, &parameters).await.unwrap_err();
        assert!(refused.0 == code && refused.1.contains(message), "{parameters:?}: {refused:?}");
    }
    assert!(simulator.control().unwrap().instances().await.unwrap().is_empty());
}

#[tokio::test]
async fn an_instance_profile_that_is_there_is_taken() {
    let (emulator, url) = Emulator::start().await;
    let simulator = over(&url).await;
    let parameters =
        [("SubnetId", SUBNET), ("SecurityGroupId.1", GROUP), ("IamInstanceProfile.Name", "known")];
    let machine = launch(&simulator, &parameters).await.unwrap();
    assert_eq!(machine.instance_profile.as_deref(), Some("arn:aws:iam::123456789012:instance-profile/known"));
    let asked = emulator.asked("GetInstanceProfile");
    assert!(asked.len() == 1 && asked[0].0.contains("/eu-west-1/iam/aws4_request"), "{asked:?}");
}

#[tokio::test]
async fn calls_about_the_network_are_passed_on_as_they_came() {
    let (emulator, url) = Emulator::start().await;
    let simulator = over(&url).await;
    let (status, answer) =
        call(&simulator, "DescribeSubnets", &[("SubnetId.1", SUBNET), ("Surprise", "x")]).await;
    assert_eq!(status, 200);
    assert!(answer.contains("<tagSet><item><key>a</key></item></tagSet>"), "{answer}");
    let expected = format!("Action=DescribeSubnets&Version=2016-11-15&SubnetId.1={SUBNET}&Surprise=x");
    assert_eq!(emulator.asked("DescribeSubnets"), [(CREDENTIAL.to_owned(), expected)]);
    let (status, answer) = call(&simulator, "DeleteVpc", &[("VpcId", "vpc-1")]).await;
    assert_eq!(status, 400);
    assert!(answer.contains("no such"), "{answer}");
    let (status, _) = call(&simulator, "DescribeInstances", &[]).await;
    assert_eq!(
        (status, emulator.asked("DescribeInstances").len()),
        (200, 0),
        "machines are the simulator's own"
    );
    let (_, offered) =
        call(&simulator, "DescribeInstanceTypeOfferings", &[("LocationType", "availability-zone")]).await;
    assert!(
        offered.contains("<location>eu-west-1a</location>") && !offered.contains("us-east-1"),
        "{offered}"
    );
    let ledger = simulator.control().unwrap().ledger().await.unwrap();
    let outcomes: Vec<_> =
        ledger.iter().map(|entry| (entry.action.as_str(), entry.outcome.as_str())).collect();
    assert_eq!(outcomes[..2], [("DescribeSubnets", "ok"), ("DeleteVpc", "InvalidVpcID.NotFound")]);
}

#[tokio::test]
async fn faults_of_a_zone_hit_launches_into_its_subnets() {
    let (_emulator, url) = Emulator::start().await;
    let simulator = over(&url).await;
    let control = simulator.control().unwrap();
    let fault = Fault::error("RunInstances", "InsufficientInstanceCapacity");
    control.add_fault(&Fault { zone: Some("eu-west-1a".to_owned()), ..fault }).await.unwrap();
    control.add_fault(&Fault::error("DescribeVpcs", "RequestLimitExceeded")).await.unwrap();
    let parameters = [("SubnetId", SUBNET), ("SecurityGroupId.1", GROUP)];
    assert_eq!(launch(&simulator, &parameters).await.unwrap_err().0, "InsufficientInstanceCapacity");
    launch(&simulator, &parameters).await.unwrap();
    let (status, answer) = call(&simulator, "DescribeVpcs", &[]).await;
    assert!(status == 503 && answer.contains("RequestLimitExceeded"), "{status} {answer}");
}

#[tokio::test]
async fn an_endpoint_that_is_away_or_hangs_is_named() {
    let hanging = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let hangs = format!("http://{}/", hanging.local_addr().unwrap());
    let gone = format!("http://127.0.0.1:{}/", cloudapp_free_port::free_port().unwrap());
    for (url, why) in [(gone, "refused"), (hangs, "no answer within 4 s")] {
        let simulator = over(&url).await;
        let (code, message) = launch(&simulator, &[("SubnetId", SUBNET)]).await.unwrap_err();
        assert_eq!(code, "Unavailable");
        assert!(message.contains(&url) && message.contains(why), "{message}");
        let (status, answer) = call(&simulator, "DescribeSubnets", &[]).await;
        assert!(status == 503 && answer.contains("does not answer"), "{status} {answer}");
        let tallies = simulator.control().unwrap().tallies().await.unwrap();
        assert!(
            tallies.iter().all(|tally| tally.outcome == "Unavailable" && tally.calls == 1),
            "{tallies:?}"
        );
        let (status, _) = call(&simulator, "DescribeInstances", &[]).await;
        assert_eq!(status, 200, "machines can still be looked at");
    }
}

#[tokio::test]
async fn an_answer_that_nobody_can_read_is_an_error_of_its_own() {
    let app = Router::new().route("/", post(async || (StatusCode::INTERNAL_SERVER_ERROR, "<html><p>500")));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await });
    let (code, message) = launch(&over(&url).await, &[("SubnetId", SUBNET)]).await.unwrap_err();
    assert_eq!(code, "InternalError");
    assert!(message.contains("nobody can read (500"), "{message}");
}
