//! cloudapp-workflow
