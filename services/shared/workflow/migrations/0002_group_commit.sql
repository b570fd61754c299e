-- Rows of executions are written several times in a short life. Room in their pages keeps such a write away from the
-- indexes whenever no indexed column changes, and from a new page; vacuum follows the churn, not the table's size.
-- Storage only: programs of before and after this migration read and write the same.
alter table execution set (
    fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000,
    autovacuum_analyze_scale_factor = 0.05
);
alter table execution_step set (
    fillfactor = 80, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 2000,
    autovacuum_analyze_scale_factor = 0.05
);
