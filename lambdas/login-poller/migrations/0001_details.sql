-- How one logs in to what an execution made, as the queue `cloudapp-login` brought it.
create table details (
    execution_id uuid primary key,
    owner_sub    text        not null check (owner_sub <> ''),
    -- UUIDv7 of the message: the greater one is the newer one.
    event_id     uuid        not null,
    payload      jsonb       not null check (jsonb_typeof(payload) = 'object'),
    updated_at   timestamptz not null
);
