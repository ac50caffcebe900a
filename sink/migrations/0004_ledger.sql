-- The ledger by block of epochs that are over, with `--blocks`: a partition for each fact epoch_closed, which is written and
-- committed with it. A rollback makes the epoch void, and its blocks with it: no row of them is ever changed.

CREATE TABLE ledger (
    block bigint NOT NULL,
    time bigint NOT NULL,
    span bigint,
    sequencer bigint,
    effective_stake_wei wei,
    reward_wei wei,
    running_total_wei wei,
    unrewarded text,
    policy integer NOT NULL,
    entry bigint NOT NULL
) PARTITION BY RANGE (policy, entry);
-- Blocks come in order, so that the smallest and the largest number of each few pages are enough to find one.
CREATE INDEX ON ledger USING brin (block) WITH (pages_per_range = 16);
COMMENT ON TABLE ledger IS 'What each L2 block of an epoch earned, and for whom. It is only filled with --blocks.';
COMMENT ON COLUMN ledger.block IS 'The number of the L2 block.';
COMMENT ON COLUMN ledger.time IS 'The timestamp of the block, in Unix seconds.';
COMMENT ON COLUMN ledger.span IS 'The span that covers it; null if none does.';
COMMENT ON COLUMN ledger.sequencer IS 'The id of the sequencer that made it; null if it is not known.';
COMMENT ON COLUMN ledger.effective_stake_wei IS 'The stake of the sequencer at that time, capped, in wei; null for a block that earned nothing.';
COMMENT ON COLUMN ledger.reward_wei IS 'What the block earned, in wei; null for a block that earned nothing.';
COMMENT ON COLUMN ledger.running_total_wei IS 'What the sequencer has earned up to this block, with it, in wei; null for a block that earned nothing.';
COMMENT ON COLUMN ledger.unrewarded IS 'Why the block earned nothing: before_genesis, no_producer, unknown_signer or after_unlock; null if it earned.';
COMMENT ON COLUMN ledger.policy IS 'The policy whose feed told of the epoch.';
COMMENT ON COLUMN ledger.entry IS 'The fact epoch_closed of the epoch that the block is in.';

CREATE TABLE ledger_epoch (
    policy integer NOT NULL, entry bigint NOT NULL, void_by bigint,
    epoch bigint NOT NULL,
    first_block bigint,
    last_block bigint,
    blocks bigint NOT NULL,
    rewarded_blocks bigint NOT NULL,
    reward_wei wei NOT NULL,
    digest digest NOT NULL,
    PRIMARY KEY (policy, entry),
    FOREIGN KEY (policy, entry) REFERENCES fact,
    FOREIGN KEY (policy, void_by) REFERENCES fact
);
COMMENT ON TABLE ledger_epoch IS 'The epochs whose ledger by block is in the table ledger, with what that comes to.';
COMMENT ON COLUMN ledger_epoch.policy IS 'The policy whose feed told of the epoch.';
COMMENT ON COLUMN ledger_epoch.entry IS 'The fact epoch_closed of the epoch.';
COMMENT ON COLUMN ledger_epoch.void_by IS 'The entry of the rollback that made it void; null while it holds.';
COMMENT ON COLUMN ledger_epoch.epoch IS 'The number of the epoch, from 0.';
COMMENT ON COLUMN ledger_epoch.first_block IS 'Its first L2 block; null if it has none.';
COMMENT ON COLUMN ledger_epoch.last_block IS 'Its last L2 block; null if it has none.';
COMMENT ON COLUMN ledger_epoch.blocks IS 'How many blocks it has, rewarded or not.';
COMMENT ON COLUMN ledger_epoch.rewarded_blocks IS 'How many of them were rewarded.';
COMMENT ON COLUMN ledger_epoch.reward_wei IS 'What these earned, in wei.';
COMMENT ON COLUMN ledger_epoch.digest IS 'BLAKE3 of its rows in the order of blocks, columns block to unrewarded, as binary COPY writes them.';

CREATE VIEW ledger_blocks AS
SELECT b.policy, p.name AS policy_name, e.epoch, b.block, b.time, utc(b.time) AS utc, b.span, b.sequencer,
    b.effective_stake_wei, metis(b.effective_stake_wei) AS effective_stake_metis, b.reward_wei, metis(b.reward_wei) AS reward_metis,
    b.running_total_wei, metis(b.running_total_wei) AS running_total_metis, b.unrewarded, b.entry
FROM ledger b JOIN epoch e USING (policy, entry) JOIN feed p USING (policy)
WHERE e.void_by IS NULL;
COMMENT ON VIEW ledger_blocks IS 'The ledger by block of the epochs that are over.';
COMMENT ON COLUMN ledger_blocks.policy IS 'The policy whose feed told it, as the tables know it.';
COMMENT ON COLUMN ledger_blocks.policy_name IS 'The name of that policy.';
COMMENT ON COLUMN ledger_blocks.epoch IS 'The number of the epoch, from 0.';
COMMENT ON COLUMN ledger_blocks.block IS 'The number of the L2 block.';
COMMENT ON COLUMN ledger_blocks.time IS 'The timestamp of the block, in Unix seconds.';
COMMENT ON COLUMN ledger_blocks.utc IS 'The timestamp of the block.';
COMMENT ON COLUMN ledger_blocks.span IS 'The span that covers it; null if none does.';
COMMENT ON COLUMN ledger_blocks.sequencer IS 'The id of the sequencer that made it; null if it is not known.';
COMMENT ON COLUMN ledger_blocks.effective_stake_wei IS 'The stake of the sequencer at that time, capped, in wei; null for a block that earned nothing.';
COMMENT ON COLUMN ledger_blocks.effective_stake_metis IS 'The stake of the sequencer at that time, capped, in METIS; null for a block that earned nothing.';
COMMENT ON COLUMN ledger_blocks.reward_wei IS 'What the block earned, in wei; null for a block that earned nothing.';
COMMENT ON COLUMN ledger_blocks.reward_metis IS 'What the block earned, in METIS; null for a block that earned nothing.';
COMMENT ON COLUMN ledger_blocks.running_total_wei IS 'What the sequencer has earned up to this block, with it, in wei.';
COMMENT ON COLUMN ledger_blocks.running_total_metis IS 'What the sequencer has earned up to this block, with it, in METIS.';
COMMENT ON COLUMN ledger_blocks.unrewarded IS 'Why the block earned nothing; null if it earned.';
COMMENT ON COLUMN ledger_blocks.entry IS 'The fact epoch_closed of the epoch, in the table fact.';

-- A partition is made by these two, which run as the owner: whoever may run them need not own the ledger, and can change
-- nothing of it once it is there. Names are those of the schema, never of a table of the caller's that is called the same.
CREATE FUNCTION ledger_begin(of_policy integer, of_entry bigint) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    home text := current_schema();
    part text := format('ledger_%s_%s', of_policy, of_entry);
    writer text;
BEGIN
    EXECUTE format('CREATE TABLE %1$I.%2$I (LIKE %1$I.ledger INCLUDING COMMENTS, '
        'CHECK (policy = %3$s AND entry = %4$s))', home, part, of_policy, of_entry);
    EXECUTE format('ALTER TABLE %I.%I ALTER policy SET DEFAULT %s, ALTER entry SET DEFAULT %s', home, part, of_policy, of_entry);
    EXECUTE format('COMMENT ON TABLE %I.%I IS %L', home, part,
        format('The ledger by block of the epoch of fact %s of policy %s.', of_entry, of_policy));
    FOR writer IN
        SELECT a.grantee::regrole FROM pg_proc p, aclexplode(p.proacl) a
        WHERE p.oid = format('%I.ledger_begin(integer, bigint)', home)::regprocedure AND a.grantee NOT IN (0, p.proowner)
    LOOP
        EXECUTE format('GRANT INSERT ON %I.%I TO %s', home, part, writer);
    END LOOP;
    RETURN part;
END $$;
COMMENT ON FUNCTION ledger_begin IS 'Makes the table for the ledger by block of an epoch, and returns its name.';

CREATE FUNCTION ledger_end(of_policy integer, of_entry bigint) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    home text := current_schema();
    part text := format('ledger_%s_%s', of_policy, of_entry);
    writer text;
BEGIN
    FOR writer IN
        SELECT a.grantee::regrole FROM pg_class c, aclexplode(c.relacl) a
        WHERE c.oid = format('%I.%I', home, part)::regclass AND a.grantee NOT IN (0, c.relowner) AND a.privilege_type = 'INSERT'
    LOOP
        EXECUTE format('REVOKE INSERT ON %I.%I FROM %s', home, part, writer);
    END LOOP;
    -- It waits for no reader: the table is a part of the ledger only from here on.
    EXECUTE format('ALTER TABLE %1$I.ledger ATTACH PARTITION %1$I.%2$I FOR VALUES FROM (%3$s, %4$s) TO (%3$s, %5$s)',
        home, part, of_policy, of_entry, of_entry + 1);
END $$;
COMMENT ON FUNCTION ledger_end IS 'Makes the table for the ledger by block of an epoch a partition of the ledger.';
REVOKE ALL ON FUNCTION ledger_begin, ledger_end FROM PUBLIC;
