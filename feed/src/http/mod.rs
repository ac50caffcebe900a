//! HTTP below the API: who is let in, how much of them, and how answers leave.
//!
//! [`bind`] opens the socket and [`Bound::serve`] serves a router behind [`gate`], which every request
//! passes in this order: its token, session or ticket ([`guard`]), its client's rate, its method, its body. What is
//! refused is a [`Problem`], as whatever else goes wrong is. Before that, pages of other origins are told what they may
//! ask (CORS). Below it, [`door`] limits connections, and hyper the time and the size of headers. HTTP/2 is spoken over
//! TLS, and without it by choice.

mod access;
mod coding;
mod door;
mod files;
mod gate;
mod guard;
mod limiter;
mod metrics;
mod origin;
mod passes;
mod problem;
mod prompt;
mod pump;
mod server;
pub(crate) mod session;
#[cfg(test)]
mod tests;
mod tls;
mod tokens;

pub use access::Access;
pub(crate) use guard::{COOKIE_PLAIN, COOKIE_SECURE, STREAMS};
pub(crate) use metrics::HttpMetrics;
pub use origin::Origin;
pub(crate) use problem::Problem;
pub(crate) use server::{Bound, bind};
pub use server::{HttpOptions, Timeouts};
pub use tls::TlsFiles;
pub use tokens::{NewToken, Tokens};
