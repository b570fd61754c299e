//! Step-up: a full sign-in of the one who is signed in, for pages that ask for a fresh second factor.

use axum::extract::{Query, State};

use super::SignInQuery;
use super::enter::EnterPage;
use crate::app::App;
use crate::pages::User;
use crate::pages::shell::Shell;
use crate::security::LocalPath;
use crate::session::Visit;

pub(super) async fn show(State(app): State<App>, user: User, Query(query): Query<SignInQuery>) -> EnterPage {
    let visit = Visit { bound_to: user.session.id.clone(), session: None };
    EnterPage {
        shell: Shell::outside(&app, &visit),
        next: LocalPath::or_home(&query.next).as_str().to_owned(),
        email: user.session.email.clone(),
        again: true,
        error: None,
    }
}
