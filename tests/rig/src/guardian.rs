//! What tidies up when nobody else can: a small script that knows every process of the rig and its folder, and reads a
//! pipe that only the owner holds. However the owner ends, the pipe ends with it; the script then kills what is left
//! and removes the folder.

use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Mutex, PoisonError};

use anyhow::Context as _;

/// Lines are `+ pid` and `- pid`.
const SCRIPT: &str = r#"
folder=$1
pids=
while read -r sign pid; do
    case $sign in
        +) pids="$pids $pid" ;;
        -) left=
           for one in $pids; do [ "$one" = "$pid" ] || left="$left $one"; done
           pids=$left ;;
    esac
done
for pid in $pids; do kill -s KILL "$pid" 2>/dev/null; done
rm -rf -- "$folder" || { sleep 1; rm -rf -- "$folder"; }
"#;

/// The script; it ends, and tidies up, when this is dropped.
#[derive(Debug)]
pub(crate) struct Guardian {
    script: Child,
    pipe: Mutex<Option<ChildStdin>>,
}

impl Guardian {
    /// Starts one for `folder`.
    pub(crate) fn start(folder: &Path) -> anyhow::Result<Self> {
        let mut script = Command::new("sh")
            .args(["-c", SCRIPT, "cloudapp-rig-guardian"])
            .arg(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .current_dir("/")
            // A Ctrl-C in the terminal must not end it before its owner.
            .process_group(0)
            .spawn()
            .context("cannot start sh")?;
        let pipe = Mutex::new(script.stdin.take());
        Ok(Self { script, pipe })
    }

    /// This process must not outlive the owner.
    pub(crate) fn watch(&self, pid: u32) {
        self.tell('+', pid);
    }

    /// This process is gone, its number may be somebody else's soon.
    pub(crate) fn forget(&self, pid: u32) {
        self.tell('-', pid);
    }

    fn tell(&self, sign: char, pid: u32) {
        let mut pipe = self.pipe.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(pipe) = pipe.as_mut() {
            // A guardian that somebody has killed cannot be told anything.
            let _ = writeln!(pipe, "{sign} {pid}");
        }
    }
}

impl Drop for Guardian {
    fn drop(&mut self) {
        drop(self.pipe.lock().unwrap_or_else(PoisonError::into_inner).take());
        let _ = self.script.wait();
    }
}
