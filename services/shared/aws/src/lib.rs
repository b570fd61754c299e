//! cloudapp-aws
