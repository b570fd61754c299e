//! cloudapp-provision-instance
