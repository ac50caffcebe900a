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

CREATE TABLE payment (
    reference text PRIMARY KEY,
    policy integer NOT NULL REFERENCES feed,
    sequencer bigint NOT NULL,
    cumulative_wei wei NOT NULL,
    recipient account NOT NULL,
    amount_wei wei NOT NULL,
    paid_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX ON payment (policy, sequencer, cumulative_wei);
COMMENT ON TABLE payment IS 'What was paid, as the chain or the bank that paid it says. A payment that is written twice is one.';
COMMENT ON COLUMN payment.reference IS 'What tells the payment from all others, such as the hash of its transaction.';
COMMENT ON COLUMN payment.policy IS 'The policy of the payout that it is of.';
COMMENT ON COLUMN payment.sequencer IS 'The sequencer of the payout that it is of.';
COMMENT ON COLUMN payment.cumulative_wei IS 'The cumulative amount of the payout that it is of, in wei.';
COMMENT ON COLUMN payment.recipient IS 'The address that got it.';
COMMENT ON COLUMN payment.amount_wei IS 'How much it got, in wei.';
COMMENT ON COLUMN payment.paid_at IS 'When it was paid.';

CREATE VIEW due AS
SELECT c.policy, c.policy_name, c.sequencer, c.recipient, decode(substr(c.recipient, 3), 'hex') AS recipient_bytes,
    c.amount_wei AS cumulative_wei, planned.cumulative_wei AS previous_wei,
    c.amount_wei - coalesce(planned.cumulative_wei, 0) AS due_wei,
    metis(c.amount_wei - coalesce(planned.cumulative_wei, 0)) AS due_metis, c.up_to_epoch AS epoch
FROM claimable c
LEFT JOIN (SELECT policy, sequencer, max(cumulative_wei) AS cumulative_wei FROM payout GROUP BY policy, sequencer) planned
    USING (policy, sequencer)
WHERE c.basis = 'distribution' AND c.recipient IS NOT NULL AND c.amount_wei > coalesce(planned.cumulative_wei, 0);
COMMENT ON VIEW due IS 'What a policy owes and no payout is there for: insert it into payout, and then pay that.';
COMMENT ON COLUMN due.policy IS 'The policy, as the tables know it.';
COMMENT ON COLUMN due.policy_name IS 'The name of that policy.';
COMMENT ON COLUMN due.sequencer IS 'The id of the sequencer.';
COMMENT ON COLUMN due.recipient IS 'The address on L2 that is to get it.';
COMMENT ON COLUMN due.recipient_bytes IS 'The 20 bytes of that address.';
COMMENT ON COLUMN due.cumulative_wei IS 'What is owed since the beginning, in wei.';
COMMENT ON COLUMN due.previous_wei IS 'What was to be paid since the beginning so far, in wei; null for nothing.';
COMMENT ON COLUMN due.due_wei IS 'The difference of the two, in wei.';
COMMENT ON COLUMN due.due_metis IS 'The difference of the two, in METIS.';
COMMENT ON COLUMN due.epoch IS 'The last epoch that counts.';

CREATE VIEW payouts AS
SELECT t.policy, p.name AS policy_name, t.sequencer, t.cumulative_wei, t.amount_wei, metis(t.amount_wei) AS amount_metis,
    hex(t.recipient) AS recipient, t.epoch, t.planned_at,
    (SELECT count(*) FROM payment m WHERE (m.policy, m.sequencer, m.cumulative_wei) = (t.policy, t.sequencer, t.cumulative_wei)) AS payments,
    (SELECT min(m.paid_at) FROM payment m WHERE (m.policy, m.sequencer, m.cumulative_wei) = (t.policy, t.sequencer, t.cumulative_wei)) AS paid_at,
    t.cumulative_wei <= coalesce((SELECT r.cumulative_wei FROM epoch_reward r
        WHERE r.policy = t.policy AND r.sequencer = t.sequencer AND r.void_by IS NULL ORDER BY r.epoch DESC LIMIT 1), 0) AS is_owed,
    t.accepted
FROM payout t JOIN feed p USING (policy);
COMMENT ON VIEW payouts IS 'What is to be paid, and whether it was.';
COMMENT ON COLUMN payouts.policy IS 'The policy, as the tables know it.';
COMMENT ON COLUMN payouts.policy_name IS 'The name of that policy.';
COMMENT ON COLUMN payouts.sequencer IS 'The id of the sequencer.';
COMMENT ON COLUMN payouts.cumulative_wei IS 'What has been paid since the beginning once this is, in wei.';
COMMENT ON COLUMN payouts.amount_wei IS 'How much is to be paid, in wei.';
COMMENT ON COLUMN payouts.amount_metis IS 'How much is to be paid, in METIS.';
COMMENT ON COLUMN payouts.recipient IS 'The address on L2 that is to get it.';
COMMENT ON COLUMN payouts.epoch IS 'The last epoch that counts.';
COMMENT ON COLUMN payouts.planned_at IS 'When it was written, by the clock of the database.';
COMMENT ON COLUMN payouts.payments IS 'How many payments there are of it: 0 if it is still to be paid, and never more than 1.';
COMMENT ON COLUMN payouts.paid_at IS 'When it was paid; null if it was not.';
COMMENT ON COLUMN payouts.is_owed IS 'Whether so much is owed now: after a rollback it may not be, and then nothing of it is to be paid.';
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
SELECT fault.policy, p.name AS policy_name, fault.sequencer, fault.cumulative_wei, fault.fault, fault.expected, fault.found,
    fault.reference, fault.accepted
FROM (
    SELECT m.policy, m.sequencer, m.cumulative_wei, 'not planned' AS fault, 'a payout' AS expected, 'none' AS found, m.reference,
            NULL::text AS accepted
        FROM paid m LEFT JOIN payout t USING (policy, sequencer, cumulative_wei) WHERE t.policy IS NULL
    UNION ALL SELECT policy, sequencer, cumulative_wei, 'twice', 'one payment', format('payment %s', nth), reference, NULL
        FROM paid WHERE nth > 1
    UNION ALL SELECT m.policy, m.sequencer, m.cumulative_wei,
            CASE WHEN m.amount_wei > t.amount_wei THEN 'too much' ELSE 'too little' END,
            t.amount_wei::text, m.amount_wei::text, m.reference, NULL
        FROM paid m JOIN payout t USING (policy, sequencer, cumulative_wei) WHERE m.amount_wei <> t.amount_wei
    UNION ALL SELECT m.policy, m.sequencer, m.cumulative_wei, 'another recipient', hex(t.recipient), hex(m.recipient), m.reference, NULL
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
) fault JOIN feed p USING (policy);
COMMENT ON VIEW payout_faults IS 'What was paid twice, too much, too little, too late, to another recipient, without a payout, or for what is void since.';
COMMENT ON COLUMN payout_faults.policy IS 'The policy, as the tables know it.';
COMMENT ON COLUMN payout_faults.policy_name IS 'The name of that policy.';
COMMENT ON COLUMN payout_faults.sequencer IS 'The id of the sequencer.';
COMMENT ON COLUMN payout_faults.cumulative_wei IS 'The cumulative amount of the payout, in wei.';
COMMENT ON COLUMN payout_faults.fault IS 'twice, too much, too little, too late (the next epoch was over), another recipient, not planned, void (more than is owed now), or void, not paid yet.';
COMMENT ON COLUMN payout_faults.expected IS 'How it should be.';
COMMENT ON COLUMN payout_faults.found IS 'How it is.';
COMMENT ON COLUMN payout_faults.reference IS 'The payment that it is about; null if it is about the payout.';
COMMENT ON COLUMN payout_faults.accepted IS 'Why a payout of what is void since is left as it is; null for none.';
