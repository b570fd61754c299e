//! cloudapp-ec2-simulator
