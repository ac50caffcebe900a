//! Requests of several calls that a node, or what stands before it, takes ill. After each failure less is asked for at
//! once, down to single calls, and the log is the recording's.

use super::{GoesOn, POOL, POOL_TINY, SMALL, TINY, every, first, kinds, on_l1, on_l2};
use replay_node::{Amiss, BloomChange, Failure, Kind, Odd, Refusal};

/// More than `above` calls are answered amiss.
fn batch(above: usize, amiss: Amiss) -> Odd {
    Odd::always(Kind::Batch { above, amiss })
}

fn refused(above: usize, refusal: Refusal) -> Odd {
    batch(above, Amiss::Refused(refusal))
}

fn words(above: usize, status: u16, code: i64, words: &'static str) -> Odd {
    refused(above, Refusal::Words(status, code, words))
}

fn page(above: usize, status: u16) -> Odd {
    refused(above, Refusal::Fails(Failure::Status(status)))
}

kinds! {
    a_list_with_an_error_of_the_first_call:
        [SMALL, POOL], GoesOn, [batch(7, Amiss::ErrorOfFirst(-32600, "batch size is above what is allowed"))];
    a_list_with_an_error_of_the_first_call_in_no_words_of_batches:
        [SMALL], GoesOn, [batch(7, Amiss::ErrorOfFirst(-32000, "internal error"))];
    a_list_with_an_error_of_no_call:
        [SMALL, POOL], GoesOn, [batch(7, Amiss::ErrorOfNone(-32600, "invalid request"))];
    each_call_refused:
        [SMALL, POOL], GoesOn, [batch(7, Amiss::Each(-32600, "batch requests are not supported"))];
    each_call_refused_as_an_unknown_method:
        [SMALL], GoesOn, [batch(7, Amiss::Each(-32601, "Method not found"))];
    each_call_refused_as_wrong_parameters:
        [SMALL], GoesOn, [batch(7, Amiss::Each(-32602, "invalid params"))];
    each_call_refused_as_too_many_requests:
        [SMALL], GoesOn, [batch(7, Amiss::Each(429, "Too many requests"))];
    the_rest_refused_as_too_large:
        [SMALL, POOL], GoesOn, [batch(7, Amiss::RestRefused(3, -32003, "response too large"))];
    all_refused_as_too_large:
        [SMALL], GoesOn, [batch(7, Amiss::RestRefused(0, -32003, "response too large"))];
    the_rest_refused_as_timed_out:
        [SMALL], GoesOn, [batch(7, Amiss::RestRefused(5, -32002, "request timed out"))];
    only_the_first_calls_answered:
        [SMALL, POOL], GoesOn, [batch(7, Amiss::Answered(3))];
    only_the_first_call_answered:
        [SMALL], GoesOn, [batch(7, Amiss::Answered(1))];
    an_empty_list:
        [SMALL], GoesOn, [batch(7, Amiss::Answered(0))];
    the_first_answer_and_no_list:
        [SMALL, POOL], GoesOn, [batch(7, Amiss::FirstAlone)];
    null_in_place_of_a_list:
        [SMALL], GoesOn, [batch(7, Amiss::Null)];
    an_empty_body:
        [SMALL], GoesOn, [batch(7, Amiss::Nothing)];
    the_last_answer_first:
        [SMALL, POOL], GoesOn, [batch(1, Amiss::Reversed)];
    answers_with_other_ids:
        [SMALL], GoesOn, [batch(7, Amiss::Renumbered)];
    the_first_answer_twice:
        [SMALL], GoesOn, [batch(7, Amiss::FirstTwice)];

    status_413_for_a_batch:
        [SMALL, POOL], GoesOn, [page(7, 413)];
    status_500_for_a_batch:
        [SMALL], GoesOn, [page(7, 500)];
    status_400_for_a_batch:
        [SMALL], GoesOn, [page(7, 400)];
    status_403_for_a_batch:
        [SMALL], GoesOn, [page(7, 403)];
    status_404_for_a_batch:
        [SMALL], GoesOn, [page(7, 404)];
    status_429_for_a_batch:
        [SMALL], GoesOn, [page(7, 429)];
    status_502_for_a_batch:
        [SMALL], GoesOn, [page(7, 502)];
    a_page_for_a_batch:
        [SMALL], GoesOn, [refused(7, Refusal::Fails(Failure::Html))];
    a_connection_that_breaks_at_a_batch:
        [SMALL], GoesOn, [refused(7, Refusal::Fails(Failure::Reset))];
    an_answer_to_a_batch_that_is_cut:
        [SMALL], GoesOn, [refused(7, Refusal::Fails(Failure::Truncate))];

    too_many_requests_in_batch:
        [SMALL, POOL], GoesOn, [words(7, 200, -32005, "too many requests in batch, limit 10")];
    too_many_requests_in_batch_under_status_429:
        [SMALL], GoesOn, [words(7, 429, -32005, "too many requests in batch, limit 10")];
    an_invalid_request:
        [SMALL], GoesOn, [words(7, 200, -32600, "invalid request")];
    an_invalid_request_under_status_400:
        [SMALL], GoesOn, [words(7, 400, -32600, "Invalid Request")];
    a_batch_limit_under_status_500:
        [SMALL], GoesOn, [words(7, 500, -32000, "batch too large")];
    a_batch_limit_in_words_of_capacity:
        [SMALL], GoesOn, [words(7, 200, -32005, "compute units per second capacity exceeded")];
    a_batch_limit_in_words_of_parsing:
        [SMALL], GoesOn, [words(7, 200, -32700, "parse error: expected an object")];
    a_batch_limit_in_words_of_an_unknown_method:
        [SMALL], GoesOn, [words(7, 200, -32601, "method not found")];
    a_batch_limit_in_words_of_a_plan:
        [SMALL], GoesOn, [words(7, 403, 35, "batch of more than 3 requests are not allowed on free tier")];

    no_batches_by_each_call:
        [TINY, POOL_TINY], GoesOn, [batch(1, Amiss::Each(-32600, "batch requests are not supported"))];
    no_batches_by_an_error_of_no_call:
        [TINY, POOL_TINY], GoesOn, [batch(1, Amiss::ErrorOfNone(-32600, "invalid request"))];
    no_batches_by_the_first_answer_alone:
        [TINY, POOL_TINY], GoesOn, [batch(1, Amiss::FirstAlone)];
    no_batches_by_status_500:
        [TINY, POOL_TINY], GoesOn, [page(1, 500)];
    no_batches_by_an_unknown_method:
        [TINY], GoesOn, [words(1, 200, -32601, "method not found")];
    no_batches_by_answering_one:
        [TINY, POOL_TINY], GoesOn, [batch(1, Amiss::Answered(1))];
    no_batches_on_l1:
        [TINY, POOL_TINY], GoesOn, [on_l1(batch(1, Amiss::Null).kind)];
    no_batches_on_l2:
        [TINY, POOL_TINY], GoesOn, [on_l2(batch(1, Amiss::Null).kind)];
    batches_of_two:
        [TINY, POOL_TINY], GoesOn, [page(2, 413)];
    batches_of_three:
        [TINY, POOL_TINY], GoesOn, [page(3, 413)];
    batches_of_three_without_blooms:
        [TINY, POOL_TINY], GoesOn, [page(3, 413), on_l1(Kind::Bloom(BloomChange::Null))];
    batches_of_two_without_blooms:
        [TINY], GoesOn, [batch(2, Amiss::ErrorOfFirst(-32000, "batch too large")), on_l1(Kind::Bloom(BloomChange::Null))];

    batches_that_fail_at_first:
        [SMALL], GoesOn, [first(3, words(1, 200, -32600, "invalid request"))];
    batches_that_fail_now_and_then:
        [SMALL], GoesOn, [every(3, batch(1, Amiss::Answered(1)))];
    batches_that_fail_in_several_ways:
        [SMALL, POOL], GoesOn, [
            first(1, batch(9, Amiss::RestRefused(3, -32003, "response too large"))),
            first(1, batch(7, Amiss::ErrorOfNone(-32600, "invalid request"))),
            every(5, page(5, 413)),
            batch(1, Amiss::Reversed),
        ];

    errors_that_are_null:
        [SMALL, POOL], GoesOn, [Odd::always(Kind::ErrorNull)];
    ids_that_are_texts:
        [SMALL, POOL], GoesOn, [Odd::always(Kind::TextIds)];
    no_version_of_json_rpc:
        [SMALL], GoesOn, [Odd::always(Kind::NoVersion)];
    answers_under_status_500:
        [SMALL], GoesOn, [Odd::always(Kind::Status(500))];
    answers_under_status_403:
        [SMALL], GoesOn, [Odd::always(Kind::Status(403))];
    answers_in_plain_text:
        [SMALL], GoesOn, [Odd::always(Kind::PlainText)];
    answers_in_chunks_of_connections_that_end:
        [SMALL], GoesOn, [Odd::always(Kind::ChunkedAndClosed)];
    all_that_is_well_meant_at_once:
        [SMALL, POOL], GoesOn, [
            Odd::always(Kind::ErrorNull),
            Odd::always(Kind::TextIds),
            Odd::always(Kind::NoVersion),
            Odd::always(Kind::PlainText),
            Odd::always(Kind::Status(500)),
            batch(1, Amiss::Reversed),
        ];
    answers_under_status_429:
        [SMALL], GoesOn, [Odd::always(Kind::Status(429))];
}
