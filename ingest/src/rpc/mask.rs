//! What of a URL may be shown.

use reqwest::Url;

/// Scheme, host and port: all of a URL that holds no secret.
pub(super) fn name_of(url: &Url) -> String {
    let host = url.host_str().unwrap_or("nowhere");
    match url.port() {
        Some(port) => format!("{}://{host}:{port}", url.scheme()),
        None => format!("{}://{host}", url.scheme()),
    }
}

/// The parts of a URL that may be secret: user, password, path and query, as a whole and by their parts.
pub(super) fn secrets_of(url: &Url) -> Vec<String> {
    let path = url.path().split('/');
    let query = url.query().unwrap_or_default();
    let pairs = query.split('&').flat_map(|pair| pair.split('='));
    let user = [url.username(), url.password().unwrap_or_default()];
    let parts = path.chain(pairs).chain(user).chain([query, url.path()]);
    // Short ones, such as `v3`, are no secrets, and would make gaps in every other word.
    let mut secrets: Vec<String> = parts.filter(|part| part.len() >= 6).map(String::from).collect();
    secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
    secrets
}

/// A text with each URL in it cut down to scheme, host and port. What does not parse as a URL, but begins
/// like one, may be a secret one with a slip in it: of that, only the scheme is left.
pub fn mask_urls(text: &str) -> String {
    let mut masked = String::new();
    let mut rest = text;
    // With one slash: a path that a URL was taken for may have lost the other.
    while let Some(colon) = rest.find(":/") {
        let is_of_scheme = |char: char| char.is_ascii_alphanumeric() || "+-.".contains(char);
        let start = rest[..colon].trim_end_matches(is_of_scheme).len();
        let end = rest[colon..].find(char::is_whitespace).map_or(rest.len(), |length| colon + length);
        // What closes a quotation or a sentence is hardly part of a URL, and says nothing of it if it is.
        let url = rest[start..end].trim_end_matches(['\'', '"', '`', ')', ',', '.', ';', ':']);
        let scheme = &rest[start..colon];
        masked += &rest[..start];
        // After a letter it is a drive, and after nothing no URL.
        if scheme.len() < 2 {
            masked += &rest[start..colon + 2];
            rest = &rest[colon + 2..];
            continue;
        }
        let name = match Url::parse(url) {
            Ok(url) if url.has_host() => name_of(&url),
            Ok(_) | Err(_) => format!("{scheme}://…"),
        };
        masked += &name;
        rest = &rest[start + url.len()..];
    }
    masked + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_urls_in_a_text_scheme_host_and_port_are_left() {
        let host = "http://rpc.example.org";
        for (text, masked) in [
            (
                "unexpected argument 'http://user:SECRET3@rpc.example.org/v3/KEY?token=T0KEN' found",
                "unexpected argument 'http://rpc.example.org' found",
            ),
            (
                "no file http://rpc.example.org/v3/KEY: not found (os error 2)",
                "no file http://rpc.example.org: not found (os error 2)",
            ),
            (
                "--policy=HTTPS://KEY@[::1]:8545/x#y, https://b.example/KEY.",
                "--policy=https://[::1]:8545, https://b.example.",
            ),
            ("http://a.example/KEY,http://b.example/KEY", "http://a.example"),
            ("http:/KEY:SECRET@rpc.example.org/v3", host),
            ("'wss://us'er:SECRET@rpc.example.org/v3'", "'wss://rpc.example.org'"),
            ("http://user:SEC RET@rpc.example.org/v3", "http://… RET@rpc.example.org/v3"),
            ("--http://user:SECRET@host/KEY", "--http://…"),
            ("http://[SECRET/KEY", "http://…"),
            ("a:/b, /path:/x, : /y, C:/z, ://, http:/", "a:/b, /path://…, : /y, C:/z, ://, http://…"),
            ("nothing: to mask", "nothing: to mask"),
            ("é://KEY http://é.example/KEY é", "é://KEY http://xn--9ca.example é"),
            ("", ""),
        ] {
            assert_eq!(mask_urls(text), masked);
        }
    }
}
