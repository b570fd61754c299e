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
