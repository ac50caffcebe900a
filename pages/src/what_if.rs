//! What other targets, caps and allocations would have paid.

use crate::page::{Made, Page, Shown};
use maud::html;

/// What the page can be asked.
pub(crate) const PARAMS: [&str; 3] = ["mrr", "cap", "allocation"];

/// Makes the page.
pub(crate) async fn page(_page: Page) -> Made {
    Ok(Shown { title: "What if".into(), main: html! { h1 { "What if" } } })
}
