//! cloudapp-contract
