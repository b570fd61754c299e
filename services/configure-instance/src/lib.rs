//! cloudapp-configure-instance
