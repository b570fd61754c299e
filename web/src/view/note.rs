use cloudapp_contract::instance::{InstanceNote, NoteKind};

use super::{Tone, moment};

/// Something that happened to a machine without its owner asking for it.
#[derive(Debug, Clone)]
pub(crate) struct NoteView {
    pub(crate) title: &'static str,
    /// The name of an icon.
    pub(crate) icon: &'static str,
    pub(crate) tone: Tone,
    pub(crate) sentence: String,
    pub(crate) at: String,
    /// The id of the admin who did it, for other admins. Everybody else is in the sentence.
    pub(crate) by: Option<String>,
}

impl NoteView {
    pub(crate) fn new(note: &InstanceNote, for_admin: bool) -> Self {
        let (title, icon, tone) = face(note.kind);
        let is_an_admins = note.kind == NoteKind::ForceStopped;
        let by = note.actor.clone().filter(|_| for_admin && is_an_admins);
        Self { title, icon, tone, sentence: note.sentence.clone(), at: moment(&note.at), by }
    }
}

const fn face(kind: NoteKind) -> (&'static str, &'static str, Tone) {
    match kind {
        NoteKind::SpotWarning => ("AWS wants it back", "clock", Tone::Warn),
        NoteKind::SpotInterrupted => ("Taken back by AWS", "warning", Tone::Bad),
        NoteKind::StartedOutside => ("Started outside CloudApp", "play", Tone::Neutral),
        NoteKind::StoppedOutside => ("Stopped outside CloudApp", "stop", Tone::Warn),
        NoteKind::EndedOutside => ("Ended outside CloudApp", "trash", Tone::Bad),
        NoteKind::ShutDownInside => ("Shut down from inside", "stop", Tone::Warn),
        NoteKind::AwsMaintenance => ("Maintenance at AWS", "server", Tone::Warn),
        NoteKind::AwsFailure => ("A failure at AWS", "warning", Tone::Bad),
        NoteKind::Rebooted => ("Booted anew", "refresh", Tone::Warn),
        NoteKind::ForceStopped => ("Stopped by an admin", "shield", Tone::Bad),
        NoteKind::Lost => ("Unknown to AWS", "warning", Tone::Bad),
        NoteKind::Warned => ("Warning sent", "info", Tone::Neutral),
        NoteKind::LifetimeEnded => ("End of its lifetime", "clock", Tone::Neutral),
        NoteKind::StoppedBySchedule => ("Stopped by its schedule", "clock", Tone::Neutral),
        NoteKind::StoppedIdle => ("Stopped because nobody used it", "clock", Tone::Neutral),
    }
}

/// Whether a machine that is gone went by something that its owner did not do and could not stop: then a new one is
/// what comes next.
pub(crate) const fn took_it_away(kind: NoteKind) -> bool {
    match kind {
        NoteKind::SpotInterrupted
        | NoteKind::EndedOutside
        | NoteKind::ShutDownInside
        | NoteKind::AwsMaintenance
        | NoteKind::AwsFailure
        | NoteKind::Lost
        | NoteKind::LifetimeEnded
        | NoteKind::StoppedIdle => true,
        NoteKind::SpotWarning
        | NoteKind::StartedOutside
        | NoteKind::StoppedOutside
        | NoteKind::Rebooted
        // Whoever was stopped by an admin asks that admin first.
        | NoteKind::ForceStopped
        | NoteKind::Warned
        | NoteKind::StoppedBySchedule => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn by(kind: NoteKind, actor: &str, for_admin: bool) -> Option<String> {
        let note = InstanceNote {
            at: "2026-11-22T09:00:00Z".parse().unwrap(),
            kind,
            sentence: "An admin stopped it: costs".to_owned(),
            actor: Some(actor.to_owned()),
        };
        NoteView::new(&note, for_admin).by
    }

    #[test]
    fn only_admins_read_who_the_admin_was() {
        assert_eq!(by(NoteKind::ForceStopped, "sub-1", false), None);
        assert_eq!(by(NoteKind::ForceStopped, "sub-1", true).as_deref(), Some("sub-1"));
        assert_eq!(by(NoteKind::AwsFailure, "aws", true), None);
        assert_eq!(by(NoteKind::Warned, "cloudapp", true), None);
    }

    #[test]
    fn every_kind_has_a_title_of_its_own() {
        let titles: std::collections::BTreeSet<_> = NoteKind::ALL.map(|kind| face(kind).0).into();
        assert_eq!(titles.len(), NoteKind::ALL.len());
    }
}
