//! The statements of an assessment. Each is one autocommit statement on catalogs and statistics, reads no table of the
//! user's, and takes no lock that another waits for.

/// How we call ourselves in `pg_stat_activity`; what has this name is not counted.
pub const APPLICATION: &str = "crossover-assess";

/// What the server is, and whether we may see.
pub const SESSION: &str = "/* assess_session */
    SELECT current_setting('server_version') AS version, current_setting('server_version_num')::int4 AS version_num,
           current_user::text AS role, pg_is_in_recovery() AS is_standby,
           current_setting('default_transaction_read_only') = 'on' AND current_setting('transaction_read_only') = 'on'
               AS is_read_only,
           pg_has_role(current_user, 'pg_read_all_stats', 'USAGE') AS may_see,
           current_setting('track_activities') AS track_activities, current_setting('track_counts') AS track_counts,
           current_setting('max_connections')::int4 - current_setting('superuser_reserved_connections')::int4
               - coalesce(current_setting('reserved_connections', true)::int4, 0) AS connections_allowed";

/// All tables of the user's, a partitioned one without its partitions.
pub const TABLES: &str = "/* assess_tables */
    SELECT pg_class.oid, nspname::text AS schema, relname::text AS name
    FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
    WHERE relkind IN ('r', 'p') AND NOT relispartition AND nspname <> 'information_schema' AND nspname !~ '^pg_'
    ORDER BY 2, 3";

/// A table and its partitions. By the catalog: a function would lock them.
pub const RELATIONS: &str = "/* assess_relations */
    WITH RECURSIVE tree (oid) AS (
        SELECT $1::oid UNION SELECT inhrelid FROM pg_inherits JOIN tree ON inhparent = tree.oid
    )
    SELECT oid, relname::text AS name FROM tree JOIN pg_class USING (oid)";

/// Sizes; waits for whoever has the table locked whole.
pub const SIZES: &str = "/* assess_sizes */
    SELECT sum(pg_relation_size(oid))::int8 AS heap_bytes, sum(pg_indexes_size(oid))::int8 AS index_bytes
    FROM unnest($1::oid[]) AS oid";

/// Who is active, and what for. A row waiter waits for the holder's transaction while it holds the tuple lock that names the
/// table; those behind it in the queue wait for that tuple lock. `pg_locks` is read in the same look, and only if somebody
/// waits for a lock: a second look would miss every wait that ended in between.
pub const ACTIVITY: &str = "/* assess_activity */
    SELECT state = 'disabled' AS is_hidden, coalesce(wait_event_type, 'CPU') AS wait_type,
           coalesce(wait_event, '') AS event, coalesce(query_id::text, md5(query), '') AS statement,
           coalesce(query ~* $2, false) AS names_table, locked.relation::regclass::text AS relation,
           coalesce(locked.relation = ANY ($1::oid[]), false) AS on_table, count(*)::int4 AS count
    FROM pg_stat_activity AS activity
    LEFT JOIN LATERAL (
        SELECT coalesce(max(relation) FILTER (WHERE locktype = 'tuple' AND granted),
                        max(relation) FILTER (WHERE NOT granted)) AS relation
        FROM pg_locks WHERE activity.wait_event_type = 'Lock' AND pg_locks.pid = activity.pid
    ) AS locked ON true
    WHERE datname = current_database() AND backend_type = 'client backend' AND application_name <> 'crossover-assess'
      AND state IN ('active', 'fastpath function call', 'disabled')
    GROUP BY 1, 2, 3, 4, 5, 6, 7";

/// Counters of the job table.
pub const TABLE: &str = "/* assess_table */
    SELECT sum(n_tup_ins)::int8 AS inserted, sum(n_tup_upd)::int8 AS updated, sum(n_tup_del)::int8 AS deleted,
           sum(n_live_tup)::int8 AS live, sum(n_dead_tup)::int8 AS dead, sum(seq_scan)::int8 AS seq_scans,
           sum(seq_tup_read)::int8 AS seq_rows_read, sum(autovacuum_count)::int8 AS autovacuums,
           extract(epoch FROM clock_timestamp() - max(last_autovacuum))::float8 AS last_autovacuum_s
    FROM pg_stat_all_tables WHERE relid = ANY ($1::oid[])";

/// Client connections of the whole server.
pub const CONNECTIONS: &str = "/* assess_connections */
    SELECT count(*)::int4 AS total, (count(*) FILTER (WHERE state = 'active'))::int4 AS active,
           (count(*) FILTER (WHERE state = 'idle'))::int4 AS idle,
           (count(*) FILTER (WHERE state LIKE 'idle in transaction%'))::int4 AS idle_in_transaction
    FROM pg_stat_activity WHERE backend_type = 'client backend' AND application_name <> 'crossover-assess'";

/// What has been open for long, or holds back vacuum in this database. VACUUM itself does not; of a slot, only `xmin` counts
/// for tables of the user's.
pub const HOLDERS: &str = "/* assess_holders */
    SELECT 'transaction' AS kind, coalesce(nullif(application_name, ''), usename::text, '') AS name, pid,
           coalesce(state, '') AS state, extract(epoch FROM clock_timestamp() - xact_start)::float8 AS age_s,
           CASE WHEN query !~* '^\\s*vacuum' THEN greatest(age(backend_xmin), age(backend_xid)) END::int8 AS horizon
    FROM pg_stat_activity
    WHERE datname = current_database() AND backend_type = 'client backend' AND application_name <> 'crossover-assess'
      AND xact_start < clock_timestamp() - interval '5 seconds'
    UNION ALL
    SELECT 'prepared-transaction', gid, NULL, 'prepared', extract(epoch FROM clock_timestamp() - prepared)::float8,
           age(transaction)::int8
    FROM pg_prepared_xacts WHERE database = current_database()
    UNION ALL
    SELECT 'replication-slot', slot_name::text, active_pid, CASE WHEN active THEN 'active' ELSE 'inactive' END, NULL,
           age(xmin)::int8
    FROM pg_replication_slots WHERE xmin IS NOT NULL
    UNION ALL
    SELECT 'standby', coalesce(nullif(application_name, ''), client_addr::text, ''), pid, coalesce(state, ''), NULL,
           age(backend_xmin)::int8
    FROM pg_stat_replication WHERE backend_xmin IS NOT NULL";

/// In which schema `pg_stat_statements` is, if it is.
pub const STATEMENTS_SCHEMA: &str = "/* assess_statements_schema */
    SELECT quote_ident(nspname) FROM pg_extension JOIN pg_namespace ON pg_namespace.oid = extnamespace
    WHERE extname = 'pg_stat_statements'";

/// Statements with the table's name in them; `{schema}` is where the view is. Those of data only: others are kept with their
/// constants.
pub const STATEMENTS: &str = "/* assess_statements */
    SELECT queryid, left(regexp_replace(min(query), '\\s+', ' ', 'g'), 400) AS text, sum(calls)::int8 AS calls,
           sum(total_exec_time)::float8 AS total_ms, sum(rows)::int8 AS rows,
           sum(shared_blks_hit + shared_blks_read)::int8 AS blocks
    FROM {schema}.pg_stat_statements
    WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database())
      AND queryid IS NOT NULL AND query ~* $1 AND query !~ '^/[*] assess_'
      AND query ~* '^(\\s|/[*]([^*]|[*][^/])*[*]/)*(select|insert|update|delete|merge|with)\\y'
    GROUP BY queryid";
