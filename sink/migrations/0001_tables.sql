-- What the feed told, as it was told: nothing in these tables may still change, but that a rollback marks rows as void.

-- Without a scale, which would round what is given with decimals in silence.
CREATE DOMAIN wei AS numeric
    CHECK (VALUE >= 0 AND VALUE <= 115792089237316195423570985008687907853269984665640564039457584007913129639935
        AND scale(VALUE) = 0);
COMMENT ON DOMAIN wei IS 'An amount in wei, 10^-18 METIS: a whole number from 0 to 2^256 - 1.';
CREATE DOMAIN account AS bytea CHECK (octet_length(VALUE) = 20);
COMMENT ON DOMAIN account IS 'The 20 bytes of an address.';
CREATE DOMAIN digest AS bytea CHECK (octet_length(VALUE) = 32);
COMMENT ON DOMAIN digest IS 'The 32 bytes of a hash.';

CREATE TABLE feed (
    policy integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL,
    version bigint NOT NULL,
    policy_digest digest NOT NULL UNIQUE,
    entry bigint NOT NULL DEFAULT 0,
    sequence bigint NOT NULL DEFAULT 0,
    facts bigint NOT NULL DEFAULT 0,
    link digest NOT NULL DEFAULT decode(repeat('00', 32), 'hex'),
    cursor text NOT NULL DEFAULT '0',
    log_digest digest,
    final_l1_block bigint,
    final_l2_block bigint,
    committed_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE feed IS 'How far the feed of each policy is in these tables. It is written in the transaction that writes the facts.';
COMMENT ON COLUMN feed.policy IS 'The number by which the other tables know the policy; it is of this database alone.';
COMMENT ON COLUMN feed.name IS 'The name of the policy.';
COMMENT ON COLUMN feed.version IS 'The version of the policy.';
COMMENT ON COLUMN feed.policy_digest IS 'The digest of all rules of the policy.';
COMMENT ON COLUMN feed.entry IS 'The number of the last row of fact; 0 before the first.';
COMMENT ON COLUMN feed.sequence IS 'The sequence number of the last fact, as the server gave it.';
COMMENT ON COLUMN feed.facts IS 'How many facts hold.';
COMMENT ON COLUMN feed.link IS 'The digest of all facts that hold: BLAKE3 over the link before and the text of the fact; zeros before the first.';
COMMENT ON COLUMN feed.cursor IS 'The cursor to go on with, of this or of any server with the same history.';
COMMENT ON COLUMN feed.log_digest IS 'The head digest of the log that the last facts were told from.';
COMMENT ON COLUMN feed.final_l1_block IS 'The last L1 block of that log that was final.';
COMMENT ON COLUMN feed.final_l2_block IS 'The last L2 block of that log that was final.';
COMMENT ON COLUMN feed.committed_at IS 'When this row was last written, by the clock of the database.';

CREATE TABLE fact (
    policy integer NOT NULL REFERENCES feed,
    entry bigint NOT NULL,
    position bigint,
    sequence bigint NOT NULL,
    cursor text NOT NULL,
    link digest,
    id text NOT NULL,
    type text NOT NULL,
    time bigint,
    l1_block bigint,
    transaction digest,
    log_index bigint,
    body json NOT NULL,
    void_by bigint,
    committed_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (policy, entry),
    FOREIGN KEY (policy, void_by) REFERENCES fact,
    CHECK ((position IS NULL) = (link IS NULL)),
    CHECK ((position IS NULL) = (type = 'rollback'))
);
CREATE UNIQUE INDEX ON fact (policy, position) WHERE void_by IS NULL AND position IS NOT NULL;
CREATE UNIQUE INDEX ON fact (policy, id) WHERE void_by IS NULL AND position IS NOT NULL;
COMMENT ON TABLE fact IS 'Everything that the feed told, in order, void or not. Rows are never deleted.';
COMMENT ON COLUMN fact.policy IS 'The policy whose feed it is.';
COMMENT ON COLUMN fact.entry IS 'The place in this table, from 1 on without a gap.';
COMMENT ON COLUMN fact.position IS 'Which fact it was among those that held when it was told, from 1 on; null for a rollback.';
COMMENT ON COLUMN fact.sequence IS 'The sequence number that the server gave it. Others may give another.';
COMMENT ON COLUMN fact.cursor IS 'The cursor of a reader that has it.';
COMMENT ON COLUMN fact.link IS 'The digest of all facts that held up to it; null for a rollback.';
COMMENT ON COLUMN fact.id IS 'The same for ever, whatever server says it.';
COMMENT ON COLUMN fact.type IS 'What happened.';
COMMENT ON COLUMN fact.time IS 'When, in Unix seconds: the timestamp of the L1 block, or the end of the epoch; null for a rollback.';
COMMENT ON COLUMN fact.l1_block IS 'The number of the L1 block of the event; of a distribution, of the last event that counts.';
COMMENT ON COLUMN fact.transaction IS 'The hash of the L1 transaction of the event.';
COMMENT ON COLUMN fact.log_index IS 'The index of the event among the logs of its block.';
COMMENT ON COLUMN fact.body IS 'All of the fact, by the byte as it was told: its link is of this text.';
COMMENT ON COLUMN fact.void_by IS 'The entry of the rollback that made it void; null while it holds.';
COMMENT ON COLUMN fact.committed_at IS 'When it was written, by the clock of the database: of a rollback, when what it made void became void here.';

CREATE TABLE epoch (
    policy integer NOT NULL, entry bigint NOT NULL, void_by bigint,
    epoch bigint NOT NULL,
    starts bigint NOT NULL,
    ends bigint NOT NULL,
    rate_source text NOT NULL,
    reward_per_block_wei wei,
    blocks bigint NOT NULL,
    reward_wei wei NOT NULL,
    digest digest NOT NULL,
    PRIMARY KEY (policy, entry)
);
CREATE UNIQUE INDEX ON epoch (policy, epoch) WHERE void_by IS NULL;
COMMENT ON TABLE epoch IS 'Epochs that are over, of facts epoch_closed.';
COMMENT ON COLUMN epoch.epoch IS 'The number of the epoch, from 0.';
COMMENT ON COLUMN epoch.starts IS 'When it began, in Unix seconds.';
COMMENT ON COLUMN epoch.ends IS 'The first second after it, in Unix seconds.';
COMMENT ON COLUMN epoch.rate_source IS 'What set the reward of its blocks: initial, window, operators or fixed.';
COMMENT ON COLUMN epoch.reward_per_block_wei IS 'What every block of it earned, in wei; null unless all earned the same.';
COMMENT ON COLUMN epoch.blocks IS 'How many of its blocks were rewarded.';
COMMENT ON COLUMN epoch.reward_wei IS 'What these blocks earned, in wei.';
COMMENT ON COLUMN epoch.digest IS 'Its digest in the ledger.';

CREATE TABLE epoch_reward (
    policy integer NOT NULL, entry bigint NOT NULL, void_by bigint,
    epoch bigint NOT NULL,
    sequencer bigint NOT NULL,
    blocks bigint NOT NULL,
    reward_wei wei NOT NULL,
    cumulative_wei wei NOT NULL,
    PRIMARY KEY (policy, entry, sequencer)
);
CREATE UNIQUE INDEX ON epoch_reward (policy, sequencer, epoch) WHERE void_by IS NULL;
COMMENT ON TABLE epoch_reward IS 'What each sequencer earned in an epoch, of facts epoch_closed.';
COMMENT ON COLUMN epoch_reward.epoch IS 'The number of the epoch.';
COMMENT ON COLUMN epoch_reward.sequencer IS 'The id of the sequencer.';
COMMENT ON COLUMN epoch_reward.blocks IS 'How many of its blocks were rewarded in the epoch.';
COMMENT ON COLUMN epoch_reward.reward_wei IS 'What these blocks earned, in wei.';
COMMENT ON COLUMN epoch_reward.cumulative_wei IS 'What it has earned in this epoch and all before it, in wei.';

CREATE TABLE distribution (
    policy integer NOT NULL, entry bigint NOT NULL, void_by bigint,
    epoch bigint NOT NULL,
    root digest NOT NULL,
    leaves_wei wei NOT NULL,
    withheld_wei wei NOT NULL,
    PRIMARY KEY (policy, entry)
);
CREATE UNIQUE INDEX ON distribution (policy, epoch) WHERE void_by IS NULL;
COMMENT ON TABLE distribution IS 'Distributions that are frozen, of facts distribution_ready.';
COMMENT ON COLUMN distribution.epoch IS 'The last epoch that counts.';
COMMENT ON COLUMN distribution.root IS 'The root of the Merkle tree.';
COMMENT ON COLUMN distribution.leaves_wei IS 'What all leaves have together since the beginning, in wei.';
COMMENT ON COLUMN distribution.withheld_wei IS 'What is withheld from sequencers without a recipient, in wei.';

CREATE TABLE batch (
    policy integer NOT NULL, entry bigint NOT NULL, void_by bigint,
    batch bigint NOT NULL,
    start_span bigint NOT NULL,
    end_span bigint NOT NULL,
    reward_per_block_wei wei NOT NULL,
    amount_wei wei NOT NULL,
    PRIMARY KEY (policy, entry)
);
COMMENT ON TABLE batch IS 'Batches that the contract was paid, of facts batch_credited.';
COMMENT ON COLUMN batch.batch IS 'The number of the batch.';
COMMENT ON COLUMN batch.start_span IS 'Its first span.';
COMMENT ON COLUMN batch.end_span IS 'Its last span.';
COMMENT ON COLUMN batch.reward_per_block_wei IS 'What each block earned, in wei.';
COMMENT ON COLUMN batch.amount_wei IS 'What the event says it paid, in wei.';

CREATE TABLE batch_credit (
    policy integer NOT NULL, entry bigint NOT NULL, void_by bigint,
    batch bigint NOT NULL,
    sequencer bigint NOT NULL,
    blocks bigint NOT NULL,
    reward_wei wei NOT NULL,
    unclaimed_wei wei NOT NULL,
    PRIMARY KEY (policy, entry, sequencer)
);
CREATE INDEX ON batch_credit (policy, sequencer, entry) WHERE void_by IS NULL;
COMMENT ON TABLE batch_credit IS 'Whom a batch credited with how much, of facts batch_credited.';
COMMENT ON COLUMN batch_credit.batch IS 'The number of the batch.';
COMMENT ON COLUMN batch_credit.sequencer IS 'The id of the sequencer.';
COMMENT ON COLUMN batch_credit.blocks IS 'How many blocks it was credited with.';
COMMENT ON COLUMN batch_credit.reward_wei IS 'What these blocks earned, in wei.';
COMMENT ON COLUMN batch_credit.unclaimed_wei IS 'Its unclaimed rewards in the contract after it, in wei.';

CREATE TABLE claim (
    policy integer NOT NULL, entry bigint NOT NULL, void_by bigint,
    sequencer bigint NOT NULL,
    recipient account NOT NULL,
    amount_wei wei NOT NULL,
    unclaimed_wei wei NOT NULL,
    PRIMARY KEY (policy, entry)
);
CREATE INDEX ON claim (policy, sequencer, entry) WHERE void_by IS NULL;
COMMENT ON TABLE claim IS 'What the contract paid out to L2, of facts claimed.';
COMMENT ON COLUMN claim.sequencer IS 'The id of the sequencer.';
COMMENT ON COLUMN claim.recipient IS 'The address on L2 that got it.';
COMMENT ON COLUMN claim.amount_wei IS 'How much, in wei.';
COMMENT ON COLUMN claim.unclaimed_wei IS 'Its unclaimed rewards in the contract after it, in wei.';

CREATE TABLE stake_change (
    policy integer NOT NULL, entry bigint NOT NULL, void_by bigint,
    sequencer bigint NOT NULL,
    change text NOT NULL,
    amount_wei wei,
    from_reward_wei wei,
    stake_wei wei NOT NULL,
    unclaimed_wei wei,
    stake_free_at numeric(20, 0),
    PRIMARY KEY (policy, entry)
);
CREATE INDEX ON stake_change (policy, sequencer, entry) WHERE void_by IS NULL;
COMMENT ON TABLE stake_change IS 'How stakes came, grew, shrank and left, of facts locked, relocked, withdrawn, unlock_started and unlocked.';
COMMENT ON COLUMN stake_change.sequencer IS 'The id of the sequencer.';
COMMENT ON COLUMN stake_change.change IS 'The type of the fact.';
COMMENT ON COLUMN stake_change.amount_wei IS 'By how much, in wei; null for unlock_started, which moves nothing.';
COMMENT ON COLUMN stake_change.from_reward_wei IS 'What of a relock came from unclaimed rewards, in wei; else null.';
COMMENT ON COLUMN stake_change.stake_wei IS 'The stake after it, in wei: 0 once it was taken out.';
COMMENT ON COLUMN stake_change.unclaimed_wei IS 'After a relock, the unclaimed rewards in the contract, in wei; else null.';
COMMENT ON COLUMN stake_change.stake_free_at IS 'After unlock_started, from when on the stake can be taken out, in Unix seconds; else null.';

CREATE TABLE rate_change (
    policy integer NOT NULL, entry bigint NOT NULL, void_by bigint,
    reward_per_block_wei wei NOT NULL,
    before_wei wei NOT NULL,
    PRIMARY KEY (policy, entry)
);
COMMENT ON TABLE rate_change IS 'How the reward per block of the contract was set, of facts rate_changed.';
COMMENT ON COLUMN rate_change.reward_per_block_wei IS 'The reward per block from then on, in wei.';
COMMENT ON COLUMN rate_change.before_wei IS 'The reward per block before, in wei.';

CREATE TABLE role_change (
    policy integer NOT NULL, entry bigint NOT NULL, void_by bigint,
    sequencer bigint NOT NULL,
    role text NOT NULL,
    address account,
    PRIMARY KEY (policy, entry)
);
CREATE INDEX ON role_change (policy, sequencer, role, entry) WHERE void_by IS NULL;
COMMENT ON TABLE role_change IS 'Who signs for a sequencer, controls it and gets its rewards, of facts locked, signer_changed, owner_changed and recipient_changed.';
COMMENT ON COLUMN role_change.sequencer IS 'The id of the sequencer.';
COMMENT ON COLUMN role_change.role IS 'signer, owner or recipient.';
COMMENT ON COLUMN role_change.address IS 'The address from then on; null for a recipient that was taken back.';

CREATE TABLE pause_change (
    policy integer NOT NULL, entry bigint NOT NULL, void_by bigint,
    is_paused boolean NOT NULL,
    PRIMARY KEY (policy, entry)
);
COMMENT ON TABLE pause_change IS 'When nothing could be claimed of the contract, of facts paused and unpaused.';
COMMENT ON COLUMN pause_change.is_paused IS 'Whether it was paused; else it went on.';

-- What all rows have that go with a fact.
DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['epoch', 'epoch_reward', 'distribution', 'batch', 'batch_credit', 'claim',
        'stake_change', 'rate_change', 'role_change', 'pause_change']
    LOOP
        EXECUTE format('ALTER TABLE %I ADD FOREIGN KEY (policy, entry) REFERENCES fact', name);
        EXECUTE format('ALTER TABLE %I ADD FOREIGN KEY (policy, void_by) REFERENCES fact', name);
        EXECUTE format('COMMENT ON COLUMN %I.policy IS %L', name, 'The policy whose feed told it.');
        EXECUTE format('COMMENT ON COLUMN %I.entry IS %L', name, 'The fact that says it.');
        EXECUTE format('COMMENT ON COLUMN %I.void_by IS %L', name,
            'The entry of the rollback that made it void; null while it holds.');
    END LOOP;
END $$;
