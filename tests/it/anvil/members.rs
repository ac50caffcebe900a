//! Members' calls that Tally prepares, sent as they are by whom they have to be sent.

use super::calls::setWhitelistCall;
use super::claims::Story;
use super::{VANISHING_OWNER, n};
use crate::support::Tool;
use serde_json::{Value, json};

impl Story {
    /// The call of an action, and whether the log knows anything against it.
    fn call(&self, args: &[&str]) -> Value {
        self.ingest();
        self.claims(&[&["call"], args].concat())
    }

    fn state(&self, sequencer: &str) -> Value {
        self.ingest();
        self.said(&["state"]).0["sequencers"][sequencer].clone()
    }
}

/// The story: an owner raises its stake to the very limit, one wei more is refused by the log and by the contract; it names
/// another recipient; and a newcomer joins, with an approval of the exact amount.
#[test]
fn members_calls_are_taken_where_the_log_says_so() {
    if !Tool::Npm.is_there() {
        return;
    }
    let story = Story::of(&[(0, [5, 14], 0x11)]);
    let l1 = &story.chains.l1;
    let owner = l1.accounts[1];
    let increase = story.call(&["increase", "--sequencer", "1", "--amount", "70k"]);
    assert_eq!(
        increase["is_possible"],
        Value::Null,
        "nothing is against it, and METIS is not known: {increase:#}"
    );
    assert_eq!(increase["call"]["sender"], json!(owner));
    assert!(story.chains.send_to(owner, &increase["approval"]).is_some(), "METIS takes the approval");
    assert!(story.chains.send(owner, &increase["call"]).is_some(), "the contract takes it");
    let stake =
        increase["changes"].as_array().unwrap().iter().find(|change| change["what"] == "stake").unwrap();
    assert_eq!(story.state("1")["amount"], stake["after"]["value"]);

    let more = story.call(&["increase", "--sequencer", "1", "--amount", "0.000000000000000001"]);
    assert_eq!(more["is_possible"], false);
    assert_eq!(story.chains.send(owner, &more["call"]), None, "the contract refuses it, too");

    let heir = l1.accounts[8].to_string();
    let recipient = story.call(&["recipient", "--sequencer", &owner.to_string(), "--recipient", &heir]);
    assert_eq!(recipient["is_possible"], true, "{recipient:#}");
    assert!(story.chains.send(owner, &recipient["call"]).is_some());
    assert_eq!(story.state("1")["rewardRecipient"], heir.to_lowercase());

    let newcomer = l1.accounts[VANISHING_OWNER];
    let key = format!("0x{}", "42".repeat(64));
    let address = newcomer.to_string();
    let join = || story.call(&["join", "--owner", &address, "--amount", "50000", "--pubkey", &key]);
    assert_eq!(join()["is_possible"], false, "it is not on the white list");
    story.chains.act(0, &setWhitelistCall { _user: newcomer, _yes: true });
    let join = join();
    assert_eq!((&join["is_possible"], &join["sequencer"]), (&Value::Null, &json!(4)), "{join:#}");
    assert!(story.chains.send(newcomer, &join["call"]).is_some());
    let state = story.state("4");
    assert_eq!(state["amount"], (n(50_000) * n(10).pow(n(18))).to_string());
    assert_eq!(state["signer"], join["call"]["arguments"][0]["value"].as_str().unwrap().to_lowercase());
}
