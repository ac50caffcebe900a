//! The tokens and clients that may use the API.

use super::Tokens;
use crate::error::FeedError;
use axum::http::{HeaderMap, header};
use std::net::SocketAddr;

/// The rule by which requests are let in.
#[derive(Clone, Debug)]
pub enum Access {
    /// Everybody who can connect.
    Public,
    /// Who shows one of these tokens, as `Authorization: Bearer …`. Everybody may ask for `/healthz`.
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

    /// Whether a request with these headers may be answered.
    pub(super) fn admits(&self, headers: &HeaderMap) -> bool {
        match self {
            Self::Public => true,
            Self::Tokens(tokens) => bearer(headers).is_some_and(|token| tokens.has(token)),
        }
    }
}

/// The token that a request shows, if it shows just one.
fn bearer(headers: &HeaderMap) -> Option<&[u8]> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        return None;
    };
    let (scheme, token) = value.as_bytes().split_at_checked(7)?;
    scheme.eq_ignore_ascii_case(b"Bearer ").then(|| token.trim_ascii_start())
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

    #[test]
    fn a_token_is_shown_in_one_header_as_bearer() {
        let made = Tokens::generate("a").unwrap();
        let access = Access::Tokens(Tokens::parse(&made.line).unwrap());
        let token = &made.token;
        let admits = |values: &[String]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(header::AUTHORIZATION, value.parse().unwrap());
            }
            access.admits(&headers)
        };
        for good in [format!("Bearer {token}"), format!("bearer {token}"), format!("BEARER   {token}")] {
            assert!(admits(std::slice::from_ref(&good)), "{good}");
            assert!(!admits(&[good.clone(), good]), "twice");
        }
        let bad =
            [token.clone(), format!("Basic {token}"), format!("Bearer{token}"), format!("Bearer {token}x")];
        for bad in bad.into_iter().chain(["Bearer ".into(), "Bearer".into(), String::new()]) {
            assert!(!admits(std::slice::from_ref(&bad)), "{bad}");
        }
        assert!(!admits(&[]));
    }
}
