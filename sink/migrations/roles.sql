-- Four roles for the schema {schema}, none of which can log in: grant them to those who do. Run it as one who may make roles,
-- after each `tally sink migrate`: it can be run any number of times.
DO $$
DECLARE
    role text;
    object record;
BEGIN
    FOREACH role IN ARRAY ARRAY['{schema}_owner', '{schema}_writer', '{schema}_reader', '{schema}_payer'] LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = role) THEN
            EXECUTE format('CREATE ROLE %I NOLOGIN', role);
        END IF;
    END LOOP;
    -- Everything in the schema is the owner's, who migrates.
    ALTER SCHEMA "{schema}" OWNER TO "{schema}_owner";
    FOR object IN
        SELECT format('ALTER TABLE %I.%I OWNER TO %I', '{schema}', relname, '{schema}_owner') AS command
        FROM pg_class WHERE relnamespace = '"{schema}"'::regnamespace AND relkind IN ('r', 'p', 'v')
        UNION ALL
        SELECT format('ALTER DOMAIN %I.%I OWNER TO %I', '{schema}', typname, '{schema}_owner')
        FROM pg_type WHERE typnamespace = '"{schema}"'::regnamespace AND typtype = 'd'
        UNION ALL
        SELECT format('ALTER FUNCTION %s OWNER TO %I', oid::regprocedure, '{schema}_owner')
        FROM pg_proc WHERE pronamespace = '"{schema}"'::regnamespace
    LOOP
        EXECUTE object.command;
    END LOOP;
END $$;
GRANT USAGE ON SCHEMA "{schema}" TO "{schema}_writer", "{schema}_reader", "{schema}_payer";
GRANT SELECT ON ALL TABLES IN SCHEMA "{schema}" TO "{schema}_writer", "{schema}_reader", "{schema}_payer";
-- The writer adds rows, marks them as void, and moves the cursor. It deletes nothing and changes no amount.
GRANT INSERT ON {tables} TO "{schema}_writer";
-- A script of before gave it the whole of feed: whose name and digest say who is paid by which rules.
REVOKE UPDATE ON "{schema}".feed FROM "{schema}_writer";
GRANT UPDATE (entry, sequence, facts, link, cursor, log_digest, final_l1_block, final_l2_block, committed_at)
    ON "{schema}".feed TO "{schema}_writer";
{voids}
GRANT EXECUTE ON FUNCTION "{schema}".ledger_begin, "{schema}".ledger_end TO "{schema}_writer";
-- The payer writes down what it is going to pay and what was paid, and changes neither.
GRANT INSERT (policy, sequencer, cumulative_wei, previous_wei, recipient, epoch) ON "{schema}".payout TO "{schema}_payer";
REVOKE INSERT ON "{schema}".payment FROM "{schema}_payer";
GRANT INSERT (reference, policy, sequencer, cumulative_wei, recipient, amount_wei, paid_at) ON "{schema}".payment TO "{schema}_payer";
GRANT EXECUTE ON FUNCTION "{schema}".supersede TO "{schema}_payer";
