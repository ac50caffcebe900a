//! `tally sink`: the claim feed in a database.

use crate::ingest_args::ProgressArg;
use crate::live::{runtime, stopped_by_signals};
use crate::sink_args::{SinkCheckArgs, SinkCommand, SinkMetricsArgs, SinkMigrateArgs, SinkPostgresArgs};
use crate::watch::tell;
use crate::{DIFFERENT, DONE, Output, WrongUsage, policies};
use anyhow::{Context, Result};
use std::net::SocketAddr;
use std::time::Duration;
use tally_feed::{Access, MetricsServer, Tokens};
use tally_sink::{Applied, Checked, Schema, ServerFeed, SinkError, SinkMetrics, SinkOptions, Source};

/// What is wrong with the arguments has a status of its own.
pub(crate) fn usage<T>(result: Result<T, SinkError>) -> Result<T> {
    result.map_err(
        |error| {
            if let SinkError::Usage(what) = error { WrongUsage(what).into() } else { error.into() }
        },
    )
}

pub(crate) fn run(command: &SinkCommand, output: &mut Output<'_>) -> Result<u8> {
    match command {
        SinkCommand::Postgres(args) => postgres(args, output),
        SinkCommand::Migrate(args) => migrate(args, output),
        SinkCommand::Roles(args) => {
            write!(output.out, "{}", tally_sink::roles_sql(&args.schema.get()?))?;
            Ok(DONE)
        }
        SinkCommand::Publish(args) => {
            let shown = usage(Schema::new(&args.shown))?;
            let former = args.take_over.as_deref().map(|name| usage(Schema::new(name))).transpose()?;
            write!(output.out, "{}", tally_sink::publish_sql(&args.schema.get()?, &shown, former.as_ref()))?;
            Ok(DONE)
        }
        SinkCommand::Check(args) => check(args, output),
    }
}

fn postgres(args: &SinkPostgresArgs, output: &mut Output<'_>) -> Result<u8> {
    let _bars = tell(ProgressArg::Lines, args.level);
    let source = if let Some(url) = &args.from {
        let server = ServerFeed::new(url, args.policy.clone(), args.from_token_file.clone());
        Source::server(usage(server)?)
    } else {
        let log = args.log.clone().context("a log or a server is needed")?;
        let poll = Duration::from_millis(args.poll_millis);
        Source::log(log, args.feed_dir.clone(), policies::load(&args.policy)?, poll)
    };
    let options = SinkOptions {
        database: args.database.get()?,
        schema: args.database.schema.get()?,
        source,
        follow: args.follow,
        blocks: args.blocks,
        add_version: args.add_version,
        notify: args.notify,
        compare_every: (args.compare_secs > 0).then(|| Duration::from_secs(args.compare_secs)),
    };
    let metrics_access =
        args.metrics.listen.map(|listen| Ok::<_, anyhow::Error>((listen, access(&args.metrics, listen)?)));
    let metrics_access = metrics_access.transpose()?;
    let metrics = SinkMetrics::default();
    let runtime = runtime()?;
    let applied = runtime.block_on(async {
        let stop = stopped_by_signals()?;
        let mut serving = None;
        if let Some((listen, access)) = metrics_access {
            let server = MetricsServer::bind(listen, access).await?;
            tracing::info!("metrics at http://{}/metrics", server.local_addr());
            let metrics = metrics.clone();
            serving = Some(server.serve(move || metrics.text(), stop.clone()));
        }
        let serving = async {
            match serving {
                Some(serving) => serving.await,
                None => std::future::pending().await,
            }
        };
        let mut sinking = std::pin::pin!(tally_sink::run(&options, &metrics, stop.clone()));
        let applied = tokio::select! {
            applied = &mut sinking => applied,
            served = serving => {
                served?;
                // It was told to stop, and so was the sink.
                sinking.await
            }
        };
        usage(applied)
    });
    // What is just being folded is nobody's any more.
    runtime.shutdown_timeout(Duration::from_secs(2));
    let applied = match applied {
        Err(error) if error.downcast_ref().is_some_and(SinkError::is_difference) => {
            writeln!(output.err, "DIFFERENT: {error}")?;
            return Ok(DIFFERENT);
        }
        applied => applied?,
    };
    let Applied { facts, rollbacks, retries } = applied;
    writeln!(output.out, "{facts} facts and {rollbacks} rollbacks written, after {retries} retries")?;
    Ok(DONE)
}

/// Who may ask for metrics at `listen`.
fn access(args: &SinkMetricsArgs, listen: SocketAddr) -> Result<Access> {
    let tokens = args.token_file.as_deref().map(Tokens::read).transpose()?;
    Access::check(listen, tokens, args.public).map_err(|error| WrongUsage(error.to_string()).into())
}

fn migrate(args: &SinkMigrateArgs, output: &mut Output<'_>) -> Result<u8> {
    let schema = args.database.schema.get()?;
    if args.print {
        write!(output.out, "{}", usage(tally_sink::migrations_sql(&schema, args.from_version))?)?;
        return Ok(DONE);
    }
    let database = args.database.get()?;
    let (before, now) = runtime()?.block_on(tally_sink::migrate(&database, &schema))?;
    if before == now {
        writeln!(output.out, "schema {schema} is of version {now} already")?;
    } else {
        writeln!(output.out, "schema {schema} is of version {now} now, and was of {before}")?;
    }
    Ok(DONE)
}

fn check(args: &SinkCheckArgs, output: &mut Output<'_>) -> Result<u8> {
    let (database, schema) = (args.database.get()?, args.database.schema.get()?);
    let policies = args.policies.load()?;
    let all = tally_sink::check(&database, &schema, &args.log.log, &policies);
    let mut is_equal = true;
    for Checked { policy, facts, void, missing, rows, without_blocks, difference } in
        runtime()?.block_on(all)?
    {
        if let Some(difference) = difference {
            is_equal = false;
            writeln!(output.out, "DIFFERENT: policy {policy}: {difference}")?;
            continue;
        }
        let rows: Vec<String> = rows.iter().map(|(table, rows)| format!("{table} {rows}")).collect();
        writeln!(
            output.out,
            "equal: policy {policy}: {facts} facts hold, {void} are void; rows: {}",
            rows.join(", ")
        )?;
        if missing > 0 {
            writeln!(output.out, "policy {policy}: {missing} facts more follow from the log")?;
        }
        if without_blocks > 0 {
            writeln!(
                output.out,
                "policy {policy}: the ledger by block of {without_blocks} epochs is not there"
            )?;
        }
    }
    Ok(if is_equal { DONE } else { DIFFERENT })
}
