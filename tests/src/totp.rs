use std::time::{Duration, SystemTime};

use totp_rs::{Builder, Secret};

/// The six digits that an authenticator app would show now for a base32 secret (RFC 6238).
///
/// # Panics
/// If the secret is not base32.
#[must_use]
pub fn totp_code(secret: &str) -> String {
    code_at(secret, unix_time().as_secs())
}

/// The digits that it will show next: a code is good once, and clocks may differ by one step.
///
/// # Panics
/// If the secret is not base32.
#[must_use]
pub fn next_totp_code(secret: &str) -> String {
    code_at(secret, unix_time().as_secs() + STEP_SECONDS)
}

/// RFC 6238's time step, as all authenticator apps have it.
const STEP_SECONDS: u64 = 30;

fn code_at(secret: &str, time: u64) -> String {
    let secret = Secret::try_from_base32(secret).expect("a base32 secret");
    let totp = Builder::new().with_secret(secret).build_noncompliant();
    totp.generate(time).to_string()
}

/// Seconds since 1970. Tests follow the machine's clock, as an authenticator app does.
#[expect(clippy::disallowed_methods, reason = "an authenticator app reads the wall clock")]
fn unix_time() -> Duration {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
}
