-- Machines as CloudApp knows them, from the click until after their end.
create table instance (
    id uuid primary key,
    owner text not null,
    state text not null,
    configuration_id uuid not null,
    configuration_version int not null,
    configuration_name text not null,
    login_user text not null,
    on_stop text not null,
    boot_report_required boolean not null,
    ssh_public_key text,
    lifetime_hours int not null,
    max_lifetime_hours int not null,
    price_micros bigint,
    -- The newest execution.
    execution_id uuid not null,
    ec2_instance_id text unique,
    -- What EC2 said last: a hint or a describe, ordered by legal transition.
    ec2_state text,
    ec2_state_reason text,
    instance_type text,
    zone text,
    market text,
    host text,
    -- For its owner to read.
    reason text,
    failure jsonb,
    -- Who ended it, if not the owner.
    actor text,
    -- Raised by every start; boot reports belong to one.
    generation int not null default 1,
    -- When EC2 was asked for the current start.
    asked_at timestamptz,
    placed_at timestamptz,
    running_since timestamptz,
    created_at timestamptz not null,
    ready_at timestamptz,
    expires_at timestamptz,
    max_expires_at timestamptz,
    ended_at timestamptz,
    -- When the shared describe looks at it next.
    look_at timestamptz,
    -- Since when EC2 does not know it.
    missing_since timestamptz
);

create index instance_owner on instance (owner, id desc);
create index instance_live_owner on instance (owner) where state not in ('terminated', 'failed');
create index instance_look on instance (look_at) where look_at is not null;
create index instance_expiry on instance (expires_at) where state not in ('terminated', 'failed');

-- What EC2 is asked to make, written down before it is asked.
create table batch (
    id uuid primary key,
    configuration_id uuid not null,
    configuration_version int not null,
    created_at timestamptz not null
);

create table batch_member (
    batch_id uuid not null references batch (id),
    instance_id uuid not null unique references instance (id),
    position int not null,
    primary key (batch_id, position)
);

create table launch_attempt (
    batch_id uuid not null references batch (id),
    number int not null,
    client_token text not null unique,
    instance_type text not null,
    zone text,
    subnet text,
    market text not null,
    -- Frozen: a repeat under the same token must be the same request.
    parameters jsonb not null,
    -- intended: may have been executed; fulfilled; refused: certainly made nothing; ended: made something that is gone.
    state text not null check (state in ('intended', 'fulfilled', 'refused', 'ended')),
    refusal text,
    created_at timestamptz not null,
    -- When it was last sent without an answer that proves that it made nothing; null: it certainly made nothing so far.
    uncertain_since timestamptz,
    settled_at timestamptz,
    primary key (batch_id, number)
);

create unique index one_open_attempt on launch_attempt (batch_id) where state = 'intended';

create table boot_report (
    instance_id uuid not null references instance (id),
    boot_id uuid not null,
    generation int not null,
    outcome text not null check (outcome in ('success', 'failure')),
    log_tail text not null,
    host_keys jsonb not null,
    received_at timestamptz not null,
    primary key (instance_id, boot_id)
);

create index boot_report_generation on boot_report (instance_id, generation, received_at);

-- EC2's events about machines that no row knows (yet).
create table parked_event (
    ec2_instance_id text primary key,
    state text not null,
    received_at timestamptz not null
);

-- Executions are made by the workflow's own migrations, which run first. One thing at a time happens to a machine;
-- only its end may queue behind.
create unique index one_execution_per_instance on execution (subject)
    where state in ('pending', 'running') and kind <> 'destroy';
create unique index one_destroy_per_instance on execution (subject)
    where state in ('pending', 'running') and kind = 'destroy';
