-- For a service that pays what a policy gives: what it is going to pay, and what was paid.

CREATE TABLE payout (
    policy integer NOT NULL REFERENCES feed,
    sequencer bigint NOT NULL,
    cumulative_wei wei NOT NULL,
    previous_wei wei,
    amount_wei wei NOT NULL GENERATED ALWAYS AS (cumulative_wei - coalesce(previous_wei, 0)) STORED,
    recipient account NOT NULL,
    epoch bigint NOT NULL,
    planned_at timestamptz NOT NULL DEFAULT now(),
    accepted text,
    PRIMARY KEY (policy, sequencer, cumulative_wei),
    -- Each goes on where another ends, and no two from the same: so all of them together never come to more than the last.
    FOREIGN KEY (policy, sequencer, previous_wei) REFERENCES payout,
    CHECK (cumulative_wei > coalesce(previous_wei, 0))
);
CREATE UNIQUE INDEX ON payout (policy, sequencer, coalesce(previous_wei, 0));
COMMENT ON TABLE payout IS 'What is to be paid, written and committed before it is: its key is that of the payment.';
COMMENT ON COLUMN payout.policy IS 'The policy by which it is paid.';
COMMENT ON COLUMN payout.sequencer IS 'The id of the sequencer whose reward it is.';
COMMENT ON COLUMN payout.cumulative_wei IS 'What has been paid since the beginning once this is, in wei.';
COMMENT ON COLUMN payout.previous_wei IS 'What was to be paid since the beginning before it, in wei; null for the first.';
COMMENT ON COLUMN payout.amount_wei IS 'How much is to be paid: the difference of the two, in wei.';
COMMENT ON COLUMN payout.recipient IS 'The address on L2 that is to get it.';
COMMENT ON COLUMN payout.epoch IS 'The last epoch that counts.';
COMMENT ON COLUMN payout.planned_at IS 'When it was written, by the clock of the database.';
COMMENT ON COLUMN payout.accepted IS 'Why a payout of what is void since is left as it is, by whoever decided that; null for none.';

CREATE TABLE payout_superseded (
    policy integer NOT NULL,
    sequencer bigint NOT NULL,
    cumulative_wei wei NOT NULL,
    recipient account NOT NULL,
    epoch bigint NOT NULL,
    superseded_at timestamptz NOT NULL DEFAULT now(),
    FOREIGN KEY (policy, sequencer, cumulative_wei) REFERENCES payout
);
COMMENT ON TABLE payout_superseded IS 'To whom a payout was to go before a rollback named another recipient.';
COMMENT ON COLUMN payout_superseded.policy IS 'The policy of the payout.';
COMMENT ON COLUMN payout_superseded.sequencer IS 'The sequencer of the payout.';
COMMENT ON COLUMN payout_superseded.cumulative_wei IS 'The cumulative amount of the payout, in wei.';
COMMENT ON COLUMN payout_superseded.recipient IS 'The address that was to get it.';
COMMENT ON COLUMN payout_superseded.epoch IS 'The last epoch that counted.';
COMMENT ON COLUMN payout_superseded.superseded_at IS 'When that was changed, by the clock of the database.';

CREATE TABLE payment (
    reference text NOT NULL,
    policy integer NOT NULL REFERENCES feed,
    sequencer bigint NOT NULL,
    cumulative_wei wei NOT NULL,
    recipient account NOT NULL,
    amount_wei wei NOT NULL,
    paid_at timestamptz NOT NULL DEFAULT now(),
    accepted text,
    -- One transaction may make several payments.
    PRIMARY KEY (reference, policy, sequencer, cumulative_wei)
);
CREATE INDEX ON payment (policy, sequencer, cumulative_wei);
COMMENT ON TABLE payment IS 'What was paid, as the chain or the bank that paid it says. A payment that is written twice is one row.';
COMMENT ON COLUMN payment.reference IS 'What paid it, such as the hash of a transaction; one may pay several payouts.';
COMMENT ON COLUMN payment.policy IS 'The policy of the payout that it is of.';
COMMENT ON COLUMN payment.sequencer IS 'The sequencer of the payout that it is of.';
COMMENT ON COLUMN payment.cumulative_wei IS 'The cumulative amount of the payout that it is of, in wei.';
COMMENT ON COLUMN payment.recipient IS 'The address that got it.';
COMMENT ON COLUMN payment.amount_wei IS 'How much it got, in wei.';
COMMENT ON COLUMN payment.paid_at IS 'When it was paid.';
COMMENT ON COLUMN payment.accepted IS 'Why a payment of more than is owed is left as it is, by whoever decided that; null for none.';

CREATE VIEW due AS
SELECT c.policy, c.policy_name, c.policy_version, c.policy_digest, c.sequencer, c.recipient, decode(substr(c.recipient, 3), 'hex') AS recipient_bytes,
    c.amount_wei AS cumulative_wei, planned.cumulative_wei AS previous_wei,
    c.amount_wei - coalesce(planned.cumulative_wei, 0) AS due_wei,
    metis(c.amount_wei - coalesce(planned.cumulative_wei, 0)) AS due_metis, c.up_to_epoch AS epoch
FROM claimable c
LEFT JOIN (SELECT policy, sequencer, max(cumulative_wei) AS cumulative_wei FROM payout GROUP BY policy, sequencer) planned
    USING (policy, sequencer)
-- What is planned is of a distribution that is published.
WHERE c.basis = 'distribution' AND c.recipient IS NOT NULL AND c.root IS NOT NULL AND c.amount_wei > coalesce(planned.cumulative_wei, 0);
COMMENT ON VIEW due IS 'What a policy owes and no payout is there for: insert it into payout, and then pay that.';
COMMENT ON COLUMN due.policy IS 'The policy, as the tables know it.';
COMMENT ON COLUMN due.policy_name IS 'The name of that policy.';
COMMENT ON COLUMN due.policy_version IS 'The version of that policy.';
COMMENT ON COLUMN due.policy_digest IS 'The digest of all rules of that policy.';
COMMENT ON COLUMN due.sequencer IS 'The id of the sequencer.';
COMMENT ON COLUMN due.recipient IS 'The address on L2 that is to get it.';
COMMENT ON COLUMN due.recipient_bytes IS 'The 20 bytes of that address.';
COMMENT ON COLUMN due.cumulative_wei IS 'What is owed since the beginning, in wei.';
COMMENT ON COLUMN due.previous_wei IS 'What was to be paid since the beginning so far, in wei; null for nothing.';
COMMENT ON COLUMN due.due_wei IS 'The difference of the two, in wei.';
COMMENT ON COLUMN due.due_metis IS 'The difference of the two, in METIS.';
COMMENT ON COLUMN due.epoch IS 'The last epoch that counts.';

CREATE VIEW payouts AS
SELECT t.policy, p.name AS policy_name, p.version AS policy_version, hex(p.policy_digest) AS policy_digest, t.sequencer,
    t.cumulative_wei, t.amount_wei, metis(t.amount_wei) AS amount_metis,
    hex(t.recipient) AS recipient, t.epoch, t.planned_at,
    (SELECT count(*) FROM payment m WHERE (m.policy, m.sequencer, m.cumulative_wei) = (t.policy, t.sequencer, t.cumulative_wei)) AS payments,
    (SELECT min(m.paid_at) FROM payment m WHERE (m.policy, m.sequencer, m.cumulative_wei) = (t.policy, t.sequencer, t.cumulative_wei)) AS paid_at,
    t.cumulative_wei <= coalesce((SELECT r.cumulative_wei FROM epoch_reward r
        WHERE r.policy = t.policy AND r.sequencer = t.sequencer AND r.void_by IS NULL ORDER BY r.epoch DESC LIMIT 1), 0)
        AND EXISTS (SELECT FROM leaf l WHERE l.policy = t.policy AND l.sequencer = t.sequencer AND l.epoch = t.epoch
            AND l.recipient = t.recipient AND l.void_by IS NULL) AS is_owed,
    t.accepted
FROM payout t JOIN feed p USING (policy);
COMMENT ON VIEW payouts IS 'What is to be paid, and whether it was.';
COMMENT ON COLUMN payouts.policy IS 'The policy, as the tables know it.';
COMMENT ON COLUMN payouts.policy_name IS 'The name of that policy.';
COMMENT ON COLUMN payouts.policy_version IS 'The version of that policy.';
COMMENT ON COLUMN payouts.policy_digest IS 'The digest of all rules of that policy.';
COMMENT ON COLUMN payouts.sequencer IS 'The id of the sequencer.';
COMMENT ON COLUMN payouts.cumulative_wei IS 'What has been paid since the beginning once this is, in wei.';
COMMENT ON COLUMN payouts.amount_wei IS 'How much is to be paid, in wei.';
COMMENT ON COLUMN payouts.amount_metis IS 'How much is to be paid, in METIS.';
COMMENT ON COLUMN payouts.recipient IS 'The address on L2 that is to get it.';
COMMENT ON COLUMN payouts.epoch IS 'The last epoch that counts.';
COMMENT ON COLUMN payouts.planned_at IS 'When it was written, by the clock of the database.';
COMMENT ON COLUMN payouts.payments IS 'How many payments there are of it: 0 if it is still to be paid, and never more than 1.';
COMMENT ON COLUMN payouts.paid_at IS 'When it was paid; null if it was not.';
COMMENT ON COLUMN payouts.is_owed IS 'Whether so much is owed now, to this recipient: after a rollback it may not be, and then nothing of it is to be paid.';
COMMENT ON COLUMN payouts.accepted IS 'Why a payout of what is void since is left as it is; null for none.';

CREATE VIEW payout_faults AS
WITH owed AS (
    SELECT DISTINCT ON (policy, sequencer) policy, sequencer, cumulative_wei
    FROM epoch_reward WHERE void_by IS NULL ORDER BY policy, sequencer, epoch DESC
), told AS (
    SELECT t.*, e.ends + (e.ends - e.starts) AS late_from,
        EXISTS (SELECT FROM epoch n WHERE n.policy = t.policy AND n.epoch = t.epoch + 1 AND n.void_by IS NULL) AS is_late,
        coalesce(o.cumulative_wei, 0) AS owed_wei, l.recipient AS named
    FROM payout t
    LEFT JOIN epoch e ON e.policy = t.policy AND e.epoch = t.epoch AND e.void_by IS NULL
    LEFT JOIN owed o ON o.policy = t.policy AND o.sequencer = t.sequencer
    LEFT JOIN leaf l ON l.policy = t.policy AND l.sequencer = t.sequencer AND l.epoch = t.epoch AND l.void_by IS NULL
), paid AS (
    SELECT m.*, row_number() OVER (PARTITION BY policy, sequencer, cumulative_wei ORDER BY paid_at, reference) AS nth FROM payment m
)
SELECT fault.policy, p.name AS policy_name, p.version AS policy_version, hex(p.policy_digest) AS policy_digest, fault.sequencer, fault.cumulative_wei, fault.fault, fault.expected, fault.found,
    fault.reference, fault.accepted
FROM (
    SELECT m.policy, m.sequencer, m.cumulative_wei, 'not planned' AS fault, 'a payout' AS expected, 'none' AS found, m.reference,
            m.accepted
        FROM paid m LEFT JOIN payout t USING (policy, sequencer, cumulative_wei) WHERE t.policy IS NULL
    UNION ALL SELECT policy, sequencer, cumulative_wei, 'twice', 'one payment', format('payment %s', nth), reference, accepted
        FROM paid WHERE nth > 1
    UNION ALL SELECT m.policy, m.sequencer, m.cumulative_wei,
            CASE WHEN m.amount_wei > t.amount_wei THEN 'too much' ELSE 'too little' END,
            t.amount_wei::text, m.amount_wei::text, m.reference, m.accepted
        FROM paid m JOIN payout t USING (policy, sequencer, cumulative_wei) WHERE m.amount_wei <> t.amount_wei
    UNION ALL SELECT m.policy, m.sequencer, m.cumulative_wei, 'another recipient', hex(t.recipient), hex(m.recipient), m.reference, m.accepted
        FROM paid m JOIN payout t USING (policy, sequencer, cumulative_wei) WHERE m.recipient <> t.recipient
    UNION ALL SELECT t.policy, t.sequencer, t.cumulative_wei, 'another recipient', hex(t.named), hex(t.recipient), NULL, t.accepted
        FROM told t WHERE t.named <> t.recipient
    UNION ALL SELECT m.policy, m.sequencer, m.cumulative_wei, 'too late', to_char(utc(t.late_from) AT TIME ZONE 'UTC', '"before" YYYY-MM-DD HH24:MI:SS"Z"'), to_char(m.paid_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS"Z"'),
            m.reference, NULL
        FROM paid m JOIN told t USING (policy, sequencer, cumulative_wei) WHERE m.paid_at >= utc(t.late_from)
    UNION ALL SELECT t.policy, t.sequencer, t.cumulative_wei, 'too late', to_char(utc(t.late_from) AT TIME ZONE 'UTC', '"before" YYYY-MM-DD HH24:MI:SS"Z"'), 'not paid yet', NULL, NULL
        FROM told t
        WHERE t.is_late AND NOT EXISTS (SELECT FROM payment m
            WHERE (m.policy, m.sequencer, m.cumulative_wei) = (t.policy, t.sequencer, t.cumulative_wei))
    UNION ALL SELECT t.policy, t.sequencer, t.cumulative_wei, CASE WHEN m.reference IS NULL THEN 'void, not paid yet' ELSE 'void' END,
            format('at most %s', t.owed_wei), t.cumulative_wei::text, m.reference, t.accepted
        FROM told t LEFT JOIN paid m USING (policy, sequencer, cumulative_wei) WHERE t.cumulative_wei > t.owed_wei
    -- Whoever accepts a payout lets so much be paid; a payment that is accepted does not count.
    UNION ALL SELECT s.policy, s.sequencer, s.cumulative_wei, 'more than owed',
            format('at most %s', greatest(coalesce(o.cumulative_wei, 0), a.cumulative_wei)), s.paid_wei::text, NULL, NULL
        FROM (SELECT policy, sequencer, max(cumulative_wei::numeric) AS cumulative_wei, sum(amount_wei) AS paid_wei
            FROM payment WHERE accepted IS NULL GROUP BY policy, sequencer) s
        LEFT JOIN owed o USING (policy, sequencer)
        LEFT JOIN (SELECT policy, sequencer, max(cumulative_wei::numeric) AS cumulative_wei
            FROM payout WHERE accepted IS NOT NULL GROUP BY policy, sequencer) a USING (policy, sequencer)
        WHERE s.paid_wei > greatest(coalesce(o.cumulative_wei, 0), a.cumulative_wei)
) fault JOIN feed p USING (policy);
COMMENT ON VIEW payout_faults IS 'What was paid twice, too much, too little, too late, to another recipient, without a payout, for what is void since, or beyond all that is owed.';
COMMENT ON COLUMN payout_faults.policy IS 'The policy, as the tables know it.';
COMMENT ON COLUMN payout_faults.policy_name IS 'The name of that policy.';
COMMENT ON COLUMN payout_faults.policy_version IS 'The version of that policy.';
COMMENT ON COLUMN payout_faults.policy_digest IS 'The digest of all rules of that policy.';
COMMENT ON COLUMN payout_faults.sequencer IS 'The id of the sequencer.';
COMMENT ON COLUMN payout_faults.cumulative_wei IS 'The cumulative amount of the payout, in wei.';
COMMENT ON COLUMN payout_faults.fault IS 'twice, too much, too little, too late (the next epoch was over), another recipient, not planned, void (more than is owed now), void, not paid yet, or more than owed (all payments of the sequencer together).';
COMMENT ON COLUMN payout_faults.expected IS 'How it should be.';
COMMENT ON COLUMN payout_faults.found IS 'How it is.';
COMMENT ON COLUMN payout_faults.reference IS 'The payment that it is about; null if it is about the payout.';
COMMENT ON COLUMN payout_faults.accepted IS 'Why it is left as it is; null for none.';

-- A payer may not change payouts; this changes those alone that nobody has paid and whose recipient is no longer the one that a
-- distribution names. The key stays, so that a bank that has paid it all the same does not pay again.
CREATE FUNCTION supersede(of_policy integer) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    changed bigint;
BEGIN
    WITH named AS (
        SELECT t.policy, t.sequencer, t.cumulative_wei, t.recipient AS former, t.epoch AS former_epoch, l.recipient, l.epoch
        FROM payout t JOIN LATERAL (SELECT recipient, epoch FROM leaf
            WHERE leaf.policy = t.policy AND leaf.sequencer = t.sequencer AND leaf.epoch >= t.epoch
                AND leaf.cumulative_wei >= t.cumulative_wei AND leaf.void_by IS NULL
            ORDER BY leaf.epoch LIMIT 1) l ON l.recipient <> t.recipient
        WHERE t.policy = of_policy AND NOT EXISTS (SELECT FROM payment m
            WHERE (m.policy, m.sequencer, m.cumulative_wei) = (t.policy, t.sequencer, t.cumulative_wei))
        FOR UPDATE OF t
    ), kept AS (
        INSERT INTO payout_superseded (policy, sequencer, cumulative_wei, recipient, epoch)
        SELECT policy, sequencer, cumulative_wei, former, former_epoch FROM named
    )
    UPDATE payout t SET recipient = n.recipient, epoch = n.epoch FROM named n
        WHERE (t.policy, t.sequencer, t.cumulative_wei) = (n.policy, n.sequencer, n.cumulative_wei);
    GET DIAGNOSTICS changed = ROW_COUNT;
    RETURN changed;
END $$;
COMMENT ON FUNCTION supersede IS 'Gives payouts without a payment to the recipient that the distribution names since a rollback; returns how many.';
REVOKE ALL ON FUNCTION supersede FROM PUBLIC;
