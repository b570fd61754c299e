-- A configuration points at its versions; versions never change.
create table configuration (
    id uuid primary key,
    state text not null check (state in ('draft', 'published', 'retired')),
    latest_version int not null check (latest_version > 0),
    -- Only publishing moves it; it stays when the configuration is retired.
    published_version int check (published_version between 1 and latest_version),
    check (state <> 'published' or published_version is not null)
);

create table version (
    configuration_id uuid not null references configuration,
    version int not null check (version > 0),
    spec jsonb not null,
    author text not null,
    created_at timestamptz not null,
    primary key (configuration_id, version)
);

-- Which versions users could ever get: machines may still run them.
create table publication (
    configuration_id uuid not null,
    version int not null,
    author text not null,
    published_at timestamptz not null,
    primary key (configuration_id, version),
    foreign key (configuration_id, version) references version
);

-- A write's answer, kept so that its repetition gets the same one.
create table answer (
    caller text not null,
    idempotency_key text not null,
    request_digest bytea not null,
    -- Null only inside the transaction that claims the key.
    body jsonb,
    created_at timestamptz not null,
    primary key (caller, idempotency_key)
);

create index answer_created_at on answer (created_at);

create function refuse_change() returns trigger language plpgsql as $$
begin
    raise exception 'a version is never changed or removed';
end $$;

create trigger version_is_immutable before update or delete on version
    for each statement execute function refuse_change();

-- What provision-instance launches from. A contract: columns may be added, never changed or removed.
-- Publishing always takes the newest version, so the highest version here is the one that users get.
create view published_version as
    select version.configuration_id,
           version.version,
           configuration.state,
           version.spec ->> 'name' as name,
           version.spec
    from publication
    join version using (configuration_id, version)
    join configuration on configuration.id = configuration_id;

do $$
begin
    -- Roles belong to the cluster and are made elsewhere; a schema can be tested without its readers.
    if exists (select from pg_roles where rolname = 'provision') then
        execute format('grant usage on schema %I to provision', current_schema());
        grant select on published_version to provision;
    end if;
end $$;
