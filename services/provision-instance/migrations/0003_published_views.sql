-- What other parts may read. These are contracts: columns are added, never changed.
create view execution_status as
    select id, kind, state, subject as instance_id, owner, failure, created_at, finished_at from execution;

create view instance_ref as
    select id, owner, ec2_instance_id, state, on_stop from instance;

create view revocation_current as
    select subject, not_before from revocation;

-- Roles are made by bootstrap; a schema that is tested alone has none.
do $$
declare
    grants constant text[][] := array[
        ['login', 'execution_status'], ['login', 'revocation_current'],
        ['stop_ec2', 'instance_ref'], ['stop_ec2', 'revocation_current'],
        ['configure', 'instance_ref'], ['configure', 'revocation_current']];
    pair text[];
begin
    foreach pair slice 1 in array grants loop
        if exists (select from pg_roles where rolname = pair[1]) then
            execute format('grant usage on schema %I to %I', current_schema(), pair[1]);
            execute format('grant select on %I to %I', pair[2], pair[1]);
        end if;
    end loop;
end $$;
