//! cloudapp-ssh-ca
