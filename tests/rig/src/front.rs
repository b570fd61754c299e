//! The load balancer before the replicas: passes bytes on to one that lives.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use anyhow::Context as _;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::AbortHandle;
use tokio::time::timeout;

/// A replica that does not take a connection within this is passed over.
const CONNECT: Duration = Duration::from_secs(1);

/// Listens on a port of its own until dropped.
#[derive(Debug)]
pub(crate) struct Front {
    address: SocketAddr,
    replicas: Arc<RwLock<Vec<SocketAddr>>>,
    serving: AbortHandle,
}

impl Front {
    pub(crate) async fn start() -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.context("cannot listen on loopback")?;
        let address = listener.local_addr()?;
        let replicas: Arc<RwLock<Vec<SocketAddr>>> = Arc::default();
        let serving = tokio::spawn(serve(listener, Arc::clone(&replicas))).abort_handle();
        Ok(Self { address, replicas, serving })
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// From now on connections go to these, in turn.
    pub(crate) fn lead_to(&self, replicas: Vec<SocketAddr>) {
        *self.replicas.write().unwrap_or_else(PoisonError::into_inner) = replicas;
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn serve(listener: TcpListener, replicas: Arc<RwLock<Vec<SocketAddr>>>) {
    let turn = AtomicUsize::new(0);
    loop {
        let Ok((client, _)) = listener.accept().await else { continue };
        let known = replicas.read().unwrap_or_else(PoisonError::into_inner).clone();
        let first = turn.fetch_add(1, Ordering::Relaxed);
        tokio::spawn(pass_on(client, known, first));
    }
}

/// Without a replica that takes it, the connection is closed: the caller tries again, as at a real load balancer.
async fn pass_on(mut client: TcpStream, replicas: Vec<SocketAddr>, first: usize) {
    for offset in 0..replicas.len() {
        let address = replicas[(first + offset) % replicas.len()];
        if let Ok(Ok(mut server)) = timeout(CONNECT, TcpStream::connect(address)).await {
            // Small messages back and forth: they must not wait for acknowledgements.
            let _ = (client.set_nodelay(true), server.set_nodelay(true));
            // Either side may break off at any time.
            let _ = copy_bidirectional(&mut client, &mut server).await;
            return;
        }
    }
}
