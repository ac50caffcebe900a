-- What holds, for people: without what is void, with addresses as text, METIS beside wei, and times of the calendar.

CREATE FUNCTION metis(amount numeric) RETURNS numeric IMMUTABLE STRICT PARALLEL SAFE LANGUAGE sql
    RETURN amount * 0.000000000000000001;
COMMENT ON FUNCTION metis IS 'Wei as METIS, exactly.';
CREATE FUNCTION hex(bytes bytea) RETURNS text IMMUTABLE STRICT PARALLEL SAFE LANGUAGE sql
    RETURN '0x' || encode(bytes, 'hex');
COMMENT ON FUNCTION hex IS 'An address or a hash as it is usually written.';
CREATE FUNCTION utc(secs numeric) RETURNS timestamptz IMMUTABLE STRICT PARALLEL SAFE LANGUAGE sql
    RETURN CASE WHEN secs BETWEEN 0 AND 253402300799 THEN to_timestamp(secs::double precision) END;
COMMENT ON FUNCTION utc IS 'Unix seconds as a time; null beyond the year 9999.';

CREATE VIEW facts AS
SELECT f.policy, p.name AS policy_name, f.entry, f.position, f.sequence, f.cursor, f.id, f.type, f.time, utc(f.time) AS utc,
    f.l1_block, hex(f.transaction) AS transaction, f.log_index, f.body::jsonb AS body
FROM fact f JOIN feed p USING (policy)
WHERE f.void_by IS NULL AND f.position IS NOT NULL;
COMMENT ON VIEW facts IS 'The facts that hold.';

CREATE VIEW rollbacks AS
SELECT f.policy, p.name AS policy_name, f.entry, f.sequence,
    (SELECT count(*) FROM fact v WHERE v.policy = f.policy AND v.void_by = f.entry) AS voided_facts, f.committed_at
FROM fact f JOIN feed p USING (policy)
WHERE f.type = 'rollback';
COMMENT ON VIEW rollbacks IS 'The rollbacks, and how many facts each made void here.';

CREATE VIEW epochs AS
SELECT t.policy, p.name AS policy_name, t.entry, t.epoch, t.starts, utc(t.starts) AS starts_utc, t.ends, utc(t.ends) AS ends_utc,
    t.rate_source, (f.body -> 'rate' ->> 'mrr')::numeric AS rate_mrr, t.reward_per_block_wei, t.blocks,
    t.reward_wei, metis(t.reward_wei) AS reward_metis, hex(t.digest) AS digest
FROM epoch t JOIN fact f USING (policy, entry) JOIN feed p USING (policy)
WHERE t.void_by IS NULL;
COMMENT ON VIEW epochs IS 'The epochs that are over.';

CREATE VIEW epoch_rewards AS
SELECT t.policy, p.name AS policy_name, t.entry, t.epoch, f.time AS ends, utc(f.time) AS ends_utc, t.sequencer, t.blocks,
    t.reward_wei, metis(t.reward_wei) AS reward_metis, t.cumulative_wei, metis(t.cumulative_wei) AS cumulative_metis
FROM epoch_reward t JOIN fact f USING (policy, entry) JOIN feed p USING (policy)
WHERE t.void_by IS NULL;
COMMENT ON VIEW epoch_rewards IS 'What each sequencer earned in each epoch that is over.';

CREATE VIEW distributions AS
SELECT t.policy, p.name AS policy_name, t.entry, t.epoch, f.time AS ends, utc(f.time) AS ends_utc, f.l1_block,
    hex(t.root) AS root, t.leaves_wei, metis(t.leaves_wei) AS leaves_metis,
    t.withheld_wei, metis(t.withheld_wei) AS withheld_metis
FROM distribution t JOIN fact f USING (policy, entry) JOIN feed p USING (policy)
WHERE t.void_by IS NULL;
COMMENT ON VIEW distributions IS 'The distributions that are frozen.';

CREATE VIEW batches AS
SELECT t.policy, p.name AS policy_name, t.entry, t.batch, f.time, utc(f.time) AS utc, f.l1_block,
    hex(f.transaction) AS transaction, t.start_span, t.end_span, t.reward_per_block_wei,
    t.amount_wei, metis(t.amount_wei) AS amount_metis
FROM batch t JOIN fact f USING (policy, entry) JOIN feed p USING (policy)
WHERE t.void_by IS NULL;
COMMENT ON VIEW batches IS 'The batches that the contract was paid.';

CREATE VIEW batch_credits AS
SELECT t.policy, p.name AS policy_name, t.entry, t.batch, f.time, utc(f.time) AS utc, f.l1_block,
    hex(f.transaction) AS transaction, t.sequencer, t.blocks, t.reward_wei, metis(t.reward_wei) AS reward_metis,
    t.unclaimed_wei, metis(t.unclaimed_wei) AS unclaimed_metis
FROM batch_credit t JOIN fact f USING (policy, entry) JOIN feed p USING (policy)
WHERE t.void_by IS NULL;
COMMENT ON VIEW batch_credits IS 'Whom each batch credited with how much.';

CREATE VIEW claims AS
SELECT t.policy, p.name AS policy_name, t.entry, f.time, utc(f.time) AS utc, f.l1_block,
    hex(f.transaction) AS transaction, t.sequencer, hex(t.recipient) AS recipient,
    t.amount_wei, metis(t.amount_wei) AS amount_metis, t.unclaimed_wei, metis(t.unclaimed_wei) AS unclaimed_metis
FROM claim t JOIN fact f USING (policy, entry) JOIN feed p USING (policy)
WHERE t.void_by IS NULL;
COMMENT ON VIEW claims IS 'What the contract paid out to L2.';

CREATE VIEW stake_changes AS
SELECT t.policy, p.name AS policy_name, t.entry, f.time, utc(f.time) AS utc, f.l1_block,
    hex(f.transaction) AS transaction, t.sequencer, t.change, t.amount_wei, metis(t.amount_wei) AS amount_metis,
    t.from_reward_wei, t.stake_wei, metis(t.stake_wei) AS stake_metis, t.unclaimed_wei,
    t.stake_free_at, utc(t.stake_free_at) AS stake_free_utc
FROM stake_change t JOIN fact f USING (policy, entry) JOIN feed p USING (policy)
WHERE t.void_by IS NULL;
COMMENT ON VIEW stake_changes IS 'How stakes came, grew, shrank and left.';

CREATE VIEW rate_changes AS
SELECT t.policy, p.name AS policy_name, t.entry, f.time, utc(f.time) AS utc, f.l1_block,
    hex(f.transaction) AS transaction, t.reward_per_block_wei, metis(t.reward_per_block_wei) AS reward_per_block_metis,
    t.before_wei
FROM rate_change t JOIN fact f USING (policy, entry) JOIN feed p USING (policy)
WHERE t.void_by IS NULL;
COMMENT ON VIEW rate_changes IS 'How the reward per block of the contract was set.';

CREATE VIEW role_changes AS
SELECT t.policy, p.name AS policy_name, t.entry, f.time, utc(f.time) AS utc, f.l1_block,
    hex(f.transaction) AS transaction, t.sequencer, t.role, hex(t.address) AS address
FROM role_change t JOIN fact f USING (policy, entry) JOIN feed p USING (policy)
WHERE t.void_by IS NULL;
COMMENT ON VIEW role_changes IS 'Who signs for each sequencer, controls it and gets its rewards, from when on.';

CREATE VIEW pauses AS
SELECT t.policy, p.name AS policy_name, t.entry, f.time, utc(f.time) AS utc, f.l1_block,
    hex(f.transaction) AS transaction, t.is_paused
FROM pause_change t JOIN fact f USING (policy, entry) JOIN feed p USING (policy)
WHERE t.void_by IS NULL;
COMMENT ON VIEW pauses IS 'When nothing could be claimed of the contract, and when it went on.';

CREATE VIEW balances AS
SELECT s.policy, p.name AS policy_name, s.sequencer,
    stake.stake_wei, metis(stake.stake_wei) AS stake_metis,
    coalesce(unclaimed.unclaimed_wei, 0) AS unclaimed_wei, metis(coalesce(unclaimed.unclaimed_wei, 0)) AS unclaimed_metis,
    (SELECT coalesce(sum(reward_wei), 0) FROM batch_credit c
        WHERE c.policy = s.policy AND c.sequencer = s.sequencer AND c.void_by IS NULL) AS credited_wei,
    (SELECT coalesce(sum(amount_wei), 0) FROM claim c
        WHERE c.policy = s.policy AND c.sequencer = s.sequencer AND c.void_by IS NULL) AS claimed_wei,
    (SELECT coalesce(sum(from_reward_wei), 0) FROM stake_change c
        WHERE c.policy = s.policy AND c.sequencer = s.sequencer AND c.void_by IS NULL) AS relocked_wei,
    earned.cumulative_wei AS earned_wei, metis(earned.cumulative_wei) AS earned_metis, earned.epoch AS earned_in_epoch
FROM (SELECT DISTINCT policy, sequencer FROM stake_change WHERE void_by IS NULL) s
JOIN feed p USING (policy)
JOIN LATERAL (SELECT stake_wei FROM stake_change c
    WHERE c.policy = s.policy AND c.sequencer = s.sequencer AND c.void_by IS NULL ORDER BY entry DESC LIMIT 1) stake ON true
LEFT JOIN LATERAL (SELECT entry, unclaimed_wei FROM (
        SELECT entry, unclaimed_wei FROM batch_credit c
            WHERE c.policy = s.policy AND c.sequencer = s.sequencer AND c.void_by IS NULL
        UNION ALL SELECT entry, unclaimed_wei FROM claim c
            WHERE c.policy = s.policy AND c.sequencer = s.sequencer AND c.void_by IS NULL
        UNION ALL SELECT entry, unclaimed_wei FROM stake_change c
            WHERE c.policy = s.policy AND c.sequencer = s.sequencer AND c.void_by IS NULL AND c.unclaimed_wei IS NOT NULL
    ) told ORDER BY entry DESC LIMIT 1) unclaimed ON true
LEFT JOIN LATERAL (SELECT epoch, cumulative_wei FROM epoch_reward c
    WHERE c.policy = s.policy AND c.sequencer = s.sequencer AND c.void_by IS NULL ORDER BY epoch DESC LIMIT 1) earned ON true;
COMMENT ON VIEW balances IS 'What each sequencer has: in the contract its stake and its unclaimed rewards, and what the policy has it earn in the epochs that are over.';

CREATE VIEW claimable AS
WITH last_epoch AS (
    SELECT DISTINCT ON (policy) policy, epoch, entry FROM epoch WHERE void_by IS NULL ORDER BY policy, epoch DESC
), owed AS (
    SELECT DISTINCT ON (r.policy, r.sequencer) r.policy, r.sequencer, e.epoch, e.entry, r.cumulative_wei
    FROM epoch_reward r JOIN last_epoch e USING (policy)
    WHERE r.void_by IS NULL AND r.cumulative_wei > 0
    ORDER BY r.policy, r.sequencer, r.epoch DESC
)
SELECT o.policy, p.name AS policy_name, p.version AS policy_version, hex(p.policy_digest) AS policy_digest,
    'distribution'::text AS basis, o.sequencer, hex(named.address) AS recipient,
    o.cumulative_wei AS amount_wei, metis(o.cumulative_wei) AS amount_metis, o.epoch AS up_to_epoch, NULL::bigint AS up_to_batch,
    hex(d.root) AS root
FROM owed o JOIN feed p USING (policy)
LEFT JOIN distribution d ON d.policy = o.policy AND d.epoch = o.epoch AND d.void_by IS NULL
LEFT JOIN LATERAL (SELECT address FROM role_change c
    WHERE c.policy = o.policy AND c.sequencer = o.sequencer AND c.role = 'recipient' AND c.void_by IS NULL AND c.entry < o.entry
    ORDER BY c.entry DESC LIMIT 1) named ON true
UNION ALL
SELECT b.policy, b.policy_name, q.version, hex(q.policy_digest), 'contract', b.sequencer, hex(named.address),
    b.unclaimed_wei, b.unclaimed_metis, NULL,
    (SELECT max(batch) FROM batch c WHERE c.policy = b.policy AND c.void_by IS NULL), NULL
FROM balances b JOIN feed q USING (policy)
LEFT JOIN LATERAL (SELECT address FROM role_change c
    WHERE c.policy = b.policy AND c.sequencer = b.sequencer AND c.role = 'recipient' AND c.void_by IS NULL
    ORDER BY c.entry DESC LIMIT 1) named ON true
WHERE b.unclaimed_wei > 0;
COMMENT ON VIEW claimable IS 'What can be claimed: by the last distribution, since the beginning and whether it was claimed or not, by the recipient at the end of its epoch; and of the contract, what it holds unclaimed, by the recipient of now. A recipient of null is withheld until one is named.';

CREATE VIEW statements AS
SELECT line.policy, p.name AS policy_name, line.sequencer, line.entry, f.time, utc(f.time) AS utc, f.l1_block,
    hex(f.transaction) AS transaction, line.movement, line.amount_wei, metis(line.amount_wei) AS amount_metis, f.id AS fact
FROM (
    SELECT policy, entry, sequencer, 'earned' AS movement, reward_wei AS amount_wei FROM epoch_reward WHERE void_by IS NULL
    UNION ALL SELECT policy, entry, sequencer, 'credited', reward_wei FROM batch_credit WHERE void_by IS NULL
    UNION ALL SELECT policy, entry, sequencer, 'claimed', amount_wei FROM claim WHERE void_by IS NULL
    UNION ALL SELECT policy, entry, sequencer, change, amount_wei FROM stake_change
        WHERE void_by IS NULL AND amount_wei IS NOT NULL
    UNION ALL SELECT policy, entry, sequencer, 'relocked from reward', from_reward_wei FROM stake_change
        WHERE void_by IS NULL AND from_reward_wei IS NOT NULL
) line JOIN fact f USING (policy, entry) JOIN feed p USING (policy);
COMMENT ON VIEW statements IS 'What was moved, line by line. What is relocked from reward is a part of what is relocked.';

CREATE VIEW exits AS
SELECT t.policy, p.name AS policy_name, t.sequencer, f.time AS began, utc(f.time) AS began_utc, t.stake_wei,
    metis(t.stake_wei) AS stake_metis, t.stake_free_at, utc(t.stake_free_at) AS stake_free_utc,
    gone.time AS left_at, utc(gone.time) AS left_utc
FROM stake_change t JOIN fact f USING (policy, entry) JOIN feed p USING (policy)
LEFT JOIN LATERAL (SELECT g.time FROM stake_change c JOIN fact g USING (policy, entry)
    WHERE c.policy = t.policy AND c.sequencer = t.sequencer AND c.change = 'unlocked' AND c.void_by IS NULL
        AND c.entry > t.entry ORDER BY c.entry LIMIT 1) gone ON true
WHERE t.void_by IS NULL AND t.change = 'unlock_started';
COMMENT ON VIEW exits IS 'Who leaves: since when, with how much, when the stake is free, and when it was taken.';

-- What columns of the same name mean, in every view.
DO $$
DECLARE
    wanted record;
BEGIN
    FOR wanted IN
        SELECT c.relname AS view, a.attname AS name, meaning.says
        FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0
        LEFT JOIN (VALUES
            ('policy', 'The policy whose feed told it, as the tables know it.'),
            ('policy_name', 'The name of that policy.'),
            ('entry', 'The fact that says it, in the table fact.'),
            ('position', 'Which fact it is among those that hold, from 1 on.'),
            ('sequence', 'The sequence number that the server gave.'),
            ('cursor', 'The cursor of a reader that has it.'),
            ('id', 'The same for ever, whatever server says it.'),
            ('fact', 'The id of the fact that says it.'),
            ('type', 'What happened.'),
            ('body', 'All of the fact.'),
            ('time', 'When, in Unix seconds.'),
            ('utc', 'When.'),
            ('l1_block', 'The number of the L1 block.'),
            ('transaction', 'The hash of the L1 transaction.'),
            ('log_index', 'The index of the event among the logs of its block.'),
            ('committed_at', 'When it was written, and what it made void became void here, by the clock of the database.'),
            ('policy_version', 'The version of that policy.'),
            ('policy_digest', 'The digest of all rules of that policy: rows of another digest are of other rules.'),
            ('voided_facts', 'How many facts it made void that were told here.'),
            ('epoch', 'The number of the epoch, from 0.'),
            ('starts', 'When the epoch began, in Unix seconds.'),
            ('starts_utc', 'When the epoch began.'),
            ('ends', 'The first second after the epoch, in Unix seconds.'),
            ('ends_utc', 'The first second after the epoch.'),
            ('rate_source', 'What set the reward of its blocks: initial, window, operators or fixed.'),
            ('rate_mrr', 'The target that the rate was set with, a fraction of the stake for each year.'),
            ('reward_per_block_wei', 'What each block earned or earns, in wei.'),
            ('reward_per_block_metis', 'What each block earned or earns, in METIS.'),
            ('before_wei', 'The reward per block before, in wei.'),
            ('blocks', 'How many blocks were rewarded.'),
            ('reward_wei', 'What these blocks earned, in wei.'),
            ('reward_metis', 'What these blocks earned, in METIS.'),
            ('cumulative_wei', 'What was earned in this epoch and all before it, in wei.'),
            ('cumulative_metis', 'What was earned in this epoch and all before it, in METIS.'),
            ('digest', 'The digest of the epoch in the ledger.'),
            ('root', 'The root of the Merkle tree of the distribution.'),
            ('leaves_wei', 'What all leaves have together since the beginning, in wei.'),
            ('leaves_metis', 'What all leaves have together since the beginning, in METIS.'),
            ('withheld_wei', 'What is withheld from sequencers without a recipient, in wei.'),
            ('withheld_metis', 'What is withheld from sequencers without a recipient, in METIS.'),
            ('batch', 'The number of the batch.'),
            ('start_span', 'The first span of the batch.'),
            ('end_span', 'The last span of the batch.'),
            ('amount_wei', 'How much, in wei.'),
            ('amount_metis', 'How much, in METIS.'),
            ('sequencer', 'The id of the sequencer.'),
            ('unclaimed_wei', 'Its unclaimed rewards in the contract after that, in wei.'),
            ('unclaimed_metis', 'Its unclaimed rewards in the contract after that, in METIS.'),
            ('recipient', 'The address on L2 that gets it; null for none.'),
            ('change', 'How the stake changed: the type of the fact.'),
            ('from_reward_wei', 'What of a relock came from unclaimed rewards, in wei.'),
            ('stake_wei', 'The stake, in wei.'),
            ('stake_metis', 'The stake, in METIS.'),
            ('stake_free_at', 'From when on the stake can be taken out, in Unix seconds.'),
            ('stake_free_utc', 'From when on the stake can be taken out.'),
            ('role', 'signer, owner or recipient.'),
            ('address', 'The address from then on; null for none.'),
            ('is_paused', 'Whether it was paused; else it went on.'),
            ('credited_wei', 'What batches credited it with since the beginning, in wei.'),
            ('claimed_wei', 'What the contract paid out to it since the beginning, in wei.'),
            ('relocked_wei', 'What it locked of its rewards since the beginning, in wei.'),
            ('earned_wei', 'What the policy has it earn in the epochs that are over, in wei; null where there are none.'),
            ('earned_metis', 'What the policy has it earn in the epochs that are over, in METIS; null where there are none.'),
            ('earned_in_epoch', 'The last epoch in which it earned.'),
            ('basis', 'distribution: the policy pays it by Merkle trees. contract: the contract pays it.'),
            ('up_to_epoch', 'The last epoch that counts in a distribution.'),
            ('up_to_batch', 'The last batch that counts in the contract.'),
            ('movement', 'earned by the policy; credited, claimed, and what moved the stake, by the contract.'),
            ('began', 'When the exit began, in Unix seconds.'),
            ('began_utc', 'When the exit began.'),
            ('left_at', 'When the stake was taken out, in Unix seconds; null if it was not.'),
            ('left_utc', 'When the stake was taken out; null if it was not.')
        ) AS meaning (name, says) ON meaning.name = a.attname
        WHERE c.relkind = 'v' AND c.relnamespace = current_schema()::regnamespace
    LOOP
        EXECUTE format('COMMENT ON COLUMN %I.%I IS %L', wanted.view, wanted.name, wanted.says);
    END LOOP;
END $$;
