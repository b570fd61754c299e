//! EC2: every call in its turn, and what many ask for at about the same time in one call.

mod blame;
mod changes;
mod looks;
mod meter;

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use cloudapp_domain::{Ec2InstanceId, Installation};
use cloudapp_ec2::{
    Answer, Ec2, Ec2Error, FILTER_VALUES, IDS, LaunchRequest, Machine, Page, Shutdown, Subnet,
};

use self::changes::{Change, Changes};
use self::looks::{Looks, Made, Seen};
use self::meter::Meter;
use super::batcher::{Batcher, Window};
use crate::limiter::{Family, Limiter};
use crate::ports::Machines;

/// How long known subnets are believed.
const SUBNETS_FOR: Duration = Duration::from_secs(300);
/// A click waits no longer for others than a person notices.
const WINDOW: Window =
    Window { idle: Duration::from_millis(30), longest: Duration::from_millis(250), most: IDS };
/// Tokens go into a filter.
const TOKENS: Window = Window { most: FILTER_VALUES, ..WINDOW };
/// Calls of one kind on their way at a time: while EC2 is slow, the next ones gather.
const UNDER_WAY: usize = 4;

type ChangeQueue = Batcher<Change, Ec2InstanceId, Result<(), Ec2Error>>;

/// EC2, at a pace that AWS allows.
pub(crate) struct Ec2Machines {
    ec2: Ec2,
    meter: Meter,
    /// Each kind of change in its own queue: starts wait for their tokens longest, and nobody behind them should.
    starts: ChangeQueue,
    stops: ChangeQueue,
    ends: ChangeQueue,
    tags: ChangeQueue,
    looks: Batcher<(), Ec2InstanceId, Seen>,
    tokens: Batcher<(), String, Made>,
    /// Subnets change rarely, and every placement asks.
    subnets: moka::future::Cache<Vec<String>, Vec<Subnet>>,
}

impl Ec2Machines {
    /// `ec2` repeats nothing by itself: a repeat inside it would take a token that nobody counted.
    pub(crate) fn new(ec2: Ec2, limiter: Limiter) -> Self {
        let meter = Meter(limiter);
        let looks = Looks { ec2: ec2.clone(), meter: meter.clone() };
        let changes = Changes { ec2: ec2.clone(), meter: meter.clone() };
        Self {
            starts: Batcher::new(changes.clone(), WINDOW, UNDER_WAY),
            stops: Batcher::new(changes.clone(), WINDOW, UNDER_WAY),
            ends: Batcher::new(changes.clone(), WINDOW, UNDER_WAY),
            tags: Batcher::new(changes, WINDOW, UNDER_WAY),
            looks: Batcher::new(looks.clone(), WINDOW, UNDER_WAY),
            tokens: Batcher::new(looks, TOKENS, UNDER_WAY),
            subnets: moka::future::Cache::builder().max_capacity(100).time_to_live(SUBNETS_FOR).build(),
            ec2,
            meter,
        }
    }

    /// Does the same to these machines. The first refusal, if there is one; the others are done all the same.
    async fn change(&self, change: Change, ids: &[Ec2InstanceId]) -> Result<(), Ec2Error> {
        let queue = match &change {
            Change::Start => &self.starts,
            Change::Stop(_) => &self.stops,
            Change::Terminate(_) => &self.ends,
            Change::Tag(_) => &self.tags,
        };
        let answers = queue.ask(change, ids.to_vec()).await;
        answers.into_iter().try_for_each(|answer| answer.unwrap_or_else(|_| Err(abandoned())))
    }

    /// `RunInstances` needs to know the image's root device, which EC2 is asked for once.
    async fn learn_image(&self, image_id: &str) -> Result<(), Ec2Error> {
        if self.ec2.knows_root_device(image_id) {
            return Ok(());
        }
        self.meter.turn(Family::DescribeImages, 0).await?;
        let known = self.ec2.root_device_name(image_id).await;
        self.meter.told(Family::DescribeImages, known).await.map(drop)
    }
}

/// What is said where a call's outcome was never told to whom it concerns.
fn abandoned() -> Ec2Error {
    Ec2Error::OutcomeUnknown(Answer {
        code: "Abandoned".to_owned(),
        message: "the call came to no end".to_owned(),
    })
}

#[async_trait]
impl Machines for Ec2Machines {
    async fn launch(&self, request: &LaunchRequest) -> Result<Vec<Machine>, Ec2Error> {
        self.learn_image(&request.image_id).await?;
        self.meter.told(Family::RunInstances, self.ec2.run_instances(request).await).await
    }

    async fn describe(&self, ids: &[Ec2InstanceId]) -> Result<Vec<Machine>, Ec2Error> {
        let seen = self.looks.ask((), ids.to_vec()).await;
        let seen = seen.into_iter().map(|seen| seen.unwrap_or_else(|_| Err(abandoned())));
        seen.filter_map(Result::transpose).collect()
    }

    async fn describe_managed(
        &self,
        installation: &Installation,
        next: Option<String>,
    ) -> Result<Page, Ec2Error> {
        self.meter.turn(Family::DescribeInstances, 0).await?;
        let page = self.ec2.describe_managed(installation, next).await;
        self.meter.told(Family::DescribeInstances, page).await
    }

    async fn describe_by_token(&self, client_token: &str) -> Result<Vec<Machine>, Ec2Error> {
        let made = self.tokens.ask((), vec![client_token.to_owned()]).await;
        made.into_iter()
            .next()
            .map_or_else(|| Err(abandoned()), |made| made.unwrap_or_else(|_| Err(abandoned())))
    }

    async fn start(&self, ids: &[Ec2InstanceId]) -> Result<(), Ec2Error> {
        self.change(Change::Start, ids).await
    }

    async fn stop(&self, ids: &[Ec2InstanceId], how: Shutdown) -> Result<(), Ec2Error> {
        self.change(Change::Stop(how), ids).await
    }

    async fn terminate(&self, ids: &[Ec2InstanceId], how: Shutdown) -> Result<(), Ec2Error> {
        self.change(Change::Terminate(how), ids).await
    }

    async fn tag(&self, ids: &[Ec2InstanceId], tags: &BTreeMap<String, String>) -> Result<(), Ec2Error> {
        self.change(Change::Tag(tags.clone()), ids).await
    }

    async fn subnets(&self, ids: &[String]) -> Result<Vec<Subnet>, Ec2Error> {
        let ask = async {
            self.meter.turn(Family::DescribeSubnets, 0).await?;
            self.meter.told(Family::DescribeSubnets, self.ec2.subnets(ids).await).await
        };
        self.subnets.try_get_with(ids.to_vec(), ask).await.map_err(|error| Ec2Error::clone(&error))
    }
}
