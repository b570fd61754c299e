//! A door in front of something that listens, to be shut: what lies behind lives on and is gone for whoever comes by it.

use std::net::SocketAddr;

use anyhow::Context as _;
use axum::serve::Listener as _;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::AbortHandle;

use crate::stub::{Outage, OutageListener};

/// Leads every connection to one address; it stops when dropped.
#[derive(Debug)]
pub struct Gate {
    address: SocketAddr,
    outage: watch::Sender<Outage>,
    leading: AbortHandle,
}

impl Gate {
    /// Opens one on a free port before `target`.
    ///
    /// # Errors
    /// There is no port.
    pub async fn before(target: SocketAddr) -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.context("cannot listen on loopback")?;
        let address = listener.local_addr()?;
        let outage = watch::Sender::new(Outage::None);
        let mut listener = OutageListener::new(listener, address, outage.subscribe());
        let shut = outage.subscribe();
        let leading = tokio::spawn(async move {
            loop {
                let (mut caller, _) = listener.accept().await;
                let mut shut = shut.clone();
                tokio::spawn(async move {
                    let lead = async {
                        let mut inside = TcpStream::connect(target).await?;
                        let _ = inside.set_nodelay(true);
                        copy_bidirectional(&mut caller, &mut inside).await
                    };
                    tokio::select! {
                        _ = lead => {}
                        // Whoever is inside is put out; whoever waits for an answer gets none.
                        _ = shut.wait_for(|outage| *outage == Outage::Refusing) => {}
                    }
                });
            }
        });
        Ok(Self { address, outage, leading: leading.abort_handle() })
    }

    /// Where to come in.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Nobody comes in any more, and whoever is inside is put out.
    pub fn shut(&self) {
        self.outage.send_replace(Outage::Refusing);
    }

    /// As in the beginning.
    pub fn open(&self) {
        self.outage.send_replace(Outage::None);
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.leading.abort();
    }
}
