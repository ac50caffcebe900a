//! Ranges of logs that a node does not give at once, in whatever words it says so.

use super::{GoesOn, Ingest, POOL, Refused, SMALL, every, first, kinds, on_l1, on_l2};
use crate::support::tally;
use replay_node::{Amiss, Failure, Kind, Odd, Refusal};

/// A request for logs of more blocks fails as a whole.
fn range(above: u64, refusal: Refusal) -> Odd {
    Odd::always(Kind::Range { above, refusal })
}

fn words(status: u16, code: i64, words: &'static str) -> Odd {
    range(1_100, Refusal::Words(status, code, words))
}

fn page(status: u16) -> Odd {
    range(1_100, Refusal::Fails(Failure::Status(status)))
}

/// Of such a request only the call for the logs is refused.
fn call(above: u64, code: i64, words: &'static str) -> Odd {
    Odd::always(Kind::RangeCall { above, code, words })
}

/// A request for the logs of more blocks by their hashes fails.
fn hashes(above: usize, refusal: Refusal) -> Odd {
    on_l1(Kind::Hashes { above, refusal })
}

kinds! {
    status_504_of_a_gateway:
        [SMALL, POOL], GoesOn, [range(300, Refusal::Fails(Failure::Status(504)))];
    status_500_without_words:
        [SMALL], GoesOn, [page(500)];
    status_503_for_a_range:
        [SMALL], GoesOn, [page(503)];
    status_524_of_a_gateway:
        [SMALL], GoesOn, [page(524)];
    status_400_for_a_range:
        [SMALL], GoesOn, [page(400)];
    status_413_for_a_range:
        [SMALL], GoesOn, [page(413)];
    status_408_for_a_range:
        [SMALL], GoesOn, [page(408)];
    a_page_for_a_range:
        [SMALL], GoesOn, [range(1_100, Refusal::Fails(Failure::Html))];
    a_connection_that_breaks_at_a_range:
        [SMALL], GoesOn, [range(1_100, Refusal::Fails(Failure::Reset))];
    an_answer_to_a_range_that_is_cut:
        [SMALL], GoesOn, [range(1_100, Refusal::Fails(Failure::Truncate))];

    unable_to_complete_request:
        [SMALL, POOL], GoesOn, [call(300, -32001, "Unable to complete request at this time.")];
    limit_exceeded:
        [SMALL, POOL], GoesOn, [call(300, -32005, "limit exceeded")];
    context_deadline_exceeded:
        [SMALL, POOL], GoesOn, [call(300, -32000, "context deadline exceeded")];
    an_internal_error:
        [SMALL], GoesOn, [call(1_100, -32603, "Internal error")];
    a_request_that_is_called_invalid:
        [SMALL], GoesOn, [call(1_100, -32600, "Invalid request")];
    parameters_that_are_called_invalid:
        [SMALL], GoesOn, [call(1_100, -32602, "invalid params")];
    no_healthy_backend:
        [SMALL], GoesOn, [call(1_100, -32011, "no backends available for method")];
    a_resource_that_is_called_unavailable:
        [SMALL], GoesOn, [call(1_100, -32002, "resource unavailable")];
    no_method_for_so_much:
        [SMALL], GoesOn, [call(1_100, -32601, "the method eth_getLogs is not available on this plan for such ranges")];
    a_limit_of_thousands_with_a_comma:
        [SMALL], GoesOn, [call(1_100, -32600, "block range is too large, at most 10,000 blocks")];
    a_limit_with_another_number_behind_it:
        [SMALL, POOL], GoesOn, [call(300, -32602, "range is limited to {above} blocks, see error 7 of section 2")];
    a_limit_with_a_link_behind_it:
        [SMALL], GoesOn, [call(1_100, -32602, "exceeds {above} blocks, see https://docs.example.org/v1/limits#3")];
    a_limit_that_is_not_what_is_given:
        [SMALL], GoesOn, [call(1_100, -32005, "query exceeds max block range 100000")];
    a_limit_of_results:
        [SMALL], GoesOn, [call(1_100, -32005, "query returned more than 10000 results")];
    a_limit_with_ranges_in_its_words:
        [SMALL], GoesOn, [call(1_100, -32005, "query returned more than 10,000 results. Try with this block range [0x1, 0x2].")];

    a_range_error_in_status_500:
        [SMALL, POOL], GoesOn, [words(500, -32000, "block range is too wide")];
    a_range_error_in_status_400:
        [SMALL], GoesOn, [words(400, -32600, "eth_getLogs is limited to a 1100 range")];
    a_range_error_in_status_403:
        [SMALL], GoesOn, [words(403, -32600, "ranges over 1100 blocks are not supported on your plan")];
    an_error_without_words_in_status_500:
        [SMALL], GoesOn, [words(500, -32603, "")];

    ranges_of_one_block:
        [POOL], GoesOn, [call(1, -32000, "context deadline exceeded")];
    ranges_that_fail_at_first:
        [SMALL], GoesOn, [first(4, page(504))];
    ranges_that_fail_now_and_then:
        [SMALL], GoesOn, [every(3, call(700, -32001, "Unable to complete request at this time."))];
    ranges_of_l1_alone:
        [SMALL], GoesOn, [on_l1(call(1_100, -32005, "limit exceeded").kind)];
    ranges_of_l2_alone:
        [SMALL], GoesOn, [on_l2(call(30, -32005, "limit exceeded").kind)];
    ranges_and_batches_at_once:
        [SMALL, POOL], GoesOn, [
            call(300, -32000, "context deadline exceeded"),
            Odd::always(Kind::Batch { above: 9, amiss: Amiss::ErrorOfNone(-32600, "invalid request") }),
        ];

    many_blocks_that_are_not_final_by_a_page:
        [SMALL, POOL], GoesOn, [hashes(5, Refusal::Fails(Failure::Status(504)))];
    many_blocks_that_are_not_final_by_an_error:
        [SMALL], GoesOn, [hashes(5, Refusal::Words(200, -32000, "context deadline exceeded"))];
    more_than_one_block_that_is_not_final:
        [SMALL], GoesOn, [hashes(1, Refusal::Words(200, -32005, "limit exceeded"))];

    no_logs_at_all:
        [SMALL], Refused(&["context deadline exceeded"]), [call(0, -32000, "context deadline exceeded")];
    no_logs_of_l2:
        [SMALL], Refused(&["504"]), [on_l2(Kind::Range { above: 0, refusal: Refusal::Fails(Failure::Status(504)) })];
    no_logs_by_hashes:
        [SMALL], Refused(&["504"]), [hashes(0, Refusal::Fails(Failure::Status(504)))];
}

/// The story: one of two endpoints is down, and the other gives less at once than is asked for at first. What it says
/// decides, wherever the dead one stands.
#[test]
fn a_dead_endpoint_hides_nothing_of_what_the_other_says() {
    let dead = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        format!("http://{}", listener.local_addr().unwrap())
    };
    std::thread::scope(|scope| {
        for (ground, odd) in [
            (
                SMALL,
                Odd::always(Kind::Range {
                    above: 90,
                    refusal: Refusal::Words(200, -32005, "range above 90"),
                }),
            ),
            (POOL, Odd::always(Kind::Batch { above: 3, amiss: Amiss::Null })),
        ] {
            for is_first in [true, false] {
                let (dead, odd) = (&dead, odd);
                scope.spawn(move || {
                    let what = format!("{} with a dead endpoint, first: {is_first}", ground.recording);
                    let ingest = Ingest::from(ground, &[ground.options(&[odd])], &[]);
                    let mut args = ingest.live.args(&["--rpc-rounds", "6"]);
                    for flag in ["--l1-rpc", "--l2-rpc"] {
                        let at =
                            args.iter().position(|arg| arg == flag).unwrap() + if is_first { 0 } else { 2 };
                        args.splice(at..at, [flag.to_owned(), dead.clone()]);
                    }
                    let outcome = tally(&args.iter().map(String::as_str).collect::<Vec<_>>());
                    ingest.assert_whole(&what, &outcome);
                });
            }
        }
    });
}
