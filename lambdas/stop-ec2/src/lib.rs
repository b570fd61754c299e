//! cloudapp-stop-ec2
