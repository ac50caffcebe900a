-- Makes views in the schema {shown} of everything that is for readers in {schema}. Those of before are dropped and made anew in one
-- transaction: whoever reads {shown} sees one schema or the other. It is run again to show another schema, or a newer version.
BEGIN;
DO $$
BEGIN
    -- Nobody's own views are dropped.
    IF EXISTS (SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = '{shown}'
            AND coalesce(obj_description(n.oid, 'pg_namespace'), '') NOT LIKE 'What is in %, for readers.') THEN
        RAISE EXCEPTION 'schema {shown} was not made by this script, and is not empty: show the tables in another one';
    END IF;
END $$;
{take_over}CREATE SCHEMA IF NOT EXISTS "{shown}";
COMMENT ON SCHEMA "{shown}" IS 'What is in {schema}, for readers.';
GRANT USAGE ON SCHEMA "{shown}" TO PUBLIC;
DO $$
DECLARE
    object record;
    commented record;
    shown text;
    grants text[];
    command text;
BEGIN
    -- Who was given the views of before is given the new ones.
    SELECT coalesce(array_agg(format('GRANT %s ON %I.%I TO %s', a.privilege_type, '{shown}', c.relname,
            CASE WHEN a.grantee = 0 THEN 'PUBLIC' ELSE a.grantee::regrole::text END)), '{}') INTO grants
        FROM pg_class c, aclexplode(c.relacl) a
        WHERE c.relnamespace = '"{shown}"'::regnamespace AND c.relkind = 'v' AND a.grantee <> c.relowner
            AND EXISTS (SELECT FROM pg_class n WHERE n.relnamespace = '"{schema}"'::regnamespace AND n.relname = c.relname);
    FOR object IN SELECT relname FROM pg_class WHERE relnamespace = '"{shown}"'::regnamespace AND relkind = 'v' LOOP
        EXECUTE format('DROP VIEW %I.%I', '{shown}', object.relname);
    END LOOP;
    FOR object IN
        SELECT oid, relname, obj_description(oid, 'pg_class') AS says FROM pg_class
        WHERE relnamespace = '"{schema}"'::regnamespace AND (relkind = 'v' OR relname IN ('feed', 'payout', 'payment'))
        ORDER BY relname
    LOOP
        -- Of the types of a schema only what they are made of is shown: another schema has types of its own.
        SELECT string_agg(CASE WHEN t.typtype = 'd'
                THEN format('%1$I::%2$s AS %1$I', a.attname, format_type(t.typbasetype, t.typtypmod)) ELSE quote_ident(a.attname) END,
                ', ' ORDER BY a.attnum) INTO shown
            FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
            WHERE a.attrelid = object.oid AND a.attnum > 0 AND NOT a.attisdropped;
        EXECUTE format('CREATE VIEW %I.%I AS SELECT %s FROM %I.%I', '{shown}', object.relname, shown, '{schema}',
            object.relname);
        EXECUTE format('COMMENT ON VIEW %I.%I IS %L', '{shown}', object.relname, object.says);
        FOR commented IN
            SELECT attname, col_description(attrelid, attnum) AS says FROM pg_attribute
            WHERE attrelid = object.oid AND attnum > 0 AND NOT attisdropped
        LOOP
            EXECUTE format('COMMENT ON COLUMN %I.%I.%I IS %L', '{shown}', object.relname, commented.attname, commented.says);
        END LOOP;
        -- Whoever reads the schema that is shown may read what shows it.
        IF EXISTS (SELECT FROM pg_roles WHERE rolname = '{schema}_reader') THEN
            EXECUTE format('GRANT SELECT ON %I.%I TO %I', '{shown}', object.relname, '{schema}_reader');
        END IF;
    END LOOP;
    FOREACH command IN ARRAY grants LOOP
        EXECUTE command;
    END LOOP;
END $$;
COMMIT;
