//! Ports on loopback for programs that have to be told theirs before they listen.
//!
//! Asking the system for port 0 and giving the number on is a race: the system may hand the same number to any
//! outgoing connection before the program listens, and long after, while a program that keeps its port is stopped.
//! So these ports come from below the range of outgoing connections, and one after the other: each is handed out
//! again only after all the others, by all processes of the user together.

use std::fs::{File, OpenOptions};
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::net::{Ipv4Addr, TcpListener};
use std::ops::Range;
use std::path::Path;

/// Below are ports that programs like to have as their default.
const FIRST: u16 = 20_000;
/// Where outgoing connections begin on Linux, unless its administrator says otherwise.
const EPHEMERAL: u16 = 32_768;
/// Fewer ports than this come round too soon.
const ENOUGH: u16 = 1_000;

/// A port on 127.0.0.1 on which nobody listens, and which nobody gets soon who asks here or connects somewhere.
///
/// # Errors
/// Every port is taken.
pub fn free_port() -> io::Result<u16> {
    let range = below(std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").ok().as_deref());
    next(&std::env::temp_dir().join(format!("cloudapp-last-port-{}", user())), &range)
}

/// The ports to choose from, where outgoing connections have those that Linux names in `outgoing`.
fn below(outgoing: Option<&str>) -> Range<u16> {
    let lowest =
        outgoing.and_then(|range| range.split_whitespace().next()?.parse().ok()).unwrap_or(EPHEMERAL);
    if lowest > FIRST + ENOUGH { FIRST..lowest } else { FIRST..EPHEMERAL }
}

/// Processes of another user may not write our file.
fn user() -> u32 {
    use std::os::unix::fs::MetadataExt as _;
    std::fs::metadata("/proc/self").map_or(0, |process| process.uid())
}

fn next(record: &Path, range: &Range<u16>) -> io::Result<u16> {
    let mut record = Record::open(record);
    let last = record.read().filter(|last| range.contains(last)).unwrap_or_else(|| anywhere(range));
    let after_it = (last + 1..range.end).chain(range.start..=last);
    let free = after_it.into_iter().find(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok());
    let port = free.ok_or_else(|| io::Error::new(io::ErrorKind::AddrInUse, "every port is taken"))?;
    record.write(port);
    Ok(port)
}

fn anywhere(range: &Range<u16>) -> u16 {
    let random = RandomState::new().build_hasher().finish() % u64::from(range.end - range.start);
    // The remainder of a division by a u16 is one.
    range.start + u16::try_from(random).unwrap_or(0)
}

/// The port handed out last, in a file that is locked as long as this lives. Without one (no such folder, a full
/// disk) ports are chosen by chance, which is nearly as good.
struct Record(Option<File>);

impl Record {
    fn open(path: &Path) -> Self {
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path).ok();
        Self(file.filter(|file| file.lock().is_ok()))
    }

    fn read(&mut self) -> Option<u16> {
        let mut text = String::new();
        self.0.as_mut()?.read_to_string(&mut text).ok()?;
        text.trim().parse().ok()
    }

    fn write(&mut self, port: u16) {
        let Some(file) = &mut self.0 else { return };
        // What cannot be kept is replaced by chance at the next call.
        let _ = file.rewind().and_then(|()| writeln!(file, "{port}"));
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn in_folder() -> std::path::PathBuf {
        let name = format!("cloudapp-free-port-{}-{}", std::process::id(), anywhere(&(0..u16::MAX)));
        std::env::temp_dir().join(name)
    }

    #[test]
    fn no_port_comes_twice_also_to_many_who_ask_at_once() {
        let record = in_folder();
        let range = below(None);
        let ports: Vec<u16> = std::thread::scope(|scope| {
            let asking: Vec<_> = (0..8)
                .map(|_| scope.spawn(|| (0..100).map(|_| next(&record, &range).unwrap()).collect::<Vec<_>>()))
                .collect();
            asking.into_iter().flat_map(|asked| asked.join().unwrap()).collect()
        });
        std::fs::remove_file(&record).unwrap();
        assert_eq!(ports.iter().collect::<HashSet<_>>().len(), 800);
        assert!(ports.iter().all(|port| range.contains(port)));
    }

    #[test]
    fn a_taken_port_is_passed_over_and_the_last_is_followed_by_the_first() {
        let record = in_folder();
        // Ports that no other test asks for.
        let held =
            (10_000..FIRST).find_map(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).ok()).unwrap();
        let taken = held.local_addr().unwrap().port();
        let range = taken..taken + 3;
        let asked: Vec<u16> = (0..6).map(|_| next(&record, &range).unwrap()).collect();
        std::fs::remove_file(&record).unwrap();
        assert!(!asked.contains(&taken), "{asked:?}");
        assert_eq!(asked[0], asked[2]);
        assert!(next(&record, &(taken..taken + 1)).is_err());
        let _ = std::fs::remove_file(&record);
    }

    #[test]
    fn without_a_record_ports_are_still_found() {
        assert!(next(Path::new("/nowhere/at/all"), &below(None)).is_ok());
    }

    #[test]
    fn outgoing_connections_are_kept_out_where_there_is_room_below_them() {
        assert_eq!(below(Some("32768\t60999\n")), 20_000..32_768);
        assert_eq!(below(Some("25000 60999")), 20_000..25_000);
        assert_eq!(below(Some("1024 65535")), 20_000..32_768);
        assert_eq!(below(None), 20_000..32_768);
    }
}
