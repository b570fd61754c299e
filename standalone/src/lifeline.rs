//! A child's tie to its parent: a pipe on standard input that ends when the parent does, however it ends.

use std::io::Read as _;

use tokio_util::sync::CancellationToken;

/// Set for a process that is held on a pipe: by `up` for its children, by a test for `up`. Without it (started by
/// hand) standard input means nothing.
pub(crate) const LIFELINE: &str = "CLOUDAPP_LIFELINE";

/// Shuts down when standard input ends.
pub(crate) fn hold(shutdown: CancellationToken) {
    if std::env::var_os(LIFELINE).is_none() {
        return;
    }
    // A thread, because a pending read of standard input would keep the runtime from ending.
    std::thread::spawn(move || {
        let mut bytes = [0; 64];
        while matches!(std::io::stdin().read(&mut bytes), Ok(read) if read > 0) {}
        shutdown.cancel();
    });
}
