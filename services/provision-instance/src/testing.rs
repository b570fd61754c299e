//! Set-up for tests.
