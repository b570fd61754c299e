-- What happened to machines without their owners asking for it, for them to read.
create table instance_note (
    instance_id uuid not null references instance (id) on update cascade,
    -- The same thing is noted once, however often it is heard of.
    dedupe text not null,
    at timestamptz not null,
    kind text not null,
    sentence text not null,
    -- Who did it, where that is known: an admin's sub, `aws`, or `machine`.
    actor text,
    primary key (instance_id, dedupe)
);

-- Repairs of what no execution would have repaired, for admins to count.
create table drift (
    at timestamptz not null,
    kind text not null,
    ec2_instance_id text not null
);

create index drift_at on drift (at);
