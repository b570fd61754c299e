//! EC2 as far as CloudApp depends on it: client tokens, machines and their lives, capacity, buckets.

use std::collections::BTreeMap;

use cloudapp_ec2::{Answer, Ec2Error, MachineState};

use super::bus;
use super::executor::Owner;
use super::invariants::Invariant;
use super::world::{Moment, World};
use crate::limiter::Family;

/// A machine, as EC2 numbers them.
pub(super) type MachineNo = u32;

/// What a request asks for; the same token must always come with the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Request {
    pub(super) token: String,
    pub(super) offering: usize,
    pub(super) count: u32,
    /// The batch, which EC2 knows as a tag.
    pub(super) batch: u32,
}

/// A machine.
#[derive(Debug, Clone)]
pub(super) struct Machine {
    pub(super) no: MachineNo,
    /// Of the request that made it; none of a stray.
    pub(super) token: Option<String>,
    pub(super) batch: Option<u32>,
    pub(super) state: MachineState,
    /// When it was made.
    pub(super) made: Moment,
    /// When it was last started.
    pub(super) started: Moment,
    /// Its boot that it has reported, by when that began.
    pub(super) reported: Option<Moment>,
    /// When it last became running.
    pub(super) running_at: Moment,
    /// Until then EC2 may not find it.
    pub(super) unseen_until: Moment,
}

impl Machine {
    /// Whether it is there, whatever it does, and will stay unless somebody ends it.
    pub(super) const fn lives(&self) -> bool {
        !self.state.is_ending()
    }
}

/// A bucket of AWS's, in true time.
#[derive(Debug, Clone, Copy)]
struct Bucket {
    tokens: f64,
    at: Moment,
}

/// EC2's side of everything.
#[derive(Debug, Default)]
pub(super) struct Ec2 {
    pub(super) machines: BTreeMap<MachineNo, Machine>,
    /// What each token asked for and made.
    tokens: BTreeMap<String, (Request, Vec<MachineNo>)>,
    /// Offerings without machines to give, and until when.
    pub(super) full_until: BTreeMap<usize, Moment>,
    /// Of calls, and of machines.
    buckets: BTreeMap<(&'static str, bool), Bucket>,
    next: MachineNo,
    /// Machines that the last look left out although they are there.
    pub(super) left_out: std::collections::BTreeSet<MachineNo>,
    /// Tokens that were sent by a placer that had lost its batch.
    pub(super) late: std::collections::BTreeSet<String>,
    /// How often each token was sent.
    sent: BTreeMap<String, u32>,
}

/// An error with EC2's code.
pub(super) fn refused(class: fn(Answer) -> Ec2Error, code: &str) -> Ec2Error {
    class(Answer { code: code.to_owned(), message: String::new() })
}

impl World {
    /// `RunInstances`. What it makes lives on in tasks of its own.
    pub(super) fn run_instances(&mut self, request: &Request) -> Result<Vec<Machine>, Ec2Error> {
        let sent = self.ec2.sent.entry(request.token.clone()).or_default();
        *sent += 1;
        let (again, endless) = (*sent > 1, *sent > 200);
        if endless {
            let token = request.token.clone();
            self.violate(Invariant::NoEndlessAsking, || format!("token {token} was sent 200 times"));
        }
        // Who may not ask does not hear what the token made, either: bad luck where the answer to that was lost.
        if self.chance(|chaos| if again { chaos.refuse * 10.0 } else { chaos.refuse }) {
            return Err(refused(Ec2Error::Permission, "UnauthorizedOperation"));
        }
        if let Some((known, made)) = self.ec2.tokens.get(&request.token) {
            if known != request {
                return Err(refused(Ec2Error::IdempotentParameterMismatch, "IdempotentParameterMismatch"));
            }
            let made: Vec<Machine> = made.iter().map(|no| self.ec2.machines[no].clone()).collect();
            // Where only some of them are gone, all are returned as they are.
            if made.iter().all(|machine| machine.state == MachineState::Terminated) {
                return Err(refused(Ec2Error::IdempotentInstanceTerminated, "IdempotentInstanceTerminated"));
            }
            return Ok(made);
        }
        if self.chance(|chaos| chaos.refuse) {
            let (class, code): (fn(Answer) -> Ec2Error, _) = match self.below(2) {
                0 => (Ec2Error::Image, "InvalidAMIID.NotFound"),
                _ => (Ec2Error::Quota, "VcpuLimitExceeded"),
            };
            return Err(refused(class, code));
        }
        if self.ec2.full_until.get(&request.offering).is_some_and(|until| *until > self.now) {
            return Err(refused(Ec2Error::Capacity, "InsufficientInstanceCapacity"));
        }
        let count = if request.count > 1 && self.chance(|chaos| chaos.partial) {
            u32::try_from(self.between(1, i64::from(request.count))).unwrap_or(1)
        } else {
            request.count
        };
        let made: Vec<MachineNo> = (0..count)
            .map(|_| self.make(Some(&request.token), Some(request.batch), request.offering))
            .collect();
        self.ec2.tokens.insert(request.token.clone(), (request.clone(), made.clone()));
        self.check_batch(request.batch);
        if self.chance(|chaos| chaos.outside) {
            let latest = if self.likely(0.5) { 5_000 } else { 40_000 };
            let (sim, pause, dying) = (self.sim(), self.between(100, latest), made.clone());
            let death = async move {
                sim.sleep(pause).await;
                sim.with(|world| dying.iter().for_each(|no| world.switch(*no, Power::Terminate)));
            };
            self.spawned.push((Owner::Outside, Box::pin(death)));
        }
        Ok(made.iter().map(|no| self.ec2.machines[no].clone()).collect())
    }

    /// A machine comes to be.
    pub(super) fn make(&mut self, token: Option<&str>, batch: Option<u32>, offering: usize) -> MachineNo {
        self.ec2.next += 1;
        let no = self.ec2.next;
        let unseen = if self.chance(|chaos| chaos.unseen) { self.between(1_000, 100_000) } else { 0 };
        let machine = Machine {
            no,
            token: token.map(str::to_owned),
            batch,
            state: MachineState::Pending,
            made: self.now,
            started: self.now,
            reported: None,
            running_at: self.now,
            unseen_until: self.now + unseen,
        };
        self.tell(|| format!("EC2 makes machine {no} in offering {offering} for batch {batch:?}"));
        self.ec2.machines.insert(no, machine);
        let sim = self.sim();
        self.spawned.push((Owner::Outside, Box::pin(bus::moving(sim, no, MachineState::Pending))));
        no
    }

    /// No more machines live than the batch has members: the second one for the same request would be one too many.
    fn check_batch(&mut self, batch: u32) {
        let living = self
            .ec2
            .machines
            .values()
            .filter(|machine| machine.batch == Some(batch) && machine.lives() && !self.is_late(machine))
            .count();
        let wanted = self.db.batches.get(&batch).map_or(0, |batch| batch.members.len());
        if living > wanted {
            self.violate(Invariant::OneMachineEach, || {
                format!("batch {batch} has {wanted} members and {living} living machines")
            });
        }
    }

    /// Whether nobody waited any more for the machine when it was asked for.
    pub(super) fn is_late(&self, machine: &Machine) -> bool {
        machine.token.as_ref().is_some_and(|token| self.ec2.late.contains(token))
    }

    /// `DescribeInstances` with ids: what is not found is left out.
    pub(super) fn describe(&self, nos: &[MachineNo]) -> Vec<Machine> {
        nos.iter().filter_map(|no| self.ec2.machines.get(no)).filter(|m| self.sees(m)).cloned().collect()
    }

    /// `DescribeInstances` with any filter.
    pub(super) fn describe_where(&self, filter: impl Fn(&Machine) -> bool) -> Vec<Machine> {
        self.ec2.machines.values().filter(|machine| filter(machine) && self.sees(machine)).cloned().collect()
    }

    const fn sees(&self, machine: &Machine) -> bool {
        machine.unseen_until <= self.now
    }

    /// `TerminateInstances`, `StopInstances`, `StartInstances`: all or nothing.
    pub(super) fn power(&mut self, nos: &[MachineNo], power: Power) -> Result<(), Ec2Error> {
        for no in nos {
            let Some(machine) = self.ec2.machines.get(no).filter(|machine| self.sees(machine)) else {
                return Err(refused(Ec2Error::NotFound, "InvalidInstanceID.NotFound"));
            };
            let fits = match power {
                Power::Terminate => true,
                Power::Stop => matches!(
                    machine.state,
                    MachineState::Running
                        | MachineState::Pending
                        | MachineState::Stopping
                        | MachineState::Stopped
                ),
                Power::Start => matches!(
                    machine.state,
                    MachineState::Stopped | MachineState::Pending | MachineState::Running
                ),
            };
            if !fits {
                return Err(refused(Ec2Error::IncorrectState, "IncorrectInstanceState"));
            }
        }
        for no in nos {
            self.switch(*no, power);
        }
        Ok(())
    }

    /// A machine is told to go somewhere; where it is on its way already, nothing changes.
    pub(super) fn switch(&mut self, no: MachineNo, power: Power) {
        let now = self.now;
        let Some(machine) = self.ec2.machines.get_mut(&no) else { return };
        let to = match (power, machine.state) {
            (Power::Terminate, state) if !state.is_ending() => MachineState::ShuttingDown,
            (Power::Stop, MachineState::Running | MachineState::Pending) => MachineState::Stopping,
            (Power::Start, MachineState::Stopped) => {
                machine.started = now;
                MachineState::Pending
            }
            _ => return,
        };
        machine.state = to;
        self.tell(|| format!("EC2: machine {no} is {to:?}"));
        let sim = self.sim();
        self.spawned.push((Owner::Outside, Box::pin(bus::moving(sim, no, to))));
    }

    /// Whether AWS lets a call pass: its own buckets, in true time.
    pub(super) fn admit(&mut self, family: Family, resources: u32) -> Result<(), Ec2Error> {
        let throttled = refused(Ec2Error::Throttled, "RequestLimitExceeded");
        if self.chance(|chaos| chaos.throttle) {
            return Err(throttled);
        }
        let (scale, now) = (self.db.scale, self.now);
        let rates = family.at_aws();
        let sizes = [(false, Some(rates.requests), 1.0), (true, rates.resources, f64::from(resources))];
        let filled: Vec<((&'static str, bool), f64, f64)> = sizes
            .into_iter()
            .filter_map(|(of_machines, size, cost)| {
                let (name, size) = ((family.as_str(), of_machines), size?);
                let capacity = (size.capacity * scale).max(1.0);
                let bucket = self.ec2.buckets.entry(name).or_insert(Bucket { tokens: capacity, at: now });
                let elapsed = (now - bucket.at) as f64 / 1000.0;
                Some((name, (bucket.tokens + elapsed * size.per_second * scale).min(capacity), cost))
            })
            .collect();
        let enough = filled.iter().all(|(_, tokens, cost)| tokens >= cost);
        for (name, tokens, cost) in filled {
            let left = if enough { tokens - cost } else { tokens };
            self.ec2.buckets.insert(name, Bucket { tokens: left, at: now });
        }
        if enough {
            return Ok(());
        }
        if self.chaos.punctual() {
            self.violate(Invariant::WithinRates, || format!("{} was throttled", family.as_str()));
        }
        Err(throttled)
    }
}

/// What a machine is told to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Power {
    Start,
    Stop,
    Terminate,
}
