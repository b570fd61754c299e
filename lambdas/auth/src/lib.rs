//! cloudapp-auth
