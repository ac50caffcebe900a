-- The leaves of distributions with their proofs: worked out from the facts, and only kept where their root is the published one.

CREATE TABLE leaf (
    policy integer NOT NULL, entry bigint NOT NULL, void_by bigint,
    epoch bigint NOT NULL,
    sequencer bigint NOT NULL,
    recipient account NOT NULL,
    cumulative_wei wei NOT NULL,
    proof bytea NOT NULL CHECK (octet_length(proof) % 32 = 0),
    PRIMARY KEY (policy, entry, sequencer),
    FOREIGN KEY (policy, entry) REFERENCES fact,
    FOREIGN KEY (policy, void_by) REFERENCES fact
);
CREATE UNIQUE INDEX ON leaf (policy, epoch, sequencer) WHERE void_by IS NULL;
COMMENT ON TABLE leaf IS 'Who can claim how much by the root of a distribution, and how it is proven.';
COMMENT ON COLUMN leaf.policy IS 'The policy whose feed told it.';
COMMENT ON COLUMN leaf.entry IS 'The fact distribution_ready whose root proves it.';
COMMENT ON COLUMN leaf.void_by IS 'The entry of the rollback that made it void; null while it holds.';
COMMENT ON COLUMN leaf.epoch IS 'The last epoch that counts.';
COMMENT ON COLUMN leaf.sequencer IS 'The id of the sequencer.';
COMMENT ON COLUMN leaf.recipient IS 'The address on L2 that was named at the end of the epoch.';
COMMENT ON COLUMN leaf.cumulative_wei IS 'What can be claimed since the beginning, claimed or not, in wei.';
COMMENT ON COLUMN leaf.proof IS 'The hashes to pair the leaf with, from its own level up, 32 bytes each.';

CREATE FUNCTION hashes(bytes bytea) RETURNS text[] IMMUTABLE STRICT PARALLEL SAFE LANGUAGE sql
    RETURN ARRAY(SELECT hex(substr(bytes, 32 * place + 1, 32))
        FROM generate_series(0, octet_length(bytes) / 32 - 1) AS place ORDER BY place);
COMMENT ON FUNCTION hashes IS 'Hashes of 32 bytes one after the other, as they are usually written.';

CREATE VIEW leaves AS
SELECT l.policy, p.name AS policy_name, l.entry, l.epoch, f.time AS ends, utc(f.time) AS ends_utc, f.l1_block, hex(d.root) AS root,
    l.sequencer, hex(l.recipient) AS recipient, l.cumulative_wei, metis(l.cumulative_wei) AS cumulative_metis,
    hashes(l.proof) AS proof
FROM leaf l JOIN distribution d USING (policy, entry) JOIN fact f USING (policy, entry) JOIN feed p USING (policy)
WHERE l.void_by IS NULL;
COMMENT ON VIEW leaves IS 'The leaves of every distribution, with the proofs for a contract that knows the root.';
COMMENT ON COLUMN leaves.policy IS 'The policy whose feed told it, as the tables know it.';
COMMENT ON COLUMN leaves.policy_name IS 'The name of that policy.';
COMMENT ON COLUMN leaves.entry IS 'The fact that says it, in the table fact.';
COMMENT ON COLUMN leaves.epoch IS 'The last epoch that counts.';
COMMENT ON COLUMN leaves.ends IS 'The first second after the epoch, in Unix seconds.';
COMMENT ON COLUMN leaves.ends_utc IS 'The first second after the epoch.';
COMMENT ON COLUMN leaves.l1_block IS 'The L1 block of the last event that counts.';
COMMENT ON COLUMN leaves.root IS 'The root of the Merkle tree.';
COMMENT ON COLUMN leaves.sequencer IS 'The id of the sequencer.';
COMMENT ON COLUMN leaves.recipient IS 'The address on L2 that can claim.';
COMMENT ON COLUMN leaves.cumulative_wei IS 'What can be claimed since the beginning, in wei.';
COMMENT ON COLUMN leaves.cumulative_metis IS 'What can be claimed since the beginning, in METIS.';
COMMENT ON COLUMN leaves.proof IS 'The hashes to pair the leaf with, from its own level up.';

CREATE OR REPLACE VIEW claimable AS
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
    hex(d.root) AS root, hashes(l.proof) AS proof
FROM owed o JOIN feed p USING (policy)
LEFT JOIN distribution d ON d.policy = o.policy AND d.epoch = o.epoch AND d.void_by IS NULL
LEFT JOIN leaf l ON l.policy = o.policy AND l.epoch = o.epoch AND l.sequencer = o.sequencer AND l.void_by IS NULL
LEFT JOIN LATERAL (SELECT address FROM role_change c
    WHERE c.policy = o.policy AND c.sequencer = o.sequencer AND c.role = 'recipient' AND c.void_by IS NULL AND c.entry < o.entry
    ORDER BY c.entry DESC LIMIT 1) named ON true
UNION ALL
SELECT b.policy, b.policy_name, q.version, hex(q.policy_digest), 'contract', b.sequencer, hex(named.address),
    b.unclaimed_wei, b.unclaimed_metis, NULL,
    (SELECT max(batch) FROM batch c WHERE c.policy = b.policy AND c.void_by IS NULL), NULL, NULL
FROM balances b JOIN feed q USING (policy)
LEFT JOIN LATERAL (SELECT address FROM role_change c
    WHERE c.policy = b.policy AND c.sequencer = b.sequencer AND c.role = 'recipient' AND c.void_by IS NULL
    ORDER BY c.entry DESC LIMIT 1) named ON true
WHERE b.unclaimed_wei > 0;
COMMENT ON COLUMN claimable.proof IS 'The hashes that prove it to a contract that knows the root; null where it is withheld, and for the contract.';
