//! The tokens and clients that may use the API.

use super::Tokens;
use crate::error::FeedError;
use std::net::SocketAddr;

/// The rule by which requests are let in.
#[derive(Clone, Debug)]
pub enum Access {
    /// Everybody who can connect.
    Public,
    /// Who shows one of these tokens, as `Authorization: Bearer …`, or has a session that was begun with one. Everybody
    /// may ask for `/healthz`.
    Tokens(Tokens),
}

impl Access {
    /// Who may ask at `listen`. Without tokens that is everybody on this machine; for others to be everybody
    /// it has to be said.
    ///
    /// # Errors
    ///
    /// [`FeedError::Open`] if others can reach `listen`, and there are neither tokens nor is it `public`;
    /// [`FeedError::TokensOfPublic`] if it is both.
    pub fn check(listen: SocketAddr, tokens: Option<Tokens>, is_public: bool) -> Result<Self, FeedError> {
        match tokens {
            Some(_) if is_public => Err(FeedError::TokensOfPublic),
            Some(tokens) => Ok(Self::Tokens(tokens)),
            None if is_public || listen.ip().to_canonical().is_loopback() => Ok(Self::Public),
            None => Err(FeedError::Open { listen }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_may_ask_unless_it_is_said_who() {
        let tokens = Tokens::parse(&Tokens::generate("a").unwrap().line).unwrap();
        for (listen, is_loopback) in [
            ("127.0.0.1:1", true),
            ("127.9.9.9:1", true),
            ("[::1]:1", true),
            ("[::ffff:127.0.0.1]:1", true),
            ("0.0.0.0:1", false),
            ("[::]:1", false),
            ("192.168.0.1:1", false),
            ("[::ffff:10.0.0.1]:1", false),
        ] {
            let listen: SocketAddr = listen.parse().unwrap();
            let bare = Access::check(listen, None, false);
            assert_eq!(matches!(bare, Ok(Access::Public)), is_loopback, "{listen}");
            assert_eq!(matches!(bare, Err(FeedError::Open { .. })), !is_loopback, "{listen}");
            assert!(matches!(Access::check(listen, None, true), Ok(Access::Public)));
            assert!(matches!(Access::check(listen, Some(tokens.clone()), false), Ok(Access::Tokens(_))));
            let both = Access::check(listen, Some(tokens.clone()), true);
            assert!(matches!(both, Err(FeedError::TokensOfPublic)));
        }
    }
}
