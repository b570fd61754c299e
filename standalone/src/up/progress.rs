//! Lines for the person who waits.

use std::io::Write as _;
use std::time::Instant;

/// Tells what is being done and how long it took.
#[derive(Debug)]
pub(crate) struct Progress {
    started: Instant,
}

impl Progress {
    pub(crate) fn start() -> Self {
        Self { started: Instant::now() }
    }

    /// Does `work` under a line that names it.
    pub(crate) async fn step<T, E>(
        &self,
        what: &str,
        work: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        let begun = Instant::now();
        say(&format!("[{:>5.1} s] {what} …", self.started.elapsed().as_secs_f64()));
        let done = work.await;
        if done.is_ok() && begun.elapsed().as_secs() >= 2 {
            say(&format!("            took {:.1} s", begun.elapsed().as_secs_f64()));
        }
        done
    }

    /// Seconds since the start.
    pub(crate) fn seconds(&self) -> f64 {
        self.started.elapsed().as_secs_f64()
    }
}

/// A line on standard output. A closed one (`| head`) is no reason to stop.
pub(crate) fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{line}");
    let _ = out.flush();
}
