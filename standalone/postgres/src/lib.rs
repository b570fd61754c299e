//! cloudapp-postgres
