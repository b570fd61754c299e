//! What survives a `kill -9`: a file to which every change is appended before it is answered.
//!
//! A line is one record; later records about the same thing replace earlier ones. The file is rewritten
//! without the replaced ones at each start. A last line that was cut short was never answered for, and is
//! dropped.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use crate::{
    identity::SigningKeyFile,
    model::{
        instance::Instance,
        region::{Changes, Region, Reservation},
    },
};

/// For this long a client token stands for its launch, though its machines may be gone.
const TOKEN_LIFE: TimeDelta = TimeDelta::hours(48);

/// One line.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Record {
    SigningKey(SigningKeyFile),
    Reservation(Reservation),
    Instance(Box<Instance>),
    Forgotten(String),
}

/// Everything that was written down.
#[derive(Debug, Default)]
pub(crate) struct Remembered {
    pub(crate) signing_key: Option<SigningKeyFile>,
    pub(crate) reservations: Vec<Reservation>,
    pub(crate) instances: Vec<Instance>,
}

impl Remembered {
    /// Drops launches whose machines are all forgotten and whose tokens have expired.
    fn forget_old_launches(&mut self, now: DateTime<Utc>) {
        let held: BTreeSet<&str> = self.instances.iter().map(|i| i.reservation_id.as_str()).collect();
        self.reservations
            .retain(|launch| now - launch.created_at < TOKEN_LIFE || held.contains(launch.id.as_str()));
    }
}

/// The open file; or none, and nothing is kept.
#[derive(Debug)]
pub(crate) struct Journal {
    file: Option<File>,
}

impl Journal {
    /// Nothing is kept.
    pub(crate) fn none() -> Self {
        Self { file: None }
    }

    /// Reads what was kept in the folder, tidies the file up and opens it for more.
    pub(crate) fn open(folder: &Path, now: DateTime<Utc>) -> io::Result<(Self, Remembered)> {
        fs::create_dir_all(folder)?;
        let path = folder.join("journal.jsonl");
        let mut remembered = read(&path)?;
        remembered.forget_old_launches(now);
        let tidied = folder.join("journal.jsonl.new");
        let mut file = create_private(&tidied)?;
        file.write_all(&lines(&remembered)?)?;
        file.sync_all()?;
        fs::rename(&tidied, &path)?;
        Ok((Self { file: Some(file) }, remembered))
    }

    /// Writes down what has changed.
    pub(crate) fn write(&mut self, region: &Region, changes: &Changes) -> io::Result<()> {
        let reservations = changes.reservations.iter().filter_map(|id| region.reservation(id)).cloned();
        let instances =
            changes.instances.iter().filter_map(|sequence| region.by_sequence(*sequence)).cloned();
        let records = reservations
            .map(Record::Reservation)
            .chain(instances.map(|instance| Record::Instance(Box::new(instance))))
            .chain(changes.forgotten.iter().cloned().map(Record::Forgotten));
        self.append(records)
    }

    /// Writes down the key that signs identity documents.
    pub(crate) fn write_signing_key(&mut self, key: &SigningKeyFile) -> io::Result<()> {
        self.append([Record::SigningKey(key.clone())])
    }

    fn append(&mut self, records: impl IntoIterator<Item = Record>) -> io::Result<()> {
        let Some(file) = &mut self.file else { return Ok(()) };
        let mut text = Vec::new();
        for record in records {
            serde_json::to_writer(&mut text, &record)?;
            text.push(b'\n');
        }
        // One write: what the system has taken survives this process, which is all that is promised.
        if text.is_empty() { Ok(()) } else { file.write_all(&text) }
    }
}

fn create_private(path: &PathBuf) -> io::Result<File> {
    // User data may hold secrets, and the signing key is one.
    OpenOptions::new().create(true).write(true).truncate(true).mode(0o600).open(path)
}

fn read(path: &Path) -> io::Result<Remembered> {
    let text = match fs::read(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Remembered::default()),
        Err(error) => return Err(error),
    };
    let mut signing_key = None;
    let mut reservations = BTreeMap::new();
    let mut instances = BTreeMap::new();
    let whole_lines = text.split_inclusive(|byte| *byte == b'\n').filter(|line| line.ends_with(b"\n"));
    for line in whole_lines {
        match serde_json::from_slice(line)? {
            Record::SigningKey(key) => signing_key = Some(key),
            Record::Reservation(reservation) => {
                reservations.insert(reservation.id.clone(), reservation);
            }
            Record::Instance(instance) => {
                instances.insert(instance.id.clone(), *instance);
            }
            Record::Forgotten(id) => {
                instances.remove(&id);
            }
        }
    }
    Ok(Remembered {
        signing_key,
        reservations: reservations.into_values().collect(),
        instances: instances.into_values().collect(),
    })
}

fn lines(remembered: &Remembered) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    let key = remembered.signing_key.iter().cloned().map(Record::SigningKey);
    let reservations = remembered.reservations.iter().cloned().map(Record::Reservation);
    let instances = remembered.instances.iter().cloned().map(|instance| Record::Instance(Box::new(instance)));
    for record in key.chain(reservations).chain(instances) {
        serde_json::to_writer(&mut text, &record)?;
        text.push(b'\n');
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn launch(id: &str, created_at: DateTime<Utc>) -> Reservation {
        Reservation {
            id: id.to_owned(),
            client_token: Some(id.to_owned()),
            digest: String::new(),
            user_data: None,
            instance_ids: Vec::new(),
            created_at,
        }
    }

    #[test]
    fn the_last_record_counts_and_old_launches_without_machines_go() {
        let folder = tempfile::tempdir().unwrap();
        let now = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
        let (mut journal, _) = Journal::open(folder.path(), now).unwrap();
        let old = launch("r-old", now - TimeDelta::hours(49));
        let changed = Reservation { digest: "second".to_owned(), ..launch("r-new", now) };
        for reservation in [old, launch("r-new", now), changed.clone()] {
            journal.append([Record::Reservation(reservation)]).unwrap();
        }
        let (_, remembered) = Journal::open(folder.path(), now).unwrap();
        assert_eq!(remembered.reservations, [changed]);
    }

    #[test]
    fn a_damaged_line_in_the_middle_is_not_passed_over() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("journal.jsonl"), "{\"forgotten\":\"i-1\"}\nnonsense\n").unwrap();
        assert!(Journal::open(folder.path(), DateTime::UNIX_EPOCH).is_err());
    }
}
