//! The lives of machines, and what is heard of them: events through EventBridge and SQS, reports over HTTP.

use cloudapp_ec2::MachineState;

use super::ec2::MachineNo;
use super::executor::Owner;
use super::observe;
use super::world::{Moment, Sim, Topic, World};

/// A message that SQS has not been told to forget.
#[derive(Debug, Clone, Copy)]
pub(super) struct Message {
    pub(super) id: u64,
    pub(super) machine: MachineNo,
    pub(super) state: MachineState,
    /// Hidden until then, for somebody has it in hand.
    pub(super) visible_at: Moment,
}

impl World {
    /// EventBridge tells of a machine's state: once, twice or never, soon or late.
    pub(super) fn emit(&mut self, machine: MachineNo, state: MachineState) {
        if self.chance(|chaos| chaos.event_lost) {
            return;
        }
        let copies = if self.chance(|chaos| chaos.event_twice) { 2 } else { 1 };
        for _ in 0..copies {
            let late = if self.chance(|chaos| chaos.event_late) { 150_000 } else { 500 };
            let delay = self.between(20, late);
            let sim = self.sim();
            let delivery = async move {
                sim.sleep(delay).await;
                sim.with(|world| {
                    world.db.next += 1;
                    let (id, visible_at) = (u64::from(world.db.next), world.now);
                    world.queue.push(Message { id, machine, state, visible_at });
                    world.signal(Topic::Queue, usize::MAX);
                });
            };
            self.spawned.push((Owner::Outside, Box::pin(delivery)));
        }
    }

    /// The machine goes on to `to`, unless it has gone another way.
    fn settle(&mut self, no: MachineNo, from: MachineState, to: MachineState) -> bool {
        let now = self.now;
        let Some(machine) = self.ec2.machines.get_mut(&no).filter(|machine| machine.state == from) else {
            return false;
        };
        machine.state = to;
        machine.running_at = now;
        self.tell(|| format!("EC2: machine {no} is {to:?}"));
        self.emit(no, to);
        true
    }
}

/// A machine on its way to or through a state.
pub(super) async fn moving(sim: Sim, no: MachineNo, state: MachineState) {
    sim.with(|world| world.emit(no, state));
    match state {
        MachineState::Pending => start_up(&sim, no).await,
        MachineState::Stopping => {
            let pause = sim.with(|world| world.between(2_000, 30_000));
            sim.sleep(pause).await;
            sim.with(|world| world.settle(no, MachineState::Stopping, MachineState::Stopped));
        }
        MachineState::ShuttingDown => {
            let pause = sim.with(|world| world.between(2_000, 20_000));
            sim.sleep(pause).await;
            sim.with(|world| world.settle(no, MachineState::ShuttingDown, MachineState::Terminated));
        }
        _ => {}
    }
}

async fn start_up(sim: &Sim, no: MachineNo) {
    let (pending, install) = sim.with(|world| (world.between(1_000, 15_000), world.between(2_000, 30_000)));
    sim.sleep(pending).await;
    if !sim.with(|world| world.settle(no, MachineState::Pending, MachineState::Running)) {
        return;
    }
    let started = sim.with(|world| world.ec2.machines[&no].started);
    sim.sleep(install).await;
    let (reports, success) = sim.with(|world| {
        let bad = world.chance(|chaos| chaos.bad_boot);
        (!bad || world.likely(0.5), !bad)
    });
    if !reports {
        return;
    }
    // The service on the machine tries again for a while.
    for _ in 0..60 {
        let machine = sim.with(|world| world.ec2.machines[&no].clone());
        if machine.state != MachineState::Running || machine.started != started {
            return;
        }
        sim.with(|world| {
            if let Some(machine) = world.ec2.machines.get_mut(&no) {
                machine.reported = Some(started);
            }
        });
        if observe::report(sim, &machine, success).await == observe::Reported::Heard {
            return;
        }
        let pause = sim.with(|world| world.between(3_000, 10_000));
        sim.sleep(pause).await;
    }
}
