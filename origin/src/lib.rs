//! Tidewall's origin server: serves the files of a built site as a CDN wants them.
//!
//! Every file has a strong entity tag from its content, a Cache-Control that fits its kind, and surrogate tags to purge
//! it by. The served release is switched atomically while requests are in flight. For tests there are synthetic objects
//! of any size and behaviour, and faults on demand.
//!
//! The modules, lowest first; imports point downward only:
//!
//! 1. Decisions without I/O: [`site_path`], [`fingerprint`], [`cache_control`], [`release_name`], [`tags`], [`policy`],
//!    [`encoding`], [`range`], [`conditional`], [`noise`].
//! 2. The files: [`content`], [`release`], [`loader`].
//! 3. The state that requests share: [`counters`], [`token`], [`origin`].
//! 4. Responses: [`reply`], [`respond`], [`serve`], [`fault`], [`synthetic`], [`control`].
//! 5. The server and the caller: [`app`], [`connection`], [`server`], [`client`].

pub mod clock;
pub mod hint;

pub mod cache_control;
pub mod fingerprint;
pub mod policy;
pub mod release_name;
pub mod site_path;
pub mod tags;

pub mod conditional;
pub mod encoding;
pub mod noise;
pub mod range;

pub mod content;
pub mod loader;
pub mod release;

pub mod counters;
pub mod origin;
pub mod token;

pub mod control;
pub mod fault;
pub mod reply;
pub mod respond;
pub mod serve;
pub mod synthetic;

pub mod app;
pub mod client;
pub mod connection;
pub mod server;
