//! HTTP below the API: who is let in, how much of them, and how answers leave.
//!
//! [`bind`] opens the socket and [`Bound::serve`] serves a router behind [`gate`], which every request
//! passes in this order: its token (but for `/healthz`), its client's rate, its method, its body. What is
//! refused is a [`Problem`], as whatever else goes wrong is. Below that, [`door`] limits connections, and
//! hyper the time and the size of headers.

mod access;
mod coding;
mod door;
mod files;
mod gate;
mod limiter;
mod metrics;
mod problem;
mod server;
#[cfg(test)]
mod tests;
mod tls;
mod tokens;

pub use access::Access;
pub(crate) use metrics::HttpMetrics;
pub(crate) use problem::Problem;
pub(crate) use server::{Bound, bind};
pub use server::{HttpOptions, Timeouts};
pub use tls::TlsFiles;
pub use tokens::{NewToken, Tokens};
