//! cloudapp-login-poller
