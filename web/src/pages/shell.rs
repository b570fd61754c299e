use super::User;
use super::notice::Notice;
use crate::app::App;
use crate::session::Visit;

/// Where in the site a page belongs; the navigation marks it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Section {
    /// Sign-in and errors.
    Outside,
    /// Catalogue and machines.
    Machines,
    /// The user's own account.
    Account,
    /// Admin: configurations.
    Configurations,
    /// Admin: users.
    Users,
    /// Admin: limits.
    Limits,
    /// Admin: statistics.
    Statistics,
    /// Admin: everybody's machines.
    AllMachines,
    /// Admin: how the fleet as a whole stands.
    Fleet,
    /// Admin: executions that are stuck; under the fleet.
    Stuck,
    /// Admin: warm pools; under the fleet.
    Pools,
}

/// What surrounds every page.
#[derive(Debug, Clone)]
pub(crate) struct Shell {
    /// Who is signed in.
    pub(crate) email: Option<String>,
    /// Whether the navigation offers the admin pages.
    pub(crate) admin: bool,
    /// Where we are.
    pub(crate) section: Section,
    /// The token for this page's forms.
    pub(crate) csrf: String,
    /// What was just done.
    pub(crate) notice: Option<Notice>,
}

impl Shell {
    /// Around a page of a signed-in user.
    pub(crate) fn of(user: &User, section: Section) -> Self {
        Self {
            email: Some(user.session.email.clone()),
            admin: user.caller.is_admin(),
            section,
            csrf: user.csrf.clone(),
            notice: None,
        }
    }

    /// Around a page that needs no session.
    pub(crate) fn outside(app: &App, visit: &Visit) -> Self {
        Self {
            email: None,
            admin: false,
            section: Section::Outside,
            csrf: app.csrf.token(&visit.bound_to),
            notice: None,
        }
    }

    /// The same with a notice of what was just done, if the name is a known one.
    pub(crate) fn with_notice(mut self, name: Option<&str>) -> Self {
        self.notice = name.and_then(Notice::named);
        self
    }

    pub(crate) fn is_at(&self, section: Section) -> bool {
        self.section == section
    }

    pub(crate) fn is_in_admin(&self) -> bool {
        matches!(
            self.section,
            Section::Configurations
                | Section::Users
                | Section::Limits
                | Section::Statistics
                | Section::AllMachines
        ) || self.is_in_fleet()
    }

    pub(crate) fn is_in_fleet(&self) -> bool {
        matches!(self.section, Section::Fleet | Section::Stuck | Section::Pools)
    }
}
