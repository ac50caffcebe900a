//! `tally claims call`: what a member of the pool can do, whether the contract would take it, and the call.

use crate::claims_batch::{print_call, write_as_safe};
use crate::claims_call_args::CallArgs;
use crate::format::{or_dash, table};
use crate::names::{Names, find};
use crate::shared_args::PlainFormat;
use crate::{DONE, Output, WrongUsage, json};
use alloy_primitives::Address;
use anyhow::Result;
use std::io::Write;
use tally_claims::{
    CallValue, ClaimsError, MemberBasis, MemberCall, PreparedCall, Question, Verdict, member_call,
};
use tally_eventlog::LogReader;
use tally_text::{address, exact_metis, time};
use tally_wire::MemberCallOfLog;

pub(crate) fn run(args: &CallArgs, output: &mut Output<'_>) -> Result<u8> {
    let log = args.log.open()?;
    let action = args.action(|asked| find(asked, &log, output))?;
    let basis = MemberBasis::of(&log)?;
    let made = member_call(&basis, action, args.sending()).map_err(|error| {
        let is_usage = matches!(error, ClaimsError::TakesNoEth { .. });
        if is_usage { WrongUsage(format!("--eth: {error}")).into() } else { anyhow::Error::from(error) }
    })?;
    args.check_bridge(made.call.is_payable)?;
    output.warn(&basis.discrepancies)?;
    write_safe(&made, args, &log, output)?;
    match args.format {
        PlainFormat::Json => {
            json::print(&MemberCallOfLog { log: (&log).try_into()?, call: (&made).into() }, output)?;
        }
        PlainFormat::Table => {
            let names = Names::load(output, &log)?;
            print(&made, &names, output.out)?;
        }
    }
    Ok(DONE)
}

/// Writes the calls for a `Safe` wallet, if that is asked for: an approval that is needed comes first.
fn write_safe(made: &MemberCall, args: &CallArgs, log: &LogReader, output: &mut Output<'_>) -> Result<()> {
    let Some(path) = &args.safe else {
        return Ok(());
    };
    let file = made.safe_file(log.head_digest()?).map_err(|error| {
        if matches!(error, ClaimsError::NoValue { .. }) {
            return WrongUsage(format!("--safe needs --eth: {error}")).into();
        }
        anyhow::Error::from(error)
    })?;
    write_as_safe(path, &file)?;
    if made.is_possible() == Some(false) {
        writeln!(output.err, "warning: the contract would refuse the call that {} has", path.display())?;
    }
    Ok(())
}

fn print(made: &MemberCall, names: &Names, out: &mut dyn Write) -> Result<()> {
    let MemberCall { as_of, call, .. } = made;
    writeln!(out, "sequencer        {}", names.label(made.sequencer))?;
    writeln!(out, "as of            L1 block {}, {}", as_of.block, time(as_of.timestamp))?;
    writeln!(out, "what it does     {}", made.summary)?;
    print_conditions(made, out)?;
    if !made.changes.is_empty() {
        let mut rows = table(&["", "before", "after"], 1);
        for change in &made.changes {
            let shown = |value: Option<&CallValue>| or_dash(value.map(CallValue::shown));
            rows.add_row([change.kind.text().into(), shown(change.before.as_ref()), change.after.shown()]);
        }
        writeln!(out, "\n{rows}")?;
    }
    for warning in &made.warnings {
        writeln!(out, "\nnote: {}", warning.text)?;
        if let Some(question) = &warning.question {
            print_question(question, call, out)?;
        }
    }
    if let Some(approval) = &made.approval {
        writeln!(out, "\nfirst, unless so much is approved already: METIS' approve of the exact amount")?;
        print_whole(approval, out)?;
        writeln!(out, "\nthen")?;
    } else {
        writeln!(out)?;
    }
    print_whole(call, out)
}

fn print_conditions(made: &MemberCall, out: &mut dyn Write) -> Result<()> {
    let mut rows = table(&["", "the contract asks for", "wanted", "found"], 4);
    for condition in &made.conditions {
        let mark = match condition.verdict {
            Verdict::Holds => "✓",
            Verdict::Fails => "✗",
            Verdict::Unknown => "?",
        };
        let shown = |value: &Option<CallValue>| value.as_ref().map_or(String::new(), CallValue::shown);
        rows.add_row([
            mark.into(),
            condition.kind.text().into(),
            shown(&condition.wanted),
            shown(&condition.found),
        ]);
    }
    writeln!(out, "\n{rows}\n")?;
    let verdict = match made.is_possible() {
        Some(true) => "the contract takes it",
        Some(false) => "the contract REFUSES it now",
        None => "nothing that the log knows is against it; to be asked:",
    };
    writeln!(out, "{verdict}")?;
    for condition in made.conditions.iter().filter(|condition| condition.verdict == Verdict::Unknown) {
        match &condition.question {
            Some(question) => print_question(question, &made.call, out)?,
            None => writeln!(
                out,
                "? {}: to be asked with the ETH that goes along (--eth)",
                condition.kind.text()
            )?,
        }
    }
    if let Some(from) = made.possible_from() {
        writeln!(out, "it is possible from {} on", time(from))?;
    }
    Ok(())
}

/// What to ask a node, and the request itself.
fn print_question(question: &Question, call: &PreparedCall, out: &mut dyn Write) -> Result<()> {
    let Question { text, chain_id, method, from, to, data, value } = question;
    writeln!(out, "? {text}")?;
    let mut parts = vec![format!("to {}", address(*to))];
    parts.extend(from.map(|from| format!("from {}", address(from))));
    if data.as_ref() == Some(&call.calldata) {
        parts.push("data as the calldata below".into());
        parts.push(value.map_or("value the ETH to be tried".into(), |wei| format!("value {wei} wei")));
    } else {
        parts.extend(data.as_ref().map(|data| format!("data {data}")));
    }
    Ok(writeln!(out, "  {method} on chain {chain_id}: {}", parts.join(", "))?)
}

/// A call with its arguments and its ETH.
fn print_whole(call: &PreparedCall, out: &mut dyn Write) -> Result<()> {
    let arguments: Vec<String> = call
        .arguments
        .iter()
        .map(|argument| match argument.value.parse::<Address>() {
            Ok(shown) if argument.kind == "address" => format!("{} {}", argument.name, address(shown)),
            _ => format!("{} {}", argument.name, argument.value),
        })
        .collect();
    writeln!(out, "call             {}({})", call.function, arguments.join(", "))?;
    print_call(call, out)?;
    if call.is_payable {
        let eth = call.value.map_or("not known: --eth says it".into(), exact_metis);
        writeln!(out, "ETH              {eth}")?;
    }
    Ok(())
}
