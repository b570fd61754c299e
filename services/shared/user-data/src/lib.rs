//! cloudapp-user-data
