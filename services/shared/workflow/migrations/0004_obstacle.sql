-- What last stood in the way of undoing a step. Only adds: programs of before leave it empty.
alter table execution_step add column obstacle jsonb;
