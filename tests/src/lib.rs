//! cloudapp-tests
