//! cloudapp-view-stats
