//! HTTP/2: over TLS as clients like, and without it by choice.

use super::*;
use reqwest::{Certificate, Client, Version};

/// Asks by HTTP/2 alone, or as the client and the server agree.
fn client(is_only_http2: bool) -> Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let cert = Certificate::from_pem(&std::fs::read(tls_files().cert).unwrap()).unwrap();
    let builder = Client::builder().no_proxy().tls_certs_only([cert]);
    if is_only_http2 { builder.http2_prior_knowledge() } else { builder }.build().unwrap()
}

#[test]
fn it_is_spoken_over_tls_beside_http1() {
    let feed = Feed::start(HttpOptions { tls: Some(tls_files()), ..options() });
    let url = format!("https://localhost:{}/v1/things/1", feed.address.port());
    feed.runtime.block_on(async {
        let answer = client(false).get(&url).send().await.unwrap();
        assert_eq!((answer.version(), answer.status().as_u16()), (Version::HTTP_2, 200));
        assert_eq!(answer.bytes().await.unwrap().len(), 6000);
    });
    feed.stop();
}

#[test]
fn it_is_spoken_without_tls_where_that_is_chosen() {
    let feed = Feed::start(HttpOptions { is_h2c: true, ..options() });
    let url = format!("http://{}/v1/things/1", feed.address);
    feed.runtime.block_on(async {
        let answer = client(true).get(&url).send().await.unwrap();
        assert_eq!((answer.version(), answer.status().as_u16()), (Version::HTTP_2, 200));
        let bad = client(true).post(&url).body("x").send().await.unwrap();
        assert_eq!(bad.status().as_u16(), 405);
        let body = client(true).get(&url).body("x").send().await.unwrap();
        assert_eq!(body.status().as_u16(), 413);
    });
    assert_eq!(feed.get("/v1/things/1", "").status, 200);
    feed.stop();

    let feed = Feed::start(options());
    let url = format!("http://{}/v1/things/1", feed.address);
    assert!(feed.runtime.block_on(client(true).get(&url).send()).is_err());
    feed.stop();
}

/// Six tabs with a stream each leave room for others on the one connection that a browser has.
#[test]
fn many_requests_share_a_connection() {
    let feed = Feed::start(HttpOptions { is_h2c: true, connections_max: 10, ..options() });
    let url = |path: &str| format!("http://{}{path}", feed.address);
    feed.runtime.block_on(async {
        let client = client(true);
        let mut held = Vec::new();
        for _ in 0..6 {
            held.push(client.get(url("/v1/endless")).send().await.unwrap());
        }
        assert_eq!(client.get(url("/v1/things/1")).send().await.unwrap().status().as_u16(), 200);
        feed.wait_for_metric("tally_feed_connections 1");
        // As many answers are under way as there may be connections, and no more.
        while held.len() < 10 {
            held.push(client.get(url("/v1/endless")).send().await.unwrap());
        }
        let refused = client.get(url("/v1/things/1")).send().await.unwrap();
        assert_eq!(
            (refused.status().as_u16(), refused.headers()["retry-after"].as_bytes()),
            (503, &b"1"[..])
        );
        drop(held);
        loop {
            let answer = client.get(url("/v1/things/1")).send().await.unwrap();
            if answer.status().as_u16() == 200 {
                break;
            }
        }
    });
    drop(feed);
}

/// A client that begins like one of HTTP/2, or says nothing, and then nothing more, is not waited for.
#[test]
fn who_stops_within_the_first_bytes_is_not_waited_for() {
    let options = with_timeouts(|timeouts| timeouts.headers = SHORT);
    let feed = Feed::start(HttpOptions { is_h2c: true, ..options });
    for begun in [&b""[..], b"P", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r"] {
        let mut stream = feed.connect();
        stream.write_all(begun).unwrap();
        assert!(until_closed(&mut stream).is_empty());
    }
    feed.wait_for_metric("tally_feed_connections 0");
    assert_eq!(feed.get("/v1/soon", "").status, 200);
    feed.stop();
}
