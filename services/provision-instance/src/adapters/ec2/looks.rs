use std::collections::{HashMap, HashSet};

use async_trait::async_trait;
use cloudapp_domain::Ec2InstanceId;
use cloudapp_ec2::{Ec2, Ec2Error, FILTER_VALUES, IDS, Machine};

use super::blame::{Blame, blame};
use super::meter::Meter;
use crate::adapters::batcher::Carrier;
use crate::limiter::Family;

/// A machine as EC2 describes it, or that EC2 does not know it.
pub(super) type Seen = Result<Option<Machine>, Ec2Error>;
/// The machines that were made under a token.
pub(super) type Made = Result<Vec<Machine>, Ec2Error>;

/// Looks at machines, each call in its turn.
#[derive(Clone)]
pub(super) struct Looks {
    pub(super) ec2: Ec2,
    pub(super) meter: Meter,
}

#[async_trait]
impl Carrier<(), Ec2InstanceId, Seen> for Looks {
    async fn carry(&self, (): (), ids: Vec<Ec2InstanceId>) -> Vec<Seen> {
        let mut seen = HashSet::with_capacity(ids.len());
        let once: Vec<_> = ids.iter().filter(|id| seen.insert(*id)).cloned().collect();
        match self.describe(once).await {
            Ok(machines) => {
                let by_id: HashMap<_, _> =
                    machines.into_iter().map(|machine| (machine.id.clone(), machine)).collect();
                ids.iter().map(|id| Ok(by_id.get(id).cloned())).collect()
            }
            Err(error) => ids.iter().map(|_| Err(error.clone())).collect(),
        }
    }
}

#[async_trait]
impl Carrier<(), String, Made> for Looks {
    async fn carry(&self, (): (), tokens: Vec<String>) -> Vec<Made> {
        let machines = match self.once(self.ec2.describe_by_tokens(&tokens)).await {
            Ok(machines) => machines,
            Err(error) => return tokens.iter().map(|_| Err(error.clone())).collect(),
        };
        let mut made: HashMap<String, Vec<Machine>> = HashMap::new();
        for machine in machines {
            made.entry(machine.client_token.clone().unwrap_or_default()).or_default().push(machine);
        }
        tokens.iter().map(|token| Ok(made.get(token).cloned().unwrap_or_default())).collect()
    }
}

impl Looks {
    /// One call, in its turn.
    async fn once<T>(&self, call: impl Future<Output = Result<T, Ec2Error>>) -> Result<T, Ec2Error> {
        self.meter.turn(Family::DescribeInstances, 0).await?;
        self.meter.told(Family::DescribeInstances, call.await).await
    }

    /// Those of `ids` that EC2 knows. Few are asked for with a filter, which passes over unknown ones. A filter takes
    /// only so many, so many are asked for by their ids, a thousand in a call; one unknown id fails such a call, but
    /// is named.
    async fn describe(&self, ids: Vec<Ec2InstanceId>) -> Result<Vec<Machine>, Ec2Error> {
        let mut machines = Vec::with_capacity(ids.len());
        for chunk in ids.chunks(IDS) {
            if chunk.len() <= FILTER_VALUES {
                machines.extend(self.once(self.ec2.describe(chunk)).await?);
            } else {
                machines.extend(self.describe_many(chunk).await?);
            }
        }
        Ok(machines)
    }

    async fn describe_many(&self, ids: &[Ec2InstanceId]) -> Result<Vec<Machine>, Ec2Error> {
        let error = match self.once(self.ec2.describe_all(ids)).await {
            Err(error @ Ec2Error::NotFound(_)) => error,
            answer => return answer,
        };
        if let Blame::These(unknown) = blame(&error, ids) {
            let known: Vec<_> = ids.iter().filter(|id| !unknown.contains(*id)).cloned().collect();
            match self.once(self.ec2.describe_all(&known)).await {
                Err(Ec2Error::NotFound(_)) => {}
                answer => return answer,
            }
        }
        let mut machines = Vec::with_capacity(ids.len());
        for chunk in ids.chunks(FILTER_VALUES) {
            machines.extend(self.once(self.ec2.describe(chunk)).await?);
        }
        Ok(machines)
    }
}
