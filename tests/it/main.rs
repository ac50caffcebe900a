//! End-to-end tests, in one binary.
#![allow(
    clippy::unwrap_used,
    clippy::format_push_string,
    clippy::format_collect,
    reason = "a test that cannot go on has failed, and none is in a hurry"
)]
#![allow(
    clippy::similar_names,
    clippy::too_many_lines,
    clippy::wildcard_enum_match_arm,
    reason = "a test tells its story from beginning to end, and looks at those events alone that it is about"
)]

mod accounts;
mod anvil;
mod audit;
mod backup;
mod bad_input;
mod bundles;
mod by_block;
mod claims;
mod command;
mod compare;
mod conservation;
mod documents;
mod endpoints;
mod explain;
mod export;
mod generated;
mod golden;
mod histories;
mod ledger;
mod live;
mod mainnet;
mod memory;
mod merkle;
mod names;
mod odd_nodes;
mod oracle;
mod out_files;
mod owner;
mod owners;
mod pages;
mod practice;
mod process;
mod production;
mod receipts;
mod recipients;
mod recordings;
mod recordings_moved;
mod rollback;
mod sample;
mod serve;
mod shapes;
mod sink;
mod soak;
mod support;
mod synth;
mod transfers;
mod upgrade;
mod what_if_stake;
mod whatif;
mod writing;
