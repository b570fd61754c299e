//! cloudapp-ec2
