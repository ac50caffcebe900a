//! `tally serve`, which answers over HTTP, and `tally token`, which makes a token for it.

use crate::live::{announce, live_options, runtime, stopped_by_signals};
use crate::serve_args::{ServeArgs, TokenArgs};
use crate::watch::{Watch, tell};
use crate::{DONE, Output, WrongUsage, names};
use anyhow::Result;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;
use tally_feed::{
    Access, FeedError, FeedOptions, HttpOptions, Pages, Server, Timeouts, TlsFiles, Tokens, openapi_json,
};
use tally_ingest::{Limits, Metrics};
use tally_pages::{Dashboard, Explorers};

pub(crate) fn run(args: &ServeArgs, output: &mut Output<'_>) -> Result<u8> {
    let live = &args.live;
    let limits = Limits { l1_to: None, l2_to: None };
    let ingest = match &live.network {
        Some(network) if live.follow => Some(live_options(&args.log, limits, live, network)?),
        Some(_) => {
            let usage = "--network needs --follow here; `tally ingest` ingests once";
            return Err(WrongUsage(usage.into()).into());
        }
        None if live.follow || !live.l1.l1_rpc.is_empty() || !live.l2.l2_rpc.is_empty() => {
            let usage = "--follow, --l1-rpc and --l2-rpc need --network NAME|FILE";
            return Err(WrongUsage(usage.into()).into());
        }
        None => None,
    };
    let is_following = ingest.is_some();
    let options = FeedOptions {
        log: args.log.log.clone(),
        feed_dir: args.feed_dir.clone(),
        policies: args.policies.load()?,
        registry: output.registry.map(|path| names::read(path, output.err)).transpose()?,
        metrics: match live.metrics_listen {
            Some(listen) => Some((listen, access(args, listen)?)),
            None => None,
        },
        http: http_options(args)?,
        streams_max: usize::try_from(args.streams_max)?,
        ready_lag_secs: args.ready_lag_secs,
        poll: live.poll_secs,
        ingest,
        pages: (!args.no_pages).then(|| -> Arc<dyn Pages> { Arc::new(dashboard(args)) }),
    };
    let metrics = Metrics::new();
    let bars = tell(live.progress, live.level);
    let runtime = runtime()?;
    let served = runtime.block_on(async {
        let stop = stopped_by_signals()?;
        let Some(server) = Server::bind(options, metrics.clone(), stop).await? else {
            return Ok(DONE);
        };
        let scheme = if args.tls_cert.is_some() { "https" } else { "http" };
        announce(live, &format!("listening at {scheme}://{}", server.local_addr()), output)?;
        if let Some(address) = server.metrics_addr() {
            announce(live, &format!("metrics at http://{address}/metrics"), output)?;
        }
        let watch = if is_following { Some(Watch::start(&metrics, None, bars).await?) } else { None };
        let ended = server.run().await;
        if let Some(watch) = watch {
            watch.end().await;
        }
        Ok::<u8, anyhow::Error>(ended.map(|()| DONE)?)
    });
    // What is just being folded or worked out is nobody's any more.
    runtime.shutdown_timeout(Duration::from_secs(2));
    served
}

/// The pages for people.
fn dashboard(args: &ServeArgs) -> Dashboard {
    Dashboard { explorers: Explorers { l1: args.l1_explorer.clone(), l2: args.l2_explorer.clone() } }
}

/// Who may ask at `listen`.
fn access(args: &ServeArgs, listen: SocketAddr) -> Result<Access> {
    let tokens = args.token_file.as_deref().map(Tokens::read).transpose()?;
    Access::check(listen, tokens, args.public).map_err(|error| {
        if matches!(error, FeedError::Open { .. } | FeedError::TokensOfPublic) {
            WrongUsage(error.to_string()).into()
        } else {
            error.into()
        }
    })
}

fn http_options(args: &ServeArgs) -> Result<HttpOptions> {
    let tls = args.tls_cert.clone().zip(args.tls_key.clone()).map(|(cert, key)| TlsFiles { cert, key });
    Ok(HttpOptions {
        listen: args.listen,
        tls,
        access: access(args, args.listen)?,
        requests_per_sec: NonZeroU32::new(args.requests_per_sec),
        connections_max: usize::try_from(args.connections_max)?,
        timeouts: Timeouts::default(),
        is_h2c: args.h2c,
        cors_origins: args.cors_origin.clone(),
        is_ready_public: args.public_readyz,
        has_sessions: true,
    })
}

/// Makes a token and prints it, with its line for the token file.
pub(crate) fn token(args: &TokenArgs, output: &mut Output<'_>) -> Result<u8> {
    let made = Tokens::generate(&args.name)?;
    writeln!(output.err, "the token, which is kept nowhere:")?;
    writeln!(output.err, "{}", made.token)?;
    writeln!(output.err, "the line for --token-file:")?;
    writeln!(output.out, "{}", made.line)?;
    Ok(DONE)
}

/// The description of the API.
pub(crate) fn openapi(output: &mut Output<'_>) -> Result<u8> {
    write!(output.out, "{}", openapi_json())?;
    Ok(DONE)
}
