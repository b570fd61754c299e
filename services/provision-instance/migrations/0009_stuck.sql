-- Executions that wait for a person are few, and looked for often.
create index execution_stuck on execution (id) where state = 'stuck';
