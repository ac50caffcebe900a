//! What an action needs to be told, as a form, and the question to the API that follows from it.

use super::Action;
use crate::page::{Page, encoded};
use crate::show;
use maud::{Markup, html};
use tally_text::{AmountUnit, given_address, given_amount, given_pubkey};

/// What was said on a page, and what follows from it.
pub(super) struct Input {
    pub(super) asked: Asked,
    /// Of a recipient: whether it was typed a second time.
    pub(super) is_confirmed: bool,
}

/// What the page asks the API.
pub(super) enum Asked {
    /// Nothing: what is needed was not said yet.
    Nothing,
    /// Nothing: something that was said is not what it should be.
    Wrong(String),
    /// For a call, and for the same call as a file for a Safe wallet.
    Call { question: String, safe: String },
}

impl Input {
    /// What the parameters of a page say.
    pub(super) fn of(page: &Page, action: Action, id: Option<u64>) -> Self {
        let is_confirmed = page.params.text("again").is_some();
        match Query::of(page, action, id) {
            Ok(None) => Self { asked: Asked::Nothing, is_confirmed },
            Err(wrong) => Self { asked: Asked::Wrong(wrong), is_confirmed },
            Ok(Some(Query(parts))) => {
                let (word, query) = (action.word(), parts.join("&"));
                let (question, safe) =
                    (format!("/v1/calls/{word}?{query}"), format!("/v1/calls/{word}/safe?{query}"));
                Self { asked: Asked::Call { question, safe }, is_confirmed }
            }
        }
    }
}

/// The parameters of a question to the API.
struct Query(Vec<String>);

impl Query {
    /// The question of a page; `None` if something that is needed is not said.
    fn of(page: &Page, action: Action, id: Option<u64>) -> Result<Option<Self>, String> {
        let mut query = Self(id.map(|id| format!("sequencer={id}")).into_iter().collect());
        let is_there = match action {
            Action::Claim | Action::Unlock | Action::Finish => {
                query.bridge(page)?;
                true
            }
            Action::Recipient => query.recipient(page)?,
            Action::Withdraw => query.amount(page)?,
            Action::Increase => {
                let with_rewards = page.params.is_set("with_rewards");
                if with_rewards {
                    query.0.push("with_rewards=true".into());
                }
                let has_amount = query.amount(page)?;
                if with_rewards && !has_amount {
                    query.0.push("amount_wei=0".into());
                }
                with_rewards || has_amount
            }
            Action::Join => {
                let owner = query.address(page, "owner")?;
                let key = query.pubkey(page)?;
                query.address(page, "signer")?;
                query.recipient(page)?;
                query.amount(page)? && owner && key
            }
        };
        Ok(is_there.then_some(query))
    }

    fn amount(&mut self, page: &Page) -> Result<bool, String> {
        let Some(text) = page.params.text("amount") else { return Ok(false) };
        let wei = given_amount(text, AmountUnit::Metis)?;
        self.0.push(format!("amount_wei={wei}"));
        Ok(true)
    }

    fn bridge(&mut self, page: &Page) -> Result<(), String> {
        if let Some(text) = page.params.text("eth") {
            self.0.push(format!("eth_wei={}", given_amount(text, AmountUnit::Eth)?));
        }
        if let Some(gas) = page.params.text("l2_gas") {
            let gas: u32 =
                gas.parse().map_err(|_| format!("{gas:?} is no amount of gas: write it as 200000"))?;
            self.0.push(format!("l2_gas={gas}"));
        }
        Ok(())
    }

    fn address(&mut self, page: &Page, name: &str) -> Result<bool, String> {
        let Some(text) = page.params.text(name) else { return Ok(false) };
        given_address(text)?;
        self.0.push(format!("{name}={text}"));
        Ok(true)
    }

    /// A recipient, which has to be the same where it was typed again.
    fn recipient(&mut self, page: &Page) -> Result<bool, String> {
        let is_there = self.address(page, "recipient")?;
        if let (Some(first), Some(again)) = (page.params.text("recipient"), page.params.text("again")) {
            let (first, again) = (given_address(first)?, given_address(again)?);
            if first != again {
                return Err(format!(
                    "the recipient and what was typed the second time are two addresses: {} and {}",
                    tally_text::address(first),
                    tally_text::address(again)
                ));
            }
        }
        Ok(is_there)
    }

    fn pubkey(&mut self, page: &Page) -> Result<bool, String> {
        let Some(text) = page.params.text("pubkey") else { return Ok(false) };
        given_pubkey(text)?;
        let digits = text.strip_prefix("0x").unwrap_or(text);
        self.0.push(format!("pubkey={}", encoded(&format!("0x{digits}"))));
        Ok(true)
    }
}

/// A field of the form.
struct Field {
    name: &'static str,
    label: &'static str,
    hint: &'static str,
    chars_max: u64,
    is_needed: bool,
}

const AMOUNT: Field = Field {
    name: "amount",
    label: "Amount of METIS",
    hint: "100, 12.5 or 100k",
    chars_max: 80,
    is_needed: true,
};
const ETH: Field = Field {
    name: "eth",
    label: "ETH for the bridge",
    hint: "0.005; a node tells whether it is enough",
    chars_max: 80,
    is_needed: false,
};
const L2_GAS: Field = Field {
    name: "l2_gas",
    label: "Gas on L2",
    hint: "200000 unless you know better",
    chars_max: 10,
    is_needed: false,
};
const RECIPIENT: Field = Field {
    name: "recipient",
    label: "Recipient on L2",
    hint: "0x and 40 digits; capitals are its checksum",
    chars_max: 42,
    is_needed: true,
};
const OWNER: Field = Field {
    name: "owner",
    label: "Owner on L1",
    hint: "who controls the stake, and sends the call",
    chars_max: 42,
    is_needed: true,
};
const PUBKEY: Field = Field {
    name: "pubkey",
    label: "Public key of the signer",
    hint: "64 bytes, not compressed, as 0x and digits",
    chars_max: 132,
    is_needed: true,
};
const SIGNER: Field = Field {
    name: "signer",
    label: "Address of the signer",
    hint: "optional: compared with the key",
    chars_max: 42,
    is_needed: false,
};

fn fields(action: Action) -> &'static [&'static Field] {
    const JOIN_RECIPIENT: Field = Field { is_needed: false, ..RECIPIENT };
    const ADDED: Field = Field { is_needed: false, ..AMOUNT };
    match action {
        Action::Claim | Action::Unlock | Action::Finish => &[&ETH, &L2_GAS],
        Action::Recipient => &[&RECIPIENT],
        Action::Increase => &[&ADDED],
        Action::Withdraw => &[&AMOUNT],
        Action::Join => &[&OWNER, &PUBKEY, &SIGNER, &AMOUNT, &JOIN_RECIPIENT],
    }
}

/// The form that asks for what the call needs.
pub(super) fn form(page: &Page, action: Action, id: Option<u64>, input: &Input) -> Markup {
    let to = id.map_or_else(|| "/join".to_owned(), |id| format!("/sequencers/{id}/{}", action.word()));
    let text = |name: &str| page.params.text(name).unwrap_or_default().to_owned();
    html! {
        @if let Asked::Wrong(why) = &input.asked {
            p.warning role="alert" { strong { "Not so: " } (why) "." }
        }
        form.ask method="get" action=(to) {
            @for field in fields(action) {
                @let hint = format!("{}-hint", field.name);
                div {
                    label for=(field.name) { (field.label) }
                    input #(field.name) name=(field.name) value=(text(field.name)) maxlength=(field.chars_max) required[field.is_needed] aria-describedby=(hint) autocomplete="off" spellcheck="false";
                    span.hint #(hint) { (field.hint) }
                }
            }
            @if action == Action::Increase {
                div.tick {
                    input #with_rewards name="with_rewards" type="checkbox" value="true" checked[page.params.is_set("with_rewards")];
                    label for="with_rewards" { "Move all unclaimed rewards into the stake" }
                }
            }
            @if let Some(policy) = page.other_policy() { input type="hidden" name="policy" value=(policy); }
            button { "Show what would happen" }
        }
        @if matches!(input.asked, Asked::Nothing) {
            (show::note(&html! { "Nothing is sent by this form: it shows what the call would do." }))
        }
    }
}
