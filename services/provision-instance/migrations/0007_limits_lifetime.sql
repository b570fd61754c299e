-- Limits that admins set. Where there is none, the operator's default holds.
create table limit_group (
    group_name text primary key,
    -- How many machines each member may have.
    per_member int check (per_member between 0 and 1000),
    -- How many machines all members may have together.
    together int check (together between 0 and 100000),
    changed_by text not null,
    changed_at timestamptz not null,
    check (per_member is not null or together is not null)
);

-- For one user, whatever their groups say.
create table limit_user (
    sub text primary key,
    machines int not null check (machines between 0 and 1000),
    changed_by text not null,
    changed_at timestamptz not null
);

alter table instance
    -- The owner's groups when it was asked for: by these it counts against what groups may have together.
    add column owner_groups text[] not null default '{}',
    -- When its owner is warned of its end next, and the end that this was planned for.
    add column warn_at timestamptz,
    add column warn_end timestamptz,
    -- The start (generation) for which the timetable below was made.
    add column timed_generation int,
    -- When its configuration's schedule stops it next.
    add column stop_at timestamptz,
    -- After how long without use it is stopped.
    add column idle_stop_minutes int,
    -- When it is stopped because nobody uses it; set with the warning, taken back when somebody does.
    add column idle_stop_at timestamptz;

create index instance_owner_groups on instance using gin (owner_groups)
    where state not in ('terminated', 'failed') and owner_groups <> '{}';
create index instance_unwarned on instance (id)
    where warn_end is distinct from expires_at and expires_at is not null and state not in ('terminated', 'failed');
create index instance_warn_at on instance (warn_at)
    where warn_at is not null and state not in ('terminated', 'failed');
create index instance_untimed on instance (id)
    where state = 'ready' and timed_generation is distinct from generation;
create index instance_stop_at on instance (stop_at) where state = 'ready' and stop_at is not null;
create index instance_idle_stop_at on instance (idle_stop_at) where state = 'ready' and idle_stop_at is not null;

-- The newest word of a machine about its use.
create table idle_report (
    instance_id uuid primary key references instance (id) on update cascade,
    generation int not null,
    boot_id uuid not null,
    -- The kernel's uptime, seconds: grows with every report of a boot, so that an old report is told apart.
    uptime_seconds bigint not null,
    received_at timestamptz not null,
    -- Since when nobody uses it; null while somebody does.
    idle_since timestamptz
);

create index idle_report_since on idle_report (idle_since) where idle_since is not null;
