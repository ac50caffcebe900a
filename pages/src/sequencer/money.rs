//! What a sequencer was credited, and what becomes of it; and what the policy owes it.

use crate::explorers::Chain;
use crate::page::{Answer, Page};
use crate::show::{self, answers, fact, facts};
use maud::{Markup, html};
use tally_wire::{ClaimAnswer, DistributionPart, SequencerAnswer};

/// What the contract owes it, and what the policy has it earn.
pub(super) fn section(page: &Page, answer: &Answer<SequencerAnswer>) -> Markup {
    let one = &answer.is.sequencer;
    let sums = &one.contract.sums;
    let policy = &one.policy;
    let body = html! {
        (facts(&html! {
            (fact("Claimable now", &show::metis_unit("sequencer/contract/claimable_wei", &sums.claimable_wei), Some(&html! {
                @match (&one.contract.not_claimable, &one.sequencer.recipient) {
                    (Some(why), _) => {
                        "nothing, since "
                        (show::word("sequencer/contract/not_claimable", why.as_str(), why.text()))
                    },
                    (None, Some(recipient)) => {
                        "to " (show::address(page, Chain::L2, "sequencer/recipient", recipient)) " on L2"
                    },
                    (None, None) => "",
                }
            })))
            (fact("Unclaimed", &show::metis_unit("sequencer/contract/unclaimed_wei", &sums.unclaimed_wei), Some(&html! {
                "credited, and neither claimed nor moved into the stake"
            })))
            (fact("Credited so far", &show::metis_unit("sequencer/contract/credited_wei", &sums.credited_wei), Some(&html! { "by the batches that were paid" })))
            (fact("Claimed so far", &show::metis_unit("sequencer/contract/claimed_wei", &sums.claimed_wei), Some(&html! { "paid out to L2" })))
            (fact("Moved into the stake", &show::metis_unit("sequencer/contract/relocked_wei", &sums.relocked_wei), None))
        }))
        h3 { "By the policy " (page.at().policy.name) ": a rule, not what is paid" }
        (facts(&html! {
            (fact("Earned", &show::metis_unit("sequencer/policy/accrued_wei", &policy.account.accrued_wei), Some(&html! { "by " (show::count("sequencer/policy/blocks", policy.account.blocks)) " rewarded blocks; the last of it may still change" })))
            @if let Some(settled) = &policy.settled_wei {
                (fact("Settled", &show::metis_unit("sequencer/policy/settled_wei", settled), Some(&html! {
                    "in epochs that are over and final: it cannot change any more"
                })))
            }
            @if let (Some(blocks), Some(pending)) = (policy.account.pending_blocks, &policy.account.pending_wei) {
                (fact("Pending", &show::metis_unit("sequencer/policy/pending_wei", pending), Some(&html! {
                    "for " (show::count("sequencer/policy/pending_blocks", blocks))
                    " blocks that no batch has paid, at the present reward per block"
                })))
            }
        }))
        (answers(&[(&answer.url, false)]))
    };
    show::section("money", "What it earned", Some(&answer.url), &body)
}

/// Its part of the policy's last distribution, with the proof.
pub(super) async fn distribution(page: &Page, id: u64) -> Markup {
    let title = "What the policy owes it, with a proof";
    let answer = match page.ask::<ClaimAnswer>(&format!("/v1/sequencers/{id}/claim")).await {
        Ok(answer) => answer,
        Err(refusal) => {
            return show::section("owed", title, None, &show::note(&html! { (refusal.detail()) "." }));
        }
    };
    let body = html! {
        @match &answer.is.distribution {
            Some(part) => div data-at="distribution" { (part_of(page, part)) },
            None => p {
                "There is no distribution: either the contract pays what this policy gives, or no epoch is "
                "settled yet."
            },
        }
        (answers(&[(&answer.url, false)]))
    };
    show::section("owed", title, Some(&answer.url), &body)
}

fn part_of(page: &Page, part: &DistributionPart) -> Markup {
    html! {
        p {
            "Up to the end of epoch " (show::id("epoch", part.epoch)) ", "
            (show::moment("epoch_end", part.epoch_end))
            ", the policy owes it " (show::metis_unit("cumulative_wei", &part.cumulative_wei))
            " in all since the beginning, whatever was paid of it."
        }
        @if let Some(why) = &part.withheld_reason {
            p {
                "It has no leaf in the tree, since "
                (show::word("withheld_reason", why.as_str(), if why.as_str() == "nothing" { "nothing is owed to it" } else { "it had named no recipient" }))
                "."
            }
        }
        @if let (Some(recipient), Some(root), Some(proof)) = (&part.recipient, &part.root, &part.proof) {
            dl.pairs {
                dt { "Recipient" } dd { (show::address(page, Chain::L2, "recipient", recipient)) }
                dt { "Root" } dd { (show::hash("root", root)) }
            }
            details {
                summary { "The proof, " (proof.len()) " hashes from the leaf up" }
                ol {
                    @for (place, hash) in proof.iter().enumerate() {
                        li { (show::hash(&format!("proof/{place}"), hash)) }
                    }
                }
            }
        }
    }
}
