//! cloudapp-web
