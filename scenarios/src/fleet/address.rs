//! Loopback addresses that no other fleet on this machine uses.

use super::error::FleetError;
use std::collections::HashSet;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};

/// The port that is bound on the last address of a block for as long as the block is in use: whoever can bind it has
/// the block.
const RESERVE_PORT: u16 = 7117;
/// The last octet of the address that reserves a block.
const RESERVE_HOST: u8 = 254;
/// Addresses of a block that are handed out.
const HOSTS: u8 = 250;
/// How many blocks are tried before giving up.
const MAX_TRIES: u32 = 2048;

/// A block of loopback addresses, `127.A.B.0/24`, reserved for one fleet. On systems where only 127.0.0.1 is up, that
/// address with whatever ports are free.
#[derive(Debug)]
pub struct Block {
    /// The first three octets; `None` if there is only 127.0.0.1.
    net: Option<[u8; 3]>,
    next_host: u8,
    handed_out: HashSet<SocketAddr>,
    _reservation: Option<TcpListener>,
}

impl Block {
    /// Reserves a block until it is dropped.
    ///
    /// # Errors
    /// If there is no loopback to bind to, or thousands of fleets are running.
    pub fn reserve() -> Result<Self, FleetError> {
        // Where the search starts is of no importance; the process id spreads parallel runs.
        let start = std::process::id().wrapping_mul(2_654_435_761) >> 8;
        let mut last = io::Error::from(io::ErrorKind::AddrInUse);
        for step in 0..MAX_TRIES {
            // 127.0.x.y is left alone: people use it by hand.
            let number = (start.wrapping_add(step)) % (254 * 256);
            let net = [127, 1 + (number / 256) as u8, (number % 256) as u8];
            match TcpListener::bind((address(net, RESERVE_HOST), RESERVE_PORT)) {
                Ok(reservation) => return Ok(Self::of(Some(net), Some(reservation))),
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => last = error,
                Err(_) => return Ok(Self::of(None, None)),
            }
        }
        Err(FleetError::NoAddress(last))
    }

    fn of(net: Option<[u8; 3]>, reservation: Option<TcpListener>) -> Self {
        Self { net, next_host: 0, handed_out: HashSet::new(), _reservation: reservation }
    }

    /// An IP address that this block has not handed out before.
    ///
    /// # Errors
    /// When all are used.
    pub fn host(&mut self) -> Result<Ipv4Addr, FleetError> {
        let Some(net) = self.net else { return Ok(Ipv4Addr::LOCALHOST) };
        if self.next_host == HOSTS {
            return Err(FleetError::NoAddress(io::Error::other("all addresses of the block are in use")));
        }
        self.next_host += 1;
        Ok(address(net, self.next_host))
    }

    /// A free port of an address of this block: the preferred one if it can be had, which makes addresses easy to read.
    ///
    /// # Errors
    /// When no port can be bound.
    pub fn port(&mut self, host: Ipv4Addr, preferred: u16) -> Result<SocketAddr, FleetError> {
        let preferred = if self.net.is_some() { preferred } else { 0 };
        let mut bind_to = preferred;
        loop {
            let bound = match TcpListener::bind((host, bind_to)) {
                Ok(listener) => listener.local_addr().map_err(FleetError::NoAddress)?,
                Err(_) if bind_to != 0 => {
                    bind_to = 0;
                    continue;
                }
                Err(error) => return Err(FleetError::NoAddress(error)),
            };
            if self.handed_out.insert(bound) {
                return Ok(bound);
            }
            bind_to = 0;
        }
    }

    /// A new address with a free port.
    ///
    /// # Errors
    /// As [`Block::host`] and [`Block::port`].
    pub fn address(&mut self, preferred_port: u16) -> Result<SocketAddr, FleetError> {
        let host = self.host()?;
        self.port(host, preferred_port)
    }
}

fn address([a, b, c]: [u8; 3], host: u8) -> Ipv4Addr {
    Ipv4Addr::new(a, b, c, host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_apart() {
        let (mut one, mut two) = (Block::reserve().unwrap(), Block::reserve().unwrap());
        let of = |block: &mut Block| (0..3).map(|_| block.address(8080).unwrap()).collect::<HashSet<_>>();
        let (first, second) = (of(&mut one), of(&mut two));
        assert_eq!((first.len(), second.len()), (3, 3));
        assert!(first.is_disjoint(&second), "{first:?} {second:?}");
    }

    #[test]
    fn a_taken_port_is_passed_over() {
        let mut block = Block::reserve().unwrap();
        let host = block.host().unwrap();
        let taken = TcpListener::bind((host, 0)).unwrap().local_addr().unwrap();
        let _holder = TcpListener::bind(taken).unwrap();
        let found = block.port(host, taken.port()).unwrap();
        assert_ne!(found, taken);
        assert_ne!(block.port(host, found.port()).unwrap(), found, "handed out once only");
    }
}
