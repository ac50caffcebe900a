//! While the chains are followed: nothing ends that for good while another endpoint, a smaller request or a later minute
//! could help. And all of it at once, by `ingest` and by `serve`.

use super::{GoesOn, Ground, Ingest, POOL, Refused, SMALL, TINY, every, first, kinds, on_l1, on_l2};
use crate::live::verified_digest;
use crate::serve::Served;
use replay_node::{
    Amiss, BloomChange, Failure, HeaderChange, Kind, LogChange, Odd, On, Options, RangeStyle, ReceiptChange,
    Refusal, Reorg, TransactionChange, When, Where,
};

/// Each request fails, after so many that did not.
fn status_after(count: u64, status: u16) -> Odd {
    let refusal = Refusal::Fails(Failure::Status(status));
    Odd { when: When::After(count), ..Odd::always(Kind::Request { method: "", refusal }) }
}

/// So many requests fail at first.
fn status_at_first(count: u64, status: u16) -> Odd {
    Odd { when: When::First(count), ..status_after(0, status) }
}

/// Each call for a method is refused, after so many that were not.
fn no_method_after(count: u64, method: &'static str) -> Odd {
    let words = "the method does not exist/is not available";
    Odd { when: When::After(count), ..Odd::always(Kind::Call { method, code: -32601, words }) }
}

kinds! {
    an_outage_at_first:
        [SMALL, POOL], GoesOn, [status_at_first(2, 503)];
    an_outage_for_ever:
        [SMALL, POOL], Refused(&["503"]), [status_after(12, 503)];
    an_outage_of_l2:
        [SMALL, POOL], Refused(&["502"]), [Odd { on: On::L2, ..status_after(4, 502) }];
    a_key_that_ends:
        [SMALL, POOL], Refused(&["401"]), [status_after(12, 401)];
    a_subscription_that_ends:
        [SMALL, POOL], Refused(&["403"]), [status_after(12, 403)];
    an_address_that_is_gone:
        [SMALL, POOL], Refused(&["404"]), [status_after(12, 404)];
    logs_that_are_not_sold_any_more:
        [SMALL, POOL], Refused(&["eth_getLogs", "does not exist"]), [no_method_after(8, "eth_getLogs")];
    receipts_that_are_not_sold:
        [SMALL, POOL], Refused(&["eth_getTransactionReceipt", "does not exist"]),
        [on_l1(no_method_after(0, "eth_getTransactionReceipt").kind)];
    no_transactions:
        [SMALL, POOL], Refused(&["eth_getTransactionByHash", "does not exist"]),
        [on_l1(no_method_after(0, "eth_getTransactionByHash").kind)];
    no_blocks_by_hash:
        [SMALL, POOL], Refused(&["eth_getBlockByHash", "does not exist"]),
        [on_l1(no_method_after(0, "eth_getBlockByHash").kind)];
}

/// An endpoint that did not answer at first, and then turns out to be of another chain, is not used; the others are.
#[test]
fn an_endpoint_that_turns_out_to_be_of_another_chain() {
    let silent = first(6, on_l1(Kind::Call { method: "eth_chainId", code: -32603, words: "starting" }));
    let other = Options { l1_chain_id: Some(5), ..TINY.options(&[silent]) };
    let failures = vec![Failure::Status(502)];
    let failing = Options { fail_every: Some(4), failures, ..TINY.options(&[]) };
    let ingest = Ingest::from(TINY, &[failing, other], &["--rpc-rounds", "10"]);
    let outcome = ingest.followed();
    ingest.assert_whole("another chain", &outcome);
    assert!(ingest.others[0].played()[0] > 0, "it was asked at first");
}

/// What a provider may do in a bad hour: each kind now and then.
fn a_bad_hour() -> Vec<Odd> {
    let every = |count: u64, odd| every(2 * count, odd);
    let page = |status| Refusal::Fails(Failure::Status(status));
    vec![
        every(
            7,
            Odd::always(Kind::Batch {
                above: 20,
                amiss: Amiss::RestRefused(3, -32003, "response too large"),
            }),
        ),
        every(
            5,
            Odd::always(Kind::Batch { above: 30, amiss: Amiss::ErrorOfNone(-32600, "invalid request") }),
        ),
        every(6, Odd::always(Kind::Batch { above: 10, amiss: Amiss::Answered(1) })),
        every(8, Odd::always(Kind::Batch { above: 1, amiss: Amiss::Reversed })),
        every(9, Odd::always(Kind::Batch { above: 15, amiss: Amiss::Refused(page(413)) })),
        every(3, Odd::always(Kind::Range { above: 500, refusal: page(504) })),
        every(
            4,
            Odd::always(Kind::RangeCall { above: 200, code: -32000, words: "context deadline exceeded" }),
        ),
        every(3, on_l1(Kind::Hashes { above: 6, refusal: page(502) })),
        every(11, on_l1(Kind::FinalizedError(-39001, "Unknown block"))),
        every(13, on_l1(Kind::FinalizedNull)),
        every(10, on_l1(Kind::Logs(Where::Lists, LogChange::Removed))),
        every(12, on_l1(Kind::Logs(Where::Lists, LogChange::RemovedTwin))),
        every(14, on_l1(Kind::Logs(Where::Both, LogChange::WrongTime))),
        every(15, Odd::always(Kind::Logs(Where::Lists, LogChange::CutData))),
        every(2, Odd::always(Kind::Logs(Where::Both, LogChange::ZeroTime))),
        every(16, on_l1(Kind::Receipt(ReceiptChange::Null))),
        every(17, on_l1(Kind::Logs(Where::Receipts, LogChange::None))),
        every(3, Odd::always(Kind::Bloom(BloomChange::Short))),
        every(90, Odd::always(Kind::Header(HeaderChange::OtherParent))),
        every(300, on_l2(Kind::Transactions(TransactionChange::SeqV("0x1b")))),
        every(310, on_l2(Kind::Transactions(TransactionChange::HalfSigned))),
        every(2, Odd::always(Kind::ErrorNull)),
        every(2, Odd::always(Kind::TextIds)),
        every(19, Odd::always(Kind::Status(500))),
        every(23, Odd::always(Kind::Request { method: "", refusal: Refusal::Fails(Failure::Reset) })),
    ]
}

/// Two endpoints that are odd in every way, chains that grow, and a reorg: the log is the one of a perfect observer.
#[test]
fn everything_at_once_through_a_reorg() {
    let ground = Ground { l1: 19_430_700, l2: 15_215_500, lag: 64, ..POOL };
    let reorg = Some(Reorg { at: 19_430_589, depth: 40, calls: 600 });
    let odd = Options {
        l1_head: Some(19_430_300),
        l2_head: Some(15_214_700),
        advance_blocks: 20,
        reorg,
        range_max: Some((400, RangeStyle::Ankr)),
        ..ground.options(&a_bad_hour())
    };
    let ingest = Ingest::from(ground, &[odd.clone(), odd], &[]);
    let outcome = ingest.followed();
    ingest.assert_whole("everything at once", &outcome);
    let (first, second) = (ingest.live.node.played(), ingest.others[0].played());
    let count = first.iter().zip(&second).filter(|(first, second)| **first + **second > 0).count();
    assert!(count > 18, "of all kinds so many were played: {first:?} and {second:?}");
}

/// The same through `serve`, which goes on answering meanwhile.
#[test]
fn everything_at_once_while_it_is_served() {
    for ground in [SMALL, POOL] {
        let nodes = [ground.options(&a_bad_hour()), ground.options(&a_bad_hour())];
        let ingest = Ingest::from(ground, &nodes, &["--follow", "--poll-secs", "0.2", "--level", "error"]);
        let more: Vec<&str> = ingest.more.iter().map(String::as_str).collect();
        let mut args = ingest.live.args(&more);
        args[0] = "serve".into();
        let mut served = Served::with_args(&args.iter().map(String::as_str).collect::<Vec<_>>());
        served.wait_for("/v1/status", |answer| {
            answer.status == 200 && {
                let at = &answer.json()["policies"][0]["at"];
                (at["log"]["l1_head"]["block"].as_u64(), at["log"]["l2_head"]["block"].as_u64())
                    == (Some(ground.l1), Some(ground.l2))
            }
        });
        assert_eq!(served.get("/healthz").status, 200);
        served.process.terminate();
        while !served.process.has_ended() {
            std::thread::yield_now();
        }
        assert_eq!(verified_digest(&ingest.live.log()), ground.digest(), "{}", ground.recording);
        let played: u64 = ingest.live.node.played().iter().sum();
        assert!(played > 20, "{played} faults were played");
    }
}
