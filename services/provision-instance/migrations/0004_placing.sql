-- Launches wait in a queue and are asked for in batches. Only adds: nothing that was there changes its meaning.

-- Where each launch stands with its machine.
create table placement (
    -- A spare that is claimed becomes another instance.
    instance_id uuid primary key references instance (id) on update cascade,
    configuration_id uuid not null,
    configuration_version int not null,
    owner text not null,
    -- Provision for later: every user comes first.
    pool boolean not null default false,
    -- waiting: in the queue; batched: being asked for; abandoned: as batched, but taken back; placed: has a machine;
    -- failed: cannot have one; left: taken back, and nothing was made.
    state text not null check (state in ('waiting', 'batched', 'abandoned', 'placed', 'failed', 'left')),
    -- The round in which it is served: one machine of each owner per round.
    turn bigint not null,
    enqueued_at timestamptz not null,
    batch_id uuid references batch (id),
    -- Offerings that were refused on the way, for the choice of the next one and for people.
    refusals jsonb not null default '[]',
    failure jsonb,
    check ((state = 'failed') = (failure is not null))
) with (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.05);

create index placement_queue on placement (pool, turn, enqueued_at) where state = 'waiting';
create index placement_owner on placement (owner, turn) where state = 'waiting';
create index placement_batch on placement (batch_id) where state in ('batched', 'abandoned');

-- Batches are leased as executions are.
alter table batch
    add column lease_until timestamptz,
    add column lease_holder text,
    -- Raised by every claim; every write names the value it was claimed under.
    add column fence bigint not null default 0,
    -- All members are provision for later.
    add column pool boolean not null default false,
    -- When to go on with it; null once it is settled.
    add column next_run_at timestamptz,
    -- Runs in a row that did not get on.
    add column tries int not null default 0;

create index batch_due on batch (next_run_at) where next_run_at is not null;

-- mismatched: EC2 says that its token belongs to another request; what was made is looked for, and never asked for.
alter table launch_attempt drop constraint launch_attempt_state_check;
alter table launch_attempt add constraint launch_attempt_state_check
    check (state in ('intended', 'mismatched', 'fulfilled', 'refused', 'ended'));
create index launch_attempt_open on launch_attempt (batch_id) where state in ('intended', 'mismatched');

-- Launches in the middle of the way before go on in the new one, with their tokens.
update batch set next_run_at = now()
    where exists (select from launch_attempt a where a.batch_id = batch.id and a.state = 'intended');
insert into placement (instance_id, configuration_id, configuration_version, owner, state, turn, enqueued_at, batch_id)
    select i.id, i.configuration_id, i.configuration_version, i.owner, 'batched', 0, i.created_at, m.batch_id
    from batch_member m join instance i on i.id = m.instance_id join batch b on b.id = m.batch_id
    where b.next_run_at is not null and i.ec2_instance_id is null and i.state not in ('terminated', 'failed');

-- Offerings that were refused lately: others pass them over for a while. No subnet is ''.
create table offering_memory (
    instance_type text not null,
    subnet text not null,
    market text not null,
    kind text not null check (kind in ('full', 'unsupported')),
    -- Refusals in a row.
    times int not null,
    until timestamptz not null,
    primary key (instance_type, subnet, market)
);

-- When its owner's tag was set at EC2; null: still to do.
alter table instance add column owner_tagged_at timestamptz;
create index instance_untagged on instance (placed_at)
    where owner_tagged_at is null and ec2_instance_id is not null and state not in ('terminated', 'failed');
