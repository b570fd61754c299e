-- Durable executions: one row each, one row per step. They live in the schema of the service that owns them.
create table execution (
    id uuid primary key,
    kind text not null,
    -- What the execution acts on.
    subject uuid not null,
    owner text not null,
    -- Frozen when it was accepted.
    input jsonb not null,
    state text not null check (state in ('pending', 'running', 'succeeded', 'failed', 'cancelled', 'stuck')),
    phase text not null check (phase in ('forward', 'undoing')),
    -- How it will end once everything is undone.
    ending text check (ending in ('failed', 'cancelled')),
    position int not null,
    -- Runs of the current step since it last got on; pushes next_run_at out before each run.
    attempt int not null default 0,
    step_started_at timestamptz,
    next_run_at timestamptz not null,
    -- Raised by everything that happens to the subject: a wait that missed one runs again at once.
    wakeups bigint not null default 0,
    lease_until timestamptz,
    lease_holder text,
    -- Raised by every claim; every write names the value it was claimed under.
    fence bigint not null default 0,
    deadline timestamptz not null,
    cancel jsonb,
    failure jsonb,
    created_at timestamptz not null,
    finished_at timestamptz
);

create index execution_due on execution (next_run_at) where state in ('pending', 'running');
create index execution_subject on execution (subject, created_at desc);

create table execution_step (
    execution_id uuid not null references execution (id) on delete cascade,
    position int not null,
    name text not null,
    state text not null check (state in ('pending', 'running', 'succeeded', 'failed', 'undone', 'skipped')),
    started_at timestamptz,
    finished_at timestamptz,
    detail text,
    primary key (execution_id, position)
);
