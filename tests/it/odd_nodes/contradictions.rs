//! Answers that contradict themselves or their neighbours: nothing of them gets into the log, and another endpoint is
//! asked. And what only looks like it, and is plainly meant well.

use super::{
    GoesOn, Ground, Ingest, POOL, POOL_TINY, Refused, SMALL, TINY, Unfit, every, first, kinds, on_l1, on_l2,
};
use replay_node::{Amiss, BloomChange, HeaderChange, Kind, LogChange, Odd, ReceiptChange, Where};

fn logs(change: LogChange) -> Odd {
    Odd::always(Kind::Logs(Where::Both, change))
}

fn lists(change: LogChange) -> Odd {
    Odd::always(Kind::Logs(Where::Lists, change))
}

fn receipts(change: LogChange) -> Odd {
    on_l1(Kind::Logs(Where::Receipts, change))
}

fn receipt(change: ReceiptChange) -> Odd {
    on_l1(Kind::Receipt(change))
}

fn bloom(change: BloomChange) -> Kind {
    Kind::Bloom(change)
}

fn header(change: HeaderChange) -> Odd {
    Odd::always(Kind::Header(change))
}

/// No request of more than one call is answered.
fn no_batches(on: fn(Kind) -> Odd) -> Odd {
    on(Kind::Batch { above: 1, amiss: Amiss::ErrorOfNone(-32600, "invalid request") })
}

/// So much of L2 that several stretches of it are fetched at once.
const LONG_POOL: Ground = Ground { l2: 15_218_800, ..POOL };

/// The third span of pool-a; the fourth follows it in the same answer.
const LOST_SPAN: LogChange = LogChange::Lost { block: 15_214_542, index: 0 };

kinds! {
    logs_of_time_zero:
        [SMALL, POOL], GoesOn, [logs(LogChange::ZeroTime)];
    logs_whose_times_are_null:
        [SMALL, POOL], GoesOn, [logs(LogChange::NullTime)];
    logs_without_times:
        [SMALL, POOL], GoesOn, [logs(LogChange::NoTime)];
    logs_without_times_in_receipts_alone:
        [SMALL, POOL], GoesOn, [receipts(LogChange::NoTime)];
    logs_of_a_wrong_time:
        [SMALL, POOL], Refused(&["timestamp"]), [logs(LogChange::WrongTime)];
    logs_of_a_wrong_time_at_first:
        [SMALL, POOL], GoesOn, [first(2, logs(LogChange::WrongTime))];

    logs_whose_removal_is_null:
        [SMALL, POOL], GoesOn, [logs(LogChange::RemovedNull)];
    logs_whose_removal_is_not_told:
        [SMALL, POOL], GoesOn, [logs(LogChange::NoRemoved)];
    removed_logs:
        [SMALL, POOL], Refused(&["removed"]), [lists(LogChange::Removed)];
    removed_logs_in_receipts_too:
        [SMALL, POOL], Refused(&["removed"]), [logs(LogChange::Removed)];
    removed_logs_at_first:
        [SMALL, POOL], GoesOn, [first(2, lists(LogChange::Removed))];
    removed_logs_beside_their_twins:
        [SMALL, POOL], Refused(&["removed", "twice"]), [lists(LogChange::RemovedTwin)];
    removed_logs_beside_their_twins_at_first:
        [SMALL, POOL], GoesOn, [first(2, lists(LogChange::RemovedTwin))];

    the_last_log_first:
        [SMALL, POOL], GoesOn, [logs(LogChange::Reversed)];
    logs_in_capitals:
        [SMALL, POOL], GoesOn, [logs(LogChange::Capitals)];
    logs_that_nobody_asked_for:
        [SMALL, POOL], GoesOn, [lists(LogChange::Unasked)];
    logs_that_are_in_no_block_yet:
        [SMALL, POOL], Refused(&["null", "logs does not decode"]), [lists(LogChange::Unmined)];
    logs_that_come_twice:
        [SMALL, POOL], Refused(&["twice"]), [lists(LogChange::Twice)];
    logs_whose_data_is_cut:
        [SMALL, POOL], Refused(&["is not the event that its topic says"]), [logs(LogChange::CutData)];
    logs_whose_data_is_cut_at_first:
        [SMALL, POOL], GoesOn, [first(2, lists(LogChange::CutData))];
    logs_of_another_block:
        [SMALL, POOL], Refused(&["by its logs", "hash", "is given as that of"]), [logs(LogChange::OtherBlock)];
    null_in_place_of_logs:
        [SMALL, POOL], Refused(&["null"]), [lists(LogChange::Null)];
    no_log_at_all:
        [SMALL, POOL], Unfit(&["gives no log"]), [lists(LogChange::None)];

    receipts_without_logs:
        [SMALL, POOL], Refused(&["receipt"]), [receipts(LogChange::None)];
    receipts_whose_logs_are_null:
        [SMALL, POOL], Refused(&["receipt"]), [receipts(LogChange::Null)];
    receipts_with_more_logs:
        [SMALL, POOL], Refused(&["receipt"]), [receipt(ReceiptChange::MoreLogs)];
    receipts_whose_logs_differ:
        [SMALL, POOL], Refused(&["receipt"]), [receipts(LogChange::CutData)];
    receipts_of_another_block:
        [SMALL, POOL], Refused(&["receipt"]), [receipt(ReceiptChange::OtherBlock)];
    receipts_of_another_transaction:
        [SMALL, POOL], Refused(&["receipt"]), [receipt(ReceiptChange::OtherTransaction)];
    receipts_that_are_null:
        [SMALL, POOL], Refused(&["receipt"]), [receipt(ReceiptChange::Null)];
    receipts_that_are_null_at_first:
        [SMALL, POOL], GoesOn, [first(2, receipt(ReceiptChange::Null))];
    receipts_that_lack_logs_now_and_then:
        [SMALL, POOL], GoesOn, [every(40, receipts(LogChange::None))];

    l1_blocks_without_blooms:
        [SMALL, POOL], GoesOn, [on_l1(bloom(BloomChange::Missing))];
    l1_blooms_that_are_null:
        [SMALL], GoesOn, [on_l1(bloom(BloomChange::Null))];
    l1_blooms_that_are_empty:
        [SMALL, POOL], GoesOn, [on_l1(bloom(BloomChange::Short))];
    l2_blocks_without_blooms:
        [SMALL], GoesOn, [on_l2(bloom(BloomChange::Missing))];
    l2_blooms_that_are_null:
        [SMALL], GoesOn, [on_l2(bloom(BloomChange::Null))];
    l2_blooms_that_are_empty:
        [SMALL], GoesOn, [on_l2(bloom(BloomChange::Short))];
    l2_blooms_of_zeros:
        [SMALL], GoesOn, [on_l2(bloom(BloomChange::Zeros))];
    l2_blooms_of_ones:
        [SMALL], GoesOn, [on_l2(bloom(BloomChange::Ones))];
    neither_l1_blooms_nor_batches:
        [TINY], Unfit(&["logsBloom"]), [no_batches(on_l1), on_l1(bloom(BloomChange::Missing))];
    no_blooms_and_batches_that_fail_at_first:
        [TINY, POOL_TINY], GoesOn, [first(40, no_batches(on_l1)), on_l1(bloom(BloomChange::Missing))];
    no_blooms_and_batches_that_fail_at_times:
        [TINY, POOL_TINY], GoesOn, [every(3, no_batches(on_l1)), on_l1(bloom(BloomChange::Missing))];
    empty_l1_blooms_and_no_batches:
        [TINY], Unfit(&["logsBloom"]), [no_batches(on_l1), on_l1(bloom(BloomChange::Short))];
    neither_l2_blooms_nor_batches:
        [TINY], GoesOn, [no_batches(on_l2), on_l2(bloom(BloomChange::Missing))];
    l2_blooms_of_zeros_and_no_batches:
        [TINY], GoesOn, [no_batches(on_l2), on_l2(bloom(BloomChange::Zeros))];

    blocks_that_fall_in_time:
        [SMALL, POOL], Refused(&["timestamp"]), [header(HeaderChange::TimeFalls)];
    l2_blocks_that_fall_in_time:
        [SMALL, POOL], Refused(&["timestamp"]), [on_l2(header(HeaderChange::TimeFalls).kind)];
    blocks_that_fall_in_time_at_first:
        [SMALL, POOL], GoesOn, [first(3, header(HeaderChange::TimeFalls))];
    the_block_before_the_one_asked_for:
        [SMALL, POOL], Refused(&["asked for block"]), [header(HeaderChange::OneBefore)];
    blocks_with_other_parents:
        [SMALL, POOL], Refused(&["parent", "did not follow"]), [header(HeaderChange::OtherParent)];
    blocks_without_parents:
        [SMALL, POOL], Refused(&["parentHash"]), [header(HeaderChange::NoParent)];
    blocks_that_are_null:
        [SMALL, POOL], Refused(&["has no block"]), [header(HeaderChange::Null)];
    numbers_that_are_no_texts:
        [SMALL, POOL], Refused(&["does not decode"]), [header(HeaderChange::PlainNumber)];
    blocks_with_more_fields:
        [SMALL, POOL], GoesOn, [header(HeaderChange::MoreFields)];

    a_span_event_left_out_of_blocks_without_blooms:
        [POOL], Refused(&["an event is missing", "it lacks logs"]), [on_l2(Kind::Logs(Where::Lists, LOST_SPAN))];
    a_span_event_left_out_of_blocks_without_blooms_at_first:
        [POOL], GoesOn, [first(2, on_l2(Kind::Logs(Where::Lists, LOST_SPAN)))];

    a_span_event_left_out_by_a_busy_node_while_more_is_fetched:
        [LONG_POOL], GoesOn, [
            first(2, on_l2(Kind::Logs(Where::Lists, LogChange::Lost { block: 15_216_846, index: 0 }))),
            every(6, on_l2(Kind::Status(429))),
        ];

    several_contradictions_now_and_then:
        [SMALL, POOL], GoesOn, [
            first(1, lists(LogChange::Removed)),
            first(2, receipts(LogChange::None)),
            first(2, header(HeaderChange::OtherParent)),
            every(9, lists(LogChange::ZeroTime)),
            logs(LogChange::RemovedNull),
        ];
    all_that_only_looks_like_it:
        [SMALL, POOL], GoesOn, [
            logs(LogChange::ZeroTime),
            logs(LogChange::RemovedNull),
            logs(LogChange::Reversed),
            logs(LogChange::Capitals),
            header(HeaderChange::MoreFields),
            on_l1(bloom(BloomChange::Short)),
            on_l2(bloom(BloomChange::Ones)),
        ];
    one_odd_block_of_ninety:
        [SMALL], GoesOn, [every(90, on_l2(Kind::Header(HeaderChange::OtherParent)))];
}

/// Lists and receipts that lie in the same way are seen by what does not add up: an endpoint whose events do is believed,
/// also where it does not answer at once.
#[test]
fn totals_that_do_not_add_up_are_asked_of_another_endpoint() {
    let lie = on_l1(Kind::Logs(Where::Both, LogChange::WrongTotal));
    std::thread::scope(|scope| {
        for ground in [SMALL, POOL] {
            for failures in [0, 6] {
                scope.spawn(move || {
                    let what = format!("{}, {failures} failures", ground.recording);
                    let sound = ground.options(&[first(failures, on_l1(Kind::Status(502)))]);
                    let nodes = [ground.options(&[lie]), sound];
                    let ingest = Ingest::from(ground, &nodes, &["--rpc-rounds", "10"]);
                    ingest.assert_whole(&what, &ingest.once());
                    assert!(ingest.live.node.played()[0] > 0, "{what}");
                });
            }
        }
    });
}
