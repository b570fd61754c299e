//! cloudapp-domain
