//! A door in front of something that listens, to be shut: what lies behind lives on and is gone for whoever comes by it.

use std::net::SocketAddr;

use anyhow::Context as _;
use axum::serve::Listener as _;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::AbortHandle;

use crate::stub::{Outage, OutageListener, OutageStream};

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
        let changes = outage.subscribe();
        let leading = tokio::spawn(async move {
            loop {
                let (caller, _) = listener.accept().await;
                tokio::spawn(lead(caller, target, changes.clone()));
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

    /// Whoever comes in or is inside waits, and hears nothing any more.
    pub fn hang(&self) {
        self.outage.send_replace(Outage::Hanging);
    }

    /// As in the beginning. Whoever waited is put out.
    pub fn open(&self) {
        self.outage.send_replace(Outage::None);
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.leading.abort();
    }
}

/// Leads one caller in, for as long as the gate is open. Nobody hears whoever comes while it hangs, or is inside when it
/// begins to; they are put out when that is over: by then they have long given up, and their words would be old.
async fn lead(mut caller: OutageStream, target: SocketAddr, mut outage: watch::Receiver<Outage>) {
    let Ok(mut inside) = TcpStream::connect(target).await else { return };
    let _ = inside.set_nodelay(true);
    tokio::select! {
        biased;
        _ = outage.wait_for(|outage| *outage != Outage::None) => {}
        _ = copy_bidirectional(&mut caller, &mut inside) => {}
    }
    // Neither side hears of it before it is over.
    let _ = outage.wait_for(|outage| *outage != Outage::Hanging).await;
}
