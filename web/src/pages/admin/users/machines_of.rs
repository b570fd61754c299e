use cloudapp_chassis::ApiError;
use cloudapp_contract::instance::{Instance, InstanceQuery, OwnerFilter};
use cloudapp_domain::{InstanceState, UserSub};

use crate::app::App;
use crate::pages::User;
use crate::pages::problem::call_error;

/// Machines of `owner` that live and are not being destroyed already.
pub(super) async fn machines_of(app: &App, user: &User, owner: &UserSub) -> Result<Vec<Instance>, ApiError> {
    let provision = app.backend.provision(user.token());
    let mut machines = Vec::new();
    let mut cursor = None;
    loop {
        let query = InstanceQuery {
            owner: OwnerFilter::All,
            state: Some("live".to_owned()),
            cursor,
            limit: Some(200),
        };
        let page = provision.list(&query).await.map_err(call_error)?;
        machines.extend(
            page.items
                .into_iter()
                .filter(|machine| machine.owner == *owner && machine.state != InstanceState::Terminating),
        );
        match page.next_cursor {
            Some(next) => cursor = Some(next),
            None => return Ok(machines),
        }
    }
}
