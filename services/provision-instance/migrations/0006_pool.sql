-- Warm pools. A spare is a machine that nobody has yet: `pool` says how it waits, its owner is reserved. Claiming it
-- makes it a user's in one statement: a new id, an owner, no `pool` any more.
alter table instance add column pool text check (pool in ('running', 'stopped'));
-- How a user's machine came about where a pool was meant to be ready: claimed from it, or missed because it was empty.
alter table instance add column warm text check (warm in ('claimed', 'missed'));

create index instance_spare on instance (configuration_id, configuration_version)
    where pool is not null and state not in ('terminated', 'failed');
create index instance_warm on instance (created_at) where warm is not null;

-- What belongs to a spare follows it to its user.
alter table batch_member
    drop constraint batch_member_instance_id_fkey,
    add constraint batch_member_instance_id_fkey
        foreign key (instance_id) references instance (id) on update cascade;
alter table boot_report
    drop constraint boot_report_instance_id_fkey,
    add constraint boot_report_instance_id_fkey
        foreign key (instance_id) references instance (id) on update cascade;

-- Versions whose spares fail, until one succeeds.
create table pool_trouble (
    configuration_id uuid not null,
    configuration_version int not null,
    failures int not null,
    failure jsonb,
    -- The newest one counted: undoing may happen twice.
    execution_id uuid not null,
    failed_at timestamptz not null,
    primary key (configuration_id, configuration_version)
);

-- A spare is nobody's machine: nothing outside this service acts on it.
create or replace view instance_ref as
    select id, owner, ec2_instance_id, state, on_stop from instance where pool is null;
