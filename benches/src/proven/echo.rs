//! A byte there and back: what a link takes by itself.

use anyhow::Result;
use scenarios::clock;
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// Sends back what it gets, on each connection, for as long as this process lives.
pub(super) async fn serve(address: SocketAddr) -> Result<()> {
    let listener = TcpListener::bind(address).await?;
    tokio::spawn(async move {
        while let Ok((mut tcp, _)) = listener.accept().await {
            tokio::spawn(async move {
                let _ = tcp.set_nodelay(true);
                let mut byte = [0];
                while tcp.read_exact(&mut byte).await.is_ok() && tcp.write_all(&byte).await.is_ok() {}
            });
        }
    });
    Ok(())
}

/// A connection to such a server.
pub(super) struct Echo(TcpStream);

impl Echo {
    pub(super) async fn open(address: SocketAddr) -> Result<Self> {
        let tcp = TcpStream::connect(address).await?;
        tcp.set_nodelay(true)?;
        let mut echo = Self(tcp);
        // With the first byte comes what it takes to open the connection.
        echo.round_trip().await?;
        Ok(echo)
    }

    /// In milliseconds.
    pub(super) async fn round_trip(&mut self) -> Result<f64> {
        let began = clock::now();
        self.0.write_all(&[0]).await?;
        self.0.read_exact(&mut [0]).await?;
        Ok(began.elapsed().as_secs_f64() * 1e3)
    }
}
