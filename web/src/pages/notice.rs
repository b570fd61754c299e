use serde::Deserialize;

/// What was just done, told on the page that a form leads to. Named in the URL; the words are only here, so that
/// nobody can put words into our mouth by a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Notice {
    name: &'static str,
    /// The sentence.
    pub(crate) text: &'static str,
}

macro_rules! notices {
    ($($constant:ident = $name:literal, $text:literal;)+) => {
        impl Notice {
            $(pub(crate) const $constant: Self = Self { name: $name, text: $text };)+
            const ALL: &'static [Self] = &[$(Self::$constant),+];
        }
    };
}

notices! {
    SIGNED_OUT = "signed-out", "You are signed out.";
    SIGN_IN_EXPIRED = "sign-in-expired", "That took too long. Please sign in again.";
    TOTP_ENABLED = "totp-enabled",
        "Your second factor is set up and all sessions were ended. Sign in with your password and a code.";
    PASSWORD_CHANGED = "password-changed", "Your password is changed.";
    STOP_SKIPPED = "stop-skipped", "The planned stop is left out once. The one after it stays.";
    LIMIT_SET = "limit-set", "The limit is set. It holds from the next machine on.";
    LIMIT_REMOVED = "limit-removed", "The limit is removed.";
    EXTENDED = "extended", "The machine's end is being moved.";
    CANCELLED = "cancelled", "Cancelled. Everything that was begun is being undone.";
    CONFIGURATION_SAVED = "configuration-saved", "Saved as a new version. Users get it once it is published.";
    CONFIGURATION_PUBLISHED = "configuration-published", "Published: users get the newest version from now on.";
    CONFIGURATION_RETIRED = "configuration-retired",
        "Retired: it is no longer in the catalogue. Running machines keep it.";
    USER_ENABLED = "user-enabled", "The account is enabled.";
    USER_DISABLED = "user-disabled", "The account is disabled and its sessions are ended.";
    USER_DELETED = "user-deleted", "The account is deleted; its machines are being destroyed.";
    FORCED_UNDO = "forced-undo",
        "It is being undone again. If that does not work either, it comes back to this list, and the admins are told.";
    FORCED_GIVEN_UP = "forced-given-up",
        "Given up. What still runs at AWS belongs to nobody now: the fleet's overview shows it until it is ended.";
    FORCE_STOPPING = "force-stopping", "The machine is being stopped. Its disk is kept.";
    FORCE_TERMINATING = "force-terminating", "The machine is being destroyed.";
    FORCE_CANCELLED = "force-cancelled", "EC2 has no machine for it yet; the launch is being cancelled.";
}

impl Notice {
    /// The notice with this name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|notice| notice.name == name).copied()
    }

    /// `path` with this notice.
    pub(crate) fn on(self, path: &str) -> String {
        let separator = if path.contains('?') { '&' } else { '?' };
        format!("{path}{separator}notice={}", self.name)
    }
}

/// The query of pages that show notices.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct NoticeQuery {
    /// The notice's name.
    pub(crate) notice: Option<String>,
}
