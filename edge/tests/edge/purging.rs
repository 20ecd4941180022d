//! `POST /purges`: what is purged is never served again, and nothing else is lost.

mod admission;
mod heads;
mod in_flight;
mod limits;
mod promise;
mod selectors;
mod soft;
mod statistics;
