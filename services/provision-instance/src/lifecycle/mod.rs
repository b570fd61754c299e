//! What happens to a machine after its launch: stop, start, destroy, extend.

mod destroy;
mod extend;
mod gone;
mod settle;
mod start;
mod stop;

use std::sync::Arc;
use std::time::Duration;

use cloudapp_domain::ExecutionKind;
use cloudapp_workflow::{Definition, Step};

pub(crate) use extend::ExtendInput;

use crate::deps::Deps;
use crate::launch::{Boot, Login, Occasion};

/// What executions that end a machine were asked with.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) struct EndInput {
    /// Why, for the owner; none if the owner asked.
    pub(crate) reason: Option<String>,
    /// Whether the disk is to be kept.
    #[serde(default)]
    pub(crate) keep_disk: bool,
}

/// Stop (keeping the disk or not), start, destroy, extend.
pub(crate) fn definitions(deps: &Arc<Deps>) -> [Definition; 4] {
    let line =
        |kind, steps: Vec<Arc<dyn Step>>| Definition { kind, deadline: Duration::from_secs(45 * 60), steps };
    [
        line(
            ExecutionKind::Stop,
            vec![Arc::new(stop::Stop(Arc::clone(deps))), Arc::new(gone::Gone(Arc::clone(deps)))],
        ),
        line(
            ExecutionKind::Destroy,
            vec![
                Arc::new(settle::Settle(Arc::clone(deps))),
                Arc::new(destroy::Destroy(Arc::clone(deps))),
                Arc::new(gone::Gone(Arc::clone(deps))),
            ],
        ),
        line(
            ExecutionKind::Start,
            vec![
                Arc::new(start::Start(Arc::clone(deps))),
                Arc::new(Boot(Arc::clone(deps))),
                Arc::new(Login::new(deps, Occasion::Start)),
            ],
        ),
        line(ExecutionKind::Extend, vec![Arc::new(extend::Extend(Arc::clone(deps)))]),
    ]
}
