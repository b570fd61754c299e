-- Spares that have ended are forgotten after a while, and what made and ended them. Only adds.
create index instance_ended_spare on instance (ended_at) where pool is not null and ended_at is not null;
create index execution_of_pool on execution (finished_at) where owner = 'cloudapp:pool' and finished_at is not null;
