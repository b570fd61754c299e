//! cloudapp-chassis
