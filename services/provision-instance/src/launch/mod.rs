//! The launch, step by step: admit, place, boot, login.

mod admit;
mod boot;
mod login;
mod place;

use std::sync::Arc;
use std::time::Duration;

use cloudapp_domain::ExecutionKind;
use cloudapp_workflow::Definition;

pub(crate) use boot::Boot;
pub(crate) use login::{Login, Occasion};

use crate::deps::Deps;

/// From the click to login details.
pub(crate) fn definition(deps: &Arc<Deps>) -> Definition {
    Definition {
        kind: ExecutionKind::Launch,
        // The queue may be long; each step has a deadline of its own.
        deadline: Duration::from_secs(25 * 3600),
        steps: vec![
            Arc::new(admit::Admit(Arc::clone(deps))),
            Arc::new(place::Place(Arc::clone(deps))),
            Arc::new(Boot(Arc::clone(deps))),
            Arc::new(Login { deps: Arc::clone(deps), occasion: Occasion::Launch }),
        ],
    }
}
