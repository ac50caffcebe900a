//! Where blocks, transactions and addresses of the chains are explained to people: sites that pages link to, and never ask.

use axum::http::Uri;
use std::fmt;
use std::str::FromStr;

/// The explorers that are known, by the id of the chain.
const KNOWN: [(u64, &str); 4] = [
    (1, "https://etherscan.io"),
    (11_155_111, "https://sepolia.etherscan.io"),
    (1_088, "https://explorer.metis.io"),
    (59_902, "https://sepolia-explorer.metisdevops.link"),
];

/// The address of an explorer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExplorerUrl(String);

/// A text is not the address of an explorer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExplorerError(String);

impl fmt::Display for ExplorerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} is not the address of an explorer: write it as https://etherscan.io", self.0)
    }
}

impl std::error::Error for ExplorerError {}

impl FromStr for ExplorerUrl {
    type Err = ExplorerError;

    fn from_str(text: &str) -> Result<Self, ExplorerError> {
        let wrong = || ExplorerError(text.to_owned());
        let uri: Uri = text.parse().map_err(|_| wrong())?;
        let is_web = matches!(uri.scheme_str(), Some("https" | "http")) && uri.host().is_some();
        if !is_web || uri.query().is_some() || text.contains('#') {
            return Err(wrong());
        }
        Ok(Self(text.trim_end_matches('/').to_owned()))
    }
}

/// The explorers of both chains, where others than the known ones are wanted.
#[derive(Clone, Debug, Default)]
pub struct Explorers {
    /// The explorer to link to for L1; the known one of its chain if there is none.
    pub l1: Option<ExplorerUrl>,
    /// The explorer to link to for L2; the known one of its chain if there is none.
    pub l2: Option<ExplorerUrl>,
}

/// One of the two chains.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Chain {
    L1,
    L2,
}

impl Chain {
    /// The name that pages give it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::L1 => "L1",
            Self::L2 => "L2",
        }
    }
}

impl Explorers {
    /// The explorer of a chain, if there is one.
    pub(crate) fn of(&self, chain: Chain, chain_id: u64) -> Option<&str> {
        let given = match chain {
            Chain::L1 => self.l1.as_ref(),
            Chain::L2 => self.l2.as_ref(),
        };
        let known = || KNOWN.iter().find(|(id, _)| *id == chain_id).map(|(_, url)| *url);
        given.map(|url| url.0.as_str()).or_else(known)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_address_of_the_web_is_an_explorer() {
        for (text, url) in [
            ("https://etherscan.io", "https://etherscan.io"),
            ("http://127.0.0.1:4000/", "http://127.0.0.1:4000"),
            ("https://a.example/explorer/", "https://a.example/explorer"),
        ] {
            assert_eq!(text.parse(), Ok(ExplorerUrl(url.into())));
        }
        for text in
            ["", "etherscan.io", "javascript:alert(1)", "data:text/html,x", "https://a.example/?x=1", "//a"]
        {
            let error = text.parse::<ExplorerUrl>().unwrap_err().to_string();
            assert!(error.contains("https://etherscan.io"), "{error}");
        }
    }

    #[test]
    fn what_is_given_comes_before_what_is_known() {
        let given = Explorers { l1: Some("https://a.example".parse().unwrap()), l2: None };
        assert_eq!(given.of(Chain::L1, 1), Some("https://a.example"));
        assert_eq!(given.of(Chain::L2, 1_088), Some("https://explorer.metis.io"));
        assert_eq!(given.of(Chain::L2, 5), None);
    }
}
