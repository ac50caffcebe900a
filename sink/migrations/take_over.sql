-- What was paid by the tables in {former} is taken over, which no feed tells. Nobody plans or pays meanwhile, and nobody by the
-- old tables after it.
LOCK TABLE "{former}".payout, "{former}".payment, "{schema}".payout, "{schema}".payment IN SHARE ROW EXCLUSIVE MODE;
DO $$
DECLARE
    lost text;
BEGIN
    SELECT string_agg(format('%s@%s, digest 0x%s', name, version, encode(policy_digest, 'hex')), '; ') INTO lost
        FROM "{former}".feed o
        WHERE NOT EXISTS (SELECT FROM "{schema}".feed n WHERE n.policy_digest = o.policy_digest)
            AND (EXISTS (SELECT FROM "{former}".payout t WHERE t.policy = o.policy)
                OR EXISTS (SELECT FROM "{former}".payment m WHERE m.policy = o.policy));
    IF lost IS NOT NULL THEN
        RAISE EXCEPTION 'schema {schema} has no feed of policy %, by which schema {former} has paid: write that feed first', lost;
    END IF;
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = '{former}_payer') THEN
        EXECUTE format('REVOKE INSERT ON %1$I.payout, %1$I.payment FROM %2$I', '{former}', '{former}_payer');
        EXECUTE format('REVOKE INSERT (policy, sequencer, cumulative_wei, previous_wei, recipient, epoch) ON %I.payout FROM %I', '{former}', '{former}_payer');
        EXECUTE format('REVOKE INSERT (reference, policy, sequencer, cumulative_wei, recipient, amount_wei, paid_at) ON %I.payment FROM %I', '{former}', '{former}_payer');
    END IF;
END $$;
INSERT INTO "{schema}".payout (policy, sequencer, cumulative_wei, previous_wei, recipient, epoch, planned_at, accepted)
SELECT n.policy, sequencer, cumulative_wei, previous_wei, recipient, epoch, planned_at, accepted
FROM "{former}".payout JOIN "{former}".feed o USING (policy) JOIN "{schema}".feed n USING (policy_digest)
ORDER BY sequencer, cumulative_wei;
INSERT INTO "{schema}".payout_superseded (policy, sequencer, cumulative_wei, recipient, epoch, superseded_at)
SELECT n.policy, sequencer, cumulative_wei, recipient, epoch, superseded_at
FROM "{former}".payout_superseded JOIN "{former}".feed o USING (policy) JOIN "{schema}".feed n USING (policy_digest);
INSERT INTO "{schema}".payment (reference, policy, sequencer, cumulative_wei, recipient, amount_wei, paid_at, accepted)
SELECT reference, n.policy, sequencer, cumulative_wei, recipient, amount_wei, paid_at, accepted
FROM "{former}".payment JOIN "{former}".feed o USING (policy) JOIN "{schema}".feed n USING (policy_digest);
