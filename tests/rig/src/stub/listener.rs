//! A listener that can be away: while it refuses it does not listen at all, and its connections break.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::serve::Listener;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::sleep;

use super::Outage;

/// Between two tries to have the port again.
const PAUSE: Duration = Duration::from_millis(20);

pub(crate) struct OutageListener {
    inner: Option<TcpListener>,
    address: SocketAddr,
    outage: watch::Receiver<Outage>,
}

impl OutageListener {
    pub(crate) const fn new(
        inner: TcpListener,
        address: SocketAddr,
        outage: watch::Receiver<Outage>,
    ) -> Self {
        Self { inner: Some(inner), address, outage }
    }

    /// The listener, while connections are taken; waits otherwise.
    async fn open(&mut self) -> &TcpListener {
        while *self.outage.borrow_and_update() == Outage::Refusing {
            self.inner = None;
            if self.outage.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
        let listener = match self.inner.take() {
            Some(listener) => listener,
            None => loop {
                match TcpListener::bind(self.address).await {
                    Ok(listener) => break listener,
                    Err(_) => sleep(PAUSE).await,
                }
            },
        };
        self.inner.insert(listener)
    }
}

impl Listener for OutageListener {
    type Io = OutageStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            let mut changed = self.outage.clone();
            let listener = self.open().await;
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                _ = changed.changed() => continue,
            };
            if let Ok((stream, address)) = accepted {
                // Answers are small and awaited.
                let _ = stream.set_nodelay(true);
                return (OutageStream { stream, outage: self.outage.clone() }, address);
            }
        }
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        Ok(self.address)
    }
}

pub(crate) struct OutageStream {
    stream: TcpStream,
    outage: watch::Receiver<Outage>,
}

impl OutageStream {
    fn check(&self) -> io::Result<()> {
        match *self.outage.borrow() {
            Outage::Refusing => Err(io::ErrorKind::ConnectionReset.into()),
            Outage::None | Outage::Hanging => Ok(()),
        }
    }
}

impl AsyncRead for OutageStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.check()?;
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for OutageStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.check()?;
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
