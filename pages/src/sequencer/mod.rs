//! The pages of a sequencer: who it is, how its node does, what it earned and can claim, its statement and its blocks.

mod blocks;
mod earned;
mod health;
mod money;
mod stake;
mod statement;

pub(crate) use blocks::{PARAMS as BLOCKS_PARAMS, page as blocks};
pub(crate) use statement::{PARAMS as STATEMENT_PARAMS, page as statement};

use crate::act::Action;
use crate::explorers::Chain;
use crate::page::{Answer, Made, Names, Page, Shown};
use crate::show::{self, answers, fact, facts, section};
use maud::{Markup, html};
use tally_wire::{PoolAnswer, SequencerAnswer, StatementAnswer};

/// Makes the page of a sequencer.
pub(crate) async fn page(page: Page, id: u64) -> Made {
    let answer: Answer<SequencerAnswer> = page.ask(&format!("/v1/sequencers/{id}")).await?;
    let pool: Answer<PoolAnswer> = page.ask("/v1/pool").await?;
    let statement: Answer<StatementAnswer> =
        page.ask(&format!("/v1/sequencers/{id}/statement?limit=1000")).await?;
    let names = page.names().await?;
    let main = html! {
        h1 { (heading(&names, id)) }
        (who(&page, &answer))
        (money::section(&page, &answer))
        (acts(&page, &answer))
        (health::section(&page, &names, id).await?)
        (earned::section(&page, id).await?)
        (stake::section(&page, &answer, &pool, &statement))
        (money::distribution(&page, id).await)
        (more(&page, id))
    };
    Ok(Shown { title: names.label(id), main })
}

/// What a page of the sequencer is called.
pub(crate) fn heading(names: &Names, id: u64) -> Markup {
    html! { "Sequencer " (id) @if let Some(name) = names.get(id) { " · " bdi { (name) } } }
}

/// The section about who the sequencer is.
fn who(page: &Page, answer: &Answer<SequencerAnswer>) -> Markup {
    let one = &answer.is.sequencer.sequencer;
    let contract = &answer.is.sequencer.contract;
    let body = html! {
        (facts(&html! {
            (fact("State", &show::status("sequencer/status", &one.status), Some(&html! {
                "since it locked, " (show::moment("sequencer/since", one.since))
            })))
            (fact("Stake", &show::metis_unit("sequencer/stake_wei", &one.stake_wei), None))
            @if let Some(exit) = &contract.exit {
                (fact("Exit", &html! { "begun " (show::moment("sequencer/contract/exit/since", exit.since)) }, Some(&html! {
                    "its stake is free from "
                    span data-countdown=(exit.stake_free_at) {
                        (show::moment("sequencer/contract/exit/stake_free_at", exit.stake_free_at))
                    }
                    " on, "
                    (show::duration("sequencer/contract/exit/delay_secs", exit.delay_secs)) " after it began"
                })))
            }
        }))
        dl.pairs {
            dt { "Owner" }
            dd {
                (show::address(page, Chain::L1, "sequencer/owner", &one.owner))
                " on L1: controls the stake, and sends the calls below"
            }
            dt { "Signer" }
            dd {
                (show::address_or(page, Chain::L2, "sequencer/signer", one.signer.as_ref()))
                ": signs its blocks"
            }
            @if one.signers.len() > 1 {
                dt { "Signers so far" }
                dd { @for (place, signer) in one.signers.iter().enumerate() {
                    div data-at=(format!("sequencer/signers/{place}")) {
                        (show::address(page, Chain::L2, "signer", &signer.signer)) " since "
                        (show::moment("since", signer.since))
                    }
                } }
            }
            dt { "Recipient" }
            dd { @match &one.recipient {
                Some(recipient) => {
                    (show::address(page, Chain::L2, "sequencer/recipient", recipient))
                    " on L2: gets what is claimed"
                },
                None => {
                    (show::nothing("sequencer/recipient"))
                    " none is named: nothing can be claimed, and it cannot leave"
                },
            } }
        }
        (answers(&[(&answer.url, false)]))
    };
    section("who", "Who it is", Some(&answer.url), &body)
}

/// What its owner can do.
fn acts(page: &Page, answer: &Answer<SequencerAnswer>) -> Markup {
    let one = &answer.is.sequencer.sequencer;
    let actions: &[Action] = match one.status.as_str() {
        "Active" => &[Action::Claim, Action::Recipient, Action::Increase, Action::Withdraw, Action::Unlock],
        "Inactive" => &[Action::Finish],
        _ => &[],
    };
    let body = html! {
        @if actions.is_empty() {
            p {
                "It has left: there is nothing more that it could do. Its owner can join anew, with another "
                "signer."
            }
        }
        ul.acts {
            @for action in actions {
                li {
                    a.act href=(page.link(&format!("/sequencers/{}/{}", one.sequencer, action.word()))) {
                        (action.title())
                    }
                    span { (action.about()) }
                }
            }
        }
        @if !actions.is_empty() {
            p.small {
                "Each page first shows what would happen, and whether the contract would take it. Nothing is "
                "sent without a wallet of your own."
            }
        }
    };
    section("acts", "What its owner can do", None, &body)
}

/// What there is on pages of their own.
fn more(page: &Page, id: u64) -> Markup {
    let body = html! {
        ul {
            li {
                a href=(page.link(&format!("/sequencers/{id}/statement"))) { "Its statement" }
                ", in double entry, for any dates, to print or as CSV"
            }
            li {
                a href=(page.link(&format!("/sequencers/{id}/blocks"))) { "Its blocks" }
                ", and what each earned"
            }
        }
    };
    section("more", "More of it", None, &body)
}
