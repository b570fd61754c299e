//! What goes wrong around CloudApp, by the seed's chances: clocks, capacity, and people with the AWS console.

use cloudapp_ec2::MachineState;

use super::ec2::{MachineNo, Power};
use super::world::Sim;

/// Does harm until it is told to stop.
pub(super) async fn harm(sim: Sim) {
    loop {
        let pause = sim.with(|world| world.between(500, 15_000));
        sim.sleep(pause).await;
        if !sim.with(|world| world.chaos.on) {
            return;
        }
        sim.with(|world| {
            if world.chance(|chaos| chaos.jump) && world.chaos.skew > 0 {
                let (replica, skew) = (world.below(world.replicas.len()), world.skew());
                world.replicas[replica].skew = skew;
                world.tell(|| format!("the clock of replica {replica} is off by {skew} ms"));
            }
            if world.chance(|chaos| chaos.scarce) {
                let (offering, pause) = (world.below(4), world.between(5_000, 200_000));
                let until = world.now + pause;
                world.ec2.full_until.insert(offering, until);
                world.tell(|| format!("offering {offering} is full"));
            }
            if world.chance(|chaos| chaos.stray) {
                world.make(None, None, 0);
            }
            if world.chance(|chaos| chaos.outside) {
                let living: Vec<MachineNo> = world
                    .ec2
                    .machines
                    .values()
                    .filter(|machine| {
                        matches!(
                            machine.state,
                            MachineState::Running | MachineState::Stopped | MachineState::Pending
                        )
                    })
                    .map(|machine| machine.no)
                    .collect();
                let chosen = world.below(living.len());
                let power = match world.below(4) {
                    0 => Power::Terminate,
                    1 => Power::Start,
                    _ => Power::Stop,
                };
                if let Some(no) = living.get(chosen) {
                    world.tell(|| format!("somebody outside: {power:?} machine {no}"));
                    world.switch(*no, power);
                }
            }
        });
    }
}
