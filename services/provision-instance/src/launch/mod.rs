//! The launch, step by step: admit, place, boot, login.

mod admit;
mod boot;
mod handover;
mod login;
mod place;

use std::sync::Arc;
use std::time::Duration;

use cloudapp_domain::ExecutionKind;
use cloudapp_workflow::{Definition, Step};

pub(crate) use admit::ending;
pub(crate) use boot::Boot;
#[cfg(test)]
pub(crate) use boot::{Booting, Outlook, outlook};
pub(crate) use handover::Occasion;
pub(crate) use login::Login;
pub(crate) use place::WAITING;

use crate::deps::Deps;
use crate::pool::Replacing;

/// The steps that bring a machine up, whoever it is for.
pub(crate) fn machine_steps(deps: &Arc<Deps>) -> [Arc<dyn Step>; 2] {
    [Arc::new(place::Place(Arc::clone(deps))), Arc::new(Boot(Arc::clone(deps)))]
}

/// From the click to login details.
pub(crate) fn definition(deps: &Arc<Deps>) -> Definition {
    let [place, boot] = machine_steps(deps);
    let login = Arc::new(Login::new(deps, Occasion::Launch));
    Definition {
        kind: ExecutionKind::Launch,
        // The queue may be long; each step has a deadline of its own.
        deadline: Duration::from_secs(25 * 3600),
        steps: vec![
            Arc::new(admit::Admit(Arc::clone(deps))),
            place,
            boot,
            Arc::new(Replacing { deps: Arc::clone(deps), machine: machine_steps(deps), login }),
        ],
    }
}
