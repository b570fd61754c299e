//! cloudapp-standalone
