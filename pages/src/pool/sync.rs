//! How far each chain, the log and what is counted are.

use crate::explorers::Chain;
use crate::page::Page;
use crate::show::{self, answers, table};
use maud::{Markup, html};
use tally_wire::{ChainHead, Head, Horizon};

/// The section about how far the chains, the log and the count are.
pub(super) fn section(page: &Page) -> Markup {
    let status = &page.status;
    let at = page.at();
    let index = status.policies.iter().position(|policy| policy.at.policy.name == at.policy.name);
    let below = format!("policies/{}/at", index.unwrap_or_default());
    let ingest = status.ingest.as_ref();
    let rows = html! {
        tr {
            th scope="row" { "L1" }
            (chain_head(page, Chain::L1, "ingest/l1_chain_head", ingest.and_then(|ingest| ingest.l1_chain_head.as_ref())))
            (head(page, Chain::L1, &format!("{below}/log/l1_head"), at.log.l1_head.as_ref()))
            (head(page, Chain::L1, &format!("{below}/final_l1_head"), at.final_l1_head.as_ref()))
            td.nothing { (show::NOTHING) }
            td.num {
                @match ingest.and_then(|ingest| ingest.l1_lag_secs) { Some(secs) => (show::duration("ingest/l1_lag_secs", secs)), None => (show::NOTHING) }
            }
        }
        tr {
            th scope="row" { "L2" }
            (chain_head(page, Chain::L2, "ingest/l2_chain_head", ingest.and_then(|ingest| ingest.l2_chain_head.as_ref())))
            (head(page, Chain::L2, &format!("{below}/log/l2_head"), at.log.l2_head.as_ref()))
            (head(page, Chain::L2, &format!("{below}/final_l2_head"), at.final_l2_head.as_ref()))
            (horizon(page, &format!("{below}/horizon"), at.horizon))
            td.num {
                @match ingest.and_then(|ingest| ingest.l2_lag_secs) { Some(secs) => (show::duration("ingest/l2_lag_secs", secs)), None => (show::NOTHING) }
            }
        }
    };
    let head = [
        ("Chain", false),
        ("Newest block", true),
        ("In the log", true),
        ("Final", true),
        ("Counted", true),
        ("Log behind by", true),
    ];
    let body = html! {
        @if ingest.is_none() {
            (show::note(&html! {
                "This server follows no chain, so it cannot tell how far the chains themselves are."
            }))
        }
        @else if ingest.is_some_and(|ingest| !ingest.is_running) {
            (show::warning(&html! {
                "following the chains failed, and is tried again; the server's operator was told why."
            }))
        }
        (table("How far the chains, the log and the count are", &head, false, &rows))
        p {
            "No later block is counted because "
            (show::word(&format!("{below}/stopped/reason"), at.stopped.reason.as_str(), at.stopped.reason.text()))
            @if let Some(next) = at.stopped.next_l2_block {
                " (block " (show::id(&format!("{below}/stopped/next_l2_block"), next)) ")"
            }
            "."
        }
        (answers(&[("/v1/status", false)]))
    };
    show::section("sync", "How far it is", Some("/v1/status"), &body)
}

fn block(page: &Page, chain: Chain, field: &str, number: u64, timestamp: u64) -> Markup {
    let shown = show::id(field, number);
    html! {
        td.num {
            (page.explained(chain, "block", &number.to_string(), &shown)) br;
            (show::moment(&field.replace("/block", "/timestamp").replace("/l2_block", "/timestamp"), timestamp))
        }
    }
}

fn none(field: &str) -> Markup {
    html! { td.num { (show::nothing(field)) } }
}

fn chain_head(page: &Page, chain: Chain, field: &str, head: Option<&ChainHead>) -> Markup {
    match head {
        None => html! { td.num.nothing { (show::NOTHING) } },
        Some(head) => block(page, chain, &format!("{field}/block"), head.block, head.timestamp),
    }
}

fn head(page: &Page, chain: Chain, field: &str, head: Option<&Head>) -> Markup {
    head.map_or_else(
        || none(field),
        |head| block(page, chain, &format!("{field}/block"), head.block, head.timestamp),
    )
}

fn horizon(page: &Page, field: &str, horizon: Option<Horizon>) -> Markup {
    let Some(last) = horizon else { return none(field) };
    let shown = show::link(
        &format!("{field}/l2_block"),
        last.l2_block,
        &page.link(&format!("/blocks/{}", last.l2_block)),
    );
    html! { td.num { (shown) br; (show::moment(&format!("{field}/timestamp"), last.timestamp)) } }
}
