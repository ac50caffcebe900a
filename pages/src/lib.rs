//! The pool's dashboard: pages for people, made of the server's own answers.
//!
//! - Pages have **no numbers of their own**. Each asks the API within the process ([`tally_feed::InProcess`]), all of one
//!   state, and reads the answers into the shapes of `tally_wire`. An element that shows a value says in `data-field` and
//!   `data-value` which member of which answer (`data-source` of an element around it) it shows, and exactly.
//! - Pages are **whole without scripts**. The scripts, which are modules of our own under `assets/`, fetch a page again when
//!   the state changed, copy addresses, show local times, and talk to wallets.
//! - Nothing comes **from elsewhere**, and nothing is inline: the policy in their headers forbids both.
//! - What a page shows of **others** (names of a registry, what somebody asks for) is text and never markup.

mod act;
mod assets;
mod audited;
mod chart;
mod check;
mod explain;
mod explorers;
mod find;
mod headers;
mod kept;
mod layout;
mod page;
mod params;
mod pool;
mod problem;
mod sequencer;
mod show;
mod site;
mod what_if;

pub use explorers::{ExplorerError, ExplorerUrl, Explorers};
pub use site::Dashboard;
