-- Writes that were done already, so that a repeated request gets the answer of the first.
create table idempotency (
    owner text not null,
    key text not null,
    digest bytea not null,
    execution_id uuid not null,
    instance_id uuid not null,
    created_at timestamptz not null,
    primary key (owner, key)
);

-- What has to leave: written with the change that it tells, delivered at least once under a stable id.
create table outbox (
    id uuid primary key,
    seq bigint generated always as identity,
    topic text not null check (topic in ('login', 'admin', 'event')),
    -- The same thing is never told twice.
    dedupe text not null unique,
    payload jsonb not null,
    created_at timestamptz not null,
    next_try_at timestamptz not null,
    tries int not null default 0,
    delivered_at timestamptz,
    export_batch uuid
);

create index outbox_due on outbox (next_try_at) where delivered_at is null and topic <> 'event';
create index outbox_events on outbox (seq) where delivered_at is null and topic = 'event';

-- Which events belong to which object, decided before it is put: a repeated flush overwrites itself.
create table export_batch (
    id uuid primary key,
    object_key text not null,
    events int not null,
    created_at timestamptz not null,
    finished_at timestamptz
);

create table revocation (
    subject text primary key,
    not_before timestamptz not null
);

-- Work that one replica does for all.
create table duty (
    name text primary key,
    holder text not null,
    until timestamptz not null
);

-- Machines at EC2 that nobody seems to own: marked on one pass, removed on a later one.
create table orphan (
    ec2_instance_id text primary key,
    marked_at timestamptz not null
);
