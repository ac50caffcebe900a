//! The calls that members of the pool make: what each would do, whether the contract would take it, the call itself, and a
//! wallet to send it with. The server sends nothing and holds no key.

mod action;
mod ask;
mod call;
mod judged;

pub(crate) use action::Action;

use crate::page::{Answer, Made, Page, Shown};
use crate::show;
use ask::{Asked, Input};
use maud::html;
use tally_wire::MemberCallAnswer;

/// Makes the page of an action, of a sequencer or of one that is to join.
pub(crate) async fn page(page: Page, action: Action, id: Option<u64>) -> Made {
    let names = page.names().await?;
    let whose = id.map(|id| names.label(id));
    if let Some(id) = id {
        // That there is none is said before anything is asked for.
        page.ask::<tally_wire::SequencerAnswer>(&format!("/v1/sequencers/{id}")).await?;
    }
    let input = Input::of(&page, action, id);
    let found = match &input.asked {
        Asked::Nothing | Asked::Wrong(_) => None,
        Asked::Call { question, .. } => Some(page.ask::<MemberCallAnswer>(question).await),
    };
    let main = html! {
        h1 { (action.title()) @if let Some(whose) = &whose { ": " bdi { (whose) } } }
        p.around {
            @if let Some(id) = id {
                a href=(page.link(&format!("/sequencers/{id}"))) { "← the sequencer" }
            } @else {
                a href=(page.link("/")) { "← the pool" }
            }
        }
        p.lead { (action.lead()) }
        (ask::form(&page, action, id, &input))
        @match &found {
            None => {},
            Some(Err(refusal)) => (show::warning(&html! { (refusal.detail()) "." })),
            Some(Ok(answer)) => (judged_and_called(&page, action, &input, answer)),
        }
    };
    let title =
        whose.map_or_else(|| action.title().to_owned(), |whose| format!("{}: {whose}", action.title()));
    Ok(Shown { title, main })
}

fn judged_and_called(
    page: &Page,
    action: Action,
    input: &Input,
    answer: &Answer<MemberCallAnswer>,
) -> maud::Markup {
    html! {
        (judged::section(page, answer))
        (judged::effects(page, answer))
        (call::section(page, action, input, answer))
    }
}
