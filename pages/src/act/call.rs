//! The call itself: decoded, to copy, as a file for a Safe wallet, and to be sent by a wallet in the browser.

use super::Action;
use super::ask::{Asked, Input};
use crate::explorers::Chain;
use crate::page::{Answer, Page};
use crate::show::{self, section as part};
use maud::{Markup, html};
use tally_wire::{CallWithValue, MemberCallAnswer};

/// The section with the call itself, its file for a Safe, and the place for wallets.
pub(super) fn section(
    page: &Page,
    action: Action,
    input: &Input,
    answer: &Answer<MemberCallAnswer>,
) -> Markup {
    let call = &answer.is.call;
    let Asked::Call { safe, .. } = &input.asked else { return html! {} };
    // A file for a Safe has the ETH in it.
    let has_value = call.call.value_wei.is_some();
    let body = html! {
        @if let Some(approval) = &call.approval {
            h3 {
                "First: approve exactly this amount of METIS to the escrow, unless so much is approved "
                "already"
            }
            div data-at="call/approval" { (one(page, approval)) }
            h3 { "Then" }
        }
        div data-at="call/call" { (one(page, &call.call)) }
        p {
            @if has_value {
                a href=(page.link(safe)) download=(format!("tally-{}.json", action.word())) {
                    "As a file for the transaction builder of a Safe wallet"
                }
            }
            @else { "For a file for a Safe wallet, say above how much ETH goes along." }
        }
        (wallet(page, action, input, answer))
    };
    part("call", "The call", Some(&answer.url), &body)
}

/// A call with its arguments.
fn one(page: &Page, call: &CallWithValue) -> Markup {
    html! {
        dl.pairs {
            dt { "Function" } dd { code { (show::text("function", &call.call.function)) } }
            @for (place, argument) in call.arguments.iter().enumerate() {
                dt { code { (argument.name) } " " span.small { (argument.r#type) } }
                dd {
                    code.hash data-at=(format!("arguments/{place}")) {
                        (show::text("value", &argument.value))
                    }
                }
            }
            dt { "Contract" }
            dd {
                (show::address(page, Chain::L1, "contract", &call.call.contract)) " on chain "
                (show::id("chain_id", call.call.chain_id))
            }
            dt { "Sent by" } dd { (show::address_or(page, Chain::L1, "sender", call.call.sender.as_ref())) }
            dt { "ETH" }
            dd {
                @match &call.value_wei { Some(wei) => { (show::big("value_wei", wei)) " wei" }, None => { (show::nothing("value_wei")) " a node has to be asked how much it has to be" } }
            }
            dt { "Calldata" }
            dd {
                code.hash data-field="calldata" data-value=(call.call.calldata) data-copy {
                    (call.call.calldata)
                }
            }
        }
    }
}

/// Where a script puts wallets. What is sent is exactly the call above.
fn wallet(page: &Page, action: Action, input: &Input, answer: &Answer<MemberCallAnswer>) -> Markup {
    let call = &answer.is.call;
    let refusal = if call.is_possible == Some(false) {
        Some("The contract would refuse the call, so it is not offered to a wallet.")
    } else if action == Action::Recipient && !input.is_confirmed && has_warning(answer, "new_recipient") {
        Some("The pool never paid to this recipient: type it once more below before it is sent.")
    } else {
        None
    };
    html! {
        h3 { "Send it with a wallet in this browser" }
        // What was told stays, also where the state that comes of it offers the call to no wallet any more.
        ol #told.progress data-keep aria-live="polite" {}
        @match refusal {
            Some(why) => {
                (show::note(&html! { (why) }))
                @if action == Action::Recipient && call.is_possible != Some(false) {
                    (again(page, call.sequencer))
                }
            },
            None => {
                div #wallet data-keep
                    data-chain=(call.call.call.chain_id)
                    data-from=[call.call.call.sender.as_ref().map(tally_wire::Address::as_str)]
                    data-to=(call.call.call.contract.as_str())
                    data-data=(call.call.call.calldata)
                    data-value=[call.call.value_wei.as_ref().map(tally_wire::Amount::as_str)]
                    data-pays-bridge[action.pays_bridge()]
                    data-approve-to=[call.approval.as_ref().map(|approval| approval.call.contract.as_str())]
                    data-approve-data=[call.approval.as_ref().map(|approval| approval.call.calldata.as_str())]
                    data-approve-spender=[call.approval.as_ref().and_then(|approval| approval.arguments.first()).map(|spender| spender.value.as_str())]
                    data-approve-amount=[call.approval.as_ref().and_then(|approval| approval.arguments.get(1)).map(|amount| amount.value.as_str())]
                {
                    p.note {
                        "This needs JavaScript, and a wallet. Without them, copy the calldata, or use the "
                        "file for a Safe."
                    }
                }
            },
        }
    }
}

fn has_warning(answer: &Answer<MemberCallAnswer>, kind: &str) -> bool {
    answer.is.call.warnings.iter().any(|warning| warning.warning.as_str() == kind)
}

/// Asks for a new recipient a second time.
fn again(page: &Page, id: u64) -> Markup {
    html! {
        form.ask method="get" action=(format!("/sequencers/{id}/recipient")) {
            input type="hidden" name="recipient" value=(page.params.text("recipient").unwrap_or_default());
            @if let Some(policy) = page.other_policy() { input type="hidden" name="policy" value=(policy); }
            div {
                label for="again" { "The recipient once more, letter by letter" }
                input #again name="again" maxlength="42" required autocomplete="off" spellcheck="false";
            }
            button { "It is right" }
        }
    }
}
